//! The life of a task, and what ECS does about those that fail.

use std::collections::BTreeSet;

use aws_sdk_ecs::types::DesiredStatus;

use crate::support::{Stage, refusal, scenario, stage, wait};

#[tokio::test(start_paused = true)]
async fn a_task_taken_away_is_deregistered_then_drained_then_asked_to_end() {
    let stage = stage(&scenario(
        r#"{"deregistrationDelaySeconds": 400, "stopTimeoutSeconds": 60}"#,
    ));
    let original = stage.original().await;
    stage.events();
    stage.scale(&original, 75.0).await;
    wait(700).await;
    let events = stage.events();
    let order = ["is draining", "was deregistered", "SIGTERM", "stopped"];
    let times = order.map(|words| Stage::when(&events, &[words]));
    assert_eq!(times[1] - times[0], 400_000, "the deregistration delay");
    assert_eq!(times[2], times[1], "SIGTERM as soon as the target is gone");
    assert!(times[3] - times[2] >= 60_000, "the whole stop timeout");
    let running = stage.task_set(&original).await.expect("it").running_count();
    assert_eq!(running, 3);
}

#[tokio::test(start_paused = true)]
async fn a_deregistration_delay_of_zero_still_takes_an_nlb_minutes() {
    let stage = stage(&scenario(r#"{"deregistrationDelaySeconds": 0}"#));
    let original = stage.original().await;
    stage.events();
    stage.scale(&original, 0.0).await;
    wait(600).await;
    let events = stage.events();
    let drained =
        Stage::when(&events, &["was deregistered"]) - Stage::when(&events, &["is draining"]);
    assert!((144_000..=216_000).contains(&drained), "{drained} ms");
}

#[tokio::test(start_paused = true)]
async fn on_an_alb_the_deregistration_delay_is_all() {
    let stage = stage(&scenario(
        r#"{"loadBalancer": "application", "deregistrationDelaySeconds": 15}"#,
    ));
    let original = stage.original().await;
    stage.events();
    stage.scale(&original, 0.0).await;
    wait(60).await;
    let events = stage.events();
    let drained =
        Stage::when(&events, &["was deregistered"]) - Stage::when(&events, &["is draining"]);
    assert_eq!(drained, 15_000);
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_until_sigterm_and_is_counted_until_then() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    stage.scale(&original, 0.0).await;
    for (after, running) in [(290, 4), (30, 0)] {
        wait(after).await;
        let set = stage.task_set(&original).await.expect("it");
        assert_eq!(set.running_count(), running);
        assert_eq!(set.computed_desired_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn stopped_tasks_are_listed_with_their_reason_for_an_hour() {
    let stage = stage(&scenario("{}"));
    let original = stage.original().await;
    stage.scale(&original, 50.0).await;
    wait(600).await;
    let list = |status: DesiredStatus| {
        stage
            .ecs
            .list_tasks()
            .cluster(&stage.names.cluster)
            .started_by(&original)
            .desired_status(status)
            .send()
    };
    let running = list(DesiredStatus::Running).await.expect("listed");
    let stopped = list(DesiredStatus::Stopped).await.expect("listed");
    assert_eq!(
        (running.task_arns().len(), stopped.task_arns().len()),
        (2, 2)
    );

    let describe = || {
        stage
            .ecs
            .describe_tasks()
            .cluster(&stage.names.cluster)
            .set_tasks(stopped.task_arns.clone())
            .send()
    };
    let described = describe().await.expect("described");
    for task in described.tasks() {
        assert_eq!(task.last_status(), Some("STOPPED"));
        assert_eq!(task.started_by(), Some(original.as_str()));
        assert!(
            task.stopped_reason()
                .expect("a reason")
                .contains("Scaling activity")
        );
        assert_eq!(
            task.containers()[0].exit_code(),
            Some(137),
            "it used its whole stop timeout"
        );
    }
    wait(3_700).await;
    let forgotten = describe().await.expect("described");
    assert!(forgotten.tasks().is_empty());
    assert_eq!(forgotten.failures().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_crashing_task_is_replaced_for_ever() {
    let stage = stage(&scenario(
        r#"{"tasks": 1, "replacement": {"crashesAfterSeconds": 20}}"#,
    ));
    let id = stage.create_replacement().await.id.expect("an id");
    wait(600).await;
    let events = stage.events();
    let crashes = events
        .iter()
        .filter(|event| event.kind.to_string().contains("crashed"))
        .count();
    assert!(crashes >= 5, "{crashes} crashes in ten minutes");
    let stopped = stage
        .ecs
        .list_tasks()
        .cluster(&stage.names.cluster)
        .started_by(&id)
        .desired_status(DesiredStatus::Stopped)
        .send()
        .await
        .expect("listed");
    let described = stage
        .ecs
        .describe_tasks()
        .cluster(&stage.names.cluster)
        .set_tasks(stopped.task_arns)
        .send()
        .await
        .expect("described");
    let reasons: BTreeSet<_> = described
        .tasks()
        .iter()
        .filter_map(|task| task.stopped_reason())
        .collect();
    assert_eq!(
        reasons,
        BTreeSet::from(["Essential container in task exited"])
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_passes_its_health_checks_is_replaced() {
    let stage = stage(&scenario(
        r#"{"tasks": 2, "replacement": {"neverHealthy": true}}"#,
    ));
    let id = stage.create_replacement().await.id.expect("an id");
    wait(1_200).await;
    let events = stage.events();
    Stage::when(&events, &[&id, "failed ELB health checks"]);
    let set = stage.task_set(&id).await.expect("it");
    assert_eq!(
        set.stability_status()
            .map(aws_sdk_ecs::types::StabilityStatus::as_str),
        Some("STABILIZING")
    );
}

#[tokio::test(start_paused = true)]
async fn the_grace_period_keeps_an_unhealthy_task_that_long() {
    let stage = stage(&scenario(
        r#"{"tasks": 1, "replacement": {"neverHealthy": true}}"#,
    ));
    stage
        .ecs
        .update_service()
        .cluster(&stage.names.cluster)
        .service(&stage.names.service)
        .health_check_grace_period_seconds(2_000)
        .send()
        .await
        .expect("updated");
    let id = stage.create_replacement().await.id.expect("an id");
    wait(2_200).await;
    let events = stage.events();
    let started = Stage::when(&events, &[&id, "is running"]);
    let replaced = Stage::when(&events, &[&id, "failed ELB health checks"]);
    assert_eq!(replaced - started, 2_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_protected_task_is_not_scaled_in_but_can_be_stopped() {
    let stage = stage(&scenario(
        r#"{"tasks": 2, "original": {"neverStops": true}}"#,
    ));
    let original = stage.original().await;
    stage.scale(&original, 0.0).await;
    wait(3_600).await;
    assert_eq!(
        stage.task_set(&original).await.expect("it").running_count(),
        2
    );

    let tasks = stage
        .ecs
        .list_tasks()
        .cluster(&stage.names.cluster)
        .send()
        .await
        .expect("listed");
    for task in tasks.task_arns() {
        stage
            .ecs
            .stop_task()
            .cluster(&stage.names.cluster)
            .task(task)
            .reason("by hand")
            .send()
            .await
            .expect("stopped");
    }
    wait(600).await;
    assert_eq!(
        stage.task_set(&original).await.expect("it").running_count(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn started_by_is_the_only_filter() {
    let stage = stage(&scenario("{}"));
    let refused = stage
        .ecs
        .list_tasks()
        .cluster(&stage.names.cluster)
        .started_by("ecs-svc/1")
        .service_name(&stage.names.service)
        .send()
        .await;
    assert_eq!(refusal(refused).0, "InvalidParameterException");
}
