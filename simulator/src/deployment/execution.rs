//! Executions of the installed state machine: started, stopped, redriven.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use serde_json::Value;

use super::{Installation, STATE_MACHINE, Which};
use crate::asl::{
    Beginning, Entering, EventKind, Execution, HistoryEvent, Outcome, Redrive, Status, run,
};
use crate::world::{ApiError, ExecutionEnd, ExecutionStatus, arn, partition_of};

#[derive(Debug, Default)]
pub(super) struct Executions(Mutex<BTreeMap<String, Recorded>>);

#[derive(Debug, Clone)]
struct Recorded {
    input: Value,
    start_epoch_ms: u64,
    history: Vec<HistoryEvent>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedriveError {
    #[error("this installation has run no execution {0}")]
    NotRecorded(String),
    #[error("the execution is not redriven")]
    Refused(#[from] ApiError),
}

impl Executions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Recorded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, name: &str, input: &Value, start_epoch_ms: u64) {
        let recorded = Recorded {
            input: input.clone(),
            start_epoch_ms,
            history: Vec::new(),
        };
        self.lock().insert(name.to_owned(), recorded);
    }

    fn record(&self, name: &str, event: &HistoryEvent) {
        if let Some(recorded) = self.lock().get_mut(name) {
            recorded.history.push(event.clone());
        }
    }
}

impl Installation {
    /// Starts an execution and runs it to its end. `seed` draws the jitter of retries.
    ///
    /// Several may run at once. Dropping the future is `StopExecution`: the execution is `ABORTED`,
    /// nothing is cleaned up, and what is under way runs on. A name whose execution runs is refused
    /// with `ExecutionAlreadyExists`.
    pub async fn deploy(
        &self,
        name: &str,
        input: Value,
        seed: u64,
        on_event: &mut dyn FnMut(&HistoryEvent),
    ) -> Outcome {
        self.deploy_by(Which::OneService, name, input, seed, on_event)
            .await
    }

    /// The same with the state machine that deploys several services.
    pub async fn deploy_services(
        &self,
        name: &str,
        input: Value,
        seed: u64,
        on_event: &mut dyn FnMut(&HistoryEvent),
    ) -> Outcome {
        self.deploy_by(Which::SeveralServices, name, input, seed, on_event)
            .await
    }

    async fn deploy_by(
        &self,
        machine: Which,
        name: &str,
        input: Value,
        seed: u64,
        on_event: &mut dyn FnMut(&HistoryEvent),
    ) -> Outcome {
        match self.begin(machine, name, &input) {
            Ok(start_epoch_ms) => {
                let from = Beginning::Start { input };
                self.go_on(machine, name, start_epoch_ms, from, seed, on_event)
                    .await
            }
            Err(refused) => not_started(&refused),
        }
    }

    /// `StartExecution`: when it started, in milliseconds since 1970.
    pub(super) fn begin(&self, machine: Which, name: &str, input: &Value) -> Result<u64, ApiError> {
        let arn = self.execution_of(machine, name);
        let machine = self.arn(&format!("stateMachine:{}", machine.name()));
        let start_epoch_ms = self.aws.with_world(|world| {
            world.start_execution(&arn, &machine, &input.to_string())?;
            Ok::<_, ApiError>(world.epoch_ms())
        })?;
        self.executions.keep(name, input, start_epoch_ms);
        Ok(start_epoch_ms)
    }

