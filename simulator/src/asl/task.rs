//! A Task: its attempts, its retries and its catchers.

use serde_json::{Value, json};

use super::data::{Data, fits};
use super::definition::{Seconds, Task};
use super::history::EventKind;
use super::retry::TIMEOUT;
use super::run::{Resources, Run, TaskError};
use super::step::{Entered, Halt, Step, too_large};

impl<'a, R: Resources> Run<'a, R> {
    /// A Task, with its retries and then its catchers.
    pub(super) async fn task(
        &mut self,
        task: &'a Task,
        mut entered: Entered<'_>,
    ) -> Result<Step<'a>, Halt> {
        let mut retries = vec![0_u32; task.retry.len()];
        loop {
            entered.retry_count(retries.iter().sum());
            let error = match self.attempt(task, &entered).await? {
                Ok(output) => {
                    return Ok(Step {
                        output,
                        next: task.next.as_deref(),
                    });
                }
                Err(error) => error,
            };
            // The first retrier for the error decides: once it has no attempts left, no other does.
            let first = task
                .retry
                .iter()
                .zip(&mut retries)
                .find(|(retrier, _)| retrier.errors.matches(&error.error));
            if let Some((retrier, made)) = first
                && *made < retrier.max_attempts
            {
                let delay = retrier.delay(*made, self.lot);
                *made += 1;
                tokio::time::sleep(delay).await;
                continue;
            }
            let catcher = task
                .catch
                .iter()
                .find(|catcher| catcher.errors.matches(&error.error));
            let Some(catcher) = catcher else {
                return Err(Halt::Failed(error));
            };
            let TaskError { error, cause } = error;
            let result = json!({ "Error": error, "Cause": cause });
            // A catch has its own ResultPath; the state's ResultSelector and OutputPath are for results.
            let output = entered.combine(catcher.result_path.as_ref(), result);
            return Ok(Step {
                output: output.map_err(Halt::Failed)?,
                next: Some(&catcher.next),
            });
        }
    }

    /// One attempt at a Task: its output, or the error that retriers and catchers may take.
    async fn attempt(
        &mut self,
        task: &Task,
        entered: &Entered<'_>,
    ) -> Result<Result<Value, TaskError>, Halt> {
        let (service, action) = (&task.resource.service, &task.resource.action);
        let parameters = match parameters(task, entered) {
            Ok(parameters) if fits(&parameters) => parameters,
            Ok(_) => return Ok(Err(too_large(entered.state.name()))),
            Err(error) => return Ok(Err(error)),
        };
        self.journal.record(EventKind::TaskScheduled {
            resource_type: service.clone(),
            resource: action.clone(),
            parameters: parameters.clone(),
            timeout_in_seconds: task.timeout_seconds.map(|seconds| seconds.0),
        })?;
        self.journal.record(EventKind::TaskStarted {
            resource_type: service.clone(),
            resource: action.clone(),
        })?;
        let limit = task.timeout_seconds.unwrap_or(Seconds(Seconds::MAX));
        let call = self.resources.call(&task.resource.text, parameters);
        let result = match tokio::time::timeout(limit.into(), call).await {
            Ok(Ok(result)) if fits(&result) => result,
            Ok(answer) => {
                let error = answer.map_or_else(|error| error, |_| too_large(service));
                self.journal.record(EventKind::TaskFailed {
                    resource_type: service.clone(),
                    resource: action.clone(),
                    error: error.error.clone(),
                    cause: error.cause.clone(),
                })?;
                return Ok(Err(error));
            }
            Err(_) => {
                self.journal.record(EventKind::TaskTimedOut {
                    resource_type: service.clone(),
                    resource: action.clone(),
                    error: TIMEOUT.to_owned(),
                })?;
                return Ok(Err(TaskError {
                    error: TIMEOUT.to_owned(),
                    cause: String::new(),
                }));
            }
        };
        self.journal.record(EventKind::TaskSucceeded {
            resource_type: service.clone(),
            resource: action.clone(),
            output: result.clone(),
        })?;
        Ok(output(task, entered, result))
    }
}

/// What a Task sends: `InputPath`, then `Parameters`.
fn parameters(task: &Task, entered: &Entered<'_>) -> Result<Value, TaskError> {
    let input = entered.select(task.input_path.as_ref(), entered.input)?;
    let Some(template) = &task.parameters else {
        return Ok(input);
    };
    let parameters = template.evaluate(Data {
        input: &input,
        context: &entered.context,
    });
    parameters.map_err(|why| entered.unevaluated(&why, &input))
}

/// What a Task makes of its result: `ResultSelector`, `ResultPath`, then `OutputPath`.
fn output(task: &Task, entered: &Entered<'_>, result: Value) -> Result<Value, TaskError> {
    let result = match &task.result_selector {
        None => result,
        Some(template) => template
            .evaluate(Data {
                input: &result,
                context: &entered.context,
            })
            .map_err(|why| entered.unevaluated(&why, &result))?,
    };
    let output = entered.combine(task.result_path.as_ref(), result)?;
    entered.select(task.output_path.as_ref(), &output)
}
