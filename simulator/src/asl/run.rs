//! Running a state machine: from state to state, with retries, catches, timeouts and quotas.

use std::time::Duration;

use serde_json::Value;

use super::definition::{Kind, Seconds, State, StateMachine, Succeed};
use super::execution::{Beginning, Entering, Outcome, Redrive, Resources, Status, TaskError};
use super::history::{EventKind, HistoryEvent, Journal};
use super::payload::Execution;
use super::retry::{RUNTIME, TIMEOUT};
use super::size::fits;
use super::step::{Entered, Halt, Step, choose, failure, pause, too_large};

/// Runs an execution to its end.
///
/// Waits, retries and timeouts go by tokio's clock. `lot` draws the jitter of retries. Dropping the
/// future is `StopExecution`: nothing is cleaned up, as in AWS.
pub(crate) async fn run<R: Resources>(
    machine: &StateMachine,
    execution: &Execution,
    from: Beginning,
    resources: &R,
    lot: &mut fastrand::Rng,
    on_event: &mut dyn FnMut(&HistoryEvent),
) -> Outcome {
    let (from, first) = match from {
        Beginning::Start { input } => {
            let first = EventKind::ExecutionStarted {
                input: input.clone(),
                role_arn: execution.role_arn.clone(),
            };
            let entering = Entering {
                state: machine.start_at().to_owned(),
                input,
                at: Duration::ZERO,
                events: 0,
            };
            (entering, Some(first))
        }
        Beginning::Entering(entering) => (entering, None),
        Beginning::Redrive(Redrive { from, count }) => {
            let redrive_count = count;
            (from, Some(EventKind::ExecutionRedriven { redrive_count }))
        }
    };
    Run {
        machine,
        execution,
        resources,
        lot,
        journal: Journal::new(from.at, from.events, on_event),
        state: from.state,
    }
    .finish(first, from.input)
    .await
}

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
        let longest = Duration::from_secs(Seconds::MAX);
        let limit = self.machine.timeout.unwrap_or(longest);
        let limit = match first {
            Some(_) => limit,
            None => limit.saturating_sub(self.journal.elapsed()),
        };
        let ended = tokio::time::timeout(limit, self.walk(first, input)).await;
        let full = "The execution reached the maximum number of history events (25000).";
        let status = match ended {
            Ok(Ok(output)) => Status::Succeeded { output },
            Ok(Err(Halt::Failed(TaskError { error, cause }))) => Status::Failed { error, cause },
            Ok(Err(Halt::HistoryFull)) => Status::Failed {
                error: RUNTIME.to_owned(),
                cause: full.to_owned(),
            },
            Err(_) => Status::TimedOut,
        };
        let last = match status.clone() {
            Status::Succeeded { output } => EventKind::ExecutionSucceeded { output },
            Status::Failed { error, cause } => EventKind::ExecutionFailed { error, cause },
            Status::TimedOut => EventKind::ExecutionTimedOut {
                error: TIMEOUT.to_owned(),
            },
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

    async fn walk(&mut self, first: Option<EventKind>, mut input: Value) -> Result<Value, Halt> {
        if let Some(first) = first {
            self.journal.record(first)?;
        }
        let machine: &'a StateMachine = self.machine;
        loop {
            let Some(state) = machine.state(&self.state) else {
                let cause = format!("There is no state {}.", self.state);
                return Err(Halt::Failed(TaskError::new(RUNTIME, cause)));
            };
            self.journal.record(EventKind::StateEntered {
                state: state.type_name(),
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
                state: state.type_name(),
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
            Kind::Succeed(Succeed {}) => Ok(entered.go(None)),
            Kind::Fail(fail) => Err(failure(fail, &entered)),
        };
        step.map_err(Halt::Failed)
    }
}
