//! The parts of the protocol, each of which can be left out to see what it is for.

use std::fmt;

use crate::execution::SETTLE;

/// The protocol of the lock, without some of its parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    without: &'static [Part],
    /// Ticks that a function lives. One is the least, with the fewest states.
    pub(crate) lifetime: u8,
}

/// One part, and what is there instead when it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Enter and take ask whether a function is busy. Without: they do not.
    Busy,
    /// Leave asks `busyBy = :nonce`. Without: `owner = :me AND fence = :fence`.
    LeaveAsksForTheNonce,
    /// Leave has a condition. Without: none.
    LeaveAsks,
    /// Leave sets `busyUntil = :now + SETTLE`, so that the lock changes hands only after some quiet.
    /// Without: `busyUntil = 0`.
    Quiet,
    /// After a write without an answer, leave keeps `busyBy` and does not release. Without: the
    /// same as after any other.
    UnansweredWrites,
    /// Enter asks `owner = :me`. Without: a released lock is entered as well, in any phase.
    EnterAsksForTheOwner,
    /// Only a state without a fence takes. Without: `CheckAndCreateService` takes in any turn.
    OnlyWithoutFence,
    /// An execution that started before the newest owner does not take. Without: it does.
    Newest,
    /// Take asks `rev = :seen`. Without: owner and fence as read.
    TakeAsksForTheRev,
    /// Enter and take of one's own ask `turn <= :turn`. Without: they do not.
    Turn,
    /// A nonce drawn by the handler. Without: Lambda's request id, which a duplicate shares.
    Nonce,
    /// A state without a fence takes back what its execution owns. Without: this is one more
    /// `ConcurrentDeployment`.
    TakesBack,
    /// It takes back with the same fence. Without: with a new one.
    SameFence,
    /// The item keeps how the last deployments ended. Without: it does not.
    Ends,
    /// The last three of them. Without: the last one.
    ThreeEnds,
    /// Enter of Rollback writes phase and plan, and a takeover finishes them. Without: the
    /// execution's own state alone knows of its rollback.
    RollbackInItem,
    /// Take leaves the phase and plan of another execution's rollback in the item. Without: it writes
    /// its own phase over them.
    RollbackStays,
    /// Taking back what is one's own asks for such a rollback as well. Without: only a take does that
    /// changes the owner.
    TakingBackFinishesOthers,
    /// The same where that is a Rollback that came by a Catch. Without: it knows of no rollback but
    /// its own.
    RollbackFinishesOthers,
    /// Rollback deletes and ends nothing until a turn of it entered when it was quiet. Without: it does
    /// on its first check.
    RollbackIsSure,
    /// Nor does it move traffic back before. Without: as soon as a check shows an original at full scale.
    ReturnIsSure,
    /// `OR rev = :outwaited`. Without: `busyUntil` alone ends it.
    Outwaited,
    /// The turn that takes the lock settles which task set is in service. Without: Preflight.
    SettledInside,
    /// The first check comes after enter. Without: beside it.
    ChecksInside,
    /// SETTLE is a clock's lead, a late landing and an old read together. Without: a tick less.
    WholeSettle,
}

impl Protocol {
    pub(crate) const fn without(without: &'static [Part]) -> Self {
        Self {
            without,
            lifetime: 1,
        }
    }

    pub(crate) fn has(self, part: Part) -> bool {
        !self.without.contains(&part)
    }

    /// Ticks from a function's end to the moment when another may be inside.
    pub(crate) fn settle(self) -> u8 {
        SETTLE - u8::from(!self.has(Part::WholeSettle))
    }

    /// Ticks of waiting without any write of the item after which no function can be inside: 60 s
    /// and 30 s.
    pub(crate) fn outwaited(self) -> u8 {
        self.lifetime + SETTLE
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.without {
            [] => Ok(()),
            parts => write!(f, ", without {parts:?}"),
        }
    }
}
