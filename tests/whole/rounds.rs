//! How many calls of AWS wait for one another in a turn. What a turn waits for AWS is that many times
//! what one call takes.

use std::collections::BTreeMap;
use std::time::Duration;

use ebbtide_simulator::asl::{EventKind, HistoryEvent};

use ebbtide_simulator::scenario::{ClientsScenario, RegistryScenario};
use ebbtide_simulator::world::{Kind, World};
use ebbtide_simulator::{Scenario, SimulatedAws};
use serde_json::{Value, json};

use crate::support::{installed, sample, sample_with, world};

/// Rounds of an observation: what there is, and what is read of it.
const OBSERVATION: u32 = 2;

/// The same where no plan names the service's target groups: their health comes after their tags.
const PREFLIGHT: u32 = 3;

/// The same where only the task sets name the load balancer, by their target groups.
const PREFLIGHT_WITHOUT_LOAD_BALANCER: u32 = 5;

/// Entering the lock, and leaving it.
const LOCK: u32 = 2;

/// Rounds of the turn in which traffic moves. Three observations: the first, and two of what is known by
/// name (4). Intent, comparison, commit point (3). Comparison and test listener, beside tag and `PRIMARY`
/// (2). The other tag and the intent are removed (2).
const SWAP: u32 = 11;

/// The most rounds of any turn of a phase: of those that write nothing but the lock, and of all.
type Rounds = BTreeMap<String, [u32; 2]>;

async fn rounds(scenario: &Scenario, changes: &Value) -> Rounds {
    let mut event = sample_with(changes);
    // One way of pacing.
    if event["drain"].is_object() {
        let fields = event.as_object_mut().unwrap();
        fields.retain(|name, _| !name.starts_with("scaledown"));
    }
    rounds_of(scenario, event).await
}

async fn rounds_of(scenario: &Scenario, event: Value) -> Rounds {
    rounds_in(world(scenario), event).await
}

async fn rounds_in(world: World, event: Value) -> Rounds {
    let (aws, installation) = installed(world);
    let writes = |aws: &SimulatedAws| {
        aws.with_world(|world| {
            let calls = world.calls();
            let reads = |operation: &str| {
                let services = ["ecs:", "elasticloadbalancing:", "servicediscovery:"];
                services.iter().all(|service| {
                    !operation.starts_with(service)
                        || operation.contains(":Describe")
                        || operation.contains(":List")
                        || operation.contains(":Get")
                })
            };
            calls.filter(|call| !reads(&call.operation)).count()
        })
    };
    let mut rounds = Rounds::new();
    let mut turn = (String::new(), Duration::ZERO, 0);
    let mut on_event = |event: &HistoryEvent| match &event.kind {
        EventKind::TaskScheduled { parameters, .. } => {
            let phase = parameters["Payload"]["phase"].as_str().unwrap();
            turn = (phase.to_owned(), event.at, writes(&aws));
        }
        EventKind::TaskSucceeded { .. } => {
            let (phase, began, written) = &turn;
            let took = event.at.saturating_sub(*began).as_secs_f64() / aws.latency.as_secs_f64();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small count"
            )]
            let took = took.round() as u32;
            let [reading, any] = rounds.entry(phase.clone()).or_default();
            if *written == writes(&aws) {
                *reading = took.max(*reading);
            }
            *any = took.max(*any);
        }
        _ => {}
    };
    let outcome = installation.deploy("run-1", event, 1, &mut on_event).await;
    assert!(outcome.status.is_success(), "{outcome:?}");
    println!("{rounds:?}");
    rounds
}

fn assert_few(rounds: &Rounds) {
    assert_eq!(rounds["preflight"][1], PREFLIGHT, "{rounds:?}");
    for phase in ["check-and-create", "scale-down", "cleanup"] {
        assert_eq!(rounds[phase][0], OBSERVATION + LOCK, "{phase}: {rounds:?}");
    }
    assert_eq!(rounds["swap"][1], SWAP + LOCK, "{rounds:?}");
}

#[tokio::test(start_paused = true)]
async fn few_calls_wait_for_one_another() {
    assert_few(&rounds(&Scenario::default(), &json!({})).await);
}

#[tokio::test(start_paused = true)]
async fn no_more_of_them_with_a_hundred_tasks_and_a_budget() {
    let scenario = Scenario {
        tasks: 100,
        clients: Some(ClientsScenario {
            connections_per_task: 200,
            ..ClientsScenario::default()
        }),
        ..Scenario::default()
    };
    let budget =
        json!({"drain": {"reconnectsPerSecond": 200, "connectionsPerTask": 200, "deadline": 3600}});
    assert_few(&rounds(&scenario, &budget).await);
}

#[tokio::test(start_paused = true)]
async fn no_more_of_them_with_the_rules_of_an_application_load_balancer() {
    let scenario = Scenario {
        load_balancer: Kind::Application,
        ..Scenario::default()
    };
    assert_few(&rounds(&scenario, &json!({})).await);
}

/// What clients find is read beside the task sets; before a plan names the registry, after them. The swap is one write.
#[tokio::test(start_paused = true)]
async fn no_more_of_them_in_a_registry() {
    let scenario = Scenario {
        tasks: 100,
        registry: Some(RegistryScenario {
            callers: None,
            ..RegistryScenario::default()
        }),
        ..Scenario::default()
    };
    let event = json!({"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2"});
    let rounds = rounds_in(scenario.world().unwrap(), event).await;
    assert!(rounds["preflight"][1] <= 5, "{rounds:?}");
    for phase in ["check-and-create", "scale-down", "cleanup"] {
        assert!(rounds[phase][0] <= 5 + LOCK, "{phase}: {rounds:?}");
    }
    assert!(rounds["swap"][1] <= SWAP + LOCK, "{rounds:?}");
}

#[tokio::test(start_paused = true)]
async fn one_more_where_a_group_falls_out_of_all_listeners() {
    let changes = json!({"swapMode": "replace"});
    let rounds = rounds(&Scenario::default(), &changes).await;
    assert_eq!(rounds["swap"][1], SWAP + 1 + LOCK, "{rounds:?}");
}

#[tokio::test(start_paused = true)]
async fn preflight_finds_a_load_balancer_that_the_task_sets_name() {
    let mut event = sample();
    event.as_object_mut().unwrap().remove("nlb");
    let rounds = rounds_of(&Scenario::default(), event).await;
    let preflight = rounds["preflight"][1];
    assert_eq!(preflight, PREFLIGHT_WITHOUT_LOAD_BALANCER, "{rounds:?}");
    assert_eq!(rounds["swap"][1], SWAP + LOCK, "{rounds:?}");
}
