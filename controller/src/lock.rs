//! The lock of a service: one deployment at a time (rule R7).
//!
//! The state machine takes, renews, takes over and releases it with DynamoDB's conditional writes.
//! What is decided here is whether a function may still write under it.

use crate::arn::short;
use crate::request::Request;

/// Seconds for which a renewal allows writes.
///
/// A task that Step Functions redrives, retries much later or invokes twice comes without a renewal
/// before it: it writes nothing once this time is over.
pub const LEASE: u32 = 60;

/// Seconds between seeing that an owner has ended and taking its lock over.
///
/// Its last function may have started [`LEASE`] seconds after its last renewal and runs for 60
/// seconds at most (the functions' timeout): after that none of its writes can land. The rest, a
/// minute, is for clocks that differ.
pub const GRACE: u32 = 180;

/// Renewals in a row without a step being done, at most.
const MOST_RENEWALS: u32 = 10;

/// The lock of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The key of its item: `CLUSTER/SERVICE`.
    pub id: String,
    /// What the last renewal answered; `None` before there was one.
    pub held: Option<Held>,
}

/// A lock as its last renewal answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The ARN of the execution that owns it.
    pub owner: String,
    /// Rises with every new owner.
    pub fence: u64,
    /// When it was renewed, as Step Functions writes it (RFC 3339).
    pub renewed_at: String,
}

impl Lock {
    /// The lock of the service that a request names, whoever holds it.
    pub fn of(request: &Request) -> Self {
        Self {
            id: format!("{}/{}", short(&request.cluster), request.service),
            held: None,
        }
    }

    /// Whether an execution may write, `age` seconds after the renewal; an age that cannot be told
    /// is too old.
    pub fn allows(&self, execution: &str, age: Option<u64>) -> bool {
        self.held.as_ref().is_some_and(|held| {
            held.owner == execution && age.is_some_and(|age| age <= u64::from(LEASE))
        })
    }
}

/// Whether a step that came too late for its renewal shall ask for another one: ten in a row mean
/// that it never gets done in time.
pub fn may_renew(renewals: u32) -> bool {
    renewals < MOST_RENEWALS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::World;

    fn held() -> Lock {
        Lock {
            id: "main/web".into(),
            held: Some(Held {
                owner: "me".into(),
                fence: 7,
                renewed_at: "2026-01-01T00:00:00Z".into(),
            }),
        }
    }

    #[test]
    fn a_lock_is_named_by_cluster_and_service_however_the_cluster_is_written() {
        let mut request = World::serving().request;
        assert_eq!(Lock::of(&request).id, "main/web");
        request.cluster = "arn:aws:ecs:us-east-1:555555555555:cluster/main".into();
        assert_eq!(Lock::of(&request).id, "main/web");
    }

    #[test]
    fn a_renewal_allows_writes_for_a_minute() {
        assert!(held().allows("me", Some(0)));
        assert!(held().allows("me", Some(60)));
        assert!(!held().allows("me", Some(61)));
        assert!(!held().allows("me", None));
    }

    #[test]
    fn somebody_elses_lock_allows_nothing() {
        assert!(!held().allows("you", Some(0)));
        assert!(!Lock::of(&World::serving().request).allows("me", Some(0)));
    }

    #[test]
    fn the_grace_outlasts_the_last_write_of_an_owner_that_ended() {
        const FUNCTION_TIMEOUT: u32 = 60;
        const { assert!(GRACE >= LEASE + FUNCTION_TIMEOUT + 60) }
        const { assert!(GRACE >= 2 * FUNCTION_TIMEOUT) }
    }
}
