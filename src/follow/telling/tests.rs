use ebbtide_controller::request::Request;
use ebbtide_simulator::asl::{EventKind, HistoryEvent};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::{Scenario, SimulatedAws};
use serde_json::json;

use super::*;
use crate::input;

/// The events of a whole deployment, as Step Functions would tell them.
fn simulated(event: &Value, scenario: &str) -> Vec<Event> {
    let scenario: Scenario = serde_json::from_str(scenario).unwrap();
    let home = input::home_of(event).unwrap();
    let request = Request::parse(event, &home).unwrap();
    let world = scenario
        .world_for(&input::names_of(&request, &home))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut events = Vec::new();
    runtime.block_on(async {
        let aws = SimulatedAws::new(world, 1.0);
        let installation = Installation::new(&aws).unwrap();
        installation
            .deploy("told", event.clone(), 1, &mut |event| {
                events.push(told(event));
            })
            .await;
    });
    events
}

fn told(event: &HistoryEvent) -> Event {
    let what = match &event.kind {
        EventKind::StateEntered { name, .. } => What::Entered {
            state: name.clone(),
        },
        EventKind::StateExited { name, output, .. } => What::Exited {
            state: name.clone(),
            output: output.clone(),
        },
        EventKind::TaskFailed { error, cause, .. } => What::Failed {
            error: error.clone(),
            cause: cause.clone(),
        },
        _ => What::Other,
    };
    Event {
        id: i64::try_from(event.id).unwrap(),
        at: event.at.as_secs(),
        what,
    }
}

fn minimal() -> Value {
    json!({"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2"})
}

/// How many tasks were left whenever that changed, and all that was said.
fn heard(events: &[Event]) -> (Vec<u32>, Vec<Said>) {
    let mut telling = Telling::default();
    let (mut left, mut lines) = (Vec::new(), Vec::new());
    for event in events {
        lines.extend(telling.hear(event));
        if let Some(drain) = telling.drain()
            && left.last() != Some(&drain.left)
        {
            left.push(drain.left);
        }
    }
    (left, lines)
}

