//! What happened in the world, by itself or by a call: one sentence each.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::name::short_name;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorldEvent {
    /// Milliseconds since the world's start.
    pub at_ms: u64,
    /// What happened.
    pub kind: EventKind,
}

/// Everything that is recorded. Identifiers are AWS's: ARNs, task set ids, `ip:port` of targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "event")]
#[expect(
    missing_docs,
    reason = "the Display sentence below says what each field is"
)]
pub enum EventKind {
    ServiceCreated {
        service: String,
    },
    ServiceUpdated {
        service: String,
        desired_count: u32,
    },
    ServiceDeleted {
        service: String,
    },
    ServiceInactive {
        service: String,
    },
    TaskSetCreated {
        task_set: String,
        task_definition: String,
        scale: f64,
        wanted: u32,
    },
    ScaleSet {
        task_set: String,
        scale: f64,
        wanted: u32,
    },
    PrimaryChanged {
        task_set: String,
    },
    TaskSetDraining {
        task_set: String,
        force: bool,
    },
    TaskSetDeleted {
        task_set: String,
    },
    TaskSetSteady {
        task_set: String,
        running: u32,
    },
    TaskSetStabilizing {
        task_set: String,
    },
    TaskCreated {
        task: String,
        task_set: String,
    },
    TaskStarted {
        task: String,
        task_set: String,
    },
    TaskStopping {
        task: String,
        task_set: String,
        reason: String,
    },
    SigtermSent {
        task: String,
        task_set: String,
    },
    TaskCrashed {
        task: String,
        task_set: String,
    },
    TaskStopped {
        task: String,
        task_set: String,
        reason: String,
    },
    TargetRegistered {
        target_group: String,
        target: String,
    },
    TargetHealthChecking {
        target_group: String,
        target: String,
    },
    TargetHealthy {
        target_group: String,
        target: String,
    },
    TargetUnhealthy {
        target_group: String,
        target: String,
    },
    TargetUnused {
        target_group: String,
        target: String,
    },
    TargetDraining {
        target_group: String,
        target: String,
    },
    TargetDeregistered {
        target_group: String,
        target: String,
    },
    ListenerCreated {
        listener: String,
        port: u16,
        forward: String,
    },
    ListenerChanged {
        listener: String,
        port: u16,
        forward: String,
    },
    ListenerDeleted {
        listener: String,
        port: u16,
    },
    RuleChanged {
        rule: String,
        forward: String,
    },
    RuleDeleted {
        rule: String,
    },
    TagsChanged {
        arn: String,
    },
    AlarmChanged {
        alarm: String,
        state: String,
    },
    EventPut {
        source: String,
        detail_type: String,
        detail: Value,
    },
}

