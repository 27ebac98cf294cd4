//! Findings about rules: those that take the service's requests, and those that bring others'.

use super::{Finding, FindingName, Scene};
use crate::arn::short;
use crate::fix::Fix;
use crate::identity::service_tag;
use crate::preflight::all_meet;
use crate::routing::Roles;
use crate::test_rule::{self, Planned};
use crate::world::{Condition, Route, Rule, World};

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let routes = scene.production_routes().iter();
    let shadowed = routes.filter_map(|route| shadowed(scene, route));
    let mut found: Vec<_> = shadowed.chain(strays(scene)).chain(tests(scene)).collect();
    if let Some(roles) = &scene.roles {
        let planned = test_rule::planned(scene.world, scene.request, roles).unwrap_or_default();
        found.extend(
            planned
                .iter()
                .filter_map(|one| overtaken(scene, roles, one)),
        );
        found.extend(rule_quota(scene, planned.len()));
    }
    found
}

/// A production route that no request reaches, because a rule before it is met by all of them.
fn shadowed(scene: &Scene<'_>, route: &Route) -> Option<Finding> {
    let is_production = |other: &Route| {
        let mut routes = scene.production_routes().iter();
        routes.any(|route| route.arn == other.arn)
    };
    let mut shadows = before(scene.world, route, number(route), route.conditions());
    let first = shadows.find(|other| !is_production(other))?;
    Some(Finding::warning(
        FindingName::ShadowedRoute,
        &format!(
            "{}. It is evaluated before {route} ({}), and every request for that one meets it.",
            leads(first),
            match route.conditions() {
                [] => "all requests".to_owned(),
                conditions => in_words(conditions),
            }
        ),
        "No request reaches the production route, before or after the swap.",
        earlier(scene.world, route, first),
    ))
}

fn number(route: &Route) -> u32 {
    route.rule.as_ref().map_or(u32::MAX, |rule| rule.priority)
}

/// Rules of a route's listener that are evaluated before a number, and that every request with these conditions
/// meets.
fn before<'a>(
    world: &'a World,
    route: &'a Route,
    than: u32,
    conditions: &'a [Condition],
) -> impl Iterator<Item = &'a Route> {
    world.routes.iter().filter(move |other| {
        other.listener == route.listener
            && number(other) < than
            && other.created.is_none()
            && all_meet(conditions, other.conditions())
    })
}

/// A rule, its conditions, and where it forwards to.
fn leads(rule: &Route) -> String {
    let groups = rule.forward.0.iter();
    let groups: Vec<_> = groups.map(|group| short(&group.target_group)).collect();
    let to = match groups[..] {
        [] => "no target group".to_owned(),
        [..] => groups.join(" and "),
    };
    format!(
        "{} ({}) forwards to {to}",
        rule.at_start(),
        in_words(rule.conditions())
    )
}

/// A rule for tests that no request reaches, because a rule before it is met by all of them. Where the requests
/// of its route meet that one too, the route is shadowed itself.
fn overtaken(scene: &Scene<'_>, roles: &Roles<'_>, planned: &Planned<'_>) -> Option<Finding> {
    let Planned {
        route,
        number,
        conditions,
    } = planned;
    let is_own = |other: &Route| roles.all().any(|(own, _)| own.arn == other.arn);
    let mut overtaking = before(scene.world, route, *number, conditions);
    let first = overtaking
        .find(|other| !is_own(other) && !all_meet(route.conditions(), other.conditions()))?;
    Some(Finding::warning(
        FindingName::TestRule,
        &format!(
            "{}. It is evaluated before the test rule of {route} ({}), and every request for that one meets it.",
            leads(first),
            in_words(conditions)
        ),
        "No request for tests reaches the replacement by this test rule.",
        Fix::run(
            "Use another condition in test, or change the conditions of that rule. To see it",
            [first.shown_by()],
        ),
    ))
}

/// Rules of a load balancer, default actions aside: the quota that an account has by default (AWS documentation).
const RULES_OF_A_LOAD_BALANCER: usize = 100;

