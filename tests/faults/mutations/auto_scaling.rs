//! Wrong decisions about scale-in, and an end that does not resume it.

use ebbtide_controller::action::Action;
use ebbtide_controller::turn::{self, Next, Turn};
use serde_json::Value;

use super::decisions::assert_caught;
use crate::run::{Plan, Stage, run_on};
use crate::scenarios;

#[tokio::test(start_paused = true)]
async fn scale_in_that_is_suspended_before_that_is_recorded_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut next = turn::next(phase, seen, plan, progress)?;
        if let Next::Write(stages) = &mut next {
            let records = |action: &Action| matches!(action, Action::RecordHold { .. });
            if let Some(at) = stages.iter().flatten().position(records) {
                stages.swap(at, at + 1);
            }
        }
        Ok(next)
    };
    let case = scenarios::named("auto scaling");
    assert_caught("S20", &case, next, [Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn scale_in_that_a_person_has_suspended_and_a_deployment_resumes_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        if let Some(target) = &mut seen.scaling.target {
            target.scale_in = false;
        }
        turn::next(phase, &seen, plan, progress)
    };
    let case = scenarios::named("scale-in suspended by a person");
    assert_caught("S20", &case, next, [Plan::default()]).await;
}

/// Of either end: of a deployment, and of a rollback.
#[tokio::test(start_paused = true)]
async fn an_end_that_does_not_resume_scale_in_is_caught() {
    for name in ["auto scaling", "auto scaling, never healthy"] {
        let case = scenarios::named(name);
        let stage = Stage::new(&case);
        stage.aws.rewrite(|request| {
            let mut body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let suspended = &mut body["SuspendedState"];
            if suspended.is_object() {
                suspended["DynamicScalingInSuspended"] = true.into();
                *request.body_mut() = body.to_string().into();
            }
        });
        let broken = run_on(stage, &Plan::default()).await.broken.unwrap();
        assert!(broken.starts_with("S20"), "{name}: {broken}");
        println!("caught: {broken}");
    }
}
