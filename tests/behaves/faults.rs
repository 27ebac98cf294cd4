//! What goes wrong with calls: old answers, strange answers, late writes; and who sees it.

use std::sync::{Arc, Mutex};

use aws_sdk_ecs::types::StabilityStatus;
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{Outcome, World};

use crate::support::{ALTERNATE, PRODUCTION, Stage, refusal, stage, wait};

/// Strikes the n-th call from now on.
fn strike(stage: &Stage, call: u64, fault: Fault) {
    let made = stage.aws.call_count();
    stage.aws.plan_faults([(made + call, fault)]);
}

async fn scale_now(stage: &Stage, id: &str) -> f64 {
    let task_set = stage.task_set(id).await.expect("a task set");
    task_set.scale().map_or(0.0, |scale| scale.value)
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_is_one_write_old_and_a_very_stale_one_two() {
    for (fault, seen) in [
        (Fault::Stale, 80.0),
        (Fault::VeryStale, 90.0),
        // Read just after the others, for comparison.
        (Fault::UnknownValue, 70.0),
    ] {
        let stage = stage("{}");
        let original = stage.original().await;
        strike(&stage, 4, fault);
        for percent in [90.0, 80.0, 70.0] {
            stage.scale(&original, percent).await;
        }
        for seen in [seen, 70.0] {
            let scale = scale_now(&stage, &original).await;
            assert!((scale - seen).abs() < 0.1, "{fault:?}");
        }
        let reads = stage.aws.with_world(|world| {
            let calls = world.calls();
            let reads = calls.filter(|call| call.operation == "ecs:DescribeServices");
            reads.count()
        });
        assert_eq!(reads, 3, "a stale read is in the journal too");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_is_not_done_and_each_service_says_so_in_its_own_words() {
    let stage = stage("{}");
    let original = stage.original().await;
    strike(&stage, 1, Fault::AccessDenied);
    let denied = refusal(stage.rescale(&original, 50.0).send().await);
    assert_eq!(denied.0, "AccessDeniedException");
    assert!((scale_now(&stage, &original).await - 100.0).abs() < 0.1);
    strike(&stage, 1, Fault::AccessDenied);
    let denied = stage.elb.describe_target_groups().send().await;
    assert_eq!(refusal(denied).0, "AccessDenied");
}

#[tokio::test(start_paused = true)]
async fn before_any_write_a_stale_read_shows_the_world_as_it_was_when_it_was_planned() {
    let stage = stage("{}");
    let original = stage.original().await;
    strike(&stage, 1, Fault::VeryStale);
    assert!((scale_now(&stage, &original).await - 100.0).abs() < 0.1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_status_and_an_unknown_state_are_answered_once() {
    let stage = stage("{}");
    strike(&stage, 1, Fault::UnknownValue);
    let task_set = stage.task_sets().await.remove(0);
    assert_eq!(task_set.status(), Some("NOT_KNOWN_YET"));
    let stability = task_set.stability_status().map(StabilityStatus::as_str);
    assert_eq!(stability, Some("NOT_KNOWN_YET"));
    assert_eq!(stage.task_sets().await[0].status(), Some("ACTIVE"));
    stage.groups().await;
    strike(&stage, 2, Fault::UnknownValue);
    assert_eq!(stage.health(PRODUCTION).await, ["NOT_KNOWN_YET"; 4]);
    assert_eq!(stage.health(PRODUCTION).await, ["healthy"; 4]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_is_followed_by_what_was_asked_for() {
    let stage = stage(r#"{"limits": {"elbPage": 1}}"#);
    strike(&stage, 1, Fault::EmptyPage);
    let first = stage.elb.describe_target_groups().send().await;
    let first = first.expect("a page");
    assert!(first.target_groups().is_empty());
    assert!(first.next_marker().is_some());
    // Now in the middle of a list.
    strike(&stage, 2, Fault::EmptyPage);
    let mut pages = stage.elb.describe_target_groups().into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.expect("a page").target_groups().len());
    }
    assert_eq!(sizes, [1, 0, 1]);
    strike(&stage, 1, Fault::EmptyPage);
    assert_eq!(stage.pages_of_tasks().await, [0, 4]);
    // What has no pages is answered as ever.
    strike(&stage, 1, Fault::EmptyPage);
    assert_eq!(stage.task_sets().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_lands_after_a_number_of_calls_or_half_a_minute() {
    for (calls, seconds, landed) in [(0, 29, false), (0, 30, true), (1, 1, false), (2, 1, true)] {
        let stage = stage("{}");
        let original = stage.original().await;
        strike(&stage, 1, Fault::Late(2));
        let once = aws_sdk_ecs::config::retry::RetryConfig::disabled();
        let config = stage.ecs.config().to_builder().retry_config(once).build();
        let impatient = Stage {
            ecs: aws_sdk_ecs::Client::from_conf(config),
            ..stage.clone()
        };
        let update = impatient.rescale(&original, 50.0).send().await;
        update.expect_err("the connection breaks");
        for _ in 0..calls {
            stage.groups().await;
        }
        wait(seconds).await;
        let scale = |world: &mut World| world.task_set(&original).map(|set| set.scale);
        let scale = stage.aws.with_world(scale).expect("the original");
        let when = format!("after {calls} calls and {seconds} s: {scale}");
        assert_eq!(scale < 60.0, landed, "{when}");
        let update = stage.aws.with_world(|world| {
            let mut calls = world.calls();
            let update = calls.find(|call| call.operation == "ecs:UpdateTaskSet");
            update.cloned()
        });
        if (calls, landed) == (0, true) {
            // To the millisecond, however late the world is checked.
            let at_ms = update.expect("a call").at_ms;
            assert!((30_000..=30_100).contains(&at_ms), "{at_ms}");
        }
    }
}

/// Operation, whether it was refused, and whether anything has changed.
type Seen = Arc<Mutex<Vec<(String, bool, bool)>>>;

fn watched(stage: &Stage) -> Seen {
    let seen = Seen::default();
    let told = Arc::clone(&seen);
    stage.aws.watch(move |effect| {
        let sets = |world: &World| -> Vec<_> {
            let sets = world.task_sets_of("main", "chat");
            sets.into_iter().cloned().collect()
        };
        let changed = sets(effect.before) != sets(effect.after);
        let call = effect.call;
        assert_eq!(call.caller, "test");
        let refused = call.outcome != Outcome::Ok;
        let mut told = told.lock().expect("unpoisoned");
        told.push((call.operation.clone(), refused, changed));
    });
    seen
}

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_every_call_with_the_world_before_and_after_it() {
    let stage = stage("{}");
    let original = stage.original().await;
    let seen = watched(&stage);
    stage.scale(&original, 50.0).await;
    stage.task_sets().await;
    strike(&stage, 1, Fault::Twice);
    stage.scale(&original, 25.0).await;
    strike(&stage, 1, Fault::Late(1));
    stage.scale(&original, 10.0).await;
    strike(&stage, 1, Fault::Unreachable);
    refusal(stage.delete("ecs-svc/0").send().await);
    let told = seen.lock().expect("unpoisoned").clone();
    let of = |name: &str| format!("ecs:{name}");
    let update = of("UpdateTaskSet");
    let wanted = [
        (update.clone(), false, true),
        (of("DescribeServices"), false, false),
        (update.clone(), false, true),
        // Its second delivery; then the late one, and the SDK's own retry that it comes before.
        (update.clone(), false, false),
        (update.clone(), false, true),
        (update, false, false),
        // The first try never arrived.
        (of("DeleteTaskSet"), true, false),
    ];
    assert_eq!(told, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_is_seen_when_it_lands() {
    let stage = stage("{}");
    stage.group_arn(ALTERNATE).await;
    let seen = watched(&stage);
    strike(&stage, 1, Fault::Late(1_000));
    let replacement = stage.create_task_set("x").send();
    replacement.await.expect_err("there is no such group");
    let before = seen.lock().expect("unpoisoned").len();
    wait(61).await;
    stage.aws.with_world(|world| world.now());
    assert_eq!(seen.lock().expect("unpoisoned").len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_recorded_which_faults_would_have_changed_an_answer() {
    let stage = stage("{}");
    let original = stage.original().await;
    stage.aws.record_telling_faults();
    stage.task_set(&original).await;
    stage.scale(&original, 90.0).await;
    stage.task_set(&original).await;
    stage.scale(&original, 80.0).await;
    stage.task_set(&original).await;
    let groups = stage.elb.describe_target_groups().send().await;
    groups.expect("groups");
    let expected: [&[Fault]; 6] = [
        &[Fault::UnknownValue],
        &[],
        // Before the last write and before the last two, the world was the same.
        &[Fault::Stale, Fault::UnknownValue],
        &[],
        &[Fault::Stale, Fault::VeryStale, Fault::UnknownValue],
        &[Fault::EmptyPage],
    ];
    assert_eq!(stage.aws.telling_faults(), expected);
}

#[tokio::test(start_paused = true)]
async fn one_moment_of_a_world_can_continue_in_several_ways() {
    let stage = stage("{}");
    let original = stage.original().await;
    stage.scale(&original, 90.0).await;
    let moment = stage.aws.moment();
    let made = stage.aws.call_count();
    assert_eq!(moment.call_count(), made);
    for percent in [50.0, 20.0] {
        let aws = SimulatedAws::from_moment(&moment, 1.0);
        aws.plan_faults([(made + 1, Fault::Unreachable)]);
        let fork = Stage {
            ecs: aws.sdk_ecs("test"),
            ..stage.clone()
        };
        let scaled = fork.rescale(&original, percent).send().await;
        assert!(scaled.is_ok(), "the SDK makes another attempt");
        assert_eq!(aws.call_count(), made + 2);
        let scale = aws.with_world(|world| world.task_set(&original).map(|set| set.scale));
        assert_eq!(scale, Some(percent));
    }
    assert!((scale_now(&stage, &original).await - 90.0).abs() < 0.1);
}
