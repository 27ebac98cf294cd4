//! The lock item, and the conditional writes of it: enter, take, leave and release.
//!
//! Each is one `UpdateItem`, and so takes effect at once or not at all. The read that comes before a
//! take is consistent.

use crate::execution::{CLOCK_LEAD, Outcome};
use crate::protocol::{Part, Protocol};
use crate::world::{Id, Plan};

/// Drawn once by each invocation.
pub(crate) type Nonce = u16;
/// Rises whenever the lock changes hands.
pub(crate) type Fence = u16;
/// Rises with each write of the item.
pub(crate) type Rev = u16;

/// Counts the turns of one execution. Rollback is later than another phase of the same number, for
/// it may come by a Catch, which counts none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Turn {
    pub(crate) number: u16,
    pub(crate) of_rollback: bool,
}

/// `CLUSTER/SERVICE` in the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Item {
    pub(crate) owner: Option<Id>,
    pub(crate) fence: Fence,
    pub(crate) newest: Option<Id>,
    pub(crate) rev: Rev,
    pub(crate) turn: Turn,
    /// The function inside.
    pub(crate) busy_by: Option<Nonce>,
    pub(crate) busy_until: Until,
    /// `phase` where that is Rollback, and its `plan`.
    pub(crate) rollback: Option<Plan>,
    pub(crate) ends: Vec<(Id, Outcome)>,
}

/// Which of two clocks a caller compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Right,
    /// Ahead of the one that `busyUntil` was written by.
    Ahead,
}

/// A moment, as the ticks until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Until(i8);

/// What a function writes to enter its critical section, or to take the lock with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) me: Id,
    pub(crate) fence: Option<Fence>,
    pub(crate) turn: Turn,
    /// `:deadline + SETTLE`.
    pub(crate) until: Until,
    /// The plan in force, where the phase is Rollback.
    pub(crate) rollback: Option<Plan>,
    /// The revision that the state has carried through as long a wait as is needed.
    pub(crate) outwaited: Option<Rev>,
    pub(crate) nonce: Nonce,
}

/// What a take found in the item before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Read {
    pub(crate) owner: Option<Id>,
    pub(crate) fence: Fence,
    pub(crate) rev: Rev,
}

