//! What is undone, what comes back first, and what is left alone.

use super::*;
use crate::deployment::Answer;
use crate::fixture::{OWNER, Scene, group_arn, listener_arn};
use crate::reason::Code;
use crate::world::{Forward, TaskSetStatus};

fn check(scene: &Scene) -> Result<Next, Refusal> {
    next(&scene.world, &scene.plan(), &scene.progress)
}

fn actions(next: Result<Next, Refusal>) -> Vec<Action> {
    next.unwrap().writes()
}

fn answer(scene: &Scene) -> Answer {
    check(scene).unwrap().answer()
}

/// The end: what was undone and what remains.
fn told(next: Result<Next, Refusal>) -> String {
    let answer = next.unwrap().answer();
    assert_eq!(answer.to, To::DeploymentFailed);
    assert!(matches!(answer.reason, Reason::Failed(_)), "{answer:?}");
    answer.reason.to_string()
}

/// The original takes the traffic back.
fn assert_restored(scene: &Scene) -> Answer {
    let answer = answer(scene);
    assert_eq!(
        (answer.to, answer.reason.code()),
        (To::Swap, Code::Restored)
    );
    assert_eq!(answer.plan.outgoing, Outgoing::Replacement);
    answer
}

/// One read may be old: nothing is undone at the first check.
fn assert_checks_once_more(next: Result<Next, Refusal>) {
    let answer = next.unwrap().answer();
    assert_eq!(answer.to, To::WaitForOriginal);
    assert!(
        matches!(answer.reason, Reason::SecondLook { .. }),
        "{answer:?}"
    );
    assert_eq!(answer.progress.checks, 1);
}

/// What the original lacks, while it is waited for.
fn lacks(scene: &Scene) -> Shortfall {
    let answer = answer(scene);
    assert_eq!(answer.to, To::WaitForOriginal);
    match answer.reason {
        Reason::RollingBack { shortfall, .. } => shortfall,
        other => panic!("{other:?}"),
    }
}

/// Whatever was written before the rollback shows by now.
fn settled(mut scene: Scene) -> Scene {
    scene.progress.waited = lock::SETTLE;
    scene
}

/// Traffic has moved to a replacement that is given up now.
fn swapped() -> Scene {
    Scene::swapped().failed("HealthLost")
}

fn second_check(mut scene: Scene) -> Scene {
    scene.progress.checks = 1;
    scene
}

#[test]
fn a_candidate_that_never_served_is_deleted_at_the_second_check() {
    assert_checks_once_more(check(&Scene::created()));
    assert_eq!(
        actions(check(&second_check(Scene::created()))),
        [Action::DeleteTaskSet {
            task_set: "ecs-svc/2".into(),
            force: true
        }]
    );
}

#[test]
fn an_original_that_a_drain_may_have_scaled_down_is_believed_whole_half_a_minute_later() {
    let mut scene = swapped();
    scene.progress.step = 0;
    assert_restored(&scene);
    scene.progress.step = 1;
    let check = answer(&scene);
    assert_eq!((check.to, check.wait), (To::WaitForOriginal, lock::SETTLE));
    scene.progress = check.progress;
    let back = assert_restored(&scene);
    assert_eq!(back.progress, Progress::default());
}

#[test]
fn while_a_swap_is_recorded_its_record_goes_before_anything_is_deleted() {
    let mut scene = Scene::created();
    scene.group_mut("green").swap_intent = Some(OWNER.into());
    assert_checks_once_more(check(&scene));
    assert_eq!(
        actions(check(&second_check(scene))),
        [Action::ClearSwapIntent {
            target_group: group_arn("green")
        }]
    );
}

#[test]
fn the_record_of_a_swap_is_looked_for_where_the_candidate_is() {
    let mut scene = second_check(Scene::created());
    scene.group_mut("green").swap_intent = Some(OWNER.into());
    let mut plan = scene.plan();
    plan.replacement_target_group = group_arn("red");
    assert_eq!(
        actions(next(&scene.world, &plan, &scene.progress)),
        [Action::ClearSwapIntent {
            target_group: group_arn("green")
        }]
    );
}

#[test]
fn after_the_commit_point_a_warm_original_takes_the_traffic_back() {
    for scene in [Scene::committed().failed("HealthLost"), settled(swapped())] {
        assert_restored(&scene);
    }
}

#[test]
fn a_half_drained_original_is_brought_back_first() {
    let mut scene = swapped();
    scene.task_set_mut("ecs-svc/1").scale = 37.5;
    assert_eq!(
        actions(check(&scene)),
        [Action::SetScale {
            task_set: "ecs-svc/1".into(),
            percent: 100.0,
            tasks: 4
        }]
    );
    let original = scene.task_set_mut("ecs-svc/1");
    original.scale = 100.0;
    original.running_count = 2;
    original.pending_count = 2;
    assert!(matches!(lacks(&scene), Shortfall::Tasks { running: 2, .. }));
}

