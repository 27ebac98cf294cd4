//! The life of a task: PROVISIONING, PENDING, ACTIVATING, RUNNING, and the way out.

use serde::{Deserialize, Serialize};

use super::agenda::Due;
use super::tags::Tags;
use super::target::Registration;
use super::{Behaviour, EventKind, World};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub arn: String,
    pub(crate) ordinal: u64,
    pub cluster: String,
    pub service: String,
    /// The id of the task set that started it (`startedBy`).
    pub task_set: String,
    pub task_definition: String,
    /// Where it is in its life.
    pub last_status: TaskStatus,
    pub(crate) desired_status: DesiredStatus,
    pub ip: String,
    pub(crate) subnet: Option<String>,
    pub(crate) zone: String,
    /// Its container instance, on EC2.
    pub(crate) instance: Option<String>,
    /// Port of the host by port of the container.
    pub ports: Vec<(u16, u16)>,
    /// In milliseconds since the Unix epoch, as are all instants here.
    pub created_at_ms: u64,
    pub(crate) started_at_ms: Option<u64>,
    /// When it was sent SIGTERM, or ended by itself.
    pub(crate) stopping_at_ms: Option<u64>,
    /// When its containers had ended.
    pub(crate) execution_stopped_at_ms: Option<u64>,
    pub(crate) stopped_at_ms: Option<u64>,
    pub(crate) stopped_reason: Option<String>,
    /// Why, in AWS's code.
    pub(crate) stop_code: Option<String>,
    /// 0 ended by itself after SIGTERM, 1 crashed, 137 killed after the stop timeout.
    pub exit_code: Option<i32>,
    /// How its containers behave: as its task definition said when it was created.
    pub(crate) behaviour: Behaviour,
    /// Until when it is protected from scale-in.
    #[serde(default)]
    pub(crate) protected_until_ms: u64,
    /// Where it is registered as a target.
    pub(crate) registrations: Vec<Registration>,
    pub tags: Tags,
}

/// Where a task is in its life (Docs: task lifecycle).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskStatus {
    Provisioning,
    Pending,
    Activating,
    Running,
    /// Its targets are being deregistered; its containers still run.
    Deactivating,
    /// It was sent SIGTERM.
    Stopping,
    Deprovisioning,
    Stopped,
}

impl TaskStatus {
    /// Whether it is in `runningCount`: from RUNNING until SIGTERM is sent.
    pub fn counts_as_running(self) -> bool {
        matches!(self, Self::Running | Self::Deactivating)
    }

