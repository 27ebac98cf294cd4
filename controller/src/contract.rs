//! The JSON between the state machine and the functions.
//!
//! The state machine computes nothing: each function gets the whole state and answers with the
//! whole state, in which `status` is what a Choice goes by and `wait` what a Wait waits.

mod failure;
mod findings;
mod flows;
mod state;

pub use failure::Failure;
pub use findings::{finding, passed, plan};
pub use state::{failed, report};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::identity::DeploymentId;
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
