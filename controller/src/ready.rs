//! Is the replacement steady and healthy? Traffic moves on this answer only, never on a fixed wait.

use crate::alarms;
use crate::command;
use crate::counted::counted;
use crate::deployment::{Outgoing, Plan, Progress};
use crate::drain;
use crate::gates;
use crate::hooks;
use crate::next::Next;
use crate::phase::To;
use crate::point::Point;
use crate::preflight;
use crate::reason::{Reason, Shortfall};
use crate::refusal::{ErrorName, Refusal};
use crate::registry;
use crate::request::CHECKS;
use crate::world::{TargetGroup, TaskSet, World};

/// Where a deployment can wait whose replacement is steady and healthy. Alarms are read there too.
pub const HEALTHY: [Point; 2] = [Point::AfterHealthy, Point::TestTraffic];

/// Whether the replacement may take production traffic, or when to check again.
///
/// Waits until it has been steady and healthy [`CHECKS`] times in a row; refuses with `NotReadyTimeout`, and
/// the reasons for which its tasks stopped, after `readinessTimeout`. While an operator has paused the
/// deployment, the checks continue.
pub fn next(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    let replacement = living_incoming(world, plan)?;
    let group = world.group(plan.incoming_group())?;
    not_crashing(world, plan)?;
    hooks::not_failed(world, plan)?;
    if world.is_found_in_a_registry_alone() {
        // It serves already.
        alarms::none_raised(world)?;
    }
    if let Some(shortfall) = shortfall(world, replacement, group) {
        give_up_in_time(world, plan, progress, replacement, &shortfall)?;
        return Ok(wait_for(world, plan, progress, shortfall));
    }
    let seen = progress.checks.saturating_add(1);
    let replacement = plan.incoming_set().cloned();
    let progress = Progress {
        checks: seen.min(CHECKS),
        ..*progress
    };
    if seen < CHECKS {
        let wait = next_check(plan, &progress);
        let reason = Reason::Confirming {
            replacement,
            seen,
            wanted: CHECKS,
            wait,
        };
        return Ok(Next::wait(
            To::WaitForServiceReady,
            reason,
            wait,
            plan,
            progress,
        ));
    }
    if let Some(paused) = command::paused(world, plan)? {
        return Ok(paused.wait(To::WaitForServiceReady, plan, progress));
    }
    if plan.waits_at(&HEALTHY) {
        alarms::quiet(world, plan)?;
    }
    if let Some(gate) = gates::due(world, plan, &HEALTHY.map(|point| (point, 0)))? {
        return Ok(gate.answer(To::WaitForServiceReady, plan, progress));
    }
    not_outgrown(world, plan)?;
    let reason = Reason::Ready { replacement };
    Ok(Next::at_once(To::Swap, reason, plan.clone(), progress))
}

/// Refuses, while traffic is where it was, the drain of a service that has grown so much since preflight
/// that an execution's history or time has no room for it.
fn not_outgrown(world: &World, plan: &Plan) -> Result<(), Refusal> {
    let Some(original) = plan.outgoing_in(world) else {
        return Ok(());
    };
    let tasks = original.computed_desired_count;
    let tasks = tasks.max(world.service.desired_count);
    let deregistration = world.group(&plan.original_target_group)?.deregistration();
    let forgetting = registry::longest(world, &plan.request);
    preflight::execution_fits(&plan.request, tasks, deregistration, 0, forgetting)
}

/// What takes over, or why there is none to check.
pub(crate) fn living_incoming<'a>(world: &'a World, plan: &Plan) -> Result<&'a TaskSet, Refusal> {
    match plan.incoming_in(world) {
        Some(task_set) if !task_set.is_being_deleted() => Ok(task_set),
        Some(task_set) => Err(Refusal::drift(
            format!(
                "The replacement {} is DRAINING: it was deleted outside this deployment.",
                task_set.id
            ),
            "Start a new execution.",
        )),
        None => Err(Refusal::not_seen(format!(
            "ECS does not show the replacement {} of this deployment.",
            plan.incoming_set().map_or("task set", |id| id)
        ))),
    }
}

