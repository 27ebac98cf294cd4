//! What a check of the world comes to.

use crate::action::Action;
use crate::deployment::{Answer, Plan, Progress};
use crate::phase::To;
use crate::reason::Reason;

/// What a check of the world comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Make these writes, one stage after another and those of a stage side by side, then check again.
    Write(Vec<Vec<Action>>),
    /// Make these writes, side by side; reads show them later. Then this is the turn's answer.
    WriteAndGo(Vec<Action>, Box<Answer>),
    /// Nothing is to be written now: this is the turn's answer.
    Go(Box<Answer>),
}

impl Next {
    /// One write.
    pub fn one(action: Action) -> Self {
        Self::Write(vec![vec![action]])
    }

    /// These writes, one after another.
    pub fn in_order(actions: Vec<Action>) -> Self {
        Self::Write(actions.into_iter().map(|action| vec![action]).collect())
    }

    /// These writes, side by side.
    pub(crate) fn side_by_side(actions: Vec<Action>) -> Self {
        Self::Write(vec![actions])
    }

    /// The answer that leads to a state, after `wait` seconds.
    pub(crate) fn go(to: To, reason: Reason, wait: u32, plan: Plan, progress: Progress) -> Self {
        Self::Go(Box::new(Answer {
            to,
            reason,
            wait,
            plan,
            progress,
            heard: None,
            tidy: Vec::new(),
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
            Self::Write(stages) => Self::Write(stages),
            Self::WriteAndGo(writes, answer) => Self::WriteAndGo(writes, Box::new(change(*answer))),
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
            Self::Write(stages) => panic!("{stages:?}"),
            Self::WriteAndGo(writes, _) => panic!("{writes:?}"),
        }
    }
}
