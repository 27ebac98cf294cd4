//! Cloud Map: what ECS registers, what the API says, and what it refuses.

use bytes::Bytes;
use ebbtide_simulator::world::{ApiError, ServiceRegistry, Task, TaskStatus};
use ebbtide_simulator::{Names, World, wire};
use serde_json::{Value, json};

use crate::support::scenario;

/// Asks Cloud Map; the answer, or the code of the refusal with its message.
pub(crate) fn ask(world: &mut World, operation: &str, input: &Value) -> Result<Value, String> {
    let target = format!("Route53AutoNaming_v20170314.{operation}");
    let request = http::Request::post("/").header("x-amz-target", target);
    let request = request.body(Bytes::from(input.to_string())).expect("one");
    let response = wire::handle(world, "test", &request);
    let answer: Value = serde_json::from_slice(response.body()).expect("JSON");
    if response.status().is_success() {
        return Ok(answer);
    }
    let code = answer["__type"].as_str().expect("a code");
    let message = answer["message"].as_str().expect("a message");
    Err(format!("{code}: {message}"))
}

pub(crate) fn world(scenario_of: &Value) -> World {
    scenario(&scenario_of.to_string()).world().expect("a world")
}

/// The id of the only registry.
pub(crate) fn registry(world: &World) -> String {
    let mut registries = world.registries();
    let id = registries.next().expect("a registry").id.clone();
    assert!(registries.next().is_none());
    id
}

/// Lets seconds pass.
pub(crate) fn pass(world: &mut World, seconds: u64) {
    world.advance_to(world.now() + seconds * 1_000);
}

/// A replacement in the registry.
pub(crate) fn replace(world: &mut World) -> Result<String, ApiError> {
    let (names, registry) = (Names::default(), registered(world));
    let id = world.create_task_set(&names.task_set_in(None, Some(&registry)));
    world.advance_to(world.now());
    id
}

/// How the set in service names the registry.
pub(crate) fn registered(world: &World) -> ServiceRegistry {
    let set = world.task_sets_of("main", "chat").remove(0);
    set.service_registries[0].clone()
}

pub(crate) fn instances(world: &mut World) -> Vec<Value> {
    let (mut all, mut token) = (Vec::new(), Value::Null);
    loop {
        let id = registry(world);
        let mut input = json!({"ServiceId": id, "MaxResults": 3});
        if token.is_string() {
            input["NextToken"] = token;
        }
        let page = ask(world, "ListInstances", &input).expect("a page");
        let page_of = page["Instances"].as_array().expect("instances").clone();
        assert!(page_of.len() <= 3);
        all.extend(page_of);
        token = page["NextToken"].clone();
        if token.is_null() {
            return all;
        }
    }
}

pub(crate) fn health(world: &mut World) -> Value {
    let input = json!({"ServiceId": registry(world)});
    let answer = ask(world, "GetInstancesHealthStatus", &input);
    answer.expect("health")["Status"].clone()
}

pub(crate) fn healths(world: &mut World) -> Vec<String> {
    let health = health(world);
    let health = health.as_object().expect("by instance").values();
    health
        .map(|one| one.as_str().expect("a status").to_owned())
        .collect()
}

fn short(arn: &str) -> String {
    arn.rsplit('/').next().expect("an id").to_owned()
}

