//! The outcome of a turn: numbers for programs, and one sentence made from them.

mod code;
mod drain;
mod outcome;
mod sentence;
mod shift;
mod shortfall;

pub use code::Code;
pub use drain::{Blocker, Contradiction, Draining, PaceRemark, Reconnects, Stage, StepMade};
pub use outcome::{LeftAlone, Outcome, Place, Remains, Remark, Running, resumed_by};
pub(crate) use sentence::DRY_RUN;
pub use shift::{Awaited, Shared, Shifting};
pub use shortfall::Shortfall;

use crate::command::Paused;
use crate::drain::pace::Pace;
use crate::gates::Gate;
use crate::hooks;
use crate::id::{TargetGroupArn, TaskDefinitionId, TaskSetId};
use crate::refusal::Refusal;
use crate::routing::Taken;
use crate::shift::Shift;
use crate::window::{Closed, Times, Window};
use crate::world::Targets;

/// What a turn came to.
///
/// Programs read the code and the numbers and never the sentence, which may be reworded at any time.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// The request fits the world.
    Passed(Box<Passed>),
    /// An execution that has ended was rolling back, and that is finished first.
    TakenOver {
        /// What that execution had come to.
        before: String,
    },
    /// That rollback is finished.
    RollbackFinished {
        /// What it came to.
        outcome: Box<Reason>,
    },
    /// An earlier deployment left a task set.
    LeftoverFound,
    /// The drain of that task set is planned.
    LeftoverPlanned {
        /// Its id.
        task_set: TaskSetId,
        /// Tasks that it wants.
        tasks: u32,
        /// The ARN of its target group.
        target_group: TargetGroupArn,
        /// Seconds until its first step.
        wait: u32,
    },
    /// Targets in a group that no living task set owns are being deregistered.
    Deregistering {
        /// How many are left.
        targets: u32,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// The service has as many task sets as ECS allows, and one of them is being deleted.
    LeftoverDeleting {
        /// Its id.
        task_set: TaskSetId,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// A swap that an earlier deployment left half done is finished first.
    HalfSwapped,
    /// It is finished.
    SwapFinished,
    /// Nothing is left over.
    Settled {
        /// The task set that serves, where there is one.
        original: Option<TaskSetId>,
    },
    /// The replacement was created or adopted.
    Created {
        /// Its id.
        replacement: TaskSetId,
        /// Its task definition: an ARN, or as the request has it.
        task_definition: TaskDefinitionId,
        /// The ARN of its target group.
        target_group: TargetGroupArn,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// The task set that traffic is to move to lacks something.
    NotReady {
        /// Its id, where it is known.
        incoming: Option<TaskSetId>,
        /// Whether it is the original, which traffic goes back to.
        is_original: bool,
        /// What it lacks.
        shortfall: Shortfall,
        /// How many of its tasks failed, and why the newest one did.
        stopped: Option<String>,
        /// Why ECS places no more of its tasks, in its words.
        not_placed: Option<String>,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// The replacement is steady and healthy, but not yet in this many checks in a row.
    Confirming {
        /// Its id.
        replacement: Option<TaskSetId>,
        /// Checks in a row so far.
        seen: u32,
        /// Checks wanted.
        wanted: u32,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// The replacement is steady and healthy.
    Ready {
        /// Its id.
        replacement: Option<TaskSetId>,
    },
    /// A share of production traffic has moved.
    Shifting(Box<Shifting>),
    /// Production traffic has moved.
    Swapped(Box<Swapped>),
    /// The pause after the swap is over.
    BakeOver,
    /// A turn of the drain, or of the pause before it.
    Drain(Box<Draining>),
    /// The drained task set still runs tasks by one read, which may be old.
    StillRuns {
        /// Tasks that run or start.
        running: u32,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// ECS is deleting the drained task set.
    Deleting {
        /// Its id.
        task_set: TaskSetId,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// Rules for tests are still there, and are deleted.
    DeletingTestRules {
        /// How many.
        rules: u32,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// Nothing behind the production listener works, by the last check.
    Down {
        /// The task set that serves.
        task_set: TaskSetId,
        /// Tasks of it that run.
        running: u32,
        /// Its targets by state.
        targets: Targets,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// The deployment is complete.
    Deployed(Box<Running>),
    /// The deployment had ended before, and that answer was lost.
    EndedBefore,
    /// Nothing to undo was seen, by one read, which may be old.
    SecondLook {
        /// The original, where one served before.
        original: Option<TaskSetId>,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// The original is brought back to strength.
    RollingBack {
        /// Its id.
        original: TaskSetId,
        /// What it lacks.
        shortfall: Shortfall,
        /// Why ECS places no more of its tasks, in its words.
        not_placed: Option<String>,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// Clients of a registry are to find the original again.
    PutBack {
        /// Its id.
        original: TaskSetId,
        /// Instances that were put back.
        instances: u32,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// Tasks of the original that no client finds are stopped, and new ones started.
    Restarting {
        /// Its id.
        original: TaskSetId,
        /// Tasks that are still to stop.
        tasks: u32,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// The replacement was never `PRIMARY`, but clients of a registry know it: it is drained.
    TakenOut {
        /// The original, which keeps serving.
        original: TaskSetId,
    },
    /// Traffic may go back to the original.
    Restored {
        /// Its id.
        original: TaskSetId,
        /// What it lacks, and after how many seconds, if the set that serves has no healthy target; after none in the
        /// middle of a shift, where it serves already.
        lacks: Option<(Shortfall, u32)>,
    },
    /// An error of AWS has interrupted a swap or a drain, which goes on.
    GoingOn {
        /// What went wrong.
        cause: String,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// The replacement is healthy again, before traffic was moved away from it.
    Recovered {
        /// Its id.
        replacement: Option<TaskSetId>,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// An operator has paused the deployment before its swap.
    Paused(Paused),
    /// The swap waits until the window opens.
    Closed(Box<Closed>),
    /// A hook or a planned pause, outside of a drain.
    Gate(Gate),
    /// An operator has given the drain another pace.
    Repaced {
        /// Which.
        pace: Pace,
        /// Whether it has begun.
        begun: bool,
    },
    /// The turn was refused.
    Refused(Refusal),
    /// The deployment failed, and what could be undone was.
    Failed(Box<Outcome>),
    /// A function of this deployment may still be at work.
    Busy {
        /// Seconds until the next turn.
        wait: u32,
    },
    /// A later turn of this execution was here already.
    Overtaken,
    /// A call was not allowed, which may pass: IAM is eventually consistent (AWS documentation).
    Denied {
        /// Which, and why.
        why: String,
        /// Seconds until the next turn.
        wait: u32,
    },
    /// A write was not answered, and may still land.
    Unanswered {
        /// What was to be answered, or what went wrong.
        why: String,
        /// Seconds until the next turn.
        wait: u32,
    },
}

/// What the deployment will do, according to preflight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Whether nothing more was asked for.
    pub dry_run: bool,
    /// The service.
    pub service: String,
    /// The task set that serves; `None` for a first deployment.
    pub original: Option<TaskSetId>,
    /// Tasks of it.
    pub tasks: u32,
    /// The ARN of its target group.
    pub original_target_group: TargetGroupArn,
    /// Task sets that an earlier deployment left.
    pub leftovers: Vec<TaskSetId>,
    /// The task definition to deploy: an ARN, or as the request has it.
    pub task_definition: TaskDefinitionId,
    /// The ARN of the target group that it goes to.
    pub replacement_target_group: TargetGroupArn,
    /// The roles that the listeners are taken to have, if no tag names them.
    pub taken: Option<Taken>,
    /// The steps in which traffic moves.
    pub shift: Option<Shift>,
    /// What the drain is planned to do, in words; its numbers are those of the state's `plan`.
    pub drain: String,
    /// The earliest times, where the input has a window or `finishBy`.
    pub times: Option<Times>,
    /// The window.
    pub window: Option<Window>,
}

/// Production traffic has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swapped {
    /// The error that is rolled back, in a rollback.
    pub after: Option<String>,
    /// The task set that serves now.
    pub replacement: Option<TaskSetId>,
    /// The ARN of its target group.
    pub target_group: TargetGroupArn,
    /// The drain that comes next; `None` where nothing served before.
    pub drain: Option<NextDrain>,
    /// Whether it waits for a person first.
    pub pauses: bool,
    /// Whether hooks are called first.
    pub hooks: bool,
}

/// The drain that follows a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextDrain {
    /// Tasks that it begins with.
    pub tasks: u32,
    /// Seconds until it begins.
    pub bake: u32,
}

impl Reason {
    /// The same in one word.
    pub fn code(&self) -> Code {
        match self {
            Self::Passed(passed) if passed.dry_run => Code::DryRun,
            Self::Passed(_) => Code::Passed,
            Self::TakenOver { .. } | Self::RollbackFinished { .. } => Code::FinishingRollback,
            Self::LeftoverFound
            | Self::LeftoverPlanned { .. }
            | Self::Deregistering { .. }
            | Self::LeftoverDeleting { .. } => Code::Leftover,
            Self::HalfSwapped => Code::HalfSwapped,
            Self::SwapFinished => Code::SwapFinished,
            Self::Settled { .. } => Code::Settled,
            Self::Created { .. } => Code::Created,
            Self::NotReady { .. } | Self::Confirming { .. } => Code::NotReady,
            Self::Ready { .. } => Code::Ready,
            Self::Shifting(shifting) => shifting.code(),
            Self::Swapped(swapped) if swapped.after.is_some() => Code::SwappedBack,
            Self::Swapped(_) => Code::Swapped,
            Self::BakeOver => Code::Baking,
            Self::Drain(draining) => draining.stage.code(),
            Self::StillRuns { .. }
            | Self::Deleting { .. }
            | Self::DeletingTestRules { .. }
            | Self::Down { .. } => Code::Deleting,
            Self::Deployed(_) | Self::EndedBefore => Code::Deployed,
            Self::SecondLook { .. }
            | Self::RollingBack { .. }
            | Self::PutBack { .. }
            | Self::Restarting { .. }
            | Self::TakenOut { .. } => Code::RollingBack,
            Self::Restored { .. } => Code::Restored,
            Self::GoingOn { .. } | Self::Recovered { .. } => Code::GoingOn,
            Self::Paused(_) => Code::Paused,
            Self::Closed(_) => Code::WindowClosed,
            Self::Gate(gate) => gate.code(),
            Self::Repaced { .. } => Code::Repaced,
            Self::Refused(_) => Code::Refused,
            Self::Failed(_) => Code::Failed,
            Self::Busy { .. } | Self::Overtaken => Code::Busy,
            Self::Denied { .. } | Self::Unanswered { .. } => Code::Unanswered,
        }
    }

    /// What the task set that is waited for before traffic moves lacks.
    pub fn shortfall(&self) -> Option<&Shortfall> {
        if let Self::NotReady { shortfall, .. } | Self::RollingBack { shortfall, .. } = self {
            return Some(shortfall);
        }
        None
    }

    /// The hook of this turn, where there is one.
    pub fn hook(&self) -> Option<&hooks::Turn> {
        let gate = match self {
            Self::Gate(gate) => gate,
            Self::Drain(draining) => draining.stage.gate()?,
            _ => return None,
        };
        match gate {
            Gate::Hook(turn) => Some(&**turn),
            Gate::Approval(_) => None,
        }
    }

    /// The window that this turn waits for.
    pub(crate) fn closed(&self) -> Option<&Closed> {
        match (self, self.blocker()) {
            (Self::Closed(closed), _) | (_, Some(Blocker::Closed(closed))) => Some(closed),
            _ => None,
        }
    }

    /// What the next step of a shift or a drain waits for.
    pub(crate) fn blocker(&self) -> Option<&Blocker> {
        match self {
            Self::Shifting(shifting) => shifting.by.as_ref(),
            Self::Drain(draining) => draining.stage.blocker(),
            _ => None,
        }
    }

    /// How far the drain is, where there is one.
    pub fn drain(&self) -> Option<DrainProgress> {
        match self {
            Self::Drain(draining) => Some(draining.progress),
            Self::Swapped(swapped) => swapped.drain.map(|drain| DrainProgress {
                left: drain.tasks,
                of: drain.tasks,
                running: drain.tasks,
                step: 0,
                next_step: None,
                last_step: None,
                done: None,
            }),
            Self::Passed(_)
            | Self::TakenOver { .. }
            | Self::RollbackFinished { .. }
            | Self::LeftoverFound
            | Self::LeftoverPlanned { .. }
            | Self::Deregistering { .. }
            | Self::LeftoverDeleting { .. }
            | Self::HalfSwapped
            | Self::SwapFinished
            | Self::Settled { .. }
            | Self::Created { .. }
            | Self::NotReady { .. }
            | Self::Confirming { .. }
            | Self::Ready { .. }
            | Self::Shifting(_)
            | Self::BakeOver
            | Self::StillRuns { .. }
            | Self::Deleting { .. }
            | Self::DeletingTestRules { .. }
            | Self::Down { .. }
            | Self::Deployed(_)
            | Self::EndedBefore
            | Self::SecondLook { .. }
            | Self::RollingBack { .. }
            | Self::PutBack { .. }
            | Self::Restarting { .. }
            | Self::TakenOut { .. }
            | Self::Restored { .. }
            | Self::GoingOn { .. }
            | Self::Recovered { .. }
            | Self::Paused(_)
            | Self::Closed(_)
            | Self::Gate(_)
            | Self::Repaced { .. }
            | Self::Refused(_)
            | Self::Failed(_)
            | Self::Busy { .. }
            | Self::Overtaken
            | Self::Denied { .. }
            | Self::Unanswered { .. } => None,
        }
    }
}

/// How far a drain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainProgress {
    /// Tasks that no step has removed yet.
    pub left: u32,
    /// Tasks at the start of the drain.
    pub of: u32,
    /// Tasks and targets of the outgoing set that are still there.
    pub running: u32,
    /// The step that was made last, counted from 1; 0 before the first.
    pub step: u32,
    /// Seconds from this turn to the next step, where that is known.
    pub next_step: Option<u32>,
    /// Seconds from this turn to the last step, if nothing blocks one: an estimate.
    pub last_step: Option<u32>,
    /// Seconds from this turn until the last task has gone, if nothing blocks a step: an estimate.
    pub done: Option<u32>,
}
