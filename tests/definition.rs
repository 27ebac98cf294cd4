//! The shipped state machine, held against the contract and the functions.

use std::collections::BTreeMap;
use std::time::Duration;

use ebbtide_controller::contract::Step;
use ebbtide_controller::deployment::Status;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_simulator::asl::{State, StateMachine, StateType, substitute};
use ebbtide_simulator::deployment::DEFINITION;

/// Names that Step Functions and Lambda themselves use and that this definition matches on
/// (AWS documentation; `Sandbox.Timedout` and `Lambda.Unknown` are seen in the field).
const AWS_ERRORS: &[&str] = &[
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "States.ALL",
    "States.TaskFailed",
    "States.Timeout",
];

fn machine() -> StateMachine {
    let values = BTreeMap::from([
        ("Partition", "aws"),
        ("CheckAndCreateFunction", "check-and-create"),
        ("SwapFunction", "swap"),
        ("ScaleDownFunction", "scale-down"),
    ]);
    StateMachine::parse(&substitute(DEFINITION, &values).unwrap()).unwrap()
}

fn tasks(machine: &StateMachine) -> impl Iterator<Item = &State> {
    machine
        .states()
        .filter(|state| state.state_type() == StateType::Task)
}

#[test]
fn every_state_tells_people_what_it_is_for() {
    let machine = machine();
    assert!(machine.comment().is_some());
    for state in machine.states() {
        let comment = state.comment().unwrap_or_default();
        assert!(comment.len() > 20, "{}: {comment:?}", state.name());
    }
}

#[test]
fn the_states_that_users_of_the_sample_know_are_still_there() {
    let machine = machine();
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
fn every_task_has_a_timeout_that_outlasts_its_function_and_the_machine_outlasts_every_phase() {
    let machine = machine();
    for task in tasks(&machine) {
        assert_eq!(
            task.timeout(),
            Some(Duration::from_secs(75)),
            "{}",
            task.name()
        );
    }
    // Readiness, bake and drain may each take a day, the deletion half an hour, and each of at
    // most 15,000 / 9 turns a few seconds of work.
    let phases = Duration::from_secs(3 * 86_400 + 1_800 + 1_667 * 10);
    assert!(machine.timeout().unwrap() > phases);
}

#[test]
fn every_task_retries_and_catches_everything() {
    let machine = machine();
    for task in tasks(&machine) {
        let name = task.name();
        assert!(!task.retriers().is_empty(), "{name}");
        let catcher = task.catchers().last().unwrap();
        assert_eq!(
            catcher.errors.iter().collect::<Vec<_>>(),
            ["States.ALL"],
            "{name}"
        );
        let next = if name == "Rollback" {
            "RollbackFailed"
        } else {
            "Rollback"
        };
        assert_eq!(catcher.next, next, "{name}");
    }
}

#[test]
fn each_of_our_error_names_is_handled_by_what_it_means() {
    let machine = machine();
    for task in tasks(&machine) {
        for error in ErrorName::ALL {
            // The first retrier that matches decides, as in Step Functions.
            let retrier = task
                .retriers()
                .iter()
                .find(|retrier| retrier.errors.matches(error.as_str()))
                .unwrap_or_else(|| panic!("{}: {error} is not handled", task.name()));
            assert!(
                retrier.errors.iter().any(|name| name == error.as_str()),
                "{}: {error} is only caught by a wildcard",
                task.name()
            );
            assert_eq!(
                retrier.max_attempts > 0,
                error.is_worth_retrying(),
                "{}: {error}",
                task.name()
            );
        }
    }
}

#[test]
fn each_name_that_is_matched_is_one_of_ours_or_of_aws() {
    let ours: Vec<_> = ErrorName::ALL.iter().map(|error| error.as_str()).collect();
    let machine = machine();
    for task in tasks(&machine) {
        let retried = task.retriers().iter().flat_map(|r| r.errors.iter());
        let caught = task.catchers().iter().flat_map(|c| c.errors.iter());
        for name in retried.chain(caught) {
            assert!(
                ours.contains(&name) || AWS_ERRORS.contains(&name),
                "{}: {name}",
                task.name()
            );
        }
    }
}

#[test]
fn each_step_is_called_once_and_each_status_is_chosen_by() {
    for step in Step::ALL {
        let call = format!("\"step\": \"{}\"", step.as_str());
        assert_eq!(DEFINITION.matches(&call).count(), 1, "{call}");
    }
    for status in Status::ALL {
        // After these two there is one way to go: to wait, and to fail.
        let wanted = !matches!(status, Status::Created | Status::Failed);
        let choice = format!("\"StringEquals\": \"{}\"", status.as_str());
        assert_eq!(DEFINITION.contains(&choice), wanted, "{choice}");
    }
}

#[test]
fn every_choice_asks_first_whether_there_is_an_answer_and_has_a_loud_default() {
    let definition: serde_json::Value = serde_json::from_str(DEFINITION).unwrap();
    let states = definition["States"].as_object().unwrap();
    let mut seen = 0;
    for (name, state) in states.iter().filter(|(_, state)| state["Type"] == "Choice") {
        seen += 1;
        assert_eq!(state["Default"], "UnexpectedAnswer", "{name}");
        for rule in state["Choices"].as_array().unwrap() {
            assert_eq!(rule["And"][0]["IsPresent"], true, "{name}");
            assert_eq!(
                rule["And"][0]["Variable"], rule["And"][1]["Variable"],
                "{name}"
            );
        }
    }
    assert_eq!(seen, 5);
}

#[test]
fn every_state_can_be_reached_and_leads_somewhere_that_exists() {
    let machine = machine();
    let mut reached = vec![machine.start_at().to_owned()];
    let mut next = 0;
    while let Some(name) = reached.get(next).cloned() {
        next += 1;
        let state = machine
            .state(&name)
            .unwrap_or_else(|| panic!("{name} does not exist"));
        for follower in state.next_states() {
            if !reached.iter().any(|known| known == follower) {
                reached.push(follower.to_owned());
            }
        }
    }
    for state in machine.states() {
        assert!(
            reached.iter().any(|name| name == state.name()),
            "{}",
            state.name()
        );
    }
}
