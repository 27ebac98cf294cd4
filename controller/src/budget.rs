//! A drain by the new connections that the replacement can bear: how many tasks may go, and when
//! it has to hold.
//!
//! What a step does is seen minutes later: its targets are deregistered first, and CloudWatch's
//! minute comes after its end. So the pace follows from what one task's connections are, keeps
//! below the budget, and the metric only corrects it: down at once, up when the effect of the last
//! change was to be seen.

use crate::flows::Flows;
use crate::pace::{Budget, OnDeadline, SHORTEST_WAIT};

/// The share of the budget that is planned with: tasks do not hold the same number of connections
/// each, and those that leave a few seconds apart may be cut in the same minute.
const HEADROOM: f64 = 0.7;

/// Seconds from a step to the last reconnects it causes: an NLB takes 3 to 5 minutes to deregister
/// a target (AWS support), or as long as its deregistration delay; then the task has its stop
/// timeout, 120 s at most on Fargate.
pub fn tail(deregistration_delay: u32) -> u32 {
    deregistration_delay.max(300).saturating_add(120)
}

/// Seconds from the first step until the last one is due, if the original is to run no task at the
/// deadline.
pub fn last_step(budget: &Budget, deregistration_delay: u32) -> u32 {
    budget.deadline.saturating_sub(tail(deregistration_delay))
}

/// Seconds that a drain may take in all: one that finishes and was held for long goes twice as fast as
/// evenly from then on, and is late by half of its steps' time at most.
pub fn latest_end(budget: &Budget, deregistration_delay: u32) -> u32 {
    match budget.on_deadline {
        OnDeadline::Finish => budget
            .deadline
            .saturating_add(last_step(budget, deregistration_delay) / 2),
        OnDeadline::Stop => budget.deadline.saturating_add(GRACE),
    }
}

/// Seconds for which a drain that stops at its deadline may be late.
pub const GRACE: u32 = 120;

/// Seconds until the effect of a step is in CloudWatch.
pub fn dead_time(deregistration_delay: u32) -> u32 {
    const MINUTES: u32 = 120;
    tail(deregistration_delay).saturating_add(MINUTES)
}

/// How a drain by a budget goes on: what a deployment carries from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// When the first step was made, in seconds since 1970.
    pub began: Option<u64>,
    /// Tasks that are to be left after the step that is due.
    pub left: Option<u32>,
    /// The share of the planned pace that is kept, above 0 and at most 1.
    pub factor: f64,
    /// New connections a second before the drain; nothing is held while that is not known.
    pub ordinary: Option<f64>,
    /// Connections a task holds, as CloudWatch had them before the first step.
    pub connections_per_task: Option<f64>,
    /// The share that was kept before it last fell.
    pub before: f64,
    /// The newest minute that was judged, in seconds since 1970.
    pub judged: Option<u64>,
    /// When the factor was last changed, in seconds since 1970.
    pub changed: u64,
}

impl Control {
    /// For another drain of the same deployment: what was ordinary before the first one still is.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            ordinary: self.ordinary,
            connections_per_task: self.connections_per_task,
            ..Self::default()
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            began: None,
            left: None,
            factor: 1.0,
            before: 1.0,
            ordinary: None,
            connections_per_task: None,
            judged: None,
            changed: 0,
        }
    }
}

/// Where a drain stands when its next step is decided.
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
    /// Seconds from a target's deregistration to the end of its task.
    pub deregistration_delay: u32,
    /// Seconds since 1970.
    pub now: u64,
}

/// More new connections came than the replacement can bear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excess {
    /// New connections a second beyond the ordinary ones, in the loudest of those minutes.
    pub seen: f64,
    /// The budget.
    pub budget: f64,
}

/// The next step.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// Tasks that it takes away.
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

/// Seconds that the steps of a drain of `tasks` tasks are planned to take, from the first to the
/// last: as long as the budget asks for, and where that is longer than there is time, as long as
/// there is time, unless the drain is to stop at its deadline. Without a number of connections the
/// whole time is used.
pub fn seconds(budget: &Budget, tasks: u32, deregistration_delay: u32) -> u32 {
    let available = last_step(budget, deregistration_delay);
    let Some(rate) = bearable(budget, budget.connections_per_task) else {
        return available;
    };
    let asked = whole(f64::from(tasks.saturating_sub(1)) / rate);
    match budget.on_deadline {
        OnDeadline::Finish => asked.min(available),
        OnDeadline::Stop => asked,
    }
}

