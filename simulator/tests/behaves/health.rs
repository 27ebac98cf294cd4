//! Target health: registering, checking, being of no use.

use aws_sdk_elasticloadbalancingv2::types::TargetHealthReasonEnum;

use crate::support::{ALTERNATE, PRODUCTION, Stage, forward, refusal, scenario, stage, wait};

#[tokio::test(start_paused = true)]
async fn a_target_passes_through_registration_and_health_checks() {
    let stage = stage(&scenario(
        r#"{"tasks": 1, "timings": {"jitterPercent": 0}}"#,
    ));
    stage.create_replacement().await;
    wait(50).await;
    assert_eq!(
        stage.health(ALTERNATE).await,
        ["initial/Elb.RegistrationInProgress"]
    );
    wait(180).await;
    assert_eq!(
        stage.health(ALTERNATE).await,
        ["initial/Elb.InitialHealthChecking"]
    );
    wait(30).await;
    assert_eq!(stage.health(ALTERNATE).await, ["healthy"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_in_no_listener_is_never_health_checked() {
    let stage = stage(&scenario(r#"{"tasks": 1}"#));
    stage.create_replacement().await;
    wait(900).await;
    assert_eq!(stage.health(ALTERNATE).await, ["healthy"]);

    let test_listener = stage.listeners().await.remove(1);
    let arn = test_listener.listener_arn().expect("an ARN");
    stage
        .elb
        .delete_listener()
        .listener_arn(arn)
        .send()
        .await
        .expect("deleted");
    assert_eq!(stage.health(ALTERNATE).await, ["unused/Target.NotInUse"]);
    assert!(
        stage.groups().await[ALTERNATE]
            .load_balancer_arns()
            .is_empty()
    );
    wait(3_600).await;
    assert_eq!(stage.health(ALTERNATE).await, ["unused/Target.NotInUse"]);
}

#[tokio::test(start_paused = true)]
async fn weight_zero_is_in_use() {
    let stage = stage(&scenario(
        r#"{"tasks": 1, "listeners": [{"port": 80, "role": "production"}]}"#,
    ));
    let (production, alternate) = (
        stage.group_arn(PRODUCTION).await,
        stage.group_arn(ALTERNATE).await,
    );
    let (code, message) = refusal(stage.create_task_set(&alternate).send().await);
    assert_eq!(code, "InvalidParameterException");
    assert_eq!(
        message,
        format!(
            "The target group with targetGroupArn {alternate} does not have an associated load balancer."
        )
    );

    let listener = stage.listeners().await.remove(0);
    stage
        .elb
        .modify_listener()
        .listener_arn(listener.listener_arn().expect("an ARN"))
        .default_actions(forward(&[(&production, 100), (&alternate, 0)]))
        .send()
        .await
        .expect("modified");
    assert_eq!(
        stage.health(PRODUCTION).await,
        ["healthy"],
        "the one in use goes on as it was"
    );
    stage
        .create_task_set(&alternate)
        .send()
        .await
        .expect("created");
    wait(900).await;
    assert_eq!(stage.health(ALTERNATE).await, ["healthy"]);
}

#[tokio::test(start_paused = true)]
async fn an_alb_registers_in_seconds() {
    let stage = stage(&scenario(r#"{"tasks": 1, "loadBalancer": "application"}"#));
    stage.create_replacement().await;
    wait(120).await;
    assert_eq!(stage.health(ALTERNATE).await, ["healthy"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_is_unhealthy_first_where_registration_is_fast() {
    let stage = stage(&scenario(
        r#"{"tasks": 1, "loadBalancer": "application", "replacement": {"slowStartSeconds": 120}}"#,
    ));
    stage
        .ecs
        .update_service()
        .cluster(&stage.names.cluster)
        .service(&stage.names.service)
        .health_check_grace_period_seconds(300)
        .send()
        .await
        .expect("updated");
    stage.create_replacement().await;
    wait(100).await;
    assert_eq!(
        stage.health(ALTERNATE).await,
        ["unhealthy/Target.FailedHealthChecks"]
    );
    wait(180).await;
    assert_eq!(stage.health(ALTERNATE).await, ["healthy"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_later_turns_unhealthy_and_is_replaced() {
    let stage = stage(&scenario(
        r#"{"tasks": 1, "replacement": {"unhealthyAfterSeconds": 600}}"#,
    ));
    let id = stage.create_replacement().await.id.expect("an id");
    wait(700).await;
    let events = stage.events();
    let healthy = Stage::when(&events, &["is healthy"]);
    let unhealthy = Stage::when(&events, &["is unhealthy"]);
    assert!(healthy + 300_000 < unhealthy);
    Stage::when(&events, &[&id, "failed ELB health checks"]);
    assert_eq!(
        stage.health(ALTERNATE).await,
        ["draining/Target.DeregistrationInProgress"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_registered_by_hand_is_nobody() {
    let stage = stage(&scenario("{}"));
    let target = aws_sdk_elasticloadbalancingv2::types::TargetDescription::builder()
        .id("10.9.9.9")
        .port(8080)
        .build();
    let alternate = stage.group_arn(ALTERNATE).await;
    let health = |arn: String| {
        stage
            .elb
            .describe_target_health()
            .target_group_arn(arn)
            .targets(target.clone())
            .send()
    };
    let before = health(alternate.clone()).await.expect("described");
    let reason = before.target_health_descriptions()[0]
        .target_health()
        .and_then(|health| health.reason());
    assert_eq!(
        reason.map(TargetHealthReasonEnum::as_str),
        Some("Target.NotRegistered")
    );

    let register = stage
        .elb
        .register_targets()
        .target_group_arn(&alternate)
        .targets(target.clone());
    register.send().await.expect("registered");
    wait(600).await;
    assert_eq!(
        stage.health(ALTERNATE).await,
        ["unhealthy/Target.FailedHealthChecks"]
    );
    let deregister = stage
        .elb
        .deregister_targets()
        .target_group_arn(&alternate)
        .targets(target.clone());
    deregister.send().await.expect("deregistered");
    assert_eq!(
        stage.health(ALTERNATE).await,
        ["draining/Target.DeregistrationInProgress"]
    );
    wait(400).await;
    assert!(stage.health(ALTERNATE).await.is_empty());
}
