//! What a task set lacks to serve.

use std::fmt;

use crate::counted::counted;
use crate::world::Targets;

/// What a task set lacks to be steady and healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortfall {
    /// Tasks that are not running yet.
    Tasks {
        /// Tasks that run.
        running: u32,
        /// Tasks that are starting.
        pending: u32,
        /// Tasks wanted.
        wanted: u32,
    },
    /// Targets that do not pass their health checks yet.
    HealthyTargets {
        /// The targets by state.
        targets: Targets,
        /// Healthy ones wanted.
        wanted: u32,
    },
    /// Instances of a registry that clients do not find yet.
    HealthyInstances {
        /// The instances by health.
        instances: Targets,
        /// Healthy ones wanted.
        wanted: u32,
    },
    /// ECS does not report `STEADY_STATE` yet.
    SteadyState,
}

impl Shortfall {
    /// What is counted, how many there are, and how many are wanted; `None` for what has no number.
    pub fn counts(&self) -> Option<(&'static str, u32, u32)> {
        match self {
            Self::Tasks {
                running, wanted, ..
            } => Some(("runningTasks", *running, *wanted)),
            Self::HealthyTargets { targets, wanted } => {
                Some(("healthyTargets", targets.healthy, *wanted))
            }
            Self::HealthyInstances { instances, wanted } => {
                Some(("healthyInstances", instances.healthy, *wanted))
            }
            Self::SteadyState => None,
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tasks {
                running,
                pending,
                wanted,
            } => {
                let wanted = counted(*wanted, "task");
                write!(f, "{running} of {wanted} running, {pending} starting")
            }
            Self::HealthyTargets { targets, wanted } => {
                let wanted = counted(*wanted, "target");
                write!(f, "{} of {wanted} healthy", targets.healthy)?;
                let others = Targets {
                    healthy: 0,
                    ..*targets
                };
                if others == Targets::default() {
                    return Ok(());
                }
                write!(f, ", {others}")
            }
            Self::HealthyInstances { instances, wanted } => {
                let wanted = counted(*wanted, "instance");
                write!(
                    f,
                    "{} of {wanted} healthy in the registry",
                    instances.healthy
                )?;
                let others = Targets {
                    healthy: 0,
                    ..*instances
                };
                if others == Targets::default() {
                    return Ok(());
                }
                write!(f, ", {others}")
            }
            Self::SteadyState => f.write_str("ECS does not report STEADY_STATE yet"),
        }
    }
}

/// A remark on a replacement's health, when nothing can be blocked or undone any more.
pub(super) struct NotHealthyNow<'a>(pub(super) Option<&'a Shortfall>);

impl fmt::Display for NotHealthyNow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(shortfall) => write!(f, "; what serves is not healthy now: {shortfall}"),
            None => Ok(()),
        }
    }
}
