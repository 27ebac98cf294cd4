//! One deployment between two steps: what it was asked for, what it named, how far it got.

use std::fmt;

use crate::identity::DeploymentId;
use crate::observation::{Observation, TaskSet};
use crate::request::Request;

/// What a deployment carries from step to step.
///
/// It *names* things; whether they are what they were is read from the world every time (rule
/// R1).
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Which deployment this is.
    pub id: DeploymentId,
    /// The request with every default filled in.
    pub request: Request,
    /// The ARN of the target group that served when the deployment began.
    pub original_target_group: String,
    /// The ARN of the other one, which serves when it is done.
    pub replacement_target_group: String,
    /// The task set that served when the deployment began; `None` for a first deployment.
    pub original: Option<String>,
    /// The task set this deployment created, once it has.
    pub replacement: Option<String>,
    /// Tasks of the original when its drain was planned: at the swap.
    pub tasks: u32,
    /// The service's desired count at that time.
    pub desired: u32,
    /// How far the current phase has got.
    pub progress: Progress,
}

/// How far a phase (readiness, drain, deletion) has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Seconds this phase has waited, the wait before the next step included.
    pub waited: u32,
    /// Looks in a row at which the replacement was steady and healthy.
    pub looks: u32,
    /// The next step of the drain, counted from 1.
    pub step: u32,
}

impl Deployment {
    /// The task set this deployment created, as it is now; one that is being deleted too.
    pub fn replacement_in<'a>(&self, observation: &'a Observation) -> Option<&'a TaskSet> {
        let external_id = self.id.external_id();
        observation
            .task_sets
            .iter()
            .find(|task_set| task_set.external_id.as_deref() == Some(external_id.as_str()))
    }

    /// The task set that served when the deployment began, as it is now.
    pub fn original_in<'a>(&self, observation: &'a Observation) -> Option<&'a TaskSet> {
        let id = self.original.as_ref()?;
        observation.task_sets.iter().find(|set| set.id == *id)
    }
}

/// What a step answers: data for the state machine to choose by, and a sentence for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What the state machine goes by.
    pub status: Status,
    /// What was seen and decided, as a sentence.
    pub reason: String,
    /// Seconds to wait before the next step.
    pub wait: u32,
    /// The deployment after this step.
    pub deployment: Deployment,
}

/// The values that a Choice of the state machine tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The request and the world fit together.
    Passed,
    /// They do, and nothing more was asked for.
    DryRun,
    /// The replacement task set exists.
    Created,
    /// Look again after `wait` seconds.
    Waiting,
    /// The replacement is steady and healthy.
    Ready,
    /// The production listener forwards to the replacement.
    Swapped,
    /// Tasks of the original are left.
    Draining,
    /// The original runs no task any more.
    Drained,
    /// The original is gone and the world is as it should be.
    Deployed,
    /// The deployment failed, and what could be undone was.
    Failed,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 10] = [
        Self::Passed,
        Self::DryRun,
        Self::Created,
        Self::Waiting,
        Self::Ready,
        Self::Swapped,
        Self::Draining,
        Self::Drained,
        Self::Deployed,
        Self::Failed,
    ];

    /// The value of `status` in the state machine.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::DryRun => "dryRun",
            Self::Created => "created",
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Swapped => "swapped",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Deployed => "deployed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
