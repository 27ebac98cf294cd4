//! A drain with a reconnect budget: how many tasks a step may remove, and when it has to wait.
//!
//! The effect of a step shows minutes later: its targets are deregistered first, and CloudWatch publishes a
//! minute after its end. So the pace follows from what one task's connections are, and keeps to the budget
//! and one task's connections in any minute, whenever within its time the load balancer ends each
//! deregistration. The metric only corrects it: down at once, up once the effect of the last change is in the
//! metric.

mod times;

use crate::drain::deregistration::Deregistration;
use crate::drain::flows::Flows;
use crate::drain::pace::{Budget, OnDeadline, SHORTEST_WAIT};

pub use times::{
    GRACE, dead_time, last_step, latest_end, least_budget, least_deadline, seconds, tail,
};

/// The share of the budget that is planned with on average: tasks do not hold the same number of
/// connections each.
const HEADROOM: f64 = 0.7;

/// Seconds added to a minute, because turns of the loop and ECS's scheduler vary.
const MARGIN: f64 = 5.0;

/// The share of a pause by which a step may come later than evenly, so that clients that come back
/// after a fixed time do not fall into step with the drain.
pub const JITTER: f64 = 0.2;

/// How a drain by a budget goes on: what a deployment carries from step to step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control {
    /// When the first step was made, in seconds since 1970.
    pub began: Option<u64>,
    /// Tasks that are to be left after the step that is due.
    pub left: Option<u32>,
    /// The share of the planned pace that is kept, above 0 and at most 1.
    pub factor: f64,
    /// New connections a second before the drain; nothing is held while that is not known.
    pub baseline: Option<f64>,
    /// Connections a task holds, as CloudWatch had them before the first step.
    pub connections_per_task: Option<f64>,
    /// The share that was kept before it last fell.
    pub before: f64,
    /// The newest minute that was judged, in seconds since 1970.
    pub judged: Option<u64>,
    /// When the factor was last changed, in seconds since 1970.
    pub changed: Option<u64>,
}

impl Control {
    /// For another drain of the same deployment: the baseline from before the first one stays.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            baseline: self.baseline,
            connections_per_task: self.connections_per_task,
            ..Self::default()
        }
    }

    /// The drain has waited for so many seconds that do not count: its deadline comes so much later.
    pub(crate) fn put_off(&mut self, seconds: u32) {
        let began = &mut self.began;
        *began = began.map(|began| began.saturating_add(u64::from(seconds)));
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            began: None,
            left: None,
            factor: 1.0,
            before: 1.0,
            baseline: None,
            connections_per_task: None,
            judged: None,
            changed: None,
        }
    }
}

/// The state of a drain when its next step is decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Tasks that the original is to have.
    pub left: u32,
    /// Tasks that the drain began with.
    pub of: u32,
    /// Steps that a drain may have.
    pub most_steps: u32,
    /// Seconds since the first step.
    pub elapsed: u32,
    /// How long its targets take to be deregistered.
    pub deregistration: Deregistration,
    /// How much later than this step the next one is shifted, in parts of [`JITTER`]: from -1 to 1.
    pub shift: f64,
}

/// More new connections came than the replacement can bear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excess {
    /// New connections a second beyond the baseline, in the peak of those minutes.
    pub seen: f64,
    /// How many are allowed: the budget, and those of one task.
    pub allowed: f64,
}

/// The next step.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// Tasks that it removes.
    pub tasks: u32,
    /// Seconds until then.
    pub wait: u32,
    /// What binds.
    pub binds: Binds,
}

/// What a drain's pace follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binds {
    /// The budget.
    Budget,
    /// The time that is left.
    Deadline,
}

/// Steps as they may come.
#[derive(Debug, Clone, Copy)]
struct Steps {
    /// Tasks of each.
    tasks: u32,
    /// Seconds from one to the next, at which the budget is kept on average.
    pause: f64,
    /// Seconds that it takes at least for the minute with the most of them to keep to the budget.
    least: f64,
}

impl Steps {
    /// Those whose connections the replacement can bear, of so many tasks at least; `None` where
    /// connections are not known.
    ///
    /// What is cut in a minute belongs to steps that lie no farther apart than that minute and the spread
    /// of the deregistration. So many steps take as many tasks together as the budget and one task's
    /// connections allow, and no more.
    fn sustainable(
        budget: &Budget,
        connections: Option<f64>,
        deregistration: Deregistration,
        grain: u32,
    ) -> Option<Self> {
        let connections = connections.filter(|connections| *connections > 0.0)?;
        let allowed = whole(PERIOD_SECONDS * budget.reconnects / connections).saturating_add(1);
        let span = PERIOD_SECONDS + f64::from(deregistration.spread()) + MARGIN;
        let of = |tasks: u32| Self {
            tasks,
            pause: f64::from(tasks) * connections / (HEADROOM * budget.reconnects),
            least: span / (f64::from((allowed / tasks).max(1)) - JITTER),
        };
        let single = of(1);
        let tasks = (f64::from(SHORTEST_WAIT) / single.pause.max(single.least)).ceil();
        Some(of(grain.max(whole(tasks))))
    }

