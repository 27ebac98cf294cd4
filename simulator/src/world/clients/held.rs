//! Connections that are held, and what ends them.
//!
//! A flow stays on its target for its life (Docs): neither a change of weights nor deregistration
//! ends it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Clients, OnStop};
use crate::world::action::groups_of;
use crate::world::{TargetGroup, Task, TaskStatus, World};

/// The connections to one task through one target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) group: String,
    pub(super) target: String,
    pub(super) task: String,
    pub(super) task_set: usize,
    pub(super) zone: usize,
    pub(super) connections: u64,
    /// The target has become unhealthy since it was last checked.
    pub(super) became_unhealthy: bool,
}

/// What happens to connections until the world changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Stay,
    /// All have ended at that moment.
    Cut {
        at_ms: u64,
    },
    /// They end evenly, the last ones in the second in which this moment is.
    CutUntil {
        until_ms: u64,
    },
}

/// How long the connections through a target group last that was replaced in its listener's action:
/// an hour at most (Docs).
const REPLACED_MS: u64 = 3_600_000;

impl Held {
    pub(super) fn place(&self) -> (&str, &str, &str) {
        (&self.group, &self.target, &self.task)
    }

    /// Whether its task has not ended yet.
    pub(super) fn is_alive(&self, world: &World) -> bool {
        let task = world.tasks.get(&self.task);
        task.is_some_and(|task| !has_ended(task))
    }
}

fn has_ended(task: &Task) -> bool {
    let status = task.last_status;
    matches!(status, TaskStatus::Deprovisioning | TaskStatus::Stopped)
}

fn is_set(group: &TargetGroup, attribute: &str) -> bool {
    let value = group.attributes.get(attribute);
    value.is_some_and(|value| value == "true")
}

impl Clients {
    /// Takes note of a target that has become unhealthy: ECS may have replaced its task before
    /// the next check.
    pub(in crate::world) fn target_became_unhealthy(&mut self, group: &str, target: &str) {
        for held in &mut self.held {
            if held.group == group && held.target == target {
                held.became_unhealthy = true;
            }
        }
    }

    /// What happens to the connections of each place from now on.
    pub(super) fn fates(&mut self, world: &World) -> Vec<Fate> {
        self.note_replaced(world);
        let mut fates = Vec::with_capacity(self.held.len());
        let just_now_ms = self.next_ms - 1_000;
        for held in &mut self.held {
            let fate = if target_cuts(held, world) {
                Fate::Cut { at_ms: just_now_ms }
            } else {
                task_fate(world, &held.task, self.scenario.on_stop, just_now_ms)
            };
            let replaced = self.replaced.get(&held.group);
            fates.push(match (fate, replaced) {
                (Fate::Stay, Some(until_ms)) => Fate::CutUntil {
                    until_ms: *until_ms,
                },
                (Fate::CutUntil { until_ms }, Some(other_ms)) => Fate::CutUntil {
                    until_ms: until_ms.min(*other_ms),
                },
                (fate, _) => fate,
            });
        }
        fates
    }

    /// Target groups that no route of the clients names any more, and since when.
    fn note_replaced(&mut self, world: &World) {
        let named: BTreeSet<&str> = self
            .entrances
            .iter()
            .filter_map(|entrance| Some(entrance.route(world)?.0))
            .flatten()
            .flat_map(groups_of)
            .map(|group| group.arn.as_str())
            .collect();
        self.replaced
            .retain(|group, _| !named.contains(group.as_str()));
        let last_ms = self.next_ms + REPLACED_MS - 1_000;
        for held in &self.held {
            if held.connections > 0
                && !named.contains(held.group.as_str())
                && !self.replaced.contains_key(&held.group)
            {
                self.replaced.insert(held.group.clone(), last_ms);
            }
        }
    }
}

/// What the load balancer cuts: the connections of a target that becomes unhealthy, and those of one
/// whose deregistration delay is over, each where the group's attributes say so.
fn target_cuts(held: &mut Held, world: &World) -> bool {
    let Some(group) = world.target_groups.get(&held.group) else {
        return false;
    };
    let became_unhealthy = std::mem::take(&mut held.became_unhealthy);
    let on_unhealthy = "target_health_state.unhealthy.connection_termination.enabled";
    let on_deregistration = "deregistration_delay.connection_termination.enabled";
    (became_unhealthy && is_set(group, on_unhealthy))
        || (!group.targets.contains_key(&held.target) && is_set(group, on_deregistration))
}

/// What a task does with its connections.
fn task_fate(world: &World, task: &str, on_stop: OnStop, just_now_ms: u64) -> Fate {
    let Some(task) = world.tasks.get(task) else {
        return Fate::Cut { at_ms: just_now_ms };
    };
    if has_ended(task) {
        return Fate::Cut {
            at_ms: task.execution_stopped_at_ms.unwrap_or(just_now_ms),
        };
    }
    let is_stopping = task.last_status == TaskStatus::Stopping;
    let Some(stopping_ms) = task.stopping_at_ms.filter(|_| is_stopping) else {
        return Fate::Stay;
    };
    match on_stop {
        OnStop::Close => Fate::Cut { at_ms: stopping_ms },
        OnStop::Keep => Fate::Stay,
        OnStop::Spread => Fate::CutUntil {
            until_ms: stopping_ms + world.stop_seconds(task) * 1_000,
        },
    }
}