#[test]
fn a_service_without_a_load_balancer_is_in_service_by_its_registry() {
    let mut world = world(&json!({"tasks": 7, "registry": {"record": "SRV"}}));
    assert_eq!(world.load_balancers().count(), 0);
    assert_eq!(world.target_groups().count(), 0);
    let set = world.task_sets_of("main", "chat").remove(0).clone();
    assert_eq!(set.status.as_str(), "PRIMARY");
    assert!(set.steady);
    let of_tasks = world.tasks_of(&set.id).into_iter();
    let mut of_tasks: Vec<_> = of_tasks
        .map(|task| (short(&task.arn), task.ip.clone()))
        .collect();
    of_tasks.sort();
    let found = instances(&mut world);
    let attribute = |one: &Value, name: &str| one["Attributes"][name].as_str().map(str::to_owned);
    let by_id = found.iter().map(|one| {
        let ip = attribute(one, "AWS_INSTANCE_IPV4").expect("an address");
        (one["Id"].as_str().expect("an id").to_owned(), ip)
    });
    assert_eq!(by_id.collect::<Vec<_>>(), of_tasks);
    for (name, value) in [
        ("AWS_INSTANCE_PORT", "8080"),
        ("ECS_CLUSTER_NAME", "main"),
        ("ECS_SERVICE_NAME", "chat"),
        ("ECS_TASK_DEFINITION_FAMILY", "chat"),
        (
            "ECS_TASK_SET_EXTERNAL_ID",
            set.external_id.as_deref().expect("one"),
        ),
        ("REGION", "us-east-1"),
    ] {
        assert_eq!(attribute(&found[0], name).as_deref(), Some(value), "{name}");
    }
    let zone = attribute(&found[0], "AVAILABILITY_ZONE").expect("a zone");
    assert!(zone.starts_with("us-east-1"), "{zone}");
    assert_eq!(healths(&mut world), ["HEALTHY"; 7]);

    let service = json!({"Id": registry(&world)});
    let service = ask(&mut world, "GetService", &service).expect("it")["Service"].clone();
    let id = service["Id"].as_str().expect("an id");
    let (srv, digits) = id.split_once('-').expect("srv-…");
    assert_eq!((srv, digits.len()), ("srv", 16));
    let arn = format!("arn:aws:servicediscovery:us-east-1:555555555555:service/{id}");
    assert_eq!(service["Arn"], arn);
    assert_eq!(service["InstanceCount"], 7);
    assert_eq!(service["DnsConfig"]["DnsRecords"][0]["TTL"], 60);
    assert_eq!(service["HealthCheckCustomConfig"]["FailureThreshold"], 1);
}

#[test]
fn a_task_set_without_an_external_id_and_with_a_records_has_neither_id_nor_port() {
    let mut world = world(&json!({"registry": {}}));
    let registry = registered(&world);
    let mut request = Names::default().task_set_in(None, Some(&registry));
    request.external_id = None;
    world.create_task_set(&request).expect("created");
    pass(&mut world, 120);
    let found = instances(&mut world);
    assert_eq!(found.len(), 8);
    let with = |name: &str| {
        let with = found
            .iter()
            .filter(|one| one["Attributes"][name].is_string());
        with.count()
    };
    assert_eq!(with("ECS_TASK_SET_EXTERNAL_ID"), 4);
    assert_eq!(with("AWS_INSTANCE_PORT"), 0);
}

#[test]
fn an_instance_is_unhealthy_until_its_containers_are_where_they_are_checked() {
    for (checked, first) in [(true, "UNHEALTHY"), (false, "HEALTHY")] {
        let mut world = world(&json!({
            "tasks": 2,
            "registry": {"containerHealthCheck": checked},
            "replacement": {"slowStartSeconds": 60},
        }));
        let set = replace(&mut world).expect("created");
        let runs = |world: &World| {
            let tasks = world.tasks_of(&set);
            let runs = |task: &&&Task| task.last_status == TaskStatus::Running;
            tasks.iter().filter(runs).count() == 2
        };
        while !runs(&world) {
            assert!(world.now() < 120_000);
            pass(&mut world, 1);
        }
        pass(&mut world, 1);
        let seen = healths(&mut world);
        let count = |status: &str| seen.iter().filter(|one| *one == status).count();
        assert_eq!(count(first), if checked { 2 } else { 4 }, "{seen:?}");
        assert_eq!(world.task_set(&set).expect("it").steady, !checked);
        pass(&mut world, 90);
        assert_eq!(healths(&mut world), ["HEALTHY"; 4]);
        assert!(world.task_set(&set).expect("it").steady);
    }
}

#[test]
fn a_task_whose_containers_turn_unhealthy_is_reported_and_replaced() {
    let mut world = world(&json!({
        "tasks": 1,
        "registry": {},
        "replacement": {"unhealthyAfterSeconds": 600},
    }));
    let set = replace(&mut world).expect("created");
    pass(&mut world, 300);
    let first = world.tasks_of(&set)[0].arn.clone();
    world.take_events();
    pass(&mut world, 420);
    let events = world.take_events();
    let said: Vec<_> = events.iter().map(|event| event.kind.to_string()).collect();
    let unhealthy = format!("{} of {} is UNHEALTHY.", short(&first), registry(&world));
    assert!(
        said.iter().any(|one| one.ends_with(&unhealthy)),
        "{said:#?}"
    );
    let replaced = said
        .iter()
        .any(|one| one.ends_with("Task failed container health checks"));
    assert!(replaced, "{said:#?}");
    assert_eq!(world.tasks_of(&set).len(), 2);
}

