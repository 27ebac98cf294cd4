//! `ebbtide simulate`: a whole deployment in virtual time.

pub(crate) mod page;
pub(crate) mod phase;
mod services;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::pace::Pace;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::{Problem, Request};
use ebbtide_simulator::world::EventKind;
use ebbtide_simulator::{CommandScenario, World};
use serde::Serialize;
use serde_json::{Value, json};

use phase::phase_of;

use crate::application::Wanted;
use crate::bar::Bar;
use crate::exit::{Error, Exit, Outcome};
use crate::files::{self, Source};
use crate::input::{self, Input};
use crate::narrate::world::{self, Detail};
use crate::narrate::{Drain, Mood, Names, Narrator};
use crate::output::{BAD, BOLD, DIM, Format, GOOD, PLAIN, Style, Styled, clock, print, remark};
use crate::report::Heading;
use crate::scenario;
use crate::service::Described;
use crate::simulation::{self, CallersSummary, ClientsSummary, Counts, Felt, Moment, Run};

/// Simulates whole deployments, in virtual time: nothing real is touched.
///
/// The shipped state machine calls the real functions, and those call a simulated ECS and Elastic Load
/// Balancing. The simulated account has what the first event names; further events are deployed one after the
/// other, each into the account that the one before has left. An input with services is deployed by the state machine
/// for several.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// `StartExecution` inputs, in the order to deploy them; `-` reads one from standard input.
    #[arg(required = true, value_name = "EVENT.json")]
    events: Vec<Source>,
    #[command(flatten)]
    instead: input::Instead,
    #[command(flatten)]
    service: Described,
    /// The replacement never becomes healthy, whatever the scenario says; of several services, that of each.
    #[arg(long)]
    never_healthy: bool,
    /// Begin with the simulated account that --save-world wrote.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["Described", "never_healthy"])]
    world: Option<PathBuf>,
    /// Write the simulated account after the last deployment.
    #[arg(long, value_name = "FILE")]
    save_world: Option<PathBuf>,
    /// Also print single tasks and targets, and every step of ECS.
    #[arg(short, long)]
    verbose: bool,
    /// Output format. JSON is one object with deployments, each with event, summary, clients and allAtOnce
    /// (the same clients if all tasks stop at once), or callers of a registry and callersAllAtOnce, and lines (at, state, what, counts, drain).
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write everything that happened, as one JSON object per line: Step Functions' history, events of the
    /// simulated account, every API call.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write a page with plots, second by second, that needs no other files.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide simulate events/sample.json
  ebbtide simulate events/sample.json --scenario my-world.json --report report.html
  ebbtide simulate deploy.json --task-definition chat:7
  jq '.bakeTime = 300' deploy.json | ebbtide simulate -";

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
    /// The same clients, where all tasks are stopped at once.
    at_once: Option<ClientsSummary>,
    /// The same callers, where ECS stops all tasks at once.
    callers_at_once: Option<CallersSummary>,
    run: Run,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let [trace_to, save_to, report_to] = [
        ("--trace", arguments.trace.as_deref()),
        ("--save-world", arguments.save_world.as_deref()),
        ("--report", arguments.report.as_deref()),
    ];
    let mut inputs: Vec<_> = arguments.events.iter().map(Source::path).collect();
    inputs.push(arguments.service.scenario.as_deref());
    // A world may be saved where it was read.
    let saved = arguments.save_world == arguments.world;
    inputs.push(arguments.world.as_deref().filter(|_| !saved));
    files::check_outputs(&inputs, &[trace_to, save_to, report_to])?;
    let is_stdin = |source: &&Source| **source == Source::Stdin;
    if arguments.events.iter().filter(is_stdin).count() > 1 {
        return Err("standard input can be read once".into());
    }
    let mut inputs = Vec::new();
    for source in &arguments.events {
        inputs.push((source, arguments.instead.read(source)?));
    }
    let home = scenario::home_of(&inputs[0].1.event)?;
    let mut requests = Vec::new();
    for (source, input) in inputs {
        match Wanted::read(&input.event, Some(&home)) {
            Ok(Wanted::OneService(member)) => requests.push((source, input.event, member.request)),
            Ok(Wanted::SeveralServices(several)) => {
                return services::run(arguments, source, &input.event, (&several, &home));
            }
            Err(problems) => return Ok(refused(arguments.format, source, &input, &problems)),
        }
    }
    let first = &requests[0].2;
    let (mut world, mut commands, simulated) = world(arguments, &requests[0].1, first, &home)?;
    let mut trace = arguments.trace.as_ref().map(|_| String::new());
    let mut deployed: Vec<Deployed> = Vec::new();
    let mut exit = Exit::Done;
    for (number, (source, event, request)) in requests.iter().enumerate() {
        if exit == Exit::Failed {
            remark(&format!(
                "{source}: not deployed, because the one before failed"
            ));
            continue;
        }
        let mut telling = Telling::of(arguments, trace.as_mut());
        telling.begin(source, request, &home);
        let name = format!("simulated-{}", number + 1);
        let bar = (arguments.format == Format::Json).then(|| Bar::of_simulation(&name));
        let mut watch = |moment: &Moment<'_>| {
            if let (Some(bar), Some(event)) = (&bar, moment.history) {
                bar.simulated(event.at.as_secs_f64());
            }
            telling.moment(moment);
        };
        let (event, asked) = (event.clone(), std::mem::take(&mut commands));
        let before = world.clone();
        let deployed_so =
            simulation::deploy_commanded(world, &name, request, event, &asked, &mut watch);
        bar.iter().for_each(Bar::end);
        let (run, after) = deployed_so?;
        world = after;
        too_late(&asked, run.summary.seconds);
        if asked.is_empty()
            && run.summary.error.as_deref() == Some(ErrorName::PauseTimeout.as_str())
        {
            remark(
                "No operator was there to approve it. A scenario has some: \
                 {\"commands\": [{\"afterSeconds\": 900, \"command\": \"resume\", \"by\": \"alice\"}]} with --scenario.",
            );
        }
        exit = Exit::of(run.summary.succeeded());
        let callers_at_once = callers_at_once(&before, request, &home, &run);
        let at_once = all_at_once(before, request, &run)?;
        deployed.push(telling.end(source, run, (at_once, callers_at_once)));
    }
    for name in world.functions_not_called() {
        remark(&format!(
            "The scenario's function {name} was not called: no hook of these deployments has that name, or none came that far."
        ));
    }
    if arguments.format == Format::Json {
        let deployments: Vec<_> = deployed.iter().map(Deployed::to_json).collect();
        let answer = json!({ "deployments": deployments });
        print(&serde_json::to_string_pretty(&answer)?);
    }
    if let Some(trace) = &trace {
        files::write(trace_to, trace)?;
    }
    if arguments.save_world.is_some() {
        files::write(save_to, &serde_json::to_string(&world)?)?;
    }
    if arguments.report.is_some() {
        let (service, cluster) = (&first.service, short(&first.cluster));
        let heading = Heading {
            title: format!("Deployment of {service} in cluster {cluster}, simulated"),
            facts: vec![("command", input::command_line()), simulated],
        };
        let runs = deployed.iter().map(|one| (one.event.as_str(), &one.run));
        let runs: Vec<_> = runs.collect();
        files::write(report_to, &page::of(&heading, &runs)?)?;
    }
    Ok(exit)
}

