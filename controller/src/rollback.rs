//! Rollback (rule R6): before the swap the candidate goes; after it the original comes back first.

use crate::action::Action;
use crate::deployment::{Course, Deployment, Progress};
use crate::lock;
use crate::next::Next;
use crate::observation::{Observation, TaskSet};
use crate::phase::To;
use crate::ready;
use crate::reason::{LeftAlone, Outcome, Place, Reason, Remains, Shortfall};
use crate::refusal::{ErrorName, Refusal};
use crate::request::LOOKS;
use crate::routing::{self, Roles};

/// How a failed deployment is undone.
///
/// A candidate that never served is deleted with `force` (rule R4). Once production traffic
/// reaches it, the original is brought back to 100 percent, and takes the traffic when it is steady
/// and healthy. An original that is gone or drained is not brought back: from there the deployment
/// goes forward only. Where it cannot be told where traffic goes, nothing is changed.
pub fn next(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    if let Some(why) = left_alone(deployment) {
        let remains = remains(observation, deployment);
        return Ok(over(deployment, Outcome::LeftAlone { why, remains }));
    }
    let candidate = deployment.replacement_in(observation);
    // One read may be old, and not show yet what was created a moment ago.
    if candidate.is_none() && deployment.replacement.is_none() {
        return Ok(no_replacement(observation, deployment));
    }
    let pair = routing::pair(observation, &deployment.request.service)?;
    let roles = routing::roles(observation, pair)?;
    if reached(&roles, deployment, candidate) {
        return Ok(restore(observation, deployment));
    }
    let Some(candidate) = candidate else {
        return Ok(no_replacement(observation, deployment));
    };
    if candidate.is_being_deleted() {
        let outcome = Outcome::BeingDeleted {
            replacement: candidate.id.clone(),
            original: original_id(observation, deployment),
        };
        return Ok(undone(observation, deployment, outcome));
    }
    if let Some(listener) = routing::reached_beside(observation, candidate) {
        return Err(Refusal::drift(
            listener.unrecorded_for(candidate),
            "It was not deleted: point the listener elsewhere (aws elbv2 modify-listener), then start \
             a new execution.",
        ));
    }
    Ok(remove(observation, deployment, candidate))
}

/// Nothing to undo is believed at the second look.
fn no_replacement(observation: &Observation, deployment: &Deployment) -> Next {
    second_look(deployment).unwrap_or_else(|| {
        let original = original_id(observation, deployment);
        undone(observation, deployment, Outcome::NoReplacement { original })
    })
}

/// The wait for a second look at what one read showed; `None` where this is the second.
fn second_look(deployment: &Deployment) -> Option<Next> {
    let looks = deployment.progress.looks.saturating_add(1);
    let wait = ready::slow_look(deployment);
    let original = deployment.original.clone();
    let reason = Reason::SecondLook { original, wait };
    (looks < LOOKS).then(|| look_again(deployment, looks, reason, wait))
}

fn look_again(deployment: &Deployment, looks: u32, reason: Reason, wait: u32) -> Next {
    let mut deployment = deployment.clone();
    deployment.progress.looks = looks;
    deployment.progress.waited = deployment.progress.waited.saturating_add(wait);
    Next::go(To::WaitForOriginal, reason, wait, deployment)
}

/// Why nothing is undone at all.
fn left_alone(deployment: &Deployment) -> Option<LeftAlone> {
    let failure = deployment.failure.as_ref().map(|f| f.error.as_str());
    match deployment.course {
        Course::Back => Some(LeftAlone::WayBackFailed),
        // What serves is not to blame for it, unless it is what lost its health.
        Course::Leftover if failure != Some(ErrorName::NotReadyTimeout.as_str()) => {
            Some(LeftAlone::Leftover)
        }
        // What an earlier deployment has begun is finished whatever this one wants of its own.
        Course::Forward | Course::Leftover | Course::HalfSwapped
            if !deployment.request.rollback_on_failure && !deployment.finishing =>
        {
            Some(LeftAlone::NotWanted)
        }
        Course::Forward | Course::Leftover | Course::HalfSwapped => None,
    }
}

/// Whether production traffic reaches the candidate: asked of the groups that it is attached to
/// now; where it is gone, of the one that this deployment named.
fn reached(roles: &Roles<'_>, deployment: &Deployment, candidate: Option<&TaskSet>) -> bool {
    match candidate {
        Some(candidate) => candidate
            .load_balancers
            .iter()
            .any(|attached| roles.production_reaches(&attached.target_group)),
        None => roles.production_reaches(&deployment.replacement_target_group),
    }
}

