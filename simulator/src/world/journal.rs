//! Every API call that was made, by whom, and how it ended.

use serde::{Deserialize, Serialize};

use super::World;

/// How many calls are kept when nobody takes them out; the oldest go first.
const KEPT_CALLS: usize = 100_000;

/// One API call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Milliseconds since the world's start.
    pub at_ms: u64,
    /// Who called, as given to the connector; `client` on the port.
    pub caller: String,
    /// The operation as IAM names it: `ecs:CreateTaskSet`, `elasticloadbalancing:ModifyListener`.
    pub operation: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It did what was asked.
    Ok,
    /// It was refused, with this code.
    Error(String),
}

impl World {
    /// Takes out the calls made since the last time, oldest first.
    pub fn take_calls(&mut self) -> Vec<Call> {
        self.calls.drain(..).collect()
    }

    /// The calls made since they were last taken out, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter()
    }

    /// Whether anything but the journal and the time is different: whether a call has written.
    pub(crate) fn differs_from(&self, before: &Self) -> bool {
        let mut same = before.clone();
        same.calls.clone_from(&self.calls);
        same.answered = self.answered;
        same.now_ms = self.now_ms;
        same.random_state = self.random_state;
        same != *self
    }

    pub(crate) fn journal(&mut self, caller: &str, operation: String, outcome: Outcome) {
        if self.calls.len() == KEPT_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(Call {
            at_ms: self.now(),
            caller: caller.to_owned(),
            operation,
            outcome,
        });
    }

    pub(crate) fn next_request_id(&mut self) -> String {
        self.answered += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.answered)
    }
}
