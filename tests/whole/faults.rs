//! Every single fault at every call of a deployment: whatever fails, traffic stays on healthy tasks
//! and the deployment still ends as it should.

use ebbtide_simulator::asl::{HistoryEvent, Outcome, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{Phase, Timings, World};
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::{Value, json};

const SERVICE: &str = "chat";
const CLUSTER: &str = "main";

fn event() -> Value {
    json!({
        "cluster": CLUSTER, "serviceName": SERVICE, "taskDefinition": "chat:2",
        "waitForService": 90, "bakeTime": 0, "scaledown_decrement": 50, "scaledown_wait": 60,
    })
}

fn world(tasks: u32) -> World {
    // Registration and deregistration are short here, so that a run has few calls and every one of
    // them can be struck.
    let scenario = Scenario {
        tasks,
        deregistration_delay_seconds: 0,
        stop_timeout_seconds: 2,
        timings: Timings {
            nlb_registration_ms: 5_000,
            nlb_deregistration_ms: 5_000,
            task_deprovisioning_ms: 1_000,
            task_set_deletion_ms: 1_000,
            ..Timings::default()
        },
        ..Scenario::default()
    };
    let names = Names {
        cluster: CLUSTER.into(),
        service: SERVICE.into(),
        task_definition: "chat:2".into(),
        ..Names::default()
    };
    scenario.world_for(&names).unwrap()
}

/// What must hold after every transition, whatever failed; the names are those of the invariants.
fn broken_invariant(world: &World, tasks: usize) -> Option<String> {
    let Some(production) = world.listeners().find(|listener| listener.port == 80) else {
        return Some("S1: there is no production listener".to_owned());
    };
    let live = production.live_target_groups();
    let [group] = live[..] else {
        return Some(format!("S2: production reaches {live:?}"));
    };
    let Some(serving) = world.target_group(group) else {
        return Some(format!(
            "S1: production reaches {group}, which does not exist"
        ));
    };
    let healthy = serving.targets.values();
    let healthy = healthy
        .filter(|target| target.phase == Phase::Healthy)
        .count();
    if healthy < tasks {
        return Some(format!("S1: {healthy} healthy targets behind production"));
    }
    let sets = world.task_sets_of(CLUSTER, SERVICE);
    for set in &sets {
        let serves = set
            .load_balancers
            .iter()
            .any(|lb| lb.target_group_arn == group);
        if serves && (set.scale < 100.0 || set.status.as_str() == "DRAINING") {
            return Some(format!("S4: {} serves at {} %", set.id, set.scale));
        }
    }
    let ours = sets
        .iter()
        .filter(|set| set.external_id.is_some() && set.status.as_str() != "DRAINING");
    if ours.count() > 1 {
        return Some("S3: two task sets of one deployment".to_owned());
    }
    if sets.len() > 5 {
        return Some(format!("S10: {} task sets", sets.len()));
    }
    None
}

struct Ran {
    outcome: Outcome,
    broken: Option<String>,
    calls: u64,
    world: World,
}

async fn run(world: World, tasks: usize, fault: Option<(u64, Fault)>) -> Ran {
    let aws = SimulatedAws::new(world, 1.0);
    aws.plan_faults(fault);
    let mut broken = None;
    let outcome = Installation::new(&aws)
        .unwrap()
        .deploy("run-1", event(), 7, &mut |_| {
            broken = broken
                .take()
                .or_else(|| aws.with_world(|world| broken_invariant(world, tasks)));
        })
        .await;
    Ran {
        outcome,
        broken,
        calls: aws.call_count(),
        world: aws.snapshot(),
    }
}

/// Strikes every call of a deployment with one kind of fault, one run each.
async fn strike_every_call(fault: Fault) {
    let tasks = 2;
    let start = world(2);
    let calls = run(start.clone(), tasks, None).await.calls;
    assert!(calls > 50, "{calls}");
    let mut failures = Vec::new();
    for call in 1..=calls {
        let ran = run(start.clone(), tasks, Some((call, fault))).await;
        let why = ran.broken.or_else(|| match &ran.outcome.status {
            Status::Succeeded { .. } => unfinished(&ran.world),
            Status::Failed { error, cause } => Some(format!("{error}: {cause}")),
            Status::TimedOut => Some("timed out".to_owned()),
        });
        if let Some(why) = why {
            failures.push(format!("{fault:?} at call {call} of {calls}: {why}"));
        }
    }
    println!("{fault:?}: {calls} runs, {} failures", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is not as a deployment that succeeded says it is (S12).
fn unfinished(world: &World) -> Option<String> {
    let sets = world.task_sets_of(CLUSTER, SERVICE);
    let [set] = &sets[..] else {
        return Some(format!("S12: {} task sets at the end", sets.len()));
    };
    if set.status.as_str() != "PRIMARY" {
        return Some(format!("S12: {} is {}", set.id, set.status.as_str()));
    }
    let group = &set.load_balancers[0].target_group_arn;
    for other in world.target_groups() {
        let tagged = other
            .tags
            .get("isProduction")
            .is_some_and(|value| value == "true");
        if tagged != (other.arn == *group) || other.tags.contains_key("ebbtide:swap") {
            return Some(format!("S12: tags of {} are {:?}", other.name, other.tags));
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn unreachable() {
    strike_every_call(Fault::Unreachable).await;
}

#[tokio::test(start_paused = true)]
async fn silent() {
    strike_every_call(Fault::Silent).await;
}

#[tokio::test(start_paused = true)]
async fn server_error() {
    strike_every_call(Fault::ServerError).await;
}

#[tokio::test(start_paused = true)]
async fn throttled() {
    strike_every_call(Fault::Throttled).await;
}

#[tokio::test(start_paused = true)]
async fn stale_read() {
    strike_every_call(Fault::Stale).await;
}

#[tokio::test(start_paused = true)]
async fn lost_reply() {
    strike_every_call(Fault::LostReply).await;
}

#[tokio::test(start_paused = true)]
async fn server_error_after_the_effect() {
    strike_every_call(Fault::ServerErrorAfter).await;
}

#[tokio::test(start_paused = true)]
async fn delivered_twice() {
    strike_every_call(Fault::Twice).await;
}

#[tokio::test(start_paused = true)]
async fn delivered_a_little_late() {
    strike_every_call(Fault::Late(2)).await;
}

#[tokio::test(start_paused = true)]
async fn delivered_much_later() {
    strike_every_call(Fault::Late(12)).await;
}

/// Runs a deployment and stops the execution (`StopExecution`) after its `transition`th history
/// event; `None` where it ended before. A call in flight is cut off in the middle.
async fn stopped_after(start: World, transition: u64) -> Option<World> {
    let aws = SimulatedAws::new(start, 1.0);
    let installation = Installation::new(&aws).unwrap();
    let stop = tokio::sync::Notify::new();
    let mut on_event = |event: &HistoryEvent| {
        if event.id == transition {
            stop.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = stop.notified() => Some(aws.snapshot()),
        _ = installation.deploy("run-1", event(), 7, &mut on_event) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn stopped_anywhere_traffic_stays_on_healthy_tasks() {
    let start = world(2);
    let mut stops = 0;
    for transition in 1.. {
        let Some(mut left) = stopped_after(start.clone(), transition).await else {
            break;
        };
        // Nothing is cleaned up, and the world goes on.
        for _ in 0..60 {
            left.advance_to(left.now() + 60_000);
            let broken = broken_invariant(&left, 2);
            assert_eq!(broken, None, "stopped after event {transition}");
        }
        stops += 1;
    }
    println!("{stops} stops");
    assert!(stops > 60, "{stops}");
}

#[tokio::test(start_paused = true)]
async fn every_step_done_three_times_is_done_once() {
    let start = world(2);
    let aws = SimulatedAws::new(start, 1.0);
    let mut broken = None;
    let outcome = Installation::new(&aws)
        .unwrap()
        .invoking(3)
        .deploy("run-1", event(), 7, &mut |_| {
            broken = broken
                .take()
                .or_else(|| aws.with_world(|world| broken_invariant(world, 2)));
        })
        .await;
    assert_eq!(broken, None);
    assert!(
        matches!(outcome.status, Status::Succeeded { .. }),
        "{outcome:?}"
    );
    let world = aws.snapshot();
    assert_eq!(unfinished(&world), None);
    let written = |operation: &str| {
        world
            .calls()
            .filter(|call| call.operation == operation)
            .count()
    };
    assert_eq!(written("ecs:CreateTaskSet"), 1);
    assert_eq!(written("ecs:UpdateTaskSet"), 2);
    assert_eq!(written("ecs:DeleteTaskSet"), 1);
    // The alternate group attached, and the two listeners moved.
    assert_eq!(written("elasticloadbalancing:ModifyListener"), 3);
}
