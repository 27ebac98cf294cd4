//! Service integrations of a state machine: what they are handed, and which errors they end with.

use std::time::Duration;

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Outcome, Status};
use ebbtide_simulator::deployment::{InstallError, Installation};
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::integration::CALLER;
use ebbtide_simulator::world::World;
use ebbtide_simulator::{Names, SimulatedAws};
use serde_json::{Value, json};

use crate::support::scenario;

/// A state machine with a lock, in the words of the shipped one.
fn acquire(fields: &Value) -> Value {
    let mut task = json!({
        "Type": "Task",
        "Resource": "arn:${Partition}:states:::dynamodb:updateItem",
        "Parameters": {
            "TableName": "${LockTable}",
            "Key": { "id": { "S.$": "$.key" } },
            "ConditionExpression": "attribute_not_exists(#owner) OR #owner = :me",
            "UpdateExpression": "SET #owner = :me, lastActivity = :now ADD fence :one",
            "ExpressionAttributeNames": { "#owner": "owner" },
            "ExpressionAttributeValues": {
                ":me": { "S.$": "$$.Execution.Id" },
                ":now": { "S.$": "$$.State.EnteredTime" },
                ":one": { "N": "1" },
            },
            "ReturnValues": "ALL_NEW",
        },
        "ResultSelector": {
            "owner.$": "$.Attributes.owner.S",
            "fence.$": "$.Attributes.fence.N",
            "at.$": "$.Attributes.lastActivity.S",
        },
        "ResultPath": "$.lock",
        "TimeoutSeconds": 20,
        "End": true,
    });
    merge(&mut task, fields);
    task
}

fn merge(task: &mut Value, fields: &Value) {
    for (name, field) in fields.as_object().expect("fields") {
        task[name] = field.clone();
    }
}

fn call(resource: &str, parameters: &Value) -> Value {
    json!({
        "Type": "Task",
        "Resource": format!("arn:${{Partition}}:states:::{resource}"),
        "Parameters": parameters,
        "TimeoutSeconds": 20,
        "End": true,
    })
}

fn aws(json: &str) -> SimulatedAws {
    let world = scenario(json).world_for(&Names::default());
    SimulatedAws::new(world.expect("a world"), 1.0)
}

fn installed(aws: &SimulatedAws, task: &Value) -> Installation {
    let definition = json!({ "StartAt": "A", "States": { "A": task } }).to_string();
    Installation::of(aws, &definition).expect("a state machine")
}

async fn run(aws: &SimulatedAws, name: &str, task: &Value) -> Outcome {
    let input = json!({ "key": "main/chat" });
    installed(aws, task)
        .deploy(name, input, 1, &mut |_| {})
        .await
}

fn output(outcome: &Outcome) -> &Value {
    match &outcome.status {
        Status::Succeeded { output } => output,
        other => panic!("{other:?}"),
    }
}

