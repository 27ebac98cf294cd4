//! What the definition does about each error name.

use std::collections::{BTreeMap, BTreeSet};

use ebbtide_controller::refusal::ErrorName;
use ebbtide_simulator::asl::State;

use crate::graph::{
    By, CONDITION_FAILED, DESCRIBE_EXECUTION, Definition, LAMBDA, UPDATE_ITEM, names, shipped,
};

/// Names that AWS uses and that this definition matches on (AWS documentation; `Sandbox.Timedout`
/// and `Lambda.Unknown` are seen in the field; the API model calls an unknown execution
/// `ExecutionDoesNotExist`, and Step Functions is documented to add `Exception`).
const AWS_ERRORS: &[&str] = &[
    CONDITION_FAILED,
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Sfn.ExecutionDoesNotExist",
    "Sfn.ExecutionDoesNotExistException",
    "States.ALL",
    "States.TaskFailed",
    "States.Timeout",
];

fn retries(task: &State, error: &str) -> Option<u32> {
    // The first retrier that matches decides, as in Step Functions.
    let mut retriers = task.retriers().iter();
    let first = retriers.find(|retrier| retrier.errors.matches(error));
    first.map(|retrier| retrier.max_attempts)
}

#[test]
fn every_task_retries_and_catches_everything() {
    let definition = shipped();
    let machine = &definition.machine;
    for task in machine.states().filter(|state| state.resource().is_some()) {
        let name = task.name();
        for passing in ["States.Timeout", "Somebody.Else"] {
            assert!(retries(task, passing) > Some(0), "{name}: {passing}");
        }
        let last = task.catchers().last().unwrap();
        assert_eq!(
            last.errors.iter().collect::<Vec<_>>(),
            ["States.ALL"],
            "{name}"
        );
    }
}

