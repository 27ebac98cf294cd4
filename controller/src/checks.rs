//! Metric checks: the replacement compared with the original while both serve.
//!
//! A sample is a minute in which a metric has a value of each of the two task sets. Decided before each next step of a
//! shift, and before the first step of the drain, of which the original would be another one than it was.

mod sample;

use std::fmt;

use crate::arn::{Arn, balancer_dimension};
use crate::command::Order;
use crate::deployment::Plan;
use crate::drain::flows::{Flows, PERIOD, Point, Query, Series};
use crate::drain::pace::{Metric, TASK_SET};
use crate::id::{LoadBalancerArn, TargetGroupArn, TaskSetId};
use crate::reason::Blocker;
use crate::refusal::{ErrorName, Refusal};
use crate::request::Request;
use crate::world::{TaskSet, TaskSetStatus, World};

pub use sample::{Compared, Sample, Side, Verdict};

/// The placeholder for what CloudWatch calls a target group.
pub const TARGET_GROUP: &str = "{targetGroup}";

/// The placeholder for what it calls their load balancer.
pub const LOAD_BALANCER: &str = "{loadBalancer}";

/// A comparison of the replacement with the original.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The metric, in which [`TASK_SET`] or [`TARGET_GROUP`] stand for one of the two task sets, and [`LOAD_BALANCER`]
    /// for what is before both.
    pub metric: Metric,
    /// `Average`, `Sum`, `Minimum`, `Maximum` or a percentile such as `p99`.
    pub statistic: String,
    /// How many times the original's value the replacement's may be.
    pub at_most: f64,
    /// Samples that it is judged on.
    pub samples: u32,
    /// How many of them may fail.
    pub failures: u32,
    /// What happens where there are fewer.
    pub no_data: NoData,
}

/// What happens where CloudWatch has too few samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoData {
    /// The step waits for as long as a replacement may take to become healthy; then the check has failed.
    Wait,
    /// The step waits for as long as samples usually take, and is then made without the check.
    Pass,
    /// The same, but the check has failed then.
    Fail,
}

impl NoData {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Wait, Self::Pass, Self::Fail];

    /// The value of the field `noData`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Pass => "pass",
            Self::Fail => "fail",
        }
    }
}

/// How far a deployment has got with its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Since when both task sets serve, in seconds since 1970; `None` before that, and once the drain has begun.
    pub since: Option<u64>,
    /// Seconds for which steps have waited for samples.
    pub held: u32,
    /// Whether the first step of the drain has had them, and waits for something else: by the time it is made, the original
    /// may have no more requests.
    pub complete: bool,
    /// The checks without which a step was made, because they had too few samples: a bit for each, by its place.
    pub without: u32,
}

/// Seconds that samples take beyond their own minutes: the one in which both begin to serve does not count, values come
/// up to two minutes late, and a turn comes once a minute.
const LATE: u32 = 300;

impl Check {
    /// Seconds of values that count: those of a metric that has stopped say nothing about now.
    fn span(&self) -> u64 {
        2 * u64::from(self.samples) * PERIOD + u64::from(LATE)
    }

    /// Seconds for which steps wait for samples, in all.
    pub(crate) fn patience(&self, request: &Request) -> u32 {
        let usual = self.usual();
        match self.no_data {
            NoData::Wait => usual.max(request.readiness_timeout),
            NoData::Pass | NoData::Fail => usual,
        }
    }

    /// Seconds that samples take at most, usually.
    fn usual(&self) -> u32 {
        self.samples.saturating_mul(60).saturating_add(LATE)
    }

    fn query(
        &self,
        of: Series,
        (task_set, group): (&TaskSetId, &TargetGroupArn),
        balancer: Option<&LoadBalancerArn>,
    ) -> Query {
        let group = Arn::parse(group).map_or_else(String::new, |arn| arn.resource.to_owned());
        let balancer = balancer.map_or("", |arn| balancer_dimension(arn));
        let dimensions = self.metric.dimensions.iter().map(|(name, value)| {
            let value = value.replace(TASK_SET, task_set);
            let value = value.replace(TARGET_GROUP, &group);
            (name.clone(), value.replace(LOAD_BALANCER, balancer))
        });
        Query {
            of,
            namespace: self.metric.namespace.clone(),
            name: self.metric.name.clone(),
            dimensions: dimensions.collect(),
            statistic: self.statistic.clone(),
            times: 1,
        }
    }
}

