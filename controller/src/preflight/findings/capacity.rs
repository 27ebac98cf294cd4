//! Findings about capacity: zones, task sets, two sets of tasks at once, and other owners of the service.

use super::{Finding, FindingName, Scene, names, set_attribute};
use crate::arn::{is_application_load_balancer, short};
use crate::counted::counted;
use crate::drain::plan::Plan;
use crate::fix::Fix;
use crate::id::TargetGroupArn;
use crate::preflight::TASK_SET_LIMIT;
use crate::world::{Launch, LaunchType, LoadBalancer, NetworkMode, Reading, TargetGroup};

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = zones(scene);
    found.extend(quota(scene));
    found.extend(stragglers(scene));
    found.extend(target_quota(scene));
    found.extend(capacity(scene));
    found.extend(stack_of_task_set(scene));
    found.extend(stack_of_routes(scene));
    found
}

fn zones(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(load_balancer) = scene.load_balancer else {
        return Vec::new();
    };
    let off = scene.groups_that(|group| cross_zone(load_balancer, group) == Some(false));
    let unsure = scene.groups_that(|group| cross_zone(load_balancer, group).is_none());
    if off.is_empty() {
        return if unsure.is_empty() {
            Vec::new()
        } else {
            unread(load_balancer).into_iter().collect()
        };
    }
    let Some(zones) = load_balancer.zones.seen().copied() else {
        return unread(load_balancer).into_iter().collect();
    };
    let fix = if off.iter().any(|group| group.settings.cross_zone.is_some()) {
        set_attribute("", &off, CROSS_ZONE, "true")
    } else {
        Fix::run(
            "",
            [format!(
                "aws elbv2 modify-load-balancer-attributes --load-balancer-arn {} --attributes Key={CROSS_ZONE},Value=true",
                load_balancer.arn
            )],
        )
    };
    too_few_for_the_zones(scene.desired, zones, fix.clone())
        .or_else(|| thin_in_the_drain(&scene.plan, zones, fix))
        .into_iter()
        .collect()
}

/// Whether cross-zone load balancing is on for a group: by its own attribute, or by the load balancer's.
fn cross_zone(load_balancer: &LoadBalancer, group: &TargetGroup) -> Option<bool> {
    let by_itself = load_balancer.cross_zone.seen().copied();
    group.settings.cross_zone.or(by_itself)
}

const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";

/// Fewer tasks than zones, with cross-zone load balancing off.
pub fn too_few_for_the_zones(tasks: u32, zones: u32, fix: impl Into<Fix>) -> Option<Finding> {
    if zones < 2 || tasks >= zones {
        return None;
    }
    let seen = format!(
        "{} cannot be in all {zones} zones, and cross-zone load balancing is off.",
        counted(tasks, "task")
    );
    Some(Finding::warning(
        FindingName::Zones,
        &seen,
        "Clients in a zone without a healthy target get no service there; during the handover that can be any zone.",
        fix,
    ))
}

/// Steps of a drain that leave the original some tasks, but fewer than there are zones, with cross-zone load
/// balancing off.
fn thin_in_the_drain(plan: &Plan, zones: u32, fix: Fix) -> Option<Finding> {
    if zones < 2 {
        return None;
    }
    let is_thin = |left: u32| left > 0 && left < zones;
    let step = plan.steps.iter().position(|step| is_thin(step.left))?;
    Some(Finding::info(
        FindingName::Zones,
        &format!(
            "From step {} on the original has tasks in fewer than {zones} zones, and cross-zone load balancing is off.",
            step + 1
        ),
        "A zone without a healthy target in every used group may leave the load balancer's DNS (AWS documentation; not proven for a group of weight 0).",
        fix,
    ))
}

/// What was not read, and how to allow it.
fn unread(load_balancer: &LoadBalancer) -> Option<Finding> {
    let readings = [call(&load_balancer.zones), call(&load_balancer.cross_zone)];
    let (call, allowed) = readings.into_iter().flatten().next()?;
    let command = call
        .rsplit(':')
        .next()
        .map_or("", |operation| match operation {
            "DescribeLoadBalancers" => "describe-load-balancers --load-balancer-arns",
            _ => "describe-load-balancer-attributes --load-balancer-arn",
        });
    let (because, fix) = if allowed {
        (
            format!("{call} did not answer"),
            Fix::run("", [format!("aws elbv2 {command} {}", load_balancer.arn)]),
        )
    } else {
        (
            format!("{call} is not allowed"),
            format!("Allow {call} on * for the role that preflight runs with.").into(),
        )
    };
    Some(Finding::info(
        FindingName::CrossZone,
        &format!(
            "Whether a zone may have no target of {} is not known: {because}.",
            short(&load_balancer.arn)
        ),
        "With cross-zone load balancing off, clients in a zone without a healthy target get no service there.",
        fix,
    ))
}

