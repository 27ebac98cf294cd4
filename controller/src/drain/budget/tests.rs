//! A budget keeps its pace, holds, slows down and grows, and never hurries.

use proptest::prelude::*;

use super::*;
use crate::drain::flows::Point;

/// Behind a Network Load Balancer whose own time does not count.
const EVEN: Deregistration = Deregistration {
    delay: 300,
    least: 300,
    most: 300,
};

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
        deregistration: EVEN,
        shift: 0.0,
    }
}

fn at(standing: &Standing) -> u64 {
    100_000 + u64::from(standing.elapsed)
}

/// The newest minute had so many new connections a second.
fn minute(standing: &Standing, per_second: f64) -> Flows {
    Flows {
        new: vec![Point {
            at: at(standing) - 120,
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
    assert_eq!((over.tasks, over.wait, over.binds), (1, 7, Binds::Budget));
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
    assert_eq!(next(&unknown, &measured, &standing(39, 0)).wait, 7);
}

#[test]
fn a_minute_over_the_budget_holds_the_step_unless_the_deadline_needs_it() {
    let control = Control {
        baseline: Some(100.0),
        ..Control::default()
    };
    let seen = |per_second: f64, standing: &Standing, on_deadline| {
        let flows = minute(standing, per_second);
        excess(
            &budget(on_deadline),
            &control,
            &flows,
            standing,
            at(standing),
        )
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
    let now = standing(30, 600);
    let known = Control {
        baseline: Some(0.0),
        ..Control::default()
    };
    let fallen = corrected(&budget, &known, &minute(&now, 2_166.7), &now, at(&now));
    assert!((fallen.factor - 0.25).abs() < 1e-4, "{fallen:?}");
    let again = corrected(&budget, &fallen, &minute(&now, 2_166.7), &now, at(&now));
    assert_eq!(again, fallen, "one minute is judged once");
    let minute_later = standing(30, 660);
    let of_earlier_steps = corrected(
        &budget,
        &fallen,
        &minute(&minute_later, 2_166.7),
        &minute_later,
        at(&minute_later),
    );
    assert!(
        (of_earlier_steps.factor - 0.25).abs() < 1e-4,
        "{of_earlier_steps:?}"
    );
    let soon = standing(30, 700);
    let still = corrected(&budget, &fallen, &minute(&soon, 10.0), &soon, at(&soon));
    assert!((still.factor - 0.25).abs() < 1e-4, "{still:?}");
    let later = standing(30, 1_200);
    let grown = corrected(&budget, &fallen, &minute(&later, 10.0), &later, at(&later));
    assert!((grown.factor - 0.3125).abs() < 1e-4, "{grown:?}");
    let blind = corrected(&budget, &fallen, &Flows::default(), &later, at(&later));
    assert_eq!(blind, fallen, "without a metric nothing grows");
}

#[test]
fn what_is_loud_all_the_time_is_held_as_long_as_the_rest_can_go_in_time() {
    let budget = budget(OnDeadline::Finish);
    let mut control = Control {
        baseline: Some(0.0),
        factor: LEAST_FACTOR,
        ..Control::default()
    };
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
    let known = Control {
        baseline: Some(0.0),
        ..Control::default()
    };
    let now = standing(30, 600);
    // 2500 connections in a minute are 42 a second.
    assert_eq!(
        excess(&small, &known, &minute(&now, 51.0), &now, at(&now)),
        None
    );
    assert!(excess(&small, &known, &minute(&now, 52.0), &now, at(&now)).is_some());
}

#[test]
fn a_loud_minute_within_a_long_pause_is_not_missed() {
    let budget = budget(OnDeadline::Finish);
    let now = standing(30, 600);
    let control = Control {
        baseline: Some(0.0),
        judged: Some(at(&now) - 600),
        ..Control::default()
    };
    let mut flows = minute(&now, 10.0);
    flows.new.push(Point {
        at: at(&now) - 300,
        value: 1_000.0 * 60.0,
    });
    assert!(excess(&budget, &control, &flows, &now, at(&now)).is_some());
    assert!(corrected(&budget, &control, &flows, &now, at(&now)).factor < 1.0);
    let none_are_known = Control {
        baseline: None,
        ..control
    };
    assert_eq!(
        excess(&budget, &none_are_known, &flows, &now, at(&now)),
        None
    );
}

#[test]
fn a_drain_that_stops_is_looked_at_when_it_does_and_hurries_no_step() {
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
