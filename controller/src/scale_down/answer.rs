//! What a step of the drain answers: what is left, and when the next one comes.

use super::{HALF_LOST, bake_time, drained_for, pacing, timeout, why};
use crate::arn;
use crate::budget;
use crate::clock;
use crate::decision::WaitingOn;
use crate::deployment::{Answer, Course, Deployment};
use crate::drain;
use crate::observation::Observation;
use crate::phase::To;
use crate::ready;
use crate::reason::{Code, DrainProgress, Reason};

/// The answer after a step: what is left, and when the next step comes.
pub fn answer(
    observation: &Observation,
    deployment: &Deployment,
    waiting_on: Option<&WaitingOn>,
) -> Answer {
    let mut deployment = deployment.clone();
    let name = deployment.original.clone().unwrap_or_default();
    let what = match deployment.course {
        Course::Forward | Course::HalfSwapped => "original",
        Course::Back => "replacement",
        Course::Leftover => "leftover",
    };
    let Some(waiting_on) = waiting_on else {
        let text = if name.is_empty() {
            "there was no original task set to drain".to_owned()
        } else {
            format!("{what} {name}: drained, no task left")
        };
        deployment.progress.waited = 0;
        deployment.progress.looks = 0;
        let drain = Some(DrainProgress {
            left: 0,
            of: deployment.tasks,
            step: deployment.progress.step,
            next_step: None,
            last_step: None,
        });
        return Answer {
            to: To::Cleanup,
            reason: Reason::Told {
                code: Code::Drained,
                text,
                drain,
            },
            wait: 0,
            deployment,
        };
    };
    let running = deployment
        .original_in(observation)
        .map_or(0, |original| original.running_count);
    let wanted = pacing::wanted(observation, &deployment);
    let desired = observation.service.as_ref().map_or(0, |s| s.desired_count);
    let poll = drain::poll(timeout(observation, &deployment));
    deployment.progress.looks = 0;
    let held = std::mem::take(&mut deployment.progress.held);
    let mut drain = DrainProgress {
        left: wanted,
        of: pacing::share(deployment.tasks, &deployment, desired),
        step: deployment.progress.step.saturating_sub(1),
        next_step: None,
        last_step: None,
    };
    let (code, wait, text) = match waiting_on {
        WaitingOn::Bake { left } => {
            let wait = drain::bake_poll(bake_time(&deployment)).min(*left);
            drain.next_step = Some(*left);
            (
                Code::Baking,
                wait,
                format!("{what} {name}: {waiting_on}; next look in {wait} s"),
            )
        }
        WaitingOn::NextStep { left, of } => {
            (drain.left, drain.of) = (*left, *of);
            let made = step_made(observation, &mut deployment, waiting_on, desired);
            drain.step = deployment.progress.step.saturating_sub(1);
            drain.next_step = Some(made.next_step);
            drain.last_step = Some(made.last_step);
            (
                Code::Step,
                made.wait,
                format!("{what} {name}: {}", made.text),
            )
        }
        WaitingOn::Pause { left, of, seconds } => {
            (drain.left, drain.of) = (*left, *of);
            drain.next_step = Some(*seconds);
            pacing::judge(observation, &mut deployment);
            (
                Code::Pause,
                until_the_next_look(observation, &mut deployment, *seconds),
                format!("{what} {name}: {waiting_on}; nothing stands in its way"),
            )
        }
        WaitingOn::TasksStopping { .. } => {
            begin(&mut deployment);
            deployment.progress.pause = 0;
            let poll = sooner(&mut deployment, poll);
            let idle = if pacing::connections_are_gone(&deployment) {
                "no connection is left, "
            } else {
                ""
            };
            (
                Code::TasksStopping,
                poll,
                format!(
                    "{what} {name}: {idle}{waiting_on}; next look in {poll} s{}",
                    ready::lost_health(observation, &deployment)
                        .map_or_else(String::new, |shortfall| format!(
                            "; the replacement is not healthy now: {shortfall}"
                        ))
                ),
            )
        }
        WaitingOn::Confirmation { seen, wanted } => {
            deployment.progress.looks = *seen;
            (
                Code::TasksStopping,
                poll,
                format!("{what} {name}: gone in {seen} of {wanted} looks; next look in {poll} s"),
            )
        }
        lacking => {
            let wait = hold(observation, &mut deployment, lacking, held, poll);
            (
                Code::Blocked,
                wait,
                format!(
                    "{what} {name}: step held with {wanted} tasks wanted and {running} running, because {}; next look in {wait} s",
                    why(lacking, &deployment)
                ),
            )
        }
    };
    deployment.progress.waited = deployment.progress.waited.saturating_add(wait);
    Answer {
        to: To::Wait,
        reason: Reason::Told {
            code,
            text,
            drain: Some(drain),
        },
        wait,
        deployment,
    }
}

