//! The drain, step by step: what is taken, what is held, when it ends.

mod pacing;

use super::*;
use crate::deployment::Answer;
use crate::drain::pace::Pace;
use crate::fixture::{Scene, group_arn};
use crate::phase::To;
use crate::reason::{Code, DrainProgress, Reason, Stage};
use crate::world::{Forward, StoppedTasks, TaskSetStatus};

fn check(scene: &Scene) -> Result<Next, Refusal> {
    next(&scene.world, &scene.plan(), &scene.progress)
}

fn answer(scene: &Scene) -> Answer {
    check(scene).unwrap().answer()
}

fn refused(scene: &Scene) -> Refusal {
    check(scene).unwrap_err()
}

/// What a turn that takes nothing away comes to, and how far the drain is.
fn draining(answer: &Answer) -> (Stage, DrainProgress) {
    match &answer.reason {
        Reason::Drain(draining) => (draining.stage.clone(), draining.progress),
        other => panic!("{other:?}"),
    }
}

/// The step that was made: tasks left, and of how many.
fn step_made(scene: &Scene) -> (u32, u32) {
    let answer = answer(scene);
    assert_eq!(answer.to, To::Wait);
    match draining(&answer) {
        (Stage::Step(_), progress) => (progress.left, progress.of),
        (other, _) => panic!("{other:?}"),
    }
}

/// What blocks the next step.
fn blocker(scene: &Scene) -> Blocker {
    let answer = answer(scene);
    assert_eq!((answer.to, answer.reason.code()), (To::Wait, Code::Blocked));
    match draining(&answer).0 {
        Stage::Blocked { by, .. } => by,
        other => panic!("{other:?}"),
    }
}

/// Tasks that still run after the last step.
fn stopping(scene: &Scene) -> u32 {
    let answer = answer(scene);
    assert_eq!(answer.to, To::Wait);
    match draining(&answer).0 {
        Stage::TasksStopping { running, .. } => running,
        other => panic!("{other:?}"),
    }
}

fn assert_drained(scene: &Scene) {
    let answer = answer(scene);
    assert_eq!(
        (answer.to, draining(&answer).0),
        (To::Cleanup, Stage::Drained)
    );
}

fn lacks_healthy_targets(blocker: &Blocker) -> bool {
    matches!(
        blocker,
        Blocker::Health {
            shortfall: Shortfall::HealthyTargets { wanted: 4, .. },
            ..
        }
    )
}

fn scale_to(tasks: u32) -> Next {
    Next::one(Action::SetScale {
        task_set: "ecs-svc/1".into(),
        percent: scale_for(tasks, 4),
        tasks,
    })
}

/// The original at `tasks` of 4, `running` of them still there.
fn drained_to(tasks: u32, running: u32) -> Scene {
    let mut scene = Scene::swapped();
    drain_to(&mut scene, tasks, running);
    scene
}

fn drain_to(scene: &mut Scene, tasks: u32, running: u32) {
    let original = scene.task_set_mut("ecs-svc/1");
    original.scale = scale_for(tasks, 4);
    original.computed_desired_count = tasks;
    original.running_count = running;
    scene.group_mut("blue").targets.healthy = running;
}

#[test]
fn the_first_step_takes_a_quarter() {
    assert_eq!(check(&Scene::swapped()), Ok(scale_to(3)));
}

#[test]
fn counts_as_large_as_they_get_are_no_overflow() {
    let mut scene = drained_to(0, u32::MAX);
    scene.task_set_mut("ecs-svc/1").pending_count = u32::MAX;
    let targets = &mut scene.group_mut("blue").targets;
    (targets.initial, targets.draining) = (u32::MAX, u32::MAX);
    scene.progress.step = u32::MAX;
    assert_eq!(stopping(&scene), u32::MAX);
    let plan = scene.plan();
    let drain = Drain::of(&scene.world, &plan, &scene.progress, 0).unwrap();
    let answer = Waiting::new(drain).step_made(0).answer();
    assert_eq!(answer.progress.step, u32::MAX);
}

#[test]
fn a_step_that_was_made_is_not_made_again() {
    let scene = drained_to(3, 4);
    assert_eq!(step_made(&scene), (3, 4));
}

