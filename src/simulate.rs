//! `ebbtide simulate`: a whole deployment in virtual time.

mod page;
mod phase;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::command::Command;
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::request::Request;
use ebbtide_simulator::{CommandScenario, World};
use serde::Serialize;
use serde_json::{Value, json};

use crate::bar::Bar;
use crate::exit::{Error, Exit, Outcome};
use crate::input;
use crate::narrate::{Drain, Narrator, Said, WIDEST_STATE, world};
use crate::output::{Format, clock, print, remark};
use crate::report::Heading;
use crate::simulation::{self, ClientsSummary, Counts, Moment, Run};

/// Runs whole deployments in a simulated AWS and virtual time: nothing real is touched.
///
/// The shipped state machine calls the real functions, and those call a simulated ECS and Elastic
/// Load Balancing. The world is made to fit the first event's names and ARNs; further events are
/// deployed one after the other into the world that the one before has left.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// `StartExecution` inputs, in the order to deploy them.
    #[arg(required = true, value_name = "EVENT.json")]
    events: Vec<PathBuf>,
    /// What is particular about the world: tasks, timings, seed, how the replacement behaves.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Begin with a world that --save-world has written.
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    world: Option<PathBuf>,
    /// Write the world as it is after the last deployment.
    #[arg(long, value_name = "FILE")]
    save_world: Option<PathBuf>,
    /// How the answer is printed. JSON is one object with deployments, each with event, summary, clients
    /// where there are any, and lines (at, state, what, counts, drain).
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write everything that happened, one JSON object a line: Step Functions' history, what the
    /// world did, every API call.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write what happened second by second, as plots on a page that a browser shows by itself.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// One line: when, where in the state machine, what, and what is counted at the end of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    /// Simulated seconds since the execution started.
    at: f64,
    state: String,
    /// What the controller decided and why, or what happened.
    what: String,
    /// Tasks and targets after a step; nothing for what happens between two steps.
    counts: Option<Counts>,
    /// How far the drain is after a step, its times in simulated seconds since the start.
    drain: Option<Drain>,
}

/// What one deployment leaves behind for printing.
struct Deployed {
    event: String,
    lines: Vec<Line>,
    clients: Option<ClientsSummary>,
    run: Run,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut events = Vec::new();
    for path in &arguments.events {
        events.push((path, input::event(path)?));
    }
    let home = input::home_of(&events[0].1)?;
    let mut requests = Vec::new();
    for (path, event) in events {
        match Request::parse(&event, &home) {
            Ok(request) => requests.push((path, event, request)),
            Err(refusal) => return Ok(refused(arguments.format, path, &refusal)),
        }
    }
    let first = &requests[0].2;
    let (mut world, mut commands, simulated) = world(arguments, first, &home)?;
    let mut trace = arguments.trace.as_ref().map(|_| String::new());
    let mut deployed: Vec<Deployed> = Vec::new();
    let mut exit = Exit::Done;
    for (number, (path, event, request)) in requests.iter().enumerate() {
        if exit == Exit::Failed {
            let path = path.display();
            eprintln!("{path}: not deployed, because the one before failed");
            continue;
        }
        let mut telling = Telling::of(arguments.format, trace.as_mut());
        telling.begin(path, request, &home);
        let name = format!("simulated-{}", number + 1);
        let mut watch = |moment: &Moment<'_>| telling.moment(moment);
        let (event, asked) = (event.clone(), std::mem::take(&mut commands));
        let deployed_so =
            simulation::deploy_commanded(world, &name, request, event, &asked, &mut watch);
        let (run, after) = deployed_so?;
        world = after;
        too_late(&asked, run.summary.seconds);
        exit = Exit::of(run.summary.succeeded());
        deployed.push(telling.end(path, run));
    }
    if arguments.format == Format::Json {
        let deployments: Vec<_> = deployed.iter().map(Deployed::to_json).collect();
        let answer = json!({ "deployments": deployments });
        print(&serde_json::to_string_pretty(&answer)?);
    }
    if let (Some(path), Some(trace)) = (&arguments.trace, &trace) {
        input::write(path, trace)?;
    }
    if let Some(path) = &arguments.save_world {
        input::write(path, &serde_json::to_string(&world)?)?;
    }
    if let Some(path) = &arguments.report {
        let (service, cluster) = (&first.service, short(&first.cluster));
        let heading = Heading {
            title: format!("Deployment of {service} in cluster {cluster}, simulated"),
            facts: vec![("command", input::command_line()), simulated],
        };
        let runs = deployed.iter().map(|one| (one.event.as_str(), &one.run));
        let runs: Vec<_> = runs.collect();
        input::write(path, &page::of(&heading, &runs)?)?;
    }
    Ok(exit)
}

/// Says which of the scenario's commands came after the deployment's end.
fn too_late(commands: &[CommandScenario], seconds: f64) {
    let ended = Duration::from_secs_f64(seconds);
    let late = commands
        .iter()
        .filter(|command| Duration::from_secs(command.after_seconds) > ended);
    for CommandScenario {
        after_seconds,
        command,
        ..
    } in late
    {
        let command = Command::from(*command).as_str();
        remark(&format!(
            "Nothing was asked by the scenario's {command} after {after_seconds} s: the deployment had ended after {seconds:.0} s."
        ));
    }
}

