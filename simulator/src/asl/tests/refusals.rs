//! Definitions that are not run, and the place that the refusal names: on each line what is wrong, and
//! the beginning of the refusal.

use super::*;

fn refused(definition: &Value, refusal: &str) {
    let error = StateMachine::parse(&definition.to_string());
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with(refusal), "{error}\n  is not\n{refusal}");
}

fn state(state: &Value) -> Value {
    json!({ "StartAt": "Swap", "States": { "Swap": state } })
}

/// A Task with what it needs and these fields; null takes a field away.
fn refused_task(fields: &Value, refusal: &str) {
    let mut definition = state(&json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": { "FunctionName": "swap", "Payload": {} },
        "Next": "Done",
    }));
    let task = definition["States"]["Swap"].as_object_mut().unwrap();
    for (name, field) in fields.as_object().unwrap() {
        match field {
            Value::Null => task.shift_remove(name),
            field => task.insert(name.clone(), field.clone()),
        };
    }
    definition["States"]["Done"] = json!({ "Type": "Succeed" });
    refused(&definition, refusal);
}

const OF_A_TASK: &str = r#"
{"Parameters": {"FunctionName": "f", "Payload": {"a.$": "States.UUID()"}}} => States.Swap.Parameters.Payload: only $, $.a.b and Id, Input and StartTime of $$.Execution are supported: "States.UUID()" (in a.$)
{"Parameters": {"FunctionName": "f", "FunctionName.$": "$.f", "Payload": {}}} => States.Swap.Parameters: both FunctionName and FunctionName.$ are given
{"Parameters": {"FunctionName": "f", "Payload": {"phase": "swap", "deep": {"list": []}}}} => States.Swap.Parameters.Payload: lists are not supported in a payload (in list)
{"Parameters": {"FunctionName": "f", "InvocationType": "Event", "Payload": {}}} => States.Swap.Parameters.InvocationType: unknown field
{"Parameters": {"Payload": {}}} => States.Swap.Parameters: missing field `FunctionName`
{"Parameters": null} => States.Swap: missing field `Parameters`
{"HeartbeatSeconds": 5} => States.Swap.HeartbeatSeconds: unknown field
{"TimeoutSeconds": "75"} => States.Swap.TimeoutSeconds: invalid type
{"TimeoutSeconds": 0} => States.Swap.TimeoutSeconds: a timeout is from 1 to 99999999 seconds
{"TimeoutSeconds": 100000000} => States.Swap.TimeoutSeconds: a timeout is from 1 to 99999999 seconds
{"InputPath": "$.a"} => States.Swap.InputPath: unknown field `InputPath`
{"ResultSelector": {"a.$": "States.UUID()"}} => States.Swap.ResultSelector: only $, $.a.b and Id, Input
{"ResultPath": "$.a[0]"} => States.Swap.ResultPath: only $ and the names of members
{"TimeoutSeconds": 5, "TimeoutSecondsPath": "$.a"} => States.Swap: TimeoutSeconds and TimeoutSecondsPath are both given
{"OutputPath": "$.Payload[0]"} => States.Swap.OutputPath: only $ and the names of members
{"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"} => States.Swap.Resource: only lambda:invoke and states:startExecution.sync:2 are supported
{"Resource": "arn:aws:states:::dynamodb:updateItem"} => States.Swap.Resource: only lambda:invoke and states:startExecution.sync:2 are supported
{"Resource": "arn:aws:lambda:eu-west-1:111122223333:function:swap"} => States.Swap.Resource: only lambda:invoke and states:startExecution.sync:2 are supported
{"Comment": 3} => States.Swap.Comment: a comment is
{"End": true} => States.Swap: a Task wants either Next or End
{"Next": null} => States.Swap: a Task wants either Next or End
{"Resource": "arn:aws:states:::states:startExecution.sync:2"} => States.Swap.Parameters: these are not the fields of the Resource
{"Parameters": {"StateMachineArn": "m", "Name.$": "$.a", "Input.$": "$.b"}} => States.Swap.Parameters: these are not the fields of the Resource
{"Parameters": {"StateMachineArn": "m", "Name.$": "$.a"}} => States.Swap.Parameters: missing field `Input.$`
{"Parameters": {"Name.$": "$.a", "Input.$": "$.b"}} => States.Swap.Parameters: missing field `StateMachineArn`
{"Parameters": {"StateMachineArn": "m", "FunctionName": "f", "Name.$": "$.a", "Input.$": "$.b"}} => States.Swap.Parameters: StateMachineArn is given with fields of lambda:invoke
{"Retry": [{"ErrorEquals": ["A"]}, {"ErrorEquals": ["B"], "BackoffRate": "2"}]} => States.Swap.Retry[1].BackoffRate: invalid type: string "2"
{"Retry": [{"ErrorEquals": ["A"]}, {"MaxAttempts": 1}]} => States.Swap.Retry[1]: missing field `ErrorEquals`
{"Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["States.ALL"]}]} => States.Swap.Retry[0]: States.ALL stands last
{"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}, {"ErrorEquals": ["States.ALL"], "Next": "Done"}]} => States.Swap.Catch[0]: States.ALL stands last
{"Catch": [{"ErrorEquals": ["A"]}]} => States.Swap.Catch[0]: missing field `Next`
{"Catch": [{"ErrorEquals": ["A"], "ResultPath": "$[0]", "Next": "Done"}]} => States.Swap.Catch[0].ResultPath: only $ and the names of members
{"Catch": [{"ErrorEquals": ["A"], "Next": "Nowhere"}]} => States.Swap: there is no state Nowhere
"#;

#[test]
fn a_field_of_a_task_that_is_not_supported_is_refused_by_name_and_place() {
    for (fields, refusal) in lines(OF_A_TASK) {
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

const OF_A_STATE: &str = r#"
{"Type": "Choice", "Default": "Swap", "Choices": [{"Variable": "$.a", "StringEquals": "b", "Next": "Swap", "IsPresent": true}]} => States.Swap.Choices[0].IsPresent: unknown field `IsPresent`
{"Type": "Choice", "Default": "Swap", "Choices": [{"And": [{"Variable": "$.a", "StringEquals": "b", "Next": "Swap"}], "Next": "Swap"}]} => States.Swap.Choices[0].And: unknown field `And`
{"Type": "Choice", "Default": "Swap", "Choices": [{"Variable": "$.a", "Next": "Swap"}]} => States.Swap.Choices[0]: missing field `StringEquals`
{"Type": "Choice", "Default": "Swap", "Choices": [{"Variable": "$.a", "StringEquals": "b"}]} => States.Swap.Choices[0]: missing field `Next`
{"Type": "Choice", "Default": "Swap", "Choices": [{"Variable": "$$.State.Name", "StringEquals": "b", "Next": "Swap"}]} => States.Swap.Choices[0].Variable: only $ and the names of members
{"Type": "Choice", "Choices": [{"Variable": "$.a", "StringEquals": "b", "Next": "Swap"}]} => States.Swap: missing field `Default`
{"Type": "Choice", "Choices": [], "Default": "Swap"} => States.Swap.Choices: a Choice wants a rule
{"Type": "Map"} => States.Swap: missing field `ItemsPath`
{"Type": "Pass", "Next": "Swap"} => States.Swap.Type: states of this type are not supported: Pass
{} => States.Swap: a state wants a Type
{"Type": "Wait", "Next": "Swap"} => States.Swap: missing field `SecondsPath`
{"Type": "Wait", "Seconds": 3, "Next": "Swap"} => States.Swap.Seconds: unknown field `Seconds`
{"Type": "Wait", "Timestamp": "2026-11-20T00:00:00Z", "Next": "Swap"} => States.Swap.Timestamp: unknown field `Timestamp`
{"Type": "Succeed", "OutputPath": "$.a"} => States.Swap.OutputPath: unknown field `OutputPath`
{"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c", "Cause": "C"} => States.Swap.Cause: unknown field `Cause`
{"Type": "Fail", "ErrorPath": "$.e"} => States.Swap: missing field `CausePath`
{"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.UUID()"} => States.Swap.CausePath: only $ and the names of members
"#;

#[test]
fn a_state_or_a_rule_that_is_not_supported_is_refused_by_name_and_place() {
    for (body, refusal) in lines(OF_A_STATE) {
        refused(&state(&body), refusal);
    }
}

const OF_A_MACHINE: &str = r#"
{"StartAt": "A", "QueryLanguage": "JSONata", "States": {}} => QueryLanguage: unknown field `QueryLanguage`
{"StartAt": "A", "TimeoutSeconds": 0, "States": {}} => TimeoutSeconds: a timeout is from 1
{"StartAt": "A", "States": {}} => StartAt: there is no state A
{"States": {}} => missing field `StartAt`
{"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}} => States.B: nothing leads here
"#;

#[test]
fn a_machine_that_step_functions_would_refuse_is_refused() {
    for (definition, refusal) in lines(OF_A_MACHINE) {
        refused(&definition, refusal);
    }
    let error = StateMachine::parse("{").unwrap_err().to_string();
    assert!(error.starts_with("not JSON: EOF"), "{error}");
}
