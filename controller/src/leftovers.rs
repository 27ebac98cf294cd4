//! Leftovers of an earlier deployment are drained and deleted before a new one begins (rule R8).

use crate::action::Action;
use crate::arn::short;
use crate::checks::Checked;
use crate::cleanup;
use crate::deployment::{Outgoing, Plan, Progress};
use crate::drain::pacing::Drain;
use crate::finish_swap;
use crate::next::Next;
use crate::phase::To;
use crate::preflight;
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::registry::{self, Removed};
use crate::routing::{self, Routing};
use crate::scale_down;
use crate::shift::Shifted;
use crate::test_rule::{self, Which};
use crate::world::{TaskSet, World};

/// Seconds between two checks of targets without a task set.
const POLL: u32 = 30;

/// Checks of them until they count as another service's: ten minutes, twice what an NLB takes. A swap that is
/// undone from outside is finished as often.
const CHECKS: u32 = 20;

/// Removes the task sets that do not serve, one after the other; then the deployment continues.
pub fn next(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    if let Some(leftover) = left_over(world, plan, progress)? {
        return Ok(leftover);
    }
    let settled = settled(world, plan)?;
    let reason = Reason::Settled {
        original: settled.original.clone(),
    };
    let progress = Progress::default();
    Ok(Next::at_once(
        To::CheckAndCreateService,
        reason,
        settled,
        progress,
    ))
}

