//! Taking a task set out of a registry before its tasks are stopped, and putting it back.
//!
//! ECS takes a task out of the registry and stops it at once, without a wait for the records' TTL or for the caches of
//! clients (aws/containers-roadmap#343 and #1639), and which task it stops cannot be chosen. So the whole task set goes
//! first: no client finds it, and once none remembers it, its tasks are stopped.

use crate::action::Action;
use crate::deployment::Plan;
use crate::id::InstanceId;
use crate::reason::Blocker;
use crate::registry::Removed;
use crate::request::Request;
use crate::world::{Instance, InstanceHealth, Registry, TaskSet, World};

/// Seconds until a custom health shows in what clients find: about 30 s (AWS API model of `HealthCheckCustomConfig`),
/// and a margin.
pub const SHOWS: u32 = 45;

/// Seconds that a call may take with its retries.
const CALL: u32 = 20;

/// Instances that are written in a second, at least.
const INSTANCES_PER_SECOND: u32 = 10;

/// Times that instances are set to `UNHEALTHY`. Whether ECS sets them back is unproven: those that are back again
/// after that are deregistered.
const MOST_TIMES: u32 = 3;

/// What is left to do before tasks of what goes may be stopped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Removal {
    /// Clients may find these.
    Found {
        /// How many.
        instances: u32,
        /// What takes them out.
        write: Action,
        /// What is known after that.
        removed: Removed,
        /// Seconds after that until no client remembers one.
        left: u32,
    },
    /// Clients find none, and may remember some for so many seconds.
    Remembered {
        /// Seconds.
        left: u32,
        /// What is known now.
        removed: Removed,
    },
}

impl Removal {
    /// What holds the next step.
    pub(crate) fn blocker(&self) -> Blocker {
        match self {
            Self::Found {
                instances,
                left,
                removed,
                ..
            } => Blocker::Registry {
                found: *instances,
                times: removed.times,
                left: *left,
            },
            Self::Remembered { left, removed } => Blocker::Registry {
                found: 0,
                times: removed.times,
                left: *left,
            },
        }
    }
}

/// Seconds for which the removal of a task set may hold its drain, at most.
pub(crate) fn longest(world: &World, request: &Request) -> u32 {
    forgetting(world, request).saturating_mul(MOST_TIMES + 1)
}

/// Seconds from the first write that takes a whole task set out to the moment in which no client remembers it.
pub(crate) fn forgetting(world: &World, request: &Request) -> u32 {
    world.registry.as_ref().map_or(0, |registry| {
        wait(registry.ttl, request, world.service.desired_count)
    })
}

/// The same for records with this TTL, in seconds, and so many tasks.
pub fn wait(ttl: u32, request: &Request, tasks: u32) -> u32 {
    remembered(ttl, request).saturating_add(writes(tasks))
}

/// Seconds for which clients may remember what has been taken out.
fn remembered(ttl: u32, request: &Request) -> u32 {
    SHOWS
        .saturating_add(ttl)
        .saturating_add(request.registry_cache)
}

/// Seconds that the calls for so many instances are allowed.
pub fn writes(instances: u32) -> u32 {
    CALL.saturating_add(instances / INSTANCES_PER_SECOND)
}

/// What is left to do before tasks of what goes may be stopped; `None` for nothing.
///
/// A task of the set that is registered meanwhile is taken out as well, and the wait begins anew.
pub(crate) fn removal(world: &World, plan: &Plan, outgoing: &TaskSet) -> Option<Removal> {
    let registry = of(world, outgoing)?;
    let remembered = remembered(registry.ttl, &plan.request);
    let found: Vec<_> = registry.found_of(outgoing).map(id).collect();
    let Removed { since, times, .. } = plan.removed;
    let passed = since.map_or(0, |since| world.now.saturating_sub(since));
    // After they were deregistered, the wait is not begun anew.
    let last = times > MOST_TIMES;
    if last && passed >= u64::from(remembered) {
        // What comes and goes all the time is not waited for: its clients are cut off by itself.
        return None;
    }
    if found.is_empty() {
        let since = since.unwrap_or(world.now);
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        let left = remembered.saturating_sub(passed);
        let removed = Removed {
            since: Some(since),
            ..plan.removed
        };
        return (left > 0).then_some(Removal::Remembered { left, removed });
    }
    let arn = registry.arn.clone();
    let instances = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let writes = writes(instances);
    Some(Removal::Found {
        instances,
        write: if times < MOST_TIMES {
            Action::SetInstanceHealth {
                registry: arn,
                instances: found,
                healthy: false,
            }
        } else {
            Action::DeregisterInstances {
                registry: arn,
                instances: found,
            }
        },
        removed: Removed {
            since: match since {
                Some(since) if last => Some(since),
                Some(_) | None => Some(world.now.saturating_add(u64::from(writes))),
            },
            times: times.saturating_add(1),
            ..plan.removed
        },
        left: remembered.saturating_add(writes).saturating_sub(if last {
            u32::try_from(passed).unwrap_or(u32::MAX)
        } else {
            0
        }),
    })
}

/// Whether tasks of a task set run whose instances were deregistered: [`put_back`] has nothing to put back.
pub(crate) fn is_deregistered(world: &World, plan: &Plan, task_set: &TaskSet) -> bool {
    of(world, task_set).is_some_and(|registry| {
        let few = registry.instances_of(task_set).count() < task_set.tasks() as usize;
        let has_none = few && registry.found_of(task_set).next().is_none();
        let alone = world.load_balancer.is_none();
        let never_again = plan.removed.times > MOST_TIMES && !plan.removed.restarts;
        alone && never_again && has_none && task_set.tasks() > 0
    })
}

/// What puts the instances of a task set back that clients are to find again: once, and again where a late write has
/// hidden all of them.
pub(crate) fn put_back(world: &World, plan: &Plan, task_set: &TaskSet) -> Option<Action> {
    let registry = of(world, task_set)?;
    // A drain has taken them out, or may have; later ones are of tasks that start, unless a late write hides all.
    let drained = plan.swapped.is_some() || plan.finishing || plan.removed.times > 0;
    let backs = plan.removed.backs;
    let none = registry.found_of(task_set).next().is_none();
    if !drained || backs >= MOST_TIMES || (backs > 0 && !none) {
        return None;
    }
    back(registry, task_set)
}

/// The same of a task set that serves, where no client finds any of its tasks.
pub(crate) fn hidden(world: &World, serving: &TaskSet) -> Option<Action> {
    let registry = of(world, serving)?;
    let none = registry.found_of(serving).next().is_none();
    back(registry, serving).filter(|_| none)
}

fn back(registry: &Registry, task_set: &TaskSet) -> Option<Action> {
    let out = registry.instances_of(task_set);
    let out = out.filter(|instance| instance.health == InstanceHealth::Unhealthy);
    let instances: Vec<_> = out.map(id).collect();
    (!instances.is_empty()).then(|| Action::SetInstanceHealth {
        registry: registry.arn.clone(),
        instances,
        healthy: true,
    })
}

/// The registry that a task set is in, where its instances can be taken out and put back.
fn of<'a>(world: &'a World, task_set: &TaskSet) -> Option<&'a Registry> {
    let registry = world.registry.as_ref()?;
    let its = task_set
        .service_registries
        .iter()
        .any(|its| its.arn == registry.arn);
    (its && registry.custom_health).then_some(registry)
}

fn id(instance: &Instance) -> InstanceId {
    instance.id.clone()
}
