//! Several services in one execution, in virtual time: what happens in all of them, in its order.

use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::counted::counted;
use ebbtide_controller::order::{Application, Member};
use ebbtide_simulator::Scenario;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Arguments, BAD, GOOD, LABEL, capital};
use crate::application;
use crate::exit::{Error, Exit, Outcome};
use crate::files::Source;
use crate::narrate::{Mood, Narrator};
use crate::output::{BOLD, DIM, Format, PLAIN, Style, Styled, clock, print};
use crate::scenario;
use crate::simulation::{self, ClientsSummary, Execution, SeveralRun};

/// Columns before what is said in a line: its time.
const INDENT: usize = 10;

/// What has happened: in the deployment of one service, or in the execution that has started it.
#[derive(Debug, Serialize)]
struct Line {
    /// Simulated seconds since the first execution started.
    at: f64,
    /// Whose deployment it is about; nothing of the execution that deploys them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    state: String,
    what: String,
    #[serde(skip)]
    style: Style,
    /// Whether it is what the state begins or ends with, or something unusual.
    #[serde(skip)]
    is_news: bool,
}

/// How a service is in the end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    name: String,
    /// What it runs, and how many tasks of it.
    serves: Option<String>,
    running: usize,
    /// Its deployments: the one that was asked for, and the one that has undone it.
    deployments: Vec<Deployment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<ClientsSummary>,
}

#[derive(Debug, Serialize)]
struct Deployment {
    name: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Simulated seconds since the first execution started.
    from: f64,
    to: f64,
}

pub(super) fn run(
    arguments: &Arguments,
    source: &Source,
    event: &Value,
    (application, home): (&Application, &Home),
) -> Outcome {
    let of_one = [
        ("--world", arguments.world.is_some()),
        ("--save-world", arguments.save_world.is_some()),
        ("--trace", arguments.trace.is_some()),
        ("--report", arguments.report.is_some()),
    ];
    if let Some((flag, _)) = of_one.iter().find(|(_, given)| *given) {
        return Err(
            format!("{flag} is for deployments of one service, and {source} has services").into(),
        );
    }
    if arguments.events.len() > 1 {
        return Err(format!("{source} has services: it is simulated alone").into());
    }
    scenario::knows(arguments.service.scenario.as_deref(), application)?;
    let (mut services, mut commands) = (Vec::new(), Vec::new());
    for member in &application.members {
        let scenario = described(arguments, member)?;
        commands.push((&member.request, scenario.commands.clone()));
        services.push((member, scenario));
    }
    let world = scenario::world_of(services, home)?;
    if arguments.format == Format::Text {
        let title = Styled::new(BOLD, &format!("{source}: "));
        let about = application::about(application, home);
        title.and(PLAIN, &about).wrapped(2).print();
        application::order_in_words(application).wrapped(2).print();
        print("");
    }
    let run = simulation::deploy_services(world, event.clone(), &commands)?;
    let lines = lines(&run);
    let members = application.members.iter();
    let services: Vec<_> = members.map(|member| ended(member, &run)).collect();
    match arguments.format {
        Format::Text => show(&run, &lines, &services, arguments.verbose),
        Format::Json => print(&serde_json::to_string_pretty(&json!({
            "deployments": [{
                "event": source.to_string(),
                "order": application::order(application),
                "summary": run.summary,
                "services": services,
                "lines": lines,
            }]
        }))?),
    }
    Ok(Exit::of(run.summary.succeeded()))
}

/// The scenario of one service.
fn described(arguments: &Arguments, member: &Member) -> Result<Scenario, Error> {
    let Member { input, request, .. } = member;
    let mut scenario = arguments.service.scenario(&request.service)?;
    scenario.replacement.never_healthy |= arguments.never_healthy;
    let mut scenario = scenario::fitting(scenario, input, request);
    let clients = arguments.service.clients(&scenario, request);
    scenario.clients = clients.filter(|clients| clients.connections_per_task > 0);
    Ok(scenario)
}

/// What is said of all executions, in its order.
fn lines(run: &SeveralRun) -> Vec<Line> {
    let mut lines: Vec<_> = run.executions.iter().flat_map(of_execution).collect();
    lines.sort_by(|one, other| one.at.total_cmp(&other.at));
    lines
}