/// The least deadline that a budget can be kept with, in seconds; `None` where connections are not
/// known.
pub fn least_deadline(budget: &Budget, tasks: u32, deregistration_delay: u32) -> Option<u32> {
    let rate = bearable(budget, budget.connections_per_task)?;
    let asked = whole((f64::from(tasks.saturating_sub(1)) / rate).ceil());
    Some(asked.saturating_add(tail(deregistration_delay)))
}

/// The least budget, in new connections a second, with whose planned pace a deadline is kept.
pub fn least_budget(budget: &Budget, tasks: u32, deregistration_delay: u32) -> Option<f64> {
    let seconds = last_step(budget, deregistration_delay);
    Some(rate_over(budget, tasks, seconds)?.ceil())
}

/// The budget that is planned to cut all connections in so many seconds.
fn rate_over(budget: &Budget, tasks: u32, seconds: u32) -> Option<f64> {
    let connections = budget.connections_per_task?;
    let tasks_a_second = f64::from(tasks.saturating_sub(1)) / f64::from(seconds.max(1));
    Some(tasks_a_second * connections / HEADROOM)
}

/// Tasks a second whose connections the replacement can bear.
fn bearable(budget: &Budget, connections: Option<f64>) -> Option<f64> {
    let connections = connections.filter(|connections| *connections > 0.0)?;
    Some(HEADROOM * budget.reconnects / connections)
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
) -> Option<Excess> {
    let loudest = flows.loudest(control.judged, standing.now)?;
    let seen = (loudest.value - control.ordinary?).max(0.0);
    if seen <= bar(budget, control) {
        return None;
    }
    let connections = connections(budget, control);
    let after = Standing {
        elapsed: standing.elapsed.saturating_add(HOLD),
        ..*standing
    };
    // As fast as it may go once it is not held any more.
    let hurried = most_hurried(budget, &after);
    let fastest = match bearable(budget, connections) {
        Some(rate) => hurried.min(rate / HEADROOM),
        None => hurried,
    };
    let affordable = match budget.on_deadline {
        OnDeadline::Stop => true,
        OnDeadline::Finish => in_time_left(budget, &after) <= fastest,
    };
    affordable.then_some(Excess {
        seen,
        budget: budget.reconnects,
    })
}

/// Connections that a task holds: what is said, unless CloudWatch has seen more than twice as many, or else
/// what was read.
fn connections(budget: &Budget, control: &Control) -> Option<f64> {
    match (budget.connections_per_task, control.connections_per_task) {
        (Some(said), Some(seen)) if seen > 2.0 * said => Some(seen),
        (said, seen) => said.or(seen),
    }
}

/// New connections a second that a minute may have: those of one task, whatever the budget is,
/// because no step is smaller.
fn bar(budget: &Budget, control: &Control) -> f64 {
    let one_task = connections(budget, control).map_or(0.0, |held| held / PERIOD_SECONDS);
    budget.reconnects.max(one_task)
}

/// Seconds of a value of CloudWatch.
const PERIOD_SECONDS: f64 = 60.0;

/// Seconds for which a step is held before CloudWatch is asked again: its next minute.
pub const HOLD: u32 = 60;

/// Tasks a second that have to go for the drain to end in time, and no more than twice as many as if all
/// had gone evenly: a drain that was held for long is rather late than all at once.
fn needed(budget: &Budget, standing: &Standing) -> f64 {
    in_time_left(budget, standing).min(most_hurried(budget, standing))
}

/// Twice as many tasks a second as if all had gone evenly.
fn most_hurried(budget: &Budget, standing: &Standing) -> f64 {
    let last = last_step(budget, standing.deregistration_delay);
    MOST_HURRY * f64::from(standing.of) / f64::from(last.max(1))
}

/// Tasks a second that have to go for the drain to end in time; infinite where there is none left.
fn in_time_left(budget: &Budget, standing: &Standing) -> f64 {
    f64::from(standing.left) / f64::from(time_left(budget, standing))
}

/// How many times as fast as evenly a drain gets for the sake of its deadline.
const MOST_HURRY: f64 = 2.0;

/// Seconds until the last step is due.
fn time_left(budget: &Budget, standing: &Standing) -> u32 {
    last_step(budget, standing.deregistration_delay).saturating_sub(standing.elapsed)
}

