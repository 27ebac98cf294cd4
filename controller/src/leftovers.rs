//! What an earlier deployment has left is drained and deleted before a new one begins (rule R8).

use crate::arn::short;
use crate::budget::Control;
use crate::cleanup;
use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Answer, Course, Deployment, Progress, Status};
use crate::finish_swap;
use crate::observation::{Observation, TaskSet};
use crate::preflight;
use crate::refusal::Refusal;
use crate::routing::{self, Routing};
use crate::scale_down;

/// Seconds between two looks at targets without a task set.
const POLL: u32 = 30;

/// Looks at them until they are somebody else's: ten minutes, twice what an NLB takes. As often a
/// swap is finished that somebody else undoes.
const LOOKS: u32 = 20;

/// Decides how one task set that does not serve goes.
///
/// One that may have served is drained like an original, at the request's pace, and deleted without
/// `force`; one that never did is deleted at once. Done when only what serves is left.
pub fn decide(observation: &Observation, deployment: &Deployment) -> Decision {
    next(observation, deployment).unwrap_or_else(Decision::Refuse)
}

fn next(observation: &Observation, deployment: &Deployment) -> Result<Decision, Refusal> {
    match finish_swap::decide(observation, deployment) {
        Decision::Done => {}
        Decision::Act(_) | Decision::Wait(_) if deployment.progress.looks >= LOOKS => {
            return Err(Refusal::drift(
                format!(
                    "The listeners, tags or PRIMARY of service {} were brought in line {LOOKS} times, and are not.",
                    deployment.request.service
                ),
                "Find out what else writes to them, stop it, and start a new execution.",
            ));
        }
        Decision::Act(_) | Decision::Wait(_) => return Ok(Decision::Wait(WaitingOn::SwapToFinish)),
        Decision::Refuse(refusal) => return Err(refusal),
    }
    let routing = routing::read(observation, &deployment.request.service)?;
    let found = Found::of(observation, deployment, &routing)?;
    let never_served = |set: &TaskSet| !may_have_served(observation, set, &routing, found.serving);
    let Some(leftover) = found.next(deployment, never_served) else {
        let targets = routing.alternate.targets.registered();
        // A late invocation finds those of what this deployment has created since.
        let ours = deployment
            .replacement_in(observation)
            .is_some_and(|set| set.is_attached_to(&routing.alternate.arn));
        if targets > 0 && !ours && deployment.progress.looks < LOOKS {
            return Ok(Decision::Wait(WaitingOn::Deregistration { targets }));
        }
        // What is being deleted counts as well, until it is gone.
        let full = observation.task_sets.len() >= preflight::TASK_SET_LIMIT;
        let deleted = observation
            .task_sets
            .iter()
            .find(|set| set.is_being_deleted());
        if let Some(deleted) = deleted.filter(|_| full && deployment.progress.looks < LOOKS) {
            return Ok(Decision::Wait(WaitingOn::Deletion {
                task_set: deleted.id.clone(),
            }));
        }
        return Ok(Decision::Done);
    };
    on_the_alternate_group(leftover, &routing)?;
    let reached = routing::reached_beside(observation, leftover).is_some();
    if !reached && !may_have_served(observation, leftover, &routing, found.serving) {
        return Ok(Decision::Act(vec![Action::DeleteTaskSet {
            task_set: leftover.id.clone(),
            force: true,
        }]));
    }
    // Somebody pointed the listener at a task set that was being drained: it comes back first.
    if let Some(serving) = found.serving.filter(|set| set.scale < 100.0) {
        return Ok(Decision::Act(vec![Action::SetScale {
            task_set: serving.id.clone(),
            percent: 100.0,
            tasks: observation.service.as_ref().map_or(0, |s| s.desired_count),
        }]));
    }
    let planned = deployment.course == Course::Leftover
        && deployment.original.as_deref() == Some(leftover.id.as_str())
        // What serves was not seen then.
        && (deployment.replacement.is_some() || found.serving.is_none());
    if !planned {
        // Its drain is planned first: a plan made anew at each look would take a step at each.
        return Ok(Decision::Wait(WaitingOn::Leftover {
            task_set: leftover.id.clone(),
            tasks: leftover.computed_desired_count,
        }));
    }
    match scale_down::decide(observation, deployment) {
        Decision::Done => {
            cleanup::may_be_deleted(observation, deployment, leftover)?;
            Ok(Decision::Act(vec![Action::DeleteTaskSet {
                task_set: leftover.id.clone(),
                force: false,
            }]))
        }
        decision => Ok(decision),
    }
}

