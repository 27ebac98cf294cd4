//! Worlds made to measure: they match the names of a deployment's input.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::StabilityStatus;
use ebbtide_simulator::world::{Clients, Condition};
use ebbtide_simulator::{Names, Scenario, World};

use crate::support::{ALTERNATE, PRODUCTION, cases, scenario, stage, stage_named, wait};

const LOAD_BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/sample-LoadB-1234567890abc/1234567890abcdef";
const TASK_DEFINITION: &str =
    "arn:aws:ecs:us-east-1:555555555555:task-definition/sample-infra-TaskDefinition-1234567890ab:1";

fn sample() -> Names {
    Names {
        cluster: "sample-infra-Cluster-1234567890ab".to_owned(),
        service: "sample-external-deployment".to_owned(),
        load_balancer_arn: Some(LOAD_BALANCER.to_owned()),
        task_definition: TASK_DEFINITION.to_owned(),
        ..Names::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_samples_own_input_finds_its_names_even_with_revision_one() {
    let scenario = scenario(r#"{"replacement": {"neverHealthy": true}}"#);
    let stage = stage_named(&scenario, sample());
    let listener = stage.listeners().await.remove(0);
    assert_eq!(listener.load_balancer_arn(), Some(LOAD_BALANCER));
    let sets = stage.task_sets().await;
    assert_eq!(sets[0].task_definition(), Some(TASK_DEFINITION));
    assert_eq!(stage.health(PRODUCTION).await, ["healthy"; 4]);
    stage.create_replacement().await;
    wait(900).await;
    let alternate = stage.health(ALTERNATE).await;
    assert!(!alternate.contains(&"healthy".to_owned()));
    assert_eq!(stage.health(PRODUCTION).await, ["healthy"; 4]);
}

#[test]
fn named_groups_and_listeners_are_there_and_further_ones_on_the_next_ports() {
    let arn =
        |resource: &str| format!("arn:aws:elasticloadbalancing:us-east-1:555555555555:{resource}");
    let listener = |number: u32| arn(&format!("listener/app/web/1/{number}"));
    let groups = ["blue", "green"].map(|name| arn(&format!("targetgroup/{name}/1")));
    let names = Names {
        target_groups: Some(groups.clone()),
        production_listeners: vec![listener(1), listener(2)],
        test_listeners: vec![listener(3)],
        ..Names::default()
    };
    let world = Scenario::default().world_for(&names).unwrap();
    let mut listeners: Vec<_> = world.listeners().collect();
    listeners.sort_by_key(|listener| listener.port);
    let seen = listeners.iter();
    let seen = seen.map(|seen| (seen.port, seen.arn.clone(), seen.forward_in_words()));
    let wanted = [(80, 1, "blue"), (8080, 3, "green"), (8081, 2, "blue")];
    let wanted = wanted.map(|(port, number, to)| (port, listener(number), format!("to {to}")));
    assert_eq!(seen.collect::<Vec<_>>(), wanted);
    let serving = world.task_sets_of("main", "chat").remove(0);
    assert_eq!(serving.load_balancers[0].target_group_arn, groups[0]);
    let elsewhere = Names {
        load_balancer_arn: Some(LOAD_BALANCER.to_owned()),
        ..names
    };
    let refused = Scenario::default().world_for(&elsewhere).unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("is no listener of the load balancer"),
        "{refused}"
    );
}

#[test]
fn named_rules_are_those_of_the_scenario_and_further_ones_have_paths_of_their_own() {
    let arn =
        |resource: &str| format!("arn:aws:elasticloadbalancing:us-east-1:555555555555:{resource}");
    let rule =
        |listener: u32, rule: u32| arn(&format!("listener-rule/app/web/1/{listener}/{rule}"));
    let names = Names {
        production_listeners: vec![rule(7, 71), rule(8, 81), rule(8, 82)],
        test_listeners: vec![rule(7, 72)],
        ..Names::default()
    };
    let scenario = scenario(
        r#"{"listeners": [{"port": 443, "role": "other", "protocol": "HTTPS", "rules": [
            {"priority": 3, "role": "production", "conditions": [{"Field": "host-header", "Values": ["a.example.com"]}],
             "actions": [{"Type": "jwt-validation", "JwtValidationConfig": {"Issuer": "i", "JwksEndpoint": "https://j"}}]},
            {"priority": 2, "role": "test", "conditions": [{"Field": "host-header", "Values": ["b.example.com"]}]}
        ]}], "clients": {}}"#,
    );
    let world = scenario.world_for(&names).unwrap();
    let mut listeners: Vec<_> = world.listeners().collect();
    listeners.sort_by_key(|listener| listener.port);
    let of_listener = |place: usize| -> Vec<(Option<u32>, &str)> {
        let rules = listeners[place].rules.values();
        let rules = rules.map(|rule| (rule.priority, rule.arn.as_str()));
        rules.collect()
    };
    assert_eq!(
        of_listener(0),
        [(Some(3), rule(7, 71).as_str()), (Some(2), &rule(7, 72))]
    );
    assert_eq!(
        of_listener(1),
        [(Some(10), rule(8, 81).as_str()), (Some(20), &rule(8, 82))]
    );
    assert_eq!(listeners[0].protocol, "HTTPS");
    assert_eq!(listeners[1].port, 444);
    let first = &listeners[0].rules[&rule(7, 71)];
    assert_eq!(first.actions.len(), 2, "the token is checked first");
    let connected = world.clients().map(Clients::connected);
    assert_eq!(connected, Some(4 * 2_500));
}

