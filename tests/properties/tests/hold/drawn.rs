//! Every property on inputs drawn with a fixed seed: mutations of the corpus, and bytes out of
//! nowhere. Not guided by coverage, as the fuzzers in `fuzz/` are, but part of every test run.

use std::collections::BTreeMap;

use crate::support::{Drawn, corpus, holds};
use ebbtide_controller::action::Action;
use ebbtide_controller::phase::To;
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::turn::Next;
use ebbtide_properties::{ALL, Property, decisions_in};

fn try_out(name: &str, tries: usize) {
    let property = ALL.iter().find(|p| p.name == name).unwrap();
    let mut drawn = Drawn::new(corpus(name), 1);
    for _ in 0..tries {
        holds(property, &drawn.next());
    }
    println!("{name}: {tries} inputs tried");
}

#[test]
fn arns_hold_for_inputs_that_are_drawn() {
    try_out("arns", 20_000);
}

#[test]
fn decisions_hold_for_inputs_that_are_drawn() {
    try_out("decisions", 4_000);
}

#[test]
fn events_hold_for_inputs_that_are_drawn() {
    try_out("events", 5_000);
}

#[test]
fn requests_hold_for_inputs_that_are_drawn() {
    try_out("requests", 10_000);
}

#[test]
fn routing_holds_for_inputs_that_are_drawn() {
    try_out("routing", 10_000);
}

#[test]
fn wire_holds_for_inputs_that_are_drawn() {
    try_out("wire", 500);
}

/// A search that never gets as far as an action would find no harm in it.
#[test]
fn the_inputs_that_are_drawn_reach_every_action_and_every_state() {
    let mut drawn = Drawn::new(corpus("decisions"), 1);
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in 0..16_000 {
        for (phase, _, next) in decisions_in(&drawn.next()) {
            for what in kinds(&next) {
                *seen.entry(what.to_owned()).or_default() += 1;
                *seen.entry(format!("{phase}: {what}")).or_default() += 1;
            }
        }
    }
    println!("{seen:#?}");
    // Preflight alone leads to the first two, and a refusal to the third.
    let states = To::ALL
        .into_iter()
        .filter(|to| ![To::Preflight, To::DryRunSucceeded, To::Rollback].contains(to))
        .map(To::as_str);
    let actions = [
        "refuse",
        "record role",
        "forward",
        "create",
        "record intent",
        "clear intent",
        "tag",
        "untag",
        "take out",
        "put back",
        "make primary",
        "scale",
        "delete",
        "delete with force",
    ];
    for wanted in actions.into_iter().chain(states) {
        assert!(
            seen.get(wanted).is_some_and(|count| *count > 20),
            "{wanted}: {seen:#?}"
        );
    }
}

fn kinds(next: &Result<Next, Refusal>) -> Vec<&'static str> {
    match next {
        Ok(Next::Write(stages)) => stages.iter().flatten().map(kind).collect(),
        Ok(Next::WriteAndGo(writes, _)) => writes.iter().map(kind).collect(),
        Ok(Next::Go(answer)) => vec![answer.to.as_str()],
        Err(_) => vec!["refuse"],
    }
}

fn kind(action: &Action) -> &'static str {
    match action {
        Action::RecordRole { .. } => "record role",
        Action::RecordService { .. } => "record service",
        Action::Forward { .. } => "forward",
        Action::CreateTaskSet(_) => "create",
        Action::CreateRule(_) => "create rule",
        Action::DeleteRule { .. } => "delete rule",
        Action::RecordSwapIntent { .. } => "record intent",
        Action::ClearSwapIntent { .. } => "clear intent",
        Action::TagProduction { .. } => "tag",
        Action::UntagProduction { .. } => "untag",
        Action::MakePrimary { .. } => "make primary",
        Action::SetScale { .. } => "scale",
        Action::SetInstanceHealth { healthy: false, .. } => "take out",
        Action::SetInstanceHealth { healthy: true, .. } => "put back",
        Action::DeregisterInstances { .. } => "deregister instances",
        Action::DeregisterTargets { .. } => "deregister",
        Action::DeleteTaskSet { force: false, .. } => "delete",
        Action::DeleteTaskSet { force: true, .. } => "delete with force",
        Action::RecordHold { .. } => "record that scale-in is held",
        Action::SuspendScaling { .. } => "suspend scale-in",
    }
}

#[test]
#[should_panic(expected = "never: does not hold for")]
fn an_input_that_breaks_a_property_is_found_and_shown() {
    let property = Property {
        name: "never",
        holds: |data| assert!(!data.windows(2).any(|two| two == b"ab")),
    };
    let mut drawn = Drawn::new(vec![b"a".to_vec(), b"b".to_vec()], 1);
    for _ in 0..10_000 {
        holds(&property, &drawn.next());
    }
}