/// What a function writes on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Exit {
    pub(crate) me: Id,
    pub(crate) fence: Option<Fence>,
    /// `:now + SETTLE`.
    pub(crate) until: Until,
    pub(crate) then: Then,
    /// A write of this turn was not answered: `busyBy` is not removed.
    pub(crate) stays_busy: bool,
    pub(crate) nonce: Nonce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Then {
    /// On, with the plan in force if the phase is Rollback.
    Goes(Option<Plan>),
    /// The turn fails, and what enter wrote stays.
    Fails,
    Release(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    Now,
    /// By an earlier attempt of the same call.
    Before,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    HasEnded(Outcome),
    LockLost,
    /// A later turn of the execution has entered.
    TurnIsOver,
    Busy,
}

impl Item {
    pub(crate) fn new() -> Self {
        Self {
            owner: None,
            fence: 0,
            newest: None,
            rev: 0,
            turn: Turn::FIRST,
            busy_by: None,
            busy_until: Until::PASSED,
            rollback: None,
            ends: Vec::new(),
        }
    }

    pub(crate) fn enter(
        &mut self,
        protocol: Protocol,
        entry: &Entry,
        clock: Clock,
    ) -> Result<Entered, Refused> {
        let is_mine = self.owner == Some(entry.me) && entry.fence == Some(self.fence);
        let is_free = self.owner.is_none() && !protocol.has(Part::EnterAsksForTheOwner);
        let is_of_turn = self.is_of_turn(protocol, entry);
        let is_busy = self.busy_by.is_some() && !self.is_quiet(protocol, entry, clock);
        if (is_mine || is_free) && is_of_turn && !is_busy {
            if is_free {
                self.change_hands(entry.me);
            }
            self.rollback = entry
                .rollback
                .filter(|_| protocol.has(Part::RollbackInItem));
            self.begin(entry);
            return Ok(Entered::Now);
        }
        if self.busy_by == Some(entry.nonce) {
            return Ok(Entered::Before);
        }
        Err(match self.end_of(entry.me) {
            Some(outcome) => Refused::HasEnded(outcome),
            None if !is_mine && !is_free => Refused::LockLost,
            None if !is_of_turn => Refused::TurnIsOver,
            None => Refused::Busy,
        })
    }

    /// Whether it took the lock. Where it did not, the item is read again.
    pub(crate) fn take(
        &mut self,
        protocol: Protocol,
        entry: &Entry,
        read: &Read,
        clock: Clock,
    ) -> bool {
        let is_as_read = if protocol.has(Part::TakeAsksForTheRev) {
            self.rev == read.rev
        } else {
            (self.owner, self.fence) == (read.owner, read.fence)
        };
        let may = self.may_be_taken(protocol, entry, clock) && self.is_of_turn(protocol, entry);
        if !is_as_read || !may {
            return false;
        }
        if self.owner != Some(entry.me) {
            self.change_hands(entry.me);
        } else if !protocol.has(Part::SameFence) {
            self.fence += 1;
        }
        if !protocol.has(Part::RollbackStays) {
            self.rollback = None;
        }
        self.begin(entry);
        true
    }

    /// It is quiet, or the caller's own without a function inside.
    pub(crate) fn may_be_taken(&self, protocol: Protocol, entry: &Entry, clock: Clock) -> bool {
        let is_own = self.owner == Some(entry.me) && self.busy_by.is_none();
        is_own || self.is_quiet(protocol, entry, clock)
    }

    /// Nothing of the function that was inside last is at work any more.
    pub(crate) fn is_quiet(&self, protocol: Protocol, entry: &Entry, clock: Clock) -> bool {
        let is_outwaited = protocol.has(Part::Outwaited) && entry.outwaited == Some(self.rev);
        is_outwaited || self.busy_until.has_passed(clock) || !protocol.has(Part::Busy)
    }

    pub(crate) fn is_of_turn(&self, protocol: Protocol, entry: &Entry) -> bool {
        let is_over = self.owner == Some(entry.me) && self.turn > entry.turn;
        !is_over || !protocol.has(Part::Turn)
    }

    fn change_hands(&mut self, to: Id) {
        self.owner = Some(to);
        self.newest = self.newest.max(Some(to));
        self.fence += 1;
    }

    fn begin(&mut self, entry: &Entry) {
        self.busy_by = Some(entry.nonce);
        self.busy_until = entry.until;
        self.turn = entry.turn;
        self.rev += 1;
    }

    /// Leave, or release. Whether it had an effect; the function answers in any case.
    pub(crate) fn leave(&mut self, protocol: Protocol, exit: &Exit) -> bool {
        let is_allowed = if protocol.has(Part::LeaveAsksForTheNonce) {
            self.busy_by == Some(exit.nonce)
        } else {
            let is_mine = self.owner == Some(exit.me) && exit.fence == Some(self.fence);
            is_mine || !protocol.has(Part::LeaveAsks)
        };
        if !is_allowed {
            return false;
        }
        if !exit.stays_busy {
            self.busy_by = None;
        }
        self.busy_until = exit.until;
        match exit.then {
            Then::Fails => {}
            Then::Goes(rollback) => {
                self.rollback = rollback.filter(|_| protocol.has(Part::RollbackInItem));
            }
            Then::Release(outcome) => {
                (self.owner, self.rollback) = (None, None);
                self.keep_end(protocol, exit.me, outcome);
            }
        }
        self.rev += 1;
        true
    }

    fn keep_end(&mut self, protocol: Protocol, id: Id, outcome: Outcome) {
        let kept = match (protocol.has(Part::Ends), protocol.has(Part::ThreeEnds)) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 3,
        };
        self.ends.retain(|(ended, _)| *ended != id);
        self.ends.push((id, outcome));
        self.ends.drain(..self.ends.len().saturating_sub(kept));
    }

    pub(crate) fn end_of(&self, id: Id) -> Option<Outcome> {
        let mut ends = self.ends.iter();
        ends.find_map(|&(ended, outcome)| (ended == id).then_some(outcome))
    }

    pub(crate) fn read(&self) -> Read {
        Read {
            owner: self.owner,
            fence: self.fence,
            rev: self.rev,
        }
    }
}

impl Turn {
    pub(crate) const FIRST: Self = Self {
        number: 0,
        of_rollback: false,
    };
}

impl Until {
    pub(crate) const PASSED: Self = Self(-1);
    /// Of a clock that is years ahead.
    pub(crate) const FAR: Self = Self(i8::MAX);

    pub(crate) fn after(ticks: u8) -> Self {
        Self(i8::try_from(ticks).unwrap_or(i8::MAX))
    }

    pub(crate) fn has_passed(self, clock: Clock) -> bool {
        match clock {
            Clock::Right => self < Self::after(0),
            Clock::Ahead => self < Self::after(CLOCK_LEAD),
        }
    }

    pub(crate) fn later(self) -> Self {
        match self {
            Self::PASSED | Self::FAR => self,
            Self(ticks) => Self(ticks - 1),
        }
    }
}
