use ebbtide_controller::caller;
use ebbtide_controller::contract::{Event, failed};
use ebbtide_controller::deployment::Answer;
use ebbtide_controller::phase::To;
use ebbtide_controller::quote::is_visible;
use ebbtide_controller::reason::Reason;
use serde_json::{Value, json};

use crate::refused::is_told_well;
use crate::requests;

/// The function that gets the events.
const FUNCTION: &str = "arn:aws:lambda:us-east-1:555555555555:function:ebbtide-swap";

/// Characters of a failed execution's cause, at most (AWS API model).
const LONGEST_CAUSE: usize = 32_768;

/// Whatever a function is invoked with is either refused as `InvalidInput`, in words that show and
/// are few, or means the same after another way through the state machine.
///
/// The input is the event's JSON.
pub fn events(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let event = match Event::parse(value) {
        Ok(event) => event,
        Err(refusal) => return is_told_well(&refusal),
    };
    match caller::check(&event.id, FUNCTION) {
        Ok(()) => assert_eq!(event.id.home().account, "555555555555"),
        Err(refusal) => is_told_well(&refusal),
    }
    match event.request() {
        Ok(request) => requests::stays(&request, event.id.home()),
        Err(refusal) => is_told_well(&refusal),
    }
    match event.deployment() {
        Ok(deployment) => {
            let answer = Answer {
                // A Rollback that was caught would begin anew.
                to: To::WaitForOriginal,
                reason: Reason::Unanswered {
                    why: "because\u{1b}".to_owned(),
                    wait: 60,
                },
                wait: 60,
                plan: deployment.plan.clone(),
                progress: deployment.progress,
                heard: None,
                tidy: Vec::new(),
            };
            let next = json!({
                "phase": event.phase.as_str(),
                "execution": event.id.execution(),
                "startedAt": event.started_at,
                "state": answer.to_json(&deployment.lock),
            });
            let next = Event::parse(next).map(|event| event.deployment());
            assert_eq!(next, Ok(Ok(deployment)));
        }
        Err(refusal) => is_told_well(&refusal),
    }
    let failure = event.failure();
    assert!(!failure.error.is_empty());
    let told = failed(&failure, "Rolled back: nothing was there.");
    let cause = told["failure"]["Cause"].as_str().unwrap_or_default();
    assert!(is_visible(cause) && is_visible(&failure.error), "{told}");
    assert!(cause.len() <= LONGEST_CAUSE, "{told}");
}
