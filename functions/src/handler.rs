//! One step: parse, observe, decide, act, look again, answer.

use std::time::{Duration, SystemTime};

use ebbtide_controller::contract::{self, Event, Step};
use ebbtide_controller::decision::{Decision, WaitingOn};
use ebbtide_controller::deployment::{Answer, Course, Deployment, Status};
use ebbtide_controller::observation::Observation;
use ebbtide_controller::quote::sentence;
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::request::Request;
use ebbtide_controller::{
    caller, cleanup, clock, create, finish_swap, leftovers, lock, preflight, ready, rollback,
    scale_down, swap,
};
use serde_json::Value;

use crate::act::act;
use crate::clients::Clients;
use crate::error::StepError;
use crate::metrics;
use crate::observe::{in_short, observe};

/// The three Lambda functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Preflight, create, ready, explain.
    CheckAndCreate,
    /// Swap, there and back, and what is left of an earlier one.
    Swap,
    /// Scale down, clean up, roll back, drain what is left over.
    ScaleDown,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 3] = [Self::CheckAndCreate, Self::Swap, Self::ScaleDown];

    /// The name of its binary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckAndCreate => "check-and-create",
            Self::Swap => "swap",
            Self::ScaleDown => "scale-down",
        }
    }

    fn of(step: Step) -> Self {
        match step {
            Step::Preflight | Step::Create | Step::Ready | Step::Explain => Self::CheckAndCreate,
            Step::Swap | Step::SwapBack | Step::FinishSwap => Self::Swap,
            Step::Leftovers | Step::ScaleDown | Step::Cleanup | Step::Rollback => Self::ScaleDown,
        }
    }
}

/// What a step decides by.
pub type Decide = fn(&Observation, &Deployment) -> Decision;

/// How a step answers, by what it saw last and what it waits for.
type Say = fn(&Observation, &Deployment, Option<&WaitingOn>) -> Result<Answer, Refusal>;

/// Which function decides which step. The tests put a wrong one in, to see that it is caught.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "a field for each step that decides")]
pub struct Deciders {
    pub finish_swap: Decide,
    pub leftovers: Decide,
    pub create: Decide,
    pub ready: Decide,
    pub swap: Decide,
    pub scale_down: Decide,
    pub cleanup: Decide,
    pub rollback: Decide,
}

impl Deciders {
    /// The decisions of this version.
    pub const SHIPPED: Self = Self {
        finish_swap: finish_swap::decide,
        leftovers: leftovers::decide,
        create: create::decide,
        ready: ready::decide,
        swap: swap::decide,
        scale_down: scale_down::decide,
        cleanup: cleanup::decide,
        rollback: rollback::decide,
    };
}

/// Writes and looks of one invocation, at most: a swap needs two of each, and one more look.
const ROUNDS: u32 = 5;

/// Carries out one step of a deployment and answers with the state machine's next state.
///
/// `arn` is the function's own, as Lambda gives it with the invocation: only executions of its
/// partition, region and account are served. `now` tells how old the lock's last renewal is, how long
/// the deployment took, when the next step of an even drain is due, how old metrics are and when a
/// budget's deadline has come; nothing else goes by it.
pub async fn handle(
    function: Function,
    arn: &str,
    clients: &Clients,
    event: Value,
    now: SystemTime,
) -> Result<Value, StepError> {
    handle_by(&Deciders::SHIPPED, function, arn, clients, event, now).await
}

/// The same, with other decisions.
pub async fn handle_by(
    deciders: &Deciders,
    function: Function,
    arn: &str,
    clients: &Clients,
    event: Value,
    now: SystemTime,
) -> Result<Value, StepError> {
    let event = Event::parse(event)?;
    caller::check(&event, arn)?;
    if Function::of(event.step) != function {
        return Err(StepError::from(Refusal::new(
            ErrorName::InvalidInput,
            format!(
                "The function {} does not do the step {}.",
                function.as_str(),
                event.step.as_str()
            ),
            format!("Invoke {} for it.", Function::of(event.step).as_str()),
        )));
    }
    let answer = answer(deciders, clients, &event, now).await;
    if let Err(error) = &answer {
        tracing::warn!(
            deployment = event.id.name(),
            step = event.step.as_str(),
            error = error.name.as_str(),
            reason = error.message,
            "failed"
        );
    }
    answer
}

