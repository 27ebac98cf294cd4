//! A half-done swap is finished, whichever half.

use super::*;
use crate::fixture::{OWNER, Scene, group_arn, listener_arn};
use crate::reason::Shortfall;
use crate::refusal::ErrorName;
use crate::world::{Forward, Listener, TaskSetStatus};

fn check(scene: &Scene) -> Result<Next, Refusal> {
    next(&scene.world, &scene.plan(), &scene.progress)
}

fn actions(scene: &Scene) -> Vec<Action> {
    check(scene).unwrap().writes()
}

/// Nothing is to be finished: the deployment begins.
fn assert_nothing_to_finish(scene: &Scene) {
    let answer = check(scene).unwrap().answer();
    assert_eq!(answer.to, To::CheckAndCreateService);
    assert_eq!(answer.reason, Reason::SwapFinished);
    assert_eq!(answer.plan.outgoing, Outgoing::Original);
}

fn refused(scene: &Scene) -> ErrorName {
    check(scene).unwrap_err().error
}

#[test]
fn without_a_record_and_without_leftovers_nothing_is_written() {
    assert_nothing_to_finish(&Scene::serving());
}

#[test]
fn a_group_that_was_tagged_has_served_whichever_task_set_the_tag_names() {
    let mut scene = Scene::healthy();
    let green = scene.group_mut("green");
    green.is_production = Some("true".into());
    green.task_set_id = Some("ecs-svc/gone".into());
    let actions = actions(&scene);
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
        actions(&Scene::committed()),
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
            Action::MakePrimary {
                task_set: "ecs-svc/2".into()
            },
            Action::UntagProduction {
                target_group: group_arn("blue")
            },
            Action::ClearSwapIntent {
                target_group: group_arn("green")
            },
        ]
    );
}

#[test]
fn before_the_commit_point_the_candidate_stays_known_as_one_that_may_have_served() {
    let mut scene = Scene::healthy();
    scene.group_mut("green").swap_intent = Some(OWNER.into());
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    assert_nothing_to_finish(&scene);
}

/// Two production listeners, of which one was moved.
fn half_moved() -> Scene {
    let mut scene = Scene::committed();
    scene.world.listeners.push(Listener {
        port: 443,
        arn: listener_arn(443),
        forward: Forward::weighted(&group_arn("blue"), &group_arn("green")),
        rule_target_groups: Vec::new(),
        role: Some("production".into()),
        sticky: false,
        stack: None,
        protocol: "TCP".into(),
    });
    scene
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
    let mut scene = half_moved();
    scene.group_mut("green").targets.healthy = 1;
    assert_eq!(
        actions(&scene),
        vec![Action::Forward {
            listener: listener_arn(80),
            seen: Forward::weighted(&group_arn("green"), &group_arn("blue")),
            wanted: Forward::weighted(&group_arn("blue"), &group_arn("green")),
        }]
    );
    scene.group_mut("blue").targets.healthy = 1;
    let waiting = check(&scene).unwrap().answer();
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
    scene.progress.waited = scene.request.readiness_timeout;
    assert_eq!(refused(&scene), ErrorName::NotReadyTimeout);
}

#[test]
fn listeners_that_disagree_without_a_record_are_a_persons_doing() {
    let mut scene = half_moved();
    scene.group_mut("green").swap_intent = None;
    assert_eq!(refused(&scene), ErrorName::Drift);
}

#[test]
fn the_record_of_a_rollback_goes_when_the_task_set_is_gone() {
    let mut scene = Scene::serving();
    scene.listener_mut(80).role = Some("production".into());
    scene.group_mut("green").swap_intent = Some(OWNER.into());
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
    assert_eq!(
        actions(&scene),
        vec![Action::ClearSwapIntent {
            target_group: group_arn("green")
        }]
    );
}

#[test]
fn what_each_listener_is_for_is_recorded_before_anything_else() {
    let mut scene = Scene::committed();
    scene.group_mut("green").is_production = Some("true".into());
    scene.group_mut("blue").is_production = None;
    scene.listener_mut(80).role = None;
    scene.listener_mut(8080).role = None;
    scene.listener_mut(8080).forward = Forward::to(&group_arn("blue"));
    let actions = actions(&scene);
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
    let mut scene = half_moved();
    let record = scene.group_mut("green").swap_intent.clone().unwrap();
    scene.group_mut("blue").swap_intent = None;
    scene.group_mut("green").swap_intent = Some(record + ":back");
    let actions = actions(&scene);
    for action in actions {
        let Action::Forward { wanted, .. } = action else {
            panic!("{action:?}");
        };
        assert!(wanted.is_all_to(&group_arn("blue")), "{wanted:?}");
    }
}
