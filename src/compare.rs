//! `ebbtide compare`: one deployment, drained in every way.

mod figures;
mod table;
mod ways;

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use ebbtide_controller::arn::short;
use ebbtide_controller::request::Request;
use ebbtide_simulator::scenario::ScenarioError;
use ebbtide_simulator::{Scenario, World};
use serde::Serialize;
use serde_json::{Value, json};

use crate::input;
use crate::progress::Progress;
use crate::report::{self, Heading};
use crate::run::{self, Run};

use figures::{Figures, Floor};
pub(crate) use table::{COLUMNS, count};
use ways::{Service, Way, ways};

/// Deploys the same service with the same clients once for every way to drain, and says in a table
/// what clients and servers feel of each.
///
/// All at once; a quarter a minute, as the public sample has it; one task at a time, evenly, and by a
/// budget of reconnects, each in the sample's time or in that of --within; and what the event asks
/// for, if that is another way. In virtual time, on a simulated AWS: nothing real is touched. Each way
/// is deployed twice where figures may differ: with exact timings, and with the scenario's random ones.
#[derive(Debug, Args)]
#[command(after_long_help = JSON_HELP)]
pub(crate) struct Arguments {
    /// A `StartExecution` input.
    #[arg(value_name = "EVENT.json")]
    event: PathBuf,
    /// What is particular about the world: tasks, clients, timings, seed.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Tasks of the service, instead of the scenario's (4).
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=5_000))]
    tasks: Option<u32>,
    /// Connections that a task holds, instead of the scenario's (2500).
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    connections_per_task: Option<u32>,
    /// Seconds within which a client comes back whose connection was cut, instead of the scenario's
    /// (5).
    #[arg(long, value_name = "S", value_parser = value_parser!(u64).range(1..=86_400))]
    reconnect_within: Option<u64>,
    /// New connections that a task accepts in a second, instead of the scenario's (all).
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1_000_000))]
    new_connections_per_second_per_task: Option<u64>,
    /// Chance, instead of the scenario's (1): the same seed, the same answer.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Seconds from the first step of the drain to the last, instead of the sample's (180 with four
    /// tasks or more).
    #[arg(long, value_name = "S", value_parser = value_parser!(u32).range(0..=i64::from(ways::LONGEST)))]
    within: Option<u32>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the table and a plot of every way's reconnects, as a page that a browser shows by itself.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

const JSON_HELP: &str = "\
--format json prints one object: service; scenario (tasks, connections, connectionsPerTask,
reconnectWithinSeconds, newConnectionsPerSecondPerTask or null, seed); floor (seconds,
reconnectsIn10Seconds); and ways, a list of {way, drain, ofEvent, runs}. drain is the input's field that
asks for it, ofEvent says whether the event does, and runs is a list of {timings, jitterPercent, status,
error, reason, figures}, timings being exact or random. figures has firstToLastCutSeconds (or null),
peakReconnectsIn10Seconds, timesFloor, peakReconnectsIn1Second, peakTriesIn1SecondOfATask, refused,
deploymentSeconds, extraTaskHours and apiCalls.

Reconnects are tries of clients that were cut, refused ones included. Extra task-hours are those of
running tasks above the desired count.

Exit status: 0 done, 1 a deployment failed or was refused, 2 wrong usage.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// One JSON object; --help says what is in it.
    Json,
}

/// How long things take in the simulated world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Timings {
    /// Everything takes the scenario's time to the second, and chance decides nothing.
    Exact,
    /// Chance decides, by the scenario's seed.
    Random,
}

impl Timings {
    /// Its word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Random => "random",
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Exact => "everything takes its usual time and clients come evenly",
            Self::Random => "chance decides",
        }
    }
}

/// Every way, deployed.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// The service's name.
    pub(crate) name: String,
    pub(crate) service: Service,
    pub(crate) connections: u64,
    pub(crate) reconnect_within: u64,
    /// New connections that a task accepts in a second.
    pub(crate) accepts: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) jitter_percent: u64,
    pub(crate) floor: Floor,
    pub(crate) ways: Vec<Compared>,
}

/// One way, deployed once or twice.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) name: String,
    /// The input's field that asks for it.
    pub(crate) drain: Value,
    pub(crate) of_event: bool,
    /// With exact timings, then with random ones.
    pub(crate) runs: Vec<ComparedRun>,
}

/// One deployment of a way.
#[derive(Debug)]
pub(crate) struct ComparedRun {
    pub(crate) timings: Timings,
    pub(crate) jitter_percent: u64,
    pub(crate) run: Run,
    pub(crate) figures: Figures,
}

impl ComparedRun {
    /// How it ended, as a sentence.
    pub(crate) fn outcome(&self) -> String {
        self.run.summary.outcome()
    }
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let event = input::event(&arguments.event)?;
    let home = input::home_of(&event)?;
    let request = match Request::parse(&event, &home) {
        Ok(request) => request,
        Err(refusal) => {
            eprintln!(
                "{}: {}: {refusal}",
                arguments.event.display(),
                refusal.error
            );
            return Ok(false);
        }
    };
    if request.dry_run {
        return Err("the event asks for a dry run, in which nothing is drained".into());
    }
    let scenario = input::fitting(arguments.scenario()?, &request);
    let names = input::names_of(&request, &home);
    let comparison = compare(&request, &scenario, arguments.within, |scenario| {
        scenario.world_for(&names)
    })?;
    if let Some(path) = &arguments.report {
        let heading = Heading {
            title: format!("{}: ways to drain, compared", comparison.name),
            facts: vec![
                ("command".to_owned(), input::command_line()),
                (
                    "scenario".to_owned(),
                    input::scenario_in_words(arguments.scenario.as_deref(), &scenario),
                ),
            ],
        };
        input::write(path, &report::of_comparison(&heading, &comparison)?)?;
    }
    match arguments.format {
        Format::Text => crate::print(comparison.to_string().trim_end()),
        Format::Json => crate::print(&serde_json::to_string_pretty(&comparison.to_json())?),
    }
    Ok(comparison.failures().next().is_none())
}

