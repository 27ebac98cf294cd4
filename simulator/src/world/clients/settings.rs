//! How clients behave: how many there are, when they leave, and how they come back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::world::ApiError;
use crate::world::visit::Visit;

/// Clients that hold connections to the service's tasks for as long as they can. Everything has a
/// default: 2,500 connections a task, for ever; who is cut comes back within five seconds.
///
/// The clients are always the same ones: who loses a connection comes back, so that as many arrive
/// as leave. With `timings.jitterPercent` 0 there is no chance in what they do: what is shared out
/// is shared evenly, to within one client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientsScenario {
    /// Connections a task, on average, when the clients connect. In a first deployment there are no
    /// tasks yet, and so no clients.
    pub connections_per_task: u64,
    /// How many times the connections of the emptiest task the fullest one has, at the most: they are
    /// drawn log-uniformly, and their total is kept. From 1, which makes all the same, to 1,000.
    pub vary_by_factor: f64,
    /// Mean seconds until a client ends its connection by itself, at any moment as likely as at any
    /// other; it comes back within [`reconnect_within_seconds`](Self::reconnect_within_seconds).
    /// None: connections last for ever.
    pub lifetime_seconds: Option<u64>,
    /// Seconds that a client waits in any case whose connection ended.
    pub reconnect_after_seconds: u64,
    /// After these it tries again at any moment within as many seconds, evenly: 0 for clients without
    /// jitter, which all come back in the same second.
    pub reconnect_within_seconds: u64,
    /// How long a client waits that was refused.
    pub backoff: Backoff,
    /// New connections that a task accepts in a second; it refuses more. None: all.
    pub new_connections_per_second_per_task: Option<u64>,
    /// What a task does with its connections when it is sent SIGTERM.
    pub on_stop: OnStop,
    /// What clients send: each where it is given, and otherwise what fits the route that they come by.
    /// Only `address` means something to a Network Load Balancer.
    pub host: Option<String>,
    pub path: Option<String>,
    pub method: Option<String>,
    /// What follows the `?`, such as `a=1&b=2`.
    pub query: Option<String>,
    /// In addition to what the route asks for.
    pub headers: BTreeMap<String, String>,
    pub address: Option<IpAddr>,
    /// What the load balancer reports to CloudWatch.
    pub metrics: Metrics,
    /// With `stale`: seconds after the world's start of which nothing is reported any more.
    pub metrics_stop_after_seconds: u64,
}

/// Exponential back-off: after the n-th refusal in a row, a client waits for any time up to
/// `base · factor^(n−1)` seconds, or for exactly as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Backoff {
    /// Seconds after the first refusal, at most.
    pub base_seconds: u64,
    /// How much longer it is after the next.
    pub factor: u64,
    /// Seconds that it is never longer than.
    pub most_seconds: u64,
    /// Whether chance has a part in it.
    pub jitter: Jitter,
}

/// What chance makes of a wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Jitter {
    /// Any time up to it.
    #[default]
    Full,
    /// Nothing: a fixed delay.
    None,
}

/// How long clients wait: seconds in any case, and the seconds after them among which each has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) after: u64,
    pub(super) among: u64,
    /// Milliseconds for which they have waited: a second at the most.
    ago_ms: u64,
}

impl Wait {
    /// So many seconds, and then at any moment within so many; a second at least.
    fn new(after: u64, within: u64) -> Self {
        let (after, among) = match within {
            0 => (after.saturating_sub(1), 1),
            among => (after, among),
        };
        Self {
            after,
            among,
            ago_ms: 1_000,
        }
    }

    /// From so many milliseconds ago on.
    pub(super) fn from(self, ago_ms: u64) -> Self {
        Self { ago_ms, ..self }
    }

    /// How much of each second is theirs, where they did not begin to wait with a second; nothing where all
    /// have the same one.
    pub(super) fn weights(self) -> Option<Vec<u64>> {
        if self.ago_ms == 1_000 || self.among == 1 {
            return None;
        }
        let whole = usize::try_from(self.among).unwrap_or(usize::MAX);
        let mut weights = vec![1_000; whole];
        weights[0] = self.ago_ms;
        weights.push(1_000 - self.ago_ms);
        Some(weights)
    }
}

/// What a task does with its connections between SIGTERM and its end. What is left at its end is cut
/// then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnStop {
    /// It closes them all at once.
    #[default]
    Close,
    /// It closes them evenly until it ends: over the stop timeout, or over its own time to end where
    /// that is shorter.
    Spread,
    /// It keeps them.
    Keep,
}

