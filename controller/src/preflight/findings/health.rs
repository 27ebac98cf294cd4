//! Findings about health: whether the replacement can be healthy in time, and what healthy means.

use super::{Finding, FindingName, Scene, names};
use crate::arn::short;
use crate::counted::counted;
use crate::fix::Fix;
use crate::request::CHECKS;
use crate::world::TargetGroup;

/// Seconds until a Network Load Balancer begins to check a target that was registered, at most:
/// three to five minutes (AWS support; 70 s to 120 s have been seen).
const NLB_REGISTRATION: u32 = 300;

/// Seconds that a task should have from its start until it is stopped for failing its health checks:
/// few programs that load something are up sooner.
const SHORTEST_START: u32 = 60;

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(too_slow(scene));
    found.extend(original_is_sick(scene));
    found.extend(
        scene
            .groups
            .iter()
            .filter_map(|group| in_no_listener(scene, group)),
    );
    found.extend(never_checked(scene));
    found.extend(short_grace(scene));
    found.extend(port_only(scene));
    found.extend(path_of_others(scene));
    found
}

fn too_slow(scene: &Scene<'_>) -> Option<Finding> {
    let request = scene.request;
    let registration = if scene.is_network() {
        NLB_REGISTRATION
    } else {
        0
    };
    let own_checks = (CHECKS - 1) * request.wait_for_service;
    let needed = |group: &TargetGroup| {
        let checks = group.settings.health_check.seconds_to_healthy();
        checks.saturating_add(registration + own_checks)
    };
    let slow = scene.groups_that(|group| {
        group.settings.health_check.interval > 0 && needed(group) > request.readiness_timeout
    });
    let slowest = slow.iter().copied().max_by_key(|group| needed(group))?;
    let check = &slowest.settings.health_check;
    let registered = if registration > 0 {
        format!("up to {registration} s for registration, ")
    } else {
        String::new()
    };
    let commands = slow.iter().map(|group| {
        format!(
            "aws elbv2 modify-target-group --target-group-arn {} --health-check-interval-seconds 10 --healthy-threshold-count 3",
            group.arn
        )
    });
    Some(Finding::warning(
        FindingName::HealthCheckTime,
        &format!(
            "A target of {} may need {} s: {registered}{} checks {} s apart, and {CHECKS} checks {} s apart. readinessTimeout is {} s.",
            names(&slow),
            needed(slowest),
            check.healthy_threshold,
            check.interval,
            request.wait_for_service,
            request.readiness_timeout
        ),
        "A replacement that becomes healthy a little later fails with NotReadyTimeout.",
        Fix::run(
            &format!(
                "Set readinessTimeout to at least {}, or make health checks faster",
                needed(slowest)
            ),
            commands,
        ),
    ))
}

fn original_is_sick(scene: &Scene<'_>) -> Option<Finding> {
    let (original, group) = (scene.original?, scene.production?);
    let wanted = original.computed_desired_count;
    let targets = group.own_targets();
    if targets.healthy >= wanted {
        return None;
    }
    if let Some(registry) = scene
        .world
        .registry
        .as_ref()
        .filter(|_| group.is_of_a_registry())
    {
        return Some(Finding::warning(
            FindingName::OriginalHealth,
            &format!(
                "Clients find only {} of {} of {} in registry {}: {}.",
                targets.healthy,
                counted(wanted, "task"),
                original.id,
                short(&registry.arn),
                targets
            ),
            "A rollback goes back only when all of these tasks are registered and healthy.",
            Fix::run(
                "",
                [format!(
                    "aws servicediscovery get-instances-health-status --service-id {}",
                    short(&registry.arn)
                )],
            ),
        ));
    }
    if group.targets.registered() == 0 {
        return Some(empty(scene, group, wanted));
    }
    Some(Finding::warning(
        FindingName::OriginalHealth,
        &format!(
            "Only {} of {} of {}, which serves now, are healthy: {}.",
            targets.healthy,
            counted(wanted, "target"),
            group.name,
            targets
        ),
        "A rollback moves traffic back only when all of these tasks are healthy.",
        Fix::run(
            "",
            [format!(
                "aws elbv2 describe-target-health --target-group-arn {}",
                group.arn
            )],
        ),
    ))
}

/// Users arrive at a group that has no target.
fn empty(scene: &Scene<'_>, group: &TargetGroup, wanted: u32) -> Finding {
    let routes = scene.production_routes().iter();
    let routes: Vec<_> = routes.map(|route| route.short()).collect();
    let refused = if scene.is_network() {
        "Clients cannot connect"
    } else {
        "Clients get HTTP 503"
    };
    let (cluster, service) = (scene.cluster(), &scene.request.service);
    Finding::warning(
        FindingName::EmptyTargetGroup,
        &format!(
            "Production traffic of listener {} goes to {}, which has no registered targets.",
            routes.join(" and "),
            group.name
        ),
        &format!(
            "{refused} until the swap. A rollback moves traffic back only when {} healthy.",
            match wanted {
                1 => "the task of the original is".to_owned(),
                more => format!("all {more} tasks of the original are"),
            }
        ),
        Fix::run(
            "See why",
            [format!(
                "aws ecs describe-services --cluster {cluster} --services {service} --query 'services[0].events[:5].message'"
            )],
        ),
    )
}

