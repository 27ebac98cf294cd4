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
    pub kind: EventKind,
}

/// Declares the kinds of events, each with its sentence.
macro_rules! kinds {
    ($($kind:ident { $($field:ident: $type:ty),+ } $sentence:literal $(, $part:expr)*;)+) => {
        /// Everything that is recorded. Identifiers are AWS's: ARNs, task set ids, `ip:port` of targets.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", tag = "event")]
        pub enum EventKind {
            $($kind { $($field: $type),+ },)+
        }

        impl fmt::Display for EventKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$kind { $($field),+ } => {
                        // Some fields are in no sentence.
                        $(let _ = $field;)+
                        write!(f, $sentence $(, $part)*)
                    })+
                }
            }
        }
    };
}

kinds! {
    ServiceCreated { service: String }
        "Service {service} was created.";
    ServiceUpdated { service: String, desired_count: u32 }
        "Service {service} was updated; its desired count is {desired_count}.";
    ServiceDeleted { service: String }
        "Service {service} is being deleted.";
    ServiceInactive { service: String }
        "Service {service} is inactive.";
    TaskSetCreated { task_set: String, task_definition: String, scale: f64, wanted: u32 }
        "Task set {task_set} of {} was created at {scale} %: {} wanted.",
        short_name(task_definition), tasks(*wanted);
    ScaleSet { task_set: String, scale: f64, wanted: u32 }
        "Task set {task_set} was set to {scale} %: {} wanted.", tasks(*wanted);
    PrimaryChanged { task_set: String }
        "Task set {task_set} became the primary.";
    TaskSetDraining { task_set: String, force: bool }
        "Task set {task_set} is being deleted{}.", if *force { " by force" } else { "" };
    TaskSetDeleted { task_set: String }
        "Task set {task_set} is gone.";
    TaskSetSteady { task_set: String, running: u32 }
        "Task set {task_set} is steady with {}.", tasks(*running);
    TaskSetStabilizing { task_set: String }
        "Task set {task_set} is stabilizing.";
    TaskCreated { task: String, task_set: String }
        "Task {} of {task_set} was created.", short_name(task);
    TaskStarted { task: String, task_set: String }
        "Task {} of {task_set} is running.", short_name(task);
    TaskStopping { task: String, task_set: String, reason: String }
        "Task {} of {task_set} is being removed: {reason}", short_name(task);
    SigtermSent { task: String, task_set: String }
        "Task {} of {task_set} was sent SIGTERM.", short_name(task);
    TaskCrashed { task: String, task_set: String }
        "Task {} of {task_set} crashed.", short_name(task);
    TaskStopped { task: String, task_set: String, reason: String }
        "Task {} of {task_set} stopped: {reason}", short_name(task);
    TargetRegistered { target_group: String, target: String }
        "Target {target} was registered with {}.", group_name(target_group);
    TargetHealthChecking { target_group: String, target: String }
        "Target {target} of {} is being health-checked.", group_name(target_group);
    TargetHealthy { target_group: String, target: String }
        "Target {target} of {} is healthy.", group_name(target_group);
    TargetUnhealthy { target_group: String, target: String }
        "Target {target} of {} is unhealthy.", group_name(target_group);
    TargetUnused { target_group: String, target: String }
        "Target {target} of {} is unused: no listener forwards to the group.",
        group_name(target_group);
    TargetDraining { target_group: String, target: String }
        "Target {target} of {} is draining.", group_name(target_group);
    TargetDeregistered { target_group: String, target: String }
        "Target {target} was deregistered from {}.", group_name(target_group);
    InstanceRegistered { registry: String, instance: String, health: String }
        "Instance {instance} was registered in {registry} as {health}.";
    InstanceHealthChanged { registry: String, instance: String, health: String }
        "Instance {instance} of {registry} is {health}.";
    InstanceDeregistered { registry: String, instance: String }
        "Instance {instance} was deregistered from {registry}.";
    ListenerCreated { listener: String, port: u16, forward: String }
        "Listener :{port} was created; it sends {forward}.";
    ListenerChanged { listener: String, port: u16, forward: String }
        "Listener :{port} was changed; it sends {forward}.";
    ListenerDeleted { listener: String, port: u16 }
        "Listener :{port} was deleted.";
    RuleCreated { port: u16, number: u32, forward: String }
        "Rule {number} of listener :{port} was created; it sends {forward}.";
    RuleChanged { port: u16, number: u32, forward: String }
        "Rule {number} of listener :{port} was changed; it sends {forward}.";
    RuleDeleted { port: u16, number: u32 }
        "Rule {number} of listener :{port} was deleted.";
    TagsChanged { arn: String }
        "Tags of {} were changed.", arn.splitn(6, ':').nth(5).unwrap_or(arn);
    ScaleInSuspended { resource: String, suspended: bool }
        "Scale-in of {resource} was {}.", if *suspended { "suspended" } else { "resumed" };
    PolicyScaled { service: String, cpu: f64, target: f64 }
        "Target tracking scales service {service}: average CPU {cpu:.0} %, target {target:.0} %.";
    AlarmChanged { alarm: String, state: String }
        "Alarm {alarm} is {state}.";
    EventPut { source: String, detail_type: String, detail: Value }
        "EventBridge got '{detail_type}' from {source}: {detail}";
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
