//! A laboratory: the shipped state machine and functions on the simulated control plane, with real processes for its
//! tasks, `HAProxy` for its load balancer, and thousands of MQTT connections. See docs/laboratory.md.

mod clients;
mod control;
#[path = "../../../src/output/count.rs"]
mod count;
mod failure;
mod folder;
mod laboratory;
mod measure;
mod node;
mod page;
mod plane;
mod predict;
mod process;
mod report;
mod table;
mod way;
mod weight;

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use failure::Failure;
use laboratory::Measurement;
use way::{LONG, SHORT, Way};

#[derive(Debug, Parser)]
#[command(about = "Measures deployments with real brokers, HAProxy and MQTT clients")]
enum Command {
    /// Deploys in every way, and prints a table of what clients felt.
    Measure(Arguments),
    /// Clients of one node of the load balancer.
    #[command(hide = true)]
    Clients(clients::Arguments),
}

#[derive(Debug, Args)]
struct Arguments {
    /// Some hundred clients, five times as fast, and all ways at once.
    #[arg(long)]
    short: bool,
    /// Only the ways whose names have this in them.
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// The command of a task, another MQTT broker's: `{address}` and `{port}` stand for where it has to listen.
    #[arg(long, value_name = "COMMAND")]
    task: Option<String>,
    /// Write the figures, second by second.
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    /// Write a page with the table and plots.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Write one picture of the attempts.
    #[arg(long, value_name = "FILE.svg")]
    picture: Option<PathBuf>,
}

fn main() -> ExitCode {
    let command = Command::parse();
    process::open_as_many_files_as_allowed();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(Failure::from)
        .and_then(|runtime| match command {
            Command::Measure(arguments) => runtime.block_on(measure(&arguments)),
            Command::Clients(arguments) => runtime.block_on(clients::run(&arguments)),
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<(), Failure> {
    for program in ["haproxy", "mosquitto", "setpriv"] {
        if !plane::is_installed(program) {
            return Err(
                format!("{program} is not installed (apt-get install haproxy mosquitto)").into(),
            );
        }
    }
    let mut ways = way::all(if arguments.short { SHORT } else { LONG })?;
    let only = arguments.only.as_deref().unwrap_or_default();
    let names: Vec<_> = ways.iter().map(|way| way.name).collect();
    ways.retain(|way| way.name.contains(only));
    if ways.is_empty() {
        return Err(format!("no way has {only} in its name: {}", names.join(", ")).into());
    }
    for path in [&arguments.json, &arguments.report, &arguments.picture]
        .into_iter()
        .flatten()
    {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    for way in &mut ways {
        way.task.clone_from(&arguments.task);
    }
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut closed = signal(SignalKind::hangup())?;
    let measurements = tokio::select! {
        measurements = deployed(ways, arguments.short) => measurements?,
        // What is dropped so takes its processes along.
        _ = interrupted.recv() => return Err("interrupted".into()),
        _ = terminated.recv() => return Err("interrupted".into()),
        _ = closed.recv() => return Err("interrupted".into()),
    };
    print!("{}", table::of(&measurements));
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&measurements)?)?;
    }
    if let Some(file) = &arguments.report {
        std::fs::write(file, page::of(&measurements)?)?;
    }
    if let Some(file) = &arguments.picture {
        std::fs::write(file, page::picture(&measurements)?)?;
    }
    Ok(())
}

/// Deploys in every way, all of them at once or one after the other.
async fn deployed(ways: Vec<Way>, at_once: bool) -> Result<Vec<Measurement>, Failure> {
    let mut measured = Vec::new();
    let mut running = JoinSet::new();
    for (place, way) in ways.into_iter().enumerate() {
        running.spawn(async move { (place, laboratory::run(&way).await) });
        while !at_once && let Some(ended) = running.join_next().await {
            measured.push(ended?);
        }
    }
    measured.extend(running.join_all().await);
    measured.sort_by_key(|(place, _)| *place);
    let measured = measured.into_iter().map(|(_, measured)| measured);
    measured.collect()
}

/// What the command line's plots need of its output.
mod output {
    pub(crate) use crate::count::count;
}
