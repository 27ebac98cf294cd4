//! Swap: moves the production listener to the replacement's target group (rule R5).

use crate::arn::short;
use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Answer, Deployment, Progress, Status};
use crate::observation::{Forward, Listener, Observation, TargetGroup, TaskSet, TaskSetStatus};
use crate::ready;
use crate::refusal::Refusal;
use crate::request::SwapMode;
use crate::routing::{self, Roles};

/// Decides the next writes of the swap.
///
/// Before the commit point (the production listener's one write): the intent tag, then the
/// listener, and only while the replacement is steady and healthy. Looked at again after it, the
/// rest follows: test listener, tags, primary, and the intent is cleared. So whoever finds a
/// half-done swap can tell which half.
pub fn decide(observation: &Observation, deployment: &Deployment) -> Decision {
    match next(observation, deployment) {
        Ok(decision) => decision,
        Err(refusal) => Decision::Refuse(refusal),
    }
}

fn next(observation: &Observation, deployment: &Deployment) -> Result<Decision, Refusal> {
    let replacement = ready::living_replacement(observation, deployment)?;
    let pair = routing::pair(observation, &deployment.request.service)?;
    let roles = routing::roles(observation, pair)?;
    let groups = Groups::of(deployment, pair)?;
    if roles.production_is_all_to(&groups.to.arn) {
        let actions = after_commit(deployment, replacement, &roles, &groups);
        return Ok(if actions.is_empty() {
            Decision::Done
        } else {
            Decision::Act(actions)
        });
    }
    nobody_else_swapped(observation, deployment, &roles, &groups)?;
    if let Some(shortfall) = ready::shortfall(observation, deployment, replacement) {
        return Ok(ready::wait_or_give_up(
            observation,
            deployment,
            replacement,
            shortfall,
        ));
    }
    Ok(Decision::Act(commit(deployment, &roles, &groups)))
}

/// The two target groups by this deployment's names.
struct Groups<'a> {
    from: &'a TargetGroup,
    to: &'a TargetGroup,
}

impl<'a> Groups<'a> {
    fn of(deployment: &Deployment, pair: [&'a TargetGroup; 2]) -> Result<Self, Refusal> {
        let find = |arn: &str| pair.into_iter().find(|group| group.arn == arn);
        match (
            find(&deployment.original_target_group),
            find(&deployment.replacement_target_group),
        ) {
            (Some(from), Some(to)) => Ok(Self { from, to }),
            _ => Err(Refusal::drift(
                format!(
                    "The target groups of service {} are {} and {} now, not those this deployment began with.",
                    deployment.request.service, pair[0].name, pair[1].name
                ),
                "Start a new execution.",
            )),
        }
    }
}

/// A late or repeated swap must not undo a newer deployment: before the commit point, what
/// serves is what served when this deployment began.
fn nobody_else_swapped(
    observation: &Observation,
    deployment: &Deployment,
    roles: &Roles<'_>,
    groups: &Groups<'_>,
) -> Result<(), Refusal> {
    let serving: Vec<_> = observation
        .task_sets
        .iter()
        .filter(|set| !set.is_being_deleted() && set.is_attached_to(&groups.from.arn))
        .map(|set| set.id.as_str())
        .collect();
    let expected: Vec<_> = deployment.original.as_deref().into_iter().collect();
    if serving == expected {
        return Ok(());
    }
    let listeners: Vec<_> = roles
        .production
        .iter()
        .map(|l| l.port.to_string())
        .collect();
    let name = |ids: &[&str]| {
        if ids.is_empty() {
            "no task set".to_owned()
        } else {
            ids.join(" and ")
        }
    };
    Err(Refusal::drift(
        format!(
            "Production listener {} should reach {} on {}; seen there: {}.",
            listeners.join(", "),
            name(&expected),
            groups.from.name,
            name(&serving)
        ),
        "Another deployment or a person changed the service; nothing was moved. Start a new execution.",
    ))
}

fn commit(deployment: &Deployment, roles: &Roles<'_>, groups: &Groups<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    let intent = deployment.id.tag_value();
    if groups.to.swap_intent.as_deref() != Some(intent.as_str()) {
        actions.push(Action::RecordSwapIntent {
            target_group: groups.to.arn.clone(),
            deployment: intent,
        });
    }
    for listener in &roles.production {
        if !listener.forward.is_all_to(&groups.to.arn) {
            actions.push(moved(
                listener,
                deployment,
                &groups.to.arn,
                &groups.from.arn,
            ));
        }
    }
    actions
}

fn after_commit(
    deployment: &Deployment,
    replacement: &TaskSet,
    roles: &Roles<'_>,
    groups: &Groups<'_>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    for listener in &roles.test {
        if !listener.forward.is_all_to(&groups.from.arn) {
            actions.push(moved(
                listener,
                deployment,
                &groups.from.arn,
                &groups.to.arn,
            ));
        }
    }
    let (from, to) = (groups.from, groups.to);
    // Added before the other is removed: readers accept two, and let the listener decide.
    if !to.is_tagged_production() || to.task_set_id.as_deref() != Some(replacement.id.as_str()) {
        actions.push(Action::TagProduction {
            target_group: to.arn.clone(),
            task_set: replacement.id.clone(),
        });
    }
    if from.is_production.is_some() || from.task_set_id.is_some() {
        actions.push(Action::UntagProduction {
            target_group: from.arn.clone(),
        });
    }
    if replacement.status != TaskSetStatus::Primary {
        actions.push(Action::MakePrimary {
            task_set: replacement.id.clone(),
        });
    }
    if to.swap_intent.is_some() {
        actions.push(Action::ClearSwapIntent {
            target_group: to.arn.clone(),
        });
    }
    actions
}

