use ebbtide_controller::caller;
use ebbtide_controller::contract::{Event, failed};
use ebbtide_controller::deployment::{Answer, Deployment};
use ebbtide_controller::flows::Flows;
use ebbtide_controller::phase::To;
use ebbtide_controller::quote::{LONGEST_SENTENCE, is_visible};
use ebbtide_controller::reason::Reason;
use ebbtide_controller::refusal::{ErrorName, Refusal};
use serde_json::{Value, json};

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
    match caller::check(&event, FUNCTION) {
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
                // Alarms and metrics are read anew for every step.
                deployment: Deployment {
                    alarms: Vec::new(),
                    flows: Flows::default(),
                    ..deployment
                },
            };
            let next = json!({
                "phase": event.phase.as_str(),
                "execution": event.id.execution(),
                "startedAt": event.started_at,
                "state": answer.to_json(),
            });
            let next = Event::parse(next).map(|event| event.deployment());
            assert_eq!(next, Ok(Ok(answer.deployment)));
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

/// A refusal of an input is named so, shows what it holds, and has an end.
pub(crate) fn is_told_well(refusal: &Refusal) {
    assert_eq!(refusal.error, ErrorName::InvalidInput, "{refusal}");
    for sentence in [&refusal.seen, &refusal.mend] {
        assert!(is_visible(sentence), "{sentence:?}");
        assert!(!sentence.is_empty() && sentence.chars().count() <= LONGEST_SENTENCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(error: ErrorName, seen: &str) -> Refusal {
        let mend = "Mend it.".to_owned();
        let seen = seen.to_owned();
        Refusal { error, seen, mend }
    }

    #[test]
    fn a_refusal_in_one_visible_line_is_told_well() {
        is_told_well(&refusal(ErrorName::InvalidInput, "It is wrong."));
    }

    #[test]
    #[should_panic(expected = "Drift")]
    fn a_refusal_by_another_name_is_found() {
        is_told_well(&refusal(ErrorName::Drift, "It is wrong."));
    }

    #[test]
    #[should_panic(expected = "It is\\nwrong.")]
    fn a_refusal_over_two_lines_is_found() {
        is_told_well(&refusal(ErrorName::InvalidInput, "It is\nwrong."));
    }

    #[test]
    #[should_panic(expected = "sentence.chars()")]
    fn a_refusal_without_an_end_is_found() {
        is_told_well(&refusal(ErrorName::InvalidInput, &"wrong ".repeat(10_000)));
    }
}
