//! What callers have experienced that find the service in a registry.

use std::collections::BTreeSet;

use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::request::Request;
use ebbtide_simulator::World;
use ebbtide_simulator::world::{
    Callers, DeleteTaskSet, Registry, Requests, TaskSetStatus, UpdateServicePrimaryTaskSet,
};
use serde::Serialize;

use super::instances::Beside;
use super::members::Members;
use super::run::{Role, Series};
use crate::output::count;
use crate::scenario;

/// Requests second by second, and in numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Called {
    /// By task set.
    pub(crate) requests: Vec<Series>,
    pub(crate) to_stopped: Vec<u64>,
    pub(crate) without_address: Vec<u64>,
    pub(crate) summary: CallersSummary,
}

/// Requests from a deployment's start until some time after its end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallersSummary {
    callers: u64,
    /// Seconds that were counted.
    seconds: u64,
    requests: u64,
    /// To tasks that were sent SIGTERM or are gone.
    to_stopped: u64,
    /// To running tasks that are not healthy.
    to_unhealthy: u64,
    /// Not sent, as no address was known.
    without_address: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<Spreads>,
}

/// How evenly tasks are called; nothing where the time is shorter than a minute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spreads {
    /// In as much time as after it, without a deployment.
    before: Option<Spread>,
    /// In the longest time in which both task sets had healthy instances and none came or went.
    during: Option<Spread>,
    after: Option<Spread>,
}

/// The least and the most requests of a task, in percent of the mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spread {
    tasks: usize,
    least_percent: f64,
    most_percent: f64,
}

/// Seconds for which the spread is measured, at most.
const MEASURED_SECONDS: u64 = 600;

/// How evenly tasks are called where nothing is deployed.
pub(super) fn undisturbed(world: &World, instances: &BTreeSet<String>) -> Option<Spread> {
    let mut world = world.clone();
    world.advance_to(MEASURED_SECONDS * 1_000);
    spread(world.callers()?, instances, 0, MEASURED_SECONDS)
}

/// How evenly tasks were called in the whole minutes of a time, of a long one in its last ten.
fn spread(
    callers: &Callers,
    instances: &BTreeSet<String>,
    from_s: u64,
    until_s: u64,
) -> Option<Spread> {
    let from_s = from_s.max(until_s.saturating_sub(MEASURED_SECONDS));
    let by_task = callers.requests_by_task(from_s, until_s);
    let of = |id: &String| {
        let mut tasks = by_task.iter();
        let known = tasks.find(|(task, _)| task.rsplit('/').next() == Some(id.as_str()));
        known.map_or(0, |(_, requests)| *requests)
    };
    let requests: Vec<u64> = instances.iter().map(of).collect();
    let all: u64 = requests.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "requests of some minutes")]
    let percent = |requests: u64| {
        let percent = requests as f64 * 100.0 * instances.len() as f64 / all as f64;
        (percent * 10.0).round() / 10.0
    };
    let (least, most) = requests.iter().min().zip(requests.iter().max())?;
    (all > 0).then(|| Spread {
        tasks: instances.len(),
        least_percent: percent(*least),
        most_percent: percent(*most),
    })
}

/// Seconds after the end in which clients may still remember a task, and at least those of a spread.
fn afterwards(world: &World, callers: &Callers) -> u64 {
    let ttls = world.registries().map(Registry::ttl_seconds);
    let kept = ttls.max().unwrap_or_default() + callers.scenario().cache_seconds;
    kept.max(MEASURED_SECONDS)
}

/// What was there of the registry's instances.
pub(super) struct Known<'a> {
    pub(super) before: Option<Spread>,
    pub(super) during: Option<&'a Beside>,
    /// Healthy at the end.
    pub(super) after: BTreeSet<String>,
    /// Task sets with their roles.
    pub(super) sets: &'a [Members],
}

/// What callers have experienced of a deployment that has just ended; its world goes on for a while.
pub(super) fn called(world: &mut World, known: &Known<'_>, seconds: usize) -> Option<Called> {
    let callers = world.callers()?;
    let ended_s = world.now() / 1_000;
    world.advance_to(world.now() + afterwards(world, callers) * 1_000);
    let callers = world.callers()?;
    let during = known.during.and_then(|beside| {
        let (from_s, until_s) = (beside.from_ms.div_ceil(1_000), beside.until_ms / 1_000);
        spread(callers, &beside.instances, from_s, until_s)
    });
    let spreads = Spreads {
        before: known.before,
        during,
        after: spread(callers, &known.after, ended_s, world.now() / 1_000),
    };
    let mut summary = CallersSummary::of(callers, world);
    summary.spread = Some(spreads);
    let none = || vec![0; seconds];
    let requests = callers.task_sets().iter().map(|id| Series {
        role: Role::of(known.sets, id),
        name: id.clone(),
        values: none(),
    });
    let mut called = Called {
        requests: requests.collect(),
        to_stopped: none(),
        without_address: none(),
        summary,
    };
    for second in callers.seconds() {
        let Some(at) = usize::try_from(second.at_s).ok().filter(|at| *at < seconds) else {
            continue;
        };
        for (series, value) in called.requests.iter_mut().zip(&second.by_task_set) {
            series.values[at] = *value;
        }
        called.to_stopped[at] = second.counts.to_stopped;
        called.without_address[at] = second.counts.without_address;
    }
    Some(called)
}