impl fmt::Display for EventKind {
    #[expect(clippy::too_many_lines, reason = "one sentence for each kind of event")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, group) = (short_name, group_name);
        match self {
            Self::ServiceCreated { service } => write!(f, "Service {service} was created."),
            Self::ServiceUpdated {
                service,
                desired_count: count,
            } => {
                write!(
                    f,
                    "Service {service} was updated; its desired count is {count}."
                )
            }
            Self::ServiceDeleted { service } => {
                write!(f, "Service {service} was deleted and drains.")
            }
            Self::ServiceInactive { service } => write!(f, "Service {service} is inactive."),
            Self::TaskSetCreated {
                task_set,
                task_definition,
                scale,
                wanted,
            } => {
                let (of, wanted) = (name(task_definition), tasks(*wanted));
                write!(
                    f,
                    "Task set {task_set} of {of} was created at {scale} %: {wanted} wanted."
                )
            }
            Self::ScaleSet {
                task_set,
                scale,
                wanted,
            } => {
                write!(
                    f,
                    "Task set {task_set} was set to {scale} %: {} wanted.",
                    tasks(*wanted)
                )
            }
            Self::PrimaryChanged { task_set } => {
                write!(f, "Task set {task_set} became the primary.")
            }
            Self::TaskSetDraining { task_set, force } => {
                let how = if *force { " by force" } else { "" };
                write!(f, "Task set {task_set} was deleted{how} and drains.")
            }
            Self::TaskSetDeleted { task_set } => write!(f, "Task set {task_set} is gone."),
            Self::TaskSetSteady { task_set, running } => {
                write!(f, "Task set {task_set} is steady with {}.", tasks(*running))
            }
            Self::TaskSetStabilizing { task_set } => {
                write!(f, "Task set {task_set} is stabilizing.")
            }
            Self::TaskCreated { task, task_set } => {
                write!(f, "Task {} of {task_set} was created.", name(task))
            }
            Self::TaskStarted { task, task_set } => {
                write!(f, "Task {} of {task_set} is running.", name(task))
            }
            Self::TaskStopping {
                task,
                task_set,
                reason,
            } => {
                write!(
                    f,
                    "Task {} of {task_set} is being taken away: {reason}",
                    name(task)
                )
            }
            Self::SigtermSent { task, task_set } => {
                write!(f, "Task {} of {task_set} was sent SIGTERM.", name(task))
            }
            Self::TaskCrashed { task, task_set } => {
                write!(f, "Task {} of {task_set} crashed.", name(task))
            }
            Self::TaskStopped {
                task,
                task_set,
                reason,
            } => {
                write!(f, "Task {} of {task_set} stopped: {reason}", name(task))
            }
            Self::TargetRegistered {
                target_group,
                target,
            } => {
                write!(
                    f,
                    "Target {target} was registered with {}.",
                    group(target_group)
                )
            }
            Self::TargetHealthChecking {
                target_group,
                target,
            } => {
                write!(
                    f,
                    "Target {target} of {} is being health-checked.",
                    group(target_group)
                )
            }
            Self::TargetHealthy {
                target_group,
                target,
            } => {
                write!(f, "Target {target} of {} is healthy.", group(target_group))
            }
            Self::TargetUnhealthy {
                target_group,
                target,
            } => {
                write!(
                    f,
                    "Target {target} of {} is unhealthy.",
                    group(target_group)
                )
            }
            Self::TargetUnused {
                target_group,
                target,
            } => {
                let group = group(target_group);
                write!(
                    f,
                    "Target {target} of {group} is unused: no listener forwards to the group."
                )
            }
            Self::TargetDraining {
                target_group,
                target,
            } => {
                write!(f, "Target {target} of {} is draining.", group(target_group))
            }
            Self::TargetDeregistered {
                target_group,
                target,
            } => {
                write!(
                    f,
                    "Target {target} was deregistered from {}.",
                    group(target_group)
                )
            }
            Self::ListenerCreated { port, forward, .. } => {
                write!(f, "Listener :{port} was created; it sends {forward}.")
            }
            Self::ListenerChanged { port, forward, .. } => {
                write!(f, "Listener :{port} was changed; it sends {forward}.")
            }
            Self::ListenerDeleted { port, .. } => write!(f, "Listener :{port} was deleted."),
            Self::RuleChanged { rule, forward } => {
                write!(f, "Rule {} was changed; it sends {forward}.", name(rule))
            }
            Self::RuleDeleted { rule } => write!(f, "Rule {} was deleted.", name(rule)),
            Self::AlarmChanged { alarm, state } => write!(f, "Alarm {alarm} is {state}."),
            Self::EventPut {
                source,
                detail_type,
                detail,
            } => {
                write!(f, "EventBridge got '{detail_type}' from {source}: {detail}")
            }
            Self::TagsChanged { arn } => {
                let resource = arn.splitn(6, ':').nth(5).unwrap_or(arn);
                write!(f, "Tags of {resource} were changed.")
            }
        }
    }
}

fn tasks(count: u32) -> String {
    if count == 1 {
        "1 task".to_owned()
    } else {
        format!("{count} tasks")
    }
}

/// `targetgroup/NAME/HEX` → `NAME`.
pub(crate) fn group_name(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}
