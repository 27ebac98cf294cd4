//! What an earlier deployment left: deleted at once, drained, or left alone.

use super::*;
use crate::deployment::Answer;
use crate::drain::scale_for;
use crate::fixture::{OWNER, Scene, group_arn, listener_arn};
use crate::id::TaskSetId;
use crate::reason::{Blocker, Shortfall, Stage};
use crate::refusal::ErrorName;
use crate::world::{Forward, Targets, TaskSetStatus};

fn check(scene: &Scene) -> Result<Next, Refusal> {
    next(&scene.world, &scene.plan(), &scene.progress)
}

fn answer(scene: &Scene) -> Answer {
    check(scene).unwrap().answer()
}

fn refused(scene: &Scene) -> Refusal {
    check(scene).unwrap_err()
}

/// Nothing is left over.
fn assert_settled(scene: &Scene) {
    let answer = answer(scene);
    assert_eq!(answer.to, To::CheckAndCreateService);
    assert!(
        matches!(answer.reason, Reason::Settled { .. }),
        "{answer:?}"
    );
}

/// The leftover whose drain is planned, with its tasks.
fn planned(scene: &Scene) -> (TaskSetId, u32) {
    let answer = answer(scene);
    assert_eq!(answer.to, To::Wait);
    assert!(matches!(answer.plan.outgoing, Outgoing::Leftover(Some(_))));
    match answer.reason {
        Reason::LeftoverPlanned {
            task_set, tasks, ..
        } => (task_set, tasks),
        other => panic!("{other:?}"),
    }
}

