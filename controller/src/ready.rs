//! Is the replacement steady and healthy? Traffic moves on this answer only, never on a fixed wait.

use crate::deployment::Deployment;
use crate::drain;
use crate::next::Next;
use crate::observation::{Observation, TaskSet};
use crate::phase::To;
use crate::reason::{Reason, Shortfall};
use crate::refusal::{ErrorName, Refusal};
use crate::request::LOOKS;

/// Whether the replacement may take production traffic, or when to look again.
///
/// Waits until it has been steady and healthy [`LOOKS`] times in a row; refuses with
/// `NotReadyTimeout`, and the reasons for which its tasks stopped, after `readinessTimeout`.
pub fn next(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    let replacement = living_replacement(observation, deployment)?;
    if let Some(shortfall) = shortfall(observation, deployment, replacement) {
        give_up_in_time(observation, deployment, replacement, &shortfall)?;
        return Ok(wait_for(deployment, shortfall));
    }
    let seen = deployment.progress.looks.saturating_add(1);
    let mut deployment = deployment.clone();
    let replacement = deployment.replacement.clone();
    if seen < LOOKS {
        deployment.progress.looks = seen;
        let wait = next_look(&deployment);
        let reason = Reason::Confirming {
            replacement,
            seen,
            wanted: LOOKS,
            wait,
        };
        return Ok(wait_on(deployment, wait, To::WaitForServiceReady, reason));
    }
    deployment.progress.looks = LOOKS;
    Ok(Next::at_once(
        To::Swap,
        Reason::Ready { replacement },
        deployment,
    ))
}

/// The replacement, or why there is none to look at.
pub(crate) fn living_replacement<'a>(
    observation: &'a Observation,
    deployment: &Deployment,
) -> Result<&'a TaskSet, Refusal> {
    match deployment.replacement_in(observation) {
        Some(task_set) if !task_set.is_being_deleted() => Ok(task_set),
        Some(task_set) => Err(Refusal::drift(
            format!(
                "The replacement {} is DRAINING: somebody deleted it.",
                task_set.id
            ),
            "Start a new execution.",
        )),
        None => Err(Refusal::not_seen(format!(
            "ECS does not show the replacement {} of this deployment.",
            deployment.replacement.as_deref().unwrap_or("task set")
        ))),
    }
}

/// What the replacement lacks to serve, or `None` where it is steady and healthy.
///
/// `STEADY_STATE` alone is not enough: it is true for a task set that wants no tasks (AWS API
/// model), and an NLB with no healthy target sends traffic to all of them (AWS documentation).
pub(crate) fn shortfall(
    observation: &Observation,
    deployment: &Deployment,
    replacement: &TaskSet,
) -> Option<Shortfall> {
    let target_group = &deployment.replacement_target_group;
    shortfall_of(observation, replacement, target_group)
}

/// What a task set lacks to serve from a target group, or `None` where it is steady and healthy.
pub(crate) fn shortfall_of(
    observation: &Observation,
    task_set: &TaskSet,
    target_group: &str,
) -> Option<Shortfall> {
    let desired = observation
        .service
        .as_ref()
        .map_or(0, |service| service.desired_count);
    let wanted = task_set.computed_desired_count.max(desired).max(1);
    if task_set.running_count < wanted || task_set.pending_count > 0 {
        return Some(Shortfall::Tasks {
            running: task_set.running_count,
            pending: task_set.pending_count,
            wanted,
        });
    }
    let targets = observation
        .target_groups
        .iter()
        .find(|group| group.arn == target_group)
        .map(|group| group.targets)
        .unwrap_or_default();
    if targets.healthy < wanted || targets.healthy < targets.registered() {
        return Some(Shortfall::HealthyTargets { targets, wanted });
    }
    (!task_set.steady).then_some(Shortfall::SteadyState)
}

/// What a replacement lacks that nothing can be held or undone for any more.
pub(crate) fn lost_health(observation: &Observation, deployment: &Deployment) -> Option<Shortfall> {
    let replacement = living_replacement(observation, deployment).ok()?;
    shortfall(observation, deployment, replacement)
}

