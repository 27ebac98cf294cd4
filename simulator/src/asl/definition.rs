//! The states of a state machine, as types.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::choice::Rule;
use super::intrinsic::Term;
use super::path::JsonPath;
use super::payload::Template;
use super::retry::{Catcher, ErrorNames, Retrier};

/// A definition that this interpreter runs, every part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StateMachine {
    pub(super) comment: Option<String>,
    pub(super) start_at: String,
    pub(super) timeout: Option<Duration>,
    pub(super) states: Vec<State>,
}

impl StateMachine {
    /// What the machine is for.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The first state's name.
    pub fn start_at(&self) -> &str {
        &self.start_at
    }

    /// How long an execution may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The states, in the definition's order.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.states.iter()
    }

    /// The state of that name.
    pub fn state(&self, name: &str) -> Option<&State> {
        self.states.iter().find(|state| state.name == name)
    }
}

/// One state.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A state's `Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateType {
    /// Calls a service.
    Task,
    /// Lets time pass.
    Wait,
    /// Goes on where the input says.
    Choice,
    /// Puts a constant or a payload into the input.
    Pass,
    /// Ends the execution well.
    Succeed,
    /// Ends the execution with an error.
    Fail,
}

impl fmt::Display for StateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl State {
    /// The state's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The state's type.
    pub fn state_type(&self) -> StateType {
        match self.kind {
            Kind::Task(_) => StateType::Task,
            Kind::Wait(_) => StateType::Wait,
            Kind::Choice(_) => StateType::Choice,
            Kind::Pass(_) => StateType::Pass,
            Kind::Succeed(_) => StateType::Succeed,
            Kind::Fail(_) => StateType::Fail,
        }
    }

    /// What the state is for, in a person's words.
    pub fn comment(&self) -> Option<&str> {
        let comment = match &self.kind {
            Kind::Task(task) => &task.comment,
            Kind::Wait(wait) => &wait.comment,
            Kind::Choice(choice) => &choice.comment,
            Kind::Pass(pass) => &pass.comment,
            Kind::Succeed(succeed) => &succeed.comment,
            Kind::Fail(fail) => &fail.comment,
        };
        comment.as_deref()
    }

    /// What a Task calls: `arn:aws:states:::lambda:invoke`.
    pub fn resource(&self) -> Option<&str> {
        self.task().map(|task| task.resource.text.as_str())
    }

    /// How long one attempt of a Task may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.task()?.timeout_seconds.map(Duration::from)
    }

    /// A Task's retriers, in their order; none for other states.
    pub fn retriers(&self) -> &[Retrier] {
        self.task().map_or(&[], |task| &task.retry)
    }

    /// A Task's catchers, in their order; none for other states.
    pub fn catchers(&self) -> &[Catcher] {
        self.task().map_or(&[], |task| &task.catch)
    }

    /// A Choice's rules, in their order; none for other states.
    pub fn rules(&self) -> &[Rule] {
        match &self.kind {
            Kind::Choice(choice) => &choice.choices,
            _ => &[],
        }
    }

    /// The states that may follow: `Next`, those of rules, `Default`, those of catchers.
    pub fn next_states(&self) -> Vec<&str> {
        let next = match &self.kind {
            Kind::Task(task) => &task.next,
            Kind::Wait(wait) => &wait.next,
            Kind::Choice(choice) => &choice.default,
            Kind::Pass(pass) => &pass.next,
            Kind::Succeed(_) | Kind::Fail(_) => &None,
        };
        let rules = self.rules().iter().map(|rule| rule.next.as_str());
        let catchers = self.catchers().iter().map(|catcher| catcher.next.as_str());
        rules.chain(next.as_deref()).chain(catchers).collect()
    }

    fn task(&self) -> Option<&Task> {
        match &self.kind {
            Kind::Task(task) => Some(task),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Task(Box<Task>),
    Wait(Wait),
    Choice(Choice),
    Pass(Box<Pass>),
    Succeed(Succeed),
    Fail(Fail),
}

/// The definition's top level; each state is read by its type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Raw {
    pub(super) comment: Option<String>,
    pub(super) start_at: String,
    pub(super) timeout_seconds: Option<Seconds>,
    pub(super) states: Map<String, Value>,
}

