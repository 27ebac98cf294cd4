//! `ebbtide simulate`: a whole deployment in virtual time.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::request::Request;
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::asl::{EventKind, HistoryEvent};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::{Call, World, WorldEvent};
use serde::Serialize;
use serde_json::{Value, json};

use crate::input;
use crate::narrate::{Counts, Line, counts, head, of_history, of_world};
use crate::progress::Progress;
use crate::report::{self, Heading};
use crate::run::{Recorder, Run};
use crate::summary::{ClientsSummary, Summary};

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
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write everything that happened, one JSON object a line: Step Functions' history, what the
    /// world did, every API call.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write what happened second by second, as plots on a page that a browser shows by itself.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

/// What one deployment leaves behind for printing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Deployed {
    event: String,
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<ClientsSummary>,
    lines: Vec<Line>,
    #[serde(skip)]
    run: Run,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let mut requests = Vec::new();
    let mut home = None;
    for path in &arguments.events {
        let event = input::event(path)?;
        let home = match &mut home {
            Some(home) => home,
            None => home.insert(input::home_of(&event)?),
        };
        match Request::parse(&event, home) {
            Ok(request) => requests.push((path, event, request)),
            Err(refusal) => return Ok(refused(arguments.format, path, &refusal)),
        }
    }
    let (Some(home), Some((_, _, first))) = (home, requests.first()) else {
        return Ok(false);
    };
    let (world, simulated): (World, _) = if let Some(path) = &arguments.world {
        let from = format!("as {} has it", path.display());
        (input::parsed(path, "a saved world")?, ("world", from))
    } else {
        let path = arguments.scenario.as_deref();
        let scenario = input::fitting(input::scenario(path)?, first);
        let simulated = input::scenario_in_words(path, &scenario);
        let world = scenario.world_for(&input::names_of(first, &home))?;
        (world, ("scenario", simulated))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let mut trace = Vec::new();
    let mut deployed = Vec::new();
    let (mut world, mut all_well) = (world, true);
    for (number, (path, event, request)) in requests.iter().enumerate() {
        let name = format!("simulated-{}", number + 1);
        let done = runtime.block_on(deploy(
            world,
            &name,
            path,
            event,
            request,
            &home,
            arguments.format,
            &mut trace,
        ))?;
        world = done.1;
        all_well &= done.0.summary.succeeded();
        deployed.push(done.0);
        if !all_well {
            for (path, ..) in &requests[number + 1..] {
                eprintln!(
                    "{}: not deployed, because the one before failed",
                    path.display()
                );
            }
            break;
        }
    }
    if arguments.format == Format::Json {
        crate::print(&serde_json::to_string_pretty(
            &json!({ "deployments": deployed }),
        )?);
    }
    if let Some(path) = &arguments.trace {
        input::write(path, &(trace.join("\n") + "\n"))?;
    }
    if let Some(path) = &arguments.save_world {
        input::write(path, &serde_json::to_string(&world)?)?;
    }
    if let Some(path) = &arguments.report {
        let runs: Vec<_> = deployed
            .into_iter()
            .map(|deployed| (deployed.event, deployed.run))
            .collect();
        let heading = Heading {
            title: format!(
                "Deployment of {} in cluster {}, simulated",
                first.service,
                short(&first.cluster)
            ),
            facts: vec![
                ("command".to_owned(), input::command_line()),
                (simulated.0.to_owned(), simulated.1),
            ],
        };
        input::write(path, &report::of_runs(&heading, &runs)?)?;
    }
    Ok(all_well)
}

fn refused(format: Format, path: &Path, refusal: &ebbtide_controller::refusal::Refusal) -> bool {
    match format {
        Format::Text => eprintln!("{}: {}: {refusal}", path.display(), refusal.error),
        Format::Json => {
            let refused = json!({
                "event": path,
                "error": refusal.error.as_str(),
                "reason": refusal.to_string(),
            });
            crate::print(&json!({ "deployments": [], "refused": refused }).to_string());
        }
    }
    false
}

