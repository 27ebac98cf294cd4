//! The world at the end of an execution.

use ebbtide_simulator::world::{TargetGroup, TaskSet, TaskSetStatus, World};

use super::auto_scaling::is_recorded;
use super::lock::lock_item;
use super::routes::{Route, routes};
use super::{is_down, is_production, reached};
use crate::scenarios::{CLUSTER, Ends, SERVICE};

/// What is not as an execution that ended so says it is (S12, L2).
pub(crate) fn unfinished(world: &World, ends: Ends) -> Option<String> {
    let sets = wanted(world);
    let [set] = &sets[..] else {
        let seen: Vec<_> = sets
            .iter()
            .map(|set| format!("{} {} at {} %", set.id, set.status.as_str(), set.scale))
            .collect();
        return Some(format!(
            "S12: {} task sets at the end: {}",
            sets.len(),
            seen.join(", ")
        ));
    };
    let new = set.task_definition.ends_with("chat:2");
    if new != (ends == Ends::Deployed) {
        return Some(format!(
            "S12: {} serves after {ends:?}",
            set.task_definition
        ));
    }
    if ends == Ends::Deployed && is_down(world) {
        return Some("S13: a success, and nothing works".to_owned());
    }
    settled(world, set, ends == Ends::Deployed)
}

/// Task sets but for those that want no task and have some that do not stop.
fn wanted(world: &World) -> Vec<&TaskSet> {
    let mut sets = world.task_sets_of(CLUSTER, SERVICE);
    sets.retain(|set| {
        let tasks = world.tasks_of(&set.id);
        let runs = tasks
            .iter()
            .any(|task| task.last_status.counts_as_running());
        set.scale > 0.0 || set.status == TaskSetStatus::Draining || !runs
    });
    sets
}

/// One task set, on the production group; tags, listener and primary agree, the lock is free.
fn settled(world: &World, set: &TaskSet, deployed: bool) -> Option<String> {
    if set.scale < 100.0 {
        return Some(format!("L2: {} is left at {} %", set.id, set.scale));
    }
    if deployed && set.status != TaskSetStatus::Primary {
        return Some(format!("L2: {} is {}", set.id, set.status.as_str()));
    }
    if !reached(world, set) {
        return Some(format!("L2: production traffic does not reach {}", set.id));
    }
    let attached = set.load_balancers.first();
    let group = attached.map(|attached| &attached.target_group_arn);
    let ours = |other: &&TargetGroup| other.name.contains("-tg-");
    for other in world.target_groups().filter(ours) {
        if deployed && is_production(other) != (Some(&other.arn) == group) {
            return Some(format!("L2: tags of {} are {:?}", other.name, other.tags));
        }
        if other.tags.contains_key("ebbtide:swap") {
            return Some(format!(
                "L2: {} still bears the record of a swap",
                other.name
            ));
        }
    }
    if let Some(route) = routes(world).find(Route::is_created) {
        return Some(format!("L2: {route} is left"));
    }
    if is_recorded(world) {
        return Some("S20: scale-in is still suspended".to_owned());
    }
    let owner = lock_item(world)?.get("owner")?;
    Some(format!("L2: the lock is still {owner:?}'s"))
}

/// Exactly one task set at the end, whichever version it is.
pub(crate) fn converged(world: &World) -> Option<String> {
    let sets = wanted(world);
    match &sets[..] {
        [set] => settled(world, set, set.task_definition.ends_with("chat:2")),
        _ => Some(format!("L2: {} task sets", sets.len())),
    }
}
