//! When the next step comes: by a budget, evenly over a time, after a long pause, or at once.

use super::*;
use crate::drain::flows::Point;
use crate::drain::pace::{Budget, OnDeadline};

fn by_budget(on_deadline: OnDeadline) -> World {
    let mut world = World::swapped();
    world.request.drain.pace = Pace::Budget(Budget {
        reconnects: 500.0,
        connections_per_task: Some(2_500.0),
        deadline: 3_600,
        on_deadline,
    });
    world.now = 100_000;
    world
}

fn minute(world: &mut World, per_second: f64) {
    world.flows.new = vec![Point {
        at: world.now - 120,
        value: per_second * 60.0,
    }];
}

/// The drain has begun: the original is at three of four tasks, and two are to be left next.
fn begun(on_deadline: OnDeadline) -> World {
    let mut world = by_budget(on_deadline);
    let original = world.task_set_mut("ecs-svc/1");
    original.scale = scale_for(3, 4);
    original.computed_desired_count = 3;
    world.progress.step = 2;
    world.control.began = Some(99_990);
    world.control.left = Some(2);
    world.control.ordinary = Some(0.0);
    world
}

#[test]
fn the_first_step_of_a_budget_takes_one_task_and_plans_the_next() {
    let mut world = by_budget(OnDeadline::Finish);
    assert_eq!(check(&world), Ok(scale_to(3)));
    let original = world.task_set_mut("ecs-svc/1");
    original.scale = scale_for(3, 4);
    original.computed_desired_count = 3;
    minute(&mut world, 40.0);
    assert_eq!(step_made(&world), (3, 4));
    let told = answer(&world);
    assert_eq!(told.wait, 7);
    assert_eq!(told.deployment.control.left, Some(2));
    assert_eq!(told.deployment.control.began, Some(100_000));
    assert!(
        told.reason.to_string()
            .ends_with("next 1 in 7 s, done about 03:50Z (its first reconnects are seen about 90 s after its first step)"),
        "{}",
        told.reason.to_string()
    );
}

#[test]
fn a_step_is_held_while_more_reconnect_than_the_budget_allows() {
    let mut world = begun(OnDeadline::Finish);
    assert_eq!(check(&world), Ok(scale_to(2)));
    minute(&mut world, 1_000.0);
    let (seen, budget) = (1_000, 500);
    assert_eq!(blocker(&world), Blocker::Reconnects { seen, budget });
    let told = answer(&world);
    assert!(
        told.reason
            .to_string()
            .contains("because 1000 reconnects a second came, and 500 are allowed"),
        "{}",
        told.reason.to_string()
    );
    assert_eq!(told.deployment.progress.step, 2);
    assert_eq!(
        told.deployment.progress.held, 0,
        "the replacement is not to blame"
    );
    assert!(told.deployment.control.factor < 1.0);
}

#[test]
fn without_metrics_a_budget_goes_on_at_its_planned_pace_and_says_so() {
    let mut world = begun(OnDeadline::Finish);
    world.flows.error = Some("CloudWatch.AccessDenied".into());
    assert_eq!(check(&world), Ok(scale_to(2)));
    drain_to(&mut world, 2, 3);
    assert_eq!(step_made(&world), (2, 4));
    let told = answer(&world);
    assert_eq!(told.wait, 7);
    assert!(
        told.reason.to_string().ends_with(
            "(at the planned pace, because CloudWatch has no new values (CloudWatch.AccessDenied))"
        ),
        "{}",
        told.reason.to_string()
    );
}

#[test]
fn a_drain_that_stops_at_its_deadline_says_what_is_left() {
    let mut world = begun(OnDeadline::Stop);
    world.now = 99_990 + 3_180;
    assert_eq!(
        check(&world),
        Ok(scale_to(2)),
        "the last step may be a little late"
    );
    world.now += 120;
    let refusal = refused(&world);
    assert_eq!(refusal.error, ErrorName::DrainTimeout);
    assert!(
        refusal.seen.contains("still has 3 of its 4 tasks"),
        "{refusal}"
    );
    let mut world = begun(OnDeadline::Finish);
    world.now = 99_990 + 3_180;
    assert_eq!(check(&world), Ok(scale_to(2)));
}

#[test]
fn only_the_way_forward_stops_at_its_deadline() {
    let mut world = begun(OnDeadline::Stop);
    world.now = 99_990 + 9_000;
    world.course = Course::Back;
    assert_eq!(check(&world), Ok(scale_to(2)));
}

#[test]
fn an_original_without_connections_goes_at_once() {
    let mut world = World::swapped();
    world.now = 100_000;
    let none = |at| Point { at, value: 0.0 };
    let one = Point {
        at: 99_760,
        value: 1.0,
    };
    world.flows.connections = vec![none(99_880), none(99_820), one];
    assert_eq!(check(&world), Ok(scale_to(0)));
    // In a pause as well.
    world.progress.pause = 1_000;
    assert_eq!(check(&world), Ok(scale_to(0)));
}

#[test]
fn a_long_pause_is_looked_at_every_five_minutes() {
    let mut world = World::swapped();
    world.request.drain.pace = Pace::Tasks {
        tasks: 1,
        every: 1_500,
    };
    world.progress.step = 1;
    let original = world.task_set_mut("ecs-svc/1");
    (original.scale, original.computed_desired_count) = (scale_for(3, 4), 3);
    assert_eq!(step_made(&world), (3, 4));
    let mut answered = answer(&world);
    assert!(
        answered.reason.to_string().contains("next 1 in 1500 s"),
        "{}",
        answered.reason.to_string()
    );
    let mut looks = Vec::new();
    while answered.deployment.progress.pause > 0 {
        looks.push(answered.wait);
        let seconds = answered.deployment.progress.pause;
        let paused = next(&world.observation, &answered.deployment);
        answered = paused.unwrap().answer();
        assert_eq!(draining(&answered).0, Stage::Pause { seconds });
        assert_eq!(answered.deployment.progress.step, 2);
    }
    looks.push(answered.wait);
    assert_eq!(looks, [300; 5]);
    assert_eq!(answered.deployment.progress.waited, 1_500);
    assert!(matches!(
        next(&world.observation, &answered.deployment),
        Ok(Next::Write(_))
    ));
}

#[test]
fn an_alarm_or_a_sick_replacement_is_seen_in_a_pause() {
    let paused = || {
        let mut world = World::swapped();
        world.progress.pause = 1_000;
        world
    };
    let mut sick = paused();
    sick.group_mut("green").targets.healthy = 0;
    assert!(lacks_healthy_targets(&blocker(&sick)));
    let refusal = refused(&paused().alarmed("ALARM"));
    assert_eq!(refusal.error, ErrorName::AlarmRaised);
}

#[test]
fn steps_over_a_time_make_up_for_what_the_turns_take_and_never_hurry() {
    let mut world = World::swapped();
    world.request.drain.pace = Pace::Within { seconds: 60 };
    world.progress.step = 2;
    world.control.began = Some(100_000);
    let wait_at = |world: &mut World, now: u64| {
        world.now = now;
        let original = world.task_set_mut("ecs-svc/1");
        (original.scale, original.computed_desired_count) = (scale_for(2, 4), 2);
        assert_eq!(step_made(world), (2, 4));
        answer(world).wait
    };
    assert_eq!(wait_at(&mut world, 100_020), 20);
    assert_eq!(wait_at(&mut world, 100_023), 17);
    assert_eq!(wait_at(&mut world, 100_900), 15);
}