/// The metric, for a reader.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Metric {
            namespace, name, ..
        } = &self.metric;
        write!(f, "{} of {name} ({namespace})", self.statistic)
    }
}

/// The queries of all checks, while they count.
pub(crate) fn queries(plan: &Plan) -> Vec<Query> {
    let sets = (plan.original.as_ref(), plan.replacement.as_ref());
    let (Some(_), (Some(original), Some(replacement))) = (under_way(plan), sets) else {
        return Vec::new();
    };
    let sides = [
        (
            Side::Replacement,
            (replacement, &plan.replacement_target_group),
        ),
        (Side::Original, (original, &plan.original_target_group)),
    ];
    let checks = plan.request.checks.iter().enumerate();
    let balancer = plan.request.load_balancer.as_ref();
    let queries = checks.flat_map(|(number, check)| {
        sides.map(|(side, set)| check.query(Series::Check(number, side), set, balancer))
    });
    queries.collect()
}

/// What preflight asks for: the metric of each check, of the task set that is PRIMARY or the only one.
pub fn before(
    request: &Request,
    task_sets: &[TaskSet],
    balancer: Option<&LoadBalancerArn>,
) -> Vec<Query> {
    let mut sets = task_sets.iter();
    let primary = sets.find(|set| set.status == TaskSetStatus::Primary);
    // Before the first deployment, none may be.
    let alone = task_sets.first().filter(|_| task_sets.len() == 1);
    let Some(serving) = primary.or(alone) else {
        return Vec::new();
    };
    let group = serving.load_balancers.first();
    let group = group.map_or_else(|| TargetGroupArn::from(""), |one| one.target_group.clone());
    let checks = request.checks.iter().enumerate();
    let queries = checks.map(|(number, check)| {
        let of = Series::Check(number, Side::Original);
        check.query(of, (&serving.id, &group), balancer)
    });
    queries.collect()
}

/// Seconds after both task sets began to serve at which all checks have their samples, where every minute has a value:
/// the rest of the minute in which they began, the samples' own, and one until the last counts. 0 without checks.
pub fn usual(request: &Request) -> u32 {
    let samples = request.checks.iter().map(|check| check.samples);
    samples.max().map_or(0, |samples| 60 * (samples + 2))
}

/// Seconds between the swap and the first step of a drain, at the earliest: the bake, and without a shift the samples, for
/// which each turn after it waits a minute.
pub fn before_drain(request: &Request) -> u32 {
    let samples = match request.shift {
        Some(_) => 0,
        None => usual(request),
    };
    request
        .bake_time
        .saturating_add(rest(samples, request.bake_time))
}

/// Seconds that steps take with the samples that they wait for, where they take these seconds without.
pub fn with_samples(steps: &[u32], request: &Request) -> Vec<u32> {
    let samples = usual(request);
    let mut at: u32 = 0;
    let steps = steps.iter().map(|seconds| {
        let rest = rest(samples, at.saturating_add(*seconds));
        let seconds = seconds.saturating_add(rest);
        at = at.saturating_add(seconds);
        seconds
    });
    steps.collect()
}

/// Seconds of turns until samples are there that take so long, from `at` on.
fn rest(samples: u32, at: u32) -> u32 {
    let left = samples.saturating_sub(at);
    left.div_ceil(TURN).saturating_mul(TURN)
}

/// Seconds for which a turn waits for samples.
const TURN: u32 = 60;

/// From when on values are asked for: none that counts is older.
pub(crate) fn asked_since(plan: &Plan, now: u64) -> Option<u64> {
    let since = under_way(plan)?;
    let spans = plan.request.checks.iter().map(Check::span);
    Some(now.saturating_sub(spans.max()?).max(since).min(now))
}

