//! The state between two steps, and what an execution ends with, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::flows::{self, QuestionWire};
use super::{Event, Failure, Step, not_from_the_state_machine};
use crate::arn::Arn;
use crate::budget::Control;
use crate::deployment::{Alarm, Answer, Course, Deployment, Progress, Status};
use crate::flows::Flows;
use crate::lock::{Held, Lock};
use crate::quote::{quote, sentence};
use crate::refusal::Refusal;
use crate::request::Request;

/// The state between two steps. Ids only, so it stays far below the 256 KiB of a payload.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateWire {
    status: String,
    reason: String,
    wait: u32,
    request: Value,
    original_target_group: String,
    replacement_target_group: String,
    original: Option<String>,
    replacement: Option<String>,
    tasks: u32,
    desired: u32,
    waited: u32,
    looks: u32,
    step: u32,
    held: u32,
    #[serde(default)]
    soon: u32,
    #[serde(default)]
    pause: u32,
    renewals: u32,
    course: String,
    lock: LockWire,
    /// Kept while a failure is rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureWire>,
    /// What a Catch has put there.
    #[serde(skip_serializing)]
    error: Option<CaughtWire>,
    /// What `DescribeAlarms` answered; every turn reads it anew.
    #[serde(skip_serializing)]
    alarms: Option<AlarmsWire>,
    /// How a drain by a budget goes on.
    #[serde(default, with = "ControlWire", skip_serializing_if = "has_not_begun")]
    control: Control,
    /// What CloudWatch is asked before the next step.
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    flows: Option<QuestionWire>,
    /// What `GetMetricData` answered; every turn reads it anew.
    #[serde(skip_serializing)]
    seen: Option<Value>,
}

/// How a drain by a budget goes on, field by field as [`Control`] has it.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Control", rename_all = "camelCase")]
struct ControlWire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<u32>,
    factor: f64,
    #[serde(default = "whole_pace")]
    before: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ordinary: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connections_per_task: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    judged: Option<u64>,
    changed: u64,
}

fn whole_pace() -> f64 {
    Control::default().before
}

/// A drain that has not begun carries none.
fn has_not_begun(control: &Control) -> bool {
    *control == Control::default()
}

/// The lock: its key, and what the last conditional write answered. DynamoDB writes numbers as
/// text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LockWire {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed_at: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct FailureWire {
    error: String,
    cause: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CaughtWire {
    #[serde(default)]
    error: String,
    #[serde(default)]
    cause: String,
}

/// The alarms' names and their states, in the same order.
#[derive(Deserialize)]
struct AlarmsWire {
    names: Vec<String>,
    states: Vec<String>,
}

impl LockWire {
    fn of(lock: &Lock) -> Self {
        let held = lock.held.as_ref();
        Self {
            id: lock.id.clone(),
            owner: held.map(|held| held.owner.clone()),
            fence: held.map(|held| held.fence.to_string()),
            renewed_at: held.map(|held| held.renewed_at.clone()),
        }
    }

    /// A lock without all of its parts is one that is not held.
    fn read(self) -> Lock {
        let fence = self.fence.and_then(|fence| fence.parse().ok());
        let held = match (self.owner, fence, self.renewed_at) {
            (Some(owner), Some(fence), Some(renewed_at)) => Some(Held {
                owner,
                fence,
                renewed_at,
            }),
            _ => None,
        };
        Lock { id: self.id, held }
    }
}

impl Event {
    /// The deployment that the step before answered with.
    pub fn deployment(&self) -> Result<Deployment, Refusal> {
        let unreadable = |what: &dyn std::fmt::Display| {
            not_from_the_state_machine(&format!(
                "The event's state is not what the step before answered: {what}."
            ))
        };
        let wire = StateWire::deserialize(&self.state).map_err(|error| unreadable(&error))?;
        self.names_its_own(&wire)?;
        let course = Course::parse(&wire.course)
            .ok_or_else(|| unreadable(&format!("unknown course {:?}", wire.course)))?;
        // The first failure is the one to report: what goes wrong while it is rolled back is the
        // state machine's own to tell.
        let caught = wire.error.filter(|_| self.step == Step::Rollback);
        let just_failed = wire.failure.is_none() && caught.is_some();
        let failure = match (wire.failure, caught) {
            (Some(kept), _) => Some(Failure {
                error: quote(&kept.error),
                cause: sentence(&kept.cause),
            }),
            (None, Some(caught)) => Some(Failure::of(&caught.error, &caught.cause)),
            (None, None) => None,
        };
        let alarms = wire.alarms.map_or_else(Vec::new, |read| {
            let pairs = read.names.into_iter().zip(read.states);
            pairs.map(|(name, state)| Alarm { name, state }).collect()
        });
        Ok(Deployment {
            id: self.id.clone(),
            request: Request::parse(&wire.request, self.id.home())?,
            original_target_group: wire.original_target_group,
            replacement_target_group: wire.replacement_target_group,
            original: wire.original,
            replacement: wire.replacement,
            tasks: wire.tasks,
            desired: wire.desired,
            // The seconds of the phase that failed are not those of its rollback.
            progress: if just_failed {
                Progress::default()
            } else {
                Progress {
                    waited: wire.waited,
                    looks: wire.looks,
                    step: wire.step,
                    held: wire.held,
                    soon: wire.soon,
                    pause: wire.pause,
                    renewals: wire.renewals,
                }
            },
            lock: wire.lock.read(),
            course,
            failure,
            alarms,
            control: if just_failed {
                wire.control.anew()
            } else {
                wire.control
            },
            flows: wire.seen.as_ref().map_or_else(Flows::default, flows::read),
            now: 0,
        })
    }

