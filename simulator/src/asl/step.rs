//! One step: a state that was entered, and where it leads.

use std::time::Duration;

use serde_json::{Map, Value};

use super::data::Data;
use super::definition::{Choice, Fail, Pass, Seconds, State, Succeed, Wait};
use super::history::Full;
use super::intrinsic::Term;
use super::path::JsonPath;
use super::payload::Unevaluated;
use super::retry::{DATA_LIMIT, INTRINSIC, RESULT_PATH, RUNTIME};
use super::run::TaskError;

/// Where a state leads, with its output.
pub(super) struct Step<'a> {
    pub(super) output: Value,
    /// The next state, or `None` at an `End`.
    pub(super) next: Option<&'a str>,
}

/// Why an execution ends without success.
pub(super) enum Halt {
    /// A state failed, and nothing caught it.
    Failed(TaskError),
    /// The history is full.
    HistoryFull,
}

impl From<Full> for Halt {
    fn from(Full: Full) -> Self {
        Self::HistoryFull
    }
}

/// A state that is being run.
pub(super) struct Entered<'a> {
    pub(super) state: &'a State,
    pub(super) input: &'a Value,
    /// The id of its `…StateEntered` event, for error messages.
    pub(super) event: u64,
    pub(super) context: Value,
}

impl Entered<'_> {
    pub(super) fn data(&self) -> Data<'_> {
        Data {
            input: self.input,
            context: &self.context,
        }
    }

    pub(super) fn retry_count(&mut self, count: u32) {
        self.context["State"]["RetryCount"] = count.into();
    }

    /// The state machine itself is wrong: `States.Runtime`, in Step Functions' words.
    pub(super) fn runtime(&self, problem: &str) -> TaskError {
        self.error(RUNTIME, problem)
    }

    pub(super) fn error(&self, error: &str, problem: &str) -> TaskError {
        let (name, event) = (self.state.name(), self.event);
        let cause = format!(
            "An error occurred while executing the state '{name}' (entered at the event id \
             #{event}). {problem}"
        );
        TaskError {
            error: error.to_owned(),
            cause,
        }
    }

    /// What `InputPath` or `OutputPath` leaves of the data: `{}` where it is null.
    pub(super) fn select(
        &self,
        path: Option<&JsonPath>,
        input: &Value,
    ) -> Result<Value, TaskError> {
        let Some(path) = path else {
            return Ok(Value::Object(Map::new()));
        };
        let found = path.resolve(Data {
            input,
            context: &self.context,
        });
        let problem = || format!("Invalid path '{path}' : No results for this path.");
        found.cloned().ok_or_else(|| self.runtime(&problem()))
    }

    /// The state's input with a result in its place; the input alone where the path is null.
    pub(super) fn combine(
        &self,
        path: Option<&JsonPath>,
        result: Value,
    ) -> Result<Value, TaskError> {
        let input = self.input.clone();
        let Some(path) = path else { return Ok(input) };
        path.place(input, result).ok_or_else(|| {
            self.error(
                RESULT_PATH,
                &format!("Unable to apply ResultPath '{path}' to the input."),
            )
        })
    }

    pub(super) fn unevaluated(&self, why: &Unevaluated<'_>, input: &Value) -> TaskError {
        match why {
            Unevaluated::Missing { field, path } => self.runtime(&format!(
                "The JSONPath '{path}' specified for the field '{field}' could not be found in the \
                 input '{input}'"
            )),
            Unevaluated::MissingArgument { function, path } => self.runtime(&format!(
                "The function '{function}' had the following error: The JsonPath argument for the \
                 field '{path}' could not be found in the input '{input}'"
            )),
            Unevaluated::BadArgument { function, value } => self.error(
                INTRINSIC,
                &format!("The function '{function}' had the following error: no place for {value}"),
            ),
        }
    }
}

pub(super) async fn pause<'a>(
    wait: &'a Wait,
    entered: &Entered<'_>,
) -> Result<Step<'a>, TaskError> {
    let seconds = match (&wait.seconds, &wait.seconds_path) {
        (Some(seconds), _) => seconds.0,
        (None, Some(path)) => seconds_at(path, entered)?,
        (None, None) => 0,
    };
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok(Step {
        output: entered.input.clone(),
        next: wait.next.as_deref(),
    })
}

fn seconds_at(path: &JsonPath, entered: &Entered<'_>) -> Result<u64, TaskError> {
    let problem = match path.resolve(entered.data()) {
        None => format!("does not reference an input value: {path}"),
        Some(value) => match (value.as_u64(), value.as_i64()) {
            (Some(seconds), _) if seconds <= Seconds::MAX => return Ok(seconds),
            (Some(_), _) => format!(
                "references a value above {}: {path} == {value}",
                Seconds::MAX
            ),
            (None, Some(_)) => format!("references a negative value: {path} == {value}"),
            (None, None) => format!("cannot be parsed as a long value: {path} == {value}"),
        },
    };
    Err(entered.runtime(&format!("The SecondsPath parameter {problem}")))
}

pub(super) fn choose<'a>(choice: &'a Choice, entered: &Entered<'_>) -> Result<Step<'a>, TaskError> {
    let output = entered.input.clone();
    for rule in &choice.choices {
        let holds = rule.condition.holds(entered.data()).map_err(|path| {
            entered.runtime(&format!(
                "Invalid path '{path}': The choice state's condition path references an invalid \
                 value."
            ))
        })?;
        if holds {
            return Ok(Step {
                output,
                next: Some(&rule.next),
            });
        }
    }
    match &choice.default {
        Some(next) => Ok(Step {
            output,
            next: Some(next),
        }),
        None => Err(entered.error(
            "States.NoChoiceMatched",
            "No rule matches, and there is no Default.",
        )),
    }
}

pub(super) fn pass_on<'a>(pass: &'a Pass, entered: &Entered<'_>) -> Result<Step<'a>, TaskError> {
    let result = match (&pass.result, &pass.parameters) {
        (Some(result), _) => result.clone(),
        (None, Some(template)) => template
            .evaluate(entered.data())
            .map_err(|why| entered.unevaluated(&why, entered.input))?,
        (None, None) => entered.input.clone(),
    };
    let output = entered.combine(pass.result_path.as_ref(), result)?;
    Ok(Step {
        output,
        next: pass.next.as_deref(),
    })
}

pub(super) fn end<'a>(succeed: &Succeed, entered: &Entered<'_>) -> Result<Step<'a>, TaskError> {
    let input = entered.select(succeed.input_path.as_ref(), entered.input)?;
    let output = entered.select(succeed.output_path.as_ref(), &input)?;
    Ok(Step { output, next: None })
}

/// The error of a Fail state, or the one that it could not be told.
pub(super) fn failure(fail: &Fail, entered: &Entered<'_>) -> TaskError {
    let text = |constant: &Option<String>, term: &Option<Term>, field| match term {
        None => Ok(constant.clone().unwrap_or_default()),
        Some(term) => match term.evaluate(field, entered.data()) {
            Ok(Value::String(text)) => Ok(text),
            Ok(other) => Err(entered.runtime(&format!(
                "The value specified for the field '{field}' is not a string: {other}"
            ))),
            Err(why) => Err(entered.unevaluated(&why, entered.input)),
        },
    };
    let error = text(&fail.error, &fail.error_path, "ErrorPath");
    let cause = text(&fail.cause, &fail.cause_path, "CausePath");
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
    TaskError {
        error: DATA_LIMIT.to_owned(),
        cause,
    }
}
