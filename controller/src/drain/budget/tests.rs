//! A budget keeps its pace, holds, slows down and grows, and never hurries.

use proptest::prelude::*;

use super::*;
use crate::drain::flows::Point;
use crate::fixture::{self, EVEN};

fn budget(on_deadline: OnDeadline) -> Budget {
    fixture::budget(500.0, 3_600, on_deadline)
}

fn standing(left: u32, elapsed: u32) -> Standing {
    Standing {
        left,
        of: 40,
        most_steps: 100,
        elapsed,
        deregistration: EVEN,
        shift: 0.0,
    }
}

fn at(standing: &Standing) -> u64 {
    100_000 + u64::from(standing.elapsed)
}

/// New connections a second in the newest minute.
fn minute(standing: &Standing, per_second: f64) -> Flows {
    Flows {
        new: vec![Point {
            at: at(standing) - 120,
            value: per_second * 60.0,
        }],
        ..Flows::default()
    }
}

/// A drain of which this is known.
fn knows(baseline: f64) -> Control {
    Control {
        baseline: Some(baseline),
        ..Control::default()
    }
}

fn of(reconnects: f64) -> Budget {
    fixture::budget(reconnects, 3_600, OnDeadline::Finish)
}

#[test]
fn budget_and_deadline_set_the_size_and_the_time_of_a_step() {
    let slow = Control {
        factor: LEAST_FACTOR,
        ..Control::default()
    };
    let (usual, finish) = (Control::default(), budget(OnDeadline::Finish));
    let cases = [
        // 2500 connections at 70 % of 500 a second.
        (&finish, &usual, standing(39, 0), (1, 7, Binds::Budget)),
        // Ten seconds are left: the budget allows more than twice as many as evenly.
        (&finish, &usual, standing(39, 3_170), (1, 7, Binds::Budget)),
        (&finish, &usual, standing(7, 9_000), (1, 7, Binds::Budget)),
        // Twice 40 tasks in 3180 s.
        (&finish, &slow, standing(7, 9_000), (1, 40, Binds::Deadline)),
        (
            &of(20.0),
            &usual,
            standing(39, 2_000),
            (1, 40, Binds::Deadline),
        ),
    ];
    for (budget, control, standing, wanted) in cases {
        let next = next(budget, control, &standing);
        let step = (next.tasks, next.wait, next.binds);
        assert_eq!(step, wanted, "{budget:?} {standing:?}");
    }
    // Several tasks a step rather than one in less than the shortest wait.
    let generous = next(&of(10_000.0), &usual, &standing(39, 0));
    assert_eq!((generous.tasks, generous.wait), (9, SHORTEST_WAIT));
    let stop = next(&budget(OnDeadline::Stop), &usual, &standing(39, 3_170));
    assert_eq!((stop.tasks, stop.binds), (1, Binds::Budget));
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
    assert_eq!(next(&unknown, &measured, &standing(39, 0)).wait, 7);
}

#[test]
fn a_minute_over_the_budget_holds_the_step_unless_the_deadline_needs_it() {
    let seen = |per_second: f64, standing: &Standing, on_deadline| {
        let (budget, flows) = (budget(on_deadline), minute(standing, per_second));
        excess(&budget, &knows(100.0), &flows, standing, at(standing))
    };
    let early = standing(39, 60);
    // The budget and one task's connections, on top of the baseline.
    assert_eq!(seen(641.0, &early, OnDeadline::Finish), None);
    let excess = seen(642.0, &early, OnDeadline::Finish).unwrap();
    assert!((excess.seen - 542.0).abs() < 1e-6, "{excess:?}");
    let late = standing(39, 3_100);
    assert_eq!(seen(5_000.0, &late, OnDeadline::Finish), None);
    assert!(seen(5_000.0, &late, OnDeadline::Stop).is_some());
}

#[test]
fn the_pace_falls_at_once_and_grows_when_its_effect_was_to_be_seen() {
    let budget = budget(OnDeadline::Finish);
    let after = |control: &Control, elapsed, per_second| {
        let now = standing(30, elapsed);
        corrected(&budget, control, &minute(&now, per_second), &now, at(&now))
    };
    let fallen = after(&knows(0.0), 600, 2_166.7);
    let again = after(&fallen, 600, 2_166.7);
    assert_eq!(again, fallen, "one minute is judged once");
    let cases = [
        (fallen, 0.25),
        // A minute of the steps before, and one too early to say anything.
        (after(&fallen, 660, 2_166.7), 0.25),
        (after(&fallen, 700, 10.0), 0.25),
        (after(&fallen, 1_200, 10.0), 0.3125),
    ];
    for (control, factor) in cases {
        assert!((control.factor - factor).abs() < 1e-4, "{control:?}");
    }
    let later = standing(30, 1_200);
    let blind = corrected(&budget, &fallen, &Flows::default(), &later, at(&later));
    assert_eq!(blind, fallen, "without a metric nothing grows");
}

