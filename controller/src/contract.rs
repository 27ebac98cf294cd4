//! The JSON between the state machine and the functions.
//!
//! The state machine computes nothing: each function gets the whole state and answers with the
//! whole state, in which `status` is what a Choice goes by and `wait` what a Wait waits.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::arn::Arn;
use crate::deployment::{Alarm, Answer, Course, Deployment, Progress, Status};
use crate::drain::Schedule;
use crate::identity::DeploymentId;
use crate::lock::{Held, Lock};
use crate::quote::{quote, sentence};
use crate::refusal::{ErrorName, Refusal};
use crate::request::Request;

/// The name a function is called by for each of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Check the request against the world; write nothing.
    Preflight,
    /// Finish a swap that an earlier deployment left half done.
    FinishSwap,
    /// Drain and delete what an earlier deployment left over.
    Leftovers,
    /// Adopt or create the replacement.
    Create,
    /// Is the replacement steady and healthy?
    Ready,
    /// Move the production listener.
    Swap,
    /// One step of the drain.
    ScaleDown,
    /// Delete the drained original.
    Cleanup,
    /// Undo what can be undone after a failure, or bring the original back for it.
    Rollback,
    /// Move the production listener back to the original.
    SwapBack,
    /// Put a failure into a sentence; look at nothing and write nothing.
    Explain,
}

impl Step {
    /// Every step, in the order of a deployment.
    pub const ALL: [Self; 11] = [
        Self::Preflight,
        Self::FinishSwap,
        Self::Leftovers,
        Self::Create,
        Self::Ready,
        Self::Swap,
        Self::ScaleDown,
        Self::Cleanup,
        Self::Rollback,
        Self::SwapBack,
        Self::Explain,
    ];

    /// Whether the step may write: only under the lock.
    pub fn writes(self) -> bool {
        match self {
            Self::Preflight | Self::Ready | Self::Explain => false,
            Self::FinishSwap
            | Self::Leftovers
            | Self::Create
            | Self::Swap
            | Self::ScaleDown
            | Self::Cleanup
            | Self::Rollback
            | Self::SwapBack => true,
        }
    }

    /// The value of `step` in an event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::FinishSwap => "finish-swap",
            Self::Leftovers => "leftovers",
            Self::Create => "create",
            Self::Ready => "ready",
            Self::Swap => "swap",
            Self::ScaleDown => "scale-down",
            Self::Cleanup => "cleanup",
            Self::Rollback => "rollback",
            Self::SwapBack => "swap-back",
            Self::Explain => "explain",
        }
    }
}

/// What a function is invoked with.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What to do.
    pub step: Step,
    /// For which deployment.
    pub id: DeploymentId,
    /// When the execution started, as Step Functions writes it (RFC 3339).
    pub started_at: String,
    /// The execution's input (preflight), or the state that the step before answered with.
    pub state: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EventWire {
    step: Step,
    execution: String,
    started_at: String,
    state: Value,
}

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
    /// Parses what a function was invoked with; refuses anything else with `InvalidInput`.
    pub fn parse(event: Value) -> Result<Self, Refusal> {
        let wire: EventWire = serde_json::from_value(event).map_err(|error| {
            not_from_the_state_machine(&format!(
                "The event of this function is not one of the state machine's: {error}."
            ))
        })?;
        let id = DeploymentId::of_execution(&wire.execution, &wire.started_at).ok_or_else(|| {
            not_from_the_state_machine(
                "The event's execution and startedAt are not the ARN and the start of an execution.",
            )
        })?;
        Ok(Self {
            step: wire.step,
            id,
            started_at: wire.started_at,
            state: wire.state,
        })
    }

    /// The request of a preflight: the execution's input.
    pub fn request(&self) -> Result<Request, Refusal> {
        Request::parse(&self.state, self.id.home())
    }

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
                    renewals: wire.renewals,
                }
            },
            lock: wire.lock.read(),
            course,
            failure,
            alarms,
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

    /// The failure to explain: what a Catch or a Pass has put under `error`, or what a failed
    /// preflight has left as the whole state. Where the lock was read, it says who holds it.
    pub fn failure(&self) -> Failure {
        let error = self.state.get("error").unwrap_or(&self.state);
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let failure = Failure::of(text("Error"), text("Cause"));
        if self.state.get("holder").is_none() {
            return failure;
        }
        let held = |name: &str| {
            let attribute = self.state.pointer(&format!("/holder/Item/{name}/S"));
            attribute.and_then(Value::as_str).unwrap_or_default()
        };
        let service = held("id");
        let cause = match (failure.error.as_str(), held("owner")) {
            ("LockLost", "") => format!(
                "Another execution has deployed service {service} since this one stopped; nothing more was written. Start a new execution."
            ),
            ("LockLost", owner) => format!(
                "Service {service} is being deployed by {owner} since this one stopped ({}); nothing more was written. Wait until that one has ended, then start a new execution.",
                held("doing")
            ),
            (_, "") => format!(
                "Another execution was deploying service {service} a moment ago; nothing was changed. Start a new execution."
            ),
            (_, owner) => format!(
                "Service {service} is being deployed by {owner} ({}, at {}); nothing was changed. Wait until that one has ended, or stop it (aws stepfunctions stop-execution --execution-arn {owner}), then start a new execution.",
                held("doing"),
                held("lastActivity")
            ),
        };
        Failure {
            cause: sentence(&cause),
            ..failure
        }
    }
}

