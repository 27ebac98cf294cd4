//! Where an execution that failed or was stopped goes on.

use std::time::Duration;

use serde_json::Value;

use super::history::{EventKind, HistoryEvent};

/// Where a redriven execution goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Redrive {
    /// The state that failed, or was stopped.
    pub state: String,
    /// What that state was entered with.
    pub input: Value,
    /// The time from the execution's start to the redrive.
    pub at: Duration,
    /// The events in the history so far; they count against the quota.
    pub events: u64,
    /// The redrives of the execution, with this one.
    pub count: u32,
}

impl Redrive {
    /// The redrive of an execution with this history, `at` that time after its start.
    ///
    /// `None` for a history in which no state was entered.
    pub fn of(history: &[HistoryEvent], at: Duration) -> Option<Self> {
        let events = history.last()?.id;
        let last_state = history.iter().rev().find_map(|event| match &event.kind {
            EventKind::StateEntered { name, input, .. } => Some((name, input)),
            _ => None,
        });
        let redrives = history.iter().rev().find_map(|event| match event.kind {
            EventKind::ExecutionRedriven { redrive_count } => Some(redrive_count),
            _ => None,
        });
        let (state, input) = last_state?;
        let count = redrives.unwrap_or(0) + 1;
        Some(Self {
            state: state.clone(),
            input: input.clone(),
            at,
            events,
            count,
        })
    }
}
