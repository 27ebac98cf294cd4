//! Time and history: timeouts nest (rule R10), and the loops cost what preflight counts (rule R9).

use std::collections::BTreeSet;
use std::time::Duration;

use ebbtide_controller::lock;
use ebbtide_controller::preflight::{
    EVENTS_A_LOOK, EVENTS_A_STEP, EVENTS_A_TURN, EVENTS_ALLOWED, EVENTS_OF_METRICS, LONGEST_PHASES,
    TASK_SET_LIMIT,
};
use ebbtide_simulator::asl::{ErrorNames, Jitter};
use saphyr::{LoadableYamlNode, Yaml};

use crate::graph::{By, Definition, GET_METRIC_DATA, LAMBDA, PUT_EVENTS, UPDATE_ITEM, shipped};

const DAY: u64 = 86_400;

fn function_timeout() -> Duration {
    let template = Yaml::load_from_str(include_str!("../../template.yaml")).unwrap();
    let seconds = template[0]["Globals"]["Function"]["Timeout"].as_integer();
    Duration::from_secs(seconds.unwrap().try_into().unwrap())
}

#[test]
fn every_task_outlasts_what_it_calls() {
    let definition = shipped();
    for task in definition.machine.states() {
        let Some(resource) = task.resource() else {
            continue;
        };
        // Nobody waits for metrics and messages, without which a deployment can do.
        let seconds = match resource {
            LAMBDA => 75,
            GET_METRIC_DATA | PUT_EVENTS => 10,
            _ => 30,
        };
        let timeout = Duration::from_secs(seconds);
        assert_eq!(task.timeout(), Some(timeout), "{}", task.name());
        if resource == LAMBDA {
            assert!(timeout > function_timeout());
        }
    }
}

#[test]
fn a_function_that_may_still_run_has_ended_before_anything_is_done_beside_it() {
    let definition = shipped();
    for writer in definition.writers() {
        let task = definition.machine.state(writer).unwrap();
        // How Step Functions says that it cannot tell what became of an invocation.
        for error in [
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.Unknown",
            "Somebody.Else",
        ] {
            let matching = |errors: &ErrorNames| errors.matches(error);
            let retrier = task
                .retriers()
                .iter()
                .find(|r| matching(&r.errors))
                .unwrap();
            assert!(retrier.interval >= function_timeout(), "{writer}: {error}");
            assert_eq!(retrier.jitter, Jitter::None, "{writer}: {error}");
            let catcher = task
                .catchers()
                .iter()
                .find(|c| matching(&c.errors))
                .unwrap();
            let wait = definition.state(&catcher.next);
            assert!(
                wait["Seconds"].as_u64() >= Some(function_timeout().as_secs()),
                "{writer}: {error} leads to {}",
                catcher.next
            );
        }
    }
}

#[test]
fn a_renewal_allows_no_write_that_could_land_after_the_grace() {
    let function = function_timeout().as_secs();
    let (grace, lease) = (u64::from(lock::GRACE), u64::from(lock::LEASE));
    assert!(grace > lease + function);
    assert!(grace >= 2 * function);
    // A renewal's time is when its state was entered: what its own retries take is taken off.
    let definition = shipped();
    for name in definition.calling(UPDATE_ITEM) {
        let values = &definition.state(name)["Parameters"]["ExpressionAttributeValues"];
        assert_eq!(values[":now"]["S.$"], "$$.State.EnteredTime", "{name}");
    }
}

#[test]
fn the_machine_outlasts_all_phases_of_a_deployment_and_its_rollback() {
    let leftovers = TASK_SET_LIMIT as u64 - 1;
    let drains = leftovers + 2;
    // Each of these may take a day, as the request allows: finishing a swap, draining what is left
    // over, then readiness, bake and drain, there and back.
    let days = 1 + leftovers + 3 + 3;
    let deletions = drains * 1_800;
    let waits = days * DAY + deletions + u64::from(lock::GRACE);
    // What is done between the waits: a second for each event of the history is plenty.
    let phases = Duration::from_secs(waits + u64::from(EVENTS_ALLOWED));
    assert!(shipped().machine.timeout().unwrap() > phases);
}

#[test]
fn the_machine_outlasts_what_preflight_lets_pass() {
    let phases =
        Duration::from_secs(LONGEST_PHASES + u64::from(lock::GRACE) + u64::from(EVENTS_ALLOWED));
    assert!(shipped().machine.timeout().unwrap() > phases);
}

/// Events that a state adds to the history when all goes well (AWS documentation): a Task is
/// entered, scheduled, started, succeeds and is exited; the others are entered and exited.
fn events(definition: &Definition, name: &str) -> u32 {
    if definition.state(name)["Type"] == "Task" {
        5
    } else {
        2
    }
}

/// Events of one turn of a loop, whose states are given in their order.
fn turn(definition: &Definition, states: &[&str]) -> u32 {
    let ways = definition.ways();
    let followers = states.iter().cycle().skip(1);
    for (from, to) in states.iter().zip(followers) {
        assert!(
            ways.iter().any(|way| way.from == *from && way.to == *to),
            "{from} does not lead to {to}"
        );
    }
    states.iter().map(|name| events(definition, name)).sum()
}

#[test]
fn a_turn_of_each_loop_costs_what_preflight_counts() {
    let definition = shipped();
    let look = ["WaitForServiceReady", "CheckServiceReady", "ServiceReady"];
    let step = [
        "AlarmsNamedForDrain",
        "ReadAlarms",
        "MetricsWanted",
        "RenewBeforeScaleDown",
        "ScaleDown",
        "Wait",
        "LoopTillRunning",
    ];
    let turns = [
        [
            "WaitForLeftovers",
            "RenewBeforeLeftovers",
            "DrainLeftovers",
            "NothingLeftOver",
        ],
        [
            "WaitToSwapBack",
            "RenewBeforeSwapBack",
            "SwapBack",
            "SwappedBack",
        ],
        [
            "WaitToFinishSwap",
            "RenewBeforeFinishSwap",
            "FinishSwap",
            "SwapFinished",
        ],
        [
            "WaitForDeletion",
            "RenewBeforeCleanup",
            "Cleanup",
            "CleanedUp",
        ],
        [
            "WaitForOriginal",
            "RenewBeforeRollback",
            "Rollback",
            "RolledBack",
        ],
        [
            "WaitToSwapBack",
            "RenewBeforeSwapBack",
            "SwapBack",
            "SwappedBack",
        ],
    ];
    assert_eq!(turn(&definition, &look), EVENTS_A_LOOK);
    assert_eq!(turn(&definition, &step), EVENTS_A_STEP);
    assert_eq!(events(&definition, "ReadMetrics"), EVENTS_OF_METRICS);
    for states in &turns {
        assert_eq!(turn(&definition, states), EVENTS_A_TURN, "{states:?}");
    }

    // There is no other wait that could come again, but by a failure: and the way back is gone once.
    let counted: BTreeSet<_> = [look[0], step[4]]
        .into_iter()
        .chain(turns.iter().map(|states| states[0]))
        .collect();
    for (name, state) in definition.states().filter(|(_, s)| s["Type"] == "Wait") {
        let next = state["Next"].as_str().unwrap();
        let comes_again = definition
            .reached(&[next], |way| {
                !matches!(way.by, By::Catch(_)) && !counted.contains(way.to)
            })
            .contains(name);
        assert!(counted.contains(name) || !comes_again, "{name}");
    }
}
