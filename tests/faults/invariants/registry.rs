//! Services that clients find in a registry: what is read there in the place of routes.

use ebbtide_simulator::world::{InstanceHealth, Registry, TaskSet, TaskSetStatus, World};

use super::living;

/// The registry of a service that is behind no load balancer.
pub(super) fn alone(world: &World) -> Option<&Registry> {
    world
        .load_balancers()
        .next()
        .is_none()
        .then(|| the(world))?
}

pub(super) fn the(world: &World) -> Option<&Registry> {
    world.registries().next()
}

/// The task set that is meant to serve.
pub(super) fn serving(world: &World) -> Option<&TaskSet> {
    alone(world)?;
    living(world).find(|set| set.status == TaskSetStatus::Primary)
}

/// How many tasks of a task set clients find: they are registered and healthy.
pub(super) fn found(world: &World, set: &TaskSet) -> usize {
    const EXTERNAL_ID: &str = "ECS_TASK_SET_EXTERNAL_ID";
    let instances = the(world).into_iter().flat_map(Registry::instances);
    let its = instances.filter(|instance| {
        let label = instance.attributes.get(EXTERNAL_ID);
        label == set.external_id.as_ref() && instance.health == InstanceHealth::Healthy
    });
    its.count()
}

/// S1: what is meant to serve has its registered and healthy tasks, once it had them.
pub(super) fn lacking(world: &World, wanted: usize, had: &mut bool) -> Option<String> {
    let serving = serving(world)?;
    let healthy = found(world, serving);
    *had |= healthy >= wanted;
    let lacks = *had && healthy < wanted;
    lacks.then(|| {
        format!(
            "S1: {healthy} of {wanted} instances of {} are healthy",
            serving.id
        )
    })
}

/// S19: no client sends a request to a task that was stopped.
pub(super) fn to_stopped(world: &World) -> Option<String> {
    let totals = world.callers()?.totals();
    let stopped = totals.to_stopped;
    (stopped > 0).then(|| format!("S19: {stopped} requests to stopped tasks"))
}

/// S15: a task set is taken out of the registry before it is scaled down or deleted.
pub(super) fn still_found(before: &World, was: &TaskSet) -> Option<String> {
    let found = found(before, was);
    (found > 0).then(|| format!("S15: clients find {found} tasks of {}, which goes", was.id))
}
