//! How far a drain is, and what comes next in it.

use std::fmt;

use super::shortfall::{NotHealthyNow, Shortfall};
use super::{Code, DrainProgress};
use crate::clock::rfc3339;
use crate::command::Paused;
use crate::counted::counted;
use crate::deployment::Outgoing;
use crate::gates::Gate;
use crate::id::TaskSetId;
use crate::quote::quote;
use crate::window::Closed;

/// A turn of a drain.
#[derive(Debug, Clone, PartialEq)]
pub struct Draining {
    /// What the drain removes.
    pub outgoing: Outgoing,
    /// Its id; `None` where there was none.
    pub task_set: Option<TaskSetId>,
    /// How far the drain is.
    pub progress: DrainProgress,
    /// What this turn came to.
    pub stage: Stage,
    /// Alarms that were deleted since the swap; they block nothing.
    pub deleted_alarms: Vec<String>,
    /// `finishBy` in seconds since 1970, where the deployment does not end by then.
    pub late: Option<u64>,
}

/// The outcome of a turn of a drain. Seconds are counted from this turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// The pause between the swap and the first step.
    Baking {
        /// Seconds of it that are left.
        left: u32,
        /// Seconds until the next check.
        wait: u32,
    },
    /// A step was made.
    Step(StepMade),
    /// A pause between two steps that is longer than a drain goes without a check.
    Pause {
        /// Seconds until the next step.
        seconds: u32,
    },
    /// The next step waits for something.
    Blocked {
        /// Tasks that the outgoing set is to have now.
        wanted: u32,
        /// Tasks of it that run.
        running: u32,
        /// What it waits for.
        by: Blocker,
        /// Seconds until the next check.
        wait: u32,
    },
    /// Every step was made, and tasks still run.
    TasksStopping {
        /// Tasks and targets that are still there.
        running: u32,
        /// Whether the application says that no connection is left.
        idle: bool,
        /// What the replacement lacks, where it is not healthy.
        unhealthy: Option<Shortfall>,
        /// Seconds until the next check.
        wait: u32,
    },
    /// The outgoing set is not there, but not yet in this many checks in a row.
    Confirming {
        /// Checks in a row so far.
        seen: u32,
        /// Checks wanted.
        wanted: u32,
        /// Seconds until the next check.
        wait: u32,
    },
    /// No task is left.
    Drained,
}

/// A step that was made, and when the next one comes.
#[derive(Debug, Clone, PartialEq)]
pub struct StepMade {
    /// Steps that the drain has; `None` for a budget, which takes as many as it needs.
    pub steps: Option<u32>,
    /// Tasks that the next step removes.
    pub next_tasks: u32,
    /// Seconds until then.
    pub next_step: u32,
    /// Seconds until the last task has gone, if nothing blocks a step: an estimate.
    pub done: u32,
    /// What a budget's pace follows from.
    pub pace: Option<PaceRemark>,
}

/// What a budget's pace follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaceRemark {
    /// What CloudWatch says of the reconnects.
    pub reconnects: Reconnects,
    /// Whether the deadline sets the pace, and not the budget.
    pub deadline_binds: bool,
    /// Connections a task where the input and CloudWatch contradict each other.
    pub contradiction: Option<Contradiction>,
}

/// What CloudWatch says of the reconnects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconnects {
    /// Nothing yet: the first ones show some seconds after the first step.
    NotYet {
        /// Seconds from the first step.
        after: u32,
    },
    /// Reconnects of the newest minute.
    Seen {
        /// New connections a second beyond the baseline.
        seen: u64,
        /// How many the replacement can bear.
        budget: u64,
    },
    /// There are no new values.
    Unknown {
        /// Why, where the call failed.
        error: Option<String>,
    },
}

/// Connections that a task holds, by the input and by CloudWatch, where one is more than twice the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction {
    /// What the input says.
    pub said: u64,
    /// What CloudWatch has seen.
    pub seen: u64,
}

