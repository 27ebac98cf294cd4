//! What a step has decided.

use crate::quote::quote;
use std::fmt;

pub use crate::action::{Action, NewTaskSet, Role};
use crate::observation::Targets;
use crate::reason::Shortfall;
use crate::refusal::Refusal;

/// The outcome of one look at the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Make these writes, in this order, then look again.
    Act(Vec<Action>),
    /// Nothing to do now; look again later.
    Wait(WaitingOn),
    /// The step's goal is reached.
    Done,
    /// Not now and not later, unless somebody changes something.
    Refuse(Refusal),
}

/// What has to happen in the world before the deployment goes on, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingOn {
    /// Tasks of the replacement that are not running yet.
    Tasks {
        /// Tasks that run.
        running: u32,
        /// Tasks that are starting.
        pending: u32,
        /// Tasks wanted.
        wanted: u32,
    },
    /// Targets of the replacement that do not pass their health checks yet.
    HealthyTargets {
        /// The targets by state.
        targets: Targets,
        /// Healthy ones wanted.
        wanted: u32,
    },
    /// ECS does not report `STEADY_STATE` yet.
    SteadyState,
    /// Steady and healthy, but not yet in this many looks in a row.
    Confirmation {
        /// Looks in a row so far.
        seen: u32,
        /// Looks wanted.
        wanted: u32,
    },
    /// An alarm whose state is none that this version knows: whether it rings cannot be told.
    AlarmState {
        /// Its name.
        alarm: String,
        /// What CloudWatch says.
        state: String,
    },
    /// More new connections than the budget of the drain allows.
    Reconnects {
        /// New connections a second beyond the ordinary ones, in CloudWatch's newest minute.
        seen: u64,
        /// How many the replacement can bear.
        budget: u64,
    },
    /// The pause between the swap and the first step of the drain.
    Bake {
        /// Seconds of it that are left.
        left: u32,
    },
    /// A swap that an earlier deployment left half done.
    SwapToFinish,
    /// A task set that an earlier deployment left, and whose drain is to be planned.
    Leftover {
        /// Its id.
        task_set: String,
        /// Tasks that it wants.
        tasks: u32,
    },
    /// A second look at what one read showed: it may be old, and a late write would show by then.
    SecondLook,
    /// Targets in a group that no living task set owns; they are being deregistered.
    Deregistration {
        /// How many are left.
        targets: u32,
    },
    /// The pause between two steps of the drain.
    NextStep {
        /// Tasks of the original that are left after this step.
        left: u32,
        /// Tasks of the original at the start of the drain.
        of: u32,
    },
    /// A pause between two steps that is longer than a drain goes without a look.
    Pause {
        /// Tasks of the original that are left.
        left: u32,
        /// Tasks of the original at the start of the drain.
        of: u32,
        /// Seconds until the next step.
        seconds: u32,
    },
    /// The original wants no more tasks, but some still run.
    TasksStopping {
        /// Tasks that still run or start.
        running: u32,
    },
    /// A deleted task set that ECS still shows.
    Deletion {
        /// The task set's id.
        task_set: String,
    },
}

impl From<Shortfall> for WaitingOn {
    fn from(shortfall: Shortfall) -> Self {
        match shortfall {
            Shortfall::Tasks {
                running,
                pending,
                wanted,
            } => Self::Tasks {
                running,
                pending,
                wanted,
            },
            Shortfall::HealthyTargets { targets, wanted } => {
                Self::HealthyTargets { targets, wanted }
            }
            Shortfall::SteadyState => Self::SteadyState,
        }
    }
}

impl fmt::Display for WaitingOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tasks {
                running,
                pending,
                wanted,
            } => write!(f, "{running} of {wanted} tasks run, {pending} are starting"),
            Self::HealthyTargets { targets, wanted } => {
                write!(f, "{wanted} healthy targets wanted, seen: {targets}")
            }
            Self::SteadyState => f.write_str("ECS does not report STEADY_STATE yet"),
            Self::Confirmation { seen, wanted } => {
                write!(f, "steady and healthy in {seen} of {wanted} looks")
            }
            Self::AlarmState { alarm, state } => {
                write!(
                    f,
                    "alarm {} is in the unknown state {}",
                    quote(alarm),
                    quote(state)
                )
            }
            Self::Reconnects { seen, budget } => {
                write!(
                    f,
                    "{seen} reconnects a second came, and {budget} are allowed"
                )
            }
            Self::Bake { left } => write!(f, "{left} s until the first step of the drain"),
            Self::SwapToFinish => f.write_str("a swap is half done"),
            Self::Leftover { task_set, tasks } => {
                write!(f, "{task_set} is left with {tasks} tasks")
            }
            Self::SecondLook => f.write_str("one read may be old: looking once more"),
            Self::Deregistration { targets } => {
                write!(
                    f,
                    "{targets} targets without a task set are being deregistered"
                )
            }
            Self::NextStep { left, of } => write!(f, "{left} of {of} tasks left"),
            Self::Pause { left, of, seconds } => {
                write!(f, "{left} of {of} tasks left, the next step in {seconds} s")
            }
            Self::TasksStopping { running: 1 } => {
                f.write_str("1 task still runs, until its connections are drained")
            }
            Self::TasksStopping { running } => {
                write!(
                    f,
                    "{running} tasks still run, until their connections are drained"
                )
            }
            Self::Deletion { task_set } => write!(f, "ECS is deleting {task_set}"),
        }
    }
}
