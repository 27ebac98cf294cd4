//! Does the request fit the registry that clients find the service in?

use crate::arn::short;
use crate::fix::Fix;
use crate::refusal::Refusal;
use crate::request::{Request, SwapMode};
use crate::world::{Registry, ServiceRegistry, TaskSet, World};

/// Refuses a registry that contradicts the task sets or the load balancer, and fields of the input that need a load
/// balancer where there is none.
pub(super) fn fits(request: &Request, world: &World) -> Result<(), Refusal> {
    as_registered(request, world)?;
    match &world.registry {
        Some(registry) if world.load_balancer.is_none() => {
            no_balancer_is_meant(request, registry)?;
            each_has_its_own(world, registry)?;
            can_be_left(registry)
        }
        _ => on_the_named_balancer(request, world),
    }
}

/// The registry that the input names exists, and every task set is in it; all are in one.
fn as_registered(request: &Request, world: &World) -> Result<(), Refusal> {
    let named = request.registry.as_ref().map(|registry| &registry.arn);
    if let (Some(named), None) = (named, &world.registry) {
        return Err(Refusal::preflight(
            format!(
                "registry.registryArn: Cloud Map has no service {}.",
                short(named)
            ),
            Fix::run("Find it", ["aws servicediscovery list-services"]),
        ));
    }
    let Some(registry) = &world.registry else {
        return Ok(());
    };
    let mut living = world.living();
    let elsewhere = living.find(|set| {
        set.service_registries
            .iter()
            .all(|its| its.arn != registry.arn)
    });
    let Some(set) = elsewhere else {
        return Ok(());
    };
    let (field, fix) = match named {
        Some(_) => (
            "registry names",
            "A replacement is registered where the original is, so registry is for the first deployment of a service: omit it.",
        ),
        None => (
            "Task sets of the service are in",
            "Keep the task sets of one registry: scale the others down step by step (aws ecs update-task-set), delete them, then start a new execution.",
        ),
    };
    Err(Refusal::preflight(
        format!(
            "{field} {}, but {} is {}.",
            short(&registry.arn),
            set.id,
            place(set)
        ),
        fix,
    ))
}

/// `in srv-1`, or `in no registry`.
fn place(set: &TaskSet) -> String {
    let registries = set.service_registries.iter();
    let names: Vec<_> = registries.map(|registry| short(&registry.arn)).collect();
    match names[..] {
        [] => "in no registry".to_owned(),
        [..] => format!("in {}", names.join(" and ")),
    }
}

/// Nothing of the input is about a load balancer, where the service has none.
fn no_balancer_is_meant(request: &Request, registry: &Registry) -> Result<(), Refusal> {
    let fields = [
        ("targetGroups", request.target_groups.is_some()),
        ("routes", request.routes.all().next().is_some()),
        ("test", request.test.is_some()),
        ("swapMode", request.swap_mode == SwapMode::Replace),
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
            "Omit {field}: in a registry there are no routes, no weights and no test traffic. If the service has a load balancer, set nlb."
        ),
    ))
}

/// Which instances are whose is said by the label of their task set alone.
fn each_has_its_own(world: &World, registry: &Registry) -> Result<(), Refusal> {
    let living: Vec<_> = world.living().collect();
    for (at, set) in living.iter().enumerate() {
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
                "nlb names {}, but {} has no load balancer, and is {}.",
                short(named),
                set.id,
                place(set)
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
