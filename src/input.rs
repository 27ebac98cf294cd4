//! Reading the event that a command is given.

use clap::Args;
use ebbtide_controller::arn::{Arn, Home};
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::Problem;
use serde_json::{Value, json};

use crate::files::{FileError, Source};
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

impl Event {
    pub(crate) fn of(source: Source) -> Self {
        let instead = Instead::default();
        Self { source, instead }
    }

    pub(crate) fn read(&self) -> Result<Value, FileError> {
        self.instead.read(&self.source)
    }
}

impl Instead {
    /// An event, with this in it.
    pub(crate) fn read(&self, source: &Source) -> Result<Value, FileError> {
        let mut event = source.json("JSON", LONGEST_INPUT)?;
        if let (Value::Object(fields), Some(revision)) = (&mut event, &self.task_definition) {
            fields.insert("taskDefinition".to_owned(), revision.as_str().into());
        }
        Ok(event)
    }
}

/// Tells what is wrong with an input, a line each.
pub(crate) fn refuse(source: &Source, problems: &[Problem]) {
    let error = ErrorName::InvalidInput;
    for problem in problems.iter().take(MOST_TOLD) {
        remark(&format!("error: {source}: {error}: {problem}"));
    }
    let more = problems.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        remark(&format!("error: {source}: {error}: {more} more"));
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
    let quoted = std::env::args_os().enumerate().map(|(place, argument)| {
        let argument = argument.to_string_lossy().into_owned();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:@,+".contains(letter);
        match (place, argument.chars().all(plain) && !argument.is_empty()) {
            (0, _) => "ebbtide".to_owned(),
            (_, true) => argument,
            (_, false) => format!("'{}'", argument.replace('\'', "'\\''")),
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

pub(crate) fn home_in(event: &Value) -> Home {
    home_named(event).unwrap_or_else(|| home("aws", "us-east-1", "555555555555"))
}

/// Where an event's resources live, where it has an ARN that says so.
pub(crate) fn home_named(event: &Value) -> Option<Home> {
    let fields = ["nlb", REVISION, "cluster", "serviceName"].iter();
    let texts = fields.filter_map(|field| event.get(field)?.as_str());
    let lists = ["targetGroups", "productionListeners", "testListeners"].iter();
    let lists = lists.filter_map(|field| event.get(field)?.as_array());
    let mut texts = texts.chain(lists.flatten().filter_map(Value::as_str));
    texts.find_map(|text| Arn::parse(text).map(|arn| arn.home()))
}

/// Stands for a home that nothing has named yet: an input without any ARN is read alike in every home,
/// and a refusal has these words where it would name the account.
pub(crate) fn home_to_be_named() -> Home {
    home("PARTITION", "REGION", "ACCOUNT")
}

fn home(partition: &str, region: &str, account: &str) -> Home {
    Home {
        partition: partition.to_owned(),
        region: region.to_owned(),
        account: account.to_owned(),
    }
}
