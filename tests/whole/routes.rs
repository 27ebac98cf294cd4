//! Which listeners and target groups a deployment takes for the service's: what a person wrote is never
//! guessed over, and another environment's listener is never used.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::scenario::{ListenerRole, ListenerScenario};
use ebbtide_simulator::world::{ActionRequest, Condition, CreateRule, Kind, World};
use serde_json::{Value, json};

use crate::support::{
    Ended, add_group, add_listener, deploy, deploy_among, group, listener, live, names, sample,
    sample_with, served, tag, untag, world,
};

/// A service without a task set yet, production and test on these two ports.
fn first(ports: [u16; 2]) -> World {
    let roles = [ListenerRole::Production, ListenerRole::Test];
    world(&Scenario {
        first_deployment: true,
        listeners: ports
            .into_iter()
            .zip(roles)
            .map(|(port, role)| ListenerScenario::new(port, role))
            .collect(),
        ..Scenario::default()
    })
}

/// Refused in preflight: the cause, and the world as it was.
async fn refused(world: World, event: &Value) -> String {
    let ended = deploy(world, "run-1", event).await;
    assert!(ended.writes().is_empty(), "{:?}", ended.writes());
    let (error, cause) = ended.failure();
    assert_eq!(error, "PreflightFailed", "{cause}");
    cause.to_owned()
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "wanted {part:?} in {text:?}");
    }
}

/// The `ebbtide:role` tags of the listeners on two ports.
fn roles(ended: &Ended, ports: [u16; 2]) -> [String; 2] {
    ports.map(|port| {
        let listener = ended.world.listener(&listener(&ended.world, port)).unwrap();
        listener.tags["ebbtide:role"].clone()
    })
}

