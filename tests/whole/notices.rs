//! Notifications in EventBridge are as `docs/notifications.md` describes them.

use std::collections::BTreeSet;

use ebbtide_functions::{DETAIL_TYPE, SOURCE};
use ebbtide_simulator::Scenario;

use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{EventKind, World};
use serde_json::{Value, json};

use crate::support::{Ended, deploy, installed, names, sample, sample_with, served, world};

fn told(ended: &Ended) -> Vec<Value> {
    let details = ended.events.iter().filter_map(|event| match event {
        EventKind::EventPut {
            source,
            detail_type,
            detail,
        } => {
            assert_eq!(
                (source.as_str(), detail_type.as_str()),
                ("ebbtide", DETAIL_TYPE)
            );
            Some(detail.clone())
        }
        _ => None,
    });
    details.collect()
}

fn statuses(told: &[Value]) -> Vec<&str> {
    let statuses = told.iter().map(|detail| detail["status"].as_str());
    statuses.map(Option::unwrap).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_reports_its_swap_and_the_end_of_its_drain() {
    let ended = deploy(served(), "run-1", &sample()).await;
    let told = told(&ended);
    assert_eq!(statuses(&told), ["SWAPPED", "DRAINED"]);
    let names = names();
    let output = ended.output();
    let home = format!("{}:{}", names.region, names.account);
    for detail in &told {
        let mut rest = detail.clone();
        let [time, reason] = ["time", "reason"].map(|field| {
            let value = rest.as_object_mut().unwrap().remove(field).unwrap();
            value.as_str().unwrap().to_owned()
        });
        let wanted = json!({
            "source": "ebbtide", "version": 1, "status": detail["status"], "name": "run-1",
            "execution": format!("arn:aws:states:{home}:execution:Ebbtide:run-1"),
            "stateMachine": format!("arn:aws:states:{home}:stateMachine:Ebbtide"),
            "cluster": names.cluster, "service": names.service, "taskSet": output["taskSet"],
            "targetGroup": output["targetGroup"], "previousTaskSet": output["previousTaskSet"],
        });
        assert_eq!(rest, wanted);
        let today = time.starts_with("2026-01-01T00:") && time.ends_with('Z');
        assert!(today, "{time}");
        assert!(ended.reasons.contains(&reason), "{reason}");
    }
    assert!(told[0]["time"].as_str() < told[1]["time"].as_str());
}

#[tokio::test(start_paused = true)]
async fn a_rollback_and_the_drain_of_the_replacement_are_reported() {
    let alarm = json!({"name": "errors", "changes": [{"afterSeconds": 500, "state": "ALARM"}]});
    let scenario = serde_json::from_value(json!({"alarms": [alarm]})).unwrap();
    let event = sample_with(&json!({"alarms": ["errors"]}));
    let ended = deploy(world(&scenario), "run-1", &event).await;
    assert_eq!(ended.failure().0, "AlarmRaised");
    let told = told(&ended);
    assert_eq!(statuses(&told), ["SWAPPED", "ROLLED_BACK", "DRAINED"]);
    let reason = told[2]["reason"].as_str().unwrap();
    let [original, replacement] =
        ["previousTaskSet", "taskSet"].map(|field| told[0][field].as_str().unwrap());
    assert!(reason.contains(replacement), "{reason}");
    for detail in &told[1..] {
        assert_eq!(detail["taskSet"], original);
        assert_eq!(detail["previousTaskSet"], replacement);
        assert_ne!(detail["targetGroup"], told[0]["targetGroup"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_moves_no_traffic_reports_nothing() {
    let dry = sample_with(&json!({"dryRun": true}));
    let ended = deploy(served(), "run-1", &dry).await;
    assert_eq!(told(&ended), [json!(null); 0]);
    assert!(ended.writes().is_empty(), "{:?}", ended.writes());

    let crashing = Scenario::with(|scenario| scenario.replacement.crashes_after_seconds = Some(5));
    let event = sample_with(&json!({"readinessTimeout": 300}));
    let ended = deploy(world(&crashing), "run-1", &event).await;
    assert_eq!(ended.failure().0, "ReplacementFailed");
    assert_eq!(told(&ended), [json!(null); 0]);
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_reports_no_previous_task_set() {
    let first = Scenario::with(|scenario| scenario.first_deployment = true);
    let ended = deploy(world(&first), "run-1", &sample()).await;
    assert_eq!(ended.output()["previousTaskSet"], Value::Null);
    let told = told(&ended);
    assert_eq!(statuses(&told), ["SWAPPED", "DRAINED"]);
    let mut previous = told.iter().map(|detail| &detail["previousTaskSet"]);
    assert!(previous.all(Value::is_null));
}

/// What happens to the first call that puts an event, and to those that the SDK makes in its place: how
/// many times the bus got an event all the same.
async fn put_under(fault: Fault) -> usize {
    let ended = deploy(served(), "run-1", &sample()).await;
    let mut calls = ended.world.calls();
    let first = calls.position(|call| call.operation == "events:PutEvents");
    let first = first.unwrap() as u64 + 1;
    let (aws, installation) = installed(served());
    // The next call may be the lock's, which is left beside it, and rides out what a single call may.
    aws.plan_faults([(first, fault)]);
    let outcome = installation.deploy("run-1", sample(), 1, &mut |_| {}).await;
    let ebbtide_simulator::asl::Status::Succeeded { output } = outcome.status else {
        panic!("{fault:?}: {outcome:?}");
    };
    assert_eq!(output["status"], "deployed", "{fault:?}");
    let events = aws.with_world(World::take_events).into_iter();
    let put = events.filter(|event| matches!(event.kind, EventKind::EventPut { .. }));
    put.count()
}

#[tokio::test(start_paused = true)]
async fn without_event_bridge_a_deployment_continues() {
    // The end of the drain is reported as well.
    assert_eq!(put_under(Fault::AccessDenied).await, 1);
    // The SDK tries again, or the turn waits no longer.
    assert_eq!(put_under(Fault::Silent).await, 1);
    for fault in [Fault::Throttled, Fault::Unreachable] {
        assert_eq!(put_under(fault).await, 2, "{fault:?}");
    }
    // A message may come twice.
    assert_eq!(put_under(Fault::ServerErrorAfter).await, 3);
}

#[tokio::test(start_paused = true)]
async fn notifications_in_between_are_as_the_page_describes_them() {
    let page = include_str!("../../docs/notifications.md");
    let (statuses_of_page, rest) = page.split_once("\n## In between\n").unwrap();
    let (_, rest) = rest.split_once("```json\n").unwrap();
    let (example, rest) = rest.split_once("```").unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let fields = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    for detail in told(&deploy(served(), "run-1", &sample()).await) {
        assert_eq!(fields(&detail), fields(&example));
        assert_eq!(detail["version"], example["version"]);
        let status = detail["status"].as_str().unwrap();
        let named = statuses_of_page.contains(&format!("`{status}`"));
        assert!(named, "{status}");
    }
    for name in [SOURCE, DETAIL_TYPE] {
        assert!(rest.contains(&format!("`{name}`")), "{name}");
    }
}
