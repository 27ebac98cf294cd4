//! Whole deployments on the simulated AWS: what the world shows at the end, whatever the execution
//! says.

use std::collections::BTreeSet;

use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::{Kind, World};
use serde_json::{Value, json};

use crate::support::{deploy, names, sample, world};

/// The one target group tagged `isProduction=true`.
fn tagged_production(world: &World) -> &str {
    let tagged: Vec<_> = world
        .target_groups()
        .filter(|group| {
            group
                .tags
                .get("isProduction")
                .is_some_and(|value| value == "true")
        })
        .collect();
    assert_eq!(tagged.len(), 1, "{tagged:?}");
    &tagged[0].arn
}

fn assert_one_primary_on_the_production_group(world: &World) -> String {
    let names = names();
    let sets = world.task_sets_of(&names.cluster, &names.service);
    assert_eq!(sets.len(), 1, "{sets:?}");
    assert_eq!(sets[0].status.as_str(), "PRIMARY");
    let production = tagged_production(world);
    assert_eq!(sets[0].load_balancers[0].target_group_arn, production);
    let listener = world
        .listeners()
        .find(|listener| listener.port == 80)
        .unwrap();
    assert_eq!(listener.live_target_groups(), [production]);
    sets[0].id.clone()
}

#[tokio::test(start_paused = true)]
async fn the_samples_input_deploys_in_four_steps_and_a_second_time_back_again() {
    let before = world(&Scenario::default());
    let first_group = tagged_production(&before).to_owned();
    let ended = deploy(before, "run-1", &sample()).await;
    assert_eq!(ended.output()["status"], "deployed");
    let first = assert_one_primary_on_the_production_group(&ended.world);
    assert_ne!(tagged_production(&ended.world), first_group);
    assert_eq!(ended.output()["steps"], 4);
    assert!(
        ended
            .reasons
            .iter()
            .any(|r| r.contains("1 of 4 tasks left after step 3 of 4"))
    );

    let again = deploy(ended.world, "run-2", &sample()).await;
    assert_eq!(again.output()["status"], "deployed");
    let second = assert_one_primary_on_the_production_group(&again.world);
    assert_ne!(first, second);
    assert_eq!(tagged_production(&again.world), first_group);
}

#[tokio::test(start_paused = true)]
async fn states_come_in_the_order_that_the_console_shows() {
    let ended = deploy(world(&Scenario::default()), "run-1", &sample()).await;
    let mut order = ended.states.clone();
    order.dedup();
    assert_eq!(
        order[..3],
        ["Preflight", "MayDeploy", "CheckAndCreateService"]
    );
    let position = |name: &str| order.iter().position(|state| state == name).unwrap();
    assert!(position("CheckAndCreateService") < position("ServiceReady"));
    assert!(position("ServiceReady") < position("Swap"));
    assert!(position("Swap") < position("Bake"));
    assert!(position("Bake") < position("ScaleDown"));
    assert!(position("LoopTillRunning") < position("Cleanup"));
    assert_eq!(order.last().unwrap(), "DeploymentSucceeded");
}

