//! What is undone, what comes back first, and what is left alone.

use super::*;
use crate::deployment::Answer;
use crate::fixture::{OWNER, World, group_arn, listener_arn};
use crate::observation::{Forward, TaskSetStatus};
use crate::reason::Code;

fn check(world: &World) -> Result<Next, Refusal> {
    next(&world.observation, &world.deployment())
}

fn actions(next: Result<Next, Refusal>) -> Vec<Action> {
    match next {
        Ok(Next::Write(actions)) => actions,
        other => panic!("{other:?}"),
    }
}

fn answer(world: &World) -> Answer {
    check(world).unwrap().answer()
}

/// The end: what was undone and what remains.
fn told(next: Result<Next, Refusal>) -> String {
    let answer = next.unwrap().answer();
    assert_eq!(answer.to, To::DeploymentFailed);
    assert!(matches!(answer.reason, Reason::Failed(_)), "{answer:?}");
    answer.reason.to_string()
}

/// The original takes the traffic back.
fn assert_restored(world: &World) -> Answer {
    let answer = answer(world);
    assert_eq!(
        (answer.to, answer.reason.code()),
        (To::Swap, Code::Restored)
    );
    assert_eq!(answer.deployment.course, Course::Back);
    answer
}

/// One read may be old: nothing is undone at the first look.
fn assert_looks_once_more(next: Result<Next, Refusal>) {
    let answer = next.unwrap().answer();
    assert_eq!(answer.to, To::WaitForOriginal);
    assert!(
        matches!(answer.reason, Reason::SecondLook { .. }),
        "{answer:?}"
    );
    assert_eq!(answer.deployment.progress.looks, 1);
}

/// What the original lacks, while it is waited for.
fn lacks(world: &World) -> Shortfall {
    let answer = answer(world);
    assert_eq!(answer.to, To::WaitForOriginal);
    match answer.reason {
        Reason::RollingBack { shortfall, .. } => shortfall,
        other => panic!("{other:?}"),
    }
}

/// Whatever was written before the rollback shows by now.
fn settled(mut world: World) -> World {
    world.progress.waited = lock::SETTLE;
    world
}

fn second_look(mut world: World) -> World {
    world.progress.looks = 1;
    world
}

#[test]
fn a_candidate_that_never_served_is_deleted_at_the_second_look() {
    assert_looks_once_more(check(&World::created()));
    assert_eq!(
        actions(check(&second_look(World::created()))),
        [Action::DeleteTaskSet {
            task_set: "ecs-svc/2".into(),
            force: true
        }]
    );
}

#[test]
fn an_original_that_a_drain_may_have_scaled_down_is_believed_whole_half_a_minute_later() {
    let mut world = World::swapped();
    world.progress.step = 0;
    assert_restored(&world);
    world.progress.step = 1;
    let look = answer(&world);
    assert_eq!((look.to, look.wait), (To::WaitForOriginal, lock::SETTLE));
    world.progress = look.deployment.progress;
    let back = assert_restored(&world);
    assert_eq!(back.deployment.progress, Progress::default());
}

#[test]
fn while_a_swap_is_recorded_its_record_goes_before_anything_is_deleted() {
    let mut world = World::created();
    world.group_mut("green").swap_intent = Some(OWNER.into());
    assert_looks_once_more(check(&world));
    assert_eq!(
        actions(check(&second_look(world))),
        [Action::ClearSwapIntent {
            target_group: group_arn("green")
        }]
    );
}

#[test]
fn the_record_of_a_swap_is_looked_for_where_the_candidate_is() {
    let mut world = second_look(World::created());
    world.group_mut("green").swap_intent = Some(OWNER.into());
    let mut deployment = world.deployment();
    deployment.replacement_target_group = group_arn("red");
    assert_eq!(
        actions(next(&world.observation, &deployment)),
        [Action::ClearSwapIntent {
            target_group: group_arn("green")
        }]
    );
}

#[test]
fn after_the_commit_point_a_warm_original_takes_the_traffic_back() {
    for world in [World::committed(), settled(World::swapped())] {
        assert_restored(&world);
    }
}

#[test]
fn a_half_drained_original_is_brought_back_first() {
    let mut world = World::swapped();
    world.task_set_mut("ecs-svc/1").scale = 37.5;
    assert_eq!(
        actions(check(&world)),
        [Action::SetScale {
            task_set: "ecs-svc/1".into(),
            percent: 100.0,
            tasks: 4
        }]
    );
    let original = world.task_set_mut("ecs-svc/1");
    original.scale = 100.0;
    original.running_count = 2;
    original.pending_count = 2;
    assert!(matches!(lacks(&world), Shortfall::Tasks { running: 2, .. }));
}

#[test]
fn an_original_that_does_not_get_healthy_again_is_not_given_the_traffic() {
    let mut world = World::swapped();
    world.group_mut("blue").targets.healthy = 1;
    assert!(matches!(
        lacks(&world),
        Shortfall::HealthyTargets { wanted: 4, .. }
    ));
    world.progress.waited = world.request.readiness_timeout;
    assert!(
        told(check(&world))
            .starts_with("Not rolled back, because ecs-svc/1 did not get healthy again")
    );
}