/// Corrects the pace by the loudest minute that was not judged yet, once the effect of the last change was
/// to be seen: down in proportion where the budget was exceeded, a quarter more where it was kept. Where
/// CloudWatch says nothing, the pace stays as it is.
pub fn corrected(
    budget: &Budget,
    control: &Control,
    flows: &Flows,
    standing: &Standing,
) -> Control {
    let mut control = control.clone();
    let loudest = flows.loudest(control.judged, standing.now);
    let (Some(loudest), Some(ordinary)) = (
        loudest.filter(|point| control.judged.is_none_or(|at| point.at > at)),
        control.ordinary,
    ) else {
        return control;
    };
    control.judged = Some(loudest.at);
    let seen = (loudest.value - ordinary).max(0.0);
    let settled = control
        .changed
        .saturating_add(u64::from(dead_time(standing.deregistration_delay)));
    let bar = bar(budget, &control);
    if seen > bar {
        // What comes before the effect of a fall was to be seen is of the steps before it.
        if control.factor >= 1.0 || standing.now >= settled {
            control.before = control.factor;
            control.changed = standing.now;
        }
        let fallen = (control.before * bar / seen).max(LEAST_FACTOR);
        control.factor = control.factor.min(fallen);
    } else if control.factor < 1.0 && standing.now >= settled {
        control.factor = (control.factor * 1.25).min(1.0);
        control.before = control.factor;
        control.changed = standing.now;
    }
    control
}

/// Tasks a second from which their reconnects come in minutes of their own: to go slower for the sake of a
/// minute that was too loud is of no use.
const ONE_IN_TWO_MINUTES: f64 = 1.0 / 120.0;

/// The slowest that a pace gets, of what was planned.
const LEAST_FACTOR: f64 = 0.05;

/// Tasks that are left after the first step of a drain of so many.
pub fn left_after_first(budget: &Budget, control: &Control, standing: &Standing) -> u32 {
    let first = next(budget, control, standing).tasks;
    standing.left.saturating_sub(first)
}