#[tokio::test(start_paused = true)]
async fn two_well_known_ports_are_not_exchanged_in_a_first_deployment() {
    let cause = refused(first([8883, 1883]), &sample()).await;
    assert_says(
        &cause,
        &[
            "Cannot tell which listener is production",
            "8883",
            "1883",
            "Several listeners are on well-known ports",
            "Key=ebbtide:role,Value=production",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_says_which_listener_it_takes_for_production() {
    let dry = deploy(
        first([80, 8080]),
        "dry",
        &sample_with(&json!({"dryRun": true})),
    )
    .await;
    let taken = "listener 80 is taken as production and 8080 as test";
    assert_says(dry.output()["reason"]["text"].as_str().unwrap(), &[taken]);
    let findings = dry.output()["findings"].as_array().unwrap();
    let mut findings = findings.iter();
    let finding = findings.find(|finding| finding["name"] == "productionListener");
    assert_says(finding.unwrap()["seen"].as_str().unwrap(), &[taken]);
    let ended = deploy(first([80, 8080]), "run-1", &sample()).await;
    ended.assert_deployed();
    assert_says(&ended.reasons[0], &[taken]);
    assert_eq!(roles(&ended, [80, 8080]), ["production", "test"]);
}

#[tokio::test(start_paused = true)]
async fn a_role_with_a_capital_is_refused_and_not_overwritten() {
    let mut world = first([8883, 1883]);
    let production = listener(&world, 8883);
    tag(&mut world, &production, "ebbtide:role", "Production");
    let cause = refused(world, &sample()).await;
    assert_says(
        &cause,
        &[
            "Listener 8883 is tagged ebbtide:role=Production",
            &production,
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn the_input_says_which_listener_is_production() {
    let world = first([8883, 1883]);
    let event = sample_with(&json!({
        "routes": {
            "production": [listener(&world, 8883)],
            "test": [listener(&world, 1883)],
        },
    }));
    let ended = deploy(world, "run-1", &event).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    assert_eq!(roles(&ended, [8883, 1883]), ["production", "test"]);
    // The first task set goes to the alternate group, and the production listener follows.
    assert!(live(&ended.world, 8883)[0].ends_with("-tg-2"));
}

/// Another environment's pair on the same load balancer, tagged with the same service's name.
fn beside_a_namesake(mut world: World) -> World {
    for (port, name) in [(1080, "b-chat-a"), (18080, "b-chat-b")] {
        let group = add_group(&mut world, name);
        tag(&mut world, &group, "serviceName", &names().service);
        add_listener(&mut world, port, &group);
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_service_of_another_cluster_with_the_same_name_keeps_its_listeners() {
    for world in [first([80, 8080]), served()] {
        let world = beside_a_namesake(world);
        let theirs = listener(&world, 1080);
        let cause = refused(world, &sample()).await;
        assert_says(
            &cause,
            &["seen: 4", "b-chat-a", "b-chat-b", "Key=ebbtide:service"],
        );
        assert!(!cause.contains(&theirs), "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn groups_that_are_recorded_or_named_are_told_from_a_namesakes() {
    let mut recorded = beside_a_namesake(first([80, 8080]));
    let own = ["-tg-1", "-tg-2"].map(|suffix| group(&recorded, suffix));
    let named = sample_with(&json!({"targetGroups": own}));
    let by_name = deploy(recorded.clone(), "run-1", &named).await;
    let service = format!("{}/{}", names().cluster, names().service);
    for group in &own {
        tag(&mut recorded, group, "ebbtide:service", &service);
    }
    let by_tag = deploy(recorded, "run-1", &sample()).await;
    for ended in [by_name, by_tag] {
        ended.assert_deployed();
        for group in &own {
            let tags = &ended.world.target_group(group).unwrap().tags;
            assert_eq!(tags["ebbtide:service"], service);
        }
        assert_eq!(live(&ended.world, 1080), ["b-chat-a"]);
        // From now on the record is enough.
        let again = deploy(ended.world, "run-2", &sample()).await;
        again.assert_deployed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_companys_tag_does_not_take_a_services_groups_away() {
    let mut world = served();
    for suffix in ["-tg-1", "-tg-2"] {
        let group = group(&world, suffix);
        tag(&mut world, &group, "serviceName", "realtime-platform");
    }
    deploy(world, "run-1", &sample()).await.assert_deployed();
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_left_out_is_named_with_its_tag() {
    let mut world = served();
    let alternate = group(&world, "-tg-2");
    tag(&mut world, &alternate, "serviceName", "another");
    let cause = refused(world, &sample()).await;
    assert_says(
        &cause,
        &["left out: ", "-tg-2 (tagged serviceName=another)"],
    );
    assert!(!cause.contains(&alternate), "{cause}");
}

/// Takes away every tag that a deployment writes, as `terraform apply` does.
fn strip(world: &mut World) {
    for suffix in ["-tg-1", "-tg-2"] {
        let group = group(world, suffix);
        untag(
            world,
            &group,
            &["ebbtide:service", "isProduction", "taskSetId"],
        );
    }
    for port in [80, 8080] {
        let listener = listener(world, port);
        untag(world, &listener, &["ebbtide:role"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_tags_infrastructure_code_removed_is_still_deployed() {
    let mut world = deploy(served(), "run-1", &sample()).await.world;
    strip(&mut world);
    let ended = deploy(world, "run-2", &sample()).await;
    ended.assert_deployed();
    assert_says(
        &ended.reasons[0],
        &["listener 80 is taken as production", "is PRIMARY there"],
    );
    assert_eq!(roles(&ended, [80, 8080]), ["production", "test"]);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_without_tags_is_not_mistaken_for_the_set_that_serves() {
    // The first deployment of all has created its task set and was left; nothing has served.
    let mut world = first([9001, 9002]);
    let production = listener(&world, 9001);
    tag(&mut world, &production, "ebbtide:role", "production");
    let sick = sample_with(&json!({"readinessTimeout": 120, "rollbackOnFailure": false}));
    let mut world = deploy(world, "run-1", &sick).await.world;
    for suffix in ["-tg-1", "-tg-2"] {
        let group = group(&world, suffix);
        untag(&mut world, &group, &["ebbtide:service"]);
    }
    for port in [9001, 9002] {
        let listener = listener(&world, port);
        untag(&mut world, &listener, &["ebbtide:role"]);
    }
    let cause = refused(world, &sample()).await;
    assert_says(&cause, &["Cannot tell which listener is production"]);
}

/// A rule of a listener that forwards to a group: by the kind of address on a Network Load Balancer, by host on
/// an Application Load Balancer.
fn add_rule(world: &mut World, port: u16, group: &str) {
    let balancer = world.load_balancers().next().unwrap();
    let (balancer, kind) = (balancer.arn.clone(), balancer.kind);
    let condition = match kind {
        Kind::Network => {
            world.set_ip_address_type(&balancer, "dualstack").unwrap();
            Condition::of_clients_by("ipv6")
        }
        Kind::Application => serde_json::from_value(json!({
            "Field": "host-header", "HostHeaderConfig": {"Values": ["chat.example.org"]},
        }))
        .unwrap(),
    };
    let rule = CreateRule {
        listener_arn: listener(world, port),
        conditions: vec![condition],
        priority: Some(10),
        actions: vec![ActionRequest::forward_to(group)],
        ..CreateRule::default()
    };
    world.create_rule(&rule).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rule_to_the_original_stops_the_drain() {
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "ScaleDown" && nth == 1 {
            let original = group(world, "-tg-1");
            add_rule(world, 80, &original);
        }
    })
    .await;
    assert_says(
        &ended.text(),
        &[
            "Drift: Rule 10 of listener 80 sends traffic to",
            "is not recorded as a test route",
        ],
    );
    // One step was made before.
    assert_eq!(ended.scales().len(), 1, "{:?}", ended.scales());
    assert!(ended.deleted().is_empty(), "{:?}", ended.deleted());
}

#[tokio::test(start_paused = true)]
async fn a_rule_of_another_services_listener_does_not_matter() {
    let mut world = served();
    let other = add_group(&mut world, "other");
    tag(&mut world, &other, "serviceName", "other");
    add_listener(&mut world, 9_000, &other);
    add_rule(&mut world, 9_000, &other);
    deploy(world, "run-1", &sample()).await.assert_deployed();
}