    fn tasks_a_second(self) -> f64 {
        f64::from(self.tasks) / self.pause.max(self.least)
    }

    /// The same at a share of the pace.
    fn slowed(self, factor: f64) -> Self {
        // A slower pace would not lower the reconnects of a minute any further.
        let slowest = self
            .pause
            .max(self.least)
            .max(f64::from(self.tasks) * IN_MINUTES_OF_THEIR_OWN);
        Self {
            pause: (self.pause.max(self.least) / factor).min(slowest),
            ..self
        }
    }
}

/// Seconds between two tasks from which their reconnects come in minutes of their own.
const IN_MINUTES_OF_THEIR_OWN: f64 = 120.0;

impl Standing {
    /// Tasks of a step at least, for the steps not to be too many.
    pub(super) fn grain(&self) -> u32 {
        self.of.div_ceil(self.most_steps.max(1)).max(1)
    }

    fn sustainable(&self, budget: &Budget, control: &Control) -> Option<Steps> {
        let connections = budget.connections(control.connections_per_task);
        Steps::sustainable(budget, connections, self.deregistration, self.grain())
    }
}

/// Whether the newest minute, or one that was not judged yet, had more new connections than the
/// budget allows: the step is held.
///
/// Not held where the time that is left would then ask for more than the budget, and the deadline
/// binds.
pub fn excess(
    budget: &Budget,
    control: &Control,
    flows: &Flows,
    standing: &Standing,
    now: u64,
) -> Option<Excess> {
    let peak = flows.peak(control.judged, now)?;
    let seen = (peak.value - control.baseline?).max(0.0);
    if seen <= threshold(budget, control) {
        return None;
    }
    let after = Standing {
        elapsed: standing.elapsed.saturating_add(HOLD),
        ..*standing
    };
    // The fastest pace once nothing blocks it.
    let hurried = most_hurried(budget, &after);
    let fastest = match after.sustainable(budget, control) {
        Some(steps) => hurried.min(steps.tasks_a_second()),
        None => hurried,
    };
    let affordable = match budget.on_deadline {
        OnDeadline::Stop => true,
        OnDeadline::Finish => in_time_left(budget, &after) <= fastest,
    };
    affordable.then_some(Excess {
        seen,
        allowed: threshold(budget, control),
    })
}

/// New connections a second allowed in a minute: the budget and those of one task, because no step is
/// smaller.
fn threshold(budget: &Budget, control: &Control) -> f64 {
    let held = budget.connections(control.connections_per_task);
    let one_task = held.map_or(0.0, |held| held / PERIOD_SECONDS);
    budget.reconnects + one_task
}

/// Seconds of a value of CloudWatch.
const PERIOD_SECONDS: f64 = 60.0;

/// Seconds for which a step is held before CloudWatch is asked again: its next minute.
pub const HOLD: u32 = 60;

/// Tasks a second that have to go for the drain to end in time, and no more than twice as many as if all
/// had gone evenly: a drain that was held for long finishes late rather than faster than that.
fn needed(budget: &Budget, standing: &Standing) -> f64 {
    in_time_left(budget, standing).min(most_hurried(budget, standing))
}

/// Twice as many tasks a second as if all had gone evenly.
fn most_hurried(budget: &Budget, standing: &Standing) -> f64 {
    let last = last_step(budget, standing.deregistration);
    MOST_HURRY * f64::from(standing.of) / f64::from(last.max(1))
}

/// Tasks a second that have to go for the drain to end in time; infinite where there is none left.
fn in_time_left(budget: &Budget, standing: &Standing) -> f64 {
    f64::from(standing.left) / f64::from(time_left(budget, standing))
}

/// How many times the even pace a drain reaches at most for the sake of its deadline.
const MOST_HURRY: f64 = 2.0;

/// Seconds until the last step is due.
fn time_left(budget: &Budget, standing: &Standing) -> u32 {
    last_step(budget, standing.deregistration).saturating_sub(standing.elapsed)
}

