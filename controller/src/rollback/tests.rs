//! What is undone, what comes back first, and what is left alone.

use super::*;
use crate::fixture::{OWNER, World, group_arn, listener_arn};
use crate::observation::{Forward, TaskSetStatus};

fn look(world: &World) -> Decision {
    decide(&world.observation, &world.deployment())
}

fn comes_to(world: &World) -> Outcome {
    outcome(&world.observation, &world.deployment())
}

fn told(world: &World) -> String {
    match comes_to(world) {
        Outcome::Over(sentence) => sentence,
        Outcome::Restored(how) => how,
    }
}

fn second_look(mut world: World) -> World {
    world.progress.looks = 1;
    world
}

#[test]
fn a_candidate_that_never_served_is_deleted_at_the_second_look() {
    assert_eq!(
        look(&World::created()),
        Decision::Wait(WaitingOn::SecondLook)
    );
    assert_eq!(
        look(&second_look(World::created())),
        Decision::Act(vec![Action::DeleteTaskSet {
            task_set: "ecs-svc/2".into(),
            force: true
        }])
    );
}

#[test]
fn while_a_swap_is_recorded_its_record_goes_before_anything_is_deleted() {
    let mut world = World::created();
    world.group_mut("green").swap_intent = Some(OWNER.into());
    assert_eq!(look(&world), Decision::Wait(WaitingOn::SecondLook));
    assert_eq!(
        look(&second_look(world)),
        Decision::Act(vec![Action::ClearSwapIntent {
            target_group: group_arn("green")
        }])
    );
}

#[test]
fn the_record_of_a_swap_is_looked_for_where_the_candidate_is() {
    let mut world = second_look(World::created());
    world.group_mut("green").swap_intent = Some(OWNER.into());
    let mut deployment = world.deployment();
    deployment.replacement_target_group = group_arn("red");
    assert_eq!(
        decide(&world.observation, &deployment),
        Decision::Act(vec![Action::ClearSwapIntent {
            target_group: group_arn("green")
        }])
    );
}

#[test]
fn after_the_commit_point_a_warm_original_takes_the_traffic_back() {
    for world in [World::committed(), World::swapped()] {
        assert_eq!(look(&world), Decision::Done);
        assert!(matches!(comes_to(&world), Outcome::Restored(_)));
    }
}

#[test]
fn a_half_drained_original_is_brought_back_first() {
    let mut world = World::swapped();
    world.task_set_mut("ecs-svc/1").scale = 37.5;
    assert_eq!(
        look(&world),
        Decision::Act(vec![Action::SetScale {
            task_set: "ecs-svc/1".into(),
            percent: 100.0,
            tasks: 4
        }])
    );
    let original = world.task_set_mut("ecs-svc/1");
    original.scale = 100.0;
    original.running_count = 2;
    original.pending_count = 2;
    assert!(matches!(
        look(&world),
        Decision::Wait(WaitingOn::Tasks { running: 2, .. })
    ));
}

#[test]
fn an_original_that_does_not_get_healthy_again_is_not_given_the_traffic() {
    let mut world = World::swapped();
    world.group_mut("blue").targets.healthy = 1;
    assert!(matches!(look(&world), Decision::Wait(_)));
    world.progress.waited = world.request.readiness_timeout;
    assert_eq!(look(&world), Decision::Done);
    assert!(
        told(&world).starts_with("Not rolled back, because ecs-svc/1 did not get healthy again")
    );
}

#[test]
fn after_the_original_is_gone_there_is_no_way_back() {
    let mut world = World::swapped();
    world
        .observation
        .task_sets
        .retain(|set| set.id != "ecs-svc/1");
    assert_eq!(look(&world), Decision::Wait(WaitingOn::SecondLook));
    let world = second_look(world);
    assert_eq!(look(&world), Decision::Done);
    assert!(told(&world).starts_with("Not rolled back, because there is no original"));
    let mut world = second_look(World::swapped());
    let original = world.task_set_mut("ecs-svc/1");
    (original.scale, original.running_count) = (0.0, 0);
    assert_eq!(look(&world), Decision::Done);
    assert!(told(&world).starts_with("Not rolled back, because there is no original"));
}

#[test]
fn a_replacement_that_is_gone_while_traffic_goes_to_it_is_left_for_the_original() {
    let mut world = World::swapped();
    world
        .observation
        .task_sets
        .retain(|set| set.id != "ecs-svc/2");
    assert_eq!(look(&world), Decision::Done);
    assert!(matches!(comes_to(&world), Outcome::Restored(_)));
}

#[test]
fn a_replacement_that_traffic_was_taken_from_by_hand_keeps_its_connections() {
    let mut world = second_look(World::swapped());
    world.listener_mut(80).forward =
        crate::observation::Forward::weighted(&group_arn("blue"), &group_arn("green"));
    assert_eq!(look(&world), Decision::Done);
    assert!(told(&world).contains("somebody moved the production listener"));
}