#[test]
fn a_drain_is_followed_task_by_task_to_its_end() {
    let (left, _) = heard(&simulated(&minimal(), r#"{"tasks": 4}"#));
    assert_eq!(left, [4, 3, 2, 1, 0]);
    let mut budget = minimal();
    budget["drain"] =
        json!({"reconnectsPerSecond": 500, "connectionsPerTask": 2500, "deadline": 3600});
    let (left, _) = heard(&simulated(&budget, r#"{"tasks": 3}"#));
    assert_eq!(left, [3, 2, 1, 0]);
}

#[test]
fn every_sentence_of_a_deployment_is_said_once() {
    let (_, lines) = heard(&simulated(&minimal(), r#"{"tasks": 2}"#));
    for pair in lines.windows(2) {
        assert_ne!(pair[0].sentence, pair[1].sentence);
    }
    let states: Vec<_> = lines.iter().map(|said| said.state.as_str()).collect();
    assert_eq!(states.first(), Some(&"Preflight"), "{states:?}");
    assert!(states.contains(&"Swap"), "{states:?}");
    // A Choice and a Wait hand the same sentence on.
    assert!(!states.contains(&"LoopTillRunning"), "{states:?}");
    let last = lines.last().unwrap();
    assert!(last.sentence.contains("runs chat:2"), "{last:?}");
}

#[test]
fn the_next_step_and_the_last_are_told_beforehand() {
    let events = simulated(&minimal(), r#"{"tasks": 4}"#);
    let mut telling = Telling::default();
    let mut steps: Vec<(u64, Drain)> = Vec::new();
    for event in &events {
        let before = telling.drain();
        telling.hear(event);
        if let Some(drain) = telling.drain()
            && before.is_some_and(|before| before.left > drain.left)
        {
            steps.push((event.at, drain));
        }
    }
    let at: Vec<u64> = steps.iter().map(|(at, _)| *at).collect();
    assert_eq!(at.len(), 4);
    let close = |estimate: u64, real: u64| estimate.abs_diff(real) <= 5;
    for (place, (_, drain)) in steps.iter().enumerate().take(3) {
        assert!(
            close(drain.next.unwrap(), at[place + 1]),
            "{drain:?} {at:?}"
        );
        assert!(close(drain.last.unwrap(), at[3]), "{drain:?} {at:?}");
    }
    assert_eq!(steps[3].1.next, None);
}

#[test]
fn a_rollback_drains_what_was_to_replace() {
    // It loses its health in the drain: the replacement goes, and the original serves again.
    let events = simulated(
        &minimal(),
        r#"{"tasks": 4, "replacement": {"unhealthyAfterSeconds": 400}}"#,
    );
    let (left, lines) = heard(&events);
    assert_eq!(left, [4, 3, 2, 4, 3, 2, 1, 0], "{lines:?}");
    let swaps = lines.iter().filter(|said| said.state == "Swap");
    assert!(
        swaps
            .clone()
            .any(|said| said.sentence.starts_with("rolled back after")),
        "{lines:?}"
    );
}

#[test]
fn a_failure_is_said_once_however_often_it_is_tried_again() {
    let entered = |state: &str| What::Entered {
        state: state.to_owned(),
    };
    let throttled = || What::Failed {
        error: "Throttled".to_owned(),
        cause: "ecs:DescribeServices answered ThrottlingException: slower".to_owned(),
    };
    let whats = [
        entered("Swap"),
        throttled(),
        throttled(),
        entered("Rollback"),
        throttled(),
    ];
    let mut telling = Telling::default();
    let lines: Vec<_> = whats
        .into_iter()
        .zip(1..)
        .filter_map(|(what, id)| telling.hear(&Event { id, at: 0, what }))
        .collect();
    let states: Vec<_> = lines.iter().map(|said| said.state.as_str()).collect();
    assert_eq!(states, ["Swap", "Rollback"]);
    assert!(
        lines[0].sentence.starts_with("failed with Throttled: ecs:"),
        "{lines:?}"
    );
}

#[test]
fn a_drain_is_read_from_numbers_whatever_the_sentence_says() {
    let mut telling = Telling::default();
    let mut hear = |reason: Value| {
        let event = Event {
            id: 1,
            at: 7,
            what: What::Exited {
                state: "ScaleDown".to_owned(),
                output: json!({"reason": reason}),
            },
        };
        let said = telling.hear(&event).map(|said| said.sentence);
        (said, telling.drain())
    };
    let (said, drain) = hear(json!({"code": "step", "text": "Reworded.",
        "drain": {"left": 3, "of": 4, "step": 1, "nextStep": 60, "lastStep": 180}}));
    assert_eq!(said.as_deref(), Some("Reworded."));
    let expected = Drain {
        left: 3,
        of: 4,
        next: Some(67),
        last: Some(187),
    };
    assert_eq!(drain, Some(expected));
    let (_, drain) = hear(json!({"code": "pause", "text": "2 of 4 tasks left after step 2"}));
    assert_eq!(drain, Some(expected), "a sentence holds no numbers");
    let (_, drain) = hear(json!({"code": "refused", "text": "It moved."}));
    assert_eq!(drain, None);
    for other in [
        json!(null),
        json!("text"),
        json!({"text": ""}),
        json!({"drain": 3}),
    ] {
        assert_eq!(hear(other).0, None);
    }
}

#[test]
fn what_preflight_warns_of_is_told_by_its_name() {
    let (_, lines) = heard(&simulated(
        &minimal(),
        r#"{"targetGroupAttributes": {"stickiness.enabled": "true"}}"#,
    ));
    let first = lines.iter().find(|said| said.state == "Preflight").unwrap();
    assert!(
        first.sentence.contains("warnings of preflight: "),
        "{first:?}"
    );
    assert!(first.sentence.contains("stickiness"), "{first:?}");
    let told = lines
        .iter()
        .filter(|said| said.sentence.contains("stickiness"));
    assert_eq!(told.count(), 1, "{lines:?}");
}
