//! A half-done swap is finished, whichever half.

use super::*;
use crate::fixture::{OWNER, World, group_arn, listener_arn};
use crate::observation::{Forward, Listener, TaskSetStatus};
use crate::reason::Shortfall;
use crate::refusal::ErrorName;

fn check(world: &World) -> Result<Next, Refusal> {
    next(&world.observation, &world.deployment())
}

fn actions(world: &World) -> Vec<Action> {
    match check(world) {
        Ok(Next::Write(actions)) => actions,
        other => panic!("{other:?}"),
    }
}

/// Nothing is to be finished: the deployment begins.
fn assert_nothing_to_finish(world: &World) {
    let answer = check(world).unwrap().answer();
    assert_eq!(answer.to, To::CheckAndCreateService);
    assert_eq!(answer.reason, Reason::SwapFinished);
    assert_eq!(answer.deployment.course, Course::Forward);
}

fn refused(world: &World) -> ErrorName {
    check(world).unwrap_err().error
}

#[test]
fn without_a_record_and_without_leftovers_nothing_is_written() {
    assert_nothing_to_finish(&World::serving());
}

#[test]
fn a_group_that_was_tagged_has_served_whichever_task_set_the_tag_names() {
    let mut world = World::healthy();
    let green = world.group_mut("green");
    green.is_production = Some("true".into());
    green.task_set_id = Some("ecs-svc/gone".into());
    let actions = actions(&world);
    assert!(
        actions.contains(&Action::RecordSwapIntent {
            target_group: group_arn("green"),
            deployment: OWNER.into(),
        }),
        "{actions:?}"
    );
}

#[test]
fn after_the_commit_point_it_goes_forward() {
    assert_eq!(
        actions(&World::committed()),
        vec![
            Action::Forward {
                listener: listener_arn(8080),
                seen: Forward::to(&group_arn("green")),
                wanted: Forward::weighted(&group_arn("blue"), &group_arn("green")),
            },
            Action::RecordSwapIntent {
                target_group: group_arn("blue"),
                deployment: OWNER.into(),
            },
            Action::TagProduction {
                target_group: group_arn("green"),
                task_set: "ecs-svc/2".into(),
            },
            Action::UntagProduction {
                target_group: group_arn("blue")
            },
            Action::MakePrimary {
                task_set: "ecs-svc/2".into()
            },
            Action::ClearSwapIntent {
                target_group: group_arn("green")
            },
        ]
    );
}

#[test]
fn before_the_commit_point_the_candidate_stays_known_as_one_that_may_have_served() {
    let mut world = World::healthy();
    world.group_mut("green").swap_intent = Some(OWNER.into());
    world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    assert_nothing_to_finish(&world);
}

/// Two production listeners, of which one was moved.
fn half_moved() -> World {
    let mut world = World::committed();
    world.observation.listeners.push(Listener {
        port: 443,
        arn: listener_arn(443),
        forward: Forward::weighted(&group_arn("blue"), &group_arn("green")),
        rule_target_groups: Vec::new(),
        role: Some("production".into()),
        sticky: false,
        stack: None,
    });
    world
}

#[test]
fn a_half_moved_swap_goes_forward_to_healthy_tasks() {
    assert_eq!(
        actions(&half_moved()),
        vec![Action::Forward {
            listener: listener_arn(443),
            seen: Forward::weighted(&group_arn("blue"), &group_arn("green")),
            wanted: Forward::weighted(&group_arn("green"), &group_arn("blue")),
        }]
    );
}

#[test]
fn a_half_moved_swap_goes_back_where_the_replacement_is_not_healthy() {
    let mut world = half_moved();
    world.group_mut("green").targets.healthy = 1;
    assert_eq!(
        actions(&world),
        vec![Action::Forward {
            listener: listener_arn(80),
            seen: Forward::weighted(&group_arn("green"), &group_arn("blue")),
            wanted: Forward::weighted(&group_arn("blue"), &group_arn("green")),
        }]
    );
    world.group_mut("blue").targets.healthy = 1;
    let waiting = check(&world).unwrap().answer();
    assert_eq!(waiting.to, To::Bake);
    assert!(
        matches!(
            waiting.reason,
            Reason::NotReady {
                shortfall: Shortfall::HealthyTargets { wanted: 4, .. },
                ..
            }
        ),
        "{waiting:?}"
    );
    world.progress.waited = world.request.readiness_timeout;
    assert_eq!(refused(&world), ErrorName::NotReadyTimeout);
}

#[test]
fn listeners_that_disagree_without_a_record_are_a_persons_doing() {
    let mut world = half_moved();
    world.group_mut("green").swap_intent = None;
    assert_eq!(refused(&world), ErrorName::Drift);
}

#[test]
fn the_record_of_a_rollback_goes_when_the_task_set_is_gone() {
    let mut world = World::serving();
    world.listener_mut(80).role = Some("production".into());
    world.group_mut("green").swap_intent = Some(OWNER.into());
    world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    assert_eq!(
        actions(&world),
        vec![Action::ClearSwapIntent {
            target_group: group_arn("green")
        }]
    );
}

#[test]
fn what_each_listener_is_for_is_recorded_before_anything_else() {
    let mut world = World::committed();
    world.group_mut("green").is_production = Some("true".into());
    world.group_mut("blue").is_production = None;
    world.listener_mut(80).role = None;
    world.listener_mut(8080).role = None;
    world.listener_mut(8080).forward = Forward::to(&group_arn("blue"));
    let actions = actions(&world);
    assert_eq!(
        actions[..2],
        [
            Action::RecordRole {
                listener: listener_arn(80),
                role: crate::action::Role::Production
            },
            Action::RecordRole {
                listener: listener_arn(8080),
                role: crate::action::Role::Test
            },
        ]
    );
}

#[test]
fn a_half_done_way_back_is_finished_on_the_way_back() {
    let mut world = half_moved();
    let record = world.group_mut("green").swap_intent.clone().unwrap();
    world.group_mut("blue").swap_intent = None;
    world.group_mut("green").swap_intent = Some(record + ":back");
    let actions = actions(&world);
    for action in actions {
        let Action::Forward { wanted, .. } = action else {
            panic!("{action:?}");
        };
        assert!(wanted.is_all_to(&group_arn("blue")), "{wanted:?}");
    }
}
