//! Rollback (rule R6): before the swap the candidate is deleted; after it the original comes back first.

use crate::action::Action;
use crate::deployment::{Outgoing, Plan, Progress};
use crate::id::{TargetGroupArn, TaskSetId};
use crate::lock;
use crate::next::Next;
use crate::phase::To;
use crate::ready;
use crate::reason::{LeftAlone, Outcome, Place, Reason, Remains, Shortfall};
use crate::refusal::{ErrorName, Refusal};
use crate::registry::{self, Removed};
use crate::request::CHECKS;
use crate::routing::{self, Roles};
use crate::shift;
use crate::swap;
use crate::test_rule::{self, Which};
use crate::world::{TaskSet, World};

/// How a failed deployment is undone.
///
/// A candidate that never served is deleted with `force` (rule R4). Once production traffic
/// reaches it, traffic goes back only for a reason that is about the replacement (rule R6), or where only some
/// of the production routes could be moved: then the
/// original is brought back to 100 percent, and takes the traffic when it is steady and healthy. One
/// that is gone or drained is not brought back while the replacement works. After an error of AWS the
/// deployment continues where it was. If it cannot be determined where traffic goes, nothing is changed.
pub fn next(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    let moved = plan.outgoing != Outgoing::Original
        || progress.baking
        || (registry::shifts_tasks(world, plan) && plan.shifted.step > 0);
    if moved && is_passing(plan, progress) {
        return Ok(go_on(plan, progress));
    }
    let deletions = test_rule::deletions(world, plan, Which::All);
    let tidy = (!deletions.is_empty()).then(|| Next::side_by_side(deletions));
    if let Some(why) = left_alone(plan) {
        let tidy = tidy.filter(|_| plan.outgoing == Outgoing::Original);
        return Ok(tidy.unwrap_or_else(|| {
            let remains = remains(world, plan);
            over(plan, progress, Outcome::LeftAlone { why, remains })
        }));
    }
    let candidate = plan.incoming_in(world);
    // A read may be stale, and not show what was just created.
    if candidate.is_none() && plan.incoming_set().is_none() {
        return Ok(tidy.unwrap_or_else(|| no_replacement(world, plan, progress)));
    }
    let pair = routing::pair(world, &plan.request)?;
    let roles = routing::roles_of(world, pair, plan)?;
    if reached(&roles, plan, candidate) {
        if is_passing(plan, progress) {
            return Ok(go_on(plan, progress));
        }
        let down = is_down(world, plan, candidate)?;
        // A route that could not be moved, or a shift: what has moved goes back. Weights of a person's stay.
        let half_moved = roles.production_reaches(plan.outgoing_group())
            && !shift::is_foreign(world, plan, &roles);
        return if down || half_moved || blames_the_replacement(plan) {
            restore(world, plan, progress, &roles, down)
        } else {
            let (why, remains) = (LeftAlone::NotToBlame, remains(world, plan));
            Ok(over(plan, progress, Outcome::LeftAlone { why, remains }))
        };
    }
    // Traffic first; then what only tests use.
    if let Some(tidy) = tidy {
        return Ok(tidy);
    }
    let Some(candidate) = candidate else {
        return Ok(no_replacement(world, plan, progress));
    };
    if candidate.is_being_deleted() {
        let outcome = Outcome::BeingDeleted {
            replacement: candidate.id.clone(),
            original: original_id(world, plan),
        };
        return Ok(undone(world, plan, progress, outcome));
    }
    if let Some(route) = routing::reached_beside(world, candidate) {
        return Err(Refusal::drift(
            route.unrecorded_for(candidate),
            format!(
                "It was not deleted: point the route elsewhere ({}), then start a new execution.",
                route.modified_by()
            ),
        ));
    }
    Ok(remove(world, plan, progress, candidate))
}

/// How often a deployment continues after an interruption.
const MOST_RETURNS: u32 = 10;

/// Whether the failure is an error of AWS that may be over: a caught error, a denied call (IAM is eventually
/// consistent), a write without an answer.
fn is_passing(plan: &Plan, progress: &Progress) -> bool {
    let error = plan.failure.as_ref().map(|failure| failure.error.as_str());
    let passes = match error.and_then(ErrorName::parse) {
        Some(ErrorName::Permission) => true,
        Some(error) => error.is_worth_retrying(),
        None => progress.interrupted,
    };
    let on_its_way_back = plan.outgoing == Outgoing::Replacement && progress.interrupted;
    (passes || on_its_way_back) && progress.returns < MOST_RETURNS
}

