//! What is simulated: a scenario, and the names that its world must have for an event.

use std::path::Path;

use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::checks::Check;
use ebbtide_controller::counted::{counted, listed};
use ebbtide_controller::order::{Application, Member};
use ebbtide_controller::request::{AutoScaling, Problem, Request};
use ebbtide_simulator::scenario::{
    AlarmScenario, AutoScalingScenario, CallersScenario, ClientsScenario, RecordScenario,
    RegistryScenario,
};
use ebbtide_simulator::world::{AlarmState, AlarmType, Level, ServiceRegistry, partition_of};
use ebbtide_simulator::{Names, Scenario, World};
use serde_json::{Value, json};

use crate::application::Wanted;
use crate::exit::Error;
use crate::files::Source;
use crate::input::{self, Event, Input};
use crate::output::{Format, print};

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

/// The scenario of a file, or the default one, for a service: with what the file says of that one in `services`.
pub(crate) fn read(path: Option<&Path>, service: &str) -> Result<Scenario, Error> {
    let Some(path) = path else {
        return Ok(Scenario::default());
    };
    let source = Source::File(path.to_owned());
    let mut scenario: Scenario = source.json(SCENARIO, 1 << 20)?;
    let services = std::mem::take(&mut scenario.services);
    let mut own = scenario.clone();
    for (name, fields) in services {
        let mut value = serde_json::to_value(&scenario)?;
        if let Some(field) = OF_THE_ACCOUNT
            .iter()
            .find(|field| fields.contains_key(**field))
        {
            let why = "it is of the whole account, and stands beside services";
            return Err(format!("{}: services.{name}.{field}: {why}", path.display()).into());
        }
        for (field, given) in fields {
            value[field] = given;
        }
        // What is wrong with one is wrong with the file.
        let read = source.part((SCENARIO, &format!("services.{name}")), value)?;
        if name == service {
            own = read;
        }
    }
    Ok(own)
}

const SCENARIO: &str = "a scenario";

/// Fields of a scenario that are not about one service.
const OF_THE_ACCOUNT: [&str; 7] = [
    "seed", "startsAt", "timings", "limits", "alarms", "hooks", "hookArns",
];

/// Refuses a scenario that says of a service what is different for it, where none of the input's has that name.
pub(crate) fn knows(path: Option<&Path>, application: &Application) -> Result<(), Error> {
    let Some(path) = path else {
        return Ok(());
    };
    let scenario: Scenario = Source::File(path.to_owned()).json(SCENARIO, 1 << 20)?;
    let known: Vec<_> = application.members.iter().map(Member::service).collect();
    let mut named = scenario.services.keys();
    let Some(name) = named.find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    Err(format!(
        "{}: services.{name} is none of the input's services: {}",
        path.display(),
        listed(&known)
    )
    .into())
}

/// What an event asks for, of one service or of several, and where that lives; what is wrong with it goes to stderr,
/// and there is none.
pub(crate) fn asked(given: &Event, format: Format) -> Result<Option<(Wanted, Home)>, Error> {
    let input = given.read()?;
    let home = home_of(&input.event)?;
    match Wanted::read(&input.event, Some(&home)) {
        Ok(wanted) => Ok(Some((wanted, home))),
        Err(problems) => {
            refuse(&given.source, &input, &problems, format);
            Ok(None)
        }
    }
}

/// The request with the event it was read from and where it lives; what is wrong with it goes to stderr, and
/// there is none.
pub(crate) fn request(
    given: &Event,
    format: Format,
) -> Result<Option<(Value, Home, Request)>, Error> {
    let input = given.read()?;
    let home = home_of(&input.event)?;
    match Request::read(&input.event, &home) {
        Ok(request) => Ok(Some((input.event, home, request))),
        Err(problems) => {
            refuse(&given.source, &input, &problems, format);
            Ok(None)
        }
    }
}

fn refuse(source: &Source, input: &Input<'_>, problems: &[Problem], format: Format) {
    match format {
        Format::Text => input.refuse(problems),
        Format::Json => {
            let refused = input::refused(source, problems);
            print(&json!({ "refused": refused }).to_string());
        }
    }
}

/// The account in which services are in service, each as its scenario describes it.
pub(crate) fn world_of(services: Vec<(&Member, Scenario)>, home: &Home) -> Result<World, Error> {
    let mut all: Vec<(Scenario, Names)> = Vec::new();
    for (member, mut scenario) in services {
        // An account has one alarm of a name.
        let twice = all.iter().find(|(before, names)| {
            names.task_definition == short(&member.request.task_definition)
                && before.replacement != scenario.replacement
        });
        if let Some((_, other)) = twice {
            return Err(format!(
                "services {} and {} deploy the same task definition: both behave alike",
                other.service,
                member.service()
            )
            .into());
        }
        let before = all.iter().flat_map(|(before, _)| &before.alarms);
        let names: Vec<_> = before.map(|alarm| alarm.name.clone()).collect();
        scenario.alarms.retain(|alarm| !names.contains(&alarm.name));
        all.push((scenario, names_of(&member.request, home)));
    }
    let all: Vec<_> = all
        .iter()
        .map(|(scenario, names)| (scenario, names))
        .collect();
    Ok(Scenario::world_of_services(&all)?)
}

