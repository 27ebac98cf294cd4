//! Cleanup: deletes the drained task set and checks the service once more.

use crate::action::Action;
use crate::arn::short;
use crate::checks;
use crate::counted::counted;
use crate::deployment::{Answer, Outgoing, Plan, Progress};
use crate::gates;
use crate::id::TargetGroupArn;
use crate::next::Next;
use crate::phase::To;
use crate::point::Point;
use crate::ready;
use crate::reason::{Outcome, Reason, Remark, Running};
use crate::refusal::{ErrorName, Refusal};
use crate::request::CHECKS;
use crate::routing;
use crate::scale_down;
use crate::test_rule::{self, Which};
use crate::window::is_late;
use crate::world::{TaskSet, TaskSetStatus, World};

/// Seconds between two checks of a task set that ECS is deleting.
pub const POLL: u32 = 30;

/// Checks of a task set that ECS is deleting, at most: half an hour.
pub const POLLS: u32 = 60;

/// Checks of rules for tests that are to be deleted, at most: one may have come before them.
const TIDYINGS: u32 = 4;

/// Deletes the drained original, then ends the deployment.
///
/// Waits for targets that are still being deregistered, half an hour at most. Then deletes it without
/// `force`, which ECS refuses for a set that still runs tasks, and waits until it is gone. "Already gone" is
/// success, and tasks that do not stop are a remark: their task set stays at scale 0. The deployment ends
/// only if the world is as intended and works; anything else is `Drift` or `ProductionUnhealthy`.
pub fn next(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    if let Some(gate) = gates::due(world, plan, &[(Point::AfterDrain, 0)])? {
        return Ok(gate.answer(To::WaitForDeletion, plan, *progress));
    }
    let Some(outgoing) = plan.outgoing_in(world) else {
        return end(world, plan, progress);
    };
    if outgoing.is_being_deleted() {
        return if progress.waited < POLL * POLLS {
            let reason = Reason::Deleting {
                task_set: outgoing.id.clone(),
                wait: POLL,
            };
            Ok(check_again(plan, progress, 0, reason))
        } else {
            end(world, plan, progress)
        };
    }
    let checks = progress.checks.saturating_add(1);
    if outgoing.is_warm() && checks < CHECKS {
        // It was drained a moment ago, so a read may be stale.
        let reason = Reason::StillRuns {
            running: outgoing.tasks(),
            wait: POLL,
        };
        return Ok(check_again(plan, progress, checks, reason));
    }
    // Targets and tasks are read one after another: the drain may have seen neither of a task.
    let group = world.group(plan.outgoing_group());
    let remaining = group.map_or(0, |group| scale_down::remaining(world, group, outgoing));
    if remaining > outgoing.tasks() && progress.waited < POLL * POLLS {
        let reason = Reason::StillRuns {
            running: remaining,
            wait: POLL,
        };
        return Ok(check_again(plan, progress, 0, reason));
    }
    if outgoing.wants_nothing() && outgoing.tasks() > 0 {
        return end(world, plan, progress);
    }
    may_be_deleted(world, plan, outgoing)?;
    Ok(Next::one(Action::DeleteTaskSet {
        task_set: outgoing.id.clone(),
        force: false,
    }))
}

/// The end, once the record of the swap is gone and production works.
fn end(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    as_intended(world, plan)?;
    if let Some(target_group) = served(world, plan) {
        return Ok(Next::one(Action::ClearSwapIntent { target_group }));
    }
    if let Some(tidying) = test_rules(world, plan, progress) {
        return Ok(tidying);
    }
    Ok(not_down(world, plan, progress)?.unwrap_or_else(|| complete(world, plan, progress)))
}

/// The rules for tests are deleted at the swap. One that is still there was not seen then, or was not deleted:
/// it is tried again a few times, and is a remark of the end where it stays.
fn test_rules(world: &World, plan: &Plan, progress: &Progress) -> Option<Next> {
    let tidy = test_rule::deletions(world, plan, Which::All);
    if tidy.is_empty() || progress.checks >= TIDYINGS {
        return None;
    }
    let reason = Reason::DeletingTestRules {
        rules: u32::try_from(tidy.len()).unwrap_or(u32::MAX),
        wait: POLL,
    };
    let checks = progress.checks.saturating_add(1);
    let next = check_again(plan, progress, checks, reason);
    Some(next.map(|answer| Answer { tidy, ..answer }))
}

/// Success means that production works (rule R12): checks again, and refuses after a minute. The end of
/// a rollback is no success.
fn not_down(world: &World, plan: &Plan, progress: &Progress) -> Result<Option<Next>, Refusal> {
    let incoming = ready::living_incoming(world, plan)?;
    let group = world.group(plan.incoming_group())?;
    if plan.outgoing == Outgoing::Replacement || !ready::is_down(world, incoming, group) {
        return Ok(None);
    }
    let running = incoming.running_count;
    if progress.held >= scale_down::OUTAGE {
        return Err(Refusal::new(
            ErrorName::ProductionUnhealthy,
            format!(
                "{} serves, but does not work: it runs {}, targets: {}.",
                incoming.id,
                counted(running, "task"),
                group.targets
            ),
            "Check its tasks' logs and the health check of the target group, and deploy a version \
             that works.",
        ));
    }
    let held = progress.held.saturating_add(POLL);
    let reason = Reason::Down {
        task_set: incoming.id.clone(),
        running,
        targets: group.targets,
        wait: POLL,
    };
    let progress = Progress { held, ..*progress };
    Ok(Some(check_again(plan, &progress, progress.checks, reason)))
}

