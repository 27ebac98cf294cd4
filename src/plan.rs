//! `ebbtide plan`: what a drain will do, before anything is done.

mod alternatives;
mod answer;
mod cost;
mod page;
mod service;
mod several;
mod warnings;

use std::path::PathBuf;

use clap::Args;
use ebbtide_controller::arn::Home;
use ebbtide_controller::checks;
use ebbtide_controller::clock::{rfc3339, seconds};
use ebbtide_controller::counted::counted;
use ebbtide_controller::hooks::Hook;
use ebbtide_controller::order::Member;
use ebbtide_controller::pauses::Pause;
use ebbtide_controller::plan::{Limit, Plan};
use ebbtide_controller::point::Point;
use ebbtide_controller::preflight;
use ebbtide_controller::reason::Shared;
use ebbtide_controller::request::{AutoScaling, Request};
use ebbtide_controller::window::{Ahead, Times, shown};
use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::{Kind, Metrics};
use serde_json::Value;

use crate::application::Wanted;
use crate::exit::{Error, Exit, Outcome};
use crate::files;
use crate::follow::now;
use crate::input;
use crate::output::{Format, print};
use crate::scenario;
use crate::service::{Described, deregistration, too_many_of_one_task};

use answer::{Answer, Earliest, ShiftRow, StepRow};
use service::{Forecast, Service};

/// Shows the planned drain of a deployment: its steps, the connections that they end, the resulting
/// reconnects, its duration and its cost.
///
/// A scenario file or flags describe the service, or each of several; flags take precedence. The code that makes the steps also
/// plans them, for tasks with the same number of connections each and metrics within the budget; `ebbtide
/// compare` also simulates random variation. The calls and state transitions are counted in a simulated
/// deployment.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    event: input::Event,
    #[command(flatten)]
    service: Described,
    /// Seconds between a target's deregistration and its task's SIGTERM.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=3_600))]
    deregistration_delay: Option<u64>,
    /// Number of Availability Zones of the tasks.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10))]
    zones: u32,
    /// Cross-zone load balancing is on (by default it is off for a Network Load Balancer).
    #[arg(long)]
    cross_zone: bool,
    /// When the deployment starts, for the times of a window and of finishBy: an RFC 3339 time. By default the
    /// scenario's startsAt, or now.
    #[arg(long, value_name = "TIME", value_parser = a_time)]
    at: Option<String>,
    /// Also show the pace that keeps to this many reconnects a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    for_reconnects: Option<u64>,
    /// Also show a drain whose steps take this many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86_400))]
    for_seconds: Option<u32>,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the plan with plots, as a page that needs no other files.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide plan deploy.json --tasks 40 --connections-per-task 2500
  ebbtide plan deploy.json --for-reconnects 500 --report plan.html";

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let report = ("--report", arguments.report.as_deref());
    let inputs = arguments.service.inputs(&arguments.event.source);
    files::check_outputs(&inputs, &[report])?;
    let Some((wanted, home)) = scenario::asked(&arguments.event, arguments.format)? else {
        return Ok(Exit::Failed);
    };
    if let Wanted::SeveralServices(application) = &wanted {
        scenario::knows(arguments.service.scenario.as_deref(), application)?;
        if arguments.report.is_some() {
            return Err("--report: a page is about one service; give the input of one".into());
        }
    }
    let mut answers = Vec::new();
    for member in wanted.members() {
        answers.push(of_service(arguments, member, &home)?);
    }
    if arguments.report.is_some() {
        for (answer, member) in answers.iter().zip(wanted.members()) {
            files::write(report, &page::of(answer, &member.request.service)?)?;
        }
    }
    match (arguments.format, &wanted) {
        (Format::Text, Wanted::OneService(_)) => show(&answers),
        (Format::Text, Wanted::SeveralServices(several)) => several::show(several, &answers),
        (Format::Json, Wanted::OneService(_)) => {
            for answer in &answers {
                print(&serde_json::to_string_pretty(answer)?);
            }
        }
        (Format::Json, Wanted::SeveralServices(several)) => {
            let answer = several::json(several, &answers);
            print(&serde_json::to_string_pretty(&answer)?);
        }
    }
    let refused = |answer: &Answer| answer.refusal.is_some();
    Ok(Exit::of(!answers.iter().any(refused)))
}