// Where a path may be null, a missing one means `$` and null means "nothing of it".

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Task {
    comment: Option<String>,
    pub(super) resource: Resource,
    #[serde(default = "JsonPath::whole")]
    pub(super) input_path: Option<JsonPath>,
    pub(super) parameters: Option<Template>,
    pub(super) timeout_seconds: Option<Seconds>,
    #[serde(default)]
    pub(super) retry: Vec<Retrier>,
    #[serde(default)]
    pub(super) catch: Vec<Catcher>,
    pub(super) result_selector: Option<Template>,
    #[serde(default = "JsonPath::whole")]
    pub(super) result_path: Option<JsonPath>,
    #[serde(default = "JsonPath::whole")]
    pub(super) output_path: Option<JsonPath>,
    pub(super) next: Option<String>,
    #[serde(default)]
    end: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Wait {
    comment: Option<String>,
    pub(super) seconds: Option<Seconds>,
    pub(super) seconds_path: Option<JsonPath>,
    pub(super) next: Option<String>,
    #[serde(default)]
    end: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Choice {
    comment: Option<String>,
    pub(super) choices: Vec<Rule>,
    pub(super) default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Pass {
    comment: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(super) result: Option<Value>,
    pub(super) parameters: Option<Template>,
    #[serde(default = "JsonPath::whole")]
    pub(super) result_path: Option<JsonPath>,
    pub(super) next: Option<String>,
    #[serde(default)]
    end: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Succeed {
    comment: Option<String>,
    #[serde(default = "JsonPath::whole")]
    pub(super) input_path: Option<JsonPath>,
    #[serde(default = "JsonPath::whole")]
    pub(super) output_path: Option<JsonPath>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Fail {
    comment: Option<String>,
    pub(super) error: Option<String>,
    pub(super) error_path: Option<Term>,
    pub(super) cause: Option<String>,
    pub(super) cause_path: Option<Term>,
}

impl Kind {
    /// What no single field shows. The error is the field, with its dot or bracket, and the problem.
    pub(super) fn check(&self) -> Result<(), (String, &'static str)> {
        let whole = |problem| Err((String::new(), problem));
        match self {
            Self::Task(task) => {
                let names = |names: &ErrorNames| names.is_all();
                let last = task.retry.len().saturating_sub(1);
                if let Some(at) = task.retry.iter().position(|retrier| names(&retrier.errors))
                    && at < last
                {
                    return Err((format!(".Retry[{at}]"), "States.ALL stands last"));
                }
                let last = task.catch.len().saturating_sub(1);
                if let Some(at) = task.catch.iter().position(|catcher| names(&catcher.errors))
                    && at < last
                {
                    return Err((format!(".Catch[{at}]"), "States.ALL stands last"));
                }
                if task.timeout_seconds.is_some_and(|seconds| seconds.0 == 0) {
                    return Err((
                        ".TimeoutSeconds".to_owned(),
                        "a timeout is 1 second or more",
                    ));
                }
                next_or_end(task.next.as_ref(), task.end)
            }
            Self::Wait(wait) => match (&wait.seconds, &wait.seconds_path) {
                (Some(_), None) | (None, Some(_)) => next_or_end(wait.next.as_ref(), wait.end),
                _ => whole("a Wait has either Seconds or SecondsPath"),
            },
            Self::Choice(choice) => {
                if choice.choices.is_empty() {
                    return Err((".Choices".to_owned(), "a Choice wants a rule"));
                }
                Ok(())
            }
            Self::Pass(pass) => {
                if pass.result.is_some() && pass.parameters.is_some() {
                    return whole("a Pass has either Result or Parameters");
                }
                next_or_end(pass.next.as_ref(), pass.end)
            }
            Self::Succeed(_) => Ok(()),
            Self::Fail(fail) => {
                if fail.error.is_some() && fail.error_path.is_some() {
                    return whole("a Fail has either Error or ErrorPath");
                }
                if fail.cause.is_some() && fail.cause_path.is_some() {
                    return whole("a Fail has either Cause or CausePath");
                }
                Ok(())
            }
        }
    }
}

fn next_or_end(next: Option<&String>, end: bool) -> Result<(), (String, &'static str)> {
    if next.is_some() == end {
        return Err((String::new(), "a state has either Next or End: true"));
    }
    Ok(())
}

/// A `Result` of null is a result.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// Whole seconds, from 0 to 99,999,999 (over three years), as Step Functions counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct Seconds(pub(super) u64);

impl Seconds {
    pub(super) const MAX: u64 = 99_999_999;
}

impl TryFrom<u64> for Seconds {
    type Error = String;

    fn try_from(seconds: u64) -> Result<Self, String> {
        if seconds > Self::MAX {
            return Err(format!("{seconds} is above {} seconds", Self::MAX));
        }
        Ok(Self(seconds))
    }
}

impl From<Seconds> for Duration {
    fn from(seconds: Seconds) -> Self {
        Self::from_secs(seconds.0)
    }
}

/// A service integration: `arn:aws:states:::<service>:<action>`.
///
/// Which of them exist is for the caller to say, when one is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Resource {
    pub(super) text: String,
    /// `lambda`, `aws-sdk:cloudwatch`.
    pub(super) service: String,
    /// `invoke`, `describeAlarms`.
    pub(super) action: String,
}

impl TryFrom<String> for Resource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let problem = |problem: &str| Err(format!("{problem}: {text}"));
        if text.contains("${") {
            return problem("a name is not substituted");
        }
        let integration = ["aws", "aws-us-gov", "aws-cn"]
            .iter()
            .find_map(|partition| text.strip_prefix(&format!("arn:{partition}:states:::")));
        let Some((service, action)) = integration.and_then(|rest| rest.rsplit_once(':')) else {
            return problem("only service integrations (arn:aws:states:::…) are supported");
        };
        if let Some((_, pattern)) = action.split_once('.') {
            return problem(&format!(
                "the integration pattern .{pattern} is not supported"
            ));
        }
        Ok(Self {
            service: service.to_owned(),
            action: action.to_owned(),
            text,
        })
    }
}