/// A step that was made, in seconds from now.
struct Made {
    /// Until the next look.
    wait: u32,
    next_step: u32,
    last_step: u32,
    text: String,
}

/// A step is made: when the next look is, and what comes next.
fn step_made(
    observation: &Observation,
    deployment: &mut Deployment,
    left: &WaitingOn,
    desired: u32,
) -> Made {
    let step = begin(deployment);
    let next = pacing::next(observation, deployment, desired, false);
    deployment.progress.step = deployment.progress.step.saturating_add(1);
    let (tasks, pause) = (next.tasks, next.wait);
    let last_step = pause.saturating_add(next.then);
    let text = format!(
        "{left} after step {step}{}, next {tasks} in {pause} s, done about {}{}",
        steps(observation, deployment),
        done_about(observation, deployment, last_step),
        next.remark
    );
    Made {
        wait: until_the_next_look(observation, deployment, pause),
        next_step: pause,
        last_step,
        text,
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
    let reconnects = matches!(lacking, WaitingOn::Reconnects { .. });
    let wait = if reconnects || held < HALF_LOST {
        sooner(deployment, poll)
    } else {
        poll
    };
    if reconnects {
        let desired = observation.service.as_ref().map_or(0, |s| s.desired_count);
        pacing::next(observation, deployment, desired, true);
        return wait.max(budget::HOLD);
    }
    deployment.progress.held = held.saturating_add(wait);
    deployment.progress.pause = deployment.progress.pause.saturating_sub(wait);
    wait
}

/// Seconds until the next look of a drain whose looks are far apart: a minute, as long as there are
/// such looks left.
fn sooner(deployment: &mut Deployment, poll: u32) -> u32 {
    if poll <= 60 || deployment.progress.soon >= drain::MOST_SOON {
        return poll;
    }
    deployment.progress.soon = deployment.progress.soon.saturating_add(1);
    60
}

/// Seconds until the next look at a drain whose next step is due in `pause` seconds.
fn until_the_next_look(observation: &Observation, deployment: &mut Deployment, pause: u32) -> u32 {
    let wait = drain::pause_poll(pause, timeout(observation, deployment));
    deployment.progress.pause = pause.saturating_sub(wait);
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

/// When the original's last task has gone, if its last step comes in so many seconds: targets take as
/// long as their deregistration delay, and a Network Load Balancer three minutes at least (AWS
/// support).
fn done_about(observation: &Observation, deployment: &Deployment, last_step: u32) -> String {
    let least = match deployment.request.load_balancer.as_deref() {
        Some(balancer) if arn::is_application_load_balancer(balancer) => 0,
        _ => 180,
    };
    let deregistered = pacing::delay(observation, deployment).max(least);
    let at = deployment.now + u64::from(last_step) + u64::from(deregistered);
    clock::to_the_minute(at, deployment.now)
}

/// Of how many steps, where that is settled: a budget takes as many as it needs.
fn steps(observation: &Observation, deployment: &Deployment) -> String {
    match deployment.request.drain.pace.budget() {
        Some(_) => String::new(),
        None => format!(" of {}", pacing::schedule(observation, deployment).steps()),
    }
}
