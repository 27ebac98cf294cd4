//! The end of a deployment: what runs now, what was undone, what remains.

use std::fmt;

use super::sentence::Placed;
use super::shortfall::{NotHealthyNow, Shortfall};
use crate::arn::{is_of_a_registry, short};
use crate::clock::rfc3339;
use crate::counted::counted;
use crate::id::{RouteArn, TargetGroupArn, TaskDefinitionId, TaskSetId};
use crate::refusal::Refusal;

/// What a service runs once a deployment, or its rollback, is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The service.
    pub service: String,
    /// The task definition: its ARN, or as the request has it.
    pub task_definition: TaskDefinitionId,
    /// The task set.
    pub task_set: Option<TaskSetId>,
    /// The ARN of its target group.
    pub target_group: TargetGroupArn,
    /// What the task set lacks, where it lost its health after the last step: nothing can be undone for it
    /// any more.
    pub unhealthy: Option<Shortfall>,
    /// What is still there.
    pub remarks: Vec<Remark>,
}

/// What a deployment leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Tasks that do not stop, though their task set wants none.
    Straggler {
        /// The task set's id.
        task_set: TaskSetId,
        /// How many they are.
        tasks: u32,
    },
    /// ECS has not finished the deletion of a task set.
    SlowDeletion {
        /// Its id.
        task_set: TaskSetId,
        /// Tasks of it that run.
        tasks: u32,
    },
    /// A rule for tests could not be deleted.
    TestRule {
        /// Its number and the port of its listener, in words.
        name: String,
        /// Its ARN.
        rule: RouteArn,
    },
    /// Scale-in could not be resumed.
    ScaleInHeld {
        /// The service, as Application Auto Scaling names it.
        resource: String,
        /// Why not.
        why: String,
    },
    /// A hook that could undo nothing any more did not succeed: in words.
    Hook(String),
    /// A step was made without a check, which had too few samples.
    Check {
        /// Its place in the input.
        number: usize,
        /// What it compares.
        metric: String,
    },
    /// The deployment has ended after `finishBy`.
    Late {
        /// That time, in seconds since 1970.
        finish_by: u64,
        /// Seconds after it.
        seconds: u64,
    },
}

impl Remark {
    /// The same in one word, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Straggler { .. } => "straggler",
            Self::SlowDeletion { .. } => "slowDeletion",
            Self::TestRule { .. } => "testRule",
            Self::ScaleInHeld { .. } => "scaleInHeld",
            Self::Hook(_) => "hook",
            Self::Check { .. } => "check",
            Self::Late { .. } => "late",
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> String {
        match self {
            Self::Straggler { .. } => {
                "Check its tasks (scale-in protection, a disconnected ECS agent) and stop them: aws ecs \
                 stop-task. The next deployment sends them no traffic, and deletes the task set once they are gone."
                    .to_owned()
            }
            Self::SlowDeletion { .. } => {
                "ECS finishes the deletion by itself: check the service's events if it does not.".to_owned()
            }
            Self::TestRule { rule, .. } => format!(
                "The functions' log has AWS's answer. Delete it: {}. The next deployment tries it again.",
                deleted_by(rule)
            ),
            Self::ScaleInHeld { resource, .. } => format!(
                "The next deployment resumes it. To resume it now: {}.",
                resumed_by(resource)
            ),
            Self::Hook(_) => "Read what the function has written: aws logs tail.".to_owned(),
            Self::Check { .. } => {
                "Check the metric's name and dimensions, that it is reported each minute, and that the functions may read it."
                    .to_owned()
            }
            Self::Late { .. } => {
                "The drain keeps to what clients bear. Start the next deployment earlier, drain faster, or set a later finishBy."
                    .to_owned()
            }
        }
    }
}

/// What resumes scale-in alone.
pub fn resumed_by(resource: &str) -> String {
    format!(
        "aws application-autoscaling register-scalable-target --service-namespace ecs --scalable-dimension ecs:service:DesiredCount --resource-id {resource} --suspended-state DynamicScalingInSuspended=false"
    )
}

fn deleted_by(rule: &RouteArn) -> String {
    format!("aws elbv2 delete-rule --rule-arn {rule}")
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Straggler { task_set, tasks } => write!(
                f,
                "{task_set} is at scale 0, but still has {}",
                counted(*tasks, "task")
            ),
            Self::SlowDeletion { task_set, .. } => write!(f, "ECS is still deleting {task_set}"),
            Self::TestRule { name, rule } => write!(
                f,
                "{name} is a test rule that could not be deleted ({})",
                deleted_by(rule)
            ),
            Self::ScaleInHeld { resource, why } => write!(
                f,
                "scale-in of {resource} was not resumed ({})",
                why.trim_end_matches('.')
            ),
            Self::Hook(why) => f.write_str(why.trim_end_matches('.')),
            Self::Check { number, metric } => write!(
                f,
                "a step was made without checks[{number}], which had too few samples of {metric}"
            ),
            Self::Late { finish_by, seconds } => write!(
                f,
                "it has ended {seconds} s after {} (finishBy)",
                rfc3339(*finish_by)
            ),
        }
    }
}

