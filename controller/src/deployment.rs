//! One deployment between two steps: what it was asked for, what it named, how far it got.

use crate::contract::Failure;
use crate::drain::budget::Control;
use crate::drain::flows::Flows;
use crate::identity::DeploymentId;
use crate::lock::Lock;
use crate::observation::{Observation, TaskSet};
use crate::phase::To;
use crate::reason::Reason;
use crate::request::Request;
use crate::scale_down;

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
    /// Whether the rollback is that of an earlier execution, which ended in it: this one finishes it
    /// before its own deployment begins.
    pub finishing: bool,
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
    /// Neither: a swap that an earlier deployment left half done is finished.
    HalfSwapped,
}

impl Course {
    /// The value of `course` in the state machine.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Back => "back",
            Self::Leftover => "leftover",
            Self::HalfSwapped => "halfSwapped",
        }
    }

    pub(crate) fn parse(value: &str) -> Option<Self> {
        [Self::Forward, Self::Back, Self::Leftover, Self::HalfSwapped]
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
    /// Whether production traffic has moved, and the swap bakes.
    pub baking: bool,
    /// Turns in a row with a write that was not answered.
    pub unanswered: u32,
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

    /// The progress of a rollback: the seconds of the phase that failed are not its own, but whether the
    /// original may have been scaled down a moment ago stays known.
    pub(crate) fn begin_rollback(&mut self) {
        self.progress = Progress {
            step: scale_down::begun(self),
            ..Progress::default()
        };
        self.control = self.control.anew();
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
            progress: Progress::default(),
            control: self.control.anew(),
            ..self.clone()
        })
    }
}

/// What a turn answers: where the state machine goes, after how long, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The state that comes next.
    pub to: To,
    /// What was seen and decided.
    pub reason: Reason,
    /// Seconds to wait before the next turn.
    pub wait: u32,
    /// The deployment after this turn.
    pub deployment: Deployment,
}
