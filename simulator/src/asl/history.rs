//! The history of an execution, as `GetExecutionHistory` shows it.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::step::Halt;

#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEvent {
    pub at: Duration,
    /// Counts from 1, as in Step Functions: the last event's id is the number of events.
    pub id: u64,
    pub kind: EventKind,
}

/// What happened. The names and the fields are those of Step Functions' `HistoryEvent`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum EventKind {
    ExecutionStarted {
        input: Value,
        role_arn: String,
    },
    /// The first event after a redrive.
    ExecutionRedriven {
        redrive_count: u32,
    },
    /// `TaskStateEntered`, `WaitStateEntered`, …
    StateEntered {
        #[serde(skip)]
        state: &'static str,
        name: String,
        input: Value,
    },
    /// An attempt at a task: the first, or a retry.
    TaskScheduled {
        resource_type: &'static str,
        resource: &'static str,
        parameters: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_in_seconds: Option<u64>,
    },
    TaskStarted {
        resource_type: &'static str,
        resource: &'static str,
    },
    /// A service has taken the task on, and says later how it ends.
    TaskSubmitted {
        resource_type: &'static str,
        resource: &'static str,
        output: Value,
    },
    TaskSucceeded {
        resource_type: &'static str,
        resource: &'static str,
        /// The answer, before `OutputPath`.
        output: Value,
    },
    /// The attempt ended with an error. What follows is a retry, a catch, or the end.
    TaskFailed {
        resource_type: &'static str,
        resource: &'static str,
        error: String,
        cause: String,
    },
    /// The attempt took longer than `TimeoutSeconds`.
    TaskTimedOut {
        resource_type: &'static str,
        resource: &'static str,
        error: String,
    },
    /// `TaskStateExited`, `WaitStateExited`, … A Fail state has none.
    StateExited {
        #[serde(skip)]
        state: &'static str,
        name: String,
        output: Value,
    },
    /// A Map has begun, with so many items.
    MapStateStarted {
        length: usize,
    },
    MapIterationStarted {
        name: String,
        index: usize,
    },
    MapIterationSucceeded {
        name: String,
        index: usize,
    },
    MapIterationFailed {
        name: String,
        index: usize,
    },
    MapStateSucceeded {},
    MapStateFailed {},
    ExecutionSucceeded {
        output: Value,
    },
    /// The last event of an execution that failed. A field without text is left out.
    ExecutionFailed {
        #[serde(skip_serializing_if = "String::is_empty")]
        error: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        cause: String,
    },
    /// The last event of an execution that was stopped. The interpreter does not write it: what
    /// stops an execution does.
    ExecutionAborted {},
    /// The last event of an execution that took longer than the machine's `TimeoutSeconds`.
    ExecutionTimedOut {
        error: String,
    },
}

impl HistoryEvent {
    pub fn enters(&self, state: &str) -> bool {
        matches!(&self.kind, EventKind::StateEntered { name, .. } if name == state)
    }
}

impl EventKind {
    /// The event's type in Step Functions' words: `TaskStateEntered`.
    pub fn name(&self) -> String {
        let name = match self {
            Self::ExecutionStarted { .. } => "ExecutionStarted",
            Self::ExecutionRedriven { .. } => "ExecutionRedriven",
            Self::StateEntered { state, .. } => return format!("{state}StateEntered"),
            Self::TaskScheduled { .. } => "TaskScheduled",
            Self::TaskStarted { .. } => "TaskStarted",
            Self::TaskSubmitted { .. } => "TaskSubmitted",
            Self::TaskSucceeded { .. } => "TaskSucceeded",
            Self::MapStateStarted { .. } => "MapStateStarted",
            Self::MapIterationStarted { .. } => "MapIterationStarted",
            Self::MapIterationSucceeded { .. } => "MapIterationSucceeded",
            Self::MapIterationFailed { .. } => "MapIterationFailed",
            Self::MapStateSucceeded {} => "MapStateSucceeded",
            Self::MapStateFailed {} => "MapStateFailed",
            Self::TaskFailed { .. } => "TaskFailed",
            Self::TaskTimedOut { .. } => "TaskTimedOut",
            Self::StateExited { state, .. } => return format!("{state}StateExited"),
            Self::ExecutionSucceeded { .. } => "ExecutionSucceeded",
            Self::ExecutionFailed { .. } => "ExecutionFailed",
            Self::ExecutionAborted {} => "ExecutionAborted",
            Self::ExecutionTimedOut { .. } => "ExecutionTimedOut",
        };
        name.to_owned()
    }

    pub(super) fn is_last(&self) -> bool {
        matches!(
            self,
            Self::ExecutionSucceeded { .. }
                | Self::ExecutionFailed { .. }
                | Self::ExecutionAborted {}
                | Self::ExecutionTimedOut { .. }
        )
    }
}

impl Serialize for HistoryEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            /// Seconds since the start.
            at: f64,
            id: u64,
            r#type: String,
            #[serde(flatten)]
            details: &'a EventKind,
        }

        let Self { at, id, kind } = self;
        Flat {
            at: at.as_secs_f64(),
            id: *id,
            r#type: kind.name(),
            details: kind,
        }
        .serialize(serializer)
    }
}

/// Step Functions' quota of events in one execution's history.
const MAX_EVENTS: u64 = 25_000;

/// Counts and dates the events of one execution, and hands them to the caller.
pub(super) struct Journal<'a> {
    began: tokio::time::Instant,
    /// How long the execution ran before it was redriven.
    before: Duration,
    events: u64,
    on_event: &'a mut dyn FnMut(&HistoryEvent),
}

impl<'a> Journal<'a> {
    pub(super) fn new(
        before: Duration,
        events: u64,
        on_event: &'a mut dyn FnMut(&HistoryEvent),
    ) -> Self {
        Self {
            began: tokio::time::Instant::now(),
            before,
            events,
            on_event,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.before + self.began.elapsed()
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Adds an event. The last place is kept for the execution's last event.
    pub(super) fn record(&mut self, kind: EventKind) -> Result<(), Halt> {
        if self.events + 1 >= MAX_EVENTS && !kind.is_last() {
            return Err(Halt::HistoryFull);
        }
        self.events += 1;
        let event = HistoryEvent {
            at: self.elapsed(),
            id: self.events,
            kind,
        };
        (self.on_event)(&event);
        Ok(())
    }
}
