//! What real processes and a real load balancer beside this world report to it: the health of targets and the end of
//! tasks, instead of what the behaviour of a task definition says.

use super::{Phase, TaskStatus, World};

impl World {
    /// From now on no health check is simulated: a load balancer beside this world makes them, and
    /// [`target_checked`](Self::target_checked) has their results.
    pub fn check_outside(&mut self) {
        self.checked_outside = true;
    }

    /// What the health checks of a target, by its group's ARN and `ip:port`, have decided. A target that is not
    /// checked now (registering, draining, gone) stays as it is.
    pub fn target_checked(&mut self, group: &str, target: &str, healthy: bool) {
        let known = self.target_groups.get_mut(group);
        let Some(known) = known.and_then(|group| group.targets.get_mut(target)) else {
            return;
        };
        let after = if healthy {
            Phase::Healthy
        } else {
            Phase::Unhealthy
        };
        match known.phase {
            Phase::Checking | Phase::Healthy | Phase::Unhealthy if known.phase != after => {
                known.phase = after;
                self.health_changed(group, target, after);
            }
            Phase::Unused
            | Phase::Registering
            | Phase::Draining
            | Phase::Checking
            | Phase::Healthy
            | Phase::Unhealthy => {}
        }
    }

    /// The containers of a task have ended: by themselves after SIGTERM, or in a crash.
    pub fn task_ended(&mut self, arn: &str) {
        let Some(status) = self.tasks.get(arn).map(|task| task.last_status) else {
            return;
        };
        match status {
            TaskStatus::Running | TaskStatus::Deactivating => self.task_crashes(arn),
            TaskStatus::Stopping => {
                self.tasks.change(arn, |task| task.exit_code = Some(0));
                self.task_exits(arn);
                self.unsettled = true;
            }
            TaskStatus::Provisioning
            | TaskStatus::Pending
            | TaskStatus::Activating
            | TaskStatus::Deprovisioning
            | TaskStatus::Stopped => {}
        }
    }
}
