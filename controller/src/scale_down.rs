//! `ScaleDown`: one step of the drain of the original task set.

use crate::arn::short;
use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Answer, Deployment, Status};
use crate::drain::{Schedule, scale_for, tasks_at};
use crate::observation::{Observation, TaskSet};
use crate::ready;
use crate::refusal::{ErrorName, Refusal};
use crate::routing;

/// Seconds between two looks where the drain waits for something other than its own pace: the
/// last tasks' connections, or a replacement that lost health.
pub const POLL: u32 = 30;

/// Decides the next write of the drain.
///
/// Guards first (rule R4): the original is not behind a production listener and the replacement
/// is steady and healthy, or the step is held. Then an absolute scale, computed from the start of
/// the drain and the step's own number, so that doing a step twice is doing it once (rule R3).
/// Done when the original is gone or runs no task; refuses with `DrainTimeout` after
/// `drainTimeout`.
pub fn decide(observation: &Observation, deployment: &Deployment) -> Decision {
    let Some(original) = deployment
        .original_in(observation)
        .filter(|original| !original.is_being_deleted())
    else {
        return Decision::Done;
    };
    if let Err(refusal) = not_in_production(observation, deployment, original) {
        return Decision::Refuse(refusal);
    }
    let desired = observation
        .service
        .as_ref()
        .map_or(0, |service| service.desired_count);
    let wants = tasks_at(original.scale, desired).max(original.computed_desired_count);
    if wants == 0 && original.running_count == 0 && original.pending_count == 0 {
        return if original.scale > 0.0 {
            // A service that wants no tasks: without this, the set would come back with it.
            Decision::Act(vec![scaled(original, 0, desired)])
        } else {
            Decision::Done
        };
    }
    if let Some(refusal) = overdue(deployment, original) {
        return Decision::Refuse(refusal);
    }
    let (schedule, tasks) = schedule(deployment, desired);
    let left = schedule.left_after(deployment.progress.step);
    if wants > left || (left == 0 && original.scale > 0.0) {
        return match held(observation, deployment) {
            Some(held) => held,
            None => Decision::Act(vec![scaled(original, left, desired)]),
        };
    }
    Decision::Wait(if left > 0 {
        WaitingOn::NextStep { left, of: tasks }
    } else {
        WaitingOn::TasksStopping {
            running: original.running_count + original.pending_count,
        }
    })
}

/// The drain as it was planned at the swap, and its tasks.
///
/// Where Auto Scaling has moved the desired count since, every task set has followed it by its
/// percentage (AWS documentation), and so does the plan: a step is the same share of what there is.
fn schedule(deployment: &Deployment, desired: u32) -> (Schedule, u32) {
    let tasks = if desired == deployment.desired || desired == 0 || deployment.desired == 0 {
        deployment.tasks
    } else {
        let tasks = u64::from(deployment.tasks) * u64::from(desired);
        u32::try_from(tasks.div_ceil(u64::from(deployment.desired))).unwrap_or(u32::MAX)
    };
    (
        Schedule::new(tasks, deployment.request.scale_down_decrement),
        tasks,
    )
}

fn scaled(original: &TaskSet, tasks: u32, desired: u32) -> Action {
    Action::SetScale {
        task_set: original.id.clone(),
        // Never up, whatever happened to the desired count meanwhile.
        percent: scale_for(tasks, desired).min(original.scale),
        tasks,
    }
}

/// The guard before every scale-down and every delete: production traffic goes to the
/// replacement's group and to no group that the original is attached to.
pub(crate) fn not_in_production(
    observation: &Observation,
    deployment: &Deployment,
    original: &TaskSet,
) -> Result<(), Refusal> {
    let pair = routing::pair(observation, &deployment.request.service)?;
    let roles = routing::roles(observation, pair)?;
    let serves = original
        .load_balancers
        .iter()
        .any(|attached| roles.production_reaches(&attached.target_group));
    if serves || !roles.production_is_all_to(&deployment.replacement_target_group) {
        return Err(Refusal::drift(
            format!(
                "The production listener does not forward to {} alone, so {} still takes traffic.",
                short(&deployment.replacement_target_group),
                original.id
            ),
            "Somebody moved the listener back: nothing more was taken away. Start a new execution \
             for the version that shall serve.",
        ));
    }
    Ok(())
}

