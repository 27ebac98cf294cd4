//! What a deployment waits for at a point: first its hooks, then a person.

use std::fmt;

use crate::deployment::{Plan, Progress};
use crate::hooks;
use crate::next::Next;
use crate::pauses::{self, Approval};
use crate::phase::{Phase, To};
use crate::point::Point;
use crate::reason::{Code, Reason};
use crate::refusal::Refusal;
use crate::world::World;

/// A turn at a point at which the deployment waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Gate {
    /// A hook.
    Hook(Box<hooks::Turn>),
    /// A planned pause.
    Approval(Box<Approval>),
}

/// What a deployment that has come to these points waits for, the earliest one first.
///
/// `round`: which time it is there, for a point that it comes to more than once. Refuses with `CheckFailed` or
/// `PauseTimeout`.
pub(crate) fn due(
    world: &World,
    plan: &Plan,
    points: &[(Point, u32)],
) -> Result<Option<Gate>, Refusal> {
    for (point, round) in points {
        if let Some(turn) = hooks::due(world, plan, *point, *round)? {
            return Ok(Some(Gate::Hook(Box::new(turn))));
        }
        if let Some(approval) = pauses::due(world, plan, *point)? {
            return Ok(Some(Gate::Approval(Box::new(approval))));
        }
    }
    Ok(None)
}

/// Whether a deployment whose traffic has moved, or has not, waits at a point before its drain, or is still to.
pub(crate) fn left(plan: &Plan, after_the_swap: bool) -> bool {
    let before: &[Point] = if after_the_swap {
        &AFTER_THE_SWAP
    } else {
        &BEFORE_THE_DRAIN
    };
    pauses::left(plan, after_the_swap).next().is_some() || hooks::left(plan, before)
}

/// The points before the first step of the drain.
const BEFORE_THE_DRAIN: [Point; 7] = [
    Point::BeforeCreate,
    Point::AfterHealthy,
    Point::TestTraffic,
    Point::BeforeSwap,
    Point::EachShift,
    Point::AfterSwap,
    Point::BeforeDrain,
];

/// The points between the swap and the first step of the drain.
pub(crate) const AFTER_THE_SWAP: [Point; 3] =
    [Point::EachShift, Point::AfterSwap, Point::BeforeDrain];

impl Plan {
    /// Whether the deployment waits at one of these points, or is still to.
    pub fn waits_at(&self, points: &[Point]) -> bool {
        let mut pauses = pauses::left(self, false);
        pauses.any(|pause| points.contains(&pause.at)) || hooks::left(self, points)
    }
}

impl Gate {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Hook(turn) => turn.code(),
            Self::Approval(approval) => approval.code(),
        }
    }

    /// Seconds until the next turn.
    pub(crate) fn wait(&self) -> u32 {
        match self {
            Self::Hook(turn) if turn.calls_it() => 0,
            Self::Hook(turn) => turn.wait,
            Self::Approval(approval) => approval.wait,
        }
    }

    /// Seconds for which it has held the deployment, once it is over.
    pub(crate) fn took(&self) -> u32 {
        match self {
            Self::Hook(turn) => turn.took,
            Self::Approval(_) => 0,
        }
    }

    /// Where it leads: to the call of a hook, or to the Wait of the phase.
    pub(crate) fn to(&self, wait: To) -> To {
        match self {
            Self::Hook(turn) if turn.calls_it() => {
                To::Hook(wait.phase().unwrap_or(Phase::Rollback))
            }
            Self::Hook(_) | Self::Approval(_) => wait,
        }
    }

    /// The plan after this turn.
    pub(crate) fn plan(&self, plan: &Plan) -> Plan {
        match self {
            Self::Hook(turn) => turn.plan(plan),
            Self::Approval(approval) => approval.plan(plan),
        }
    }

    /// The answer of this turn, outside of a drain. Its seconds count towards the hook or the pause alone.
    pub(crate) fn answer(self, wait: To, plan: &Plan, progress: Progress) -> Next {
        let (to, plan, seconds) = (self.to(wait), self.plan(plan), self.wait());
        Next::go(to, Reason::Gate(self), seconds, plan, progress)
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook(turn) => turn.fmt(f),
            Self::Approval(approval) => approval.fmt(f),
        }
    }
}
