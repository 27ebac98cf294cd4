//! Planned pauses: points of a deployment at which it waits for a person.
//!
//! A person approves with `ebbtide resume`, or skips all that is left with `ebbtide promote`. While the deployment
//! waits, health and alarms are checked as in an operator's pause. The turn that ends a pause writes nothing else: a
//! turn that is repeated ends it again.

use std::fmt;

use crate::clock::rfc3339;
use crate::command::Order;
use crate::deployment::Plan;
use crate::drain;
use crate::point::Point;
use crate::reason::Code;
use crate::refusal::{ErrorName, Refusal};
use crate::world::World;

/// A pause that the input asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Where.
    pub at: Point,
    /// Seconds after which it ends by itself.
    pub timeout: u32,
    /// How it ends then.
    pub on_timeout: OnTimeout,
}

/// In words: where, how long, and what then.
impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            timeout,
            on_timeout,
        } = self;
        let then = match on_timeout {
            OnTimeout::Rollback => "fails",
            OnTimeout::Continue => "continues",
        };
        write!(
            f,
            "for approval at {at}, {timeout} s at most; then it {then}"
        )
    }
}

/// What happens when a pause runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// The deployment goes back, with `PauseTimeout`.
    Rollback,
    /// The deployment goes on.
    Continue,
}

impl OnTimeout {
    /// The value of `onTimeout` in the input.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Continue => "continue",
        }
    }

    pub(crate) fn parse(value: &str) -> Option<Self> {
        [Self::Rollback, Self::Continue]
            .into_iter()
            .find(|known| known.as_str() == value)
    }
}

/// How far a deployment has got with its pauses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gates {
    /// Those that are over.
    pub points: Vec<Point>,
    /// The one that it waits at.
    pub waits: Option<Waits>,
}

/// A pause that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Where.
    pub at: Point,
    /// Seconds of it so far.
    pub waited: u32,
    /// The number of the last command before it: a later `resume` ends it.
    pub since: u64,
    /// When it runs out, in seconds since 1970, but for what the turns take.
    pub until: u64,
}

/// A turn of a planned pause.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// The pause.
    pub pause: Pause,
    /// When it runs out, in seconds since 1970, but for what the turns take.
    pub until: u64,
    /// Whether a deployment that fails goes back.
    pub goes_back: bool,
    /// How it goes on.
    pub stage: Stage,
    /// Seconds until the next turn.
    pub wait: u32,
    passed: Gates,
}

/// How a planned pause goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a person.
    Waits,
    /// A person has approved.
    Approved,
    /// It has run out, and the deployment goes on.
    RanOut,
}

/// Seconds until the turn after the one that ends a pause.
const AT_ONCE: u32 = 1;

/// The pause at this point, which a deployment that goes forward has come to.
///
/// Refuses with `PauseTimeout` once it has run out, if it is to roll back then.
pub(crate) fn due(world: &World, plan: &Plan, point: Point) -> Result<Option<Approval>, Refusal> {
    let order = world.order.as_ref();
    if !plan.goes_forward() || order.is_some_and(Order::promotes) {
        return Ok(None);
    }
    let mut left = left(plan, false);
    let Some(&pause) = left.find(|pause| pause.at == point) else {
        return Ok(None);
    };
    let number = order.map_or(0, |order| order.number);
    let waits = plan.passed.waits.filter(|waits| waits.at == pause.at);
    let waits = waits.unwrap_or(Waits {
        at: pause.at,
        waited: 0,
        since: number,
        until: world.now.saturating_add(u64::from(pause.timeout)),
    });
    let approval = |stage, wait, passed| Approval {
        pause,
        until: waits.until,
        goes_back: plan.request.rollback_on_failure,
        stage,
        wait,
        passed,
    };
    let over = |stage| {
        let mut points = plan.passed.points.clone();
        points.push(pause.at);
        let waits = None;
        approval(stage, AT_ONCE, Gates { points, waits })
    };
    if order.is_some_and(|order| order.approval() > waits.since) {
        return Ok(Some(over(Stage::Approved)));
    }
    let left = pause.timeout.saturating_sub(waits.waited);
    if left > 0 {
        let wait = drain::longest_check(waits.waited).min(left);
        let waits = Waits {
            waited: waits.waited.saturating_add(wait),
            ..waits
        };
        let passed = Gates {
            waits: Some(waits),
            ..plan.passed.clone()
        };
        return Ok(Some(approval(Stage::Waits, wait, passed)));
    }
    match pause.on_timeout {
        OnTimeout::Continue => Ok(Some(over(Stage::RanOut))),
        OnTimeout::Rollback => Err(Refusal::new(
            ErrorName::PauseTimeout,
            format!(
                "The pause at {} was not approved within {} s.",
                pause.at, pause.timeout
            ),
            "Start a new execution, and approve it with ebbtide resume; or set onTimeout to continue.",
        )),
    }
}

/// The pauses of a deployment that are still to come.
pub(crate) fn left(plan: &Plan, after_the_swap: bool) -> impl Iterator<Item = &Pause> {
    let over = move |point: Point| {
        plan.passed.points.contains(&point) || (after_the_swap && point.is_before_the_swap())
    };
    let pauses = plan.request.pauses.iter();
    pauses.filter(move |pause| !over(pause.at))
}

impl Approval {
    pub(crate) fn code(&self) -> Code {
        match self.stage {
            Stage::Waits => Code::WaitingForApproval,
            Stage::Approved | Stage::RanOut => Code::Approved,
        }
    }

    /// The plan after this turn.
    pub(crate) fn plan(&self, plan: &Plan) -> Plan {
        Plan {
            passed: self.passed.clone(),
            ..plan.clone()
        }
    }
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pause {
            at,
            timeout,
            on_timeout,
        } = self.pause;
        match &self.stage {
            Stage::Waits => {
                let until = rfc3339(self.until);
                write!(
                    f,
                    "waiting for approval at {at} (ebbtide resume, promote or rollback); without one, {} at {until}",
                    match on_timeout {
                        OnTimeout::Rollback if self.goes_back => "it rolls back",
                        OnTimeout::Rollback => "it fails",
                        OnTimeout::Continue => "it continues",
                    }
                )
            }
            Stage::Approved => write!(f, "approved at {at}"),
            Stage::RanOut => write!(f, "no approval at {at} within {timeout} s: it continues"),
        }
    }
}
