//! Running a state machine: from state to state, with retries, catches, timeouts and quotas.

use std::cell::RefCell;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::Value;

use super::definition::{Graph, Kind, Map, Seconds, State, StateMachine, Succeed};
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
        lot: RefCell::new(lot),
        journal: RefCell::new(Journal::new(from.at, from.events, on_event)),
        state: RefCell::new(from.state),
    }
    .finish(first, from.input)
    .await
}

/// Iterations of a Map go on side by side: what they share is borrowed for a moment each, never over an await.
pub(super) struct Run<'a, R> {
    machine: &'a StateMachine,
    pub(super) execution: &'a Execution,
    pub(super) resources: &'a R,
    pub(super) lot: RefCell<&'a mut fastrand::Rng>,
    journal: RefCell<Journal<'a>>,
    /// The name of the machine's state that is entered next, or was last.
    state: RefCell<String>,
}

impl<'a, R: Resources> Run<'a, R> {
    /// `first` is how its history begins or goes on; without it, it is in the middle of a run.
    async fn finish(self, first: Option<EventKind>, input: Value) -> Outcome {
        let longest = Duration::from_secs(Seconds::MAX);
        let limit = self.machine.timeout.unwrap_or(longest);
        let limit = match first {
            Some(_) => limit,
            None => limit.saturating_sub(self.journal.borrow().elapsed()),
        };
        let walk = async {
            if let Some(first) = first {
                self.record(first)?;
            }
            let start = self.state.borrow().clone();
            self.walk(&self.machine.graph, start, input, true).await
        };
        let ended = tokio::time::timeout(limit, walk).await;
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
        let _ = self.record(last);
        let journal = self.journal.borrow();
        Outcome {
            status,
            events: journal.events(),
            elapsed: journal.elapsed(),
            last_state: self.state.take(),
        }
    }

    /// Adds an event to the history.
    pub(super) fn record(&self, kind: EventKind) -> Result<(), Halt> {
        self.journal.borrow_mut().record(kind)
    }

    /// From a state to the end of the graph that it is in: the machine's own, or what a Map does with an item.
    async fn walk(
        &self,
        graph: &'a Graph,
        start: String,
        mut input: Value,
        is_whole: bool,
    ) -> Result<Value, Halt> {
        let mut name = start;
        loop {
            if is_whole {
                self.state.replace(name.clone());
            }
            let Some(state) = graph.state(&name) else {
                let cause = format!("There is no state {name}.");
                return Err(Halt::Failed(TaskError::new(RUNTIME, cause)));
            };
            self.record(EventKind::StateEntered {
                state: state.type_name(),
                name: name.clone(),
                input: input.clone(),
            })?;
            let event = self.journal.borrow().events();
            let entered = Entered {
                state,
                input: &input,
                event,
            };
            let Step { output, next } = self.step(state, entered).await?;
            if !fits(&output) {
                return Err(Halt::Failed(too_large(&name)));
            }
            self.record(EventKind::StateExited {
                state: state.type_name(),
                name: name.clone(),
                output: output.clone(),
            })?;
            let Some(next) = next else { return Ok(output) };
            next.clone_into(&mut name);
            input = output;
        }
    }

    async fn step(&self, state: &'a State, entered: Entered<'_>) -> Result<Step<'a>, Halt> {
        let step = match &state.kind {
            Kind::Task(task) => return self.task(task, entered).await,
            Kind::Map(map) => return self.map(map, entered).await,
            Kind::Wait(wait) => pause(wait, &entered).await,
            Kind::Choice(choice) => choose(choice, &entered),
            Kind::Succeed(Succeed {}) => Ok(entered.go(None)),
            Kind::Fail(fail) => Err(failure(fail, &entered)),
        };
        step.map_err(Halt::Failed)
    }

    /// Every item through the Map's states, side by side. The first one that fails ends the others.
    async fn map(&self, map: &'a Map, entered: Entered<'_>) -> Result<Step<'a>, Halt> {
        let items = map.items_path.resolve(entered.input);
        let Some(items) = items.and_then(Value::as_array) else {
            return Err(Halt::Failed(entered.no_items(&map.items_path)));
        };
        let length = items.len();
        self.record(EventKind::MapStateStarted { length })?;
        let iterations = items.iter().enumerate().map(|(index, item)| async move {
            let name = entered.state.name().to_owned();
            self.record(EventKind::MapIterationStarted {
                name: name.clone(),
                index,
            })?;
            let start = map.processor.start_at.clone();
            let walk = self.walk(&map.processor, start, item.clone(), false);
            // Its type is not known here: its states may be a Map again.
            let walk: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(walk);
            let ended = walk.await;
            self.record(match &ended {
                Ok(_) => EventKind::MapIterationSucceeded { name, index },
                Err(_) => EventKind::MapIterationFailed { name, index },
            })?;
            ended
        });
        let results = match try_join_all(iterations).await {
            Ok(results) => Value::from(results),
            Err(halt) => {
                self.record(EventKind::MapStateFailed {})?;
                return Err(halt);
            }
        };
        self.record(EventKind::MapStateSucceeded {})?;
        Ok(Step {
            output: entered
                .with(&map.result_path, results)
                .map_err(Halt::Failed)?,
            next: Some(&map.next),
        })
    }
}
