//! Clients: where they go, when they come back, and that none gets lost.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::{Clients, ClientsScenario, World};
use serde_json::{Value, json};

use crate::clients_stage::{ALTERNATE, PRODUCTION, Service, even, service};
use crate::support::cases;

/// A deployment that takes the original away at once.
fn storm(scenario: Value) -> (Service, String) {
    let mut service = service(scenario);
    let replacement = service.replacement();
    service.forward(&[(PRODUCTION, 0), (ALTERNATE, 100)]);
    service.wait(90);
    let original = service.original.clone();
    service.delete(&original);
    service.wait(360);
    (service, replacement)
}

#[test]
fn forty_tasks_that_end_at_once_bring_100_000_reconnects_within_five_seconds() {
    let (service, replacement) = storm(even(json!({ "tasks": 40, "clients": {} })));
    let clients = service.clients();
    let seconds = clients.seconds().iter();
    let storm: Vec<_> = seconds.filter(|second| second.reconnects > 0).collect();
    let each: Vec<_> = storm.iter().map(|second| second.reconnects).collect();
    assert_eq!(each, [20_000; 5]);
    assert_eq!(storm[4].at_s, storm[0].at_s + 4);
    assert_eq!(clients.peak_reconnects(1), 20_000);
    assert_eq!(clients.peak_reconnects(3), 60_000);
    assert_eq!(clients.peak_reconnects(60), 100_000);
    assert_eq!(clients.connected_to(&replacement), 100_000);
    let peak = clients.peak_of_a_task(&replacement);
    assert_eq!((peak.attempts, peak.connections), (500, 2_500));
}

#[test]
fn with_chance_the_storm_is_as_large_and_not_as_even() {
    let (service, replacement) = storm(json!({ "tasks": 40, "clients": {} }));
    let clients = service.clients();
    assert_eq!(clients.totals().reconnects, 100_000);
    assert_eq!(clients.connected_to(&replacement), 100_000);
    let peak = clients.peak_of_a_task(&replacement);
    assert!(peak.connections > 2_500, "{peak:?}");
    service.check_that_no_client_is_lost();
}

#[test]
fn new_connections_follow_the_listener_as_the_change_reaches_its_nodes() {
    // Every second, one client in a thousand ends its connection and comes back in the next.
    let mut service = service(even(json!({
        "clients": { "lifetimeSeconds": 1_000, "reconnectWithinSeconds": 1 },
    })));
    let replacement = service.replacement();
    let original = service.original.clone();
    assert_eq!(service.connected_to(&replacement), 0);
    service.forward(&[(PRODUCTION, 0), (ALTERNATE, 100)]);
    let mut came = Vec::new();
    for _ in 0..5 {
        let (before, from) = (service.connected_to(&replacement), service.world.now());
        service.wait(15);
        let clients = service.clients();
        let seconds = clients.seconds().iter();
        let since = seconds.filter(|second| second.at_s * 1_000 > from);
        let left: u64 = since.map(|second| second.attempts).sum();
        let now = clients.connected_to(&replacement);
        came.push((now - before) * 100 / left);
        service.check_that_no_client_is_lost();
    }
    assert!(came.is_sorted(), "{came:?}");
    assert!(came[0] <= 15 && came[4] >= 80, "{came:?}");
    service.wait(20_000);
    let connected = service.connected_to(&original);
    assert_eq!(connected, 0, "weight 0 gets nothing new");
}

#[test]
fn weights_distribute_new_connections() {
    let mut service = service(even(json!({
        "timings": { "jitterPercent": 0, "listenerPropagationMs": 0 },
        "clients": { "lifetimeSeconds": 60 },
    })));
    let replacement = service.replacement();
    service.forward(&[(PRODUCTION, 90), (ALTERNATE, 10)]);
    service.wait(900);
    let part = service.connected_to(&replacement) * 1_000 / service.clients().connected();
    assert!((99..=101).contains(&part), "{part} of 1,000");
}

