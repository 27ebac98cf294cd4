//! Does the request fit the load balancer, its listeners and its target groups?

use super::Others;
use crate::arn::short;
use crate::fix::Fix;
use crate::refusal::Refusal;
use crate::request::{Request, SwapMode};
use crate::routing::{self, Routing};
use crate::world::{NetworkMode, TargetGroup, TaskDefinition, World};

/// There must be a load balancer or a registry to check, and the task sets must be behind it, or it is not the
/// service's.
pub(super) fn on_a_load_balancer(request: &Request, world: &World) -> Result<(), Refusal> {
    if world.is_found_in_a_registry_alone() {
        return Ok(());
    }
    if world.load_balancer.is_none() {
        return Err(Refusal::preflight(
            format!(
                "nlb is missing, and service {} has no task set that names a load balancer.",
                request.service
            ),
            "Set nlb to the load balancer's ARN, or registry where clients find the service in Cloud Map.",
        ));
    }
    let here = world.load_balancer.as_ref().map(|lb| lb.arn.as_str());
    for task_set in world.task_sets.iter().filter(|s| !s.is_being_deleted()) {
        let elsewhere = world.target_groups.iter().find(|group| {
            task_set.is_attached_to(&group.arn)
                && group.load_balancer.is_some()
                && group.load_balancer.as_deref() != here
        });
        if let Some(group) = elsewhere {
            return Err(Refusal::preflight(
                format!(
                    "nlb: {} is behind {}, not behind {}.",
                    task_set.id,
                    short(group.load_balancer.as_deref().unwrap_or_default()),
                    short(here.unwrap_or_default())
                ),
                "Set nlb to that load balancer's ARN, or omit nlb.",
            ));
        }
    }
    Ok(())
}

/// Before a service's first deployment nothing of it serves: whatever is registered with the
/// production group belongs to another service.
pub(super) fn production_is_free(request: &Request, routing: &Routing<'_>) -> Result<(), Refusal> {
    let production = routing.production;
    if production.targets.registered() == 0 {
        return Ok(());
    }
    Err(Refusal::preflight(
        format!(
            "Service {} has no task set, but target group {}, which the production listener forwards to, has targets: {}.",
            request.service, production.name, production.targets
        ),
        routing::how_to_settle("They belong to another service. ", request),
    ))
}

/// Refuses targets in the alternate group that belong to no task set. Those of a task set that is being
/// deleted go by themselves: under the lock they are waited for.
pub(super) fn alternate_is_free(
    world: &World,
    routing: &Routing<'_>,
    others: Others<'_>,
) -> Result<(), Refusal> {
    let alternate = routing.alternate;
    let mut leaving = world
        .task_sets
        .iter()
        .filter(|set| set.is_being_deleted() && set.is_attached_to(&alternate.arn));
    if let Some(leaving) = leaving.next() {
        return match others {
            Others::MayBeThere => Ok(()),
            Others::Refused(_) if alternate.targets.registered() == 0 => Ok(()),
            Others::Refused(_) => Err(Refusal::preflight(
                format!(
                    "{} is still being deleted, and has targets in {}: {}.",
                    leaving.id, alternate.name, alternate.targets
                ),
                "Start a new execution when it is gone: until then, aws ecs describe-services lists it.",
            )),
        };
    }
    if alternate.targets.registered() > 0 {
        return Err(Refusal::preflight(
            format!(
                "Target group {} should be empty, and has targets that no task set owns: {}.",
                alternate.name, alternate.targets
            ),
            Fix::run(
                "They would get traffic after the swap. Remove them",
                [format!(
                    "aws elbv2 deregister-targets --target-group-arn {} --targets Id=ID",
                    alternate.arn
                )],
            ),
        ));
    }
    Ok(())
}

pub(super) fn test_route_for_replace(
    request: &Request,
    routing: &Routing<'_>,
) -> Result<(), Refusal> {
    if request.swap_mode == SwapMode::Replace && routing.roles.test.is_empty() {
        return Err(Refusal::preflight(
            format!(
                "swapMode is replace, but target group {} would be in no listener, and a group in no listener is never health-checked.",
                routing.alternate.name
            ),
            "Use swapMode weighted, or create a test listener that forwards to it.",
        ));
    }
    Ok(())
}

/// ECS registers awsvpc tasks by address and others by instance, and refuses a task set behind a
/// group of the other type. A type that this version does not know is let pass.
pub(super) fn fitting_target_types(
    definition: &TaskDefinition,
    routing: &Routing<'_>,
) -> Result<(), Refusal> {
    let (wanted, other) = match definition.network_mode {
        NetworkMode::Awsvpc => ("ip", "instance"),
        NetworkMode::Bridge | NetworkMode::Host => ("instance", "ip"),
        NetworkMode::None | NetworkMode::Unknown(_) => return Ok(()),
    };
    if routing.production.is_of_a_registry() {
        return Ok(());
    }
    let unfit = |group: &&&TargetGroup| {
        [other, "alb", "lambda"].contains(&group.settings.target_type.as_str())
    };
    let groups = [routing.production, routing.alternate];
    let Some(group) = groups.iter().find(unfit) else {
        return Ok(());
    };
    let settings = &group.settings;
    let routes = routing.roles.all().map(|(route, _)| route);
    let routes: Vec<_> = routes
        .filter(|route| route.forward.names(&group.arn))
        .collect();
    Err(Refusal::preflight(
        format!(
            "Target group {} takes targets of type {}, and {} runs in the network mode {}, which needs {wanted}.",
            group.name,
            settings.target_type,
            short(&definition.arn),
            definition.network_mode
        ),
        Fix::run(
            &format!(
                "A group keeps its target type. Create a new group and put it into the {} instead ({})",
                routing::in_general(&routes),
                routing::modified_by(&routes)
            ),
            [format!(
                "aws elbv2 create-target-group --name {}-{wanted} --target-type {wanted} --protocol {} --port {} --vpc-id {}",
                group
                    .name
                    .chars()
                    .take(23)
                    .collect::<String>()
                    .trim_end_matches('-'),
                settings.protocol,
                settings.port.unwrap_or(80),
                settings.vpc.as_deref().unwrap_or("VPC")
            )],
        ),
    ))
}
