//! How fast a drain goes: the four ways to say it.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::counted::counted;

/// The drain that a request asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Drain {
    /// How fast it goes.
    pub pace: Pace,
    /// Where CloudWatch has the connections of a task set, if the application reports them.
    pub connections: Option<Metric>,
    /// Where CloudWatch has the new connections of a task set, likewise.
    pub new_connections: Option<Metric>,
    /// What the first step waits for, with that metric.
    pub until: Option<Until>,
}

/// Clients that leave by themselves before the first step, because the application has asked them to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    /// Connections of the outgoing set at which its drain begins.
    pub connections: u32,
    /// Seconds after which it begins whatever is left.
    pub deadline: u32,
}

/// At that pace, without a metric of the application.
impl From<Pace> for Drain {
    fn from(pace: Pace) -> Self {
        Self {
            pace,
            connections: None,
            new_connections: None,
            until: None,
        }
    }
}

impl Drain {
    /// Seconds for which the first step may wait until clients have left by themselves.
    pub fn leaving(&self) -> u32 {
        self.until.map_or(0, |until| until.deadline)
    }
}

/// A CloudWatch metric of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its dimensions, in which [`TASK_SET`] stands for the id of the task set that drains.
    pub dimensions: Vec<(String, String)>,
}

/// The placeholder for the id of the draining task set in the value of a dimension.
pub const TASK_SET: &str = "{taskSet}";

/// How a drain is paced.
#[derive(Debug, Clone, PartialEq)]
pub enum Pace {
    /// `decrement` percent of the tasks (above 0, at most 100) every `every` seconds.
    Percent {
        /// Percent of the desired count a step.
        decrement: f64,
        /// Seconds between two steps.
        every: u32,
    },
    /// `tasks` tasks every `every` seconds.
    Tasks {
        /// Tasks a step, at least 1.
        tasks: u32,
        /// Seconds between two steps.
        every: u32,
    },
    /// Evenly over `seconds` from the first step to the last, one task at a time where that fits.
    Within {
        /// Seconds from the first step to the last.
        seconds: u32,
    },
    /// As fast as the replacement can bear.
    Budget(Budget),
}

/// A drain by the new connections that the replacement can bear.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// New connections a second, all tasks together, beyond those that come without a drain.
    pub reconnects: f64,
    /// Connections that a task of the original holds, where the input says it.
    pub connections_per_task: Option<f64>,
    /// Seconds from the first step until the original runs no task.
    pub deadline: u32,
    /// What binds where budget and deadline cannot both be kept.
    pub on_deadline: OnDeadline,
}

impl Budget {
    /// Connections that a task holds: what the input says, unless CloudWatch has seen more than twice as
    /// many, or else what was seen.
    pub fn connections(&self, seen: Option<f64>) -> Option<f64> {
        match (self.connections_per_task, seen) {
            (Some(said), Some(seen)) if seen > 2.0 * said => Some(seen),
            (said, seen) => said.or(seen),
        }
    }
}

/// What is done where a drain cannot keep both its budget and its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDeadline {
    /// The deadline binds: what is left goes evenly in the time that is left.
    Finish,
    /// The budget binds: at the deadline the drain stops with `DrainTimeout`.
    Stop,
}

impl OnDeadline {
    /// The value of `onDeadline` in the input.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finish => "finish",
            Self::Stop => "stop",
        }
    }

    pub(crate) fn parse(value: &str) -> Option<Self> {
        [Self::Finish, Self::Stop]
            .into_iter()
            .find(|known| known.as_str() == value)
    }
}

/// Seconds between two steps at least: a turn of the state machine's loop takes a second or two by
/// itself, and each asks ECS and Elastic Load Balancing for a dozen things.
pub const SHORTEST_WAIT: u32 = 3;

impl Drain {
    /// The field `drain` that parses to this.
    pub fn to_json(&self) -> Value {
        let mut fields = self.pace.to_json();
        for (field, metric) in [
            ("connectionsMetric", &self.connections),
            ("newConnectionsMetric", &self.new_connections),
        ] {
            if let Some(metric) = metric {
                fields[field] = metric.to_json();
            }
        }
        if let Some(Until {
            connections,
            deadline,
        }) = self.until
        {
            fields["until"] = json!({"connections": connections, "deadline": deadline});
        }
        fields
    }
}

impl Metric {
    fn to_json(&self) -> Value {
        let dimensions: Map<String, Value> = self
            .dimensions
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({
            "namespace": self.namespace,
            "metricName": self.name,
            "dimensions": dimensions,
        })
    }
}

/// A whole number without a fraction, as people write it.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    let whole = value as i64;
    if value.fract() == 0.0 && value.abs() < 9e15 {
        json!(whole)
    } else {
        json!(value)
    }
}

/// In words, for a sentence.
impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent { decrement, .. } if *decrement >= 100.0 => f.write_str("all at once"),
            Self::Percent { decrement, every } => write!(f, "{decrement} % every {every} s"),
            Self::Tasks { tasks, every } => {
                write!(f, "{} every {every} s", counted(*tasks, "task"))
            }
            Self::Within { seconds } => write!(f, "evenly within {seconds} s"),
            Self::Budget(budget) => write!(
                f,
                "{} reconnects a second, within {} s",
                budget.reconnects, budget.deadline
            ),
        }
    }
}

impl Pace {
    /// The fields of `drain` that read as this.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Percent { decrement, every } => {
                json!({"percent": number(*decrement), "every": every})
            }
            Self::Tasks { tasks, every } => json!({"tasks": tasks, "every": every}),
            Self::Within { seconds } => json!({"within": seconds}),
            Self::Budget(budget) => {
                let mut fields = json!({
                    "reconnectsPerSecond": number(budget.reconnects),
                    "deadline": budget.deadline,
                    "onDeadline": budget.on_deadline.as_str(),
                });
                if let Some(connections) = budget.connections_per_task {
                    fields["connectionsPerTask"] = number(connections);
                }
                fields
            }
        }
    }

    /// The same, with the connections a task that a drain assumes once CloudWatch has counted this many.
    #[must_use]
    pub fn counted(&self, seen: Option<f64>) -> Self {
        let mut pace = self.clone();
        if let Self::Budget(budget) = &mut pace {
            budget.connections_per_task = budget.connections(seen);
        }
        pace
    }

    /// The budget, where this is one.
    pub fn budget(&self) -> Option<&Budget> {
        match self {
            Self::Budget(budget) => Some(budget),
            Self::Percent { .. } | Self::Tasks { .. } | Self::Within { .. } => None,
        }
    }
}
