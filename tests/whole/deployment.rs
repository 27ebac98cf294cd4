//! Whole deployments: what the world and the output show at the end. More of them are in `stories/`.

use std::collections::BTreeSet;

use ebbtide_simulator::Scenario;
use serde_json::json;

use crate::support::{deploy, sample, sample_with, served, world};

#[tokio::test(start_paused = true)]
async fn states_come_in_the_order_that_the_console_shows() {
    let ended = deploy(served(), "run-1", &sample()).await;
    let mut order = ended.states.clone();
    order.dedup();
    let first = ["Preflight", "MayDeploy", "CheckAndCreateService"];
    assert_eq!(order[..3], first);
    let position = |name: &str| order.iter().position(|state| state == name).unwrap();
    assert!(position("CheckAndCreateService") < position("ServiceReady"));
    assert!(position("ServiceReady") < position("Swap"));
    assert!(position("Swap") < position("Bake"));
    assert!(position("Bake") < position("ScaleDown"));
    assert!(position("LoopTillRunning") < position("Cleanup"));
    assert_eq!(order.last().unwrap(), "DeploymentSucceeded");
}

#[tokio::test(start_paused = true)]
async fn the_report_is_what_the_documents_say() {
    let event = sample_with(&json!({"comment": "build 7"}));
    let ended = deploy(served(), "run-1", &event).await;
    let report = ended.output().as_object().unwrap();
    assert_eq!(report["comment"], "build 7");
    assert_eq!(report["drainedTasks"], 4);
    assert!(report["seconds"].as_u64().unwrap() >= ended.outcome.elapsed.as_secs() - 1);
    let page = include_str!("../../docs/outcome.md");
    let (_, section) = page.split_once("\n## Success\n").unwrap();
    let (_, table) = section.split_once("\n|---|---|\n").unwrap();
    let (rows, _) = table.split_once("\n\n").unwrap();
    let cells = rows.lines().filter_map(|row| row.split(" | ").next());
    let named = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let named: BTreeSet<&str> = named.collect();
    assert_eq!(named, report.keys().map(String::as_str).collect());
}

#[tokio::test(start_paused = true)]
async fn services_of_every_size_drain_without_an_empty_step() {
    for (tasks, decrement, wait, steps) in [
        (1, 25, 60, 1),
        (2, 25, 60, 2),
        (3, 30, 60, 3),
        (3, 100, 60, 1),
        (7, 10, 60, 7),
        (10, 30, 60, 4),
        (20, 5, 3_600, 20),
        (40, 25, 60, 4),
    ] {
        let scenario = Scenario::with(|scenario| scenario.tasks = tasks);
        let pace = json!({"scaledown_decrement": decrement, "scaledown_wait": wait});
        let ended = deploy(world(&scenario), "run-1", &sample_with(&pace)).await;
        ended.assert_deployed();
        let of = format!("{tasks} tasks by {decrement} %: {:?}", ended.reasons);
        assert_eq!(ended.output()["steps"], steps, "{of}");
        assert_eq!(ended.scales().len(), steps, "{of}");
        let reasons = ended.reasons.iter();
        let told = reasons.filter(|reason| reason.contains(": step "));
        // The last one names the tasks that still run.
        assert_eq!(told.count(), steps - 1, "{of}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_events() {
    let first = deploy(served(), "run-1", &sample()).await;
    let second = deploy(served(), "run-1", &sample()).await;
    assert_eq!(first.reasons, second.reasons);
    assert_eq!(first.outcome, second.outcome);
    assert_eq!(first.world, second.world);
}