/// Traffic stays where it is, and the swap or the drain continues where it was.
fn go_on(plan: &Plan, progress: &Progress) -> Next {
    let cause = plan.failure.as_ref().map(|failure| failure.cause.clone());
    let reason = Reason::GoingOn {
        cause: cause.unwrap_or_default(),
        wait: RETURN,
    };
    let plan = match plan.outgoing {
        Outgoing::Replacement => plan.clone(),
        Outgoing::Original | Outgoing::Leftover(_) => Plan {
            failure: None,
            ..plan.clone()
        },
    };
    let drains = progress.baking || matches!(plan.outgoing, Outgoing::Leftover(_));
    let to = if drains { To::Wait } else { To::Bake };
    Next::wait(to, reason, RETURN, &plan, progress.resumed())
}

/// Seconds until a deployment goes on.
const RETURN: u32 = 60;

/// Whether the failure is about the replacement. A rollback that was begun by an earlier execution had
/// such a reason.
fn blames_the_replacement(plan: &Plan) -> bool {
    let error = plan.failure.as_ref().map(|failure| failure.error.as_str());
    plan.finishing
        || error
            .and_then(ErrorName::parse)
            .is_some_and(ErrorName::blames_the_replacement)
}

/// Whether an operator has asked for it.
fn is_asked_for(plan: &Plan) -> bool {
    let failure = plan.failure.as_ref();
    failure.is_some_and(|failure| failure.error == ErrorName::OperatorRollback.as_str())
}

/// Whether nothing that production traffic reaches works, whatever has failed.
fn is_down(world: &World, plan: &Plan, candidate: Option<&TaskSet>) -> Result<bool, Refusal> {
    let Some(candidate) = candidate.filter(|set| !set.is_being_deleted()) else {
        return Ok(true);
    };
    let group = world.group(plan.incoming_group())?;
    Ok(ready::is_down(world, candidate, group))
}

/// That there is nothing to undo takes two checks in a row.
fn no_replacement(world: &World, plan: &Plan, progress: &Progress) -> Next {
    second_check(plan, progress).unwrap_or_else(|| {
        let original = original_id(world, plan);
        undone(world, plan, progress, Outcome::NoReplacement { original })
    })
}

/// The wait for a second check of what one read showed; `None` where this is the second.
fn second_check(plan: &Plan, progress: &Progress) -> Option<Next> {
    let checks = progress.checks.saturating_add(1);
    let wait = ready::slow_check(plan);
    let original = plan.outgoing_set().cloned();
    let reason = Reason::SecondLook { original, wait };
    (checks < CHECKS).then(|| check_again(plan, progress, checks, reason, wait))
}

fn check_again(plan: &Plan, progress: &Progress, checks: u32, reason: Reason, wait: u32) -> Next {
    let progress = Progress {
        checks,
        ..*progress
    };
    Next::wait(To::WaitForOriginal, reason, wait, plan, progress)
}

/// Why nothing is undone at all.
fn left_alone(plan: &Plan) -> Option<LeftAlone> {
    match plan.outgoing {
        Outgoing::Replacement => Some(LeftAlone::WayBackFailed),
        // A failure before the swap moves nothing.
        Outgoing::Leftover(_) => Some(LeftAlone::Leftover),
        // A rollback that an earlier deployment began is finished, whatever this input says.
        Outgoing::Original
            if !plan.request.rollback_on_failure && !plan.finishing && !is_asked_for(plan) =>
        {
            Some(LeftAlone::NotWanted)
        }
        Outgoing::Original => None,
    }
}

/// Whether production traffic reaches the candidate: asked of the groups that it is attached to
/// now; where it is gone, of the one that this deployment named.
fn reached(roles: &Roles<'_>, plan: &Plan, candidate: Option<&TaskSet>) -> bool {
    match candidate {
        Some(candidate) => candidate
            .load_balancers
            .iter()
            .any(|attached| roles.production_reaches(&attached.target_group)),
        None => roles.production_reaches(plan.incoming_group()),
    }
}

