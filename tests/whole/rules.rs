//! Deployments of services that rules lead to: nothing but the weights of their two groups changes, and no rule for
//! tests is left.

mod drawn;

use std::time::Duration;

use ebbtide_simulator::Scenario;
use ebbtide_simulator::asl::Status;
use ebbtide_simulator::scenario::{ListenerRole, ListenerScenario, RuleScenario};
use ebbtide_simulator::world::{Action, Kind, Rule, World};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::{
    deploy, deploy_among, deploy_denied, edited, group, installed, names, sample_with,
};
use drawn::actions;

/// An Application Load Balancer with these listeners.
fn on_an_alb(listeners: Vec<ListenerScenario>) -> Scenario {
    Scenario::with(|scenario| {
        scenario.load_balancer = Kind::Application;
        scenario.listeners = listeners;
    })
}

fn listener(port: u16, role: ListenerRole, rules: Vec<RuleScenario>) -> ListenerScenario {
    ListenerScenario {
        rules,
        protocol: Some("HTTPS".to_owned()),
        ..ListenerScenario::new(port, role)
    }
}

fn rule(priority: u32, path: &str, role: ListenerRole) -> RuleScenario {
    let condition = json!({"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}});
    RuleScenario {
        priority,
        conditions: vec![serde_json::from_value(condition).unwrap()],
        role,
        ..RuleScenario::default()
    }
}

/// A load balancer that answers 404 by default, and has the service at a path.
fn by_path() -> Scenario {
    let rules = vec![
        rule(10, "/chat/*", ListenerRole::Production),
        rule(20, "/rooms/*", ListenerRole::Production),
        rule(30, "/preview/*", ListenerRole::Test),
    ];
    on_an_alb(vec![listener(443, ListenerRole::Other, rules)])
}

/// The sample's input for a world whose load balancer has an ARN of its own.
fn event(world: &World, more: &Value) -> Value {
    let balancer = world.load_balancers().next().unwrap().arn.clone();
    let mut event = sample_with(&json!({"nlb": balancer}));
    let more = more.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(more);
    event
}

fn preview() -> Value {
    json!({"test": {"header": {"name": "x-preview", "value": "yes"}}})
}

/// A world on a load balancer of the right kind: the sample's names are those of a network load balancer.
fn made(scenario: &Scenario) -> World {
    let names = ebbtide_simulator::Names {
        load_balancer_arn: None,
        ..names()
    };
    scenario.world_for(&names).unwrap()
}

/// Listeners and rules but for the weights of the service's two groups and for our own tags.
fn unmoved(world: &World) -> Value {
    let mut listeners = serde_json::to_value(world.listeners().collect::<Vec<_>>()).unwrap();
    without_weights(&mut listeners);
    listeners
}

fn without_weights(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_weights),
        Value::Object(fields) => {
            fields.remove("before");
            fields.remove("rules_before");
            fields.retain(|key, _| !key.starts_with("ebbtide:"));
            if let Some(Value::Array(groups)) = fields.get_mut("groups") {
                groups.retain(|group| !group["arn"].as_str().unwrap().contains("-tg-"));
            }
            fields.values_mut().for_each(without_weights);
        }
        _ => {}
    }
}

/// Rules that deployments have created for their tests.
fn created(world: &World) -> Vec<Rule> {
    let rules = world
        .listeners()
        .flat_map(|listener| listener.rules.values());
    let created = rules.filter(|rule| rule.tags.contains_key("ebbtide:deployment"));
    created.cloned().collect()
}

