//! What clients felt of a deployment, from what happened to each.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::clients::{Happened, What};
use crate::plane::Connections;

/// Seconds are simulated ones, since the deployment's start.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    pub(crate) clients: usize,
    /// Attempts to connect, second by second.
    pub(crate) attempts: Vec<u64>,
    /// Connections that clients saw end, second by second.
    pub(crate) cuts: Vec<u64>,
    /// Connections of the original and of the replacement, at the end of each second.
    pub(crate) original: Vec<u64>,
    pub(crate) replacement: Vec<u64>,
    pub(crate) most_in_one_second: u64,
    pub(crate) most_in_ten_seconds: u64,
    /// Attempts that were refused or not answered.
    pub(crate) refused: u64,
    pub(crate) cut: u64,
    /// Connections of tasks when they were sent SIGTERM.
    pub(crate) stopped_with: u64,
    /// Without a connection, each time that one was cut: seconds.
    pub(crate) without: Without,
    pub(crate) connected_at_the_end: usize,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Without {
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) worst: f64,
}

/// From when on, and how fast simulated time passes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since {
    pub(crate) began: SystemTime,
    pub(crate) speed: f64,
}

impl Since {
    /// The simulated second of a moment; nothing before the beginning.
    fn second(self, at: SystemTime) -> Option<usize> {
        let passed = at.duration_since(self.began).ok()?.mul_f64(self.speed);
        usize::try_from(passed.as_secs()).ok()
    }
}

impl Measured {
    pub(crate) fn of(
        since: Since,
        happened: &[Happened],
        connections: &[Connections],
        clients: usize,
        stopped_with: u64,
    ) -> Self {
        let mut measured = Self {
            clients,
            stopped_with,
            ..Self::default()
        };
        let mut cut_at: BTreeMap<usize, u64> = BTreeMap::new();
        let mut connected = 0_usize;
        let mut without = Vec::new();
        for one in happened {
            match one.what {
                What::Connected => connected += 1,
                What::Cut => connected = connected.saturating_sub(1),
                What::Tries | What::Refused => {}
            }
            let at = SystemTime::UNIX_EPOCH + Duration::from_millis(one.at_ms);
            let Some(second) = since.second(at) else {
                continue;
            };
            match one.what {
                What::Tries => add(&mut measured.attempts, second),
                What::Refused => measured.refused += 1,
                What::Cut => {
                    measured.cut += 1;
                    add(&mut measured.cuts, second);
                    cut_at.insert(one.client, one.at_ms);
                }
                What::Connected => {
                    if let Some(cut_ms) = cut_at.remove(&one.client) {
                        let waited = Duration::from_millis(one.at_ms.saturating_sub(cut_ms));
                        without.push(waited.as_secs_f64() * since.speed);
                    }
                }
            }
        }
        for one in connections {
            if let Some(second) = since.second(one.at) {
                put(&mut measured.original, second, one.original);
                put(&mut measured.replacement, second, one.replacement);
            }
        }
        measured.most_in_one_second = most_in(&measured.attempts, 1);
        measured.most_in_ten_seconds = most_in(&measured.attempts, 10);
        measured.without = Without::of(without);
        measured.connected_at_the_end = connected;
        measured
    }
}

impl Without {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let place = (seconds.len() * percent).div_ceil(100).saturating_sub(1);
            seconds.get(place).copied().unwrap_or_default()
        };
        Self {
            median: at(50),
            p99: at(99),
            worst: at(100),
        }
    }
}

/// The most in a number of seconds in a row, as `ebbtide compare` counts it.
pub(crate) fn most_in(by_second: &[u64], seconds: usize) -> u64 {
    let within = |end: usize| by_second[end.saturating_sub(seconds)..end].iter().sum();
    let ends = 1..=by_second.len();
    ends.map(within).max().unwrap_or_default()
}

fn add(by_second: &mut Vec<u64>, second: usize) {
    if by_second.len() <= second {
        by_second.resize(second + 1, 0);
    }
    by_second[second] += 1;
}

/// The value of a second, and of those since the last one that has any.
fn put(by_second: &mut Vec<u64>, second: usize, value: u64) {
    let last = by_second.last().copied().unwrap_or(value);
    by_second.resize(by_second.len().max(second), last);
    by_second.truncate(second);
    by_second.push(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_and_waits_are_counted_from_the_deployments_start_on() {
        let one = |at_ms, client, what| Happened {
            at_ms,
            client,
            what,
        };
        let happened = [
            one(900, 1, What::Tries),
            one(950, 1, What::Connected),
            one(960, 2, What::Connected),
            one(1_500, 1, What::Cut),
            one(1_700, 1, What::Tries),
            one(1_700, 1, What::Refused),
            one(2_900, 1, What::Tries),
            one(3_500, 1, What::Connected),
        ];
        let since = Since {
            began: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            speed: 2.0,
        };
        let measured = Measured::of(since, &happened, &[], 2, 1);
        assert_eq!(measured.attempts, [0, 1, 0, 1]);
        assert_eq!(measured.cuts, [0, 1]);
        assert_eq!((measured.refused, measured.cut), (1, 1));
        assert_eq!(measured.connected_at_the_end, 2);
        assert!((measured.without.worst - 4.0).abs() < 1e-9);
        assert_eq!(
            (measured.most_in_one_second, measured.most_in_ten_seconds),
            (1, 2)
        );
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let without = Without::of((1..=200).map(f64::from).collect());
        assert_eq!(
            (without.median, without.p99, without.worst),
            (100.0, 198.0, 200.0)
        );
    }
}
