//! One invocation of a function: its clock and its end.

use std::time::SystemTime;

use ebbtide_controller::action::Action;
use ebbtide_controller::refusal::ErrorName;
use tokio::time::Instant;

use crate::clients::OPERATION;
use crate::error::StepError;

/// One invocation of a function.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// The function's own ARN, as Lambda gives it: only executions of its partition, region and account
    /// are served.
    pub function_arn: &'a str,
    /// What no other invocation has, not even one of the same request: Lambda may run one twice.
    pub nonce: &'a str,
    /// When it began.
    pub began: SystemTime,
    /// When Lambda ends it.
    pub deadline: SystemTime,
    /// The same beginning, by a clock that does not jump.
    pub started: Instant,
}

impl Invocation<'_> {
    /// The time now.
    pub(crate) fn now(&self) -> SystemTime {
        self.began + self.started.elapsed()
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_millis(&self) -> u64 {
        since_1970(self.now())
    }

    pub(crate) fn deadline_millis(&self) -> u64 {
        since_1970(self.deadline)
    }

    /// Fails where Lambda may end the function before one more call with all its attempts ends: a write
    /// that Lambda cuts off may land much later.
    pub(crate) fn has_time_for(&self, action: &Action) -> Result<(), StepError> {
        let left = self.deadline.duration_since(self.now());
        if left.is_ok_and(|left| left > OPERATION) {
            return Ok(());
        }
        Err(StepError::new(
            ErrorName::Transient,
            format!("The function has too little time left to {action}."),
        ))
    }
}

pub(crate) fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
