//! A deployment as it happens: one line an event.

use ebbtide_simulator::asl::{EventKind as HistoryKind, HistoryEvent};
use ebbtide_simulator::world::{EventKind, Phase, World, WorldEvent};
use serde::Serialize;
use serde_json::Value;

/// One line: when, where in the state machine, what, and what the world counts at the end of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    /// Simulated seconds since the execution started.
    pub(crate) at: f64,
    /// The state, or nothing for what the world did by itself.
    pub(crate) state: String,
    /// What the controller decided and why, or what happened.
    pub(crate) what: String,
    /// Tasks and targets after a step; nothing for what happens between two steps.
    pub(crate) counts: Option<Counts>,
}

/// Tasks that run and targets that are healthy, by target group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Running tasks of the task set that served at the start.
    pub(crate) original_tasks: usize,
    /// Its healthy targets.
    pub(crate) original_healthy: usize,
    /// Running tasks of the other one.
    pub(crate) replacement_tasks: usize,
    /// Its healthy targets.
    pub(crate) replacement_healthy: usize,
}

impl Line {
    /// The line as text; `width` columns are for the state's name.
    pub(crate) fn text(&self, width: usize) -> String {
        let counts = self.counts.map_or_else(String::new, |counts| {
            format!(
                "{:>3}+{:<3} {:>3}+{:<3}",
                counts.original_tasks,
                counts.replacement_tasks,
                counts.original_healthy,
                counts.replacement_healthy
            )
        });
        let mut text = format!(
            "{}  {:<width$}  {counts:<15}  {}",
            clock(self.at),
            self.state,
            self.what
        );
        text.truncate(text.trim_end().len());
        text
    }
}

/// The head of the table that lines make.
pub(crate) fn head(width: usize) -> String {
    format!(
        "{:<8}  {:<width$}  {:>7} {:>7}  {}",
        "time",
        "state",
        "tasks",
        "healthy",
        "what (tasks and healthy targets: original+replacement)"
    )
}