/// The living task sets of a service by whether production traffic reaches them.
struct Found<'a> {
    serving: Option<&'a TaskSet>,
    leftovers: Vec<&'a TaskSet>,
}

impl<'a> Found<'a> {
    fn of(
        observation: &'a Observation,
        deployment: &Deployment,
        routing: &Routing<'_>,
    ) -> Result<Self, Refusal> {
        // A late invocation may find what this deployment has created since.
        let ours = deployment.id.external_id();
        let living = observation
            .task_sets
            .iter()
            .filter(|set| !set.is_being_deleted())
            .filter(|set| set.external_id.as_deref() != Some(ours.as_str()));
        let (serving, leftovers): (Vec<_>, Vec<_>) =
            living.partition(|set| set.is_attached_to(&routing.production.arn));
        let serving = match serving[..] {
            [] => None,
            [only] => Some(only),
            [..] => {
                let ids: Vec<_> = serving.iter().map(|set| set.id.as_str()).collect();
                return Err(Refusal::drift(
                    format!(
                        "{} are all on target group {}, which the production listener forwards to.",
                        ids.join(" and "),
                        routing.production.name
                    ),
                    "Leave one of them: take tasks away from the others step by step (aws ecs \
                     update-task-set), delete them, then start a new execution.",
                ));
            }
        };
        Ok(Self { serving, leftovers })
    }

    /// One that never served, which goes at once; else the leftover that is being drained, else the
    /// first one.
    fn next(
        &self,
        deployment: &Deployment,
        never_served: impl Fn(&TaskSet) -> bool,
    ) -> Option<&'a TaskSet> {
        let current = deployment.original.as_deref();
        let drains = |set: &&&TaskSet| {
            deployment.course == Course::Leftover && current == Some(set.id.as_str())
        };
        let mut leftovers = self.leftovers.iter();
        leftovers
            .find(|set| never_served(set))
            .or_else(|| self.leftovers.iter().find(drains))
            .or(self.leftovers.first())
            .copied()
    }
}

/// Whether connections may be left on a task set that production traffic does not reach now.
///
/// A set that is older than what serves has served before it. A newer one has if traffic was moved
/// to it and back again: then its group is still marked.
fn may_have_served(
    observation: &Observation,
    set: &TaskSet,
    routing: &Routing<'_>,
    serving: Option<&TaskSet>,
) -> bool {
    let older = serving.is_some_and(|serving| match (set.created_at, serving.created_at) {
        (Some(set), Some(serving)) => set <= serving,
        _ => true,
    });
    older
        || routing.alternate.swap_intent.is_some()
        || routing.alternate.is_tagged_production()
        || observation
            .target_groups
            .iter()
            .any(|group| set.has_served_on(group))
}

/// Whether users reach a task set through a target group that is not one of the service's two
/// cannot be told: its listeners may be another load balancer's.
fn on_the_alternate_group(leftover: &TaskSet, routing: &Routing<'_>) -> Result<(), Refusal> {
    let elsewhere = leftover
        .load_balancers
        .iter()
        .find(|attached| attached.target_group != routing.alternate.arn);
    match elsewhere {
        None => Ok(()),
        Some(attached) => Err(Refusal::drift(
            format!(
                "{} is on target group {}, which is neither {} nor {}.",
                leftover.id,
                short(&attached.target_group),
                routing.production.name,
                routing.alternate.name
            ),
            "It may serve there, and nothing was taken from it. Delete it once no user reaches it \
             (aws ecs delete-task-set), then start a new execution.",
        )),
    }
}

