//! What CloudWatch is asked before a step of the drain or of a shift.

use crate::arn::{balancer_dimension, is_application_load_balancer};
use crate::checks::{self, Side};
use crate::deployment::Plan;
use crate::drain::flows::SPAN;
use crate::drain::pace::{Metric, TASK_SET};
use crate::id::TaskSetId;
use crate::request::Request;
use crate::shift;

/// One metric to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What its values are.
    pub of: Series,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its dimensions: names and values.
    pub dimensions: Vec<(String, String)>,
    /// `Sum`, `Average`, or another one.
    pub statistic: String,
    /// How many times it counts a connection of a client.
    pub times: u32,
}

/// The metrics that a drain may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// New connections of the whole load balancer.
    New,
    /// Connections of the whole load balancer.
    Active,
    /// Connections of the task set that drains, as the application reports them.
    Connections,
    /// What counts the new connections of the replacement, in a shift.
    Seen,
    /// The same of the original.
    Kept,
    /// What a check compares, by its number.
    Check(usize, Side),
}

impl Series {
    /// The id of its query.
    pub fn id(self) -> String {
        let id = match self {
            Self::New => "newFlows",
            Self::Active => "activeFlows",
            Self::Connections => "connections",
            Self::Seen => "seen",
            Self::Kept => "kept",
            Self::Check(number, Side::Replacement) => return format!("replacement{number}"),
            Self::Check(number, Side::Original) => return format!("original{number}"),
        };
        id.to_owned()
    }
}

/// The metrics that the next step needs; none if its pace uses none.
pub fn queries(plan: &Plan) -> Vec<Query> {
    let mut queries = if plan.shifted.step > 0 {
        shift::queries(plan)
    } else {
        of_drain(plan)
    };
    queries.extend(checks::queries(plan));
    queries
}

fn of_drain(plan: &Plan) -> Vec<Query> {
    let drain = &plan.request.drain;
    let mut queries = Vec::new();
    if drain.pace.budget().is_some()
        && let Some(balancer) = plan.request.load_balancer.as_deref()
    {
        queries.extend(of_load_balancer(balancer));
    }
    if let (Some(metric), Some(outgoing)) = (&drain.connections, plan.outgoing_set()) {
        queries.push(metric.of(Series::Connections, outgoing));
    }
    queries
}

impl Metric {
    /// What is asked for of a task set.
    pub(crate) fn of(&self, of: Series, task_set: &TaskSetId) -> Query {
        let dimensions = self.dimensions.iter();
        let dimensions =
            dimensions.map(|(name, value)| (name.clone(), value.replace(TASK_SET, task_set)));
        Query {
            of,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            dimensions: dimensions.collect(),
            statistic: "Sum".to_owned(),
            times: 1,
        }
    }
}

/// From when on values are asked for: a baseline's, or those of the whole step of a shift and of what was before it.
pub fn since(plan: &Plan, now: u64) -> u64 {
    let began = if plan.shifted.step > 0 {
        plan.shifted.since
    } else {
        now
    };
    let of_checks = checks::asked_since(plan, now).unwrap_or(now);
    began.min(now).saturating_sub(SPAN).min(of_checks)
}

/// What preflight needs to know of a load balancer: nothing where the input says how many connections a
/// task holds, or its pace follows no metric, and traffic moves at once.
pub fn before(request: &Request, load_balancer: &str) -> Vec<Query> {
    let budget = request.drain.pace.budget();
    let counted = budget.is_none_or(|budget| budget.connections_per_task.is_some());
    if counted && request.shift.is_none() {
        return Vec::new();
    }
    of_load_balancer(load_balancer)
}

