//! `ScaleDown`: one step of a drain: the original's, the replacement's in a rollback, a leftover's.

mod waiting;

use crate::action::Action;
use crate::alarms;
use crate::arn::short;
use crate::checks;
use crate::command;
use crate::counted::counted;
use crate::deployment::{Outgoing, Plan, Progress};
use crate::drain::pacing::Drain;
use crate::drain::{self, scale_for, tasks_at};
use crate::gates;
use crate::hooks;
use crate::next::Next;
use crate::point::Point;
use crate::ready;
use crate::reason::{Blocker, Shortfall};
use crate::refusal::{ErrorName, Refusal};
use crate::registry::{self, Removal};
use crate::request::{CHECKS, Request};
use crate::routing;
use crate::window;
use crate::world::{TargetGroup, TaskSet, World};
use waiting::Waiting;

/// The next step of the drain, or why not yet; Cleanup once the outgoing set is gone, or runs no task and
/// has no target left.
pub fn next(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    let undrained = undrained(world, plan, progress)?;
    Ok(undrained.unwrap_or_else(|| {
        let outgoing = plan.outgoing_in(world);
        waiting::drained(plan, progress, outgoing.map_or(0, TaskSet::tasks))
    }))
}

/// The next step of the drain, or why not yet; `None` once it is drained.
///
/// Guards first (rule R4): no alarm is in `ALARM`, no production listener reaches the outgoing
/// set, and the incoming set is steady and healthy, or the step waits. Then an absolute scale, computed from the
/// plan made at the swap and the number of the step, so that a repeated step changes nothing (rule R3).
pub(crate) fn undrained(
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Result<Option<Next>, Refusal> {
    let Some(outgoing) = plan.outgoing_in(world) else {
        return confirm_gone(world, plan, progress);
    };
    if outgoing.is_being_deleted() {
        return Ok(None);
    }
    no_alarm(world, plan, outgoing)?;
    not_in_production(world, plan, outgoing)?;
    let drain = Drain::of(world, plan, progress, outgoing.computed_desired_count)?;
    let wants = tasks_at(outgoing.scale, drain.desired()).max(drain.wanted);
    let remaining = remaining(world, drain.from, outgoing);
    let due = if wants == 0 && remaining == 0 {
        // For a service that wants no tasks: otherwise the set would grow with it later.
        if outgoing.scale > 0.0 {
            if let Some(blocker) = pause(&drain)? {
                return Ok(Some(Waiting::new(drain, remaining).blocked(blocker, 0)));
            }
            return Ok(Some(scale_to(outgoing, 0, drain.desired())));
        }
        Due::Nothing
    } else {
        due(&drain, outgoing, wants)
    };
    let blocker = blocker(&drain, due)?;
    let removal = removal(&drain, due, outgoing, blocker.as_ref());
    let (removal, blocker) = match removal {
        Some(Ok(removal)) => {
            let by = removal.blocker();
            (Some(removal), Some(by))
        }
        Some(Err(by)) => (None, Some(by)),
        None => (None, blocker),
    };
    give_up_in_time(&drain, outgoing, due, blocker.as_ref())?;
    // A straggler of an earlier deployment is left again, after the time that its tasks have been stopping.
    let of_earlier = matches!(plan.outgoing, Outgoing::Leftover(_));
    let straggles = due == Due::LastTasks && !of_earlier && is_over(&drain);
    if blocker.is_none() && (due == Due::Nothing || straggles) {
        return Ok(None);
    }
    let desired = drain.desired();
    let waiting = Waiting::new(drain, remaining);
    if let Some(removal) = removal {
        return Ok(Some(waiting.removing(removal, outgoing.running_count)));
    }
    Ok(Some(match (blocker, due) {
        (blocker, Due::LastTasks) => waiting.tasks_stopping(blocker.as_ref()),
        (Some(blocker), _) => waiting.blocked(blocker, outgoing.running_count),
        (None, Due::Bake(left)) => waiting.baking(left),
        (None, Due::Pause(seconds)) => waiting.paused(wants, seconds),
        (None, Due::Step(tasks)) => scale_to(outgoing, tasks, desired),
        (None, Due::NextStep(left)) => waiting.step_made(left),
        (None, Due::Nothing) => waiting.tasks_stopping(None),
    }))
}

/// What is left to do before clients of a registry no longer know what goes, or why not yet.
///
/// A replacement that has failed, and what was left over, are taken out at once: the one even if what serves is not
/// whole, as long as clients find it. The original leaves once the replacement has all tasks that are wanted now.
fn removal(
    drain: &Drain<'_>,
    due: Due,
    outgoing: &TaskSet,
    blocker: Option<&Blocker>,
) -> Option<Result<Removal, Blocker>> {
    let Drain { world, plan, .. } = drain;
    let steps = matches!(due, Due::Step(_));
    let waits = steps || matches!(due, Due::Bake(_) | Due::Pause(_));
    let failed = plan.outgoing == Outgoing::Replacement;
    let is_due = match blocker {
        None => steps || (waits && !plan.goes_forward()),
        // What has begun is finished.
        Some(Blocker::Closed(_)) => plan.removed.times > 0,
        Some(Blocker::Health { .. }) => waits && failed && drain.to.targets.healthy > 0,
        Some(_) => false,
    };
    let removal = registry::removal(world, plan, outgoing).filter(|_| is_due)?;
    let grows = matches!(removal, Removal::Found { .. }) && !failed && !has_no_successor(plan);
    let incoming = plan.incoming_in(world).filter(|_| grows);
    let shortfall = incoming.and_then(|incoming| ready::few_registered(world, incoming));
    Some(match shortfall {
        Some(shortfall) => Err(Blocker::Grows { shortfall }),
        None => Ok(removal),
    })
}

/// What is due, if nothing blocks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// The rest of the pause before the first step, in seconds.
    Bake(u32),
    /// The rest of a long pause before the next step, in seconds.
    Pause(u32),
    /// A step to this many tasks.
    Step(u32),
    /// The step to this many tasks is made: the pause before the next one begins.
    NextStep(u32),
    /// Every step is made: the last tasks stop.
    LastTasks,
    /// The last one has stopped.
    Nothing,
}

