//! One step: parse, observe, decide, act, look again, answer.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use ebbtide_controller::contract::{self, Event, Step};
use ebbtide_controller::decision::{Decision, WaitingOn};
use ebbtide_controller::deployment::{Answer, Deployment, Status};
use ebbtide_controller::observation::Observation;
use ebbtide_controller::quote::sentence;
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::request::Request;
use ebbtide_controller::{caller, cleanup, create, preflight, ready, rollback, scale_down, swap};
use serde_json::Value;

use crate::act::act;
use crate::clients::Clients;
use crate::error::StepError;
use crate::observe::{in_short, observe};

/// The three Lambda functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Preflight, create, ready.
    CheckAndCreate,
    /// Swap.
    Swap,
    /// Scale down, clean up, roll back.
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
            Step::Preflight | Step::Create | Step::Ready => Self::CheckAndCreate,
            Step::Swap => Self::Swap,
            Step::ScaleDown | Step::Cleanup | Step::Rollback => Self::ScaleDown,
        }
    }
}

/// Writes and looks of one invocation, at most: a swap needs two of each, and one more look.
const ROUNDS: u32 = 5;

/// Carries out one step of a deployment and answers with the state machine's next state.
///
/// `arn` is the function's own, as Lambda gives it with the invocation: only executions of its
/// partition, region and account are served. `now` is used for the report of how long a deployment
/// took, and for nothing else.
pub async fn handle(
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
    let answer = answer(clients, &event, now).await;
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

async fn answer(clients: &Clients, event: &Event, now: SystemTime) -> Result<Value, StepError> {
    match event.step {
        Step::Preflight => {
            let request = event.request()?;
            let observation = observe(clients, event.step, &event.id, &request, &[]).await?;
            let deployment = preflight::settle(&event.id, &request, &observation)?;
            let answer = preflight::answer(deployment);
            log(event, &observation, "pass", &answer.reason, 0);
            Ok(answer.to_json())
        }
        Step::Rollback => roll_back(clients, event).await,
        Step::Create | Step::Ready | Step::Swap | Step::ScaleDown | Step::Cleanup => {
            let deployment = event.deployment()?;
            let (observation, waiting_on) =
                converge(clients, event, &deployment, decider(event.step)).await?;
            let waiting_on = waiting_on.as_ref();
            let answer = match event.step {
                Step::Preflight | Step::Rollback | Step::Create => {
                    create::answer(&observation, &deployment)
                }
                Step::Ready => ready::answer(&deployment, waiting_on),
                Step::Swap => swap::answer(&observation, &deployment, waiting_on),
                Step::ScaleDown => scale_down::answer(&observation, &deployment, waiting_on),
                Step::Cleanup => cleanup::answer(&observation, &deployment, waiting_on),
            };
            let outcome = if waiting_on.is_some() { "wait" } else { "done" };
            log(event, &observation, outcome, &answer.reason, answer.wait);
            Ok(state(&answer, event, now))
        }
    }
}

type Decide = fn(&Observation, &Deployment) -> Decision;

fn decider(step: Step) -> Decide {
    match step {
        Step::Preflight | Step::Create => create::decide,
        Step::Ready => ready::decide,
        Step::Swap => swap::decide,
        Step::ScaleDown => scale_down::decide,
        Step::Cleanup => cleanup::decide,
        Step::Rollback => rollback::decide,
    }
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

/// Undoes what can be undone, and answers with what the execution shall fail with.
async fn roll_back(clients: &Clients, event: &Event) -> Result<Value, StepError> {
    let failure = event.failure();
    if event.failed_in_preflight() {
        return Ok(contract::failed(&failure, ""));
    }
    let deployment = event.deployment()?;
    let outcome = match converge(clients, event, &deployment, rollback::decide).await {
        Ok((observation, _)) => rollback::outcome(&observation, &deployment),
        Err(error) if error.name.is_worth_retrying() => return Err(error),
        Err(error) => format!("Not rolled back: {error}"),
    };
    tracing::info!(
        deployment = event.id.name(),
        step = event.step.as_str(),
        error = failure.error,
        reason = sentence(&outcome),
        "done"
    );
    Ok(contract::failed(&failure, &outcome))
}

fn state(answer: &Answer, event: &Event, now: SystemTime) -> Value {
    match answer.status {
        Status::Deployed => contract::report(answer, seconds_since(&event.started_at, now)),
        Status::Passed
        | Status::DryRun
        | Status::Created
        | Status::Waiting
        | Status::Ready
        | Status::Swapped
        | Status::Draining
        | Status::Drained
        | Status::Failed => answer.to_json(),
    }
}

/// Seconds from an RFC 3339 time to `now`; 0 where it cannot be read or lies ahead.
fn seconds_since(started_at: &str, now: SystemTime) -> u64 {
    DateTime::from_str(started_at, Format::DateTimeWithOffset)
        .ok()
        .and_then(|started| SystemTime::try_from(started).ok())
        .and_then(|started| now.duration_since(started).ok())
        .map_or(0, |elapsed| elapsed.as_secs())
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deployments_seconds_are_counted_from_its_start() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_700);
        assert_eq!(seconds_since("2026-01-01T00:00:00.000Z", now), 100);
        assert_eq!(seconds_since("2026-01-01T00:00:00.000000+00:00", now), 100);
        assert_eq!(seconds_since("2027-01-01T00:00:00Z", now), 0);
        assert_eq!(seconds_since("soon", now), 0);
    }
}
