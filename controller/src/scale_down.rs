//! `ScaleDown`: one step of the drain of the original task set.

mod waiting;

use crate::action::Action;
use crate::arn::short;
use crate::deployment::{Course, Deployment};
use crate::drain::{self, pacing, scale_for, tasks_at};
use crate::next::Next;
use crate::observation::{Observation, TargetGroup, TaskSet};
use crate::ready;
use crate::reason::{Blocker, Shortfall};
use crate::refusal::{ErrorName, Refusal};
use crate::request::LOOKS;
use crate::routing;
use waiting::Waiting;

/// The next step of the drain, or why not yet; the way on once the original is gone, or runs no task
/// and has no target left.
pub fn next(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    let undrained = undrained(observation, deployment)?;
    Ok(undrained.unwrap_or_else(|| waiting::drained(deployment)))
}

/// The next step of the drain, or why not yet; `None` once it is drained.
///
/// Guards first (rule R4): no alarm rings, the original is behind no production listener, and the
/// replacement is steady and healthy, or the step waits. Then an absolute scale, computed from the
/// plan made at the swap and the step's own number, so that doing a step twice is doing it once (rule
/// R3).
pub(crate) fn undrained(
    observation: &Observation,
    deployment: &Deployment,
) -> Result<Option<Next>, Refusal> {
    let Some(original) = deployment.original_in(observation) else {
        return confirm_gone(observation, deployment);
    };
    if original.is_being_deleted() {
        return Ok(None);
    }
    no_alarm(deployment, original)?;
    not_in_production(observation, deployment, original)?;
    let desired = desired_count(observation, deployment)?;
    let wants = tasks_at(original.scale, desired).max(original.computed_desired_count);
    let remaining = remaining(observation, deployment, original);
    if wants == 0 && remaining == 0 {
        // A service that wants no tasks: without this, the set would come back with it.
        return Ok((original.scale > 0.0).then(|| scale_to(original, 0, desired)));
    }
    let due = due(observation, deployment, original, desired, wants);
    let blocker = blocker(observation, deployment, due)?;
    give_up_in_time(observation, deployment, original, desired, blocker.as_ref())?;
    let waiting = Waiting::new(observation, deployment, desired);
    Ok(Some(match (blocker, due) {
        (Some(blocker), _) => waiting.blocked(blocker),
        (None, Due::Bake(left)) => waiting.baking(left),
        (None, Due::Pause(seconds)) => waiting.paused(wants, seconds),
        (None, Due::Step(tasks)) => scale_to(original, tasks, desired),
        (None, Due::NextStep(left)) => waiting.step_made(left),
        (None, Due::LastTasks) => waiting.tasks_stopping(remaining),
    }))
}

/// What is due, if nothing blocks it.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// The rest of the pause before the first step, in seconds.
    Bake(u32),
    /// The rest of a long pause before the next step, in seconds.
    Pause(u32),
    /// A step to so many tasks.
    Step(u32),
    /// The step to so many tasks is made: the pause before the next one begins.
    NextStep(u32),
    /// Every step is made: the last tasks stop.
    LastTasks,
}

fn due(
    observation: &Observation,
    deployment: &Deployment,
    original: &TaskSet,
    desired: u32,
    wants: u32,
) -> Due {
    let bake = bake_left(deployment);
    if bake > 0 {
        return Due::Bake(bake);
    }
    let pause = deployment.progress.pause;
    // Without connections no client is cut: there is nothing to pause for.
    if pause > 0 && !pacing::connections_are_gone(deployment) {
        return Due::Pause(pause);
    }
    let left = pacing::left(observation, deployment, desired);
    if wants > left || (left == 0 && original.scale > 0.0) {
        Due::Step(left)
    } else if left > 0 {
        Due::NextStep(left)
    } else {
        Due::LastTasks
    }
}

/// What it means that the original is not there: one read may be behind, so it takes two, and
/// each of them has to show the rest of the service.
fn confirm_gone(
    observation: &Observation,
    deployment: &Deployment,
) -> Result<Option<Next>, Refusal> {
    if deployment.original.is_none() {
        return Ok(None);
    }
    let desired = desired_count(observation, deployment)?;
    if !has_no_successor(deployment) {
        ready::living_replacement(observation, deployment)?;
    }
    let seen = deployment.progress.looks.saturating_add(1);
    let waiting = Waiting::new(observation, deployment, desired);
    Ok((seen < LOOKS).then(|| waiting.confirming(seen)))
}

/// How many tasks the service wants.
fn desired_count(observation: &Observation, deployment: &Deployment) -> Result<u32, Refusal> {
    match &observation.service {
        Some(service) => Ok(service.desired_count),
        None => Err(Refusal::not_seen(format!(
            "ECS does not show service {}.",
            deployment.request.service
        ))),
    }
}

