//! Services that clients find in a registry of Cloud Map: no request reaches a task that was stopped.

use ebbtide_controller::deployment::{Plan, Progress};
use ebbtide_controller::phase::Phase;
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::registry::Removed;
use ebbtide_controller::turn::{self, Next, Turn};
use ebbtide_controller::world::World as Seen;
use ebbtide_simulator::world::{
    AlarmState, AlarmType, InstanceHealth, Registry, Requests, StopTask, World,
};
use ebbtide_simulator::{Names, Scenario};
use serde_json::{Value, json};

use crate::support::{Ended, deploy, deploy_among, installed};

fn service(scenario: &Value) -> World {
    let scenario: Scenario = serde_json::from_value(scenario.clone()).unwrap();
    scenario.world().unwrap()
}

/// Four tasks, with callers that find them in one way or another.
fn with(seed: u64, discovery: &str) -> World {
    service(&json!({
        "seed": seed,
        "tasks": 4,
        "registry": {"callers": {"discovery": discovery, "requestsPerSecond": 5}},
    }))
}

fn event(more: &Value) -> Value {
    let mut event = Names::default().event();
    let all = event.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    event
}

fn requests(world: &World) -> Requests {
    world.callers().unwrap().totals()
}

/// The requests of a whole deployment by another decision.
async fn requests_by(next: Turn, world: World) -> Requests {
    let (aws, installation) = installed(world);
    let installation = installation.deciding_by(next);
    let outcome = installation
        .deploy("run-1", event(&json!({})), 1, &mut |_| {})
        .await;
    assert!(outcome.status.is_success(), "{:?}", outcome.status);
    let seconds = aws.snapshot().now() / 1_000;
    let requests = requests(&aws.snapshot());
    assert_eq!(requests.requests, 500 * seconds);
    requests
}

const WAYS: [&str; 2] = ["dns", "api"];

#[tokio::test(start_paused = true)]
async fn no_request_reaches_a_stopped_task_in_a_hundred_seeds() {
    for seed in 0..100 {
        let way = WAYS[usize::try_from(seed % 2).unwrap()];
        let requests = requests_by(turn::next, with(seed, way)).await;
        assert_eq!(requests.to_stopped, 0, "{way}, seed {seed}");
        assert_eq!(requests.to_unhealthy, 0, "{way}, seed {seed}");
        assert_eq!(requests.without_address, 0, "{way}, seed {seed}");
    }
}

/// As shipped, but it does not wait for those who remember what was taken out.
fn at_once(phase: Phase, seen: &Seen, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    let removed = Removed {
        since: plan.removed.since.map(|_| 0),
        ..plan.removed
    };
    let plan = Plan {
        removed,
        ..plan.clone()
    };
    turn::next(phase, seen, &plan, progress)
}

