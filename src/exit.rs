//! How a command ends.

use std::process::ExitCode;

/// Anything that keeps a command from its work; printed with its causes.
pub(crate) type Error = Box<dyn std::error::Error>;

/// What a command returns. An error is one of usage, unless it is AWS's answer.
pub(crate) type Outcome = Result<Exit, Error>;

/// The exit status of every command; docs/command-line.md has them as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// A deployment runs, and is followed no longer.
    Left = 3,
}

impl Exit {
    pub(crate) fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Failed }
    }
}

/// An error and its causes in a line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
