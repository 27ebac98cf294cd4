//! Cleanup: deletes the drained original and looks once more at the whole.

use crate::action::Action;
use crate::arn::short;
use crate::deployment::{Course, Deployment};
use crate::next::Next;
use crate::observation::{Observation, TaskSet, TaskSetStatus};
use crate::phase::To;
use crate::ready;
use crate::reason::{Outcome, Reason, Running};
use crate::refusal::{ErrorName, Refusal};
use crate::request::LOOKS;
use crate::routing;
use crate::scale_down;

/// Seconds between two looks at a task set that ECS is deleting.
pub const POLL: u32 = 30;

/// Looks at a task set that ECS is deleting, at most: half an hour.
pub const POLLS: u32 = 60;

/// How the drained original goes, and the end of the deployment once it has.
///
/// Deletes it without `force`, which ECS refuses for a set that still runs tasks, and waits until
/// it is gone. "Already gone" is success. The end is reached only when the world is what the
/// deployment was for; anything else is `Drift`.
pub fn next(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    let Some(original) = deployment.original_in(observation) else {
        as_intended(observation, deployment)?;
        return Ok(match served(observation, deployment) {
            Some(target_group) => Next::Write(vec![Action::ClearSwapIntent { target_group }]),
            None => complete(observation, deployment),
        });
    };
    if original.is_being_deleted() {
        return being_deleted(deployment, original);
    }
    let looks = deployment.progress.looks.saturating_add(1);
    if runs(original) && looks < LOOKS {
        // It was drained a moment ago: what one read says of that may be old.
        let reason = Reason::StillRuns {
            running: original.tasks(),
            wait: POLL,
        };
        return Ok(look_again(deployment, looks, reason));
    }
    may_be_deleted(observation, deployment, original)?;
    Ok(Next::Write(vec![Action::DeleteTaskSet {
        task_set: original.id.clone(),
        force: false,
    }]))
}

/// ECS finishes a deletion by itself, in half an hour at most.
fn being_deleted(deployment: &Deployment, original: &TaskSet) -> Result<Next, Refusal> {
    if deployment.progress.waited < POLL * POLLS {
        let reason = Reason::Deleting {
            task_set: original.id.clone(),
            wait: POLL,
        };
        return Ok(look_again(deployment, 0, reason));
    }
    Err(Refusal::new(
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

fn look_again(deployment: &Deployment, looks: u32, reason: Reason) -> Next {
    let mut deployment = deployment.clone();
    deployment.progress.waited = deployment.progress.waited.saturating_add(POLL);
    deployment.progress.looks = looks;
    Next::go(To::WaitForDeletion, reason, POLL, deployment)
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

/// The end of the deployment, or of its rollback.
///
/// A replacement that lost its health after the last step is said to have: nothing can be undone
/// for it any more.
fn complete(observation: &Observation, deployment: &Deployment) -> Next {
    let replacement = deployment.replacement_in(observation);
    let task_definition = replacement.map_or(&deployment.request.task_definition, |set| {
        &set.task_definition
    });
    let running = Running {
        service: deployment.request.service.clone(),
        task_definition: task_definition.clone(),
        task_set: deployment.replacement.clone(),
        target_group: deployment.replacement_target_group.clone(),
        unhealthy: ready::lost_health(observation, deployment),
    };
    let (to, reason) = match deployment.course {
        Course::Forward | Course::Leftover | Course::HalfSwapped => {
            (To::DeploymentSucceeded, Reason::Deployed(Box::new(running)))
        }
        Course::Back => (
            To::DeploymentFailed,
            Reason::Failed(Box::new(Outcome::RolledBack(running))),
        ),
    };
    Next::at_once(to, reason, deployment.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Answer;
    use crate::fixture::{World, group_arn};
    use crate::observation::Forward;

    fn check(world: &World) -> Result<Next, Refusal> {
        next(&world.observation, &world.deployment())
    }

    fn answer(world: &World) -> Answer {
        check(world).unwrap().answer()
    }

    fn refused(world: &World) -> ErrorName {
        check(world).unwrap_err().error
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
            check(&drained()),
            Ok(Next::Write(vec![Action::DeleteTaskSet {
                task_set: "ecs-svc/1".into(),
                force: false
            }]))
        );
    }

    #[test]
    fn deletion_waits_until_the_original_is_gone() {
        let mut world = drained();
        world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Draining;
        let waiting = answer(&world);
        assert_eq!(waiting.to, To::WaitForDeletion);
        let task_set = "ecs-svc/1".to_owned();
        assert_eq!(waiting.reason, Reason::Deleting { task_set, wait: 30 });
        world.progress.waited = POLL * POLLS;
        assert_eq!(refused(&world), ErrorName::DrainTimeout);
    }

    #[test]
    fn already_gone_is_success() {
        let mut world = drained();
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/1");
        let answer = answer(&world);
        assert_eq!(answer.to, To::DeploymentSucceeded);
        assert!(matches!(answer.reason, Reason::Deployed(_)), "{answer:?}");
    }

    #[test]
    fn an_original_that_runs_or_serves_again_is_not_deleted() {
        let mut world = drained();
        world.task_set_mut("ecs-svc/1").running_count = 1;
        let waiting = answer(&world);
        assert_eq!(waiting.to, To::WaitForDeletion);
        let (running, wait) = (1, 30);
        assert_eq!(waiting.reason, Reason::StillRuns { running, wait });
        world.progress = waiting.deployment.progress;
        assert_eq!(refused(&world), ErrorName::Drift);
        let mut world = drained();
        world.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("green"));
        assert_eq!(refused(&world), ErrorName::Drift);
    }

    #[test]
    fn success_with_a_replacement_that_lost_its_health_says_so() {
        let mut world = drained();
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/1");
        let told = answer(&world);
        assert!(
            !told.reason.to_string().contains("not healthy"),
            "{}",
            told.reason.to_string()
        );
        world.group_mut("green").targets.healthy = 1;
        let told = answer(&world);
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
            check(&world),
            Ok(Next::Write(vec![Action::ClearSwapIntent {
                target_group: group_arn("blue")
            }]))
        );
        world.group_mut("blue").swap_intent = None;
        let told = answer(&world);
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
        assert_eq!(refused(&world), ErrorName::Drift);
    }
}
