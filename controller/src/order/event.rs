//! What the parent state machine invokes a function with.

use serde::Deserialize;
use serde_json::Value;

use crate::arn::Arn;
use crate::clock;
use crate::id::ExecutionArn;
use crate::identity::DeploymentId;
use crate::refusal::{ErrorName, Refusal};

/// What the function is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Decide what comes next.
    Order,
    /// Roll the siblings of a service back whose deployment has failed.
    Siblings,
}

/// What a function is invoked with by the parent state machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What to do.
    pub kind: Kind,
    /// The parent's execution.
    pub id: DeploymentId,
    /// The ARN of the state machine that deploys one service.
    pub machine: String,
    /// When it started, as Step Functions writes it (RFC 3339).
    pub started_at: String,
    /// Its input.
    pub input: Value,
    /// The input once more in the first turn; then the answer of the turn before, and for `siblings` the item of the Map.
    pub state: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    order: Kind,
    execution: String,
    started_at: String,
    machine: String,
    input: Value,
    state: Value,
}

impl Event {
    /// Parses an event of the parent state machine; `None` for any other, which a deployment of one service may be.
    ///
    /// Refuses one that is incomplete with `InvalidInput`.
    pub fn parse(event: &Value) -> Option<Result<Self, Refusal>> {
        event.get("order")?;
        let refused = |seen: String| {
            Refusal::new(
                ErrorName::InvalidInput,
                seen,
                "Start an execution of the state machine instead of invoking this function.",
            )
        };
        let wire = match Wire::deserialize(event) {
            Ok(wire) => wire,
            Err(error) => {
                return Some(Err(refused(format!(
                    "The function was invoked with an event that is not from the state machine: {error}."
                ))));
            }
        };
        let id = DeploymentId::of_execution(&wire.execution, &wire.started_at);
        let machine = Arn::parse(&wire.machine);
        let machine = machine.filter(|arn| {
            let home = id.as_ref().map(DeploymentId::home);
            arn.service == "states" && home == Some(&arn.home())
        });
        let (Some(id), Some(_)) = (id, machine) else {
            return Some(Err(refused(
                "execution, startedAt and machine of the event are not the ARN and the start of an execution, and the ARN of a state machine."
                    .to_owned(),
            )));
        };
        Some(Ok(Self {
            kind: wire.order,
            id,
            machine: wire.machine,
            started_at: wire.started_at,
            input: wire.input,
            state: wire.state,
        }))
    }

    /// The ARN of the execution of that name that deploys one service.
    pub fn execution(&self, name: &str) -> ExecutionArn {
        let mut parts: Vec<_> = self.machine.split(':').collect();
        // What follows the machine's name is an alias or a version.
        parts.truncate(7);
        let machine = parts.join(":").replacen(":stateMachine:", ":execution:", 1);
        ExecutionArn::from(format!("{machine}:{name}"))
    }

    /// When the execution started, in milliseconds since 1970.
    pub fn started(&self) -> u64 {
        clock::millis(&self.started_at).unwrap_or_default()
    }

    /// Whether nothing was answered yet.
    pub fn is_first(&self) -> bool {
        self.state == self.input
    }
}
