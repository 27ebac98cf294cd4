//! When the next step comes: by a budget, evenly over a time, after a long pause, or at once.

use super::*;
use crate::drain::flows::Point;
use crate::drain::pace::{Budget, OnDeadline};
use crate::drain::pacing::Drain;

fn by_budget(on_deadline: OnDeadline) -> Scene {
    let mut scene = Scene::swapped();
    scene.group_mut("blue").deregistration_delay = 300;
    scene.request.drain.pace = Pace::Budget(Budget {
        reconnects: 500.0,
        connections_per_task: Some(2_500.0),
        deadline: 3_600,
        on_deadline,
    });
    scene.world.now = 100_000;
    scene
}

fn minute(scene: &mut Scene, per_second: f64) {
    scene.world.flows.new = vec![Point {
        at: scene.world.now - 120,
        value: per_second * 60.0,
    }];
}

/// The drain has begun: the original is at three of four tasks, and two are to be left next.
fn begun(on_deadline: OnDeadline) -> Scene {
    let mut scene = by_budget(on_deadline);
    let original = scene.task_set_mut("ecs-svc/1");
    original.scale = scale_for(3, 4);
    original.computed_desired_count = 3;
    scene.progress.step = 2;
    scene.progress.control.began = Some(99_990);
    scene.progress.control.left = Some(2);
    scene.progress.control.baseline = Some(0.0);
    scene
}

#[test]
fn the_first_step_of_a_budget_takes_one_task_and_plans_the_next() {
    let mut scene = by_budget(OnDeadline::Finish);
    assert_eq!(check(&scene), Ok(scale_to(3)));
    let original = scene.task_set_mut("ecs-svc/1");
    original.scale = scale_for(3, 4);
    original.computed_desired_count = 3;
    minute(&mut scene, 40.0);
    assert_eq!(step_made(&scene), (3, 4));
    let told = answer(&scene);
    assert_eq!(told.wait, 7);
    assert_eq!(told.progress.control.left, Some(2));
    assert_eq!(told.progress.control.began, Some(100_000));
    assert!(
        told.reason.to_string()
            .ends_with("next 1 in 7 s, done about 03:53Z (its first reconnects are seen about 360 s after its first step)"),
        "{}",
        told.reason.to_string()
    );
}

#[test]
fn a_step_is_held_while_more_reconnect_than_the_budget_allows() {
    let mut scene = begun(OnDeadline::Finish);
    assert_eq!(check(&scene), Ok(scale_to(2)));
    minute(&mut scene, 1_000.0);
    let (seen, allowed) = (1_000, 542);
    assert_eq!(blocker(&scene), Blocker::Reconnects { seen, allowed });
    let told = answer(&scene);
    assert!(
        told.reason
            .to_string()
            .contains("because 1000 reconnects a second came, and 542 are allowed"),
        "{}",
        told.reason.to_string()
    );
    assert_eq!(told.progress.step, 2);
    assert_eq!(told.progress.held, 0, "the replacement is not to blame");
    assert!(told.progress.control.factor < 1.0);
}

#[test]
fn without_metrics_a_budget_goes_on_at_its_planned_pace_and_says_so() {
    let mut scene = begun(OnDeadline::Finish);
    scene.world.flows.error = Some("CloudWatch.AccessDenied".into());
    assert_eq!(check(&scene), Ok(scale_to(2)));
    drain_to(&mut scene, 2, 3);
    assert_eq!(step_made(&scene), (2, 4));
    let told = answer(&scene);
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
    let mut scene = begun(OnDeadline::Stop);
    scene.world.now = 99_990 + 3_180;
    assert_eq!(
        check(&scene),
        Ok(scale_to(2)),
        "the last step may be a little late"
    );
    scene.world.now += 120;
    let refusal = refused(&scene);
    assert_eq!(refusal.error, ErrorName::DrainTimeout);
    assert!(
        refusal.problem.contains("still has 3 of its 4 tasks"),
        "{refusal}"
    );
    let mut scene = begun(OnDeadline::Finish);
    scene.world.now = 99_990 + 3_180;
    assert_eq!(check(&scene), Ok(scale_to(2)));
}

#[test]
fn only_the_way_forward_stops_at_its_deadline() {
    let mut scene = begun(OnDeadline::Stop);
    scene.world.now = 99_990 + 9_000;
    scene.outgoing = Outgoing::Replacement;
    assert_eq!(check(&scene), Ok(scale_to(2)));
}

#[test]
fn an_original_without_connections_goes_at_once() {
    let mut scene = Scene::swapped();
    scene.world.now = 100_000;
    let none = |at| Point { at, value: 0.0 };
    let one = Point {
        at: 99_760,
        value: 1.0,
    };
    scene.world.flows.connections = vec![none(99_880), none(99_820), one];
    assert_eq!(check(&scene), Ok(scale_to(0)));
    // In a pause as well.
    scene.progress.pause = 1_000;
    assert_eq!(check(&scene), Ok(scale_to(0)));
}