#[test]
fn an_original_that_does_not_get_healthy_again_is_not_given_the_traffic() {
    let mut scene = swapped();
    scene.group_mut("blue").targets.healthy = 1;
    assert!(matches!(
        lacks(&scene),
        Shortfall::HealthyTargets { wanted: 4, .. }
    ));
    scene.progress.waited = scene.request.readiness_timeout;
    assert!(
        told(check(&scene))
            .starts_with("Not rolled back, because ecs-svc/1 did not get healthy again")
    );
}

#[test]
fn after_the_original_is_gone_there_is_no_way_back() {
    let mut scene = swapped();
    scene.remove("ecs-svc/1");
    assert_checks_once_more(check(&scene));
    let scene = second_check(scene);
    assert!(told(check(&scene)).starts_with("Not rolled back, because there is no original"));
    let mut scene = second_check(swapped());
    let original = scene.task_set_mut("ecs-svc/1");
    (original.scale, original.running_count) = (0.0, 0);
    assert!(told(check(&scene)).starts_with("Not rolled back, because there is no original"));
}

#[test]
fn a_replacement_that_is_gone_while_traffic_goes_to_it_is_left_for_the_original() {
    let mut scene = swapped();
    scene.remove("ecs-svc/2");
    assert_restored(&settled(scene));
}

#[test]
fn a_replacement_that_traffic_was_taken_from_by_hand_keeps_its_connections() {
    let mut scene = second_check(swapped());
    scene.listener_mut(80).forward =
        crate::world::Forward::weighted(&group_arn("blue"), &group_arn("green"));
    assert!(
        told(check(&scene))
            .contains("the production listener was moved outside of this deployment")
    );
}

#[test]
fn a_primary_candidate_is_not_deleted_whatever_group_it_is_seen_on() {
    let mut scene = second_check(Scene::created());
    let candidate = scene.task_set_mut("ecs-svc/2");
    candidate.status = TaskSetStatus::Primary;
    candidate.load_balancers.clear();
    assert!(
        told(check(&scene))
            .contains("the production listener was moved outside of this deployment")
    );
}

#[test]
fn a_candidate_that_a_new_listener_reaches_is_not_deleted() {
    let mut scene = second_check(Scene::created());
    let mut new = scene.listener_mut(80).clone();
    (new.port, new.arn, new.role) = (443, listener_arn(443), None);
    new.forward = Forward::to(&group_arn("green"));
    scene.world.listeners.push(new);
    let refusal = check(&scene).unwrap_err();
    assert_eq!(refusal.error, ErrorName::Drift);
    assert!(
        refusal.problem.starts_with("Listener 443 sends"),
        "{refusal}"
    );
}

#[test]
fn without_a_readable_listener_nothing_is_deleted() {
    let mut scene = second_check(Scene::created());
    scene.world.listeners.clear();
    assert!(check(&scene).is_err());
}

#[test]
fn a_set_behind_the_production_listener_is_not_deleted_whatever_it_was_made_for() {
    let mut scene = second_check(Scene::created());
    scene.task_set_mut("ecs-svc/2").load_balancers[0].target_group = group_arn("blue");
    assert!(!matches!(check(&scene), Ok(Next::Write(_))));
}

#[test]
fn nothing_created_is_nothing_to_undo_at_the_second_check() {
    let mut scene = Scene::serving();
    for replacement in [None, Some("ecs-svc/2".into())] {
        let mut plan = scene.plan();
        plan.replacement = replacement;
        assert_checks_once_more(next(&scene.world, &plan, &scene.progress));
    }
    scene.progress.checks = 1;
    let plan = scene.plan_to_create();
    assert_eq!(
        told(next(&scene.world, &plan, &scene.progress)),
        "Rolled back: there is no replacement task set, and ecs-svc/1 serves as before."
    );
}

#[test]
fn rollback_on_failure_false_leaves_everything_and_says_what_remains() {
    let mut scene = swapped();
    scene.request.rollback_on_failure = false;
    assert_eq!(
        told(check(&scene)),
        "Not rolled back, because rollbackOnFailure is false: production traffic goes to green; \
         ecs-svc/2 runs 4 tasks on green, ecs-svc/1 runs 4 tasks on blue."
    );
}

#[test]
fn a_failure_on_the_way_back_is_not_rolled_back_again() {
    let mut scene = swapped();
    scene.outgoing = Outgoing::Replacement;
    assert!(told(check(&scene)).starts_with("The way back failed as well"));
}

