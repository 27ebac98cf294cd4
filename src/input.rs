//! Reading what a command is given: events, scenarios, and the names that a world must match.

use std::path::Path;

use clap::Args;
use ebbtide_controller::arn::{Arn, Home, short};
use ebbtide_controller::counted::counted;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::{Problem, Request};
use ebbtide_simulator::scenario::{AlarmScenario, ClientsScenario};
use ebbtide_simulator::world::{AlarmState, AlarmType, partition_of};
use ebbtide_simulator::{Names, Scenario};
use serde_json::{Value, json};

use crate::exit::Error;
use crate::files::{FileError, Source};
use crate::output::remark;

/// Bytes of an execution's input: the most that Step Functions takes (AWS documentation).
const LONGEST_INPUT: u64 = 262_144;

/// Problems of one input that are told.
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

/// An event's resources live where no simulated world can be.
#[derive(Debug, thiserror::Error)]
#[error(
    "the simulated AWS has the region {region} in the partition {partition}, and the event's ARNs have it in {given}"
)]
pub(crate) struct PartitionError {
    region: String,
    /// Where it is.
    partition: &'static str,
    /// Where the event says it is.
    given: String,
}

impl Event {
    pub(crate) fn of(source: Source) -> Self {
        let instead = Instead::default();
        Self { source, instead }
    }

    pub(crate) fn read(&self) -> Result<Value, FileError> {
        self.instead.read(&self.source)
    }

    /// The request with the event it was read from and where it lives; what is wrong with it goes to stderr, and
    /// there is none.
    pub(crate) fn request(&self) -> Result<Option<(Value, Home, Request)>, Error> {
        let event = self.read()?;
        let home = home_of(&event)?;
        match Request::read(&event, &home) {
            Ok(request) => Ok(Some((event, home, request))),
            Err(problems) => {
                refuse(&self.source, &problems);
                Ok(None)
            }
        }
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

pub(crate) fn scenario(path: Option<&Path>) -> Result<Scenario, FileError> {
    path.map_or_else(
        || Ok(Scenario::default()),
        |path| Source::File(path.to_owned()).json("a scenario", 1 << 20),
    )
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

/// What is particular about a scenario, for a report.
pub(crate) fn scenario_in_words(path: Option<&Path>, scenario: &Scenario) -> String {
    let from = path.map(|path| path.display().to_string());
    let from = from.as_deref().unwrap_or("the default one");
    let clients = match &scenario.clients {
        Some(clients) => &format!(
            "{} a task",
            counted(clients.connections_per_task, "connection")
        ),
        None => "no clients",
    };
    format!(
        "{from}: {}, {clients}, timings by up to {} % more or less, seed {}",
        counted(scenario.tasks, "task"),
        scenario.timings.jitter_percent,
        scenario.seed
    )
}

/// Where an event's resources live: as its first ARN says, or a made-up account. A simulated region is in
/// the partition that AWS has it in.
pub(crate) fn home_of(event: &Value) -> Result<Home, PartitionError> {
    let home = home_in(event);
    let partition = partition_of(&home.region);
    if home.partition == partition {
        return Ok(home);
    }
    Err(PartitionError {
        region: home.region,
        partition,
        given: home.partition,
    })
}

pub(crate) fn home_in(event: &Value) -> Home {
    home_named(event).unwrap_or_else(|| home("aws", "us-east-1", "555555555555"))
}

/// Where an event's resources live, where it has an ARN that says so.
pub(crate) fn home_named(event: &Value) -> Option<Home> {
    let fields = ["nlb", "taskDefinition", "cluster", "serviceName"].iter();
    let mut texts = fields.filter_map(|field| event.get(field)?.as_str());
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

/// The scenario, and in it what a request speaks of and the scenario does not: the alarms, in `OK`, and
/// clients with the connections that a reconnect budget counts on.
pub(crate) fn fitting(mut scenario: Scenario, request: &Request) -> Scenario {
    for name in &request.alarms {
        if !scenario.alarms.iter().any(|alarm| alarm.name == *name) {
            scenario.alarms.push(AlarmScenario {
                name: name.clone(),
                r#type: AlarmType::MetricAlarm,
                state: AlarmState::Ok,
                changes: Vec::new(),
            });
        }
    }
    scenario.clients = clients(&scenario, request);
    scenario
}

/// The clients of a scenario, or those that a reconnect budget counts on.
pub(crate) fn clients(scenario: &Scenario, request: &Request) -> Option<ClientsScenario> {
    if scenario.clients.is_some() {
        return scenario.clients.clone();
    }
    let mut clients = ClientsScenario::default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of connections: `as` saturates, and none is negative"
    )]
    if let Some(connections) = request.drain.pace.budget()?.connections_per_task {
        clients.connections_per_task = connections.round() as u64;
    }
    Some(clients)
}

/// The names that a world must have for a request to find its service there.
pub(crate) fn names_of(request: &Request, home: &Home) -> Names {
    let defaults = Names::default();
    let request = request.clone();
    Names {
        account: home.account.clone(),
        region: home.region.clone(),
        cluster: short(&request.cluster).to_owned(),
        service: request.service,
        load_balancer_arn: request.load_balancer.map(|arn| arn.to_string()),
        task_definition: short(&request.task_definition).to_owned(),
        subnets: request.subnets.unwrap_or(defaults.subnets),
        security_groups: request.security_groups.unwrap_or(defaults.security_groups),
        container_name: request.container_name.unwrap_or(defaults.container_name),
        container_port: request.container_port.unwrap_or(defaults.container_port),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_events_own_arns_say_where_it_lives() {
        let event = json!({"cluster": "main", "taskDefinition":
            "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:2"});
        assert_eq!(home_of(&event).unwrap().region, "eu-west-1");
        let made_up = home_of(&json!({"cluster": "main"})).unwrap();
        assert_eq!(made_up.account, "555555555555");
    }

    #[test]
    fn a_region_is_in_its_own_partition() {
        let of = |partition: &str, region: &str| {
            home_of(
                &json!({"cluster": format!("arn:{partition}:ecs:{region}:123456789012:cluster/main")}),
            )
        };
        assert_eq!(of("aws-cn", "cn-north-1").unwrap().partition, "aws-cn");
        assert_eq!(
            of("aws-us-gov", "us-gov-west-1").unwrap().region,
            "us-gov-west-1"
        );
        let error = of("aws-cn", "eu-west-1").unwrap_err().to_string();
        assert!(error.contains("eu-west-1 in the partition aws,"), "{error}");
    }
}
