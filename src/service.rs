//! The flags that describe a service whose drain is planned or compared; where the scenario says something else, they count.

use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use ebbtide_controller::deregistration::Deregistration;
use ebbtide_controller::request::Request;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::scenario::ClientsScenario;
use ebbtide_simulator::world::Kind;

use crate::exit::Error;
use crate::files::Source;
use crate::scenario;

#[derive(Debug, Clone, Args)]
pub(crate) struct Described {
    /// File that describes the simulated service: tasks, clients, timings, seed. Where it has neither registry
    /// nor clients, an event with registry or registryCache has a Cloud Map registry, in the place of a load
    /// balancer unless it names one.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Tasks of the service, instead of the scenario's (4).
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=5_000))]
    tasks: Option<u32>,
    /// Connections per task, instead of the scenario's (default without clients in the scenario: the event's
    /// drain.connectionsPerTask, or 2500).
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=1_000_000))]
    connections_per_task: Option<u64>,
    /// Connections of all tasks together, instead of --connections-per-task; rounded up to the same number
    /// for each task.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=1_000_000_000), conflicts_with = "connections_per_task")]
    clients: Option<u64>,
    /// Seconds within which a disconnected client reconnects, instead of the scenario's (5).
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=86_400))]
    reconnect_within: Option<u64>,
    /// New connections a second that a task accepts, instead of the scenario's (no limit).
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1_000_000))]
    new_connections_per_second_per_task: Option<u64>,
}

impl Described {
    /// The files that a command with these flags reads, where they are files.
    pub(crate) fn inputs<'a>(&'a self, event: &'a Source) -> [Option<&'a Path>; 2] {
        [event.path(), self.scenario.as_deref()]
    }

    /// The scenario of a service, with as many tasks as are asked for.
    pub(crate) fn scenario(&self, service: &str) -> Result<Scenario, Error> {
        let mut scenario = scenario::read(self.scenario.as_deref(), service)?;
        scenario.tasks = self.tasks.unwrap_or(scenario.tasks);
        Ok(scenario)
    }

    /// The same, of a service that has something to drain.
    pub(crate) fn drained(&self, service: &str) -> Result<Scenario, Error> {
        let scenario = self.scenario(service)?;
        if scenario.first_deployment {
            return Err("a first deployment has no original task set, and drains nothing".into());
        }
        if scenario.tasks == 0 {
            return Err("the scenario has 0 tasks, and there is nothing to drain".into());
        }
        Ok(scenario)
    }

    /// The clients of a scenario, as they are asked for; nothing where there is no load balancer, and no flag speaks
    /// of one.
    pub(crate) fn clients(
        &self,
        scenario: &Scenario,
        request: &Request,
    ) -> Option<ClientsScenario> {
        let asked = self.connections_per_task.or(self.clients);
        let asked = asked.or(self.reconnect_within);
        let asked = asked.or(self.new_connections_per_second_per_task);
        let clients = scenario::clients(scenario, request);
        if clients.is_none()
            && asked.is_none_or(|asked| asked == 0)
            && !scenario.has_load_balancer()
        {
            return None;
        }
        let mut clients = clients.unwrap_or_default();
        if let Some(connections) = self.connections_per_task {
            clients.connections_per_task = connections;
        }
        if let Some(all) = self.clients {
            clients.connections_per_task = all.div_ceil(u64::from(scenario.tasks.max(1)));
        }
        if let Some(seconds) = self.reconnect_within {
            clients.reconnect_within_seconds = seconds;
        }
        if self.new_connections_per_second_per_task.is_some() {
            clients.new_connections_per_second_per_task = self.new_connections_per_second_per_task;
        }
        Some(clients)
    }
}

/// How long the targets of a scenario's tasks take to be deregistered.
pub(crate) fn deregistration(scenario: &Scenario) -> Deregistration {
    if !scenario.has_load_balancer() {
        return Deregistration::new(0, false);
    }
    let delay = u32::try_from(scenario.deregistration_delay_seconds).unwrap_or(u32::MAX);
    Deregistration::new(delay, scenario.load_balancer == Kind::Network)
}

/// When clients that were cut reconnect, in words.
pub(crate) fn within(clients: &ClientsScenario) -> String {
    let (after, within) = (
        clients.reconnect_after_seconds,
        clients.reconnect_within_seconds,
    );
    match (after, within) {
        (0, within) => format!("within {within} s"),
        (after, 0) => format!("after {after} s, all at once"),
        (after, within) => format!("{after} to {} s later", after + within),
    }
}

/// What is said where all tasks of a replacement together do not accept the connections of one task of
/// the original as they come back: some clients are refused at any pace then.
pub(crate) fn too_many_of_one_task(clients: &ClientsScenario, tasks: u32) -> Option<String> {
    let limit = clients.new_connections_per_second_per_task?;
    let accepted = limit * u64::from(tasks);
    let within = clients.reconnect_within_seconds.max(1);
    let come = clients.connections_per_task.div_ceil(within);
    (come > accepted).then(|| {
        format!(
            "the connections of one task come back at {come} a second, and all replacement tasks together accept {accepted}: clients are refused at any pace"
        )
    })
}
