//! Every API call that was made, by whom, and how it ended.

use serde::{Deserialize, Serialize};

use super::World;

/// How many calls are kept when they are not taken out; the oldest go first.
const KEPT_CALLS: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Milliseconds since the world's start.
    pub at_ms: u64,
    /// Who called, as given to the connector; `client` on the port.
    pub caller: String,
    /// The operation as IAM names it: `ecs:CreateTaskSet`, `elasticloadbalancing:ModifyListener`.
    pub operation: String,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Ok,
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

    /// A copy without the journal and without the events that were not taken out: both grow.
    #[must_use]
    pub fn without_log(&mut self) -> Self {
        self.without_its_log(Self::clone)
    }

    fn without_its_log<T>(&mut self, look: impl FnOnce(&Self) -> T) -> T {
        let calls = std::mem::take(&mut self.calls);
        let events = std::mem::take(&mut self.events);
        let seen = look(self);
        (self.calls, self.events) = (calls, events);
        seen
    }

    /// Whether anything but its log is different from a copy that was made without it just before a
    /// call: whether the call has written.
    pub fn differs_from(&mut self, before: &mut Self) -> bool {
        before.answered = self.answered;
        before.random_state = self.random_state;
        self.without_its_log(|world| *world != *before)
    }

    /// Takes another world's last call into this one's journal.
    pub(crate) fn journal_as_in(&mut self, other: &Self) {
        if let Some(call) = other.calls.back() {
            self.journal(&call.caller, call.operation.clone(), call.outcome.clone());
        }
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