fn check_again(plan: &Plan, progress: &Progress, checks: u32, reason: Reason) -> Next {
    let progress = Progress {
        checks,
        ..*progress
    };
    Next::wait(To::WaitForDeletion, reason, POLL, plan, progress)
}

/// What is left behind: task sets with tasks that do not stop, or with a deletion that takes too long, and rules
/// for tests; what hooks answered that undoes nothing; checks that had no samples; and that it is late.
fn remarks(world: &World, plan: &Plan) -> Vec<Remark> {
    let others = world.task_sets.iter();
    let others = others.filter(|set| Some(&set.id) != plan.incoming_set());
    let remark = |set: &TaskSet| {
        let (task_set, tasks) = (set.id.clone(), set.tasks());
        if set.is_being_deleted() {
            Some(Remark::SlowDeletion { task_set, tasks })
        } else if set.wants_nothing() && tasks > 0 {
            Some(Remark::Straggler { task_set, tasks })
        } else {
            None
        }
    };
    let rules = test_rule::created(world, &plan.request);
    let rules = rules.map(|(route, _)| Remark::TestRule {
        name: route.to_string(),
        rule: route.arn.clone(),
    });
    // That of a rollback is in its cause.
    let hooks = plan.calls.remark.clone().filter(|_| plan.goes_forward());
    let hooks = hooks.map(Remark::Hook);
    let others = others.filter_map(remark);
    let late = is_late(world, plan, None).map(|finish_by| Remark::Late {
        finish_by,
        seconds: world.now.saturating_sub(finish_by),
    });
    let checks = checks::made_without(plan).into_iter();
    let checks = checks.map(|number| Remark::Check {
        number,
        metric: plan.request.checks[number].to_string(),
    });
    let checks = checks.filter(|_| plan.goes_forward());
    others
        .chain(rules)
        .chain(hooks)
        .chain(checks)
        .chain(late)
        .collect()
}

/// The target group of what is gone, where it is still marked as one whose task set has served.
fn served(world: &World, plan: &Plan) -> Option<TargetGroupArn> {
    let group = world.group(plan.outgoing_group()).ok()?;
    group.swap_intent.as_ref().map(|_| group.arn.clone())
}

pub(crate) fn may_be_deleted(
    world: &World,
    plan: &Plan,
    outgoing: &TaskSet,
) -> Result<(), Refusal> {
    scale_down::not_in_production(world, plan, outgoing)?;
    if outgoing.is_warm() {
        return Err(Refusal::drift(
            format!(
                "{} was drained and now has scale {} % and {} again.",
                outgoing.id,
                outgoing.scale,
                counted(outgoing.running_count, "running task")
            ),
            "It was scaled up outside this deployment, so it was not deleted. Start a new execution, or delete it by hand.",
        ));
    }
    Ok(())
}

/// What the execution reports at its end is what the world shows.
fn as_intended(world: &World, plan: &Plan) -> Result<(), Refusal> {
    let incoming = ready::living_incoming(world, plan)?;
    let pair = routing::pair(world, &plan.request)?;
    let roles = routing::roles(world, pair, &plan.request)?;
    let moved = !roles.production_is_all_to(plan.incoming_group());
    if moved && !world.is_found_in_a_registry_alone() {
        return Err(Refusal::drift(
            format!(
                "The drain is over, but production traffic does not go to {} alone.",
                short(plan.incoming_group())
            ),
            format!(
                "It was moved outside this deployment: point it at that target group ({}).",
                routing::modified_by(&roles.production)
            ),
        ));
    }
    if let TaskSetStatus::Unknown(status) = &incoming.status {
        return Err(Refusal::not_seen(format!(
            "{} has the status {status}, which this version does not know.",
            incoming.id
        )));
    }
    if incoming.status != TaskSetStatus::Primary {
        return Err(Refusal::drift(
            format!(
                "The drain is over, but {} is {}, not PRIMARY.",
                incoming.id, incoming.status
            ),
            format!(
                "Run: aws ecs update-service-primary-task-set --cluster {} --service {} --primary-task-set {}",
                short(&plan.request.cluster),
                plan.request.service,
                incoming.id
            ),
        ));
    }
    Ok(())
}

/// The end of the deployment, or of its rollback.
///
/// A replacement that lost its health after the last step is reported: the original is gone, so nothing can
/// be undone.
fn complete(world: &World, plan: &Plan, progress: &Progress) -> Next {
    let task_definition = match plan.incoming_in(world) {
        Some(incoming) => &incoming.task_definition,
        None => &plan.request.task_definition,
    };
    let running = Running {
        service: plan.request.service.clone(),
        task_definition: task_definition.clone(),
        task_set: plan.incoming_set().cloned(),
        target_group: plan.incoming_group().clone(),
        unhealthy: ready::lost_health(world, plan),
        remarks: remarks(world, plan),
    };
    let (to, reason) = match plan.outgoing {
        Outgoing::Original | Outgoing::Leftover(_) => {
            (To::DeploymentSucceeded, Reason::Deployed(Box::new(running)))
        }
        Outgoing::Replacement => (
            To::DeploymentFailed,
            Reason::Failed(Box::new(Outcome::RolledBack(running))),
        ),
    };
    Next::at_once(to, reason, plan.clone(), *progress)
}
