//! Why ECS places no task: what the newest event of the service says.

use crate::id::TaskSetId;

/// An event of a service, in ECS's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvent {
    /// When, in seconds since 1970; `None` where ECS does not say.
    pub at: Option<i64>,
    /// What happened, cut to a length that fits a sentence.
    pub message: String,
}

impl ServiceEvent {
    /// Whether it says why tasks are not placed or not started (AWS documentation of service event
    /// messages).
    fn is_about_placement(&self) -> bool {
        let told = [
            "unable to place a task",
            "unable to consistently start tasks",
            "unable to stop or start tasks",
            "operations are being throttled",
        ];
        told.iter().any(|words| self.message.contains(words))
    }
}

/// The newest of some events that says why tasks of a task set are not placed: one that names it, or none and
/// came after its creation.
pub(super) fn newest(
    events: &[ServiceEvent],
    task_set: &TaskSetId,
    created: Option<i64>,
) -> Option<String> {
    let of_set = |event: &&ServiceEvent| {
        let named = event.message.contains(task_set.as_str());
        let of_another = event.message.contains("taskSet ") && !named;
        let early = created.zip(event.at).is_some_and(|(set, at)| at < set);
        event.is_about_placement() && !of_another && !early
    };
    // They are listed newest first: of several in one second the first.
    let newest = events.iter().rev().filter(of_set);
    let newest = newest.max_by_key(|event| event.at)?;
    Some(newest.message.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, message: &str) -> ServiceEvent {
        ServiceEvent {
            at: Some(at),
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_newest_event_about_the_placement_of_the_task_set_counts() {
        let set = TaskSetId::from("ecs-svc/2");
        let told = |events: &[ServiceEvent]| newest(events, &set, Some(100));
        let unable = "(service web, taskSet ecs-svc/2) was unable to place a task. Reason: ";
        let capacity = event(
            110,
            &format!("{unable}Capacity is unavailable at this time."),
        );
        let limit = event(130, &format!("{unable}You have reached the limit."));
        let steady = event(
            150,
            "(service web, taskSet ecs-svc/1) has reached a steady state.",
        );
        assert_eq!(
            told(&[steady.clone(), limit.clone(), capacity.clone()]).as_deref(),
            Some(&*format!("{unable}You have reached the limit"))
        );
        assert!(told(&[capacity]).is_some());
        assert_eq!(told(&[steady]), None);
        // Another task set's, and one from before this one was created.
        let other = "(service web, taskSet ecs-svc/1) was unable to place a task.";
        assert_eq!(told(&[event(120, other)]), None);
        let whole = "(service web) was unable to place a task.";
        assert_eq!(told(&[event(99, whole)]), None);
        assert!(told(&[event(100, whole)]).is_some());
    }
}