fn due(drain: &Drain<'_>, outgoing: &TaskSet, wants: u32) -> Due {
    let bake = bake_left(drain.plan, &drain.progress);
    if bake > 0 {
        return Due::Bake(bake);
    }
    let pause = drain.progress.pause;
    // Without connections no client is cut: there is nothing to pause for.
    if pause > 0 && !drain.is_idle() {
        return Due::Pause(pause);
    }
    let left = drain.left();
    if wants > left || (left == 0 && outgoing.scale > 0.0) {
        Due::Step(left)
    } else if left > 0 {
        Due::NextStep(left)
    } else {
        Due::LastTasks
    }
}

/// What it means that the outgoing set is not there: one read may be behind, so it takes two, and each
/// of them has to show the rest of the service.
fn confirm_gone(world: &World, plan: &Plan, progress: &Progress) -> Result<Option<Next>, Refusal> {
    if plan.outgoing_set().is_none() {
        return Ok(None);
    }
    if !has_no_successor(plan) {
        ready::living_incoming(world, plan)?;
    }
    let seen = progress.checks.saturating_add(1);
    let waiting = Waiting::new(Drain::of(world, plan, progress, 0)?, 0);
    Ok((seen < CHECKS).then(|| waiting.confirming(seen)))
}

/// Refuses a drain that cannot be finished: the incoming set has lost its health for too long, or the time is
/// over while the outgoing set still wants tasks.
fn give_up_in_time(
    drain: &Drain<'_>,
    outgoing: &TaskSet,
    due: Due,
    blocker: Option<&Blocker>,
) -> Result<(), Refusal> {
    if let Some(Blocker::Health { shortfall, .. }) = blocker {
        not_lost(drain.world, drain.plan, drain.progress.held, shortfall)?;
    }
    if drain.plan.goes_forward() {
        ready::not_crashing(drain.world, drain.plan)?;
    }
    // Tasks that do not stop are reported, and nothing is undone for them (rule R6).
    if matches!(due, Due::LastTasks | Due::Nothing) {
        return Ok(());
    }
    // Once a hook is over, the deadline of a budget is put off by its seconds.
    let waits = matches!(
        blocker,
        Some(Blocker::Gate(_) | Blocker::Check { .. } | Blocker::Closed(_))
    );
    if let Some(refusal) = drain.out_of_time().filter(|_| !waits) {
        return Err(refusal);
    }
    if is_over(drain) {
        return Err(overdue(drain, outgoing, blocker));
    }
    Ok(())
}

/// Whether the drain has taken as long as it may.
fn is_over(drain: &Drain<'_>) -> bool {
    drained_for(drain.plan, &drain.progress) >= timeout(drain)
}

/// Seconds until the first step; 0 once there was one.
pub(crate) fn bake_left(plan: &Plan, progress: &Progress) -> u32 {
    match progress.step {
        0 => bake_time(&plan.request, &plan.outgoing).saturating_sub(progress.waited),
        _ => 0,
    }
}