/// Refuses to wait on once `readinessTimeout` is over.
pub(crate) fn give_up_in_time(
    observation: &Observation,
    deployment: &Deployment,
    replacement: &TaskSet,
    shortfall: &Shortfall,
) -> Result<(), Refusal> {
    let timeout = deployment.request.readiness_timeout;
    if deployment.progress.waited < timeout {
        return Ok(());
    }
    let stopped = observation
        .stopped_tasks
        .first()
        .map(|task| {
            format!(
                " {} of its tasks stopped, the last one ({}) because: {}.",
                observation.stopped_tasks.len(),
                task.id,
                task.reason.trim_end_matches('.')
            )
        })
        .unwrap_or_default();
    Err(Refusal::new(
        ErrorName::NotReadyTimeout,
        format!(
            "Replacement {} was not steady and healthy within {timeout} s: {shortfall}.{stopped}",
            replacement.id
        ),
        "Production traffic was not moved. Look at the tasks' logs and at the health check of the \
         target group; raise readinessTimeout where they only need longer.",
    ))
}

/// The wait for a new replacement to get healthy: the looks at which it was are counted anew.
pub(crate) fn wait_for(deployment: &Deployment, shortfall: Shortfall) -> Next {
    let mut deployment = deployment.clone();
    deployment.progress.looks = 0;
    let wait = next_look(&deployment);
    let reason = Reason::NotReady {
        replacement: deployment.replacement.clone(),
        shortfall,
        wait,
    };
    wait_on(deployment, wait, To::WaitForServiceReady, reason)
}

/// The wait for something else than a new replacement to get healthy before traffic is moved to it:
/// looks are further apart.
pub(crate) fn wait_slowly_for(deployment: &Deployment, shortfall: Shortfall) -> Next {
    let wait = slow_look(deployment);
    let reason = Reason::NotReady {
        replacement: deployment.replacement.clone(),
        shortfall,
        wait,
    };
    wait_on(deployment.clone(), wait, To::Bake, reason)
}

fn wait_on(mut deployment: Deployment, wait: u32, to: To, reason: Reason) -> Next {
    deployment.progress.waited = deployment.progress.waited.saturating_add(wait);
    Next::go(to, reason, wait, deployment)
}

/// Seconds between two looks at a task set that is not new.
pub(crate) fn slow_look(deployment: &Deployment) -> u32 {
    drain::poll(deployment.request.readiness_timeout).max(60)
}