/// Brings the original back to full strength, while there is one, and gives it the traffic back.
///
/// One that is drained comes back only where what serves is down, or an operator asks for it.
fn restore(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    roles: &Roles<'_>,
    down: bool,
) -> Result<Next, Refusal> {
    let Some(original) = restorable(world, plan, down) else {
        // One read may be old, or its answer lost on the way.
        return Ok(second_check(plan, progress).unwrap_or_else(|| {
            let remains = remains(world, plan);
            over(plan, progress, Outcome::NoOriginal { remains })
        }));
    };
    if let Some(restarting) = restart(world, plan, progress, original) {
        return Ok(restarting);
    }
    if let Some(write) = registry::put_back(world, plan, original) {
        let wait = ready::slow_check(plan);
        let instances = match &write {
            Action::SetInstanceHealth { instances, .. } => instances.len(),
            _ => 0,
        };
        let reason = Reason::PutBack {
            original: original.id.clone(),
            instances: u32::try_from(instances).unwrap_or(u32::MAX),
            wait,
        };
        let removed = Removed {
            backs: plan.removed.backs.saturating_add(1),
            ..plan.removed
        };
        let plan = Plan {
            removed,
            ..plan.clone()
        };
        return Ok(match check_again(&plan, progress, 0, reason, wait) {
            Next::Go(answer) => Next::WriteAndGo(vec![write], answer),
            other => other,
        });
    }
    if original.scale < 100.0 {
        return Ok(Next::one(Action::SetScale {
            task_set: original.id.clone(),
            percent: 100.0,
            tasks: world.service.desired_count,
        }));
    }
    let (failed, group) = (
        world.group(plan.incoming_group())?,
        world.group(plan.outgoing_group())?,
    );
    let Some(shortfall) = ready::shortfall_back(world, original, group) else {
        return Ok(whole_again(plan, progress, original));
    };
    if swap::serves_still(world, plan, roles, group) {
        return Ok(restored(plan, progress, original, Some((shortfall, 0))));
    }
    let patience = plan.request.readiness_timeout;
    if progress.waited < patience {
        let wait = ready::slow_check(plan);
        let reason = Reason::RollingBack {
            original: original.id.clone(),
            shortfall,
            not_placed: world.not_placed(original),
            wait,
        };
        return Ok(check_again(plan, progress, 0, reason, wait));
    }
    // Not whole, but better than what serves.
    if failed.own_targets().healthy == 0 && group.own_targets().healthy > 0 {
        return Ok(restored(
            plan,
            progress,
            original,
            Some((shortfall, patience)),
        ));
    }
    let outcome = Outcome::OriginalNotHealthy {
        original: original.id.clone(),
        seconds: patience,
        shortfall,
        remains: remains(world, plan),
    };
    Ok(over(plan, progress, outcome))
}

/// Tasks of the original whose instances were deregistered are not registered again: no client finds or remembers them,
/// and new ones take their place.
fn restart(world: &World, plan: &Plan, progress: &Progress, original: &TaskSet) -> Option<Next> {
    let begins = registry::is_deregistered(world, plan, original);
    let stops = plan.removed.restarts && original.scale <= 0.0 && original.tasks() > 0;
    if !begins && !stops {
        return None;
    }
    let wait = ready::slow_check(plan);
    let reason = Reason::Restarting {
        original: original.id.clone(),
        tasks: original.tasks(),
        wait,
    };
    let removed = Removed {
        restarts: true,
        ..plan.removed
    };
    let plan = Plan {
        removed,
        ..plan.clone()
    };
    let next = check_again(&plan, progress, 0, reason, wait);
    Some(match next {
        Next::Go(answer) if begins => {
            let stop = Action::SetScale {
                task_set: original.id.clone(),
                percent: 0.0,
                tasks: 0,
            };
            Next::WriteAndGo(vec![stop], answer)
        }
        next => next,
    })
}

/// The original is whole. Where a step of the drain may have been made a moment ago, that is believed
/// [`lock::SETTLE`] seconds later: one read may be old, or the step may land late.
fn whole_again(plan: &Plan, progress: &Progress, original: &TaskSet) -> Next {
    if progress.step == 0 || progress.waited >= lock::SETTLE {
        return restored(plan, progress, original, None);
    }
    let original = Some(original.id.clone());
    let wait = lock::SETTLE;
    let reason = Reason::SecondLook { original, wait };
    check_again(plan, progress, 0, reason, wait)
}

/// Traffic goes back to the original, which may not be whole.
fn restored(
    plan: &Plan,
    progress: &Progress,
    original: &TaskSet,
    lacks: Option<(Shortfall, u32)>,
) -> Next {
    let reason = Reason::Restored {
        original: original.id.clone(),
        lacks,
    };
    let progress = Progress {
        returns: progress.returns,
        ..progress.anew()
    };
    Next::at_once(To::Swap, reason, plan.back(), progress)
}

