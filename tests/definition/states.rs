//! Each state by itself: what it is for, what it is called with, where it ends.

use ebbtide_controller::phase::{Phase, To};
use ebbtide_functions::Function;
use ebbtide_simulator::deployment::DEFINITION;
use serde_json::json;

use crate::graph::{HOOK, shipped};

#[test]
fn every_state_says_what_it_is_for() {
    let definition = shipped();
    assert!(definition.json()["Comment"].is_string());
    for (name, state) in definition.states() {
        let comment = state["Comment"].as_str().unwrap_or_default();
        assert!(comment.len() > 20, "{name}: {comment:?}");
    }
}

#[test]
fn the_states_that_users_of_the_sample_know_are_still_there() {
    let definition = shipped();
    for name in [
        "CheckAndCreateService",
        "WaitForServiceReady",
        "Swap",
        "ScaleDown",
        "Wait",
        "LoopTillRunning",
        "Cleanup",
    ] {
        definition.state(name);
    }
}

#[test]
fn a_person_can_read_it() {
    let definition = shipped();
    let lines = DEFINITION.lines().count();
    // One value a line, as `jq .` prints it.
    let printed = serde_json::to_string_pretty(definition.json()).unwrap();
    let (states, printed) = (definition.states().count(), printed.lines().count());
    assert!(states <= 24, "{states} states");
    assert!(lines <= 700, "{lines} lines");
    assert!(printed <= 1_050, "{printed} lines with one value each");
}

#[test]
fn each_phase_has_one_task_that_gets_the_whole_state_and_answers_with_the_whole_next_one() {
    let definition = shipped();
    for phase in Phase::ALL {
        let name = phase.task().as_str();
        let task = definition.state(name);
        let function = match phase {
            Phase::Preflight | Phase::CheckAndCreate => Function::CheckAndCreate,
            Phase::Swap => Function::Swap,
            Phase::ScaleDown | Phase::Cleanup | Phase::Rollback => Function::ScaleDown,
        };
        let parameters = json!({
            "FunctionName": function.as_str(),
            "Payload": {
                "phase": phase.as_str(),
                "execution.$": "$$.Execution.Id",
                "startedAt.$": "$$.Execution.StartTime",
                "state.$": "$",
            },
        });
        assert_eq!(task["Resource"], "arn:aws:states:::lambda:invoke", "{name}");
        assert_eq!(task["Parameters"], parameters, "{name}");
        assert_eq!(task["OutputPath"], "$.Payload", "{name}");
    }
    assert_eq!(definition.tasks().count(), Phase::ALL.len());
}

#[test]
fn a_hook_is_called_as_the_answer_has_it_and_its_reply_goes_back_there() {
    let definition = shipped();
    let hook = definition.state(HOOK);
    assert_eq!(hook["Resource"], "arn:aws:states:::lambda:invoke");
    let parameters = json!({"FunctionName.$": "$.hook.lambda", "Payload.$": "$.hook.event"});
    assert_eq!(hook["Parameters"], parameters);
    assert_eq!(hook["TimeoutSecondsPath"], "$.hook.timeout");
    assert_eq!(hook["ResultSelector"], json!({"answer.$": "$.Payload"}));
    assert_eq!(hook["ResultPath"], "$.hook.reply");
    let after = definition.state(hook["Next"].as_str().unwrap());
    let rules = after["Choices"].as_array().unwrap();
    let mut ways: Vec<_> = rules
        .iter()
        .map(|rule| (&rule["StringEquals"], &rule["Next"]))
        .collect();
    let rollback = json!("Rollback");
    ways.push((&rollback, &after["Default"]));
    let phases = Phase::ALL
        .into_iter()
        .filter(|phase| *phase != Phase::Preflight);
    let wanted: Vec<_> = phases.map(|phase| json!(phase.task().as_str())).collect();
    assert_eq!(
        ways,
        wanted.iter().map(|task| (task, task)).collect::<Vec<_>>()
    );
    assert!(rules.iter().all(|rule| rule["Variable"] == "$.hook.then"));
}

#[test]
fn each_phase_that_takes_the_lock_has_one_wait_that_leads_back_to_it() {
    let definition = shipped();
    let mut waiting = 0;
    for phase in Phase::ALL {
        if phase.wait() == phase.task() {
            assert_eq!(phase, Phase::Preflight);
            continue;
        }
        waiting += 1;
        let name = phase.wait().as_str();
        let wait = definition.state(name);
        assert_eq!(wait["Type"], "Wait", "{name}");
        assert_eq!(wait["SecondsPath"], "$.wait", "{name}");
        assert_eq!(wait["Next"], phase.task().as_str(), "{name}");
    }
    assert_eq!(definition.of_type("Wait").count(), waiting);
}

#[test]
fn there_are_two_ways_to_succeed_and_two_to_fail_with_the_failure_of_the_state() {
    let definition = shipped();
    let names = |kind| -> Vec<_> { definition.of_type(kind).map(|(name, _)| name).collect() };
    assert_eq!(names("Succeed"), ["DeploymentSucceeded", "DryRunSucceeded"]);
    assert_eq!(names("Fail"), ["DeploymentFailed", "RollbackFailed"]);
    for (name, state) in definition.of_type("Fail") {
        assert_eq!(state["ErrorPath"], "$.failure.Error", "{name}");
        assert_eq!(state["CausePath"], "$.failure.Cause", "{name}");
    }
}

#[test]
fn every_state_that_an_answer_may_name_is_there_and_can_be_reached() {
    let definition = shipped();
    let reached = definition.reached(definition.machine.start_at(), |_| true);
    let there: std::collections::BTreeSet<_> = definition.states().map(|(name, _)| name).collect();
    assert_eq!(reached, there);
    for to in To::ALL {
        assert!(there.contains(to.as_str()), "{to}");
    }
}
