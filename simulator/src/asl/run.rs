//! Running a state machine: from state to state, with retries, catches, timeouts and quotas.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::definition::{Kind, Seconds, State, StateMachine, Succeed};
use super::history::{EventKind, HistoryEvent, Journal};
use super::redrive::Redrive;
use super::retry::{RUNTIME, TIMEOUT};
use super::size::fits;
use super::step::{Entered, Halt, Step, choose, failure, pause, too_large};

/// The functions that tasks invoke.
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
}

/// The error that a task, or an execution, ended with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskError {
    /// The name that retriers and catchers look at; for a Lambda function, its `errorType`.
    pub error: String,
    /// For a person, or, from a Lambda function, its JSON of `errorType` and `errorMessage`.
    pub cause: String,
}

/// What Step Functions knows about an execution apart from its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// `$$.Execution.Id`.
    pub arn: String,
    /// The role that the state machine runs as.
    pub role_arn: String,
    /// `$$.Execution.StartTime`.
    pub start_time: Timestamp,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Its status, with what `DescribeExecution` says about it.
    pub status: Status,
    /// The number of events in its history.
    pub events: u64,
    /// The time from its start to its end.
    pub elapsed: Duration,
    /// The state that it ended in.
    pub last_state: String,
}

/// The status of an execution that has ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It came to a Succeed state.
    Succeeded {
        /// The last state's output.
        output: Value,
    },
    /// It came to a Fail state, or a state failed and nothing caught it.
    Failed {
        /// The error's name.
        error: String,
        /// Why.
        cause: String,
    },
    /// It took longer than the machine's `TimeoutSeconds`.
    TimedOut,
}

/// Runs an execution to its end.
///
/// Waits, retries and timeouts go by tokio's clock. `lot` draws the jitter of retries. Dropping the
/// future is `StopExecution`: nothing is cleaned up, as in AWS. The input's size is not looked at:
/// `StartExecution` refuses one that is too large.
pub async fn run<R: Resources>(
    machine: &StateMachine,
    execution: &Execution,
    input: Value,
    resources: &R,
    lot: &mut fastrand::Rng,
    on_event: &mut dyn FnMut(&HistoryEvent),
) -> Outcome {
    let journal = Journal::new(Duration::ZERO, 0, on_event);
    let first = EventKind::ExecutionStarted {
        input: input.clone(),
        role_arn: execution.role_arn.clone(),
    };
    let state = machine.start_at().to_owned();
    Run {
        machine,
        execution,
        resources,
        lot,
        journal,
        state,
    }
    .finish(Some(first), input)
    .await
}

/// Where an execution has just entered a state, with nothing of it under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Entering {
    /// The state.
    pub state: String,
    /// Its input.
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

/// Runs an execution on from where it has entered a state, as if it had come there just now: to go several
/// ways from one place. The jitter of retries is drawn anew.
pub async fn run_on<R: Resources>(
    machine: &StateMachine,
    execution: &Execution,
    from: Entering,
    resources: &R,
    lot: &mut fastrand::Rng,
    on_event: &mut dyn FnMut(&HistoryEvent),
) -> Outcome {
    let journal = Journal::new(from.at, from.events, on_event);
    Run {
        machine,
        execution,
        resources,
        lot,
        journal,
        state: from.state,
    }
    .finish(None, from.input)
    .await
}

/// Runs an execution on from a state: `RedriveExecution`.
///
/// As in AWS, retries and the machine's timeout count anew, the events do not. The state is entered
/// once more in the history.
pub async fn run_from<R: Resources>(
    machine: &StateMachine,
    execution: &Execution,
    redrive: Redrive,
    resources: &R,
    lot: &mut fastrand::Rng,
    on_event: &mut dyn FnMut(&HistoryEvent),
) -> Outcome {
    let Redrive {
        state,
        input,
        at,
        events,
        count,
    } = redrive;
    let journal = Journal::new(at, events, on_event);
    let first = EventKind::ExecutionRedriven {
        redrive_count: count,
    };
    Run {
        machine,
        execution,
        resources,
        lot,
        journal,
        state,
    }
    .finish(Some(first), input)
    .await
}