/// The original, if it is worth bringing back: it still wants or runs tasks, or nothing else works, or an
/// operator asks for it.
fn restorable<'a>(world: &'a World, plan: &Plan, down: bool) -> Option<&'a TaskSet> {
    plan.outgoing_in(world)
        .filter(|original| !original.is_being_deleted())
        .filter(|original| {
            original.is_warm() || down || is_asked_for(plan) || plan.removed.restarts
        })
}

/// Deletes a candidate that production traffic does not reach, if it never did.
fn remove(world: &World, plan: &Plan, progress: &Progress, candidate: &TaskSet) -> Next {
    // Also checked for the groups that the candidate is attached to now: the names of this deployment prove
    // nothing.
    let intent = world.target_groups.iter().find(|group| {
        let its = group.arn == *plan.incoming_group() || candidate.is_attached_to(&group.arn);
        its && group.swap_intent.is_some()
    });
    let mut groups = world.target_groups.iter();
    let has_served = progress.baking || groups.any(|group| candidate.has_served_on(group));
    if has_served && intent.is_none() {
        // The listener was moved away from it by hand: its connections are left to it.
        let remains = remains(world, plan);
        return undone(world, plan, progress, Outcome::ListenerMoved { remains });
    }
    let original = plan.outgoing_in(world);
    match original.filter(|original| !original.is_being_deleted()) {
        Some(original) if world.may_be_known(candidate) => {
            if original.scale < 100.0 {
                return Next::one(Action::SetScale {
                    task_set: original.id.clone(),
                    percent: 100.0,
                    tasks: world.service.desired_count,
                });
            }
            return taken_out(plan, progress, original);
        }
        // Nothing else serves: better some tasks of it than none.
        None if world.is_found(candidate) => {
            return second_check(plan, progress).unwrap_or_else(|| {
                let remains = remains(world, plan);
                over(plan, progress, Outcome::NoOriginal { remains })
            });
        }
        Some(_) | None => {}
    }
    // The swap may have begun. The listener is read once more, a while later, before anything is
    // deleted: an old read, or a late write, would show by then.
    if let Some(check) = second_check(plan, progress) {
        return check;
    }
    if let Some(group) = intent {
        return Next::one(Action::ClearSwapIntent {
            target_group: group.arn.clone(),
        });
    }
    Next::one(Action::DeleteTaskSet {
        task_set: candidate.id.clone(),
        force: true,
    })
}

/// A candidate that clients of a registry know has served, whatever is `PRIMARY`: it is drained as after a swap back.
fn taken_out(plan: &Plan, progress: &Progress, original: &TaskSet) -> Next {
    let reason = Reason::TakenOut {
        original: original.id.clone(),
    };
    let progress = Progress {
        returns: progress.returns,
        ..progress.anew()
    };
    Next::at_once(To::Swap, reason, plan.back(), progress)
}

/// The end of a rollback that has left traffic where it is. Where that cannot be determined, neither can
/// what was undone.
fn undone(world: &World, plan: &Plan, progress: &Progress, outcome: Outcome) -> Next {
    match routing::read(world, &plan.request) {
        Ok(_) => over(plan, progress, outcome),
        Err(split) => over(plan, progress, Outcome::NothingUndone(split)),
    }
}

/// The end of a rollback.
fn over(plan: &Plan, progress: &Progress, outcome: Outcome) -> Next {
    let reason = Reason::Failed(Box::new(outcome));
    Next::at_once(To::DeploymentFailed, reason, plan.clone(), *progress)
}

fn original_id(world: &World, plan: &Plan) -> Option<TaskSetId> {
    let original = plan.outgoing_in(world)?;
    Some(original.id.clone())
}

/// What is there, for a rollback that leaves it.
fn remains(world: &World, plan: &Plan) -> Remains {
    let place = |set: Option<&TaskSet>, target_group: &TargetGroupArn| Place {
        task_set: set.map(|set| (set.id.clone(), set.running_count)),
        target_group: target_group.clone(),
    };
    let routing = routing::read(world, &plan.request);
    Remains {
        production: routing.ok().map(|routing| routing.production.name.clone()),
        replacement: place(plan.incoming_in(world), plan.incoming_group()),
        original: place(plan.outgoing_in(world), plan.outgoing_group()),
    }
}