/// The step of the drain that may have been begun by now, counted from 1; 0 where none can have been.
pub(crate) fn begun(plan: &Plan, progress: &Progress) -> u32 {
    // A pause or a hook that is still to come, or goes on, is before the first step, and so are checks and clients that
    // leave.
    let waits = plan.goes_forward() && gates::left(plan, true)
        || checks::left(plan)
        || waits_for_clients(plan, progress);
    match bake_left(plan, progress) {
        0 if waits => progress.step,
        0 => progress.step.max(1),
        _ => 0,
    }
}

/// Whether the first step is still to be made, and clients that leave by themselves have time until then.
pub(crate) fn waits_for_clients(plan: &Plan, progress: &Progress) -> bool {
    let time = leaving(&plan.request, &plan.outgoing);
    progress.step == 0 && drained_for(plan, progress) < time
}

/// A leftover needs no bake: its traffic has moved long ago.
pub(crate) fn bake_time(request: &Request, outgoing: &Outgoing) -> u32 {
    match outgoing {
        Outgoing::Original | Outgoing::Replacement => request.bake_time,
        Outgoing::Leftover(_) => 0,
    }
}

/// Seconds since the drain began, which is when the bake was over.
pub(crate) fn drained_for(plan: &Plan, progress: &Progress) -> u32 {
    let drained = match progress.step {
        0 => progress
            .waited
            .saturating_sub(bake_time(&plan.request, &plan.outgoing)),
        _ => progress.waited,
    };
    drained.saturating_add(progress.spent)
}

/// An alarm that the request names stops a deployment while there is something to go back to: not
/// once the original neither wants nor runs a task. In a rollback it is not read.
fn no_alarm(world: &World, plan: &Plan, outgoing: &TaskSet) -> Result<(), Refusal> {
    if plan.goes_forward() && outgoing.is_warm() {
        alarms::none_raised(world)?;
    }
    Ok(())
}

/// Seconds for which a replacement may have no healthy target at all behind the production
/// listener: two checks, because one may fall between two health checks.
pub(crate) const OUTAGE: u32 = 60;

/// Seconds for which fewer than half of the wanted targets may be healthy.
const HALF_LOST: u32 = 300;

/// Whether the incoming set has lost its health for too long. How long depends on how much of it.
///
/// Traffic never returns to the leftover of an earlier deployment: its drain waits as long as a readiness may
/// take, and then ends where it is.
pub(crate) fn not_lost(
    world: &World,
    plan: &Plan,
    held: u32,
    shortfall: &Shortfall,
) -> Result<(), Refusal> {
    let healthy = world.group(plan.incoming_group())?.targets.healthy;
    let promised = match plan.incoming_in(world) {
        Some(incoming) => ready::promised_of(world, plan, incoming),
        None => ready::promised(world, plan),
    };
    let (error, patience) = match plan.outgoing {
        Outgoing::Replacement => return Ok(()),
        Outgoing::Leftover(_) => (
            ErrorName::ServingSetUnhealthy,
            plan.request.readiness_timeout,
        ),
        Outgoing::Original if healthy == 0 => (ErrorName::HealthLost, OUTAGE),
        Outgoing::Original if healthy.saturating_mul(2) < promised => {
            (ErrorName::HealthLost, HALF_LOST)
        }
        Outgoing::Original => (ErrorName::HealthLost, plan.request.readiness_timeout),
    };
    if held < patience {
        return Ok(());
    }
    Err(Refusal::new(
        error,
        format!(
            "{} has not been healthy {} for {held} s: {shortfall}.",
            plan.incoming_set().map_or("The replacement", |id| id),
            if world.is_found_in_a_registry_alone() {
                "in the registry"
            } else {
                "behind the production listener"
            },
        ),
        "Check its tasks' logs and the health check of the target group.",
    ))
}

/// Tasks and targets of the outgoing set that are still there.
///
/// Whether `runningCount` counts a task while its target is deregistered is unproven (the API
/// model says tasks in status RUNNING; such a task is DEACTIVATING): the targets that are being
/// deregistered are asked too, unless they may be another task set's.
pub(crate) fn remaining(world: &World, group: &TargetGroup, outgoing: &TaskSet) -> u32 {
    let mut sets = world.task_sets.iter();
    let shared = sets.any(|set| set.id != outgoing.id && set.is_attached_to(&group.arn));
    if shared {
        outgoing.tasks()
    } else {
        group.targets.draining.max(outgoing.tasks())
    }
}

