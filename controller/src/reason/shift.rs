//! How far a traffic shift is, and what comes next in it.

use std::fmt;

use super::{Blocker, Code};
use crate::clock::rfc3339;

/// A turn of a traffic shift.
#[derive(Debug, Clone, PartialEq)]
pub struct Shifting {
    /// Percent of new connections that go to the replacement, or of the tasks that it has.
    pub percent: u32,
    /// Of what.
    pub shared: Shared,
    /// The step, counted from 1.
    pub step: u32,
    /// Of how many, with the one that moves all traffic.
    pub of: u32,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// Percent at the next step.
    pub then: u32,
    /// Seconds from this turn to the next step, if nothing holds it.
    pub next: u32,
    /// When this turn was, in seconds since 1970.
    pub now: u64,
    /// The new connections that the next step waits for, while too few were seen.
    pub awaited: Option<Awaited>,
    /// What holds the next step.
    pub by: Option<Blocker>,
    /// Seconds until the next check.
    pub wait: u32,
}

/// What a shift is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// Routes have weights.
    NewConnections,
    /// In a registry there are none: each task has the same share.
    Tasks,
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewConnections => "new connections",
            Self::Tasks => "the tasks",
        })
    }
}

/// New connections that a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited {
    /// How many the replacement has seen since the step began.
    pub seen: u64,
    /// How many it is to see.
    pub wanted: u32,
    /// Seconds that are left for them.
    pub left: u32,
}

impl Shifting {
    /// Whether the step has just begun.
    pub fn begins(&self) -> bool {
        self.since == self.now && self.by.is_none()
    }

    pub(super) fn code(&self) -> Code {
        match &self.by {
            None => Code::Shifting,
            Some(Blocker::Paused(_)) => Code::Paused,
            Some(Blocker::Gate(gate)) => gate.code(),
            Some(Blocker::Closed(_)) => Code::WindowClosed,
            Some(_) => Code::Blocked,
        }
    }
}

impl fmt::Display for Shifting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            percent,
            step,
            of,
            then,
            wait,
            ..
        } = self;
        let since = rfc3339(self.since);
        match self.shared {
            Shared::NewConnections => write!(
                f,
                "{percent} % of new connections go to the replacement since {since}"
            ),
            Shared::Tasks => write!(
                f,
                "the replacement has {percent} % of the tasks since {since}"
            ),
        }?;
        write!(f, " (step {step} of {of}); ")?;
        let in_seconds = |seconds: u32| rfc3339(self.now.saturating_add(u64::from(seconds)));
        match (&self.by, self.awaited) {
            (Some(by), _) => write!(f, "next {then} % waits: {by}; next check in {wait} s"),
            (None, Some(Awaited { seen, wanted, left })) => write!(
                f,
                "next {then} % after {wanted} new connections ({seen} seen), by {}",
                in_seconds(left)
            ),
            (None, None) => write!(f, "next {then} % at {}", in_seconds(self.next)),
        }
    }
}