fn not_from_the_state_machine(seen: &str) -> Refusal {
    Refusal::new(
        ErrorName::InvalidInput,
        seen,
        "Start an execution of the state machine instead of invoking this function.",
    )
}

/// Why a deployment failed: an error name and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Ours, or Step Functions' own (`States.Timeout`, `Lambda.Unknown`, …).
    pub error: String,
    /// For people.
    pub cause: String,
}

impl Failure {
    /// Reads what a Catch was given: a function's cause is JSON with an `errorMessage`, Step
    /// Functions' own is plain text.
    fn of(error: &str, cause: &str) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct FunctionError {
            error_message: String,
        }
        let error = quote(error);
        let cause = match serde_json::from_str::<FunctionError>(cause) {
            Ok(function_error) => function_error.error_message,
            Err(_) if cause.is_empty() => format!("Step Functions reported {error}."),
            Err(_) => cause.to_owned(),
        };
        Self {
            error: if error.is_empty() {
                "UnexpectedAnswer".to_owned()
            } else {
                error
            },
            cause: sentence(&cause),
        }
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
            renewals: deployment.progress.renewals,
            course: deployment.course.as_str().to_owned(),
            lock: LockWire::of(&deployment.lock),
            failure: deployment.failure.as_ref().map(|failure| FailureWire {
                error: failure.error.clone(),
                cause: failure.cause.clone(),
            }),
            error: None,
            alarms: None,
        };
        json!(wire)
    }
}

