//! What the state machine asks CloudWatch before a step of the drain, and what it was answered.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arn::Arn;
use crate::clock;
use crate::deployment::Deployment;
use crate::flows::{Flows, PERIOD, Point, SPAN};
use crate::pace::TASK_SET;

/// The question, ready for `GetMetricData`: the state machine computes nothing.
#[derive(Serialize, Deserialize)]
pub(super) struct QuestionWire {
    queries: Vec<Value>,
    since: String,
}

/// The answer: values by the query's id, or what a Catch has put there.
#[derive(Deserialize)]
pub(super) struct SeenWire {
    #[serde(default)]
    results: Vec<ResultWire>,
    #[serde(rename = "Error")]
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResultWire {
    id: String,
    #[serde(default)]
    timestamps: Vec<TimeWire>,
    #[serde(default)]
    values: Vec<f64>,
}

/// Step Functions documents no form for the times of an answer: text and seconds are both read.
#[derive(Deserialize)]
#[serde(untagged)]
enum TimeWire {
    Text(String),
    Seconds(f64),
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

impl SeenWire {
    pub(super) fn read(self) -> Flows {
        let mut flows = Flows {
            error: self.error,
            ..Flows::default()
        };
        for result in self.results {
            let times = result.timestamps.iter().map(TimeWire::seconds);
            let mut points: Vec<_> = times
                .zip(&result.values)
                .filter_map(|(at, value)| {
                    Some(Point {
                        at: at?,
                        value: *value,
                    })
                })
                .filter(|point| point.value.is_finite())
                .collect();
            points.sort_by_key(|point| std::cmp::Reverse(point.at));
            match result.id.as_str() {
                NEW => flows.new = points,
                ACTIVE => flows.active = points,
                CONNECTIONS => flows.connections = points,
                // Not one of ours.
                _ => {}
            }
        }
        flows
    }
}

impl TimeWire {
    fn seconds(&self) -> Option<u64> {
        match self {
            Self::Text(time) => clock::seconds(time),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "`as` saturates"
            )]
            Self::Seconds(seconds) if *seconds >= 0.0 => Some(*seconds as u64),
            Self::Seconds(_) => None,
        }
    }
}
