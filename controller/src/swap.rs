//! Swap: moves the production listener to the replacement's target group (rule R5).

use crate::arn::short;
use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Answer, Course, Deployment, Progress, Status};
use crate::drain;
use crate::observation::{Forward, Listener, Observation, TargetGroup, TaskSet, TaskSetStatus};
use crate::ready;
use crate::refusal::Refusal;
use crate::request::SwapMode;
use crate::routing::{self, Roles};
use crate::scale_down;

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
    if deployment.course == Course::Forward {
        scale_down::quiet(deployment)?;
    }
    nobody_else_swapped(observation, deployment, &roles, &groups)?;
    let shortfall = ready::shortfall(observation, deployment, replacement)
        .filter(|_| !is_the_last_resort(deployment, &groups));
    if let Some(shortfall) = shortfall {
        let decision = ready::wait_or_give_up(observation, deployment, replacement, shortfall);
        return Ok(match decision {
            Decision::Refuse(refusal) if roles.production_reaches(&groups.to.arn) => {
                Decision::Refuse(half_moved(refusal, &roles, &groups))
            }
            decision => decision,
        });
    }
    Ok(Decision::Act(commit(deployment, &roles, &groups)))
}

/// Traffic goes back from targets of which none is healthy to targets of which some are: the rollback
/// has waited `readinessTimeout` for all of them.
fn is_the_last_resort(deployment: &Deployment, groups: &Groups<'_>) -> bool {
    let waited = deployment.progress.waited >= deployment.request.readiness_timeout;
    deployment.course == Course::Back
        && waited
        && groups.from.targets.healthy == 0
        && groups.to.targets.healthy > 0
}

