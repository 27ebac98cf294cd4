//! What is kept of the callers' requests: by the second in all, by the minute for each task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Seconds that are kept at least; the oldest go first.
const KEPT_SECONDS: usize = 100_000;

/// Requests of one second. Each is counted once among `requests`, and at most once among the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerSecond {
    /// Its end, in seconds since the world's start: the first one is 1.
    pub at_s: u64,
    #[serde(flatten)]
    pub counts: Requests,
    /// By task set in the order of [`Callers::task_sets`](super::Callers::task_sets); task sets that were first called
    /// later are missing at the end.
    pub by_task_set: Vec<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// All.
    pub requests: u64,
    /// To a task that was sent SIGTERM or has ended, or to an address that no task has.
    pub to_stopped: u64,
    /// To a task that runs and is not healthy.
    pub to_unhealthy: u64,
    /// Not sent, as the caller had no address.
    pub without_address: u64,
}

/// The requests of one minute to each address, by the address's number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Minute {
    /// Its number since the world's start, from 0.
    number: u64,
    by_address: BTreeMap<usize, u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) seconds: Vec<CallerSecond>,
    pub(super) totals: Requests,
    minutes: Vec<Minute>,
}

impl Requests {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.to_stopped += other.to_stopped;
        self.to_unhealthy += other.to_unhealthy;
        self.without_address += other.without_address;
    }
}

impl Record {
    pub(super) fn push(&mut self, second: CallerSecond, by_address: &[u64]) {
        self.totals.add(&second.counts);
        let number = (second.at_s - 1) / 60;
        if self.minutes.last().is_none_or(|last| last.number != number) {
            if self.minutes.len() == 2 * KEPT_SECONDS / 60 {
                self.minutes.drain(..KEPT_SECONDS / 60);
            }
            self.minutes.push(Minute {
                number,
                by_address: BTreeMap::new(),
            });
        }
        if let Some(minute) = self.minutes.last_mut() {
            let called = by_address.iter().enumerate();
            for (address, requests) in called.filter(|(_, requests)| **requests > 0) {
                *minute.by_address.entry(address).or_insert(0) += requests;
            }
        }
        if self.seconds.len() == 2 * KEPT_SECONDS {
            self.seconds.drain(..KEPT_SECONDS);
        }
        self.seconds.push(second);
    }

    /// The requests to each address in the minutes that lie within these seconds.
    pub(super) fn by_address(&self, from_s: u64, until_s: u64) -> BTreeMap<usize, u64> {
        let within =
            |minute: &&Minute| minute.number * 60 >= from_s && (minute.number + 1) * 60 <= until_s;
        let mut all = BTreeMap::new();
        for minute in self.minutes.iter().filter(within) {
            for (address, requests) in &minute.by_address {
                *all.entry(*address).or_insert(0) += requests;
            }
        }
        all
    }
}