#[test]
fn constant_excess_blocks_steps_as_long_as_the_deadline_can_be_met() {
    let budget = budget(OnDeadline::Finish);
    let mut control = knows(0.0);
    control.factor = LEAST_FACTOR;
    let (mut left, mut elapsed, mut held) = (39, 0, 0);
    while left > 0 {
        let now = standing(left, elapsed);
        let flows = minute(&now, 5_000.0);
        if excess(&budget, &control, &flows, &now, at(&now)).is_some() {
            held += HOLD;
            elapsed += HOLD;
            continue;
        }
        control = corrected(&budget, &control, &flows, &now, at(&now));
        let next = next(&budget, &control, &now);
        assert_eq!(next.tasks, 1);
        (left, elapsed) = (left - next.tasks, elapsed + next.wait);
    }
    assert!(held > 1_000, "{held}");
    let last = last_step(&budget, EVEN);
    assert!(elapsed <= last + HOLD, "{elapsed} of {last}");
}

#[test]
fn one_tasks_connections_are_no_excess_whatever_the_budget_is() {
    let mut small = budget(OnDeadline::Stop);
    small.reconnects = 10.0;
    let now = standing(30, 600);
    let over = |per_second| {
        excess(
            &small,
            &knows(0.0),
            &minute(&now, per_second),
            &now,
            at(&now),
        )
    };
    // 2500 connections in a minute are 42 a second.
    assert_eq!(over(51.0), None);
    assert!(over(52.0).is_some());
}

#[test]
fn a_loud_minute_within_a_long_pause_is_not_missed() {
    let budget = budget(OnDeadline::Finish);
    let now = standing(30, 600);
    let mut control = knows(0.0);
    control.judged = Some(at(&now) - 600);
    let mut flows = minute(&now, 10.0);
    flows.new.push(Point {
        at: at(&now) - 300,
        value: 1_000.0 * 60.0,
    });
    assert!(excess(&budget, &control, &flows, &now, at(&now)).is_some());
    assert!(corrected(&budget, &control, &flows, &now, at(&now)).factor < 1.0);
    control.baseline = None;
    assert_eq!(excess(&budget, &control, &flows, &now, at(&now)), None);
}

#[test]
fn a_drain_that_stops_at_its_deadline_is_checked_then_and_hurries_no_step() {
    let mut small = budget(OnDeadline::Stop);
    small.reconnects = 1e-9;
    let wait = |elapsed| next(&small, &Control::default(), &standing(39, elapsed)).wait;
    assert_eq!(wait(60), 3_600 - 420 - 60 + GRACE);
    assert_eq!(wait(3_600 - 420), GRACE);
}

/// Seconds from one step to the next at 200 new connections a second, by delay and load balancer.
#[test]
fn the_pace_follows_how_unevenly_targets_are_deregistered() {
    let pause = |delay, is_network| {
        let mut budget = budget(OnDeadline::Stop);
        (budget.reconnects, budget.deadline) = (200.0, 36_000);
        let standing = Standing {
            deregistration: Deregistration::new(delay, is_network),
            ..standing(39, 0)
        };
        next(&budget, &Control::default(), &standing).wait
    };
    // Five tasks of 2500 connections may come in a minute; behind a Network Load Balancer, what comes in a
    // minute may belong to the steps of four.
    let of_network = [0, 60, 120, 180, 240, 300, 3_600].map(|delay| pause(delay, true));
    assert_eq!(of_network, [52, 52, 52, 39, 27, 18, 18]);
    assert_eq!([0, 60, 3_600].map(|delay| pause(delay, false)), [18; 3]);
}

proptest! {
    /// Whenever within their time the load balancer ends the deregistrations, and whatever the shifts.
    #[test]
    fn no_minute_has_more_than_the_budget_and_one_tasks_connections(
        tasks in 2u32..100, a_minute in 0.2f64..400.0, delay in 0u32..400,
        lateness in proptest::collection::vec(0f64..1.0, 101), ends in proptest::collection::vec(0f64..=1.0, 101),
    ) {
        let deregistration = Deregistration::new(delay, true);
        let mut budget = budget(OnDeadline::Stop);
        (budget.reconnects, budget.deadline) = (a_minute * 2_500.0 / 60.0, u32::MAX);
        let next_of = |left: u32, elapsed: u32, step: usize| {
            let shift = lateness[step + 1] - lateness[step];
            let standing = Standing { left, of: tasks, most_steps: 100, elapsed, deregistration, shift };
            next(&budget, &Control::default(), &standing)
        };
        let (mut left, mut at, mut cuts) = (tasks, 0, Vec::new());
        let mut going = next_of(tasks, 0, 0).tasks;
        while left > 0 {
            let step = cuts.len();
            let end = f64::from(deregistration.spread()) * ends[step];
            cuts.extend(std::iter::repeat_n(f64::from(at + deregistration.least) + end, going as usize));
            left -= going;
            let next = next_of(left, at, step);
            (at, going) = (at + next.wait, next.tasks);
        }
        cuts.sort_by(f64::total_cmp);
        let most = whole(a_minute) + 1;
        for (first, from) in cuts.iter().enumerate() {
            let together = cuts[first..].iter().take_while(|cut| **cut - from < 60.0).count();
            prop_assert!(together <= most as usize, "{} in a minute, not {}", together, most);
        }
    }

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