/// What the load balancer reports to CloudWatch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Metrics {
    /// Every minute.
    #[default]
    Reported,
    /// Nothing at all.
    None,
    /// Nothing new after [`ClientsScenario::metrics_stop_after_seconds`].
    Stale,
}

/// The longest that a client waits, in seconds: a day.
const LONGEST_WAIT_SECONDS: u64 = 86_400;

/// The most connections a task, on average: far more than a load balancer's ports allow.
const MOST_CONNECTIONS_PER_TASK: u64 = 1_000_000;

impl Default for ClientsScenario {
    fn default() -> Self {
        Self {
            connections_per_task: 2_500,
            vary_by_factor: 1.0,
            lifetime_seconds: None,
            reconnect_after_seconds: 0,
            reconnect_within_seconds: 5,
            backoff: Backoff::default(),
            new_connections_per_second_per_task: None,
            on_stop: OnStop::Close,
            host: None,
            path: None,
            method: None,
            query: None,
            headers: BTreeMap::new(),
            address: None,
            metrics: Metrics::Reported,
            metrics_stop_after_seconds: 0,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base_seconds: 1,
            factor: 2,
            most_seconds: 60,
            jitter: Jitter::Full,
        }
    }
}

impl ClientsScenario {
    /// Refuses what no client does.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let within = |name: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(ApiError::validation(format!(
                "clients: {name} is from {least} to {most}, not {value}"
            )))
        };
        let Backoff {
            base_seconds,
            factor,
            most_seconds,
            jitter: _,
        } = self.backoff;
        let (connections, most) = (self.connections_per_task, MOST_CONNECTIONS_PER_TASK);
        within("connectionsPerTask", connections, 0, most)?;
        let wait = LONGEST_WAIT_SECONDS;
        let after = self.reconnect_after_seconds;
        within("reconnectAfterSeconds", after, 0, wait)?;
        // No client is back in the second in which its connection ended.
        let least = u64::from(after == 0);
        let spread = self.reconnect_within_seconds;
        within("reconnectWithinSeconds", spread, least, wait)?;
        within("backoff.mostSeconds", most_seconds, 1, wait)?;
        within("backoff.baseSeconds", base_seconds, 1, most_seconds)?;
        within("backoff.factor", factor, 1, 10)?;
        if let Some(seconds) = self.lifetime_seconds {
            within("lifetimeSeconds", seconds, 1, 365 * LONGEST_WAIT_SECONDS)?;
        }
        if !(1.0..=1_000.0).contains(&self.vary_by_factor) {
            return Err(ApiError::validation(format!(
                "clients: varyByFactor is from 1 to 1000, not {}",
                self.vary_by_factor
            )));
        }
        Ok(())
    }

    /// What clients send, where it would be that.
    pub(super) fn visit(&self, mut visit: Visit) -> Visit {
        visit.headers.extend(self.headers.clone());
        let given = |own: &Option<String>, other: String| own.clone().unwrap_or(other);
        Visit {
            host: given(&self.host, visit.host),
            path: given(&self.path, visit.path),
            headers: visit.headers,
            method: given(&self.method, visit.method),
            query: given(&self.query, visit.query),
            address: self.address.unwrap_or(visit.address),
        }
    }

    /// How long a client waits whose connection ended.
    pub(super) fn first_wait(&self) -> Wait {
        Wait::new(self.reconnect_after_seconds, self.reconnect_within_seconds)
    }
}

impl Backoff {
    /// How long a client waits after that many refusals in a row.
    pub(super) fn wait(&self, refusals: usize) -> Wait {
        let seconds = self.window_seconds(refusals);
        match self.jitter {
            Jitter::Full => Wait::new(0, seconds),
            Jitter::None => Wait::new(seconds, 0),
        }
    }

    /// The most seconds that a client waits after that many refusals in a row.
    pub fn window_seconds(&self, refusals: usize) -> u64 {
        let doublings = u32::try_from(refusals.saturating_sub(1)).unwrap_or(u32::MAX);
        let grown = self.factor.saturating_pow(doublings);
        self.base_seconds
            .saturating_mul(grown)
            .min(self.most_seconds)
    }

    /// The refusals in a row after which the wait grows no longer: further ones count the same.
    pub(super) fn most_refusals(&self) -> usize {
        let longest = self.window_seconds(usize::MAX);
        let mut refusals = 1..usize::BITS as usize;
        refusals
            .find(|refusals| self.window_seconds(*refusals) == longest)
            .unwrap_or(1)
    }
}