#[test]
fn a_primary_candidate_is_not_deleted_whatever_group_it_is_seen_on() {
    let mut world = second_look(World::created());
    let candidate = world.task_set_mut("ecs-svc/2");
    candidate.status = TaskSetStatus::Primary;
    candidate.load_balancers.clear();
    assert_eq!(look(&world), Decision::Done);
}

#[test]
fn a_candidate_that_a_new_listener_reaches_is_not_deleted() {
    let mut world = second_look(World::created());
    let mut new = world.listener_mut(80).clone();
    (new.port, new.arn, new.role) = (443, listener_arn(443), None);
    new.forward = Forward::to(&group_arn("green"));
    world.observation.listeners.push(new);
    let Decision::Refuse(refusal) = look(&world) else {
        panic!()
    };
    assert_eq!(refusal.error, ErrorName::Drift);
    assert!(refusal.seen.starts_with("Listener 443 sends"), "{refusal}");
}

#[test]
fn without_a_readable_listener_nothing_is_deleted() {
    let mut world = second_look(World::created());
    world.observation.listeners.clear();
    assert!(matches!(look(&world), Decision::Refuse(_)));
}

#[test]
fn a_set_behind_the_production_listener_is_not_deleted_whatever_it_was_made_for() {
    let mut world = second_look(World::created());
    world.task_set_mut("ecs-svc/2").load_balancers[0].target_group = group_arn("blue");
    assert!(!matches!(look(&world), Decision::Act(_)));
}

#[test]
fn nothing_created_is_nothing_to_undo_at_the_second_look() {
    let mut world = World::serving();
    for replacement in [None, Some("ecs-svc/2".to_owned())] {
        let mut deployment = world.deployment();
        deployment.replacement = replacement;
        assert_eq!(
            decide(&world.observation, &deployment),
            Decision::Wait(WaitingOn::SecondLook)
        );
    }
    world.progress.looks = 1;
    let mut deployment = world.deployment();
    deployment.replacement = None;
    assert_eq!(decide(&world.observation, &deployment), Decision::Done);
    assert_eq!(
        outcome(&world.observation, &deployment),
        Outcome::Over(
            "Rolled back: there is no replacement task set, and ecs-svc/1 serves as before.".into()
        )
    );
}

#[test]
fn rollback_on_failure_false_leaves_everything_and_says_what_remains() {
    let mut world = World::swapped();
    world.request.rollback_on_failure = false;
    assert_eq!(look(&world), Decision::Done);
    assert_eq!(
        told(&world),
        "Not rolled back, because rollbackOnFailure is false: production traffic goes to green; \
         ecs-svc/2 runs 4 tasks on green, ecs-svc/1 runs 4 tasks on blue."
    );
}

#[test]
fn a_failure_on_the_way_back_is_not_rolled_back_again() {
    let mut world = World::swapped();
    world.course = Course::Back;
    assert_eq!(look(&world), Decision::Done);
    assert!(told(&world).starts_with("The way back failed as well"));
}

#[test]
fn what_was_left_over_takes_the_traffic_only_where_what_serves_has_lost_its_health() {
    let mut world = World::swapped().failed("Permission");
    world.course = Course::Leftover;
    assert!(told(&world).starts_with("What an earlier deployment left"));
    let mut world = World::swapped().failed("NotReadyTimeout");
    world.course = Course::Leftover;
    assert!(matches!(comes_to(&world), Outcome::Restored(_)));
}

#[test]
fn a_deleted_candidate_is_rolled_back() {
    let mut world = World::created();
    world.task_set_mut("ecs-svc/2").status = TaskSetStatus::Draining;
    assert_eq!(look(&world), Decision::Done);
    assert!(told(&world).starts_with("Rolled back: ecs-svc/2 is being deleted"));
}

#[test]
fn an_original_that_is_not_whole_gets_the_traffic_of_a_replacement_with_nothing_healthy() {
    let mut world = World::swapped();
    world.group_mut("blue").targets.healthy = 3;
    world.group_mut("blue").targets.unhealthy = 1;
    world.group_mut("green").targets.healthy = 0;
    assert!(matches!(look(&world), Decision::Wait(_)));
    world.progress.waited = world.request.readiness_timeout;
    assert_eq!(look(&world), Decision::Done);
    let told = answer(&world.observation, &world.deployment(), None);
    assert_eq!((told.to, told.reason.code()), (To::Swap, Code::Restored));
    assert_eq!(told.deployment.course, Course::Back);
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
    let Outcome::Over(told) = outcome(&world.observation, &deployment) else {
        panic!("restored");
    };
    assert!(told.starts_with("Nothing was undone: "), "{told}");
}
