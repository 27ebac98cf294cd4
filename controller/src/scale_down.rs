//! `ScaleDown`: one step of the drain of the original task set.

mod answer;
mod pacing;

pub use answer::answer;
pub(crate) use pacing::pause;

use crate::arn::short;
use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Course, Deployment};
use crate::drain::{self, scale_for, tasks_at};
use crate::observation::{Observation, TargetGroup, TaskSet};
use crate::ready;
use crate::refusal::{ErrorName, Refusal};
use crate::request::LOOKS;
use crate::routing;

/// Decides the next write of the drain.
///
/// Guards first (rule R4): no alarm rings, the original is behind no production listener, and the
/// replacement is steady and healthy, or the step is held. Then an absolute scale, computed from the plan made at
/// the swap and the step's own number, so that doing a step twice is doing it once (rule R3).
/// Done when the original is gone, or runs no task and has no target left; refuses with
/// `DrainTimeout` after `drainTimeout`.
pub fn decide(observation: &Observation, deployment: &Deployment) -> Decision {
    let Some(original) = deployment.original_in(observation) else {
        return gone(observation, deployment);
    };
    if original.is_being_deleted() {
        return Decision::Done;
    }
    let guards = alarm(deployment, original)
        .and_then(|()| not_in_production(observation, deployment, original));
    if let Err(refusal) = guards {
        return Decision::Refuse(refusal);
    }
    let Some(service) = &observation.service else {
        return Decision::Refuse(unseen(deployment));
    };
    let desired = service.desired_count;
    let wants = tasks_at(original.scale, desired).max(original.computed_desired_count);
    let remaining = remaining(observation, deployment, original);
    if wants == 0 && remaining == 0 {
        return if original.scale > 0.0 {
            // A service that wants no tasks: without this, the set would come back with it.
            Decision::Act(vec![scaled(original, 0, desired)])
        } else {
            Decision::Done
        };
    }
    let left = pacing::left(observation, deployment, desired);
    let bake = bake_left(deployment);
    // Nobody is cut any more: there is nothing to pause for.
    let pause = if pacing::connections_are_gone(deployment) {
        0
    } else {
        deployment.progress.pause
    };
    let step_is_due =
        bake == 0 && pause == 0 && (wants > left || (left == 0 && original.scale > 0.0));
    let looks = step_is_due || bake > 0 || pause > 0;
    let held = if looks && !serves_nobody(observation, deployment) {
        match held(observation, deployment, step_is_due) {
            Ok(held) => held,
            Err(refusal) => return Decision::Refuse(refusal),
        }
    } else {
        None
    };
    if let Some(refusal) = held
        .as_ref()
        .filter(|held| is_of_health(held))
        .and_then(|held| lost(observation, deployment, held))
    {
        return Decision::Refuse(refusal);
    }
    if let Some(refusal) = pacing::out_of_time(observation, deployment) {
        return Decision::Refuse(refusal);
    }
    if drained_for(deployment) >= timeout(observation, deployment) {
        return Decision::Refuse(overdue(deployment, original, held.as_ref()));
    }
    match held {
        Some(held) => Decision::Wait(held),
        None if bake > 0 => Decision::Wait(WaitingOn::Bake { left: bake }),
        None if pause > 0 => Decision::Wait(WaitingOn::Pause {
            left: wants,
            of: pacing::share(deployment.tasks, deployment, desired),
            seconds: pause,
        }),
        None if step_is_due => Decision::Act(vec![scaled(original, left, desired)]),
        None if left > 0 => Decision::Wait(WaitingOn::NextStep {
            left,
            of: pacing::share(deployment.tasks, deployment, desired),
        }),
        None => Decision::Wait(WaitingOn::TasksStopping { running: remaining }),
    }
}

// Until the drain answers by itself.
pub(crate) fn undrained(
    observation: &Observation,
    deployment: &Deployment,
) -> Result<Option<crate::next::Next>, Refusal> {
    match decide(observation, deployment) {
        Decision::Act(actions) => Ok(Some(crate::next::Next::Write(actions))),
        Decision::Refuse(refusal) => Err(refusal),
        Decision::Done => Ok(None),
        Decision::Wait(waiting_on) => Ok(Some(crate::next::Next::Go(Box::new(answer(
            observation,
            deployment,
            Some(&waiting_on),
        ))))),
    }
}

/// What it means that the original is not there: one read may be behind, so it takes two, and
/// each of them has to show the rest of the service.
fn gone(observation: &Observation, deployment: &Deployment) -> Decision {
    if deployment.original.is_none() {
        return Decision::Done;
    }
    if observation.service.is_none() {
        return Decision::Refuse(unseen(deployment));
    }
    if !has_no_successor(deployment)
        && let Err(refusal) = ready::living_replacement(observation, deployment)
    {
        return Decision::Refuse(refusal);
    }
    if deployment.progress.looks.saturating_add(1) < LOOKS {
        return Decision::Wait(WaitingOn::Confirmation {
            seen: deployment.progress.looks.saturating_add(1),
            wanted: LOOKS,
        });
    }
    Decision::Done
}

