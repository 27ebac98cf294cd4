//! Rules of Application and Network Load Balancers.

use aws_sdk_elasticloadbalancingv2::types::{
    IpAddressType, PathPatternConditionConfig, RuleCondition,
};
use ebbtide_simulator::world::{ActionRequest, Condition, CreateRule};
use serde_json::{Value, json};

use crate::clients_stage::{ALTERNATE, Service, even, service};
use crate::support::{forward, refusal, stage};

fn path(pattern: &str) -> RuleCondition {
    let path = PathPatternConditionConfig::builder().values(pattern);
    RuleCondition::builder()
        .field("path-pattern")
        .path_pattern_config(path.build())
        .build()
}

#[tokio::test(start_paused = true)]
async fn an_alb_listener_has_a_default_rule_that_changes_with_it_only() {
    let stage = stage(r#"{"loadBalancer": "application"}"#);
    let describe = stage.elb.describe_rules();
    let describe = describe.listener_arn(stage.listener().await);
    let rules = describe.send().await.expect("rules");
    assert_eq!(rules.rules().len(), 1);
    let default = &rules.rules()[0];
    assert_eq!(default.priority(), Some("default"));
    assert_eq!(default.is_default(), Some(true));
    let arn = default.rule_arn().expect("an ARN");
    let (_, alternate) = stage.group_arns().await;
    let modify = stage.elb.modify_rule().rule_arn(arn);
    let modify = modify.actions(forward(&[(&alternate, 1)])).send();
    assert_eq!(refusal(modify.await).0, "OperationNotPermitted");
    let delete = stage.elb.delete_rule().rule_arn(arn).send();
    assert_eq!(refusal(delete.await).0, "OperationNotPermitted");
}

#[tokio::test(start_paused = true)]
async fn a_rule_puts_its_group_in_use_and_lets_it_go() {
    let listeners = r#""listeners": [{"port": 80, "role": "production"}]"#;
    let stage = stage(&format!(
        r#"{{"loadBalancer": "application", {listeners}}}"#
    ));
    let (production, alternate) = stage.group_arns().await;
    let in_use = async || {
        let groups = stage.groups().await;
        !groups[ALTERNATE].load_balancer_arns().is_empty()
    };
    let create = stage.elb.create_rule().priority(5);
    let create = create
        .listener_arn(stage.listener().await)
        .conditions(path("/new/*"))
        .actions(forward(&[(&alternate, 1)]));
    let created = create.clone().send().await.expect("created");
    let arn = created.rules()[0].rule_arn().expect("an ARN");
    assert_eq!(refusal(create.send().await).0, "PriorityInUse");
    assert!(in_use().await);
    stage.create_replacement().await;

    let modify = stage.elb.modify_rule().rule_arn(arn);
    let modified = modify.actions(forward(&[(&production, 1)])).send().await;
    let modified = modified.expect("modified");
    let conditions = modified.rules()[0].conditions();
    assert_eq!(conditions.len(), 1, "what is not named stays");
    assert!(!in_use().await);

    let delete = stage.elb.delete_rule().rule_arn(arn).send();
    delete.await.expect("deleted");
    let gone = stage.elb.describe_rules().rule_arns(arn).send().await;
    assert_eq!(refusal(gone).0, "RuleNotFound");
}

/// A rule of the first listener for clients by a kind of address.
fn by_address(listener: &str, condition: Condition, group: &str) -> CreateRule {
    CreateRule {
        listener_arn: listener.to_owned(),
        conditions: vec![condition],
        priority: Some(5),
        actions: vec![ActionRequest::forward_to(group)],
        ..CreateRule::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_dual_stack_nlb_takes_rules_by_the_kind_of_address() {
    let stage = stage("{}");
    let listener = stage.listener().await;
    let (_, alternate) = stage.group_arns().await;
    let rule = by_address(&listener, Condition::of_clients_by("ipv4"), &alternate);
    let create = |rule: &CreateRule| stage.aws.with_world(|world| world.create_rule(rule));
    let refused = create(&rule).expect_err("not dual-stack");
    assert_eq!(refused.code, "InvalidConfigurationRequest");
    let balancer = stage.load_balancer();
    let dual_stack = stage.elb.set_ip_address_type().load_balancer_arn(balancer);
    let dual_stack = dual_stack.ip_address_type(IpAddressType::Dualstack).send();
    dual_stack.await.expect("dual-stack");
    let by_host = Condition {
        field: "host-header".to_owned(),
        ..Condition::of_clients_by("ipv4")
    };
    for unknown in [by_host, Condition::of_clients_by("ipv5")] {
        let refused = create(&by_address(&listener, unknown, &alternate));
        let refused = refused.expect_err("refused");
        assert_eq!(refused.code, "InvalidConfigurationRequest");
    }
    let arn = create(&rule).expect("a rule");
    let described = stage.elb.describe_rules().listener_arn(&listener).send();
    let described = described.await.expect("rules");
    let [rule, default] = described.rules() else {
        panic!("{described:?}")
    };
    assert_eq!(rule.rule_arn(), Some(arn.as_str()));
    assert_eq!(rule.conditions()[0].field(), Some("source-ip"));
    assert_eq!(default.is_default(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn an_nlb_listener_without_rules_has_its_default_rule() {
    let stage = stage("{}");
    let describe = stage.elb.describe_rules();
    let described = describe.listener_arn(stage.listener().await).send().await;
    assert_eq!(described.expect("rules").rules().len(), 1);
}

#[test]
fn new_connections_by_ipv4_follow_a_rule_for_them_at_once() {
    for (ip_address_type, follow) in [("ipv4", true), ("ipv6", false)] {
        // Every second, one client in a thousand ends its connection and comes back in the next.
        let mut service = service(even(json!({
            "clients": { "lifetimeSeconds": 1_000, "reconnectWithinSeconds": 1 },
        })));
        let replacement = service.replacement();
        let balancer = service.world.load_balancers().next().unwrap().arn.clone();
        let world = &mut service.world;
        world.set_ip_address_type(&balancer, "dualstack").unwrap();
        let condition = Condition::of_clients_by(ip_address_type);
        let rule = by_address(&service.listener, condition, &service.groups[ALTERNATE]);
        service.world.create_rule(&rule).unwrap();
        service.wait(30);
        let moved = service.clients().connected_to(&replacement);
        assert_eq!(moved > 0, follow, "{ip_address_type}: {moved}");
    }
}

/// A service behind a rule for a path, at a priority between two others; `clients` as given.
fn behind_a_rule(clients: &Value, stickiness: Option<u32>) -> Service {
    let path = |pattern: &str| json!([{ "Field": "path-pattern", "Values": [pattern] }]);
    let not_found =
        json!([{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "404" } }]);
    service(json!({
        "loadBalancer": "application",
        "timings": { "jitterPercent": 0, "listenerPropagationMs": 0 },
        "listeners": [
            { "port": 80, "role": "other", "rules": [
                { "priority": 20, "conditions": path("/chat/*"), "role": "production",
                  "stickinessSeconds": stickiness, "tags": { "team": "chat" } },
                { "priority": 10, "conditions": path("/chat/admin/*"), "actions": not_found },
            ] },
            { "port": 8080, "role": "test" },
        ],
        "clients": clients,
    }))
}

impl Service {
    /// The rule that forwards to one of the service's groups.
    fn rule(&self) -> String {
        let rules = &self.world.listener(&self.listener).expect("it").rules;
        let mut rules = rules.values();
        let rule = rules.find(|rule| rule.priority == Some(20));
        rule.expect("the rule").arn.clone()
    }

    fn forward_by_rule(&mut self, weights: [u16; 2], stickiness: Option<u32>) {
        let groups = self.groups.iter().zip(weights);
        let groups = groups.map(|(arn, weight)| json!({ "TargetGroupArn": arn, "Weight": weight }));
        let sticky =
            stickiness.map(|seconds| json!({ "Enabled": true, "DurationSeconds": seconds }));
        let request = json!({
            "RuleArn": self.rule(),
            "Actions": [{ "Type": "forward", "ForwardConfig": {
                "TargetGroups": groups.collect::<Value>(),
                "TargetGroupStickinessConfig": sticky,
            } }],
        });
        let request = serde_json::from_value(request).expect("a request");
        self.world.modify_rule(&request).expect("modified");
    }
}

#[test]
fn clients_arrive_by_the_rule_in_front_of_the_service_and_follow_its_weights() {
    let mut service = behind_a_rule(&json!({ "lifetimeSeconds": 60 }), None);
    assert_eq!(service.clients().connected(), 4 * 2_500);
    let replacement = service.replacement();
    assert_eq!(service.connected_to(&replacement), 0);
    service.forward_by_rule([1, 3], None);
    service.wait(900);
    let (moved, all) = (
        service.connected_to(&replacement),
        service.clients().connected(),
    );
    let part = moved * 1_000 / all;
    assert!((740..=760).contains(&part), "three of four: {part}");
}

#[test]
fn a_rule_of_lower_priority_takes_clients_away() {
    let mut service = behind_a_rule(&json!({ "lifetimeSeconds": 60 }), None);
    let elsewhere = json!({
        "ListenerArn": service.listener, "Priority": 5,
        "Conditions": [{ "Field": "http-request-method", "HttpRequestMethodConfig": { "Values": ["GET"] } }],
        "Actions": [{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "503" } }],
    });
    let elsewhere = serde_json::from_value(elsewhere).expect("a request");
    let rule = service.world.create_rule(&elsewhere).expect("a rule");
    service.wait(600);
    assert!(
        service.clients().connected() < 10,
        "{}",
        service.clients().connected()
    );
    service.world.delete_rule(&rule).expect("deleted");
    service.wait(600);
    assert!(service.clients().connected() > 9_000);
}

#[test]
fn what_clients_send_is_up_to_the_scenario() {
    for (clients, arrive) in [
        (json!({ "path": "/chat/room" }), true),
        (json!({ "path": "/chat/admin/room" }), false),
        (json!({ "path": "/elsewhere" }), false),
        (
            json!({ "host": "other.example.com", "headers": { "x-a": "b" }, "method": "POST", "query": "a=b", "address": "2001:db8::2" }),
            true,
        ),
    ] {
        let service = behind_a_rule(&clients, None);
        let connected = service.clients().connected();
        assert_eq!(connected > 0, arrive, "{clients}: {connected}");
    }
}

#[test]
fn clients_stay_with_their_group_for_the_duration_even_at_weight_zero() {
    for (seconds, stay) in [(3_600, true), (2, false)] {
        let clients = json!({ "lifetimeSeconds": 100, "reconnectAfterSeconds": 3 });
        let mut service = behind_a_rule(&clients, Some(seconds));
        let replacement = service.replacement();
        service.forward_by_rule([0, 1], Some(seconds));
        service.wait(1_000);
        let moved = service.connected_to(&replacement);
        assert_eq!(moved == 0, stay, "{seconds}: {moved}");
        service.check_that_no_client_is_lost();
    }
}

#[test]
fn clients_of_an_emptied_sticky_group_are_refused_until_the_duration_is_over() {
    let seconds = 600;
    let clients = json!({ "backoff": { "mostSeconds": 5 } });
    let mut service = behind_a_rule(&clients, Some(seconds));
    let (original, replacement) = (service.original.clone(), service.replacement());
    service.forward_by_rule([0, 1], Some(seconds));
    service.scale(&original, 0.0);
    // Deregistered for 300 s, then stopped within 30.
    service.wait(420);
    assert_eq!(service.connected_to(&replacement), 0);
    assert!(service.clients().totals().refused > 10_000);
    service.wait(600);
    assert_eq!(service.connected_to(&replacement), 10_000);
    assert!(service.clients().longest_without() >= u64::from(seconds));
    service.check_that_no_client_is_lost();
}

#[test]
fn a_rule_that_was_changed_has_nodes_that_still_do_the_former() {
    let mut service = service(json!({
        "loadBalancer": "application",
        "timings": { "jitterPercent": 0, "listenerPropagationMs": 100_000 },
        "listeners": [
            { "port": 80, "role": "other", "rules": [{
                "priority": 20, "role": "production",
                "conditions": [{ "Field": "host-header", "Values": ["chat.example.com"] }],
            }] },
            { "port": 8080, "role": "test" },
        ],
        "clients": { "lifetimeSeconds": 20, "reconnectWithinSeconds": 1 },
    }));
    let replacement = service.replacement();
    service.forward_by_rule([0, 1], None);
    service.wait(10);
    let early = service.connected_to(&replacement);
    assert!(early > 0, "some nodes have it");
    service.wait(100);
    let late = service.connected_to(&replacement);
    assert!(late > 20 * early, "{early}, then {late}");
}