/// The answer after a look: a step of a leftover's drain, or, when nothing is left over, the
/// deployment as the service is now.
pub fn answer(
    observation: &Observation,
    deployment: &Deployment,
    waiting_on: Option<&WaitingOn>,
) -> Result<Answer, Refusal> {
    let again = |wait: u32, status: Status, reason: String, mut deployment: Deployment| {
        deployment.progress.waited = deployment.progress.waited.saturating_add(wait);
        Answer {
            status,
            reason,
            wait,
            deployment,
        }
    };
    match waiting_on {
        None => {
            let routing = routing::read(observation, &deployment.request.service)?;
            let found = Found::of(observation, deployment, &routing)?;
            let settled = Deployment {
                course: Course::Forward,
                original: found.serving.map(|set| set.id.clone()),
                original_target_group: routing.production.arn.clone(),
                replacement: None,
                replacement_target_group: routing.alternate.arn.clone(),
                progress: Progress::default(),
                control: Control::default(),
                ..deployment.clone()
            };
            Ok(Answer {
                status: Status::Settled,
                reason: match &settled.original {
                    Some(original) => format!("only {original} is there, and serves"),
                    None => "no task set is there yet".to_owned(),
                },
                wait: 0,
                deployment: settled,
            })
        }
        Some(WaitingOn::SwapToFinish) => Ok(Answer {
            status: Status::HalfSwapped,
            deployment: {
                let mut looked = deployment.clone();
                looked.progress.looks = looked.progress.looks.saturating_add(1);
                // The seconds of its own wait are not those of a drain.
                looked.progress.waited = 0;
                looked
            },
            reason: "a swap, or what records it, was left unfinished: listeners, tags and PRIMARY are brought in line first".to_owned(),
            wait: 0,
        }),
        Some(WaitingOn::Leftover { task_set, tasks }) => {
            let routing = routing::read(observation, &deployment.request.service)?;
            let found = Found::of(observation, deployment, &routing)?;
            let mut taken = deployment.clone();
            taken.course = Course::Leftover;
            taken.original = Some(task_set.clone());
            taken
                .original_target_group
                .clone_from(&routing.alternate.arn);
            taken.replacement = found.serving.map(|set| set.id.clone());
            taken
                .replacement_target_group
                .clone_from(&routing.production.arn);
            taken.tasks = *tasks;
            taken.desired = observation.service.as_ref().map_or(0, |s| s.desired_count);
            taken.progress = Progress::default();
            taken.control = Control::default();
            let reason = format!(
                "{task_set} ({tasks} tasks on {}) was left by an earlier deployment: it is drained first",
                short(&routing.alternate.arn)
            );
            // When the last step was taken is not known: one whole pause lies before the next.
            let wait = scale_down::pause(observation, &taken);
            // It lies before the drain, and is not counted as part of it.
            Ok(Answer {
                status: Status::Draining,
                reason: format!("{reason}, in {wait} s"),
                wait,
                deployment: taken,
            })
        }
        Some(WaitingOn::Deregistration { .. } | WaitingOn::Deletion { .. }) => {
            let reason = waiting_on.map(ToString::to_string).unwrap_or_default();
            let reason = format!("{reason}; next look in {POLL} s");
            let mut looked = deployment.clone();
            looked.progress.looks = looked.progress.looks.saturating_add(1);
            Ok(again(POLL, Status::Draining, reason, looked))
        }
        Some(_) => Ok(scale_down::answer(observation, deployment, waiting_on)),
    }
}

#[cfg(test)]
mod tests;
