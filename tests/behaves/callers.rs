//! Callers that keep addresses: what they feel when a task is stopped, and of a wait before that.

use std::collections::BTreeMap;
use std::time::Instant;

use ebbtide_simulator::World;
use ebbtide_simulator::world::{DeleteTaskSet, Requests, UpdateServicePrimaryTaskSet};
use serde_json::{Value, json};

use crate::registries::{ask, health, pass, registry, replace, world};

/// From custom health to discovery, at most.
const HEALTH_SECONDS: u64 = 30;

fn totals(world: &World) -> Requests {
    world.callers().expect("callers").totals()
}

fn set_health(world: &mut World, instances: &[String], status: &str) {
    for id in instances {
        let update = json!({"ServiceId": registry(world), "InstanceId": id, "Status": status});
        ask(world, "UpdateInstanceCustomHealthStatus", &update).expect("updated");
    }
}

fn original(world: &World) -> String {
    world.task_sets_of("main", "chat").remove(0).id.clone()
}

fn instances_of(world: &World, set: &str) -> Vec<String> {
    let tasks = world.tasks_of(set).into_iter();
    let ids = tasks.map(|task| task.arn.rsplit('/').next().expect("an id").to_owned());
    ids.collect()
}

/// A deployment to a replacement: its tasks come, the original's are marked, `wait` seconds pass, the original is
/// deleted. `None` marks nothing.
fn deploy(world: &mut World, wait: Option<u64>) {
    let original = original(world);
    let replacement = replace(world).expect("created");
    pass(world, 300);
    assert!(world.task_set(&replacement).expect("it").steady);
    let primary = UpdateServicePrimaryTaskSet {
        cluster: "main".to_owned(),
        service: "chat".to_owned(),
        primary_task_set: replacement,
    };
    world.update_service_primary_task_set(&primary).expect("it");
    if let Some(seconds) = wait {
        let outgoing = instances_of(world, &original);
        set_health(world, &outgoing, "UNHEALTHY");
        pass(world, seconds);
    }
    let delete = DeleteTaskSet {
        cluster: "main".to_owned(),
        service: "chat".to_owned(),
        task_set: original,
        force: true,
    };
    world.delete_task_set(&delete).expect("deleted");
    pass(world, 300);
}

/// Of callers by DNS and by the API: what they keep an address for, at most, in seconds.
const KINDS: [(&str, u64); 2] = [("dns", 60 + 60), ("api", 60)];

fn with(seed: u64, discovery: &str) -> World {
    world(&json!({
        "seed": seed,
        "registry": {"callers": {"discovery": discovery}},
    }))
}

#[test]
fn callers_send_requests_to_tasks_that_ecs_stops_without_a_wait() {
    for (discovery, kept) in KINDS {
        for seed in 0..10 {
            let mut world = with(seed, discovery);
            deploy(&mut world, None);
            let stopped = totals(&world).to_stopped;
            assert!(stopped > 500, "{discovery}, seed {seed}: {stopped}");
            let seconds = world.callers().expect("callers").seconds();
            let late = seconds.iter().filter(|one| one.counts.to_stopped > 0);
            let last_s = late.map(|one| one.at_s).max().expect("one");
            assert!(last_s < 300 + 4 + 12 + kept + 1, "{discovery}: {last_s}");
        }
    }
}

#[test]
fn after_ttl_and_cache_and_thirty_seconds_no_request_reaches_a_stopped_task() {
    for (discovery, kept) in KINDS {
        for seed in 0..100 {
            let mut world = with(seed, discovery);
            deploy(&mut world, Some(kept + HEALTH_SECONDS));
            let totals = totals(&world);
            assert_eq!(totals.to_stopped, 0, "{discovery}, seed {seed}");
            assert_eq!(totals.to_unhealthy, 0, "{discovery}, seed {seed}");
            assert_eq!(totals.without_address, 0, "{discovery}, seed {seed}");
            assert_eq!(totals.requests, 100 * world.now() / 1_000);
        }
    }
}

