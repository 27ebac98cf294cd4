//! The flags that describe a service whose drain is planned or compared; they go before the scenario.

use std::path::PathBuf;

use clap::{Args, value_parser};
use ebbtide_simulator::Scenario;
use ebbtide_simulator::scenario::ClientsScenario;

use crate::exit::Error;
use crate::input;

#[derive(Debug, Clone, Args)]
pub(crate) struct Described {
    /// What is particular about the world: tasks, clients, timings, seed.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Tasks of the service, instead of the scenario's (4).
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=5_000))]
    tasks: Option<u32>,
    /// Connections that each of them holds, instead of the scenario's (2500).
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=1_000_000))]
    connections_per_task: Option<u64>,
    /// Seconds within which a client that was cut comes back, instead of the scenario's (5).
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=86_400))]
    reconnect_within: Option<u64>,
    /// New connections a second that a task accepts, instead of the scenario's (all).
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1_000_000))]
    new_connections_per_second_per_task: Option<u64>,
}

impl Described {
    /// The scenario, with as many tasks as are asked for.
    pub(crate) fn scenario(&self) -> Result<Scenario, Error> {
        let mut scenario = input::scenario(self.scenario.as_deref())?;
        if scenario.first_deployment {
            return Err("a first deployment has no original task set, and drains nothing".into());
        }
        scenario.tasks = self.tasks.unwrap_or(scenario.tasks);
        Ok(scenario)
    }

    /// The clients of a scenario, as they are asked for.
    pub(crate) fn clients(&self, scenario: &Scenario) -> ClientsScenario {
        let mut clients = scenario.clients.clone().unwrap_or_default();
        if let Some(connections) = self.connections_per_task {
            clients.connections_per_task = connections;
        }
        if let Some(seconds) = self.reconnect_within {
            clients.reconnect_within_seconds = seconds;
        }
        if self.new_connections_per_second_per_task.is_some() {
            clients.new_connections_per_second_per_task = self.new_connections_per_second_per_task;
        }
        clients
    }
}