#[tokio::test(start_paused = true)]
async fn without_the_wait_requests_reach_stopped_tasks() {
    for seed in 0..10 {
        for way in WAYS {
            let requests = requests_by(at_once, with(seed, way)).await;
            assert!(requests.to_stopped > 0, "{way}, seed {seed}: {requests:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn primary_then_health_then_scale() {
    let ended = deploy(with(1, "dns"), "run-1", &event(&json!({}))).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    let writes = ended.writes();
    let ours = writes.iter().filter(|call| {
        let of = ["ecs:", "servicediscovery:", "elasticloadbalancing:"];
        of.iter().any(|service| call.starts_with(service)) && !call.contains(":Get")
    });
    let mut ours: Vec<_> = ours.map(String::as_str).collect();
    ours.dedup();
    assert_eq!(
        ours,
        [
            "ecs:CreateTaskSet",
            "ecs:UpdateServicePrimaryTaskSet",
            "servicediscovery:UpdateInstanceCustomHealthStatus",
            "ecs:UpdateTaskSet",
            "ecs:DeleteTaskSet",
        ]
    );
}

/// The instances of the only task set that is left, and how many of them are healthy.
fn left(ended: &Ended) -> (String, usize, usize) {
    let names = Names::default();
    let sets = ended.world.task_sets_of(&names.cluster, &names.service);
    let [set] = sets[..] else {
        panic!("{sets:?}");
    };
    assert_eq!(set.status.as_str(), "PRIMARY");
    let registry = ended.world.registries().next().unwrap();
    let healthy = registry
        .instances()
        .filter(|one| one.health == InstanceHealth::Healthy);
    let (healthy, all) = (healthy.count(), registry.instances().len());
    (set.task_definition.clone(), all, healthy)
}

#[tokio::test(start_paused = true)]
async fn an_original_that_has_left_comes_back() {
    for alarm_after in [400_000, 700_000] {
        let mut world = with(3, "dns");
        let metric = AlarmType::MetricAlarm;
        world.put_alarm("errors", metric, AlarmState::Ok).unwrap();
        world.change_alarm_in(alarm_after, "errors", AlarmState::Alarm);
        let more = json!({"alarms": ["errors"], "scaledown_wait": 300});
        let ended = deploy(world, "run-1", &event(&more)).await;
        let (error, cause) = ended.failure();
        assert_eq!(error, "AlarmRaised", "{cause}");
        let (definition, all, healthy) = left(&ended);
        assert!(definition.ends_with("chat:1"), "{definition}");
        assert_eq!((all, healthy), (4, 4));
        let requests = requests(&ended.world);
        assert_eq!((requests.to_stopped, requests.without_address), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_registered_again_is_taken_out_again() {
    // One of the original's tasks is stopped by hand once all are taken out: ECS starts another one.
    let mut stopped = None;
    let people = |state: &str, _: usize, world: &mut World| {
        if state != "Wait" || stopped.is_some() {
            return;
        }
        let mut all = world.registries().flat_map(Registry::instances);
        let out = all.find(|one| one.health == InstanceHealth::Unhealthy);
        let out = out.map(|instance| instance.id.clone());
        drop(all);
        if let Some(task) = out {
            let request = StopTask {
                cluster: Some("main".to_owned()),
                task,
                reason: None,
            };
            world.stop_task(&request).unwrap();
            stopped = Some(world.now() / 1_000);
        }
    };
    let more = json!({"scaledown_wait": 300});
    let ended = deploy_among(with(5, "dns"), "run-1", &event(&more), people).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    let again = ended.reasons.iter().filter(|one| one.contains("taken out"));
    assert_eq!(again.count(), 2, "{:#?}", ended.reasons);
    // The task that was stopped by hand is remembered for a while, and no other one is.
    let seconds = ended.world.callers().unwrap().seconds();
    let late = seconds.iter().filter(|one| one.counts.to_stopped > 0);
    let last = late.map(|one| one.at_s).max().unwrap();
    assert!(last < stopped.unwrap() + 30 + 60 + 60, "{last} {stopped:?}");
}

#[tokio::test(start_paused = true)]
async fn what_ecs_puts_back_is_deregistered_in_the_end() {
    let world = service(&json!({
        "tasks": 2,
        "registry": {"ecsRestoresHealthAfterSeconds": 50},
    }));
    let ended = deploy(world, "run-1", &event(&json!({}))).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    let writes = ended.writes();
    let deregistered = writes
        .iter()
        .filter(|call| *call == "servicediscovery:DeregisterInstance");
    assert_eq!(deregistered.count(), 2);
    assert_eq!(requests(&ended.world).to_stopped, 0);
}

#[tokio::test(start_paused = true)]
async fn beside_a_load_balancer_neither_kind_of_client_is_cut_off() {
    let world = service(&json!({
        "tasks": 2,
        "registry": {"besideLoadBalancer": true, "record": "SRV"},
    }));
    let ended = deploy(world, "run-1", &event(&json!({}))).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    let requests = requests(&ended.world);
    assert_eq!((requests.to_stopped, requests.without_address), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_custom_health_check_nothing_is_written() {
    let world = service(&json!({"tasks": 2, "registry": {"customHealth": false}}));
    let ended = deploy(world, "run-1", &event(&json!({}))).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "PreflightFailed");
    assert!(cause.contains("has no HealthCheckCustomConfig"), "{cause}");
    let writes = ended.writes();
    let ours = writes.iter().filter(|call| !call.contains(":Get"));
    let ours: Vec<_> = ours.filter(|call| !call.starts_with("events:")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

/// ECS puts the health back, and so the instances are deregistered: a rollback needs tasks that register themselves.
#[tokio::test(start_paused = true)]
async fn an_original_that_was_deregistered_comes_back_with_new_tasks() {
    let mut world = service(&json!({
        "tasks": 4,
        "registry": {"ecsRestoresHealthAfterSeconds": 60},
    }));
    let metric = AlarmType::MetricAlarm;
    world.put_alarm("errors", metric, AlarmState::Ok).unwrap();
    world.change_alarm_in(1_200_000, "errors", AlarmState::Alarm);
    let more = json!({"alarms": ["errors"], "scaledown_wait": 600});
    let ended = deploy(world, "run-1", &event(&more)).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "AlarmRaised", "{cause}");
    let (definition, all, healthy) = left(&ended);
    assert!(definition.ends_with("chat:1"), "{definition}");
    assert_eq!((all, healthy), (4, 4));
    assert_eq!(requests(&ended.world).to_stopped, 0);
}

/// Each of its tasks ends after less than the wait: it is removed all the same.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_crashes_all_the_time_is_removed() {
    for seconds in [40, 90, 160] {
        let world = service(&json!({
            "tasks": 4,
            "registry": {},
            "replacement": {"crashesAfterSeconds": seconds},
        }));
        let ended = deploy(world, "run-1", &event(&json!({}))).await;
        let (error, cause) = ended.failure();
        assert!(
            ["ReplacementFailed", "HealthLost"].contains(&error),
            "{error}: {cause}"
        );
        assert!(cause.contains("Rolled back"), "{cause}");
        let (definition, ..) = left(&ended);
        assert!(definition.ends_with("chat:1"), "{seconds}: {definition}");
    }
}