/// Why the next step is not made now.
#[derive(Debug, Clone, PartialEq)]
pub enum Blocker {
    /// The replacement cannot take more connections.
    Health {
        /// Its id, where it is known.
        replacement: Option<TaskSetId>,
        /// What it lacks.
        shortfall: Shortfall,
    },
    /// An alarm in a state that this version does not know.
    AlarmState {
        /// Its name.
        alarm: String,
        /// What CloudWatch says.
        state: String,
    },
    /// An operator has paused the deployment.
    Paused(Paused),
    /// A hook or a planned pause has begun, goes on or is over.
    Gate(Box<Gate>),
    /// Clients leave by themselves, because the application has asked them to.
    Leaving {
        /// Connections that the application has reported last.
        connections: Option<u64>,
        /// Seconds after which the step is made whatever is left.
        left: u32,
    },
    /// Clients of a registry find what goes, or remember it.
    Registry {
        /// Instances that they found, and that were taken out by this turn.
        found: u32,
        /// Times that some were.
        times: u32,
        /// Seconds until no client remembers one.
        left: u32,
    },
    /// The replacement has fewer tasks than are wanted now, because the service has grown.
    Grows {
        /// What it lacks.
        shortfall: Shortfall,
    },
    /// A metric check has too few samples.
    Check {
        /// Its number in the request.
        check: usize,
        /// Its metric, for a reader.
        metric: String,
        /// Samples that there are.
        samples: u32,
        /// Samples that it is judged on.
        wanted: u32,
        /// Seconds that are left for the others.
        left: u32,
        /// Why CloudWatch has not answered, where it has not.
        error: Option<String>,
    },
    /// The window is closed.
    Closed(Box<Closed>),
    /// More new connections than the budget of the drain allows.
    Reconnects {
        /// New connections a second beyond the baseline, in the peak of those minutes.
        seen: u64,
        /// How many are allowed: the budget, and those of one task.
        allowed: u64,
    },
}

impl Stage {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Baking { .. } => Code::Baking,
            Self::Step(_) => Code::Step,
            Self::Pause { .. } => Code::Pause,
            Self::Blocked {
                by: Blocker::Paused(_),
                ..
            } => Code::Paused,
            Self::Blocked {
                by: Blocker::Gate(gate),
                ..
            } => gate.code(),
            Self::Blocked {
                by: Blocker::Closed(_),
                ..
            } => Code::WindowClosed,
            Self::Blocked {
                by: Blocker::Leaving { .. },
                ..
            } => Code::ClientsLeaving,
            Self::Blocked {
                by: Blocker::Registry { .. },
                ..
            } => Code::LeavingRegistry,
            Self::Blocked { .. } => Code::Blocked,
            Self::TasksStopping { .. } | Self::Confirming { .. } => Code::TasksStopping,
            Self::Drained => Code::Drained,
        }
    }
}

impl Stage {
    /// What it waits for.
    pub(super) fn blocker(&self) -> Option<&Blocker> {
        match self {
            Self::Blocked { by, .. } => Some(by),
            _ => None,
        }
    }

    /// The hook or the planned pause that it waits for.
    pub(super) fn gate(&self) -> Option<&Gate> {
        match self.blocker() {
            Some(Blocker::Gate(gate)) => Some(gate),
            _ => None,
        }
    }
}

impl fmt::Display for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.task_set.is_none() && self.stage == Stage::Drained {
            return f.write_str("there was no original task set to drain");
        }
        let task_set = self.task_set.as_deref().unwrap_or_default();
        write!(f, "{} {task_set}: ", self.outgoing)?;
        let DrainProgress { left, of, step, .. } = self.progress;
        let of = counted(of, "task");
        match &self.stage {
            Stage::Baking { left, wait } => write!(
                f,
                "{left} s until the first step of the drain; next check in {wait} s"
            ),
            Stage::Step(made) => {
                write!(f, "step {step}")?;
                if let Some(steps) = made.steps {
                    write!(f, " of {steps}")?;
                }
                write!(f, ": scaled to {left} of {of}{made}")
            }
            Stage::Pause { seconds } => {
                write!(f, "scaled to {left} of {of}; next step in {seconds} s")
            }
            Stage::Blocked {
                by: Blocker::Gate(gate),
                ..
            } => gate.fmt(f),
            Stage::Blocked {
                wanted,
                running,
                by,
                wait,
            } => write!(
                f,
                "the next step waits: {by}; {} wanted, {running} running; next check in {wait} s",
                counted(*wanted, "task")
            ),
            Stage::TasksStopping {
                running,
                idle,
                unhealthy,
                wait,
            } => write!(
                f,
                "scaled to {left} of {of}; {}{}; next check in {wait} s{}",
                if *idle { "no connection is left; " } else { "" },
                StillRuns(*running),
                NotHealthyNow(unhealthy.as_ref()),
            ),
            Stage::Confirming { seen, wanted, wait } => {
                write!(
                    f,
                    "gone in {seen} of {wanted} checks; next check in {wait} s"
                )
            }
            Stage::Drained => match self.progress.running {
                0 => f.write_str("drained, no task left"),
                1 => f.write_str("the drain is over, and 1 task has not stopped"),
                running => write!(f, "the drain is over, and {running} tasks have not stopped"),
            },
        }?;
        if let Some(by) = self.late {
            write!(f, "; it does not end by {} (finishBy)", rfc3339(by))?;
        }
        for alarm in &self.deleted_alarms {
            let alarm = quote(alarm);
            write!(
                f,
                "; CloudWatch alarm {alarm} no longer exists, and the drain continues without it"
            )?;
        }
        Ok(())
    }
}