/// What a task set lacks before traffic is moved to it, or `None` where it is steady and healthy.
///
/// `STEADY_STATE` alone is not enough: it is true for a task set that wants no tasks (AWS API
/// model), and an NLB with no healthy target sends traffic to all of them (AWS documentation). Nor is
/// it needed while tasks beyond those wanted are leaving: a long deregistration would keep traffic from
/// targets that are all healthy. Targets that are no task's are not counted, where they were read.
pub(crate) fn shortfall(
    world: &World,
    task_set: &TaskSet,
    group: &TargetGroup,
) -> Option<Shortfall> {
    let desired = if world.is_found_in_a_registry_alone() {
        // In a shift by tasks, the share of them.
        drain::tasks_at(task_set.scale, world.service.desired_count)
    } else {
        world.service.desired_count
    };
    let wanted = task_set.computed_desired_count.max(desired).max(1);
    if task_set.running_count < wanted || task_set.pending_count > 0 {
        return Some(Shortfall::Tasks {
            running: task_set.running_count,
            pending: task_set.pending_count,
            wanted,
        });
    }
    if group.is_of_a_registry() {
        let surplus_leaves = task_set.running_count > wanted;
        return not_registered(world, task_set, wanted)
            .or((!task_set.steady && !surplus_leaves).then_some(Shortfall::SteadyState));
    }
    let targets = group.own_targets();
    if targets.healthy < wanted || targets.healthy < targets.registered() {
        return Some(Shortfall::HealthyTargets { targets, wanted });
    }
    if let Some(shortfall) = not_registered(world, task_set, wanted) {
        return Some(shortfall);
    }
    let surplus_leaves = task_set.running_count > wanted;
    (!task_set.steady && !surplus_leaves).then_some(Shortfall::SteadyState)
}

/// What a task set lacks in its registry: clients find it there as well as through the load balancer.
fn not_registered(world: &World, task_set: &TaskSet, wanted: u32) -> Option<Shortfall> {
    let registry = world.registry.as_ref()?;
    let mut its = task_set.service_registries.iter();
    if !its.any(|its| its.arn == registry.arn) {
        return None;
    }
    let instances = registry.counts_of(task_set);
    (instances.healthy < wanted).then_some(Shortfall::HealthyInstances { instances, wanted })
}

/// The same of what takes over, before clients lose the other task set: a task of [`TOLERANCE`] may be missing.
pub(crate) fn few_registered(world: &World, task_set: &TaskSet) -> Option<Shortfall> {
    let desired = world.service.desired_count;
    not_registered(world, task_set, desired - desired / TOLERANCE)
}

/// What the original lacks before traffic goes back to it. Beside a load balancer, its listeners do not wait for a
/// registry.
pub(crate) fn shortfall_back(
    world: &World,
    task_set: &TaskSet,
    group: &TargetGroup,
) -> Option<Shortfall> {
    let alone = group.is_of_a_registry();
    shortfall(world, task_set, group)
        .filter(|shortfall| alone || !matches!(shortfall, Shortfall::HealthyInstances { .. }))
}

/// One task in this many may be missing for a while, because of Spot capacity or a failed host: no step
/// waits for it.
pub const TOLERANCE: u32 = 20;

/// What the task set that serves lacks of what was [`promised`]: a service that grows is not one that
/// fails.
///
/// A task of [`TOLERANCE`] may be missing. `None` for a service that wants no task.
pub(crate) fn lacking(
    world: &World,
    plan: &Plan,
    task_set: &TaskSet,
    group: &TargetGroup,
) -> Option<Shortfall> {
    let promised = promised_of(world, plan, task_set);
    let wanted = promised - promised / TOLERANCE;
    let (running, pending) = (task_set.running_count, task_set.pending_count);
    if running < wanted {
        return Some(Shortfall::Tasks {
            running,
            pending,
            wanted,
        });
    }
    let targets = group.targets;
    if group.is_of_a_registry() {
        let instances = targets;
        let lacks = instances.healthy < wanted;
        return lacks.then_some(Shortfall::HealthyInstances { instances, wanted });
    }
    (targets.healthy < wanted).then_some(Shortfall::HealthyTargets { targets, wanted })
}

/// What takes over lacks that nothing is held or undone for, where it can be read.
pub(crate) fn lost_health(world: &World, plan: &Plan) -> Option<Shortfall> {
    let incoming = living_incoming(world, plan).ok()?;
    lacking(
        world,
        plan,
        incoming,
        world.group(plan.incoming_group()).ok()?,
    )
}

/// Whether nothing behind the production listener works, though the service wants tasks (rule R12).
pub(crate) fn is_down(world: &World, task_set: &TaskSet, group: &TargetGroup) -> bool {
    world.service.desired_count > 0 && (task_set.running_count == 0 || group.targets.healthy == 0)
}

/// Refuses to wait on once `readinessTimeout` is over.
pub(crate) fn give_up_in_time(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    replacement: &TaskSet,
    shortfall: &Shortfall,
) -> Result<(), Refusal> {
    let timeout = plan.request.readiness_timeout;
    if progress.waited < timeout {
        return Ok(());
    }
    let placed = sentence_of(world.not_placed(replacement));
    let stopped = sentence_of(world.stopped_tasks.in_words());
    Err(Refusal::new(
        ErrorName::NotReadyTimeout,
        format!(
            "The replacement {} was not steady and healthy within {timeout} s: {shortfall}.{placed}{stopped}",
            replacement.id
        ),
        if world.is_found_in_a_registry_alone() {
            "It leaves the registry again. Check the tasks' logs and their container health check; raise readinessTimeout if they only need more time."
        } else {
            "Production traffic was not moved. Check the tasks' logs and the health check of the target group; raise readinessTimeout if they only need more time."
        },
    ))
}