/// Removes one task set that does not serve; `None` if only the one that serves is left.
///
/// One that may have served is drained like an original, at the request's pace, and deleted without
/// `force`; one that never did is deleted at once.
pub(crate) fn left_over(
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Result<Option<Next>, Refusal> {
    if finish_swap::unfinished(world, plan, progress)?.is_some() {
        return finish_swap_first(plan, progress).map(Some);
    }
    let rules = test_rule::deletions(world, plan, Which::OfOthers);
    if !rules.is_empty() {
        return Ok(Some(Next::side_by_side(rules)));
    }
    let routing = routing::read(world, &plan.request)?;
    let found = Found::of(world, plan, &routing)?;
    // Where evidence is missing, a set with running tasks is drained, and stays one that may have served.
    let never_served = |set: &TaskSet| {
        set.running_count == 0
            && plan.outgoing != Outgoing::Leftover(Some(set.id.clone()))
            && !may_have_served(world, set, &routing, found.serving)
    };
    let Some(leftover) = found.next(plan, never_served) else {
        let strays = found.straggles && !is_there(world, plan, &routing) && targets(&routing) > 0;
        if strays && !routing::may_reach_users(world, &routing.alternate.arn) {
            // What is on the alternate group is of other versions, and gets no traffic with the swap.
            return Ok(Some(Next::one(Action::DeregisterTargets {
                target_group: routing.alternate.arn.clone(),
            })));
        }
        return Ok(what_goes_by_itself(world, plan, progress, &routing));
    };
    on_the_alternate_group(leftover, &routing)?;
    let reached = routing::reached_beside(world, leftover).is_some();
    if !reached && never_served(leftover) {
        return Ok(Some(delete(leftover, true)));
    }
    if let Some(back) = put_back(world, plan, progress, found.serving) {
        return Ok(Some(back));
    }
    // The listener was pointed at a task set that was being drained: that one comes back first.
    if let Some(serving) = found.serving.filter(|set| set.scale < 100.0) {
        return Ok(Some(Next::one(Action::SetScale {
            task_set: serving.id.clone(),
            percent: 100.0,
            tasks: world.service.desired_count,
        })));
    }
    let planned = plan.outgoing == Outgoing::Leftover(Some(leftover.id.clone()))
        // What serves was not seen then.
        && (plan.original.is_some() || found.serving.is_none());
    if !planned {
        // A new plan at each check would make a step at each.
        return begin(world, plan, &routing, &found, leftover).map(Some);
    }
    if let Some(draining) = scale_down::undrained(world, plan, progress)? {
        return Ok(Some(draining));
    }
    cleanup::may_be_deleted(world, plan, leftover)?;
    Ok(Some(delete(leftover, false)))
}

/// What serves has been taken out of its registry by a drain that ended there: it comes back first.
fn put_back(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    serving: Option<&TaskSet>,
) -> Option<Next> {
    let serving = serving.filter(|_| progress.checks < CHECKS)?;
    let write = registry::hidden(world, serving)?;
    let reason = Reason::PutBack {
        original: serving.id.clone(),
        instances: serving.running_count,
        wait: POLL,
    };
    match wait(reason, plan, progress) {
        Next::Go(answer) => Some(Next::WriteAndGo(vec![write], answer)),
        other => Some(other),
    }
}

fn delete(leftover: &TaskSet, force: bool) -> Next {
    Next::one(Action::DeleteTaskSet {
        task_set: leftover.id.clone(),
        force,
    })
}

/// A swap, or what records it, was left unfinished: that comes first, but not again and again.
fn finish_swap_first(plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    if progress.checks >= CHECKS {
        return Err(Refusal::drift(
            format!(
                "The listeners, tags or PRIMARY of service {} were corrected {CHECKS} times and changed back each time.",
                plan.request.service
            ),
            "Find out what else writes to them, stop it, and start a new execution.",
        ));
    }
    let progress = Progress {
        checks: progress.checks.saturating_add(1),
        // The seconds of its own wait are not those of a drain.
        waited: 0,
        ..*progress
    };
    // What is left over is named anew once they agree.
    let plan = naming_nothing(plan, Outgoing::Original);
    Ok(Next::at_once(To::Swap, Reason::HalfSwapped, plan, progress))
}

/// What ECS and Elastic Load Balancing remove by themselves, while the deployment waits for it: targets
/// without a task set, and a deleted task set where there is no room for another one.
fn what_goes_by_itself(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    routing: &Routing<'_>,
) -> Option<Next> {
    if progress.checks >= CHECKS {
        return None;
    }
    let targets = targets(routing);
    let reason = if targets > 0 && !is_there(world, plan, routing) {
        Reason::Deregistering {
            targets,
            wait: POLL,
        }
    } else if world.task_sets.len() >= preflight::TASK_SET_LIMIT {
        // What is being deleted counts as well, until it is gone.
        let mut sets = world.task_sets.iter();
        let deleted = sets.find(|set| set.is_being_deleted())?;
        Reason::LeftoverDeleting {
            task_set: deleted.id.clone(),
            wait: POLL,
        }
    } else {
        return None;
    };
    Some(wait(reason, plan, progress))
}

/// Goes on to the next check, in the state that waits for a leftover's drain or for the replacement.
fn wait(reason: Reason, plan: &Plan, progress: &Progress) -> Next {
    let progress = Progress {
        checks: progress.checks.saturating_add(1),
        ..*progress
    };
    let to = match plan.outgoing {
        Outgoing::Leftover(_) => To::Wait,
        Outgoing::Original | Outgoing::Replacement => To::WaitForServiceReady,
    };
    Next::wait(to, reason, POLL, plan, progress)
}

/// Targets of the alternate group that would take traffic.
fn targets(routing: &Routing<'_>) -> u32 {
    routing.alternate.targets.registered()
}

/// Whether the alternate group's targets may be of what this deployment has created: a late invocation
/// finds that.
fn is_there(world: &World, plan: &Plan, routing: &Routing<'_>) -> bool {
    let incoming = plan.incoming_in(world);
    incoming.is_some_and(|set| set.is_attached_to(&routing.alternate.arn))
}

/// The living task sets of a service by whether production traffic reaches them.
struct Found<'a> {
    serving: Option<&'a TaskSet>,
    leftovers: Vec<&'a TaskSet>,
    /// Whether tasks of another one on the alternate group do not stop: they are not waited for.
    straggles: bool,
}

