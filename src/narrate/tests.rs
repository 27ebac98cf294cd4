use ebbtide_controller::request::Request;
use ebbtide_simulator::Scenario;
use serde_json::json;

use super::*;
use crate::{scenario, simulation};

/// What happens in a whole deployment, as Step Functions would tell it, with its second.
fn simulated(event: &Value, scenario: &str) -> Vec<(u64, What)> {
    let scenario: Scenario = serde_json::from_str(scenario).unwrap();
    let home = scenario::home_of(event).unwrap();
    let request = Request::parse(event, &home).unwrap();
    let world = scenario.world_for(&scenario::names_of(&request, &home));
    let mut whats = Vec::new();
    let mut watch = |moment: &simulation::Moment<'_>| {
        let history = moment.history.iter();
        whats.extend(history.map(|event| (event.at.as_secs(), simulation::what(event))));
    };
    simulation::deploy(world.unwrap(), "told", &request, event.clone(), &mut watch).unwrap();
    whats
}

fn minimal() -> Value {
    json!({"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2"})
}

/// How many tasks were left whenever that changed, and all that was said.
fn heard(whats: &[(u64, What)]) -> (Vec<u32>, Vec<Said>) {
    let mut narrator = Narrator::default();
    let (mut left, mut lines) = (Vec::new(), Vec::new());
    for (at, what) in whats {
        lines.extend(narrator.hear(*at, what));
        if let Some(drain) = narrator.drain()
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
    let mut narrator = Narrator::default();
    let mut steps: Vec<(u64, Drain)> = Vec::new();
    for (at, what) in &events {
        let before = narrator.drain();
        narrator.hear(*at, what);
        if let Some(drain) = narrator.drain()
            && before.is_some_and(|before| before.left > drain.left)
        {
            steps.push((*at, drain));
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
    let mut narrator = Narrator::default();
    let lines = whats.iter().filter_map(|what| narrator.hear(0, what));
    let lines: Vec<_> = lines.collect();
    let states: Vec<_> = lines.iter().map(|said| said.state.as_str()).collect();
    assert_eq!(states, ["Swap", "Rollback"]);
    let first = &lines[0].sentence;
    assert!(first.starts_with("failed with Throttled: ecs:"), "{first}");
}

#[test]
fn a_drain_is_read_from_numbers_whatever_the_sentence_says() {
    let mut narrator = Narrator::default();
    let mut hear = |reason: Value| {
        let what = What::Exited {
            state: "ScaleDown".to_owned(),
            output: json!({"reason": reason}),
        };
        let said = narrator.hear(7, &what).map(|said| said.sentence);
        (said, narrator.drain())
    };
    let (said, drain) = hear(json!({"code": "step", "text": "Reworded.",
        "drain": {"left": 3, "of": 4, "running": 4, "step": 1, "nextStep": 60, "lastStep": 180, "done": 480}}));
    assert_eq!(said.as_deref(), Some("Reworded."));
    let expected = Drain {
        left: 3,
        of: 4,
        running: 4,
        next: Some(67),
        last: Some(187),
        done: Some(487),
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

/// Each phase with what serves in it, as they follow each other.
fn phases(events: &[(u64, What)]) -> Vec<(&'static str, Option<&'static str>)> {
    let mut progress = Progress::default();
    let mut phases = Vec::new();
    for (at, what) in events {
        progress.hear(*at, what);
        phases.push((progress.phase(), progress.serves.map(Serves::as_str)));
    }
    phases.dedup();
    phases
}

#[test]
fn phases_and_what_serves_are_known_at_each_moment() {
    let (original, replacement) = (Some("original"), Some("replacement"));
    let forward = [
        ("preflight", None),
        ("create", original),
        ("readiness", original),
        ("swap", original),
        ("bake", replacement),
        ("drain", replacement),
        ("cleanup", replacement),
    ];
    let events = simulated(&minimal(), r#"{"tasks": 4}"#);
    assert_eq!(phases(&events), forward);
    let lost = r#"{"tasks": 4, "replacement": {"unhealthyAfterSeconds": 400}}"#;
    let back = phases(&simulated(&minimal(), lost));
    assert_eq!(back[..6], forward[..6]);
    let end = [("rollback", replacement), ("rollback", original)];
    assert!(back.ends_with(&end), "{back:?}");
}

#[test]
fn a_pause_ends_when_it_is_said_to() {
    let mut progress = Progress::default();
    let mut ends = None;
    let mut pauses = 0;
    for (at, what) in &simulated(&minimal(), r#"{"tasks": 4}"#) {
        if let Some(ends) = std::mem::take(&mut ends) {
            assert!(at.abs_diff(ends) <= 1, "{what:?} at {at}, not {ends}");
            pauses += 1;
        }
        progress.hear(*at, what);
        ends = progress.pause_ends;
    }
    assert!(pauses > 5, "{pauses}");
}

#[test]
fn counts_before_the_swap_and_tasks_that_still_run_are_numbers() {
    let mut progress = Progress::default();
    let (mut seen, mut running, mut original) = (Vec::new(), Vec::new(), Vec::new());
    for (at, what) in &simulated(&minimal(), r#"{"tasks": 4}"#) {
        progress.hear(*at, what);
        original.push(progress.tasks.0);
        seen.extend(progress.shortfall.as_ref().map(ToString::to_string));
        running.extend(progress.drain.map(|drain| (drain.left, drain.running)));
    }
    seen.dedup();
    assert!(
        seen.iter().any(|one| one.ends_with("of 4 healthy")),
        "{seen:?}"
    );
    // The last tasks run on when every step is made.
    assert!(
        running
            .iter()
            .any(|(left, running)| *left == 0 && *running > 0),
        "{running:?}"
    );
    assert_eq!(running.last(), Some(&(0, 0)));
    let began = original.iter().position(|tasks| *tasks == 4).unwrap();
    let only_fewer = original[began..].is_sorted_by(|before, after| before >= after);
    assert!(only_fewer && original.last() == Some(&0), "{original:?}");
}

#[test]
fn the_states_that_wait_are_those_of_the_definition() {
    let definition: Value =
        serde_json::from_str(ebbtide_simulator::deployment::DEFINITION).unwrap();
    let states = definition["States"].as_object().unwrap().iter();
    let mut waits: Vec<_> = states
        .filter(|(_, state)| state["Type"] == "Wait")
        .map(|(name, _)| name.as_str())
        .collect();
    let mut known = progress::WAITS.to_vec();
    waits.sort_unstable();
    known.sort_unstable();
    assert_eq!(waits, known);
}

#[test]
fn what_preflight_warns_of_is_told_by_its_name() {
    let sticky = r#"{"targetGroupAttributes": {"stickiness.enabled": "true"}}"#;
    let (_, lines) = heard(&simulated(&minimal(), sticky));
    let first = lines.iter().find(|said| said.state == "Preflight").unwrap();
    let warns = first.sentence.contains("warnings of preflight: ");
    assert!(warns && first.sentence.contains("stickiness"), "{first:?}");
    let told = lines.iter();
    let told = told.filter(|said| said.sentence.contains("stickiness"));
    assert_eq!(told.count(), 1, "{lines:?}");
}
