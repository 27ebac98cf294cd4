//! Rollback (rule R6): before the swap the candidate goes; after it the original comes back first.

use crate::arn::short;
use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Answer, Course, Deployment};
use crate::drain;
use crate::observation::{Observation, TaskSet};
use crate::phase::To;
use crate::ready;
use crate::reason::{Code, Reason, Shortfall};
use crate::refusal::{ErrorName, Refusal};
use crate::request::LOOKS;
use crate::routing::{self, Roles};

/// What a rollback comes to, besides the writes and waits on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Traffic may go back to the original; the sentence says how it is.
    Restored(String),
    /// Nothing more can be done; the sentence says what was undone and what remains.
    Over(String),
}

/// Decides how a failed deployment is undone.
///
/// A candidate that never served is deleted with `force` (rule R4). Once production traffic
/// reaches it, the original is brought back to 100 percent, and is ready to take the traffic
/// ([`Code::Restored`]) when it is steady and healthy. An original that is gone or drained is
/// not brought back: from there the deployment goes forward only.
pub fn decide(observation: &Observation, deployment: &Deployment) -> Decision {
    match undone(observation, deployment) {
        Ok(decision) => decision,
        // Without knowing where traffic goes, nothing may be changed.
        Err(refusal) => Decision::Refuse(refusal),
    }
}