#[test]
fn a_task_that_never_becomes_healthy_is_never_steady_and_is_replaced_at_last() {
    let mut world = world(&json!({
        "tasks": 1, "registry": {}, "replacement": {"neverHealthy": true},
    }));
    let set = replace(&mut world).expect("created");
    pass(&mut world, 300);
    assert_eq!(world.tasks_of(&set).len(), 1);
    pass(&mut world, 300);
    assert_eq!(world.tasks_of(&set).len(), 2);
    assert!(!world.task_set(&set).expect("it").steady);
}

#[test]
fn ecs_deregisters_an_instance_and_sends_sigterm_in_the_same_moment() {
    let mut world = world(&json!({"registry": {}}));
    let set = world.task_sets_of("main", "chat").remove(0).id.clone();
    let task = world.tasks_of(&set)[0].arn.clone();
    world
        .stop_task(&ebbtide_simulator::world::StopTask {
            cluster: Some("main".to_owned()),
            task: task.clone(),
            reason: None,
        })
        .expect("stopped");
    let events = world.take_events();
    let at = |words: &str| {
        let found = events
            .iter()
            .find(|event| event.kind.to_string().contains(words));
        found
            .unwrap_or_else(|| panic!("{words}: {events:#?}"))
            .at_ms
    };
    let deregistered = format!("{} was deregistered", short(&task));
    assert_eq!(at(&deregistered), at("was sent SIGTERM"));
    assert_eq!(instances(&mut world).len(), 3);
}

#[test]
fn a_task_that_crashes_is_an_instance_no_longer() {
    let mut world = world(&json!({
        "tasks": 1, "registry": {}, "replacement": {"crashesAfterSeconds": 60},
    }));
    let set = replace(&mut world).expect("created");
    while world.tasks_of(&set).len() < 2 {
        assert!(world.now() < 300_000);
        pass(&mut world, 1);
    }
    let crashed = short(&world.tasks_of(&set)[0].arn);
    let left = instances(&mut world);
    assert!(left.iter().all(|one| one["Id"] != crashed), "{left:#?}");
}

#[test]
fn beside_a_load_balancer_an_instance_stays_until_its_target_is_gone() {
    let mut world = world(&json!({
        "tasks": 1, "deregistrationDelaySeconds": 600, "registry": {"besideLoadBalancer": true},
    }));
    assert_eq!(world.load_balancers().count(), 1);
    let set = world.task_sets_of("main", "chat").remove(0).clone();
    assert_eq!(set.load_balancers.len(), 1);
    let update = ebbtide_simulator::world::UpdateTaskSet {
        cluster: "main".to_owned(),
        service: "chat".to_owned(),
        task_set: set.id.clone(),
        scale: ebbtide_simulator::world::Scale {
            value: Some(0.0),
            unit: None,
        },
    };
    world.update_task_set(&update).expect("scaled");
    pass(&mut world, 590);
    assert_eq!(instances(&mut world).len(), 1);
    pass(&mut world, 30);
    assert_eq!(instances(&mut world).len(), 0);
    assert_eq!(world.tasks_of(&set.id)[0].exit_code, Some(137));
}

#[test]
fn custom_health_is_shown_by_the_api_at_once_and_stays_unless_ecs_puts_it_back() {
    for (seconds, health_then) in [(Value::Null, "UNHEALTHY"), (json!(45), "HEALTHY")] {
        let mut world = world(&json!({
            "tasks": 1, "registry": {"ecsRestoresHealthAfterSeconds": seconds},
        }));
        let id = instances(&mut world)[0]["Id"].clone();
        let update =
            json!({"ServiceId": registry(&world), "InstanceId": id, "Status": "UNHEALTHY"});
        ask(&mut world, "UpdateInstanceCustomHealthStatus", &update).expect("updated");
        assert_eq!(healths(&mut world), ["UNHEALTHY"]);
        pass(&mut world, 44);
        assert_eq!(healths(&mut world), ["UNHEALTHY"]);
        pass(&mut world, 2);
        assert_eq!(healths(&mut world), [health_then]);
    }
}