/// Seconds for which a replacement may take to be steady.
const LONGEST_START_SECONDS: u64 = 3_600;

/// The same callers where ECS replaces the tasks and nothing else does anything: as soon as the replacement is steady
/// it is `PRIMARY`, and all tasks of the original are stopped at once. Nothing where it is not steady within an hour.
pub(crate) fn all_at_once(
    mut world: World,
    request: &Request,
    home: &Home,
) -> Option<CallersSummary> {
    world.begin();
    let (cluster, service) = (short(&request.cluster).to_owned(), request.service.clone());
    let sets = world.task_sets_of(&cluster, &service).into_iter();
    let original = sets.min_by_key(|set| set.status != TaskSetStatus::Primary)?;
    let (original, registry) = (original.id.clone(), original.service_registries.first()?);
    let names = scenario::names_of(request, home);
    let mut asked = names.task_set_in(None, Some(registry));
    asked.external_id = Some("all-at-once".to_owned());
    let replacement = world.create_task_set(&asked).ok()?;
    while !world.task_set(&replacement).is_some_and(|set| set.steady) {
        if world.now() > LONGEST_START_SECONDS * 1_000 {
            return None;
        }
        world.advance_to(world.now() + 1_000);
    }
    world
        .update_service_primary_task_set(&UpdateServicePrimaryTaskSet {
            cluster: cluster.clone(),
            service: service.clone(),
            primary_task_set: replacement,
        })
        .ok()?;
    world
        .delete_task_set(&DeleteTaskSet {
            cluster,
            service,
            task_set: original,
            force: true,
        })
        .ok()?;
    let callers = world.callers()?;
    world.advance_to(world.now() + afterwards(&world, callers) * 1_000);
    Some(CallersSummary::of(world.callers()?, &world))
}

impl Spread {
    fn text(&self) -> String {
        format!(
            "{:.1}\u{2013}{:.1} %",
            self.least_percent, self.most_percent
        )
    }
}

impl CallersSummary {
    fn of(callers: &Callers, world: &World) -> Self {
        let Requests {
            requests,
            to_stopped,
            to_unhealthy,
            without_address,
        } = callers.totals();
        Self {
            callers: callers.scenario().callers,
            seconds: world.now() / 1_000,
            requests,
            to_stopped,
            to_unhealthy,
            without_address,
            spread: None,
        }
    }

    /// Requests in all, and those that failed for want of a task.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// A table, beside the same callers where all tasks are stopped at once.
    pub(crate) fn table(&self, at_once: Option<&Self>) -> Vec<String> {
        let row = |label: &str, this: &str, at_once: &str| {
            format!("  {label:<24} {this:>15} {at_once:>15}")
                .trim_end()
                .to_owned()
        };
        let figure = |label: &str, of: fn(&Self) -> u64| {
            let at_once = at_once.map(|at_once| count(of(at_once)));
            row(label, &count(of(self)), &at_once.unwrap_or_default())
        };
        let callers = format!("{} callers", count(self.callers));
        let beside = at_once.map_or("", |_| "all at once");
        let mut lines = vec![
            String::new(),
            row(&callers, "this deployment", beside),
            figure("seconds", |one| one.seconds),
            figure("requests", |one| one.requests),
            figure("to stopped tasks", |one| one.to_stopped),
            figure("to unhealthy tasks", |one| one.to_unhealthy),
            figure("without an address", |one| one.without_address),
        ];
        let spreads = self.spread.iter().flat_map(|spreads| {
            [
                ("before", spreads.before),
                ("during", spreads.during),
                ("after", spreads.after),
            ]
        });
        lines.extend(spreads.filter_map(|(when, spread)| {
            let spread = spread?;
            let label = format!("spread {when}, {} tasks", spread.tasks);
            Some(row(&label, &spread.text(), ""))
        }));
        lines
    }
}
