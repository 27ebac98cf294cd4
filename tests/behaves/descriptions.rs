//! Executions as `aws-sdk-sfn` describes them, and how old a description may be.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus;
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{ExecutionEnd, ExecutionStatus as Status, World};
use serde_json::json;

use crate::support::{START, aws, refusal, wait};

const ARN: &str = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:first";
const MACHINE: &str = "arn:aws:states:us-east-1:555555555555:stateMachine:Ebbtide";

fn stage() -> (SimulatedAws, Client) {
    let aws = aws(&json!({}));
    let client = Client::new(&aws.sdk_config("test"));
    (aws, client)
}

fn start(aws: &SimulatedAws) {
    let started = aws.with_world(|world| world.start_execution(ARN, MACHINE, r#"{"a":1}"#));
    started.expect("started");
}

fn end(aws: &SimulatedAws, status: Status, end: ExecutionEnd) {
    aws.with_world(|world| world.end_execution(ARN, status, end));
}

fn redrive(aws: &SimulatedAws) {
    aws.with_world(|world| world.redrive_execution(ARN).map(|_| ()))
        .expect("redriven");
}

async fn status(client: &Client) -> String {
    let describe = client.describe_execution().execution_arn(ARN).send();
    match describe.await {
        Ok(described) => described.status().as_str().to_owned(),
        Err(refused) => refusal::<(), _, _>(Err(refused)).0,
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_is_described_while_it_runs_and_after_its_end() {
    let (aws, client) = stage();
    wait(5).await;
    start(&aws);
    let describe = client.describe_execution().execution_arn(ARN);
    let running = describe.clone().send().await.expect("described");
    assert_eq!(running.status(), &ExecutionStatus::Running);
    assert_eq!(running.start_date(), &DateTime::from_secs(START + 5));
    assert_eq!((running.name(), running.stop_date()), (Some("first"), None));
    assert_eq!(running.input(), Some(r#"{"a":1}"#));
    let details = running.input_details().expect("details");
    assert!(details.included());
    wait(60).await;
    let failure = ExecutionEnd {
        error: Some("DrainTimeout".to_owned()),
        cause: Some("too late".to_owned()),
        ..ExecutionEnd::default()
    };
    end(&aws, Status::Failed, failure);
    let failed = describe.send().await.expect("described");
    assert_eq!(failed.status(), &ExecutionStatus::Failed);
    assert_eq!(failed.error(), Some("DrainTimeout"));
    assert_eq!(failed.cause(), Some("too late"));
    assert!(failed.stop_date() > Some(&DateTime::from_secs(START + 65)));
    let calls = aws.with_world(World::take_calls);
    let operations: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(operations, ["states:DescribeExecution"; 2]);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_is_not_there_and_a_name_that_is_no_arn_are_refused() {
    let (_, client) = stage();
    let none = client.describe_execution().execution_arn(ARN).send().await;
    let none = none.expect_err("there is none").into_service_error();
    assert!(none.is_execution_does_not_exist(), "{none:?}");
    let bad = client.describe_execution().execution_arn("first").send();
    let bad = bad.await.expect_err("no ARN").into_service_error();
    assert!(bad.is_invalid_arn(), "{bad:?}");
}

#[tokio::test(start_paused = true)]
async fn an_old_description_is_from_before_the_execution_ended_or_was_redriven() {
    let (aws, client) = stage();
    // Nothing is written by any call here.
    aws.plan_faults([(3, Fault::Stale), (5, Fault::Stale), (6, Fault::VeryStale)]);
    start(&aws);
    assert_eq!(status(&client).await, "RUNNING");
    end(&aws, Status::Failed, ExecutionEnd::default());
    wait(600).await;
    assert_eq!(status(&client).await, "FAILED");
    assert_eq!(status(&client).await, "RUNNING", "one change old");
    redrive(&aws);
    assert_eq!(status(&client).await, "RUNNING");
    assert_eq!(status(&client).await, "FAILED", "one change old");
    assert_eq!(status(&client).await, "RUNNING", "two changes old");
    end(&aws, Status::Succeeded, ExecutionEnd::default());
    assert_eq!(status(&client).await, "SUCCEEDED");
}

#[tokio::test(start_paused = true)]
async fn an_old_description_may_be_from_before_the_execution_started() {
    let (aws, client) = stage();
    aws.plan_faults([(1, Fault::Stale)]);
    start(&aws);
    assert_eq!(status(&client).await, "ExecutionDoesNotExist");
    assert_eq!(status(&client).await, "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn a_description_may_have_a_status_that_no_version_of_the_api_had() {
    let (aws, client) = stage();
    aws.plan_faults([(1, Fault::UnknownValue)]);
    start(&aws);
    assert_eq!(status(&client).await, "NOT_KNOWN_YET");
    assert_eq!(status(&client).await, "RUNNING");
}
