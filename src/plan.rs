//! `ebbtide plan`: what a drain will do, before anything is done.

mod alternatives;
mod page;
mod text;
mod warnings;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ebbtide_controller::arn;
use ebbtide_controller::deployment::Course;
use ebbtide_controller::drain::{self, Schedule};
use ebbtide_controller::pace::{Budget, OnDeadline, Pace};
use ebbtide_controller::plan::{Limit, Plan};
use ebbtide_controller::preflight;
use ebbtide_controller::request::Request;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::{Kind, Metrics};
use serde::Serialize;
use serde_json::Value;

use crate::cost::{self, Cost};
use crate::input;
use alternatives::alternatives;
use warnings::warnings;

/// Shows what the drain of a deployment will do: its steps, the connections they cut, the reconnects
/// that come of it, how long it takes and what it costs.
///
/// The service is described by a scenario file or by flags, which go before the file. The steps are
/// planned by the code that carries them out, for tasks that all hold the same number of connections
/// and metrics that keep to the budget; `ebbtide compare` simulates what chance makes of it. What the
/// state machine costs is counted in a small simulated deployment.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The `StartExecution` input.
    #[arg(value_name = "EVENT.json")]
    event: PathBuf,
    /// The service: tasks, deregistrationDelaySeconds, clients.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Tasks that the original has.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    tasks: Option<u32>,
    /// Connections that each of them holds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    connections_per_task: Option<u64>,
    /// Seconds within which a client that was cut comes back.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    reconnect_within: Option<u64>,
    /// New connections a second that a task accepts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    new_connections_per_second_per_task: Option<u64>,
    /// Seconds between a target's deregistration and its task's SIGTERM.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=3_600))]
    deregistration_delay: Option<u64>,
    /// Availability Zones that the tasks are spread over.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10))]
    zones: u32,
    /// Cross-zone load balancing is on (by default it is off for a Network Load Balancer).
    #[arg(long)]
    cross_zone: bool,
    /// Say what pace keeps to so many reconnects a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    for_reconnects: Option<u64>,
    /// Say what comes of a drain whose steps take so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86_400))]
    for_seconds: Option<u32>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the plan with plots, as a page that a browser shows by itself.
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

/// The service as the plan sees it.
#[derive(Debug, Clone, Copy)]
struct Service {
    tasks: u32,
    connections_per_task: f64,
    reconnect_within: u32,
    limit_per_task: Option<u64>,
    deregistration_delay: u32,
    stop_timeout: u32,
    is_application: bool,
    /// Whether CloudWatch has its connections.
    metrics: bool,
}

/// What is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    event: String,
    tasks: u32,
    connections_per_task: f64,
    /// What the drain does, in a sentence.
    drain: String,
    steps: Vec<StepRow>,
    /// Seconds from the first step to the last.
    seconds: u32,
    /// Seconds from the swap until the original runs no task, about.
    seconds_from_swap: u32,
    /// The most reconnects in one second, all tasks together, and of a replacement task.
    peak_reconnects: f64,
    peak_reconnects_per_task: f64,
    /// The most reconnects in a minute, a second.
    busiest_minute: f64,
    extra_task_hours: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    /// What decides how fast it goes.
    limit: String,
    /// What preflight will refuse it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    warnings: Vec<String>,
    /// What else would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alternatives: Vec<String>,
    /// Reconnects in each second since the first step's cut, rounded up.
    #[serde(skip)]
    reconnects: Vec<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepRow {
    step: usize,
    at: u32,
    tasks: u32,
    left: u32,
    connections_cut: f64,
    peak_reconnects_per_task: f64,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let Some((event, home, request)) = input::request(&arguments.event)? else {
        return Ok(false);
    };
    let mut scenario = input::scenario(arguments.scenario.as_deref())?;
    if scenario.first_deployment {
        return Err("a first deployment has no original task set, and drains nothing".into());
    }
    // What no world can be is refused as in a simulation.
    scenario.tasks = arguments.tasks.unwrap_or(scenario.tasks);
    scenario.world_for(&input::names_of(&request, &home))?;
    if scenario.tasks == 0 {
        return Err("the scenario has 0 tasks, and there is nothing to drain".into());
    }
    if is_application(&request) {
        scenario.load_balancer = Kind::Application;
    }
    let service = Service::of(arguments, &scenario)?;
    let answer = planned(arguments, &event, &request, &scenario, service)?;
    if let Some(path) = &arguments.report {
        input::write(path, &answer.page(&request.service)?)?;
    }
    match arguments.format {
        Format::Json => crate::print(&serde_json::to_string_pretty(&answer)?),
        Format::Text => crate::print(answer.text().trim_end()),
    }
    Ok(answer.refusal.is_none())
}

impl Service {
    fn of(arguments: &Arguments, scenario: &Scenario) -> Result<Self, std::num::TryFromIntError> {
        let clients = scenario.clients.clone().unwrap_or_default();
        let connections = arguments.connections_per_task;
        #[expect(clippy::cast_precision_loss, reason = "a million at the most")]
        let connections_per_task = connections.unwrap_or(clients.connections_per_task) as f64;
        Ok(Self {
            tasks: arguments.tasks.unwrap_or(scenario.tasks),
            connections_per_task,
            reconnect_within: u32::try_from(
                arguments
                    .reconnect_within
                    .unwrap_or(clients.reconnect_within_seconds),
            )?,
            limit_per_task: arguments
                .new_connections_per_second_per_task
                .or(clients.new_connections_per_second_per_task),
            deregistration_delay: u32::try_from(
                arguments
                    .deregistration_delay
                    .unwrap_or(scenario.deregistration_delay_seconds),
            )?,
            stop_timeout: u32::try_from(scenario.stop_timeout_seconds)?,
            is_application: scenario.load_balancer == Kind::Application,
            metrics: clients.metrics == Metrics::Reported,
        })
    }

