//! One turn of a deployment: from what was seen to what happens next, and why.

use crate::contract::Failure;
use crate::deployment::{Answer, Course, Deployment, Progress};
use crate::observation::Observation;
use crate::phase::{Phase, To};
use crate::reason::{Outcome, Reason};
use crate::refusal::{ErrorName, Refusal};
use crate::{cleanup, create, finish_swap, leftovers, ready, rollback, scale_down, swap};

pub use crate::next::Next;

/// A turn's decision. The tests put a wrong one in the place of [`next`], to see that it is caught.
pub type Turn = fn(Phase, &Observation, &Deployment) -> Result<Next, Refusal>;

/// Decides what happens next in a phase that holds the lock.
///
/// A refusal is answered by [`refused`], unless it is worth another attempt.
pub fn next(
    phase: Phase,
    observation: &Observation,
    deployment: &Deployment,
) -> Result<Next, Refusal> {
    match phase {
        Phase::Preflight | Phase::CheckAndCreate => check_and_create(observation, deployment),
        Phase::Swap => swap(observation, deployment),
        Phase::ScaleDown => scale_down(observation, deployment),
        Phase::Cleanup => Ok(cleanup::next(observation, deployment)?.map(its_own_turn)),
        Phase::Rollback => Ok(rollback::next(observation, deployment)?.map(its_own_turn)),
    }
}

/// First what an earlier deployment left, then the replacement, then its health.
fn check_and_create(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    if deployment.replacement.is_some() {
        return ready::next(observation, deployment);
    }
    // Once it is there, nothing was left over, and it would be taken for a leftover itself.
    if deployment.replacement_in(observation).is_none() {
        match leftovers::left_over(observation, deployment)? {
            // Another function may make these writes, and this one may not.
            Some(Next::Write(_)) => return Ok(leftovers::hand_over(deployment)),
            Some(answer @ Next::Go(_)) => return Ok(answer),
            None => {}
        }
    }
    let settled = leftovers::settled(observation, deployment)?;
    create::next(observation, &settled)
}

/// There, back, or to the end of a swap that was left half done.
fn swap(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    match deployment.course {
        Course::HalfSwapped => finish_swap::next(observation, deployment),
        Course::Forward | Course::Back | Course::Leftover if deployment.progress.baking => {
            bake(observation, deployment)
        }
        Course::Forward | Course::Back | Course::Leftover => swap::next(observation, deployment),
    }
}

/// The pause between the swap and the drain, under the guards of the drain.
fn bake(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    if scale_down::bake_left(deployment) == 0 {
        return Ok(Next::at_once(
            To::ScaleDown,
            Reason::BakeOver,
            deployment.clone(),
        ));
    }
    let next = scale_down::next(observation, deployment)?;
    Ok(next.map(|answer| {
        let to = match answer.to {
            To::Wait => To::Bake,
            // The original is gone already. The drain finds that as well, and sends the notification.
            To::Cleanup => To::ScaleDown,
            other => other,
        };
        Answer { to, ..answer }
    }))
}

/// What an earlier deployment left, or the deployment's own original.
fn scale_down(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    match deployment.course {
        Course::Leftover => leftovers::next(observation, deployment),
        Course::Forward | Course::Back | Course::HalfSwapped => {
            scale_down::next(observation, deployment)
        }
    }
}

/// After the rollback of an earlier execution comes this one's own deployment.
fn its_own_turn(answer: Answer) -> Answer {
    if !(answer.deployment.finishing && answer.to.is_the_end()) {
        return answer;
    }
    let deployment = Deployment {
        course: Course::Forward,
        finishing: false,
        failure: None,
        original: None,
        replacement: None,
        progress: Progress::default(),
        control: answer.deployment.control.anew(),
        ..answer.deployment
    };
    Answer {
        to: To::CheckAndCreateService,
        reason: Reason::RollbackFinished {
            outcome: Box::new(answer.reason),
        },
        wait: 0,
        deployment,
    }
}