#[test]
fn a_wait_that_is_too_short_is_felt() {
    for (discovery, kept) in KINDS {
        for (seed, wait) in (0..20).map(|seed| (seed, kept / 2 + HEALTH_SECONDS)) {
            let mut world = with(seed, discovery);
            deploy(&mut world, Some(wait));
            let stopped = totals(&world).to_stopped;
            assert!(stopped > 0, "{discovery}, seed {seed}");
        }
    }
}

#[test]
fn a_health_that_is_put_back_undoes_the_wait() {
    let mut world = world(&json!({"registry": {"ecsRestoresHealthAfterSeconds": 20}}));
    deploy(&mut world, Some(120 + HEALTH_SECONDS));
    assert!(totals(&world).to_stopped > 0);
}

/// Requests by task set in the last whole minute.
fn by_set(world: &World) -> BTreeMap<String, u64> {
    let now_s = world.now() / 1_000;
    let callers = world.callers().expect("callers");
    let minute = now_s / 60;
    let by_task = callers.requests_by_task((minute - 1) * 60, minute * 60);
    let mut sets = BTreeMap::new();
    for set in world.task_sets_of("main", "chat") {
        let tasks = world.tasks_of(&set.id).into_iter();
        let counts = tasks.filter_map(|task| by_task.get(task.arn.as_str()));
        sets.insert(set.id.clone(), counts.sum());
    }
    sets
}

#[test]
fn while_no_instance_is_healthy_discovery_answers_all() {
    let mut world = world(&json!({"registry": {}}));
    let original = original(&world);
    let all = instances_of(&world, &original);
    set_health(&mut world, &all, "UNHEALTHY");
    pass(&mut world, 600);
    assert_eq!(by_set(&world)[&original], 6_000);
    assert_eq!(totals(&world).without_address, 0);

    set_health(&mut world, &all[..1], "HEALTHY");
    pass(&mut world, 300);
    let callers = world.callers().expect("callers");
    let by_task = callers.requests_by_task(840, 900);
    let called: Vec<_> = by_task.keys().map(|arn| arn.ends_with(&all[0])).collect();
    assert_eq!(called, [true], "the only healthy one");
}

#[test]
fn custom_health_is_seen_thirty_seconds_later_and_not_where_it_is_set_back() {
    // No cache, and no TTL to speak of.
    let scenario = json!({
        "registry": {"ttlSeconds": 0, "callers": {"cacheSeconds": 0}},
    });
    let mut world = world(&scenario);
    let original = original(&world);
    let one = instances_of(&world, &original).remove(0);
    let of_it = |world: &World, at_s: u64| {
        let callers = world.callers().expect("callers");
        let by_task = callers.requests_by_task(at_s, at_s + 60);
        let mut of_it = by_task.iter().filter(|(arn, _)| arn.ends_with(&one));
        of_it.next().map_or(0, |(_, requests)| *requests)
    };
    pass(&mut world, 60);
    set_health(&mut world, std::slice::from_ref(&one), "UNHEALTHY");
    assert_eq!(health(&mut world)[&one], "UNHEALTHY");
    pass(&mut world, 60);
    let half = of_it(&world, 60);
    assert!((600..900).contains(&half), "25 a second for 30 s: {half}");
    pass(&mut world, 60);
    assert_eq!(of_it(&world, 120), 0);

    set_health(&mut world, std::slice::from_ref(&one), "HEALTHY");
    pass(&mut world, 20);
    set_health(&mut world, std::slice::from_ref(&one), "UNHEALTHY");
    pass(&mut world, 100);
    assert_eq!(of_it(&world, 180) + of_it(&world, 240), 0);
}

