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
    /// The time from the execution's start to when that state was entered first. `$$.State.EnteredTime`
    /// stays so: Step Functions schedules the state's task again and does not say that it enters the
    /// state again (Docs), so the harsher answer is simulated, a time that may be hours old.
    pub entered_at: Duration,
    /// The time from the execution's start to the redrive.
    pub at: Duration,
    /// The events in the history so far; they count against the quota.
    pub events: u64,
    /// `$$.Execution.RedriveCount`: 1 for the first redrive.
    pub count: u32,
}

impl Redrive {
    /// The redrive of an execution with this history, `at` that time after its start.
    ///
    /// `None` for a history in which no state was entered.
    pub fn of(history: &[HistoryEvent], at: Duration) -> Option<Self> {
        let events = history.last()?.id;
        let mut last_state = None;
        let mut after_redrive = false;
        for event in history {
            if let EventKind::StateEntered { name, input, .. } = &event.kind {
                // The state after a redrive is the one before it.
                let entered_at = match last_state {
                    Some((_, _, first)) if after_redrive => first,
                    _ => event.at,
                };
                last_state = Some((name, input, entered_at));
            }
            after_redrive = matches!(event.kind, EventKind::ExecutionRedriven { .. });
        }
        let redrives = history.iter().rev().find_map(|event| match event.kind {
            EventKind::ExecutionRedriven { redrive_count } => Some(redrive_count),
            _ => None,
        });
        let (state, input, entered_at) = last_state?;
        let count = redrives.unwrap_or(0) + 1;
        Some(Self {
            state: state.clone(),
            input: input.clone(),
            entered_at,
            at,
            events,
            count,
        })
    }
}
