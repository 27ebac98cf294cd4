//! What the state machine asks CloudWatch before a step of the drain, and what it was answered.

use serde::Serialize;
use serde_json::{Value, json};

use crate::arn::Arn;
use crate::clock;
use crate::deployment::Deployment;
use crate::flows::{Flows, PERIOD, Point, SPAN};
use crate::pace::TASK_SET;
use crate::quote::quote;

/// The question, ready for `GetMetricData`: the state machine computes nothing.
#[derive(Serialize)]
pub(super) struct QuestionWire {
    queries: Vec<Value>,
    since: String,
}

/// The ids of the queries.
const NEW: &str = "newFlows";
const ACTIVE: &str = "activeFlows";
const CONNECTIONS: &str = "connections";

impl QuestionWire {
    /// What the next step needs to know; `None` where its pace goes by no metric.
    pub(super) fn of(deployment: &Deployment, wait: u32) -> Option<Self> {
        let mut queries = Vec::new();
        let drain = &deployment.request.drain;
        if drain.pace.budget().is_some() {
            let balancer = deployment.request.load_balancer.as_deref()?;
            let name = Arn::parse(balancer)?
                .resource
                .strip_prefix("loadbalancer/")?;
            // An Application Load Balancer counts connections under other names.
            let (namespace, new, active) = if name.starts_with("app/") {
                (
                    "AWS/ApplicationELB",
                    "NewConnectionCount",
                    "ActiveConnectionCount",
                )
            } else {
                ("AWS/NetworkELB", "NewFlowCount", "ActiveFlowCount")
            };
            let dimensions = json!([{"Name": "LoadBalancer", "Value": name}]);
            let active_statistic = if name.starts_with("app/") {
                "Sum"
            } else {
                "Average"
            };
            queries.push(query(NEW, namespace, new, &dimensions, "Sum"));
            queries.push(query(
                ACTIVE,
                namespace,
                active,
                &dimensions,
                active_statistic,
            ));
        }
        if let (Some(metric), Some(original)) = (&drain.connections, &deployment.original) {
            let dimensions = metric
                .dimensions
                .iter()
                .map(|(name, value)| json!({"Name": name, "Value": value.replace(TASK_SET, original)}))
                .collect();
            queries.push(query(
                CONNECTIONS,
                &metric.namespace,
                &metric.name,
                &dimensions,
                "Sum",
            ));
        }
        let next = deployment.now.saturating_add(u64::from(wait));
        (!queries.is_empty()).then(|| Self {
            queries,
            since: clock::rfc3339(next.saturating_sub(SPAN)),
        })
    }
}

fn query(id: &str, namespace: &str, name: &str, dimensions: &Value, statistic: &str) -> Value {
    json!({
        "Id": id,
        "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions},
            "Period": PERIOD,
            "Stat": statistic,
        },
    })
}

/// Reads what CloudWatch answered, or what a Catch has put in its place.
///
/// A drain can do without: what cannot be read is not there. How Step Functions writes an empty list
/// and a time is documented nowhere.
pub(super) fn read(seen: &Value) -> Flows {
    let mut flows = Flows {
        error: seen.get("Error").and_then(Value::as_str).map(quote),
        ..Flows::default()
    };
    let results = seen.get("results").and_then(Value::as_array);
    for result in results.into_iter().flatten() {
        let list = |name: &str| {
            let list = result.get(name).and_then(Value::as_array);
            list.map(Vec::as_slice).unwrap_or_default()
        };
        let mut points: Vec<_> = list("Timestamps")
            .iter()
            .zip(list("Values"))
            .filter_map(|(at, value)| {
                Some(Point {
                    at: seconds(at)?,
                    value: value.as_f64()?,
                })
            })
            .collect();
        points.sort_by_key(|point| std::cmp::Reverse(point.at));
        match result.get("Id").and_then(Value::as_str) {
            Some(NEW) => flows.new = points,
            Some(ACTIVE) => flows.active = points,
            Some(CONNECTIONS) => flows.connections = points,
            // Not one of ours.
            Some(_) | None => {}
        }
    }
    flows
}

/// A time as text, or as seconds.
fn seconds(time: &Value) -> Option<u64> {
    let text = time.as_str().and_then(clock::seconds);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates"
    )]
    let number = || time.as_f64().filter(|s| *s >= 0.0).map(|s| s as u64);
    text.or_else(number)
}