#[test]
fn requests_are_spread_over_the_tasks_before_and_after_a_deployment() {
    for discovery in ["dns", "api"] {
        let mut world = world(&json!({
            "tasks": 20,
            "registry": {"callers": {"callers": 1_000, "discovery": discovery}},
        }));
        pass(&mut world, 1_200);
        let spread = |world: &World, set: &str, from_s: u64, until_s: u64| {
            let callers = world.callers().expect("callers");
            let by_task = callers.requests_by_task(from_s, until_s);
            let tasks = world.tasks_of(set).into_iter();
            let of_set: Vec<_> = tasks.map(|task| by_task[task.arn.as_str()]).collect();
            assert_eq!(of_set.len(), 20);
            let mean = of_set.iter().sum::<u64>() / 20;
            let most = of_set.iter().max().expect("20");
            let least = of_set.iter().min().expect("20");
            assert!(
                *most < mean * 105 / 100 && *least > mean * 95 / 100,
                "{discovery}: {least} to {most}"
            );
            mean
        };
        let first = original(&world);
        let before = spread(&world, &first, 0, 1_200);
        assert!((59_000..61_000).contains(&before), "{before}");
        deploy(&mut world, Some(120 + HEALTH_SECONDS));
        let after_s = world.now() / 1_000;
        pass(&mut world, 1_260);
        let second = original(&world);
        let after = spread(&world, &second, after_s, after_s + 1_260);
        assert!((59_000..64_000).contains(&after), "{after}");
        assert_eq!(totals(&world).to_stopped, 0);
    }
}

#[test]
fn an_answer_has_eight_addresses_by_dns_one_of_a_weighted_record_and_all_by_the_api() {
    for (policy, discovery, addresses) in [
        ("MULTIVALUE", "dns", 8),
        ("WEIGHTED", "dns", 1),
        ("WEIGHTED", "api", 12),
    ] {
        let mut world = world(&json!({"registry": {}}));
        let namespace = world.namespaces().next().expect("one").id.clone();
        let create = json!({
            "Name": "other", "NamespaceId": namespace,
            "DnsConfig": {"RoutingPolicy": policy, "DnsRecords": [{"Type": "A", "TTL": 60}]},
        });
        let created = ask(&mut world, "CreateService", &create).expect("created");
        let other = created["Service"]["Id"].as_str().expect("an id").to_owned();
        replace(&mut world).expect("created");
        replace(&mut world).expect("created");
        pass(&mut world, 120);
        let sets = world.task_sets_of("main", "chat").into_iter();
        let tasks = sets.flat_map(|set| world.tasks_of(&set.id));
        let ips: Vec<_> = tasks.map(|task| task.ip.clone()).collect();
        for (number, ip) in ips.iter().enumerate() {
            let register = json!({
                "ServiceId": other, "InstanceId": format!("of-{number}"),
                "Attributes": {"AWS_INSTANCE_IPV4": ip},
            });
            ask(&mut world, "RegisterInstance", &register).expect("started");
        }
        pass(&mut world, 20);
        let callers = json!({
            "callers": 1, "requestsPerSecond": 1_000, "cacheSeconds": 86_400, "discovery": discovery,
        });
        let callers = serde_json::from_value(callers).expect("callers");
        world.connect_callers(&callers, &other).expect("connected");
        pass(&mut world, 120);
        let callers = world.callers().expect("callers");
        let called = callers.requests_by_task(180, 240);
        assert_eq!(called.len(), addresses, "{policy}, {discovery}");
        assert_eq!(called.values().sum::<u64>(), 60_000);
    }
}

#[test]
fn without_a_container_health_check_requests_reach_tasks_that_are_not_healthy_yet() {
    for (checked, felt) in [(true, false), (false, true)] {
        let mut world = world(&json!({
            "registry": {"containerHealthCheck": checked},
            "replacement": {"slowStartSeconds": 240},
        }));
        replace(&mut world).expect("created");
        pass(&mut world, 600);
        let seen = totals(&world);
        assert_eq!(seen.to_unhealthy > 1_000, felt, "{seen:?}");
        assert_eq!(seen.to_unhealthy == 0, !felt, "{seen:?}");
        assert_eq!(seen.to_stopped, 0);
    }
}