/// Seconds until the first step; 0 once there was one.
pub(crate) fn bake_left(deployment: &Deployment) -> u32 {
    match deployment.progress.step {
        0 => bake_time(deployment).saturating_sub(deployment.progress.waited),
        _ => 0,
    }
}

/// What is left over was swapped away from long ago.
fn bake_time(deployment: &Deployment) -> u32 {
    match deployment.course {
        Course::Forward | Course::Back => deployment.request.bake_time,
        Course::Leftover | Course::HalfSwapped => 0,
    }
}

/// Seconds since the drain began, which is when the bake was over.
fn drained_for(deployment: &Deployment) -> u32 {
    match deployment.progress.step {
        0 => deployment
            .progress
            .waited
            .saturating_sub(bake_time(deployment)),
        _ => deployment.progress.waited,
    }
}

/// An alarm that the request names stops a deployment while there is something to go back to: not
/// once the original neither wants nor runs a task. On the way back it rings on, and means nothing.
fn alarm(deployment: &Deployment, original: &TaskSet) -> Result<(), Refusal> {
    match deployment.course {
        Course::Forward if !original.is_warm() => Ok(()),
        Course::Forward => quiet(deployment),
        Course::Back | Course::Leftover | Course::HalfSwapped => Ok(()),
    }
}

/// Whether no alarm that the request names is in `ALARM`, as CloudWatch had them a moment ago.
///
/// One that CloudWatch does not know could never ring: it is refused as well.
pub(crate) fn quiet(deployment: &Deployment) -> Result<(), Refusal> {
    for name in &deployment.request.alarms {
        let state = deployment
            .alarms
            .iter()
            .find(|alarm| alarm.name == *name)
            .map(|alarm| alarm.state.as_str());
        match state {
            Some("ALARM") => {
                return Err(Refusal::new(
                    ErrorName::AlarmRaised,
                    format!("CloudWatch alarm {name} is in ALARM."),
                    "Find out why it rings before the next deployment, or take it out of alarms.",
                ));
            }
            Some(_) => {}
            None => {
                return Err(Refusal::preflight(
                    format!("alarms: CloudWatch has no alarm {name} in this account and region."),
                    "Look them up: aws cloudwatch describe-alarms",
                ));
            }
        }
    }
    Ok(())
}

/// Seconds for which a replacement may have no healthy target at all behind the production
/// listener: two looks, because one may fall between two health checks.
const OUTAGE: u32 = 60;

/// Seconds for which fewer than half of the wanted targets may be healthy.
const HALF_LOST: u32 = 300;

/// The replacement has lost its health for too long. How long depends on how much of it: tasks that
/// Auto Scaling has added need minutes to be registered, and may take `readinessTimeout`.
fn lost(observation: &Observation, deployment: &Deployment, held: &WaitingOn) -> Option<Refusal> {
    if deployment.course == Course::Back {
        return None;
    }
    let healthy = observation
        .target_groups
        .iter()
        .find(|group| group.arn == deployment.replacement_target_group)
        .map_or(0, |group| group.targets.healthy);
    let desired = observation.service.as_ref().map_or(0, |s| s.desired_count);
    let patience = if healthy == 0 {
        OUTAGE
    } else if healthy.saturating_mul(2) < desired {
        HALF_LOST
    } else {
        deployment.request.readiness_timeout
    };
    (deployment.progress.held >= patience).then(|| {
        Refusal::new(
            ErrorName::NotReadyTimeout,
            format!(
                "{} lost its health behind the production listener, and has not been steady and healthy for {} s: {held}.",
                deployment.replacement.as_deref().unwrap_or("The replacement"),
                deployment.progress.held
            ),
            "Look at its tasks' logs and at the health check of the target group.",
        )
    })
}

fn unseen(deployment: &Deployment) -> Refusal {
    Refusal::not_seen(format!(
        "ECS does not show service {}.",
        deployment.request.service
    ))
}

/// Tasks and targets of the original that are still there.
///
/// Whether `runningCount` counts a task while its target is deregistered is unproven (the API
/// model says tasks in status RUNNING; such a task is DEACTIVATING): the targets that are being
/// deregistered are asked too, unless they may be another task set's.
fn remaining(observation: &Observation, deployment: &Deployment, original: &TaskSet) -> u32 {
    let group = pacing::group(observation, deployment);
    let shared = |group: &&TargetGroup| {
        let mut others = observation
            .task_sets
            .iter()
            .filter(|set| set.id != original.id);
        others.any(|set| set.is_attached_to(&group.arn))
    };
    let leaving = group.filter(|group| !shared(group));
    let leaving = leaving.map_or(0, |group| group.targets.draining);
    leaving.max(original.tasks())
}