#[test]
fn refused_clients_back_off_and_all_are_connected_in_the_end() {
    for jitter in [0, 20] {
        let (mut service, replacement) = storm(json!({
            "timings": { "jitterPercent": jitter },
            "clients": { "newConnectionsPerSecondPerTask": 100 },
        }));
        let totals = service.clients().totals();
        assert!(totals.refused > 5_000, "{totals:?}");
        let peak = service.clients().peak_of_a_task(&replacement);
        // What is refused is borne as well.
        assert!(peak.attempts > 400, "{peak:?}");
        service.wait(300);
        assert_eq!(service.connected_to(&replacement), 10_000);
        let totals = service.clients().totals();
        assert_eq!(totals.attempts, totals.refused + 10_000);
        let mut seconds = service.clients().seconds().iter();
        assert!(seconds.all(|second| second.attempts - second.refused <= 400));
    }
}

#[test]
fn without_any_target_every_client_is_refused_until_there_is_one() {
    let mut service = service(even(json!({ "clients": {} })));
    let original = service.original.clone();
    service.delete(&original);
    service.wait(400);
    let clients = service.clients();
    assert_eq!((clients.connected(), clients.waiting()), (0, 10_000));
    assert_eq!(clients.totals().refused, clients.totals().attempts);
    let last = &clients.seconds().last().expect("a second");
    assert!(last.attempts < 500, "they have backed off: {last:?}");
    let replacement = service.replacement();
    service.forward(&[(ALTERNATE, 100)]);
    service.wait(240);
    assert_eq!(service.connected_to(&replacement), 10_000);
}

#[test]
fn a_group_without_a_healthy_target_gets_its_share_and_unresponsive_tasks_refuse() {
    for (behaviour, answers) in [(json!({}), true), (json!({ "neverHealthy": true }), false)] {
        let mut service = service(json!({
            "timings": { "jitterPercent": 0, "listenerPropagationMs": 0 },
            "healthCheckIntervalSeconds": 300,
            "healthyThreshold": 10,
            "replacement": behaviour,
            "clients": { "lifetimeSeconds": 100 },
        }));
        let replacement = service.create_replacement();
        service.wait(300);
        service.forward(&[(PRODUCTION, 50), (ALTERNATE, 50)]);
        service.wait(400);
        let clients = service.clients();
        assert_eq!(clients.connected_to(&replacement) > 4_000, answers);
        assert_eq!(clients.totals().refused == 0, answers);
    }
}

#[test]
fn every_production_listener_has_its_part_and_test_listeners_have_none() {
    let mut service = service(json!({
        "timings": { "jitterPercent": 0, "listenerPropagationMs": 0 },
        "listeners": [
            { "port": 80, "role": "production" },
            { "port": 443, "role": "production" },
            { "port": 8080, "role": "test" },
        ],
        "clients": { "lifetimeSeconds": 60 },
    }));
    let replacement = service.replacement();
    let connected = service.connected_to(&replacement);
    assert_eq!(connected, 0, "the test listener forwards to it");
    service.forward(&[(PRODUCTION, 0), (ALTERNATE, 1)]);
    service.wait(900);
    let part = service.connected_to(&replacement) * 1_000 / service.clients().connected();
    assert!((495..=505).contains(&part), "one of two listeners: {part}");
}

#[test]
fn tasks_hold_different_numbers_of_connections_where_the_scenario_says_so() {
    for jitter in [0, 20] {
        let service = service(json!({
            "tasks": 50,
            "timings": { "jitterPercent": jitter },
            "clients": { "varyByFactor": 4 },
        }));
        let clients = service.clients();
        let tasks = service.world.tasks_of(&service.original);
        let held = tasks
            .iter()
            .map(|task| clients.connected_to_task(&task.arn));
        let mut held: Vec<_> = held.collect();
        held.sort_unstable();
        assert_eq!(held.iter().sum::<u64>(), 50 * 2_500);
        let (least, most) = (held[0], held[49]);
        assert!(
            most > 3 * least && most <= 4 * least + 4,
            "{least} to {most}"
        );
    }
}

#[test]
fn a_first_deployment_has_no_clients_yet_and_a_world_without_them_has_none() {
    let world_of = |json: Value| -> World {
        let scenario: Scenario = serde_json::from_value(json).expect("a scenario");
        scenario.world().expect("a world")
    };
    let world = world_of(json!({ "firstDeployment": true, "clients": {} }));
    assert_eq!(world.clients().map(Clients::total), Some(0));
    assert_eq!(world_of(json!({})).clients(), None);
}

