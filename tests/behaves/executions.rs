//! Executions that run side by side, are stopped and are redriven, and functions that come to grief.

use std::time::Duration;

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Outcome, Status};
use ebbtide_simulator::deployment::{Installation, RedriveError};
use ebbtide_simulator::fault::{Fault, LambdaFault};
use ebbtide_simulator::world::{ExecutionStatus, World};
use ebbtide_simulator::{Names, SimulatedAws};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{aws, wait};

fn event() -> Value {
    Names::default().event()
}

/// A state machine that reads by a function, waits for ten minutes, and reads the same again.
fn reading() -> String {
    let mut state = event();
    state["readinessTimeout"] = json!(600);
    let read = |next: &str| {
        json!({
            "Type": "Task",
            "Resource": "arn:${Partition}:states:::lambda:invoke",
            "Parameters": {
                "FunctionName": "${CheckAndCreateFunction}",
                "Payload": {
                    "phase": "preflight",
                    "execution.$": "$$.Execution.Id",
                    "startedAt.$": "$$.Execution.StartTime",
                    "state": state,
                },
            },
            "OutputPath": "$.Payload",
            "TimeoutSeconds": 75,
            "Next": next,
        })
    };
    let states = json!({
        "First": read("Wait"),
        // The longest wait that the answer names.
        "Wait": { "Type": "Wait", "SecondsPath": "$.request.readinessTimeout", "Next": "Last" },
        "Last": read("Done"),
        "Done": { "Type": "Succeed" },
    });
    json!({ "StartAt": "First", "States": states }).to_string()
}

fn installed() -> (SimulatedAws, Installation) {
    let aws = aws(&json!({}));
    let installation = Installation::of(&aws, &reading()).expect("installed");
    (aws, installation)
}

fn status(aws: &SimulatedAws, installation: &Installation, name: &str) -> Option<ExecutionStatus> {
    let arn = installation.execution_arn(name);
    aws.with_world(|world| world.execution(&arn).map(|execution| execution.status))
}

fn names(history: &[HistoryEvent]) -> Vec<String> {
    history.iter().map(|event| event.kind.name()).collect()
}

fn written(aws: &SimulatedAws, operation: &str) -> usize {
    aws.with_world(|world| {
        let calls = world.calls().filter(|call| call.operation == operation);
        calls.count()
    })
}

fn succeeded(outcome: &Outcome) -> bool {
    outcome.status.is_success()
}

fn failed_with(outcome: &Outcome, name: &str) -> bool {
    matches!(&outcome.status, Status::Failed { error, .. } if error == name)
}

fn quietly(_: &HistoryEvent) {}