/// The call that failed, and whether it was allowed.
fn call<T>(reading: &Reading<T>) -> Option<(&'static str, bool)> {
    match reading {
        Reading::NotRead | Reading::Seen(_) => None,
        Reading::NotAllowed(call) => Some((call, false)),
        Reading::Failed(call) => Some((call, true)),
    }
}

fn quota(scene: &Scene<'_>) -> Option<Finding> {
    let task_sets = &scene.world.task_sets;
    if task_sets.len() + 1 < TASK_SET_LIMIT {
        return None;
    }
    let listed: Vec<_> = task_sets
        .iter()
        .map(|set| format!("{} ({})", set.id, set.status))
        .collect();
    let seen = format!(
        "Service {} has {} of the {TASK_SET_LIMIT} task sets that ECS allows: {}.",
        scene.request.service,
        task_sets.len(),
        listed.join(", ")
    );
    let fix = Fix::run(
        "Wait until there are fewer",
        [format!(
            "aws ecs describe-services --cluster {} --services {} --query 'services[0].taskSets[].[id,status]'",
            scene.cluster(),
            scene.request.service
        )],
    );
    let why =
        "Those that are DRAINING count until they are gone, and the replacement needs a place.";
    Some(if task_sets.len() >= TASK_SET_LIMIT {
        Finding::warning(FindingName::TaskSetQuota, &seen, why, fix)
    } else {
        Finding::info(FindingName::TaskSetQuota, &seen, why, fix)
    })
}

/// Task sets that want no task, and have some that do not stop.
fn stragglers(scene: &Scene<'_>) -> Option<Finding> {
    let world = scene.world;
    let straggling: Vec<_> = world.living().filter(|set| world.straggles(set)).collect();
    let first = straggling.first()?;
    let ids: Vec<_> = straggling.iter().map(|set| &*set.id).collect();
    let cluster = scene.cluster();
    Some(Finding::warning(
        FindingName::Straggler,
        &format!(
            "At scale 0, but with tasks that do not stop (scale-in protection, or a disconnected ECS agent): {}.",
            ids.join(" and ")
        ),
        &format!(
            "They get no traffic and are not waited for. Each counts among the {TASK_SET_LIMIT} task sets until its tasks are gone."
        ),
        Fix::run(
            "Stop them",
            [
                format!(
                    "aws ecs list-tasks --cluster {cluster} --started-by {}",
                    first.id
                ),
                format!("aws ecs stop-task --cluster {cluster} --task TASK"),
            ],
        ),
    ))
}

/// What a load balancer takes by default (AWS documentation of the quotas of Network and Application
/// Load Balancers). Each can be raised, and what is set is not read.
/// With cross-zone load balancing every target is in every zone.
const TARGETS_A_ZONE: u32 = 500;
const TARGETS_OF_A_NETWORK_LOAD_BALANCER: u32 = 3_000;
const TARGETS_OF_AN_APPLICATION_LOAD_BALANCER: u32 = 1_000;
const TARGETS_OF_A_GROUP: u32 = 1_000;

/// Targets of both sets, which are registered at once, beyond what a load balancer takes by default.
fn target_quota(scene: &Scene<'_>) -> Option<Finding> {
    let load_balancer = scene.load_balancer?;
    let original = scene.original.map_or(0, |set| set.computed_desired_count);
    let both = scene.desired.saturating_add(original);
    let across = |group: &&TargetGroup| cross_zone(load_balancer, group) == Some(true);
    let zones = load_balancer.zones.seen().copied().unwrap_or(u32::MAX);
    let (allowed, of) = if is_application_load_balancer(&load_balancer.arn) {
        (
            TARGETS_OF_AN_APPLICATION_LOAD_BALANCER,
            "an Application Load Balancer",
        )
    } else if scene.groups.iter().any(across) {
        (
            TARGETS_A_ZONE,
            "a Network Load Balancer with cross-zone load balancing",
        )
    } else {
        (
            TARGETS_A_ZONE
                .saturating_mul(zones)
                .min(TARGETS_OF_A_NETWORK_LOAD_BALANCER),
            "a Network Load Balancer in its zones",
        )
    };
    let (count, allowed, of) = if both > allowed {
        (both, allowed, of)
    } else if scene.desired > TARGETS_OF_A_GROUP {
        (scene.desired, TARGETS_OF_A_GROUP, "a target group")
    } else {
        return None;
    };
    Some(Finding::warning(
        FindingName::TargetQuota,
        &format!(
            "Until the drain begins, {count} targets are registered; by default, {of} takes {allowed}."
        ),
        "Tasks beyond the quota are never healthy, and the deployment is rolled back. Not checked: whether the quota was raised, and what else is behind the load balancer.",
        Fix::run(
            "To see the quotas, and the codes for raising them",
            [
                "aws elbv2 describe-account-limits",
                "aws service-quotas list-service-quotas --service-code elasticloadbalancing",
            ],
        ),
    ))
}

