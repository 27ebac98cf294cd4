//! `ebbtide compare`: one deployment, drained in every way.

mod comparison;
mod figures;
mod page;
mod picture;
mod shifts;
mod table;
mod ways;

use std::path::PathBuf;

use clap::{Args, value_parser};
use ebbtide_controller::arn::short;
use ebbtide_controller::counted::listed;
use ebbtide_controller::request::Request;
use ebbtide_simulator::{Names, Scenario};

use crate::bar::Bar;
use crate::exit::{Error, Exit, Outcome};
use crate::files;
use crate::input;
use crate::output::{Format, Styled, print};
use crate::report::Heading;
use crate::scenario;
use crate::service::{Described, deregistration, too_many_of_one_task};
use crate::simulation;

use comparison::{Compared, ComparedRun, Comparison, Timings};
use figures::{Figures, Floor};
use ways::{Service, ways};

/// Simulates the same deployment once per drain setting, and compares in a table how clients and servers are
/// affected.
///
/// The settings are: all at once; a quarter every minute, as in the public sample; one task at a time,
/// evenly, and by a reconnect budget, each in the sample's time or that of --within; and the event's own, if
/// it differs. Everything runs in virtual time, on a simulated AWS: nothing real is touched. A setting is
/// deployed twice if its figures may differ: with exact timings, and with the scenario's random ones.
///
/// For an event with a shift, the time until all traffic has moved is compared as well: linear, as a canary,
/// and as the event asks for, each beside ECS's own schedule for the same steps.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{JSON_HELP}"))]
pub(crate) struct Arguments {
    #[command(flatten)]
    event: input::Event,
    #[command(flatten)]
    service: Described,
    /// Random seed, instead of the scenario's (1); the same seed gives the same answer.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Seconds from the first step of the drain to the last, instead of the sample's (180 with four
    /// tasks or more).
    #[arg(long, value_name = "S", value_parser = value_parser!(u32).range(0..=i64::from(ways::LONGEST)))]
    within: Option<u32>,
    /// Output format; the JSON object is described at the end of this help.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the table and a plot of each setting's reconnects, as a page that needs no other files.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Write one picture of the reconnects a second: all at once, as the event asks for it, and in the
    /// recommended way.
    #[arg(long, value_name = "FILE.svg")]
    picture: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide compare deploy.json --tasks 12 --new-connections-per-second-per-task 100
  ebbtide compare deploy.json --within 600 --report ways.html
  ebbtide compare deploy.json --tasks 12 --picture reconnects.svg";

/// A paragraph is one line: it is wrapped where it is shown.
const JSON_HELP: &str = "\
Reconnects are attempts of disconnected clients, including refused ones. \"Longest without\" is the longest time that a \
client had no connection. The floor is the smallest possible number in the same time: all connections spread evenly, \
or those of one task. Extra task-hours count running tasks above the desired count.

--format json prints one object: service; scenario (tasks, connections, connectionsPerTask, reconnectWithinSeconds, \
newConnectionsPerSecondPerTask or null, seed); floor (seconds, reconnectsIn10Seconds); ways, a list of {way, drain, \
ofEvent, runs}; and recommended ({way, drain} or null). drain is the input's field that asks for it, ofEvent says \
whether the event does, and runs is a list of {timings, jitterPercent, status, error, reason, figures}, timings being \
exact or random. figures has firstToLastCutSeconds (or null), peakReconnectsIn10Seconds, timesFloor, \
peakReconnectsIn1Second, peakTriesIn1SecondOfATask, refused, longestWithoutSeconds, deploymentSeconds, extraTaskHours \
and apiCalls. Of an event with a shift there is also shifts, a list of {shift, deployed, secondsOfEcs}. deployed is a \
list of {propagation, seconds}: seconds from the first share to all traffic where a changed listener takes so many \
seconds, in the middle of three runs. secondsOfEcs has those of ECS's own schedule for the same steps.

Exit status: 0 done, 1 a deployment failed or was refused, 2 wrong usage.";

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let report = ("--report", arguments.report.as_deref());
    let inputs = arguments.service.inputs(&arguments.event.source);
    let picture = ("--picture", arguments.picture.as_deref());
    files::check_outputs(&inputs, &[report, picture])?;
    let asked = scenario::request(&arguments.event, arguments.format)?;
    let Some((event, home, request)) = asked else {
        return Ok(Exit::Failed);
    };
    if request.dry_run {
        return Err("the event asks for a dry run, in which nothing is drained".into());
    }
    let mut scenario = arguments.service.drained(&request.service)?;
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    let mut scenario = scenario::fitting(scenario, &event, &request);
    if !scenario.has_load_balancer() {
        return Err("what is compared are reconnects through a load balancer, and clients find this service in a registry: `ebbtide simulate` shows their requests, beside those where all tasks are stopped at once".into());
    }
    scenario.clients = arguments.service.clients(&scenario, &request);
    let clients = scenario.clients.as_ref();
    if arguments.picture.is_some() && clients.is_none_or(|all| all.connections_per_task == 0) {
        return Err("--picture: the service has no clients, and none reconnects".into());
    }
    let names = scenario::names_of(&request, &home);
    let comparison = compare(&request, &scenario, arguments.within, &names)?;
    if arguments.report.is_some() {
        let described = scenario::in_words(arguments.service.scenario.as_deref(), &scenario);
        let heading = Heading {
            title: format!("{}: ways to drain, compared", comparison.name),
            facts: vec![("command", input::command_line()), ("scenario", described)],
        };
        files::write(report, &page::of(&heading, &comparison)?)?;
    }
    if arguments.picture.is_some() {
        let svg = picture::of(&comparison)?;
        files::write(picture, &svg.ok_or("--picture: no client reconnected")?)?;
    }
    match arguments.format {
        Format::Text => comparison.lines().iter().for_each(Styled::print),
        Format::Json => print(&serde_json::to_string_pretty(&comparison.to_json())?),
    }
    Ok(Exit::of(comparison.failures().is_empty()))
}

