//! The figures of one deployment in the table.

use ebbtide_simulator::scenario::ClientsScenario;
use ebbtide_simulator::world::OnStop;
use serde::Serialize;

use crate::simulation::{Felt, Run};

/// Seconds in a row over which reconnects are summed up.
pub(super) const WINDOW: u64 = 10;

/// What a deployment was like for clients, and what it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    /// Seconds from the first connection that was cut to the last; nothing where none was.
    pub(super) first_to_last_cut_seconds: Option<u64>,
    /// The most reconnects in any 10 seconds.
    pub(super) peak_reconnects_in10_seconds: u64,
    /// How many times the floor that is.
    pub(super) times_floor: f64,
    /// The most reconnects in one second.
    pub(super) peak_reconnects_in1_second: u64,
    /// The most tries that one task of the replacement had in one second, refused ones included.
    pub(super) peak_tries_in1_second_of_a_task: u64,
    /// Tries that were refused.
    pub(super) refused: u64,
    /// The most seconds that a client which was cut was without a connection.
    pub(super) longest_without_seconds: u64,
    /// Seconds from the deployment's start to its end.
    pub(super) deployment_seconds: u64,
    /// Hours of running tasks above the desired count.
    pub(super) extra_task_hours: f64,
    pub(super) api_calls: usize,
}

/// What no drain over a time can be better than: all connections spread evenly over it, or one task's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Floor {
    /// The time, in seconds.
    pub(super) seconds: u64,
    /// Reconnects in 10 seconds.
    pub(super) reconnects_in10_seconds: u64,
}

impl Floor {
    /// The floor of so many tasks, with such clients each, over a time.
    pub(super) fn new(tasks: u32, clients: &ClientsScenario, seconds: u64) -> Self {
        let per_task = clients.connections_per_task;
        let all = u64::from(tasks) * per_task;
        let over =
            |connections: u64, seconds: u64| (connections * WINDOW).div_ceil(seconds.max(WINDOW));
        // The connections of one task do not come back in less time than this.
        let of_a_task = match clients.on_stop {
            OnStop::Spread => 0,
            OnStop::Close | OnStop::Keep => over(per_task, clients.reconnect_within_seconds),
        };
        Self {
            seconds,
            reconnects_in10_seconds: over(all, seconds).max(of_a_task),
        }
    }
}

impl Figures {
    /// Those of a deployment; its floor is that of the time that was asked for, or of its own, where that is
    /// longer.
    pub(super) fn of(run: &Run, tasks: u32, given: &ClientsScenario, seconds: u64) -> Self {
        let clients = run.clients.as_ref();
        let window = usize::try_from(WINDOW).unwrap_or(usize::MAX);
        let peak = |seconds| clients.map_or(0, |felt| felt.peak(seconds));
        let cut = clients.and_then(Felt::first_to_last_cut);
        let came = cut.map(|cut| cut + given.reconnect_within_seconds + 1);
        let floor = Floor::new(tasks, given, seconds.max(came.unwrap_or_default()));
        Self {
            first_to_last_cut_seconds: cut,
            peak_reconnects_in10_seconds: peak(window),
            times_floor: match peak(window) {
                0 => 0.0,
                // Clients that are refused come later than the floor has them.
                most => hundredths(ratio(most, floor.reconnects_in10_seconds)).max(1.0),
            },
            peak_reconnects_in1_second: peak(1),
            peak_tries_in1_second_of_a_task: clients.map_or(0, |felt| felt.peak_of_a_task),
            refused: clients.map_or(0, |felt| felt.refused.iter().sum()),
            longest_without_seconds: clients.map_or(0, |felt| felt.longest_without),
            deployment_seconds: whole(run.summary.seconds),
            extra_task_hours: hundredths(run.extra_task_hours),
            api_calls: run.summary.calls,
        }
    }

    /// The larger of each figure.
    pub(super) fn worse(self, other: Self) -> Self {
        Self {
            first_to_last_cut_seconds: self
                .first_to_last_cut_seconds
                .max(other.first_to_last_cut_seconds),
            peak_reconnects_in10_seconds: self
                .peak_reconnects_in10_seconds
                .max(other.peak_reconnects_in10_seconds),
            times_floor: self.times_floor.max(other.times_floor),
            peak_reconnects_in1_second: self
                .peak_reconnects_in1_second
                .max(other.peak_reconnects_in1_second),
            peak_tries_in1_second_of_a_task: self
                .peak_tries_in1_second_of_a_task
                .max(other.peak_tries_in1_second_of_a_task),
            refused: self.refused.max(other.refused),
            longest_without_seconds: self
                .longest_without_seconds
                .max(other.longest_without_seconds),
            deployment_seconds: self.deployment_seconds.max(other.deployment_seconds),
            extra_task_hours: self.extra_task_hours.max(other.extra_task_hours),
            api_calls: self.api_calls.max(other.api_calls),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "connections, in a table")]
fn ratio(count: u64, of: u64) -> f64 {
    count as f64 / of.max(1) as f64
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "simulated seconds are few and not negative"
)]
fn whole(seconds: f64) -> u64 {
    seconds.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_what_one_task_brings_at_least() {
        let of = |tasks, seconds, within, on_stop| {
            let clients = ClientsScenario {
                reconnect_within_seconds: within,
                on_stop,
                ..ClientsScenario::default()
            };
            Floor::new(tasks, &clients, seconds).reconnects_in10_seconds
        };
        assert_eq!(of(40, 180, 5, OnStop::Close), 5_556);
        assert_eq!(of(4, 180, 5, OnStop::Close), 2_500);
        assert_eq!(of(4, 0, 5, OnStop::Close), 10_000);
        assert_eq!(of(4, 180, 40, OnStop::Close), 625);
        assert_eq!(of(4, 180, 5, OnStop::Spread), 556);
    }
}