#[tokio::test(start_paused = true)]
async fn two_executions_run_at_once_in_one_world() {
    let (aws, installation) = installed();
    let mut seen = Vec::new();
    let (mut first_note, mut second_note) = (quietly, |_: &HistoryEvent| {
        let running = |name| status(&aws, &installation, name) == Some(ExecutionStatus::Running);
        seen.push(running("first") && running("second"));
    });
    let (first, second) = tokio::join!(
        installation.deploy("first", event(), 1, &mut first_note),
        installation.deploy("second", event(), 2, &mut second_note),
    );
    let both = succeeded(&first) && succeeded(&second);
    assert!(both, "{first:?} {second:?}");
    assert!(seen.contains(&true));
    // Not one after the other.
    assert!(first.elapsed < Duration::from_secs(700));
    for name in ["first", "second"] {
        let status = status(&aws, &installation, name);
        assert_eq!(status, Some(ExecutionStatus::Succeeded));
        let history = installation.history(name);
        assert_eq!(history.last().map(|event| event.id), Some(first.events));
        assert!(history.iter().map(|event| event.id).eq(1..=first.events));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_while_its_execution_runs() {
    let (_, installation) = installed();
    let (mut note, mut other) = (quietly, quietly);
    let (first, second) = tokio::join!(
        installation.deploy("first", event(), 1, &mut note),
        installation.deploy("first", event(), 1, &mut other),
    );
    assert!(succeeded(&first));
    assert!(failed_with(&second, "ExecutionAlreadyExists"));
    let again = installation.deploy("first", event(), 1, &mut quietly).await;
    assert!(succeeded(&again), "it has ended");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_cleans_nothing_up_and_its_function_runs_on() {
    let aws = aws(&json!({}));
    let installation = Installation::new(&aws).expect("installed");
    let creating = Notify::new();
    let mut note = |event: &HistoryEvent| {
        if event.enters("CheckAndCreateService") {
            creating.notify_one();
        }
    };
    let stop = async {
        creating.notified().await;
        // The function has been invoked, and has not written yet.
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let deployment = installation.deploy_until("run-1", event(), 1, &mut note, stop);
    assert_eq!(deployment.await, None);
    let status = status(&aws, &installation, "run-1");
    assert_eq!(status, Some(ExecutionStatus::Aborted));
    let history = installation.history("run-1");
    let last = names(&history).pop();
    assert_eq!(last.as_deref(), Some("ExecutionAborted"));
    assert_eq!(written(&aws, "ecs:CreateTaskSet"), 0);
    installation.settled().await;
    // The function has written since.
    assert_eq!(written(&aws, "ecs:CreateTaskSet"), 1);
    let now = aws.with_world(|world| world.now());
    assert!(now < 60_000, "and has ended within its timeout: {now} ms");
    wait(300).await;
    let later = installation.history("run-1");
    assert_eq!(later.len(), history.len(), "nothing goes on");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_is_redriven_with_its_start_and_its_input() {
    let (aws, installation) = installed();
    let mut on_event = quietly;
    let deployment = installation.deploy_until("run-1", event(), 1, &mut on_event, wait(100));
    assert_eq!(deployment.await, None);
    wait(3_600).await;
    let calls = aws.call_count();
    let mut started = Vec::new();
    let mut note = |event: &HistoryEvent| {
        if let EventKind::TaskScheduled { parameters, .. } = &event.kind {
            started.push(parameters["Payload"]["startedAt"].clone());
        }
    };
    let redriven = installation.redrive("run-1", 1, &mut note).await;
    let outcome = redriven.expect("redriven");
    assert!(succeeded(&outcome), "{outcome:?}");
    // The first step is not run again.
    assert_eq!(started, ["2026-01-01T00:00:00.000Z"]);
    assert!(aws.call_count() > calls);
    assert_eq!(outcome.elapsed.as_secs(), 100 + 3_600 + 600);
    let history = names(&installation.history("run-1"));
    let at = history.iter().position(|name| name == "ExecutionRedriven");
    let at = at.expect("a redrive");
    assert_eq!(history[at - 1], "ExecutionAborted");
    assert_eq!(history[at + 1], "WaitStateEntered");
    assert_eq!(outcome.events, history.len() as u64);
    let arn = installation.execution_arn("run-1");
    let redriven = aws.with_world(|world| world.execution(&arn).cloned());
    let redriven = redriven.expect("described");
    assert_eq!(redriven.status, ExecutionStatus::Succeeded);
    assert_eq!(redriven.redrive_count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_execution_is_redriven_from_the_state_that_failed_and_may_be_stopped_again() {
    let (aws, installation) = installed();
    aws.plan_lambda_faults([(2, LambdaFault::TaskFailedBefore)]);
    let failed = installation.deploy("run-1", event(), 1, &mut quietly).await;
    assert!(failed_with(&failed, "States.TaskFailed"));
    let mut on_event = quietly;
    let redriven = installation.redrive("run-1", 1, &mut on_event);
    let stopped = tokio::time::timeout(Duration::from_millis(1), redriven).await;
    stopped.expect_err("its function takes longer");
    let redriven = installation.redrive("run-1", 1, &mut quietly).await;
    let outcome = redriven.expect("redriven");
    assert!(succeeded(&outcome), "{outcome:?}");
    assert_eq!(outcome.last_state, "Done");
    let refused = installation.redrive("run-1", 1, &mut quietly).await;
    let Err(RedriveError::Refused(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(error.code, "ExecutionNotRedrivable");
    let unknown = installation.redrive("run-2", 1, &mut quietly).await;
    assert_eq!(unknown, Err(RedriveError::NotRecorded("run-2".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_struck_has_done_what_it_had_done() {
    let normal = {
        let (aws, installation) = installed();
        installation.deploy("run-1", event(), 1, &mut quietly).await;
        aws.call_count() / 2
    };
    assert!(normal > 4, "{normal}");
    let (unknown, timed_out, failed) = ("Lambda.Unknown", "Sandbox.Timedout", "States.TaskFailed");
    for (fault, error, calls) in [
        (LambdaFault::DiesAtStart, unknown, 0),
        (LambdaFault::DiesAfterCalls(3), unknown, 3),
        (LambdaFault::DiesAfterCalls(1_000), unknown, normal),
        (LambdaFault::DiesAtEnd, unknown, normal),
        (LambdaFault::TimesOutAfterCalls(0), timed_out, 0),
        (LambdaFault::TimesOutAfterCalls(2), timed_out, 2),
        (LambdaFault::TaskFailedBefore, failed, 0),
        (LambdaFault::TaskFailedAfter, failed, normal),
    ] {
        let (aws, installation) = installed();
        aws.plan_lambda_faults([(1, fault)]);
        let outcome = installation.deploy("run-1", event(), 1, &mut quietly).await;
        assert!(failed_with(&outcome, error), "{fault:?}: {outcome:?}");
        assert_eq!(aws.call_count(), calls, "{fault:?}");
        assert_eq!(aws.invocation_count(), 1);
        let is_late = outcome.elapsed.as_secs() >= 60;
        assert_eq!(is_late, error == timed_out, "{fault:?}");
    }
    for fault in [LambdaFault::Twice, LambdaFault::TwiceAtOnce] {
        let (aws, installation) = installed();
        aws.plan_lambda_faults([(1, fault)]);
        let outcome = installation.deploy("run-1", event(), 1, &mut quietly).await;
        assert!(succeeded(&outcome), "{fault:?}: {outcome:?}");
        installation.settled().await;
        assert_eq!(aws.call_count(), 3 * normal, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_runs_on_when_its_task_has_timed_out() {
    let aws = aws(&json!({}));
    let definition = reading().replace("\"TimeoutSeconds\":75", "\"TimeoutSeconds\":1");
    let installation = Installation::of(&aws, &definition).expect("installed");
    // The SDK gives up on the silent call after five seconds, and goes on.
    aws.plan_faults([(1, Fault::Silent)]);
    let outcome = installation.deploy("run-1", event(), 1, &mut quietly).await;
    assert!(failed_with(&outcome, "States.Timeout"));
    let before = aws.call_count();
    installation.settled().await;
    assert!(aws.call_count() > before, "{}", aws.call_count());
    let calls = aws.with_world(World::take_calls);
    let last = calls.last().expect("a call");
    assert_eq!(last.caller, "check-and-create run-1");
}