/// The answer to a refusal: what was begun is undone, or the deployment ends where it is.
///
/// `held` is false where another execution has the lock: nothing may be undone then.
pub fn refused(phase: Phase, deployment: &Deployment, refusal: &Refusal) -> Answer {
    let lock_is_lost = matches!(
        refusal.error,
        ErrorName::LockLost | ErrorName::ConcurrentDeployment
    );
    let failure = match &deployment.failure {
        Some(first) if phase != Phase::Rollback => first.clone().then(&refusal.to_string()),
        Some(first) => first.clone(),
        None => Failure::from(refusal),
    };
    let failed = |outcome| (To::DeploymentFailed, Reason::Failed(Box::new(outcome)));
    let (to, reason) = match phase {
        _ if lock_is_lost => failed(Outcome::Untouched),
        Phase::Rollback => failed(Outcome::NotRolledBack(refusal.clone())),
        Phase::Preflight => failed(Outcome::Untouched),
        Phase::CheckAndCreate | Phase::Swap | Phase::ScaleDown | Phase::Cleanup => {
            (To::Rollback, Reason::Refused(refusal.clone()))
        }
    };
    let mut deployment = deployment.clone();
    deployment.failure = Some(if lock_is_lost {
        Failure::from(refusal)
    } else {
        failure
    });
    deployment.begin_rollback();
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
    use crate::action::Action;
    use crate::fixture::{OWNER, World};
    use crate::observation::TaskSetStatus;
    use crate::reason::Code;

    fn go(phase: Phase, world: &World, deployment: &Deployment) -> Answer {
        match next(phase, &world.observation, deployment).unwrap() {
            Next::Go(answer) => *answer,
            Next::Write(actions) => panic!("{actions:?}"),
        }
    }

    #[test]
    fn a_replacement_is_created_in_the_turn_that_finds_nothing_left_over() {
        let world = World::serving();
        let mut deployment = world.deployment();
        deployment.replacement = None;
        let next = next(Phase::CheckAndCreate, &world.observation, &deployment).unwrap();
        assert!(
            matches!(&next, Next::Write(actions) if matches!(actions.last(), Some(Action::CreateTaskSet(_)))),
            "{next:?}"
        );
    }

    #[test]
    fn once_it_is_there_its_health_is_waited_for_and_then_traffic_moves() {
        let world = World::created();
        let mut deployment = world.deployment();
        deployment.replacement = None;
        let created = go(Phase::CheckAndCreate, &world, &deployment);
        assert_eq!(created.to, To::WaitForServiceReady);
        let world = World::healthy();
        let first = go(Phase::CheckAndCreate, &world, &created.deployment);
        assert_eq!(first.to, To::WaitForServiceReady);
        let second = go(Phase::CheckAndCreate, &world, &first.deployment);
        assert_eq!(second.to, To::Swap);
    }

    #[test]
    fn what_is_left_over_is_the_business_of_another_function() {
        let mut world = World::created();
        world.task_set_mut("ecs-svc/1").status = TaskSetStatus::Primary;
        world.task_set_mut("ecs-svc/2").external_id = Some(format!("{OWNER}-before"));
        let mut deployment = world.deployment();
        deployment.replacement = None;
        let answer = go(Phase::CheckAndCreate, &world, &deployment);
        assert_eq!(answer.to, To::ScaleDown);
        assert_eq!(answer.deployment.course, Course::Leftover);
        let next = next(Phase::ScaleDown, &world.observation, &answer.deployment).unwrap();
        assert!(
            matches!(&next, Next::Write(actions) if matches!(actions[..], [Action::DeleteTaskSet { .. }])),
            "{next:?}"
        );
    }

    #[test]
    fn a_swap_bakes_under_guards_and_then_the_drain_begins() {
        let mut world = World::swapped();
        world.request.bake_time = 120;
        world.progress = Progress::default();
        let swapped = go(Phase::Swap, &world, &world.deployment());
        assert_eq!((swapped.to, swapped.wait), (To::Bake, 60));
        assert_eq!(swapped.reason.code(), Code::Swapped);
        let baking = go(Phase::Swap, &world, &swapped.deployment);
        assert_eq!((baking.to, baking.wait), (To::Bake, 60));
        assert_eq!(baking.reason.code(), Code::Baking);
        let over = go(Phase::Swap, &world, &baking.deployment);
        assert_eq!((over.to, over.wait), (To::ScaleDown, 0));
    }

    #[test]
    fn a_listener_that_was_put_back_while_the_swap_bakes_is_not_moved_again() {
        let mut world = World::healthy();
        world.progress.baking = true;
        let refusal = next(Phase::Swap, &world.observation, &world.deployment()).unwrap_err();
        assert_eq!(refusal.error, ErrorName::Drift);
    }

    #[test]
    fn an_alarm_that_rings_while_the_swap_bakes_is_refused() {
        let mut world = World::swapped().alarmed("ALARM");
        (world.progress.baking, world.progress.step) = (true, 0);
        let refusal = next(Phase::Swap, &world.observation, &world.deployment()).unwrap_err();
        assert_eq!(refusal.error, ErrorName::AlarmRaised);
    }

    #[test]
    fn a_refusal_is_an_answer_that_leads_to_the_rollback() {
        let deployment = World::swapped().deployment();
        let refusal = Refusal::drift("It moved.", "Look.");
        let answer = refused(Phase::ScaleDown, &deployment, &refusal);
        assert_eq!(answer.to, To::Rollback);
        let failure = answer.deployment.failure.clone().unwrap();
        assert_eq!(
            (failure.error.as_str(), failure.cause.as_str()),
            ("Drift", "It moved. Look.")
        );
        let again = refused(
            Phase::Rollback,
            &answer.deployment,
            &Refusal::drift("Still.", "No."),
        );
        assert_eq!(again.to, To::DeploymentFailed);
        assert_eq!(again.deployment.failure.unwrap(), failure);
        assert!(
            again
                .reason
                .to_string()
                .starts_with("Not rolled back: Still.")
        );
    }

    #[test]
    fn nothing_is_rolled_back_without_the_lock() {
        let deployment = World::swapped().deployment();
        let refusal = Refusal::new(ErrorName::LockLost, "Gone.", "Start again.");
        let answer = refused(Phase::ScaleDown, &deployment, &refusal);
        assert_eq!(answer.to, To::DeploymentFailed);
        assert_eq!(answer.deployment.failure.unwrap().error, "LockLost");
    }

    #[test]
    fn what_fails_on_the_way_back_is_told_after_what_it_was_for() {
        let deployment = World::swapped().failed("AlarmRaised").deployment();
        let answer = refused(
            Phase::Swap,
            &deployment,
            &Refusal::drift("It moved.", "Look."),
        );
        let failure = answer.deployment.failure.unwrap();
        assert_eq!(failure.error, "AlarmRaised");
        assert_eq!(failure.cause, "It went wrong. Then: It moved. Look.");
    }

    #[test]
    fn after_a_rollback_that_was_taken_over_the_deployment_begins() {
        let mut world = World::swapped().failed("Drift");
        world.course = Course::Back;
        world
            .observation
            .task_sets
            .retain(|set| set.id != "ecs-svc/1");
        let mut deployment = world.deployment();
        assert_eq!(
            go(Phase::Cleanup, &world, &deployment).to,
            To::DeploymentFailed
        );
        deployment.finishing = true;
        let answer = go(Phase::Cleanup, &world, &deployment);
        assert_eq!(answer.to, To::CheckAndCreateService);
        assert!(!answer.deployment.finishing);
        assert_eq!(answer.deployment.failure, None);
        assert_eq!(answer.deployment.replacement, None);
    }
}