fn moved(listener: &Listener, deployment: &Deployment, live: &str, idle: &str) -> Action {
    Action::Forward {
        listener: listener.arn.clone(),
        seen: listener.forward.clone(),
        wanted: match deployment.request.swap_mode {
            SwapMode::Weighted => Forward::weighted(live, idle),
            SwapMode::Replace => Forward::to(live),
        },
    }
}

/// The answer after a swap, or after one that has to wait because the replacement lost health.
///
/// The drain is planned here, with the tasks that there are now and not at preflight: Auto Scaling
/// may have moved the desired count meanwhile.
pub fn answer(
    observation: &Observation,
    deployment: &Deployment,
    waiting_on: Option<&WaitingOn>,
) -> Answer {
    if waiting_on.is_some() {
        return ready::answer(deployment, waiting_on);
    }
    let mut deployment = deployment.clone();
    if let Some(original) = deployment.original_in(observation) {
        deployment.tasks = original.computed_desired_count;
    }
    if let Some(service) = &observation.service {
        deployment.desired = service.desired_count;
    }
    deployment.progress = Progress {
        step: 1,
        ..Progress::default()
    };
    let wait = deployment.request.bake_time;
    let reason = format!(
        "production listener forwards to {} and replacement {} is PRIMARY; the drain begins in {wait} s",
        short(&deployment.replacement_target_group),
        deployment.replacement.as_deref().unwrap_or_default()
    );
    Answer {
        status: Status::Swapped,
        reason,
        wait,
        deployment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{OWNER, World, group_arn, listener_arn};
    use crate::refusal::ErrorName;

    fn look(world: &World) -> Decision {
        decide(&world.observation, &world.deployment())
    }

    fn actions(world: &World) -> Vec<Action> {
        match look(world) {
            Decision::Act(actions) => actions,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_intent_is_recorded_and_then_the_production_listener_moved() {
        assert_eq!(
            actions(&World::healthy()),
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
            actions(&World::committed()),
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
    fn a_complete_swap_is_done() {
        assert_eq!(look(&World::swapped()), Decision::Done);
    }

    #[test]
    fn a_replacement_that_lost_health_is_not_swapped_to() {
        let mut world = World::healthy();
        world.group_mut("green").targets.healthy = 3;
        assert!(matches!(
            look(&world),
            Decision::Wait(WaitingOn::HealthyTargets { .. })
        ));
        world.progress.waited = world.request.readiness_timeout;
        assert!(
            matches!(look(&world), Decision::Refuse(r) if r.error == ErrorName::NotReadyTimeout)
        );
    }

    #[test]
    fn after_the_commit_point_lost_health_does_not_leave_the_swap_half_done() {
        let mut world = World::committed();
        world.group_mut("green").targets.healthy = 0;
        assert!(matches!(look(&world), Decision::Act(_)));
    }

    #[test]
    fn a_late_duplicate_does_not_undo_a_newer_deployment() {
        let mut world = World::healthy();
        world.task_set_mut("ecs-svc/1").id = "ecs-svc/3".into();
        assert!(matches!(look(&world), Decision::Refuse(r) if r.error == ErrorName::Drift));
    }

    #[test]
    fn every_production_listener_is_moved() {
        let mut world = World::healthy();
        let mut second = world.listener_mut(80).clone();
        second.arn = listener_arn(443);
        second.port = 443;
        world.observation.listeners.push(second);
        let moved: Vec<_> = actions(&world)
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
        let mut world = World::healthy();
        let mut second = world.listener_mut(80).clone();
        second.arn = listener_arn(443);
        second.port = 443;
        second.forward = Forward::weighted(&group_arn("green"), &group_arn("blue"));
        world.observation.listeners.push(second);
        let moved = actions(&world);
        assert_eq!(moved.len(), 2, "{moved:?}");
        assert!(
            matches!(&moved[1], Action::Forward { listener, .. } if *listener == listener_arn(80))
        );
    }

    #[test]
    fn replace_mode_leaves_one_group_in_the_action() {
        let mut world = World::healthy();
        world.request.swap_mode = SwapMode::Replace;
        world.listener_mut(80).forward = Forward::to(&group_arn("blue"));
        assert!(matches!(
            &actions(&world)[1],
            Action::Forward { wanted, .. } if *wanted == Forward::to(&group_arn("green"))
        ));
    }

    #[test]
    fn the_drain_begins_at_step_one_after_the_bake_time() {
        let mut world = World::swapped();
        world.request.bake_time = 90;
        let answer = answer(&world.observation, &world.deployment(), None);
        assert_eq!((answer.wait, answer.deployment.progress.step), (90, 1));
    }

    #[test]
    fn the_drain_is_planned_with_the_tasks_there_are_at_the_swap() {
        let mut world = World::swapped();
        world.observation.service.as_mut().unwrap().desired_count = 8;
        world.task_set_mut("ecs-svc/1").computed_desired_count = 8;
        let answer = answer(&world.observation, &world.deployment(), None);
        assert_eq!((answer.deployment.tasks, answer.deployment.desired), (8, 8));
    }
}
