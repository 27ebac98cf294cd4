//! A swap that an earlier deployment left half done is finished (rule R8).

use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Answer, Course, Deployment};
use crate::identity::goes_back;
use crate::observation::{Observation, TargetGroup, TaskSet, TaskSetStatus};
use crate::phase::To;
use crate::ready;
use crate::reason::{Code, Reason};
use crate::refusal::Refusal;
use crate::routing::{self, Roles, Routing};
use crate::swap;

/// Decides what makes tags, test listener and `PRIMARY` agree with the production listener again.
///
/// Where several production listeners disagree, and a swap is on record, they all go to its group,
/// or back where that is not healthy. Without a record of a swap and without a task set beside the
/// one that serves there is nothing to finish, and nothing is written.
pub fn decide(observation: &Observation, deployment: &Deployment) -> Decision {
    next(observation, deployment).unwrap_or_else(Decision::Refuse)
}

fn next(observation: &Observation, deployment: &Deployment) -> Result<Decision, Refusal> {
    let service = &deployment.request.service;
    match routing::read(observation, service) {
        Ok(routing) => Ok(tidy(observation, deployment, &routing)),
        Err(refusal) => {
            let pair = routing::pair(observation, service)?;
            let roles = routing::roles(observation, pair)?;
            if pair.iter().all(|group| group.swap_intent.is_none()) {
                return Err(refusal);
            }
            Ok(agree(observation, deployment, pair, &roles))
        }
    }
}

/// Has every production listener forward to one group: the recorded one, if its task set is
/// healthy, else the other.
fn agree(
    observation: &Observation,
    deployment: &Deployment,
    mut pair: [&TargetGroup; 2],
    roles: &Roles<'_>,
) -> Decision {
    // First where the record says that traffic goes: to its group, or, on a way back, away from it.
    pair.sort_by_key(|group| match group.swap_intent.as_deref() {
        Some(intent) if goes_back(intent) => 2,
        Some(_) => 0,
        None => 1,
    });
    let mut lacking = None;
    for (to, from) in [(pair[0], pair[1]), (pair[1], pair[0])] {
        let [serving] = living_on(observation, to)[..] else {
            continue;
        };
        match ready::shortfall_of(observation, serving, &to.arn) {
            None => {
                let actions = roles
                    .production
                    .iter()
                    .filter(|listener| !listener.forward.is_all_to(&to.arn))
                    .map(|listener| swap::moved(listener, deployment, &to.arn, &from.arn))
                    .collect();
                return Decision::Act(actions);
            }
            Some(shortfall) => {
                lacking.get_or_insert((serving, shortfall));
            }
        }
    }
    match lacking {
        Some((serving, shortfall)) => {
            ready::wait_or_give_up(observation, deployment, serving, shortfall)
        }
        None => Decision::Refuse(Refusal::drift(
            "The production listeners send traffic to different target groups, and no task set is on either.",
            "Start a new execution once one of them has a task set, or point all production \
             listeners at one target group (aws elbv2 modify-listener).",
        )),
    }
}

/// Makes everything else say what the production listener says.
fn tidy(observation: &Observation, deployment: &Deployment, routing: &Routing<'_>) -> Decision {
    let (production, alternate) = (routing.production, routing.alternate);
    let beside = living_on(observation, alternate);
    let recorded = production.swap_intent.is_some() || alternate.swap_intent.is_some();
    let [serving] = living_on(observation, production)[..] else {
        return Decision::Done;
    };
    if beside.is_empty() && !recorded {
        return Decision::Done;
    }
    let mut actions = Vec::new();
    // The public sample recorded none: without it, no leftover behind a test listener is drained.
    // Where some are recorded, one without a role came later, and may be one that users reach.
    if routing
        .roles
        .all()
        .all(|(listener, _)| listener.role.is_none())
    {
        for (listener, role) in routing.roles.all() {
            actions.push(Action::RecordRole {
                listener: listener.arn.clone(),
                role,
            });
        }
    }
    for listener in &routing.roles.test {
        if !listener.forward.is_all_to(&alternate.arn) {
            actions.push(swap::moved(
                listener,
                deployment,
                &alternate.arn,
                &production.arn,
            ));
        }
    }
    // What has served is drained and not deleted: it stays known when its tags have gone. A group that
    // was tagged has served, whichever task set the tag names.
    let served = !beside.is_empty()
        && (alternate.is_tagged_production()
            || beside.iter().any(|set| set.has_served_on(alternate)));
    if served && alternate.swap_intent.is_none() {
        actions.push(Action::RecordSwapIntent {
            target_group: alternate.arn.clone(),
            deployment: deployment.id.tag_value(),
        });
    }
    let tagged = production.is_tagged_production()
        && production.task_set_id.as_deref() == Some(serving.id.as_str());
    if !tagged {
        actions.push(Action::TagProduction {
            target_group: production.arn.clone(),
            task_set: serving.id.clone(),
        });
    }
    if alternate.is_production.is_some() || alternate.task_set_id.is_some() {
        actions.push(Action::UntagProduction {
            target_group: alternate.arn.clone(),
        });
    }
    if serving.status != TaskSetStatus::Primary {
        actions.push(Action::MakePrimary {
            task_set: serving.id.clone(),
        });
    }
    if production.swap_intent.is_some() {
        actions.push(Action::ClearSwapIntent {
            target_group: production.arn.clone(),
        });
    }
    if alternate.swap_intent.is_some() && beside.is_empty() {
        actions.push(Action::ClearSwapIntent {
            target_group: alternate.arn.clone(),
        });
    }
    if actions.is_empty() {
        Decision::Done
    } else {
        Decision::Act(actions)
    }
}

fn living_on<'a>(observation: &'a Observation, group: &TargetGroup) -> Vec<&'a TaskSet> {
    observation
        .task_sets
        .iter()
        .filter(|set| !set.is_being_deleted() && set.is_attached_to(&group.arn))
        .collect()
}

/// The answer once listeners, tags and `PRIMARY` agree, or when to look again.
pub fn answer(deployment: &Deployment, waiting_on: Option<&WaitingOn>) -> Answer {
    if let Some(waiting_on) = waiting_on {
        return ready::answer_slowly(deployment, waiting_on);
    }
    let text = "the swap of an earlier deployment is finished: tags, test listener and PRIMARY \
                agree with the production listener";
    Answer {
        to: To::CheckAndCreateService,
        reason: Reason::new(Code::SwapFinished, text),
        wait: 0,
        deployment: Deployment {
            course: Course::Forward,
            ..deployment.clone()
        },
    }
}

#[cfg(test)]
mod tests;
