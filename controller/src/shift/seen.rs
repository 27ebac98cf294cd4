//! How many new connections the replacement has seen in a step, as CloudWatch counts them.

use super::Step;
use crate::arn::{Arn, balancer_dimension, is_application_load_balancer, short};
use crate::deployment::Plan;
use crate::drain::pace::Metric;
use crate::flows::{Flows, Point, Query, Series};
use crate::id::TargetGroupArn;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::{LoadBalancer, World};

/// What counts the new connections of the replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// The application's own count of new connections.
    New,
    /// The application's own count of open connections: what it rises by. One that closes again is not counted.
    Open,
    /// The requests of the target group of an Application Load Balancer, of which a WebSocket is one.
    Requests,
}

/// What counts the new connections of the replacement; `None` where nothing tells the two task sets apart: the metrics
/// of a Network Load Balancer do not know target groups (AWS documentation).
pub fn measured(request: &Request, step: &Step) -> Option<Measured> {
    let balancer = request.load_balancer.as_deref();
    if request.drain.new_connections.is_some() {
        Some(Measured::New)
    } else if request.drain.connections.is_some() && step.wanted.is_some() {
        Some(Measured::Open)
    } else {
        balancer
            .is_some_and(is_application_load_balancer)
            .then_some(Measured::Requests)
    }
}

/// Whether the new connections of both task sets are counted, so that their shares are known.
pub(super) fn counts_both(request: &Request, step: &Step) -> bool {
    match measured(request, step) {
        Some(Measured::New | Measured::Requests) => true,
        Some(Measured::Open) | None => false,
    }
}

/// Refuses steps that wait for connections which nothing counts.
pub(crate) fn can_be_measured(request: &Request, world: &World) -> Result<(), Refusal> {
    let Some(shift) = &request.shift else {
        return Ok(());
    };
    let waits = shift.steps().position(|step| step.wanted.is_some());
    let balancer = world.load_balancer.as_ref();
    let counted = request.drain.new_connections.is_some()
        || request.drain.connections.is_some()
        || balancer.is_some_and(LoadBalancer::is_application);
    let why = match balancer {
        Some(_) => "those of a Network Load Balancer cover all of its target groups",
        None => "a registry counts none",
    };
    match waits {
        Some(number) if !counted => Err(Refusal::preflight(
            format!(
                "shift.steps[{number}].connections: no metric says how many new connections the replacement sees, because {why}."
            ),
            "Name a metric of the application in drain.newConnectionsMetric or drain.connectionsMetric, or give the step seconds (for) instead of connections.",
        )),
        Some(_) | None => Ok(()),
    }
}

/// The metrics that a step needs, in the middle of a shift: those of both task sets, where they count new connections.
pub(crate) fn queries(plan: &Plan) -> Vec<Query> {
    let shift = plan.request.shift.as_ref();
    let step = shift.and_then(|shift| shift.step(plan.shifted.step));
    let Some(measured) = step.and_then(|step| measured(&plan.request, &step)) else {
        return Vec::new();
    };
    let both = [
        (
            Series::Seen,
            &plan.replacement,
            &plan.replacement_target_group,
        ),
        (Series::Kept, &plan.original, &plan.original_target_group),
    ];
    let drain = &plan.request.drain;
    let queries = both.into_iter().filter_map(|(series, set, group)| {
        let of = |metric: &Option<Metric>| Some(metric.as_ref()?.of(series, set.as_ref()?));
        match measured {
            Measured::New => of(&drain.new_connections),
            Measured::Requests => requests(plan, series, group),
            Measured::Open if series == Series::Seen => of(&drain.connections),
            Measured::Open => None,
        }
    });
    queries.collect()
}

/// The requests of a target group of an Application Load Balancer.
fn requests(plan: &Plan, of: Series, group: &TargetGroupArn) -> Option<Query> {
    let name = balancer_dimension(plan.request.load_balancer.as_deref()?);
    let group = Arn::parse(group)?.resource;
    let dimensions = [("TargetGroup", group), ("LoadBalancer", name)];
    let dimensions = dimensions.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Query {
        of,
        namespace: "AWS/ApplicationELB".to_owned(),
        name: "RequestCount".to_owned(),
        dimensions: dimensions.into(),
        statistic: "Sum".to_owned(),
        times: 1,
    })
}

/// New connections since a step began: never more than there were, since the minute in which it began does not count.
pub(crate) fn seen(flows: &Flows, measured: Measured, since: u64) -> u64 {
    let in_step = |point: &&Point| point.at >= since;
    let values = flows.seen.iter().filter(in_step).map(|point| point.value);
    let seen = match measured {
        Measured::New | Measured::Requests => values.sum::<f64>(),
        Measured::Open => {
            let before = flows.seen.iter().find(|point| point.at < since);
            values.fold(0.0, f64::max) - before.map_or(0.0, |point| point.value)
        }
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count: `as` saturates"
    )]
    let seen = seen.max(0.0) as u64;
    seen
}

/// The name of the metric, for a reader.
pub(crate) fn metric(plan: &Plan) -> String {
    queries(plan).first().map_or_else(
        || short(&plan.replacement_target_group).to_owned(),
        |query| format!("{} of {}", query.name, query.namespace),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(values: &[(u64, f64)]) -> Flows {
        let point = |&(at, value): &(u64, f64)| Point { at, value };
        Flows {
            seen: values.iter().map(point).collect(),
            ..Flows::default()
        }
    }

    #[test]
    fn requests_since_the_step_began_add_up() {
        let flows = flows(&[(720, 5.0), (660, 7.0), (600, 100.0)]);
        assert_eq!(seen(&flows, Measured::Requests, 601), 12);
        assert_eq!(seen(&flows, Measured::Requests, 600), 112);
        assert_eq!(seen(&Flows::default(), Measured::Requests, 0), 0);
    }

    #[test]
    fn open_connections_count_by_what_they_have_risen() {
        let rising = flows(&[(720, 30.0), (660, 25.0), (600, 10.0)]);
        assert_eq!(seen(&rising, Measured::Open, 601), 20);
        // Those that closed again are still counted, and none is where fewer are left.
        let closing = flows(&[(720, 8.0), (660, 25.0), (600, 10.0)]);
        assert_eq!(seen(&closing, Measured::Open, 601), 15);
        assert_eq!(seen(&closing, Measured::Open, 700), 0);
        // The first step begins with none.
        assert_eq!(seen(&rising, Measured::Open, 0), 30);
    }
}