/// Brings the original back to full strength, while there is one, and gives it the traffic back.
fn restore(observation: &Observation, deployment: &Deployment) -> Next {
    let Some(original) = restorable(observation, deployment) else {
        // One read may be old, or its answer lost on the way.
        return second_look(deployment).unwrap_or_else(|| {
            let remains = remains(observation, deployment);
            over(deployment, Outcome::NoOriginal { remains })
        });
    };
    if original.scale < 100.0 {
        let desired = observation.service.as_ref().map_or(0, |s| s.desired_count);
        return Next::Write(vec![Action::SetScale {
            task_set: original.id.clone(),
            percent: 100.0,
            tasks: desired,
        }]);
    }
    let target_group = &deployment.original_target_group;
    let Some(shortfall) = ready::shortfall_of(observation, original, target_group) else {
        return whole_again(deployment, original);
    };
    let patience = deployment.request.readiness_timeout;
    if deployment.progress.waited < patience {
        let wait = ready::slow_look(deployment);
        let reason = Reason::RollingBack {
            original: original.id.clone(),
            shortfall,
            wait,
        };
        return look_again(deployment, 0, reason, wait);
    }
    if is_better(observation, deployment) {
        return restored(deployment, original, Some((shortfall, patience)));
    }
    let outcome = Outcome::OriginalNotHealthy {
        original: original.id.clone(),
        seconds: patience,
        shortfall,
        remains: remains(observation, deployment),
    };
    over(deployment, outcome)
}

/// The original is whole. Where a step of the drain may have been made a moment ago, that is believed
/// [`lock::SETTLE`] seconds later: one read may be old, or the step may land late.
fn whole_again(deployment: &Deployment, original: &TaskSet) -> Next {
    let Progress { step, waited, .. } = deployment.progress;
    if step == 0 || waited >= lock::SETTLE {
        return restored(deployment, original, None);
    }
    let original = Some(original.id.clone());
    let wait = lock::SETTLE;
    look_again(deployment, 0, Reason::SecondLook { original, wait }, wait)
}

/// Traffic goes back to the original, which may not be whole.
fn restored(deployment: &Deployment, original: &TaskSet, lacks: Option<(Shortfall, u32)>) -> Next {
    let reason = Reason::Restored {
        original: original.id.clone(),
        lacks,
    };
    let reversed = deployment.reversed().unwrap_or_else(|| deployment.clone());
    Next::at_once(To::Swap, reason, reversed)
}

/// The original, while it is worth bringing back: it wants or runs tasks still.
fn restorable<'a>(observation: &'a Observation, deployment: &Deployment) -> Option<&'a TaskSet> {
    deployment
        .original_in(observation)
        .filter(|original| !original.is_being_deleted())
        .filter(|original| original.is_warm())
}

/// Whether the original, though not whole, is better than what serves: that has no healthy target,
/// and the original has some.
fn is_better(observation: &Observation, deployment: &Deployment) -> bool {
    let healthy = |arn: &str| {
        let groups = &observation.target_groups;
        let group = groups.iter().find(|group| group.arn == arn);
        group.map_or(0, |group| group.targets.healthy)
    };
    healthy(&deployment.replacement_target_group) == 0
        && healthy(&deployment.original_target_group) > 0
}

/// Deletes a candidate that production traffic does not reach, if it never did.
fn remove(observation: &Observation, deployment: &Deployment, candidate: &TaskSet) -> Next {
    // Asked of the groups that the candidate is attached to now as well: what this deployment named
    // is no evidence.
    let intent = observation.target_groups.iter().find(|group| {
        let its = group.arn == deployment.replacement_target_group
            || candidate.is_attached_to(&group.arn);
        its && group.swap_intent.is_some()
    });
    let has_served = observation
        .target_groups
        .iter()
        .any(|group| candidate.has_served_on(group));
    if has_served && intent.is_none() {
        // The listener was moved away from it by hand: its connections are left to it.
        let remains = remains(observation, deployment);
        return undone(observation, deployment, Outcome::ListenerMoved { remains });
    }
    // The swap may have begun. The listener is read once more, a while later, before anything is
    // deleted: an old read, or a late write, would show by then.
    if let Some(look) = second_look(deployment) {
        return look;
    }
    if let Some(group) = intent {
        return Next::Write(vec![Action::ClearSwapIntent {
            target_group: group.arn.clone(),
        }]);
    }
    Next::Write(vec![Action::DeleteTaskSet {
        task_set: candidate.id.clone(),
        force: true,
    }])
}

/// The end of a rollback that has left traffic where it is. Where that cannot be told, neither can
/// what was undone.
fn undone(observation: &Observation, deployment: &Deployment, outcome: Outcome) -> Next {
    match routing::read(observation, &deployment.request.service) {
        Ok(_) => over(deployment, outcome),
        Err(split) => over(deployment, Outcome::NothingUndone(split)),
    }
}

/// The end of a rollback.
fn over(deployment: &Deployment, outcome: Outcome) -> Next {
    let reason = Reason::Failed(Box::new(outcome));
    Next::at_once(To::DeploymentFailed, reason, deployment.clone())
}

fn original_id(observation: &Observation, deployment: &Deployment) -> Option<String> {
    let original = deployment.original_in(observation)?;
    Some(original.id.clone())
}

/// What is there, for a rollback that leaves it.
fn remains(observation: &Observation, deployment: &Deployment) -> Remains {
    let place = |set: Option<&TaskSet>, target_group: &str| Place {
        task_set: set.map(|set| (set.id.clone(), set.running_count)),
        target_group: target_group.to_owned(),
    };
    let routing = routing::read(observation, &deployment.request.service);
    Remains {
        production: routing.ok().map(|routing| routing.production.name.clone()),
        replacement: place(
            deployment.replacement_in(observation),
            &deployment.replacement_target_group,
        ),
        original: place(
            deployment.original_in(observation),
            &deployment.original_target_group,
        ),
    }
}

#[cfg(test)]
mod tests;