/// An Application Load Balancer counts connections under other names, and its own
/// connections to targets as well (AWS documentation): a connection that lives long has one of each.
fn of_load_balancer(arn: &str) -> Vec<Query> {
    let name = balancer_dimension(arn);
    if name.is_empty() {
        return Vec::new();
    }
    let (namespace, new, active, statistic, times) = if is_application_load_balancer(arn) {
        (
            "AWS/ApplicationELB",
            "NewConnectionCount",
            "ActiveConnectionCount",
            "Sum",
            2,
        )
    } else {
        (
            "AWS/NetworkELB",
            "NewFlowCount",
            "ActiveFlowCount",
            "Average",
            1,
        )
    };
    let query = |of: Series, metric: &str, statistic: &'static str| Query {
        of,
        namespace: namespace.to_owned(),
        name: metric.to_owned(),
        dimensions: vec![("LoadBalancer".to_owned(), name.to_owned())],
        statistic: statistic.to_owned(),
        times,
    };
    vec![
        query(Series::New, new, "Sum"),
        query(Series::Active, active, statistic),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Outgoing;
    use crate::fixture::{Scene, home};
    use serde_json::json;

    /// What it is of, its name, its dimensions.
    type Asked = (Series, String, Vec<(String, String)>);

    fn asked(drain: &serde_json::Value) -> Vec<Asked> {
        let mut scene = Scene::swapped();
        let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2", "drain": drain});
        let balancer = scene.world.load_balancer.clone();
        scene.request = Request::parse(&input, &home()).unwrap();
        scene.request.load_balancer = balancer.map(|balancer| balancer.arn);
        let queries = queries(&scene.plan()).into_iter();
        queries.map(|q| (q.of, q.name, q.dimensions)).collect()
    }

    #[test]
    fn a_check_asks_for_the_metric_of_both_task_sets_until_the_drain_begins() {
        let mut scene = Scene::swapped();
        let metric = json!({"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}", "Group": "{targetGroup}"}, "statistic": "p99"});
        let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2", "drain": {"within": 600}, "checks": [{"metric": metric}]});
        scene.request = Request::parse(&input, &home()).unwrap();
        let mut plan = scene.plan();
        assert_eq!(queries(&plan), []);
        plan.checked.since = Some(6_000);
        let of = |side, set: &str, group: &str| Query {
            of: Series::Check(0, side),
            namespace: "App".to_owned(),
            name: "Latency".to_owned(),
            dimensions: vec![
                ("Set".to_owned(), set.to_owned()),
                (
                    "Group".to_owned(),
                    format!("targetgroup/{group}/0123456789abcdef"),
                ),
            ],
            statistic: "p99".to_owned(),
            times: 1,
        };
        assert_eq!(
            queries(&plan),
            [
                of(Side::Replacement, "ecs-svc/2", "green"),
                of(Side::Original, "ecs-svc/1", "blue")
            ]
        );
        // Fifteen minutes for ten samples at most, but none from before both served.
        assert_eq!(since(&plan, 6_300), 5_400);
        plan.request.checks[0].samples = 60;
        assert_eq!(since(&plan, 12_000), 6_000);
        plan.outgoing = Outgoing::Replacement;
        assert_eq!(queries(&plan), []);
    }

    #[test]
    fn a_fixed_pace_asks_for_nothing() {
        assert_eq!(asked(&json!({"within": 600})), []);
    }

    #[test]
    fn a_budget_asks_for_the_load_balancers_flows() {
        let dimensions = vec![(
            "LoadBalancer".to_owned(),
            "net/lb/0123456789abcdef".to_owned(),
        )];
        assert_eq!(
            asked(&json!({"reconnectsPerSecond": 20, "deadline": 900})),
            [
                (Series::New, "NewFlowCount".to_owned(), dimensions.clone()),
                (Series::Active, "ActiveFlowCount".to_owned(), dimensions),
            ]
        );
    }

    #[test]
    fn an_applications_metric_is_asked_for_the_task_set_that_drains() {
        let metric = json!({"namespace": "App", "metricName": "Conns", "dimensions": {"TaskSet": "{taskSet}"}});
        assert_eq!(
            asked(&json!({"within": 600, "connectionsMetric": metric})),
            [(
                Series::Connections,
                "Conns".to_owned(),
                vec![("TaskSet".to_owned(), "ecs-svc/1".to_owned())]
            )]
        );
    }
}