#[test]
fn a_deregistered_instance_is_gone_and_ecs_stops_its_task_all_the_same() {
    for (seconds, left) in [(Value::Null, 0), (json!(45), 1)] {
        let mut world = world(&json!({
            "tasks": 1, "registry": {"ecsRegistersAgainAfterSeconds": seconds},
        }));
        let id = instances(&mut world)[0]["Id"].clone();
        let of_it = json!({"ServiceId": registry(&world), "InstanceId": id});
        let started = ask(&mut world, "DeregisterInstance", &of_it).expect("started");
        assert_eq!(instances(&mut world).len(), 0);
        let again = ask(&mut world, "DeregisterInstance", &of_it).expect_err("refused");
        assert!(again.starts_with("DuplicateRequest: "), "{again}");
        let operation = ask(&mut world, "GetOperation", &started).expect("it");
        assert_eq!(operation["Operation"]["Status"], "PENDING");
        assert_eq!(operation["Operation"]["Targets"]["INSTANCE"], id);
        pass(&mut world, 20);
        let operation = ask(&mut world, "GetOperation", &started).expect("it");
        assert_eq!(operation["Operation"]["Status"], "SUCCESS");
        assert_eq!(operation["Operation"]["Type"], "DEREGISTER_INSTANCE");
        let again = ask(&mut world, "DeregisterInstance", &of_it).expect_err("refused");
        assert!(again.starts_with("InstanceNotFound: "), "{again}");
        pass(&mut world, 30);
        assert_eq!(instances(&mut world).len(), left);
        if left == 0 {
            let set = world.task_sets_of("main", "chat").remove(0).id.clone();
            let stop = ebbtide_simulator::world::StopTask {
                cluster: Some("main".to_owned()),
                task: world.tasks_of(&set)[0].arn.clone(),
                reason: None,
            };
            world.stop_task(&stop).expect("stopped");
            let task = world.tasks_of(&set)[0].last_status;
            assert_eq!(task, TaskStatus::Stopping);
        }
    }
}

#[test]
fn an_instance_of_another_program_is_registered_found_and_deregistered() {
    let mut world = world(&json!({"tasks": 1, "registry": {}}));
    let srv = registry(&world);
    let attributes =
        json!({"AWS_INSTANCE_IPV4": "10.9.9.9", "AWS_INIT_HEALTH_STATUS": "UNHEALTHY"});
    let input = json!({"ServiceId": srv, "InstanceId": "legacy", "Attributes": attributes});
    let started = ask(&mut world, "RegisterInstance", &input).expect("started");
    let operation = ask(&mut world, "GetOperation", &started).expect("it");
    assert_eq!(operation["Operation"]["Type"], "REGISTER_INSTANCE");
    let of_it = json!({"ServiceId": srv, "InstanceId": "legacy"});
    let found = ask(&mut world, "GetInstance", &of_it).expect("it");
    assert_eq!(found["Instance"]["Attributes"], attributes);
    assert_eq!(health(&mut world)["legacy"], "UNHEALTHY");
    pass(&mut world, 20);
    ask(&mut world, "DeregisterInstance", &of_it).expect("started");
    assert_eq!(instances(&mut world).len(), 1);
}

#[test]
fn a_first_deployment_finds_a_registry_without_instances_and_creates_the_first_set() {
    let mut world = world(&json!({"firstDeployment": true, "registry": {}}));
    assert!(world.task_sets_of("main", "chat").is_empty());
    assert!(instances(&mut world).is_empty());
    let registry_arn = world.registries().next().expect("one").arn.clone();
    let named = ServiceRegistry {
        registry_arn,
        ..ServiceRegistry::default()
    };
    let request = Names::default().task_set_in(None, Some(&named));
    world.create_task_set(&request).expect("created");
    pass(&mut world, 120);
    assert_eq!(instances(&mut world).len(), 4);
}