/// What ECS says, after another sentence.
fn sentence_of(why: Option<String>) -> String {
    why.map_or_else(String::new, |why| format!(" {why}."))
}

/// Refuses a replacement of which as many tasks failed, since the swap or before it, as `failedTasks` says,
/// or ECS's own circuit breaker allows: half of what is wanted, at least 3 and at most 200 (AWS
/// documentation). It is not waited for until a deadline, and two checks may find all of them up.
pub(crate) fn not_crashing(world: &World, plan: &Plan) -> Result<(), Refusal> {
    let (wanted, since, consequence) = match plan.swapped {
        None if plan.shifted.step > 0 => (promised(world, plan), "", ""),
        None => (
            world.service.desired_count,
            "",
            if world.is_found_in_a_registry_alone() {
                "It leaves the registry again. "
            } else {
                "Production traffic was not moved. "
            },
        ),
        Some(_) => (promised(world, plan), " since the swap", ""),
    };
    let limit = plan.request.failed_tasks;
    let limit = limit.unwrap_or((wanted / 2).clamp(3, 200));
    let stopped = &world.stopped_tasks;
    if stopped.failed < limit {
        return Ok(());
    }
    let placed = plan
        .incoming_in(world)
        .and_then(|set| world.not_placed(set));
    let placed = sentence_of(placed);
    Err(Refusal::new(
        ErrorName::ReplacementFailed,
        format!(
            "The replacement {} was abandoned at the limit of {}{since}: {}.{placed}",
            plan.incoming_set().map_or("task set", |id| id),
            counted(limit, "failed task"),
            stopped.in_words().unwrap_or_default(),
        ),
        format!(
            "{consequence}Check the tasks' logs; raise failedTasks if this many failures are normal."
        ),
    ))
}

/// Tasks that were wanted when traffic moved, or are wanted now where that is less (rule R11).
pub(crate) fn promised(world: &World, plan: &Plan) -> u32 {
    plan.desired.min(world.service.desired_count)
}

/// The same of a task set that has a share of the tasks alone, in a shift by tasks.
pub(crate) fn promised_of(world: &World, plan: &Plan, task_set: &TaskSet) -> u32 {
    let all = promised(world, plan);
    let shares = registry::shifts_tasks(world, plan) && plan.swapped.is_none();
    if shares && plan.replacement.as_ref() == Some(&task_set.id) {
        drain::tasks_at(task_set.scale, all)
    } else {
        all
    }
}

/// The wait for a new replacement to get healthy: the checks at which it was are counted anew.
pub(crate) fn wait_for(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    shortfall: Shortfall,
) -> Next {
    let wait = next_check(plan, progress);
    let progress = Progress {
        checks: 0,
        ..*progress
    };
    let reason = not_ready(world, plan, shortfall, wait);
    let plan = plan.held_for(wait);
    Next::wait(To::WaitForServiceReady, reason, wait, &plan, progress)
}

/// The wait for something else than a new replacement to get healthy before traffic is moved to it:
/// checks are further apart.
pub(crate) fn wait_slowly_for(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    shortfall: Shortfall,
) -> Next {
    let wait = slow_check(plan);
    let reason = not_ready(world, plan, shortfall, wait);
    Next::wait(To::Bake, reason, wait, plan, *progress)
}

fn not_ready(world: &World, plan: &Plan, shortfall: Shortfall, wait: u32) -> Reason {
    Reason::NotReady {
        incoming: plan.incoming_set().cloned(),
        is_original: plan.outgoing == Outgoing::Replacement,
        shortfall,
        stopped: world.stopped_tasks.in_words(),
        not_placed: plan
            .incoming_in(world)
            .and_then(|set| world.not_placed(set)),
        wait,
    }
}

/// Seconds between two checks of a task set that is not new.
pub(crate) fn slow_check(plan: &Plan) -> u32 {
    let timeout = plan.request.readiness_timeout;
    timeout.div_ceil(drain::MOST_POLLS).max(60)
}

/// `waitForService`, cut short so that the last check is at the deadline.
fn next_check(plan: &Plan, progress: &Progress) -> u32 {
    let request = &plan.request;
    match request.readiness_timeout.saturating_sub(progress.waited) {
        0 => request.wait_for_service,
        left => request.wait_for_service.min(left),
    }
}