#[tokio::test(start_paused = true)]
async fn the_report_is_what_the_readme_says() {
    let mut event = sample();
    event["comment"] = json!("build 7");
    let ended = deploy(world(&Scenario::default()), "run-1", &event).await;
    let report = ended.output().as_object().unwrap();
    assert_eq!(report["comment"], "build 7");
    assert_eq!(report["drainedTasks"], 4);
    assert!(report["seconds"].as_u64().unwrap() >= ended.outcome.elapsed.as_secs() - 1);
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("\n## How it ends\n").unwrap();
    let (_, table) = section.split_once("\n|---|---|\n").unwrap();
    let (rows, _) = table.split_once("\n\n").unwrap();
    let named: BTreeSet<&str> = rows
        .lines()
        .filter_map(|row| row.split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(named, report.keys().map(String::as_str).collect());
}

#[tokio::test(start_paused = true)]
async fn three_fields_are_enough_to_deploy() {
    let event = json!({
        "cluster": sample()["cluster"],
        "serviceName": sample()["serviceName"],
        "taskDefinition": sample()["taskDefinition"],
    });
    let ended = deploy(world(&Scenario::default()), "run-1", &event).await;
    assert_eq!(ended.output()["status"], "deployed");
    assert_one_primary_on_the_production_group(&ended.world);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing() {
    let mut event = sample();
    event["dryRun"] = json!(true);
    let ended = deploy(world(&Scenario::default()), "run-1", &event).await;
    assert_eq!(ended.output()["status"], "dryRun");
    assert!(ended.writes().is_empty(), "{:?}", ended.writes());
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_never_gets_healthy_is_deleted_and_traffic_stays() {
    let mut scenario = Scenario::default();
    scenario.replacement.never_healthy = true;
    let mut event = sample();
    event["readinessTimeout"] = json!(900);
    let before = world(&scenario);
    let production = tagged_production(&before).to_owned();
    let ended = deploy(before, "run-1", &event).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "NotReadyTimeout");
    assert!(
        cause.contains("4 unhealthy") || cause.contains("4 initial"),
        "{cause}"
    );
    assert!(cause.contains("Rolled back: "), "{cause}");
    assert_eq!(tagged_production(&ended.world), production);
    let listener = ended.world.listeners().find(|l| l.port == 80).unwrap();
    assert_eq!(listener.live_target_groups(), [production]);
    assert!(!ended.states.iter().any(|state| state == "Swap"));
    let names = names();
    let living = ended
        .world
        .task_sets_of(&names.cluster, &names.service)
        .into_iter()
        .filter(|set| set.status.as_str() != "DRAINING")
        .count();
    assert_eq!(living, 1);
}

#[tokio::test(start_paused = true)]
async fn a_crash_on_start_is_reported_with_its_exit_code() {
    let mut scenario = Scenario::default();
    scenario.replacement.crashes_after_seconds = Some(5);
    let mut event = sample();
    event["readinessTimeout"] = json!(600);
    let ended = deploy(world(&scenario), "run-1", &event).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "NotReadyTimeout");
    assert!(cause.contains("exited with 1"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_is_waited_for() {
    let mut scenario = Scenario::default();
    // Longer than that, ECS replaces tasks that fail their health checks, again and again.
    scenario.replacement.slow_start_seconds = 150;
    let ended = deploy(world(&scenario), "run-1", &sample()).await;
    assert_eq!(ended.output()["status"], "deployed");
}

#[tokio::test(start_paused = true)]
async fn a_service_without_a_task_set_gets_its_first_one() {
    let scenario = Scenario {
        first_deployment: true,
        ..Scenario::default()
    };
    let ended = deploy(world(&scenario), "run-1", &sample()).await;
    assert_eq!(ended.output()["previousTaskSet"], Value::Null);
    assert_one_primary_on_the_production_group(&ended.world);
    let again = deploy(ended.world, "run-2", &sample()).await;
    assert_one_primary_on_the_production_group(&again.world);
}

#[tokio::test(start_paused = true)]
async fn services_of_every_size_drain_without_an_empty_step() {
    for (tasks, decrement, steps) in [
        (1, 25.0, 1),
        (2, 25.0, 2),
        (3, 100.0, 1),
        (10, 30.0, 4),
        (40, 25.0, 4),
    ] {
        let scenario = Scenario {
            tasks,
            ..Scenario::default()
        };
        let mut event = sample();
        event["scaledown_decrement"] = json!(decrement);
        let ended = deploy(world(&scenario), "run-1", &event).await;
        assert_eq!(
            ended.output()["steps"],
            steps,
            "{tasks} tasks, {decrement} %"
        );
        let told = ended
            .reasons
            .iter()
            .filter(|r| r.contains(" tasks left after step "))
            .count();
        assert!(
            told < steps && ended.scales().len() == steps,
            "{:?}",
            ended.reasons
        );
        assert_one_primary_on_the_production_group(&ended.world);
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_load_balancer_works_as_well() {
    let scenario = Scenario {
        load_balancer: Kind::Application,
        ..Scenario::default()
    };
    let mut names = names();
    names.load_balancer_arn = None;
    let mut event = sample();
    event.as_object_mut().unwrap().remove("nlb");
    let ended = deploy(scenario.world_for(&names).unwrap(), "run-1", &event).await;
    assert_eq!(ended.output()["status"], "deployed");
}

#[tokio::test(start_paused = true)]
async fn replace_mode_works_where_a_test_listener_keeps_the_other_group_in_use() {
    let mut event = sample();
    event["swapMode"] = json!("replace");
    let ended = deploy(world(&Scenario::default()), "run-1", &event).await;
    assert_eq!(ended.output()["status"], "deployed");
    assert_one_primary_on_the_production_group(&ended.world);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_tells_the_same_story() {
    let first = deploy(world(&Scenario::default()), "run-1", &sample()).await;
    let second = deploy(world(&Scenario::default()), "run-1", &sample()).await;
    assert_eq!(first.reasons, second.reasons);
    assert_eq!(first.outcome, second.outcome);
    assert_eq!(first.world, second.world);
}