/// Since when both task sets serve, in a deployment that goes forward and whose drain has not begun.
fn under_way(plan: &Plan) -> Option<u64> {
    plan.checked.since.filter(|_| plan.goes_forward())
}

/// The checks of a deployment whose replacement serves from now on: beside an original, where there is one.
pub(crate) fn begun(plan: &Plan, now: u64) -> Checked {
    let compares = plan.original.is_some() && !plan.request.checks.is_empty();
    if !compares || !plan.goes_forward() {
        return Checked::default();
    }
    Checked {
        since: plan.checked.since.or(Some(now)),
        ..plan.checked
    }
}

/// Whether the drain has not begun, and its first step waits for checks.
pub(crate) fn left(plan: &Plan) -> bool {
    under_way(plan).is_some()
}

/// Refuses with `CheckFailed` where a check has failed: also while something else holds the deployment.
pub(crate) fn not_failed(world: &World, plan: &Plan) -> Result<(), Refusal> {
    for Judged {
        number,
        check,
        verdict,
    } in judged(world, plan)
    {
        if let Verdict::Failed {
            samples,
            failing,
            newest,
        } = verdict
        {
            let problem = format!(
                "checks[{number}]: {check} is too high in {failing} of the newest {samples} minutes; {} of {} may be. {newest}; {} times as much is allowed.",
                check.failures, check.samples, check.at_most,
            );
            return Err(Refusal::new(ErrorName::CheckFailed, problem, FIX));
        }
    }
    Ok(())
}

const FIX: &str = "Compare the two versions by this metric. If both are as they should be, raise replacementAtMost, samples or failures of the check.";

/// The check whose samples the first step of the drain waits for.
///
/// None after a shift, whose steps have waited for them: once all traffic has moved, the original may have no more.
pub(crate) fn blocker_of_drain(world: &World, plan: &Plan) -> Result<Option<Blocker>, Refusal> {
    if plan.checked.complete || plan.asks_for_a_shift().is_some() {
        return Ok(None);
    }
    blocker(world, plan)
}

/// The checks of a deployment whose drain has begun: nothing is compared from then on.
pub(crate) fn over(world: &World, plan: &Plan) -> Checked {
    let had_them = plan.checked.complete || plan.asks_for_a_shift().is_some();
    let without = if had_them { 0 } else { too_few(world, plan) };
    Checked {
        without: plan.checked.without | without,
        ..Checked::default()
    }
}

/// The checks that have too few samples now: of a step that is made, those without which it is made.
pub(crate) fn too_few(world: &World, plan: &Plan) -> u32 {
    let judged = judged(world, plan);
    let few = judged.filter(|one| matches!(one.verdict, Verdict::TooFew(_)));
    few.fold(0, |all, one| {
        all | 1_u32.checked_shl(bit(one.number)).unwrap_or(0)
    })
}

