//! Percentages, whole tasks, and the desired count they follow.

use aws_sdk_ecs::types::StabilityStatus;

use crate::support::{refusal, scenario, stage, wait};

#[tokio::test(start_paused = true)]
async fn the_computed_desired_count_is_rounded_up() {
    let stage = stage(&scenario(r#"{"tasks": 7}"#));
    let original = stage.original().await;
    for (percent, wanted) in [
        (100.0, 7),
        (90.0, 7),
        (85.0, 6),
        (50.0, 4),
        (0.5, 1),
        (0.0, 0),
    ] {
        let set = stage.scale(&original, percent).await;
        assert_eq!(set.computed_desired_count(), wanted, "{percent} % of 7");
    }
}

#[tokio::test(start_paused = true)]
async fn a_scale_is_a_percentage_from_0_to_100() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    for percent in [-1.0, 100.1] {
        let refused = stage
            .ecs
            .update_task_set()
            .cluster(&stage.names.cluster)
            .service(&stage.names.service)
            .task_set(&original)
            .scale(aws_sdk_ecs::types::Scale::builder().value(percent).build())
            .send()
            .await;
        assert_eq!(refusal(refused).0, "InvalidParameterException", "{percent}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_task_set_follows_the_desired_count_by_its_percentage() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    let replacement = stage.create_replacement().await.id.expect("an id");
    stage.scale(&original, 50.0).await;
    stage
        .ecs
        .update_service()
        .cluster(&stage.names.cluster)
        .service(&stage.names.service)
        .desired_count(9)
        .send()
        .await
        .expect("updated");
    wait(900).await;
    for (id, wanted) in [(&original, 5), (&replacement, 9)] {
        let set = stage.task_set(id).await.expect("it");
        assert_eq!(
            (set.computed_desired_count(), set.running_count()),
            (wanted, wanted)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_set_that_wants_nothing_is_steady() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    let draining = stage.scale(&original, 0.0).await;
    assert_eq!(
        draining.stability_status(),
        Some(&StabilityStatus::SteadyState),
        "as it was just now"
    );
    wait(10).await;
    let draining = stage.task_set(&original).await.expect("it");
    assert_eq!(
        draining.stability_status(),
        Some(&StabilityStatus::Stabilizing)
    );
    wait(600).await;
    let empty = stage.task_set(&original).await.expect("it");
    assert_eq!(
        empty.stability_status(),
        Some(&StabilityStatus::SteadyState)
    );
    assert_eq!(empty.running_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_run_yet_is_taken_away_first() {
    let stage = stage(&scenario(r#"{"tasks": 2}"#));
    let original = stage.original().await;
    stage
        .ecs
        .update_service()
        .cluster(&stage.names.cluster)
        .service(&stage.names.service)
        .desired_count(4)
        .send()
        .await
        .expect("updated");
    wait(10).await;
    assert_eq!(
        stage.task_set(&original).await.expect("it").pending_count(),
        2
    );
    stage.scale(&original, 50.0).await;
    wait(60).await;
    let set = stage.task_set(&original).await.expect("it");
    assert_eq!((set.running_count(), set.pending_count()), (2, 0));
    assert_eq!(stage.health(0).await, ["healthy", "healthy"]);
}
