//! Executions that run side by side, are stopped and are redriven, and functions that come to grief.

use std::time::Duration;

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Outcome, Status};
use ebbtide_simulator::deployment::{Installation, RedriveError};
use ebbtide_simulator::fault::{Fault, LambdaFault};
use ebbtide_simulator::world::{ExecutionStatus, World};
use ebbtide_simulator::{Names, SimulatedAws};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{scenario, wait};

fn aws() -> SimulatedAws {
    let world = scenario("{}").world();
    SimulatedAws::new(world.expect("a world"), 1.0)
}

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
    matches!(outcome.status, Status::Succeeded { .. })
}

fn quietly(_: &HistoryEvent) {}

#[tokio::test(start_paused = true)]
async fn two_executions_run_at_once_in_one_world() {
    let aws = aws();
    let installation = Installation::of(&aws, &reading()).expect("installed");
    let mut seen = Vec::new();
    let (mut first_note, mut second_note) = (quietly, |_: &HistoryEvent| {
        let running = |name| status(&aws, &installation, name) == Some(ExecutionStatus::Running);
        seen.push(running("first") && running("second"));
    });
    let (first, second) = tokio::join!(
        installation.deploy("first", event(), 1, &mut first_note),
        installation.deploy("second", event(), 2, &mut second_note),
    );
    assert!(
        succeeded(&first) && succeeded(&second),
        "{first:?} {second:?}"
    );
    assert!(seen.contains(&true));
    assert!(
        first.elapsed < Duration::from_secs(700),
        "not one after the other"
    );
    for name in ["first", "second"] {
        assert_eq!(
            status(&aws, &installation, name),
            Some(ExecutionStatus::Succeeded)
        );
        let history = installation.history(name);
        assert_eq!(history.last().map(|event| event.id), Some(first.events));
        assert!(history.iter().map(|event| event.id).eq(1..=first.events));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_while_its_execution_runs() {
    let aws = aws();
    let installation = Installation::of(&aws, &reading()).expect("installed");
    let (mut note, mut other) = (quietly, quietly);
    let (first, second) = tokio::join!(
        installation.deploy("first", event(), 1, &mut note),
        installation.deploy("first", event(), 1, &mut other),
    );
    assert!(succeeded(&first));
    assert!(
        matches!(&second.status, Status::Failed { error, .. } if error == "ExecutionAlreadyExists")
    );
    let again = installation.deploy("first", event(), 1, &mut quietly).await;
    assert!(succeeded(&again), "it has ended");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_cleans_nothing_up_and_its_function_runs_on() {
    let aws = aws();
    let installation = Installation::new(&aws).expect("installed");
    let creating = Notify::new();
    let mut note = |event: &HistoryEvent| {
        if let EventKind::StateEntered { name, .. } = &event.kind
            && name == "CheckAndCreateService"
        {
            creating.notify_one();
        }
    };
    let stop = async {
        creating.notified().await;
        // The function has been invoked, and has not written yet.
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let outcome = installation
        .deploy_until("run-1", event(), 1, &mut note, stop)
        .await;
    assert_eq!(outcome, None);
    assert_eq!(
        status(&aws, &installation, "run-1"),
        Some(ExecutionStatus::Aborted)
    );
    let history = installation.history("run-1");
    assert_eq!(
        names(&history).last().map(String::as_str),
        Some("ExecutionAborted")
    );
    assert_eq!(written(&aws, "ecs:CreateTaskSet"), 0);
    installation.settled().await;
    assert_eq!(
        written(&aws, "ecs:CreateTaskSet"),
        1,
        "the function has written since"
    );
    let now = aws.with_world(|world| world.now());
    assert!(now < 60_000, "and has ended within its timeout: {now} ms");
    wait(300).await;
    assert_eq!(
        installation.history("run-1").len(),
        history.len(),
        "nothing goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_is_redriven_with_its_start_and_its_input() {
    let aws = aws();
    let installation = Installation::of(&aws, &reading()).expect("installed");
    let stopped = installation
        .deploy_until("run-1", event(), 1, &mut quietly, wait(100))
        .await;
    assert_eq!(stopped, None);
    wait(3_600).await;
    let calls = aws.call_count();
    let mut started = Vec::new();
    let outcome = installation
        .redrive("run-1", 1, &mut |event| {
            if let EventKind::TaskScheduled { parameters, .. } = &event.kind {
                started.push(parameters["Payload"]["startedAt"].clone());
            }
        })
        .await
        .expect("redriven");
    assert!(succeeded(&outcome), "{outcome:?}");
    assert_eq!(
        started,
        ["2026-01-01T00:00:00.000Z"],
        "the first step is not run again"
    );
    assert!(aws.call_count() > calls);
    assert_eq!(outcome.elapsed.as_secs(), 100 + 3_600 + 600);
    let history = names(&installation.history("run-1"));
    let at = history
        .iter()
        .position(|name| name == "ExecutionRedriven")
        .expect("a redrive");
    assert_eq!(history[at - 1], "ExecutionAborted");
    assert_eq!(history[at + 1], "WaitStateEntered");
    assert_eq!(outcome.events, history.len() as u64);
    let arn = installation.execution_arn("run-1");
    let redriven = aws
        .with_world(|world| world.execution(&arn).cloned())
        .expect("described");
    assert_eq!(
        (redriven.status, redriven.redrive_count),
        (ExecutionStatus::Succeeded, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_execution_is_redriven_from_the_state_that_failed_and_may_be_stopped_again() {
    let aws = aws();
    let installation = Installation::of(&aws, &reading()).expect("installed");
    aws.plan_lambda_faults([(2, LambdaFault::TaskFailedBefore)]);
    let failed = installation.deploy("run-1", event(), 1, &mut quietly).await;
    assert!(matches!(&failed.status, Status::Failed { error, .. } if error == "States.TaskFailed"));
    let stopped = installation
        .redrive_until("run-1", 1, &mut quietly, std::future::ready(()))
        .await;
    assert_eq!(stopped, Ok(None));
    let outcome = installation
        .redrive("run-1", 1, &mut quietly)
        .await
        .expect("redriven");
    assert!(succeeded(&outcome), "{outcome:?}");
    assert_eq!(outcome.last_state, "Done");
    let refused = installation.redrive("run-1", 1, &mut quietly).await;
    assert!(
        matches!(&refused, Err(RedriveError::Refused(error)) if error.code == "ExecutionNotRedrivable"),
        "{refused:?}"
    );
    let unknown = installation.redrive("run-2", 1, &mut quietly).await;
    assert_eq!(unknown, Err(RedriveError::NotRecorded("run-2".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_struck_has_done_what_it_had_done() {
    let normal = {
        let aws = aws();
        let installation = Installation::of(&aws, &reading()).expect("installed");
        installation.deploy("run-1", event(), 1, &mut quietly).await;
        aws.call_count() / 2
    };
    assert!(normal > 4, "{normal}");
    for (fault, error, calls, at_least) in [
        (LambdaFault::DiesAtStart, "Lambda.Unknown", 0, 0),
        (LambdaFault::DiesAfterCalls(3), "Lambda.Unknown", 3, 0),
        (
            LambdaFault::DiesAfterCalls(1_000),
            "Lambda.Unknown",
            normal,
            0,
        ),
        (LambdaFault::DiesAtEnd, "Lambda.Unknown", normal, 0),
        (
            LambdaFault::TimesOutAfterCalls(0),
            "Sandbox.Timedout",
            0,
            60,
        ),
        (
            LambdaFault::TimesOutAfterCalls(2),
            "Sandbox.Timedout",
            2,
            60,
        ),
        (LambdaFault::TaskFailedBefore, "States.TaskFailed", 0, 0),
        (LambdaFault::TaskFailedAfter, "States.TaskFailed", normal, 0),
    ] {
        let aws = aws();
        let installation = Installation::of(&aws, &reading()).expect("installed");
        aws.plan_lambda_faults([(1, fault)]);
        let outcome = installation.deploy("run-1", event(), 1, &mut quietly).await;
        assert!(
            matches!(&outcome.status, Status::Failed { error: is, .. } if is == error),
            "{fault:?}: {outcome:?}"
        );
        assert_eq!(aws.call_count(), calls, "{fault:?}");
        assert_eq!(aws.invocation_count(), 1);
        assert_eq!(outcome.elapsed.as_secs() >= 60, at_least == 60, "{fault:?}");
    }
    for fault in [LambdaFault::Twice, LambdaFault::TwiceAtOnce] {
        let aws = aws();
        let installation = Installation::of(&aws, &reading()).expect("installed");
        aws.plan_lambda_faults([(1, fault)]);
        let outcome = installation.deploy("run-1", event(), 1, &mut quietly).await;
        assert!(succeeded(&outcome), "{fault:?}: {outcome:?}");
        installation.settled().await;
        assert_eq!(aws.call_count(), 3 * normal, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_runs_on_when_its_task_has_timed_out() {
    let aws = aws();
    let definition = reading().replace("\"TimeoutSeconds\":75", "\"TimeoutSeconds\":1");
    let installation = Installation::of(&aws, &definition).expect("installed");
    // The SDK gives up on the silent call after five seconds, and goes on.
    aws.plan_faults([(1, Fault::Silent)]);
    let outcome = installation.deploy("run-1", event(), 1, &mut quietly).await;
    assert!(matches!(&outcome.status, Status::Failed { error, .. } if error == "States.Timeout"));
    let before = aws.call_count();
    installation.settled().await;
    assert!(aws.call_count() > before, "{}", aws.call_count());
    assert_eq!(
        aws.with_world(World::take_calls)
            .last()
            .map(|call| call.caller.clone()),
        Some("check-and-create run-1".to_owned())
    );
}
