//! Tasks: retries, catches, timeouts, and what they send and select.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_task_leaves_the_events_of_a_standard_workflow() {
    let ready = json!({ "status": "ready" });
    let script = Script::new([Ok(json!({ "Payload": ready }))]);
    let states = task(&json!({ "OutputPath": "$.Payload", "TimeoutSeconds": 75 }));
    let (outcome, history) = run_states(&states, json!({ "a": 1 }), &script).await;
    assert_eq!(outcome.status, succeeded(ready.clone()));
    let shown = serde_json::to_value(history).unwrap();
    let wanted = json!([
        {
            "at": 0.0, "id": 1, "type": "ExecutionStarted", "input": { "a": 1 },
            "roleArn": "arn:aws:iam::111122223333:role/ebbtide",
        },
        { "at": 0.0, "id": 2, "type": "TaskStateEntered", "name": "A", "input": { "a": 1 } },
        {
            "at": 0.0, "id": 3, "type": "TaskScheduled", "resourceType": "lambda",
            "resource": "invoke", "timeoutInSeconds": 75,
            "parameters": { "FunctionName": "swap", "Payload": { "state": { "a": 1 } } },
        },
        { "at": 0.0, "id": 4, "type": "TaskStarted", "resourceType": "lambda", "resource": "invoke" },
        {
            "at": 0.0, "id": 5, "type": "TaskSucceeded", "resourceType": "lambda",
            "resource": "invoke", "output": { "Payload": ready },
        },
        { "at": 0.0, "id": 6, "type": "TaskStateExited", "name": "A", "output": ready },
        { "at": 0.0, "id": 7, "type": "SucceedStateEntered", "name": "Done", "input": ready },
        { "at": 0.0, "id": 8, "type": "SucceedStateExited", "name": "Done", "output": ready },
        { "at": 0.0, "id": 9, "type": "ExecutionSucceeded", "output": ready },
    ]);
    assert_eq!(shown, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_error_is_not_retried() {
    let states = task(&json!({
        "Retry": [
            { "ErrorEquals": ["Drift"], "MaxAttempts": 0 },
            { "ErrorEquals": ["States.ALL"] },
        ],
        "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Caught" }],
    }));
    let script = Script::new([fails("Drift")]);
    let (outcome, _) = run_states(&states, json!({ "a": 1 }), &script).await;
    let error = json!({ "Error": "Drift", "Cause": "why Drift" });
    assert_eq!(outcome.status, succeeded(json!({ "a": 1, "error": error })));
    assert_eq!(outcome.elapsed, Duration::ZERO);
    assert_eq!(script.called().len(), 1);
    assert_eq!(outcome.last_state, "Caught");
}

