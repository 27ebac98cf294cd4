//! The Tasks of the state machine, and where each of them may lead.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Task of the state machine: what a function is invoked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Checks the request against the world. Writes nothing and takes no lock.
    Preflight,
    /// Takes the lock, finds leftovers, adopts or creates the replacement, checks its health.
    CheckAndCreate,
    /// Moves production traffic, forward or back, and bakes.
    Swap,
    /// Makes the next step of a drain.
    ScaleDown,
    /// Deletes the drained task set and checks that production works.
    Cleanup,
    /// Undoes what can be undone.
    Rollback,
}

impl Phase {
    /// Every phase, in the order of a deployment.
    pub const ALL: [Self; 6] = [
        Self::Preflight,
        Self::CheckAndCreate,
        Self::Swap,
        Self::ScaleDown,
        Self::Cleanup,
        Self::Rollback,
    ];

    /// The value of `phase` in an event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::CheckAndCreate => "check-and-create",
            Self::Swap => "swap",
            Self::ScaleDown => "scale-down",
            Self::Cleanup => "cleanup",
            Self::Rollback => "rollback",
        }
    }

    /// The phase of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }

    /// The Task that is this phase.
    pub fn task(self) -> To {
        match self {
            Self::Preflight => To::Preflight,
            Self::CheckAndCreate => To::CheckAndCreateService,
            Self::Swap => To::Swap,
            Self::ScaleDown => To::ScaleDown,
            Self::Cleanup => To::Cleanup,
            Self::Rollback => To::Rollback,
        }
    }

    /// The Wait before the next turn of this phase.
    pub fn wait(self) -> To {
        match self {
            // It takes no lock and waits for nothing.
            Self::Preflight => To::Preflight,
            Self::CheckAndCreate => To::WaitForServiceReady,
            Self::Swap => To::Bake,
            Self::ScaleDown => To::Wait,
            Self::Cleanup => To::WaitForDeletion,
            Self::Rollback => To::WaitForOriginal,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A state of the state machine that an answer leads to: the value of `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the states in the definition")]
pub enum To {
    Preflight,
    CheckAndCreateService,
    WaitForServiceReady,
    Swap,
    Bake,
    ScaleDown,
    Wait,
    Cleanup,
    WaitForDeletion,
    Rollback,
    WaitForOriginal,
    /// The call of a hook for this phase, which comes next.
    Hook(Phase),
    DeploymentSucceeded,
    DryRunSucceeded,
    DeploymentFailed,
}

impl To {
    /// Every state but `Hook`.
    pub const ALL: [Self; 14] = [
        Self::Preflight,
        Self::CheckAndCreateService,
        Self::WaitForServiceReady,
        Self::Swap,
        Self::Bake,
        Self::ScaleDown,
        Self::Wait,
        Self::Cleanup,
        Self::WaitForDeletion,
        Self::Rollback,
        Self::WaitForOriginal,
        Self::DeploymentSucceeded,
        Self::DryRunSucceeded,
        Self::DeploymentFailed,
    ];

    /// The state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "Preflight",
            Self::CheckAndCreateService => "CheckAndCreateService",
            Self::WaitForServiceReady => "WaitForServiceReady",
            Self::Swap => "Swap",
            Self::Bake => "Bake",
            Self::ScaleDown => "ScaleDown",
            Self::Wait => "Wait",
            Self::Cleanup => "Cleanup",
            Self::WaitForDeletion => "WaitForDeletion",
            Self::Rollback => "Rollback",
            Self::WaitForOriginal => "WaitForOriginal",
            Self::Hook(_) => "Hook",
            Self::DeploymentSucceeded => "DeploymentSucceeded",
            Self::DryRunSucceeded => "DryRunSucceeded",
            Self::DeploymentFailed => "DeploymentFailed",
        }
    }

    /// The state of that name; none for `Hook`, which does not say where it leads.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|to| to.as_str() == name)
    }

    /// The phase that comes next, through a Wait or at once; `None` where the execution ends.
    pub fn phase(self) -> Option<Phase> {
        Some(match self {
            Self::Preflight => Phase::Preflight,
            Self::CheckAndCreateService | Self::WaitForServiceReady => Phase::CheckAndCreate,
            Self::Swap | Self::Bake => Phase::Swap,
            Self::ScaleDown | Self::Wait => Phase::ScaleDown,
            Self::Cleanup | Self::WaitForDeletion => Phase::Cleanup,
            Self::Rollback | Self::WaitForOriginal => Phase::Rollback,
            Self::Hook(phase) => phase,
            Self::DeploymentSucceeded | Self::DryRunSucceeded | Self::DeploymentFailed => {
                return None;
            }
        })
    }

    /// Whether a deployment is over there, so that its lock is released.
    pub fn is_the_end(self) -> bool {
        self.phase().is_none()
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_leads_back_to_its_phase() {
        for phase in Phase::ALL {
            assert_eq!(phase.wait().phase(), Some(phase));
            assert_eq!(phase.task().phase(), Some(phase));
            assert_eq!(Phase::parse(phase.as_str()), Some(phase));
        }
    }

    #[test]
    fn states_are_known_by_their_names() {
        for to in To::ALL {
            assert_eq!(To::parse(to.as_str()), Some(to));
        }
        assert_eq!(To::parse("Elsewhere"), None);
    }
}
