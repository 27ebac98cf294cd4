//! Each state by itself: what it is for, what it is called with, what it chooses by.

use ebbtide_controller::contract::Step;
use ebbtide_controller::deployment::Status;
use ebbtide_simulator::deployment::DEFINITION;
use serde_json::json;

use crate::graph::{LAMBDA, shipped};

#[test]
fn every_state_tells_people_what_it_is_for() {
    let machine = shipped().machine;
    assert!(machine.comment().is_some());
    for state in machine.states() {
        let comment = state.comment().unwrap_or_default();
        assert!(comment.len() > 20, "{}: {comment:?}", state.name());
    }
}

#[test]
fn the_states_that_users_of_the_sample_know_are_still_there() {
    let machine = shipped().machine;
    for name in [
        "CheckAndCreateService",
        "WaitForServiceReady",
        "Swap",
        "ScaleDown",
        "Wait",
        "LoopTillRunning",
        "Cleanup",
    ] {
        assert!(machine.state(name).is_some(), "{name}");
    }
}

#[test]
fn each_function_gets_the_whole_state_and_answers_with_the_whole_next_one() {
    let definition = shipped();
    for name in definition.calling(LAMBDA) {
        let task = definition.state(name);
        let payload = json!({
            "step": definition.step(name).as_str(),
            "execution.$": "$$.Execution.Id",
            "startedAt.$": "$$.Execution.StartTime",
            "state.$": "$",
        });
        assert_eq!(task["Parameters"]["Payload"], payload, "{name}");
        assert_eq!(task["OutputPath"], "$.Payload", "{name}");
    }
}

#[test]
fn each_step_is_called_once_and_each_status_is_chosen_by() {
    let definition = shipped();
    for step in Step::ALL {
        definition.task_of(step);
    }
    for status in Status::ALL {
        let choice = format!("\"StringEquals\": \"{}\"", status.as_str());
        assert!(DEFINITION.contains(&choice), "{choice}");
    }
}

#[test]
fn every_choice_asks_first_whether_there_is_something_to_choose_by() {
    let machine = shipped().machine;
    let mut seen = 0;
    for state in machine.states() {
        for rule in state.rules() {
            seen += 1;
            assert_eq!(rule.condition.unguarded(), None, "{}", state.name());
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_choice_by_an_answer_has_a_loud_default() {
    let definition = shipped();
    let mut seen = 0;
    for way in definition.ways() {
        let by_status = definition.state(way.from)["Choices"]
            .to_string()
            .contains("\"$.status\"");
        if !by_status || definition.state(way.from)["Default"] != way.to {
            continue;
        }
        seen += 1;
        let default = definition.state(way.to);
        assert_eq!(default["Type"], "Pass", "{}", way.from);
        assert_eq!(default["ResultPath"], "$.error", "{}", way.from);
        assert_eq!(
            default["Result"]["Error"], "UnexpectedAnswer",
            "{}",
            way.from
        );
    }
    let functions = definition.calling(LAMBDA).count();
    // Every function's answer is chosen by, but a failure that was put into words: it is the end.
    assert_eq!(seen, functions - 1);
}

#[test]
fn every_state_can_be_reached_and_leads_somewhere_that_exists() {
    let definition = shipped();
    let reached = definition.reached(&[definition.machine.start_at()], |_| true);
    for name in &reached {
        assert!(definition.machine.state(name).is_some(), "{name}");
    }
    for state in definition.machine.states() {
        assert!(reached.contains(state.name()), "{}", state.name());
    }
}