/// Both sets run at full strength from readiness to the first step of the drain.
fn capacity(scene: &Scene<'_>) -> Option<Finding> {
    let service = &scene.request.service;
    let cluster = scene.cluster();
    let desired = scene.desired;
    if let Some(original) = scene
        .original
        .filter(|set| set.running_count < set.computed_desired_count)
    {
        return Some(Finding::warning(
            FindingName::Capacity,
            &format!(
                "{} runs {} of its {}.",
                original.id,
                original.running_count,
                counted(original.computed_desired_count, "task")
            ),
            &format!(
                "The replacement needs room for {desired} more: if one set does not fit, two will not."
            ),
            Fix::run(
                "See why",
                [format!(
                    "aws ecs describe-services --cluster {cluster} --services {service} --query 'services[0].events[:5].message'"
                )],
            ),
        ));
    }
    let definition = scene.world.task_definition.as_ref()?;
    if definition.network_mode == NetworkMode::Host {
        return Some(Finding::warning(
            FindingName::Capacity,
            &format!(
                "{} runs in the network mode host, in which an instance takes one task per port.",
                short(&definition.arn)
            ),
            &format!(
                "Both sets together need {} instances. Not checked: how many the cluster has.",
                desired.saturating_mul(2)
            ),
            Fix::run(
                "",
                [format!(
                    "aws ecs list-container-instances --cluster {cluster}"
                )],
            ),
        ));
    }
    let before = scene.original.and_then(|set| set.launch.as_ref());
    let (launched, command) = match scene.request.launch.as_ref().or(before) {
        Some(Launch::Providers(providers)) => {
            let names: Vec<_> = providers.iter().map(|one| one.name.as_str()).collect();
            let names = names.join(" ");
            (
                format!("by the capacity providers {names}"),
                format!("aws ecs describe-capacity-providers --capacity-providers {names}"),
            )
        }
        Some(Launch::Type(launch)) if *launch != LaunchType::Fargate => (
            format!("by launch type {launch}"),
            format!("aws ecs list-container-instances --cluster {cluster}"),
        ),
        Some(Launch::Type(_)) | None => (
            "by launch type FARGATE".to_owned(),
            "aws service-quotas list-service-quotas --service-code fargate".to_owned(),
        ),
    };
    Some(Finding::info(
        FindingName::Capacity,
        &format!(
            "Until the drain begins, both sets together run {}, {launched}.",
            counted(
                desired.saturating_add(scene.original.map_or(0, |set| set.computed_desired_count)),
                "task"
            )
        ),
        "Not checked: quotas, free instances, and free addresses in the subnets. Make sure that both sets fit.",
        Fix::run("", [command]),
    ))
}

/// A task set that a `CloudFormation` stack has made: the deployment deletes it behind the stack's
/// back.
fn stack_of_task_set(scene: &Scene<'_>) -> Option<Finding> {
    let original = scene.original?;
    let made_here = original
        .external_id
        .as_deref()
        .is_some_and(|id| id.starts_with("ebbtide:"));
    let group = scene
        .production
        .filter(|group| group.is_tagged_production());
    let (what, stack) = match (original.stack(), group) {
        (Some(stack), _) => (format!("Task set {}", original.id), stack),
        (None, Some(group)) if !made_here => (
            format!(
                "Target group {}, with the tag isProduction=true,",
                group.name
            ),
            group.settings.stack.clone()?,
        ),
        (None, _) => return None,
    };
    Some(Finding::warning(
        FindingName::Stack,
        &format!("{what} belongs to the CloudFormation stack {stack}."),
        "The deployment deletes the task set and moves the tag; a later update of the stack may create both again, on the group that is no longer production.",
        Fix::run(
            "Remove the task set (with DeletionPolicy Retain) and the tag from the stack's template",
            [format!(
                "aws cloudformation get-template --stack-name {stack}"
            )],
        ),
    ))
}

/// Routes of a stack: an update that touches one sends traffic where its template says.
fn stack_of_routes(scene: &Scene<'_>) -> Option<Finding> {
    let own = |arn: &TargetGroupArn| scene.groups.iter().any(|group| group.arn == *arn);
    let routes = scene.world.routes.iter();
    let mut owned = routes.filter_map(|route| {
        let stack = route.stack.as_deref()?;
        route.forward.live().any(own).then_some((route, stack))
    });
    let (route, stack) = owned.next()?;
    Some(Finding::info(
        FindingName::Stack,
        &format!(
            "{} belongs to the CloudFormation stack {stack}.",
            route.at_start()
        ),
        &format!(
            "An update of the stack that changes the route moves traffic to the group in its template, which after this deployment may be the empty one of {}.",
            names(&scene.groups)
        ),
        Fix::run(
            "",
            [format!(
                "aws cloudformation detect-stack-drift --stack-name {stack}"
            )],
        ),
    ))
}