/// Runs one deployment in a world and returns the world after it.
#[expect(
    clippy::too_many_arguments,
    reason = "one caller, which has them all at hand"
)]
async fn deploy(
    mut world: World,
    name: &str,
    path: &Path,
    event: &Value,
    request: &Request,
    home: &Home,
    format: Format,
    trace: &mut Vec<String>,
) -> Result<(Deployed, World), Box<dyn std::error::Error>> {
    world.begin();
    let cluster = short(&request.cluster).to_owned();
    let original_group = original_group(&world, &cluster, &request.service);
    let recorder = Recorder::new(&world, &cluster, &request.service);
    let aws = SimulatedAws::new(world, 1.0);
    let installation = Installation::new(&aws)?;
    let service = Watched {
        cluster: cluster.clone(),
        service: request.service.clone(),
        original_group,
    };
    let mut narrator = Narrator::new(
        &aws,
        installation.machine(),
        service,
        format,
        recorder,
        trace,
    );
    narrator.begin(path, request, home);
    let outcome = installation
        .deploy(name, event.clone(), 1, &mut |event| narrator.history(event))
        .await;
    narrator.end();
    let calls = narrator.calls;
    let (lines, states, recorder) = (narrator.lines, narrator.states, narrator.recorder);
    let world = aws.snapshot();
    let summary = Summary::of(&outcome, states, calls, &world, &cluster, &request.service);
    if format == Format::Text {
        crate::print(&format!("\n{summary}"));
    }
    let run = recorder.finish(summary.clone(), aws.invocation_count(), world.clone());
    let clients = run.clients.as_ref().map(ClientsSummary::of);
    if let Some(clients) = clients.filter(|_| format == Format::Text) {
        crate::print(&clients.to_string());
    }
    let deployed = Deployed {
        event: path.display().to_string(),
        run,
        summary,
        clients,
        lines,
    };
    Ok((deployed, world))
}

/// The target group of the task set that serves before a deployment; empty where none does.
fn original_group(world: &World, cluster: &str, service: &str) -> String {
    world
        .task_sets_of(cluster, service)
        .first()
        .and_then(|set| set.load_balancers.first())
        .map(|lb| lb.target_group_arn.clone())
        .unwrap_or_default()
}

/// What is counted while a deployment runs.
struct Watched {
    cluster: String,
    service: String,
    /// The target group that served at the start.
    original_group: String,
}

impl Watched {
    fn counts(&self, world: &World) -> Counts {
        counts(world, &self.cluster, &self.service, &self.original_group)
    }
}

/// Tells a deployment as it happens, and keeps what was told.
struct Narrator<'a> {
    aws: &'a SimulatedAws,
    watched: Watched,
    width: usize,
    format: Format,
    progress: Progress,
    lines: Vec<Line>,
    /// What was told last of the state machine.
    said: String,
    states: Vec<String>,
    calls: usize,
    recorder: Recorder,
    trace: &'a mut Vec<String>,
}

impl<'a> Narrator<'a> {
    fn new(
        aws: &'a SimulatedAws,
        machine: &ebbtide_simulator::asl::StateMachine,
        watched: Watched,
        format: Format,
        recorder: Recorder,
        trace: &'a mut Vec<String>,
    ) -> Self {
        let widest = machine.states().map(|state| state.name().len()).max();
        let tasks = aws.with_world(|world| watched.counts(world).original_tasks);
        Self {
            aws,
            watched,
            width: widest.unwrap_or_default(),
            format,
            progress: Progress::new(tasks, format == Format::Text),
            lines: Vec::new(),
            said: String::new(),
            states: Vec::new(),
            calls: 0,
            recorder,
            trace,
        }
    }

    fn begin(&self, path: &Path, request: &Request, home: &Home) {
        if self.format == Format::Text {
            crate::print(&format!(
                "{}: {} to service {} in cluster {} ({home}, simulated)\n",
                path.display(),
                short(&request.task_definition),
                request.service,
                short(&request.cluster),
            ));
            crate::print(&head(self.width));
        }
    }

    /// Tells what the world did until now, then what the state machine did.
    fn history(&mut self, event: &HistoryEvent) {
        self.world();
        self.recorder.history(event);
        self.trace("history", event);
        if let EventKind::StateEntered { name, .. } = &event.kind {
            self.states.push(name.clone());
        }
        // States between two functions pass on what the one before them said.
        if let Some((state, what)) = of_history(event).filter(|(_, what)| self.said != *what) {
            self.said.clone_from(&what);
            self.tell(event.at.as_secs_f64(), state, what);
        }
    }

    fn world(&mut self) {
        let (events, calls): (Vec<WorldEvent>, Vec<Call>) = self
            .aws
            .with_world(|world| (world.take_events(), world.take_calls()));
        self.calls += calls.len();
        self.recorder.world(&events);
        for event in &events {
            self.trace("world", event);
        }
        for call in &calls {
            self.trace("call", call);
        }
        for (at_ms, what) in of_world(&events) {
            self.tell(seconds(at_ms), String::new(), what);
        }
    }

    fn tell(&mut self, at: f64, state: String, what: String) {
        let counts = self.aws.with_world(|world| self.watched.counts(world));
        self.progress.show(&state, counts);
        // Between two steps the world is looked at once: only a step's own line has its counts.
        let line = Line {
            at,
            counts: (!state.is_empty()).then_some(counts),
            state,
            what,
        };
        if self.format == Format::Text {
            self.progress.print(&line.text(self.width));
        }
        self.lines.push(line);
    }

    fn trace(&mut self, kind: &str, what: &impl Serialize) {
        self.trace.push(json!({ kind: what }).to_string());
    }

    fn end(&mut self) {
        self.world();
        self.progress.end();
    }
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}
