//! Metrics of a function, in CloudWatch's embedded metric format: a line of the log that CloudWatch
//! turns into metrics, so that no call is made for them.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use ebbtide_controller::arn::short;
use ebbtide_controller::deployment::Answer;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::reason::Code;
use ebbtide_controller::request::Request;
use ebbtide_controller::world::World;
use serde_json::{Value, json};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Ebbtide";

/// The target of the log events that are such lines.
pub(crate) const TARGET: &str = "ebbtide::metrics";

/// A metric: its name, its unit in CloudWatch, its value.
type Metric = (&'static str, &'static str, f64);

/// Seconds of an hour: CloudWatch has no unit of it.
const HOUR: f64 = 3_600.0;

/// The metrics of a turn's answer.
pub(crate) fn of_answer(
    phase: Phase,
    world: &World,
    answer: &Answer,
    execution_age: u64,
) -> Vec<Metric> {
    #[expect(clippy::cast_precision_loss, reason = "seconds of two weeks at most")]
    let age = execution_age as f64;
    let mut metrics = match (phase, answer.reason.code()) {
        (Phase::ScaleDown, _) | (Phase::Swap, Code::Baking | Code::Blocked | Code::Paused) => {
            of_drain(world, answer)
        }
        (Phase::Swap, Code::Swapped) => {
            vec![("Swaps", "Count", 1.0), ("SecondsToSwap", "Seconds", age)]
        }
        (Phase::Swap, Code::SwappedBack) => vec![("Rollbacks", "Count", 1.0)],
        (Phase::Cleanup, Code::Deployed) => vec![
            ("Deployments", "Count", 1.0),
            ("DeploymentSeconds", "Seconds", age),
        ],
        _ => Vec::new(),
    };
    metrics.push(("DeploymentHours", "None", age / HOUR));
    if answer.wait > 0 {
        metrics.push(("WaitSeconds", "Seconds", f64::from(answer.wait)));
    }
    metrics
}

fn of_drain(world: &World, answer: &Answer) -> Vec<Metric> {
    let Answer { plan, progress, .. } = answer;
    let Some(draining) = plan.outgoing_in(world) else {
        return Vec::new();
    };
    let left = f64::from(draining.computed_desired_count);
    let mut metrics = vec![
        ("TasksLeft", "Count", left),
        ("TasksRunning", "Count", f64::from(draining.running_count)),
        ("HeldSeconds", "Seconds", f64::from(progress.held)),
    ];
    if let Some(began) = progress.control.began {
        #[expect(clippy::cast_precision_loss, reason = "seconds of two weeks at most")]
        let seconds = world.now.saturating_sub(began) as f64;
        metrics.push(("DrainHours", "None", seconds / HOUR));
    }
    if progress.step > 0 {
        metrics.push(("Step", "Count", f64::from(progress.step)));
    }
    if let Some(newest) = world.flows.newest(world.now) {
        let baseline = progress.control.baseline.unwrap_or_default();
        let reconnects = (newest.value - baseline).max(0.0);
        metrics.push(("ReconnectsPerSecond", "Count/Second", reconnects));
    }
    metrics
}

/// The metrics of a deployment that failed.
pub(crate) const OF_FAILURE: &[Metric] = &[("Failures", "Count", 1.0)];

/// Logs them as a line of CloudWatch's embedded metric format, with the service and the cluster as
/// dimensions, and once more without any, for an alarm on all services.
///
/// `now` is in seconds since 1970.
pub(crate) fn log(request: &Request, now: u64, metrics: &[Metric]) {
    if metrics.is_empty() {
        return;
    }
    let line = line(request, now, metrics).to_string();
    tracing::info!(target: TARGET, "{line}");
}

fn line(request: &Request, now: u64, metrics: &[Metric]) -> Value {
    let definitions = metrics.iter();
    let definitions = definitions.map(|(name, unit, _)| json!({"Name": name, "Unit": unit}));
    let definitions: Vec<_> = definitions.collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now * 1_000,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Cluster", "Service"], []],
                "Metrics": definitions,
            }],
        },
        "Cluster": short(&request.cluster),
        "Service": request.service.as_str(),
    });
    for (name, _, value) in metrics {
        line[*name] = json!(value);
    }
    line
}
