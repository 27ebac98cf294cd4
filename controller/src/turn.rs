//! One turn of a deployment: from what was seen to what happens next, and why.

use crate::contract::Failure;
use crate::deployment::{Answer, Outgoing, Plan, Progress};
use crate::gates::Gate;
use crate::hooks;
use crate::phase::{Phase, To};
use crate::point::Point;
use crate::reason::{Outcome, Reason};
use crate::refusal::{ErrorName, Refusal};
use crate::registry;
use crate::world::World;
use crate::{
    cleanup, command, create, finish_swap, leftovers, ready, rollback, scale_down, shift, swap,
};

pub use crate::next::Next;

/// A turn's decision. The tests put a wrong one in the place of [`next`], to see that it is caught.
pub type Turn = fn(Phase, &World, &Plan, &Progress) -> Result<Next, Refusal>;

/// Decides what happens next in a phase that holds the lock.
///
/// A refusal is answered by [`refused`], unless it is worth another attempt.
pub fn next(
    phase: Phase,
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Result<Next, Refusal> {
    registry::understood(world, Some(plan))?;
    let world = &*registry::grouped(world, &plan.request, &plan.id, Some(plan));
    let next = match command::rollback(phase, world, plan, progress) {
        Some(asked) if phase == Phase::Rollback => {
            let failure = Some(Failure::from(&asked));
            let plan = Plan {
                failure,
                ..plan.clone()
            };
            of_phase(phase, world, &plan, progress)
        }
        Some(asked) => Err(asked),
        None => match command::repaced(phase, world, plan, progress) {
            Some(repaced) => Ok(repaced),
            None => of_phase(phase, world, plan, progress),
        },
    };
    let heard = command::hear(phase, world, plan, progress);
    Ok(next?.map(|answer| Answer { heard, ..answer }))
}

fn of_phase(
    phase: Phase,
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Result<Next, Refusal> {
    match phase {
        Phase::Preflight | Phase::CheckAndCreate => check_and_create(world, plan, progress),
        Phase::Swap => swap(world, plan, progress),
        Phase::ScaleDown => scale_down(world, plan, progress),
        Phase::Cleanup => Ok(ended(phase, world, cleanup::next(world, plan, progress)?)),
        Phase::Rollback => Ok(ended(phase, world, rollback::next(world, plan, progress)?)),
    }
}

/// What comes after the end of a deployment, or in its place.
fn ended(phase: Phase, world: &World, next: Next) -> Next {
    next.map(|answer| hooks_first(phase, world, its_own_turn(answer)))
}

/// After a rollback its hooks are called, before the lock is released. What they answer changes nothing.
fn hooks_first(phase: Phase, world: &World, answer: Answer) -> Answer {
    if answer.to != To::DeploymentFailed {
        return answer;
    }
    let Ok(Some(turn)) = hooks::due(world, &answer.plan, Point::AfterRollback, 0) else {
        let remark = answer.plan.calls.remark.as_deref();
        let failure = answer.plan.failure.clone();
        let failure = match remark {
            Some(remark) => failure.map(|failure| failure.then(remark)),
            None => failure,
        };
        let plan = Plan {
            failure,
            ..answer.plan
        };
        return Answer { plan, ..answer };
    };
    let gate = Gate::Hook(Box::new(turn));
    Answer {
        to: gate.to(phase.wait()),
        wait: gate.wait(),
        plan: gate.plan(&answer.plan),
        reason: Reason::Gate(gate),
        ..answer
    }
}

/// First leftovers of an earlier deployment, then the replacement, then its health.
fn check_and_create(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    if plan.replacement.is_some() {
        return ready::next(world, plan, progress);
    }
    // Once the replacement exists, nothing was left over, and it would be mistaken for a leftover.
    if plan.labelled_in(world).is_none() {
        match leftovers::left_over(world, plan, progress)? {
            // Another function may make these writes, and this one may not.
            Some(Next::Write(_) | Next::WriteAndGo(..)) => {
                return Ok(leftovers::hand_over(plan));
            }
            Some(answer @ Next::Go(_)) => return Ok(answer),
            None => {}
        }
    }
    create::next(world, &leftovers::settled(world, plan)?)
}

/// Forward or back; without a replacement, finishes a swap that was left half done.
fn swap(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    if plan.replacement.is_none() {
        finish_swap::next(world, plan, progress)
    } else if progress.baking {
        bake(world, plan, progress)
    } else {
        swap::next(world, plan, progress)
    }
}

/// The pause between the swap and the drain, under the guards of the drain.
fn bake(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    if scale_down::bake_left(plan, progress) == 0 {
        let (plan, progress) = (plan.clone(), *progress);
        return Ok(Next::at_once(
            To::ScaleDown,
            Reason::BakeOver,
            plan,
            progress,
        ));
    }
    let next = scale_down::next(world, plan, progress)?;
    Ok(next.map(|answer| {
        let to = match answer.to {
            To::Wait => To::Bake,
            To::Hook(_) => To::Hook(Phase::Swap),
            // The original is gone already. The drain finds that as well, and sends the notification.
            To::Cleanup => To::ScaleDown,
            other => other,
        };
        Answer { to, ..answer }
    }))
}

/// Drains a leftover of an earlier deployment, or what this one removes.
fn scale_down(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    match plan.outgoing {
        Outgoing::Leftover(_) => leftovers::next(world, plan, progress),
        Outgoing::Original | Outgoing::Replacement => scale_down::next(world, plan, progress),
    }
}

/// After the rollback of an earlier execution, this execution's own deployment begins.
fn its_own_turn(answer: Answer) -> Answer {
    if !(answer.plan.finishing && answer.to.is_the_end()) {
        return answer;
    }
    let plan = Plan {
        finishing: false,
        failure: None,
        ..leftovers::naming_nothing(&answer.plan, Outgoing::Original)
    };
    Answer {
        to: To::CheckAndCreateService,
        reason: Reason::RollbackFinished {
            outcome: Box::new(answer.reason),
        },
        wait: 0,
        plan,
        progress: answer.progress.anew(),
        heard: None,
        tidy: Vec::new(),
    }
}

/// The answer to a refusal: a rollback, or the end of the deployment where it is.
///
/// Nothing may be undone where another execution has the lock.
pub fn refused(phase: Phase, plan: &Plan, progress: &Progress, refusal: &Refusal) -> Answer {
    let lock_is_lost = matches!(
        refusal.error,
        ErrorName::LockLost | ErrorName::ConcurrentDeployment
    );
    let failure = match &plan.failure {
        _ if lock_is_lost => Failure::from(refusal),
        Some(first) if phase != Phase::Rollback => first.clone().then(&refusal.to_string()),
        Some(first) => first.clone(),
        None => shift::seen_at(plan, Failure::from(refusal)),
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
    let mut plan = plan.clone();
    plan.failure = Some(failure);
    Answer {
        to,
        reason,
        wait: 0,
        progress: progress.of_rollback(&plan),
        plan,
        heard: None,
        tidy: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Scene;

    #[test]
    fn a_refusal_is_an_answer_that_leads_to_the_rollback() {
        let plan = Scene::swapped().plan();
        let refusal = Refusal::drift("It moved.", "Look.");
        let answer = refused(Phase::ScaleDown, &plan, &Progress::default(), &refusal);
        assert_eq!(answer.to, To::Rollback);
        let failure = answer.plan.failure.clone().unwrap();
        assert_eq!(
            (failure.error.as_str(), failure.cause.as_str()),
            ("Drift", "It moved. Look.")
        );
        let again = refused(
            Phase::Rollback,
            &answer.plan,
            &answer.progress,
            &Refusal::drift("Still.", "No."),
        );
        assert_eq!(again.to, To::DeploymentFailed);
        assert_eq!(again.plan.failure.unwrap(), failure);
        assert!(
            again
                .reason
                .to_string()
                .starts_with("Not rolled back: Still.")
        );
    }

    #[test]
    fn nothing_is_rolled_back_without_the_lock() {
        let plan = Scene::swapped().plan();
        let refusal = Refusal::new(ErrorName::LockLost, "Gone.", "Start again.");
        let answer = refused(Phase::ScaleDown, &plan, &Progress::default(), &refusal);
        assert_eq!(answer.to, To::DeploymentFailed);
        assert_eq!(answer.plan.failure.unwrap().error, "LockLost");
    }

    #[test]
    fn a_failure_of_the_rollback_follows_its_reason_in_the_cause() {
        let plan = Scene::swapped().failed("AlarmRaised").plan();
        let answer = refused(
            Phase::Swap,
            &plan,
            &Progress::default(),
            &Refusal::drift("It moved.", "Look."),
        );
        let failure = answer.plan.failure.unwrap();
        assert_eq!(failure.error, "AlarmRaised");
        assert_eq!(failure.cause, "It went wrong. Then: It moved. Look.");
    }
}