#[test]
fn each_of_our_error_names_is_handled_by_what_it_means() {
    let definition = shipped();
    for name in definition.calling(LAMBDA) {
        let task = definition.machine.state(name).unwrap();
        for error in ErrorName::ALL {
            let by_name = task.retriers().iter().any(|retrier| {
                let mut names = retrier.errors.iter();
                names.any(|listed| listed == error.as_str())
            });
            assert!(by_name, "{name}: {error} is only caught by a wildcard");
            assert_eq!(
                retries(task, error.as_str()) > Some(0),
                error.is_worth_retrying(),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn an_answer_that_will_not_change_is_not_asked_for_again() {
    let definition = shipped();
    for (resource, error) in [
        (UPDATE_ITEM, CONDITION_FAILED),
        (DESCRIBE_EXECUTION, "Sfn.ExecutionDoesNotExistException"),
        (DESCRIBE_EXECUTION, "Sfn.ExecutionDoesNotExist"),
    ] {
        for name in definition.calling(resource) {
            let task = definition.machine.state(name).unwrap();
            assert_eq!(retries(task, error), Some(0), "{name}");
        }
    }
}

#[test]
fn each_name_that_is_matched_is_one_of_ours_or_of_aws() {
    let ours: Vec<_> = ErrorName::ALL.iter().map(|error| error.as_str()).collect();
    let machine = shipped().machine;
    for task in machine.states() {
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

/// The states that a Task's failures lead to. What waits for a function to end first counts as where
/// it then goes.
fn caught_by<'a>(definition: &'a Definition, task: &str) -> BTreeSet<&'a str> {
    let caught = definition
        .ways()
        .into_iter()
        .filter(|way| way.from == task)
        .filter(|way| match way.by {
            By::Catch(catcher) => !names(catcher).iter().any(|error| {
                *error == CONDITION_FAILED || *error == "Sfn.ExecutionDoesNotExistException"
            }),
            By::Next | By::Rule(_) => false,
        });
    caught
        .map(|way| match definition.state(way.to) {
            wait if wait["Type"] == "Wait" => wait["Next"].as_str().unwrap(),
            _ => way.to,
        })
        .collect()
}

#[test]
fn a_failure_is_rolled_back_while_the_lock_is_held_and_only_explained_before() {
    let definition = shipped();
    let exceptions = BTreeMap::from([
        ("Preflight", "ExplainFailure"),
        ("AcquireLock", "ExplainFailure"),
        ("ReadLock", "ExplainFailure"),
        ("DescribeOwner", "ExplainFailure"),
        ("DescribeOwnerAgain", "ExplainFailure"),
        ("TakeLockOver", "ExplainFailure"),
        ("ReadHolder", "ExplainFailure"),
        ("ExplainFailure", "DeploymentFailedUnexplained"),
        // Nobody waits for a message.
        ("TellOfSwap", "AlarmsNamedForDrain"),
        ("TellOfDrain", "RenewBeforeCleanup"),
        ("TellOfRollback", "AlarmsNamedForDrain"),
        // A drain that cannot know how many reconnect goes on at its planned pace.
        ("ReadMetrics", "RenewBeforeScaleDown"),
        ("RenewBeforeRollback", "RollbackFailed"),
        ("Rollback", "ReleaseLockAfterFailedRollback"),
        ("RenewBeforeSwapBack", "RollbackFailed"),
        ("SwapBack", "ReleaseLockAfterFailedRollback"),
        // A lock that cannot be released changes nothing about how a deployment ends.
        ("ReleaseLock", "DeploymentSucceeded"),
        ("ReleaseLockAfterFailure", "DeploymentFailed"),
        ("ReleaseLockAfterFailedRollback", "RollbackFailed"),
    ]);
    for name in exceptions.keys() {
        assert_eq!(definition.state(name)["Type"], "Task", "{name}");
    }
    for (name, _) in definition.states().filter(|(_, s)| s["Type"] == "Task") {
        let wanted = exceptions.get(name).unwrap_or(&"RenewBeforeRollback");
        assert_eq!(
            caught_by(&definition, name),
            BTreeSet::from([*wanted]),
            "{name}"
        );
    }
}

#[test]
fn a_failure_is_put_beside_the_state_that_its_rollback_needs() {
    let definition = shipped();
    for way in definition.ways() {
        let By::Catch(catcher) = way.by else {
            continue;
        };
        let path = &catcher["ResultPath"];
        match way.to {
            // Before there is a state, and after the end, there is nothing to keep.
            "ExplainFailure" if way.from == "Preflight" => assert_eq!(path, "$"),
            "DeploymentFailedUnexplained" => assert_eq!(path, "$"),
            // A lock that cannot be read or released adds nothing to what has happened.
            _ if way.from.starts_with("ReleaseLock") || way.from == "ReadHolder" => {
                assert!(path.is_null(), "{way:?}");
            }
            "ReadLock" => assert!(path.is_null(), "{way:?}"),
            _ if way.from.starts_with("TellOf") => assert!(path.is_null(), "{way:?}"),
            _ if way.from == "ReadMetrics" => assert_eq!(path, "$.seen", "{way:?}"),
            "Grace" | "TakeLockOver" => assert_eq!(path, "$.holder.execution", "{way:?}"),
            _ => assert_eq!(path, "$.error", "{way:?}"),
        }
    }
}

#[test]
fn a_deployment_that_goes_on_carries_no_error() {
    let definition = shipped();
    // The error of a state is taken for the deployment's failure by the next function.
    let functions: Vec<_> = definition.calling(LAMBDA).collect();
    for (name, state) in definition.states() {
        let puts_error = definition
            .ways()
            .into_iter()
            .filter_map(|way| match way.by {
                By::Catch(catcher) if way.from == name && catcher["ResultPath"] == "$.error" => {
                    Some(way.to)
                }
                By::Next if way.from == name && state["ResultPath"] == "$.error" => Some(way.to),
                _ => None,
            });
        for to in puts_error {
            let next = definition.reached(&[to], |way| !functions.contains(&way.from));
            for function in functions.iter().filter(|f| next.contains(**f)) {
                assert!(
                    ["Rollback", "ExplainFailure"].contains(function),
                    "{name} leaves an error that {function} finds"
                );
            }
        }
    }
}