#[tokio::test(start_paused = true)]
async fn each_retrier_counts_its_own_attempts() {
    let states = task(&json!({ "Retry": [
        { "ErrorEquals": ["Transient"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 2 },
        { "ErrorEquals": ["Throttled"], "IntervalSeconds": 10, "MaxAttempts": 2, "BackoffRate": 3 },
    ] }));
    let errors = ["Transient", "Throttled", "Transient", "Throttled"];
    let script = Script::new(errors.map(fails).into_iter().chain([Ok(json!({}))]));
    let (outcome, _) = run_states(&states, json!({}), &script).await;
    assert_eq!(outcome.status, succeeded(json!({})));
    assert_eq!(outcome.elapsed, Duration::from_secs(1 + 10 + 2 + 30));
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_retrier_leaves_the_error_to_the_catchers_not_to_the_next_retrier() {
    let states = task(&json!({
        "Retry": [
            { "ErrorEquals": ["Transient"], "MaxAttempts": 1 },
            { "ErrorEquals": ["States.ALL"], "MaxAttempts": 5 },
        ],
        "Catch": [{ "ErrorEquals": ["Transient"], "Next": "Caught" }],
    }));
    let script = Script::new(["Transient", "Transient"].map(fails));
    let (outcome, history) = run_states(&states, json!({}), &script).await;
    let error = json!({ "Error": "Transient", "Cause": "why Transient" });
    assert_eq!(outcome.status, succeeded(error));
    let attempt = ["TaskScheduled", "TaskStarted", "TaskFailed"];
    assert_eq!(names(&history)[2..5], attempt);
    assert_eq!(names(&history)[5..8], attempt);
    assert_eq!(names(&history)[8], "TaskStateExited");
}

#[tokio::test(start_paused = true)]
async fn an_uncaught_error_fails_the_execution_with_its_name_and_cause() {
    let states =
        task(&json!({ "Catch": [{ "ErrorEquals": ["States.Timeout"], "Next": "Caught" }] }));
    let (outcome, history) = run_states(&states, json!({}), &Script::new([fails("Drift")])).await;
    assert_eq!(failure_of(&outcome), ("Drift", "why Drift"));
    assert_eq!(names(&history)[4..], ["TaskFailed", "ExecutionFailed"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_takes_too_long_is_dropped_and_times_out() {
    let script = Script::slow([(76, json!("late")), (75, json!("in time"))]);
    let states = task(&json!({
        "TimeoutSeconds": 75,
        "Retry": [{ "ErrorEquals": ["States.Timeout"], "IntervalSeconds": 5 }],
    }));
    let (outcome, history) = run_states(&states, json!({}), &script).await;
    assert_eq!(outcome.status, succeeded(json!("in time")));
    assert_eq!(outcome.elapsed, Duration::from_secs(75 + 5 + 75));
    assert_eq!(names(&history)[4], "TaskTimedOut");
}

#[tokio::test(start_paused = true)]
async fn task_failed_does_not_catch_a_timeout() {
    let script = Script::slow([(9, json!({}))]);
    let states = task(&json!({
        "TimeoutSeconds": 5,
        "Catch": [
            { "ErrorEquals": ["States.TaskFailed"], "Next": "Done" },
            { "ErrorEquals": ["States.ALL"], "Next": "Caught" },
        ],
    }));
    let (outcome, _) = run_states(&states, json!({}), &script).await;
    let error = json!({ "Error": "States.Timeout", "Cause": "" });
    assert_eq!(outcome.status, succeeded(error));
    assert_eq!(outcome.last_state, "Caught");
}

#[tokio::test(start_paused = true)]
async fn jitter_is_within_the_wait_and_the_same_for_the_same_seed() {
    let states = task(&json!({ "Retry": [
        { "ErrorEquals": ["Throttled"], "IntervalSeconds": 8, "JitterStrategy": "FULL" },
    ] }));
    let mut elapsed = Vec::new();
    for _ in 0..2 {
        let script = Script::new([fails("Throttled"), Ok(json!({}))]);
        elapsed.push(run_states(&states, json!({}), &script).await.0.elapsed);
    }
    assert!(elapsed[0] > Duration::ZERO, "{elapsed:?}");
    assert!(elapsed[0] <= Duration::from_secs(8), "{elapsed:?}");
    assert_eq!(elapsed[0], elapsed[1]);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_sends_the_same_and_the_output_path_selects_of_the_result() {
    let states = task(&json!({
        "Parameters": {
            "FunctionName": "swap",
            "Payload": { "phase": "swap", "execution.$": "$$.Execution.Id", "state.$": "$" },
        },
        "OutputPath": "$.Payload",
        "Retry": [{ "ErrorEquals": ["Transient"] }],
    }));
    let answer = Ok(json!({ "Payload": { "next": "Bake" }, "StatusCode": 200 }));
    let script = Script::new([fails("Transient"), answer]);
    let (outcome, _) = run_states(&states, json!({ "cluster": "c" }), &script).await;
    assert_eq!(outcome.status, succeeded(json!({ "next": "Bake" })));
    let execution = "arn:aws:states:eu-west-1:111122223333:execution:ebbtide:deploy-1";
    let sent = json!({ "phase": "swap", "execution": execution, "state": { "cluster": "c" } });
    let called = ("swap".to_owned(), sent);
    assert_eq!(*script.calls.borrow(), [called.clone(), called]);
}

#[tokio::test(start_paused = true)]
async fn nothing_catches_a_path_that_points_at_nothing() {
    let states = task(&json!({
        "OutputPath": "$.Payload",
        "Retry": [{ "ErrorEquals": ["States.ALL"] }],
        "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Caught" }],
    }));
    let (outcome, _) = run_states(&states, json!({}), &Script::new([Ok(json!({}))])).await;
    assert_eq!(error_of(&outcome), "States.Runtime");
    assert!(cause_of(&outcome).ends_with("Invalid path '$.Payload' : No results for this path."));
}

#[tokio::test(start_paused = true)]
async fn a_catch_is_blind_to_the_output_path_of_the_state() {
    let states = task(&json!({
        "OutputPath": "$.no.such.path",
        "Catch": [{ "ErrorEquals": ["Drift"], "ResultPath": "$.failure", "Next": "Caught" }],
    }));
    let (outcome, _) = run_states(&states, json!({ "a": 1 }), &Script::new([fails("Drift")])).await;
    let failure = json!({ "Error": "Drift", "Cause": "why Drift" });
    let output = json!({ "a": 1, "failure": failure });
    assert_eq!(outcome.status, succeeded(output));
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_a_place_in_the_input_fails_the_execution() {
    let states = task(&json!({
        "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Caught" }],
    }));
    let script = Script::new([fails("Drift")]);
    let (outcome, _) = run_states(&states, json!("text"), &script).await;
    assert_eq!(error_of(&outcome), "States.ResultPathMatchFailure");
}
