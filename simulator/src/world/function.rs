//! Lambda functions of users, which deployments call as hooks: prepared answers, one after the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::World;

/// A function, and the events that it was called with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UserFunction {
    pub(crate) answers: Vec<PreparedAnswer>,
    pub(crate) events: Vec<Value>,
}

/// What a function does when it is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PreparedAnswer {
    /// Seconds that it runs, at most the 900 that Lambda allows (Docs).
    pub takes_seconds: u64,
    /// What it returns.
    pub answer: Value,
    /// The name of the error that it ends with instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Connections a second that the application ends from now on, where the event has a drain: of the task set that
    /// drains, until none is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sends_away_per_second: Option<u32>,
    /// The message of that error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Default for PreparedAnswer {
    fn default() -> Self {
        Self {
            takes_seconds: 0,
            answer: json!({"hookStatus": "SUCCEEDED"}),
            error: None,
            sends_away_per_second: None,
            message: String::new(),
        }
    }
}

/// How long a function may run.
const LONGEST_SECONDS: u64 = 900;

/// The end of a call: how long it takes, and what it returns, or the name and the cause of its error.
pub(crate) type Invoked = (Duration, Result<Value, (String, String)>);

impl World {
    /// A function by its name, which answers one call after the other; the last answer again and again.
    pub fn put_function(&mut self, name: &str, answers: Vec<PreparedAnswer>) {
        let events = Vec::new();
        let function = UserFunction { answers, events };
        self.functions.insert(name.to_owned(), function);
    }

    /// The names of functions that were never called.
    pub fn functions_not_called(&self) -> impl Iterator<Item = &str> {
        let functions = self.functions.iter();
        let idle = functions.filter(|(_, function)| function.events.is_empty());
        idle.map(|(name, _)| name.as_str())
    }

    /// The events that a function was called with.
    pub fn function_events(&self, name: &str) -> &[Value] {
        let function = self.functions.get(name);
        function.map_or(&[], |function| &function.events)
    }

    /// Calls a function by its ARN. One that was never put there answers `SUCCEEDED`.
    pub(crate) fn invoke(&mut self, arn: &str, event: Value) -> Invoked {
        let name = arn.split(':').nth(6).unwrap_or(arn);
        let function = self.functions.entry(name.to_owned()).or_default();
        let answers = &function.answers;
        let next = answers.get(function.events.len()).or(answers.last());
        let next = next.cloned().unwrap_or_default();
        if let Some(rate) = next.sends_away_per_second
            && let Some(task_set) = event["ebbtide"]["drain"]["taskSet"].as_str()
        {
            for clients in &mut self.clients {
                clients.send_away(task_set, rate);
            }
        }
        function.events.push(event);
        let takes = Duration::from_secs(next.takes_seconds.min(LONGEST_SECONDS));
        if next.takes_seconds > LONGEST_SECONDS {
            let cause = format!("Task timed out after {LONGEST_SECONDS}.00 seconds");
            return (takes, Err(("Sandbox.Timedout".to_owned(), cause)));
        }
        match next.error {
            None => (takes, Ok(next.answer)),
            Some(error) => {
                let cause = json!({"errorMessage": next.message, "errorType": error});
                (takes, Err((error, cause.to_string())))
            }
        }
    }
}