/// Seconds as `h:mm:ss`.
pub(crate) fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "simulated seconds are few and not negative"
    )]
    let seconds = seconds as u64;
    format!(
        "{:>2}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Counts the tasks and targets of the task sets on the group that served at the start, and of the
/// others.
pub(crate) fn counts(world: &World, cluster: &str, service: &str, original_group: &str) -> Counts {
    let mut counts = Counts::default();
    for group in world.target_groups() {
        let targets = group.targets.values();
        let healthy = targets
            .filter(|target| target.phase == Phase::Healthy)
            .count();
        if group.arn == original_group {
            counts.original_healthy += healthy;
        } else {
            counts.replacement_healthy += healthy;
        }
    }
    for set in world.task_sets_of(cluster, service) {
        let tasks = world.tasks_of(&set.id);
        let running = tasks
            .iter()
            .filter(|task| task.last_status.counts_as_running())
            .count();
        let attached = set
            .load_balancers
            .iter()
            .any(|lb| lb.target_group_arn == original_group);
        if attached {
            counts.original_tasks += running;
        } else {
            counts.replacement_tasks += running;
        }
    }
    counts
}

/// What the state machine did, where people would want to know.
pub(crate) fn of_history(event: &HistoryEvent) -> Option<(String, String)> {
    match &event.kind {
        HistoryKind::StateExited { name, output, .. } => {
            let reason = output.pointer("/reason/text").and_then(Value::as_str)?;
            // Choices and Waits pass on what the function before them said.
            matches!(event.kind.name().as_str(), "TaskStateExited")
                .then(|| (name.clone(), reason.to_owned()))
        }
        HistoryKind::TaskFailed { error, cause, .. } => {
            Some((String::new(), format!("{error}: {}", sentence(cause))))
        }
        HistoryKind::TaskTimedOut { error, .. } => Some((
            String::new(),
            format!("{error}: the function did not answer in time"),
        )),
        HistoryKind::ExecutionStarted { .. }
        | HistoryKind::ExecutionRedriven { .. }
        | HistoryKind::StateEntered { .. }
        | HistoryKind::TaskScheduled { .. }
        | HistoryKind::TaskStarted { .. }
        | HistoryKind::TaskSucceeded { .. }
        | HistoryKind::ExecutionSucceeded { .. }
        | HistoryKind::ExecutionFailed { .. }
        | HistoryKind::ExecutionAborted {}
        | HistoryKind::ExecutionTimedOut { .. } => None,
    }
}

/// The sentence in a function's error, or the cause as it is.
fn sentence(cause: &str) -> String {
    serde_json::from_str::<Value>(cause)
        .ok()
        .and_then(|cause| Some(cause.get("errorMessage")?.as_str()?.to_owned()))
        .unwrap_or_else(|| cause.to_owned())
}

/// What happened in the world, in sentences, with its time in milliseconds; the same thing
/// happening to several tasks or targets within a minute is one line.
pub(crate) fn of_world(events: &[WorldEvent]) -> Vec<(u64, String)> {
    struct Told {
        at_ms: u64,
        one: String,
        many: Option<String>,
        count: u32,
    }
    let mut lines: Vec<Told> = Vec::new();
    for event in events {
        let many = match telling(&event.kind) {
            Telling::Together(many) => Some(many),
            Telling::Alone => None,
            Telling::Never => continue,
        };
        let before = lines.iter_mut().find(|line| {
            many.is_some() && line.many == many && event.at_ms < line.at_ms + TOGETHER_MS
        });
        match before {
            Some(line) => {
                line.at_ms = event.at_ms;
                line.count += 1;
            }
            None => lines.push(Told {
                at_ms: event.at_ms,
                one: event.kind.to_string(),
                many,
                count: 1,
            }),
        }
    }
    lines.sort_by_key(|line| line.at_ms);
    lines
        .into_iter()
        .map(|line| match line.many {
            Some(many) if line.count > 1 => (line.at_ms, format!("{} {many}.", line.count)),
            _ => (line.at_ms, line.one),
        })
        .collect()
}

/// Milliseconds within which the same thing happening to several tasks is told once.
const TOGETHER_MS: u64 = 60_000;

/// How an event is told.
#[derive(Debug, PartialEq)]
enum Telling {
    /// In these words, when it happens to several tasks or targets.
    Together(String),
    /// By itself.
    Alone,
    /// Not at all: intermediate steps, and what the functions' own lines say already.
    Never,
}

fn telling(kind: &EventKind) -> Telling {
    let group = |arn: &str| arn.split('/').nth(1).unwrap_or(arn).to_owned();
    match kind {
        EventKind::TaskStarted { task_set, .. } => {
            Telling::Together(format!("tasks of {task_set} run"))
        }
        EventKind::TaskCrashed { task_set, .. } => {
            Telling::Together(format!("tasks of {task_set} crashed"))
        }
        EventKind::SigtermSent { task_set, .. } => {
            Telling::Together(format!("tasks of {task_set} were sent SIGTERM"))
        }
        EventKind::TaskStopped { task_set, .. } => {
            Telling::Together(format!("tasks of {task_set} stopped"))
        }
        EventKind::TargetHealthy { target_group, .. } => {
            Telling::Together(format!("targets of {} are healthy", group(target_group)))
        }
        EventKind::TargetUnhealthy { target_group, .. } => {
            Telling::Together(format!("targets of {} are unhealthy", group(target_group)))
        }
        EventKind::TargetDraining { target_group, .. } => {
            Telling::Together(format!("targets of {} drain", group(target_group)))
        }
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
        | EventKind::AlarmChanged { .. } => Telling::Alone,
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
        | EventKind::EventPut { .. } => Telling::Never,
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
        assert_eq!(
            of_world(&events),
            [
                (2, "Task 1 of b is running.".to_owned()),
                (3, "2 tasks of a run.".to_owned()),
                (90_000, "Task 1 of a is running.".to_owned()),
            ]
        );
    }

    #[test]
    fn simulated_time_is_hours_minutes_seconds() {
        assert_eq!(clock(3_725.9), " 1:02:05");
    }
}
