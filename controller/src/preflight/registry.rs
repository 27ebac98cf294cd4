//! Does the request fit the registry that clients find the service in?

use std::fmt;

use crate::arn::short;
use crate::counted::counted;
use crate::fix::Fix;
use crate::quote::quote;
use crate::refusal::Refusal;
use crate::registry::understood;
use crate::request::{Request, SwapMode};
use crate::world::{Registry, ServiceRegistry, TaskSet, TaskSetStatus, World};

/// Refuses a registry that contradicts the task sets or the load balancer, and fields of the input that need a load
/// balancer where there is none.
pub(super) fn fits(request: &Request, world: &World) -> Result<(), Refusal> {
    as_registered(request, world)?;
    match &world.registry {
        Some(registry) if world.load_balancer.is_none() => {
            understood(world, None)?;
            no_balancer_is_meant(request, registry)?;
            connections_are_known(request)?;
            each_has_its_own(world, registry)?;
            one_serves(world)?;
            can_be_left(registry)
        }
        registry => {
            if let Some(registry) = registry.as_ref().filter(|one| one.custom_health) {
                each_has_its_own(world, registry)?;
            }
            on_the_named_balancer(request, world)
        }
    }
}

/// The registry that the input names exists, and is the task sets' own; all of these are in one.
fn as_registered(request: &Request, world: &World) -> Result<(), Refusal> {
    let named = request.registry.as_ref();
    let Some(registry) = &world.registry else {
        return match named {
            Some(named) => Err(Refusal::preflight(
                format!(
                    "registry.registryArn: Cloud Map has no service {}.",
                    short(&named.arn)
                ),
                Fix::run("Find it", ["aws servicediscovery list-services"]),
            )),
            None => Ok(()),
        };
    };
    let another = |set: &&TaskSet| {
        let mut its = set.service_registries.iter();
        match named {
            Some(named) => its.all(|its| its != named),
            None => its.all(|its| its.arn != registry.arn),
        }
    };
    let Some(set) = world.living().find(another) else {
        return Ok(());
    };
    let (seen, fix) = match named {
        Some(named) => (
            format!("registry is {}", Port(named)),
            "A replacement is registered as the original is, so registry is for the first deployment of a service: omit it.",
        ),
        None => (
            format!("Task sets of the service are in {}", short(&registry.arn)),
            "Keep the task sets of one registry: scale the others down step by step (aws ecs update-task-set), delete them, then start a new execution.",
        ),
    };
    let its: Vec<_> = set
        .service_registries
        .iter()
        .map(|its| Port(its).to_string())
        .collect();
    let its = if its.is_empty() {
        "no registry".to_owned()
    } else {
        its.join(" and ")
    };
    Err(Refusal::preflight(
        format!("{seen}, but {} is in {its}.", set.id),
        fix,
    ))
}

/// `srv-1 with port 8080`.
struct Port<'a>(&'a ServiceRegistry);

impl fmt::Display for Port<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(registry) = self;
        f.write_str(short(&registry.arn))?;
        if let Some(port) = registry.port {
            write!(f, " with port {port}")?;
        }
        if let Some(name) = &registry.container_name {
            write!(f, " with container {}", quote(name))?;
        }
        match registry.container_port {
            Some(port) => write!(f, ", port {port}"),
            None => Ok(()),
        }
    }
}

/// Nothing of the input is about a load balancer, where the service has none.
fn no_balancer_is_meant(request: &Request, registry: &Registry) -> Result<(), Refusal> {
    let fields = [
        ("targetGroups", request.target_groups.is_some()),
        ("routes", request.routes.all().next().is_some()),
        ("test", request.test.is_some()),
        ("swapMode", request.swap_mode == SwapMode::Replace),
        ("containerName", request.container_name.is_some()),
        ("containerPort", request.container_port.is_some()),
    ];
    let given = fields.iter().find(|(_, is_given)| *is_given);
    let Some((field, _)) = given else {
        return Ok(());
    };
    Err(Refusal::preflight(
        format!(
            "{field} is for services behind a load balancer, and service {} is found in registry {} alone.",
            request.service,
            short(&registry.arn)
        ),
        format!(
            "Omit {field}: a registry has no routes, no weights, no test traffic and no container of its own. If the service has a load balancer, set nlb."
        ),
    ))
}

/// Without a load balancer, nothing counts the connections that a budget is for.
fn connections_are_known(request: &Request) -> Result<(), Refusal> {
    let budget = request.drain.pace.budget();
    if budget.is_none_or(|budget| budget.connections_per_task.is_some()) {
        return Ok(());
    }
    Err(Refusal::preflight(
        "drain.connectionsPerTask is missing: without a load balancer, nothing counts the connections that drain.reconnectsPerSecond is a budget of.".to_owned(),
        "Set drain.connectionsPerTask, or pace the drain by percent, tasks or within.",
    ))
}