/// Seconds after which this drain is given up.
fn timeout(observation: &Observation, deployment: &Deployment) -> u32 {
    let schedule = pacing::schedule(observation, deployment);
    let delay = pacing::delay(observation, deployment);
    match deployment.request.drain_timeout {
        // The service may have grown since preflight.
        Some(timeout) => timeout.max(schedule.least_seconds(delay)),
        None => drain::default_timeout(schedule, delay),
    }
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
    let new_listener = routing::reached_beside(observation, original);
    if let Some(listener) = new_listener.filter(|_| !serves) {
        return Err(Refusal::drift(
            listener.unrecorded_for(original),
            format!(
                "Nothing more was taken away. If no user reaches it: aws elbv2 add-tags \
                 --resource-arns {} --tags Key=ebbtide:role,Value=test; otherwise point it at the \
                 replacement. Then start a new execution.",
                listener.arn
            ),
        ));
    }
    if serves || !roles.production_is_all_to(&deployment.replacement_target_group) {
        return Err(Refusal::drift(
            format!(
                "The production listener does not forward to {} alone, so {} still takes traffic.",
                short(&deployment.replacement_target_group),
                original.id
            ),
            "Somebody moved the listener: nothing more was taken away. Start a new execution for the \
             version that shall serve.",
        ));
    }
    Ok(())
}

/// A leftover of a service in which nothing serves has no replacement to wait for: that of a first
/// deployment which ended before its swap, or one whose replacement somebody has deleted.
fn has_no_successor(deployment: &Deployment) -> bool {
    deployment.course == Course::Leftover && deployment.replacement.is_none()
}

/// A leftover without a healthy target is nobody's way back: it is not kept for the sake of a
/// replacement that is not healthy either, which the deployment that follows is to mend.
fn serves_nobody(observation: &Observation, deployment: &Deployment) -> bool {
    deployment.course == Course::Leftover
        && pacing::group(observation, deployment).is_none_or(|group| group.targets.healthy == 0)
}

/// What holds the step: a replacement that cannot take more connections, an alarm that nobody can
/// read, or more reconnects than the budget allows.
fn held(
    observation: &Observation,
    deployment: &Deployment,
    step_is_due: bool,
) -> Result<Option<WaitingOn>, Refusal> {
    let shortfall = if has_no_successor(deployment) {
        None
    } else {
        let replacement = ready::living_replacement(observation, deployment)?;
        ready::shortfall(observation, deployment, replacement)
    };
    Ok(shortfall
        .map(WaitingOn::from)
        .or_else(|| unreadable_alarm(deployment))
        .or_else(|| {
            // What came in a pause slows the drain down, and holds the step once it is due.
            step_is_due
                .then(|| pacing::excess(observation, deployment))
                .flatten()
        }))
}

/// An alarm in a state that CloudWatch did not have when this was written. Alarms are read anew
/// before every step.
fn unreadable_alarm(deployment: &Deployment) -> Option<WaitingOn> {
    const KNOWN: [&str; 3] = ["OK", "ALARM", "INSUFFICIENT_DATA"];
    let mut alarms = deployment.alarms.iter();
    let alarm = alarms.find(|alarm| !KNOWN.contains(&alarm.state.as_str()))?;
    (deployment.course == Course::Forward).then(|| WaitingOn::AlarmState {
        alarm: alarm.name.clone(),
        state: alarm.state.clone(),
    })
}

/// Whether a step is held because the replacement lacks something.
fn is_of_health(held: &WaitingOn) -> bool {
    !matches!(
        held,
        WaitingOn::AlarmState { .. } | WaitingOn::Reconnects { .. }
    )
}

/// Why a step is held.
fn why(held: &WaitingOn, deployment: &Deployment) -> String {
    if !is_of_health(held) {
        return held.to_string();
    }
    let replacement = deployment.replacement.as_deref();
    format!(
        "{} is not healthy: {held}",
        replacement.unwrap_or("the replacement")
    )
}

fn overdue(deployment: &Deployment, original: &TaskSet, held: Option<&WaitingOn>) -> Refusal {
    let seen = format!(
        "{} still runs {} of its {} tasks {} s after the drain began",
        original.id,
        original.running_count,
        deployment.tasks,
        drained_for(deployment)
    );
    if let Some(held) = held {
        return Refusal::new(
            ErrorName::DrainTimeout,
            format!("{seen}, held because {}.", why(held, deployment)),
            "Look at its tasks' logs and at the health check of the target group.",
        );
    }
    Refusal::new(
        ErrorName::DrainTimeout,
        format!("{seen}."),
        "Look at what keeps the tasks (deregistration delay, stop timeout, scale-in protection), or \
         raise drainTimeout.",
    )
}

#[cfg(test)]
mod tests;
