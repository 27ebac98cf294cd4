//! Commands of operators to a running deployment: roll back, pause, resume, promote, change the pace.
//!
//! A command is in the panel of the lock's item. Taking the lock creates the panel, for one execution and
//! one fence. An operator replaces it on the condition that it has not changed since it was read: of two
//! operators one wins, and a command reaches the deployment that was meant or none. The function that
//! enters the lock next obeys or refuses, and reports it in its answer and in the item. An obeyed command
//! stands until the next one that is obeyed.

mod give;
mod hear;
mod pace;
mod paused;

use std::fmt;

use crate::clock::rfc3339;
use crate::drain::pace::Pace;
use crate::id::ExecutionArn;
use crate::lock::Item;
use crate::quote::{is_visible, quote};

pub use give::{Meant, NotGiven, Reply, give, reply};
use hear::Response;
pub use hear::{Heard, Refused};
pub(crate) use hear::{hear, rollback};
pub(crate) use pace::repaced;
pub use paused::Paused;
pub(crate) use paused::paused;

/// Seconds for which operators may pause one deployment, all pauses together. The history of an execution
/// has room for them.
pub const LONGEST_PAUSE: u32 = 86_400;

/// Most characters of an operator's name.
pub const LONGEST_BY: usize = 100;

/// Whether it can be an operator's name.
pub fn is_by(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= LONGEST_BY && is_visible(text)
}

/// What an operator may ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Go back to the original, which is warm.
    Rollback,
    /// Move no traffic and remove nothing, while health and alarms are still checked.
    Pause,
    /// Go on after a pause, one of an operator or a planned one.
    Resume,
    /// Skip every pause and every check that is left, and wait for no window.
    Promote,
    /// Drain at this pace from now on.
    Pace(Pace),
}

impl Command {
    /// The commands that say everything by their name.
    pub const PLAIN: [Self; 4] = [Self::Rollback, Self::Pause, Self::Resume, Self::Promote];

    /// Its name, on the command line and in the item.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Pace(_) => "pace",
        }
    }

    /// The command of that name, with its pace where it is one.
    pub fn parse(name: &str, pace: Option<Pace>) -> Option<Self> {
        if name == "pace" {
            return pace.map(Self::Pace);
        }
        let mut plain = Self::PLAIN.into_iter();
        plain.find(|command| command.as_str() == name)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pace(pace) => write!(f, "pace ({pace})"),
            plain => f.write_str(plain.as_str()),
        }
    }
}

/// A command, with its operator and its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The command.
    pub command: Command,
    /// The operator, as they name themselves.
    pub by: String,
    /// When, by the operator's clock, in seconds since 1970.
    pub at: u64,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (command, at) = (&self.command, rfc3339(self.at));
        write!(f, "{command} by {} at {at}", quote(&self.by))
    }
}

/// The place for commands in a lock's item.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The execution that commands are for.
    pub execution: ExecutionArn,
    /// The fence of its lock.
    pub fence: u64,
    /// Commands so far.
    pub number: u64,
    /// The newest one.
    pub asked: Option<Asked>,
}

/// The last answer of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The number of the command.
    pub number: u64,
    /// Why it was refused, where it was.
    pub refused: Option<String>,
    /// What is in force after it.
    pub in_force: InForce,
}

/// What obeyed commands have left in force.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InForce {
    /// A pause.
    pub pause: Option<Asked>,
    /// The number of the last `resume` that ended no operator's pause, and so approves a planned one; 0 for none.
    pub approved: u64,
    /// That every pause is skipped.
    pub promoted: bool,
    /// Another pace of the drain.
    pub paced: Option<Paced>,
}

/// A pace that an operator has given.
#[derive(Debug, Clone, PartialEq)]
pub struct Paced {
    /// The number of its command.
    pub number: u64,
    /// The pace.
    pub pace: Pace,
}

/// A command as a turn finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Its number.
    pub number: u64,
    /// The command.
    pub asked: Asked,
    /// Its result so far.
    pub standing: Standing,
    /// What is in force: because of it where it is obeyed, otherwise from before.
    pub in_force: InForce,
}

impl Order {
    /// Whether it is for this deployment, and was not refused.
    pub(crate) fn is_for_this(&self) -> bool {
        matches!(self.standing, Standing::Open | Standing::Obeyed)
    }

    /// Whether the pauses and checks that are left are skipped.
    pub(crate) fn promotes(&self) -> bool {
        let asked = self.is_for_this() && self.asked.command == Command::Promote;
        asked || self.in_force.promoted
    }

    /// The number of the last command that approves a planned pause; 0 for none.
    pub(crate) fn approval(&self) -> u64 {
        let open = self.standing == Standing::Open && self.asked.command == Command::Resume;
        if open && self.in_force.pause.is_none() {
            self.number
        } else {
            self.in_force.approved
        }
    }

    /// What was asked, or the pause in force where that was refused.
    fn stands(&self) -> Option<&Asked> {
        if self.is_for_this() {
            Some(&self.asked)
        } else {
            self.in_force.pause.as_ref()
        }
    }
}

/// The result of a command so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Open,
    /// It was obeyed.
    Obeyed,
    /// It was refused.
    Refused,
    /// It names another execution or another fence.
    Stale,
}

impl Item {
    /// The command that a turn of this execution finds.
    pub fn order(&self, execution: &ExecutionArn, fence: u64) -> Option<Order> {
        let panel = self.panel.as_ref()?;
        let answered = self.answered.as_ref();
        let in_force = answered.map(|answered| answered.in_force.clone());
        let in_force = in_force.unwrap_or_default();
        let Some(asked) = panel.asked.clone() else {
            // A command that this version does not know is not answered, and ends no pause.
            return Some(Order {
                number: panel.number,
                asked: in_force.pause.clone()?,
                standing: Standing::Obeyed,
                in_force,
            });
        };
        let answered = answered.filter(|answered| answered.number == panel.number);
        let standing = match answered {
            Some(answered) if answered.refused.is_some() => Standing::Refused,
            _ if panel.execution != *execution || panel.fence != fence => Standing::Stale,
            Some(_) => Standing::Obeyed,
            None => Standing::Open,
        };
        Some(Order {
            number: panel.number,
            asked,
            standing,
            in_force,
        })
    }
}

#[cfg(test)]
mod tests;
