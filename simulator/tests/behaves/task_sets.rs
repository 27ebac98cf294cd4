//! Creating, finding and deleting task sets.

use aws_sdk_ecs::types::StabilityStatus;

use crate::support::{Stage, refusal, scenario, stage, wait};

#[tokio::test(start_paused = true)]
async fn a_replacement_becomes_steady_when_its_targets_are_healthy() {
    let stage = stage(&scenario("{}"));
    let created = stage.create_replacement().await;
    assert_eq!(created.status(), Some("ACTIVE"));
    assert_eq!(created.computed_desired_count(), 4);
    assert_eq!(
        created.stability_status(),
        Some(&StabilityStatus::Stabilizing)
    );
    let id = created.id().expect("an id");

    wait(90).await;
    let running = stage.task_set(id).await.expect("it");
    assert_eq!((running.running_count(), running.pending_count()), (4, 0));
    assert_eq!(
        running.stability_status(),
        Some(&StabilityStatus::Stabilizing),
        "all run, none is healthy yet: an NLB takes minutes to register a target"
    );

    wait(240).await;
    let steady = stage.task_set(id).await.expect("it");
    assert_eq!(
        steady.stability_status(),
        Some(&StabilityStatus::SteadyState)
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_client_token_creates_one_task_set() {
    let stage = stage(&scenario("{}"));
    let first = stage
        .replacement()
        .await
        .client_token("deploy-1")
        .send()
        .await
        .expect("created");
    let again = stage
        .replacement()
        .await
        .client_token("deploy-1")
        .send()
        .await
        .expect("found");
    assert_eq!(
        first.task_set().and_then(|set| set.id()),
        again.task_set().and_then(|set| set.id())
    );
    assert_eq!(stage.task_sets().await.len(), 2);

    let other = stage
        .replacement()
        .await
        .client_token("deploy-1")
        .external_id("x")
        .send()
        .await;
    let (code, message) = refusal(other);
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("client token"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn without_a_client_token_every_call_creates_a_task_set() {
    let stage = stage(&scenario("{}"));
    stage.create_replacement().await;
    stage.create_replacement().await;
    assert_eq!(stage.task_sets().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_token_has_36_ascii_characters_at_most() {
    let stage = stage(&scenario("{}"));
    for token in ["", "with space", "ümlaut", &"x".repeat(37)] {
        let refused = stage.replacement().await.client_token(token).send().await;
        assert_eq!(refusal(refused).0, "InvalidParameterException", "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_has_five_task_sets_at_most_and_draining_ones_count() {
    let stage = stage(&scenario("{}"));
    let mut last = String::new();
    for _ in 0..4 {
        last = stage.create_replacement().await.id.expect("an id");
    }
    stage
        .delete(&last)
        .force(true)
        .send()
        .await
        .expect("deleted");
    assert_eq!(
        stage.task_set(&last).await.and_then(|set| set.status),
        Some("DRAINING".to_owned())
    );

    let (code, message) = refusal(stage.replacement().await.send().await);
    assert_eq!(code, "InvalidParameterException");
    assert!(
        message.starts_with("5 deployments exist on the service."),
        "{message}"
    );

    wait(60).await;
    assert!(
        stage.task_set(&last).await.is_none(),
        "its tasks had not started"
    );
    stage.create_replacement().await;
}

#[tokio::test(start_paused = true)]
async fn task_sets_are_described_by_id_only() {
    let stage = stage(&scenario("{}"));
    let describe = || {
        stage
            .ecs
            .describe_task_sets()
            .cluster(&stage.names.cluster)
            .service(&stage.names.service)
    };
    let (code, message) = refusal(describe().send().await);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidParameterException", "TaskSets cannot be empty.")
    );

    let original = stage.original().await;
    let found = describe()
        .task_sets(&original)
        .task_sets("ecs-svc/1234567890123456789")
        .send()
        .await
        .expect("described");
    assert_eq!(found.task_sets().len(), 1);
    let failure = &found.failures()[0];
    assert_eq!(failure.reason(), Some("MISSING"));
    assert!(
        failure
            .arn()
            .expect("an ARN")
            .ends_with("/ecs-svc/1234567890123456789")
    );

    let (code, _) = refusal(describe().task_sets("not-an-id").send().await);
    assert_eq!(code, "InvalidParameterException");
}

#[tokio::test(start_paused = true)]
async fn a_task_set_above_zero_is_deleted_by_force_only() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    let (code, message) = refusal(stage.delete(&original).send().await);
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("scaled above 0"), "{message}");

    stage.scale(&original, 0.0).await;
    let (code, _) = refusal(stage.delete(&original).send().await);
    assert_eq!(code, "InvalidParameterException", "its tasks still run");

    wait(600).await;
    stage.delete(&original).send().await.expect("deleted");
    wait(30).await;
    assert!(stage.task_sets().await.is_empty());
    let (code, _) = refusal(stage.delete(&original).send().await);
    assert_eq!(code, "TaskSetNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_task_set_deleted_by_force_drains_until_its_last_task_has_stopped() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    stage.events();
    stage
        .delete(&original)
        .force(true)
        .send()
        .await
        .expect("deleted");
    stage
        .delete(&original)
        .send()
        .await
        .expect("deleting it again changes nothing");
    wait(200).await;
    let draining = stage.task_set(&original).await.expect("still there");
    assert_eq!(draining.status(), Some("DRAINING"));
    assert_eq!(
        draining.running_count(),
        4,
        "their targets drain for 300 seconds first"
    );
    wait(300).await;
    assert!(stage.task_set(&original).await.is_none());
    let events = stage.events();
    let stopped = events
        .iter()
        .rposition(|event| event.kind.to_string().contains("stopped"));
    let gone = events
        .iter()
        .position(|event| event.kind.to_string().contains("is gone"));
    assert!(stopped < gone, "{events:#?}");
    assert!(Stage::when(&events, &["is gone"]) > 300_000);
}

#[tokio::test(start_paused = true)]
async fn a_draining_task_set_takes_no_orders() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    stage
        .delete(&original)
        .force(true)
        .send()
        .await
        .expect("deleted");
    let scaled = stage
        .ecs
        .update_task_set()
        .cluster(&stage.names.cluster)
        .service(&stage.names.service)
        .task_set(&original)
        .scale(aws_sdk_ecs::types::Scale::builder().value(100.0).build())
        .send()
        .await;
    assert_eq!(refusal(scaled).0, "InvalidParameterException");
}