#[test]
fn a_late_duplicate_of_an_early_step_does_not_bring_tasks_back() {
    let mut scene = drained_to(1, 1);
    scene.progress.step = 1;
    assert_eq!(step_made(&scene), (3, 4));
}

#[test]
fn the_drain_is_done_when_the_last_task_has_left_and_not_before() {
    let mut scene = drained_to(0, 1);
    scene.progress.step = 4;
    assert_eq!(stopping(&scene), 1);
    let mut scene = drained_to(0, 0);
    scene.progress.step = 4;
    assert_drained(&scene);
}

#[test]
fn a_service_scaled_to_zero_is_not_drained_while_its_tasks_run() {
    let mut scene = drained_to(4, 2);
    scene.world.service.desired_count = 0;
    scene.task_set_mut("ecs-svc/1").computed_desired_count = 0;
    assert_eq!(step_made(&scene), (3, 4));
}

#[test]
fn the_set_behind_the_production_listener_is_never_drained() {
    let mut scene = Scene::swapped();
    scene.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("green"));
    assert_eq!(refused(&scene).error, ErrorName::Drift);
}

#[test]
fn a_replacement_that_lost_health_holds_the_step() {
    let mut scene = Scene::swapped();
    scene.group_mut("green").targets.healthy = 3;
    scene.group_mut("green").targets.unhealthy = 1;
    assert!(lacks_healthy_targets(&blocker(&scene)));
    let answer = answer(&scene);
    assert_eq!(answer.progress.step, 1);
    assert_eq!((answer.to, answer.wait), (To::Wait, 30));
    assert_eq!(answer.reason.code(), Code::Blocked);
    assert!(
        answer.reason.to_string().contains("step held with 4 tasks"),
        "{}",
        answer.reason.to_string()
    );
}

#[test]
fn a_desired_count_that_rises_never_brings_tasks_back() {
    let mut scene = drained_to(2, 2);
    scene.progress.step = 3;
    scene.world.service.desired_count = 8;
    let original = scene.task_set_mut("ecs-svc/1");
    original.computed_desired_count = tasks_at(original.scale, 8);
    let before = original.scale;
    let replacement = scene.task_set_mut("ecs-svc/2");
    (
        replacement.computed_desired_count,
        replacement.running_count,
    ) = (8, 8);
    scene.group_mut("green").targets.healthy = 8;
    let actions = check(&scene).unwrap().writes();
    // A quarter of eight, as it was a quarter of four.
    assert!(matches!(
        actions[..],
        [Action::SetScale { percent, tasks: 2, .. }] if percent < before
    ));
}

#[test]
fn a_desired_count_that_rises_between_swap_and_drain_makes_no_bigger_step() {
    let mut scene = Scene::swapped();
    scene.world.service.desired_count = 40;
    for id in ["ecs-svc/1", "ecs-svc/2"] {
        let set = scene.task_set_mut(id);
        (set.computed_desired_count, set.running_count) = (40, 40);
    }
    scene.group_mut("green").targets.healthy = 40;
    assert!(matches!(
        check(&scene).unwrap().writes()[..],
        [Action::SetScale { tasks: 30, .. }]
    ));
}

#[test]
fn an_original_that_is_gone_or_going_is_drained() {
    let mut scene = Scene::swapped();
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Draining;
    assert_drained(&scene);
    scene.remove("ecs-svc/1");
    let first = answer(&scene);
    assert!(
        matches!(
            draining(&first).0,
            Stage::Confirming {
                seen: 1,
                wanted: 2,
                ..
            }
        ),
        "{first:?}"
    );
    assert_eq!((first.to, first.progress.checks), (To::Wait, 1));
    scene.progress.checks = 1;
    assert_drained(&scene);
}

#[test]
fn seeing_nothing_is_not_seeing_a_drained_original() {
    let mut scene = Scene::swapped();
    scene.progress.checks = 1;
    scene.world.task_sets.clear();
    assert_eq!(refused(&scene).error, ErrorName::NotYetConsistent);
}