/// More rules than a load balancer takes by default, once those for tests are there.
fn rule_quota(scene: &Scene<'_>, planned: usize) -> Option<Finding> {
    let load_balancer = scene.load_balancer.filter(|lb| lb.is_application())?;
    let ours = service_tag(scene.request);
    let stays = |route: &&Route| {
        let created = route.created.as_ref();
        route.rule.is_some() && created.is_none_or(|by| by.service != ours)
    };
    let seen = scene.world.routes.iter().filter(stays).count();
    if planned == 0 || seen + planned <= RULES_OF_A_LOAD_BALANCER {
        return None;
    }
    Some(Finding::warning(
        FindingName::RuleQuota,
        &format!(
            "{} has {seen} rules, and the deployment adds {planned} for tests; by default, an Application Load Balancer takes {RULES_OF_A_LOAD_BALANCER}.",
            short(&load_balancer.arn)
        ),
        "Beyond the quota, CreateRule answers TooManyRules, and the deployment fails before it creates a task set. Not checked: whether the quota was raised.",
        Fix::run(
            "Delete rules, remove test from the input, or have the quota raised. To see it",
            ["aws elbv2 describe-account-limits"],
        ),
    ))
}

fn in_words(conditions: &[Condition]) -> String {
    let conditions: Vec<_> = conditions.iter().map(ToString::to_string).collect();
    conditions.join(" and ")
}

/// What has a route evaluated before a rule.
fn earlier(world: &World, route: &Route, before: &Route) -> Fix {
    let (Some(Rule { priority, .. }), Some(first)) = (&route.rule, &before.rule) else {
        return Fix::run(
            "If these requests are for the service, change the conditions of the rule (aws elbv2 modify-rule) or delete it. To see it",
            [before.shown_by()],
        );
    };
    let set = |route: &Route, number: u32| format!("RuleArn={},Priority={number}", route.arn);
    let here = world
        .routes
        .iter()
        .filter(|other| other.listener == route.listener);
    let taken: Vec<_> = here
        .filter_map(|other| Some(other.rule.as_ref()?.priority))
        .collect();
    let mut before_it = (1..first.priority).rev();
    let numbers = match before_it.find(|number| !taken.contains(number)) {
        Some(free) => set(route, free),
        // Both at once, or one number would be in use.
        None => format!("{} {}", set(route, first.priority), set(before, *priority)),
    };
    Fix::run(
        "If these requests are for the service",
        [format!(
            "aws elbv2 set-rule-priorities --rule-priorities {numbers}"
        )],
    )
}

/// Rules that a deployment of another service has created for its tests, to a group of this one.
fn strays<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = Finding> + 'a {
    let ours = service_tag(scene.request);
    let routes = scene.world.routes.iter();
    routes.filter_map(move |route| {
        let theirs = &route.created.as_ref()?.service;
        let mut groups = scene.groups.iter();
        let group = groups.find(|group| route.forward.names(&group.arn))?;
        (*theirs != ours).then(|| {
            Finding::warning(
                FindingName::StrayRule,
                &format!(
                    "{} forwards to {}, and a deployment of service {theirs} has created it for its tests.",
                    route.at_start(),
                    group.name
                ),
                &format!("Requests that meet its conditions reach this service, whose deployments neither move nor delete it. The next deployment of {theirs} deletes it."),
                Fix::run(
                    &format!("Unless a deployment of {theirs} is running"),
                    [format!("aws elbv2 delete-rule --rule-arn {}", route.arn)],
                ),
            )
        })
    })
}

/// Test routes that lead to what serves, as if users came through them.
fn tests<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = Finding> + 'a {
    let routes = scene.roles.iter().flat_map(|roles| &roles.test);
    let production = scene.production.into_iter();
    let pairs = routes.flat_map(move |route| production.clone().map(move |group| (route, group)));
    let serving = pairs.filter(|(route, group)| route.forward.is_all_to(&group.arn));
    serving.map(|(route, group)| {
        Finding::warning(
            FindingName::TestListener,
            &format!(
                "{} is a test route, and leads to {}, which serves.",
                route.at_start(),
                group.name
            ),
            "After the swap it leads to the original, until that is drained, and then to no task.",
            Fix::run(
                "If users come through it, make it a production route",
                [format!(
                    "aws elbv2 add-tags --resource-arns {} --tags Key=ebbtide:role,Value=production",
                    route.arn
                )],
            ),
        )
    })
}
