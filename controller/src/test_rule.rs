//! Rules of a deployment's own, by which requests for tests reach the replacement before the swap.

use crate::action::{Action, NewRule};
use crate::deployment::Plan;
use crate::id::{ListenerArn, RouteArn};
use crate::identity::service_tag;
use crate::preflight::all_meet;
use crate::refusal::Refusal;
use crate::request::{Request, TestCondition};
use crate::routing::{Roles, Routing};
use crate::world::{Condition, Created, LoadBalancer, Route, World};

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
    let mut numbers = Numbers::of(world, &routing.roles, |_| true);
    let routes = routing.roles.production.iter();
    let missing = routes.filter(|route| !is_there(route)).map(|route| {
        let priority = numbers.take_before(route)?;
        Ok(Action::CreateRule(Box::new(NewRule {
            listener: route.listener.clone(),
            beside: route.arn.clone(),
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
    let planned = planned(world, request, &routing.roles)?;
    let mut planned = planned.iter();
    planned.try_for_each(|planned| is_for_tests_alone(world, routing, planned))
}

/// A rule that a deployment creates.
pub(crate) struct Planned<'a> {
    /// The production route before which it is evaluated.
    pub(crate) route: &'a Route,
    pub(crate) number: u32,
    pub(crate) conditions: Vec<Condition>,
}

/// The rules that a deployment creates for the test in a request.
///
/// Refuses them where a listener has no number left.
pub(crate) fn planned<'a>(
    world: &'a World,
    request: &Request,
    roles: &Roles<'a>,
) -> Result<Vec<Planned<'a>>, Refusal> {
    let Some(test) = &request.test else {
        return Ok(Vec::new());
    };
    // Those that are there already are of this deployment, or are deleted before it creates any.
    let mut numbers = Numbers::of(world, roles, |route| route.created.is_none());
    let planned = roles.production.iter().map(|route| {
        Ok(Planned {
            route,
            number: numbers.take_before(route)?,
            conditions: conditions_beside(route, test),
        })
    });
    planned.collect()
}

/// Refuses a test whose rule would take requests of users, let clients in that have not signed in, or have too
/// many values.
fn is_for_tests_alone(
    world: &World,
    routing: &Routing<'_>,
    planned: &Planned<'_>,
) -> Result<(), Refusal> {
    let Planned {
        route,
        number,
        conditions,
    } = planned;
    if route.authenticates {
        return Err(Refusal::preflight(
            format!(
                "test: {route} authenticates clients, and a rule for tests would let them in without."
            ),
            "Remove test from the input, and give the tests a rule of their own that authenticates and forwards to the second target group.",
        ));
    }
    let is_test = |other: &Route| {
        routing
            .roles
            .test
            .iter()
            .any(|route| route.arn == other.arn)
    };
    let taken_over = world.routes.iter().find(|other| {
        let after = other
            .rule
            .as_ref()
            .is_none_or(|rule| rule.priority > *number);
        other.listener == route.listener
            && after
            && other.created.is_none()
            && !is_test(other)
            && all_meet(other.conditions(), conditions)
    });
    if let Some(other) = taken_over {
        return Err(Refusal::preflight(
            format!(
                "test: every request for {other} would meet the rule for tests before {route} too, and reach the replacement."
            ),
            "Use a condition that requests of users do not meet, for example a header that only the tests send.",
        ));
    }
    let values = conditions.iter().map(|one| one.values.len()).sum::<usize>();
    if values > MOST_VALUES {
        return Err(Refusal::preflight(
            format!(
                "test: a rule before {route} would have {values} values in its conditions, and AWS allows {MOST_VALUES}."
            ),
            "Split the rule (aws elbv2 modify-rule, aws elbv2 create-rule), or remove test from the input.",
        ));
    }
    Ok(())
}

/// The conditions of a created rule: those of its route, and the test's in the place of the route's own of that kind.
fn conditions_beside(route: &Route, test: &TestCondition) -> Vec<Condition> {
    let (field, name, value) = match test {
        TestCondition::Header { name, value } => ("http-header", Some(name), value),
        TestCondition::Host(host) => ("host-header", None, host),
        TestCondition::Path(path) => ("path-pattern", None, path),
    };
    let kept = route.conditions().iter();
    let kept = kept.filter(|condition| name.is_some() || condition.field != field);
    let own = Condition {
        field: field.to_owned(),
        name: name.cloned(),
        values: vec![value.clone()],
        regex: false,
    };
    kept.cloned().chain([own]).collect()
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

/// The numbers that are taken.
struct Numbers<'a> {
    /// With their listeners, and whether a created rule may be evaluated before the one that has it.
    taken: Vec<(&'a ListenerArn, u32, bool)>,
}

impl<'a> Numbers<'a> {
    fn of(world: &'a World, roles: &Roles<'_>, counts: impl Fn(&Route) -> bool) -> Self {
        let is_own = |route: &Route| {
            let mut production = roles.production.iter();
            route.created.is_some() || production.any(|own| own.arn == route.arn)
        };
        let counted = world.routes.iter().filter(|route| counts(route));
        let taken = counted.filter_map(|route| {
            let number = route.rule.as_ref()?.priority;
            Some((&route.listener, number, is_own(route)))
        });
        Self {
            taken: taken.collect(),
        }
    }

    /// Takes the number nearest before a route: the default action comes after every rule. No rule of others comes in
    /// between, which may deny what this route lets through.
    fn take_before(&mut self, route: &'a Route) -> Result<u32, Refusal> {
        let here = self.taken.iter();
        let here: Vec<_> = here
            .filter(|(listener, ..)| **listener == route.listener)
            .collect();
        let found = if let Some(rule) = &route.rule {
            let is_own = |number: u32| here.iter().any(|(_, taken, own)| *taken == number && *own);
            let mut before = (*PRIORITIES.start()..rule.priority).rev();
            before.find(|number| !is_own(*number))
        } else {
            let last = here.iter().map(|(_, taken, _)| *taken).max();
            Some(last.map_or(*PRIORITIES.start(), |last| last + 1))
        };
        let is_taken = |number: &u32| here.iter().any(|(_, taken, _)| taken == number);
        let free = found.filter(|number| PRIORITIES.contains(number) && !is_taken(number));
        let number = free.ok_or_else(|| no_number(route))?;
        self.taken.push((&route.listener, number, true));
        Ok(number)
    }
}

fn no_number(route: &Route) -> Refusal {
    Refusal::preflight(
        format!("test: no number is free for a rule right before {route}."),
        "Make room with other numbers (aws elbv2 set-rule-priorities), or remove test from the input.",
    )
}