#[test]
fn clients_change_nothing_about_the_world_that_they_live_in() {
    let told = |clients: Value| {
        let mut scenario = json!({ "tasks": 6 });
        if !clients.is_null() {
            scenario["clients"] = clients;
        }
        let (mut service, _) = storm(scenario);
        service.world.take_events()
    };
    let clients = json!({ "lifetimeSeconds": 60, "varyByFactor": 3 });
    assert_eq!(told(json!(null)), told(clients));
}

#[test]
fn one_seed_gives_the_same_clients_saved_or_not_and_however_often_they_are_read() {
    let scenario = |seed: u64| {
        json!({
            "seed": seed,
            "clients": { "lifetimeSeconds": 300, "newConnectionsPerSecondPerTask": 20 },
        })
    };
    let (whole, _) = storm(scenario(7));
    let bytes = |world: &World| serde_json::to_string(world).expect("saved");
    assert_eq!(bytes(&whole.world), bytes(&storm(scenario(7)).0.world));
    assert_ne!(bytes(&whole.world), bytes(&storm(scenario(8)).0.world));
    let mut loaded: World = serde_json::from_str(&bytes(&whole.world)).expect("loaded");
    assert_eq!(loaded, whole.world);
    let mut original = whole.world;
    let now = original.now();
    original.advance_to(now + 600_000);
    for second in 1..=1_200 {
        loaded.advance_to(now + second * 500);
    }
    assert_eq!(loaded, original);
}

#[test]
fn a_million_connections_over_500_tasks_live_through_an_hour() {
    let mut service = service(json!({
        "tasks": 500,
        "clients": {
            "connectionsPerTask": 2_000,
            "lifetimeSeconds": 1_800,
            "varyByFactor": 2,
            "newConnectionsPerSecondPerTask": 50,
        },
    }));
    let replacement = service.replacement();
    service.forward(&[(PRODUCTION, 0), (ALTERNATE, 100)]);
    let original = service.original.clone();
    for step in 1..=10_u32 {
        service.wait(270);
        service.scale(&original, 100.0 - 10.0 * f64::from(step));
    }
    service.wait(900);
    service.check_that_no_client_is_lost();
    let clients = service.clients();
    assert_eq!(clients.total(), 1_000_000);
    assert_eq!(clients.connected_to(&original), 0);
    assert!(clients.connected_to(&replacement) > 990_000);
    assert!(clients.peak_of_a_task(&replacement).connections < 2_600);
}

#[test]
fn a_scenario_says_what_is_wrong_with_its_clients() {
    for (clients, words) in cases(
        r#"
{"varyByFactor": 0.5} => varyByFactor is from 1 to 1000
{"reconnectWithinSeconds": 0} => reconnectWithinSeconds is from 1
{"lifetimeSeconds": 0} => lifetimeSeconds is from 1
{"connectionsPerTask": 2000000} => connectionsPerTask is from 0
{"backoff": {"baseSeconds": 61}} => backoff.baseSeconds is from 1 to 60
{"backoff": {"factor": 0}} => backoff.factor is from 1
"#,
    ) {
        let scenario: Scenario =
            serde_json::from_value(json!({ "clients": clients })).expect("one");
        let refused = scenario.world().expect_err("a refusal");
        let source = std::error::Error::source(&refused).expect("AWS's words");
        assert!(source.to_string().contains(words), "{source}");
    }
    for clients in [json!({ "connections": 1 }), json!({ "onStop": "drop" })] {
        let text = json!({ "clients": clients });
        serde_json::from_value::<Scenario>(text).expect_err("a refusal");
    }
}

#[test]
fn clients_connect_through_listeners_of_one_load_balancer() {
    let mut service = service(even(json!({})));
    let settings = ClientsScenario::default();
    let nowhere = "arn:aws:elasticloadbalancing:nowhere".to_owned();
    for listeners in [vec![], vec![nowhere]] {
        let connected = service.world.connect_clients(&settings, &listeners);
        connected.expect_err("a refusal");
    }
    let listeners = [service.listener.clone()];
    let connected = service.world.connect_clients(&settings, &listeners);
    connected.expect("connected");
    assert_eq!(service.clients().total(), 10_000);
}