    /// Seconds from a step until its tasks have gone: an NLB takes three to five minutes to
    /// deregister a target, whatever its delay.
    fn lag(&self) -> u32 {
        let least = if self.is_application { 0 } else { 180 };
        self.deregistration_delay
            .max(least)
            .saturating_add(self.stop_timeout)
    }

    /// A budget for this service.
    fn budget(&self, reconnects: u64, deadline: u32) -> Budget {
        #[expect(clippy::cast_precision_loss, reason = "a rate of connections")]
        let reconnects = reconnects as f64;
        Budget {
            reconnects,
            connections_per_task: Some(self.connections_per_task),
            deadline,
            on_deadline: OnDeadline::Finish,
        }
    }
}

fn is_application(request: &Request) -> bool {
    request
        .load_balancer
        .as_deref()
        .is_some_and(arn::is_application_load_balancer)
}

fn planned(
    arguments: &Arguments,
    event: &Value,
    request: &Request,
    scenario: &Scenario,
    service: Service,
) -> Result<Answer, Box<dyn std::error::Error>> {
    let pace = with_connections(&request.drain.pace, service);
    let plan = Plan::of(&pace, service.tasks, service.deregistration_delay);
    let reconnects = plan.reconnects(service.connections_per_task, service.reconnect_within);
    let tasks = f64::from(service.tasks);
    let peak = reconnects.iter().copied().fold(0.0, f64::max);
    let steps = rows(&plan, &reconnects, service);
    let lag = service.lag();
    let mut scenario = scenario.clone();
    scenario.deregistration_delay_seconds = u64::from(service.deregistration_delay);
    let timeout = request.drain_timeout.unwrap_or_else(|| {
        let most = drain::most_steps(Course::Forward);
        let delay = service.deregistration_delay;
        drain::default_timeout(Schedule::new(service.tasks, &pace, most, delay), delay)
    });
    let looks = usize::try_from(plan.looks(timeout))?;
    let counted = cost::of(event, request, &scenario, plan.steps.len() + looks)?;
    let refused = preflight::bounds(request, service.tasks, service.deregistration_delay);
    let refusal = refused.err().map(|refusal| refusal.to_string());
    let refusal = refusal.or_else(|| counted.as_ref().err().cloned());
    Ok(Answer {
        event: arguments.event.display().to_string(),
        tasks: service.tasks,
        connections_per_task: service.connections_per_task,
        drain: preflight::planned(&pace, service.tasks, service.deregistration_delay),
        seconds: plan.seconds(),
        seconds_from_swap: request
            .bake_time
            .saturating_add(plan.seconds())
            .saturating_add(lag),
        peak_reconnects: peak,
        peak_reconnects_per_task: peak / tasks,
        busiest_minute: busiest_minute(&reconnects),
        extra_task_hours: extra_task_hours(&plan, request.bake_time, lag),
        cost: counted.ok(),
        limit: limit(plan.limit).to_owned(),
        refusal,
        warnings: warnings(arguments, request, &pace, &plan, peak / tasks, service),
        alternatives: alternatives(arguments, request, service),
        reconnects: page::whole(&reconnects),
        steps,
    })
}

/// A budget without a number of connections is planned with the service's own, as the metrics would
/// tell it.
fn with_connections(pace: &Pace, service: Service) -> Pace {
    match pace {
        Pace::Budget(budget) if budget.connections_per_task.is_none() => {
            let mut budget = budget.clone();
            budget.connections_per_task =
                Some(service.connections_per_task).filter(|connections| *connections > 0.0);
            Pace::Budget(budget)
        }
        Pace::Budget(_) | Pace::Percent { .. } | Pace::Tasks { .. } | Pace::Within { .. } => {
            pace.clone()
        }
    }
}

fn rows(plan: &Plan, reconnects: &[f64], service: Service) -> Vec<StepRow> {
    let second = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    plan.steps
        .iter()
        .zip(1..)
        .map(|(step, number)| {
            let from = second(step.at).min(reconnects.len());
            let until = second(step.at + service.reconnect_within).min(reconnects.len());
            let peak = reconnects[from..until].iter().copied().fold(0.0, f64::max);
            StepRow {
                step: number,
                at: step.at,
                tasks: step.tasks,
                left: step.left,
                connections_cut: f64::from(step.tasks) * service.connections_per_task,
                peak_reconnects_per_task: peak / f64::from(service.tasks),
            }
        })
        .collect()
}

/// Reconnects a second in the busiest minute.
fn busiest_minute(reconnects: &[f64]) -> f64 {
    let sum = |minute: &[f64]| minute.iter().sum::<f64>() / 60.0;
    if reconnects.len() <= 60 {
        return sum(reconnects);
    }
    reconnects.windows(60).map(sum).fold(0.0, f64::max)
}

/// Hours of tasks beyond what the service wants, from the swap on.
fn extra_task_hours(plan: &Plan, bake: u32, lag: u32) -> f64 {
    let until = |at: u32| f64::from(bake) + f64::from(at) + f64::from(lag);
    let gone: f64 = plan
        .steps
        .iter()
        .map(|step| f64::from(step.tasks) * until(step.at))
        .sum();
    // A drain that stops has its others until then.
    let left = f64::from(plan.left()) * until(plan.seconds());
    (gone + left) / 3_600.0
}

fn limit(limit: Limit) -> &'static str {
    match limit {
        Limit::Pace => "the pace as it is asked for",
        Limit::ShortestWait => "the shortest pause between two steps, 3 s",
        Limit::MostSteps => "the room for steps in an execution's history, 100",
        Limit::Budget => "the reconnect budget",
        Limit::Deadline => "the deadline of the budget",
    }
}
