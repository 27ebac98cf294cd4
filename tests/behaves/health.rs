//! Target health: registering, checking, being of no use.

use crate::support::{ALTERNATE, PRODUCTION, Stage, refusal, stage, wait};

/// The health of the replacement's targets at times, in seconds since it was created.
async fn assert_health(scenario: &str, seen: &[(u64, &str)]) {
    let stage = stage(scenario);
    if scenario.contains("slowStart") {
        let update = stage.update_service();
        let update = update.health_check_grace_period_seconds(300);
        update.send().await.expect("updated");
    }
    stage.create_replacement().await;
    let mut now = 0;
    for (at, health) in seen {
        wait(at - now).await;
        now = *at;
        let seen = stage.health(ALTERNATE).await;
        assert_eq!(seen, [*health], "{scenario} at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_passes_through_registration_and_health_checks() {
    assert_health(
        r#"{"tasks": 1, "timings": {"jitterPercent": 0}}"#,
        &[
            (50, "initial/Elb.RegistrationInProgress"),
            (230, "initial/Elb.InitialHealthChecking"),
            (260, "healthy"),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_alb_registers_in_seconds() {
    let alb = r#"{"tasks": 1, "loadBalancer": "application"}"#;
    assert_health(alb, &[(120, "healthy")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_is_unhealthy_first_where_registration_is_fast() {
    assert_health(
        r#"{"tasks": 1, "loadBalancer": "application", "replacement": {"slowStartSeconds": 120}}"#,
        &[
            (100, "unhealthy/Target.FailedHealthChecks"),
            (280, "healthy"),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_group_in_no_listener_is_never_health_checked() {
    let stage = stage(r#"{"tasks": 1}"#);
    stage.create_replacement().await;
    wait(900).await;
    assert_eq!(stage.health(ALTERNATE).await, ["healthy"]);

    let test_listener = stage.listeners().await.remove(1).listener_arn;
    let delete = stage.elb.delete_listener();
    let delete = delete.set_listener_arn(test_listener).send();
    delete.await.expect("deleted");
    let group = stage.groups().await.remove(ALTERNATE);
    assert!(group.load_balancer_arns().is_empty());
    for seconds in [0, 3_600] {
        wait(seconds).await;
        assert_eq!(stage.health(ALTERNATE).await, ["unused/Target.NotInUse"]);
    }
}

#[tokio::test(start_paused = true)]
async fn weight_zero_is_in_use() {
    let stage = stage(r#"{"tasks": 1, "listeners": [{"port": 80, "role": "production"}]}"#);
    let (production, alternate) = stage.group_arns().await;
    let create = stage.create_task_set(&alternate);
    let (code, message) = refusal(create.clone().send().await);
    assert_eq!(code, "InvalidParameterException");
    let unused = "does not have an associated load balancer.";
    let wanted = format!("The target group with targetGroupArn {alternate} {unused}");
    assert_eq!(message, wanted);
    let weights = [(production.as_str(), 100), (alternate.as_str(), 0)];
    let modify = stage.forwarding(&weights).await;
    modify.send().await.expect("modified");
    let as_it_was = ["healthy"];
    assert_eq!(stage.health(PRODUCTION).await, as_it_was);
    create.send().await.expect("created");
    wait(900).await;
    assert_eq!(stage.health(ALTERNATE).await, ["healthy"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_later_turns_unhealthy_and_is_replaced() {
    let stage = stage(r#"{"tasks": 1, "replacement": {"unhealthyAfterSeconds": 600}}"#);
    let id = stage.create_replacement().await.id.expect("an id");
    wait(700).await;
    let events = stage.events();
    let healthy = Stage::when(&events, &["is healthy"]);
    let unhealthy = Stage::when(&events, &["is unhealthy"]);
    assert!(healthy + 300_000 < unhealthy);
    Stage::when(&events, &[&id, "failed ELB health checks"]);
    let draining = ["draining/Target.DeregistrationInProgress"];
    assert_eq!(stage.health(ALTERNATE).await, draining);
}
