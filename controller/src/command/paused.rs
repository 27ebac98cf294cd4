//! The pause of an operator.

use std::fmt;

use super::{Asked, Command, LONGEST_PAUSE, Standing};
use crate::deployment::{Outgoing, Plan, Progress};
use crate::drain;
use crate::next::Next;
use crate::phase::To;
use crate::reason::Reason;
use crate::refusal::{ErrorName, Refusal};
use crate::world::World;

/// A pause that an operator has asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Paused {
    /// The command.
    pub asked: Asked,
    /// Seconds until the next turn.
    pub wait: u32,
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an operator has paused the deployment: {}", self.asked)
    }
}

/// The pause that an operator has asked for, of a deployment that goes forward; refuses with
/// `PausedTooLong` once [`LONGEST_PAUSE`] is over.
pub(crate) fn paused(world: &World, plan: &Plan) -> Result<Option<Paused>, Refusal> {
    let order = world.order.as_ref();
    let pause = order.and_then(|order| match (&order.asked.command, order.standing) {
        (Command::Pause, Standing::Open) if plan.paused < LONGEST_PAUSE => Some(&order.asked),
        (Command::Resume | Command::Promote, Standing::Open) => None,
        // One that is refused, or cannot be answered yet, ends no pause.
        _ => order.in_force.pause.as_ref(),
    });
    let Some(asked) = pause.filter(|_| plan.outgoing != Outgoing::Replacement) else {
        return Ok(None);
    };
    if plan.paused >= LONGEST_PAUSE {
        return Err(Refusal::new(
            ErrorName::PausedTooLong,
            format!(
                "Operators have paused this deployment for {} s, and {LONGEST_PAUSE} s are allowed: {asked}.",
                plan.paused
            ),
            "Start a new execution with the version that should run.",
        ));
    }
    Ok(Some(Paused {
        asked: asked.clone(),
        wait: drain::longest_check(plan.paused),
    }))
}

impl Paused {
    /// The wait of a paused turn. Its seconds count only towards the limit of pauses.
    pub(crate) fn wait(self, to: To, plan: &Plan, progress: Progress) -> Next {
        let plan = plan.paused_for(self.wait);
        let wait = self.wait;
        Next::go(to, Reason::Paused(self), wait, plan, progress)
    }
}