/// Seconds after which this drain times out.
fn timeout(drain: &Drain<'_>) -> u32 {
    let (schedule, deregistration) = (drain.schedule(), drain.deregistration());
    let timeout = match drain.plan.request.drain_timeout {
        // The service may have grown since preflight.
        Some(timeout) => timeout.max(schedule.least_seconds(deregistration)),
        None => drain::default_timeout(schedule, deregistration),
    };
    let replanned = drain.plan.replanned;
    let leaving = leaving(&drain.plan.request, &drain.plan.outgoing);
    let forgetting = registry::longest(drain.world, &drain.plan.request);
    timeout
        .saturating_add(replanned.map_or(0, |replanned| replanned.pause))
        .saturating_add(leaving)
        .saturating_add(forgetting)
}

/// Seconds for which the first step may wait until clients have left by themselves: those of the original.
pub(crate) fn leaving(request: &Request, outgoing: &Outgoing) -> u32 {
    match outgoing {
        Outgoing::Original => request.drain.leaving(),
        Outgoing::Replacement | Outgoing::Leftover(_) => 0,
    }
}

fn scale_to(outgoing: &TaskSet, tasks: u32, desired: u32) -> Next {
    Next::one(Action::SetScale {
        task_set: outgoing.id.clone(),
        // Never up, whatever happened to the desired count meanwhile.
        percent: scale_for(tasks, desired).min(outgoing.scale),
        tasks,
    })
}

/// The guard before every scale-down and every delete: production traffic goes to the incoming group
/// and to no group that the outgoing set is attached to.
pub(crate) fn not_in_production(
    world: &World,
    plan: &Plan,
    outgoing: &TaskSet,
) -> Result<(), Refusal> {
    let pair = routing::pair(world, &plan.request)?;
    let roles = routing::planned_roles(world, pair, plan)?;
    let serves = outgoing
        .load_balancers
        .iter()
        .any(|attached| roles.production_reaches(&attached.target_group));
    let new = routing::reached_beside(world, outgoing);
    if let Some(route) = new.filter(|_| !serves) {
        return Err(Refusal::drift(
            route.unrecorded_for(outgoing),
            format!(
                "No more tasks were removed. If no user reaches it: aws elbv2 add-tags \
                 --resource-arns {} --tags Key=ebbtide:role,Value=test; otherwise point it at the \
                 replacement. Then start a new execution.",
                route.arn
            ),
        ));
    }
    if serves || !roles.production_is_all_to(plan.incoming_group()) {
        if world.is_found_in_a_registry_alone() {
            return Err(not_primary(plan, outgoing));
        }
        return Err(Refusal::drift(
            format!(
                "The production listener does not forward to {} alone, so {} still takes traffic.",
                short(plan.incoming_group()),
                outgoing.id
            ),
            "The listener was moved outside this deployment, so no more tasks were removed. Start a new execution with the version that should run.",
        ));
    }
    Ok(())
}

pub(crate) fn not_primary(plan: &Plan, outgoing: &TaskSet) -> Refusal {
    let incoming = plan.incoming_set().map_or("the replacement", |id| id);
    Refusal::drift(
        format!(
            "{incoming} is not PRIMARY any more, so {} may be the one that is to serve.",
            outgoing.id
        ),
        "PRIMARY was changed outside this deployment, so no more tasks were removed. Start a new execution with the version that should run.",
    )
}

/// A leftover of a service in which nothing serves has no successor to wait for: that of a first
/// deployment which ended before its swap, or one whose replacement was deleted by hand.
fn has_no_successor(plan: &Plan) -> bool {
    matches!(plan.outgoing, Outgoing::Leftover(_)) && plan.original.is_none()
}

/// A leftover without a healthy target is not kept if the set that serves is not healthy either:
/// the deployment that follows is to repair that.
fn serves_no_client(drain: &Drain<'_>) -> bool {
    let plan = drain.plan;
    // A replacement that no client of a registry has ever found.
    let never = drain.from.is_of_a_registry()
        && plan.outgoing == Outgoing::Replacement
        && plan.removed.times == 0;
    let leftover = matches!(plan.outgoing, Outgoing::Leftover(_));
    (leftover || never) && drain.from.targets.healthy == 0
}

