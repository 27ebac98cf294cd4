//! How callers behave: how many there are, how often they call, and for how long they keep what discovery answered.

use serde::{Deserialize, Serialize};

use crate::world::ApiError;

/// Clients that find tasks by discovery and send them requests. Everything has a default: 100 callers that send a
/// request a second each, and keep addresses for 60 seconds longer than their TTL says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CallersScenario {
    pub callers: u64,
    /// Of each.
    pub requests_per_second: u64,
    /// For how long a caller keeps its list of addresses until it asks again.
    pub cache_seconds: u64,
    pub discovery: Discovery,
}

/// Where callers ask for addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Discovery {
    /// A resolver, which keeps an answer of at most eight addresses for its TTL. Others ask it all the time, so an
    /// answer may be almost as old as its TTL when a caller gets it.
    #[default]
    Dns,
    /// `DiscoverInstances`: all instances, as they are then.
    Api,
}

const MOST_CALLERS: u64 = 100_000;
const MOST_REQUESTS: u64 = 10_000;
/// A day.
const LONGEST_CACHE_SECONDS: u64 = 86_400;

impl Default for CallersScenario {
    fn default() -> Self {
        Self {
            callers: 100,
            requests_per_second: 1,
            cache_seconds: 60,
            discovery: Discovery::Dns,
        }
    }
}

impl CallersScenario {
    /// Refuses what no caller does.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let values = [
            ("callers", self.callers, 1, MOST_CALLERS),
            (
                "requestsPerSecond",
                self.requests_per_second,
                1,
                MOST_REQUESTS,
            ),
            ("cacheSeconds", self.cache_seconds, 0, LONGEST_CACHE_SECONDS),
        ];
        let wrong =
            |(_, value, least, most): &(&str, u64, u64, u64)| !(*least..=*most).contains(value);
        match values.into_iter().find(wrong) {
            None => Ok(()),
            Some((name, value, least, most)) => Err(ApiError::validation(format!(
                "callers: {name} is from {least} to {most}, not {value}"
            ))),
        }
    }
}