fn error(outcome: &Outcome) -> &str {
    match &outcome.status {
        Status::Failed { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_taken_by_a_conditional_write() {
    let aws = aws("{}");
    let first = run(&aws, "first", &acquire(&json!({}))).await;
    let owner = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:first";
    let lock = json!({ "owner": owner, "fence": "1", "at": "2026-01-01T00:00:00.000Z" });
    assert_eq!(output(&first), &json!({ "key": "main/chat", "lock": lock }));
    let second = run(&aws, "second", &acquire(&json!({}))).await;
    assert_eq!(error(&second), "DynamoDB.ConditionalCheckFailedException");
    let calls = aws.with_world(World::take_calls);
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.caller.as_str(), call.operation.as_str()))
        .collect();
    assert_eq!(told, [(CALLER, "dynamodb:UpdateItem"); 2]);
    aws.with_world(|world| {
        let (table, _) = ebbtide_simulator::deployment::LOCK_TABLE;
        let item = world.table(table).and_then(|table| table.item("main/chat"));
        assert_eq!(item.and_then(|item| item["owner"].as_s()), Some(owner));
    });
}

#[tokio::test(start_paused = true)]
async fn an_item_is_handed_over_as_dynamodb_writes_it_and_none_is_no_item() {
    let aws = aws("{}");
    let parameters = json!({
        "TableName": "${LockTable}",
        "Key": { "id": { "S": "main/chat" } },
        "ConsistentRead": true,
    });
    let get = call("dynamodb:getItem", &parameters);
    let none = run(&aws, "none", &get).await;
    assert_eq!(output(&none).get("Item"), None);
    assert_eq!(output(&none)["SdkHttpMetadata"]["HttpStatusCode"], 200);
    run(&aws, "first", &acquire(&json!({}))).await;
    let one = run(&aws, "one", &get).await;
    assert_eq!(output(&one)["Item"]["fence"], json!({ "N": "1" }));
    let key = json!({ "id": { "S": "main/chat" } });
    let put = json!({ "TableName": "${LockTable}", "Item": key });
    run(&aws, "put", &call("dynamodb:putItem", &put)).await;
    assert_eq!(output(&run(&aws, "two", &get).await)["Item"], key);
    let delete = json!({ "TableName": "${LockTable}", "Key": key });
    run(&aws, "delete", &call("dynamodb:deleteItem", &delete)).await;
    assert_eq!(output(&run(&aws, "three", &get).await).get("Item"), None);
}

#[tokio::test(start_paused = true)]
async fn an_execution_is_described_in_capitals() {
    let aws = aws("{}");
    run(&aws, "first", &acquire(&json!({}))).await;
    let arn = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:";
    let describe = |arn: String| {
        call(
            "aws-sdk:sfn:describeExecution",
            &json!({ "ExecutionArn": arn }),
        )
    };
    let itself = run(&aws, "second", &describe(format!("{arn}second"))).await;
    assert_eq!(output(&itself)["Status"], "RUNNING");
    assert_eq!(output(&itself).get("StopDate"), None);
    let first = run(&aws, "third", &describe(format!("{arn}first"))).await;
    let first = output(&first);
    assert_eq!(first["Status"], "SUCCEEDED");
    assert_eq!(first["StartDate"], "2026-01-01T00:00:00.000Z");
    assert_eq!(first["StopDate"], "2026-01-01T00:00:00.020Z");
    assert_eq!(first["InputDetails"], json!({ "Included": true }));
    let none = run(&aws, "fourth", &describe(format!("{arn}none"))).await;
    assert_eq!(error(&none), "Sfn.ExecutionDoesNotExistException");
    let bad = run(&aws, "fifth", &describe("none".to_owned())).await;
    assert_eq!(error(&bad), "Sfn.InvalidArnException");
}

#[tokio::test(start_paused = true)]
async fn alarms_are_described_as_they_are_now() {
    let aws = aws(r#"{"alarms": [
            {"name": "errors", "changes": [{"afterSeconds": 30, "state": "ALARM"}]},
            {"name": "both", "type": "CompositeAlarm"}
        ]}"#);
    let parameters = json!({
        "AlarmNames": ["errors", "both"],
        "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
        "StateValue": "ALARM",
    });
    let describe = call("aws-sdk:cloudwatch:describeAlarms", &parameters);
    let quiet = run(&aws, "quiet", &describe).await;
    assert_eq!(
        output(&quiet),
        &json!({ "MetricAlarms": [], "CompositeAlarms": [] })
    );
    tokio::time::sleep(Duration::from_secs(30)).await;
    let loud = run(&aws, "loud", &describe).await;
    let alarm = &output(&loud)["MetricAlarms"][0];
    assert_eq!(alarm["AlarmName"], "errors");
    assert_eq!(alarm["StateUpdatedTimestamp"], "2026-01-01T00:00:30.000Z");
    let mut too_many = parameters;
    too_many["AlarmNames"] = (0..101).map(|n| json!(format!("alarm-{n}"))).collect();
    let describe = call("aws-sdk:cloudwatch:describeAlarms", &too_many);
    let refused = run(&aws, "too-many", &describe).await;
    assert_eq!(error(&refused), "CloudWatch.CloudWatchException");
}

