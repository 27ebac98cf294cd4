//! Cleanup: deletes the drained original and looks once more at the whole.

use crate::arn::short;
use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Answer, Course, Deployment};
use crate::observation::{Observation, TaskSet, TaskSetStatus};
use crate::phase::To;
use crate::ready;
use crate::reason::{Code, Reason};
use crate::refusal::{ErrorName, Refusal};
use crate::request::LOOKS;
use crate::routing;
use crate::scale_down;

/// Seconds between two looks at a task set that ECS is deleting.
pub const POLL: u32 = 30;

/// Looks at a task set that ECS is deleting, at most: half an hour.
pub const POLLS: u32 = 60;

/// Decides how the drained original goes.
///
/// Deletes it without `force`, which ECS refuses for a set that still runs tasks, and waits until
/// it is gone. "Already gone" is success. Done only when the world is what the deployment was
/// for; anything else is `Drift`.
pub fn decide(observation: &Observation, deployment: &Deployment) -> Decision {
    match deployment.original_in(observation) {
        Some(original) if original.is_being_deleted() => {
            if deployment.progress.waited < POLL * POLLS {
                return Decision::Wait(WaitingOn::Deletion {
                    task_set: original.id.clone(),
                });
            }
            Decision::Refuse(Refusal::new(
                ErrorName::DrainTimeout,
                format!(
                    "{} is still DRAINING {} s after it was deleted.",
                    original.id,
                    POLL * POLLS
                ),
                "Production traffic is on the replacement. ECS finishes the deletion by itself; look \
                 at the service's events if it does not.",
            ))
        }
        Some(original) if runs(original) && deployment.progress.looks.saturating_add(1) < LOOKS => {
            // It was drained a moment ago: what one read says of that may be old.
            Decision::Wait(WaitingOn::TasksStopping {
                running: original.tasks(),
            })
        }
        Some(original) => match may_be_deleted(observation, deployment, original) {
            Ok(()) => Decision::Act(vec![Action::DeleteTaskSet {
                task_set: original.id.clone(),
                force: false,
            }]),
            Err(refusal) => Decision::Refuse(refusal),
        },
        None => match as_intended(observation, deployment) {
            Ok(()) => match served(observation, deployment) {
                Some(target_group) => Decision::Act(vec![Action::ClearSwapIntent { target_group }]),
                None => Decision::Done,
            },
            Err(refusal) => Decision::Refuse(refusal),
        },
    }
}

/// The target group of what is gone, where it is still marked as one whose task set has served.
fn served(observation: &Observation, deployment: &Deployment) -> Option<String> {
    observation
        .target_groups
        .iter()
        .find(|group| group.arn == deployment.original_target_group)
        .filter(|group| group.swap_intent.is_some())
        .map(|group| group.arn.clone())
}

pub(crate) fn may_be_deleted(
    observation: &Observation,
    deployment: &Deployment,
    original: &TaskSet,
) -> Result<(), Refusal> {
    scale_down::not_in_production(observation, deployment, original)?;
    if runs(original) {
        return Err(Refusal::drift(
            format!(
                "{} was drained and now has scale {} % and {} running tasks again.",
                original.id, original.scale, original.running_count
            ),
            "Somebody scaled it up: it was not deleted. Start a new execution, or delete it by hand.",
        ));
    }
    Ok(())
}

/// Whether the original wants or runs tasks.
fn runs(original: &TaskSet) -> bool {
    original.scale > 0.0 || original.running_count > 0 || original.pending_count > 0
}

/// What the execution reports at its end is what the world shows.
fn as_intended(observation: &Observation, deployment: &Deployment) -> Result<(), Refusal> {
    let replacement = ready::living_replacement(observation, deployment)?;
    let pair = routing::pair(observation, &deployment.request.service)?;
    let roles = routing::roles(observation, pair)?;
    if !roles.production_is_all_to(&deployment.replacement_target_group) {
        return Err(Refusal::drift(
            format!(
                "The drain is over, but the production listener does not forward to {} alone.",
                short(&deployment.replacement_target_group)
            ),
            "Somebody moved the listener: point it at that target group (aws elbv2 modify-listener).",
        ));
    }
    if let TaskSetStatus::Unknown(status) = &replacement.status {
        return Err(Refusal::not_seen(format!(
            "{} has the status {status}, which this version does not know.",
            replacement.id
        )));
    }
    if replacement.status != TaskSetStatus::Primary {
        return Err(Refusal::drift(
            format!(
                "The drain is over, but {} is {}, not PRIMARY.",
                replacement.id, replacement.status
            ),
            format!(
                "Make it so: aws ecs update-service-primary-task-set --cluster {} --service {} --primary-task-set {}",
                short(&deployment.request.cluster),
                deployment.request.service,
                replacement.id
            ),
        ));
    }
    Ok(())
}