#[test]
fn after_the_original_is_gone_there_is_no_way_back() {
    let mut world = World::swapped();
    world
        .observation
        .task_sets
        .retain(|set| set.id != "ecs-svc/1");
    assert_looks_once_more(check(&world));
    let world = second_look(world);
    assert!(told(check(&world)).starts_with("Not rolled back, because there is no original"));
    let mut world = second_look(World::swapped());
    let original = world.task_set_mut("ecs-svc/1");
    (original.scale, original.running_count) = (0.0, 0);
    assert!(told(check(&world)).starts_with("Not rolled back, because there is no original"));
}

#[test]
fn a_replacement_that_is_gone_while_traffic_goes_to_it_is_left_for_the_original() {
    let mut world = World::swapped();
    world
        .observation
        .task_sets
        .retain(|set| set.id != "ecs-svc/2");
    assert_restored(&settled(world));
}

#[test]
fn a_replacement_that_traffic_was_taken_from_by_hand_keeps_its_connections() {
    let mut world = second_look(World::swapped());
    world.listener_mut(80).forward =
        crate::observation::Forward::weighted(&group_arn("blue"), &group_arn("green"));
    assert!(told(check(&world)).contains("somebody moved the production listener"));
}

#[test]
fn a_primary_candidate_is_not_deleted_whatever_group_it_is_seen_on() {
    let mut world = second_look(World::created());
    let candidate = world.task_set_mut("ecs-svc/2");
    candidate.status = TaskSetStatus::Primary;
    candidate.load_balancers.clear();
    assert!(told(check(&world)).contains("somebody moved the production listener"));
}

#[test]
fn a_candidate_that_a_new_listener_reaches_is_not_deleted() {
    let mut world = second_look(World::created());
    let mut new = world.listener_mut(80).clone();
    (new.port, new.arn, new.role) = (443, listener_arn(443), None);
    new.forward = Forward::to(&group_arn("green"));
    world.observation.listeners.push(new);
    let refusal = check(&world).unwrap_err();
    assert_eq!(refusal.error, ErrorName::Drift);
    assert!(refusal.seen.starts_with("Listener 443 sends"), "{refusal}");
}

#[test]
fn without_a_readable_listener_nothing_is_deleted() {
    let mut world = second_look(World::created());
    world.observation.listeners.clear();
    assert!(check(&world).is_err());
}

#[test]
fn a_set_behind_the_production_listener_is_not_deleted_whatever_it_was_made_for() {
    let mut world = second_look(World::created());
    world.task_set_mut("ecs-svc/2").load_balancers[0].target_group = group_arn("blue");
    assert!(!matches!(check(&world), Ok(Next::Write(_))));
}

#[test]
fn nothing_created_is_nothing_to_undo_at_the_second_look() {
    let mut world = World::serving();
    for replacement in [None, Some("ecs-svc/2".to_owned())] {
        let mut deployment = world.deployment();
        deployment.replacement = replacement;
        assert_looks_once_more(next(&world.observation, &deployment));
    }
    world.progress.looks = 1;
    let mut deployment = world.deployment();
    deployment.replacement = None;
    assert_eq!(
        told(next(&world.observation, &deployment)),
        "Rolled back: there is no replacement task set, and ecs-svc/1 serves as before."
    );
}

#[test]
fn rollback_on_failure_false_leaves_everything_and_says_what_remains() {
    let mut world = World::swapped();
    world.request.rollback_on_failure = false;
    assert_eq!(
        told(check(&world)),
        "Not rolled back, because rollbackOnFailure is false: production traffic goes to green; \
         ecs-svc/2 runs 4 tasks on green, ecs-svc/1 runs 4 tasks on blue."
    );
}

#[test]
fn a_failure_on_the_way_back_is_not_rolled_back_again() {
    let mut world = World::swapped();
    world.course = Course::Back;
    assert!(told(check(&world)).starts_with("The way back failed as well"));
}

#[test]
fn what_was_left_over_takes_the_traffic_only_where_what_serves_has_lost_its_health() {
    let mut world = World::swapped().failed("Permission");
    world.course = Course::Leftover;
    assert!(told(check(&world)).starts_with("What an earlier deployment left"));
    let mut world = World::swapped().failed("NotReadyTimeout");
    world.course = Course::Leftover;
    assert_restored(&settled(world));
}

#[test]
fn a_deleted_candidate_is_rolled_back() {
    let mut world = World::created();
    world.task_set_mut("ecs-svc/2").status = TaskSetStatus::Draining;
    assert!(told(check(&world)).starts_with("Rolled back: ecs-svc/2 is being deleted"));
}

#[test]
fn an_original_that_is_not_whole_gets_the_traffic_of_a_replacement_with_nothing_healthy() {
    let mut world = World::swapped();
    world.group_mut("blue").targets.healthy = 3;
    world.group_mut("blue").targets.unhealthy = 1;
    world.group_mut("green").targets.healthy = 0;
    assert!(matches!(
        lacks(&world),
        Shortfall::HealthyTargets { wanted: 4, .. }
    ));
    world.progress.waited = world.request.readiness_timeout;
    let told = assert_restored(&world);
    assert!(
        told.reason.to_string().contains("is not whole after"),
        "{}",
        told.reason.to_string()
    );
}

#[test]
fn a_rollback_amid_listeners_that_disagree_does_not_say_that_it_was_one() {
    let mut world = World::serving();
    for port in [80, 8080] {
        world.listener_mut(port).role = Some("production".into());
    }
    let mut deployment = world.deployment();
    deployment.replacement = None;
    deployment.progress.looks = 1;
    let told = told(next(&world.observation, &deployment));
    assert!(told.starts_with("Nothing was undone: "), "{told}");
}
