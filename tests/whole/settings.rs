//! Settings that real services have, and that must neither be lost nor missed: tags, registries, groups that
//! are not alike, targets registered by hand, alarms and locks that change.

use ebbtide_controller::arn::short;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::World;
use serde_json::{Value, json};

use crate::support::{
    Ended, deploy, deploy_among, edited, group, live, names, sample, sample_with, served, sets,
    world,
};

/// The only value of an object.
fn only(object: &mut Value) -> &mut Value {
    let values = object.as_object_mut().unwrap();
    assert_eq!(values.len(), 1);
    values.values_mut().next().unwrap()
}

/// The target group with this suffix in a saved world.
fn saved_group<'a>(saved: &'a mut Value, suffix: &str) -> &'a mut Value {
    let groups = saved["target_groups"].as_object_mut().unwrap();
    let is_meant = |group: &&mut Value| group["name"].as_str().unwrap().ends_with(suffix);
    groups.values_mut().find(is_meant).unwrap()
}

/// Asserts that a deployment failed so, saying this, with the original behind the production listener alone.
#[track_caller]
fn assert_failed(ended: &Ended, error: &str, says: &str) {
    let (failed, cause) = ended.failure();
    assert_eq!(failed, error, "{cause}");
    assert!(cause.contains(says), "{cause}");
    assert_eq!(sets(&ended.world).len(), 1);
    let original = group(&ended.world, "-tg-1");
    assert_eq!(live(&ended.world, 80), [short(&original)]);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_has_the_originals_tags_and_an_account_that_demands_them_takes_it() {
    let start = edited(&served(), |saved| {
        let original = only(&mut saved["task_sets"]);
        original["tags"] =
            json!({"CostCenter": "4711", "aws:cloudformation:stack-name": "chat", "team": "rt"});
        saved["limits"]["requiredTags"] = json!(["CostCenter"]);
    });
    let tags = json!([{"key": "team", "value": "edge"}, {"key": "stage", "value": "prod"}]);
    let ended = deploy(start, "run-1", &sample_with(&json!({"tags": tags}))).await;
    let set = ended.assert_deployed();
    let tags = json!(ended.world.task_set(&set).unwrap().tags);
    let wanted = json!({"CostCenter": "4711", "team": "edge", "stage": "prod"});
    assert_eq!(tags, wanted);

    let demands = |saved: &mut Value| saved["limits"]["requiredTags"] = json!(["CostCenter"]);
    let ended = deploy(edited(&served(), demands), "run-1", &sample()).await;
    assert_failed(&ended, "Permission", "aws:RequestTag/CostCenter");
}

#[tokio::test(start_paused = true)]
async fn a_registry_follows_the_load_balancers_container_to_its_new_name() {
    let scenario =
        r#"{"registry": {"record": "SRV", "besideLoadBalancer": true, "callers": null}}"#;
    let registered = world(&serde_json::from_str(scenario).unwrap());
    let start = edited(&registered, |saved| {
        let revisions = only(&mut saved["task_definitions"])
            .as_object_mut()
            .unwrap();
        let newest = revisions.values_mut().next_back().unwrap();
        newest["registered"]["containerDefinitions"][0]["name"] = json!("edge");
    });
    let event = sample_with(&json!({"containerName": "edge"}));
    let ended = deploy(start, "run-1", &event).await;
    let set = ended.assert_deployed();
    let saved = json!(ended.world);
    let registries = &saved["task_sets"][&set]["service_registries"];
    assert_eq!(registries[0]["containerName"], "edge");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_named_by_its_arn_is_deployed_on_managed_instances() {
    let start = edited(&served(), |saved| {
        let original = only(&mut saved["task_sets"]);
        original["launch_type"] = json!("MANAGED_INSTANCES");
        original["platform_version"] = Value::Null;
    });
    let names = names();
    let service = start.service(&names.cluster, &names.service).unwrap();
    let event = sample_with(&json!({"serviceName": service.arn}));
    let ended = deploy(start, "run-1", &event).await;
    let set = ended.assert_deployed();
    let launched = ended.world.task_set(&set).unwrap().launch_type.clone();
    assert_eq!(launched.as_deref(), Some("MANAGED_INSTANCES"));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_the_listener_does_not_take_is_refused_before_anything_is_written() {
    let tls = |saved: &mut Value| saved_group(saved, "-tg-2")["protocol"] = json!("TLS");
    let ended = deploy(edited(&served(), tls), "run-1", &sample()).await;
    assert_failed(&ended, "PreflightFailed", "differ: protocol TCP and TLS");
    assert_eq!(ended.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_without_weights_is_deployed_to_as_the_refusal_says() {
    let one = |saved: &mut Value| saved["limits"]["groupsPerAction"] = json!(1);
    let start = edited(&served(), one);
    let ended = deploy(start.clone(), "run-1", &sample()).await;
    assert_failed(&ended, "PreflightFailed", "set swapMode to replace");
    let event = sample_with(&json!({"swapMode": "replace"}));
    deploy(start, "run-1", &event).await.assert_deployed();
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_is_deleted_in_the_drain_stops_nothing_and_is_reported() {
    let alarms: Scenario = serde_json::from_value(json!({"alarms": [{"name": "errors"}]})).unwrap();
    let deletes = |state: &str, before: usize, world: &mut World| {
        if state == "Wait" && before == 1 {
            world.delete_alarm("errors");
        }
    };
    let event = sample_with(&json!({"alarms": ["errors"]}));
    let ended = deploy_among(world(&alarms), "run-1", &event, deletes).await;
    ended.assert_deployed();
    let told = |reason: &String| reason.contains("alarm errors no longer exists");
    assert!(ended.reasons.iter().any(told), "{:?}", ended.reasons);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_goes_back_beside_a_sick_target_that_was_registered_by_hand() {
    let alarm = json!({"name": "errors", "changes": [{"afterSeconds": 560, "state": "ALARM"}]});
    let alarms: Scenario = serde_json::from_value(json!({"alarms": [alarm]})).unwrap();
    let start = edited(&world(&alarms), |saved| {
        let targets = &mut saved_group(saved, "-tg-1")["targets"];
        let mut stray = targets
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()
            .clone();
        (stray["id"], stray["phase"]) = (json!("10.0.0.250"), json!("unhealthy"));
        let key = format!("10.0.0.250:{}", stray["port"]);
        targets[key] = stray;
    });
    let serving = sets(&start);
    let ended = deploy(start, "run-1", &sample_with(&json!({"alarms": ["errors"]}))).await;
    assert_failed(&ended, "AlarmRaised", "Rolled back");
    assert_eq!(sets(&ended.world), serving);
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_another_form_is_refused_with_the_command_that_removes_it() {
    let first = deploy(served(), "run-1", &sample()).await;
    let old = edited(&first.world, |saved| {
        let item = only(&mut only(&mut saved["tables"])["items"]);
        item.as_object_mut().unwrap().remove("rev").unwrap();
    });
    let ended = deploy(old, "run-2", &sample()).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "Drift", "{cause}");
    for part in ["has no rev", "aws dynamodb delete-item"] {
        assert!(cause.contains(part), "{cause}");
    }
}