/// How every other way to deploy such a service ends its tasks.
const ALL_AT_ONCE: Pace = Pace::Percent {
    decrement: 100.0,
    every: 60,
};

/// What the clients of a deployment would have felt if all tasks were stopped at once; nothing where none was
/// cut.
fn all_at_once(
    world: World,
    request: &Request,
    run: &Run,
) -> Result<Option<ClientsSummary>, Error> {
    let cut = run.clients.as_ref().and_then(Felt::first_to_last_cut);
    if cut.is_none() {
        return Ok(None);
    }
    let request = Request {
        drain: ALL_AT_ONCE.into(),
        drain_timeout: None,
        pauses: Vec::new(),
        hooks: Vec::new(),
        shift: None,
        ..request.clone()
    };
    let input = request.to_json();
    let what = ("at-once", "the same, with all tasks stopped at once");
    let (run, _) = simulation::deploy_quietly(world, what, &request, input)?;
    Ok(run.clients.as_ref().map(ClientsSummary::of))
}

/// What the callers of a deployment that has succeeded would have felt if ECS had stopped all tasks at once; nothing
/// where they do not find the service in a registry alone, or there was nothing to stop.
fn callers_at_once(
    world: &World,
    request: &Request,
    home: &Home,
    run: &Run,
) -> Option<CallersSummary> {
    let alone = run.callers.is_some() && world.target_groups().next().is_none();
    let replaced = run.summary.succeeded() && !request.dry_run;
    (alone && replaced).then(|| simulation::all_at_once(world.clone(), request, home))?
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
        let command = command.as_str();
        remark(&format!(
            "Nothing was asked by the scenario's {command} after {after_seconds} s: the deployment had ended after {seconds:.0} s."
        ));
    }
}

