//! Giving a command: what an operator may ask now, and what has become of it.

use std::fmt;

use super::{Asked, Command, Order, Panel, Standing};
use crate::id::ExecutionArn;
use crate::lock::{End, Item};

/// The deployment that an operator means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    /// By its execution, where that is named; otherwise whichever deploys the service.
    pub execution: Option<ExecutionArn>,
    /// The fence that was read first, where the item is read again: another deployment is not meant.
    pub fence: Option<u64>,
}

/// Why a command is not given.
#[derive(Debug, Clone, PartialEq)]
pub enum NotGiven {
    /// No deployment has the lock.
    NothingRuns {
        /// The one that had it last.
        last: Option<End>,
    },
    /// The execution that is meant has ended.
    Ended(End),
    /// Another execution has the lock.
    Another {
        /// Which.
        owner: ExecutionArn,
    },
    /// The item has no place for commands of its owner.
    NoPanel,
    /// It is what was asked last.
    Repeated(Asked),
    /// There is no pause to end.
    NotPaused,
    /// A rollback was asked for: nothing else can be asked.
    RollsBack(Asked),
    /// It would take the place of a command that no turn has seen yet, which it does not stand for.
    Unseen(Asked),
}

impl NotGiven {
    /// Whether an execution that was meant and runs may still take the lock, and be given it then.
    pub fn has_no_lock_yet(&self) -> bool {
        matches!(self, Self::NothingRuns { .. } | Self::Another { .. })
    }
}

impl fmt::Display for NotGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingRuns { last: None } => {
                f.write_str("no deployment has taken the lock of this service yet")
            }
            Self::NothingRuns { last: Some(End { execution, to, .. }) } => write!(
                f,
                "no deployment of this service runs; the last one, {execution}, ended in {to}"
            ),
            Self::Ended(End { execution, to, .. }) => {
                write!(f, "{execution} has ended in {to}")
            }
            Self::Another { owner } => write!(f, "the service is being deployed by {owner}"),
            Self::NoPanel => f.write_str(
                "the lock accepts no commands: it was taken by an older version of Ebbtide, or edited",
            ),
            Self::Repeated(asked) => write!(f, "this was already requested: {asked}"),
            Self::NotPaused => f.write_str("the deployment is not paused"),
            Self::RollsBack(asked) => write!(f, "the deployment is already rolling back: {asked}"),
            Self::Unseen(asked) => write!(
                f,
                "this would replace a command that the deployment has not seen yet: {asked}. Give it once that is seen"
            ),
        }
    }
}

/// The panel with a command, in the place of the one in an item as it was read.
pub fn give(item: Option<&Item>, meant: &Meant, asked: Asked) -> Result<Panel, NotGiven> {
    let none = Item::default();
    let item = item.unwrap_or(&none);
    let ended = |execution: &ExecutionArn| {
        let mut ends = item.ends.iter();
        ends.find(|end| end.execution == *execution).cloned()
    };
    let owner = match (&item.owner, &meant.execution) {
        (Some(owner), None) => owner,
        (Some(owner), Some(meant)) if owner == meant => owner,
        (owner, Some(meant)) => {
            return Err(match (ended(meant), owner) {
                (Some(end), _) => NotGiven::Ended(end),
                (None, Some(owner)) => NotGiven::Another {
                    owner: owner.clone(),
                },
                (None, None) => NotGiven::NothingRuns {
                    last: item.ends.first().cloned(),
                },
            });
        }
        (None, None) => {
            let last = item.ends.first().cloned();
            return Err(NotGiven::NothingRuns { last });
        }
    };
    if meant.fence.is_some_and(|fence| fence != item.fence) {
        return Err(NotGiven::Another {
            owner: owner.clone(),
        });
    }
    let panel = item.panel.as_ref();
    let panel = panel.filter(|panel| panel.execution == *owner && panel.fence == item.fence);
    let panel = panel.ok_or(NotGiven::NoPanel)?;
    let order = item.order(owner, item.fence);
    let stands = order.as_ref().and_then(Order::stands);
    let paused = order
        .as_ref()
        .is_some_and(|order| order.in_force.pause.is_some());
    let answered = order
        .as_ref()
        .is_none_or(|order| order.standing != Standing::Open);
    // At the next planned pause, it is another approval.
    let approves = asked.command == Command::Resume && answered && item.waits.is_some();
    match (&asked.command, stands) {
        _ if approves => {}
        (command, Some(before)) if before.command == *command => {
            return Err(NotGiven::Repeated(before.clone()));
        }
        (_, Some(before)) if before.command == Command::Rollback => {
            return Err(NotGiven::RollsBack(before.clone()));
        }
        (Command::Pace(_), Some(before))
            if !answered && !matches!(before.command, Command::Pace(_)) =>
        {
            return Err(NotGiven::Unseen(before.clone()));
        }
        (
            Command::Resume,
            Some(Asked {
                command: Command::Pause,
                ..
            }),
        ) => {}
        (Command::Resume, _) if !paused => return Err(NotGiven::NotPaused),
        (Command::Pause, _) => {
            let pause = order
                .as_ref()
                .and_then(|order| order.in_force.pause.clone());
            if let Some(before) = pause.filter(|_| !ends_a_pause(stands)) {
                return Err(NotGiven::Repeated(before));
            }
        }
        _ => {}
    }
    Ok(Panel {
        number: panel.number.saturating_add(1),
        asked: Some(asked),
        ..panel.clone()
    })
}

/// The result of a command, as an item shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// No function has entered since.
    Waiting,
    /// It is obeyed.
    Obeyed,
    /// It is refused.
    Refused(String),
    /// Another operator's came after it.
    Replaced(Asked),
    /// The deployment that it was for has ended, or has lost its lock.
    Over(Option<End>),
}

/// The result of the command of a panel.
pub fn reply(item: &Item, panel: &Panel) -> Reply {
    let answered = item.answered.as_ref();
    let answered =
        answered.filter(|answered| item.fence == panel.fence && answered.number == panel.number);
    if let Some(answered) = answered {
        let refused = answered.refused.clone();
        return refused.map_or(Reply::Obeyed, Reply::Refused);
    }
    if item.owner.as_ref() != Some(&panel.execution) || item.fence != panel.fence {
        let mut ends = item.ends.iter();
        let end = ends.find(|end| end.execution == panel.execution);
        return Reply::Over(end.cloned());
    }
    let newer = item.panel.as_ref().filter(|now| now.number > panel.number);
    let newer = newer.and_then(|now| now.asked.clone());
    newer.map_or(Reply::Waiting, Reply::Replaced)
}

/// Whether a command that is not answered yet is to end the pause in force.
fn ends_a_pause(asked: Option<&Asked>) -> bool {
    let ends = |asked: &Asked| matches!(asked.command, Command::Resume | Command::Promote);
    asked.is_some_and(ends)
}
