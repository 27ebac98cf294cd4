//! One deployment between two steps: what it was asked for, what it named, how far it got.

use std::fmt;

use crate::budget::Control;
use crate::contract::Failure;
use crate::flows::Flows;
use crate::identity::DeploymentId;
use crate::lock::Lock;
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
    /// The lock of the service.
    pub lock: Lock,
    /// Which way traffic goes.
    pub course: Course,
    /// What went wrong, while it is being rolled back.
    pub failure: Option<Failure>,
    /// The alarms that the request names, as CloudWatch had them a moment ago.
    pub alarms: Vec<Alarm>,
    /// How a drain by a budget goes on.
    pub control: Control,
    /// The metrics that the drain goes by, as CloudWatch had them a moment ago.
    pub flows: Flows,
    /// Seconds since 1970. Only the pace of a drain and the deadline of its budget go by it: the
    /// other deadlines count the seconds waited.
    pub now: u64,
}

/// Which way a deployment moves traffic: from its original to its replacement, whichever they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Course {
    /// To the new version.
    #[default]
    Forward,
    /// Back: the original is the task set that failed, the replacement the one that served before.
    Back,
    /// Neither: the original is what an earlier deployment left over, the replacement is what
    /// serves.
    Leftover,
}

impl Course {
    /// The value of `course` in the state machine.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Back => "back",
            Self::Leftover => "leftover",
        }
    }

    pub(crate) fn parse(value: &str) -> Option<Self> {
        [Self::Forward, Self::Back, Self::Leftover]
            .into_iter()
            .find(|course| course.as_str() == value)
    }
}

/// A CloudWatch alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
}

/// How far a phase (readiness, drain, deletion) has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Seconds this phase has waited, the wait before the next step included.
    pub waited: u32,
    /// Looks in a row at which the replacement was steady and healthy.
    pub looks: u32,
    /// The next step of the drain, counted from 1; 0 while the swap bakes.
    pub step: u32,
    /// Seconds for which a step has been held because the replacement is not healthy.
    pub held: u32,
    /// Looks at a held step that were made sooner than the others of this phase.
    pub soon: u32,
    /// Seconds from the next look to the next step of the drain: a long pause is looked at in between.
    pub pause: u32,
    /// Renewals of the lock in a row without a step being done.
    pub renewals: u32,
}

impl Deployment {
    /// The task set this deployment created, as it is now; one that is being deleted too.
    ///
    /// Found by its id once that is known, and before that by the deployment's label.
    pub fn replacement_in<'a>(&self, observation: &'a Observation) -> Option<&'a TaskSet> {
        let sets = &observation.task_sets;
        if let Some(id) = &self.replacement {
            return sets.iter().find(|set| set.id == *id);
        }
        let label = self.id.external_id();
        sets.iter()
            .find(|set| set.external_id.as_deref() == Some(label.as_str()))
    }

    /// The task set that served when the deployment began, as it is now.
    pub fn original_in<'a>(&self, observation: &'a Observation) -> Option<&'a TaskSet> {
        let id = self.original.as_ref()?;
        observation.task_sets.iter().find(|set| set.id == *id)
    }

    /// The same deployment the other way round: what it created goes, what served before stays.
    ///
    /// `None` for a first deployment, which has nothing to go back to.
    pub fn reversed(&self) -> Option<Self> {
        Some(Self {
            original: self.replacement.clone(),
            original_target_group: self.replacement_target_group.clone(),
            replacement: Some(self.original.clone()?),
            replacement_target_group: self.original_target_group.clone(),
            course: Course::Back,
            control: self.control.anew(),
            ..self.clone()
        })
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
    /// Nothing is left over from an earlier deployment.
    Settled,
    /// An earlier deployment left a swap half done.
    HalfSwapped,
    /// The original is at full strength and healthy: traffic may go back to it.
    Restored,
    /// The deployment failed, and what could be undone was.
    Failed,
    /// Too much time has passed since the lock was renewed: nothing was done.
    Renew,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 14] = [
        Self::Passed,
        Self::DryRun,
        Self::Created,
        Self::Waiting,
        Self::Ready,
        Self::Swapped,
        Self::Draining,
        Self::Drained,
        Self::Deployed,
        Self::Settled,
        Self::HalfSwapped,
        Self::Restored,
        Self::Failed,
        Self::Renew,
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
            Self::Settled => "settled",
            Self::HalfSwapped => "halfSwapped",
            Self::Restored => "restored",
            Self::Failed => "failed",
            Self::Renew => "renew",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
