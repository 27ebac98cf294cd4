//! What ends a connection, and what does not.

use serde_json::json;

use crate::clients_stage::{ALTERNATE, PRODUCTION, Service, even, service};

/// Moves production to the replacement by weight, and waits until every node knows.
fn swapped(service: &mut Service) -> String {
    let replacement = service.replacement();
    service.forward(&[(PRODUCTION, 0), (ALTERNATE, 100)]);
    service.wait(90);
    replacement
}

/// Cuts in each second in which there were any.
fn cuts(service: &Service) -> Vec<(u64, u64)> {
    let seconds = service.clients().seconds().iter();
    let cut = seconds.filter(|second| second.cut > 0);
    cut.map(|second| (second.at_s, second.cut)).collect()
}

#[test]
fn flows_stay_on_their_target_when_the_listener_moves_and_when_it_is_deregistered() {
    let mut service = service(even(json!({ "clients": {} })));
    let replacement = swapped(&mut service);
    let original = service.original.clone();
    assert_eq!(service.connected_to(&original), 10_000);
    service.scale(&original, 0.0);
    service.wait(290);
    // The deregistration delay is 300 seconds.
    assert_eq!(service.connected_to(&original), 10_000);
    service.wait(60);
    assert_eq!(service.connected_to(&original), 0);
    assert_eq!(service.connected_to(&replacement), 10_000);
    assert_eq!(service.clients().totals().cut, 10_000);
}

#[test]
fn a_task_that_spreads_its_close_cuts_evenly_over_its_stop_timeout() {
    for (behaviour, seconds) in [
        (json!({}), 30),
        (json!({ "exitsAfterSeconds": 10 }), 10),
        (json!({ "exitsAfterSeconds": 50 }), 30),
    ] {
        let mut service = service(even(json!({
            "tasks": 1,
            "original": behaviour,
            "clients": { "connectionsPerTask": 3_000, "onStop": "spread" },
        })));
        swapped(&mut service);
        let original = service.original.clone();
        service.scale(&original, 0.0);
        service.wait(600);
        let each = 3_000 / seconds;
        let cuts: Vec<_> = cuts(&service).into_iter().map(|(_, cut)| cut).collect();
        assert_eq!(cuts, vec![each; usize::try_from(seconds).expect("few")]);
    }
}

#[test]
fn a_task_that_keeps_its_connections_cuts_them_all_at_its_end() {
    let end = |on_stop: &str| {
        let mut service = service(even(json!({ "clients": { "onStop": on_stop } })));
        swapped(&mut service);
        let original = service.original.clone();
        service.scale(&original, 0.0);
        service.wait(600);
        let cuts = cuts(&service);
        assert_eq!((cuts.len(), cuts[0].1), (1, 10_000));
        cuts[0].0
    };
    assert_eq!(end("keep"), end("close") + 30, "the stop timeout");
}

#[test]
fn a_crash_cuts_at_once() {
    let mut service = service(json!({
        "tasks": 2,
        "timings": { "jitterPercent": 0 },
        "replacement": { "crashesAfterSeconds": 975 },
        "clients": {},
    }));
    let replacement = swapped(&mut service);
    let original = service.original.clone();
    service.scale(&original, 0.0);
    service.wait(360);
    let clients = service.clients();
    assert!(clients.totals().cut > 5_000, "{:?}", clients.totals());
    assert_eq!(clients.connected_to(&original), 0);
    let tasks = service.world.tasks_of(&replacement);
    assert!(tasks.iter().any(|task| task.exit_code == Some(1)));
    for task in tasks.iter().filter(|task| task.exit_code == Some(1)) {
        assert_eq!(clients.connected_to_task(&task.arn), 0);
    }
    service.check_that_no_client_is_lost();
}

#[test]
fn connection_termination_cuts_when_the_deregistration_delay_is_over() {
    let on = "deregistration_delay.connection_termination.enabled";
    for terminates in ["false", "true"] {
        let mut service = service(even(json!({
            "deregistrationDelaySeconds": 340,
            "clients": { "onStop": "keep" },
        })));
        service.set_attribute(PRODUCTION, on, terminates);
        let task = service.stop_a_task(&service.original.clone());
        service.wait(339);
        assert_eq!(service.clients().connected_to_task(&task), 2_500);
        service.wait(2);
        let left = if terminates == "true" { 0 } else { 2_500 };
        assert_eq!(service.clients().connected_to_task(&task), left);
    }
}

#[test]
fn a_target_that_becomes_unhealthy_loses_its_connections_unless_the_group_says_no() {
    let on = "target_health_state.unhealthy.connection_termination.enabled";
    for (terminates, cut) in [("true", 10_000), ("false", 0)] {
        let mut service = service(even(json!({
            "original": { "unhealthyAfterSeconds": 86_400 },
            "clients": {},
        })));
        service.set_attribute(PRODUCTION, on, terminates);
        service.wait(30);
        // They started some minutes into the day before: none has failed a check yet.
        assert_eq!(service.clients().totals().cut, 0);
        service.wait(120);
        assert_eq!(service.clients().totals().cut, cut);
        if cut == 0 {
            assert_eq!(service.clients().totals().attempts, 0);
        }
        service.check_that_no_client_is_lost();
    }
}

#[test]
fn connections_through_a_group_that_was_replaced_end_evenly_within_the_hour() {
    let mut service = service(even(json!({
        "clients": { "connectionsPerTask": 3_600 },
    })));
    service.replacement();
    service.forward(&[(ALTERNATE, 100)]);
    let original = service.original.clone();
    for quarter in 1..=4 {
        service.wait(900);
        let left = service.connected_to(&original);
        assert_eq!(left, 14_400 - quarter * 3_600);
    }
    let mut seconds = service.clients().seconds().iter();
    assert!(seconds.all(|second| second.cut <= 8));
}

#[test]
fn a_group_that_is_named_again_keeps_what_it_has_left() {
    let mut service = service(even(json!({ "clients": {} })));
    service.replacement();
    service.forward(&[(ALTERNATE, 100)]);
    service.wait(1_800);
    service.forward(&[(ALTERNATE, 100), (PRODUCTION, 0)]);
    let left = service.connected_to(&service.original);
    assert!((4_900..=5_100).contains(&left), "{left}");
    service.wait(3_600);
    assert_eq!(service.connected_to(&service.original), left);
}