/// What blocks the step that is due, or would block it after the pause: a replacement that cannot
/// take more connections, an alarm in an unknown state, an operator's pause, a check without enough samples, a hook,
/// clients that leave by themselves, a window that is closed, or more reconnects than the budget allows.
fn blocker(drain: &Drain<'_>, due: Due) -> Result<Option<Blocker>, Refusal> {
    let step_is_due = match due {
        Due::NextStep(_) => return Ok(None),
        Due::Bake(_) | Due::Pause(_) | Due::LastTasks | Due::Nothing => false,
        Due::Step(_) => true,
    };
    if serves_no_client(drain) {
        return Ok(None);
    }
    if matches!(due, Due::LastTasks | Due::Nothing) {
        return lost_health(drain, due);
    }
    let blocker = lost_health(drain, due)?.or_else(|| alarms::unreadable(drain.world, drain.plan));
    hooks::not_failed(drain.world, drain.plan)?;
    checks::not_failed(drain.world, drain.plan)?;
    let blocker = match blocker {
        None => command::paused(drain.world, drain.plan)?.map(Blocker::Paused),
        blocker => blocker,
    };
    let blocker = match blocker {
        None if step_is_due => checks::blocker_of_drain(drain.world, drain.plan)?,
        blocker => blocker,
    };
    let blocker = match blocker {
        None => gate(drain, due)?,
        blocker => blocker,
    };
    Ok(match blocker {
        // What came in a pause slows the drain down, and blocks the step once it is due.
        None if step_is_due => {
            let leaving = drain.leaving(drained_for(drain.plan, &drain.progress));
            let closed = || window::closed(drain.world, drain.plan);
            let closed = || closed().map(Box::new).map(Blocker::Closed);
            leaving.or_else(closed).or_else(|| drain.excess())
        }
        blocker => blocker,
    })
}

/// What holds a set without tasks: an operator's pause, or a planned one before the drain.
fn pause(drain: &Drain<'_>) -> Result<Option<Blocker>, Refusal> {
    hooks::not_failed(drain.world, drain.plan)?;
    if let Some(paused) = command::paused(drain.world, drain.plan)? {
        return Ok(Some(Blocker::Paused(paused)));
    }
    if drain.progress.step == 0 {
        gate(drain, Due::Step(0))
    } else {
        Ok(None)
    }
}

/// The hook or the planned pause that the drain has come to: right after the swap, once the bake is over, and between
/// two steps.
fn gate(drain: &Drain<'_>, due: Due) -> Result<Option<Blocker>, Refusal> {
    let step = drain.progress.step;
    let swapped = [
        (Point::EachShift, drain.plan.steps_of_the_swap()),
        (Point::AfterSwap, 0),
    ];
    let baked = [swapped[0], swapped[1], (Point::BeforeDrain, 0)];
    let later = [(
        Point::EachStep,
        step.saturating_add(drain.plan.earlier_steps()),
    )];
    let points: &[(Point, u32)] = match due {
        Due::Bake(_) => &swapped,
        Due::Step(_) if step == 0 => &baked,
        Due::Step(_) if later[0].1 > 1 => &later,
        Due::Pause(_) | Due::Step(_) | Due::NextStep(_) | Due::LastTasks | Due::Nothing => &[],
    };
    let gate = gates::due(drain.world, drain.plan, points)?;
    Ok(gate.map(|gate| Blocker::Gate(Box::new(gate))))
}

/// What the replacement lacks; once nothing is left to remove, only a replacement that does not work at all
/// counts.
fn lost_health(drain: &Drain<'_>, due: Due) -> Result<Option<Blocker>, Refusal> {
    let Drain { world, plan, .. } = drain;
    if has_no_successor(plan) {
        return Ok(None);
    }
    let incoming = ready::living_incoming(world, plan)?;
    let shortfall = ready::lacking(world, plan, incoming, drain.to)
        .filter(|_| due != Due::Nothing || ready::is_down(world, incoming, drain.to));
    Ok(shortfall.map(|shortfall| Blocker::Health {
        replacement: plan.incoming_set().cloned(),
        shortfall,
    }))
}

fn overdue(drain: &Drain<'_>, outgoing: &TaskSet, blocker: Option<&Blocker>) -> Refusal {
    let seen = format!(
        "{} still runs {} of its {} {} s after the drain began",
        outgoing.id,
        outgoing.running_count,
        counted(drain.plan.tasks, "task"),
        drained_for(drain.plan, &drain.progress)
    );
    let (seen, fix) = match blocker {
        Some(blocker @ Blocker::Registry { .. }) => (
            format!("{seen}; the next step waits: {blocker}."),
            "Find out what puts its instances back into the registry, or raise drainTimeout if only the wait is long.",
        ),
        Some(blocker) => (
            format!("{seen}; the next step waits: {blocker}."),
            "Check its tasks' logs and the health check of the target group.",
        ),
        None => (
            format!("{seen}."),
            "Check why its tasks keep running (deregistration delay, stop timeout, scale-in protection), or raise drainTimeout.",
        ),
    };
    Refusal::new(ErrorName::DrainTimeout, seen, fix)
}

#[cfg(test)]
mod tests;