/// The answer after a look at the deletion.
///
/// A replacement that lost its health after the last step is said to have: nothing can be undone
/// for it any more.
pub fn answer(
    observation: &Observation,
    deployment: &Deployment,
    waiting_on: Option<&WaitingOn>,
) -> Answer {
    let mut deployment = deployment.clone();
    if let Some(waiting_on) = waiting_on {
        deployment.progress.waited = deployment.progress.waited.saturating_add(POLL);
        deployment.progress.looks = match waiting_on {
            WaitingOn::TasksStopping { .. } => deployment.progress.looks.saturating_add(1),
            _ => 0,
        };
        return Answer {
            to: To::WaitForDeletion,
            reason: Reason::new(
                Code::Deleting,
                format!("{waiting_on}; next look in {POLL} s"),
            ),
            wait: POLL,
            deployment,
        };
    }
    let running = deployment
        .replacement_in(observation)
        .map_or(deployment.request.task_definition.as_str(), |set| {
            set.task_definition.as_str()
        });
    let text = format!(
        "service {} runs {} as {} on target group {}{}",
        deployment.request.service,
        short(running),
        deployment.replacement.as_deref().unwrap_or_default(),
        short(&deployment.replacement_target_group),
        ready::lost_health(observation, &deployment).map_or_else(String::new, |shortfall| format!(
            "; the replacement is not healthy now: {shortfall}"
        )),
    );
    let (to, reason) = match deployment.course {
        Course::Forward | Course::Leftover | Course::HalfSwapped => {
            (To::DeploymentSucceeded, Reason::new(Code::Deployed, text))
        }
        Course::Back => {
            let text = format!("Rolled back: {text}.");
            (To::DeploymentFailed, Reason::new(Code::Failed, text))
        }
    };
    Answer {
        to,
        reason,
        wait: 0,
        deployment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{World, group_arn};
    use crate::observation::Forward;

    fn look(world: &World) -> Decision {
        decide(&world.observation, &world.deployment())
    }

    fn drained() -> World {
        let mut world = World::swapped();
        let original = world.task_set_mut("ecs-svc/1");
        original.scale = 0.0;
        original.computed_desired_count = 0;
        original.running_count = 0;
        world
    }

    #[test]
    fn a_drained_original_is_deleted_without_force() {
        assert_eq!(
            look(&drained()),
            Decision::Act(vec![Action::DeleteTaskSet {
                task_set: "ecs-svc/1".into(),
                force: false
            }])
        );
    }

    #[test]
    fn deletion_waits_until_the_original_is_gone() {
        let mut world = drained();
        world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Draining;
        assert!(matches!(
            look(&world),
            Decision::Wait(WaitingOn::Deletion { .. })
        ));
        world.progress.waited = POLL * POLLS;
        assert!(matches!(look(&world), Decision::Refuse(r) if r.error == ErrorName::DrainTimeout));
    }

    #[test]
    fn already_gone_is_success() {
        let mut world = drained();
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/1");
        assert_eq!(look(&world), Decision::Done);
    }

    #[test]
    fn an_original_that_runs_or_serves_again_is_not_deleted() {
        let mut world = drained();
        world.task_set_mut("ecs-svc/1").running_count = 1;
        assert!(matches!(
            look(&world),
            Decision::Wait(WaitingOn::TasksStopping { running: 1 })
        ));
        let waiting_on = WaitingOn::TasksStopping { running: 1 };
        world.progress = answer(&world.observation, &world.deployment(), Some(&waiting_on))
            .deployment
            .progress;
        assert!(matches!(look(&world), Decision::Refuse(r) if r.error == ErrorName::Drift));
        let mut world = drained();
        world.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("green"));
        assert!(matches!(look(&world), Decision::Refuse(r) if r.error == ErrorName::Drift));
    }

    #[test]
    fn success_with_a_replacement_that_lost_its_health_says_so() {
        let mut world = drained();
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/1");
        let told = answer(&world.observation, &world.deployment(), None);
        assert!(
            !told.reason.to_string().contains("not healthy"),
            "{}",
            told.reason.to_string()
        );
        world.group_mut("green").targets.healthy = 1;
        let told = answer(&world.observation, &world.deployment(), None);
        assert!(
            told.reason
                .to_string()
                .contains("not healthy now: 4 healthy targets wanted"),
            "{}",
            told.reason.to_string()
        );
    }

    #[test]
    fn after_a_rollback_the_record_of_the_swap_goes_with_the_replacement() {
        let mut world = World::swapped();
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/1");
        world.group_mut("blue").swap_intent = Some("ebbtide:Ebbtide:run-0:x".into());
        world.course = Course::Back;
        assert_eq!(
            look(&world),
            Decision::Act(vec![Action::ClearSwapIntent {
                target_group: group_arn("blue")
            }])
        );
        let told = answer(&world.observation, &world.deployment(), None);
        assert_eq!(told.to, To::DeploymentFailed);
        assert!(
            told.reason.to_string().contains("runs web:1"),
            "{}",
            told.reason.to_string()
        );
    }

    #[test]
    fn success_is_not_reported_for_a_world_that_is_not_so() {
        let mut world = drained();
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/1");
        world.task_set_mut("ecs-svc/2").status = TaskSetStatus::Active;
        assert!(matches!(look(&world), Decision::Refuse(r) if r.error == ErrorName::Drift));
    }
}
