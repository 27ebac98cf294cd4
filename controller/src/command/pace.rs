//! Another pace for a drain that may have begun.

use super::{Command, Paced, Refused, Response, Standing};
use crate::deployment::{Plan, Progress, Replanned};
use crate::drain::budget::Control;
use crate::drain::pace::Pace;
use crate::gates;
use crate::next::Next;
use crate::pauses;
use crate::phase::Phase;
use crate::preflight::{self, SoFar};
use crate::reason::Reason;
use crate::registry;
use crate::request::Request;
use crate::scale_down;
use crate::world::{TaskSet, World};

/// Whether a drain may go on at this pace: there is something left of it, and the execution has room for it.
pub(super) fn response(phase: Phase, world: &World, plan: &Plan, pace: &Pace) -> Response {
    let outgoing = plan.outgoing_in(world);
    match phase {
        // The deployment may go on within a minute.
        Phase::Rollback => return Response::Later,
        Phase::Cleanup => return Response::Refuse(Refused::EveryStepMade),
        // A read may be stale.
        Phase::ScaleDown if outgoing.is_none() => return Response::Later,
        // Nothing can be planned of no tasks; the service may want some again.
        Phase::ScaleDown if outgoing.is_some_and(|set| set.scale > 0.0) && wants_none(world) => {
            return Response::Later;
        }
        Phase::ScaleDown if outgoing.is_some_and(TaskSet::wants_nothing) => {
            return Response::Refuse(Refused::EveryStepMade);
        }
        Phase::Preflight | Phase::CheckAndCreate | Phase::Swap | Phase::ScaleDown => {}
    }
    let Ok(group) = world.group(plan.outgoing_group()) else {
        return Response::Later;
    };
    let (left, whole) = (
        outgoing.map_or(0, |set| set.computed_desired_count),
        world.service.desired_count,
    );
    let mut request = with_pace(phase, plan, pace);
    let swapped = plan.swapped.is_some();
    request.pauses = pauses::left(plan, swapped).copied().collect();
    request.hooks.retain(|hook| Some(hook.at) >= plan.calls.at);
    let so_far = SoFar {
        turns: world.turns,
        seconds: plan.swapped.map_or(0, |at| world.now.saturating_sub(at)),
        swapped,
        paused: plan.paused,
    };
    let fits = preflight::repaced_fits(
        &request,
        [left, left.max(whole)],
        group.deregistration(),
        registry::longest(world, &plan.request),
        &so_far,
    );
    match fits {
        Ok(()) => Response::Obey,
        Err(refusal) => Response::Refuse(Refused::DoesNotFit(refusal.to_string())),
    }
}

fn wants_none(world: &World) -> bool {
    world.service.desired_count == 0
}

fn with_pace(phase: Phase, plan: &Plan, pace: &Pace) -> Request {
    let mut request = plan.request.clone();
    let known = request.drain.pace.budget();
    let known = known.and_then(|budget| budget.connections_per_task);
    request.drain.pace = pace.clone();
    // It ends the wait for clients that has begun, and none that is still to come.
    if phase == Phase::ScaleDown && !gates::left(plan, true) {
        request.drain.until = None;
    }
    if let Pace::Budget(budget) = &mut request.drain.pace {
        budget.connections_per_task = budget.connections_per_task.or(known);
    }
    request
}

/// The turn that takes over a pace: it plans the rest of the drain, and writes nothing, so that a turn that is
/// repeated does the same.
///
/// The next step comes when [`first_pause`] says. Of no tasks nothing is planned.
pub(crate) fn repaced(
    phase: Phase,
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Option<Next> {
    let order = world.order.as_ref()?;
    let open = match &order.asked.command {
        Command::Pace(pace)
            if order.standing == Standing::Open
                && response(phase, world, plan, pace) == Response::Obey =>
        {
            let (number, pace) = (order.number, pace.clone());
            Some(Paced { number, pace })
        }
        _ => None,
    };
    let Paced { number, pace } = open.or_else(|| order.in_force.paced.clone())?;
    let takes_over = matches!(
        phase,
        Phase::CheckAndCreate | Phase::Swap | Phase::ScaleDown
    );
    let drains = phase == Phase::ScaleDown && progress.step > 0;
    if number <= plan.paced || !takes_over || (drains && wants_none(world)) {
        return None;
    }
    let mut plan = plan.clone();
    plan.request = with_pace(phase, &plan, &pace);
    plan.paced = number;
    let mut progress = *progress;
    if progress.step == 0 {
        // Clients had that time, and the drain has not begun.
        let bake = scale_down::bake_time(&plan.request, &plan.outgoing);
        (progress.waited, progress.spent) = (progress.waited.min(bake), 0);
    }
    let outgoing = plan.outgoing_in(world);
    let begun = outgoing.filter(|_| drains);
    if let Some(outgoing) = begun {
        let pause = first_pause(&pace, progress.pause);
        plan.replanned = Some(Replanned {
            tasks: outgoing.computed_desired_count,
            desired: world.service.desired_count,
            steps: plan
                .earlier_steps()
                .saturating_add(progress.step.saturating_sub(1)),
            pause,
        });
        progress = Progress {
            waited: 0,
            spent: 0,
            step: 1,
            pause,
            // What was seen of the reconnects still holds.
            control: Control {
                began: Some(world.now),
                left: None,
                ..progress.control
            },
            ..progress
        };
    }
    let begun = begun.is_some();
    let reason = Reason::Repaced { pace, begun };
    Some(Next::go(phase.wait(), reason, 1, plan, progress))
}

/// Seconds until the first step of a drain that goes on at this pace: one pause, none where it is a single step, and
/// where the pace only says when it ends, what was left of the pause before.
fn first_pause(pace: &Pace, left: u32) -> u32 {
    match *pace {
        Pace::Percent { decrement, .. } if decrement >= 100.0 => 0,
        Pace::Percent { every, .. } | Pace::Tasks { every, .. } => every,
        Pace::Within { .. } | Pace::Budget(_) => left,
    }
}