#[test]
fn an_original_whose_targets_still_drain_is_not_drained() {
    let mut scene = drained_to(0, 0);
    scene.progress.step = 4;
    scene.group_mut("blue").targets.draining = 4;
    assert_eq!(stopping(&scene), 4);
}

#[test]
fn a_listener_that_came_later_stops_the_drain() {
    let mut scene = Scene::swapped();
    let mut new = scene.listener_mut(80).clone();
    (new.port, new.role) = (443, None);
    new.forward = Forward::to(&group_arn("blue"));
    scene.world.listeners.push(new);
    let refusal = refused(&scene);
    assert!(
        refusal.problem.starts_with("Listener 443 sends traffic"),
        "{refusal}"
    );
}

#[test]
fn a_desired_count_that_falls_in_the_drain_makes_no_bigger_step() {
    let mut scene = Scene::swapped();
    scene.request.drain.pace = Pace::Percent {
        decrement: 1.0,
        every: 60,
    };
    scene.world.service.desired_count = 50;
    let original = scene.task_set_mut("ecs-svc/1");
    (
        original.scale,
        original.computed_desired_count,
        original.running_count,
    ) = (39.5, 20, 20);
    let replacement = scene.task_set_mut("ecs-svc/2");
    (
        replacement.computed_desired_count,
        replacement.running_count,
    ) = (50, 50);
    scene.group_mut("green").targets.healthy = 50;
    scene.progress.step = 62;
    let mut plan = scene.plan();
    (plan.tasks, plan.desired) = (100, 100);
    assert!(matches!(
        next(&scene.world, &plan, &scene.progress).unwrap().writes()[..],
        [Action::SetScale { tasks: 19, .. }]
    ));
}

#[test]
fn a_drain_that_was_held_to_its_end_says_what_held_it() {
    let mut scene = Scene::swapped();
    scene.group_mut("green").targets.healthy = 3;
    scene.request.drain_timeout = Some(1_800);
    scene.progress.waited = 1_800;
    let refusal = refused(&scene);
    assert_eq!(refusal.error, ErrorName::DrainTimeout);
    assert!(
        refusal
            .problem
            .contains("held because ecs-svc/2 is not healthy"),
        "{refusal}"
    );
}

#[test]
fn how_long_lost_health_is_borne_depends_on_how_much_is_lost() {
    let given_up = |healthy: u32, held: u32| {
        let mut scene = Scene::swapped();
        scene.group_mut("green").targets.healthy = healthy;
        scene.progress.held = held;
        matches!(check(&scene), Err(refusal) if refusal.error == ErrorName::HealthLost)
    };
    assert!(!given_up(0, 59));
    assert!(given_up(0, 60));
    assert!(!given_up(1, 299));
    assert!(given_up(1, 300));
    // Half of what is wanted: as after Auto Scaling has doubled the service.
    assert!(!given_up(2, 1_799));
    assert!(given_up(2, 1_800));
}

#[test]
fn on_the_way_back_lost_health_holds_and_is_not_given_up() {
    let mut scene = Scene::swapped();
    scene.outgoing = Outgoing::Replacement;
    scene.group_mut("green").targets.healthy = 0;
    scene.progress.held = 900;
    assert!(lacks_healthy_targets(&blocker(&scene)));
}

#[test]
fn held_checks_are_counted_and_forgotten_when_health_is_back() {
    let mut scene = Scene::swapped();
    scene.group_mut("green").targets.healthy = 3;
    let first = answer(&scene);
    assert_eq!(first.progress.held, first.wait);
    let later = next(&drained_to(3, 4).world, &first.plan, &first.progress);
    let later = later.unwrap().answer();
    assert_eq!(later.reason.code(), Code::Step);
    assert_eq!(later.progress.held, 0);
}

#[test]
fn nothing_is_taken_away_before_the_bake_is_over() {
    let mut scene = Scene::swapped();
    (scene.progress.step, scene.progress.waited) = (0, 60);
    let answer = answer(&scene);
    let (left, wait) = (30, 30);
    assert_eq!(draining(&answer).0, Stage::Baking { left, wait });
    assert_eq!(answer.to, To::Wait);
    assert_eq!((answer.wait, answer.progress.waited), (30, 90));
    scene.progress = answer.progress;
    assert_eq!(check(&scene), Ok(scale_to(3)));
}

