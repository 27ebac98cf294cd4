//! A Task: its attempts, its retries and its catchers.

use std::time::Duration;

use serde_json::{Value, json};

use super::definition::{Seconds, Task};
use super::execution::{Resources, TaskError};
use super::history::EventKind;
use super::payload::Filled;
use super::retry::TIMEOUT;
use super::run::Run;
use super::size::fits;
use super::step::{Entered, Halt, Step, seconds_at, too_large};

impl<'a, R: Resources> Run<'a, R> {
    pub(super) async fn task(
        &self,
        task: &'a Task,
        entered: Entered<'_>,
    ) -> Result<Step<'a>, Halt> {
        let mut retries = vec![0_u32; task.retry.len()];
        loop {
            let error = match self.attempt(task, &entered).await? {
                Ok(output) => {
                    let next = task.next.as_deref();
                    return Ok(Step { output, next });
                }
                Err(error) => error,
            };
            // The first retrier for the error decides: once it has no attempts left, no other does.
            let mut rules = task.retry.iter().zip(&mut retries);
            let first = rules.find(|(retrier, _)| retrier.errors.matches(&error.error));
            if let Some((retrier, made)) = first
                && *made < retrier.max_attempts
            {
                let delay = retrier.delay(*made, &mut self.lot.borrow_mut());
                *made += 1;
                tokio::time::sleep(delay).await;
                continue;
            }
            let mut catchers = task.catch.iter();
            let catcher = catchers.find(|catcher| catcher.errors.matches(&error.error));
            let Some(catcher) = catcher else {
                return Err(Halt::Failed(error));
            };
            let TaskError { error, cause } = error;
            let result = json!({ "Error": error, "Cause": cause });
            // A catch has its own ResultPath; the state's OutputPath is for results.
            let output = entered.with(&catcher.result_path, result);
            return Ok(Step {
                output: output.map_err(Halt::Failed)?,
                next: Some(&catcher.next),
            });
        }
    }

    /// One attempt at a Task: its output, or the error that retriers and catchers may take.
    async fn attempt(
        &self,
        task: &Task,
        entered: &Entered<'_>,
    ) -> Result<Result<Value, TaskError>, Halt> {
        let (resource_type, resource) = task.resource.names();
        let filled = match task.parameters.fill(entered.input, self.execution) {
            Ok(filled) => filled,
            Err(path) => return Ok(Err(entered.no_parameter(&path))),
        };
        let timeout = match &task.timeout_seconds_path {
            None => task.timeout_seconds.map(|seconds| seconds.0),
            Some(path) => {
                let seconds = seconds_at("TimeoutSecondsPath", path, entered);
                Some(seconds.map_err(Halt::Failed)?)
            }
        };
        let parameters = filled.to_json();
        if !fits(&parameters) {
            return Ok(Err(too_large(entered.state.name())));
        }
        self.record(EventKind::TaskScheduled {
            resource_type,
            resource,
            parameters,
            timeout_in_seconds: timeout,
        })?;
        self.record(EventKind::TaskStarted {
            resource_type,
            resource,
        })?;
        let limit = Duration::from_secs(timeout.unwrap_or(Seconds::MAX));
        let result = match tokio::time::timeout(limit, self.called(task, filled)).await {
            Ok(Ok(result)) if fits(&result) => result,
            Ok(answer) => {
                let error = answer.map_or_else(|error| error, |_| too_large(resource_type));
                self.record(EventKind::TaskFailed {
                    resource_type,
                    resource,
                    error: error.error.clone(),
                    cause: error.cause.clone(),
                })?;
                return Ok(Err(error));
            }
            Err(_) => {
                self.record(EventKind::TaskTimedOut {
                    resource_type,
                    resource,
                    error: TIMEOUT.to_owned(),
                })?;
                return Ok(Err(TaskError::new(TIMEOUT, "")));
            }
        };
        self.record(EventKind::TaskSucceeded {
            resource_type,
            resource,
            output: result.clone(),
        })?;
        let selected = match &task.result_selector {
            None => result,
            Some(selector) => match selector.fill(&result, self.execution) {
                Ok(selected) => selected,
                Err(path) => return Ok(Err(entered.no_parameter(&path))),
            },
        };
        let placed = match entered.with(&task.result_path, selected) {
            Ok(placed) if fits(&placed) => placed,
            Ok(_) => return Ok(Err(too_large(entered.state.name()))),
            Err(error) => return Ok(Err(error)),
        };
        Ok(entered.select(&task.output_path, &placed))
    }

    /// What the service answers.
    async fn called(&self, task: &Task, filled: Filled) -> Result<Value, TaskError> {
        match filled {
            Filled::Invoke { function, payload } => self.resources.call(&function, payload).await,
            Filled::Start {
                machine,
                name,
                input,
            } => {
                let (resource_type, resource) = task.resource.names();
                let mut submitted = |output| {
                    // A history that is full ends the execution with its next event.
                    let _ = self.record(EventKind::TaskSubmitted {
                        resource_type,
                        resource,
                        output,
                    });
                };
                let start = self.resources.start(&machine, &name, input, &mut submitted);
                start.await
            }
        }
    }
}
