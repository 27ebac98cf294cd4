//! `CheckAndCreateService`: adopts or creates the replacement task set, beside the one that serves.

use crate::action::{Action, NewTaskSet};
use crate::alarms;
use crate::auto_scaling;
use crate::deployment::{Plan, Progress};
use crate::gates;
use crate::identity::client_token;
use crate::next::Next;
use crate::phase::To;
use crate::point::Point;
use crate::preflight;
use crate::reason::Reason;
use crate::refusal::{ErrorName, Refusal};
use crate::registry;
use crate::request::SwapMode;
use crate::routing;
use crate::swap;
use crate::tags;
use crate::test_rule;
use crate::window;
use crate::world::{Launch, Network, TaskSet, TaskSetLoadBalancer, World};

/// Creates the replacement task set on the target group that does not serve; once it exists, the first check
/// follows after `waitForService` seconds.
///
/// Before that, preflight's checks are repeated on the current world; [`actions`] creates it. Refuses what
/// [`preflight::settle`] refuses.
pub fn next(world: &World, plan: &Plan) -> Result<Next, Refusal> {
    let Some(replacement) = plan.incoming_in(world) else {
        let writes = actions(world, plan)?;
        if let Some(gate) = gates::due(world, plan, &[(Point::BeforeCreate, 0)])? {
            return Ok(gate.answer(To::WaitForServiceReady, plan, Progress::default()));
        }
        // Clients of a registry find it as soon as it is healthy.
        let closed = window::closed(world, plan).filter(|_| world.is_found_in_a_registry_alone());
        if let Some(closed) = closed {
            return Ok(closed.answer(To::WaitForServiceReady, plan, Progress::default()));
        }
        return Ok(Next::in_order(writes));
    };
    if replacement.is_being_deleted() {
        return Err(Refusal::drift(
            format!(
                "The replacement {} of this deployment was deleted.",
                replacement.id
            ),
            "Start a new execution: this one does not create it again.",
        ));
    }
    is_beside(world, plan, replacement)?;
    let settled = preflight::settle(&plan.id, &plan.request, world, Some(replacement))?;
    let wait = settled.request.wait_for_service;
    let reason = Reason::Created {
        replacement: replacement.id.clone(),
        task_definition: settled.request.task_definition.clone(),
        target_group: settled.replacement_target_group.clone(),
        wait,
    };
    // What is settled as the service is now.
    let plan = Plan {
        replacement: Some(replacement.id.clone()),
        ..settled
    };
    let progress = Progress::default();
    Ok(Next::wait(
        To::WaitForServiceReady,
        reason,
        wait,
        &plan,
        progress,
    ))
}

/// A replacement is adopted only where production traffic does not go.
fn is_beside(world: &World, plan: &Plan, replacement: &TaskSet) -> Result<(), Refusal> {
    let routing = routing::read(world, &plan.request)?;
    if replacement.is_attached_to(&routing.alternate.arn) {
        return Ok(());
    }
    Err(Refusal::drift(
        format!(
            "The replacement {} of this deployment is not on target group {}, which does not serve.",
            replacement.id, routing.alternate.name
        ),
        "Start a new execution.",
    ))
}

/// Records the service of the target groups and the role of each route, puts the alternate group into the
/// production routes at weight 0 (a group in no route is never health-checked: AWS documentation), suspends scale-in
/// if that is asked for, and creates.
fn actions(world: &World, plan: &Plan) -> Result<Vec<Action>, Refusal> {
    alarms::quiet(world, plan)?;
    let settled = preflight::settle(&plan.id, &plan.request, world, None)?;
    let routing = routing::read(world, &settled.request)?;
    let mut actions = Vec::new();
    let pair = [routing.production, routing.alternate];
    if let Some((target_groups, service)) = routing::unrecorded(pair, &settled.request) {
        actions.push(Action::RecordService {
            target_groups,
            service,
        });
    }
    for (route, role) in routing.roles.all() {
        if route.role.as_deref() != Some(role.as_str()) {
            actions.push(Action::RecordRole {
                route: route.arn.clone(),
                role,
            });
        }
    }
    if settled.request.swap_mode == SwapMode::Weighted {
        for route in &routing.roles.production {
            if !route.forward.names(&routing.alternate.arn) {
                actions.push(swap::moved(
                    route,
                    &settled,
                    &routing.production.arn,
                    &routing.alternate.arn,
                ));
            }
        }
    }
    actions.extend(test_rule::missing(world, &settled, &routing)?);
    actions.extend(auto_scaling::hold(world, &settled));
    actions.push(Action::CreateTaskSet(Box::new(new_task_set(
        world, &settled,
    )?)));
    Ok(actions)
}

fn new_task_set(world: &World, plan: &Plan) -> Result<NewTaskSet, Refusal> {
    let request = &plan.request;
    let unsettled = |field: &str| {
        Refusal::new(
            ErrorName::InvalidInput,
            format!("{field} is missing in the request that preflight returned."),
            "Start an execution instead of invoking this function: preflight fills it in.",
        )
    };
    let load_balancer = if world.is_found_in_a_registry_alone() {
        None
    } else {
        let (name, port) = (request.container_name.clone(), request.container_port);
        Some(TaskSetLoadBalancer {
            target_group: plan.replacement_target_group.clone(),
            container_name: Some(name.ok_or_else(|| unsettled("containerName"))?),
            container_port: Some(port.ok_or_else(|| unsettled("containerPort"))?),
        })
    };
    let launch = request
        .launch
        .clone()
        .ok_or_else(|| unsettled("launchType"))?;
    let network = request.subnets.clone().map(|subnets| Network {
        subnets,
        security_groups: request.security_groups.clone().unwrap_or_default(),
        assign_public_ip: request.assign_public_ip.unwrap_or(false),
    });
    let original = plan.outgoing_in(world);
    let definition = world.task_definition.as_ref();
    let definition = definition.ok_or_else(|| unsettled("taskDefinition"))?;
    let service_registries = registry::registries(request, definition, original)?;
    let tags = tags::tags(request, original)?;
    let token = {
        // Not the execution's ARN alone: its name may be used again after 90 days.
        let label = plan.id.external_id();
        let placed = placement(
            network.as_ref(),
            &launch,
            request.platform_version.as_deref(),
        );
        let attached = load_balancer.as_ref();
        let container = attached.and_then(|attached| attached.container_name.as_deref());
        let port = attached.and_then(|attached| attached.container_port);
        let port = port.map_or_else(String::new, |port| port.to_string());
        let taken_over = format!("{service_registries:?} {tags:?}");
        client_token(&[
            &request.cluster,
            &request.service,
            &label,
            &request.task_definition,
            plan.replacement_target_group.as_str(),
            container.unwrap_or_default(),
            &port,
            &placed,
            &taken_over,
        ])
    };
    Ok(NewTaskSet {
        task_definition: request.task_definition.clone(),
        external_id: plan.id.external_id(),
        client_token: token,
        // A canary by tasks, where there is no traffic to share.
        scale: match plan.asks_for_a_shift() {
            Some(shift) if load_balancer.is_none() => f64::from(shift.percent(1)),
            Some(_) | None => 100.0,
        },
        load_balancer,
        network,
        launch,
        platform_version: request.platform_version.clone(),
        service_registries,
        tags,
    })
}

/// Where tasks are placed, as text that goes into the idempotency token.
fn placement(network: Option<&Network>, launch: &Launch, platform: Option<&str>) -> String {
    format!("{network:?} {launch:?} {platform:?}")
}
