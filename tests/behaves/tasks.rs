//! The life of a task, and what ECS does about those that fail.

use aws_sdk_ecs::types::{DesiredStatus, StabilityStatus};

use crate::support::{Stage, refusal, stage, wait};

#[tokio::test(start_paused = true)]
async fn a_task_that_ecs_stops_is_deregistered_then_drained_then_sent_sigterm() {
    let stage = stage(r#"{"deregistrationDelaySeconds": 400, "stopTimeoutSeconds": 60}"#);
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
    assert_eq!(running(&stage, &original).await, 3);
}

async fn running(stage: &Stage, task_set: &str) -> i32 {
    stage.task_set(task_set).await.expect("it").running_count()
}

#[tokio::test(start_paused = true)]
async fn a_deregistration_delay_is_all_on_an_alb_and_takes_an_nlb_two_to_five_minutes() {
    let nlb = r#"{"deregistrationDelaySeconds": 0}"#;
    let alb = r#"{"loadBalancer": "application", "deregistrationDelaySeconds": 15}"#;
    for (scenario, milliseconds) in [(nlb, 120_000..=300_000), (alb, 15_000..=15_000)] {
        let stage = stage(scenario);
        let original = stage.original().await;
        stage.events();
        stage.scale(&original, 0.0).await;
        wait(600).await;
        let events = stage.events();
        let gone = Stage::when(&events, &["was deregistered"]);
        let drained = gone - Stage::when(&events, &["is draining"]);
        assert!(milliseconds.contains(&drained), "{drained} ms");
        let ends = events.iter();
        let ends = ends.filter(|event| event.kind.to_string().contains("was deregistered"));
        let ends = ends.map(|event| event.at_ms);
        let ends: std::collections::BTreeSet<_> = ends.collect();
        let unevenly = *milliseconds.end() > 15_000;
        assert_eq!(ends.len(), if unevenly { 4 } else { 1 }, "{ends:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_until_sigterm_and_is_counted_until_then_or_until_it_is_deregistered() {
    for (scenario, at_290) in [("{}", 4), (r#"{"countsDeregistering": false}"#, 0)] {
        let stage = stage(scenario);
        let original = stage.original().await;
        stage.scale(&original, 0.0).await;
        for (after, running) in [(290, at_290), (30, 0)] {
            wait(after).await;
            let set = stage.task_set(&original).await.expect("it");
            assert_eq!(set.running_count(), running);
            assert_eq!(set.computed_desired_count(), 0);
        }
    }
}

async fn listed(stage: &Stage, task_set: &str, status: DesiredStatus) -> Vec<String> {
    let list = stage.list_tasks().started_by(task_set);
    let listed = list.desired_status(status).send().await.expect("listed");
    listed.task_arns.expect("ARNs")
}

#[tokio::test(start_paused = true)]
async fn stopped_tasks_are_listed_with_their_reason_for_an_hour() {
    let stage = stage("{}");
    let original = stage.original().await;
    stage.scale(&original, 50.0).await;
    wait(600).await;
    let running = listed(&stage, &original, DesiredStatus::Running).await;
    let stopped = listed(&stage, &original, DesiredStatus::Stopped).await;
    assert_eq!((running.len(), stopped.len()), (2, 2));
    for task in stage.describe_tasks(Some(stopped.clone())).await.tasks() {
        assert_eq!(task.last_status(), Some("STOPPED"));
        assert_eq!(task.started_by(), Some(original.as_str()));
        let reason = task.stopped_reason().expect("a reason");
        assert!(reason.contains("Scaling activity"), "{reason}");
        // It used its whole stop timeout.
        assert_eq!(task.containers()[0].exit_code(), Some(137));
    }
    wait(3_700).await;
    let forgotten = stage.describe_tasks(Some(stopped)).await;
    assert!(forgotten.tasks().is_empty());
    assert_eq!(forgotten.failures().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_crashing_task_is_replaced_for_ever() {
    let stage = stage(r#"{"tasks": 1, "replacement": {"crashesAfterSeconds": 20}}"#);
    let id = stage.create_replacement().await.id.expect("an id");
    wait(600).await;
    let events = stage.events();
    let crashes = events.iter();
    let crashes = crashes.filter(|event| event.kind.to_string().contains("crashed"));
    let crashes = crashes.count();
    assert!(crashes >= 5, "{crashes} crashes in ten minutes");
    let stopped = listed(&stage, &id, DesiredStatus::Stopped).await;
    assert!(!stopped.is_empty());
    for task in stage.describe_tasks(Some(stopped)).await.tasks() {
        let reason = task.stopped_reason();
        assert_eq!(reason, Some("Essential container in task exited"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_passes_its_health_checks_is_replaced() {
    let stage = stage(r#"{"tasks": 2, "replacement": {"neverHealthy": true}}"#);
    let id = stage.create_replacement().await.id.expect("an id");
    wait(1_200).await;
    Stage::when(&stage.events(), &[&id, "failed ELB health checks"]);
    let set = stage.task_set(&id).await.expect("it");
    assert_eq!(set.stability_status(), Some(&StabilityStatus::Stabilizing));
}

#[tokio::test(start_paused = true)]
async fn the_grace_period_keeps_an_unhealthy_task_that_long() {
    let stage = stage(r#"{"tasks": 1, "replacement": {"neverHealthy": true}}"#);
    let update = stage.update_service();
    let update = update.health_check_grace_period_seconds(2_000);
    update.send().await.expect("updated");
    let id = stage.create_replacement().await.id.expect("an id");
    wait(2_200).await;
    let events = stage.events();
    let started = Stage::when(&events, &[&id, "is running"]);
    let replaced = Stage::when(&events, &[&id, "failed ELB health checks"]);
    assert_eq!(replaced - started, 2_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_protected_task_is_not_scaled_in_but_can_be_stopped() {
    let stage = stage(r#"{"tasks": 2, "original": {"neverStops": true}}"#);
    let original = stage.original().await;
    stage.scale(&original, 0.0).await;
    wait(3_600).await;
    assert_eq!(running(&stage, &original).await, 2);
    let tasks = stage.list_tasks().send().await.expect("listed");
    for task in tasks.task_arns() {
        let stop = stage.ecs.stop_task().cluster(&stage.names.cluster);
        let stop = stop.task(task).reason("by hand").send();
        stop.await.expect("stopped");
    }
    wait(600).await;
    assert_eq!(running(&stage, &original).await, 0);
}

#[tokio::test(start_paused = true)]
async fn started_by_is_the_only_filter() {
    let stage = stage("{}");
    let list = stage.list_tasks().started_by("ecs-svc/1");
    let refused = list.service_name(&stage.names.service).send().await;
    assert_eq!(refusal(refused).0, "InvalidParameterException");
}