fn in_no_listener(scene: &Scene<'_>, group: &TargetGroup) -> Option<Finding> {
    let load_balancer = scene.load_balancer?;
    if group.load_balancer.is_some() {
        return None;
    }
    let settings = &group.settings;
    Some(Finding::warning(
        FindingName::UnusedTargetGroup,
        &format!("Target group {} is in no listener.", group.name),
        "A group that no listener uses is never health-checked, so its tasks never become healthy.",
        Fix::run(
            "",
            [format!(
                "aws elbv2 create-listener --load-balancer-arn {} --protocol {} --port PORT --default-actions Type=forward,TargetGroupArn={}",
                load_balancer.arn, settings.protocol, group.arn
            )],
        ),
    ))
}

/// Targets that are not checked although a listener uses their group.
fn never_checked(scene: &Scene<'_>) -> Option<Finding> {
    let groups =
        scene.groups_that(|group| group.load_balancer.is_some() && group.targets.unused > 0);
    let [first, ..] = groups[..] else {
        return None;
    };
    let unused: u32 = groups.iter().map(|group| group.targets.unused).sum();
    Some(Finding::warning(
        FindingName::UnusedTargets,
        &format!(
            "No health check reaches {} of {}.",
            counted(unused, "target"),
            names(&groups)
        ),
        "Their Availability Zone is not enabled for the load balancer, or their group was just added to its listener.",
        Fix::run(
            "To see which, and to enable their zone (the list replaces the enabled subnets: include those)",
            [
                format!(
                    "aws elbv2 describe-target-health --target-group-arn {}",
                    first.arn
                ),
                format!(
                    "aws elbv2 set-subnets --load-balancer-arn {} --subnets SUBNET SUBNET",
                    first.load_balancer.as_deref().unwrap_or_default()
                ),
            ],
        ),
    ))
}

fn short_grace(scene: &Scene<'_>) -> Option<Finding> {
    let service = &scene.world.service;
    let checks = scene
        .groups
        .iter()
        .map(|group| &group.settings.health_check);
    let failing = checks.map(crate::world::HealthCheck::seconds_to_unhealthy);
    let failing = failing.min().filter(|seconds| *seconds > 0)?;
    let time = failing.max(service.health_check_grace);
    if time >= SHORTEST_START {
        return None;
    }
    Some(Finding::info(
        FindingName::HealthCheckGrace,
        &format!(
            "A task has {time} s to pass its first health check: the service's grace period is {} s, and a target is unhealthy after {failing} s.",
            service.health_check_grace
        ),
        "ECS then stops the unhealthy task and starts another one, so a program that starts slowly never becomes healthy.",
        Fix::run(
            "",
            [format!(
                "aws ecs update-service --cluster {} --service {} --health-check-grace-period-seconds 120",
                scene.cluster(),
                scene.request.service
            )],
        ),
    ))
}

/// Health checks of the path that a new group has by default, while the service's rules have others. What is
/// healthy today passes them.
fn path_of_others(scene: &Scene<'_>) -> Option<Finding> {
    if scene.production?.targets.healthy > 0 {
        return None;
    }
    let groups = scene.groups_that(|group| {
        let check = &group.settings.health_check;
        check.path.as_deref() == Some("/") && check.matcher.as_deref() == Some("200")
    });
    let routes = scene.production_routes().iter();
    let paths: Option<Vec<_>> = routes
        .map(|route| {
            let conditions = route.rule.iter().flat_map(|rule| &rule.conditions);
            let mut paths = conditions.filter(|one| one.field == "path-pattern");
            paths
                .next()
                .filter(|path| !path.regex && !path.meets_root())
        })
        .collect();
    let [first, ..] = paths?[..] else {
        return None;
    };
    if groups.is_empty() {
        return None;
    }
    let commands = groups.iter().map(|group| {
        format!(
            "aws elbv2 modify-target-group --target-group-arn {} --health-check-path PATH",
            group.arn
        )
    });
    Some(Finding::info(
        FindingName::HealthCheckPath,
        &format!(
            "The health checks of {} request / and expect 200, and the service has other paths: {first}.",
            names(&groups)
        ),
        "Health checks do not pass through rules. A program that answers only below its own path fails them, and the replacement never becomes healthy.",
        Fix::run(
            "If the program does not answer 200 at /, check another path",
            commands,
        ),
    ))
}

/// A check of the port says that a process listens, and no more.
fn port_only(scene: &Scene<'_>) -> Option<Finding> {
    let groups = scene.groups_that(|group| {
        group.settings.health_check.protocol == "TCP" && !group.settings.protocol.contains("UDP")
    });
    if groups.is_empty() {
        return None;
    }
    let commands = groups.iter().map(|group| {
        format!(
            "aws elbv2 modify-target-group --target-group-arn {} --health-check-protocol HTTP --health-check-path PATH",
            group.arn
        )
    });
    Some(Finding::info(
        FindingName::HealthCheckProtocol,
        &format!(
            "The health checks of {} open a TCP connection.",
            names(&groups)
        ),
        "A target is healthy as soon as its port is open, even if the program does not work.",
        Fix::run("", commands),
    ))
}