    /// Whether it is in `pendingCount`.
    pub(crate) fn counts_as_pending(self) -> bool {
        matches!(self, Self::Provisioning | Self::Pending | Self::Activating)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum DesiredStatus {
    Running,
    Stopped,
}

#[derive(Debug, Clone)]
pub(crate) struct StopReason {
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

impl World {
    pub(crate) fn task_pending(&mut self, arn: &str) {
        if self.move_task(arn, TaskStatus::Provisioning, TaskStatus::Pending) {
            let delay = self.jittered(self.timings.task_start_ms);
            self.schedule_in(delay, Due::TaskActivating(arn.to_owned()));
        }
    }

    pub(crate) fn task_activating(&mut self, arn: &str) {
        if self.move_task(arn, TaskStatus::Pending, TaskStatus::Activating) {
            self.register_task(arn);
            let delay = self.jittered(self.timings.task_activation_ms);
            self.schedule_in(delay, Due::TaskRunning(arn.to_owned()));
        }
    }

    pub(crate) fn task_running(&mut self, arn: &str) {
        if !self.move_task(arn, TaskStatus::Activating, TaskStatus::Running) {
            return;
        }
        let now_ms = self.now_ms;
        let started = self.tasks.change(arn, |task| {
            task.started_at_ms = Some(now_ms);
            (task.task_set.clone(), task.behaviour.clone())
        });
        let Some((task_set, behaviour)) = started else {
            return;
        };
        let task = arn.to_owned();
        self.record(EventKind::TaskStarted { task, task_set });
        self.register_instance_of(arn);
        let task = arn.to_owned();
        if let Some(seconds) = behaviour.crashes_after_seconds {
            self.schedule_in(seconds * 1_000, Due::TaskCrashes(task.clone()));
        }
        let slow_start_ms = behaviour.slow_start_seconds * 1_000;
        self.schedule_in(slow_start_ms, Due::TaskHealthChanges(task.clone()));
        if let Some(seconds) = behaviour.unhealthy_after_seconds {
            self.schedule_in(seconds * 1_000, Due::TaskHealthChanges(task));
        }
    }

    /// Whether the container would answer a health check now.
    pub(crate) fn passes_health_checks(&self, task: &Task) -> bool {
        let behaviour = &task.behaviour;
        let Some(started) = task.started_at_ms else {
            return false;
        };
        let alive = matches!(
            task.last_status,
            TaskStatus::Running | TaskStatus::Deactivating | TaskStatus::Stopping
        );
        let up = self.now_ms >= started + behaviour.slow_start_seconds * 1_000;
        let down = behaviour.unhealthy_after_seconds;
        let down = down.is_some_and(|seconds| self.now_ms >= started + seconds * 1_000);
        alive && up && !down && !behaviour.never_healthy
    }

    /// Takes a task away: deregister its targets, wait until they are gone, SIGTERM, and so on
    /// (Docs). One that does not run yet ends at once.
    pub(crate) fn stop_task_for(&mut self, arn: &str, reason: &StopReason) {
        let was = self.tasks.get(arn);
        let Some(was) = was.filter(|task| task.desired_status != DesiredStatus::Stopped) else {
            return;
        };
        let status = was.last_status;
        let running = matches!(status, TaskStatus::Activating | TaskStatus::Running);
        let task_set = was.task_set.clone();
        self.tasks.change(arn, |task| {
            task.desired_status = DesiredStatus::Stopped;
            task.stopped_reason = Some(reason.text.clone());
            task.stop_code = Some(reason.code.to_owned());
            if running {
                task.last_status = TaskStatus::Deactivating;
            }
        });
        self.record(EventKind::TaskStopping {
            task: arn.to_owned(),
            task_set,
            reason: reason.text.clone(),
        });
        if !running {
            self.deprovision(arn, None);
            return;
        }
        self.deregister_task(arn);
        self.terminate_if_deregistered(arn);
    }

    /// SIGTERM, once no target of a task that is being removed is left.
    pub(crate) fn terminate_if_deregistered(&mut self, arn: &str) {
        let now_ms = self.now_ms;
        let waits = |task: &&Task| {
            task.last_status == TaskStatus::Deactivating && !self.is_registered(task)
        };
        let Some(task) = self.tasks.get(arn).filter(waits) else {
            return;
        };
        let (task_set, seconds) = (task.task_set.clone(), self.stop_seconds(task));
        // No wait for a TTL or for caches of clients (Field).
        self.deregister_instance_of(arn);
        self.tasks.change(arn, |task| {
            task.last_status = TaskStatus::Stopping;
            task.stopping_at_ms = Some(now_ms);
            let own = task.behaviour.exits_after_seconds;
            let ended_by_itself = own.is_some_and(|own| own <= seconds);
            task.exit_code = Some(if ended_by_itself { 0 } else { 137 });
        });
        let task = arn.to_owned();
        self.record(EventKind::SigtermSent { task, task_set });
        self.schedule_in(seconds * 1_000, Due::TaskExits(arn.to_owned()));
    }

    /// Seconds from SIGTERM to the end of its containers, by themselves or by SIGKILL.
    pub(crate) fn stop_seconds(&self, task: &Task) -> u64 {
        let fargate = task.instance.is_none();
        let definition = self.find_task_definition(&task.task_definition);
        let timeout = definition.map_or(30, |known| known.stop_timeout_seconds(fargate));
        let own = task.behaviour.exits_after_seconds;
        own.map_or(timeout, |own| own.min(timeout))
    }

    pub(crate) fn task_exits(&mut self, arn: &str) {
        let task = self.tasks.get(arn);
        if task.is_some_and(|task| task.last_status == TaskStatus::Stopping) {
            self.deprovision(arn, None);
        }
    }

    /// The essential container ends by itself: nothing waits for its targets to drain.
    pub(crate) fn task_crashes(&mut self, arn: &str) {
        let task = self.tasks.get(arn);
        let Some(task) = task.filter(|task| task.last_status.counts_as_running()) else {
            return;
        };
        let task_set = task.task_set.clone();
        self.tasks.change(arn, |task| {
            task.desired_status = DesiredStatus::Stopped;
            task.stopped_reason = Some("Essential container in task exited".to_owned());
            task.stop_code = Some("EssentialContainerExited".to_owned());
        });
        self.record(EventKind::TaskCrashed {
            task: arn.to_owned(),
            task_set: task_set.clone(),
        });
        self.deprovision(arn, Some(1));
        self.deregister_task(arn);
        self.deregister_instance_of(arn);
        self.reconcile_soon(&task_set);
    }

    fn deprovision(&mut self, arn: &str, exit_code: Option<i32>) {
        let now_ms = self.now_ms;
        self.tasks.change(arn, |task| {
            task.last_status = TaskStatus::Deprovisioning;
            task.stopping_at_ms.get_or_insert(now_ms);
            task.execution_stopped_at_ms = Some(now_ms);
            task.exit_code = exit_code.or(task.exit_code);
        });
        let delay = self.jittered(self.timings.task_deprovisioning_ms);
        self.schedule_in(delay, Due::TaskStops(arn.to_owned()));
    }

    pub(crate) fn task_stops(&mut self, arn: &str) {
        if !self.move_task(arn, TaskStatus::Deprovisioning, TaskStatus::Stopped) {
            return;
        }
        let now_ms = self.now_ms;
        let stopped = self.tasks.change(arn, |task| {
            task.stopped_at_ms = Some(now_ms);
            let reason = task.stopped_reason.clone().unwrap_or_default();
            (task.task_set.clone(), reason)
        });
        let Some((task_set, reason)) = stopped else {
            return;
        };
        let stopped = EventKind::TaskStopped {
            task: arn.to_owned(),
            task_set,
            reason,
        };
        self.record(stopped);
        let visible_ms = self.timings.stopped_task_visible_ms;
        self.schedule_in(visible_ms, Due::TaskForgotten(arn.to_owned()));
    }

    /// Moves a task on, unless something else happened to it meanwhile.
    fn move_task(&mut self, arn: &str, from: TaskStatus, to: TaskStatus) -> bool {
        let moved = self.tasks.change(arn, |task| {
            let moves = task.last_status == from;
            if moves {
                task.last_status = to;
            }
            moves
        });
        moved == Some(true)
    }
}
