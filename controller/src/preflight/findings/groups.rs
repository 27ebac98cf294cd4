//! Findings about the two target groups: their differences, the health that they require, and targets of
//! others.

use super::{Finding, FindingName, Scene, Severity, names, set_attribute};
use crate::fix::Fix;
use crate::preflight::differences::{Difference, SetBy, differences, in_words};
use crate::world::TargetGroup;

pub(super) fn findings(scene: &Scene<'_>, errors: &[Finding]) -> Vec<Finding> {
    let refused =
        |one: &Finding| (one.severity, one.name) == (Severity::Error, FindingName::GroupsDiffer);
    let mut found = Vec::new();
    // The refusal lists what differs.
    if !errors.iter().any(refused) {
        found.extend(differ(scene));
    }
    found.extend(thresholds(scene));
    found.extend(strays(scene));
    found
}

/// Each deployment exchanges the two groups, and what differs changes with it.
fn differ(scene: &Scene<'_>) -> Option<Finding> {
    let [first, second] = scene.groups[..] else {
        return None;
    };
    let differing = differences([first, second]);
    if differing.is_empty() {
        return None;
    }
    // The group that serves is as it should be.
    let (like, changed) = match scene.production {
        Some(production) if production.arn == second.arn => (1, first),
        Some(_) | None => (0, second),
    };
    Some(Finding::warning(
        FindingName::GroupsDiffer,
        &format!("{} differ: {}.", names(&scene.groups), in_words(&differing)),
        "Each deployment exchanges the two groups, so the settings change with every deployment.",
        alike(changed, &differing, like),
    ))
}

/// What makes a group like the other one, the values of which have this index.
fn alike(group: &TargetGroup, differing: &[Difference], like: usize) -> Fix {
    let options: Vec<_> = differing
        .iter()
        .filter_map(|one| match (one.set_by, &one.values[like]) {
            (SetBy::Option(_), value) if value.is_empty() => None,
            (SetBy::Option("--matcher"), value) => {
                let grpc = group.settings.protocol_version.as_deref() == Some("GRPC");
                let codes = if grpc { "GrpcCode" } else { "HttpCode" };
                Some(format!("--matcher {codes}={value}"))
            }
            (SetBy::Option("--health-check-path"), value) => {
                Some(format!("--health-check-path '{value}'"))
            }
            (SetBy::Option(option), value) => Some(format!("{option} {value}")),
            (SetBy::Nothing | SetBy::Attribute, _) => None,
        })
        .collect();
    let attributes: Vec<_> = differing
        .iter()
        .filter(|one| one.set_by == SetBy::Attribute && !one.values[like].is_empty())
        .map(|one| format!("Key={},Value={}", one.what, one.values[like]))
        .collect();
    let mut commands = Vec::new();
    if !options.is_empty() {
        commands.push(format!(
            "aws elbv2 modify-target-group --target-group-arn {} {}",
            group.arn,
            options.join(" ")
        ));
    }
    if !attributes.is_empty() {
        commands.push(format!(
            "aws elbv2 modify-target-group-attributes --target-group-arn {} --attributes {}",
            group.arn,
            attributes.join(" ")
        ));
    }
    if commands.is_empty() {
        return format!(
            "Create a group like the other one (aws elbv2 create-target-group), and put it into the listeners and \
             rules of {} instead (aws elbv2 modify-listener, aws elbv2 modify-rule).",
            group.name
        )
        .into();
    }
    Fix::run("", commands)
}

/// Attributes that require a number of healthy targets, with the value that requires no more than one.
const THRESHOLDS: [(&str, &str); 4] = [
    (
        "target_group_health.dns_failover.minimum_healthy_targets.count",
        "1",
    ),
    (
        "target_group_health.dns_failover.minimum_healthy_targets.percentage",
        "off",
    ),
    (
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
        "1",
    ),
    (
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        "off",
    ),
];

/// A group below such a threshold is one that its load balancer takes for unhealthy as a whole.
fn thresholds(scene: &Scene<'_>) -> Option<Finding> {
    let asks = |group: &TargetGroup, (key, least): (&str, &str)| {
        let value = group.settings.attributes.get(key);
        value.is_some_and(|value| value != least && value != "off" && !value.is_empty())
    };
    let asking: Vec<_> = THRESHOLDS
        .iter()
        .filter_map(|&threshold| {
            let groups = scene.groups_that(|group| asks(group, threshold));
            let first = groups.first()?;
            let value = first.settings.attributes.get(threshold.0)?;
            Some((threshold, value.clone(), groups))
        })
        .collect();
    if asking.is_empty() {
        return None;
    }
    let seen: Vec<_> = asking
        .iter()
        .map(|((key, _), value, groups)| format!("{} of {} is {value}", key, names(groups)))
        .collect();
    let fixes = asking
        .iter()
        .flat_map(|((key, least), _, groups)| set_attribute("", groups, key, least).commands);
    Some(Finding::warning(
        FindingName::HealthThresholds,
        &format!("{}.", seen.join(", ")),
        "While its tasks start or drain, a group is below that: its zones may leave the load balancer's DNS, or all of its targets get traffic, healthy or not (AWS documentation; unproven for a group of weight 0).",
        Fix::run("", fixes),
    ))
}

/// Targets that are named in one finding, at most.
const MOST_NAMED: usize = 10;

/// Targets in the group that serves which no task of the service owns.
fn strays(scene: &Scene<'_>) -> Option<Finding> {
    let group = scene.production?;
    let named: Vec<_> = group
        .strays
        .iter()
        .take(MOST_NAMED)
        .map(|stray| format!("{} ({})", stray.target, stray.state))
        .collect();
    let ids: Vec<_> = group
        .strays
        .iter()
        .take(MOST_NAMED)
        .filter_map(|stray| Some(format!("Id={}", stray.target.rsplit_once(':')?.0)))
        .collect();
    if named.is_empty() {
        return None;
    }
    let more = group.strays.len() - named.len();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Some(Finding::warning(
        FindingName::StrayTargets,
        &format!(
            "Target group {}, which serves, has targets that no task of the service owns: {}{more}.",
            group.name,
            named.join(", ")
        ),
        "They take a share of the traffic until the swap, and again after a rollback, which does not wait for them; the next deployment is refused until they are gone.",
        Fix::run(
            "",
            [format!(
                "aws elbv2 deregister-targets --target-group-arn {} --targets {}",
                group.arn,
                ids.join(" ")
            )],
        ),
    ))
}
