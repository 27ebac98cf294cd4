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
    // What renews the lock hands the same sentence on.
    assert!(!states.contains(&"AcquireLock"), "{states:?}");
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
    let back = lines.iter().any(|said| said.state == "SwapBack");
    assert!(back, "{lines:?}");
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
fn a_message_for_people_is_preferred_to_the_reason() {
    let mut telling = Telling::default();
    let said = telling.hear(&Event {
        id: 1,
        at: 7,
        what: What::Exited {
            state: "Swap".to_owned(),
            output: json!({"status": "swapped", "reason": "for logs", "message": "Traffic has moved."}),
        },
    });
    assert_eq!(said.unwrap().sentence, "Traffic has moved.");
    assert_eq!(telling.drain(), None, "without tasks there is no drain");
}

#[test]
fn minutes_of_grace_are_not_silent() {
    let mut telling = Telling::default();
    let said = telling.hear(&Event {
        id: 1,
        at: 7,
        what: What::Entered {
            state: "Grace".to_owned(),
        },
    });
    assert!(said.unwrap().sentence.contains("three minutes"));
}

#[test]
fn numbers_are_read_from_a_steps_sentence_only() {
    let step = "original ecs-svc/1: 3 of 4 tasks left after step 1 of 4, next 1 in 60 s";
    assert_eq!(left_after_a_step(step), Some((3, 4)));
    for other in [
        "original ecs-svc/1: 4 tasks still run, until their connections are drained",
        "many of 4 tasks left after step 1",
        "4 tasks left after step 1",
        "",
    ] {
        assert_eq!(left_after_a_step(other), None, "{other}");
    }
}

#[test]
fn a_lock_that_somebody_has_is_no_failure() {
    let mut telling = Telling::default();
    let event = |what| Event { id: 1, at: 7, what };
    telling.hear(&event(What::Entered {
        state: "AcquireLock".to_owned(),
    }));
    let said = telling.hear(&event(What::Failed {
        error: "DynamoDB.ConditionalCheckFailedException".to_owned(),
        cause: "The conditional request failed".to_owned(),
    }));
    let said = said.unwrap();
    assert_eq!(said.state, "AcquireLock");
    assert!(said.sentence.starts_with("another execution has the lock"));
    assert!(!said.sentence.contains("failed"), "{said:?}");
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
