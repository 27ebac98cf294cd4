//! CloudWatch over awsJson1.0 and smithy-rpc-v2-cbor, two of the three protocols that it speaks.

use serde_json::{Value, json};

use super::{Handler, list, seconds};
use crate::world::{Alarm, AlarmType, ApiError, World};

pub(super) const OPERATIONS: &[(&str, Handler)] = &[
    ("DescribeAlarms", describe_alarms),
    ("GetMetricData", get_metric_data),
];

/// The members that are instants, which CBOR distinguishes from numbers.
pub(super) const INSTANTS: [&str; 4] = [
    "StartTime",
    "EndTime",
    "StateUpdatedTimestamp",
    "Timestamps",
];

/// In awsQuery, most errors had the code that they have now (API model, `awsQueryError`).
pub(super) fn query_code(code: &'static str) -> &'static str {
    match code {
        "InternalServiceFault" => "InternalServiceError",
        code => code,
    }
}

fn get_metric_data(world: &mut World, input: Value) -> Result<Value, ApiError> {
    let request = super::parse(input, |problem| ApiError::new("ValidationError", problem))?;
    let page = world.get_metric_data(&request)?;
    let results = list(&page.items, |result| {
        json!({
            "Id": result.id,
            "Label": result.label,
            "Timestamps": list(&result.datapoints, |(from_ms, _)| seconds(*from_ms).into()),
            "Values": list(&result.datapoints, |(_, value)| (*value).into()),
            "StatusCode": "Complete",
        })
    });
    Ok(json!({
        "MetricDataResults": results,
        "NextToken": page.next,
        "Messages": [],
    }))
}

fn describe_alarms(world: &mut World, input: Value) -> Result<Value, ApiError> {
    let request = super::parse(input, |problem| ApiError::new("ValidationError", problem))?;
    let page = world.describe_alarms(&request)?;
    let of_type = |wanted: AlarmType| -> Value {
        let alarms = page.items.iter();
        let alarms = alarms.filter(|alarm| alarm.alarm_type == wanted);
        alarms.map(|alarm| description(world, alarm)).collect()
    };
    Ok(json!({
        "MetricAlarms": of_type(AlarmType::MetricAlarm),
        "CompositeAlarms": of_type(AlarmType::CompositeAlarm),
        // None are simulated; without the member, boto3's waiter for one ends with a fault of its own.
        "LogAlarms": [],
        "NextToken": page.next,
    }))
}

fn description(world: &World, alarm: &Alarm) -> Value {
    let name = &alarm.name;
    json!({
        "AlarmName": name,
        "AlarmArn": world.arn("cloudwatch", &format!("alarm:{name}")),
        "ActionsEnabled": true,
        "StateValue": alarm.state,
        "StateReason": "The scenario says so.",
        "StateUpdatedTimestamp": seconds(alarm.state_updated_at_ms),
    })
}