fn undone(observation: &Observation, deployment: &Deployment) -> Result<Decision, Refusal> {
    if left_alone(deployment).is_some() {
        return Ok(Decision::Done);
    }
    let candidate = deployment.replacement_in(observation);
    // One read may be old, and not show yet what was created a moment ago.
    if candidate.is_none() && deployment.replacement.is_none() {
        return Ok(seen_twice(deployment));
    }
    let pair = routing::pair(observation, &deployment.request.service)?;
    let roles = routing::roles(observation, pair)?;
    if reached(&roles, deployment, candidate) {
        return Ok(restore(observation, deployment));
    }
    let Some(candidate) = candidate else {
        return Ok(seen_twice(deployment));
    };
    if candidate.is_being_deleted() {
        return Ok(Decision::Done);
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
fn seen_twice(deployment: &Deployment) -> Decision {
    if deployment.progress.looks.saturating_add(1) < LOOKS {
        return Decision::Wait(WaitingOn::SecondLook);
    }
    Decision::Done
}

/// Why nothing is undone at all.
fn left_alone(deployment: &Deployment) -> Option<&'static str> {
    let failure = deployment.failure.as_ref().map(|f| f.error.as_str());
    match deployment.course {
        Course::Back => Some("The way back failed as well"),
        // What serves is not to blame for it, unless it is what lost its health.
        Course::Leftover if failure != Some(ErrorName::NotReadyTimeout.as_str()) => {
            Some("What an earlier deployment left was not taken away")
        }
        // What an earlier deployment has begun is finished whatever this one wants of its own.
        Course::Forward | Course::Leftover | Course::HalfSwapped
            if !deployment.request.rollback_on_failure && !deployment.finishing =>
        {
            Some("Not rolled back, because rollbackOnFailure is false")
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

/// Brings the original back to full strength, while there is one.
fn restore(observation: &Observation, deployment: &Deployment) -> Decision {
    let Some(original) = restorable(observation, deployment) else {
        // One read may be old, or its answer lost on the way.
        return seen_twice(deployment);
    };
    if original.scale < 100.0 {
        let desired = observation.service.as_ref().map_or(0, |s| s.desired_count);
        return Decision::Act(vec![Action::SetScale {
            task_set: original.id.clone(),
            percent: 100.0,
            tasks: desired,
        }]);
    }
    match shortfall(observation, deployment, original) {
        Some(_) if deployment.progress.waited >= deployment.request.readiness_timeout => {
            Decision::Done
        }
        Some(shortfall) => Decision::Wait(shortfall.into()),
        None => Decision::Done,
    }
}

/// The original, while it is worth bringing back: it wants or runs tasks still.
fn restorable<'a>(observation: &'a Observation, deployment: &Deployment) -> Option<&'a TaskSet> {
    deployment
        .original_in(observation)
        .filter(|original| !original.is_being_deleted())
        .filter(|original| original.is_warm())
}

fn shortfall(
    observation: &Observation,
    deployment: &Deployment,
    original: &TaskSet,
) -> Option<Shortfall> {
    ready::shortfall_of(observation, original, &deployment.original_target_group)
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
fn remove(observation: &Observation, deployment: &Deployment, candidate: &TaskSet) -> Decision {
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
        // Somebody moved the listener away from it: its connections are left to it.
        return Decision::Done;
    }
    // The swap may have begun. The listener is read once more, a while later, before anything is
    // deleted: an old read, or a late write, would show by then.
    if deployment.progress.looks.saturating_add(1) < LOOKS {
        return Decision::Wait(WaitingOn::SecondLook);
    }
    if let Some(group) = intent {
        return Decision::Act(vec![Action::ClearSwapIntent {
            target_group: group.arn.clone(),
        }]);
    }
    Decision::Act(vec![Action::DeleteTaskSet {
        task_set: candidate.id.clone(),
        force: true,
    }])
}

/// The answer while something is undone, once the original is back, and when nothing more can be
/// done: then `reason` says what was undone and what remains.
pub fn answer(
    observation: &Observation,
    deployment: &Deployment,
    waiting_on: Option<&WaitingOn>,
) -> Answer {
    let mut deployment = deployment.clone();
    let name = deployment.original.clone();
    let name = name
        .as_deref()
        .unwrap_or("nothing, because no task set served before");
    let Some(waiting_on) = waiting_on else {
        return match outcome(observation, &deployment) {
            Outcome::Restored(how) => Answer {
                to: To::Swap,
                reason: Reason::new(
                    Code::Restored,
                    format!("rolling back: {name} {how}, and takes the traffic back"),
                ),
                wait: 0,
                deployment: deployment.reversed().unwrap_or(deployment),
            },
            Outcome::Over(text) => Answer {
                to: To::DeploymentFailed,
                reason: Reason::new(Code::Failed, text),
                wait: 0,
                deployment,
            },
        };
    };
    deployment.progress.looks = match waiting_on {
        WaitingOn::SecondLook => deployment.progress.looks.saturating_add(1),
        _ => 0,
    };
    let wait = drain::poll(deployment.request.readiness_timeout).max(60);
    deployment.progress.waited = deployment.progress.waited.saturating_add(wait);
    Answer {
        to: To::WaitForOriginal,
        reason: Reason::new(
            Code::RollingBack,
            format!("rolling back to {name}: {waiting_on}; next look in {wait} s"),
        ),
        wait,
        deployment,
    }
}

/// What a finished rollback came to.
fn outcome(observation: &Observation, deployment: &Deployment) -> Outcome {
    let remains = remains(observation, deployment);
    if let Some(why) = left_alone(deployment) {
        return Outcome::Over(format!("{why}: {remains}."));
    }
    let reached = routing::pair(observation, &deployment.request.service)
        .and_then(|pair| routing::roles(observation, pair))
        .is_ok_and(|roles| reached(&roles, deployment, deployment.replacement_in(observation)));
    let candidate = deployment.replacement_in(observation);
    if reached && (candidate.is_some() || deployment.replacement.is_some()) {
        return match restorable(observation, deployment) {
            None => Outcome::Over(format!(
                "Not rolled back, because there is no original to go back to: {remains}."
            )),
            Some(original) => match shortfall(observation, deployment, original) {
                None => Outcome::Restored("is steady and healthy at 100 %".to_owned()),
                Some(shortfall) if is_better(observation, deployment) => {
                    Outcome::Restored(format!(
                        "is not whole after {} s ({shortfall}), but what serves has no healthy target",
                        deployment.request.readiness_timeout
                    ))
                }
                Some(shortfall) => Outcome::Over(format!(
                    "Not rolled back, because {} did not get healthy again within {} s ({shortfall}): {remains}.",
                    original.id, deployment.request.readiness_timeout
                )),
            },
        };
    }
    if let Err(split) = routing::read(observation, &deployment.request.service) {
        return Outcome::Over(format!("Nothing was undone: {split}"));
    }
    let serves = match deployment.original_in(observation) {
        Some(original) => format!("{} serves as before", original.id),
        None => "no task set served before".to_owned(),
    };
    Outcome::Over(match candidate {
        None => format!("Rolled back: there is no replacement task set, and {serves}."),
        Some(candidate) if candidate.is_being_deleted() => {
            format!(
                "Rolled back: {} is being deleted, and {serves}.",
                candidate.id
            )
        }
        Some(_) => {
            format!("Not rolled back, because somebody moved the production listener: {remains}.")
        }
    })
}

/// What is there, for a rollback that leaves it.
fn remains(observation: &Observation, deployment: &Deployment) -> String {
    let group = |arn: &str| short(arn).to_owned();
    let place = |set: Option<&TaskSet>, what: &str, arn: &str| match set {
        Some(set) => format!(
            "{} runs {} tasks on {}",
            set.id,
            set.running_count,
            group(arn)
        ),
        None => format!("there is no {what} on {}", group(arn)),
    };
    let serving = routing::read(observation, &deployment.request.service).map_or_else(
        |_| "production traffic is shared or cannot be read".to_owned(),
        |routing| format!("production traffic goes to {}", routing.production.name),
    );
    format!(
        "{serving}; {}, {}",
        place(
            deployment.replacement_in(observation),
            "replacement",
            &deployment.replacement_target_group
        ),
        place(
            deployment.original_in(observation),
            "original",
            &deployment.original_target_group
        ),
    )
}

#[cfg(test)]
mod tests;