/// What was undone of a deployment that failed, and what remains.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nothing could be undone, and `failure` says everything.
    Untouched,
    /// The original serves again, and the replacement is gone.
    RolledBack(Running),
    /// There is no replacement.
    NoReplacement {
        /// The original, where one served before.
        original: Option<TaskSetId>,
    },
    /// The replacement is being deleted already.
    BeingDeleted {
        /// Its id.
        replacement: TaskSetId,
        /// The original, where one served before.
        original: Option<TaskSetId>,
    },
    /// Nothing was undone on purpose.
    LeftAlone {
        /// Why.
        why: LeftAlone,
        /// What is there.
        remains: Remains,
    },
    /// There is no original to go back to.
    NoOriginal {
        /// What is there.
        remains: Remains,
    },
    /// The original did not get healthy again.
    OriginalNotHealthy {
        /// Its id.
        original: TaskSetId,
        /// Seconds that it was waited for.
        seconds: u32,
        /// What it lacks.
        shortfall: Shortfall,
        /// What is there.
        remains: Remains,
    },
    /// The production listener was moved away from a replacement that has served: it keeps its connections.
    ListenerMoved {
        /// What is there.
        remains: Remains,
    },
    /// Where production traffic goes cannot be determined.
    NothingUndone(Refusal),
    /// The rollback was refused itself.
    NotRolledBack(Refusal),
}

/// Why nothing is undone at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftAlone {
    /// Traffic was rolling back already.
    WayBackFailed,
    /// The failure is about a leftover, not about the set that serves.
    Leftover,
    /// `rollbackOnFailure` is false.
    NotWanted,
    /// The failure is not about the replacement, which serves.
    NotToBlame,
}

/// What is there, for a rollback that leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// The name of the target group that production traffic goes to; `None` where that cannot be determined.
    pub production: Option<String>,
    /// The replacement.
    pub replacement: Place,
    /// The original.
    pub original: Place,
}

/// A task set on its target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The task set's id and how many tasks it runs; `None` where it is not there.
    pub task_set: Option<(TaskSetId, u32)>,
    /// The ARN of the target group.
    pub target_group: TargetGroupArn,
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "service {} runs {} as {} {}{}",
            self.service,
            short(&self.task_definition),
            self.task_set.as_deref().unwrap_or_default(),
            Placed(&self.target_group),
            NotHealthyNow(self.unhealthy.as_ref()),
        )?;
        for remark in &self.remarks {
            write!(f, "; {remark}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untouched => Ok(()),
            Self::RolledBack(running) => write!(f, "Rolled back: {running}."),
            Self::NoReplacement { original } => write!(
                f,
                "Rolled back: there is no replacement task set, and {}.",
                AsBefore(original.as_deref())
            ),
            Self::BeingDeleted {
                replacement,
                original,
            } => write!(
                f,
                "Rolled back: {replacement} is being deleted, and {}.",
                AsBefore(original.as_deref())
            ),
            Self::LeftAlone { why, remains } => write!(f, "{why}: {remains}."),
            Self::NoOriginal { remains } => write!(
                f,
                "Not rolled back, because there is no original to go back to: {remains}."
            ),
            Self::OriginalNotHealthy {
                original,
                seconds,
                shortfall,
                remains,
            } => write!(
                f,
                "Not rolled back, because {original} did not become healthy again within {seconds} s ({shortfall}): {remains}."
            ),
            Self::ListenerMoved { remains }
                if is_of_a_registry(&remains.replacement.target_group) =>
            {
                write!(
                    f,
                    "Not rolled back, because PRIMARY was changed outside this deployment: {remains}."
                )
            }
            Self::ListenerMoved { remains } => write!(
                f,
                "Not rolled back, because the production listener was moved outside this deployment: {remains}."
            ),
            Self::NothingUndone(refusal) => write!(f, "Nothing was undone: {refusal}"),
            Self::NotRolledBack(refusal) => write!(f, "Not rolled back: {refusal}"),
        }
    }
}

/// The original that serves as before, where there was one.
struct AsBefore<'a>(Option<&'a str>);

impl fmt::Display for AsBefore<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(original) => write!(f, "{original} serves as before"),
            None => f.write_str("no task set served before"),
        }
    }
}

impl fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WayBackFailed => "The rollback failed as well",
            Self::Leftover => "The leftover of an earlier deployment was not removed",
            Self::NotWanted => "Not rolled back, because rollbackOnFailure is false",
            Self::NotToBlame => "Traffic stays on the replacement, which did not cause the failure",
        })
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.production {
            Some(production) => write!(f, "production traffic goes to {production}")?,
            None => {
                f.write_str("production traffic is split, or its target group cannot be read")?;
            }
        }
        write!(
            f,
            "; {}, {}",
            Told(&self.replacement, "replacement"),
            Told(&self.original, "original")
        )
    }
}

/// A place with what it is for.
struct Told<'a>(&'a Place, &'static str);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place, what) = self;
        let on = short(&place.target_group);
        match &place.task_set {
            Some((id, tasks)) => write!(f, "{id} runs {} on {on}", counted(*tasks, "task")),
            None => write!(f, "there is no {what} on {on}"),
        }
    }
}