fn refused(format: Format, source: &Source, input: &Input<'_>, problems: &[Problem]) -> Exit {
    match format {
        Format::Text => input.refuse(problems),
        Format::Json => {
            let refused = input::refused(source, problems);
            print(&json!({ "deployments": [], "refused": refused }).to_string());
        }
    }
    Exit::Failed
}

/// A world to begin with, what operators do in it, and what a report says of it.
type Begun = (World, Vec<CommandScenario>, (&'static str, String));

fn world(
    arguments: &Arguments,
    event: &Value,
    first: &Request,
    home: &Home,
) -> Result<Begun, Error> {
    if let Some(path) = &arguments.world {
        let fact = ("world", format!("as {} has it", path.display()));
        let world = Source::File(path.clone()).saved(("a saved world", "--save-world"), 1 << 26)?;
        return Ok((world, Vec::new(), fact));
    }
    let path = arguments.service.scenario.as_deref();
    let mut scenario = arguments.service.scenario(&first.service)?;
    scenario.replacement.never_healthy |= arguments.never_healthy;
    let mut scenario = scenario::fitting(scenario, event, first);
    let clients = arguments.service.clients(&scenario, first);
    scenario.clients = clients.filter(|clients| clients.connections_per_task > 0);
    let world = scenario.world_for(&scenario::names_of(first, home))?;
    let fact = ("scenario", scenario::in_words(path, &scenario));
    Ok((world, scenario.commands, fact))
}

impl Deployed {
    fn to_json(&self) -> Value {
        let mut json = json!({"event": self.event, "summary": self.run.summary});
        if let Some(clients) = &self.clients {
            json["clients"] = json!(clients);
        }
        if let Some(at_once) = &self.at_once {
            json["allAtOnce"] = json!(at_once);
        }
        if let Some(callers) = &self.run.callers {
            json["callers"] = json!(callers.summary);
        }
        if let Some(at_once) = &self.callers_at_once {
            json["callersAllAtOnce"] = json!(at_once);
        }
        json["lines"] = json!(self.lines);
        json
    }
}

/// Columns before a line's sentence: time, tasks and healthy targets.
const INDENT: usize = 27;
/// Columns before what is said of a deployment's end.
const LABEL: usize = 16;

struct Telling<'a> {
    format: Format,
    detail: Detail,
    narrator: Narrator,
    /// The state that the last line was about.
    state: String,
    lines: Vec<Line>,
    /// Everything that happened, an object a line.
    trace: Option<&'a mut String>,
}

impl<'a> Telling<'a> {
    fn of(arguments: &Arguments, trace: Option<&'a mut String>) -> Self {
        Self {
            format: arguments.format,
            detail: if arguments.verbose {
                Detail::Every
            } else {
                Detail::Usual
            },
            narrator: Narrator::default(),
            state: String::new(),
            lines: Vec::new(),
            trace,
        }
    }

    fn begin(&self, source: &Source, request: &Request, home: &Home) {
        if self.format == Format::Text {
            let about = format!(
                "{} to service {} in cluster {} ({home}, simulated)",
                short(&request.task_definition),
                request.service,
                short(&request.cluster),
            );
            let title = Styled::new(BOLD, &format!("{source}: "));
            title.and(PLAIN, &about).wrapped(2).print();
            let head = format!(
                "\n{:>8} {:>7} {:>8}  original+replacement",
                "time", "tasks", "healthy"
            );
            Styled::new(DIM, &head).print();
        }
    }

    fn moment(&mut self, moment: &Moment<'_>) {
        for event in moment.events {
            self.trace("world", event);
        }
        for call in moment.calls {
            self.trace("call", call);
        }
        for event in moment.events {
            if let EventKind::TaskSetCreated { task_set, .. } = &event.kind {
                self.narrator.names().add(task_set, "replacement");
            }
        }
        let happened = world::sentences(moment.events, self.detail).into_iter();
        let happened =
            happened.map(|(at_ms, what)| (Duration::from_millis(at_ms).as_secs_f64(), what));
        let mut lines: Vec<_> = happened.chain(moment.asked.iter().cloned()).collect();
        lines.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        for (at, what) in lines {
            let line = Line {
                at,
                state: String::new(),
                what,
                counts: None,
                drain: None,
            };
            self.tell(line, DIM);
        }
        let Some(event) = moment.history else { return };
        self.trace("history", event);
        let what = simulation::what(event);
        if let Some(said) = self.narrator.hear(event.at.as_secs(), &what) {
            let drain = self.narrator.drain();
            let mood = said.mood;
            let line = Line {
                at: event.at.as_secs_f64(),
                state: said.state,
                what: said.sentence,
                counts: Some(moment.counts),
                drain,
            };
            // The last sentence is that of the end, below.
            if mood == Mood::Ended {
                self.lines.push(line);
            } else {
                self.tell(line, mood.style());
            }
        }
    }

    fn tell(&mut self, line: Line, style: Style) {
        if self.format == Format::Text {
            // Between two functions' answers, what happens belongs to the phase that was entered last.
            let state = match line.state.as_str() {
                "" => phase_of(self.narrator.entered()).unwrap_or(&self.state),
                state => state,
            };
            let heading = state != self.state;
            if heading {
                self.state = state.to_owned();
            }
            let names = self.narrator.names();
            let legend = names.legend();
            let text = line.text(names, style);
            if heading {
                Styled::new(BOLD, &format!("\n{}", self.state)).print();
            }
            for name in legend {
                let name = format!("{:INDENT$}{name}", "");
                Styled::new(DIM, &name).wrapped(INDENT + 2).print();
            }
            text.print();
        }
        self.lines.push(line);
    }

    fn trace(&mut self, kind: &str, what: &impl Serialize) {
        if let Some(trace) = &mut self.trace {
            trace.push_str(&json!({ kind: what }).to_string());
            trace.push('\n');
        }
    }

    fn end(
        mut self,
        source: &Source,
        run: Run,
        (at_once, callers_at_once): (Option<ClientsSummary>, Option<CallersSummary>),
    ) -> Deployed {
        let clients = run.clients.as_ref().map(ClientsSummary::of);
        if self.format == Format::Text {
            let names = self.narrator.names();
            let summary = &run.summary;
            let style = if summary.succeeded() { GOOD } else { BAD };
            print("");
            let outcome = names.shorten(&summary.outcome());
            Styled::new(style, &outcome).wrapped(2).print();
            for (label, text) in summary.rows() {
                let text = format!("  {label:<13} {text}");
                Styled::new(PLAIN, &text).wrapped(LABEL).print();
            }
            for line in clients.iter().flat_map(|felt| felt.table(at_once.as_ref())) {
                print(&line);
            }
            let callers = run.callers.iter();
            let callers = callers.flat_map(|called| called.summary.table(callers_at_once.as_ref()));
            callers.for_each(|line| print(&line));
        }
        Deployed {
            event: source.to_string(),
            lines: self.lines,
            clients,
            at_once,
            callers_at_once,
            run,
        }
    }
}

/// A sentence with a capital letter at its start, unless it begins with a name such as `checks[0]` or `ecs:CreateService`,
/// or a service's.
fn capital(sentence: &str) -> String {
    let first = sentence.split(' ').next().unwrap_or_default();
    // What stands before a colon is a name, such as a service's.
    if first.ends_with(':') || first.contains(|c: char| c.is_ascii_uppercase() || "[:_".contains(c))
    {
        return sentence.to_owned();
    }
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

impl Line {
    fn text(&self, names: &Names, style: Style) -> Styled {
        let counts = self.counts.map_or_else(String::new, |counts| {
            let of = |original, replacement| format!("{original}+{replacement}");
            let tasks = of(counts.original_tasks, counts.replacement_tasks);
            let healthy = of(counts.original_healthy, counts.replacement_healthy);
            format!("{tasks:>7} {healthy:>8}")
        });
        let at = clock(self.at);
        Styled::new(PLAIN, &format!("{at:>8} {counts:<16}  "))
            .and(style, &capital(&names.shorten(&self.what)))
            .wrapped(INDENT)
    }
}
