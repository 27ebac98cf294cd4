//! Where traffic is moved, when, and in which order.

use super::*;
use crate::deployment::Answer;
use crate::fixture::{OWNER, Scene, group_arn, listener_arn};
use crate::reason::{Code, Shortfall};
use crate::refusal::ErrorName;

fn check(scene: &Scene) -> Result<Next, Refusal> {
    next(&scene.world, &scene.plan(), &scene.progress)
}

fn actions(scene: &Scene) -> Vec<Action> {
    check(scene).unwrap().writes()
}

/// What the replacement lacks, while it is waited for, and where.
fn waits(next: Result<Next, Refusal>) -> (To, Shortfall) {
    let answer = next.unwrap().answer();
    match answer.reason {
        Reason::NotReady { shortfall, .. } => (answer.to, shortfall),
        other => panic!("{other:?}"),
    }
}

fn answer(scene: &Scene) -> Answer {
    check(scene).unwrap().answer()
}

fn refused(scene: &Scene) -> Option<ErrorName> {
    check(scene).err().map(|refusal| refusal.error)
}

#[test]
fn the_intent_is_recorded_and_then_the_production_listener_moved() {
    assert_eq!(
        actions(&Scene::healthy()),
        [
            Action::RecordSwapIntent {
                target_group: group_arn("green"),
                deployment: OWNER.into()
            },
            Action::Forward {
                listener: listener_arn(80),
                seen: Forward::weighted(&group_arn("blue"), &group_arn("green")),
                wanted: Forward::weighted(&group_arn("green"), &group_arn("blue")),
            },
        ]
    );
}

