//! Creating, finding and deleting task sets.

use aws_sdk_ecs::types::StabilityStatus::{Stabilizing, SteadyState};

use crate::support::{Stage, refusal, stage, wait};

#[tokio::test(start_paused = true)]
async fn a_replacement_becomes_steady_when_its_targets_are_healthy() {
    let stage = stage("{}");
    let created = stage.create_replacement().await;
    assert_eq!(created.status(), Some("ACTIVE"));
    assert_eq!(created.computed_desired_count(), 4);
    assert_eq!(created.stability_status(), Some(&Stabilizing));
    // All run after 90 s, and none is healthy yet: an NLB takes minutes to register a target.
    for (seconds, status) in [(90, Stabilizing), (240, SteadyState)] {
        wait(seconds).await;
        let set = stage.task_set(created.id().expect("an id")).await;
        let set = set.expect("it");
        assert_eq!((set.running_count(), set.pending_count()), (4, 0));
        assert_eq!(set.stability_status(), Some(&status));
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_event_reports_tasks_without_room_until_they_are_placed() {
    let no_capacity = "Reason: Capacity is unavailable at this time.";
    for (limits, why) in [
        (r#"{"limits": {"tasks": 6}}"#, no_capacity),
        (
            r#"{"limits": {"addresses": 6}}"#,
            "InsufficientFreeAddressesInSubnet.",
        ),
    ] {
        let stage = stage(limits);
        let replacement = stage.create_replacement().await.id.expect("an id");
        wait(120).await;
        let set = stage.task_set(&replacement).await.expect("it");
        assert_eq!((set.running_count(), set.pending_count()), (2, 0));
        let events = stage.service().await.events.unwrap_or_default();
        let newest = events[0].message().unwrap_or_default();
        let begin = format!("(service chat, taskSet {replacement}) was unable to place a task.");
        assert!(
            newest.starts_with(&begin) && newest.contains(why),
            "{newest}"
        );
        let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event.id()).collect();
        assert_eq!(ids.len(), events.len());

        let original = stage.task_sets().await[0].id.clone().expect("an id");
        stage.delete_by_force(&original).await;
        wait(900).await;
        let set = stage.task_set(&replacement).await.expect("it");
        assert_eq!(set.running_count(), 4);
        let events = stage.service().await.events.unwrap_or_default();
        let newest = events[0].message().unwrap_or_default();
        assert!(newest.ends_with("has reached a steady state."), "{newest}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_client_token_creates_one_task_set() {
    let stage = stage("{}");
    let request = stage.replacement().await.client_token("deploy-1");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let created = request.clone().send().await.expect("created or found");
        ids.push(created.task_set.and_then(|set| set.id));
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(stage.task_sets().await.len(), 2);

    let (code, message) = refusal(request.external_id("x").send().await);
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("client token"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn without_a_client_token_every_call_creates_a_task_set() {
    let stage = stage("{}");
    stage.create_replacement().await;
    stage.create_replacement().await;
    assert_eq!(stage.task_sets().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_token_has_36_ascii_characters_at_most() {
    let stage = stage("{}");
    for token in ["", "with space", "ümlaut", &"x".repeat(37)] {
        let refused = stage.replacement().await.client_token(token).send().await;
        assert_eq!(refusal(refused).0, "InvalidParameterException", "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_has_five_task_sets_at_most_and_draining_ones_count() {
    let stage = stage("{}");
    let mut last = String::new();
    for _ in 0..4 {
        last = stage.create_replacement().await.id.expect("an id");
    }
    stage.delete_by_force(&last).await;
    let status = stage.task_set(&last).await.and_then(|set| set.status);
    assert_eq!(status.as_deref(), Some("DRAINING"));

    let (code, message) = refusal(stage.replacement().await.send().await);
    assert_eq!(code, "InvalidParameterException");
    let words = "5 deployments exist on the service.";
    assert!(message.starts_with(words), "{message}");

    wait(60).await;
    // Its tasks had not started.
    assert!(stage.task_set(&last).await.is_none());
    stage.create_replacement().await;
}

#[tokio::test(start_paused = true)]
async fn task_sets_are_described_by_id_only() {
    let stage = stage("{}");
    let describe = stage.ecs.describe_task_sets();
    let describe = describe.cluster(&stage.names.cluster);
    let describe = describe.service(&stage.names.service);
    let (code, message) = refusal(describe.clone().send().await);
    assert_eq!(code, "InvalidParameterException");
    assert_eq!(message, "TaskSets cannot be empty.");

    let unknown = "ecs-svc/1234567890123456789";
    let both = describe.clone().task_sets(stage.original().await);
    let found = both.task_sets(unknown).send().await.expect("described");
    assert_eq!(found.task_sets().len(), 1);
    let failure = &found.failures()[0];
    assert_eq!(failure.reason(), Some("MISSING"));
    assert!(failure.arn().expect("an ARN").ends_with(unknown));

    let (code, _) = refusal(describe.task_sets("not-an-id").send().await);
    assert_eq!(code, "InvalidParameterException");
}

#[tokio::test(start_paused = true)]
async fn a_task_set_above_zero_is_deleted_by_force_only() {
    let stage = stage("{}");
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
    let stage = stage("{}");
    let original = stage.original().await;
    stage.events();
    stage.delete_by_force(&original).await;
    let again = stage.delete(&original).send().await;
    again.expect("deleting it again changes nothing");
    wait(200).await;
    let draining = stage.task_set(&original).await.expect("still there");
    assert_eq!(draining.status(), Some("DRAINING"));
    // Their targets drain for 300 seconds first.
    assert_eq!(draining.running_count(), 4);
    wait(300).await;
    assert!(stage.task_set(&original).await.is_none());
    let events = stage.events();
    let says = |words: &str| {
        let mut events = events.iter();
        events.rposition(|event| event.kind.to_string().contains(words))
    };
    assert!(says("stopped") < says("is gone"), "{events:#?}");
    assert!(Stage::when(&events, &["is gone"]) > 300_000);
}

#[tokio::test(start_paused = true)]
async fn a_draining_task_set_takes_no_orders() {
    let stage = stage("{}");
    let original = stage.original().await;
    stage.delete_by_force(&original).await;
    let scaled = stage.rescale(&original, 100.0).send().await;
    assert_eq!(refusal(scaled).0, "InvalidParameterException");
}
