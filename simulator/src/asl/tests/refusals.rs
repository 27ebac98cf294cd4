//! Definitions that are not run, and the place that the refusal names.

use super::*;

fn refused(definition: &Value, refusal: &str) {
    let error = StateMachine::parse(&definition.to_string())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(refusal), "{error}\n  is not\n{refusal}");
}

fn state(state: &Value) -> Value {
    json!({ "StartAt": "Swap", "States": { "Swap": state } })
}

fn refused_task(fields: &Value, refusal: &str) {
    let mut task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": { "FunctionName": "swap", "Payload": {} },
        "Next": "Done",
    });
    let given = task.as_object_mut().unwrap();
    for (name, field) in fields.as_object().unwrap() {
        match field {
            Value::Null => given.shift_remove(name),
            field => given.insert(name.clone(), field.clone()),
        };
    }
    let mut definition = state(&task);
    definition["States"]["Done"] = json!({ "Type": "Succeed" });
    refused(&definition, refusal);
}

#[test]
fn a_field_of_a_task_that_is_not_supported_is_refused_by_name_and_place() {
    let payload =
        |payload: Value| json!({ "Parameters": { "FunctionName": "f", "Payload": payload } });
    for (fields, refusal) in [
        (
            payload(json!({ "a.$": "States.UUID()" })),
            "States.Swap.Parameters.Payload.a.$: only $, $$.Execution.Id and",
        ),
        (
            payload(json!({ "phase": "swap", "deep": { "list": [] } })),
            "States.Swap.Parameters.Payload.deep.list: lists are not supported",
        ),
        (
            json!({ "Parameters": { "FunctionName": "f", "InvocationType": "Event", "Payload": {} } }),
            "States.Swap.Parameters.InvocationType: unknown field",
        ),
        (
            json!({ "Parameters": { "Payload": {} } }),
            "States.Swap.Parameters: missing field `FunctionName`",
        ),
        (
            json!({ "Parameters": null }),
            "States.Swap: missing field `Parameters`",
        ),
        (
            json!({ "HeartbeatSeconds": 5 }),
            "States.Swap.HeartbeatSeconds: unknown field",
        ),
        (
            json!({ "TimeoutSeconds": "75" }),
            "States.Swap.TimeoutSeconds: invalid type",
        ),
        (
            json!({ "TimeoutSeconds": 0 }),
            "States.Swap.TimeoutSeconds: a timeout is from 1 to 99999999 seconds",
        ),
        (
            json!({ "TimeoutSeconds": 100_000_000 }),
            "States.Swap.TimeoutSeconds: a timeout is from 1 to 99999999 seconds",
        ),
        (
            json!({ "InputPath": "$.a" }),
            "States.Swap.InputPath: unknown field `InputPath`",
        ),
        (
            json!({ "ResultSelector": {} }),
            "States.Swap.ResultSelector: unknown field `ResultSelector`",
        ),
        (
            json!({ "ResultPath": "$.a" }),
            "States.Swap.ResultPath: unknown field `ResultPath`",
        ),
        (
            json!({ "OutputPath": "$.Payload[0]" }),
            "States.Swap.OutputPath: only $ and the names of members",
        ),
        (
            json!({ "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken" }),
            "States.Swap.Resource: only lambda:invoke is supported",
        ),
        (
            json!({ "Resource": "arn:aws:states:::dynamodb:updateItem" }),
            "States.Swap.Resource: only lambda:invoke is supported",
        ),
        (
            json!({ "Resource": "arn:aws:lambda:eu-west-1:111122223333:function:swap" }),
            "States.Swap.Resource: only lambda:invoke is supported",
        ),
        (json!({ "Comment": 3 }), "States.Swap.Comment: a comment is"),
        (
            json!({ "End": true }),
            "States.Swap.End: unknown field `End`",
        ),
        (json!({ "Next": null }), "States.Swap: missing field `Next`"),
    ] {
        refused_task(&fields, refusal);
    }
}

#[test]
fn a_bad_retrier_or_catcher_is_refused_by_its_number() {
    let retry = |second| json!({ "Retry": [{ "ErrorEquals": ["A"] }, second] });
    let all = json!({ "ErrorEquals": ["States.ALL"] });
    let caught = json!({ "ErrorEquals": ["States.ALL"], "Next": "Done" });
    for (fields, refusal) in [
        (
            retry(json!({ "ErrorEquals": ["B"], "BackoffRate": "2" })),
            "States.Swap.Retry[1].BackoffRate: invalid type: string \"2\"",
        ),
        (
            retry(json!({ "MaxAttempts": 1 })),
            "States.Swap.Retry[1]: missing field `ErrorEquals`",
        ),
        (
            json!({ "Retry": [all, all] }),
            "States.Swap.Retry[0]: States.ALL stands last",
        ),
        (
            json!({ "Catch": [caught, caught] }),
            "States.Swap.Catch[0]: States.ALL stands last",
        ),
        (
            json!({ "Catch": [{ "ErrorEquals": ["A"] }] }),
            "States.Swap.Catch[0]: missing field `Next`",
        ),
        (
            json!({ "Catch": [{ "ErrorEquals": ["A"], "ResultPath": "$[0]", "Next": "Done" }] }),
            "States.Swap.Catch[0].ResultPath: only $ and the names of members",
        ),
        (
            json!({ "Catch": [{ "ErrorEquals": ["A"], "Next": "Nowhere" }] }),
            "States.Swap: there is no state Nowhere",
        ),
    ] {
        refused_task(&fields, refusal);
    }
}

