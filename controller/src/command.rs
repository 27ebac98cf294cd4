//! Commands of operators to a running deployment: roll back, pause, resume.
//!
//! A command is in the panel of the lock's item. Taking the lock creates the panel, for one execution and
//! one fence. An operator replaces it on the condition that it has not changed since it was read: of two
//! operators one wins, and a command reaches the deployment that was meant or none. The function that
//! enters the lock next obeys or refuses, and reports it in its answer and in the item. An obeyed command
//! stands until the next one that is obeyed.

use std::fmt;

use crate::clock::rfc3339;
use crate::deployment::{Outgoing, Plan, Progress};
use crate::drain;
use crate::id::ExecutionArn;
use crate::lock::{End, Item};
use crate::next::Next;
use crate::phase::{Phase, To};
use crate::quote::{is_visible, quote};
use crate::reason::Reason;
use crate::refusal::{ErrorName, Refusal};
use crate::world::{TaskSet, World};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Go back to the original, which is warm.
    Rollback,
    /// Move no traffic and remove nothing, while health and alarms are still checked.
    Pause,
    /// Go on after a pause.
    Resume,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 3] = [Self::Rollback, Self::Pause, Self::Resume];

    /// Its name, on the command line and in the item.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }

    /// The command of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|command| command.as_str() == name)
    }
}

/// A command, with its operator and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        let (command, at) = (self.command.as_str(), rfc3339(self.at));
        write!(f, "{command} by {} at {at}", quote(&self.by))
    }
}

/// The place for commands in a lock's item.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The number of the command.
    pub number: u64,
    /// Why it was refused, where it was.
    pub refused: Option<String>,
    /// The pause in force after it.
    pub pause: Option<Asked>,
}

/// A command as a turn finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub number: u64,
    /// The command.
    pub asked: Asked,
    /// Its result so far.
    pub standing: Standing,
    /// The pause in force before it.
    pub pause: Option<Asked>,
}

/// The result of a command so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Open,
    /// It was obeyed, and is in force.
    Obeyed,
    /// It names another execution or another fence.
    Stale,
}

impl Item {
    /// The command that a turn of this execution finds, or the pause in force if it was refused.
    pub fn order(&self, execution: &ExecutionArn, fence: u64) -> Option<Order> {
        let panel = self.panel.as_ref()?;
        let asked = panel.asked.clone()?;
        let answered = self.answered.as_ref();
        let pause = answered.and_then(|answered| answered.pause.clone());
        let answered = answered.filter(|answered| answered.number == panel.number);
        let (asked, standing) = match answered {
            Some(answered) if answered.refused.is_some() => (pause.clone()?, Standing::Obeyed),
            _ if panel.execution != *execution || panel.fence != fence => (asked, Standing::Stale),
            Some(_) => (asked, Standing::Obeyed),
            None => (asked, Standing::Open),
        };
        Some(Order {
            number: panel.number,
            asked,
            standing,
            pause,
        })
    }
}

/// A turn's answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The command's number.
    pub number: u64,
    /// The command.
    pub asked: Asked,
    /// Why it is refused, where it is.
    pub refused: Option<Refused>,
    /// The pause in force after it.
    pub pause: Option<Asked>,
}

/// Why a turn refuses a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It names another execution or another fence.
    Stale,
    /// The deployment is rolling back already, for this error.
    RollingBack(String),
    /// Nothing served before.
    NoOriginal,
    /// The original is being deleted, or is not there any more.
    OriginalGone,
    /// The original is at scale 0, or does not exist.
    EveryStepMade,
    /// All pauses together have lasted as long as they may.
    PausesUsedUp,
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refused {
            None => write!(f, "{}: obeyed", self.asked),
            Some(refused) => write!(f, "{}: refused, {refused}", self.asked),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("the command was for another deployment"),
            Self::RollingBack(error) => {
                write!(f, "the deployment is already rolling back ({error})")
            }
            Self::NoOriginal => {
                f.write_str("no task set served before, so there is nothing to go back to")
            }
            Self::OriginalGone => f.write_str("the original is gone: deploy its version again"),
            Self::PausesUsedUp => write!(
                f,
                "its pauses have already lasted {LONGEST_PAUSE} s, the longest allowed"
            ),
            Self::EveryStepMade => {
                f.write_str("every step of the drain is done, so there is nothing to pause")
            }
        }
    }
}