async fn answer(
    deciders: &Deciders,
    clients: &Clients,
    event: &Event,
    now: SystemTime,
) -> Result<Value, StepError> {
    let (decide, say): (Decide, Say) = match event.step {
        Step::Preflight => {
            let request = event.request()?;
            let observation = observe(clients, event.step, &event.id, &request, &[]).await?;
            let (checked, findings) = preflight::inspect(&event.id, &request, &observation);
            let deployment = checked?;
            let plan = preflight::plan(&deployment, &observation);
            let answer = preflight::answer(deployment, &observation);
            log(event, &observation, "pass", &answer.reason, 0);
            return Ok(contract::passed(&answer, &findings, &plan));
        }
        Step::Explain => return Ok(contract::failed(&event.failure(), "", None)),
        Step::FinishSwap => (deciders.finish_swap, |_, deployment, waiting_on| {
            Ok(finish_swap::answer(deployment, waiting_on))
        }),
        Step::Leftovers => (deciders.leftovers, leftovers::answer),
        Step::Create => (deciders.create, |observation, deployment, _| {
            create::answer(observation, deployment)
        }),
        Step::Ready => (deciders.ready, |_, deployment, waiting_on| {
            Ok(ready::answer(deployment, waiting_on))
        }),
        Step::Swap | Step::SwapBack => (deciders.swap, |observation, deployment, waiting_on| {
            Ok(swap::answer(observation, deployment, waiting_on))
        }),
        Step::ScaleDown => (
            deciders.scale_down,
            |observation, deployment, waiting_on| {
                Ok(scale_down::answer(observation, deployment, waiting_on))
            },
        ),
        Step::Cleanup => (deciders.cleanup, |observation, deployment, waiting_on| {
            Ok(cleanup::answer(observation, deployment, waiting_on))
        }),
        Step::Rollback => (deciders.rollback, |observation, deployment, waiting_on| {
            Ok(rollback::answer(observation, deployment, waiting_on))
        }),
    };
    let mut deployment = turned(event.step, event.deployment()?)?;
    if event.step.writes() && !may_write(&deployment, now) {
        return renewal(event, deployment);
    }
    deployment.progress.renewals = 0;
    deployment.now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (observation, waiting_on) = match converge(clients, event, &deployment, decide).await {
        Ok(seen) => seen,
        // A rollback that cannot go on says so, and what it was for.
        Err(error) if event.step == Step::Rollback && !error.name.is_worth_retrying() => {
            return Ok(over(
                event,
                &deployment,
                &format!("Not rolled back: {error}"),
            ));
        }
        Err(error) => return Err(error),
    };
    let answer = say(&observation, &deployment, waiting_on.as_ref())?;
    let outcome = if waiting_on.is_some() { "wait" } else { "done" };
    log(event, &observation, outcome, &answer.reason, answer.wait);
    let age = age_of(&event.started_at, now).unwrap_or_default();
    let told = metrics::of_answer(event.step, &observation, &answer, age);
    metrics::log(&answer.deployment.request, deployment.now, &told);
    Ok(state(&answer, event, now))
}

/// The deployment as a step sees it: on the way back, the other way round.
fn turned(step: Step, deployment: Deployment) -> Result<Deployment, StepError> {
    if step != Step::SwapBack || deployment.course == Course::Back {
        return Ok(deployment);
    }
    let reversed = deployment.reversed().ok_or_else(|| {
        Refusal::new(
            ErrorName::InvalidInput,
            "There is no original to move traffic back to.",
            "Start an execution of the state machine instead of invoking this function.",
        )
    })?;
    Ok(reversed)
}

/// Whether the lock's last renewal allows this invocation to write.
fn may_write(deployment: &Deployment, now: SystemTime) -> bool {
    let held = deployment.lock.held.as_ref();
    let age = held.and_then(|held| age_of(&held.renewed_at, now));
    deployment.lock.allows(deployment.id.execution(), age)
}

