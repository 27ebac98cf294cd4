//! Tasks that ECS stopped, and which of them failed.

use super::StopCode;

/// A task that ECS stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedTask {
    /// What kind of end it was.
    pub code: StopCode,
    /// Why, in ECS's words, cut to a length that fits a sentence.
    pub reason: String,
    /// When, in seconds since 1970; `None` where ECS does not say.
    pub at: Option<u64>,
}

/// Tasks of a task set that failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoppedTasks {
    /// How many: a container ended, the task did not start, or its health checks failed.
    pub failed: u32,
    /// Why the newest of them did.
    pub newest: Option<String>,
}

impl StoppedTask {
    /// Whether something is wrong with it (`stopCode`, AWS API model): not because a person or the scheduler
    /// wanted it gone, or its capacity was removed. A failed health check is the scheduler's too, and
    /// recognised by its reason only.
    fn has_failed(&self) -> bool {
        match self.code {
            StopCode::EssentialContainerExited | StopCode::TaskFailedToStart => true,
            StopCode::ServiceSchedulerInitiated => self.reason.contains("health check"),
            StopCode::UserInitiated
            | StopCode::SpotInterruption
            | StopCode::TerminationNotice
            | StopCode::Unknown(_) => false,
        }
    }
}

impl StoppedTasks {
    /// Those of some stopped tasks that failed at `since` or later, in seconds since 1970, or ever.
    pub fn of(tasks: impl IntoIterator<Item = StoppedTask>, since: Option<u64>) -> Self {
        let counts = |task: &StoppedTask| {
            let late_enough = since.is_none_or(|since| task.at.is_some_and(|at| at >= since));
            late_enough && task.has_failed()
        };
        let failed: Vec<_> = tasks.into_iter().filter(counts).collect();
        Self {
            failed: u32::try_from(failed.len()).unwrap_or(u32::MAX),
            newest: failed
                .into_iter()
                .max_by_key(|task| task.at)
                .map(|task| task.reason),
        }
    }

    /// The same as a clause: how many failed, and why the newest one did; `None` where none did.
    pub(crate) fn in_words(&self) -> Option<String> {
        let newest = self.newest.as_ref()?.trim_end_matches('.');
        Some(match self.failed {
            1 => format!("1 of its tasks failed: {newest}"),
            failed => format!("{failed} of its tasks failed, the last one: {newest}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(code: &str, reason: &str, at: Option<u64>) -> StoppedTask {
        StoppedTask {
            code: code.into(),
            reason: reason.into(),
            at,
        }
    }

    #[test]
    fn tasks_stopped_by_a_person_the_scheduler_or_spot_have_not_failed() {
        let failed = |code: &str, reason: &str| {
            StoppedTasks::of([stopped(code, reason, None)], None).failed == 1
        };
        assert!(failed(
            "EssentialContainerExited",
            "Essential container in task exited"
        ));
        assert!(failed("TaskFailedToStart", "CannotPullContainerError"));
        let sick = "Task failed ELB health checks in (target-group green)";
        assert!(failed("ServiceSchedulerInitiated", sick));
        let scaled_in = "Scaling activity initiated by (deployment ecs-svc/1)";
        assert!(!failed("ServiceSchedulerInitiated", scaled_in));
        for code in [
            "UserInitiated",
            "SpotInterruption",
            "TerminationNotice",
            "New",
        ] {
            assert!(!failed(code, "gone"), "{code}");
        }
    }

    #[test]
    fn failed_tasks_since_the_swap_count_and_the_newest_is_quoted() {
        let exited = |at| stopped("EssentialContainerExited", &format!("at {at:?}"), at);
        let tasks = [
            exited(Some(9)),
            exited(Some(12)),
            exited(Some(10)),
            exited(None),
        ];
        let since = StoppedTasks::of(tasks.clone(), Some(10));
        assert_eq!(since.failed, 2);
        assert_eq!(since.newest.as_deref(), Some("at Some(12)"));
        assert_eq!(StoppedTasks::of(tasks, None).failed, 4);
        assert_eq!(StoppedTasks::of([], None).in_words(), None);
    }
}
