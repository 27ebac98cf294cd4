//! The healthy instances of a registry, by task set, and the time in which two task sets had some.

use std::collections::{BTreeMap, BTreeSet};

use ebbtide_simulator::world::{EventKind, InstanceHealth, Registry, World};

use super::members::Members;
use super::run::Role;

#[derive(Debug)]
pub(super) struct Instances {
    /// Healthy instances by task set.
    pub(super) sets: Vec<Members>,
    /// The task sets of tasks, by the id of the instance that a task has.
    owners: BTreeMap<String, String>,
    /// Healthy ones at the start.
    pub(super) before: BTreeSet<String>,
    /// When the last one came or went, in milliseconds since the start.
    since_ms: u64,
    /// The longest time so far in which two task sets had some and none came or went.
    beside: Option<Beside>,
}

/// A time in milliseconds since the start, and the instances that were healthy in all of it.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    pub(super) instances: BTreeSet<String>,
}

impl Instances {
    /// Those of the task sets that there are, each with its role.
    pub(super) fn new(world: &World, sets: &[Members]) -> Self {
        let mut owners = BTreeMap::new();
        for set in sets {
            for task in world.tasks_of(&set.id) {
                owners.insert(id_of(&task.arn), set.id.clone());
            }
        }
        let all = world.registries().flat_map(Registry::instances);
        let healthy = all.filter(|instance| instance.health == InstanceHealth::Healthy);
        let healthy: BTreeSet<_> = healthy.map(|instance| instance.id.clone()).collect();
        let of_set = |set: &Members| {
            let own = |id: &&String| owners.get(*id) == Some(&set.id);
            healthy.iter().filter(own).cloned().collect()
        };
        let members = |set: &Members| Members::new(set.role, &set.id, of_set(set));
        Self {
            sets: sets.iter().map(members).collect(),
            owners,
            before: healthy,
            since_ms: 0,
            beside: None,
        }
    }

    pub(super) fn happened(&mut self, at_ms: u64, kind: &EventKind) {
        let (instance, is_in) = match kind {
            EventKind::TaskSetCreated { task_set, .. } => {
                let made = Members::new(Role::Replacement, task_set, BTreeSet::new());
                self.sets.push(made);
                return;
            }
            EventKind::TaskCreated { task, task_set } => {
                self.owners.insert(id_of(task), task_set.clone());
                return;
            }
            EventKind::InstanceRegistered {
                instance, health, ..
            }
            | EventKind::InstanceHealthChanged {
                instance, health, ..
            } => (instance, health == InstanceHealth::Healthy.as_str()),
            EventKind::InstanceDeregistered { instance, .. } => (instance, false),
            // The others change no health.
            _ => return,
        };
        let owner = self.owners.get(instance);
        let mut sets = self.sets.iter();
        let Some(place) = sets.position(|set| Some(&set.id) == owner) else {
            return;
        };
        if self.sets[place].now.contains(instance) != is_in {
            self.pass(at_ms);
            self.sets[place].set(at_ms, instance, is_in);
        }
    }

    /// The end of a time in which none came or went.
    fn pass(&mut self, at_ms: u64) {
        let from_ms = std::mem::replace(&mut self.since_ms, at_ms);
        let there = self.sets.iter().filter(|set| !set.now.is_empty());
        let longest = self.beside.as_ref();
        let longest_ms = longest.map_or(0, |beside| beside.until_ms - beside.from_ms);
        if there.clone().count() > 1 && at_ms - from_ms > longest_ms {
            self.beside = Some(Beside {
                from_ms,
                until_ms: at_ms,
                instances: there.flat_map(|set| set.now.iter().cloned()).collect(),
            });
        }
    }

    /// The longest time in which two task sets had some and none came or went, until a moment.
    pub(super) fn beside(&mut self, until_ms: u64) -> Option<&Beside> {
        self.pass(until_ms);
        self.beside.as_ref()
    }

    /// Those that are healthy now.
    pub(super) fn now(&self) -> BTreeSet<String> {
        let sets = self.sets.iter();
        sets.flat_map(|set| set.now.iter().cloned()).collect()
    }
}

/// The id of the instance that a task has: its own.
fn id_of(task: &str) -> String {
    task.rsplit('/').next().unwrap_or(task).to_owned()
}
