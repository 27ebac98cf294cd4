//! Reading the event that a command is given.

use clap::Args;
use ebbtide_controller::arn::{Arn, Home};
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::Problem;
use serde_json::{Value, json};

use crate::files::{FileError, Source, Written};
use crate::output::remark;

/// Bytes of an execution's input: the most that Step Functions takes (AWS documentation).
const LONGEST_INPUT: u64 = 262_144;

/// Problems of one input that are printed.
const MOST_TOLD: usize = 20;

/// The `StartExecution` input of a command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Event {
    /// The `StartExecution` input; `-` reads it from standard input.
    #[arg(value_name = "EVENT.json")]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) instead: Instead,
}

/// What stands for a field of the input.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Instead {
    /// The revision to deploy, whatever the input says.
    #[arg(long, value_name = "ARN|FAMILY:REVISION")]
    task_definition: Option<String>,
}

/// An input as it was given.
pub(crate) struct Input<'a> {
    source: &'a Source,
    pub(crate) event: Value,
    /// The file, which knows nothing of what stands for its fields.
    written: Written,
    instead: &'a Instead,
}

impl Event {
    pub(crate) fn of(source: Source) -> Self {
        let instead = Instead::default();
        Self { source, instead }
    }

    pub(crate) fn read(&self) -> Result<Input<'_>, FileError> {
        self.instead.read(&self.source)
    }
}

impl Instead {
    /// An event, with this in it.
    pub(crate) fn read<'a>(&'a self, source: &'a Source) -> Result<Input<'a>, FileError> {
        let written = source.written("JSON", LONGEST_INPUT)?;
        let mut event = written.value.clone();
        if let Value::Object(fields) = &mut event {
            // It is for editors: an execution with it would have another input.
            if fields.get(SCHEMA).is_some_and(Value::is_string) {
                fields.shift_remove(SCHEMA);
            }
            if let Some(revision) = &self.task_definition {
                if fields.contains_key("services") {
                    return Err(FileError::HasServices {
                        flag: "--task-definition",
                        from: source.to_string(),
                    });
                }
                fields.insert(REVISION.to_owned(), revision.as_str().into());
            }
        }
        Ok(Input {
            source,
            event,
            written,
            instead: self,
        })
    }
}

const SCHEMA: &str = "$schema";

/// The field that --task-definition stands for.
const REVISION: &str = "taskDefinition";

impl Input<'_> {
    /// Tells what is wrong with it, a line each, with the place.
    pub(crate) fn refuse(&self, problems: &[Problem]) {
        let error = ErrorName::InvalidInput;
        for problem in problems.iter().take(MOST_TOLD) {
            let (Problem::Wrong { field, .. }
            | Problem::Missing { field, .. }
            | Problem::Unknown { field, .. }) = problem;
            let is_flag = field == REVISION && self.instead.task_definition.is_some();
            let place = (!is_flag).then(|| self.written.place(field)).flatten();
            let place = place.map_or_else(String::new, |place| format!(", {place}"));
            remark(&format!(
                "error: {}{place}: {error}: {problem}",
                self.source
            ));
        }
        let more = problems.len().saturating_sub(MOST_TOLD);
        if more > 0 {
            remark(&format!("error: {}: {error}: {more} more", self.source));
        }
    }
}

/// The same for programs.
pub(crate) fn refused(source: &Source, problems: &[Problem]) -> Value {
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    json!({
        "event": source.to_string(),
        "error": ErrorName::InvalidInput.as_str(),
        "reason": problems.join(". "),
        "problems": problems,
    })
}

/// The command that was given, as one would type it in a shell.
pub(crate) fn command_line() -> String {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| quoted(&argument.to_string_lossy()));
    let words = std::iter::once("ebbtide".to_owned()).chain(arguments);
    words.collect::<Vec<_>>().join(" ")
}

/// An argument as a shell takes it.
pub(crate) fn quoted(argument: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:@,+".contains(letter);
    if argument.chars().all(plain) && !argument.is_empty() {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

pub(crate) fn home_in(event: &Value) -> Home {
    home_named(event).unwrap_or_else(|| home("aws", "us-east-1", "555555555555"))
}

/// Where an event's resources live, where it has an ARN that says so; of several services, where one of them has.
pub(crate) fn home_named(event: &Value) -> Option<Home> {
    let services = event.get("services").and_then(Value::as_array);
    let mut events = std::iter::once(event).chain(services.into_iter().flatten());
    events.find_map(home_of_one)
}

fn home_of_one(event: &Value) -> Option<Home> {
    let fields = ["nlb", REVISION, "cluster", "serviceName"].iter();
    let texts = fields.filter_map(|field| event.get(field)?.as_str());
    let of_registry = event.pointer("/registry/registryArn");
    let texts = texts.chain(of_registry.and_then(Value::as_str));
    let lists = ["/targetGroups", "/routes/production", "/routes/test"].iter();
    let lists = lists.filter_map(|field| event.pointer(field)?.as_array());
    let texts = texts.chain(lists.flatten().filter_map(Value::as_str));
    let hooks = event.get("hooks").and_then(Value::as_array);
    let hooks = hooks.into_iter().flatten();
    let hooks = hooks.filter_map(|hook| hook.get("lambda")?.as_str());
    let mut texts = texts.chain(hooks);
    texts.find_map(|text| Arn::parse(text).map(|arn| arn.home()))
}

/// What an event is read as, in the home that is known; without one, nothing that is refused names one.
pub(crate) fn in_home<T>(
    event: &Value,
    home: Option<&Home>,
    read: impl Fn(&Home) -> Result<T, Vec<Problem>>,
) -> Result<T, Vec<Problem>> {
    if let Some(home) = home {
        return read(home);
    }
    // An input without any ARN is read alike in every home.
    let any = home_in(event);
    let in_any = format!(" ({any})");
    read(&any).map_err(|mut problems| {
        for problem in &mut problems {
            if let Problem::Wrong { allowed, .. } | Problem::Missing { allowed, .. } = problem
                && let Some(short) = allowed.strip_suffix(&in_any)
            {
                *allowed = short.to_owned();
            }
        }
        problems
    })
}

fn home(partition: &str, region: &str, account: &str) -> Home {
    Home {
        partition: partition.to_owned(),
        region: region.to_owned(),
        account: account.to_owned(),
    }
}
