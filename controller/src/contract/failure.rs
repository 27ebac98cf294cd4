//! Why a deployment failed, in the form in which Step Functions writes a caught error.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Event;
use crate::phase::{Phase, To};
use crate::quote::{quote, sentence};
use crate::refusal::Refusal;

/// Why a deployment failed: an error name and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Ours, or Step Functions' own (`States.Timeout`, `Lambda.Unknown`, …).
    pub error: String,
    /// For people.
    pub cause: String,
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        Self {
            error: refusal.error.as_str().to_owned(),
            cause: refusal.to_string(),
        }
    }
}

/// A failure as Step Functions hands a caught error to the next state.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FailureWire {
    #[serde(default)]
    error: String,
    #[serde(default)]
    cause: String,
}

impl FailureWire {
    pub(super) fn of(failure: &Failure) -> Self {
        Self {
            error: failure.error.clone(),
            cause: failure.cause.clone(),
        }
    }

    /// A function's cause is JSON with an `errorMessage`, Step Functions' own is plain text.
    pub(super) fn read(&self) -> Failure {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct FunctionError {
            error_message: String,
        }
        let error = quote(&self.error);
        let cause = match serde_json::from_str::<FunctionError>(&self.cause) {
            Ok(function_error) => function_error.error_message,
            Err(_) if self.cause.is_empty() => format!("Step Functions reported {error}."),
            Err(_) => self.cause.clone(),
        };
        Failure {
            error: if error.is_empty() {
                "UnexpectedAnswer".to_owned()
            } else {
                error
            },
            cause: sentence(&cause),
        }
    }
}

impl Failure {
    /// The same failure, and what went wrong while it was rolled back.
    #[must_use]
    pub fn then(mut self, cause: &str) -> Self {
        self.cause = sentence(&format!("{} Then: {cause}", self.cause));
        self
    }
}

impl Event {
    /// The failure that a Rollback begins with, where the state holds one: what a Catch has put there,
    /// or an answer that led to no state of the definition.
    pub fn failure(&self) -> Failure {
        self.failure_in_state().unwrap_or_else(|| {
            let next = self.state.get("next").and_then(Value::as_str);
            Failure {
                error: "UnexpectedAnswer".to_owned(),
                cause: format!(
                    "A function answered with {} as the next state, which the state machine does not have at this place. Install both from the same version of Ebbtide.",
                    quote(next.unwrap_or("nothing"))
                ),
            }
        })
    }

    /// A state that has become too large has its failure in the place of the hook, whose reply may be of any size.
    fn failure_in_state(&self) -> Option<Failure> {
        let too_large = self
            .state
            .get("hook")
            .filter(|hook| hook["Error"].is_string());
        let wire = too_large.or_else(|| self.state.get("failure"))?;
        let wire = FailureWire::deserialize(wire).ok()?;
        Some(wire.read())
    }

    /// What the hook has answered that was called last. A function that failed with that answer has not judged it, and
    /// one of a state that has become too large is in its place.
    pub(super) fn reply_of_hook(&self) -> Option<&Value> {
        let hook = self.state.get("hook")?;
        if !self.is_after_a_hook() && !self.is_caught() {
            return None;
        }
        let called = self.state.get("next").and_then(Value::as_str) == Some("Hook");
        let too_large = (called && hook["Error"].is_string()).then_some(hook);
        too_large.or_else(|| hook.get("reply"))
    }

    /// Whether the state machine has called a hook for this phase.
    pub(super) fn is_after_a_hook(&self) -> bool {
        let then = self.state.get("hook").and_then(|hook| hook.get("then"));
        then.and_then(Value::as_str) == Some(self.phase.task().as_str())
    }

    /// Whether this Rollback was reached through a Catch or an unknown next state, and not through an answer
    /// that names it.
    pub(super) fn is_caught(&self) -> bool {
        let next = self.state.get("next").and_then(Value::as_str);
        let led_here = matches!(
            next.and_then(To::parse),
            Some(To::Rollback | To::WaitForOriginal)
        );
        self.phase == Phase::Rollback && !led_here && !self.is_after_a_hook()
    }
}
