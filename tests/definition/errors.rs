//! What the definition does when a function throws or does not answer.

use std::collections::BTreeSet;

use ebbtide_controller::refusal::ErrorName;
use ebbtide_simulator::asl::{Jitter, StateMachine};
use serde_json::{Value, json};

use crate::graph::{By, HOOK, shipped};

/// How Step Functions says that an invocation failed, or that it cannot tell (AWS documentation;
/// `Sandbox.Timedout` and `Lambda.Unknown` are seen in the field).
const OF_AWS: [&str; 10] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "States.TaskFailed",
    "States.Timeout",
    "Unheard.Of",
];

#[test]
fn every_task_has_the_same_retry_and_every_task_but_the_rollback_the_same_catch() {
    let definition = shipped();
    let swap = definition.state("Swap");
    for (name, task) in definition.tasks() {
        assert_eq!(task["Retry"], swap["Retry"], "{name}");
        assert_eq!(task["TimeoutSeconds"], swap["TimeoutSeconds"], "{name}");
        if name != "Rollback" {
            assert_eq!(task["Catch"], swap["Catch"], "{name}");
        }
    }
    assert_eq!(swap["Retry"].as_array().unwrap().len(), 1);
}

#[test]
fn whatever_a_function_throws_and_whatever_step_functions_says_of_it_is_tried_again() {
    let definition = shipped();
    let thrown = ErrorName::ALL.iter().map(|error| error.as_str());
    for error in thrown.chain(OF_AWS) {
        for (name, _) in definition.tasks() {
            let task = definition.machine.state(name).unwrap();
            assert_eq!(task.retriers().len(), 1, "{name}");
            let retrier = &task.retriers()[0];
            assert!(retrier.errors.matches(error), "{name}: {error}");
            // Many executions that AWS throttles at once come back at different times.
            assert_eq!(retrier.jitter, Jitter::Full, "{name}");
            assert!(retrier.max_attempts >= 5, "{name}");
        }
    }
}

#[test]
fn a_failure_leads_to_the_rollback_and_that_of_the_rollback_to_its_end() {
    let definition = shipped();
    for (name, _) in definition.tasks() {
        let is_rollback = name == "Rollback";
        let wanted = if is_rollback {
            "RollbackFailed"
        } else {
            "Rollback"
        };
        let mut ways = definition.ways();
        ways.retain(|way| way.from == name && way.by == By::Catch);
        let caught: BTreeSet<_> = ways.iter().map(|way| way.to).collect();
        assert_eq!(caught, BTreeSet::from([wanted]), "{name}");
    }
}

#[test]
fn everything_is_caught_what_is_too_large_by_its_name_and_put_beside_the_state() {
    let definition = shipped();
    for (name, task) in definition.tasks() {
        let catchers = task["Catch"].as_array().unwrap();
        let errors: Vec<_> = catchers.iter().map(|one| &one["ErrorEquals"]).collect();
        // States.ALL does not stand for it (AWS documentation), and stands alone and last.
        let wanted = WANTED.map(|error| json!([error]));
        assert_eq!(errors, wanted.iter().collect::<Vec<_>>(), "{name}");
        for catcher in catchers {
            // What has made a state too large is the reply of a hook: the error takes its place.
            // A rollback that fails ends there, with what is in `failure`.
            let too_large = catcher["ErrorEquals"] == wanted[0] && name != "Rollback";
            let path = if too_large { "$.hook" } else { "$.failure" };
            assert_eq!(catcher["ResultPath"], path, "{name}");
        }
    }
}

#[test]
fn a_hook_is_called_again_only_where_lambda_has_not_run_it_and_whatever_it_ends_with_is_a_reply() {
    let definition = shipped();
    let hook = definition.machine.state(HOOK).unwrap();
    let [retrier] = hook.retriers() else {
        panic!("{:?}", hook.retriers());
    };
    for error in OF_AWS {
        let transient = OF_LAMBDA.contains(&error);
        assert_eq!(retrier.errors.matches(error), transient, "{error}");
    }
    assert_eq!(retrier.jitter, Jitter::Full);
    let state = definition.state(HOOK);
    for (catcher, error) in state["Catch"].as_array().unwrap().iter().zip(WANTED) {
        assert_eq!(catcher["ErrorEquals"], json!([error]));
        assert_eq!(catcher["ResultPath"], state["ResultPath"]);
        assert_eq!(catcher["Next"], state["Next"]);
    }
}

/// The two linters of `make definition` take both for right.
#[test]
fn states_all_that_is_not_alone_or_not_last_is_refused_wherever_it_is_planted() {
    let definition = shipped();
    for (name, _) in definition.of_type("Task") {
        for field in ["Retry", "Catch"] {
            let refusal = |plant: fn(&mut Vec<Value>)| {
                let mut planted = definition.json().clone();
                plant(planted["States"][name][field].as_array_mut().unwrap());
                let parsed = StateMachine::parse(&planted.to_string());
                parsed.unwrap_err().to_string()
            };
            let beside = refusal(|entries| {
                entries[0]["ErrorEquals"] = json!(["States.Timeout", "States.ALL"]);
            });
            assert!(beside.contains("States.ALL stands alone"), "{beside}");
            let early = refusal(|entries| {
                entries.insert(0, entries[0].clone());
                entries[0]["ErrorEquals"] = json!(["States.ALL"]);
            });
            let wanted = format!("States.{name}.{field}[0]: States.ALL stands last");
            assert!(early.contains(&wanted), "{early}");
        }
    }
}

/// Errors of Lambda that AWS's guide for Step Functions advises to retry.
const OF_LAMBDA: [&str; 4] = [
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
];

/// What every Task catches, in this order.
const WANTED: [&str; 2] = ["States.DataLimitExceeded", "States.ALL"];
