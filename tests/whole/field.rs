//! What people in the field would have lost: traffic stays with what is healthy, and what has served is
//! drained.

use ebbtide_simulator::asl::Status;

use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::{StopTask, UpdateServicePrimaryTaskSet, World};
use serde_json::json;

use crate::support::{
    deploy, deploy_among, deploy_denied, desire, forward, group, names, sample, sample_with,
    served, sets, tag, untag, world,
};

#[tokio::test(start_paused = true)]
async fn a_service_that_more_than_doubles_in_its_drain_keeps_its_healthy_version() {
    let scenario = Scenario {
        tasks: 20,
        ..Scenario::default()
    };
    let grows = |state: &str, before: usize, world: &mut World| {
        if state == "Wait" && before == 0 {
            desire(world, 41);
        }
    };
    let ended = deploy_among(world(&scenario), "run-1", &sample(), grows).await;
    ended.assert_deployed();
    assert!(!ended.states.iter().any(|state| state == "Rollback"));
}

/// A person takes production traffic back to the first group, with everything that records it.
fn put_back(world: &mut World) {
    forward(world, 80, &[("-tg-1", 100), ("-tg-2", 0)]);
    forward(world, 8080, &[("-tg-2", 100), ("-tg-1", 0)]);
    let (first, second) = (group(world, "-tg-1"), group(world, "-tg-2"));
    let original = sets(world)[0].clone();
    untag(world, &second, &["isProduction", "taskSetId"]);
    tag(world, &first, "isProduction", "true");
    tag(world, &first, "taskSetId", &original);
    let names = names();
    let request = UpdateServicePrimaryTaskSet {
        cluster: names.cluster,
        service: names.service,
        primary_task_set: original,
    };
    world.update_service_primary_task_set(&request).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_has_served_is_drained_after_a_swap_back_by_hand() {
    let back = |state: &str, before: usize, world: &mut World| {
        if state == "Bake" && before == 1 {
            put_back(world);
        }
    };
    let first = deploy_among(served(), "run-1", &sample(), back).await;
    assert_eq!(first.failure().0, "Drift");
    assert_eq!(first.deleted(), []);
    let second = deploy(first.world, "run-2", &sample()).await;
    second.assert_deployed();
    let forced = second.deleted().into_iter().filter(|(_, force)| *force);
    assert_eq!(forced.count(), 0);
}

/// What serves loses all of its tasks while what was left is to be drained.
#[tokio::test(start_paused = true)]
async fn a_failure_before_the_swap_moves_nothing() {
    let back = |state: &str, before: usize, world: &mut World| {
        if state == "Bake" && before == 1 {
            put_back(world);
        }
    };
    let first = deploy_among(served(), "run-1", &sample(), back).await;
    let serving = sets(&first.world)[0].clone();
    let stops = |state: &str, before: usize, world: &mut World| {
        if state == "Wait" && before == 0 {
            let tasks: Vec<_> = world
                .tasks_of(&serving)
                .iter()
                .map(|task| task.arn.clone())
                .collect();
            for task in tasks {
                let request = StopTask {
                    cluster: Some(names().cluster),
                    task,
                    reason: None,
                };
                world.stop_task(&request).unwrap();
            }
        }
    };
    let event = sample_with(&json!({"readinessTimeout": 150}));
    let second = deploy_among(first.world, "run-2", &event, stops).await;
    let (error, cause) = second.failure();
    assert_eq!(error, "ServingSetUnhealthy", "{cause}");
    assert_eq!(sets(&second.world)[0], serving);
    let moves = |call: &String| call.ends_with(":ModifyListener");
    assert!(!second.writes().iter().any(moves), "{:?}", second.writes());
}

/// The end of a deployment in which the first calls of an operation are denied, a number of times.
async fn denied(operation: &str, times: usize) -> Status {
    deploy_denied(&served(), &sample(), operation, times)
        .await
        .0
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_denied_for_a_moment_fails_nothing() {
    // The first two are preflight's, which has no Wait.
    let ended = denied("ecs:DescribeServices", 2).await;
    assert!(ended.is_success(), "{ended:?}");
    let operations = [
        "ecs:CreateTaskSet",
        "elasticloadbalancing:ModifyListener",
        "dynamodb:UpdateItem",
    ];
    for operation in operations {
        let ended = denied(operation, 2).await;
        assert!(ended.is_success(), "{ended:?}");
        let ended = denied(operation, 3).await;
        assert!(
            matches!(&ended, Status::Failed { error, .. } if error == "Permission"),
            "{ended:?}"
        );
    }
}