fn show(answers: &[Answer]) {
    let lines = answers.iter().flat_map(Answer::lines);
    lines.for_each(|line| line.print());
}

/// The plan of one service.
fn of_service(arguments: &Arguments, member: &Member, home: &Home) -> Result<Answer, Error> {
    let Member { input, request, .. } = member;
    let mut scenario = arguments.service.drained(&request.service)?;
    scenario = scenario::fitting(scenario, input, request);
    let is_timed = request.window.is_some() || request.finish_by.is_some();
    if is_timed {
        let starts = arguments.at.clone().or(scenario.starts_at);
        scenario.starts_at = Some(starts.unwrap_or_else(|| rfc3339(now())));
    }
    scenario.clients = arguments.service.clients(&scenario, request);
    // What no world can be is refused as in a simulation.
    scenario.world_for(&scenario::names_of(request, home))?;
    if let Some(delay) = arguments.deregistration_delay {
        scenario.deregistration_delay_seconds = delay;
    }
    if service::is_application(request) {
        scenario.load_balancer = Kind::Application;
    }
    let service = arguments.described(&scenario, request)?;
    if arguments.for_reconnects.is_some() && !service.has_load_balancer() {
        return Err("--for-reconnects: clients find this service in a registry, and none reconnects through a load balancer".into());
    }
    let mut answer = planned(arguments, input, request, &scenario, &service)?;
    let found = warnings::of_preflight(&scenario, home.clone(), request.clone())?;
    answer.warnings.extend(found);
    Ok(answer)
}

/// A time from 1970 on.
fn a_time(text: &str) -> Result<String, String> {
    let time = seconds(text).map(|_| text.to_owned());
    time.ok_or_else(|| "no time with its offset, such as 2026-01-31T22:00:00+01:00".to_owned())
}

impl Arguments {
    fn described(
        &self,
        scenario: &Scenario,
        request: &Request,
    ) -> Result<Service, std::num::TryFromIntError> {
        let has_load_balancer = scenario.has_load_balancer();
        let clients = scenario.clients.clone().unwrap_or_default();
        let connections = if has_load_balancer {
            clients.connections_per_task
        } else {
            0
        };
        #[expect(clippy::cast_precision_loss, reason = "a million at the most")]
        let connections_per_task = connections as f64;
        Ok(Service {
            tasks: scenario.tasks,
            connections_per_task,
            reconnect_after: u32::try_from(clients.reconnect_after_seconds)?,
            reconnect_within: u32::try_from(clients.reconnect_within_seconds)?.max(1),
            too_many_of_one_task: too_many_of_one_task(&clients, scenario.tasks),
            limit_per_task: clients.new_connections_per_second_per_task,
            deregistration: deregistration(scenario),
            stop_timeout: u32::try_from(scenario.stop_timeout_seconds)?,
            load_balancer: has_load_balancer.then_some(scenario.load_balancer),
            zones: self.zones,
            cross_zone: self.cross_zone,
            metrics: clients.metrics == Metrics::Reported,
            registry_wait: service::registry_wait(scenario, request)?,
        })
    }
}

