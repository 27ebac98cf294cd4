//! What a look at the world comes to.

use crate::action::Action;
use crate::deployment::{Answer, Plan, Progress};
use crate::phase::To;
use crate::reason::Reason;

/// What a look at the world comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Make these writes, in this order, then look again.
    Write(Vec<Action>),
    /// Nothing is to be written now: this is the turn's answer.
    Go(Box<Answer>),
}

impl Next {
    /// The answer that leads to a state, after `wait` seconds.
    pub(crate) fn go(to: To, reason: Reason, wait: u32, plan: Plan, progress: Progress) -> Self {
        Self::Go(Box::new(Answer {
            to,
            reason,
            wait,
            plan,
            progress,
        }))
    }

    /// The answer that leads to a state at once.
    pub(crate) fn at_once(to: To, reason: Reason, plan: Plan, progress: Progress) -> Self {
        Self::go(to, reason, 0, plan, progress)
    }

    /// The answer that leads back to the same phase, after `wait` seconds, which count.
    pub(crate) fn wait(to: To, reason: Reason, wait: u32, plan: &Plan, progress: Progress) -> Self {
        let waited = progress.waited.saturating_add(wait);
        let progress = Progress { waited, ..progress };
        Self::go(to, reason, wait, plan.clone(), progress)
    }

    /// The same writes, or another answer.
    #[must_use]
    pub(crate) fn map(self, change: impl FnOnce(Answer) -> Answer) -> Self {
        match self {
            Self::Write(actions) => Self::Write(actions),
            Self::Go(answer) => Self::Go(Box::new(change(*answer))),
        }
    }
}

#[cfg(test)]
impl Next {
    /// The answer, in a test that expects one.
    #[track_caller]
    pub(crate) fn answer(self) -> Answer {
        match self {
            Self::Go(answer) => *answer,
            Self::Write(actions) => panic!("{actions:?}"),
        }
    }
}
