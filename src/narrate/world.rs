//! What the simulated world did, for people.

use ebbtide_controller::arn::short;
use ebbtide_simulator::world::{EventKind, WorldEvent};

/// Milliseconds within which the same thing happening to several tasks is one line.
const TOGETHER_MS: u64 = 60_000;

/// How to tell an event.
#[derive(PartialEq)]
enum Telling {
    /// In these words, when it happens to several tasks or targets.
    Together(String),
    /// By itself.
    Alone,
    /// Not at all: intermediate steps, and what the functions' own lines say already.
    Never,
}

struct Line {
    at_ms: u64,
    telling: Telling,
    one: String,
    count: u32,
}

/// What happened, in sentences, with its time in milliseconds; the same thing happening to several tasks
/// or targets within a minute is one line.
pub(crate) fn sentences(events: &[WorldEvent]) -> Vec<(u64, String)> {
    let mut lines: Vec<Line> = Vec::new();
    for WorldEvent { at_ms, kind } in events {
        let telling = telling(kind);
        if telling == Telling::Never {
            continue;
        }
        let same = |line: &&mut Line| {
            telling != Telling::Alone
                && line.telling == telling
                && *at_ms < line.at_ms + TOGETHER_MS
        };
        if let Some(line) = lines.iter_mut().find(same) {
            line.at_ms = *at_ms;
            line.count += 1;
        } else {
            lines.push(Line {
                at_ms: *at_ms,
                telling,
                one: kind.to_string(),
                count: 1,
            });
        }
    }
    lines.sort_by_key(|line| line.at_ms);
    let told = lines.into_iter().map(|line| match line.telling {
        Telling::Together(many) if line.count > 1 => {
            (line.at_ms, format!("{} {many}.", line.count))
        }
        _ => (line.at_ms, line.one),
    });
    told.collect()
}

fn telling(kind: &EventKind) -> Telling {
    let (things, of, did) = match kind {
        EventKind::TaskStarted { task_set, .. } => ("tasks", task_set, "run"),
        EventKind::TaskCrashed { task_set, .. } => ("tasks", task_set, "crashed"),
        EventKind::SigtermSent { task_set, .. } => ("tasks", task_set, "were sent SIGTERM"),
        EventKind::TaskStopped { task_set, .. } => ("tasks", task_set, "stopped"),
        EventKind::TargetHealthy { target_group, .. } => ("targets", target_group, "are healthy"),
        EventKind::TargetUnhealthy { target_group, .. } => {
            ("targets", target_group, "are unhealthy")
        }
        EventKind::TargetDraining { target_group, .. } => ("targets", target_group, "drain"),
        EventKind::ServiceUpdated { .. }
        | EventKind::ServiceDeleted { .. }
        | EventKind::TaskSetCreated { .. }
        | EventKind::ScaleSet { .. }
        | EventKind::PrimaryChanged { .. }
        | EventKind::TaskSetDraining { .. }
        | EventKind::TaskSetDeleted { .. }
        | EventKind::ListenerCreated { .. }
        | EventKind::ListenerChanged { .. }
        | EventKind::ListenerDeleted { .. }
        | EventKind::RuleChanged { .. }
        | EventKind::RuleDeleted { .. }
        | EventKind::AlarmChanged { .. } => return Telling::Alone,
        EventKind::ServiceCreated { .. }
        | EventKind::ServiceInactive { .. }
        | EventKind::TaskSetSteady { .. }
        | EventKind::TaskSetStabilizing { .. }
        | EventKind::TaskCreated { .. }
        | EventKind::TaskStopping { .. }
        | EventKind::TargetRegistered { .. }
        | EventKind::TargetHealthChecking { .. }
        | EventKind::TargetUnused { .. }
        | EventKind::TargetDeregistered { .. }
        | EventKind::TagsChanged { .. }
        | EventKind::EventPut { .. } => return Telling::Never,
    };
    Telling::Together(format!("{things} of {} {did}", short(of)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(at_ms: u64, task_set: &str) -> WorldEvent {
        WorldEvent {
            at_ms,
            kind: EventKind::TaskStarted {
                task: "arn:aws:ecs:us-east-1:555555555555:task/main/1".into(),
                task_set: task_set.into(),
            },
        }
    }

    #[test]
    fn what_happens_to_several_tasks_is_one_line() {
        let events = [
            started(1, "a"),
            started(2, "b"),
            started(3, "a"),
            started(90_000, "a"),
        ];
        assert_eq!(
            sentences(&events),
            [
                (2, "Task 1 of b is running.".to_owned()),
                (3, "2 tasks of a run.".to_owned()),
                (90_000, "Task 1 of a is running.".to_owned()),
            ]
        );
    }
}
