//! Percentages, whole tasks, and the desired count they follow.

use aws_sdk_ecs::types::StabilityStatus::{Stabilizing, SteadyState};

use crate::support::{Stage, refusal, stage, wait};

async fn desire(stage: &Stage, count: i32) {
    let update = stage.update_service().desired_count(count);
    update.send().await.expect("updated");
}

#[tokio::test(start_paused = true)]
async fn the_computed_desired_count_is_rounded_up() {
    let stage = stage(r#"{"tasks": 7}"#);
    let original = stage.original().await;
    let percents = [100.0, 90.0, 85.0, 50.0, 0.5, 0.0];
    for (percent, wanted) in percents.into_iter().zip([7, 7, 6, 4, 1, 0]) {
        let set = stage.scale(&original, percent).await;
        assert_eq!(set.computed_desired_count(), wanted, "{percent} % of 7");
    }
}

#[tokio::test(start_paused = true)]
async fn a_scale_is_a_percentage_from_0_to_100() {
    let stage = stage("{}");
    let original = stage.original().await;
    for percent in [-1.0, 100.1] {
        let refused = stage.rescale(&original, percent).send().await;
        assert_eq!(refusal(refused).0, "InvalidParameterException", "{percent}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_task_set_follows_the_desired_count_by_its_percentage() {
    let stage = stage("{}");
    let original = stage.original().await;
    let replacement = stage.create_replacement().await.id.expect("an id");
    stage.scale(&original, 50.0).await;
    desire(&stage, 9).await;
    wait(900).await;
    for (id, wanted) in [(&original, 5), (&replacement, 9)] {
        let set = stage.task_set(id).await.expect("it");
        assert_eq!(set.computed_desired_count(), wanted);
        assert_eq!(set.running_count(), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_set_that_wants_nothing_is_steady() {
    let stage = stage("{}");
    let original = stage.original().await;
    let draining = stage.scale(&original, 0.0).await;
    let just_now = draining.stability_status();
    assert_eq!(just_now, Some(&SteadyState), "as it was just now");
    for (seconds, status, running) in [(10, Stabilizing, 4), (600, SteadyState, 0)] {
        wait(seconds).await;
        let set = stage.task_set(&original).await.expect("it");
        assert_eq!(set.stability_status(), Some(&status));
        assert_eq!(set.running_count(), running);
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_do_not_run_yet_are_stopped_first() {
    let stage = stage(r#"{"tasks": 2}"#);
    let original = stage.original().await;
    desire(&stage, 4).await;
    let counts = async || {
        let set = stage.task_set(&original).await.expect("it");
        (set.running_count(), set.pending_count())
    };
    wait(10).await;
    assert_eq!(counts().await, (2, 2));
    stage.scale(&original, 50.0).await;
    wait(60).await;
    assert_eq!(counts().await, (2, 0));
    assert_eq!(stage.health(0).await, ["healthy", "healthy"]);
}