/// Refuses a drain that has to end without being done: the replacement has lost its health for too
/// long, or the time is over.
fn give_up_in_time(
    observation: &Observation,
    deployment: &Deployment,
    original: &TaskSet,
    desired: u32,
    blocker: Option<&Blocker>,
) -> Result<(), Refusal> {
    if let Some(Blocker::Health { shortfall, .. }) = blocker {
        not_lost(observation, deployment, desired, shortfall)?;
    }
    if let Some(refusal) = pacing::out_of_time(observation, deployment) {
        return Err(refusal);
    }
    if drained_for(deployment) >= timeout(observation, deployment) {
        return Err(overdue(deployment, original, blocker));
    }
    Ok(())
}

/// Seconds until the first step; 0 once there was one.
pub(crate) fn bake_left(deployment: &Deployment) -> u32 {
    match deployment.progress.step {
        0 => bake_time(deployment).saturating_sub(deployment.progress.waited),
        _ => 0,
    }
}

/// The step of the drain that may have been begun by now, counted from 1; 0 where none can have been.
pub(crate) fn begun(deployment: &Deployment) -> u32 {
    match bake_left(deployment) {
        0 => deployment.progress.step.max(1),
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
fn no_alarm(deployment: &Deployment, original: &TaskSet) -> Result<(), Refusal> {
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

/// Whether the replacement has lost its health for too long. How long depends on how much of it:
/// tasks that Auto Scaling has added need minutes to be registered, and may take `readinessTimeout`.
fn not_lost(
    observation: &Observation,
    deployment: &Deployment,
    desired: u32,
    shortfall: &Shortfall,
) -> Result<(), Refusal> {
    if deployment.course == Course::Back {
        return Ok(());
    }
    let healthy = observation
        .target_groups
        .iter()
        .find(|group| group.arn == deployment.replacement_target_group)
        .map_or(0, |group| group.targets.healthy);
    let patience = if healthy == 0 {
        OUTAGE
    } else if healthy.saturating_mul(2) < desired {
        HALF_LOST
    } else {
        deployment.request.readiness_timeout
    };
    if deployment.progress.held < patience {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorName::NotReadyTimeout,
        format!(
            "{} lost its health behind the production listener, and has not been steady and healthy for {} s: {shortfall}.",
            deployment
                .replacement
                .as_deref()
                .unwrap_or("The replacement"),
            deployment.progress.held
        ),
        "Look at its tasks' logs and at the health check of the target group.",
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

fn scale_to(original: &TaskSet, tasks: u32, desired: u32) -> Next {
    Next::Write(vec![Action::SetScale {
        task_set: original.id.clone(),
        // Never up, whatever happened to the desired count meanwhile.
        percent: scale_for(tasks, desired).min(original.scale),
        tasks,
    }])
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

/// What blocks the step that is due, or would block it after the pause: a replacement that cannot
/// take more connections, an alarm in an unknown state, or more reconnects than the budget allows.
fn blocker(
    observation: &Observation,
    deployment: &Deployment,
    due: Due,
) -> Result<Option<Blocker>, Refusal> {
    let step_is_due = match due {
        Due::NextStep(_) | Due::LastTasks => return Ok(None),
        Due::Bake(_) | Due::Pause(_) => false,
        Due::Step(_) => true,
    };
    if serves_nobody(observation, deployment) {
        return Ok(None);
    }
    let blocker = lost_health(observation, deployment)?.or_else(|| unreadable_alarm(deployment));
    Ok(match blocker {
        // What came in a pause slows the drain down, and blocks the step once it is due.
        None if step_is_due => pacing::excess(observation, deployment),
        blocker => blocker,
    })
}

fn lost_health(
    observation: &Observation,
    deployment: &Deployment,
) -> Result<Option<Blocker>, Refusal> {
    if has_no_successor(deployment) {
        return Ok(None);
    }
    let replacement = ready::living_replacement(observation, deployment)?;
    let shortfall = ready::shortfall(observation, deployment, replacement);
    Ok(shortfall.map(|shortfall| Blocker::Health {
        replacement: deployment.replacement.clone(),
        shortfall,
    }))
}

/// An alarm in a state that CloudWatch did not have when this was written. Alarms are read anew
/// before every step.
fn unreadable_alarm(deployment: &Deployment) -> Option<Blocker> {
    const KNOWN: [&str; 3] = ["OK", "ALARM", "INSUFFICIENT_DATA"];
    let mut alarms = deployment.alarms.iter();
    let alarm = alarms.find(|alarm| !KNOWN.contains(&alarm.state.as_str()))?;
    (deployment.course == Course::Forward).then(|| Blocker::AlarmState {
        alarm: alarm.name.clone(),
        state: alarm.state.clone(),
    })
}

fn overdue(deployment: &Deployment, original: &TaskSet, blocker: Option<&Blocker>) -> Refusal {
    let seen = format!(
        "{} still runs {} of its {} tasks {} s after the drain began",
        original.id,
        original.running_count,
        deployment.tasks,
        drained_for(deployment)
    );
    if let Some(blocker) = blocker {
        return Refusal::new(
            ErrorName::DrainTimeout,
            format!("{seen}, held because {blocker}."),
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
