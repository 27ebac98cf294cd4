//! What is kept of every second: who was connected, who tried, who was refused.

use serde::{Deserialize, Serialize};

/// Seconds that are kept at least; the oldest go first.
const KEPT_SECONDS: usize = 100_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Its end, in seconds since the world's start: the first one is 1.
    pub at_s: u64,
    /// Connections at its end, by task set in the order of
    /// [`Clients::task_sets`](super::Clients::task_sets); task sets that were first connected to later
    /// are missing at the end.
    pub by_task_set: Vec<u64>,
    /// Clients that tried to connect.
    pub attempts: u64,
    /// Those of them whose connection had been cut, whatever number of times they had tried since.
    pub reconnects: u64,
    /// Those of the attempts that were refused.
    pub refused: u64,
    /// Connections that were cut.
    pub cut: u64,
    /// Connections that clients ended by themselves.
    pub ended: u64,
}

/// Everything since the world's start, counted as in a [`Second`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub attempts: u64,
    pub reconnects: u64,
    pub refused: u64,
    pub cut: u64,
    pub ended: u64,
}

/// The most that one task had to bear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPeak {
    /// Attempts to connect in one second, refused ones included.
    pub attempts: u64,
    /// Connections at a time.
    pub connections: u64,
}

/// The record since the world's start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) seconds: Vec<Second>,
    pub(super) totals: Totals,
    /// In the order of the task sets.
    pub(super) peaks: Vec<TaskPeak>,
    /// Of those that connected again after they were cut: the most seconds without a connection.
    #[serde(default)]
    pub(super) longest_without: u64,
}

impl Record {
    pub(super) fn push(&mut self, second: Second) {
        let totals = &mut self.totals;
        totals.attempts += second.attempts;
        totals.reconnects += second.reconnects;
        totals.refused += second.refused;
        totals.cut += second.cut;
        totals.ended += second.ended;
        if self.seconds.len() == 2 * KEPT_SECONDS {
            self.seconds.drain(..KEPT_SECONDS);
        }
        self.seconds.push(second);
    }

    /// What a task of that task set had to bear just now.
    pub(super) fn bear(&mut self, task_set: usize, attempts: u64, connections: u64) {
        if self.peaks.len() <= task_set {
            self.peaks.resize(task_set + 1, TaskPeak::default());
        }
        let peak = &mut self.peaks[task_set];
        peak.attempts = peak.attempts.max(attempts);
        peak.connections = peak.connections.max(connections);
    }

    /// The most reconnects in as many seconds in a row.
    pub(super) fn peak_reconnects(&self, window_seconds: usize) -> u64 {
        let window = window_seconds.max(1);
        let (mut within, mut peak) = (0, 0);
        for (index, second) in self.seconds.iter().enumerate() {
            within += second.reconnects;
            if let Some(gone) = index.checked_sub(window) {
                within -= self.seconds[gone].reconnects;
            }
            peak = peak.max(within);
        }
        peak
    }
}
