//! What a turn does about a command: whether it obeys, refuses, or leaves it to the next one.

use std::fmt;

use super::{Asked, Command, InForce, LONGEST_PAUSE, Order, Paced, Standing};
use crate::deployment::{Outgoing, Plan, Progress};
use crate::gates;
use crate::hooks;
use crate::phase::Phase;
use crate::refusal::{ErrorName, Refusal};
use crate::world::{TaskSet, World};

/// A turn's answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The command's number.
    pub number: u64,
    /// The command.
    pub asked: Asked,
    /// Why it is refused, where it is.
    pub refused: Option<Refused>,
    /// What is in force after it.
    pub in_force: InForce,
}

/// Why a turn refuses a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It names another execution or another fence.
    Stale,
    /// The deployment is rolling back already, for this error.
    RollingBack(String),
    /// Nothing served before.
    NoOriginal,
    /// The original is being deleted, or is not there any more.
    OriginalGone,
    /// The original is at scale 0, or does not exist.
    EveryStepMade,
    /// All pauses together have lasted as long as they may.
    PausesUsedUp,
    /// Nothing is left that could be skipped.
    NothingToSkip,
    /// The original would be drained at a pace that does not fit, in these words.
    DoesNotFit(String),
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refused {
            None => write!(f, "{}: obeyed", self.asked),
            Some(refused) => write!(f, "{}: refused, {refused}", self.asked),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("the command was for another deployment"),
            Self::RollingBack(error) => {
                write!(f, "the deployment is already rolling back ({error})")
            }
            Self::NoOriginal => {
                f.write_str("no task set served before, so there is nothing to go back to")
            }
            Self::OriginalGone => f.write_str("the original is gone: deploy its version again"),
            Self::PausesUsedUp => write!(
                f,
                "its pauses have already lasted {LONGEST_PAUSE} s, the longest allowed"
            ),
            Self::EveryStepMade => f.write_str(
                "every step of the drain is done, so there is nothing to pause or to pace",
            ),
            Self::NothingToSkip => f.write_str(
                "no pause, no hook, no window and no step of a shift is left to skip; ebbtide pace changes how fast the original drains",
            ),
            Self::DoesNotFit(why) => f.write_str(why),
        }
    }
}

/// How a turn responds to the command that it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Response {
    Obey,
    /// Nothing has to be done for it.
    Done,
    /// This turn cannot decide it; the next one may.
    Later,
    Refuse(Refused),
}

