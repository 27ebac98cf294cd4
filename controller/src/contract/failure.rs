//! Why a deployment failed, in a sentence for people.

use serde::Deserialize;
use serde_json::Value;

use super::Event;
use crate::quote::{quote, sentence};

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
    pub(super) fn of(error: &str, cause: &str) -> Self {
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

impl Event {
    /// The failure to explain: what a Catch or a Pass has put under `error`, or what a failed
    /// preflight has left as the whole state. Where the lock was read, it says who holds it.
    pub fn failure(&self) -> Failure {
        let error = self.state.get("error").unwrap_or(&self.state);
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let failure = Failure::of(text("Error"), text("Cause"));
        let of_the_lock = matches!(failure.error.as_str(), "ConcurrentDeployment" | "LockLost");
        if !of_the_lock || self.state.get("holder").is_none() {
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