/// What blocks the next step of a leftover's drain.
fn blocker(scene: &Scene) -> Blocker {
    let answer = answer(scene);
    assert_eq!(answer.to, To::Wait);
    match answer.reason {
        Reason::Drain(draining) => match draining.stage {
            Stage::Blocked { by, .. } => by,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// A new deployment finds what an earlier one has left in this scene.
fn found(mut scene: Scene) -> Scene {
    for set in &mut scene.world.task_sets {
        set.external_id = set
            .external_id
            .take()
            .map(|_| "ebbtide:Ebbtide:run-0:x".into());
    }
    scene
}

/// What is left of a finished swap: the original, its drain planned.
fn draining() -> Scene {
    let mut scene = found(Scene::swapped());
    scene.outgoing = Scene::leftover();
    scene
}

fn forced(task_set: &str) -> Next {
    Next::one(Action::DeleteTaskSet {
        task_set: task_set.into(),
        force: true,
    })
}

#[test]
fn nothing_left_over_is_nothing_to_do() {
    let scene = Scene::serving();
    assert_settled(&scene);
    let answer = answer(&scene);
    assert_eq!(answer.plan.original.as_deref(), Some("ecs-svc/1"));
    assert_eq!(answer.plan.replacement, None);
}

#[test]
fn a_candidate_that_runs_no_task_is_deleted_at_once() {
    let mut scene = found(Scene::created());
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    scene.task_set_mut("ecs-svc/2").running_count = 0;
    assert_eq!(check(&scene), Ok(forced("ecs-svc/2")));
}

#[test]
fn what_runs_is_drained_where_no_tag_says_that_it_has_served() {
    // As after a swap back by hand, with the tags and PRIMARY put back.
    let mut scene = found(Scene::healthy());
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    assert_eq!(*planned(&scene).0, *"ecs-svc/2");
}

/// Three hours after a deployment that left one task of `ecs-svc/1` on the group that does not serve.
fn straggling() -> Scene {
    let mut scene = found(Scene::swapped());
    let now = i64::try_from(scene.world.now).unwrap();
    let straggler = scene.task_set_mut("ecs-svc/1");
    (straggler.scale, straggler.running_count) = (0.0, 1);
    straggler.computed_desired_count = 0;
    straggler.updated_at = Some(now - 10_800);
    scene.group_mut("blue").targets.healthy = 1;
    scene
}

#[test]
fn a_task_that_does_not_stop_is_not_waited_for_and_gets_no_traffic() {
    let mut scene = straggling();
    let target_group = group_arn("blue");
    let deregister = Next::one(Action::DeregisterTargets { target_group });
    assert_eq!(check(&scene), Ok(deregister));
    scene.group_mut("blue").targets = Targets {
        draining: 1,
        ..Targets::default()
    };
    assert_settled(&scene);
}

#[test]
fn a_task_that_may_stop_yet_is_waited_for() {
    let mut scene = straggling();
    let now = i64::try_from(scene.world.now).unwrap();
    scene.task_set_mut("ecs-svc/1").updated_at = Some(now - 60);
    assert_eq!(answer(&scene).to, To::Wait);
}

#[test]
fn a_straggler_on_the_group_that_serves_is_not_what_serves() {
    let mut scene = straggling();
    scene.task_set_mut("ecs-svc/1").load_balancers[0].target_group = group_arn("green");
    scene.group_mut("blue").targets.healthy = 0;
    assert_eq!(answer(&scene).plan.original.as_deref(), Some("ecs-svc/2"));
}

#[test]
fn the_candidate_of_a_first_deployment_is_deleted_at_once() {
    let mut scene = found(Scene::created());
    scene.remove("ecs-svc/1");
    scene.group_mut("blue").targets.healthy = 0;
    scene.task_set_mut("ecs-svc/2").running_count = 0;
    assert_eq!(check(&scene), Ok(forced("ecs-svc/2")));
}

#[test]
fn a_candidate_whose_swap_is_on_record_may_have_served_and_is_drained() {
    let mut scene = found(Scene::healthy());
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    scene.group_mut("green").swap_intent = Some(OWNER.into());
    assert_eq!(*planned(&scene).0, *"ecs-svc/2");
}

#[test]
fn a_first_deployment_that_died_in_its_swap_is_drained_though_nothing_serves() {
    let mut scene = found(Scene::healthy());
    scene.remove("ecs-svc/1");
    scene.group_mut("blue").targets.healthy = 0;
    scene.group_mut("green").swap_intent = Some(OWNER.into());
    assert_eq!(planned(&scene), ("ecs-svc/2".into(), 4));
    let Answer { plan, progress, .. } = answer(&scene);
    assert_eq!(plan.outgoing_set().unwrap().as_str(), "ecs-svc/2");
    assert_eq!(plan.incoming_set(), None);
    assert!(matches!(
        next(&scene.world, &plan, &progress).unwrap().writes()[..],
        [Action::SetScale { .. }]
    ));
}

#[test]
fn a_candidate_that_a_new_listener_reaches_is_not_deleted() {
    let mut scene = found(Scene::created());
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    let mut new = scene.listener_mut(80).clone();
    (new.port, new.arn, new.role) = (443, listener_arn(443), None);
    new.forward = Forward::to(&group_arn("green"));
    scene.world.listeners.push(new);
    assert_eq!(*planned(&scene).0, *"ecs-svc/2");
    let Answer { plan, progress, .. } = answer(&scene);
    let refusal = next(&scene.world, &plan, &progress).unwrap_err();
    assert_eq!(refusal.error, ErrorName::Drift);
}

#[test]
fn a_set_on_a_target_group_of_somewhere_else_is_for_a_person_to_sort_out() {
    let mut scene = found(Scene::serving());
    scene.task_set_mut("ecs-svc/1").load_balancers[0].target_group = group_arn("red");
    let refusal = refused(&scene);
    assert_eq!(refusal.error, ErrorName::Drift);
    assert!(
        refusal.problem.contains("red, which is neither"),
        "{refusal}"
    );
}

#[test]
fn a_set_that_another_groups_tag_names_may_have_served() {
    let mut scene = found(Scene::serving());
    scene.task_set_mut("ecs-svc/1").load_balancers.clear();
    assert_eq!(*planned(&scene).0, *"ecs-svc/1");
}

#[test]
fn a_half_done_swap_is_finished_before_anything_is_drained() {
    let scene = found(Scene::committed());
    let answer = answer(&scene);
    assert_eq!((answer.to, answer.reason), (To::Swap, Reason::HalfSwapped));
    assert_eq!(answer.plan.outgoing, Outgoing::Original);
    assert_eq!(
        (answer.plan.original, answer.plan.replacement),
        (None, None)
    );
}

#[test]
fn an_old_production_set_is_planned_first_and_then_drained_step_by_step() {
    let scene = found(Scene::swapped());
    assert_eq!(planned(&scene), ("ecs-svc/1".into(), 4));
    let Answer { plan, progress, .. } = answer(&scene);
    assert_eq!(plan.outgoing, Scene::leftover());
    assert_eq!(plan.original.as_deref(), Some("ecs-svc/2"));
    assert_eq!(plan.replacement, None);
    assert_eq!(
        next(&scene.world, &plan, &progress),
        Ok(Next::one(Action::SetScale {
            task_set: "ecs-svc/1".into(),
            percent: scale_for(3, 4),
            tasks: 3
        }))
    );
}

#[test]
fn a_drained_leftover_is_deleted_without_force() {
    let mut scene = draining();
    let set = scene.task_set_mut("ecs-svc/1");
    (set.scale, set.computed_desired_count, set.running_count) = (0.0, 0, 0);
    scene.group_mut("blue").targets.healthy = 0;
    assert_eq!(
        check(&scene),
        Ok(Next::one(Action::DeleteTaskSet {
            task_set: "ecs-svc/1".into(),
            force: false
        }))
    );
}

#[test]
fn a_leftover_is_not_drained_while_what_serves_is_not_healthy() {
    let mut scene = draining();
    scene.group_mut("green").targets.healthy = 3;
    assert!(matches!(
        blocker(&scene),
        Blocker::Health {
            shortfall: Shortfall::HealthyTargets { wanted: 4, .. },
            ..
        }
    ));
    scene.group_mut("green").targets.healthy = 0;
    scene.progress.held = 1_799;
    assert!(matches!(blocker(&scene), Blocker::Health { .. }));
    scene.progress.held = 1_800;
    assert_eq!(refused(&scene).error, ErrorName::ServingSetUnhealthy);
}

#[test]
fn a_set_whose_age_is_not_known_may_have_served() {
    let mut scene = found(Scene::created());
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    scene.task_set_mut("ecs-svc/2").created_at = None;
    assert_eq!(*planned(&scene).0, *"ecs-svc/2");
}

#[test]
fn two_sets_behind_production_are_for_a_person_to_sort_out() {
    let mut scene = found(Scene::created());
    scene.task_set_mut("ecs-svc/2").load_balancers[0].target_group = group_arn("blue");
    let refusal = refused(&scene);
    assert_eq!(refusal.error, ErrorName::Drift);
    assert!(
        refusal.problem.contains("ecs-svc/1 and ecs-svc/2"),
        "{refusal}"
    );
}

#[test]
fn targets_of_a_deleted_set_are_waited_for() {
    let mut scene = Scene::serving();
    scene.group_mut("green").targets.healthy = 2;
    let answer = answer(&scene);
    assert_eq!(answer.to, To::WaitForServiceReady);
    let (targets, wait) = (2, 30);
    assert_eq!(answer.reason, Reason::Deregistering { targets, wait });
    scene.progress.checks = CHECKS;
    assert_settled(&scene);
}

#[test]
fn a_late_invocation_leaves_what_its_own_deployment_has_created_since() {
    let mut scene = Scene::healthy();
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    assert_settled(&scene);
}

#[test]
fn a_half_drained_set_that_serves_again_is_brought_back_before_anything_else_is_drained() {
    let mut scene = found(Scene::swapped());
    scene.task_set_mut("ecs-svc/2").scale = 37.5;
    assert_eq!(
        check(&scene),
        Ok(Next::one(Action::SetScale {
            task_set: "ecs-svc/2".into(),
            percent: 100.0,
            tasks: 4
        }))
    );
}

#[test]
fn the_pause_before_a_leftovers_drain_is_not_part_of_the_drain() {
    let scene = found(Scene::swapped());
    let told = answer(&scene);
    assert_eq!((told.wait, told.progress.waited), (60, 0));
}

#[test]
fn of_two_leftovers_the_drained_one_is_deleted_whatever_targets_the_other_has() {
    let mut scene = draining();
    let mut other = scene.task_set_mut("ecs-svc/1").clone();
    other.id = "ecs-svc/0".into();
    let drained = scene.task_set_mut("ecs-svc/1");
    (drained.scale, drained.running_count) = (0.0, 0);
    drained.computed_desired_count = 0;
    scene.world.task_sets.push(other);
    scene.group_mut("blue").targets.draining = 3;
    assert_eq!(
        check(&scene),
        Ok(Next::one(Action::DeleteTaskSet {
            task_set: "ecs-svc/1".into(),
            force: false,
        }))
    );
}

#[test]
fn a_candidate_that_never_served_goes_before_a_leftover_that_drains() {
    let mut scene = draining();
    let mut candidate = scene.task_set_mut("ecs-svc/1").clone();
    candidate.id = "ecs-svc/3".into();
    candidate.created_at = Some(9_000);
    candidate.running_count = 0;
    candidate.external_id = Some("ebbtide:Ebbtide:run-0:x".into());
    scene.world.task_sets.push(candidate);
    scene.group_mut("blue").swap_intent = None;
    scene.group_mut("blue").is_production = None;
    scene.group_mut("blue").task_set_id = None;
    assert_eq!(check(&scene), Ok(forced("ecs-svc/3")));
}

#[test]
fn a_sick_leftover_is_drained_though_what_serves_is_sick_as_well() {
    let mut scene = draining();
    scene.group_mut("green").targets.healthy = 0;
    assert!(matches!(blocker(&scene), Blocker::Health { .. }));
    scene.group_mut("blue").targets.healthy = 0;
    assert!(matches!(check(&scene), Ok(Next::Write(_))));
}

#[test]
fn a_swap_that_is_undone_again_and_again_is_reported() {
    let mut scene = found(Scene::committed());
    let told = answer(&scene);
    assert_eq!((told.to, told.reason), (To::Swap, Reason::HalfSwapped));
    assert_eq!(told.progress.checks, 1);
    scene.progress.checks = CHECKS;
    assert_eq!(refused(&scene).error, ErrorName::Drift);
}
