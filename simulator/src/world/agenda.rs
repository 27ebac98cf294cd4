//! What is due to happen by itself, and when.

use serde::{Deserialize, Serialize};

use super::cloud_map::Unseen;
use super::target::TargetRef;
use super::{AlarmState, World};

/// Something that will happen unless the world has moved on by then: its handler checks
/// again at what it finds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Due {
    /// ECS compares the tasks of a set with the number it wants.
    Reconcile(String),
    TaskPending(String),
    TaskActivating(String),
    TaskRunning(String),
    TaskCrashes(String),
    /// The container's answer to health checks may have changed.
    TaskHealthChanges(String),
    TaskExits(String),
    TaskStops(String),
    TaskForgotten(String),
    /// ECS checks a target that failed its health checks.
    UnhealthyTask {
        task: String,
        group: String,
    },
    TargetRegistered(TargetRef),
    HealthCheck(TargetRef),
    TargetDrained(TargetRef),
    TaskSetGone(String),
    /// ECS checks a task whose containers are not healthy.
    UnhealthyContainers(String),
    DiscoverySees(Unseen),
    InstanceHealthRestored(String),
    InstanceRegisteredAgain(String),
    AlarmChanges {
        alarm: String,
        state: AlarmState,
    },
    /// A policy of a scalable target compares its metric with its target.
    ScalingEvaluated(String),
}

/// A [`Due`] with its time; equal times keep the order in which they were scheduled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Scheduled {
    pub(crate) at_ms: u64,
    ordinal: u64,
    pub(crate) what: Due,
}

impl World {
    pub(crate) fn schedule_in(&mut self, delay_ms: u64, what: Due) {
        let at_ms = self.now_ms.saturating_add(delay_ms);
        let ordinal = self.next_ordinal();
        self.unsettled = true;
        self.agenda.insert(Scheduled {
            at_ms,
            ordinal,
            what,
        });
    }

    pub(crate) fn next_due(&mut self, until_ms: u64) -> Option<Scheduled> {
        if self.agenda.first()?.at_ms > until_ms {
            return None;
        }
        self.agenda.pop_first()
    }

    /// The task sets whose state may be another after it.
    pub(crate) fn touches(&self, what: &Due) -> Vec<String> {
        let of_task = |arn: &String| self.tasks.get(arn).map(|task| task.task_set.clone());
        match what {
            Due::Reconcile(task_set) | Due::TaskSetGone(task_set) => vec![task_set.clone()],
            Due::TaskPending(task)
            | Due::TaskActivating(task)
            | Due::TaskRunning(task)
            | Due::TaskCrashes(task)
            | Due::TaskHealthChanges(task)
            | Due::TaskExits(task)
            | Due::TaskStops(task)
            | Due::TaskForgotten(task)
            | Due::UnhealthyContainers(task)
            | Due::UnhealthyTask { task, .. } => of_task(task).into_iter().collect(),
            Due::TargetRegistered(at) | Due::HealthCheck(at) | Due::TargetDrained(at) => {
                let tasks = self.tasks.at(&at.group, &at.target);
                tasks.map(|task| task.task_set.clone()).collect()
            }
            Due::DiscoverySees(_)
            | Due::InstanceHealthRestored(_)
            | Due::InstanceRegisteredAgain(_)
            | Due::AlarmChanges { .. }
            | Due::ScalingEvaluated(_) => Vec::new(),
        }
    }

    /// Whether a task set may be steady, or no longer, because of it: not by what a task does that runs no
    /// longer.
    pub(crate) fn may_steady(what: &Due) -> bool {
        !matches!(
            what,
            Due::TaskExits(_) | Due::TaskStops(_) | Due::TaskForgotten(_)
        )
    }

    /// Lets it happen; whether anything may follow from it.
    pub(crate) fn perform(&mut self, what: Due) -> bool {
        match what {
            Due::Reconcile(task_set) => self.reconcile(&task_set),
            Due::TaskPending(task) => self.task_pending(&task),
            Due::TaskActivating(task) => self.task_activating(&task),
            Due::TaskRunning(task) => self.task_running(&task),
            Due::TaskCrashes(task) => self.task_crashes(&task),
            Due::TaskHealthChanges(task) => self.task_health_changes(&task),
            Due::TaskExits(task) => self.task_exits(&task),
            Due::TaskStops(task) => self.task_stops(&task),
            Due::TaskForgotten(task) => self.tasks.remove(&task),
            Due::UnhealthyTask { task, group } => self.replace_unhealthy_task(&task, &group),
            Due::TargetRegistered(target) => self.target_registered(&target),
            Due::HealthCheck(target) => return self.health_check(&target),
            Due::TargetDrained(target) => self.target_drained(&target),
            Due::TaskSetGone(task_set) => self.task_set_gone(&task_set),
            Due::UnhealthyContainers(task) => self.replace_if_containers_are_unhealthy(&task),
            Due::DiscoverySees(unseen) => {
                self.discovery_sees(&unseen);
                return false;
            }
            Due::InstanceHealthRestored(task) => self.restore_instance_health(&task),
            Due::InstanceRegisteredAgain(task) => self.register_instance_again(&task),
            Due::ScalingEvaluated(resource) => self.evaluate_scaling(&resource),
            Due::AlarmChanges { alarm, state } => self.alarm_changes(&alarm, state),
        }
        true
    }

    pub(crate) fn next_ordinal(&mut self) -> u64 {
        self.ordinal += 1;
        self.ordinal
    }
}
