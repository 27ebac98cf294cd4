//! Cloud Map: the registry in which clients find the tasks of a service, without a load balancer or beside one.
//!
//! Every task set registers its tasks there, and clients find all that are `HEALTHY`: there are no weights, and no
//! routes to move. Which task set serves is what `PRIMARY` says, and what takes clients away from another one is
//! [`removal`]. [`grouped`] shows the rest of this crate such a service as it knows others: with two groups and a route.

mod assigned;
mod grouped;
mod removal;

pub(crate) use assigned::registries;
pub use grouped::grouped;
pub(crate) use removal::{
    Removal, forgetting, hidden, is_deregistered, longest, put_back, removal,
};
pub use removal::{SHOWS, wait, writes};

use crate::arn::is_of_a_registry;
use crate::deployment::Plan;
use crate::refusal::Refusal;
use crate::world::{TaskSet, TaskSetStatus, World};

/// Whether clients of a registry still find what a drain removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// When all of it had been taken out, in seconds since 1970.
    pub since: Option<u64>,
    /// Times that some of it was.
    pub times: u32,
    /// Whether a rollback replaces the tasks of the original, because their instances were deregistered.
    pub restarts: bool,
    /// Times that a rollback has put it back.
    pub backs: u32,
}

impl World {
    /// Whether clients find the service in a registry, and through no load balancer.
    pub(crate) fn is_found_in_a_registry_alone(&self) -> bool {
        self.load_balancer.is_none() && self.registry.is_some()
    }

    /// Whether clients of a registry find tasks of a task set, where they have no other way to it.
    pub(crate) fn is_found(&self, task_set: &TaskSet) -> bool {
        let registry = self.registry.as_ref();
        registry.is_some_and(|registry| {
            self.load_balancer.is_none() && registry.found_of(task_set).next().is_some()
        })
    }

    /// Whether clients of a registry may know a task set: its tasks are registered as soon as they run.
    pub(crate) fn may_be_known(&self, task_set: &TaskSet) -> bool {
        self.registry.as_ref().is_some_and(|registry| {
            !task_set.service_registries.is_empty()
                && registry.instances_of(task_set).next().is_some()
        })
    }
}

/// Refuses, to check again, a registry that is not there any more, and a task set whose status this version does not
/// know, where that status says what serves.
pub(crate) fn understood(world: &World, plan: Option<&Plan>) -> Result<(), Refusal> {
    let named = plan.is_some_and(|plan| is_of_a_registry(&plan.replacement_target_group));
    if named && world.registry.is_none() {
        return Err(Refusal::not_seen(
            "Cloud Map does not show the registry of this deployment.".to_owned(),
        ));
    }
    if !world.is_found_in_a_registry_alone() {
        return Ok(());
    }
    for set in &world.task_sets {
        if let TaskSetStatus::Unknown(status) = &set.status {
            return Err(Refusal::not_seen(format!(
                "{} has the status {status}, which this version does not know.",
                set.id
            )));
        }
    }
    Ok(())
}

/// Whether a shift of this deployment moves tasks, because there is no traffic to move.
pub(crate) fn shifts_tasks(world: &World, plan: &Plan) -> bool {
    world.is_found_in_a_registry_alone() && plan.asks_for_a_shift().is_some()
}