#[test]
fn a_failure_before_the_swap_moves_nothing() {
    for error in ["Drift", "ServingSetUnhealthy"] {
        let mut scene = swapped().failed(error);
        scene.outgoing = Scene::leftover();
        assert!(told(check(&scene)).starts_with("What an earlier deployment left"));
    }
}

#[test]
fn traffic_stays_on_a_replacement_that_is_not_to_blame() {
    for error in ["DrainTimeout", "Drift", "PreflightFailed"] {
        let scene = settled(Scene::swapped().failed(error));
        assert!(told(check(&scene)).starts_with("Traffic stays on the replacement"));
    }
    for error in ["HealthLost", "ReplacementFailed", "AlarmRaised"] {
        assert_restored(&settled(Scene::swapped().failed(error)));
    }
}

#[test]
fn after_trouble_of_awss_the_drain_goes_on_where_it_was() {
    let mut scene = Scene::swapped().failed("Lambda.TooManyRequestsException");
    scene.progress = Progress {
        waited: 40,
        step: 3,
        pause: 20,
        baking: true,
        interrupted: true,
        ..Progress::default()
    };
    let answer = answer(&scene);
    assert_eq!((answer.to, answer.wait), (To::Wait, 60));
    assert_eq!(answer.reason.code(), Code::GoingOn);
    assert_eq!(answer.plan.failure, None);
    let progress = Progress {
        waited: 60,
        spent: 40,
        returns: 1,
        interrupted: false,
        ..scene.progress
    };
    assert_eq!(answer.progress, progress);
    scene.progress.returns = MOST_RETURNS;
    assert!(told(check(&scene)).starts_with("Traffic stays on the replacement"));
}

#[test]
fn after_trouble_of_awss_a_swap_is_finished_and_so_is_a_way_back() {
    let mut scene = Scene::committed().failed("Transient");
    assert_eq!(answer(&scene).to, To::Bake);
    scene = Scene::swapped().failed("HealthLost");
    scene.outgoing = Outgoing::Replacement;
    scene.progress.interrupted = true;
    let back = answer(&scene);
    assert_eq!(back.to, To::Bake);
    assert_eq!(back.plan.failure.unwrap().error, "HealthLost");
}

#[test]
fn a_drained_original_comes_back_where_nothing_else_works() {
    let mut scene = swapped();
    let original = scene.task_set_mut("ecs-svc/1");
    (original.scale, original.running_count) = (0.0, 0);
    scene.group_mut("green").targets.healthy = 0;
    assert!(matches!(
        actions(check(&scene))[..],
        [Action::SetScale { tasks: 4, .. }]
    ));
}

#[test]
fn what_this_execution_has_moved_traffic_to_is_never_deleted_by_force() {
    // Put back by hand altogether: listeners, tags and PRIMARY.
    let mut scene = second_check(Scene::created()).failed("Drift");
    scene.progress.baking = true;
    assert!(
        told(check(&scene))
            .contains("the production listener was moved outside of this deployment")
    );
}

#[test]
fn a_deleted_candidate_is_rolled_back() {
    let mut scene = Scene::created();
    scene.task_set_mut("ecs-svc/2").status = TaskSetStatus::Draining;
    assert!(told(check(&scene)).starts_with("Rolled back: ecs-svc/2 is being deleted"));
}

#[test]
fn an_original_that_is_not_whole_gets_the_traffic_of_a_replacement_with_nothing_healthy() {
    let mut scene = swapped();
    scene.group_mut("blue").targets.healthy = 3;
    scene.group_mut("blue").targets.unhealthy = 1;
    scene.group_mut("green").targets.healthy = 0;
    assert!(matches!(
        lacks(&scene),
        Shortfall::HealthyTargets { wanted: 4, .. }
    ));
    scene.progress.waited = scene.request.readiness_timeout;
    let told = assert_restored(&scene);
    assert!(
        told.reason.to_string().contains("is not whole after"),
        "{}",
        told.reason.to_string()
    );
}

#[test]
fn a_rollback_amid_listeners_that_disagree_does_not_say_that_it_was_one() {
    let mut scene = Scene::serving();
    for port in [80, 8080] {
        scene.listener_mut(port).role = Some("production".into());
    }
    let plan = scene.plan_to_create();
    scene.progress.checks = 1;
    let told = told(next(&scene.world, &plan, &scene.progress));
    assert!(told.starts_with("Nothing was undone: "), "{told}");
}

#[test]
fn a_first_deployment_has_no_way_back() {
    let scene = second_check(swapped());
    let mut plan = scene.plan();
    plan.original = None;
    let told = told(next(&scene.world, &plan, &scene.progress));
    assert!(told.starts_with("Not rolled back, because there is no original"));
}