/// A replacement that cannot take more connections holds the step.
fn held(observation: &Observation, deployment: &Deployment) -> Option<Decision> {
    match ready::living_replacement(observation, deployment) {
        Ok(replacement) => {
            ready::shortfall(observation, deployment, replacement).map(Decision::Wait)
        }
        Err(refusal) => Some(Decision::Refuse(refusal)),
    }
}

fn overdue(deployment: &Deployment, original: &TaskSet) -> Option<Refusal> {
    let timeout = deployment.request.drain_timeout?;
    if deployment.progress.waited < timeout {
        return None;
    }
    Some(Refusal::new(
        ErrorName::DrainTimeout,
        format!(
            "{} still runs {} of its {} tasks {timeout} s after the drain began.",
            original.id, original.running_count, deployment.tasks
        ),
        format!(
            "Production traffic is on {}. Look at what keeps the tasks (deregistration delay, \
             stop timeout, scale-in protection), then finish by hand: aws ecs update-task-set \
             --task-set {} --scale value=0,unit=PERCENT, and delete it.",
            deployment
                .replacement
                .as_deref()
                .unwrap_or("the replacement"),
            original.id
        ),
    ))
}

/// The answer after a step: what is left, and when the next step comes.
pub fn answer(
    observation: &Observation,
    deployment: &Deployment,
    waiting_on: Option<&WaitingOn>,
) -> Answer {
    let mut deployment = deployment.clone();
    let name = deployment.original.clone().unwrap_or_default();
    let Some(waiting_on) = waiting_on else {
        let reason = if name.is_empty() {
            "there was no original task set to drain".to_owned()
        } else {
            format!("original {name}: drained, no task left")
        };
        deployment.progress.waited = 0;
        return Answer {
            status: Status::Drained,
            reason,
            wait: 0,
            deployment,
        };
    };
    let running = deployment
        .original_in(observation)
        .map_or(0, |original| original.running_count);
    let (wait, reason) = match waiting_on {
        WaitingOn::NextStep { left, of } => {
            let desired = observation.service.as_ref().map_or(0, |s| s.desired_count);
            let (next, _) = schedule(&deployment, desired);
            let step = deployment.progress.step;
            let wait = deployment.request.scale_down_wait;
            deployment.progress.step += 1;
            (
                wait,
                format!(
                    "original {name}: {left} of {of} tasks left after step {step} of {}, next {} in {wait} s",
                    next.steps(),
                    left.saturating_sub(next.left_after(step + 1))
                ),
            )
        }
        WaitingOn::TasksStopping { .. } => (
            POLL,
            format!("original {name}: {waiting_on}; next look in {POLL} s"),
        ),
        held => (
            POLL,
            format!(
                "original {name}: step held with {running} tasks, because the replacement is not healthy: {held}; next look in {POLL} s"
            ),
        ),
    };
    deployment.progress.waited = deployment.progress.waited.saturating_add(wait);
    Answer {
        status: Status::Draining,
        reason,
        wait,
        deployment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{World, group_arn};
    use crate::observation::{Forward, TaskSetStatus};

    fn look(world: &World) -> Decision {
        decide(&world.observation, &world.deployment())
    }

    fn scale_to(tasks: u32) -> Decision {
        Decision::Act(vec![Action::SetScale {
            task_set: "ecs-svc/1".into(),
            percent: scale_for(tasks, 4),
            tasks,
        }])
    }

    /// The original at `tasks` of 4, `running` of them still there.
    fn drained_to(tasks: u32, running: u32) -> World {
        let mut world = World::swapped();
        let original = world.task_set_mut("ecs-svc/1");
        original.scale = scale_for(tasks, 4);
        original.computed_desired_count = tasks;
        original.running_count = running;
        world
    }

    #[test]
    fn the_first_step_takes_a_quarter() {
        assert_eq!(look(&World::swapped()), scale_to(3));
    }

    #[test]
    fn a_step_that_was_made_is_not_made_again() {
        let world = drained_to(3, 4);
        assert_eq!(
            look(&world),
            Decision::Wait(WaitingOn::NextStep { left: 3, of: 4 })
        );
    }

    #[test]
    fn a_late_duplicate_of_an_early_step_does_not_bring_tasks_back() {
        let mut world = drained_to(1, 1);
        world.progress.step = 1;
        assert!(matches!(
            look(&world),
            Decision::Wait(WaitingOn::NextStep { left: 3, .. })
        ));
    }

    #[test]
    fn the_drain_is_done_when_the_last_task_has_left_and_not_before() {
        let mut world = drained_to(0, 1);
        world.progress.step = 4;
        assert_eq!(
            look(&world),
            Decision::Wait(WaitingOn::TasksStopping { running: 1 })
        );
        let mut world = drained_to(0, 0);
        world.progress.step = 4;
        assert_eq!(look(&world), Decision::Done);
    }

    #[test]
    fn a_service_scaled_to_zero_is_not_drained_while_its_tasks_run() {
        let mut world = drained_to(4, 2);
        world.observation.service.as_mut().unwrap().desired_count = 0;
        world.task_set_mut("ecs-svc/1").computed_desired_count = 0;
        assert!(matches!(look(&world), Decision::Wait(_)));
    }

    #[test]
    fn the_set_behind_the_production_listener_is_never_drained() {
        let mut world = World::swapped();
        world.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("green"));
        assert!(matches!(look(&world), Decision::Refuse(r) if r.error == ErrorName::Drift));
    }

    #[test]
    fn a_replacement_that_lost_health_holds_the_step() {
        let mut world = World::swapped();
        world.group_mut("green").targets.healthy = 3;
        world.group_mut("green").targets.unhealthy = 1;
        let Decision::Wait(held) = look(&world) else {
            panic!()
        };
        let answer = answer(&world.observation, &world.deployment(), Some(&held));
        assert_eq!(answer.deployment.progress.step, 1);
        assert_eq!((answer.status, answer.wait), (Status::Draining, POLL));
        assert!(
            answer.reason.contains("step held with 4 tasks"),
            "{}",
            answer.reason
        );
    }

    #[test]
    fn a_desired_count_that_rises_never_brings_tasks_back() {
        let mut world = drained_to(2, 2);
        world.progress.step = 3;
        world.observation.service.as_mut().unwrap().desired_count = 8;
        let original = world.task_set_mut("ecs-svc/1");
        original.computed_desired_count = tasks_at(original.scale, 8);
        let before = original.scale;
        let replacement = world.task_set_mut("ecs-svc/2");
        (
            replacement.computed_desired_count,
            replacement.running_count,
        ) = (8, 8);
        world.group_mut("green").targets.healthy = 8;
        let Decision::Act(actions) = look(&world) else {
            panic!()
        };
        // A quarter of eight, as it was a quarter of four.
        assert!(matches!(
            actions[..],
            [Action::SetScale { percent, tasks: 2, .. }] if percent < before
        ));
    }

    #[test]
    fn a_desired_count_that_rises_between_swap_and_drain_makes_no_bigger_step() {
        let mut world = World::swapped();
        world.observation.service.as_mut().unwrap().desired_count = 40;
        for id in ["ecs-svc/1", "ecs-svc/2"] {
            let set = world.task_set_mut(id);
            (set.computed_desired_count, set.running_count) = (40, 40);
        }
        world.group_mut("green").targets.healthy = 40;
        assert!(matches!(
            look(&world),
            Decision::Act(actions) if matches!(actions[..], [Action::SetScale { tasks: 30, .. }])
        ));
    }

    #[test]
    fn an_original_that_is_gone_or_going_is_drained() {
        let mut world = World::swapped();
        world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Draining;
        assert_eq!(look(&world), Decision::Done);
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/1");
        assert_eq!(look(&world), Decision::Done);
    }

    #[test]
    fn the_deadline_is_named_with_what_remains() {
        let mut world = drained_to(0, 2);
        world.progress.step = 4;
        world.request.drain_timeout = Some(1_800);
        world.progress.waited = 1_800;
        let Decision::Refuse(refusal) = look(&world) else {
            panic!()
        };
        assert_eq!(refusal.error, ErrorName::DrainTimeout);
        assert!(
            refusal.seen.contains("still runs 2 of its 4 tasks"),
            "{refusal}"
        );
    }

    #[test]
    fn each_answer_counts_the_step_and_the_wait() {
        let world = drained_to(3, 4);
        let answer = answer(
            &world.observation,
            &world.deployment(),
            Some(&WaitingOn::NextStep { left: 3, of: 4 }),
        );
        assert_eq!(answer.deployment.progress.step, 2);
        assert_eq!(answer.deployment.progress.waited, 60);
        assert_eq!(
            answer.reason,
            "original ecs-svc/1: 3 of 4 tasks left after step 1 of 4, next 1 in 60 s"
        );
    }
}
