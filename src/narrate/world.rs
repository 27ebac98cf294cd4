//! What the simulated world did, for people.

use ebbtide_controller::arn::short;
use ebbtide_simulator::world::{EventKind, WorldEvent};

/// Milliseconds within which the same thing happening to several tasks is one line.
const TOGETHER_MS: u64 = 60_000;

/// How much is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What changes a deployment; tasks and targets by their number.
    Usual,
    /// Single tasks, targets and instances by name, and each step that ECS takes.
    Every,
}

/// How to tell an event.
#[derive(PartialEq)]
enum Telling {
    /// What happens to several tasks or targets within a minute is one line.
    Together {
        /// `task`, `target` or `instance`.
        thing: &'static str,
        /// The task set, target group or registry.
        of: String,
        one: &'static str,
        many: &'static str,
    },
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
pub(crate) fn sentences(events: &[WorldEvent], detail: Detail) -> Vec<(u64, String)> {
    let mut lines: Vec<Line> = Vec::new();
    for WorldEvent { at_ms, kind } in events {
        let telling = telling(kind, detail);
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
    let lines = lines.into_iter();
    lines.map(|line| (line.at_ms, line.text(detail))).collect()
}

impl Line {
    fn text(self, detail: Detail) -> String {
        match self.telling {
            Telling::Together {
                thing, of, many, ..
            } if self.count > 1 => format!("{} {thing}s of {of} {many}.", self.count),
            Telling::Together { thing, of, one, .. } if detail == Detail::Usual => {
                format!("1 {thing} of {of} {one}.")
            }
            _ => self.one,
        }
    }
}

fn telling(kind: &EventKind, detail: Detail) -> Telling {
    let every = detail == Detail::Every;
    let (thing, of, one, many) = match kind {
        EventKind::TaskStarted { task_set, .. } => ("task", task_set, "runs", "run"),
        EventKind::TaskCrashed { task_set, .. } => ("task", task_set, "crashed", "crashed"),
        EventKind::TaskStopped { task_set, .. } => ("task", task_set, "stopped", "stopped"),
        EventKind::TargetHealthy { target_group, .. } => {
            ("target", target_group, "is healthy", "are healthy")
        }
        EventKind::TargetUnhealthy { target_group, .. } => {
            ("target", target_group, "is unhealthy", "are unhealthy")
        }
        EventKind::InstanceHealthChanged {
            registry, health, ..
        } if every => match health.as_str() {
            "HEALTHY" => ("instance", registry, "is healthy", "are healthy"),
            _ => ("instance", registry, "is unhealthy", "are unhealthy"),
        },
        EventKind::SigtermSent { task_set, .. } if every => {
            ("task", task_set, "was sent SIGTERM", "were sent SIGTERM")
        }
        EventKind::TargetDraining { target_group, .. } if every => {
            ("target", target_group, "drains", "drain")
        }
        EventKind::ScaleSet { .. } | EventKind::TaskSetDraining { .. } if every => {
            return Telling::Alone;
        }
        EventKind::ServiceUpdated { .. }
        | EventKind::ServiceDeleted { .. }
        | EventKind::TaskSetCreated { .. }
        | EventKind::PrimaryChanged { .. }
        | EventKind::TaskSetDeleted { .. }
        | EventKind::ListenerCreated { .. }
        | EventKind::ListenerChanged { .. }
        | EventKind::ListenerDeleted { .. }
        | EventKind::RuleChanged { .. }
        | EventKind::RuleCreated { .. }
        | EventKind::RuleDeleted { .. }
        | EventKind::ScaleInSuspended { .. }
        | EventKind::PolicyScaled { .. }
        | EventKind::AlarmChanged { .. } => return Telling::Alone,
        EventKind::ServiceCreated { .. }
        | EventKind::ServiceInactive { .. }
        | EventKind::ScaleSet { .. }
        | EventKind::TaskSetDraining { .. }
        | EventKind::TaskSetSteady { .. }
        | EventKind::TaskSetStabilizing { .. }
        | EventKind::TaskCreated { .. }
        | EventKind::TaskStopping { .. }
        | EventKind::SigtermSent { .. }
        | EventKind::TargetRegistered { .. }
        | EventKind::TargetHealthChecking { .. }
        | EventKind::TargetDraining { .. }
        | EventKind::TargetUnused { .. }
        | EventKind::TargetDeregistered { .. }
        | EventKind::InstanceRegistered { .. }
        | EventKind::InstanceHealthChanged { .. }
        | EventKind::InstanceDeregistered { .. }
        | EventKind::TagsChanged { .. }
        | EventKind::EventPut { .. } => return Telling::Never,
    };
    Telling::Together {
        thing,
        of: short(of).to_owned(),
        one,
        many,
    }
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
        let told = |one: &str, detail| {
            let wanted = [
                (2, one.replace("of a", "of b")),
                (3, "2 tasks of a run.".to_owned()),
                (90_000, one.to_owned()),
            ];
            assert_eq!(sentences(&events, detail), wanted);
        };
        told("1 task of a runs.", Detail::Usual);
        told("Task 1 of a is running.", Detail::Every);
    }
}