#[test]
fn the_seconds_of_a_drain_are_counted_from_the_end_of_the_bake() {
    let mut scene = Scene::swapped();
    scene.request.bake_time = 3_600;
    (scene.progress.step, scene.progress.waited) = (0, 3_600);
    assert_eq!(check(&scene), Ok(scale_to(3)));
    drain_to(&mut scene, 3, 4);
    assert_eq!(step_made(&scene), (3, 4));
    let answer = answer(&scene);
    assert_eq!(answer.progress.waited, 60);
    assert_eq!(answer.progress.step, 2);
}

#[test]
fn a_replacement_that_loses_health_while_it_bakes_is_noticed() {
    let mut scene = Scene::swapped();
    (scene.progress.step, scene.progress.waited) = (0, 60);
    scene.group_mut("green").targets.healthy = 0;
    assert!(lacks_healthy_targets(&blocker(&scene)));
    scene.progress.held = 60;
    assert_eq!(refused(&scene).error, ErrorName::HealthLost);
}

#[test]
fn an_alarm_stops_the_drain_and_means_nothing_on_the_way_back() {
    let mut scene = Scene::swapped().alarmed("ALARM");
    assert_eq!(refused(&scene).error, ErrorName::AlarmRaised);
    scene.outgoing = Outgoing::Replacement;
    assert_eq!(check(&scene), Ok(scale_to(3)));
    assert_eq!(check(&Scene::swapped().alarmed("OK")), Ok(scale_to(3)));
}

#[test]
fn an_alarm_that_is_deleted_in_the_drain_is_reported_and_stops_nothing() {
    let mut scene = Scene::swapped().alarmed("OK");
    scene.world.alarms.clear();
    assert_eq!(check(&scene), Ok(scale_to(3)));
    let original = scene.task_set_mut("ecs-svc/1");
    (original.scale, original.computed_desired_count) = (62.5, 3);
    let told = check(&scene).unwrap().answer().reason.to_string();
    let wanted = "; CloudWatch has no alarm errors any more, and the drain goes on without it";
    assert!(told.ends_with(wanted), "{told}");
    // Before traffic has moved it is refused.
    assert!(quiet(&scene.world, &scene.plan()).is_err());
}

#[test]
fn a_step_is_held_while_an_alarm_says_what_none_are_known() {
    let scene = Scene::swapped().alarmed("SOMETHING_NEW");
    assert_eq!(
        blocker(&scene),
        Blocker::AlarmState {
            alarm: "errors".into(),
            state: "SOMETHING_NEW".into()
        }
    );
    let answer = answer(&scene);
    assert!(
        answer
            .reason
            .to_string()
            .contains("because alarm errors is in the unknown state SOMETHING_NEW"),
        "{}",
        answer.reason.to_string()
    );
    assert_eq!(answer.progress.step, scene.progress.step);
}

#[test]
fn the_deadline_is_named_with_what_remains() {
    let mut scene = drained_to(2, 2);
    scene.progress.step = 3;
    scene.request.drain_timeout = Some(1_800);
    scene.progress.waited = 1_000;
    scene.progress.spent = 800;
    let refusal = refused(&scene);
    assert_eq!(refusal.error, ErrorName::DrainTimeout);
    assert!(
        refusal
            .problem
            .contains("still runs 2 of its 4 tasks 1800 s"),
        "{refusal}"
    );
}

/// Every step is made, and two tasks do not stop.
fn all_steps_made() -> Scene {
    let mut scene = drained_to(0, 2);
    scene.task_set_mut("ecs-svc/1").scale = 0.0;
    scene.progress.step = 4;
    scene.request.drain_timeout = Some(1_800);
    scene
}

#[test]
fn tasks_that_do_not_stop_end_the_drain_and_undo_nothing() {
    let mut scene = all_steps_made();
    assert_eq!(answer(&scene).reason.code(), Code::TasksStopping);
    scene.progress.waited = 1_800;
    assert_drained(&scene);
}