fn of_execution(execution: &Execution) -> Vec<Line> {
    let mut narrator = Narrator::default();
    let mut lines: Vec<Line> = Vec::new();
    for event in &execution.history {
        let Some(said) = narrator.hear(event.at.as_secs(), &simulation::what(event)) else {
            continue;
        };
        if said.mood == Mood::Ended && execution.service.is_none() {
            continue;
        }
        let begins = lines.last().is_none_or(|before| before.state != said.state);
        lines.push(Line {
            at: execution.from + event.at.as_secs_f64(),
            service: execution.service.clone(),
            what: narrator.names().shorten(&said.sentence),
            style: match said.mood {
                Mood::Ended if execution.succeeded() => GOOD,
                Mood::Ended => BAD,
                mood => mood.style(),
            },
            is_news: begins || said.mood != Mood::Usual,
            state: said.state,
        });
    }
    lines
}

fn ended(member: &Member, run: &SeveralRun) -> Service {
    let Member { request, .. } = member;
    let (cluster, service) = (short(&request.cluster), member.service());
    let sets = run.world.task_sets_of(cluster, service).into_iter();
    let sets: Vec<_> = sets
        .filter(|set| set.status.as_str() != "DRAINING")
        .collect();
    let serves = sets.iter().find(|set| set.status.as_str() == "PRIMARY");
    // No deployment that went through has made one the primary: then it is the only one there is.
    let serves = serves.or(sets.first());
    let tasks = serves.map(|set| run.world.tasks_of(&set.id));
    let tasks = tasks.into_iter().flatten();
    let own = |execution: &&Execution| execution.service.as_deref() == Some(service);
    let deployments = run.executions.iter().filter(own);
    Service {
        name: service.to_owned(),
        serves: serves.map(|set| short(&set.task_definition).to_owned()),
        running: tasks
            .filter(|task| task.last_status.counts_as_running())
            .count(),
        deployments: deployments.map(Deployment::of).collect(),
        clients: run.clients(cluster, service),
    }
}

impl Deployment {
    fn of(execution: &Execution) -> Self {
        Self {
            name: execution.name.clone(),
            status: execution.status.clone(),
            error: execution.error.clone(),
            from: execution.from,
            to: execution.to,
        }
    }

    fn in_words(&self) -> String {
        let how = match (self.name.ends_with("-undo"), self.status.as_str()) {
            (false, "SUCCEEDED") => "deployed",
            (false, _) if self.error.as_deref() == Some("OperatorRollback") => "rolled back",
            (false, _) => "deployment failed",
            (true, "SUCCEEDED") => "undone",
            (true, _) => "undoing failed",
        };
        format!("{how} {} to {}", clock(self.from), clock(self.to))
    }
}

impl Service {
    /// What is said of it at the end: whether it is well, and a text.
    fn in_words(&self) -> String {
        let serves = self.serves.as_deref().unwrap_or("nothing");
        let tasks = counted(self.running, "task");
        let mut parts = vec![format!("serves {serves} with {tasks}")];
        parts.extend(self.deployments.iter().map(Deployment::in_words));
        if self.deployments.is_empty() {
            parts.push("not started".to_owned());
        }
        let clients = self.clients.as_ref();
        parts.extend(clients.map(ClientsSummary::in_words));
        parts.join("; ")
    }
}

fn show(run: &SeveralRun, lines: &[Line], services: &[Service], verbose: bool) {
    // The end says it.
    let lines = lines
        .iter()
        .filter(|line| (verbose || line.is_news) && line.what != run.summary.reason);
    let lines: Vec<_> = lines.collect();
    for line in &lines {
        let service = line.service.as_ref();
        let service = service.map_or_else(String::new, |service| format!("{service}: "));
        let said = capital(&line.what);
        Styled::new(PLAIN, &format!("{:>8}  ", clock(line.at)))
            .and(BOLD, &service)
            .and(line.style, &said)
            .wrapped(INDENT)
            .print();
    }
    if !lines.is_empty() {
        print("");
    }
    let summary = &run.summary;
    let style = if summary.succeeded() { GOOD } else { BAD };
    Styled::new(style, &summary.outcome()).wrapped(2).print();
    let took = format!(
        "  {:<13} {} simulated, in {}",
        "took",
        clock(summary.seconds),
        counted(run.executions.len(), "execution")
    );
    Styled::new(DIM, &took).wrapped(LABEL).print();
    let widest = services.iter().map(|service| service.name.chars().count());
    let widest = widest.max().unwrap_or_default().clamp(13, 24);
    for service in services {
        let name = &service.name;
        let text = format!("  {name:<widest$} {}", service.in_words());
        Styled::new(PLAIN, &text).wrapped(widest + 3).print();
    }
}
