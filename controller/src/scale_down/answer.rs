//! What a step of the drain answers: what is left, and when the next one comes.

use super::{HALF_LOST, bake_time, drained_for, pacing, timeout, why};
use crate::decision::WaitingOn;
use crate::deployment::{Answer, Course, Deployment, Status};
use crate::drain;
use crate::observation::Observation;
use crate::ready;

/// The answer after a step: what is left, and when the next step comes.
pub fn answer(
    observation: &Observation,
    deployment: &Deployment,
    waiting_on: Option<&WaitingOn>,
) -> Answer {
    let mut deployment = deployment.clone();
    let name = deployment.original.clone().unwrap_or_default();
    let what = match deployment.course {
        Course::Forward => "original",
        Course::Back => "replacement",
        Course::Leftover => "leftover",
    };
    let Some(waiting_on) = waiting_on else {
        let reason = if name.is_empty() {
            "there was no original task set to drain".to_owned()
        } else {
            format!("{what} {name}: drained, no task left")
        };
        deployment.progress.waited = 0;
        deployment.progress.looks = 0;
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
    let desired = observation.service.as_ref().map_or(0, |s| s.desired_count);
    let poll = drain::poll(timeout(observation, &deployment));
    deployment.progress.looks = 0;
    let held = std::mem::take(&mut deployment.progress.held);
    let (wait, reason) = match waiting_on {
        WaitingOn::Bake { left } => {
            let wait = drain::bake_poll(bake_time(&deployment)).min(*left);
            (
                wait,
                format!("{what} {name}: {waiting_on}; next look in {wait} s"),
            )
        }
        WaitingOn::NextStep { left, of } => {
            let step = begin(&mut deployment);
            let next = pacing::next(observation, &mut deployment, desired, false);
            deployment.progress.step = deployment.progress.step.saturating_add(1);
            let (tasks, wait) = (next.tasks, next.wait);
            (
                wait,
                format!(
                    "{what} {name}: {left} of {of} tasks left after step {step}{}, next {tasks} in {wait} s{}",
                    steps(observation, &deployment),
                    next.remark
                ),
            )
        }
        WaitingOn::TasksStopping { .. } => {
            begin(&mut deployment);
            let idle = if pacing::connections_are_gone(&deployment) {
                "no connection is left, "
            } else {
                ""
            };
            (
                poll,
                format!(
                    "{what} {name}: {idle}{waiting_on}; next look in {poll} s{}",
                    ready::health_remark(observation, &deployment)
                ),
            )
        }
        WaitingOn::Confirmation { seen, wanted } => {
            deployment.progress.looks = *seen;
            (
                poll,
                format!("{what} {name}: gone in {seen} of {wanted} looks; next look in {poll} s"),
            )
        }
        lacking => {
            let wait = hold(observation, &mut deployment, lacking, held, poll);
            (
                wait,
                format!(
                    "{what} {name}: step held with {running} tasks, because {}; next look in {wait} s",
                    why(lacking, &deployment)
                ),
            )
        }
    };
    deployment.progress.waited = deployment.progress.waited.saturating_add(wait);
    Answer {
        status: Status::Draining,
        reason,
        wait,
        deployment,
    }
}

/// Seconds until the next look at what holds a step. A replacement without health is given up after
/// a while (`lost`), so how long it lasts is told to the minute while it is new.
fn hold(
    observation: &Observation,
    deployment: &mut Deployment,
    lacking: &WaitingOn,
    held: u32,
    poll: u32,
) -> u32 {
    if matches!(lacking, WaitingOn::Reconnects { .. }) {
        let desired = observation.service.as_ref().map_or(0, |s| s.desired_count);
        return pacing::next(observation, deployment, desired, true).wait;
    }
    let soon = held < HALF_LOST && deployment.progress.soon < drain::MOST_SOON;
    let wait = if soon { poll.min(60) } else { poll };
    deployment.progress.soon = deployment.progress.soon.saturating_add(u32::from(soon));
    deployment.progress.held = held.saturating_add(wait);
    wait
}

/// The bake is over: from here on, the seconds of the drain are counted.
fn begin(deployment: &mut Deployment) -> u32 {
    let drained_for = drained_for(deployment);
    deployment.progress.waited = drained_for;
    deployment.progress.step = pacing::next_step(deployment);
    pacing::begin(deployment);
    deployment.progress.step
}

/// Of how many steps, where that is settled: a budget takes as many as it needs.
fn steps(observation: &Observation, deployment: &Deployment) -> String {
    match deployment.request.drain.pace.budget() {
        Some(_) => String::new(),
        None => format!(" of {}", pacing::schedule(observation, deployment).steps()),
    }
}