#[test]
fn after_the_commit_point_the_rest_follows_in_its_order() {
    assert_eq!(
        actions(&Scene::committed()),
        [
            Action::Forward {
                listener: listener_arn(8080),
                seen: Forward::to(&group_arn("green")),
                wanted: Forward::weighted(&group_arn("blue"), &group_arn("green")),
            },
            Action::TagProduction {
                target_group: group_arn("green"),
                task_set: "ecs-svc/2".into()
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
fn what_needs_no_other_write_goes_side_by_side_and_the_commit_point_alone() {
    let kinds = |scene: &Scene| {
        let Ok(Next::Write(stages)) = check(scene) else {
            panic!("{:?}", check(scene));
        };
        let kind = |action: &Action| action.to_string().split(' ').next().unwrap().to_owned();
        let of = |stage: &Vec<Action>| stage.iter().map(kind).collect::<Vec<_>>().join("+");
        stages.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&Scene::healthy()), ["record", "forward"]);
    assert_eq!(
        kinds(&Scene::committed()),
        ["forward+tag+make", "remove", "clear"]
    );
}

#[test]
fn a_complete_swap_is_done() {
    let answer = answer(&Scene::swapped());
    assert_eq!(answer.to, To::Bake);
    let Reason::Swapped(swapped) = answer.reason else {
        panic!("{:?}", answer.reason);
    };
    assert_eq!(swapped.replacement.as_deref(), Some("ecs-svc/2"));
    assert_eq!(swapped.after, None);
}

#[test]
fn a_replacement_that_lost_health_is_not_swapped_to() {
    let mut scene = Scene::healthy();
    scene.group_mut("green").targets.healthy = 3;
    assert!(matches!(
        waits(check(&scene)),
        (
            To::WaitForServiceReady,
            Shortfall::HealthyTargets { wanted: 4, .. }
        )
    ));
    scene.progress.waited = scene.request.readiness_timeout;
    assert_eq!(refused(&scene), Some(ErrorName::NotReadyTimeout));
}

#[test]
fn after_the_commit_point_lost_health_does_not_leave_the_swap_half_done() {
    let mut scene = Scene::committed();
    scene.group_mut("green").targets.healthy = 0;
    assert!(matches!(check(&scene), Ok(Next::Write(_))));
}

#[test]
fn a_late_duplicate_does_not_undo_a_newer_deployment() {
    let mut scene = Scene::healthy();
    scene.task_set_mut("ecs-svc/1").id = "ecs-svc/3".into();
    assert_eq!(refused(&scene), Some(ErrorName::Drift));
}

#[test]
fn every_production_listener_is_moved() {
    let mut scene = Scene::healthy();
    let mut second = scene.listener_mut(80).clone();
    second.arn = listener_arn(443);
    second.port = 443;
    scene.world.listeners.push(second);
    let moved: Vec<_> = actions(&scene)
        .into_iter()
        .filter_map(|action| match action {
            Action::Forward { listener, .. } => Some(listener),
            _ => None,
        })
        .collect();
    assert_eq!(moved, [listener_arn(80), listener_arn(443)]);
}

#[test]
fn a_swap_that_moved_one_of_two_listeners_goes_on_with_the_other() {
    let mut scene = Scene::healthy();
    let mut second = scene.listener_mut(80).clone();
    second.arn = listener_arn(443);
    second.port = 443;
    second.forward = Forward::weighted(&group_arn("green"), &group_arn("blue"));
    scene.world.listeners.push(second);
    let moved = actions(&scene);
    assert_eq!(moved.len(), 2, "{moved:?}");
    assert!(matches!(&moved[1], Action::Forward { listener, .. } if *listener == listener_arn(80)));
}

#[test]
fn replace_mode_leaves_one_group_in_the_action() {
    let mut scene = Scene::healthy();
    scene.request.swap_mode = SwapMode::Replace;
    scene.listener_mut(80).forward = Forward::to(&group_arn("blue"));
    assert!(matches!(
        &actions(&scene)[1],
        Action::Forward { wanted, .. } if *wanted == Forward::to(&group_arn("green"))
    ));
}

#[test]
fn the_swap_bakes_before_the_drain_begins() {
    let mut scene = Scene::swapped();
    scene.request.bake_time = 90;
    let answer = answer(&scene);
    assert_eq!((answer.wait, answer.progress.step), (60, 0));
    assert_eq!(answer.progress.waited, 60);
}

#[test]
fn no_traffic_is_moved_while_an_alarm_rings_but_it_is_moved_back() {
    let mut scene = Scene::healthy().alarmed("ALARM");
    assert_eq!(refused(&scene), Some(ErrorName::AlarmRaised));
    scene.outgoing = crate::deployment::Outgoing::Replacement;
    assert_ne!(refused(&scene), Some(ErrorName::AlarmRaised));
}

#[test]
fn the_last_resort_of_a_rollback_is_an_original_with_some_healthy_targets() {
    let (mut scene, plan) = back();
    scene.group_mut("blue").targets.healthy = 1;
    let (to, _) = waits(next(&scene.world, &plan, &scene.progress));
    assert_eq!(to, To::Bake);
    scene.progress.waited = plan.request.readiness_timeout;
    assert!(matches!(
        next(&scene.world, &plan, &scene.progress),
        Ok(Next::Write(_))
    ));
    scene.group_mut("green").targets.healthy = 1;
    assert!(next(&scene.world, &plan, &scene.progress).is_err());
}

/// The way back after a finished swap.
fn back() -> (Scene, Plan) {
    let mut scene = Scene::swapped();
    scene.group_mut("green").targets.healthy = 0;
    let plan = scene.plan().back();
    (scene, plan)
}

#[test]
fn on_the_way_back_the_group_that_is_left_is_marked_before_the_listener_moves() {
    let (scene, plan) = back();
    assert_eq!(
        next(&scene.world, &plan, &scene.progress),
        Ok(Next::in_order(vec![
            Action::RecordSwapIntent {
                target_group: group_arn("green"),
                deployment: format!("{OWNER}:back"),
            },
            Action::Forward {
                listener: listener_arn(80),
                seen: Forward::weighted(&group_arn("green"), &group_arn("blue")),
                wanted: Forward::weighted(&group_arn("blue"), &group_arn("green")),
            },
        ]))
    );
}

#[test]
fn the_way_back_does_not_lead_to_an_original_that_is_not_healthy() {
    let (mut scene, plan) = back();
    scene.group_mut("blue").targets.healthy = 3;
    assert!(matches!(
        waits(next(&scene.world, &plan, &scene.progress)),
        (To::Bake, Shortfall::HealthyTargets { wanted: 4, .. })
    ));
}

#[test]
fn the_way_back_is_open_where_the_replacement_has_gone() {
    let (mut scene, plan) = back();
    scene.remove("ecs-svc/2");
    assert!(matches!(
        next(&scene.world, &plan, &scene.progress),
        Ok(Next::Write(_))
    ));
}

#[test]
fn the_drain_is_planned_with_the_tasks_there_are_at_the_swap() {
    let mut scene = Scene::swapped();
    scene.world.service.desired_count = 8;
    scene.task_set_mut("ecs-svc/1").computed_desired_count = 8;
    let answer = answer(&scene);
    assert_eq!((answer.plan.tasks, answer.plan.desired), (8, 8));
}

#[test]
fn a_half_moved_pair_of_listeners_is_not_told_as_not_moved() {
    let mut scene = Scene::healthy();
    let mut second = scene.listener_mut(80).clone();
    (second.port, second.arn) = (443, listener_arn(443));
    scene.world.listeners.push(second);
    scene.listener_mut(80).forward = Forward::weighted(&group_arn("green"), &group_arn("blue"));
    scene.group_mut("green").targets.healthy = 0;
    scene.progress.waited = scene.request.readiness_timeout;
    let refusal = check(&scene).unwrap_err();
    assert!(
        refusal
            .fix
            .text
            .starts_with("Production listener 80 forwards to green already"),
        "{refusal}"
    );
}

#[test]
fn traffic_is_not_taken_from_a_replacement_that_is_healthy_again() {
    let mut scene = Scene::healthy().failed("HealthLost");
    scene.outgoing = Outgoing::Replacement;
    let answer = answer(&scene);
    assert_eq!((answer.to, answer.reason.code()), (To::Bake, Code::GoingOn));
    assert_eq!(answer.plan.outgoing, Outgoing::Original);
    assert_eq!(answer.plan.failure, None);
    scene.progress.returns = RECOVERIES;
    assert!(matches!(check(&scene), Ok(Next::Write(_))));
    scene.progress.returns = 0;
    scene.group_mut("blue").targets.unhealthy = 1;
    assert!(matches!(check(&scene), Ok(Next::Write(_))));
}