#[test]
fn a_long_pause_is_looked_at_every_minute_and_after_two_hours_every_five() {
    let mut scene = Scene::swapped();
    scene.request.drain.pace = Pace::Tasks {
        tasks: 1,
        every: 8_700,
    };
    scene.progress.step = 1;
    let original = scene.task_set_mut("ecs-svc/1");
    (original.scale, original.computed_desired_count) = (scale_for(3, 4), 3);
    assert_eq!(step_made(&scene), (3, 4));
    let mut answered = answer(&scene);
    assert!(
        answered.reason.to_string().contains("next 1 in 8700 s"),
        "{}",
        answered.reason.to_string()
    );
    let mut checks = Vec::new();
    while answered.progress.pause > 0 {
        checks.push(answered.wait);
        let seconds = answered.progress.pause;
        let paused = next(&scene.world, &answered.plan, &answered.progress);
        answered = paused.unwrap().answer();
        assert_eq!(draining(&answered).0, Stage::Pause { seconds });
        assert_eq!(answered.progress.step, 2);
    }
    checks.push(answered.wait);
    assert_eq!(checks, [vec![60; 120], vec![300; 5]].concat());
    assert_eq!(answered.progress.waited, 8_700);
    assert!(matches!(
        next(&scene.world, &answered.plan, &answered.progress),
        Ok(Next::Write(_))
    ));
}

#[test]
fn an_alarm_or_a_sick_replacement_is_seen_in_a_pause() {
    let paused = || {
        let mut scene = Scene::swapped();
        scene.progress.pause = 1_000;
        scene
    };
    let mut sick = paused();
    sick.group_mut("green").targets.healthy = 0;
    assert!(lacks_healthy_targets(&blocker(&sick)));
    let refusal = refused(&paused().alarmed("ALARM"));
    assert_eq!(refusal.error, ErrorName::AlarmRaised);
}

/// The wait after a step that was made so many seconds after the first, of a drain that has waited for so
/// many.
fn wait_after(scene: &Scene, step: u32, elapsed: u32, waited: u32) -> u32 {
    let plan = scene.plan();
    let mut progress = scene.progress;
    (progress.step, progress.waited) = (step, waited);
    progress.control.began = Some(scene.world.now - u64::from(elapsed));
    let mut drain = Drain::of(&scene.world, &plan, &progress, 1).unwrap();
    drain.next(false).wait
}

fn evenly(tasks: u32, seconds: u32) -> Scene {
    let mut scene = Scene::swapped();
    scene.request.drain.pace = Pace::Within { seconds };
    scene.tasks = tasks;
    scene
}

#[test]
fn steps_over_a_time_make_up_for_what_the_turns_take_and_never_hurry() {
    let scene = evenly(40, 312);
    // Eight seconds apart.
    let of_step = |elapsed, waited| wait_after(&scene, 10, elapsed, waited);
    assert_eq!(of_step(72, 72), 8);
    assert_eq!(of_step(75, 72), 8, "a quarter of a second a turn");
    // Each turn has taken a second, or most of a minute.
    assert_eq!(of_step(82, 72), 7);
    assert_eq!(of_step(600, 72), 6);
    // Held for long.
    assert_eq!(of_step(900, 900), 8);
}

#[test]
fn long_and_short_pauses_alternate_evenly() {
    let scene = evenly(40, 180);
    // 4.6 s apart.
    let waits = (1..40).map(|step| wait_after(&scene, step, 5 * (step - 1), 5 * (step - 1)));
    let waits: Vec<_> = waits.collect();
    assert_eq!(waits.iter().sum::<u32>(), 180);
    for three in waits.windows(3) {
        assert!((13..=14).contains(&three.iter().sum::<u32>()), "{waits:?}");
        assert!(three[0] + three[1] >= 9, "{waits:?}");
    }
}

#[test]
fn long_pauses_keep_out_of_step_with_clients_and_add_up() {
    for pace in ["within", "budget"] {
        let mut scene = evenly(10, 540);
        if pace == "budget" {
            scene = by_budget(OnDeadline::Finish);
            scene.tasks = 20;
            scene.request.drain.pace = Pace::Budget(Budget {
                reconnects: 60.0,
                connections_per_task: Some(2_500.0),
                deadline: 14_400,
                on_deadline: OnDeadline::Finish,
            });
        }
        let (mut elapsed, mut waits) = (0, Vec::new());
        for step in 1..10 {
            scene.progress.control.left = Some(19 - step);
            let wait = wait_after(&scene, step, elapsed, elapsed);
            assert_eq!(wait, wait_after(&scene, step, elapsed, elapsed), "{pace}");
            elapsed += wait;
            waits.push(wait);
        }
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(most - least >= 6 && most - least <= 24, "{pace}: {waits:?}");
        assert!(elapsed.abs_diff(540) <= 12, "{pace}: {waits:?}");
        scene.execution = "run-2".into();
        let other = (1..10).map(|step| wait_after(&scene, step, 60 * (step - 1), 60 * (step - 1)));
        assert_ne!(other.collect::<Vec<_>>(), waits, "{pace}");
    }
}
