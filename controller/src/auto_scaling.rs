//! Application Auto Scaling: scale-in of the service is suspended while two task sets run.
//!
//! The two share the load, so a policy that tracks it scales in, and ECS stops tasks outside of the drain's pace. What is
//! suspended is recorded in the lock's item before, and resumed at every end: by this execution, or by the next one.
//! It is recorded only where scale-in was not suspended, so that what a person suspends stays.

use crate::action::Action;
use crate::arn::short;
use crate::deployment::{Answer, Plan};
use crate::id::ExecutionArn;
use crate::reason::{Reason, Remark};
use crate::request::{AutoScaling, Request};
use crate::world::World;

/// What is suspended of a service's scalable target, as Application Auto Scaling's `SuspendedState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Suspended {
    /// Whether policies scale it in no more.
    pub scale_in: bool,
    /// Whether policies scale it out no more.
    pub scale_out: bool,
    /// Whether scheduled actions do not scale it.
    pub scheduled: bool,
}

/// Scale-in that a deployment has suspended, or was about to: it was not suspended before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// The ARN of the deployment's execution.
    pub by: ExecutionArn,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scaling {
    /// The scalable target, where a turn needs it and there is one.
    pub target: Option<Suspended>,
    /// What the lock's item keeps, in this execution or one before it.
    pub hold: Option<Hold>,
}

/// The service as Application Auto Scaling names it: `service/CLUSTER/SERVICE`.
pub fn resource_id(request: &Request) -> String {
    format!("service/{}/{}", short(&request.cluster), request.service)
}

/// Suspends scale-in before a task set is created, if the request says so and nothing has suspended it.
pub(crate) fn hold(world: &World, plan: &Plan) -> Vec<Action> {
    let asked = plan.request.auto_scaling == AutoScaling::HoldScaleIn;
    let Some(target) = world
        .scaling
        .target
        .filter(|target| asked && !target.scale_in)
    else {
        return Vec::new();
    };
    let by = plan.id.execution();
    let own = world.scaling.hold.as_ref().filter(|hold| hold.by == *by);
    let hold = Hold {
        since: own.map_or(world.now, |hold| hold.since),
        by: by.clone(),
    };
    let wanted = Suspended {
        scale_in: true,
        ..target
    };
    vec![
        Action::RecordHold { hold: Some(hold) },
        Action::SuspendScaling { wanted },
    ]
}

/// Resumes scale-in at an end, one write after the other. A scalable target that is gone has nothing to resume.
///
/// It is written whatever was read, which may be old: where it is resumed already, that changes nothing.
pub fn resumption(target: Option<Suspended>) -> Vec<Action> {
    let resumed = target.map(|target| Action::SuspendScaling {
        wanted: Suspended {
            scale_in: false,
            ..target
        },
    });
    let forgotten = Action::RecordHold { hold: None };
    resumed.into_iter().chain([forgotten]).collect()
}

/// The end of a deployment whose scale-in could not be resumed, and why.
#[must_use]
pub fn held_still(mut answer: Answer, why: &str) -> Answer {
    let remark = Remark::ScaleInHeld {
        resource: resource_id(&answer.plan.request),
        why: why.to_owned(),
    };
    if let Reason::Deployed(running) = &mut answer.reason {
        running.remarks.push(remark);
    } else {
        let said = format!("{remark}. {}", remark.fix());
        let failure = answer.plan.failure.take();
        answer.plan.failure = failure.map(|failure| failure.then(&said));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Progress;
    use crate::fixture::Scene;
    use crate::next::Next;
    use crate::phase::To;

    #[test]
    fn scale_in_is_resumed_whatever_was_read_and_forgotten_after_that() {
        for scale_in in [false, true] {
            let seen = Suspended {
                scale_in,
                scale_out: true,
                scheduled: false,
            };
            let wanted = Suspended {
                scale_in: false,
                ..seen
            };
            let writes = resumption(Some(seen));
            assert_eq!(writes[0], Action::SuspendScaling { wanted });
            assert_eq!(writes[1..], [Action::RecordHold { hold: None }]);
        }
        assert_eq!(resumption(None), [Action::RecordHold { hold: None }]);
    }

    #[test]
    fn an_end_says_that_scale_in_is_held_still_and_how_to_resume_it() {
        let plan = Scene::swapped().failed("AlarmRaised").plan();
        let end = |reason| {
            Next::at_once(
                To::DeploymentFailed,
                reason,
                plan.clone(),
                Progress::default(),
            )
        };
        let failed = Reason::Failed(Box::new(crate::reason::Outcome::Untouched));
        let said = held_still(end(failed).answer(), "Denied.");
        let failure = said.plan.failure.unwrap();
        assert_eq!(failure.error, "AlarmRaised");
        let wanted = "Then: scale-in of service/main/web was not resumed (Denied). The next deployment resumes it. To resume it now: aws application-autoscaling";
        assert!(failure.cause.contains(wanted), "{}", failure.cause);
    }
}
