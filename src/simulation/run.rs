//! A deployment as data: what tables and reports are made of.

use serde::Serialize;

use super::callers::Called;
use super::members::Members;
use super::summary::Summary;
use crate::output::count;

/// One deployment, second by second. A series' place is the second since the execution's start.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) summary: Summary,
    pub(crate) states: Vec<Visit>,
    /// What is worth a mark in a plot: seconds since the start, and a word for it.
    pub(crate) marks: Vec<(f64, String)>,
    /// Invocations of functions.
    pub(crate) invocations: u64,
    /// Metrics that CloudWatch was asked for.
    pub(crate) metrics: u64,
    pub(crate) desired: u32,
    /// Running tasks by task set.
    pub(crate) tasks: Vec<Series>,
    /// Healthy targets by target group; without a load balancer, healthy instances by task set.
    pub(crate) healthy: Vec<Series>,
    /// Whether it is targets that are healthy, and not instances.
    pub(crate) of_targets: bool,
    /// Hours of running tasks above the desired count, all task sets together, until the end.
    pub(crate) extra_task_hours: f64,
    /// What clients felt, where the world has any.
    pub(crate) clients: Option<Felt>,
    /// What callers have experienced, where the world has any.
    pub(crate) callers: Option<Called>,
}

/// A state, and when it was entered and left, in seconds since the start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Visit {
    pub(crate) name: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) role: Role,
    /// AWS's name of it: a task set's id, a target group's name.
    pub(crate) name: String,
    pub(crate) values: Vec<u64>,
}

/// What a task set or a target group is to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It served when the deployment started.
    Original,
    /// The deployment has made it, or its task set is there.
    Replacement,
    /// An earlier deployment has left it.
    Leftover,
}

impl Role {
    /// That of a task set by its id.
    pub(super) fn of(sets: &[Members], id: &str) -> Self {
        let known = sets.iter().find(|set| set.id == id);
        known.map_or(Self::Leftover, |set| set.role)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Felt {
    /// How many clients there are.
    pub(crate) total: u64,
    /// Connections by task set.
    pub(crate) connections: Vec<Series>,
    /// Tries of clients that were cut, second by second.
    pub(crate) reconnects: Vec<u64>,
    pub(crate) refused: Vec<u64>,
    pub(crate) cuts: Vec<u64>,
    /// The most tries that one task of a replacement had in one second, refused ones included.
    pub(crate) peak_of_a_task: u64,
    /// The most seconds that a client which was cut was without a connection.
    pub(crate) longest_without: u64,
}

impl Felt {
    /// The most reconnects in as many seconds in a row.
    pub(crate) fn peak(&self, seconds: usize) -> u64 {
        let window = seconds.max(1);
        let mut within = 0;
        let mut peak = 0;
        for (second, reconnects) in self.reconnects.iter().enumerate() {
            within += reconnects;
            if let Some(gone) = second.checked_sub(window) {
                within -= self.reconnects[gone];
            }
            peak = peak.max(within);
        }
        peak
    }

    /// Seconds from the first cut to the last; nothing where none was.
    pub(crate) fn first_to_last_cut(&self) -> Option<u64> {
        let first = self.cuts.iter().position(|cut| *cut > 0)?;
        let last = self.cuts.iter().rposition(|cut| *cut > 0)?;
        Some((last - first) as u64)
    }
}

/// What clients felt of a deployment, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientsSummary {
    clients: u64,
    cut: u64,
    seconds_from_first_to_last_cut: u64,
    reconnects_in_busiest_second: u64,
    reconnects_in_busiest10_seconds: u64,
    /// A second, on average over the busiest minute: what a reconnect budget is about.
    reconnects_per_second_in_busiest_minute: u64,
    reconnects_of_a_task_in_busiest_second: u64,
    refused: u64,
    longest_without_seconds: u64,
}

impl ClientsSummary {
    pub(crate) fn of(felt: &Felt) -> Self {
        Self {
            clients: felt.total,
            cut: felt.cuts.iter().sum(),
            seconds_from_first_to_last_cut: felt.first_to_last_cut().unwrap_or_default(),
            reconnects_in_busiest_second: felt.peak(1),
            reconnects_in_busiest10_seconds: felt.peak(10),
            reconnects_per_second_in_busiest_minute: felt.peak(60).div_ceil(60),
            reconnects_of_a_task_in_busiest_second: felt.peak_of_a_task,
            refused: felt.refused.iter().sum(),
            longest_without_seconds: felt.longest_without,
        }
    }
}

impl ClientsSummary {
    /// The same in a few words.
    pub(crate) fn in_words(&self) -> String {
        let clients = count(self.clients);
        if self.cut == 0 {
            return format!("{clients} connections, none cut");
        }
        format!(
            "{clients} connections, cut {} times within {} s, at most {} reconnects in 1 s, {} refused",
            count(self.cut),
            count(self.seconds_from_first_to_last_cut),
            count(self.reconnects_in_busiest_second),
            count(self.refused)
        )
    }

    /// A table, beside the same clients where all tasks are stopped at once.
    pub(crate) fn table(&self, at_once: Option<&Self>) -> Vec<String> {
        let Some(at_once) = at_once else {
            let clients = count(self.clients);
            return vec![format!(
                "  {:<13} {clients} connections, none cut",
                "clients"
            )];
        };
        let seconds = |seconds: u64| format!("{} s", count(seconds));
        let rows = [
            ("connections", count(self.clients), count(at_once.clients)),
            ("cut", count(self.cut), count(at_once.cut)),
            (
                "from first to last cut",
                seconds(self.seconds_from_first_to_last_cut),
                seconds(at_once.seconds_from_first_to_last_cut),
            ),
            (
                "most reconnects in 1 s",
                count(self.reconnects_in_busiest_second),
                count(at_once.reconnects_in_busiest_second),
            ),
            (
                "most reconnects in 10 s",
                count(self.reconnects_in_busiest10_seconds),
                count(at_once.reconnects_in_busiest10_seconds),
            ),
            (
                "most at one task in 1 s",
                count(self.reconnects_of_a_task_in_busiest_second),
                count(at_once.reconnects_of_a_task_in_busiest_second),
            ),
            ("refused", count(self.refused), count(at_once.refused)),
            (
                "longest without",
                seconds(self.longest_without_seconds),
                seconds(at_once.longest_without_seconds),
            ),
        ];
        let head = format!(
            "\n  {:<24} {:>15} {:>15}",
            "clients", "this deployment", "all at once"
        );
        let rows = rows
            .into_iter()
            .map(|(label, this, at_once)| format!("  {label:<24} {this:>15} {at_once:>15}"));
        std::iter::once(head).chain(rows).collect()
    }
}
