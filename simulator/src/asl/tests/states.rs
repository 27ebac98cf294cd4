//! Waits, Choices, Passes and the states that end an execution.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_wait_takes_its_seconds_and_no_more() {
    for (wait, seconds) in [
        (json!({ "Seconds": 0 }), 0),
        (json!({ "Seconds": 99_999_999 }), 99_999_999),
        (json!({ "SecondsPath": "$.wait" }), 30),
    ] {
        let mut state = json!({ "Type": "Wait", "End": true });
        state
            .as_object_mut()
            .unwrap()
            .extend(wait.as_object().unwrap().clone());
        let states = json!({ "A": state });
        let (outcome, _) = run_states(&states, json!({ "wait": 30 }), &Script::default()).await;
        assert_eq!(outcome.status, succeeded(json!({ "wait": 30 })), "{wait}");
        assert_eq!(outcome.elapsed, Duration::from_secs(seconds), "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_anything_but_whole_seconds_fails_the_execution() {
    let states = json!({ "A": { "Type": "Wait", "SecondsPath": "$.wait", "End": true } });
    for (input, problem) in [
        (json!({}), "does not reference an input value: $.wait"),
        (
            json!({ "wait": -1 }),
            "references a negative value: $.wait == -1",
        ),
        (
            json!({ "wait": 1.5 }),
            "cannot be parsed as a long value: $.wait == 1.5",
        ),
        (
            json!({ "wait": "30" }),
            "cannot be parsed as a long value: $.wait == \"30\"",
        ),
        (
            json!({ "wait": null }),
            "cannot be parsed as a long value: $.wait == null",
        ),
        (
            json!({ "wait": 100_000_000 }),
            "above 99999999: $.wait == 100000000",
        ),
    ] {
        let (outcome, history) = run_states(&states, input.clone(), &Script::default()).await;
        assert_eq!(error_of(&outcome), "States.Runtime");
        assert!(
            cause_of(&outcome).ends_with(problem),
            "{input}: {}",
            cause_of(&outcome)
        );
        assert!(cause_of(&outcome).contains("'A' (entered at the event id #2)"));
        assert_eq!(
            names(&history),
            ["ExecutionStarted", "WaitStateEntered", "ExecutionFailed"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_context_object_says_who_where_and_when() {
    let states = json!({
        "Before": { "Type": "Wait", "Seconds": 90, "Next": "A" },
        "A": { "Type": "Pass", "Parameters": { "all.$": "$$" }, "End": true },
    });
    let definition = json!({ "StartAt": "Before", "States": states }).to_string();
    let machine = StateMachine::parse(&definition).unwrap();
    let (outcome, _) = run_machine(&machine, json!({ "a": 1 }), &Script::default()).await;
    let context = json!({
        "Execution": {
            "Id": "arn:aws:states:eu-west-1:111122223333:execution:ebbtide:deploy-1",
            "Input": { "a": 1 },
            "Name": "deploy-1",
            "RedriveCount": 0,
            "RoleArn": "arn:aws:iam::111122223333:role/ebbtide",
            "StartTime": "2026-11-20T21:10:37.000Z",
        },
        "State": { "EnteredTime": "2026-11-20T21:12:07.000Z", "Name": "A", "RetryCount": 0 },
        "StateMachine": {
            "Id": "arn:aws:states:eu-west-1:111122223333:stateMachine:ebbtide",
            "Name": "ebbtide",
        },
    });
    assert_eq!(outcome.status, succeeded(json!({ "all": context })));
}

#[tokio::test(start_paused = true)]
async fn a_choice_takes_the_first_rule_that_holds() {
    let choices = json!([
        { "And": [
            { "Variable": "$.status", "IsPresent": true },
            { "Variable": "$.status", "StringEquals": "ready" },
        ], "Next": "Ready" },
        { "Variable": "$.status", "StringMatches": "*", "Next": "Other" },
    ]);
    for (input, default, expected) in [
        (json!({ "status": "ready" }), None, Ok("Ready")),
        (json!({ "status": "waiting" }), None, Ok("Other")),
        (json!({ "status": 3 }), Some("Other"), Ok("Other")),
        (json!({ "status": 3 }), None, Err("States.NoChoiceMatched")),
        (json!({}), Some("Other"), Err("States.Runtime")),
    ] {
        let mut choice = json!({ "Type": "Choice", "Choices": choices });
        if let Some(default) = default {
            choice["Default"] = json!(default);
        }
        let end = json!({ "Type": "Succeed" });
        let states = json!({ "A": choice, "Ready": end, "Other": end });
        let (outcome, _) = run_states(&states, input.clone(), &Script::default()).await;
        let came_to = match &outcome.status {
            Status::Failed { error, .. } => Err(error.as_str()),
            _ => Ok(outcome.last_state.as_str()),
        };
        assert_eq!(came_to, expected, "{input} {default:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_puts_its_result_where_it_says() {
    for (fields, output) in [
        (json!({}), json!({ "a": 1 })),
        (
            json!({ "Result": { "b.$": "$.a" } }),
            json!({ "b.$": "$.a" }),
        ),
        (json!({ "Result": null }), json!(null)),
        (
            json!({ "Result": 2, "ResultPath": "$.b" }),
            json!({ "a": 1, "b": 2 }),
        ),
        (
            json!({ "Parameters": { "b.$": "$.a" }, "ResultPath": "$.c" }),
            json!({ "a": 1, "c": { "b": 1 } }),
        ),
        (
            json!({ "Result": 2, "ResultPath": null }),
            json!({ "a": 1 }),
        ),
    ] {
        let mut state = json!({ "Type": "Pass", "End": true });
        state
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let (outcome, _) = run_states(
            &json!({ "A": state }),
            json!({ "a": 1 }),
            &Script::default(),
        )
        .await;
        assert_eq!(outcome.status, succeeded(output), "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fail_state_says_what_it_was_told() {
    let input = json!({ "failure": { "error": "Drift", "cause": "A listener was edited." } });
    for (fields, error, cause) in [
        (json!({}), "", ""),
        (json!({ "Error": "E", "Cause": "C" }), "E", "C"),
        (
            json!({ "ErrorPath": "$.failure.error", "CausePath": "$.failure.cause" }),
            "Drift",
            "A listener was edited.",
        ),
        (
            json!({ "ErrorPath": "$.none" }),
            "States.Runtime",
            "The JSONPath '$.none' specified for the field 'ErrorPath' could not be found",
        ),
        (
            json!({ "CausePath": "$.failure" }),
            "States.Runtime",
            "is not a string",
        ),
        (
            json!({ "Error": "E", "CausePath": "States.Format('{}: {}', $.failure.error, $$.State.Name)" }),
            "E",
            "Drift: A",
        ),
        (
            json!({ "Error": "E", "CausePath": "States.Format('{}', $.none)" }),
            "States.Runtime",
            "The function 'States.Format('{}', $.none)' had the following error",
        ),
    ] {
        let mut state = json!({ "Type": "Fail" });
        state
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let (outcome, history) =
            run_states(&json!({ "A": state }), input.clone(), &Script::default()).await;
        assert_eq!(error_of(&outcome), error, "{fields}");
        assert!(
            cause_of(&outcome).contains(cause),
            "{fields}: {}",
            cause_of(&outcome)
        );
        assert_eq!(
            names(&history),
            ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_succeed_state_selects_its_output() {
    let states = json!({ "A": { "Type": "Succeed", "InputPath": "$.a", "OutputPath": "$.b" } });
    let (outcome, _) = run_states(&states, json!({ "a": { "b": 3 } }), &Script::default()).await;
    assert_eq!(outcome.status, succeeded(json!(3)));
}