#[test]
fn every_question_is_answered_with_other_addresses() {
    let mut world = world(&json!({
        "tasks": 40,
        "registry": {"ttlSeconds": 1, "callers": {"callers": 1, "requestsPerSecond": 100, "cacheSeconds": 60}},
    }));
    pass(&mut world, 3_600);
    let callers = world.callers().expect("callers");
    let minutes = (0..60).map(|minute| callers.requests_by_task(minute * 60, minute * 60 + 60));
    let minutes: Vec<_> = minutes.map(|by_task| by_task.len()).collect();
    // A caller has two answers at most in a minute.
    assert!(
        minutes.iter().all(|tasks| (8..=16).contains(tasks)),
        "{minutes:?}"
    );
    assert_eq!(callers.requests_by_task(0, 3_600).len(), 40);
}

#[test]
fn callers_in_a_first_deployment_have_no_address_until_a_task_is_registered() {
    let mut world = world(&json!({"firstDeployment": true, "registry": {}}));
    pass(&mut world, 60);
    let seen = totals(&world);
    assert_eq!((seen.requests, seen.without_address), (6_000, 6_000));
    let registry_arn = world.registries().next().expect("one").arn.clone();
    let named = ebbtide_simulator::world::ServiceRegistry {
        registry_arn,
        ..Default::default()
    };
    let request = ebbtide_simulator::Names::default().task_set_in(None, Some(&named));
    world.create_task_set(&request).expect("created");
    pass(&mut world, 120);
    let before = totals(&world).without_address;
    pass(&mut world, 60);
    assert_eq!(totals(&world).without_address, before);
}

#[test]
fn an_address_that_no_task_has_is_felt_as_a_stopped_one() {
    let mut world = world(&json!({"tasks": 1, "registry": {}}));
    let input = json!({
        "ServiceId": registry(&world),
        "InstanceId": "nowhere",
        "Attributes": {"AWS_INSTANCE_IPV4": "10.9.9.9"},
    });
    ask(&mut world, "RegisterInstance", &input).expect("registered");
    pass(&mut world, 600);
    let stopped = totals(&world).to_stopped;
    assert!((20_000..30_000).contains(&stopped), "half: {stopped}");
}

#[test]
fn the_same_seed_gives_the_same_callers_and_a_saved_world_goes_on_as_they_do() {
    let run = |seed: u64, saved: bool| -> Value {
        let mut world = with(seed, "dns");
        pass(&mut world, 90);
        if saved {
            let json = serde_json::to_string(&world).expect("saved");
            world = serde_json::from_str(&json).expect("loaded");
        }
        deploy(&mut world, Some(40));
        json!(world.callers().expect("callers"))
    };
    assert_eq!(run(1, false), run(1, true));
    assert_ne!(run(1, false)["record"], run(2, false)["record"]);
}

#[test]
fn a_world_with_callers_does_what_it_would_do_without() {
    let events = |callers: Value| {
        let mut world = world(&json!({"registry": {"callers": callers}}));
        deploy(&mut world, Some(60));
        world.take_events()
    };
    assert_eq!(events(json!({})), events(Value::Null));
}

#[test]
fn ten_thousand_requests_a_second_for_two_hours_take_seconds() {
    let begun = Instant::now();
    let mut world = world(&json!({
        "tasks": 200,
        "registry": {"callers": {"callers": 10_000}},
    }));
    deploy(&mut world, Some(120 + HEALTH_SECONDS));
    world.advance_to(7_200_000);
    assert_eq!(totals(&world).requests, 72_000_000);
    assert_eq!(totals(&world).to_stopped, 0);
    let took = begun.elapsed();
    assert!(took.as_secs() < 30, "{took:?}");
    println!("{took:?}");
}