fn response(
    order: &Order,
    phase: Phase,
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Response {
    if order.standing == Standing::Stale {
        return Response::Refuse(Refused::Stale);
    }
    match (&order.asked.command, goes_back(phase, plan)) {
        (Command::Resume, None) => Response::Done,
        (Command::Resume, Some(error)) if may_end_forward(phase, plan, progress, error) => {
            Response::Done
        }
        (Command::Pace(pace), _) => super::pace::response(phase, world, plan, pace),
        (Command::Rollback, Some(error)) if error == ErrorName::OperatorRollback.as_str() => {
            Response::Done
        }
        (_, Some(error)) if may_end_forward(phase, plan, progress, error) => Response::Later,
        (_, Some(error)) => Response::Refuse(Refused::RollingBack(error.to_owned())),
        (Command::Rollback, None) => can_go_back(phase, world, plan, progress),
        (Command::Pause, None) => can_pause(phase, world, plan),
        (Command::Promote, None) => can_promote(order, phase, world, plan, progress),
    }
}

/// Why the deployment is rolling back, if it is.
fn goes_back(phase: Phase, plan: &Plan) -> Option<&str> {
    let failure = plan.failure.as_ref();
    let error = failure.map_or("an earlier execution's", |failure| failure.error.as_str());
    let blamed = ErrorName::parse(error).is_some_and(ErrorName::blames_the_replacement);
    let back = plan.outgoing == Outgoing::Replacement || (phase == Phase::Rollback && blamed);
    back.then_some(error)
}

/// Whether a rollback may still be called off: the replacement recovers before traffic has moved, or the rollback is an
/// earlier execution's.
fn may_end_forward(phase: Phase, plan: &Plan, progress: &Progress, error: &str) -> bool {
    let before_the_swap = phase == Phase::Rollback || (phase == Phase::Swap && !progress.baking);
    plan.finishing || (before_the_swap && error == ErrorName::HealthLost.as_str())
}

/// Before the swap a rollback is always possible, after it as long as the original exists.
fn can_go_back(phase: Phase, world: &World, plan: &Plan, progress: &Progress) -> Response {
    if !progress.baking || !plan.goes_forward() {
        return Response::Obey;
    }
    if plan.outgoing_set().is_none() {
        return Response::Refuse(Refused::NoOriginal);
    }
    match plan.outgoing_in(world) {
        Some(original) if !original.is_being_deleted() => Response::Obey,
        // A read may be stale, and the drain wants two.
        None if phase != Phase::Cleanup => Response::Later,
        Some(_) | None => Response::Refuse(Refused::OriginalGone),
    }
}

fn can_pause(phase: Phase, world: &World, plan: &Plan) -> Response {
    let drained = plan.outgoing_in(world).is_some_and(TaskSet::wants_nothing);
    match phase {
        // The reason for the rollback may pass within a minute.
        Phase::Rollback => Response::Later,
        Phase::Cleanup => Response::Refuse(Refused::EveryStepMade),
        Phase::ScaleDown if drained || (plan.goes_forward() && plan.original.is_none()) => {
            Response::Refuse(Refused::EveryStepMade)
        }
        _ if plan.paused >= LONGEST_PAUSE => Response::Refuse(Refused::PausesUsedUp),
        Phase::Preflight | Phase::CheckAndCreate | Phase::Swap | Phase::ScaleDown => Response::Obey,
    }
}

/// There is something to skip: a pause of an operator, a planned one, a hook, the window, steps of a shift, or clients
/// that leave by themselves.
fn can_promote(
    order: &Order,
    phase: Phase,
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Response {
    if phase == Phase::Rollback {
        return Response::Later;
    }
    let swapped = plan.goes_forward() && progress.baking;
    let begun = swapped && progress.step > 0;
    let planned = !begun && (gates::left(plan, swapped) || plan.request.drain.until.is_some());
    let shifts = plan.goes_forward() && !swapped && plan.asks_for_a_shift().is_some();
    let drained =
        phase == Phase::Cleanup || plan.outgoing_in(world).is_none_or(TaskSet::wants_nothing);
    let judged = !drained && plan.goes_forward() && hooks::judge_steps(plan);
    let windowed = !drained && plan.request.window.is_some();
    if planned || shifts || judged || windowed || order.in_force.pause.is_some() {
        Response::Obey
    } else {
        Response::Refuse(Refused::NothingToSkip)
    }
}

/// A turn's answer to the command that it finds, if it was not answered yet.
pub(crate) fn hear(phase: Phase, world: &World, plan: &Plan, progress: &Progress) -> Option<Heard> {
    let order = world.order.as_ref()?;
    if matches!(order.standing, Standing::Obeyed | Standing::Refused) {
        return None;
    }
    let refused = match response(order, phase, world, plan, progress) {
        Response::Obey | Response::Done => None,
        Response::Refuse(refused) => Some(refused),
        Response::Later => return None,
    };
    let mut in_force = order.in_force.clone();
    if refused.is_none() {
        match &order.asked.command {
            Command::Rollback => in_force.pause = None,
            Command::Resume => {
                in_force.approved = order.approval();
                in_force.pause = None;
            }
            Command::Pause => in_force.pause = Some(order.asked.clone()),
            Command::Promote => {
                in_force.pause = None;
                in_force.promoted = true;
            }
            Command::Pace(pace) => {
                let (number, pace) = (order.number, pace.clone());
                in_force.paced = Some(Paced { number, pace });
            }
        }
    }
    Some(Heard {
        number: order.number,
        asked: order.asked.clone(),
        refused,
        in_force,
    })
}

/// The rollback that an operator asked for, if this turn starts it.
pub(crate) fn rollback(
    phase: Phase,
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Option<Refusal> {
    let order = world.order.as_ref()?;
    let obeys = order.standing != Standing::Refused
        && order.asked.command == Command::Rollback
        && response(order, phase, world, plan, progress) == Response::Obey;
    obeys.then(|| {
        Refusal::new(
            ErrorName::OperatorRollback,
            format!("An operator requested it: {}.", order.asked),
            "",
        )
    })
}
