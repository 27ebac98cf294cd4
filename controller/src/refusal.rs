//! The stable error names and the sentence that goes with each.

use std::fmt;

use crate::fix::Fix;
use crate::quote::sentence;

/// Every error name a deployment can end or be retried with.
///
/// They are the contract with `Retry` and `Catch` in the state machine and with the alarms that watch
/// executions: a name is never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorName {
    /// A field of the input is missing, unknown or out of range.
    InvalidInput,
    /// The input is well formed, but the account does not allow this deployment.
    PreflightFailed,
    /// The service is not as this deployment left it: something else changed it.
    Drift,
    /// Another deployment of the same service is running.
    ConcurrentDeployment,
    /// This execution no longer owns the service.
    LockLost,
    /// The replacement task set did not become steady and healthy in `readinessTimeout`.
    NotReadyTimeout,
    /// Too many tasks of the replacement failed before it took traffic.
    ReplacementFailed,
    /// The replacement lost its health after it had taken traffic.
    HealthLost,
    /// What serves has lost its health while an earlier deployment's task set was drained.
    ServingSetUnhealthy,
    /// Nothing behind the production listener works at the end of a deployment.
    ProductionUnhealthy,
    /// The original task set was not drained in `drainTimeout`.
    DrainTimeout,
    /// A CloudWatch alarm that the request names is in `ALARM`.
    AlarmRaised,
    /// An operator has asked to go back.
    OperatorRollback,
    /// A planned pause ran out without an approval.
    PauseTimeout,
    /// A hook has failed.
    CheckFailed,
    /// A step of a traffic shift could not be judged in its time.
    ShiftTimeout,
    /// Operators have paused a deployment for too long.
    PausedTooLong,
    /// A deployment that had not moved traffic could no longer end in time.
    TooLate,
    /// One of several services was not deployed.
    ServiceFailed,
    /// The service has as many task sets as ECS allows.
    TaskSetLimit,
    /// The service is not `ACTIVE`.
    ServiceNotActive,
    /// The function's role does not allow a call.
    Permission,
    /// AWS did not answer, or answered with a fault of its own.
    Transient,
    /// AWS asked to be called more slowly.
    Throttled,
    /// A write is not visible in reads yet.
    NotYetConsistent,
}

impl ErrorName {
    /// Every name, terminal ones first.
    pub const ALL: [Self; 25] = [
        Self::InvalidInput,
        Self::PreflightFailed,
        Self::Drift,
        Self::ConcurrentDeployment,
        Self::LockLost,
        Self::NotReadyTimeout,
        Self::ReplacementFailed,
        Self::HealthLost,
        Self::ServingSetUnhealthy,
        Self::ProductionUnhealthy,
        Self::DrainTimeout,
        Self::AlarmRaised,
        Self::OperatorRollback,
        Self::PauseTimeout,
        Self::CheckFailed,
        Self::ShiftTimeout,
        Self::PausedTooLong,
        Self::TooLate,
        Self::ServiceFailed,
        Self::TaskSetLimit,
        Self::ServiceNotActive,
        Self::Permission,
        Self::Transient,
        Self::Throttled,
        Self::NotYetConsistent,
    ];

