//! Targets as a target group knows them.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// An IP address or an instance id.
    pub id: String,
    pub port: u16,
    /// Its Availability Zone, if it was given.
    pub zone: Option<String>,
    pub phase: Phase,
    pub(crate) generation: u64,
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) check_is_due: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// No listener uses the group: no health checks (Docs).
    Unused,
    /// The load balancer does not check it yet.
    Registering,
    /// Health checks have begun and have not decided.
    Checking,
    /// It passed.
    Healthy,
    /// It failed.
    Unhealthy,
    /// It was deregistered, and the deregistration delay runs.
    Draining,
}

/// The state of a target as `DescribeTargetHealth` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthState {
    /// `initial`, `healthy`, …
    pub state: &'static str,
    /// `Elb.RegistrationInProgress`, …
    pub reason: Option<&'static str>,
    pub description: Option<&'static str>,
}

/// A target's place in a target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub group: String,
    /// An IP address or an instance id.
    pub id: String,
    pub port: u16,
}

/// A target as it was when something was scheduled for it: with another generation it is another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TargetRef {
    pub(crate) group: String,
    pub(crate) target: String,
    pub(crate) generation: u64,
}

impl Phase {
    /// As `DescribeTargetHealth` writes it (Model: states and reasons).
    pub fn health(self) -> HealthState {
        let (state, reason, description) = match self {
            Self::Unused => (
                "unused",
                Some("Target.NotInUse"),
                Some("Target group is not configured to receive traffic from the load balancer"),
            ),
            Self::Registering => (
                "initial",
                Some("Elb.RegistrationInProgress"),
                Some("Target registration is in progress"),
            ),
            Self::Checking => (
                "initial",
                Some("Elb.InitialHealthChecking"),
                Some("Initial health checks in progress"),
            ),
            Self::Healthy => ("healthy", None, None),
            Self::Unhealthy => (
                "unhealthy",
                Some("Target.FailedHealthChecks"),
                Some("Health checks failed"),
            ),
            Self::Draining => (
                "draining",
                Some("Target.DeregistrationInProgress"),
                Some("Target deregistration is in progress"),
            ),
        };
        HealthState {
            state,
            reason,
            description,
        }
    }
}

impl Registration {
    /// Where the target is kept in its group.
    pub(crate) fn key(&self) -> String {
        format!("{}:{}", self.id, self.port)
    }
}