    /// Boxed: a future is compiled where its type is named, which would be in every program that runs a deployment; and
    /// an execution that starts another one would contain itself.
    pub(super) fn go_on<'a>(
        &'a self,
        machine: Which,
        name: &'a str,
        start_epoch_ms: u64,
        from: Beginning,
        seed: u64,
        on_event: &'a mut dyn FnMut(&HistoryEvent),
    ) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(self.gone_on(machine, name, start_epoch_ms, from, seed, on_event))
    }

    async fn gone_on(
        &self,
        machine: Which,
        name: &str,
        start_epoch_ms: u64,
        from: Beginning,
        seed: u64,
        on_event: &mut dyn FnMut(&HistoryEvent),
    ) -> Outcome {
        let arn = self.execution_of(machine, name);
        let running = Running {
            installation: self,
            name,
            arn: &arn,
            ended: false,
        };
        let execution = self.execution(&arn, name, start_epoch_ms);
        let mut lot = fastrand::Rng::with_seed(seed);
        let mut note = |event: &HistoryEvent| {
            self.executions.record(name, event);
            on_event(event);
        };
        let outcome = run(
            self.machine_of(machine),
            &execution,
            from,
            self,
            &mut lot,
            &mut note,
        )
        .await;
        running.ended(&outcome);
        outcome
    }

    /// Runs an execution on to its end, from where another run of it has entered a state: in a world of
    /// [`Moment`](crate::aws::Moment) taken there. Its history is kept from there on.
    pub async fn deploy_on(
        &self,
        name: &str,
        input: Value,
        from: Entering,
        seed: u64,
        on_event: &mut dyn FnMut(&HistoryEvent),
    ) -> Outcome {
        let arn = self.execution_arn(name);
        let start_epoch_ms = self.aws.with_world(|world| {
            let execution = world.execution(&arn);
            execution.map_or(0, |execution| execution.start_date_ms)
        });
        self.executions.keep(name, &input, start_epoch_ms);
        let from = Beginning::Entering(from);
        self.go_on(
            Which::OneService,
            name,
            start_epoch_ms,
            from,
            seed,
            on_event,
        )
        .await
    }

    /// The same, until it ends or until `stop` is done: then it is stopped, and there is no outcome.
    pub async fn deploy_until(
        &self,
        name: &str,
        input: Value,
        seed: u64,
        on_event: &mut dyn FnMut(&HistoryEvent),
        stop: impl Future<Output = ()>,
    ) -> Option<Outcome> {
        tokio::select! {
            biased;
            () = stop => None,
            outcome = self.deploy(name, input, seed, on_event) => Some(outcome),
        }
    }

    /// `RedriveExecution`, and the execution to its end: it goes on with the state that failed or was
    /// stopped, with that state's input, its own start and the same definition.
    pub async fn redrive(
        &self,
        name: &str,
        seed: u64,
        on_event: &mut dyn FnMut(&HistoryEvent),
    ) -> Result<Outcome, RedriveError> {
        let recorded = self.executions.lock().get(name).cloned();
        let recorded = recorded.ok_or_else(|| RedriveError::NotRecorded(name.to_owned()))?;
        let arn = self.execution_arn(name);
        let (count, now_ms) = self.aws.with_world(|world| {
            let count = world.redrive_execution(&arn)?.redrive_count;
            Ok::<_, ApiError>((count, world.epoch_ms()))
        })?;
        let at = Duration::from_millis(now_ms.saturating_sub(recorded.start_epoch_ms));
        let redrive = Redrive::of(&recorded.history, at).unwrap_or_else(|| Redrive {
            from: Entering {
                state: self.machine.start_at().to_owned(),
                input: recorded.input,
                at,
                events: recorded.history.last().map_or(0, |event| event.id),
            },
            count,
        });
        let from = Beginning::Redrive(redrive);
        let start_epoch_ms = recorded.start_epoch_ms;
        let machine = Which::OneService;
        Ok(self
            .go_on(machine, name, start_epoch_ms, from, seed, on_event)
            .await)
    }

    /// The history of an execution so far; empty for one that this installation has not run.
    pub fn history(&self, name: &str) -> Vec<HistoryEvent> {
        let executions = self.executions.lock();
        let recorded = executions.get(name);
        recorded.map_or_else(Vec::new, |recorded| recorded.history.clone())
    }

    pub fn execution_arn(&self, name: &str) -> String {
        self.execution_of(Which::OneService, name)
    }

    /// The same of the state machine that deploys several services.
    pub fn services_execution_arn(&self, name: &str) -> String {
        self.execution_of(Which::SeveralServices, name)
    }

    pub(super) fn execution_of(&self, machine: Which, name: &str) -> String {
        self.arn(&format!("execution:{}:{name}", machine.name()))
    }

    pub(super) fn arn(&self, resource: &str) -> String {
        arn("states", &self.region, &self.account, resource)
    }

    fn execution(&self, arn: &str, name: &str, start_epoch_ms: u64) -> Execution {
        let start = Timestamp::UNIX_EPOCH.checked_add(Duration::from_millis(start_epoch_ms));
        let (partition, account) = (partition_of(&self.region), &self.account);
        let recorded = self.executions.lock().get(name).cloned();
        Execution {
            input: recorded.map(|recorded| recorded.input).unwrap_or_default(),
            arn: arn.to_owned(),
            role_arn: format!("arn:{partition}:iam::{account}:role/{STATE_MACHINE}"),
            start_time: start.unwrap_or_default(),
        }
    }
}

fn not_started(refused: &ApiError) -> Outcome {
    Outcome {
        status: Status::Failed {
            error: refused.code.to_owned(),
            cause: refused.message.clone(),
        },
        events: 0,
        elapsed: Duration::ZERO,
        last_state: String::new(),
    }
}

/// An execution that runs: one that is dropped before its end was stopped.
struct Running<'a> {
    installation: &'a Installation,
    name: &'a str,
    arn: &'a str,
    ended: bool,
}

impl Running<'_> {
    fn ended(mut self, outcome: &Outcome) {
        self.ended = true;
        let mut end = ExecutionEnd::default();
        let status = match &outcome.status {
            Status::Succeeded { output } => {
                end.output = Some(output.to_string());
                ExecutionStatus::Succeeded
            }
            Status::Failed { error, cause } => {
                end.error = Some(error.clone());
                end.cause = Some(cause.clone());
                ExecutionStatus::Failed
            }
            Status::TimedOut => ExecutionStatus::TimedOut,
        };
        let aws = &self.installation.aws;
        aws.with_world(|world| world.end_execution(self.arn, status, end));
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let now_ms = self.installation.aws.with_world(|world| {
            let end = ExecutionEnd::default();
            world.end_execution(self.arn, ExecutionStatus::Aborted, end);
            world.epoch_ms()
        });
        if let Some(recorded) = self.installation.executions.lock().get_mut(self.name) {
            let id = recorded.history.last().map_or(0, |event| event.id) + 1;
            let since_start = now_ms.saturating_sub(recorded.start_epoch_ms);
            recorded.history.push(HistoryEvent {
                at: Duration::from_millis(since_start),
                id,
                kind: EventKind::ExecutionAborted {},
            });
        }
    }
}