    /// What a state names is of this account and region, as everything of a request is, and its two
    /// target groups are two.
    fn names_its_own(&self, wire: &StateWire) -> Result<(), Refusal> {
        for group in [&wire.original_target_group, &wire.replacement_target_group] {
            let of_home = Arn::parse(group).is_some_and(|arn| {
                arn.service == "elasticloadbalancing"
                    && arn.home() == *self.id.home()
                    && arn.resource.starts_with("targetgroup/")
            });
            if !of_home {
                return Err(not_from_the_state_machine(&format!(
                    "The event's state names {} as a target group of {}.",
                    quote(group),
                    self.id.home()
                )));
            }
        }
        if wire.original_target_group == wire.replacement_target_group {
            return Err(not_from_the_state_machine(
                "The event's state names one target group as both.",
            ));
        }
        Ok(())
    }
}

impl Answer {
    /// The answer as the state machine's next state.
    pub fn to_json(&self) -> Value {
        let deployment = &self.deployment;
        let wire = StateWire {
            status: self.status.as_str().to_owned(),
            reason: sentence(&self.reason),
            wait: self.wait,
            request: deployment.request.to_json(),
            original_target_group: deployment.original_target_group.clone(),
            replacement_target_group: deployment.replacement_target_group.clone(),
            original: deployment.original.clone(),
            replacement: deployment.replacement.clone(),
            tasks: deployment.tasks,
            desired: deployment.desired,
            waited: deployment.progress.waited,
            looks: deployment.progress.looks,
            step: deployment.progress.step,
            held: deployment.progress.held,
            soon: deployment.progress.soon,
            pause: deployment.progress.pause,
            renewals: deployment.progress.renewals,
            course: deployment.course.as_str().to_owned(),
            lock: LockWire::of(&deployment.lock),
            failure: deployment.failure.as_ref().map(|failure| FailureWire {
                error: failure.error.clone(),
                cause: failure.cause.clone(),
            }),
            error: None,
            alarms: None,
            control: deployment.control.clone(),
            flows: QuestionWire::of(deployment, self.wait),
            seen: None,
        };
        json!(wire)
    }
}

/// The output of a deployment that reached its end, after `seconds`.
pub fn report(answer: &Answer, seconds: u64) -> Value {
    let deployment = &answer.deployment;
    let request = &deployment.request;
    json!({
        "status": answer.status.as_str(),
        "reason": sentence(&answer.reason),
        "cluster": request.cluster,
        "service": request.service,
        "taskDefinition": request.task_definition,
        "taskSet": deployment.replacement,
        "targetGroup": deployment.replacement_target_group,
        "previousTaskSet": deployment.original,
        "drainedTasks": deployment.tasks,
        "steps": deployment.progress.step,
        "seconds": seconds,
        "comment": request.comment,
        "lock": LockWire::of(&deployment.lock),
    })
}

/// The last answer of a rollback: what the execution fails with, and the lock to release.
///
/// `lock` is `None` for a failure before there was a deployment.
pub fn failed(failure: &Failure, outcome: &str, lock: Option<&Lock>) -> Value {
    let mut cause = failure.cause.clone();
    if !outcome.is_empty() {
        // What to do may end in a command.
        if !cause.ends_with(['.', '!', '?']) {
            cause.push('.');
        }
        cause.push(' ');
        cause.push_str(&sentence(outcome));
    }
    let mut state = Map::new();
    state.insert("status".to_owned(), json!(Status::Failed.as_str()));
    state.insert("reason".to_owned(), json!(cause));
    state.insert(
        "failure".to_owned(),
        json!({"error": failure.error, "cause": cause}),
    );
    if let Some(lock) = lock {
        state.insert("lock".to_owned(), json!(LockWire::of(lock)));
    }
    Value::Object(state)
}
