//! The tasks of a world, found by ARN, by task set and by target, however many there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Task;
use super::stability::Counts;

/// Saved as the tasks alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Task>", into = "BTreeMap<String, Task>")]
pub(crate) struct Tasks {
    all: BTreeMap<String, Task>,
    sets: BTreeMap<String, OfSet>,
    /// ARNs of the tasks that were registered there, by target group and target.
    targets: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

#[derive(Debug, Clone, Default)]
struct OfSet {
    /// By ordinal, so the oldest first.
    arns: BTreeMap<u64, String>,
    counts: Counts,
    /// The first task to ask whether all are well: the one that was not when they were asked last.
    asked_first: u64,
}

impl PartialEq for Tasks {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Tasks {
    pub(crate) fn insert(&mut self, task: Task) {
        let set = self.sets.entry(task.task_set.clone()).or_default();
        set.arns.insert(task.ordinal, task.arn.clone());
        set.counts.add(task.last_status);
        self.index_targets(&task, 0);
        self.all.insert(task.arn.clone(), task);
    }

    pub(crate) fn remove(&mut self, arn: &str) {
        let Some(task) = self.all.remove(arn) else {
            return;
        };
        if let Some(set) = self.sets.get_mut(&task.task_set) {
            set.arns.remove(&task.ordinal);
            set.counts.subtract(task.last_status);
            if set.arns.is_empty() {
                self.sets.remove(&task.task_set);
            }
        }
        for place in &task.registrations {
            let Some(targets) = self.targets.get_mut(&place.group) else {
                continue;
            };
            let key = place.key();
            if let Some(arns) = targets.get_mut(&key) {
                arns.retain(|other| other != arn);
                if arns.is_empty() {
                    targets.remove(&key);
                }
            }
            if targets.is_empty() {
                self.targets.remove(&place.group);
            }
        }
    }

    /// Changes a task, if it is known: anything but its identity. Registrations are only added.
    pub(crate) fn change<T>(
        &mut self,
        arn: &str,
        change: impl FnOnce(&mut Task) -> T,
    ) -> Option<T> {
        let task = self.all.get_mut(arn)?;
        let (status, registrations) = (task.last_status, task.registrations.len());
        let changed = change(task);
        if task.last_status != status
            && let Some(set) = self.sets.get_mut(&task.task_set)
        {
            set.counts.subtract(status);
            set.counts.add(task.last_status);
        }
        if task.registrations.len() > registrations {
            let task = task.clone();
            self.index_targets(&task, registrations);
        }
        Some(changed)
    }

    fn index_targets(&mut self, task: &Task, from: usize) {
        for place in &task.registrations[from..] {
            let targets = self.targets.entry(place.group.clone()).or_default();
            let arns = targets.entry(place.key()).or_default();
            arns.push(task.arn.clone());
        }
    }

    pub(crate) fn get(&self, arn: &str) -> Option<&Task> {
        self.all.get(arn)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Task> {
        self.all.values()
    }

    /// Those of a task set, the oldest first.
    pub(crate) fn of(&self, task_set: &str) -> impl ExactSizeIterator<Item = &Task> + Clone {
        static NONE: BTreeMap<u64, String> = BTreeMap::new();
        let arns = self.sets.get(task_set).map_or(&NONE, |set| &set.arns);
        arns.values().map(|arn| &self.all[arn])
    }

    /// Whether all of a task set are well. While thousands become so one after another, those that were well
    /// the last time are asked last.
    pub(crate) fn are_all(&mut self, task_set: &str, well: impl Fn(&Task) -> bool) -> bool {
        let Some(set) = self.sets.get_mut(task_set) else {
            return true;
        };
        let first = set.asked_first;
        let mut asked = set.arns.range(first..).chain(set.arns.range(..first));
        let found = asked.find(|(_, arn)| !well(&self.all[*arn]));
        let unwell = found.map(|(ordinal, _)| *ordinal);
        set.asked_first = unwell.unwrap_or_default();
        unwell.is_none()
    }

    pub(crate) fn counts(&self, task_set: &str) -> Counts {
        self.sets
            .get(task_set)
            .map(|set| set.counts)
            .unwrap_or_default()
    }

    /// Those that were registered at a target.
    pub(crate) fn at(&self, group: &str, target: &str) -> impl Iterator<Item = &Task> {
        let targets = self.targets.get(group);
        let arns = targets.and_then(|targets| targets.get(target));
        arns.into_iter().flatten().map(|arn| &self.all[arn])
    }
}

impl From<BTreeMap<String, Task>> for Tasks {
    fn from(tasks: BTreeMap<String, Task>) -> Self {
        let mut indexed = Self::default();
        for task in tasks.into_values() {
            indexed.insert(task);
        }
        indexed
    }
}

impl From<Tasks> for BTreeMap<String, Task> {
    fn from(tasks: Tasks) -> Self {
        tasks.all
    }
}