#[test]
fn the_same_mistake_twice_is_refused_where_it_is_made_first() {
    let task = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "B",
        "Parameters": { "FunctionName": "f", "Payload": {} },
        "Retry": [
            { "ErrorEquals": ["A"] },
            { "ErrorEquals": ["A"], "Interval": 3 },
            { "ErrorEquals": ["A"], "Interval": 3 },
        ],
    });
    let definition = json!({ "StartAt": "A", "States": { "A": task, "B": task } });
    refused(
        &definition,
        "States.A.Retry[1].Interval: unknown field `Interval`",
    );
}

#[test]
fn a_rule_that_is_not_supported_is_refused_by_name_and_place() {
    let with = |fields: &Value| {
        let mut rule = json!({ "Variable": "$.a", "StringEquals": "b", "Next": "Swap" });
        rule.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        rule
    };
    for (rule, refusal) in [
        (
            with(&json!({ "IsPresent": true })),
            "States.Swap.Choices[0].IsPresent: unknown field `IsPresent`",
        ),
        (
            json!({ "And": [with(&json!({}))], "Next": "Swap" }),
            "States.Swap.Choices[0].And: unknown field `And`",
        ),
        (
            json!({ "Variable": "$.a", "Next": "Swap" }),
            "States.Swap.Choices[0]: missing field `StringEquals`",
        ),
        (
            json!({ "Variable": "$.a", "StringEquals": "b" }),
            "States.Swap.Choices[0]: missing field `Next`",
        ),
        (
            with(&json!({ "Variable": "$$.State.Name" })),
            "States.Swap.Choices[0].Variable: only $ and the names of members",
        ),
    ] {
        let choice = json!({ "Type": "Choice", "Choices": [rule], "Default": "Swap" });
        refused(&state(&choice), refusal);
    }
    let rule = with(&json!({}));
    for (choice, refusal) in [
        (
            json!({ "Type": "Choice", "Choices": [rule] }),
            "States.Swap: missing field `Default`",
        ),
        (
            json!({ "Type": "Choice", "Choices": [], "Default": "Swap" }),
            "States.Swap.Choices: a Choice wants a rule",
        ),
    ] {
        refused(&state(&choice), refusal);
    }
}

#[test]
fn a_state_that_is_not_supported_is_refused_by_name() {
    for (body, refusal) in [
        (
            json!({ "Type": "Map" }),
            "States.Swap.Type: states of this type are not supported: Map",
        ),
        (
            json!({ "Type": "Pass", "Next": "Swap" }),
            "States.Swap.Type: states of this type are not supported: Pass",
        ),
        (json!({}), "States.Swap: a state wants a Type"),
        (
            json!({ "Type": "Wait", "Next": "Swap" }),
            "States.Swap: missing field `SecondsPath`",
        ),
        (
            json!({ "Type": "Wait", "Seconds": 3, "Next": "Swap" }),
            "States.Swap.Seconds: unknown field `Seconds`",
        ),
        (
            json!({ "Type": "Wait", "Timestamp": "2026-11-20T00:00:00Z", "Next": "Swap" }),
            "States.Swap.Timestamp: unknown field `Timestamp`",
        ),
        (
            json!({ "Type": "Succeed", "OutputPath": "$.a" }),
            "States.Swap.OutputPath: unknown field `OutputPath`",
        ),
        (
            json!({ "Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c", "Cause": "C" }),
            "States.Swap.Cause: unknown field `Cause`",
        ),
        (
            json!({ "Type": "Fail", "ErrorPath": "$.e" }),
            "States.Swap: missing field `CausePath`",
        ),
        (
            json!({ "Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.UUID()" }),
            "States.Swap.CausePath: only $ and the names of members",
        ),
    ] {
        refused(&state(&body), refusal);
    }
}

#[test]
fn a_machine_that_step_functions_would_refuse_is_refused() {
    let end = json!({ "Type": "Succeed" });
    for (definition, refusal) in [
        (
            json!({ "StartAt": "A", "QueryLanguage": "JSONata", "States": {} }),
            "QueryLanguage: unknown field `QueryLanguage`",
        ),
        (
            json!({ "StartAt": "A", "TimeoutSeconds": 0, "States": {} }),
            "TimeoutSeconds: a timeout is from 1",
        ),
        (
            json!({ "StartAt": "A", "States": {} }),
            "StartAt: there is no state A",
        ),
        (json!({ "States": {} }), "missing field `StartAt`"),
        (
            json!({ "StartAt": "A", "States": { "A": end, "B": end } }),
            "States.B: nothing leads here",
        ),
    ] {
        refused(&definition, refusal);
    }
    assert!(
        StateMachine::parse("{")
            .unwrap_err()
            .to_string()
            .starts_with("not JSON: EOF")
    );
}
