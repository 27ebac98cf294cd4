//! What follows from what just happened: steady or not, drained or not.

use super::agenda::Due;
use super::{DesiredStatus, EventKind, ServiceStatus, TaskSetStatus, TaskStatus, World};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) running: u32,
    /// Of these, tasks whose targets are being deregistered.
    pub(crate) deactivating: u32,
    pub(crate) pending: u32,
    /// Tasks that have not stopped, those between running and stopped included.
    pub(crate) left: u32,
}

impl Counts {
    pub(crate) fn add(&mut self, status: TaskStatus) {
        self.running += u32::from(status.counts_as_running());
        self.deactivating += u32::from(status == TaskStatus::Deactivating);
        self.pending += u32::from(status.counts_as_pending());
        self.left += u32::from(status != TaskStatus::Stopped);
    }

    pub(crate) fn subtract(&mut self, status: TaskStatus) {
        self.running -= u32::from(status.counts_as_running());
        self.deactivating -= u32::from(status == TaskStatus::Deactivating);
        self.pending -= u32::from(status.counts_as_pending());
        self.left -= u32::from(status != TaskStatus::Stopped);
    }
}

impl World {
    /// The counts of a task set, as ECS gives them.
    pub(crate) fn counts(&self, task_set: &str) -> Counts {
        let mut counts = self.tasks.counts(task_set);
        if !self.counts_deregistering {
            counts.running -= counts.deactivating;
        }
        counts
    }

    /// `STEADY_STATE` (Model): running equals computed, nothing is pending, and all tasks report
    /// healthy. So it is true for a set that wants zero tasks and has none.
    fn is_steady(&mut self, id: &str, counts: Counts) -> bool {
        if counts.running != self.computed_desired_count(id) || counts.pending > 0 {
            return false;
        }
        let mut tasks = std::mem::take(&mut self.tasks);
        let steady = tasks.are_all(id, |task| {
            let mut registrations = task.registrations.iter();
            let mut healthy = || {
                task.desired_status == DesiredStatus::Running
                    && registrations.all(|registration| self.is_healthy(registration))
                    && (!self.has_container_health_check(task) || self.passes_health_checks(task))
            };
            let hidden = task.last_status == TaskStatus::Deactivating && !self.counts_deregistering;
            hidden || !task.last_status.counts_as_running() || healthy()
        });
        self.tasks = tasks;
        steady
    }

    pub(crate) fn has_container_health_check(&self, task: &super::Task) -> bool {
        let definition = self.find_task_definition(&task.task_definition);
        definition.is_ok_and(|definition| {
            let mut containers = definition.containers().iter();
            containers.any(|container| container.health_check.is_some())
        })
    }

    /// Brings everything derived up to date, if something was recorded or scheduled since the last time.
    /// Runs after each call.
    pub(crate) fn settle(&mut self) {
        if self.unsettled {
            let ids: Vec<_> = self.task_sets.keys().cloned().collect();
            self.settle_touched(&ids, true);
        }
    }

    /// The same for the task sets that an event can have touched: others of thousands of tasks are not
    /// checked for each of them.
    pub(crate) fn settle_touched(&mut self, ids: &[String], steadiness: bool) {
        for id in ids {
            self.settle_task_set(id, steadiness);
        }
        self.settle_services();
        self.unsettled = false;
    }

    fn settle_services(&mut self) {
        let services = self.services.values();
        let draining = services.filter(|service| service.status == ServiceStatus::Draining);
        let mut drained: Vec<_> = draining.map(super::Service::key).collect();
        drained.retain(|key| self.task_sets_of_key(key).is_empty());
        for key in drained {
            if let Some(service) = self.services.get_mut(&key) {
                service.status = ServiceStatus::Inactive;
                let service = service.name.clone();
                self.record(EventKind::ServiceInactive { service });
            }
        }
    }

    fn settle_task_set(&mut self, id: &str, steadiness: bool) {
        let counts = self.counts(id);
        let steady = steadiness.then(|| self.is_steady(id, counts));
        let now_ms = self.now_ms;
        let Some(task_set) = self.task_sets.get_mut(id) else {
            return;
        };
        let steady = steady.unwrap_or(task_set.steady);
        let turned = task_set.steady != steady;
        if turned {
            task_set.steady = steady;
            task_set.steady_at_ms = now_ms;
        }
        let drains = task_set.status == TaskSetStatus::Draining;
        let goes = drains && counts.left == 0 && !task_set.going;
        task_set.going |= goes;
        let (task_set, running) = (id.to_owned(), counts.running);
        if turned && steady {
            self.say_of(id, "has reached a steady state.");
            self.record(EventKind::TaskSetSteady { task_set, running });
        } else if turned {
            self.record(EventKind::TaskSetStabilizing { task_set });
        }
        if goes {
            let delay = self.jittered(self.timings.task_set_deletion_ms);
            self.schedule_in(delay, Due::TaskSetGone(id.to_owned()));
        }
    }
}