fn refused(format: Format, path: &Path, refusal: &Refusal) -> Exit {
    match format {
        Format::Text => remark(&format!("{}: {}: {refusal}", path.display(), refusal.error)),
        Format::Json => {
            let refused = json!({
                "event": path,
                "error": refusal.error.as_str(),
                "reason": refusal.to_string(),
            });
            print(&json!({ "deployments": [], "refused": refused }).to_string());
        }
    }
    Exit::Failed
}

/// A world to begin with, what operators do in it, and what a report says of it.
type Begun = (World, Vec<CommandScenario>, (&'static str, String));

fn world(arguments: &Arguments, first: &Request, home: &Home) -> Result<Begun, Error> {
    if let Some(path) = &arguments.world {
        let fact = ("world", format!("as {} has it", path.display()));
        let world = input::parsed(path, "a saved world", 1 << 30)?;
        return Ok((world, Vec::new(), fact));
    }
    let path = arguments.scenario.as_deref();
    let scenario = input::fitting(input::scenario(path)?, first);
    let world = scenario.world_for(&input::names_of(first, home))?;
    let fact = ("scenario", input::scenario_in_words(path, &scenario));
    Ok((world, scenario.commands, fact))
}

impl Deployed {
    fn to_json(&self) -> Value {
        let mut json = json!({"event": self.event, "summary": self.run.summary});
        if let Some(clients) = &self.clients {
            json["clients"] = json!(clients);
        }
        json["lines"] = json!(self.lines);
        json
    }
}

struct Telling<'a> {
    format: Format,
    bar: Bar,
    narrator: Narrator,
    lines: Vec<Line>,
    /// Everything that happened, an object a line.
    trace: Option<&'a mut String>,
}

impl<'a> Telling<'a> {
    fn of(format: Format, trace: Option<&'a mut String>) -> Self {
        Self {
            format,
            bar: Bar::of_deployment(format),
            narrator: Narrator::default(),
            lines: Vec::new(),
            trace,
        }
    }

    fn begin(&self, path: &Path, request: &Request, home: &Home) {
        if self.format == Format::Text {
            print(&format!(
                "{}: {} to service {} in cluster {} ({home}, simulated)\n",
                path.display(),
                short(&request.task_definition),
                request.service,
                short(&request.cluster),
            ));
            print(&format!(
                "{:<8}  {:<WIDEST_STATE$}  {:>7} {:>7}  what (tasks and healthy targets: original+replacement)",
                "time", "state", "tasks", "healthy",
            ));
        }
    }

    fn moment(&mut self, moment: &Moment<'_>) {
        for event in moment.events {
            self.trace("world", event);
        }
        for call in moment.calls {
            self.trace("call", call);
        }
        let happened = world::sentences(moment.events).into_iter();
        let happened =
            happened.map(|(at_ms, what)| (Duration::from_millis(at_ms).as_secs_f64(), what));
        let mut lines: Vec<_> = happened.chain(moment.asked.iter().cloned()).collect();
        lines.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        for (at, what) in lines {
            self.tell(Line {
                at,
                state: String::new(),
                what,
                counts: None,
                drain: None,
            });
        }
        let Some(event) = moment.history else { return };
        self.trace("history", event);
        let what = simulation::what(event);
        if let Some(said) = self.narrator.hear(event.at.as_secs(), &what) {
            let drain = self.narrator.drain();
            self.bar.show(&said, drain);
            let Said { state, sentence } = said;
            self.tell(Line {
                at: event.at.as_secs_f64(),
                state,
                what: sentence,
                counts: Some(moment.counts),
                drain,
            });
        }
    }

    fn tell(&mut self, line: Line) {
        if self.format == Format::Text {
            self.bar.suspend(|| print(&line.text()));
        }
        self.lines.push(line);
    }

    fn trace(&mut self, kind: &str, what: &impl Serialize) {
        if let Some(trace) = &mut self.trace {
            trace.push_str(&json!({ kind: what }).to_string());
            trace.push('\n');
        }
    }

    fn end(self, path: &Path, run: Run) -> Deployed {
        self.bar.end();
        let clients = run.clients.as_ref().map(ClientsSummary::of);
        if self.format == Format::Text {
            print(&format!("\n{}", run.summary));
            if let Some(clients) = &clients {
                print(&clients.to_string());
            }
        }
        Deployed {
            event: path.display().to_string(),
            lines: self.lines,
            clients,
            run,
        }
    }
}

impl Line {
    fn text(&self) -> String {
        let counts = self.counts.map_or_else(String::new, |counts| {
            format!(
                "{:>3}+{:<3} {:>3}+{:<3}",
                counts.original_tasks,
                counts.replacement_tasks,
                counts.original_healthy,
                counts.replacement_healthy
            )
        });
        let (at, state, what) = (clock(self.at), &self.state, &self.what);
        let text = format!("{at:>8}  {state:<WIDEST_STATE$}  {counts:<15}  {what}");
        text.trim_end().to_owned()
    }
}
