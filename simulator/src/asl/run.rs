//! Running a state machine: from state to state, with retries, catches, timeouts and quotas.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::data::fits;
use super::definition::{Kind, Seconds, State, StateMachine};
use super::history::{EventKind, HistoryEvent, Journal};
use super::redrive::Redrive;
use super::retry::{RUNTIME, TIMEOUT};
use super::step::{Entered, Halt, Step, choose, end, failure, pass_on, pause, too_large};

/// The services that tasks call.
pub trait Resources {
    /// Calls a service integration, such as `arn:aws:states:::lambda:invoke`, with its parameters.
    ///
    /// The future is dropped when the task's `TimeoutSeconds` are over, or the execution is: like a
    /// Lambda in flight, what it has begun may still take effect if the implementation wants that.
    /// A resource that the implementation does not know is best answered with `States.Runtime`,
    /// which nothing retries or catches.
    fn call(
        &self,
        resource: &str,
        parameters: Value,
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
    /// `$$.Execution.Name`.
    pub name: String,
    /// `$$.StateMachine.Id`; its last part is `$$.StateMachine.Name`.
    pub state_machine_arn: String,
    /// `$$.Execution.RoleArn`.
    pub role_arn: String,
    /// `$$.Execution.StartTime`; `$$.State.EnteredTime` counts from here.
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
    /// It came to a Succeed state or to an `End`.
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
    let execution_input = input.clone();
    Run {
        machine,
        execution,
        execution_input,
        redrives: 0,
        resources,
        lot,
        journal,
        state,
        entered_at: None,
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
/// ways from one place. It was not redriven before; the jitter of retries is drawn anew.
pub async fn run_on<R: Resources>(
    machine: &StateMachine,
    execution: &Execution,
    input: Value,
    from: Entering,
    resources: &R,
    lot: &mut fastrand::Rng,
    on_event: &mut dyn FnMut(&HistoryEvent),
) -> Outcome {
    let journal = Journal::new(from.at, from.events, on_event);
    Run {
        machine,
        execution,
        execution_input: input,
        redrives: 0,
        resources,
        lot,
        journal,
        state: from.state,
        entered_at: None,
    }
    .finish(None, from.input)
    .await
}

/// Runs an execution on from a state: `RedriveExecution`.
///
/// As in AWS, `input` is the execution's own; retries and the machine's timeout count anew, the
/// events do not. The state is entered once more in the history.
pub async fn run_from<R: Resources>(
    machine: &StateMachine,
    execution: &Execution,
    input: Value,
    redrive: Redrive,
    resources: &R,
    lot: &mut fastrand::Rng,
    on_event: &mut dyn FnMut(&HistoryEvent),
) -> Outcome {
    let Redrive {
        state,
        input: state_input,
        entered_at,
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
        execution_input: input,
        redrives: count,
        resources,
        lot,
        journal,
        state,
        entered_at: Some(entered_at),
    }
    .finish(Some(first), state_input)
    .await
}

/// A run that is under way.
pub(super) struct Run<'a, R> {
    machine: &'a StateMachine,
    execution: &'a Execution,
    execution_input: Value,
    redrives: u32,
    pub(super) resources: &'a R,
    pub(super) lot: &'a mut fastrand::Rng,
    pub(super) journal: Journal<'a>,
    /// The name of the state that is entered next, or was last.
    state: String,
    /// When the next state was entered, where that was before a redrive.
    entered_at: Option<Duration>,
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
                context: self.context(),
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
            Kind::Pass(pass) => pass_on(pass, &entered),
            Kind::Succeed(succeed) => end(succeed, &entered),
            Kind::Fail(fail) => Err(failure(fail, &entered)),
        };
        step.map_err(Halt::Failed)
    }

    fn context(&mut self) -> Value {
        let Execution {
            arn,
            name,
            state_machine_arn,
            role_arn,
            start_time,
        } = self.execution;
        let entered_at = self.entered_at.take();
        let entered_at = entered_at.unwrap_or_else(|| self.journal.elapsed());
        let entered_at = SignedDuration::try_from(entered_at).unwrap_or_default();
        let entered_at = start_time.saturating_add(entered_at);
        json!({
            "Execution": {
                "Id": arn,
                "Input": self.execution_input,
                "Name": name,
                "RedriveCount": self.redrives,
                "RoleArn": role_arn,
                "StartTime": milliseconds(*start_time),
            },
            "State": {
                "EnteredTime": milliseconds(entered_at.unwrap_or(*start_time)),
                "Name": self.state,
                "RetryCount": 0,
            },
            "StateMachine": {
                "Id": state_machine_arn,
                "Name": state_machine_arn.rsplit(':').next(),
            },
        })
    }
}

/// As the context object dates things: `2026-11-20T21:10:37.000Z`.
fn milliseconds(time: Timestamp) -> String {
    format!("{time:.3}")
}
