//! The wait of a deployment until its window opens.

use std::fmt;

use super::{Closures, Window};
use crate::clock::rfc3339_in;
use crate::command::Order;
use crate::deployment::{Outgoing, Plan, Progress};
use crate::drain;
use crate::next::Next;
use crate::phase::To;
use crate::preflight::EVENTS_A_TURN;
use crate::reason::Reason;
use crate::world::World;

/// The window is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The window.
    pub window: Window,
    /// When it opens, in seconds since 1970.
    pub opens: u64,
    /// Seconds until the next check.
    pub wait: u32,
}

/// Seconds between two checks two hours after the last step, and before the first one.
pub(super) const SELDOM: u32 = 300;

/// The same, more than four hours before the window opens: an execution's history has room for a window once a week.
pub(super) const SELDOM_WHILE_FAR: u32 = 600;

/// Seconds of these hours.
pub(super) const FAR: u64 = 4 * 3_600;

/// Events of the history with which the last steps are made whether the window is open or not: preflight allows fewer, so
/// that operators have paused the deployment past one window after another. The execution would end with two task sets.
const MOST_EVENTS: u64 = 21_000;

/// Seconds of an execution after which the same holds: the state machine ends it after 14 days.
pub(super) const LONGEST: u64 = 13 * 86_400;

/// The wait that a step has to make now: of a deployment that goes forward, or of a leftover's drain. A rollback waits
/// for no window, and neither does a deployment that an operator has promoted.
pub(crate) fn closed(world: &World, plan: &Plan) -> Option<Closed> {
    let window = holds(world, plan)?;
    let opens = window.opens(world.now);
    let left = opens.saturating_sub(world.now);
    // As often as without the wait: seldom before traffic moves, and often for two hours after a step of its way.
    let shifted = (plan.shifted.step > 0).then_some(plan.shifted.since);
    let moved = plan.swapped.or(shifted);
    // Before that, a deployment without room is refused.
    let goes_on = moved.is_some() || !plan.goes_forward();
    if left == 0 || (goes_on && !has_room(world, plan, opens)) {
        return None;
    }
    let passed = moved.map_or(u64::MAX, |moved| world.now.saturating_sub(moved));
    let most = match drain::longest_check(u32::try_from(passed).unwrap_or(u32::MAX)) {
        SELDOM if left > FAR => SELDOM_WHILE_FAR,
        other => other,
    };
    Some(Closed {
        window: window.clone(),
        opens,
        wait: u32::try_from(left).unwrap_or(u32::MAX).min(most),
    })
}

/// The window that steps of this deployment wait for.
pub(super) fn holds<'a>(world: &World, plan: &'a Plan) -> Option<&'a Window> {
    let promoted = world.order.as_ref().is_some_and(Order::promotes);
    let window = plan.request.window.as_ref();
    window.filter(|_| plan.outgoing != Outgoing::Replacement && !promoted)
}

/// Whether the history and the life of the execution have room for a wait until then.
pub(super) fn has_room(world: &World, plan: &Plan, opens: u64) -> bool {
    let wait = Closures::once(opens.saturating_sub(world.now));
    let turns = u64::from(world.turns) + u64::from(wait.checks());
    let lasts = plan
        .id
        .start_seconds()
        .map_or(0, |started| opens.saturating_sub(started));
    turns * u64::from(EVENTS_A_TURN) <= MOST_EVENTS && lasts <= LONGEST
}

impl Closed {
    /// When it opens, as its own clock has it.
    pub fn opens_at(&self) -> String {
        rfc3339_in(self.opens, &self.window.zone)
    }

    /// The answer of a turn before the swap. Its seconds count towards nothing.
    pub(crate) fn answer(self, to: To, plan: &Plan, progress: Progress) -> Next {
        let wait = self.wait;
        Next::go(
            to,
            Reason::Closed(Box::new(self)),
            wait,
            plan.clone(),
            progress,
        )
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the window ({}) is closed and opens at {}",
            self.window,
            self.opens_at()
        )
    }
}