/// How a turn responds to the command that it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Response {
    Obey,
    /// Nothing has to be done for it.
    Done,
    /// This turn cannot decide it; the next one may.
    Later,
    Refuse(Refused),
}

fn response(
    order: &Order,
    phase: Phase,
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Response {
    if order.standing == Standing::Stale {
        return Response::Refuse(Refused::Stale);
    }
    let goes_back = goes_back(phase, plan);
    match (order.asked.command, goes_back) {
        (Command::Resume, _) => Response::Done,
        (Command::Rollback, Some(error)) if error == ErrorName::OperatorRollback.as_str() => {
            Response::Done
        }
        (Command::Rollback | Command::Pause, Some(error))
            if may_end_forward(phase, plan, progress, error) =>
        {
            Response::Later
        }
        (Command::Rollback | Command::Pause, Some(error)) => {
            Response::Refuse(Refused::RollingBack(error.to_owned()))
        }
        (Command::Rollback, None) => can_go_back(phase, world, plan, progress),
        (Command::Pause, None) => can_pause(phase, world, plan),
    }
}

/// Why the deployment is rolling back, if it is.
fn goes_back(phase: Phase, plan: &Plan) -> Option<&str> {
    let failure = plan.failure.as_ref();
    let error = failure.map_or("an earlier execution's", |failure| failure.error.as_str());
    let blamed = ErrorName::parse(error).is_some_and(ErrorName::blames_the_replacement);
    let back = plan.outgoing == Outgoing::Replacement || (phase == Phase::Rollback && blamed);
    back.then_some(error)
}

/// Whether a rollback may still be called off: the replacement recovers before traffic has moved, or the rollback is an
/// earlier execution's.
fn may_end_forward(phase: Phase, plan: &Plan, progress: &Progress, error: &str) -> bool {
    let before_the_swap = phase == Phase::Rollback || (phase == Phase::Swap && !progress.baking);
    plan.finishing || (before_the_swap && error == ErrorName::HealthLost.as_str())
}

/// Before the swap a rollback is always possible, after it as long as the original exists.
fn can_go_back(phase: Phase, world: &World, plan: &Plan, progress: &Progress) -> Response {
    if !progress.baking || !plan.goes_forward() {
        return Response::Obey;
    }
    if plan.outgoing_set().is_none() {
        return Response::Refuse(Refused::NoOriginal);
    }
    match plan.outgoing_in(world) {
        Some(original) if !original.is_being_deleted() => Response::Obey,
        // A read may be stale, and the drain wants two.
        None if phase != Phase::Cleanup => Response::Later,
        Some(_) | None => Response::Refuse(Refused::OriginalGone),
    }
}

fn can_pause(phase: Phase, world: &World, plan: &Plan) -> Response {
    let drained = plan.outgoing_in(world).is_some_and(TaskSet::wants_nothing);
    match phase {
        // The reason for the rollback may pass within a minute.
        Phase::Rollback => Response::Later,
        Phase::Cleanup => Response::Refuse(Refused::EveryStepMade),
        Phase::ScaleDown if drained || (plan.goes_forward() && plan.original.is_none()) => {
            Response::Refuse(Refused::EveryStepMade)
        }
        _ if plan.paused >= LONGEST_PAUSE => Response::Refuse(Refused::PausesUsedUp),
        Phase::Preflight | Phase::CheckAndCreate | Phase::Swap | Phase::ScaleDown => Response::Obey,
    }
}

/// A turn's answer to the command that it finds, if it was not answered yet.
pub(crate) fn hear(phase: Phase, world: &World, plan: &Plan, progress: &Progress) -> Option<Heard> {
    let order = world.order.as_ref()?;
    if order.standing == Standing::Obeyed {
        return None;
    }
    let refused = match response(order, phase, world, plan, progress) {
        Response::Obey | Response::Done => None,
        Response::Refuse(refused) => Some(refused),
        Response::Later => return None,
    };
    let pauses = order.asked.command == Command::Pause;
    let pause = match refused {
        Some(_) => order.pause.clone(),
        None => pauses.then(|| order.asked.clone()),
    };
    Some(Heard {
        number: order.number,
        asked: order.asked.clone(),
        refused,
        pause,
    })
}

/// The rollback that an operator asked for, if this turn starts it.
pub(crate) fn rollback(
    phase: Phase,
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Option<Refusal> {
    let order = world.order.as_ref()?;
    let obeys = order.asked.command == Command::Rollback
        && response(order, phase, world, plan, progress) == Response::Obey;
    obeys.then(|| {
        Refusal::new(
            ErrorName::OperatorRollback,
            format!("An operator requested it: {}.", order.asked),
            "",
        )
    })
}

/// A pause that an operator has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// The command.
    pub asked: Asked,
    /// Seconds until the next turn.
    pub wait: u32,
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an operator has paused the deployment: {}", self.asked)
    }
}