/// Every rule that leads to the service leads to the group of its only task set.
#[track_caller]
fn assert_all_moved(world: &World) {
    let names = names();
    let sets = world.task_sets_of(&names.cluster, &names.service);
    assert_eq!(sets.len(), 1, "{sets:?}");
    let serving = &sets[0].load_balancers[0].target_group_arn;
    let (first, second) = (group(world, "-tg-1"), group(world, "-tg-2"));
    let idle = if *serving == first { second } else { first };
    let rules = world
        .listeners()
        .flat_map(|listener| listener.rules.values());
    for rule in rules.filter(|rule| {
        rule.tags
            .get("ebbtide:role")
            .is_some_and(|role| role == "production")
    }) {
        for action in &rule.actions {
            if let Action::Forward(forward) = action {
                let weight = |arn: &str| {
                    forward
                        .groups
                        .iter()
                        .find(|one| one.arn == arn)
                        .map(|one| one.weight)
                };
                assert_eq!(weight(serving), Some(100), "{rule:?}");
                assert_eq!(weight(&idle), Some(0), "{rule:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rules_are_moved_and_nothing_else_of_them_is_changed() {
    let world = made(&by_path());
    let (before, event) = (unmoved(&world), event(&world, &json!({})));
    let first = deploy(world, "run-1", &event).await;
    assert_eq!(first.output()["status"], "deployed", "{}", first.text());
    assert_eq!(unmoved(&first.world), before);
    assert_all_moved(&first.world);
    let second = deploy(first.world, "run-2", &event).await;
    assert_eq!(second.output()["status"], "deployed", "{}", second.text());
    assert_eq!(unmoved(&second.world), before);
    assert_all_moved(&second.world);
}

/// The conditions of a rule for tests are those of the route and the test's.
#[tokio::test(start_paused = true)]
async fn tests_reach_the_replacement_by_a_rule_that_is_gone_at_the_end() {
    let scenario = on_an_alb(vec![listener(
        443,
        ListenerRole::Production,
        vec![
            rule(10, "/chat/*", ListenerRole::Production),
            rule(30, "/preview/*", ListenerRole::Test),
        ],
    )]);
    let world = made(&scenario);
    let (before, event) = (unmoved(&world), event(&world, &preview()));
    let mut seen = Vec::new();
    let ended = deploy_among(world, "run-1", &event, |state, _, world| {
        if state == "Swap" && seen.is_empty() {
            seen = created(world);
        }
        if state == "ScaleDown" {
            assert!(created(world).is_empty(), "{:?}", created(world));
        }
    })
    .await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    assert_eq!(unmoved(&ended.world), before);
    seen.sort_by_key(|rule| rule.priority);
    let [by_path, by_default] = &seen[..] else {
        panic!("{seen:?}");
    };
    let fields = |rule: &Rule| {
        let fields = rule
            .conditions
            .iter()
            .map(|condition| condition.field.clone());
        fields.collect::<Vec<_>>()
    };
    assert_eq!(
        (by_path.priority, fields(by_path)),
        (Some(9), vec!["path-pattern".into(), "http-header".into()])
    );
    assert_eq!(
        (by_default.priority, fields(by_default)),
        (Some(31), vec!["http-header".into()])
    );
    for rule in &seen {
        let green = group(&ended.world, "-tg-2");
        assert!(format!("{:?}", rule.actions).contains(&green), "{rule:?}");
        assert_eq!(rule.tags["ebbtide:role"], "test");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_or_a_path_for_tests_takes_the_place_of_the_routes_own() {
    for (test, field) in [
        (json!({"host": "preview.example.com"}), "host-header"),
        (json!({"path": "/preview/*"}), "path-pattern"),
    ] {
        let world = made(&by_path());
        let event = event(&world, &json!({"test": test}));
        let mut seen = Vec::new();
        deploy_among(world, "run-1", &event, |state, _, world| {
            if state == "WaitForServiceReady" && seen.is_empty() {
                seen = created(world);
            }
        })
        .await;
        assert_eq!(seen.len(), 2, "{seen:?}");
        for rule in seen {
            let of_it = rule
                .conditions
                .iter()
                .filter(|condition| condition.field == field);
            assert_eq!(of_it.count(), 1, "{rule:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rules_for_tests_are_deleted_in_a_rollback_and_by_the_next_execution() {
    let mut scenario = by_path();
    scenario.replacement.never_healthy = true;
    let world = made(&scenario);
    let (before, event) = (unmoved(&world), event(&world, &preview()));
    let failed = deploy(world.clone(), "run-1", &event).await;
    assert_eq!(failed.failure().0, "ReplacementFailed");
    assert_eq!(created(&failed.world), []);
    assert_eq!(unmoved(&failed.world), before);

    let (aws, installation) = installed(world);
    let stop = tokio::time::sleep(Duration::from_mins(1));
    let stopped = installation
        .deploy_until("run-2", event.clone(), 1, &mut |_| {}, stop)
        .await;
    assert!(stopped.is_none(), "{stopped:?}");
    assert_eq!(created(&aws.snapshot()).len(), 2);
    let mut without = event;
    without.as_object_mut().unwrap().remove("test");
    installation.deploy("run-3", without, 1, &mut |_| {}).await;
    assert_eq!(created(&aws.snapshot()), []);
    assert_eq!(unmoved(&aws.snapshot()), before);
}

/// It is tried at the swap and four times at the end, for each of the two rules.
const TRIES: usize = 5 * 2;

#[tokio::test(start_paused = true)]
async fn a_rule_for_tests_that_cannot_be_deleted_fails_nothing_and_is_left_to_the_next_deployment()
{
    let world = made(&by_path());
    let (before, event) = (unmoved(&world), event(&world, &preview()));
    let delete = "elasticloadbalancing:DeleteRule";
    let (status, after) = deploy_denied(&world, &event, delete, TRIES).await;
    let Status::Succeeded { output } = &status else {
        panic!("{status:?}");
    };
    let left = created(&after);
    assert_eq!(left.len(), 2, "{left:?}");
    let text = output["reason"]["text"].as_str().unwrap();
    for rule in &left {
        let command = format!("aws elbv2 delete-rule --rule-arn {}", rule.arn);
        assert!(text.contains(&command), "{text}");
        let mut remarks = output["remarks"].as_array().unwrap().iter();
        let remark = remarks.find(|remark| remark["rule"] == *rule.arn);
        assert_eq!(remark.unwrap()["code"], "testRule", "{output}");
    }
    let mut without = event.clone();
    without.as_object_mut().unwrap().remove("test");
    let next = deploy(after, "run-2", &without).await;
    assert_eq!(next.output()["remarks"], json!([]), "{}", next.text());
    assert_eq!(unmoved(&next.world), before);

    let (status, after) = deploy_denied(&world, &event, delete, TRIES - 2).await;
    assert!(status.is_success(), "{status:?}");
    assert_eq!(unmoved(&after), before);
}

/// As a read shows it that is behind for the whole swap.
#[tokio::test(start_paused = true)]
async fn a_rule_for_tests_that_shows_after_the_swap_is_deleted_at_the_end() {
    let world = made(&by_path());
    let (before, event) = (unmoved(&world), event(&world, &preview()));
    let mut hidden = Vec::new();
    let ended = deploy_among(world, "run-1", &event, |state, nth, world| match state {
        "Swap" if nth == 0 => {
            hidden = created(world);
            for rule in &hidden {
                world.delete_rule(&rule.arn).unwrap();
            }
        }
        "ScaleDown" if nth == 0 => {
            for rule in &hidden {
                show(world, rule);
            }
            assert_eq!(created(world).len(), 2);
        }
        _ => {}
    })
    .await;
    assert_eq!(ended.output()["remarks"], json!([]), "{}", ended.text());
    assert_eq!(unmoved(&ended.world), before);
}

/// Puts a rule back, of which number, group and tags matter.
fn show(world: &mut World, rule: &Rule) {
    let [Action::Forward(forward)] = &rule.actions[..] else {
        panic!("{rule:?}");
    };
    let tags = rule.tags.iter();
    let tags: Vec<_> = tags
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    let listener = world.listeners().next().unwrap().arn.clone();
    let request = json!({
        "ListenerArn": listener,
        "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/late"]}}],
        "Priority": rule.priority,
        "Actions": [{"Type": "forward", "TargetGroupArn": forward.groups[0].arn}],
        "Tags": tags,
    });
    let request = serde_json::from_value(request).unwrap();
    world.create_rule(&request).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_disappears_is_drift() {
    let world = made(&by_path());
    let event = event(&world, &json!({}));
    let ended = deploy_among(world, "run-1", &event, |state, nth, world| {
        if state == "ScaleDown" && nth == 1 {
            let listener = world.listeners().next().unwrap();
            let arn = listener.rules.keys().next().unwrap().clone();
            world.delete_rule(&arn).unwrap();
        }
    })
    .await;
    let text = ended.text();
    assert!(text.starts_with("Drift: "), "{text}");
    assert!(
        text.contains("no longer sends production traffic to service"),
        "{text}"
    );
    assert!(ended.deleted().is_empty(), "{:?}", ended.deleted());
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_gets_another_number_or_condition_stays_so() {
    let world = made(&by_path());
    let event = event(&world, &json!({}));
    let ended = deploy_among(world, "run-1", &event, |state, nth, world| {
        if state == "WaitForServiceReady" && nth == 0 {
            let listener = world.listeners().next().unwrap();
            let arn = listener.rules.keys().next().unwrap().clone();
            let request = json!({"RulePriorities": [{"RuleArn": arn, "Priority": 4711}]});
            world
                .set_rule_priorities(&serde_json::from_value(request).unwrap())
                .unwrap();
            let condition =
                json!({"Field": "path-pattern", "PathPatternConfig": {"Values": ["/new/*"]}});
            let request = json!({"RuleArn": arn, "Conditions": [condition]});
            world
                .modify_rule(&serde_json::from_value(request).unwrap())
                .unwrap();
        }
    })
    .await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    let rules = ended
        .world
        .listeners()
        .flat_map(|listener| listener.rules.values());
    let changed: Vec<_> = rules.filter(|rule| rule.priority == Some(4711)).collect();
    assert_eq!(changed.len(), 1);
    assert!(
        format!("{:?}", changed[0].conditions).contains("/new/*"),
        "{changed:?}"
    );
    assert_all_moved(&ended.world);
}

/// AWS refuses to write a rule with `authenticate-oidc` whose client secret is gone.
#[tokio::test(start_paused = true)]
async fn routes_that_moved_before_one_that_cannot_be_moved_go_back() {
    let mut refused = rule(20, "/rooms/*", ListenerRole::Production);
    let oidc = actions(
        &mut Rng::with_seed(0),
        true,
        true,
        Some("authenticate-oidc"),
    );
    refused.actions = oidc
        .into_iter()
        .map(|action| serde_json::from_value(action).unwrap())
        .collect();
    let scenario = on_an_alb(vec![listener(
        443,
        ListenerRole::Other,
        vec![
            rule(10, "/chat/*", ListenerRole::Production),
            refused,
            rule(30, "/preview/*", ListenerRole::Test),
        ],
    )]);
    let world = made(&scenario);
    let (first, second) = (group(&world, "-tg-1"), group(&world, "-tg-2"));
    let world = edited(&world, |world| {
        let listeners = world["listeners"].as_object_mut().unwrap().values_mut();
        let rules =
            listeners.flat_map(|listener| listener["rules"].as_object_mut().unwrap().values_mut());
        for rule in rules.filter(|rule| rule["priority"] == 20) {
            let actions = rule["actions"].as_array_mut().unwrap();
            actions[0]["answer"]["secret"] = Value::Null;
            let groups = actions[1]["forward"]["groups"].as_array_mut().unwrap();
            groups.push(json!({"arn": second, "weight": 0}));
        }
    });
    let (before, event) = (unmoved(&world), event(&world, &json!({})));
    let ended = deploy(world, "run-1", &event).await;
    assert_eq!(ended.failure().0, "PreflightFailed", "{}", ended.text());
    assert_eq!(unmoved(&ended.world), before);
    let rules = ended
        .world
        .listeners()
        .flat_map(|listener| listener.rules.values());
    let production = rules.filter(|rule| {
        rule.tags
            .get("ebbtide:role")
            .is_some_and(|role| role == "production")
    });
    for rule in production {
        let forwards = rule.actions.iter().filter_map(|action| match action {
            Action::Forward(forward) => Some(forward),
            Action::Answer { .. } => None,
        });
        let live = forwards
            .flat_map(|forward| &forward.groups)
            .filter(|one| one.weight > 0);
        let live: Vec<_> = live.map(|one| one.arn.as_str()).collect();
        assert_eq!(live, [first.as_str()], "{rule:?}");
    }
}