/// Tasks that still run.
pub(super) struct StillRuns(pub(super) u32);

impl fmt::Display for StillRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("waiting until its scale is 0"),
            1 => f.write_str("waiting for 1 task to close its connections and stop"),
            running => write!(
                f,
                "waiting for {running} tasks to close their connections and stop"
            ),
        }
    }
}

impl fmt::Display for StepMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "; next step ({}) in {} s, done in about {}",
            counted(self.next_tasks, "task"),
            self.next_step,
            About(self.done)
        )?;
        match &self.pace {
            Some(pace) => write!(f, " ({pace})"),
            None => Ok(()),
        }
    }
}

/// So many seconds, as an estimate.
struct About(u32);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.div_ceil(60);
        match self.0 {
            seconds @ ..120 => write!(f, "{seconds} s"),
            ..7_200 => write!(f, "{minutes} min"),
            _ => write!(f, "{} h {} min", minutes / 60, minutes % 60),
        }
    }
}

impl fmt::Display for PaceRemark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reconnects {
            Reconnects::NotYet { after } => {
                write!(f, "reconnects show about {after} s after the first step")?;
            }
            Reconnects::Seen { seen, budget } => {
                write!(f, "{seen} of {budget} reconnects a second")?;
            }
            Reconnects::Unknown { error } => {
                f.write_str("at the planned pace, because CloudWatch has no new values")?;
                if let Some(error) = error {
                    write!(f, " ({error})")?;
                }
            }
        }
        if self.deadline_binds {
            f.write_str("; the deadline sets the pace")?;
        }
        match self.contradiction {
            Some(Contradiction { said, seen }) => write!(
                f,
                "; drain.connectionsPerTask is {said}, but CloudWatch counts {seen}: the drain uses {}",
                said.max(seen)
            ),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Health {
                replacement,
                shortfall,
            } => write!(
                f,
                "{} is not healthy: {shortfall}",
                replacement.as_deref().unwrap_or("the replacement")
            ),
            Self::AlarmState { alarm, state } => write!(
                f,
                "alarm {} is in the unknown state {}",
                quote(alarm),
                quote(state)
            ),
            Self::Paused(paused) => paused.fmt(f),
            Self::Closed(closed) => closed.fmt(f),
            Self::Gate(gate) => gate.fmt(f),
            Self::Leaving {
                connections: Some(connections),
                left,
            } => write!(
                f,
                "clients leave by themselves, {connections} are connected, and have {left} s more"
            ),
            Self::Leaving {
                connections: None,
                left,
            } => write!(
                f,
                "clients leave by themselves and have {left} s more; CloudWatch has no new value of connectionsMetric"
            ),
            Self::Registry { found: 0, left, .. } => write!(
                f,
                "no client finds its tasks in the registry, and caches forget them within {left} s"
            ),
            Self::Registry { found, times, left } => {
                let instances = counted(*found, "instance");
                match times {
                    0 | 1 => write!(f, "{instances} taken out of the registry"),
                    _ => write!(
                        f,
                        "{instances} taken out of the registry again, for the {times}. time, because something puts them back"
                    ),
                }?;
                write!(f, "; caches forget within {left} s")
            }
            Self::Grows { shortfall } => {
                write!(f, "what takes over is not whole: {shortfall}")
            }
            Self::Check {
                check,
                metric,
                samples,
                wanted,
                left,
                error,
            } => {
                write!(
                    f,
                    "checks[{check}] has {samples} of {wanted} samples of {}, and {left} s for the others",
                    quote(metric)
                )?;
                match error {
                    Some(error) => write!(f, " (GetMetricData failed: {error})"),
                    None => Ok(()),
                }
            }
            Self::Reconnects { seen, allowed } => {
                write!(f, "{seen} reconnects a second, {allowed} are allowed")
            }
        }
    }
}
