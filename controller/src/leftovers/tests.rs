//! What an earlier deployment left: deleted at once, drained, or left alone.

use super::*;
use crate::deployment::Answer;
use crate::drain::scale_for;
use crate::fixture::{OWNER, World, group_arn, listener_arn};
use crate::observation::{Forward, TaskSetStatus};
use crate::reason::{Blocker, Shortfall, Stage};
use crate::refusal::ErrorName;

fn check(world: &World) -> Result<Next, Refusal> {
    next(&world.observation, &world.deployment())
}

fn answer(world: &World) -> Answer {
    check(world).unwrap().answer()
}

fn refused(world: &World) -> Refusal {
    check(world).unwrap_err()
}

/// Nothing is left over.
fn assert_settled(world: &World) {
    let answer = answer(world);
    assert_eq!(answer.to, To::CheckAndCreateService);
    assert!(
        matches!(answer.reason, Reason::Settled { .. }),
        "{answer:?}"
    );
}

/// The leftover whose drain is planned, with its tasks.
fn planned(world: &World) -> (String, u32) {
    let answer = answer(world);
    assert_eq!(answer.to, To::Wait);
    assert_eq!(answer.deployment.course, Course::Leftover);
    match answer.reason {
        Reason::LeftoverPlanned {
            task_set, tasks, ..
        } => (task_set, tasks),
        other => panic!("{other:?}"),
    }
}

