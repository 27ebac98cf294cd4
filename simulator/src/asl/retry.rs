//! Retriers and catchers: which errors they are for, and how long a retrier waits.

use std::time::Duration;

use serde::Deserialize;

use super::path::JsonPath;

/// Any error except [`TERMINAL`].
pub(super) const ALL: &str = "States.ALL";
/// Any error except [`TIMEOUT`] and [`TERMINAL`].
pub(super) const TASK_FAILED: &str = "States.TaskFailed";
/// A task took longer than its `TimeoutSeconds`.
pub(super) const TIMEOUT: &str = "States.Timeout";
/// A payload is larger than 256 KiB. Caught only by its own name.
pub(super) const DATA_LIMIT: &str = "States.DataLimitExceeded";
/// The state machine itself is wrong. Nothing retries or catches it.
pub(super) const RUNTIME: &str = "States.Runtime";
/// A caught error has no place in the state's input.
pub(super) const RESULT_PATH: &str = "States.ResultPathMatchFailure";
/// A path of a state's `Parameters` or `ResultSelector` leads nowhere.
pub(super) const PARAMETER_PATH: &str = "States.ParameterPathFailure";
/// Step Functions may not call the service.
const PERMISSIONS: &str = "States.Permissions";

/// What the wildcards leave alone, as AWS's guide has it. Histories recorded on AWS show `States.ALL`
/// catching a result that is too large all the same: rely on the less that is promised.
const TERMINAL: [&str; 2] = [DATA_LIMIT, RUNTIME];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawRetrier")]
pub struct Retrier {
    pub errors: ErrorNames,
    pub(crate) interval: Duration,
    /// How many retries at most, counted for each retrier and each time the state is entered.
    pub max_attempts: u32,
    /// The factor from one wait to the next; 1 or more.
    pub(crate) backoff_rate: f64,
    pub(crate) max_delay: Option<Duration>,
    /// Whether the wait is drawn by lot.
    pub jitter: Jitter,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Catcher {
    #[serde(rename = "ErrorEquals")]
    pub(super) errors: ErrorNames,
    /// Where in the state's input the error goes (`$` replaces the input).
    #[serde(default)]
    pub(super) result_path: JsonPath,
    pub(super) next: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
/// `ErrorEquals`.
pub struct ErrorNames(Vec<String>);

/// `JitterStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Jitter {
    /// Anything from nothing to the whole wait.
    Full,
    /// The wait as computed.
    #[default]
    None,
}

impl ErrorNames {
    /// Whether the error is one of them, or is what one of the wildcards stands for.
    pub fn matches(&self, error: &str) -> bool {
        self.0.iter().any(|name| match name.as_str() {
            // A task may end with the literal States.TaskFailed: the wildcard covers it.
            ALL => !TERMINAL.contains(&error),
            TASK_FAILED => !TERMINAL.contains(&error) && error != TIMEOUT,
            name => name == error,
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether this is `States.ALL`, which stands alone and last.
    pub(super) fn is_all(&self) -> bool {
        self.iter().any(|name| name == ALL)
    }
}

impl Retrier {
    /// How long to wait before the next retry, when `retried` have been made for this retrier.
    pub(super) fn delay(&self, retried: u32, lot: &mut fastrand::Rng) -> Duration {
        let factor = self.backoff_rate.powf(f64::from(retried));
        let longest = self.max_delay.unwrap_or(MAX_DELAY).as_secs_f64();
        let seconds = (self.interval.as_secs_f64() * factor).min(longest);
        let whole = Duration::from_secs_f64(seconds);
        match self.jitter {
            Jitter::None => whole,
            Jitter::Full => whole.mul_f64(lot.f64()),
        }
    }
}

/// `MaxDelaySeconds` is below a year of 366 days; no wait is longer without it either.
const MAX_DELAY: Duration = Duration::from_hours(366 * 24);
/// The largest `MaxAttempts` and `IntervalSeconds`.
const MAX_NUMBER: u64 = 99_999_999;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawRetrier {
    error_equals: ErrorNames,
    #[serde(default = "one")]
    interval_seconds: u64,
    #[serde(default = "three")]
    max_attempts: u32,
    #[serde(default = "double")]
    backoff_rate: f64,
    max_delay_seconds: Option<u64>,
    #[serde(default)]
    jitter_strategy: Jitter,
}

fn one() -> u64 {
    1
}

fn three() -> u32 {
    3
}

fn double() -> f64 {
    2.0
}

impl TryFrom<RawRetrier> for Retrier {
    type Error = String;

    fn try_from(raw: RawRetrier) -> Result<Self, String> {
        if !(1..=MAX_NUMBER).contains(&raw.interval_seconds) {
            return Err(format!("IntervalSeconds is from 1 to {MAX_NUMBER}"));
        }
        if u64::from(raw.max_attempts) > MAX_NUMBER {
            return Err(format!("MaxAttempts is at most {MAX_NUMBER}"));
        }
        if raw.backoff_rate.is_nan() || raw.backoff_rate < 1.0 {
            return Err("BackoffRate is 1.0 or more".to_owned());
        }
        let max_delay = raw.max_delay_seconds.map(Duration::from_secs);
        let interval = Duration::from_secs(raw.interval_seconds);
        if max_delay.is_some_and(|longest| longest <= interval || longest >= MAX_DELAY) {
            return Err("MaxDelaySeconds is above IntervalSeconds and below 31622400".to_owned());
        }
        Ok(Self {
            errors: raw.error_equals,
            interval,
            max_attempts: raw.max_attempts,
            backoff_rate: raw.backoff_rate,
            max_delay,
            jitter: raw.jitter_strategy,
        })
    }
}

impl TryFrom<Vec<String>> for ErrorNames {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        if names.is_empty() {
            return Err("ErrorEquals wants a name".to_owned());
        }
        if names.len() > 1 && names.iter().any(|name| name == ALL) {
            return Err(format!("{ALL} stands alone"));
        }
        for name in &names {
            let known = [ALL, TASK_FAILED, TIMEOUT, DATA_LIMIT, PERMISSIONS];
            if name == RUNTIME {
                return Err(format!("{RUNTIME} is never retried nor caught"));
            }
            if name.starts_with("States.") && !known.contains(&name.as_str()) {
                return Err(format!("a task does not end with {name} here"));
            }
        }
        Ok(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::tests::lines;
    use super::*;

    fn retrier(value: Value) -> Result<Retrier, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    fn waits(retrier: &Retrier, count: u32) -> Vec<f64> {
        let mut lot = fastrand::Rng::with_seed(1);
        let mut delay = |retried| retrier.delay(retried, &mut lot).as_secs_f64();
        (0..count).map(&mut delay).collect()
    }

    #[test]
    fn wildcards_match_the_errors_that_step_functions_documents() {
        for (name, error, expected) in [
            ("States.ALL", "Drift", true),
            ("States.ALL", "States.Timeout", true),
            ("States.ALL", "States.TaskFailed", true),
            ("States.ALL", "States.DataLimitExceeded", false),
            ("States.ALL", "States.Runtime", false),
            ("States.TaskFailed", "Drift", true),
            ("States.TaskFailed", "States.TaskFailed", true),
            ("States.TaskFailed", "Lambda.Unknown", true),
            ("States.TaskFailed", "States.Timeout", false),
            ("States.TaskFailed", "States.DataLimitExceeded", false),
            ("States.TaskFailed", "States.Runtime", false),
            ("States.DataLimitExceeded", "States.DataLimitExceeded", true),
            ("Drift", "drift", false),
        ] {
            let names = ErrorNames::try_from(vec![name.to_owned()]).unwrap();
            assert_eq!(names.matches(error), expected, "{name} {error}");
        }
    }

    #[test]
    fn a_retrier_without_numbers_waits_one_two_and_four_seconds() {
        let retrier = retrier(json!({ "ErrorEquals": ["Transient"] })).unwrap();
        assert_eq!(retrier.max_attempts, 3);
        assert_eq!(waits(&retrier, 3), [1.0, 2.0, 4.0]);
    }

    #[test]
    fn waits_grow_to_the_longest_delay() {
        let retrier = retrier(json!({
            "ErrorEquals": ["Throttled"], "IntervalSeconds": 5, "BackoffRate": 1.5, "MaxDelaySeconds": 10,
        }));
        let retrier = retrier.unwrap();
        assert_eq!(waits(&retrier, 4), [5.0, 7.5, 10.0, 10.0]);
    }

    #[test]
    fn what_step_functions_would_refuse_is_refused() {
        for (value, problem) in lines(
            r#"
{ "ErrorEquals": [] } => wants a name
{ "ErrorEquals": ["States.ALL", "A"] } => States.ALL stands alone
{ "ErrorEquals": ["States.Runtime"] } => never retried nor caught
{ "ErrorEquals": ["States.Timedout"] } => does not end with States.Timedout
{ "ErrorEquals": ["A"], "IntervalSeconds": 0 } => IntervalSeconds is from 1
{ "ErrorEquals": ["A"], "IntervalSeconds": 1.5 } => expected u64
{ "ErrorEquals": ["A"], "BackoffRate": 0.5 } => BackoffRate is 1.0
{ "ErrorEquals": ["A"], "MaxAttempts": -1 } => expected u32
{ "ErrorEquals": ["A"], "MaxDelaySeconds": 1 } => MaxDelaySeconds is above
{ "ErrorEquals": ["A"], "JitterStrategy": "HALF" } => unknown variant `HALF`
{ "ErrorEquals": ["A"], "Next": "B" } => unknown field `Next`
"#,
        ) {
            let refusal = retrier(value.clone()).unwrap_err();
            assert!(refusal.contains(problem), "{value}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_never_above_the_longest_delay(
            retried in 0_u32..100_000,
            rate in 1.0_f64..50.0,
            jitter in prop::sample::select(vec!["FULL", "NONE"]),
            seed in any::<u64>(),
        ) {
            let retrier = retrier(json!({
                "ErrorEquals": ["Throttled"],
                "BackoffRate": rate,
                "MaxDelaySeconds": 60,
                "JitterStrategy": jitter,
            })).unwrap();
            let delay = |seed| retrier.delay(retried, &mut fastrand::Rng::with_seed(seed));
            prop_assert!(delay(seed) <= Duration::from_mins(1));
            prop_assert_eq!(delay(seed), delay(seed));
        }
    }
}
