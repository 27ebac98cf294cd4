//! CloudWatch as `aws-sdk-cloudwatch` calls it: over smithy-rpc-v2-cbor.

use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::retry::RetryConfig;
use aws_sdk_cloudwatch::operation::get_metric_data::builders::GetMetricDataFluentBuilder;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StateValue, StatusCode,
};
use bytes::Bytes;
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{Outcome, World};
use serde_json::{Value, json};

use crate::support::{START, aws, refusal, scenario, wait};

fn stage(scenario_of: &Value) -> (SimulatedAws, Client) {
    let aws = aws(scenario_of);
    let client = Client::new(&aws.sdk_config("test"));
    (aws, client)
}

fn alarms(count: usize) -> Value {
    let alarms = (0..count).map(|number| json!({ "name": format!("alarm-{number:03}") }));
    json!({ "alarms": alarms.collect::<Value>() })
}

fn strike(aws: &SimulatedAws, fault: Fault) {
    aws.plan_faults([(aws.call_count() + 1, fault)]);
}

fn once(client: &Client) -> Client {
    let config = client.config().to_builder();
    Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}

#[tokio::test(start_paused = true)]
async fn alarms_of_both_types_are_described_with_their_state_and_since_when() {
    let (_, client) = stage(&json!({ "alarms": [
        { "name": "errors", "changes": [{ "afterSeconds": 30, "state": "ALARM" }] },
        { "name": "both", "type": "CompositeAlarm", "state": "INSUFFICIENT_DATA" },
        { "name": "another" },
    ] }));
    wait(45).await;
    let described = client
        .describe_alarms()
        .alarm_names("errors")
        .alarm_names("both")
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .send()
        .await
        .expect("alarms");
    let [errors] = described.metric_alarms() else {
        panic!("{described:?}");
    };
    assert_eq!(errors.alarm_name(), Some("errors"));
    assert_eq!(errors.state_value(), Some(&StateValue::Alarm));
    let since = errors.state_updated_timestamp();
    assert_eq!(since, Some(&DateTime::from_secs(START + 30)));
    let [both] = described.composite_alarms() else {
        panic!("{described:?}");
    };
    assert_eq!(both.state_value(), Some(&StateValue::InsufficientData));
    let raised = client.describe_alarms().state_value(StateValue::Alarm);
    assert_eq!(
        raised.send().await.expect("alarms").metric_alarms().len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn alarms_come_in_pages() {
    let (_, client) = stage(&alarms(120));
    assert_eq!(pages(&client).await, [50, 50, 20]);
    let wide = client.describe_alarms().max_records(100).send();
    assert_eq!(wide.await.expect("alarms").metric_alarms().len(), 100);
}

async fn pages(client: &Client) -> Vec<usize> {
    let mut pages = client.describe_alarms().into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.expect("a page").metric_alarms().len());
    }
    sizes
}

/// A request for the average of an hour's minutes.
fn average(client: &Client) -> GetMetricDataFluentBuilder {
    client
        .get_metric_data()
        .metric_data_queries(query("Average"))
        .start_time(DateTime::from_secs(START + 60))
        .end_time(DateTime::from_secs(START + 3_600))
}

fn query(stat: &str) -> MetricDataQuery {
    let load_balancer = Dimension::builder().name("LoadBalancer");
    let load_balancer = load_balancer.value("net/sample-lb/1234567890abcdef");
    let metric = Metric::builder().namespace("AWS/NetworkELB");
    let metric = metric
        .metric_name("ActiveFlowCount")
        .dimensions(load_balancer.build());
    let metric_stat = MetricStat::builder()
        .metric(metric.build())
        .period(60)
        .stat(stat);
    let query = MetricDataQuery::builder().id("q");
    query.metric_stat(metric_stat.build()).build()
}

