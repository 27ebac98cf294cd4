//! The states of a state machine, as types.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map as Object, Value};

use super::path::JsonPath;
use super::payload::{Parameters, Template};
use super::retry::{Catcher, ErrorNames, Retrier};

/// The parts of a definition that this interpreter supports.
#[derive(Debug, Clone, PartialEq)]
pub struct StateMachine {
    pub(super) comment: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) graph: Graph,
}

/// States, and the one that comes first: of a machine, or of what a Map does with each item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Graph {
    pub(super) start_at: String,
    pub(super) states: Vec<State>,
}

impl Graph {
    pub(super) fn state(&self, name: &str) -> Option<&State> {
        self.states.iter().find(|state| state.name == name)
    }
}

impl StateMachine {
    pub fn start_at(&self) -> &str {
        &self.graph.start_at
    }

    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.graph.states.iter()
    }

    pub fn state(&self, name: &str) -> Option<&State> {
        self.graph.state(name)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    pub(super) kind: Kind,
}

impl State {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its `Type`.
    pub(super) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Task(_) => "Task",
            Kind::Map(_) => "Map",
            Kind::Wait(_) => "Wait",
            Kind::Choice(_) => "Choice",
            Kind::Succeed(_) => "Succeed",
            Kind::Fail(_) => "Fail",
        }
    }

    /// How long one attempt of a Task may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.task()?.timeout_seconds.map(Duration::from)
    }

    /// A Task's retriers, in their order; none for other states.
    pub fn retriers(&self) -> &[Retrier] {
        self.task().map_or(&[], |task| &task.retry)
    }

    /// The states that may follow: `Next`, those of rules, `Default`, those of catchers.
    pub(super) fn next_states(&self) -> Vec<&str> {
        let (next, rules, catchers): (_, &[Rule], &[Catcher]) = match &self.kind {
            Kind::Task(task) => (task.next.as_ref(), &[], &task.catch),
            Kind::Map(map) => (Some(&map.next), &[], &[]),
            Kind::Wait(wait) => (Some(&wait.next), &[], &[]),
            Kind::Choice(choice) => (Some(&choice.default), &choice.choices, &[]),
            Kind::Succeed(_) | Kind::Fail(_) => return Vec::new(),
        };
        let rules = rules.iter().map(|rule| rule.next.as_str());
        let catchers = catchers.iter().map(|catcher| catcher.next.as_str());
        let next = next.map(String::as_str);
        rules.chain(next).chain(catchers).collect()
    }

    fn task(&self) -> Option<&Task> {
        match &self.kind {
            Kind::Task(task) => Some(task),
            Kind::Map(_) | Kind::Wait(_) | Kind::Choice(_) | Kind::Succeed(_) | Kind::Fail(_) => {
                None
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Task(Box<Task>),
    Map(Map),
    Wait(Wait),
    Choice(Choice),
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
    pub(super) states: Object<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Task {
    pub(super) resource: Integration,
    pub(super) parameters: Parameters,
    pub(super) timeout_seconds: Option<Seconds>,
    /// Where in the input the timeout is.
    pub(super) timeout_seconds_path: Option<JsonPath>,
    pub(super) result_selector: Option<Template>,
    /// Where in the input the result goes.
    #[serde(default)]
    pub(super) result_path: JsonPath,
    #[serde(default)]
    pub(super) retry: Vec<Retrier>,
    #[serde(default)]
    pub(super) catch: Vec<Catcher>,
    #[serde(default)]
    pub(super) output_path: JsonPath,
    pub(super) next: Option<String>,
    /// Of a state that no other one follows.
    #[serde(default)]
    pub(super) end: bool,
}

/// An inline Map: the same states for every item of a list, side by side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Map {
    pub(super) items_path: JsonPath,
    pub(super) processor: Graph,
    pub(super) result_path: JsonPath,
    pub(super) next: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RawMap {
    pub(super) items_path: JsonPath,
    pub(super) item_processor: RawProcessor,
    #[serde(default)]
    pub(super) result_path: JsonPath,
    pub(super) next: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RawProcessor {
    #[serde(rename = "ProcessorConfig")]
    pub(super) _config: Inline,
    pub(super) start_at: String,
    pub(super) states: Object<String, Value>,
}

/// `{"Mode": "INLINE"}`: the iterations are part of the execution.
#[derive(Deserialize)]
#[serde(tag = "Mode", rename_all = "UPPERCASE", deny_unknown_fields)]
pub(super) enum Inline {
    Inline {},
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Wait {
    pub(super) seconds_path: JsonPath,
    pub(super) next: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Choice {
    pub(super) choices: Vec<Rule>,
    pub(super) default: String,
}

/// One rule of a Choice: where to go when a member of the input is this text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Rule {
    pub(super) variable: JsonPath,
    pub(super) string_equals: String,
    pub(super) next: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Succeed {}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Fail {
    pub(super) error_path: JsonPath,
    pub(super) cause_path: JsonPath,
}

impl Kind {
    /// What no single field shows. The error is the field and the problem.
    pub(super) fn check(&self) -> Result<(), (String, &'static str)> {
        match self {
            Self::Task(task)
                if task.timeout_seconds.is_some() && task.timeout_seconds_path.is_some() =>
            {
                let both = "TimeoutSeconds and TimeoutSecondsPath are both given";
                Err((String::new(), both))
            }
            Self::Task(task) if task.next.is_some() == task.end => {
                Err((String::new(), "a Task wants either Next or End"))
            }
            Self::Task(task) if !task.parameters.fit(task.resource) => {
                let fields = "these are not the fields of the Resource";
                Err(("Parameters".to_owned(), fields))
            }
            Self::Task(task) => {
                // Of several, only the last may be for any error.
                let early = |mut names: Vec<&ErrorNames>| {
                    names.pop();
                    names.iter().position(|names| names.is_all())
                };
                let retry = task.retry.iter().map(|retrier| &retrier.errors);
                if let Some(at) = early(retry.collect()) {
                    return Err((format!("Retry[{at}]"), "States.ALL stands last"));
                }
                let catch = task.catch.iter().map(|catcher| &catcher.errors);
                if let Some(at) = early(catch.collect()) {
                    return Err((format!("Catch[{at}]"), "States.ALL stands last"));
                }
                Ok(())
            }
            Self::Choice(choice) if choice.choices.is_empty() => {
                Err(("Choices".to_owned(), "a Choice wants a rule"))
            }
            Self::Map(_) | Self::Wait(_) | Self::Choice(_) | Self::Succeed(_) | Self::Fail(_) => {
                Ok(())
            }
        }
    }
}

/// A timeout: whole seconds, from 1 to 99,999,999 (over three years), as Step Functions counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct Seconds(pub(super) u64);

impl Seconds {
    pub(super) const MAX: u64 = 99_999_999;
}

impl TryFrom<u64> for Seconds {
    type Error = String;

    fn try_from(seconds: u64) -> Result<Self, String> {
        if !(1..=Self::MAX).contains(&seconds) {
            return Err(format!("a timeout is from 1 to {} seconds", Self::MAX));
        }
        Ok(Self(seconds))
    }
}

impl From<Seconds> for Duration {
    fn from(seconds: Seconds) -> Self {
        Self::from_secs(seconds.0)
    }
}

/// What a Task calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Integration {
    /// `lambda:invoke`.
    Invoke,
    /// `states:startExecution.sync:2`, which waits for the execution's end.
    Start,
}

impl Integration {
    /// The service and the action, as the history names them.
    pub(super) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Invoke => ("lambda", "invoke"),
            Self::Start => ("states", "startExecution.sync:2"),
        }
    }
}

impl TryFrom<String> for Integration {
    type Error = String;

    fn try_from(resource: String) -> Result<Self, String> {
        let mut all = [Self::Invoke, Self::Start].into_iter();
        let found = all.find(|integration| {
            let (service, action) = integration.names();
            let mut partitions = ["aws", "aws-us-gov", "aws-cn"].into_iter();
            partitions
                .any(|partition| resource == format!("arn:{partition}:states:::{service}:{action}"))
        });
        found.ok_or_else(|| {
            format!("only lambda:invoke and states:startExecution.sync:2 are supported: {resource}")
        })
    }
}
