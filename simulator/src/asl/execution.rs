//! An execution: what it invokes, where it begins, how it ends.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::history::{EventKind, HistoryEvent};

/// What tasks call.
pub trait Resources {
    /// Invokes a function with its payload, and answers as `lambda:invoke` does.
    ///
    /// The future is dropped when the task's `TimeoutSeconds` are over, or the execution is: like a
    /// Lambda in flight, what it has begun may still take effect if the implementation wants that.
    fn call(
        &self,
        function: &str,
        payload: Value,
    ) -> impl Future<Output = Result<Value, TaskError>>;

    /// Starts an execution of another state machine, and answers as `states:startExecution.sync:2` does once it has
    /// ended. `submitted` takes what `StartExecution` has answered. One of that name that runs with that input is taken
    /// for the same.
    ///
    /// The future is dropped when the execution that has started it ends: that one is stopped too.
    fn start(
        &self,
        machine: &str,
        name: &str,
        input: Value,
        submitted: &mut dyn FnMut(Value),
    ) -> impl Future<Output = Result<Value, TaskError>>;
}

/// The error that a task, or an execution, ended with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskError {
    /// The name that retriers and catchers check; for a Lambda function, its `errorType`.
    pub error: String,
    /// For a person, or, from a Lambda function, its JSON of `errorType` and `errorMessage`.
    pub cause: String,
}

impl TaskError {
    pub(crate) fn new(error: &str, cause: impl Into<String>) -> Self {
        Self {
            error: error.to_owned(),
            cause: cause.into(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Its status, with what `DescribeExecution` says about it.
    pub status: Status,
    pub events: u64,
    pub elapsed: Duration,
    pub last_state: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It came to a Succeed state.
    Succeeded { output: Value },
    /// It came to a Fail state, or a state failed and nothing caught it.
    Failed { error: String, cause: String },
    /// It took longer than the machine's `TimeoutSeconds`.
    TimedOut,
}

impl Status {
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded { .. })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Beginning {
    /// At its start. The input's size is not checked: `StartExecution` refuses one that is too large.
    Start { input: Value },
    /// Where another run of the execution has entered a state, as if it had come there just now: to go
    /// several ways from one place. The jitter of retries is drawn anew.
    Entering(Entering),
    /// `RedriveExecution`. As in AWS, retries and the machine's timeout count anew, the events do not. The
    /// state is entered once more in the history.
    Redrive(Redrive),
}

/// Where an execution has just entered a state, with nothing of it under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Entering {
    pub state: String,
    pub input: Value,
    /// The time since the execution's start.
    pub at: Duration,
    /// The events in the history before this one.
    pub events: u64,
}

impl Entering {
    /// Of the event in which a state is entered.
    pub fn of(event: &HistoryEvent) -> Option<Self> {
        let EventKind::StateEntered { name, input, .. } = &event.kind else {
            return None;
        };
        Some(Self {
            state: name.clone(),
            input: input.clone(),
            at: event.at,
            events: event.id - 1,
        })
    }
}

/// Where a redriven execution goes on: the state that failed or was stopped, with what that was entered
/// with, the time of the redrive, and the events so far, which count against the quota.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Redrive {
    pub from: Entering,
    /// The redrives of the execution, with this one.
    pub count: u32,
}

impl Redrive {
    /// The redrive of an execution with this history, `at` that time after its start.
    ///
    /// `None` for a history in which no state was entered.
    pub(crate) fn of(history: &[HistoryEvent], at: Duration) -> Option<Self> {
        let events = history.last()?.id;
        let last = history.iter().rev().find_map(Entering::of)?;
        let redrives = history.iter().rev().find_map(|event| match event.kind {
            EventKind::ExecutionRedriven { redrive_count } => Some(redrive_count),
            _ => None,
        });
        let count = redrives.unwrap_or(0) + 1;
        let from = Entering { at, events, ..last };
        Some(Self { from, count })
    }
}
