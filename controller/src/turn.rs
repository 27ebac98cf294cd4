//! One turn of a deployment: from what was seen to what happens next, and why.

use crate::contract::Failure;
use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Answer, Course, Deployment, Progress};
use crate::observation::Observation;
use crate::phase::{Phase, To};
use crate::reason::{Code, Reason};
use crate::refusal::{ErrorName, Refusal};
use crate::{
    cleanup, create, finish_swap, leftovers, ready, rollback, scale_down, swap,
};

/// What a look at the world comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Make these writes, in this order, then look again.
    Write(Vec<Action>),
    /// Nothing is to be written now: this is the turn's answer.
    Go(Box<Answer>),
}

impl Next {
    fn go(answer: Answer) -> Self {
        Self::Go(Box::new(answer))
    }
}

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
        Phase::Cleanup => cleanup(observation, deployment),
        Phase::Rollback => rollback(observation, deployment),
    }
}

/// The writes of a decision, or the answer that goes with it.
fn answered(
    decision: Decision,
    answer: impl FnOnce(Option<&WaitingOn>) -> Result<Answer, Refusal>,
) -> Result<Next, Refusal> {
    match decision {
        Decision::Act(actions) => Ok(Next::Write(actions)),
        Decision::Refuse(refusal) => Err(refusal),
        Decision::Done => answer(None).map(Next::go),
        Decision::Wait(waiting_on) => answer(Some(&waiting_on)).map(Next::go),
    }
}

/// First what an earlier deployment left, then the replacement, then its health.
fn check_and_create(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    if deployment.replacement.is_some() {
        return answered(ready::decide(observation, deployment), |waiting_on| {
            Ok(ready::answer(deployment, waiting_on))
        });
    }
    match leftovers::decide(observation, deployment) {
        Decision::Done => {}
        Decision::Act(_) => return Ok(Next::go(leftovers::hand_over(deployment))),
        Decision::Wait(waiting_on) => {
            return leftovers::answer(observation, deployment, &waiting_on).map(Next::go);
        }
        Decision::Refuse(refusal) => return Err(refusal),
    }
    let settled = leftovers::settled(observation, deployment)?;
    answered(create::decide(observation, &settled), |_| {
        create::answer(observation, &settled)
    })
}

/// There, back, or to the end of a swap that was left half done.
fn swap(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    match deployment.course {
        Course::HalfSwapped => answered(
            finish_swap::decide(observation, deployment),
            |waiting_on| Ok(finish_swap::answer(deployment, waiting_on)),
        ),
        Course::Forward | Course::Back | Course::Leftover if deployment.progress.baking => {
            bake(observation, deployment)
        }
        Course::Forward | Course::Back | Course::Leftover => {
            answered(swap::decide(observation, deployment), |waiting_on| {
                Ok(swap::answer(observation, deployment, waiting_on))
            })
        }
    }
}

/// The pause between the swap and the drain, under the guards of the drain.
fn bake(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    if scale_down::bake_left(deployment) == 0 {
        return Ok(Next::go(Answer {
            to: To::ScaleDown,
            reason: Reason::new(Code::Baking, "the pause after the swap is over"),
            wait: 0,
            deployment: deployment.clone(),
        }));
    }
    answered(
        scale_down::decide(observation, deployment),
        |waiting_on| {
            let answer = scale_down::answer(observation, deployment, waiting_on);
            let to = match answer.to {
                To::Wait => To::Bake,
                other => other,
            };
            Ok(Answer { to, ..answer })
        },
    )
}

fn scale_down(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    if deployment.course == Course::Leftover {
        return answered(
            leftovers::decide(observation, deployment),
            |waiting_on| match waiting_on {
                Some(waiting_on) => leftovers::answer(observation, deployment, waiting_on),
                None => leftovers::nothing_left(observation, deployment),
            },
        );
    }
    answered(
        scale_down::decide(observation, deployment),
        |waiting_on| Ok(scale_down::answer(observation, deployment, waiting_on)),
    )
}

fn cleanup(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    answered(cleanup::decide(observation, deployment), |waiting_on| {
        let answer = cleanup::answer(observation, deployment, waiting_on);
        Ok(its_own_turn(answer))
    })
}

fn rollback(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    answered(rollback::decide(observation, deployment), |waiting_on| {
        let answer = rollback::answer(observation, deployment, waiting_on);
        Ok(its_own_turn(answer))
    })
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
        reason: Reason::new(
            Code::FinishingRollback,
            format!(
                "the rollback of an earlier execution is finished: {}",
                answer.reason.text
            ),
        ),
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
    let (to, code, text) = match phase {
        _ if lock_is_lost => (To::DeploymentFailed, Code::Failed, String::new()),
        Phase::Rollback => (
            To::DeploymentFailed,
            Code::Failed,
            format!("Not rolled back: {refusal}"),
        ),
        Phase::Preflight => (To::DeploymentFailed, Code::Failed, String::new()),
        Phase::CheckAndCreate | Phase::Swap | Phase::ScaleDown | Phase::Cleanup => {
            (To::Rollback, Code::Refused, refusal.to_string())
        }
    };
    let mut deployment = deployment.clone();
    deployment.failure = Some(if lock_is_lost {
        Failure::from(refusal)
    } else {
        failure
    });
    // The seconds of the phase that failed are not those of its rollback.
    deployment.progress = Progress::default();
    deployment.control = deployment.control.anew();
    Answer {
        to,
        reason: Reason::new(code, text),
        wait: 0,
        deployment,
    }
}
