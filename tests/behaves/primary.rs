//! The primary task set, and what it hands to its service.

use aws_sdk_ecs::types::LaunchType;

use crate::support::{Stage, refusal, stage};

async fn promote(stage: &Stage, id: &str) {
    stage.promote(id).send().await.expect("promoted");
}

async fn statuses(stage: &Stage) -> Vec<String> {
    let sets = stage.task_sets().await;
    sets.into_iter().filter_map(|set| set.status).collect()
}

#[tokio::test(start_paused = true)]
async fn a_service_shows_nothing_of_its_task_sets_until_one_is_primary() {
    let stage = stage("{}");
    let before = stage.service().await;
    assert_eq!(before.task_definition(), None);
    assert_eq!(before.launch_type(), None);
    assert!(before.network_configuration().is_none() && before.load_balancers().is_empty());

    promote(&stage, &stage.original().await).await;
    let after = stage.service().await;
    let arn = after.task_definition().expect("one");
    assert!(arn.ends_with("task-definition/chat:1"));
    assert_eq!(after.launch_type(), Some(&LaunchType::Fargate));
    assert_eq!(after.load_balancers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn there_is_one_primary_at_most() {
    let stage = stage("{}");
    let original = stage.original().await;
    let replacement = stage.create_replacement().await.id.expect("an id");
    let nothing_by_itself = ["ACTIVE", "ACTIVE"];
    assert_eq!(statuses(&stage).await, nothing_by_itself);
    promote(&stage, &original).await;
    assert_eq!(statuses(&stage).await, ["PRIMARY", "ACTIVE"]);
    promote(&stage, &replacement).await;
    promote(&stage, &replacement).await;
    assert_eq!(statuses(&stage).await, ["ACTIVE", "PRIMARY"]);
}

#[tokio::test(start_paused = true)]
async fn a_primary_is_deleted_by_force_only() {
    let stage = stage(r#"{"tasks": 0}"#);
    let original = stage.original().await;
    promote(&stage, &original).await;
    let (code, message) = refusal(stage.delete(&original).send().await);
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("primary"), "{message}");
    stage.delete_by_force(&original).await;
}

#[tokio::test(start_paused = true)]
async fn a_draining_task_set_cannot_become_primary() {
    let stage = stage("{}");
    let original = stage.original().await;
    stage.delete_by_force(&original).await;
    let refused = stage.promote(&original).send().await;
    assert_eq!(refusal(refused).0, "InvalidParameterException");
}
