//! A lock without one of its parts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Resources, Status};
use ebbtide_simulator::fault::{Fault, LambdaFault};
use serde_json::json;
use tokio::sync::Notify;

use super::every_invocation;
use super::lock_write::{Change, assert_opens, first_broken, lock_without, with_lock};
use crate::invariants::unfinished;
use crate::run::{Plan, Stage, run_on, wrong};
use crate::scenarios;

/// An execution that is stopped with a write on its way, and one that starts right after.
async fn stopped_with_a_write_on_its_way(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    for call in 20..110 {
        let stage = with_lock(&case, change);
        stage.aws.plan_faults([(call, Fault::Late(1_000))]);
        let stopped = stage
            .deploy_until("run-1", |_| stage.aws.call_count() >= call)
            .await;
        if !stopped {
            break;
        }
        stage.begin_another();
        stage.deploy("run-2").await;
        let broken = stage.broken();
        if broken.is_some() {
            return broken;
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_takeover_without_quiet_is_caught() {
    // A leave that asks for no quiet, or for less than a late write takes.
    let changes: [Change; 2] = [
        |write| {
            if write.leaves() {
                write.update = write
                    .update
                    .replace("busyUntil = :until", "busyUntil = rev");
            }
        },
        |write| {
            if write.leaves() {
                write.keep_out(|until| until - 20_000);
            }
        },
    ];
    for change in changes {
        assert_opens("S", change, stopped_with_a_write_on_its_way).await;
    }
}

/// A function that Lambda runs twice at once, at every invocation.
async fn twice_at_once(change: Change) -> Option<String> {
    let plans = every_invocation(LambdaFault::TwiceAtOnce).take(20);
    first_broken(&scenarios::two_tasks(), change, plans).await
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_lets_two_in_is_caught() {
    let change: Change = |write| {
        if let Some((before, _)) = write
            .condition
            .split_once(" AND (attribute_not_exists(busyBy)")
        {
            write.condition = before.to_owned();
        }
    };
    assert_opens("S6", change, twice_at_once).await;
}

/// The numbers of a run's calls of an operation.
fn calls_of(stage: &Stage, operation: &str) -> Vec<u64> {
    let world = stage.aws.snapshot();
    let calls = world.calls().zip(1..);
    let of = calls.filter(|(call, _)| call.operation == operation);
    of.map(|(_, number)| number).collect()
}

/// A leave whose first attempt lands late, at every call.
async fn late_leaves(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    let clean = run_on(Stage::new(&case), &Plan::default()).await;
    let leaves = calls_of(&clean.stage, "dynamodb:UpdateItem").into_iter();
    // It lands when the next function has entered and begins to check.
    let plans = leaves.map(|call| Plan::call(call, Fault::Late(3)));
    first_broken(&case, change, plans).await
}

#[tokio::test(start_paused = true)]
async fn a_leave_without_its_condition_is_caught() {
    let change: Change = |write| {
        if write.leaves() {
            write.condition = "attribute_exists(id)".to_owned();
        }
    };
    assert_opens("S6", change, late_leaves).await;
}

/// An execution that is stopped before one of its functions was invoked, taken over, and redriven.
async fn redriven_beside(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    for seconds in [60, 120, 200] {
        let stage = with_lock(&case, change);
        let stop = tokio::time::sleep(std::time::Duration::from_secs(seconds));
        let stopped = stage
            .installation
            .deploy_until("run-1", case.event.clone(), 7, &mut |_| {}, stop)
            .await;
        assert!(stopped.is_none());
        stage.watch().begin_another();
        let redriven = async {
            tokio::time::sleep(std::time::Duration::from_secs(150)).await;
            let _ = stage.installation.redrive("run-1", 8, &mut |_| {}).await;
        };
        tokio::join!(stage.deploy("run-2"), redriven);
        let broken = stage.broken();
        if broken.is_some() {
            return broken;
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_any_owner_and_any_fence_enters_is_caught() {
    let change: Change = |write| {
        let mine = "#owner = :me AND fence = :fence AND turn <= :turn AND";
        write.condition = write.condition.replace(mine, "");
    };
    assert_opens("S", change, redriven_beside).await;
}

/// A function that Step Functions gave up before it began, and that begins in the rollback.
async fn given_up(change: Change) -> Option<String> {
    let case = scenarios::alarm_in_the_drain();
    let stage = with_lock(&case, change);
    let (mut given_up, mut entered) = (None, 0);
    let begins = Notify::new();
    let mut drains = None;
    let mut on_event = |event: &HistoryEvent| {
        stage.note(event, &mut entered);
        match &event.kind {
            EventKind::TaskScheduled { parameters, .. }
                if parameters["Payload"]["phase"] == "scale-down" =>
            {
                drains.get_or_insert_with(|| parameters.clone());
            }
            EventKind::StateEntered { name, .. } if name == "RolledBack" => {
                given_up = drains.take();
                begins.notify_one();
            }
            _ => {}
        }
    };
    let (name, input) = ("run-1", case.event.clone());
    let deployment =
        stage
            .installation
            .deploy_until(name, input, 7, &mut on_event, begins.notified());
    deployment.await;
    // The rollback's turn is done, and what came after it: now begins the function that was abandoned
    // before them.
    stage.settled().await;
    let mut parameters = given_up.expect("it rolls back");
    let payload = parameters["Payload"].take();
    let function = parameters["FunctionName"].as_str().expect("a function");
    drop(stage.installation.call(function, payload).await);
    stage.broken()
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_given_up_and_comes_in_later_is_caught() {
    let change: Change =
        |write| write.condition = write.condition.replace(" AND turn <= :turn", "");
    assert_opens("S6", change, given_up).await;
}

/// A step whose first attempt lands half a minute late, at every step.
async fn late_steps(change: Change) -> Option<String> {
    let case = scenarios::quick_steps();
    let clean = run_on(Stage::new(&case), &Plan::default()).await;
    let steps = calls_of(&clean.stage, "ecs:UpdateTaskSet").into_iter();
    let plans = steps.map(|call| Plan::call(call, Fault::Late(1_000)));
    first_broken(&case, change, plans).await
}

#[tokio::test(start_paused = true)]
async fn a_leave_while_a_write_may_still_land_is_caught() {
    let change: Change = |write| {
        if write.leaves() && !write.update.contains("busyBy") {
            write.update = write.update.replace(" REMOVE ", " REMOVE busyBy, ");
        }
    };
    assert_opens("S", change, late_steps).await;
}

/// An execution that was stopped before it took the lock, and is redriven after a newer one has deployed.
async fn redriven_after_a_newer_one(change: Change) -> Option<String> {
    let stage = with_lock(&scenarios::two_tasks(), change);
    let entered = |event: &HistoryEvent| event.enters("CheckAndCreateService");
    assert!(stage.deploy_until("run-1", entered).await);
    stage.watch().begin_another();
    let newer = stage.deploy("run-2").await;
    assert!(newer.status.is_success(), "{newer:?}");
    let older = stage.installation.redrive("run-1", 8, &mut |_| {}).await;
    let newer = stage.installation.execution_arn("run-2");
    match older.unwrap().status {
        Status::Failed { error, cause }
            if error == "ConcurrentDeployment" && cause.contains(&newer) =>
        {
            stage.broken()
        }
        other => Some(format!(
            "L3: an execution that started before {newer} deploys after it: {other:?}"
        )),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_without_an_order_of_executions_is_caught() {
    let change: Change = |write| write.update = write.update.replace("newest = :started, ", "");
    assert_opens("L3", change, redriven_after_a_newer_one).await;
}

/// The first turn is invoked once more by Lambda while its execution waits for the replacement.
async fn first_turn_again(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    let stage = with_lock(&case, change);
    let (first, done) = (Mutex::new(None), Notify::new());
    let mut entered = 0;
    let mut on_event = |event: &HistoryEvent| {
        stage.note(event, &mut entered);
        match &event.kind {
            EventKind::TaskScheduled { parameters, .. }
                if parameters["Payload"]["phase"] == "check-and-create" =>
            {
                let mut first = first.lock().unwrap();
                first.get_or_insert_with(|| parameters.clone());
            }
            EventKind::StateEntered { name, .. } if name == "WaitForServiceReady" => {
                done.notify_one();
            }
            _ => {}
        }
    };
    let input = case.event.clone();
    let deployment = stage.installation.deploy("run-1", input, 7, &mut on_event);
    let again = async {
        done.notified().await;
        let mut parameters = first.lock().unwrap().clone().unwrap();
        let payload = parameters["Payload"].take();
        let function = parameters["FunctionName"].as_str().unwrap();
        drop(stage.installation.call(function, payload).await);
    };
    tokio::join!(deployment, again);
    stage.broken()
}

#[tokio::test(start_paused = true)]
async fn a_lock_taken_back_under_another_fence_is_caught() {
    let change: Change = |write| {
        if write.update.contains("newest") && !write.update.contains("fence") {
            write.update += ", fence :one";
        }
    };
    assert_opens("S6", change, first_turn_again).await;
}

/// A deployment whose last answer is lost.
async fn last_answer_lost(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    let clean = run_on(Stage::new(&case), &Plan::default()).await;
    let stage = with_lock(&case, change);
    let plan = Plan::invocation(clean.invocations, LambdaFault::TaskFailedAfter);
    let ran = run_on(stage, &plan).await;
    assert_eq!(unfinished(&ran.stage.aws.snapshot(), case.ends), None);
    wrong(&case, &ran).map(|what| format!("S12: it is deployed, and is reported as {what}"))
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_forgets_how_deployments_ended_is_caught() {
    let change: Change = |write| write.update = write.update.replace(", ends = :ends", "");
    assert_opens("S12", change, last_answer_lost).await;
}

/// An execution that is stopped in its rollback, and one that takes over.
async fn stopped_in_its_rollback(change: Change) -> Option<String> {
    let case = scenarios::named("sick after the swap");
    let stage = with_lock(&case, change);
    let entered = |event: &HistoryEvent| event.enters("Rollback");
    assert!(stage.deploy_until("run-1", entered).await);
    stage.begin_another();
    stage.deploy("run-2").await;
    // It goes back for the one, and forward and back for itself: more moves than S7 counts for one.
    unfinished(&stage.aws.snapshot(), case.ends)
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_forgets_a_rollback_is_caught() {
    let change: Change = |write| {
        for part in [", phase = :phase", ", #plan = :plan"] {
            write.update = write.update.replace(part, "");
        }
    };
    assert_opens("S12", change, stopped_in_its_rollback).await;
}

/// A function enters by a clock that is centuries ahead, and dies inside.
async fn bad_clock(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    let stage = Stage::new(&case);
    let entered = AtomicU64::new(0);
    lock_without(&stage, move |write| {
        if !write.leaves() && entered.fetch_add(1, Ordering::Relaxed) == 2 {
            write.keep_out(|_| 9_999_999_999_999);
        }
        change(write);
    });
    // Preflight, the first of the invocations, does not enter.
    let plan = Plan::invocation(4, LambdaFault::DiesAfterCalls(3));
    // What has been watched believes the clock.
    match run_on(stage, &plan).await.outcome.unwrap().status {
        Status::Succeeded { .. } => None,
        other => Some(format!("L1: no turn enters any more: {other:?}")),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_believes_a_clock_is_caught() {
    let change: Change =
        |write| write.condition = write.condition.replace(" OR rev = :outwaited", "");
    assert_opens("L1", change, bad_clock).await;
}

/// A step that Lambda runs twice at once, and of whose calls one is silent for some seconds.
async fn twice_and_apart(change: Change) -> Option<String> {
    let case = scenarios::quick_steps();
    let clean = run_on(Stage::new(&case), &Plan::default()).await;
    let step = calls_of(&clean.stage, "ecs:UpdateTaskSet")[0];
    let began = clean.stage.aws.calls_before_invocations();
    let invocation = began.iter().filter(|calls| **calls < step).count();
    let first = began[invocation - 1] + 1;
    let plans = (first..first + 40).map(|silent| Plan {
        calls: vec![(silent, Fault::Silent)],
        invocations: vec![(invocation as u64, LambdaFault::TwiceAtOnce)],
    });
    first_broken(&case, change, plans).await
}

#[tokio::test(start_paused = true)]
async fn a_nonce_that_is_every_invocations_is_caught() {
    let change: Change = |write| {
        write
            .values
            .insert(":nonce".to_owned(), json!({"S": "one"}));
        let free = "(attribute_not_exists(busyBy)";
        write.condition = write
            .condition
            .replace(free, &format!("{free} OR busyBy = :nonce"));
    };
    assert_opens("S", change, twice_and_apart).await;
}