/// `waitForService`, cut short so that the last look is at the deadline.
fn next_look(deployment: &Deployment) -> u32 {
    let request = &deployment.request;
    let left = request
        .readiness_timeout
        .saturating_sub(deployment.progress.waited);
    if left == 0 {
        request.wait_for_service
    } else {
        request.wait_for_service.min(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Answer;
    use crate::fixture::World;
    use crate::observation::{StoppedTask, Targets};

    fn check(world: &World) -> Result<Next, Refusal> {
        next(&world.observation, &world.deployment())
    }

    fn answer(world: &World) -> Answer {
        check(world).unwrap().answer()
    }

    /// What the replacement lacks, while it is waited for.
    fn lacks(world: &World) -> Shortfall {
        let answer = answer(world);
        assert_eq!(answer.to, To::WaitForServiceReady);
        match answer.reason {
            Reason::NotReady { shortfall, .. } => shortfall,
            other => panic!("{other:?}"),
        }
    }

    fn refused(world: &World) -> Refusal {
        check(world).unwrap_err()
    }

    #[test]
    fn a_healthy_replacement_is_ready_at_the_second_look() {
        let mut world = World::healthy();
        let first = answer(&world);
        assert_eq!(first.to, To::WaitForServiceReady);
        assert!(
            matches!(
                first.reason,
                Reason::Confirming {
                    seen: 1,
                    wanted: 2,
                    ..
                }
            ),
            "{first:?}"
        );
        world.progress = first.deployment.progress;
        assert_eq!(world.progress.looks, 1);
        assert_eq!(answer(&world).to, To::Swap);
    }

    #[test]
    fn any_number_of_looks_is_enough() {
        let mut world = World::healthy();
        world.progress.looks = u32::MAX;
        assert_eq!(answer(&world).to, To::Swap);
    }

    #[test]
    fn a_bad_look_starts_the_count_again() {
        let mut world = World::healthy();
        world.progress.looks = 1;
        world.task_set_mut("ecs-svc/2").steady = false;
        assert_eq!(lacks(&world), Shortfall::SteadyState);
        assert_eq!(answer(&world).deployment.progress.looks, 0);
    }

    #[test]
    fn tasks_that_start_are_waited_for() {
        let mut world = World::healthy();
        world.task_set_mut("ecs-svc/2").running_count = 1;
        world.task_set_mut("ecs-svc/2").pending_count = 3;
        assert_eq!(
            lacks(&world),
            Shortfall::Tasks {
                running: 1,
                pending: 3,
                wanted: 4
            }
        );
    }

    #[test]
    fn a_steady_set_without_tasks_is_not_ready() {
        let mut world = World::healthy();
        let set = world.task_set_mut("ecs-svc/2");
        (set.computed_desired_count, set.running_count, set.scale) = (0, 0, 0.0);
        world.group_mut("green").targets = Targets::default();
        assert!(matches!(lacks(&world), Shortfall::Tasks { wanted: 4, .. }));
    }

    #[test]
    fn one_target_in_any_other_state_holds_the_swap() {
        let states: [fn(&mut Targets); 4] = [
            |targets| targets.initial = 1,
            |targets| targets.unhealthy = 1,
            |targets| targets.unused = 1,
            |targets| targets.unknown = 1,
        ];
        for make in states {
            let mut world = World::healthy();
            make(&mut world.group_mut("green").targets);
            assert!(
                matches!(lacks(&world), Shortfall::HealthyTargets { .. }),
                "{}",
                world.group_mut("green").targets
            );
        }
    }

    #[test]
    fn targets_that_are_leaving_do_not_hold_the_swap() {
        let mut world = World::healthy();
        world.progress.looks = 1;
        world.group_mut("green").targets.draining = 2;
        assert_eq!(answer(&world).to, To::Swap);
    }

    #[test]
    fn the_deadline_is_named_with_the_reason_of_the_last_stopped_task() {
        let mut world = World::healthy();
        world.group_mut("green").targets.healthy = 0;
        world.group_mut("green").targets.unhealthy = 4;
        world.progress.waited = 600;
        world.request.readiness_timeout = 600;
        world.observation.stopped_tasks = vec![StoppedTask {
            id: "t1".into(),
            reason: "Essential container in task exited".into(),
        }];
        let refusal = refused(&world);
        assert_eq!(refusal.error, ErrorName::NotReadyTimeout);
        assert!(refusal.seen.contains("4 unhealthy"), "{refusal}");
        assert!(
            refusal.seen.contains("Essential container in task exited"),
            "{refusal}"
        );
    }

    #[test]
    fn the_last_look_is_at_the_deadline() {
        let mut world = World::healthy();
        world.request.readiness_timeout = 100;
        world.progress.waited = 60;
        world.task_set_mut("ecs-svc/2").steady = false;
        let answer = answer(&world);
        assert_eq!((answer.wait, answer.deployment.progress.waited), (40, 100));
    }

    #[test]
    fn a_replacement_that_one_read_does_not_show_is_looked_for_again() {
        let mut world = World::healthy();
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/2");
        assert_eq!(refused(&world).error, ErrorName::NotYetConsistent);
    }

    #[test]
    fn a_replacement_that_somebody_deletes_is_drift() {
        let mut world = World::healthy();
        world.task_set_mut("ecs-svc/2").status = crate::observation::TaskSetStatus::Draining;
        assert_eq!(refused(&world).error, ErrorName::Drift);
    }
}