impl<'a> Found<'a> {
    fn of(world: &'a World, plan: &Plan, routing: &Routing<'_>) -> Result<Self, Refusal> {
        // A late invocation may find what this deployment has created since.
        let ours = plan.id.external_id();
        let living = world
            .living()
            .filter(|set| set.external_id.as_deref() != Some(ours.as_str()));
        let (mut serving, mut leftovers): (Vec<_>, Vec<_>) =
            living.partition(|set| set.is_attached_to(&routing.production.arn));
        if serving.len() > 1 {
            serving.retain(|set| !world.straggles(set));
        }
        let left = leftovers.len();
        leftovers.retain(|set| !world.straggles(set));
        let straggles = leftovers.len() < left;
        let serving = match serving[..] {
            [] => None,
            [only] => Some(only),
            [..] => {
                let ids: Vec<_> = serving.iter().map(|set| &*set.id).collect();
                return Err(Refusal::drift(
                    format!(
                        "{} are all on target group {}, which the production listener forwards to.",
                        ids.join(" and "),
                        routing.production.name
                    ),
                    "Keep one of them: scale the others down step by step (aws ecs \
                     update-task-set), delete them, then start a new execution.",
                ));
            }
        };
        Ok(Self {
            serving,
            leftovers,
            straggles,
        })
    }

    /// One that never served, which goes at once; else the leftover that is being drained, else the
    /// first one.
    fn next(&self, plan: &Plan, never_served: impl Fn(&TaskSet) -> bool) -> Option<&'a TaskSet> {
        let drains = |set: &&&TaskSet| plan.outgoing == Outgoing::Leftover(Some(set.id.clone()));
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
    world: &World,
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
        || world
            .target_groups
            .iter()
            .any(|group| set.has_served_on(group))
}

/// Whether users reach a task set through a target group that is not one of the service's two
/// cannot be determined: its listeners may be another load balancer's.
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
            "It may serve there, so it was not touched. Delete it once no user reaches it \
             (aws ecs delete-task-set), then start a new execution.",
        )),
    }
}

/// The plan of a deployment that begins, as the service is once nothing is left over.
pub fn settled(world: &World, plan: &Plan) -> Result<Plan, Refusal> {
    let routing = routing::read(world, &plan.request)?;
    let found = Found::of(world, plan, &routing)?;
    Ok(Plan {
        finishing: false,
        failure: None,
        original: found.serving.map(|set| set.id.clone()),
        original_target_group: routing.production.arn.clone(),
        replacement_target_group: routing.alternate.arn.clone(),
        routes: routing.roles.production_arns(),
        ..naming_nothing(plan, Outgoing::Original)
    })
}

/// The way to the function that may make the writes that a leftover needs.
pub(crate) fn hand_over(plan: &Plan) -> Next {
    let plan = naming_nothing(plan, Outgoing::Leftover(None));
    let progress = Progress::default();
    Next::at_once(To::ScaleDown, Reason::LeftoverFound, plan, progress)
}

/// The plan of a deployment that is to name its task sets anew.
pub(crate) fn naming_nothing(plan: &Plan, outgoing: Outgoing) -> Plan {
    Plan {
        original: None,
        replacement: None,
        outgoing,
        shifted: Shifted::default(),
        ..plan.clone()
    }
}

/// The drain of a leftover is planned.
fn begin(
    world: &World,
    plan: &Plan,
    routing: &Routing<'_>,
    found: &Found<'_>,
    leftover: &TaskSet,
) -> Result<Next, Refusal> {
    let tasks = leftover.computed_desired_count;
    let plan = Plan {
        original: found.serving.map(|set| set.id.clone()),
        original_target_group: routing.production.arn.clone(),
        replacement_target_group: routing.alternate.arn.clone(),
        routes: routing.roles.production_arns(),
        tasks,
        desired: world.service.desired_count,
        replanned: None,
        checked: Checked::default(),
        removed: Removed::default(),
        ..naming_nothing(plan, Outgoing::Leftover(Some(leftover.id.clone())))
    };
    let progress = Progress::default();
    // When the last step was taken is not known: one whole pause lies before the next. It lies before
    // the drain, and is not counted as part of it.
    let wait = Drain::of(world, &plan, &progress, tasks)?.pause();
    let reason = Reason::LeftoverPlanned {
        task_set: leftover.id.clone(),
        tasks,
        target_group: routing.alternate.arn.clone(),
        wait,
    };
    Ok(Next::go(To::Wait, reason, wait, plan, progress))
}