/// How many tasks go next, and when.
pub fn next(budget: &Budget, control: &Control, standing: &Standing) -> Next {
    let needed = needed(budget, standing);
    let connections = connections(budget, control);
    let bearable = bearable(budget, connections)
        .map(|rate| (rate * control.factor).max(rate.min(ONE_IN_TWO_MINUTES)));
    let (rate, binds) = match (bearable, budget.on_deadline) {
        (Some(rate), OnDeadline::Finish) if rate < needed => (needed, Binds::Deadline),
        (Some(rate), _) => (rate, Binds::Budget),
        // Nobody knows how many connections a task holds: evenly in the time that is left.
        (None, _) => (needed, Binds::Deadline),
    };
    let grain = standing.of.div_ceil(standing.most_steps.max(1)).max(1);
    let tasks = grain
        .max(whole((rate * f64::from(SHORTEST_WAIT)).ceil()))
        .min(standing.left);
    let pause = f64::from(tasks) / rate;
    let (pause, most) = match (budget.on_deadline, time_left(budget, standing)) {
        // Not beyond the time that is left: at its end, what binds is decided anew.
        (OnDeadline::Finish, time) if time > 0 => (pause.round(), time),
        (OnDeadline::Finish, _) => (pause.ceil(), u32::MAX),
        // The step that would come later is not made: the drain stops then.
        (OnDeadline::Stop, time) => (pause.ceil(), time.saturating_add(GRACE)),
    };
    let wait = whole(pause).clamp(SHORTEST_WAIT, most.max(SHORTEST_WAIT));
    Next { tasks, wait, binds }
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flows::Point;

    fn budget(on_deadline: OnDeadline) -> Budget {
        Budget {
            reconnects: 500.0,
            connections_per_task: Some(2_500.0),
            deadline: 3_600,
            on_deadline,
        }
    }

    fn standing(left: u32, elapsed: u32) -> Standing {
        Standing {
            left,
            of: 40,
            most_steps: 100,
            elapsed,
            deregistration_delay: 300,
            now: 100_000 + u64::from(elapsed),
        }
    }

    /// The newest minute had so many new connections a second.
    fn minute(standing: &Standing, per_second: f64) -> Flows {
        Flows {
            new: vec![Point {
                at: standing.now - 120,
                value: per_second * 60.0,
            }],
            ..Flows::default()
        }
    }

    #[test]
    fn one_task_goes_as_soon_as_its_connections_can_be_borne() {
        let next = next(
            &budget(OnDeadline::Finish),
            &Control::default(),
            &standing(39, 0),
        );
        // 2500 connections at 70 % of 500 a second.
        assert_eq!((next.tasks, next.wait, next.binds), (1, 7, Binds::Budget));
    }

    #[test]
    fn a_generous_budget_takes_several_tasks_a_step_rather_than_hurry() {
        let mut generous = budget(OnDeadline::Finish);
        generous.reconnects = 10_000.0;
        let next = next(&generous, &Control::default(), &standing(39, 0));
        assert_eq!((next.tasks, next.wait), (9, SHORTEST_WAIT));
    }

    #[test]
    fn the_deadline_binds_or_the_budget_does() {
        let late = standing(39, 3_170);
        let finish = next(&budget(OnDeadline::Finish), &Control::default(), &late);
        // Ten seconds are left: the budget allows more than twice as many as evenly.
        assert_eq!(
            (finish.tasks, finish.wait, finish.binds),
            (1, 7, Binds::Budget)
        );
        let mut small = budget(OnDeadline::Finish);
        small.reconnects = 20.0;
        let finish = next(&small, &Control::default(), &standing(39, 2_000));
        assert_eq!(
            (finish.tasks, finish.wait, finish.binds),
            (1, 40, Binds::Deadline)
        );
        let stop = next(&budget(OnDeadline::Stop), &Control::default(), &late);
        assert_eq!((stop.tasks, stop.binds), (1, Binds::Budget));
        let over = next(
            &budget(OnDeadline::Finish),
            &Control::default(),
            &standing(7, 9_000),
        );
        assert_eq!((over.tasks, over.wait, over.binds), (1, 8, Binds::Budget));
        let slow = Control {
            factor: LEAST_FACTOR,
            ..Control::default()
        };
        let over = next(&budget(OnDeadline::Finish), &slow, &standing(7, 9_000));
        // Twice 40 tasks in 3180 s.
        assert_eq!(
            (over.tasks, over.wait, over.binds),
            (1, 40, Binds::Deadline)
        );
    }

    #[test]
    fn without_a_number_of_connections_the_whole_time_is_used() {
        let mut unknown = budget(OnDeadline::Stop);
        unknown.connections_per_task = None;
        let first = next(&unknown, &Control::default(), &standing(39, 0));
        assert_eq!((first.tasks, first.wait), (1, 82));
        let measured = Control {
            connections_per_task: Some(2_500.0),
            ..Control::default()
        };
        assert_eq!(next(&unknown, &measured, &standing(39, 0)).wait, 8);
    }

    #[test]
    fn a_minute_over_the_budget_holds_the_step_unless_the_deadline_needs_it() {
        let control = Control {
            ordinary: Some(100.0),
            ..Control::default()
        };
        let seen = |per_second: f64, standing: &Standing, on_deadline| {
            let flows = minute(standing, per_second);
            excess(&budget(on_deadline), &control, &flows, standing)
        };
        let early = standing(39, 60);
        assert_eq!(seen(600.0, &early, OnDeadline::Finish), None);
        let excess = seen(601.0, &early, OnDeadline::Finish).unwrap();
        assert!((excess.seen - 501.0).abs() < 1e-6, "{excess:?}");
        let late = standing(39, 3_100);
        assert_eq!(seen(5_000.0, &late, OnDeadline::Finish), None);
        assert!(seen(5_000.0, &late, OnDeadline::Stop).is_some());
    }

    #[test]
    fn the_pace_falls_at_once_and_grows_when_its_effect_was_to_be_seen() {
        let budget = budget(OnDeadline::Finish);
        let now = standing(30, 600);
        let known = Control {
            ordinary: Some(0.0),
            ..Control::default()
        };
        let fallen = corrected(&budget, &known, &minute(&now, 2_000.0), &now);
        assert!((fallen.factor - 0.25).abs() < 1e-9, "{fallen:?}");
        let again = corrected(&budget, &fallen, &minute(&now, 2_000.0), &now);
        assert_eq!(again, fallen, "one minute is judged once");
        let minute_later = standing(30, 660);
        let of_earlier_steps = corrected(
            &budget,
            &fallen,
            &minute(&minute_later, 2_000.0),
            &minute_later,
        );
        assert!(
            (of_earlier_steps.factor - 0.25).abs() < 1e-9,
            "{of_earlier_steps:?}"
        );
        let soon = standing(30, 700);
        let still = corrected(&budget, &fallen, &minute(&soon, 10.0), &soon);
        assert!((still.factor - 0.25).abs() < 1e-9, "{still:?}");
        let later = standing(30, 1_200);
        let grown = corrected(&budget, &fallen, &minute(&later, 10.0), &later);
        assert!((grown.factor - 0.3125).abs() < 1e-9, "{grown:?}");
        let blind = corrected(&budget, &fallen, &Flows::default(), &later);
        assert_eq!(blind, fallen, "without a metric nothing grows");
    }

    #[test]
    fn what_is_loud_all_the_time_is_held_as_long_as_the_rest_can_go_in_time() {
        let budget = budget(OnDeadline::Finish);
        let mut control = Control {
            ordinary: Some(0.0),
            factor: LEAST_FACTOR,
            ..Control::default()
        };
        let (mut left, mut elapsed, mut held) = (39, 0, 0);
        while left > 0 {
            let now = standing(left, elapsed);
            let flows = minute(&now, 5_000.0);
            if excess(&budget, &control, &flows, &now).is_some() {
                held += HOLD;
                elapsed += HOLD;
                continue;
            }
            control = corrected(&budget, &control, &flows, &now);
            let next = next(&budget, &control, &now);
            assert_eq!(next.tasks, 1);
            (left, elapsed) = (left - next.tasks, elapsed + next.wait);
        }
        assert!(held > 1_000, "{held}");
        let last = last_step(&budget, 300);
        assert!(elapsed <= last + HOLD, "{elapsed} of {last}");
    }

    #[test]
    fn one_tasks_connections_are_no_excess_whatever_the_budget_is() {
        let mut small = budget(OnDeadline::Stop);
        small.reconnects = 10.0;
        let known = Control {
            ordinary: Some(0.0),
            ..Control::default()
        };
        let now = standing(30, 600);
        // 2500 connections in a minute are 42 a second.
        assert_eq!(excess(&small, &known, &minute(&now, 41.0), &now), None);
        assert!(excess(&small, &known, &minute(&now, 43.0), &now).is_some());
    }

    #[test]
    fn a_loud_minute_within_a_long_pause_is_not_missed() {
        let budget = budget(OnDeadline::Finish);
        let now = standing(30, 600);
        let control = Control {
            ordinary: Some(0.0),
            judged: Some(now.now - 600),
            ..Control::default()
        };
        let mut flows = minute(&now, 10.0);
        flows.new.push(Point {
            at: now.now - 300,
            value: 1_000.0 * 60.0,
        });
        assert!(excess(&budget, &control, &flows, &now).is_some());
        assert!(corrected(&budget, &control, &flows, &now).factor < 1.0);
        let nobody_knows = Control {
            ordinary: None,
            ..control
        };
        assert_eq!(excess(&budget, &nobody_knows, &flows, &now), None);
    }

    #[test]
    fn a_drain_that_stops_is_looked_at_when_it_does_and_hurries_no_step() {
        let mut small = budget(OnDeadline::Stop);
        small.reconnects = 1e-9;
        let wait = |elapsed| next(&small, &Control::default(), &standing(39, elapsed)).wait;
        assert_eq!(wait(60), 3_600 - 420 - 60 + GRACE);
        assert_eq!(wait(3_600 - 420), GRACE);
    }

    proptest! {
        #[test]
        fn a_step_takes_a_task_at_least_and_no_more_than_there_are(
            left in 1u32..3_000, elapsed in 0u32..90_000, reconnects in 0.1f64..1e6,
            connections in proptest::option::of(0.1f64..1e6), factor in 0.05f64..=1.0,
        ) {
            let budget = Budget { reconnects, connections_per_task: connections, ..budget(OnDeadline::Finish) };
            let control = Control { factor, ..Control::default() };
            let standing = Standing { left, of: left, ..standing(left, elapsed) };
            let next = next(&budget, &control, &standing);
            prop_assert!(next.tasks >= 1 && next.tasks <= left, "{:?}", next);
            prop_assert!(next.wait >= SHORTEST_WAIT);
        }
    }
}