fn planned(
    arguments: &Arguments,
    event: &Value,
    request: &Request,
    scenario: &Scenario,
    service: &Service,
) -> Result<Answer, Error> {
    let pace = service.with_connections(&request.drain.pace);
    let (tasks, deregistration) = (service.tasks, service.deregistration);
    let forecast = service.forecast(&pace);
    let Forecast { plan, peak, .. } = &forecast;
    let peak_per_task = peak / f64::from(tasks);
    let lag = service.lag();
    let wait = service.registry_wait.unwrap_or_default();
    let seconds_of_drain = wait.saturating_add(plan.seconds());
    let first_step = checks::before_drain(request);
    let from_swap = first_step.saturating_add(seconds_of_drain);
    let (reconnects, within) = (arguments.for_reconnects, arguments.for_seconds);
    let shift = shift(request, scenario, service);
    let refused = preflight::bounds(request, tasks, deregistration).err();
    let (refusal, cost) = match refused {
        Some(refusal) => (Some(refusal.to_string()), None),
        None => match cost::of(event, request, scenario, plan)? {
            Ok(cost) => (None, Some(cost)),
            Err(refusal) => (Some(refusal), None),
        },
    };
    Ok(Answer {
        event: arguments.event.source.to_string(),
        tasks,
        connections_per_task: service.connections_per_task,
        drain: preflight::planned(&pace, tasks, deregistration),
        steps: rows(&forecast, service),
        seconds: seconds_of_drain,
        registry_wait_seconds: service.registry_wait,
        has_load_balancer: service.has_load_balancer(),
        seconds_to_first_step: (first_step > request.bake_time)
            .then(|| first_step.saturating_add(wait)),
        seconds_from_swap: from_swap.saturating_add(lag),
        tasks_left: plan.left(),
        is_even: service.is_even(),
        peak_reconnects: *peak,
        peak_reconnects_per_task: peak_per_task,
        busiest_minute: forecast.busiest_minute,
        extra_task_hours: extra_task_hours(
            plan,
            first_step
                .saturating_add(wait)
                .saturating_add(shifting(&shift)),
            lag,
        ),
        holds_scale_in: request.auto_scaling == AutoScaling::HoldScaleIn,
        costs_more: match (request.hooks.as_slice(), request.pauses.as_slice()) {
            ([], []) => "",
            _ => "; what hooks and pauses cost comes on top",
        },
        takes_longer: match request.window {
            Some(_) => "; hours in which the window is closed come on top",
            None => "",
        },
        pauses: waits(request),
        earliest: earliest(request, scenario, service, plan, &shift),
        shift,
        refusal,
        cost,
        limit: limit(plan.limit),
        warnings: warnings::of(request, &pace, plan, peak_per_task, service),
        alternatives: alternatives::of(reconnects, within, request, service),
        reconnects: forecast.whole_reconnects(),
    })
}

/// The earliest times of a deployment that begins when the scenario does, where the input has a window or `finishBy`.
fn earliest(
    request: &Request,
    scenario: &Scenario,
    service: &Service,
    drain: &Plan,
    shift: &[ShiftRow],
) -> Option<Earliest> {
    let start = scenario.starts_at.as_deref().and_then(seconds)?;
    let window = request.window.as_ref();
    let apart = shift.windows(2).map(|two| two[1].at - two[0].at);
    let ahead = Ahead {
        window,
        shift: apart.collect(),
        registry: service.registry_wait.unwrap_or_default(),
        before_drain: checks::before_drain(request),
        drain,
        deregistration: service.deregistration,
    };
    let times = Times::of_new(&ahead, request, start);
    Some(Earliest {
        start: shown(start, window),
        swap: shown(times.swap, window),
        first_step: times.steps.map(|(first, _)| shown(first, window)),
        last_step: times.steps.map(|(_, last)| shown(last, window)),
        done: shown(times.done, window),
        text: times.in_words(window).to_string(),
    })
}