/// Corrects the pace by the peak minute that was not judged yet, once the effect of the last change was
/// to be seen: down in proportion where the budget was exceeded, a quarter more where it was kept. Where
/// CloudWatch says nothing, the pace stays as it is.
pub fn corrected(
    budget: &Budget,
    control: &Control,
    flows: &Flows,
    standing: &Standing,
    now: u64,
) -> Control {
    let mut control = *control;
    let peak = flows.peak(control.judged, now);
    let (Some(peak), Some(baseline)) = (
        peak.filter(|point| control.judged.is_none_or(|at| point.at > at)),
        control.baseline,
    ) else {
        return control;
    };
    control.judged = Some(peak.at);
    let seen = (peak.value - baseline).max(0.0);
    let dead = u64::from(dead_time(standing.deregistration));
    let settled = control
        .changed
        .is_none_or(|changed| now >= changed.saturating_add(dead));
    let threshold = threshold(budget, &control);
    if seen > threshold {
        // Until the effect of a fall is in the metric, the metric shows the steps before it.
        if control.factor >= 1.0 || settled {
            control.before = control.factor;
            control.changed = Some(now);
        }
        let fallen = (control.before * threshold / seen).max(LEAST_FACTOR);
        control.factor = control.factor.min(fallen);
    } else if control.factor < 1.0 && settled {
        control.factor = (control.factor * 1.25).min(1.0);
        control.before = control.factor;
        control.changed = Some(now);
    }
    control
}

/// The slowest that a pace gets, of what was planned.
const LEAST_FACTOR: f64 = 0.05;

/// Tasks that are left after the first step of a drain.
pub fn left_after_first(budget: &Budget, control: &Control, standing: &Standing) -> u32 {
    let first = next(budget, control, standing).tasks;
    standing.left.saturating_sub(first)
}

/// How many tasks go next, and when.
pub fn next(budget: &Budget, control: &Control, standing: &Standing) -> Next {
    let needed = needed(budget, standing);
    let sustainable = standing.sustainable(budget, control);
    let sustainable = sustainable.map(|steps| steps.slowed(control.factor));
    let finishes = budget.on_deadline == OnDeadline::Finish;
    let (steps, binds) = match sustainable {
        Some(steps) if !finishes || steps.tasks_a_second() >= needed => (steps, Binds::Budget),
        // The connections of a task are not known: evenly in the time that is left.
        Some(_) | None => (evenly(needed, standing), Binds::Deadline),
    };
    let shifted = |pause: f64| pause * (1.0 + JITTER * standing.shift);
    let pause = shifted(steps.pause)
        .round()
        .max(shifted(steps.least).ceil());
    let most = match (budget.on_deadline, time_left(budget, standing)) {
        // Not beyond the time that is left: at its end, what binds is decided anew.
        (OnDeadline::Finish, time) if time > 0 => time,
        (OnDeadline::Finish, _) => u32::MAX,
        // The step that would come later is not made: the drain stops then.
        (OnDeadline::Stop, time) => time.saturating_add(GRACE),
    };
    let wait = whole(pause).clamp(SHORTEST_WAIT, most.max(SHORTEST_WAIT));
    let tasks = steps.tasks.min(standing.left);
    Next { tasks, wait, binds }
}

/// Steps at a number of tasks a second.
fn evenly(tasks_a_second: f64, standing: &Standing) -> Steps {
    let tasks = whole((tasks_a_second * f64::from(SHORTEST_WAIT)).ceil());
    let tasks = tasks.max(standing.grain());
    Steps {
        tasks,
        pause: f64::from(tasks) / tasks_a_second,
        least: 0.0,
    }
}

/// The smallest sufficient budget, in whole new connections a second, by bisection. `None` if connections are
/// not known, or no budget is sufficient.
pub(crate) fn least(budget: &Budget, tasks: u32, does: impl Fn(&Budget) -> bool) -> Option<u64> {
    let does = |reconnects: u64| {
        #[expect(clippy::cast_precision_loss, reason = "connections of a service")]
        let reconnects = reconnects as f64;
        does(&Budget {
            reconnects,
            ..budget.clone()
        })
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "connections of a service: `as` saturates"
    )]
    let all = (budget.connections_per_task? * f64::from(tasks)).ceil() as u64;
    if !does(all) {
        return None;
    }
    let (mut short, mut enough) = (0, all);
    while short + 1 < enough {
        let middle = u64::midpoint(short, enough);
        if does(middle) {
            enough = middle;
        } else {
            short = middle;
        }
    }
    Some(enough)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds and tasks: `as` saturates, and nothing is negative"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests;