/// The output of a deployment that reached its end, after `seconds`.
pub fn report(answer: &Answer, seconds: u64) -> Value {
    let deployment = &answer.deployment;
    let request = &deployment.request;
    let steps = Schedule::new(deployment.tasks, request.scale_down_decrement).steps();
    json!({
        "status": answer.status.as_str(),
        "reason": sentence(&answer.reason),
        "wait": answer.wait,
        "cluster": request.cluster,
        "service": request.service,
        "taskDefinition": request.task_definition,
        "taskSet": deployment.replacement,
        "targetGroup": deployment.replacement_target_group,
        "previousTaskSet": deployment.original,
        "steps": steps,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::World;

    const EXECUTION: &str = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:run-1";

    fn event(step: &str, state: &Value) -> Value {
        json!({"step": step, "execution": EXECUTION, "startedAt": "2026-01-01T00:00:00Z", "state": state})
    }

    #[test]
    fn a_deployment_survives_the_way_through_the_state_machine() {
        let deployment = World::swapped().deployment();
        let answer = Answer {
            status: Status::Draining,
            reason: "because".into(),
            wait: 60,
            deployment: deployment.clone(),
        };
        let parsed = Event::parse(event("scale-down", &answer.to_json())).unwrap();
        assert_eq!(parsed.deployment().unwrap(), deployment);
    }

    fn state_of(world: &World) -> Value {
        let answer = Answer {
            status: Status::Draining,
            reason: "because".into(),
            wait: 60,
            deployment: world.deployment(),
        };
        answer.to_json()
    }

    #[test]
    fn a_renewal_and_what_cloudwatch_said_are_read_from_the_state() {
        let mut state = state_of(&World::swapped());
        state["lock"] = json!({"id": "main/web", "owner": EXECUTION, "fence": "12", "renewedAt": "2026-01-01T00:00:00Z"});
        state["alarms"] = json!({"names": ["errors", "lag"], "states": ["OK", "ALARM"]});
        let deployment = Event::parse(event("scale-down", &state))
            .unwrap()
            .deployment()
            .unwrap();
        assert!(deployment.lock.allows(EXECUTION, Some(0)));
        assert_eq!(deployment.lock.held.unwrap().fence, 12);
        assert_eq!(deployment.alarms[1].name, "lag");
        assert_eq!(deployment.alarms[1].state, "ALARM");
        for part in ["owner", "fence", "renewedAt"] {
            let mut partial = state.clone();
            partial["lock"].as_object_mut().unwrap().remove(part);
            let parsed = Event::parse(event("scale-down", &partial)).unwrap();
            assert_eq!(parsed.deployment().unwrap().lock.held, None, "{part}");
        }
    }

    #[test]
    fn a_caught_failure_begins_a_rollback_and_is_kept_through_it() {
        let mut world = World::swapped();
        world.progress.waited = 600;
        let mut state = state_of(&world);
        state["error"] = json!({"Error": "DrainTimeout", "Cause": "too long"});
        let read = |state: &Value| {
            let parsed = Event::parse(event("rollback", state)).unwrap();
            parsed.deployment().unwrap()
        };
        let first = read(&state);
        assert_eq!(first.failure.as_ref().unwrap().error, "DrainTimeout");
        assert_eq!(first.progress, Progress::default());
        world.failure.clone_from(&first.failure);
        let mut state = state_of(&world);
        state["error"] = json!({"Error": "Transient", "Cause": "again"});
        let later = read(&state);
        assert_eq!(later.failure, first.failure);
        assert_eq!(later.progress.waited, 600);
    }

    #[test]
    fn a_live_owner_is_named_with_what_it_is_doing() {
        let state = json!({
            "error": {"Error": "ConcurrentDeployment", "Cause": "Another one."},
            "holder": {"Item": {"id": {"S": "main/web"}, "owner": {"S": "arn:other"},
                "doing": {"S": "2 of 4 tasks left"}, "lastActivity": {"S": "2026-01-01T00:00:00Z"}}},
        });
        let cause = Event::parse(event("explain", &state))
            .unwrap()
            .failure()
            .cause;
        for part in [
            "main/web",
            "arn:other",
            "2 of 4 tasks left",
            "nothing was changed",
        ] {
            assert!(cause.contains(part), "{cause}");
        }
        let free = json!({"error": {"Error": "LockLost", "Cause": "Gone."}, "holder": {"Item": {"id": {"S": "main/web"}}}});
        let cause = Event::parse(event("explain", &free))
            .unwrap()
            .failure()
            .cause;
        assert!(cause.contains("nothing more was written"), "{cause}");
    }

    #[test]
    fn an_event_that_is_not_the_state_machines_is_refused() {
        for wrong in [
            json!({"cluster": "main"}),
            json!(null),
            event("dance", &json!({})),
            json!({"step": "swap", "execution": "run-1", "startedAt": "", "state": {}}),
        ] {
            let refusal = Event::parse(wrong.clone()).unwrap_err();
            assert_eq!(refusal.error, ErrorName::InvalidInput, "{wrong}");
        }
        let parsed = Event::parse(event("swap", &json!({"cluster": "main"}))).unwrap();
        assert_eq!(
            parsed.deployment().unwrap_err().error,
            ErrorName::InvalidInput
        );
    }

    #[test]
    fn a_state_that_names_a_target_group_of_another_account_is_refused() {
        let answer = Answer {
            status: Status::Draining,
            reason: String::new(),
            wait: 60,
            deployment: World::swapped().deployment(),
        };
        for foreign in [
            "arn:aws:elasticloadbalancing:us-east-1:111111111111:targetgroup/blue/0123456789abcdef",
            "arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/lb/1",
            "blue",
        ] {
            let mut state = answer.to_json();
            state["originalTargetGroup"] = json!(foreign);
            let event = Event::parse(event("scale-down", &state)).unwrap();
            let refusal = event.deployment().unwrap_err();
            assert_eq!(refusal.error, ErrorName::InvalidInput);
            assert!(refusal.seen.contains(foreign), "{refusal}");
        }
    }

    #[test]
    fn a_state_that_names_one_target_group_twice_is_refused() {
        let mut state = state_of(&World::swapped());
        state["originalTargetGroup"] = state["replacementTargetGroup"].clone();
        let event = Event::parse(event("swap", &state)).unwrap();
        let refusal = event.deployment().unwrap_err();
        assert_eq!(refusal.error, ErrorName::InvalidInput);
    }

    #[test]
    fn a_functions_error_is_reported_by_its_sentence() {
        let cause = r#"{"errorType":"Drift","errorMessage":"It is gone.\u0007"}"#;
        let caught = json!({"request": {}, "error": {"Error": "Drift", "Cause": cause}});
        let failure = Event::parse(event("rollback", &caught)).unwrap().failure();
        assert_eq!(failure.error, "Drift");
        assert_eq!(failure.cause, r"It is gone.\u{7}");
    }

    #[test]
    fn an_error_of_step_functions_is_reported_in_its_own_words() {
        let caught = json!({"Error": "States.Timeout", "Cause": ""});
        let parsed = Event::parse(event("explain", &caught)).unwrap();
        assert_eq!(
            parsed.failure().cause,
            "Step Functions reported States.Timeout."
        );
    }

    #[test]
    fn steps_are_named_once() {
        for step in Step::ALL {
            assert_eq!(json!(step), json!(step.as_str()));
        }
    }
}
