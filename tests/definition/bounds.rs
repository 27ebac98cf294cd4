//! Time and history: timeouts nest (rule R10), and the loops cost what preflight counts (rule R9).

use std::time::Duration;

use ebbtide_controller::command::LONGEST_PAUSE;
use ebbtide_controller::drain::checks_within;
use ebbtide_controller::lock::{OUTWAITED, SETTLE};
use ebbtide_controller::phase::Phase;
use ebbtide_controller::preflight::{
    EVENTS_A_TURN, EVENTS_ALLOWED, LONGEST_PHASES, TASK_SET_LIMIT,
};
use ebbtide_functions::{Clients, Function};
use saphyr::{LoadableYamlNode, Yaml};

use crate::graph::{Definition, Way, shipped};

const DAY: u64 = 86_400;

fn template() -> Yaml<'static> {
    let text = include_str!("../../template.yaml");
    Yaml::load_from_str(text).unwrap().remove(0)
}

fn function_timeout() -> Duration {
    let seconds = template()["Globals"]["Function"]["Timeout"].as_integer();
    Duration::from_secs(seconds.unwrap().try_into().unwrap())
}

/// `sam build` builds once what only differs in its handler, and copies it.
#[test]
fn the_three_functions_are_one_program_that_is_built_once() {
    let template = template();
    let functions = [
        "CheckAndCreateFunction",
        "SwapFunction",
        "ScaleDownFunction",
    ]
    .map(|name| &template["Resources"][name]);
    for (resource, function) in functions.into_iter().zip(Function::ALL) {
        assert_eq!(resource["Metadata"], functions[0]["Metadata"]);
        let properties = &resource["Properties"];
        assert!(!properties.contains_mapping_key("CodeUri"));
        let handler = properties["Handler"].as_str().unwrap();
        assert_eq!(handler.parse::<Function>().unwrap(), function);
    }
}

#[test]
fn an_unknown_handler_is_named_with_those_that_are_allowed() {
    for handler in ["bootstrap", ""] {
        let refused = handler.parse::<Function>().unwrap_err().to_string();
        assert!(refused.contains(&format!("'{handler}'")), "{refused}");
        for function in Function::ALL {
            assert!(refused.contains(function.as_str()), "{refused}");
        }
    }
}

#[test]
fn an_attempt_ends_before_its_call_that_before_the_function_and_that_before_the_task() {
    let calls = Clients::timeouts();
    let attempt = calls.operation_attempt_timeout().unwrap();
    let call = calls.operation_timeout().unwrap();
    assert!(calls.connect_timeout().unwrap() < attempt);
    assert!(attempt < call);
    assert!(call < function_timeout());
    let definition = shipped();
    for (name, _) in definition.tasks() {
        let task = definition.machine.state(name).unwrap().timeout().unwrap();
        assert_eq!(task, Duration::from_secs(75), "{name}");
        assert!(function_timeout() < task, "{name}");
    }
}

#[test]
fn a_lock_is_waited_for_until_no_function_can_be_inside_and_nothing_can_land() {
    let settle = Duration::from_secs(u64::from(SETTLE));
    let outwaited = Duration::from_secs(u64::from(OUTWAITED));
    assert_eq!(outwaited, function_timeout() + settle);
    // A write that is not answered is abandoned long before.
    assert!(settle > Clients::timeouts().operation_timeout().unwrap());
}

#[test]
fn the_machine_outlasts_all_phases_of_a_deployment_and_its_rollback() {
    let leftovers = TASK_SET_LIMIT as u64 - 1;
    let drains = leftovers + 2;
    // Each of these may take a day, as the request allows: finishing a swap, draining what is left
    // over, then readiness, bake and drain, there and back.
    let days = 1 + leftovers + 3 + 3;
    let deletions = drains * 1_800;
    let waits = days * DAY + deletions + u64::from(OUTWAITED) + u64::from(LONGEST_PAUSE);
    // What is done between the waits: a second for each event of the history is plenty.
    let phases = Duration::from_secs(waits + u64::from(EVENTS_ALLOWED));
    assert!(shipped().machine.timeout().unwrap() > phases);
}

#[test]
fn the_machine_outlasts_what_preflight_lets_pass() {
    let waits = LONGEST_PHASES + u64::from(OUTWAITED) + u64::from(LONGEST_PAUSE);
    let phases = Duration::from_secs(waits + u64::from(EVENTS_ALLOWED));
    assert!(shipped().machine.timeout().unwrap() > phases);
}

/// Events that a history may have (AWS documentation), and what of them is for retries, at 3 each.
const MOST_EVENTS: u32 = 25_000;
const RETRIES: u32 = 3 * 1_000;

#[test]
fn a_history_has_room_for_an_operators_pauses() {
    let pauses = checks_within(LONGEST_PAUSE) * EVENTS_A_TURN;
    assert!(EVENTS_ALLOWED + pauses + RETRIES < MOST_EVENTS, "{pauses}");
}

/// Events that a state adds to the history when all goes well (AWS documentation): a Task is
/// entered, scheduled, started, succeeds and is exited; the others are entered and exited.
fn events(definition: &Definition, name: &str) -> u32 {
    let is_task = definition.state(name)["Type"] == "Task";
    if is_task { 5 } else { 2 }
}

#[test]
fn a_turn_of_every_loop_costs_what_preflight_counts() {
    let definition = shipped();
    let mut loops = 0;
    let waiting = |phase: &Phase| phase.wait() != phase.task();
    for phase in Phase::ALL.into_iter().filter(waiting) {
        let (task, wait) = (phase.task().as_str(), phase.wait().as_str());
        let (choice, _) = definition.choice_of(phase);
        for (from, to) in [(task, choice), (choice, wait), (wait, task)] {
            let there = |way: &Way<'_>| way.from == from && way.to == to;
            let leads = definition.ways().iter().any(there);
            assert!(leads, "{from} does not lead to {to}");
        }
        let turn = [task, choice, wait].map(|name| events(&definition, name));
        assert_eq!(turn.iter().sum::<u32>(), EVENTS_A_TURN, "{phase}");
        loops += 1;
    }
    assert_eq!(loops, 5);
    assert_eq!(EVENTS_A_TURN, 9);
}

/// No way from a Task to the next one costs more, so neither does a turn that takes another way.
#[test]
fn no_turn_has_more_than_a_task_a_choice_and_a_wait() {
    let definition = shipped();
    let kind = |name: &str| definition.state(name)["Type"].as_str().unwrap();
    for way in definition.ways() {
        let wanted: &[&str] = match kind(way.from) {
            // By its answer, or by a Catch.
            "Task" => &["Choice", "Task", "Fail"],
            "Choice" => &["Wait", "Task", "Succeed", "Fail"],
            "Wait" => &["Task"],
            other => panic!("{other} {} leads on", way.from),
        };
        assert!(wanted.contains(&kind(way.to)), "{way:?}");
    }
}