#[tokio::test(start_paused = true)]
async fn metrics_are_read_between_two_instants() {
    let (_, client) = stage(&json!({ "clients": {} }));
    tokio::time::sleep(Duration::from_mins(4)).await;
    let get = average(&client);
    let ascending = get.clone().scan_by(ScanBy::TimestampAscending);
    let read = ascending.send().await.expect("metrics");
    let [result] = read.metric_data_results() else {
        panic!("{read:?}");
    };
    assert_eq!(result.label(), Some("ActiveFlowCount"));
    assert_eq!(result.status_code(), Some(&StatusCode::Complete));
    assert_eq!(result.values(), [10_000.0, 10_000.0]);
    let minutes = [START + 60, START + 120].map(DateTime::from_secs);
    assert_eq!(result.timestamps(), minutes);
    // The end is no part of it, to the millisecond.
    for (end_ms, datapoints) in [((START + 120) * 1_000, 1), ((START + 120) * 1_000 + 1, 2)] {
        let until = get.clone().end_time(DateTime::from_millis(end_ms));
        let read = until.send().await.expect("metrics");
        assert_eq!(read.metric_data_results()[0].values().len(), datapoints);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_its_code_and_its_sentence() {
    let (aws, client) = stage(&alarms(1));
    let elsewhere = client.describe_alarms().next_token("elsewhere").send();
    let refused = elsewhere.await.expect_err("a refusal");
    let refused = refused.as_service_error().expect("CloudWatch's refusal");
    assert!(refused.is_invalid_next_token(), "{refused:?}");
    let sentence = Some("The next token specified is invalid.");
    assert_eq!(refused.meta().message(), sentence);
    let names = (0..101).map(|number| format!("alarm-{number}"));
    let many = client.describe_alarms();
    let many = many.set_alarm_names(Some(names.collect()));
    assert_eq!(refusal(many.send().await).0, "ValidationError");
    let unknown = client.list_metrics().send().await;
    let (code, words) = refusal(unknown);
    assert_eq!(code, "UnknownOperationException");
    assert!(words.contains("ListMetrics is not simulated"), "{words}");
    let calls: Vec<_> = aws.with_world(World::take_calls);
    for (call, told) in calls.iter().zip([
        ("cloudwatch:DescribeAlarms", "InvalidNextToken"),
        ("cloudwatch:DescribeAlarms", "ValidationError"),
        ("cloudwatch:ListMetrics", "UnknownOperationException"),
    ]) {
        let error = Outcome::Error(told.1.to_owned());
        assert_eq!((call.operation.as_str(), &call.outcome), (told.0, &error));
    }
    assert_eq!(calls.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn faults_of_a_call_are_answered_in_cbor_too() {
    let (aws, client) = stage(&alarms(3));
    for (fault, calls) in [
        (Fault::Unreachable, 2),
        (Fault::ServerError, 2),
        (Fault::Throttled, 2),
        (Fault::LostReply, 2),
        (Fault::ServerErrorAfter, 2),
        (Fault::Stale, 1),
        (Fault::Twice, 1),
    ] {
        let before = aws.call_count();
        strike(&aws, fault);
        let answer = client.describe_alarms().send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(answer.metric_alarms().len(), 3, "{fault:?}");
        assert_eq!(aws.call_count() - before, calls, "{fault:?}");
    }
    for (fault, code, kind, status) in [
        (Fault::ServerError, "InternalServiceError", "Receiver", 500),
        (Fault::Throttled, "Throttling", "Sender", 400),
        (Fault::AccessDenied, "AccessDenied", "Sender", 403),
    ] {
        strike(&aws, fault);
        let refused = once(&client).describe_alarms().send().await;
        let refused = refused.expect_err("a refusal");
        let response = refused.raw_response().expect("a response");
        assert_eq!(response.status().as_u16(), status);
        let meta = refused.as_service_error().expect("CloudWatch's").meta();
        // What `x-amzn-query-error` says: CloudWatch spoke awsQuery before.
        assert_eq!(meta.code(), Some(code));
        assert_eq!(meta.extra("type"), Some(kind));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_state_and_an_empty_page_are_answered_in_cbor_too() {
    let (aws, client) = stage(&alarms(60));
    strike(&aws, Fault::UnknownValue);
    let strange = client.describe_alarms().send().await.expect("alarms");
    for alarm in strange.metric_alarms() {
        let state = alarm.state_value().map(StateValue::as_str);
        assert_eq!(state, Some("NOT_KNOWN_YET"));
    }
    for (struck, expected) in [(1, [0, 50, 10]), (2, [50, 0, 10])] {
        aws.plan_faults([(aws.call_count() + struck, Fault::EmptyPage)]);
        assert_eq!(pages(&client).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_have_unknown_states_empty_pages_and_refusals_too() {
    let (aws, client) = stage(&json!({ "clients": {} }));
    tokio::time::sleep(Duration::from_mins(4)).await;
    let get = average(&client);
    let whole = get.clone().send().await.expect("metrics");
    strike(&aws, Fault::UnknownValue);
    let strange = get.clone().send().await.expect("metrics");
    let status = strange.metric_data_results()[0].status_code();
    assert_eq!(status.map(StatusCode::as_str), Some("NOT_KNOWN_YET"));
    strike(&aws, Fault::EmptyPage);
    let empty = get.clone().send().await.expect("metrics");
    assert_eq!(empty.metric_data_results(), []);
    let rest = get.clone().set_next_token(empty.next_token);
    let rest = rest.send().await.expect("metrics");
    assert_eq!(rest.metric_data_results(), whole.metric_data_results());
    let elsewhere = get.clone().next_token("elsewhere").send().await;
    assert_eq!(refusal(elsewhere).0, "InvalidNextToken");
    strike(&aws, Fault::AccessDenied);
    assert_eq!(refusal(get.send().await).0, "AccessDenied");
}

#[test]
fn what_is_no_request_of_the_protocol_is_refused_in_the_protocol() {
    let world = scenario("{}").world();
    let mut world = world.expect("a world");
    let path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms";
    let elsewhere = "/service/DynamoDB_20120810/operation/GetItem";
    for (method, path, body, words) in [
        ("POST", path, &b"\xa0"[..], ""),
        // A proxy may stand before the path.
        ("POST", &format!("/before{path}"), b"\xa0", ""),
        ("GET", path, b"\xa0", "UnknownOperationException"),
        ("POST", "/", b"\xa0", "UnknownOperationException"),
        ("POST", elsewhere, b"\xa0", "UnknownOperationException"),
        ("POST", path, b"", "SerializationException"),
        ("POST", path, b"{}", "SerializationException"),
        ("POST", path, b"\xa1\x61\x61\x01", "ValidationError"),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("smithy-protocol", "rpc-v2-cbor")
            .body(Bytes::copy_from_slice(body))
            .expect("a request");
        let response = ebbtide_simulator::wire::handle(&mut world, "test", &request);
        let headers = response.headers();
        assert_eq!(headers["content-type"], "application/cbor");
        assert_eq!(headers["smithy-protocol"], "rpc-v2-cbor");
        // It is for clients that ask for it.
        assert_eq!(headers.get("x-amzn-query-error"), None);
        let told = String::from_utf8_lossy(response.body());
        assert!(told.contains(words), "{told}");
        assert_eq!(response.status() == 200, words.is_empty(), "{told}");
        let world_says = world.calls().last().map(|call| call.outcome.clone());
        assert_eq!(world_says == Some(Outcome::Ok), words.is_empty());
    }
}