#[test]
fn a_named_rule_of_a_network_load_balancer_is_for_ipv4_and_makes_it_dual_stack() {
    let rule = "arn:aws:elasticloadbalancing:us-east-1:555555555555:listener-rule/net/chat/1/2/3";
    let names = Names {
        production_listeners: vec![rule.to_owned()],
        ..Names::default()
    };
    let world = Scenario::default().world_for(&names).unwrap();
    let balancer = world.load_balancers().next().expect("one");
    assert_eq!(balancer.ip_address_type, "dualstack");
    let ports = world.listeners().map(|listener| listener.port);
    let ports: BTreeSet<_> = ports.collect();
    assert_eq!(
        ports,
        [8080, 8081].into(),
        "its listener and the test listener"
    );
    let mut rules = world.listeners().flat_map(|listener| &listener.rules);
    let (arn, rule_there) = rules.next().expect("a rule");
    assert_eq!(arn, rule);
    let by_ipv4 = Condition::of_clients_by("ipv4");
    assert_eq!(rule_there.conditions, [by_ipv4]);
}

#[tokio::test(start_paused = true)]
async fn the_original_is_in_service_as_the_sample_leaves_it() {
    let stage = stage("{}");
    let original = stage.task_sets().await.remove(0);
    let status = original.status();
    assert_eq!(status, Some("ACTIVE"), "the sample sets no primary");
    let steady = Some(&StabilityStatus::SteadyState);
    assert_eq!(original.stability_status(), steady);
    assert!(original.task_definition().expect("one").ends_with("chat:1"));
    let (production, alternate) = stage.group_arns().await;
    let tags = |group: &str| {
        let tags = |world: &mut World| world.target_group(group).expect("it").tags.clone();
        stage.aws.with_world(tags)
    };
    let id = original.id().expect("an id").to_owned();
    let of_production = [("isProduction", "true"), ("taskSetId", &id)];
    let of_production = of_production.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(tags(&production), BTreeMap::from(of_production));
    assert!(tags(&alternate).is_empty());
    // What made it so is not part of the story.
    assert!(stage.events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_finds_a_service_without_task_sets() {
    let stage = stage(r#"{"firstDeployment": true}"#);
    assert!(stage.task_sets().await.is_empty());
    assert_eq!(stage.groups().await.len(), 2);
}

#[test]
fn scenarios_say_what_is_wrong_with_them() {
    for (json, words) in cases(
        r#"
{"listeners": [{"port": 80, "role": "test"}]} => production listener
{"original": {"neverHealthy": true}} => not steady
{"deregistrationDelaySeconds": 4000} => refuses
{"listeners": [{"port": 80, "role": "other", "rules": [{"priority": 1, "role": "test"}]}]} => production rule
{"listeners": [{"port": 80, "role": "other"}, {"port": 81, "role": "production"}]} => refuses
"#,
    ) {
        let refused = scenario(&json.to_string()).world();
        let refused = refused.expect_err("a refusal");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    for json in [
        r#"{"task": 4}"#,
        r#"{"timings": {"jitter": 4}}"#,
        r#"{"replacement": {"crashes": 4}}"#,
    ] {
        serde_json::from_str::<Scenario>(json).expect_err("an unknown field");
    }
    let mut elsewhere = sample();
    elsewhere.region = "eu-west-1".to_owned();
    let refused = scenario("{}").world_for(&elsewhere);
    refused.expect_err("an ARN of another region");
}
