//! `ebbtide plan`.

use crate::program::{assert_has, ebbtide, scratch, scratch_event};
use crate::simulate::left;

#[test]
fn a_plan_shows_the_steps_that_a_simulation_then_makes() {
    let even = r#"{"tasks": 5, "timings": {"jitterPercent": 0}, "clients": {}}"#;
    scratch("plan.json", even);
    for event in ["within", "tasks", "budget", "percent"] {
        let arguments = format!("events/drain-{event}.json --scenario @plan.json --format json");
        let planned = ebbtide(&format!("plan {arguments}")).exits(0).json();
        let steps = planned["steps"].as_array().unwrap().iter();
        let steps: Vec<_> = steps.map(|step| step["left"].as_u64().unwrap()).collect();
        let simulated = ebbtide(&format!("simulate {arguments}")).exits(0).json();
        assert_eq!(left(&simulated)[1..], steps, "{event}");
        let invocations = planned["cost"]["invocations"].as_u64().unwrap();
        assert!(invocations > steps.len() as u64, "{invocations}");
    }
}

#[test]
fn a_plan_warns_of_what_will_not_go_well_and_says_what_would() {
    let text = ebbtide(
        "plan events/drain-budget.json --tasks 200 --connections-per-task 60000 --zones 3
         --new-connections-per-second-per-task 10 --for-reconnects 4000 --for-seconds 7200",
    )
    .done();
    let parts = [
        "The deregistration delay of 300 s is longer than",
        "60000 connections a task are more than the 55000",
        "each replacement task, and it accepts 10",
        "original has tasks in fewer than 3 zones",
        "no drain within a day keeps to 4000 reconnects in every second: the smallest step has 24000",
        "the connections of one task come back at 12000 a second, and all replacement tasks together accept 2000: clients are refused at any pace",
        "within 7200 s: \"drain\": {\"within\": 7200}",
        "by a deadline of 7200 s until the last task has gone: \"drain\": {\"reconnectsPerSecond\": ",
    ];
    assert_has(&text, &parts);
}

#[test]
fn a_pace_for_a_limit_is_advised_where_the_connections_of_one_task_fit_it() {
    let of_limit = |limit: u32| {
        let limit = format!("--new-connections-per-second-per-task {limit}");
        ebbtide(&format!("plan events/drain-budget.json --tasks 40 {limit}")).done()
    };
    let (advised, refused) = (
        "half of what all of them accept",
        "clients are refused at any pace",
    );
    let fits = of_limit(13);
    assert!(fits.contains(advised) && !fits.contains(refused), "{fits}");
    let too_many = of_limit(12);
    assert!(
        !too_many.contains(advised) && too_many.contains(refused),
        "{too_many}"
    );
}

#[test]
fn a_plan_says_what_a_deadline_does_to_a_budget() {
    let budget = |budget: &str| format!(r#", "drain": {{"connectionsPerTask": 2500, {budget}}}"#);
    let stops = r#""reconnectsPerSecond": 10, "deadline": 3600, "onDeadline": "stop""#;
    scratch_event("stops.json", &budget(stops));
    let stops = ebbtide("plan @stops.json --tasks 40").done();
    assert_has(&stops, &["it stops at the deadline"]);
    let tight = r#""reconnectsPerSecond": 5, "deadline": 600"#;
    scratch_event("tight.json", &budget(tight));
    let tight = ebbtide("plan @tight.json --tasks 40").stdout;
    let parts = [
        "its budget cannot be kept by its deadline of 600 s, and the deadline binds",
        "limit         the deadline of the budget",
    ];
    assert_has(&tight, &parts);
}

#[test]
fn what_preflight_refuses_a_plan_says_and_exits_with_1() {
    let ran = ebbtide("plan events/drain-budget.json --deregistration-delay 3600").exits(1);
    assert!(ran.stdout.starts_with("error: preflight will refuse it: "));
    scratch_event("both.json", r#", "drain": {"within": 60, "tasks": 1}"#);
    let ran = ebbtide("plan @both.json").exits(1);
    assert_has(&ran.stderr, &["2 ways of pacing at once"]);
}

#[test]
fn a_service_that_cannot_be_is_wrong_usage() {
    let slow = r#"{"clients": {"reconnectWithinSeconds": 4294967295}}"#;
    for (scenario, said) in [
        (r#"{"tasks": 0}"#, "0 tasks"),
        (r#"{"stopTimeoutSeconds": 4294967295}"#, "a year at most"),
        (slow, "reconnectWithinSeconds"),
        (r#"{"firstDeployment": true}"#, "first deployment"),
    ] {
        scratch("impossible.json", scenario);
        let ran = ebbtide("plan events/drain-budget.json --scenario @impossible.json").exits(2);
        assert_has(&ran.stderr, &[said]);
    }
}