/// Which instances are whose is said by the label of their task set alone.
fn each_has_its_own(world: &World, registry: &Registry) -> Result<(), Refusal> {
    let living: Vec<_> = world.living().collect();
    for (at, set) in living.iter().enumerate() {
        has_no_strangers(set, registry)?;
        let mut before = living[..at].iter();
        if let Some(same) = before.find(|same| same.external_id == set.external_id) {
            return Err(Refusal::preflight(
                format!(
                    "{} and {} have the same externalId, so their instances in {} cannot be told apart.",
                    same.id,
                    set.id,
                    short(&registry.arn)
                ),
                "Delete the one that is not PRIMARY (aws ecs delete-task-set), once no client needs it.",
            ));
        }
    }
    Ok(())
}

/// Instances without a label are those of a task set without one, as long as it has as many tasks.
fn has_no_strangers(set: &TaskSet, registry: &Registry) -> Result<(), Refusal> {
    let its = registry.instances_of(set).count();
    let tasks = set.tasks();
    if set.external_id.is_some() || its <= tasks as usize {
        return Ok(());
    }
    Err(Refusal::preflight(
        format!(
            "{} has no externalId, and {} without one are in {}, although it has {}: some are another service's.",
            set.id,
            counted(u32::try_from(its).unwrap_or(u32::MAX), "instance"),
            short(&registry.arn),
            counted(tasks, "task")
        ),
        "Create its task set again with an externalId, or keep other instances in a Cloud Map service of their own.",
    ))
}

/// Which of several task sets serves is what `PRIMARY` says.
fn one_serves(world: &World) -> Result<(), Refusal> {
    let living: Vec<_> = world.living().collect();
    let primary = living
        .iter()
        .any(|set| set.status == TaskSetStatus::Primary);
    if primary || living.len() < 2 {
        return Ok(());
    }
    let ids: Vec<_> = living.iter().map(|set| set.id.as_str()).collect();
    Err(Refusal::drift(
        format!(
            "Clients find {} in the registry, and none of them is PRIMARY.",
            ids.join(" and ")
        ),
        "Make the one that is to serve PRIMARY (aws ecs update-service-primary-task-set), then start a new execution: the others are drained first.",
    ))
}

/// Its instances can be taken out and put back, and it is known which of them clients find.
fn can_be_left(registry: &Registry) -> Result<(), Refusal> {
    if registry.custom_health {
        return Ok(());
    }
    Err(Refusal::preflight(
        format!(
            "Cloud Map service {} ({}) has no HealthCheckCustomConfig, so it is not known which tasks clients find, and none can be taken out before it is stopped.",
            short(&registry.arn),
            registry.name
        ),
        Fix::run(
            "It cannot be added later. Create another Cloud Map service with it, point clients there, and create the service's task set in it",
            [
                "aws servicediscovery create-service --name NAME --dns-config DNS-CONFIG --health-check-custom-config FailureThreshold=1",
            ],
        ),
    ))
}

/// A load balancer that the input names is the task sets' own.
fn on_the_named_balancer(request: &Request, world: &World) -> Result<(), Refusal> {
    let Some(named) = &request.load_balancer else {
        return Ok(());
    };
    let lone = world
        .living()
        .find(|set| set.load_balancers.is_empty() && !set.service_registries.is_empty());
    match lone {
        None => Ok(()),
        Some(set) => Err(Refusal::preflight(
            format!(
                "nlb names {}, but {} has no load balancer: clients find it in a registry.",
                short(named),
                set.id
            ),
            "Omit nlb. To put the service behind a load balancer, create a task set there by hand, and make it the one that serves.",
        )),
    }
}

/// Refuses a replacement without a port, where the registry has SRV records (AWS API model of `ServiceRegistry`).
pub(super) fn has_a_port(world: &World, registries: &[ServiceRegistry]) -> Result<(), Refusal> {
    let Some(registry) = &world.registry else {
        return Ok(());
    };
    let is_srv = registry.records.iter().any(|record| record == "SRV");
    let portless = registries
        .iter()
        .find(|its| its.arn == registry.arn && its.port.is_none() && its.container_port.is_none());
    if !is_srv || portless.is_none() {
        return Ok(());
    }
    Err(Refusal::preflight(
        format!(
            "registry.port is missing: Cloud Map service {} has SRV records, which have a port.",
            short(&registry.arn)
        ),
        "Set registry.port, or registry.containerName and registry.containerPort.",
    ))
}
