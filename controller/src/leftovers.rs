//! What an earlier deployment has left is drained and deleted before a new one begins (rule R8).

use crate::arn::short;
use crate::budget::Control;
use crate::cleanup;
use crate::decision::{Action, Decision, WaitingOn};
use crate::deployment::{Answer, Course, Deployment, Progress};
use crate::finish_swap;
use crate::observation::{Observation, TaskSet};
use crate::phase::To;
use crate::preflight;
use crate::reason::{Code, Reason};
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
    if finish_swap::unfinished(observation, deployment)?.is_some() {
        if deployment.progress.looks >= LOOKS {
            return Err(Refusal::drift(
                format!(
                    "The listeners, tags or PRIMARY of service {} were brought in line {LOOKS} times, and are not.",
                    deployment.request.service
                ),
                "Find out what else writes to them, stop it, and start a new execution.",
            ));
        }
        return Ok(Decision::Wait(WaitingOn::SwapToFinish));
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

/// The deployment as the service is once nothing is left over.
pub fn settled(observation: &Observation, deployment: &Deployment) -> Result<Deployment, Refusal> {
    let routing = routing::read(observation, &deployment.request.service)?;
    let found = Found::of(observation, deployment, &routing)?;
    Ok(Deployment {
        course: Course::Forward,
        finishing: false,
        failure: None,
        original: found.serving.map(|set| set.id.clone()),
        original_target_group: routing.production.arn.clone(),
        replacement: None,
        replacement_target_group: routing.alternate.arn.clone(),
        progress: Progress::default(),
        control: Control::default(),
        ..deployment.clone()
    })
}

/// The answer when nothing is left over.
pub fn nothing_left(observation: &Observation, deployment: &Deployment) -> Result<Answer, Refusal> {
    let settled = settled(observation, deployment)?;
    let text = match &settled.original {
        Some(original) => format!("only {original} is there, and serves"),
        None => "no task set is there yet".to_owned(),
    };
    Ok(Answer {
        to: To::CheckAndCreateService,
        reason: Reason::new(Code::Settled, text),
        wait: 0,
        deployment: settled,
    })
}

/// The answer where the function that decides may not make the writes that a leftover needs.
pub fn hand_over(deployment: &Deployment) -> Answer {
    Answer {
        to: To::ScaleDown,
        reason: Reason::new(
            Code::Leftover,
            "an earlier deployment left a task set: it is removed first",
        ),
        wait: 0,
        deployment: Deployment {
            course: Course::Leftover,
            original: None,
            replacement: None,
            progress: Progress::default(),
            control: Control::default(),
            ..deployment.clone()
        },
    }
}

/// The answer while something is left over: what is done about it, and when to look again.
pub fn answer(
    observation: &Observation,
    deployment: &Deployment,
    waiting_on: &WaitingOn,
) -> Result<Answer, Refusal> {
    match waiting_on {
        WaitingOn::SwapToFinish => Ok(swap_to_finish(deployment)),
        WaitingOn::Leftover { task_set, tasks } => begin(observation, deployment, task_set, *tasks),
        WaitingOn::Deregistration { .. } | WaitingOn::Deletion { .. } => {
            let mut waiting = deployment.clone();
            waiting.progress.looks = waiting.progress.looks.saturating_add(1);
            waiting.progress.waited = waiting.progress.waited.saturating_add(POLL);
            Ok(Answer {
                to: match deployment.course {
                    Course::Leftover => To::Wait,
                    Course::Forward | Course::Back | Course::HalfSwapped => To::WaitForServiceReady,
                },
                reason: Reason::new(
                    Code::Leftover,
                    format!("{waiting_on}; next look in {POLL} s"),
                ),
                wait: POLL,
                deployment: waiting,
            })
        }
        _ => Ok(scale_down::answer(
            observation,
            deployment,
            Some(waiting_on),
        )),
    }
}

fn swap_to_finish(deployment: &Deployment) -> Answer {
    let mut looked = deployment.clone();
    looked.course = Course::HalfSwapped;
    // What is left over is named anew once they agree.
    (looked.original, looked.replacement) = (None, None);
    looked.progress.looks = looked.progress.looks.saturating_add(1);
    // The seconds of its own wait are not those of a drain.
    looked.progress.waited = 0;
    Answer {
        to: To::Swap,
        reason: Reason::new(
            Code::HalfSwapped,
            "a swap, or what records it, was left unfinished: listeners, tags and PRIMARY are brought in line first",
        ),
        wait: 0,
        deployment: looked,
    }
}

/// The drain of a leftover is planned.
fn begin(
    observation: &Observation,
    deployment: &Deployment,
    task_set: &str,
    tasks: u32,
) -> Result<Answer, Refusal> {
    let routing = routing::read(observation, &deployment.request.service)?;
    let found = Found::of(observation, deployment, &routing)?;
    let taken = Deployment {
        course: Course::Leftover,
        original: Some(task_set.to_owned()),
        original_target_group: routing.alternate.arn.clone(),
        replacement: found.serving.map(|set| set.id.clone()),
        replacement_target_group: routing.production.arn.clone(),
        tasks,
        desired: observation.service.as_ref().map_or(0, |s| s.desired_count),
        progress: Progress::default(),
        control: Control::default(),
        ..deployment.clone()
    };
    // When the last step was taken is not known: one whole pause lies before the next. It lies before
    // the drain, and is not counted as part of it.
    let wait = scale_down::pause(observation, &taken);
    Ok(Answer {
        to: To::Wait,
        reason: Reason::new(
            Code::Leftover,
            format!(
                "{task_set} ({tasks} tasks on {}) was left by an earlier deployment: it is drained first, in {wait} s",
                short(&routing.alternate.arn)
            ),
        ),
        wait,
        deployment: taken,
    })
}

#[cfg(test)]
mod tests;