/// The answer of an invocation that came too late to write: renew the lock, and invoke again.
fn renewal(event: &Event, mut deployment: Deployment) -> Result<Value, StepError> {
    if !lock::may_renew(deployment.progress.renewals) {
        return Err(StepError::new(
            ErrorName::Transient,
            format!(
                "The step {} was not done within {} s of the lock's renewal, {} times in a row.",
                event.step.as_str(),
                lock::LEASE,
                deployment.progress.renewals
            ),
        ));
    }
    deployment.progress.renewals += 1;
    let answer = Answer {
        status: Status::Renew,
        reason: format!(
            "the lock was renewed more than {} s ago: nothing was done, it is renewed first",
            lock::LEASE
        ),
        wait: 0,
        deployment,
    };
    tracing::info!(
        deployment = event.id.name(),
        step = event.step.as_str(),
        reason = answer.reason,
        "renew"
    );
    Ok(answer.to_json())
}

/// Observes, decides and acts until a look at the world asks for no more writes.
async fn converge(
    clients: &Clients,
    event: &Event,
    deployment: &Deployment,
    decide: Decide,
) -> Result<(Observation, Option<WaitingOn>), StepError> {
    let request = &deployment.request;
    let groups = [
        deployment.original_target_group.as_str(),
        deployment.replacement_target_group.as_str(),
    ];
    let mut written = Vec::new();
    for _ in 0..ROUNDS {
        let observation = observe(clients, event.step, &event.id, request, &groups).await?;
        match decide(&observation, deployment) {
            Decision::Done => return Ok((observation, None)),
            Decision::Wait(waiting_on) => return Ok((observation, Some(waiting_on))),
            Decision::Refuse(refusal) => return Err(refusal.into()),
            Decision::Act(actions) if actions == written => break,
            Decision::Act(actions) => {
                write_all(clients, event, request, &observation, &actions).await?;
                written = actions;
            }
        }
    }
    let last = written.last().map(ToString::to_string).unwrap_or_default();
    Err(StepError::not_yet_consistent(format!(
        "What was written does not show in reads yet: {last}."
    )))
}

async fn write_all(
    clients: &Clients,
    event: &Event,
    request: &Request,
    observation: &Observation,
    actions: &[ebbtide_controller::decision::Action],
) -> Result<(), StepError> {
    for action in actions {
        log(event, observation, "act", &action.to_string(), 0);
        act(clients, request, action).await?;
    }
    Ok(())
}

/// The end of a deployment that failed: what it fails with, and what was undone.
fn over(event: &Event, deployment: &Deployment, outcome: &str) -> Value {
    let failure = deployment
        .failure
        .clone()
        .unwrap_or_else(|| event.failure());
    tracing::info!(
        deployment = event.id.name(),
        step = event.step.as_str(),
        error = failure.error,
        reason = sentence(outcome),
        "done"
    );
    metrics::log(&deployment.request, deployment.now, metrics::OF_FAILURE);
    contract::failed(&failure, outcome, Some(&deployment.lock))
}

fn state(answer: &Answer, event: &Event, now: SystemTime) -> Value {
    let deployment = &answer.deployment;
    match answer.status {
        Status::Deployed => {
            contract::report(answer, age_of(&event.started_at, now).unwrap_or_default())
        }
        Status::Failed => over(event, deployment, &answer.reason),
        Status::Passed
        | Status::DryRun
        | Status::Created
        | Status::Waiting
        | Status::Ready
        | Status::Swapped
        | Status::Draining
        | Status::Drained
        | Status::Settled
        | Status::HalfSwapped
        | Status::Restored
        | Status::Renew => answer.to_json(),
    }
}

/// Seconds from an RFC 3339 time to `now`, 0 where it lies ahead; `None` where it cannot be read.
fn age_of(time: &str, now: SystemTime) -> Option<u64> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(clock::seconds(time)?);
    Some(now.duration_since(time).map_or(0, |age| age.as_secs()))
}

/// One structured line; never the whole event.
fn log(event: &Event, observation: &Observation, decision: &str, reason: &str, wait: u32) {
    tracing::info!(
        deployment = event.id.name(),
        step = event.step.as_str(),
        observation = sentence(&in_short(observation)),
        decision,
        reason = sentence(reason),
        wait,
        "step"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_counted_from_a_time_that_step_functions_wrote() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_700);
        assert_eq!(age_of("2026-01-01T00:00:00.000Z", now), Some(100));
        assert_eq!(age_of("2026-01-01T00:00:00.000000+00:00", now), Some(100));
        assert_eq!(age_of("2027-01-01T00:00:00Z", now), Some(0));
        assert_eq!(age_of("soon", now), None);
    }
}