impl Arguments {
    /// The scenario that is asked for.
    fn scenario(&self) -> Result<Scenario, Box<dyn std::error::Error>> {
        let mut scenario = input::scenario(self.scenario.as_deref())?;
        if scenario.first_deployment {
            return Err("in a scenario with firstDeployment nothing is drained".into());
        }
        scenario.tasks = self.tasks.unwrap_or(scenario.tasks);
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        let clients = scenario.clients.get_or_insert_default();
        if let Some(connections) = self.connections_per_task {
            clients.connections_per_task = u64::from(connections);
        }
        if let Some(seconds) = self.reconnect_within {
            clients.reconnect_within_seconds = seconds;
        }
        if self.new_connections_per_second_per_task.is_some() {
            clients.new_connections_per_second_per_task = self.new_connections_per_second_per_task;
        }
        Ok(scenario)
    }
}

/// Deploys every way, each in a world of its own.
fn compare(
    request: &Request,
    scenario: &Scenario,
    within: Option<u32>,
    world_for: impl Fn(&Scenario) -> Result<World, ScenarioError>,
) -> Result<Comparison, Box<dyn std::error::Error>> {
    let clients = scenario.clients.clone().unwrap_or_default();
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let service = Service {
        tasks: scenario.tasks,
        connections_per_task: number(clients.connections_per_task),
        deregistration_delay: number(scenario.deregistration_delay_seconds),
    };
    let seconds = within.unwrap_or_else(|| ways::sample_seconds(scenario.tasks));
    let connections = clients.connections_per_task * u64::from(scenario.tasks);
    let floor = Floor::new(
        connections,
        clients.connections_per_task,
        u64::from(seconds),
    );
    let ways = ways(service, seconds, &request.drain);
    let mut timings = vec![(Timings::Exact, 0)];
    if scenario.timings.jitter_percent > 0 {
        timings.push((Timings::Random, scenario.timings.jitter_percent));
    }
    let progress = Progress::of_deployments(ways.len() * timings.len());
    let mut compared = Vec::new();
    for Way {
        name,
        drain,
        of_event,
    } in ways
    {
        let request = Request {
            drain: drain.clone(),
            // What was given to the event's own drain may be too short for another.
            drain_timeout: request.drain_timeout.filter(|_| of_event),
            ..request.clone()
        };
        let mut runs = Vec::new();
        for &(timings, jitter_percent) in &timings {
            progress.next(&name);
            let mut scenario = scenario.clone();
            scenario.timings.jitter_percent = jitter_percent;
            let run = run::deploy(world_for(&scenario)?, &request)?;
            runs.push(ComparedRun {
                timings,
                jitter_percent,
                figures: Figures::of(&run, floor),
                run,
            });
        }
        compared.push(Compared {
            name,
            drain: drain.to_json(),
            of_event,
            runs,
        });
    }
    progress.end();
    Ok(Comparison {
        name: format!("{} in cluster {}", request.service, short(&request.cluster)),
        service,
        connections,
        reconnect_within: clients.reconnect_within_seconds,
        accepts: clients.new_connections_per_second_per_task,
        seed: scenario.seed,
        jitter_percent: scenario.timings.jitter_percent,
        floor,
        ways: compared,
    })
}

impl Comparison {
    /// The deployments that failed, with their way's name.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&str, &ComparedRun)> {
        let all = self.ways.iter().flat_map(|way| {
            let runs = way.runs.iter();
            runs.map(|run| (way.name.as_str(), run))
        });
        all.filter(|(_, run)| !run.run.summary.succeeded())
    }

    fn to_json(&self) -> Value {
        let ways: Vec<_> = self.ways.iter().map(Compared::to_json).collect();
        json!({
            "service": self.name,
            "scenario": {
                "tasks": self.service.tasks,
                "connections": self.connections,
                "connectionsPerTask": self.service.connections_per_task,
                "reconnectWithinSeconds": self.reconnect_within,
                "newConnectionsPerSecondPerTask": self.accepts,
                "seed": self.seed,
            },
            "floor": self.floor,
            "ways": ways,
        })
    }
}

impl Compared {
    fn to_json(&self) -> Value {
        let runs: Vec<_> = self
            .runs
            .iter()
            .map(|run| {
                json!({
                    "timings": run.timings,
                    "jitterPercent": run.jitter_percent,
                    "status": run.run.summary.status,
                    "error": run.run.summary.error,
                    "reason": run.run.summary.reason,
                    "figures": run.figures,
                })
            })
            .collect();
        json!({
            "way": self.name,
            "drain": self.drain,
            "ofEvent": self.of_event,
            "runs": runs,
        })
    }
}