#[test]
fn health_counts_until_the_last_task_has_stopped() {
    let mut scene = all_steps_made();
    scene.group_mut("green").targets.healthy = 0;
    let first = answer(&scene);
    assert!(first.progress.held > 0, "{first:?}");
    scene.progress.held = 60;
    assert_eq!(refused(&scene).error, ErrorName::HealthLost);
}

#[test]
fn a_drain_does_not_end_while_nothing_works() {
    let mut scene = drained_to(0, 0);
    scene.task_set_mut("ecs-svc/1").scale = 0.0;
    scene.group_mut("green").targets.healthy = 0;
    assert!(lacks_healthy_targets(&blocker(&scene)));
    scene.progress.held = 60;
    assert_eq!(refused(&scene).error, ErrorName::HealthLost);
    scene.progress.held = 0;
    scene.group_mut("green").targets.healthy = 1;
    assert_drained(&scene);
}

#[test]
fn a_service_that_grows_keeps_its_healthy_version() {
    let mut scene = Scene::swapped();
    scene.world.service.desired_count = 9;
    for (id, running) in [("ecs-svc/1", 4), ("ecs-svc/2", 4)] {
        let set = scene.task_set_mut(id);
        set.computed_desired_count = 9;
        (set.running_count, set.pending_count) = (running, 5);
        set.steady = false;
    }
    assert!(matches!(check(&scene), Ok(Next::Write(_))));
}

#[test]
fn a_scale_in_does_not_hold_a_step() {
    let mut scene = Scene::swapped();
    let replacement = scene.task_set_mut("ecs-svc/2");
    (replacement.running_count, replacement.steady) = (6, false);
    scene.group_mut("green").targets.draining = 2;
    assert_eq!(check(&scene), Ok(scale_to(3)));
}

#[test]
fn one_task_of_twenty_may_be_missing() {
    let missing = |missing: u32| {
        let mut scene = Scene::swapped();
        scene.world.service.desired_count = 40;
        for id in ["ecs-svc/1", "ecs-svc/2"] {
            let set = scene.task_set_mut(id);
            (set.computed_desired_count, set.running_count) = (40, 40);
        }
        scene.group_mut("green").targets.healthy = 40 - missing;
        let mut plan = scene.plan();
        (plan.tasks, plan.desired) = (40, 40);
        next(&scene.world, &plan, &scene.progress).unwrap()
    };
    assert!(matches!(missing(2), Next::Write(_)));
    assert!(matches!(missing(3), Next::Go(_)));
}

#[test]
fn a_replacement_whose_tasks_go_on_failing_is_given_up() {
    let mut scene = Scene::swapped();
    scene.world.stopped_tasks = StoppedTasks {
        failed: 2,
        newest: Some("Essential container in task exited".into()),
    };
    assert_eq!(check(&scene), Ok(scale_to(3)));
    scene.world.stopped_tasks.failed = 3;
    assert_eq!(refused(&scene).error, ErrorName::ReplacementFailed);
    scene.request.failed_tasks = Some(4);
    assert_eq!(check(&scene), Ok(scale_to(3)));
}

#[test]
fn each_answer_counts_the_step_and_the_wait() {
    let scene = drained_to(3, 4);
    let answer = answer(&scene);
    assert_eq!(answer.progress.step, 2);
    assert_eq!(answer.progress.waited, 60);
    assert_eq!(
        answer.reason.to_string(),
        "original ecs-svc/1: step 1 of 4: scaled to 3 of 4 tasks; next 1 in 60 s, done about 00:09Z"
    );
}

#[test]
fn targets_that_are_no_task_of_the_original_do_not_keep_it() {
    let mut scene = drained_to(0, 0);
    scene.task_set_mut("ecs-svc/1").scale = 0.0;
    scene.group_mut("blue").targets.healthy = 1;
    assert_drained(&scene);
    scene.group_mut("blue").targets.draining = 1;
    assert_eq!(step_made(&scene), (3, 4));
}

#[test]
fn an_alarm_means_nothing_once_the_original_runs_no_task() {
    let mut scene = drained_to(0, 0);
    scene.task_set_mut("ecs-svc/1").scale = 0.0;
    assert_drained(&scene.alarmed("ALARM"));
}
