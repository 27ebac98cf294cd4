//! Reading what a command is given: events, scenarios, and the names that a world must match.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use ebbtide_controller::arn::{Arn, Home, short};
use ebbtide_controller::counted::counted;
use ebbtide_controller::request::Request;
use ebbtide_simulator::scenario::{AlarmScenario, ClientsScenario};
use ebbtide_simulator::world::{AlarmState, AlarmType, partition_of};
use ebbtide_simulator::{Names, Scenario};
use serde_json::Value;

use crate::output::remark;

/// Bytes of an execution's input: the most that Step Functions takes (AWS documentation).
const LONGEST_INPUT: u64 = 262_144;

#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("cannot {what} {path}")]
    File {
        /// `read` or `write`.
        what: &'static str,
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not {what}")]
    Parse {
        path: String,
        /// What it should be.
        what: &'static str,
        #[source]
        source: serde_path_to_error::Error<serde_json::Error>,
    },
    /// Its resources live where no simulated world can be.
    #[error(
        "the simulated AWS has the region {region} in the partition {partition}, and the event's ARNs have it in {given}"
    )]
    Partition {
        /// The region.
        region: String,
        /// Where it is.
        partition: &'static str,
        /// Where the event says it is.
        given: String,
    },
}

pub(crate) fn event(path: &Path) -> Result<Value, InputError> {
    parsed(path, "JSON", LONGEST_INPUT)
}

pub(crate) fn scenario(path: Option<&Path>) -> Result<Scenario, InputError> {
    path.map_or_else(
        || Ok(Scenario::default()),
        |path| parsed(path, "a scenario", 1 << 20),
    )
}

pub(crate) fn parsed<T: serde::de::DeserializeOwned>(
    path: &Path,
    what: &'static str,
    most: u64,
) -> Result<T, InputError> {
    let name = path.display().to_string();
    let text = read(path, most).map_err(|source| InputError::File {
        what: "read",
        path: name.clone(),
        source,
    })?;
    let refused = |source| InputError::Parse {
        path: name.clone(),
        what,
        source,
    };
    let mut json = serde_json::Deserializer::from_str(&text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(refused)?;
    // Something behind the end is no JSON either.
    let track = serde_path_to_error::Track::new();
    let end = json.end();
    end.map_err(|error| refused(serde_path_to_error::Error::new(track.path(), error)))?;
    Ok(read)
}

/// So many bytes of a file at most, however long it is.
fn read(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(most + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > most {
        let long = format!("it is longer than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, long));
    }
    Ok(text)
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), InputError> {
    fs::write(path, text).map_err(|source| InputError::File {
        what: "write",
        path: path.display().to_string(),
        source,
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

/// A request with the event it was read from and where it lives; what is wrong with it goes to
/// stderr, and there is none.
pub(crate) fn request(path: &Path) -> Result<Option<(Value, Home, Request)>, InputError> {
    let event = event(path)?;
    let home = home_of(&event)?;
    match Request::parse(&event, &home) {
        Ok(request) => Ok(Some((event, home, request))),
        Err(refusal) => {
            remark(&format!("{}: {}: {refusal}", path.display(), refusal.error));
            Ok(None)
        }
    }
}

/// Where an event's resources live: as its first ARN says, or a made-up account. A simulated region is in
/// the partition that AWS has it in.
pub(crate) fn home_of(event: &Value) -> Result<Home, InputError> {
    let home = home_in(event);
    let partition = partition_of(&home.region);
    if home.partition == partition {
        return Ok(home);
    }
    Err(InputError::Partition {
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
