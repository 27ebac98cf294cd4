//! The drain over many turns, and the waits between its steps. Single turns are stories.

use super::*;
use crate::deployment::Answer;
use crate::drain::pace::{OnDeadline, Pace};
use crate::fixture::{Scene, budget};
use crate::phase::To;
use crate::reason::{Reason, Stage};

#[test]
fn counts_as_large_as_they_get_are_no_overflow() {
    let mut scene = Scene::swapped();
    let original = scene.task_set_mut("ecs-svc/1");
    (original.scale, original.computed_desired_count) = (0.0, 0);
    (original.running_count, original.pending_count) = (u32::MAX, u32::MAX);
    let targets = &mut scene.group_mut("blue").targets;
    (targets.healthy, targets.initial, targets.draining) = (u32::MAX, u32::MAX, u32::MAX);
    scene.progress.step = u32::MAX;
    let plan = scene.plan();
    let stopping = next(&scene.world, &plan, &scene.progress).unwrap().answer();
    let running = u32::MAX;
    assert!(
        matches!(&stopping.reason, Reason::Drain(drain)
            if matches!(drain.stage, Stage::TasksStopping { running: seen, .. } if seen == running)),
        "{stopping:?}"
    );
    let drain = Drain::of(&scene.world, &plan, &scene.progress, 0).unwrap();
    let answer = Waiting::new(drain, 0).step_made(0).answer();
    assert_eq!(answer.progress.step, u32::MAX);
}

#[test]
fn a_long_pause_is_checked_every_minute_and_after_two_hours_every_five() {
    let mut scene = Scene::swapped();
    let (tasks, every) = (1, 8_700);
    scene.request.drain.pace = Pace::Tasks { tasks, every };
    let original = scene.task_set_mut("ecs-svc/1");
    (original.scale, original.computed_desired_count) = (scale_for(3, 4), 3);
    let check = |answer: &Answer| next(&scene.world, &answer.plan, &answer.progress).unwrap();
    let first = next(&scene.world, &scene.plan(), &scene.progress).unwrap();
    let mut answered = first.answer();
    let told = answered.reason.to_string();
    assert!(told.contains("next step (1 task) in 8700 s"), "{told}");
    let mut checks = Vec::new();
    while answered.progress.pause > 0 {
        checks.push(answered.wait);
        let seconds = answered.progress.pause;
        answered = check(&answered).answer();
        let Reason::Drain(drain) = &answered.reason else {
            panic!("{answered:?}");
        };
        assert_eq!(drain.stage, Stage::Pause { seconds });
        assert_eq!((answered.to, answered.progress.step), (To::Wait, 2));
    }
    checks.push(answered.wait);
    assert_eq!(checks, [vec![60; 120], vec![300; 5]].concat());
    assert_eq!(answered.progress.waited, 8_700);
    assert!(matches!(check(&answered), Next::Write(_)));
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
            scene.group_mut("blue").deregistration_delay = 300;
            scene.tasks = 20;
            scene.request.drain.pace = Pace::Budget(budget(60.0, 14_400, OnDeadline::Finish));
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