/// What is particular about a scenario, for a report.
pub(crate) fn in_words(path: Option<&Path>, scenario: &Scenario) -> String {
    let from = path.map(|path| path.display().to_string());
    let from = from.as_deref().unwrap_or("the default one");
    let registry = scenario.registry.as_ref();
    let callers = registry.and_then(|registry| registry.callers.as_ref());
    let callers = callers.map(|callers| counted(callers.callers, "caller"));
    let clients = scenario.clients.as_ref();
    let clients = clients.map(|clients| {
        let connections = counted(clients.connections_per_task, "connection");
        format!("{connections} a task")
    });
    let clients: Vec<_> = clients.into_iter().chain(callers).collect();
    let clients = if clients.is_empty() {
        "no clients".to_owned()
    } else {
        clients.join(", ")
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
    let home = input::home_in(event);
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

/// The scenario, and in it what an event speaks of and the scenario does not: the alarms, in `OK`, the
/// registry, Auto Scaling, clients with the connections that a reconnect budget counts on, and metrics of checks, which
/// are the same of both versions.
pub(crate) fn fitting(mut scenario: Scenario, event: &Value, request: &Request) -> Scenario {
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
    if scenario.registry.is_none() {
        scenario.registry = registry(&scenario, event, request);
    }
    if scenario.auto_scaling.is_none() && request.auto_scaling == AutoScaling::HoldScaleIn {
        scenario.auto_scaling = Some(AutoScalingScenario::default());
    }
    scenario.clients = clients(&scenario, request);
    for check in &request.checks {
        if is_counted(check, request) {
            continue;
        }
        for version in [&mut scenario.original, &mut scenario.replacement] {
            let metrics = &mut version.metrics;
            metrics
                .entry(check.metric.name.clone())
                .or_insert(Some(LEVEL));
        }
    }
    scenario
}

/// What both versions report of a metric that a scenario does not speak of.
pub(crate) const LEVEL: Level = Level {
    level: 1.0,
    noise: 0.0,
};

/// Whether a check compares connections, which the simulated clients make.
fn is_counted(check: &Check, request: &Request) -> bool {
    let drain = &request.drain;
    let mut counted = drain.connections.iter().chain(&drain.new_connections);
    counted.any(|metric| metric.name == check.metric.name)
}

/// The registry of an event that speaks of one, in the place of a load balancer unless the event names that too.
/// Its clients keep what they found for as long as the event says.
fn registry(scenario: &Scenario, event: &Value, request: &Request) -> Option<RegistryScenario> {
    // Clients of a scenario connect through a load balancer.
    let of_cache = event.get("registryCache").is_some() && scenario.clients.is_none();
    if request.registry.is_none() && !of_cache {
        return None;
    }
    let named = request.registry.as_ref();
    let has_port = named.is_some_and(|named| named.port.or(named.container_port).is_some());
    Some(RegistryScenario {
        record: if has_port {
            RecordScenario::Srv
        } else {
            RecordScenario::A
        },
        beside_load_balancer: request.load_balancer.is_some()
            || request.target_groups.is_some()
            || request.test.is_some()
            || !(request.routes.production.is_empty() && request.routes.test.is_empty()),
        callers: Some(CallersScenario {
            cache_seconds: request.registry_cache.into(),
            ..CallersScenario::default()
        }),
        ..RegistryScenario::default()
    })
}

/// The clients of a scenario, or those that a reconnect budget counts on. Without a load balancer there are none.
pub(crate) fn clients(scenario: &Scenario, request: &Request) -> Option<ClientsScenario> {
    if scenario.clients.is_some() {
        return scenario.clients.clone();
    }
    if !scenario.has_load_balancer() {
        return None;
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
    let registry = request.registry.as_ref();
    let of_registry = registry.and_then(|registry| registry.container_name.clone());
    let port_of_registry = registry.and_then(|registry| registry.container_port.or(registry.port));
    Names {
        account: home.account.clone(),
        region: home.region.clone(),
        cluster: short(&request.cluster).to_owned(),
        service: request.service,
        load_balancer_arn: request.load_balancer.map(|arn| arn.to_string()),
        target_groups: request
            .target_groups
            .map(|groups| groups.map(|arn| arn.to_string())),
        production_listeners: strings(&request.routes.production),
        test_listeners: strings(&request.routes.test),
        task_definition: short(&request.task_definition).to_owned(),
        subnets: request.subnets.unwrap_or(defaults.subnets),
        security_groups: request.security_groups.unwrap_or(defaults.security_groups),
        container_name: request
            .container_name
            .or(of_registry)
            .unwrap_or(defaults.container_name),
        container_port: request
            .container_port
            .or(port_of_registry)
            .unwrap_or(defaults.container_port),
        registry: request.registry.map(|registry| ServiceRegistry {
            registry_arn: registry.arn.to_string(),
            port: registry.port,
            container_name: registry.container_name,
            container_port: registry.container_port,
        }),
    }
}

fn strings(arns: &[impl ToString]) -> Vec<String> {
    arns.iter().map(ToString::to_string).collect()
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
    fn a_registry_that_an_event_names_is_there_and_a_load_balancer_only_where_it_names_one() {
        let group = |name: &str| {
            format!("arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/{name}/1")
        };
        let registry = "arn:aws:servicediscovery:us-east-1:555555555555:service/srv-1";
        for (groups, balanced) in [(None, false), (Some([group("a"), group("b")]), true)] {
            let mut event = json!({
                "cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2",
                "registry": {"registryArn": registry, "port": 8080},
            });
            if let Some(groups) = groups {
                event["targetGroups"] = json!(groups);
            }
            let home = home_of(&event).unwrap();
            let request = Request::parse(&event, &home).unwrap();
            let scenario = fitting(Scenario::default(), &event, &request);
            assert_eq!(scenario.has_load_balancer(), balanced);
            let world = scenario.world_for(&names_of(&request, &home)).unwrap();
            assert!(world.registry(registry).is_some());
            assert_eq!(world.target_groups().count(), if balanced { 2 } else { 0 });
        }
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