fn bit(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The checks without which a step was made.
pub(crate) fn made_without(plan: &Plan) -> Vec<usize> {
    let numbers = 0..plan.request.checks.len();
    let was = |number: &usize| plan.checked.without.checked_shr(bit(*number)).unwrap_or(0) & 1 == 1;
    numbers.filter(was).collect()
}

/// The plan of a deployment whose next step waits for something that comes after its checks.
#[must_use]
pub(crate) fn passed(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.checked.complete = left(&plan);
    plan
}

/// The check whose samples the next step waits for.
///
/// Refuses with `CheckFailed` where they have not come in time, unless CloudWatch has not answered: that says nothing about
/// the replacement (rule R6), and the step is made without the check.
pub(crate) fn blocker(world: &World, plan: &Plan) -> Result<Option<Blocker>, Refusal> {
    let request = &plan.request;
    let error = world.flows.error.as_ref();
    let mut blocker = None;
    for Judged {
        number,
        check,
        verdict,
    } in judged(world, plan)
    {
        let Verdict::TooFew(samples) = verdict else {
            continue;
        };
        let left = check.patience(request).saturating_sub(plan.checked.held);
        if left == 0 {
            // Whatever another check still waits for.
            match (check.no_data, error.filter(|error| !is_refused(error))) {
                (_, Some(_)) | (NoData::Pass, None) => {}
                (NoData::Wait | NoData::Fail, None) => {
                    return Err(check.without_samples(number, samples, plan, error.is_some()));
                }
            }
        } else if blocker.is_none() {
            blocker = Some(Blocker::Check {
                check: number,
                metric: check.to_string(),
                samples,
                wanted: check.samples,
                left,
                error: error.cloned(),
            });
        }
    }
    Ok(blocker)
}

/// Whether CloudWatch has refused what it was asked, which is no trouble of its own: it will refuse it again.
fn is_refused(error: &str) -> bool {
    error == ErrorName::PreflightFailed.as_str()
}

impl Check {
    fn without_samples(&self, number: usize, samples: u32, plan: &Plan, refused: bool) -> Refusal {
        let (why, fix) = match (refused, plan.asks_for_a_shift()) {
            (true, _) => (
                "CloudWatch refuses what it is asked for.",
                "Ask it yourself (aws cloudwatch get-metric-data), and correct the metric.",
            ),
            (false, Some(_)) => (
                SAMPLE,
                "Check the metric's name and dimensions, and that it is reported each minute. If it has no value in quiet minutes, set noData to pass.",
            ),
            (false, None) => (
                SAMPLE,
                "Check the metric's name and dimensions, and that it is reported each minute. After a swap, only clients that stay connected send requests to the original: shift traffic, so that both have some, or set noData to pass.",
            ),
        };
        let problem = format!(
            "checks[{number}]: {self} has {samples} of {} samples after steps have waited {} s for them. {why}",
            self.samples, plan.checked.held
        );
        Refusal::new(ErrorName::CheckFailed, problem, fix)
    }
}

const SAMPLE: &str = "A sample is a minute with a value of both task sets.";

/// A check with what its samples say.
struct Judged<'a> {
    number: usize,
    check: &'a Check,
    verdict: Verdict,
}

/// All checks, while they count: none once an operator has promoted the deployment.
fn judged<'a>(world: &'a World, plan: &'a Plan) -> impl Iterator<Item = Judged<'a>> {
    let promoted = world.order.as_ref().is_some_and(Order::promotes);
    let since = under_way(plan).filter(|_| !promoted);
    let checks = plan.request.checks.iter().enumerate();
    checks.filter_map(move |(number, check)| {
        let verdict = match world.flows.compared.get(number) {
            Some(compared) => check.judge(compared, since?, world.now),
            None => since.map(|_| Verdict::TooFew(0))?,
        };
        Some(Judged {
            number,
            check,
            verdict,
        })
    })
}

/// Seconds for which steps of a deployment wait for samples in all, at most; none without checks.
pub(crate) fn longest(request: &Request) -> u32 {
    let longest = request.checks.iter().map(|check| check.patience(request));
    longest.max().unwrap_or(0)
}

impl Flows {
    /// The place of a series of a check.
    pub fn of_check(&mut self, number: usize, side: Side) -> &mut Vec<Point> {
        if self.compared.len() <= number {
            self.compared.resize(number + 1, Compared::default());
        }
        let compared = &mut self.compared[number];
        match side {
            Side::Replacement => &mut compared.replacement,
            Side::Original => &mut compared.original,
        }
    }
}

/// Refuses checks that name target groups or a load balancer, where there is none.
pub(crate) fn can_be_read(request: &Request, world: &World) -> Result<(), Refusal> {
    if !world.is_found_in_a_registry_alone() {
        return Ok(());
    }
    for (number, check) in request.checks.iter().enumerate() {
        let mut values = check.metric.dimensions.iter().map(|(_, value)| value);
        let of_a_balancer = |value: &String| {
            let mut placeholders = [TARGET_GROUP, LOAD_BALANCER].into_iter();
            placeholders.find(|one| value.contains(one))
        };
        if let Some(placeholder) = values.find_map(of_a_balancer) {
            return Err(Refusal::preflight(
                format!(
                    "checks[{number}].metric.dimensions has {placeholder}, and the service has no load balancer."
                ),
                "Name a metric of the application, with {taskSet} in a dimension.",
            ));
        }
    }
    Ok(())
}
