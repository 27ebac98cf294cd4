//! Commands of operators to a running deployment: roll back, pause, resume, promote, change the pace.
//!
//! A command is in the panel of the lock's item. Taking the lock creates the panel, for one execution and
//! one fence. An operator replaces it on the condition that it has not changed since it was read: of two
//! operators one wins, and a command reaches the deployment that was meant or none. The function that
//! enters the lock next obeys or refuses, and reports it in its answer and in the item. An obeyed command
//! stands until the next one that is obeyed.

mod give;
mod pace;

use std::fmt;

use crate::clock::rfc3339;
use crate::deployment::{Outgoing, Plan, Progress};
use crate::drain;
use crate::drain::pace::Pace;
use crate::gates;
use crate::hooks;
use crate::id::ExecutionArn;
use crate::lock::Item;
use crate::next::Next;
use crate::phase::{Phase, To};
use crate::quote::{is_visible, quote};
use crate::reason::Reason;
use crate::refusal::{ErrorName, Refusal};
use crate::world::{TaskSet, World};

pub use give::{Meant, NotGiven, Reply, give, reply};
pub(crate) use pace::repaced;

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
    /// Skip every pause and every check that is left.
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

/// A turn's answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The command's number.
    pub number: u64,
    /// The command.
    pub asked: Asked,
    /// Why it is refused, where it is.
    pub refused: Option<Refused>,
    /// What is in force after it.
    pub in_force: InForce,
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
    /// Nothing is left that could be skipped.
    NothingToSkip,
    /// The original would be drained at a pace that does not fit, in these words.
    DoesNotFit(String),
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
            Self::EveryStepMade => f.write_str(
                "every step of the drain is done, so there is nothing to pause or to pace",
            ),
            Self::NothingToSkip => f.write_str(
                "no pause, no hook and no step of a shift is left to skip; ebbtide pace changes how fast the original drains",
            ),
            Self::DoesNotFit(why) => f.write_str(why),
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
    match (&order.asked.command, goes_back(phase, plan)) {
        (Command::Resume, None) => Response::Done,
        (Command::Resume, Some(error)) if may_end_forward(phase, plan, progress, error) => {
            Response::Done
        }
        (Command::Pace(pace), _) => pace::response(phase, world, plan, pace),
        (Command::Rollback, Some(error)) if error == ErrorName::OperatorRollback.as_str() => {
            Response::Done
        }
        (_, Some(error)) if may_end_forward(phase, plan, progress, error) => Response::Later,
        (_, Some(error)) => Response::Refuse(Refused::RollingBack(error.to_owned())),
        (Command::Rollback, None) => can_go_back(phase, world, plan, progress),
        (Command::Pause, None) => can_pause(phase, world, plan),
        (Command::Promote, None) => can_promote(order, phase, world, plan, progress),
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

/// There is something to skip: a pause of an operator, a planned one, a hook, steps of a shift, or clients that leave by
/// themselves.
fn can_promote(
    order: &Order,
    phase: Phase,
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Response {
    if phase == Phase::Rollback {
        return Response::Later;
    }
    let swapped = plan.goes_forward() && progress.baking;
    let begun = swapped && progress.step > 0;
    let planned = !begun && (gates::left(plan, swapped) || plan.request.drain.until.is_some());
    let shifts = plan.goes_forward() && !swapped && plan.asks_for_a_shift().is_some();
    let drained =
        phase == Phase::Cleanup || plan.outgoing_in(world).is_none_or(TaskSet::wants_nothing);
    let judged = !drained && plan.goes_forward() && hooks::judge_steps(plan);
    if planned || shifts || judged || order.in_force.pause.is_some() {
        Response::Obey
    } else {
        Response::Refuse(Refused::NothingToSkip)
    }
}

/// A turn's answer to the command that it finds, if it was not answered yet.
pub(crate) fn hear(phase: Phase, world: &World, plan: &Plan, progress: &Progress) -> Option<Heard> {
    let order = world.order.as_ref()?;
    if matches!(order.standing, Standing::Obeyed | Standing::Refused) {
        return None;
    }
    let refused = match response(order, phase, world, plan, progress) {
        Response::Obey | Response::Done => None,
        Response::Refuse(refused) => Some(refused),
        Response::Later => return None,
    };
    let mut in_force = order.in_force.clone();
    if refused.is_none() {
        match &order.asked.command {
            Command::Rollback => in_force.pause = None,
            Command::Resume => {
                in_force.approved = order.approval();
                in_force.pause = None;
            }
            Command::Pause => in_force.pause = Some(order.asked.clone()),
            Command::Promote => {
                in_force.pause = None;
                in_force.promoted = true;
            }
            Command::Pace(pace) => {
                let (number, pace) = (order.number, pace.clone());
                in_force.paced = Some(Paced { number, pace });
            }
        }
    }
    Some(Heard {
        number: order.number,
        asked: order.asked.clone(),
        refused,
        in_force,
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
    let obeys = order.standing != Standing::Refused
        && order.asked.command == Command::Rollback
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
#[derive(Debug, Clone, PartialEq)]
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
/// `PausedTooLong` once [`LONGEST_PAUSE`] is over.
pub(crate) fn paused(world: &World, plan: &Plan) -> Result<Option<Paused>, Refusal> {
    let order = world.order.as_ref();
    let pause = order.and_then(|order| match (&order.asked.command, order.standing) {
        (Command::Pause, Standing::Open) if plan.paused < LONGEST_PAUSE => Some(&order.asked),
        (Command::Resume | Command::Promote, Standing::Open) => None,
        // One that is refused, or cannot be answered yet, ends no pause.
        _ => order.in_force.pause.as_ref(),
    });
    let Some(asked) = pause.filter(|_| plan.outgoing != Outgoing::Replacement) else {
        return Ok(None);
    };
    if plan.paused >= LONGEST_PAUSE {
        return Err(Refusal::new(
            ErrorName::PausedTooLong,
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

#[cfg(test)]
mod tests;