/// The pause that an operator has asked for, of a deployment that goes forward; refuses with
/// `PauseTimeout` once [`LONGEST_PAUSE`] is over.
pub(crate) fn paused(world: &World, plan: &Plan) -> Result<Option<Paused>, Refusal> {
    let order = world.order.as_ref();
    let pause = order.and_then(|order| match (order.asked.command, order.standing) {
        (Command::Pause, Standing::Obeyed) => Some(&order.asked),
        (Command::Pause, Standing::Open) if plan.paused < LONGEST_PAUSE => Some(&order.asked),
        // One that is refused, or cannot be answered yet, ends no pause.
        (Command::Rollback, Standing::Open) => order.pause.as_ref(),
        (Command::Rollback | Command::Pause | Command::Resume, _) => None,
    });
    let Some(asked) = pause.filter(|_| plan.outgoing != Outgoing::Replacement) else {
        return Ok(None);
    };
    if plan.paused >= LONGEST_PAUSE {
        return Err(Refusal::new(
            ErrorName::PauseTimeout,
            format!(
                "Operators have paused this deployment for {} s, and {LONGEST_PAUSE} s are allowed: {asked}.",
                plan.paused
            ),
            "Start a new execution with the version that should run.",
        ));
    }
    Ok(Some(Paused {
        asked: asked.clone(),
        wait: drain::longest_check(plan.paused),
    }))
}

impl Paused {
    /// The wait of a paused turn. Its seconds count only towards the limit of pauses.
    pub(crate) fn wait(self, to: To, plan: &Plan, progress: Progress) -> Next {
        let plan = plan.paused_for(self.wait);
        let wait = self.wait;
        Next::go(to, Reason::Paused(self), wait, plan, progress)
    }
}

/// The deployment that an operator means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    /// By its execution, where that is named; otherwise whichever deploys the service.
    pub execution: Option<ExecutionArn>,
    /// The fence that was read first, where the item is read again: another deployment is not meant.
    pub fence: Option<u64>,
}

/// Why a command is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    let stands = item.order(owner, item.fence).map(|order| order.asked);
    match (asked.command, stands) {
        (_, Some(before)) if before.command == asked.command => {
            return Err(NotGiven::Repeated(before));
        }
        (_, Some(before)) if before.command == Command::Rollback => {
            return Err(NotGiven::RollsBack(before));
        }
        (Command::Resume, None) => return Err(NotGiven::NotPaused),
        (Command::Rollback | Command::Pause | Command::Resume, _) => {}
    }
    Ok(Panel {
        number: panel.number.saturating_add(1),
        asked: Some(asked),
        ..panel.clone()
    })
}

/// The result of a command, as an item shows.
#[derive(Debug, Clone, PartialEq, Eq)]
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

#[cfg(test)]
mod tests;