/// What blocks the next step of a leftover's drain.
fn blocker(world: &World) -> Blocker {
    let answer = answer(world);
    assert_eq!(answer.to, To::Wait);
    match answer.reason {
        Reason::Drain(draining) => match draining.stage {
            Stage::Blocked { by, .. } => by,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// A new deployment finds what an earlier one has left in this world.
fn found(mut world: World) -> World {
    for set in &mut world.observation.task_sets {
        set.external_id = set
            .external_id
            .take()
            .map(|_| "ebbtide:Ebbtide:run-0:x".into());
    }
    world
}

/// What is left of a finished swap: the original, its drain planned.
fn draining() -> World {
    let mut world = found(World::swapped());
    world.course = Course::Leftover;
    world
}

fn forced(task_set: &str) -> Next {
    Next::Write(vec![Action::DeleteTaskSet {
        task_set: task_set.into(),
        force: true,
    }])
}

#[test]
fn nothing_left_over_is_nothing_to_do() {
    let world = World::serving();
    assert_settled(&world);
    let answer = answer(&world);
    assert_eq!(answer.deployment.original.as_deref(), Some("ecs-svc/1"));
    assert_eq!(answer.deployment.replacement, None);
}

#[test]
fn a_candidate_that_never_served_is_deleted_at_once() {
    let mut world = found(World::created());
    world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    assert_eq!(check(&world), Ok(forced("ecs-svc/2")));
}

#[test]
fn the_candidate_of_a_first_deployment_is_deleted_at_once() {
    let mut world = found(World::created());
    world
        .observation
        .task_sets
        .retain(|set| set.id != "ecs-svc/1");
    world.group_mut("blue").targets.healthy = 0;
    assert_eq!(check(&world), Ok(forced("ecs-svc/2")));
}

#[test]
fn a_candidate_whose_swap_is_on_record_may_have_served_and_is_drained() {
    let mut world = found(World::healthy());
    world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    world.group_mut("green").swap_intent = Some(OWNER.into());
    assert_eq!(planned(&world).0, "ecs-svc/2");
}

#[test]
fn a_first_deployment_that_died_in_its_swap_is_drained_though_nothing_serves() {
    let mut world = found(World::healthy());
    world
        .observation
        .task_sets
        .retain(|set| set.id != "ecs-svc/1");
    world.group_mut("blue").targets.healthy = 0;
    world.group_mut("green").swap_intent = Some(OWNER.into());
    assert_eq!(planned(&world), ("ecs-svc/2".to_owned(), 4));
    let deployment = answer(&world).deployment;
    assert_eq!(deployment.original.as_deref(), Some("ecs-svc/2"));
    assert_eq!(deployment.replacement, None);
    assert!(matches!(
        next(&world.observation, &deployment),
        Ok(Next::Write(actions)) if matches!(actions[..], [Action::SetScale { .. }])
    ));
}

#[test]
fn a_candidate_that_a_new_listener_reaches_is_not_deleted() {
    let mut world = found(World::created());
    world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    let mut new = world.listener_mut(80).clone();
    (new.port, new.arn, new.role) = (443, listener_arn(443), None);
    new.forward = Forward::to(&group_arn("green"));
    world.observation.listeners.push(new);
    assert_eq!(planned(&world).0, "ecs-svc/2");
    let refusal = next(&world.observation, &answer(&world).deployment).unwrap_err();
    assert_eq!(refusal.error, ErrorName::Drift);
}

#[test]
fn a_set_on_a_target_group_of_somewhere_else_is_for_a_person_to_sort_out() {
    let mut world = found(World::serving());
    world.task_set_mut("ecs-svc/1").load_balancers[0].target_group = group_arn("red");
    let refusal = refused(&world);
    assert_eq!(refusal.error, ErrorName::Drift);
    assert!(refusal.seen.contains("red, which is neither"), "{refusal}");
}

#[test]
fn a_set_that_another_groups_tag_names_may_have_served() {
    let mut world = found(World::serving());
    world.task_set_mut("ecs-svc/1").load_balancers.clear();
    assert_eq!(planned(&world).0, "ecs-svc/1");
}

#[test]
fn a_half_done_swap_is_finished_before_anything_is_drained() {
    let world = found(World::committed());
    let answer = answer(&world);
    assert_eq!((answer.to, answer.reason), (To::Swap, Reason::HalfSwapped));
    assert_eq!(answer.deployment.course, Course::HalfSwapped);
}

#[test]
fn an_old_production_set_is_planned_first_and_then_drained_step_by_step() {
    let world = found(World::swapped());
    assert_eq!(planned(&world), ("ecs-svc/1".to_owned(), 4));
    let taken = answer(&world).deployment;
    assert_eq!(taken.course, Course::Leftover);
    assert_eq!(taken.original.as_deref(), Some("ecs-svc/1"));
    assert_eq!(taken.replacement.as_deref(), Some("ecs-svc/2"));
    assert_eq!(
        next(&world.observation, &taken),
        Ok(Next::Write(vec![Action::SetScale {
            task_set: "ecs-svc/1".into(),
            percent: scale_for(3, 4),
            tasks: 3
        }]))
    );
}

#[test]
fn a_drained_leftover_is_deleted_without_force() {
    let mut world = draining();
    let set = world.task_set_mut("ecs-svc/1");
    (set.scale, set.computed_desired_count, set.running_count) = (0.0, 0, 0);
    world.group_mut("blue").targets.healthy = 0;
    assert_eq!(
        check(&world),
        Ok(Next::Write(vec![Action::DeleteTaskSet {
            task_set: "ecs-svc/1".into(),
            force: false
        }]))
    );
}

#[test]
fn a_leftover_is_not_drained_while_what_serves_is_not_healthy() {
    let mut world = draining();
    world.group_mut("green").targets.healthy = 3;
    assert!(matches!(
        blocker(&world),
        Blocker::Health {
            shortfall: Shortfall::HealthyTargets { wanted: 4, .. },
            ..
        }
    ));
    world.group_mut("green").targets.healthy = 0;
    world.progress.held = 60;
    assert_eq!(refused(&world).error, ErrorName::NotReadyTimeout);
}

#[test]
fn a_set_whose_age_is_not_known_may_have_served() {
    let mut world = found(World::created());
    world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    world.task_set_mut("ecs-svc/2").created_at = None;
    assert_eq!(planned(&world).0, "ecs-svc/2");
}

#[test]
fn two_sets_behind_production_are_for_a_person_to_sort_out() {
    let mut world = found(World::created());
    world.task_set_mut("ecs-svc/2").load_balancers[0].target_group = group_arn("blue");
    let refusal = refused(&world);
    assert_eq!(refusal.error, ErrorName::Drift);
    assert!(
        refusal.seen.contains("ecs-svc/1 and ecs-svc/2"),
        "{refusal}"
    );
}

#[test]
fn targets_of_a_deleted_set_are_waited_for() {
    let mut world = World::serving();
    world.group_mut("green").targets.healthy = 2;
    let answer = answer(&world);
    assert_eq!(answer.to, To::WaitForServiceReady);
    let (targets, wait) = (2, 30);
    assert_eq!(answer.reason, Reason::Deregistering { targets, wait });
    world.progress.looks = LOOKS;
    assert_settled(&world);
}

#[test]
fn a_late_invocation_leaves_what_its_own_deployment_has_created_since() {
    let mut world = World::healthy();
    world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    assert_settled(&world);
}

#[test]
fn a_half_drained_set_that_serves_again_is_brought_back_before_anything_else_is_drained() {
    let mut world = found(World::swapped());
    world.task_set_mut("ecs-svc/2").scale = 37.5;
    assert_eq!(
        check(&world),
        Ok(Next::Write(vec![Action::SetScale {
            task_set: "ecs-svc/2".into(),
            percent: 100.0,
            tasks: 4
        }]))
    );
}

#[test]
fn the_pause_before_a_leftovers_drain_is_not_part_of_the_drain() {
    let world = found(World::swapped());
    let told = answer(&world);
    assert_eq!((told.wait, told.deployment.progress.waited), (60, 0));
}

#[test]
fn of_two_leftovers_the_drained_one_is_deleted_whatever_targets_the_other_has() {
    let mut world = draining();
    let mut other = world.task_set_mut("ecs-svc/1").clone();
    other.id = "ecs-svc/0".into();
    let drained = world.task_set_mut("ecs-svc/1");
    (drained.scale, drained.running_count) = (0.0, 0);
    drained.computed_desired_count = 0;
    world.observation.task_sets.push(other);
    world.group_mut("blue").targets.draining = 3;
    assert_eq!(
        check(&world),
        Ok(Next::Write(vec![Action::DeleteTaskSet {
            task_set: "ecs-svc/1".into(),
            force: false,
        }]))
    );
}

#[test]
fn a_candidate_that_never_served_goes_before_a_leftover_that_drains() {
    let mut world = draining();
    let mut candidate = world.task_set_mut("ecs-svc/1").clone();
    candidate.id = "ecs-svc/3".into();
    candidate.created_at = Some(9_000);
    candidate.external_id = Some("ebbtide:Ebbtide:run-0:x".into());
    world.observation.task_sets.push(candidate);
    world.group_mut("blue").swap_intent = None;
    world.group_mut("blue").is_production = None;
    world.group_mut("blue").task_set_id = None;
    assert_eq!(check(&world), Ok(forced("ecs-svc/3")));
}

#[test]
fn a_sick_leftover_is_drained_though_what_serves_is_sick_as_well() {
    let mut world = draining();
    world.group_mut("green").targets.healthy = 0;
    assert!(matches!(blocker(&world), Blocker::Health { .. }));
    world.group_mut("blue").targets.healthy = 0;
    assert!(matches!(check(&world), Ok(Next::Write(_))));
}

#[test]
fn a_swap_that_somebody_undoes_again_and_again_is_told_of() {
    let mut world = found(World::committed());
    let told = answer(&world);
    assert_eq!((told.to, told.reason), (To::Swap, Reason::HalfSwapped));
    assert_eq!(told.deployment.progress.looks, 1);
    world.progress.looks = LOOKS;
    assert_eq!(refused(&world).error, ErrorName::Drift);
}
