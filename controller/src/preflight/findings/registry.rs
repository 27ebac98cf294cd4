//! Findings about the Cloud Map registry in which clients find a service.

use super::{Finding, FindingName, Scene};
use crate::arn::short;
use crate::counted::counted;
use crate::fix::Fix;
use crate::registry::{SHOWS, forgetting, writes};
use crate::world::Registry;

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(registry) = &scene.world.registry else {
        return Vec::new();
    };
    let found = [
        alone(scene, registry).or_else(|| beside(scene, registry)),
        unchecked(scene, registry),
        wait(scene, registry),
        bake(scene, registry),
        answers(scene, registry),
        quota(scene, registry),
    ];
    found.into_iter().flatten().collect()
}

/// No weights and no tests.
fn alone(scene: &Scene<'_>, registry: &Registry) -> Option<Finding> {
    scene.load_balancer.is_none().then(|| {
        Finding::info(
            FindingName::ServiceRegistry,
            &format!(
                "Clients find service {} in the Cloud Map registry {} alone.",
                scene.request.service,
                short(&registry.arn)
            ),
            "There are no weights and there is no test traffic: the replacement has its share of the requests as soon as its tasks are healthy, before the swap, which makes it PRIMARY.",
            if scene.request.shift.is_some() {
                "Nothing: the shift begins with a share of the tasks."
            } else {
                "Nothing. For a canary, set shift: it begins with a share of the tasks."
            },
        )
    })
}

/// Clients of the registry beside those of the load balancer.
fn beside(scene: &Scene<'_>, registry: &Registry) -> Option<Finding> {
    let original = scene.original?;
    let name = short(&registry.arn);
    let its = original
        .service_registries
        .iter()
        .any(|its| its.arn == registry.arn);
    let until = if registry.custom_health {
        "The drain takes the original out of it before it stops tasks."
    } else {
        "Without HealthCheckCustomConfig it cannot be taken out before its tasks are stopped: for a while, clients send requests to tasks that are gone."
    };
    its.then(|| {
        Finding::warning(
            FindingName::ServiceRegistry,
            &format!(
                "{} is in the Cloud Map registry {name}, and its replacement will be too.",
                original.id
            ),
            &format!("Clients of the registry reach the replacement as soon as its tasks run: before the swap, and during a rollback. {until}"),
            Fix::run(
                "If clients must not see two versions, let them use the load balancer only. To see what they find",
                [format!("aws servicediscovery list-instances --service-id {name}")],
            ),
        )
    })
}

/// Tasks are found before they are healthy.
fn unchecked(scene: &Scene<'_>, registry: &Registry) -> Option<Finding> {
    let definition = scene.world.task_definition.as_ref()?;
    let checked = definition.containers.iter().any(|one| one.health_check);
    (!checked).then(|| {
        Finding::warning(
            FindingName::ContainerHealthCheck,
            &format!(
                "No container of {} has a health check.",
                short(&definition.arn)
            ),
            &format!(
                "ECS reports the container health check to registry {}. Without one, clients find a task as soon as it runs, before it can serve.",
                short(&registry.arn)
            ),
            "Add a healthCheck to the container that serves.",
        )
    })
}

/// The wait before the first step, beside the pause between two.
fn wait(scene: &Scene<'_>, registry: &Registry) -> Option<Finding> {
    if !registry.custom_health {
        return None;
    }
    let (ttl, cache) = (registry.ttl, scene.request.registry_cache);
    let wait = forgetting(scene.world, scene.request);
    let seen = format!(
        "The drain begins {wait} s after the original begins to leave registry {}: {} s for the calls, {SHOWS} s until Cloud Map shows it, the TTL of {ttl} s, registryCache of {cache} s.",
        short(&registry.arn),
        writes(scene.desired)
    );
    let why = "ECS stops a task without a wait for TTL and caches, and which one it stops cannot be chosen. A task that is registered again meanwhile is taken out as well, and the wait begins anew.";
    let pause = match scene.plan.steps[..] {
        [first, second, ..] => second.at.saturating_sub(first.at),
        [..] => 0,
    };
    Some(if ttl > pause.max(60) {
        Finding::warning(
            FindingName::RegistryWait,
            &format!("{seen} The TTL is longer than the pause between two steps ({pause} s)."),
            why,
            "Lower the TTL of the registry's records (aws servicediscovery update-service): each drain, each rollback and each task that comes back waits for it.",
        )
    } else {
        Finding::info(FindingName::RegistryWait, &seen, why, "Nothing.")
    })
}

/// The bake judges the replacement by its share of the requests, which it has once caches are over.
fn bake(scene: &Scene<'_>, registry: &Registry) -> Option<Finding> {
    let (bake, cached) = (
        scene.request.bake_time,
        registry.ttl.saturating_add(scene.request.registry_cache),
    );
    let first = scene.original.is_none() || scene.load_balancer.is_some();
    (bake < cached && !first).then(|| {
        Finding::info(
            FindingName::BakeTime,
            &format!("bakeTime is {bake} s, and clients of registry {} keep what they have found for up to {cached} s.", short(&registry.arn)),
            "The bake ends before the replacement has its share of the requests.",
            format!("Set bakeTime to at least {cached}, if alarms or hooks are to judge by it."),
        )
    })
}

/// Addresses of a DNS answer, at most (AWS API model of `RoutingPolicy`).
const ANSWERS: u32 = 8;

/// More tasks than a DNS answer holds.
fn answers(scene: &Scene<'_>, registry: &Registry) -> Option<Finding> {
    if registry.records.is_empty() {
        return None;
    }
    let name = short(&registry.arn);
    if registry.weighted {
        return Some(Finding::warning(
            FindingName::DnsAnswers,
            &format!(
                "Registry {name} has the routing policy WEIGHTED: a DNS answer has one address."
            ),
            "A client that keeps its answer sends everything to one task for as long.",
            "Use a Cloud Map service with MULTIVALUE, or let clients call DiscoverInstances.",
        ));
    }
    let both = scene.desired.saturating_mul(2);
    (both > ANSWERS).then(|| {
        Finding::warning(
            FindingName::DnsAnswers,
            &format!(
                "{} of both task sets are behind one DNS name of registry {name}, and a DNS answer has {ANSWERS} of them at most.",
                counted(both, "task")
            ),
            "Each client knows a part of the tasks, chosen by chance: the load is spread less evenly, and a client sees the replacement by chance.",
            "Let clients ask again often. Those that call DiscoverInstances get all, and need nothing.",
        )
    })
}

/// Instances of a Cloud Map service by default (AWS documentation).
const INSTANCES: u32 = 1_000;

/// Both task sets together are more than a registry holds.
fn quota(scene: &Scene<'_>, registry: &Registry) -> Option<Finding> {
    let both = scene.desired.saturating_mul(2);
    (both > INSTANCES).then(|| {
        Finding::warning(
            FindingName::RegistryQuota,
            &format!(
                "Both task sets together have {both} tasks, and a Cloud Map service has {INSTANCES} instances at most.",
            ),
            &format!(
                "Tasks beyond that are not registered with {}, and the replacement does not become healthy.",
                short(&registry.arn)
            ),
            "Spread the service over several Cloud Map services, or lower the desired count for the deployment.",
        )
    })
}