/// What the deployment waits for, in its order: at one point first for hooks.
fn waits(request: &Request) -> Vec<String> {
    let at = |point: Point| {
        let hooks = request.hooks.iter().filter(move |hook| hook.at == point);
        let pauses = request.pauses.iter().filter(move |pause| pause.at == point);
        hooks
            .map(Hook::to_string)
            .chain(pauses.map(Pause::to_string))
    };
    let leave = request.drain.until.map(|until| {
        format!(
            "for clients to leave by themselves before the first step, {} s at most",
            until.deadline
        )
    });
    let before = if request.shift.is_some() {
        "the next step of the shift"
    } else {
        "the first step"
    };
    let checks = request.checks.iter().map(|check| {
        format!(
            "for {} in which both task sets have a value of {check}, before {before}",
            counted(check.samples, "minute")
        )
    });
    let points = Point::ALL.into_iter().flat_map(at);
    let window = request.window.iter();
    let window =
        window.map(|window| format!("for the window before the swap and each step: {window}"));
    points.chain(checks).chain(leave).chain(window).collect()
}

/// The steps of a shift, with the last one, if none is held by more than its checks' samples. Clients without a lifetime stay for ever: no share is
/// known.
fn shift(request: &Request, scenario: &Scenario, service: &Service) -> Vec<ShiftRow> {
    let Some(shift) = &request.shift else {
        return Vec::new();
    };
    let clients = scenario.clients.as_ref();
    let lifetime = clients.and_then(|clients| clients.lifetime_seconds);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a year at most")]
    let shares = lifetime.map(|seconds| shift.shares(seconds as f64));
    // In a registry a step has its time after clients have found its tasks.
    let wait = service.registry_wait.unwrap_or_default();
    let by_tasks = !service.has_load_balancer();
    let times: Vec<u32> = if by_tasks {
        let times = shift.steps().map(|step| wait.saturating_add(step.time()));
        times.collect()
    } else {
        let steps = shift.steps().zip(1..);
        steps.map(|(_, number)| shift.usual(number)).collect()
    };
    let times = checks::with_samples(&times, request);
    let mut at: u32 = 0;
    let steps = shift.steps().zip(times).enumerate();
    let steps = steps.map(|(index, (step, seconds))| {
        let row = ShiftRow {
            percent: step.percent,
            at,
            waits: if by_tasks {
                let tasks = step.of(Shared::Tasks);
                format!("{tasks}, after {wait} s in which clients find them")
            } else {
                step.to_string()
            },
            share: shares
                .as_ref()
                .and_then(|shares| shares.get(index).copied()),
        };
        at = at.saturating_add(seconds);
        row
    });
    let mut rows: Vec<_> = steps.collect();
    rows.push(ShiftRow {
        percent: 100,
        at,
        waits: if by_tasks {
            "the other tasks start, and once they are healthy the bake begins".to_owned()
        } else {
            "all new connections, and the bake begins".to_owned()
        },
        share: None,
    });
    rows
}

fn rows(forecast: &Forecast, service: &Service) -> Vec<StepRow> {
    let reconnects = &forecast.reconnects;
    let wait = service.registry_wait.unwrap_or_default();
    let steps = forecast.plan.steps.iter().zip(&forecast.peaks).zip(1..);
    let rows = steps.map(|((step, peak), number)| {
        let until = step.at.saturating_add(service.reconnect_within);
        let last = usize::try_from(until)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        StepRow {
            step: number,
            at: wait.saturating_add(step.at),
            tasks: step.tasks,
            left: step.left,
            connections_cut: f64::from(step.tasks) * service.connections_per_task,
            peak_reconnects_per_task: peak / f64::from(service.tasks),
            longest_without_seconds: service.longest_without(reconnects, last),
        }
    });
    rows.collect()
}

/// Seconds from the first share of a shift until all new connections go to the replacement.
fn shifting(shift: &[ShiftRow]) -> u32 {
    let at = |row: Option<&ShiftRow>| row.map_or(0, |row| row.at);
    at(shift.last()).saturating_sub(at(shift.first()))
}

/// Hours of tasks beyond what the service wants, from the swap or the first share on; `before` is the time until the first
/// step.
fn extra_task_hours(plan: &Plan, before: u32, lag: u32) -> f64 {
    let until = |at: u32| f64::from(before) + f64::from(at) + f64::from(lag);
    let steps = plan.steps.iter();
    let gone: f64 = steps
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