/// Some production listeners were moved before the replacement lost its health.
fn half_moved(refusal: Refusal, roles: &Roles<'_>, groups: &Groups<'_>) -> Refusal {
    let moved: Vec<_> = roles
        .production
        .iter()
        .filter(|listener| listener.forward.is_all_to(&groups.to.arn))
        .map(|listener| listener.port.to_string())
        .collect();
    Refusal {
        mend: format!(
            "Production listener {} forwards to {} already: point it back at {} (aws elbv2 \
             modify-listener), or make the replacement healthy.",
            moved.join(", "),
            groups.to.name,
            groups.from.name
        ),
        ..refusal
    }
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
    // On the way back, the task set that failed may be gone altogether.
    let gone = serving.is_empty() && deployment.course == Course::Back;
    if serving == expected || gone {
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
    // On the way back it is the group that traffic leaves: it stays marked as one whose task set
    // has served, until that is drained and gone.
    let (marked, intent) = match deployment.course {
        Course::Forward | Course::Leftover => (groups.to, deployment.id.tag_value()),
        Course::Back => (groups.from, deployment.id.tag_value_back()),
    };
    if marked.swap_intent.as_deref() != Some(intent.as_str()) {
        actions.push(Action::RecordSwapIntent {
            target_group: marked.arn.clone(),
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

pub(crate) fn moved(
    listener: &Listener,
    deployment: &Deployment,
    live: &str,
    idle: &str,
) -> Action {
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
    match waiting_on {
        Some(waiting_on) if deployment.course == Course::Back => {
            return ready::answer_slowly(deployment, waiting_on);
        }
        Some(_) => return ready::answer(deployment, waiting_on),
        None => {}
    }
    let mut deployment = deployment.clone();
    if let Some(original) = deployment.original_in(observation) {
        deployment.tasks = original.computed_desired_count;
    }
    if let Some(service) = &observation.service {
        deployment.desired = service.desired_count;
    }
    // Without an original there is nothing to keep at full strength meanwhile.
    let bake = match deployment.original {
        Some(_) => deployment.request.bake_time,
        None => 0,
    };
    let wait = drain::bake_poll(bake);
    deployment.progress = Progress {
        waited: wait,
        ..Progress::default()
    };
    let next = match deployment.original {
        Some(_) => format!("the drain begins in {bake} s"),
        None => "there is nothing to drain".to_owned(),
    };
    let reason = format!(
        "production listener forwards to {} and {} is PRIMARY; {next}",
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
    fn the_swap_bakes_before_the_drain_begins() {
        let mut world = World::swapped();
        world.request.bake_time = 90;
        let answer = answer(&world.observation, &world.deployment(), None);
        assert_eq!((answer.wait, answer.deployment.progress.step), (60, 0));
        assert_eq!(answer.deployment.progress.waited, 60);
    }

    #[test]
    fn no_traffic_is_moved_while_an_alarm_rings_but_it_is_moved_back() {
        let refused = |world: &World| matches!(look(world), Decision::Refuse(r) if r.error == ErrorName::AlarmRaised);
        let mut world = World::healthy().alarmed("ALARM");
        assert!(refused(&world));
        world.course = crate::deployment::Course::Back;
        assert!(!refused(&world));
    }

    #[test]
    fn the_last_resort_of_a_rollback_is_an_original_with_some_healthy_targets() {
        let (mut world, mut deployment) = back();
        world.group_mut("blue").targets.healthy = 1;
        assert!(matches!(
            decide(&world.observation, &deployment),
            Decision::Wait(_)
        ));
        deployment.progress.waited = deployment.request.readiness_timeout;
        assert!(matches!(
            decide(&world.observation, &deployment),
            Decision::Act(_)
        ));
        world.group_mut("green").targets.healthy = 1;
        assert!(matches!(
            decide(&world.observation, &deployment),
            Decision::Refuse(_)
        ));
    }

    /// The way back after a finished swap.
    fn back() -> (World, Deployment) {
        let mut world = World::swapped();
        world.group_mut("green").targets.healthy = 0;
        let deployment = world.deployment().reversed().unwrap();
        (world, deployment)
    }

    #[test]
    fn on_the_way_back_the_group_that_is_left_is_marked_before_the_listener_moves() {
        let (world, deployment) = back();
        assert_eq!(
            decide(&world.observation, &deployment),
            Decision::Act(vec![
                Action::RecordSwapIntent {
                    target_group: group_arn("green"),
                    deployment: format!("{OWNER}:back"),
                },
                Action::Forward {
                    listener: listener_arn(80),
                    seen: Forward::weighted(&group_arn("green"), &group_arn("blue")),
                    wanted: Forward::weighted(&group_arn("blue"), &group_arn("green")),
                },
            ])
        );
    }

    #[test]
    fn the_way_back_does_not_lead_to_an_original_that_is_not_healthy() {
        let (mut world, deployment) = back();
        world.group_mut("blue").targets.healthy = 3;
        assert!(matches!(
            decide(&world.observation, &deployment),
            Decision::Wait(WaitingOn::HealthyTargets { .. })
        ));
    }

    #[test]
    fn the_way_back_is_open_where_the_replacement_has_gone() {
        let (mut world, deployment) = back();
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/2");
        assert!(matches!(
            decide(&world.observation, &deployment),
            Decision::Act(_)
        ));
    }

    #[test]
    fn a_first_deployment_has_no_way_back() {
        let mut deployment = World::swapped().deployment();
        deployment.original = None;
        assert_eq!(deployment.reversed(), None);
    }

    #[test]
    fn the_drain_is_planned_with_the_tasks_there_are_at_the_swap() {
        let mut world = World::swapped();
        world.observation.service.as_mut().unwrap().desired_count = 8;
        world.task_set_mut("ecs-svc/1").computed_desired_count = 8;
        let answer = answer(&world.observation, &world.deployment(), None);
        assert_eq!((answer.deployment.tasks, answer.deployment.desired), (8, 8));
    }

    #[test]
    fn a_half_moved_pair_of_listeners_is_not_told_as_not_moved() {
        let mut world = World::healthy();
        let mut second = world.listener_mut(80).clone();
        (second.port, second.arn) = (443, listener_arn(443));
        world.observation.listeners.push(second);
        world.listener_mut(80).forward = Forward::weighted(&group_arn("green"), &group_arn("blue"));
        world.group_mut("green").targets.healthy = 0;
        world.progress.waited = world.request.readiness_timeout;
        let Decision::Refuse(refusal) = look(&world) else {
            panic!()
        };
        assert!(
            refusal
                .mend
                .starts_with("Production listener 80 forwards to green already"),
            "{refusal}"
        );
    }
}
