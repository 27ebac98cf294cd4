//! One seed, one world: saved, loaded, forked, and written down.

use ebbtide_simulator::world::Outcome;
use ebbtide_simulator::{SimulatedAws, World};
use serde_json::json;

use crate::support::{scenario, stage, wait};

async fn story(json: &str) -> (Vec<String>, World) {
    let stage = stage(json);
    let original = stage.original().await;
    let replacement = stage.create_replacement().await.id.expect("an id");
    wait(500).await;
    stage.scale(&original, 0.0).await;
    wait(500).await;
    stage.delete(&original).send().await.expect("deleted");
    stage.scale(&replacement, 50.0).await;
    wait(500).await;
    let events = stage.events();
    let events = events.iter();
    let told = events.map(|event| format!("{} {}", event.at_ms, event.kind));
    (told.collect(), stage.aws.snapshot())
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_events() {
    let (first, world) = story(r#"{"seed": 7}"#).await;
    let (again, same_world) = story(r#"{"seed": 7}"#).await;
    assert_eq!(first, again);
    assert_eq!(world, same_world);
    let (other, _) = story(r#"{"seed": 8}"#).await;
    assert_ne!(first, other);
}

#[test]
fn a_saved_world_continues_as_if_it_had_not_been_saved() {
    let mut world = scenario("{}").world().expect("a world");
    let original = world.task_sets_of("main", "chat")[0].id.clone();
    let request = json!({ "cluster": "main", "service": "chat", "taskSet": original, "scale": { "value": 50.0 } });
    let request = serde_json::from_value(request).expect("a request");
    world.update_task_set(&request).expect("scaled");
    world.advance_to(100_000);
    let saved = serde_json::to_string(&world).expect("saved");
    let mut loaded: World = serde_json::from_str(&saved).expect("loaded");
    assert_eq!(world, loaded);
    world.advance_to(1_000_000);
    loaded.advance_to(1_000_000);
    assert_eq!(world.take_events(), loaded.take_events());
    assert_eq!(world, loaded);
}

#[test]
fn reading_the_world_more_often_changes_nothing() {
    let settle = |steps: &[u64]| {
        let world = scenario(r#"{"replacement": {"crashesAfterSeconds": 50}}"#).world();
        let mut world = world.expect("a world");
        for step in steps {
            world.advance_to(*step);
        }
        world
    };
    let often: Vec<u64> = (0..=1_000).map(|second| second * 1_000).collect();
    assert_eq!(settle(&often), settle(&[1_000_000]));
}

#[tokio::test(start_paused = true)]
async fn every_call_is_in_the_journal_with_its_caller_and_end() {
    let stage = stage("{}");
    stage.aws.with_world(World::take_calls);
    let swap = stage.aws.sdk_ecs("swap");
    let list = |cluster: &str| swap.list_tasks().cluster(cluster).send();
    list(&stage.names.cluster).await.expect("listed");
    list("nowhere").await.expect_err("refused");
    stage.groups().await;
    let calls = stage.aws.with_world(World::take_calls);
    let told = calls.iter().map(|call| {
        let outcome = call.outcome.clone();
        (call.caller.as_str(), call.operation.as_str(), outcome)
    });
    let refused = Outcome::Error("ClusterNotFoundException".to_owned());
    let groups = "elasticloadbalancing:DescribeTargetGroups";
    let wanted = [
        ("swap", "ecs:ListTasks", Outcome::Ok),
        ("swap", "ecs:ListTasks", refused),
        ("test", groups, Outcome::Ok),
    ];
    assert_eq!(told.collect::<Vec<_>>(), wanted);
    assert!(calls.is_sorted_by_key(|call| call.at_ms));
}

#[tokio::test(start_paused = true)]
async fn a_fast_clock_makes_simulated_time_pass_faster() {
    let world = scenario("{}").world().expect("a world");
    let aws = SimulatedAws::new(world, 60.0);
    wait(10).await;
    assert_eq!(aws.with_world(|world| world.now()), 600_000);
    let loaded = SimulatedAws::new(aws.snapshot(), 60.0);
    wait(1).await;
    // It goes on from where it was.
    assert_eq!(loaded.with_world(|world| world.now()), 660_000);
}
