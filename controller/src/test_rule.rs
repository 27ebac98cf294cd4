//! Rules of a deployment's own, by which requests for tests reach the replacement before the swap.

use crate::action::{Action, Beside, NewRule};
use crate::deployment::Plan;
use crate::id::RouteArn;
use crate::identity::service_tag;
use crate::refusal::Refusal;
use crate::request::{Request, TestCondition};
use crate::routing::Routing;
use crate::world::{Created, LoadBalancer, Route, World};

/// The values in the conditions of a rule, at most (AWS documentation).
const MOST_VALUES: usize = 5;

/// The lowest and the highest number that a rule may have (AWS API model).
const PRIORITIES: std::ops::RangeInclusive<u32> = 1..=50_000;

/// The rules that are still to be created: one for each production route, evaluated right before it.
///
/// Refuses `test` on a Network Load Balancer, and where a listener has no number left.
pub(crate) fn missing(
    world: &World,
    plan: &Plan,
    routing: &Routing<'_>,
) -> Result<Vec<Action>, Refusal> {
    let Some(test) = &plan.request.test else {
        return Ok(Vec::new());
    };
    possible(world, &plan.request, routing)?;
    let deployment = plan.id.tag_value();
    let is_there = |route: &&Route| {
        let mut created = created(world, &plan.request);
        created.any(|(_, by)| by.deployment == deployment && by.beside == mark(&route.arn))
    };
    let mut taken: Vec<_> = numbers(world).collect();
    let routes = routing.roles.production.iter();
    let missing = routes.filter(|route| !is_there(route)).map(|route| {
        let priority = free_before(route, &taken)?;
        taken.push((route.listener.to_string(), priority));
        Ok(Action::CreateRule(Box::new(NewRule {
            listener: route.listener.clone(),
            beside: match route.rule {
                Some(_) => Beside::Rule(route.arn.clone()),
                None => Beside::Default,
            },
            priority,
            test: test.clone(),
            target_group: routing.alternate.arn.clone(),
            created: Created {
                deployment: deployment.clone(),
                beside: mark(&route.arn),
                service: service_tag(&plan.request),
            },
        })))
    });
    missing.collect()
}

/// Refuses `test` where its rules cannot be created.
pub(crate) fn possible(
    world: &World,
    request: &Request,
    routing: &Routing<'_>,
) -> Result<(), Refusal> {
    let Some(test) = &request.test else {
        return Ok(());
    };
    if !world
        .load_balancer
        .as_ref()
        .is_some_and(LoadBalancer::is_application)
    {
        let what = match test {
            TestCondition::Header { .. } => "header",
            TestCondition::Host(_) => "host",
            TestCondition::Path(_) => "path",
        };
        return Err(Refusal::preflight(
            format!("test.{what}: rules of a Network Load Balancer cannot compare a {what}."),
            "Remove test from the input. A test listener that forwards to the second target group reaches the replacement.",
        ));
    }
    let taken: Vec<_> = numbers(world).collect();
    routing.roles.production.iter().try_for_each(|route| {
        if route.authenticates {
            return Err(Refusal::preflight(
                format!("test: {route} authenticates clients, and a rule for tests would let them in without."),
                "Remove test from the input, and give the tests a rule of their own that authenticates and forwards to the second target group.",
            ));
        }
        let values = values_beside(route, test);
        if values > MOST_VALUES {
            return Err(Refusal::preflight(
                format!(
                    "test: a rule before {route} would have {values} values in its conditions, and AWS allows {MOST_VALUES}."
                ),
                "Split the rule (aws elbv2 modify-rule, aws elbv2 create-rule), or remove test from the input.",
            ));
        }
        free_before(route, &taken).map(drop)
    })
}

/// The values that the conditions of a created rule have: those of its route, and the test's.
fn values_beside(route: &Route, test: &TestCondition) -> usize {
    let replaced = match test {
        TestCondition::Header { .. } => None,
        TestCondition::Host(_) => Some("host-header"),
        TestCondition::Path(_) => Some("path-pattern"),
    };
    let conditions = route.rule.iter().flat_map(|rule| &rule.conditions);
    let kept = conditions.filter(|condition| Some(condition.field.as_str()) != replaced);
    kept.map(|condition| condition.values.len()).sum::<usize>() + 1
}

/// The rules of this service that deployments have created.
pub(crate) fn created<'a>(
    world: &'a World,
    request: &Request,
) -> impl Iterator<Item = (&'a Route, &'a Created)> {
    let service = service_tag(request);
    let created = world.routes.iter();
    created.filter_map(move |route| {
        let by = route.created.as_ref()?;
        (by.service == service).then_some((route, by))
    })
}

/// The writes after which no rule that a deployment has created is left: those of other deployments alone, or all.
pub(crate) fn deletions(world: &World, plan: &Plan, which: Which) -> Vec<Action> {
    let own = plan.id.tag_value();
    let rules = created(world, &plan.request);
    let rules = rules.filter(|(_, by)| which == Which::All || by.deployment != own);
    let deletions = rules.map(|(rule, _)| Action::DeleteRule {
        rule: rule.arn.clone(),
    });
    deletions.collect()
}

/// Which created rules are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that earlier deployments have left.
    OfOthers,
    /// This deployment's as well.
    All,
}

/// The last part of a route's ARN, which tells it from others of its load balancer.
fn mark(route: &RouteArn) -> String {
    route.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The numbers that are taken, with their listeners.
pub(crate) fn numbers(world: &World) -> impl Iterator<Item = (String, u32)> {
    let rules = world.routes.iter();
    rules.filter_map(|route| Some((route.listener.to_string(), route.rule.as_ref()?.priority)))
}

/// The free number that is nearest before a route: the default action comes after every rule.
pub(crate) fn free_before(route: &Route, taken: &[(String, u32)]) -> Result<u32, Refusal> {
    let here = taken
        .iter()
        .filter(|(listener, _)| **listener == *route.listener);
    let here: Vec<_> = here.map(|(_, number)| *number).collect();
    let is_free = |number: &u32| !here.contains(number);
    let found = if let Some(rule) = &route.rule {
        (*PRIORITIES.start()..rule.priority).rev().find(is_free)
    } else {
        let last = here.iter().copied().max().unwrap_or(0);
        let after = (last < *PRIORITIES.end()).then_some(last + 1);
        after.or_else(|| PRIORITIES.rev().find(is_free))
    };
    found.ok_or_else(|| {
        Refusal::preflight(
            format!("test: no number is free for a rule before {route}."),
            "Give the rule a higher number (aws elbv2 set-rule-priorities), or remove test from the input.",
        )
    })
}