/// Deploys every way, each in a world of its own.
fn compare(
    request: &Request,
    scenario: &Scenario,
    within: Option<u32>,
    names: &Names,
) -> Result<Comparison, Error> {
    let clients = scenario.clients.clone().unwrap_or_default();
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let service = Service {
        tasks: scenario.tasks,
        connections_per_task: number(clients.connections_per_task),
        deregistration: deregistration(scenario),
        fits: too_many_of_one_task(&clients, scenario.tasks).is_none(),
    };
    let seconds = within.unwrap_or_else(|| ways::sample_seconds(scenario.tasks));
    let floor = Floor::new(scenario.tasks, &clients, u64::from(seconds));
    let ways = ways(service, seconds, &request.drain);
    let mut timings = vec![(Timings::Exact, 0)];
    if scenario.timings.jitter_percent > 0 {
        timings.push((Timings::Random, scenario.timings.jitter_percent));
    }
    let bar = Bar::of_deployments(ways.len() * timings.len());
    let mut compared = Vec::new();
    for way in ways {
        let request = Request {
            drain: way.drain.clone(),
            // What was given to the event's own drain may be too short for another.
            drain_timeout: request.drain_timeout.filter(|_| way.of_event),
            // No person is there to end one, and clients feel none.
            pauses: Vec::new(),
            hooks: Vec::new(),
            shift: None,
            ..request.clone()
        };
        let mut runs = Vec::new();
        for &(timings, jitter_percent) in &timings {
            bar.next(&way.name);
            let mut scenario = scenario.clone();
            scenario.timings.jitter_percent = jitter_percent;
            let world = scenario.world_for(names)?;
            let input = request.to_json();
            let (run, _) = simulation::deploy(world, "compared", &request, input, &mut |_| {})?;
            runs.push(ComparedRun {
                timings,
                jitter_percent,
                figures: Figures::of(&run, scenario.tasks, &clients, floor.seconds),
                run,
            });
        }
        compared.push(Compared { way, runs });
    }
    bar.end();
    let shifts = shifts::compare(request, scenario, names)?;
    Ok(Comparison {
        shifts,
        name: format!("{} in cluster {}", request.service, short(&request.cluster)),
        scenario: scenario.clone(),
        clients,
        floor,
        fits: service.fits,
        left_out: left_out(request),
        ways: compared,
    })
}

/// What no way is deployed with.
fn left_out(request: &Request) -> String {
    let parts = [
        ("shift", request.shift.is_some()),
        ("pauses", !request.pauses.is_empty()),
        ("hooks", !request.hooks.is_empty()),
    ];
    let parts = parts.into_iter().filter(|(_, given)| *given);
    let parts: Vec<_> = parts.map(|(name, _)| name).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(
        " The ways are without the event's {}: what that takes comes on top of each.",
        listed(&parts)
    )
}
