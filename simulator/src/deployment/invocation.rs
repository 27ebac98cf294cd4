//! Invocations of the functions, and what goes wrong with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ebbtide_controller::turn::Turn;
use ebbtide_functions::{self as functions, Clients, Function, handle_by};
use serde_json::{Value, json};

use super::{Installation, answered};
use crate::asl::TaskError;
use crate::aws::SimulatedAws;
use crate::connector::Gate;
use crate::fault::LambdaFault;

/// The functions' own timeout in `template.yaml`.
const FUNCTION_TIMEOUT: Duration = Duration::from_mins(1);

#[derive(Debug, Clone)]
pub(super) struct InstalledFunction {
    pub(super) arn: String,
    pub(super) function: Function,
    pub(super) next: Turn,
}

/// The clients of execution environments that wait for their next invocation, by the name of their caller.
/// As in Lambda, an environment serves one invocation at a time, and one that died or hung serves no more.
#[derive(Debug, Clone, Default)]
pub(super) struct Environments(Arc<Mutex<BTreeMap<String, Vec<Clients>>>>);

impl Environments {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Clients>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, caller: &str) -> Option<Clients> {
        self.lock().get_mut(caller)?.pop()
    }

    fn put_back(&self, caller: String, clients: Clients) {
        self.lock().entry(caller).or_default().push(clients);
    }
}

#[derive(Debug, Clone)]
struct Invocation {
    aws: SimulatedAws,
    /// The function and the execution: who calls, in the journal.
    caller: String,
    environments: Environments,
    /// What it may not go beyond.
    gate: Option<Arc<Gate>>,
    installed: InstalledFunction,
    event: Value,
}

impl Installation {
    /// Invokes a function. It continues even if nothing waits for its answer any more.
    pub(super) async fn invoke(
        &self,
        installed: &InstalledFunction,
        event: Value,
    ) -> Result<Value, TaskError> {
        let fault = self.aws.next_invocation();
        let execution = event["execution"].as_str().unwrap_or_default();
        let name = execution.rsplit(':').next().unwrap_or_default();
        let caller = format!("{} {name}", installed.function.as_str());
        let invocation = Invocation {
            aws: self.aws.clone(),
            environments: self.environments.clone(),
            gate: None,
            caller,
            installed: installed.clone(),
            event,
        };
        if fault == Some(LambdaFault::TwiceAtOnce) {
            // The first one's answer does not wait for the second.
            drop(self.in_flight.start(invocation.clone().run()));
        }
        self.in_flight.run(invocation.run_under(fault)).await
    }
}

impl Invocation {
    async fn run_under(self, fault: Option<LambdaFault>) -> Result<Value, TaskError> {
        match fault {
            None | Some(LambdaFault::TwiceAtOnce) => self.run().await,
            Some(LambdaFault::DiesAtStart) => Err(died()),
            Some(LambdaFault::DiesAtEnd) => {
                drop(self.run().await);
                Err(died())
            }
            Some(LambdaFault::DiesAfterCalls(calls)) => self.run_up_to(calls, Duration::ZERO).await,
            Some(LambdaFault::TimesOutAfterCalls(calls)) => {
                self.run_up_to(calls, FUNCTION_TIMEOUT).await
            }
            Some(LambdaFault::Twice) => {
                drop(self.clone().run().await);
                self.run().await
            }
            Some(LambdaFault::TaskFailedBefore) => Err(task_failed()),
            Some(LambdaFault::TaskFailedAfter) => {
                drop(self.run().await);
                Err(task_failed())
            }
        }
    }

    /// Runs the function until it has made a number of calls and is about to make another.
    async fn run_up_to(mut self, calls: u32, then: Duration) -> Result<Value, TaskError> {
        let began = tokio::time::Instant::now();
        let gate = Arc::new(Gate::after(calls));
        self.gate = Some(Arc::clone(&gate));
        tokio::select! {
            biased;
            () = gate.reached() => {}
            // One that made fewer calls is struck at its end.
            _ = self.run() => {}
        }
        if then.is_zero() {
            return Err(died());
        }
        tokio::time::sleep_until(began + then).await;
        Err(timed_out())
    }

    async fn run(self) -> Result<Value, TaskError> {
        let Self {
            aws,
            caller,
            environments,
            gate,
            installed,
            event,
        } = self;
        let may_serve_more = gate.is_none();
        let waiting = may_serve_more.then(|| environments.take(&caller)).flatten();
        let clients = waiting.unwrap_or_else(|| aws.gated_clients(&caller, gate));
        let began = SystemTime::UNIX_EPOCH
            + Duration::from_millis(aws.with_world(|world| world.epoch_ms()));
        let nonce = format!("invocation-{}", aws.next_nonce());
        let invocation = functions::Invocation {
            function_arn: &installed.arn,
            nonce: &nonce,
            began,
            deadline: began + FUNCTION_TIMEOUT,
            started: tokio::time::Instant::now(),
        };
        let (next, function) = (installed.next, installed.function);
        let handling = handle_by(next, function, invocation, &clients, event);
        let handled = tokio::time::timeout(FUNCTION_TIMEOUT, handling).await;
        if may_serve_more && handled.is_ok() {
            environments.put_back(caller, clients);
        }
        match handled {
            Ok(Ok(answer)) => Ok(answered(&answer)),
            Ok(Err(error)) => {
                let name = error.name.as_str();
                let cause = json!({ "errorType": name, "errorMessage": error.message });
                Err(TaskError::new(name, cause.to_string()))
            }
            Err(_) => Err(timed_out()),
        }
    }
}

/// A process that ended without an answer (Docs: "unhandled errors").
fn died() -> TaskError {
    let cause = "The cause could not be determined because Lambda did not return an error type. \
                 Returned payload: {\"errorMessage\":\"RequestId: simulated Process exited before \
                 completing request\"}";
    TaskError::new("Lambda.Unknown", cause)
}

fn timed_out() -> TaskError {
    let seconds = FUNCTION_TIMEOUT.as_secs();
    let cause = format!("Task timed out after {seconds} seconds");
    TaskError::new("Sandbox.Timedout", cause)
}

/// Step Functions cannot tell whether the function ran (Field).
fn task_failed() -> TaskError {
    let cause = "A simulated fault of Step Functions.";
    TaskError::new("States.TaskFailed", cause)
}
