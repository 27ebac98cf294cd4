//! The primary task set, and what it hands to its service.

use crate::support::{Stage, refusal, scenario, stage};

async fn promote(stage: &Stage, id: &str) {
    stage
        .ecs
        .update_service_primary_task_set()
        .cluster(&stage.names.cluster)
        .service(&stage.names.service)
        .primary_task_set(id)
        .send()
        .await
        .expect("promoted");
}

async fn statuses(stage: &Stage) -> Vec<String> {
    let sets = stage.task_sets().await;
    sets.into_iter().filter_map(|set| set.status).collect()
}

#[tokio::test(start_paused = true)]
async fn a_service_shows_nothing_of_its_task_sets_until_one_is_primary() {
    let stage = stage(&scenario("{}"));
    let before = stage.service().await;
    assert_eq!(
        (before.task_definition(), before.launch_type()),
        (None, None)
    );
    assert!(before.network_configuration().is_none() && before.load_balancers().is_empty());

    promote(&stage, &stage.original().await).await;
    let after = stage.service().await;
    assert!(
        after
            .task_definition()
            .expect("one")
            .ends_with("task-definition/chat:1")
    );
    assert_eq!(
        after
            .launch_type()
            .map(aws_sdk_ecs::types::LaunchType::as_str),
        Some("FARGATE")
    );
    assert_eq!(after.load_balancers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn there_is_one_primary_at_most() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    let replacement = stage.create_replacement().await.id.expect("an id");
    assert_eq!(
        statuses(&stage).await,
        ["ACTIVE", "ACTIVE"],
        "nothing is primary by itself"
    );
    promote(&stage, &original).await;
    assert_eq!(statuses(&stage).await, ["PRIMARY", "ACTIVE"]);
    promote(&stage, &replacement).await;
    promote(&stage, &replacement).await;
    assert_eq!(statuses(&stage).await, ["ACTIVE", "PRIMARY"]);
}

#[tokio::test(start_paused = true)]
async fn a_primary_is_deleted_by_force_only() {
    let stage = stage(&scenario(r#"{"tasks": 0}"#));
    let original = stage.original().await;
    promote(&stage, &original).await;
    let (code, message) = refusal(stage.delete(&original).send().await);
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("primary"), "{message}");
    stage
        .delete(&original)
        .force(true)
        .send()
        .await
        .expect("deleted");
}

#[tokio::test(start_paused = true)]
async fn a_draining_task_set_cannot_become_primary() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    stage
        .delete(&original)
        .force(true)
        .send()
        .await
        .expect("deleted");
    let refused = stage
        .ecs
        .update_service_primary_task_set()
        .cluster(&stage.names.cluster)
        .service(&stage.names.service)
        .primary_task_set(&original)
        .send()
        .await;
    assert_eq!(refusal(refused).0, "InvalidParameterException");
}
