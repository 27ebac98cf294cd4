//! Why a turn ended as it did: a code and numbers for programs, one sentence for people.

/// What a turn came to.
///
/// Programs read the code and the numbers and never the sentence, which may be reworded at any time.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// What happened, in one word.
    pub code: Code,
    /// The same as a sentence with its details.
    pub text: String,
    /// How far the drain is, where there is one.
    pub drain: Option<DrainProgress>,
}

impl Reason {
    /// A reason without numbers of a drain.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            drain: None,
        }
    }
}

/// How far a drain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainProgress {
    /// Tasks that no step has taken away yet.
    pub left: u32,
    /// Tasks at the start of the drain.
    pub of: u32,
    /// The step that was made last, counted from 1; 0 before the first.
    pub step: u32,
    /// Seconds from this turn to the next step, where that is known.
    pub next_step: Option<u32>,
    /// Seconds from this turn to the last step, if nothing blocks one: an estimate.
    pub last_step: Option<u32>,
}

/// What a turn came to, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request fits the world.
    Passed,
    /// It does, and nothing more was asked for.
    DryRun,
    /// A swap of an earlier deployment is half done.
    HalfSwapped,
    /// That swap is finished.
    SwapFinished,
    /// A task set of an earlier deployment is drained first.
    Leftover,
    /// Nothing is left over from an earlier deployment.
    Settled,
    /// An earlier deployment ended in its rollback, which is finished first.
    FinishingRollback,
    /// The replacement was created or adopted.
    Created,
    /// Something that has to become healthy is not yet.
    NotReady,
    /// The replacement is steady and healthy.
    Ready,
    /// Production traffic has moved.
    Swapped,
    /// Production traffic has moved back.
    SwappedBack,
    /// The pause between the swap and the first step.
    Baking,
    /// A step of the drain was made.
    Step,
    /// The pause between two steps.
    Pause,
    /// The next step waits for something.
    Blocked,
    /// Every step was made, and tasks still run.
    TasksStopping,
    /// No task is left.
    Drained,
    /// ECS deletes the drained task set.
    Deleting,
    /// The deployment is complete.
    Deployed,
    /// The original is brought back to strength, or a read is repeated.
    RollingBack,
    /// The original is healthy at full strength.
    Restored,
    /// The turn was refused; `failure` says why.
    Refused,
    /// The deployment failed, and what could be undone was.
    Failed,
    /// A function of this deployment may still be at work.
    Busy,
    /// A write was not answered, and may still land.
    Unanswered,
}

impl Code {
    /// The value of `reason.code`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::DryRun => "dryRun",
            Self::HalfSwapped => "halfSwapped",
            Self::SwapFinished => "swapFinished",
            Self::Leftover => "leftover",
            Self::Settled => "settled",
            Self::FinishingRollback => "finishingRollback",
            Self::Created => "created",
            Self::NotReady => "notReady",
            Self::Ready => "ready",
            Self::Swapped => "swapped",
            Self::SwappedBack => "swappedBack",
            Self::Baking => "baking",
            Self::Step => "step",
            Self::Pause => "pause",
            Self::Blocked => "blocked",
            Self::TasksStopping => "tasksStopping",
            Self::Drained => "drained",
            Self::Deleting => "deleting",
            Self::Deployed => "deployed",
            Self::RollingBack => "rollingBack",
            Self::Restored => "restored",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::Unanswered => "unanswered",
        }
    }
}
