//! What there is in a race at one moment: executions, their functions, the lock, and time.
//!
//! Time is counted in ticks of 60 s. What must happen within a time has as long as whole ticks
//! allow; what must wait for a time waits as short.

use std::collections::BTreeSet;

use crate::world::{Id, SetId, Step, World, Write};

/// Ticks after its start in which a function may land a write: `Timeout: 60` in `template.yaml`.
pub(crate) const FUNCTION_TIMEOUT: u8 = 1;
/// Ticks after the renewal in which a function may begin to write: 60 s, in the functions.
pub(crate) const LEASE: u8 = 1;
/// Ticks between seeing the owner ended and taking over: `Grace` in the state machine, 180 s.
pub(crate) const GRACE: u8 = 3;
/// Ticks after which every function that an execution has started has ended.
pub(crate) const SETTLE: u8 = FUNCTION_TIMEOUT + 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Race {
    pub(crate) world: World,
    /// The lock's `owner`. Its `fence` and `doing` are in no condition; of its `revision` it
    /// matters only whether it has risen since somebody read it, which `Holder` says.
    pub(crate) owner: Option<Id>,
    pub(crate) executions: Vec<Execution>,
    /// Stops, redrives, failures and lost replies that may still happen.
    pub(crate) misfortunes: u8,
    pub(crate) harms: BTreeSet<Harm>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Execution {
    pub(crate) at: At,
    /// ABORTED by `StopExecution`.
    pub(crate) stopped: bool,
    /// What `ReadLock` saw.
    pub(crate) holder: Option<Holder>,
    /// Ticks since `lock.renewedAt`: since `Renew` was last entered (`$$.State.EnteredTime`).
    pub(crate) lease_age: u8,
    /// The task set in service when the replacement was created.
    pub(crate) original: Option<SetId>,
    pub(crate) functions: Vec<Function>,
    pub(crate) moved: Moved,
}

/// The state of the state machine that an execution is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum At {
    AcquireLock,
    ReadLock,
    DescribeOwner,
    /// With the ticks left.
    Grace(u8),
    DescribeOwnerAgain,
    TakeOver,
    Renew(Step),
    Task(Step),
    /// A Wait until functions that may still write have ended, with the ticks left.
    Settle(u8, Next),
    ReleaseLock(Outcome),
    Ended(Outcome),
}

/// What comes after `Settle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Next {
    Renew(Step),
    /// The Task's Retry or Catch.
    RetryOrCatch(Step),
    Rollback,
    Release(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    ConcurrentDeployment,
    LockLost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Holder {
    pub(crate) owner: Id,
    /// The lock's revision has risen since.
    pub(crate) revised: bool,
}

/// One invocation of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Function {
    pub(crate) step: Step,
    pub(crate) phase: Phase,
    /// Ticks left.
    pub(crate) left: u8,
    /// A Task waits for it. Otherwise it runs on unheard: its execution was stopped, or Step
    /// Functions has given it up.
    pub(crate) awaited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    /// Before its first look, with the ticks since the renewal that its input names.
    Started { lease_age: u8 },
    /// Decided, and not landed yet.
    Writing(Write),
    /// After a write. It does not look at the lease again.
    Looking,
}

/// How often an execution has moved the production listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Moved {
    No,
    There,
    Back,
}

/// What must not have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Harm {
    /// A scale-down or a delete landed on a task set behind the production listener.
    TakenFromProduction,
    /// A write landed while the lock was not its execution's.
    WithoutTheLock,
    /// An execution moved the listener other than once there and once back.
    MovedAgain,
    /// A task set that served was deleted with `force`.
    Forced,
    /// An execution failed because of a lock that is its own.
    LostToItself,
}

impl Race {
    /// One task set in service, and executions about to begin.
    pub(crate) fn start(executions: usize, misfortunes: u8) -> Self {
        let execution = Execution {
            at: At::AcquireLock,
            stopped: false,
            holder: None,
            lease_age: 0,
            original: None,
            functions: Vec::new(),
            moved: Moved::No,
        };
        Self {
            world: World::serving(),
            owner: None,
            executions: vec![execution; executions],
            misfortunes,
            harms: BTreeSet::new(),
        }
    }
}

impl Execution {
    pub(crate) fn enter(&mut self, at: At) {
        self.at = at;
        match at {
            At::Renew(_) => (self.lease_age, self.holder) = (0, None),
            At::Task(step) => self.functions.push(Function {
                step,
                phase: Phase::Started {
                    lease_age: self.lease_age,
                },
                left: FUNCTION_TIMEOUT,
                awaited: true,
            }),
            // Nobody asks any more.
            At::Settle(..) | At::ReleaseLock(_) | At::Ended(_) => {
                (self.lease_age, self.holder) = (0, None);
            }
            At::AcquireLock
            | At::ReadLock
            | At::DescribeOwner
            | At::Grace(_)
            | At::DescribeOwnerAgain
            | At::TakeOver => {}
        }
        self.functions.sort_unstable();
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.stopped && !matches!(self.at, At::Ended(_))
    }

    /// It had the lock, and has not released it.
    pub(crate) fn is_inside(&self) -> bool {
        matches!(
            self.at,
            At::Renew(_) | At::Task(_) | At::Settle(..) | At::ReleaseLock(_)
        )
    }

    pub(crate) fn awaits_a_function(&self) -> bool {
        self.functions.iter().any(|function| function.awaited)
    }

    /// What it waited for runs on unheard.
    pub(crate) fn abandon(&mut self) {
        for function in &mut self.functions {
            function.awaited = false;
        }
        self.functions.sort_unstable();
    }
}

impl Function {
    /// One tick later. None when its time is over.
    pub(crate) fn later(mut self) -> Option<Self> {
        if let Phase::Started { lease_age } = &mut self.phase {
            *lease_age = older(*lease_age);
        }
        self.left = self.left.checked_sub(1)?;
        Some(self)
    }
}

/// One tick older; beyond the lease, all the same.
pub(crate) fn older(lease_age: u8) -> u8 {
    (lease_age + 1).min(LEASE + 1)
}
