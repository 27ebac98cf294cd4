//! The code of a reason: what programs read.

/// The outcome of a turn, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request fits the world.
    Passed,
    /// It fits, in a dry run.
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
    /// A task set is not healthy yet.
    NotReady,
    /// The replacement is steady and healthy.
    Ready,
    /// A share of production traffic has moved.
    Shifting,
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
    /// The first step waits for clients that leave by themselves.
    ClientsLeaving,
    /// The first step waits until clients of a registry neither find what goes nor remember it.
    LeavingRegistry,
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
    /// Traffic stays on the replacement, and the deployment goes on.
    GoingOn,
    /// An operator has paused the deployment.
    Paused,
    /// A step waits until the window opens.
    WindowClosed,
    /// A planned pause waits for a person.
    WaitingForApproval,
    /// A planned pause is over.
    Approved,
    /// The state machine calls a hook.
    CallingHook,
    /// A hook is in progress, and is called again.
    WaitingForHook,
    /// A hook has succeeded, or undoes nothing.
    HookOver,
    /// An operator has given the drain another pace.
    Repaced,
    /// The turn was refused; `failure` says why.
    Refused,
    /// The deployment failed, and what could be undone was.
    Failed,
    /// A function of this deployment may still be at work.
    Busy,
    /// A write was not answered, and may still land, or a call is not allowed yet.
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
            Self::Shifting => "shifting",
            Self::Swapped => "swapped",
            Self::SwappedBack => "swappedBack",
            Self::Baking => "baking",
            Self::Step => "step",
            Self::Pause => "pause",
            Self::Blocked => "blocked",
            Self::ClientsLeaving => "clientsLeaving",
            Self::LeavingRegistry => "leavingRegistry",
            Self::TasksStopping => "tasksStopping",
            Self::Drained => "drained",
            Self::Deleting => "deleting",
            Self::Deployed => "deployed",
            Self::RollingBack => "rollingBack",
            Self::Restored => "restored",
            Self::GoingOn => "goingOn",
            Self::Paused => "paused",
            Self::WindowClosed => "windowClosed",
            Self::WaitingForApproval => "waitingForApproval",
            Self::Approved => "approved",
            Self::CallingHook => "callingHook",
            Self::WaitingForHook => "waitingForHook",
            Self::HookOver => "hookOver",
            Self::Repaced => "repaced",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::Unanswered => "unanswered",
        }
    }
}