    /// The name as Step Functions sees it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "InvalidInput",
            Self::PreflightFailed => "PreflightFailed",
            Self::Drift => "Drift",
            Self::ConcurrentDeployment => "ConcurrentDeployment",
            Self::LockLost => "LockLost",
            Self::NotReadyTimeout => "NotReadyTimeout",
            Self::ReplacementFailed => "ReplacementFailed",
            Self::HealthLost => "HealthLost",
            Self::ServingSetUnhealthy => "ServingSetUnhealthy",
            Self::ProductionUnhealthy => "ProductionUnhealthy",
            Self::DrainTimeout => "DrainTimeout",
            Self::AlarmRaised => "AlarmRaised",
            Self::OperatorRollback => "OperatorRollback",
            Self::PauseTimeout => "PauseTimeout",
            Self::CheckFailed => "CheckFailed",
            Self::ShiftTimeout => "ShiftTimeout",
            Self::PausedTooLong => "PausedTooLong",
            Self::TooLate => "TooLate",
            Self::ServiceFailed => "ServiceFailed",
            Self::TaskSetLimit => "TaskSetLimit",
            Self::ServiceNotActive => "ServiceNotActive",
            Self::Permission => "Permission",
            Self::Transient => "Transient",
            Self::Throttled => "Throttled",
            Self::NotYetConsistent => "NotYetConsistent",
        }
    }

    /// Whether the same call may succeed a little later, without any change.
    pub fn is_worth_retrying(self) -> bool {
        match self {
            Self::Transient | Self::Throttled | Self::NotYetConsistent => true,
            Self::InvalidInput
            | Self::PreflightFailed
            | Self::Drift
            | Self::ConcurrentDeployment
            | Self::LockLost
            | Self::NotReadyTimeout
            | Self::ReplacementFailed
            | Self::HealthLost
            | Self::ServingSetUnhealthy
            | Self::ProductionUnhealthy
            | Self::DrainTimeout
            | Self::AlarmRaised
            | Self::OperatorRollback
            | Self::PauseTimeout
            | Self::CheckFailed
            | Self::ShiftTimeout
            | Self::PausedTooLong
            | Self::TooLate
            | Self::ServiceFailed
            | Self::TaskSetLimit
            | Self::ServiceNotActive
            | Self::Permission => false,
        }
    }

    /// Whether it is about the replacement, a check of it, an operator's command, or a judgement that did not come, so that
    /// traffic may move back (rule R6). An error of AWS, a late drain and a change by another person are neither.
    pub fn blames_the_replacement(self) -> bool {
        match self {
            Self::NotReadyTimeout
            | Self::ReplacementFailed
            | Self::HealthLost
            | Self::ProductionUnhealthy
            | Self::AlarmRaised
            | Self::OperatorRollback
            | Self::PauseTimeout
            | Self::CheckFailed
            | Self::ShiftTimeout => true,
            Self::InvalidInput
            | Self::PreflightFailed
            | Self::Drift
            | Self::ConcurrentDeployment
            | Self::LockLost
            | Self::ServingSetUnhealthy
            | Self::DrainTimeout
            | Self::PausedTooLong
            | Self::TooLate
            | Self::ServiceFailed
            | Self::TaskSetLimit
            | Self::ServiceNotActive
            | Self::Permission
            | Self::Transient
            | Self::Throttled
            | Self::NotYetConsistent => false,
        }
    }

    /// The name as it stands in a state; `None` where it is none of ours.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a deployment cannot continue: the error name, what was seen, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}{}{fix}", if fix.is_empty() { "" } else { " " })]
pub struct Refusal {
    /// The name that ends the execution.
    pub error: ErrorName,
    /// What was seen and what was wanted, as a sentence.
    pub problem: String,
    /// What to do next; empty where that is not known.
    pub fix: Fix,
}

impl Refusal {
    /// A refusal from its two parts, in which anything may be quoted.
    pub fn new(error: ErrorName, problem: impl Into<String>, fix: impl Into<Fix>) -> Self {
        Self {
            error,
            problem: sentence(&problem.into()),
            fix: fix.into(),
        }
    }

    pub(crate) fn preflight(problem: impl Into<String>, fix: impl Into<Fix>) -> Self {
        Self::new(ErrorName::PreflightFailed, problem, fix)
    }

    /// Something that should exist was not found: a read may be stale, so it is worth another check.
    pub(crate) fn not_seen(problem: impl Into<String>) -> Self {
        Self::new(
            ErrorName::NotYetConsistent,
            problem,
            "If this persists, it was deleted: start a new execution.",
        )
    }

    pub(crate) fn drift(problem: impl Into<String>, fix: impl Into<Fix>) -> Self {
        Self::new(ErrorName::Drift, problem, fix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_what_was_seen_and_what_to_do() {
        let refusal = Refusal::drift("The task set is gone.", "Start a new execution.");
        assert_eq!(
            refusal.to_string(),
            "The task set is gone. Start a new execution."
        );
    }

    #[test]
    fn quoted_text_in_a_refusal_is_visible_and_of_bounded_length() {
        let refusal = Refusal::drift("\u{1b}[2J\n".repeat(10_000), "Look.");
        assert!(refusal.problem.starts_with("\\u{1b}[2J\\n"), "{refusal}");
        assert!(refusal.to_string().chars().count() < 4_100);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ErrorName::ALL.iter().map(|name| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorName::ALL.len());
    }
}