/// A run that is under way.
pub(super) struct Run<'a, R> {
    machine: &'a StateMachine,
    pub(super) execution: &'a Execution,
    pub(super) resources: &'a R,
    pub(super) lot: &'a mut fastrand::Rng,
    pub(super) journal: Journal<'a>,
    /// The name of the state that is entered next, or was last.
    state: String,
}

impl<'a, R: Resources> Run<'a, R> {
    /// `first` is how its history begins or goes on; without it, it is in the middle of a run.
    async fn finish(mut self, first: Option<EventKind>, input: Value) -> Outcome {
        let limit = self
            .machine
            .timeout
            .unwrap_or(Duration::from_secs(Seconds::MAX));
        let limit = match first {
            Some(_) => limit,
            None => limit.saturating_sub(self.journal.elapsed()),
        };
        let ended = tokio::time::timeout(limit, self.walk(first, input)).await;
        let (status, last) = match ended {
            Ok(Ok(output)) => (
                Status::Succeeded {
                    output: output.clone(),
                },
                EventKind::ExecutionSucceeded { output },
            ),
            Ok(Err(halt)) => {
                let TaskError { error, cause } = match halt {
                    Halt::Failed(error) => error,
                    Halt::HistoryFull => TaskError {
                        error: RUNTIME.to_owned(),
                        cause:
                            "The execution reached the maximum number of history events (25000)."
                                .to_owned(),
                    },
                };
                (
                    Status::Failed {
                        error: error.clone(),
                        cause: cause.clone(),
                    },
                    EventKind::ExecutionFailed { error, cause },
                )
            }
            Err(_) => (
                Status::TimedOut,
                EventKind::ExecutionTimedOut {
                    error: TIMEOUT.to_owned(),
                },
            ),
        };
        // The last event always has a place.
        let _ = self.journal.record(last);
        Outcome {
            status,
            events: self.journal.events(),
            elapsed: self.journal.elapsed(),
            last_state: self.state,
        }
    }

    /// From state to state, to the output of the last one.
    async fn walk(&mut self, first: Option<EventKind>, mut input: Value) -> Result<Value, Halt> {
        if let Some(first) = first {
            self.journal.record(first)?;
        }
        let machine: &'a StateMachine = self.machine;
        loop {
            let Some(state) = machine.state(&self.state) else {
                let cause = format!("There is no state {}.", self.state);
                return Err(Halt::Failed(TaskError {
                    error: RUNTIME.to_owned(),
                    cause,
                }));
            };
            self.journal.record(EventKind::StateEntered {
                state: state.state_type(),
                name: self.state.clone(),
                input: input.clone(),
            })?;
            let event = self.journal.events();
            let entered = Entered {
                state,
                input: &input,
                event,
            };
            let Step { output, next } = self.step(state, entered).await?;
            if !fits(&output) {
                return Err(Halt::Failed(too_large(&self.state)));
            }
            self.journal.record(EventKind::StateExited {
                state: state.state_type(),
                name: self.state.clone(),
                output: output.clone(),
            })?;
            let Some(next) = next else { return Ok(output) };
            next.clone_into(&mut self.state);
            input = output;
        }
    }

    async fn step(&mut self, state: &'a State, entered: Entered<'_>) -> Result<Step<'a>, Halt> {
        let step = match &state.kind {
            Kind::Task(task) => return self.task(task, entered).await,
            Kind::Wait(wait) => pause(wait, &entered).await,
            Kind::Choice(choice) => choose(choice, &entered),
            Kind::Succeed(Succeed {}) => Ok(Step {
                output: entered.input.clone(),
                next: None,
            }),
            Kind::Fail(fail) => Err(failure(fail, &entered)),
        };
        step.map_err(Halt::Failed)
    }
}
