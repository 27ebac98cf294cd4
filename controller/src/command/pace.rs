//! Another pace for a drain that may have begun.

use super::{Command, Paced, Refused, Response, Standing};
use crate::deployment::{Plan, Progress, Removed};
use crate::drain::pace::Pace;
use crate::next::Next;
use crate::phase::Phase;
use crate::preflight;
use crate::reason::Reason;
use crate::request::Request;
use crate::world::{TaskSet, World};

/// Whether a drain may go on at this pace: there is something left of it, and the execution has room for it.
pub(super) fn response(phase: Phase, world: &World, plan: &Plan, pace: &Pace) -> Response {
    let outgoing = plan.outgoing_in(world);
    match phase {
        // The deployment may go on within a minute.
        Phase::Rollback => return Response::Later,
        Phase::Cleanup => return Response::Refuse(Refused::EveryStepMade),
        Phase::ScaleDown if outgoing.is_none_or(TaskSet::wants_nothing) => {
            return Response::Refuse(Refused::EveryStepMade);
        }
        Phase::Preflight | Phase::CheckAndCreate | Phase::Swap | Phase::ScaleDown => {}
    }
    let Ok(group) = world.group(plan.outgoing_group()) else {
        return Response::Later;
    };
    let tasks = outgoing.map_or(world.service.desired_count, |set| {
        set.computed_desired_count
    });
    let since_the_swap = plan.swapped.map_or(0, |at| world.now.saturating_sub(at));
    let request = with_pace(&plan.request, pace);
    let fits = preflight::repaced_fits(
        &request,
        tasks,
        group.deregistration(),
        (world.turns, since_the_swap),
    );
    match fits {
        Ok(()) => Response::Obey,
        Err(refusal) => Response::Refuse(Refused::DoesNotFit(refusal.to_string())),
    }
}

fn with_pace(request: &Request, pace: &Pace) -> Request {
    let mut request = request.clone();
    request.drain.pace = pace.clone();
    request
}

/// The turn that takes over a pace: it plans the rest of the drain, and writes nothing, so that a turn that is
/// repeated does the same.
///
/// The next step comes one pause of the new pace later, or at once where that says so.
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
    if number <= plan.paced || !takes_over {
        return None;
    }
    let mut plan = plan.clone();
    plan.request = with_pace(&plan.request, &pace);
    plan.paced = number;
    let mut progress = *progress;
    let outgoing = plan.outgoing_in(world);
    let begun = outgoing.filter(|_| phase == Phase::ScaleDown && progress.step > 0);
    if let Some(outgoing) = begun {
        let pause = first_pause(&pace);
        let wanted = outgoing.computed_desired_count;
        plan.removed = Removed {
            tasks: plan.removed.tasks + plan.tasks.saturating_sub(wanted),
            steps: plan.removed.steps + progress.step.saturating_sub(1),
            pause,
        };
        plan.tasks = wanted;
        plan.desired = world.service.desired_count;
        progress = Progress {
            step: 1,
            pause,
            baking: progress.baking,
            returns: progress.returns,
            control: progress.control.anew(),
            ..Progress::default()
        };
    }
    let begun = begun.is_some();
    let reason = Reason::Repaced { pace, begun };
    Some(Next::go(phase.wait(), reason, 1, plan, progress))
}

/// Seconds until the first step of a drain that goes on at this pace: one pause, unless it is in a single step or
/// says when it ends.
fn first_pause(pace: &Pace) -> u32 {
    match *pace {
        Pace::Percent { decrement, .. } if decrement >= 100.0 => 0,
        Pace::Percent { every, .. } | Pace::Tasks { every, .. } => every,
        Pace::Within { .. } | Pace::Budget(_) => 0,
    }
}
