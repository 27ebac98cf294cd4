//! The JSON between the state machine and the functions.
//!
//! The state machine computes nothing: each function gets the whole state and answers with the
//! whole state, in which a Choice reads `next` and a Wait reads `wait`.

mod failure;
mod findings;
mod plan;
mod state;

pub use failure::Failure;
pub use findings::{finding, passed, plan};
pub use state::{failed, report};

use serde::Deserialize;
use serde_json::Value;

use crate::clock;
use crate::identity::DeploymentId;
use crate::phase::Phase;
use crate::refusal::{ErrorName, Refusal};
use crate::request::Request;

/// What a function is invoked with.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What to do.
    pub phase: Phase,
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
    phase: Phase,
    execution: String,
    started_at: String,
    state: Value,
}

impl Event {
    /// Parses what a function was invoked with; refuses anything else with `InvalidInput`.
    pub fn parse(event: Value) -> Result<Self, Refusal> {
        let wire: EventWire = serde_json::from_value(event).map_err(|error| {
            not_from_the_state_machine(&format!(
                "The function was invoked with an event that is not from the state machine: {error}."
            ))
        })?;
        let id = DeploymentId::of_execution(&wire.execution, &wire.started_at).ok_or_else(|| {
            not_from_the_state_machine(
                "execution and startedAt of the event are not the ARN and the start of an execution.",
            )
        })?;
        Ok(Self {
            phase: wire.phase,
            id,
            started_at: wire.started_at,
            state: wire.state,
        })
    }

    /// When the execution started, in milliseconds since 1970.
    pub fn started(&self) -> u64 {
        clock::millis(&self.started_at).unwrap_or_default()
    }

    /// The request of a preflight: the execution's input.
    pub fn request(&self) -> Result<Request, Refusal> {
        Request::parse(&self.state, self.id.home())
    }
}

fn not_from_the_state_machine(seen: &str) -> Refusal {
    Refusal::new(
        ErrorName::InvalidInput,
        seen,
        "Start an execution of the state machine instead of invoking this function.",
    )
}

#[cfg(test)]
mod tests;
