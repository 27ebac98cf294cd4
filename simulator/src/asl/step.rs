//! One step: a state that was entered, and where it leads.

use std::time::Duration;

use serde_json::Value;

use super::definition::{Choice, Fail, Seconds, State, Wait};
use super::execution::TaskError;
use super::path::JsonPath;
use super::retry::{DATA_LIMIT, PARAMETER_PATH, RESULT_PATH, RUNTIME};

pub(super) struct Step<'a> {
    pub(super) output: Value,
    pub(super) next: Option<&'a str>,
}

/// Why an execution ends where it is.
pub(super) enum Halt {
    Failed(TaskError),
    /// The only event that still has a place is the execution's last.
    HistoryFull,
}

#[derive(Clone, Copy)]
pub(super) struct Entered<'a> {
    pub(super) state: &'a State,
    pub(super) input: &'a Value,
    /// The id of its `…StateEntered` event, for error messages.
    pub(super) event: u64,
}

impl Entered<'_> {
    /// On to the next state, if there is one, with the input as it is.
    pub(super) fn go<'a>(&self, next: Option<&'a str>) -> Step<'a> {
        let output = self.input.clone();
        Step { output, next }
    }

    /// The state machine itself is wrong: `States.Runtime`, in Step Functions' words.
    fn runtime(&self, problem: &str) -> TaskError {
        self.error(RUNTIME, problem)
    }

    fn error(&self, error: &str, problem: &str) -> TaskError {
        let (name, event) = (self.state.name(), self.event);
        let cause = format!(
            "An error occurred while executing the state '{name}' (entered at the event id \
             #{event}). {problem}"
        );
        TaskError::new(error, cause)
    }

    /// What `OutputPath` leaves of a result.
    pub(super) fn select(&self, path: &JsonPath, result: &Value) -> Result<Value, TaskError> {
        let problem = || format!("Invalid path '{path}' : No results for this path.");
        let found = path.resolve(result).cloned();
        found.ok_or_else(|| self.runtime(&problem()))
    }

    /// The error of a path that leads nowhere.
    pub(super) fn no_parameter(&self, path: &str) -> TaskError {
        let problem = format!("The JSONPath '{path}' could not be found in the input.");
        self.error(PARAMETER_PATH, &problem)
    }

    /// The error of a Map whose items are not a list.
    pub(super) fn no_items(&self, path: &JsonPath) -> TaskError {
        self.runtime(&format!("Reference path \"{path}\" must point to array."))
    }

    /// The state's input with a result or a caught error in its place.
    pub(super) fn with(&self, path: &JsonPath, result: Value) -> Result<Value, TaskError> {
        let placed = path.place(self.input.clone(), result);
        let problem = || format!("Unable to apply ResultPath '{path}' to the input.");
        placed.ok_or_else(|| self.error(RESULT_PATH, &problem()))
    }
}

pub(super) async fn pause<'a>(
    wait: &'a Wait,
    entered: &Entered<'_>,
) -> Result<Step<'a>, TaskError> {
    let seconds = seconds_at("SecondsPath", &wait.seconds_path, entered)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok(entered.go(Some(&wait.next)))
}

pub(super) fn seconds_at(
    field: &str,
    path: &JsonPath,
    entered: &Entered<'_>,
) -> Result<u64, TaskError> {
    let problem = match path.resolve(entered.input) {
        None => format!("does not reference an input value: {path}"),
        Some(value) => match (value.as_u64(), value.as_i64()) {
            (Some(seconds), _) if seconds <= Seconds::MAX => return Ok(seconds),
            (Some(_), _) => format!("references a value above 99999999: {path} == {value}"),
            (None, Some(_)) => format!("references a negative value: {path} == {value}"),
            (None, None) => format!("cannot be parsed as a long value: {path} == {value}"),
        },
    };
    Err(entered.runtime(&format!("The {field} parameter {problem}")))
}

pub(super) fn choose<'a>(choice: &'a Choice, entered: &Entered<'_>) -> Result<Step<'a>, TaskError> {
    let mut next = &choice.default;
    for rule in &choice.choices {
        let path = &rule.variable;
        let value = path.resolve(entered.input).ok_or_else(|| {
            entered.runtime(&format!(
                "Invalid path '{path}': The choice state's condition path references an invalid \
                 value."
            ))
        })?;
        if value.as_str() == Some(&rule.string_equals) {
            next = &rule.next;
            break;
        }
    }
    Ok(entered.go(Some(next)))
}

/// The error of a Fail state, or the error of reading it.
pub(super) fn failure(fail: &Fail, entered: &Entered<'_>) -> TaskError {
    let text = |path: &JsonPath, field| match path.resolve(entered.input) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(entered.runtime(&format!(
            "The value specified for the field '{field}' is not a string: {other}"
        ))),
        None => Err(entered.runtime(&format!(
            "The JSONPath '{path}' specified for the field '{field}' could not be found in the \
             input '{}'",
            entered.input
        ))),
    };
    let error = text(&fail.error_path, "ErrorPath");
    let cause = text(&fail.cause_path, "CausePath");
    match (error, cause) {
        (Ok(error), Ok(cause)) => TaskError { error, cause },
        (Err(problem), _) | (_, Err(problem)) => problem,
    }
}

/// `who` is a state, or the service that answered.
pub(super) fn too_large(who: &str) -> TaskError {
    let cause = format!(
        "The state/task '{who}' returned a result with a size exceeding the maximum number of \
         bytes service limit."
    );
    TaskError::new(DATA_LIMIT, cause)
}