#[tokio::test(start_paused = true)]
async fn metrics_are_read_with_instants_as_texts() {
    let aws = aws(r#"{"clients": {}}"#);
    tokio::time::sleep(Duration::from_mins(4)).await;
    let query = |name: &str, stat: &str| {
        json!({ "Id": "q", "MetricStat": {
            "Metric": {
                "Namespace": "AWS/NetworkELB",
                "MetricName": name,
                "Dimensions": [{ "Name": "LoadBalancer", "Value": "net/sample-lb/1234567890abcdef" }],
            },
            "Period": 60,
            "Stat": stat,
        } })
    };
    let parameters = json!({
        "MetricDataQueries": [query("ActiveFlowCount", "Average")],
        "StartTime": "2026-01-01T00:01:00.000Z",
        "EndTime": "2026-01-01T01:00:00Z",
    });
    let get = "aws-sdk:cloudwatch:getMetricData";
    let read = run(&aws, "read", &call(get, &parameters)).await;
    assert_eq!(
        output(&read),
        &json!({
            "MetricDataResults": [{
                "Id": "q",
                "Label": "ActiveFlowCount",
                "Timestamps": ["2026-01-01T00:02:00.000Z", "2026-01-01T00:01:00.000Z"],
                "Values": [10_000.0, 10_000.0],
                "StatusCode": "Complete",
            }],
            "Messages": [],
        })
    );
    for (field, value, expected) in [
        (
            "MetricDataQueries",
            json!([query("ActiveFlowCount", "p99")]),
            "CloudWatch.CloudWatchException",
        ),
        (
            "NextToken",
            json!("elsewhere"),
            "CloudWatch.InvalidNextTokenException",
        ),
        ("StartTime", json!("yesterday"), "States.Runtime"),
        ("StartTime", json!(1_767_225_660), "States.Runtime"),
    ] {
        let mut wrong = parameters.clone();
        wrong[field] = value;
        let refused = run(&aws, "wrong", &call(get, &wrong)).await;
        assert_eq!(error(&refused), expected, "{field}");
    }
    aws.plan_faults([(aws.call_count() + 1, Fault::AccessDenied)]);
    let denied = run(&aws, "denied", &call(get, &parameters)).await;
    assert_eq!(error(&denied), "CloudWatch.CloudWatchException");
    aws.plan_faults([(aws.call_count() + 1, Fault::UnknownValue)]);
    let strange = run(&aws, "strange", &call(get, &parameters)).await;
    let result = &output(&strange)["MetricDataResults"][0];
    assert_eq!(result["StatusCode"], "NOT_KNOWN_YET");
    aws.plan_faults([(aws.call_count() + 1, Fault::EmptyPage)]);
    let empty = run(&aws, "empty", &call(get, &parameters)).await;
    let mut next = parameters.clone();
    next["NextToken"] = output(&empty)["NextToken"].clone();
    assert_eq!(output(&empty)["MetricDataResults"], json!([]));
    let rest = run(&aws, "rest", &call(get, &next)).await;
    assert_eq!(output(&rest), output(&read));
}

#[tokio::test(start_paused = true)]
async fn an_events_detail_may_be_an_object_and_one_refused_event_fails_the_task() {
    let aws = aws("{}");
    aws.with_world(World::take_events);
    let event = json!({
        "Source": "us",
        "DetailType": "Something Happened",
        "Detail": { "key.$": "$.key", "name.$": "$$.Execution.Name" },
    });
    let put = |entries: Value| call("events:putEvents", &json!({ "Entries": entries }));
    let taken = run(&aws, "taken", &put(json!([event]))).await;
    assert_eq!(output(&taken)["FailedEntryCount"], 0);
    let told = aws.with_world(World::take_events);
    assert_eq!(
        told[0].kind.to_string(),
        r#"EventBridge got 'Something Happened' from us: {"key":"main/chat","name":"taken"}"#
    );
    let mut wrong = event.clone();
    wrong["Source"] = json!("aws.us");
    let failed = run(&aws, "failed", &put(json!([event, wrong]))).await;
    assert_eq!(error(&failed), "EventBridge.FailedEntry");
    let refused = run(&aws, "refused", &put(json!([]))).await;
    assert_eq!(error(&refused), "EventBridge.AmazonEventBridgeException");
}

#[tokio::test(start_paused = true)]
async fn the_faults_of_calls_strike_integrations_too() {
    for (fault, expected, fence) in [
        (Fault::Unreachable, "DynamoDB.SdkClientException", 0),
        (Fault::Silent, "States.Timeout", 0),
        (
            Fault::ServerError,
            "DynamoDB.InternalServerErrorException",
            0,
        ),
        (Fault::Throttled, "DynamoDB.ThrottlingException", 0),
        (Fault::LostReply, "DynamoDB.SdkClientException", 1),
        (
            Fault::ServerErrorAfter,
            "DynamoDB.InternalServerErrorException",
            1,
        ),
        (Fault::Twice, "", 2),
        (Fault::Stale, "", 1),
        (Fault::Late(1), "DynamoDB.SdkClientException", 0),
    ] {
        let aws = aws("{}");
        aws.plan_faults([(1, fault)]);
        let outcome = run(&aws, "first", &acquire(&json!({}))).await;
        match &outcome.status {
            Status::Failed { error, .. } => assert_eq!(error, expected, "{fault:?}"),
            Status::Succeeded { .. } => assert_eq!(expected, "", "{fault:?}"),
            Status::TimedOut => panic!("{fault:?}"),
        }
        let written = aws.with_world(|world| {
            let table = world.table("ebbtide-locks").expect("the table");
            table
                .item("main/chat")
                .and_then(|item| item["fence"].as_n())
        });
        assert_eq!(written.unwrap_or_default(), fence, "{fault:?}");
    }
    for (fault, expected) in [
        (Fault::Unreachable, "Sfn.SdkClientException"),
        (Fault::Throttled, "Sfn.SfnException"),
    ] {
        let aws = aws("{}");
        aws.plan_faults([(1, fault)]);
        let describe = call(
            "aws-sdk:sfn:describeExecution",
            &json!({ "ExecutionArn": "x" }),
        );
        assert_eq!(error(&run(&aws, "first", &describe).await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_step_functions_would_not_take_is_not_taken() {
    let aws = aws("{}");
    let unknown = json!({ "StartAt": "A", "States": { "A": call("sns:publish", &json!({})) } });
    let refused = Installation::of(&aws, &unknown.to_string()).expect_err("it is not simulated");
    assert!(
        matches!(refused, InstallError::Integration { .. }),
        "{refused}"
    );
    for (task, words) in [
        (
            call(
                "aws-sdk:sfn:describeExecution",
                &json!({ "executionArn": "x" }),
            ),
            "the field 'executionArn' is not supported",
        ),
        (
            call("dynamodb:getItem", &json!("x")),
            "a payload that is not an object",
        ),
    ] {
        let mut task = task;
        if task["Parameters"].is_string() {
            task.as_object_mut().expect("a task").remove("Parameters");
            task["InputPath"] = json!("$.key");
        }
        let outcome = run(&aws, "bad", &task).await;
        assert!(
            matches!(&outcome.status, Status::Failed { error, cause }
                if error == "States.Runtime" && cause.contains(words)),
            "{outcome:?}"
        );
    }
    let bad = call(
        "dynamodb:getItem",
        &json!({ "TableName": "x", "Key": {}, "Keys": {} }),
    );
    let outcome = run(&aws, "worse", &bad).await;
    assert_eq!(error(&outcome), "DynamoDB.AmazonDynamoDBException");
}

#[tokio::test(start_paused = true)]
async fn the_history_names_the_service_and_its_action() {
    let aws = aws("{}");
    let mut named = Vec::new();
    let mut note = |event: &HistoryEvent| {
        if let EventKind::TaskScheduled {
            resource_type,
            resource,
            ..
        } = &event.kind
        {
            named.push((resource_type.clone(), resource.clone()));
        }
    };
    let input = json!({ "key": "main/chat" });
    installed(&aws, &acquire(&json!({})))
        .deploy("first", input, 1, &mut note)
        .await;
    assert_eq!(named, [("dynamodb".to_owned(), "updateItem".to_owned())]);
}
