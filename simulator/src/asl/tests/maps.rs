//! Maps: iterations side by side, and executions that they start.

use super::*;

/// A Map over `$.items` that starts an execution for each, and what catches its error.
fn starting() -> Value {
    json!({
        "A": {
            "Type": "Map", "ItemsPath": "$.items", "ResultPath": "$.ended", "Next": "Done",
            "ItemProcessor": {
                "ProcessorConfig": { "Mode": "INLINE" },
                "StartAt": "Start",
                "States": {
                    "Start": {
                        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
                        "Parameters": { "StateMachineArn": "m", "Name.$": "$.name", "Input.$": "$.input" },
                        "Catch": [{ "ErrorEquals": ["Caught"], "ResultPath": "$.error", "Next": "Ended" }],
                        "End": true,
                    },
                    "Ended": { "Type": "Succeed" },
                },
            },
        },
        "Done": { "Type": "Succeed" },
    })
}

fn items() -> Value {
    json!({ "items": [{ "name": "a", "input": { "x": 1 } }, { "name": "b", "input": { "x": 2 } }] })
}

#[tokio::test(start_paused = true)]
async fn iterations_run_side_by_side_and_their_results_keep_the_order() {
    let script = Script::slow([(60, json!("first")), (30, json!("second"))]);
    let (outcome, history) = run_states(&starting(), items(), &script).await;
    let mut output = items();
    output["ended"] = json!(["first", "second"]);
    assert_eq!(outcome.status, succeeded(output));
    assert_eq!(outcome.elapsed, Duration::from_mins(1));
    assert_eq!(script.called(), [json!({ "x": 1 }), json!({ "x": 2 })]);
    let wanted = "ExecutionStarted MapStateEntered MapStateStarted \
        MapIterationStarted TaskStateEntered TaskScheduled TaskStarted TaskSubmitted \
        MapIterationStarted TaskStateEntered TaskScheduled TaskStarted TaskSubmitted \
        TaskSucceeded TaskStateExited MapIterationSucceeded \
        TaskSucceeded TaskStateExited MapIterationSucceeded \
        MapStateSucceeded MapStateExited SucceedStateEntered SucceedStateExited ExecutionSucceeded";
    assert_eq!(
        names(&history),
        wanted.split_whitespace().collect::<Vec<_>>()
    );
    let EventKind::TaskSubmitted { output, .. } = &history[7].kind else {
        panic!("{:?}", history[7])
    };
    assert_eq!(output, &json!({ "ExecutionArn": "m:a" }));
    assert_eq!(outcome.last_state, "Done");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_caught_ends_its_iteration_alone() {
    let script = Script::new([fails("Caught"), Ok(json!("second"))]);
    let (outcome, _) = run_states(&starting(), items(), &script).await;
    let mut output = items();
    let error = json!({ "Error": "Caught", "Cause": "why Caught" });
    let first = json!({ "name": "a", "input": { "x": 1 }, "error": error });
    output["ended"] = json!([first, "second"]);
    assert_eq!(outcome.status, succeeded(output));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_nothing_catches_ends_the_others_and_the_execution() {
    let late = (60, Ok(json!("second")));
    let script = Script::timed([(10, fails("Other")), late].into_iter());
    let (outcome, history) = run_states(&starting(), items(), &script).await;
    assert_eq!(error_of(&outcome), "Other");
    assert_eq!(outcome.elapsed, Duration::from_secs(10));
    let last: Vec<_> = names(&history).into_iter().rev().take(3).collect();
    assert_eq!(
        last,
        ["ExecutionFailed", "MapStateFailed", "MapIterationFailed"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_map_without_items_goes_on_and_one_over_no_list_fails() {
    let script = Script::default();
    let (outcome, _) = run_states(&starting(), json!({ "items": [] }), &script).await;
    assert_eq!(
        outcome.status,
        succeeded(json!({ "items": [], "ended": [] }))
    );
    let (outcome, _) = run_states(&starting(), json!({ "items": 3 }), &script).await;
    assert_eq!(error_of(&outcome), "States.Runtime");
    assert!(cause_of(&outcome).ends_with("Reference path \"$.items\" must point to array."));
}

#[test]
fn what_is_wrong_within_a_map_is_named_by_its_place() {
    for (field, value, refusal) in [
        (
            "StartAt",
            json!("Nowhere"),
            "States.A.ItemProcessor.StartAt: there is no state Nowhere",
        ),
        (
            "ProcessorConfig",
            json!({ "Mode": "DISTRIBUTED" }),
            "States.A.ItemProcessor.ProcessorConfig.Mode: unknown variant `DISTRIBUTED`",
        ),
        (
            "States",
            json!({ "Start": { "Type": "Pass" } }),
            "States.A.ItemProcessor.States.Start.Type: states of this type are not supported: Pass",
        ),
    ] {
        let mut states = starting();
        states["A"]["ItemProcessor"][field] = value;
        let definition = json!({ "StartAt": "A", "States": states });
        let error = StateMachine::parse(&definition.to_string())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(refusal), "{error}");
    }
}
