//! The JSON between the state machine and the functions.
//!
//! The state machine computes nothing: each function gets the whole state and answers with the
//! whole state, in which `status` is what a Choice goes by and `wait` what a Wait waits.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::arn::Arn;
use crate::deployment::{Answer, Deployment, Progress, Status};
use crate::drain::Schedule;
use crate::identity::DeploymentId;
use crate::quote::{quote, sentence};
use crate::refusal::{ErrorName, Refusal};
use crate::request::Request;

/// The name a function is called by for each of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Check the request against the world; write nothing.
    Preflight,
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
    /// Undo what can be undone after a failure.
    Rollback,
}

impl Step {
    /// Every step, in the order of a deployment.
    pub const ALL: [Self; 7] = [
        Self::Preflight,
        Self::Create,
        Self::Ready,
        Self::Swap,
        Self::ScaleDown,
        Self::Cleanup,
        Self::Rollback,
    ];

    /// The value of `step` in an event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Create => "create",
            Self::Ready => "ready",
            Self::Swap => "swap",
            Self::ScaleDown => "scale-down",
            Self::Cleanup => "cleanup",
            Self::Rollback => "rollback",
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
        let wire = StateWire::deserialize(&self.state).map_err(|error| {
            not_from_the_state_machine(&format!(
                "The event's state is not what the step before answered: {error}."
            ))
        })?;
        self.names_its_own(&wire)?;
        Ok(Deployment {
            id: self.id.clone(),
            request: Request::parse(&wire.request, self.id.home())?,
            original_target_group: wire.original_target_group,
            replacement_target_group: wire.replacement_target_group,
            original: wire.original,
            replacement: wire.replacement,
            tasks: wire.tasks,
            desired: wire.desired,
            progress: Progress {
                waited: wire.waited,
                looks: wire.looks,
                step: wire.step,
            },
        })
    }

    /// What a state names is of this account and region, as everything of a request is.
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
        Ok(())
    }

    /// The failure that a rollback was called for.
    pub fn failure(&self) -> Failure {
        // A Catch puts it under `error`; where the input was no object, it is the whole state.
        let error = self.state.get("error").unwrap_or(&self.state);
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        Failure::of(text("Error"), text("Cause"))
    }

    /// Whether the failure came before there was a deployment to roll back.
    pub fn failed_in_preflight(&self) -> bool {
        self.state.get("request").is_none()
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
    })
}

/// The answer of a rollback: what the execution fails with.
pub fn failed(failure: &Failure, outcome: &str) -> Value {
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
        assert!(!parsed.failed_in_preflight());
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
        let parsed = Event::parse(event("rollback", &caught)).unwrap();
        assert!(parsed.failed_in_preflight());
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
