//! Lists of actions, what is kept of them, and what is refused.

use std::collections::HashMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConfig, Certificate, ProtocolEnum,
};
use ebbtide_simulator::world::{
    Action as Kept, ApiError, CreateListener, CreateRule, CreateTargetGroup, ModifyListener,
    ModifyRule, Secret, World,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::{cases, changed, forward, stage};

fn request<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("a request")
}

/// A world with an Application Load Balancer, its HTTPS listener, and its two target groups.
fn secure() -> (World, String, [String; 2]) {
    let scenario = crate::support::scenario(r#"{"loadBalancer": "application"}"#);
    let mut world = scenario.world().expect("a world");
    let balancer = world.load_balancers().next().expect("one").arn.clone();
    let groups = world.target_groups().map(|group| group.arn.clone());
    let groups: [String; 2] = groups.collect::<Vec<_>>().try_into().expect("two");
    let listener: CreateListener = request(json!({
        "LoadBalancerArn": balancer, "Protocol": "HTTPS", "Port": 443,
        "Certificates": [{ "CertificateArn": "arn:aws:acm:a" }],
        "DefaultActions": [{ "Type": "forward", "TargetGroupArn": groups[0] }],
    }));
    let listener = world.create_listener(&listener).expect("a listener");
    (world, listener, groups)
}

fn oidc() -> Value {
    json!({
        "Issuer": "https://idp", "AuthorizationEndpoint": "https://idp/a", "TokenEndpoint": "https://idp/t",
        "UserInfoEndpoint": "https://idp/u", "ClientId": "chat", "ClientSecret": "hunter2",
    })
}

fn rule(listener: &str, actions: &Value) -> CreateRule {
    request(json!({
        "ListenerArn": listener, "Priority": 5, "Actions": actions,
        "Conditions": [{ "Field": "path-pattern", "Values": ["/a/*"] }],
    }))
}

fn signed_in(group: &str) -> Value {
    json!([
        { "Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": oidc() },
        { "Type": "forward", "Order": 2, "TargetGroupArn": group },
    ])
}

fn actions_of(world: &World, rule: &str) -> Vec<Kept> {
    let mut rules = world.listeners().flat_map(|listener| &listener.rules);
    let (_, rule) = rules.find(|(arn, _)| *arn == rule).expect("the rule");
    rule.actions.clone()
}

fn secret_of(actions: &[Kept]) -> Option<Secret> {
    actions.iter().find_map(|action| match action {
        Kept::Answer { secret, .. } => secret.clone(),
        Kept::Forward(_) => None,
    })
}

#[test]
fn a_client_secret_is_kept_only_where_that_is_asked_for_and_is_never_written() {
    let (mut world, listener, [group, _]) = secure();
    let rule = rule(&listener, &signed_in(&group));
    let arn = world.create_rule(&rule).expect("a rule");
    let kept = Some(Secret::of("hunter2"));
    assert_eq!(secret_of(&actions_of(&world, &arn)), kept);
    let mut modify = |config: &Value| {
        let mut actions = signed_in(&group);
        actions[0]["AuthenticateOidcConfig"] = config.clone();
        let modify: ModifyRule = request(json!({ "RuleArn": arn, "Actions": actions }));
        let answer = world.modify_rule(&modify).map_err(|error| error.code);
        (answer.map(|_| ()), secret_of(&actions_of(&world, &arn)))
    };
    let with = |name: &str, value: Value| {
        let mut config = oidc();
        config.as_object_mut().unwrap().remove("ClientSecret");
        config[name] = value;
        config
    };
    let existing = with("UseExistingClientSecret", json!(true));
    let refused = Err("ValidationError");
    assert_eq!(modify(&existing), (Ok(()), kept.clone()));
    assert_eq!(
        modify(&with("Scope", json!("openid"))),
        (refused, kept.clone())
    );
    let mut both = existing;
    both["ClientSecret"] = json!("another");
    assert_eq!(modify(&both), (refused, kept));
    let another = with("ClientSecret", json!("another"));
    assert_eq!(modify(&another), (Ok(()), Some(Secret::of("another"))));
    let saved = serde_json::to_string(&world).expect("saved");
    for text in [saved, format!("{world:?}")] {
        assert!(!text.contains("hunter2") && !text.contains("another"));
    }
}

#[test]
fn a_listener_has_a_secret_too_and_no_secret_to_begin_with() {
    let (mut world, listener, [group, _]) = secure();
    let mut actions = signed_in(&group);
    let config = &mut actions[0]["AuthenticateOidcConfig"];
    config["UseExistingClientSecret"] = json!("true");
    config.as_object_mut().unwrap().remove("ClientSecret");
    let modify = |actions: &Value| -> ModifyListener {
        request(json!({ "ListenerArn": listener, "DefaultActions": actions }))
    };
    let refused = world.modify_listener(&modify(&actions)).unwrap_err();
    assert_eq!(refused.code, "ValidationError");
    world
        .modify_listener(&modify(&signed_in(&group)))
        .expect("modified");
    world.modify_listener(&modify(&actions)).expect("kept");
    let kept = &world.listener(&listener).unwrap().default_actions;
    assert_eq!(secret_of(kept), Some(Secret::of("hunter2")));
}

#[test]
fn lists_of_actions_that_aws_refuses_are_refused() {
    let (mut world, listener, [group, other]) = secure();
    let plain = world.listeners().find(|one| one.port == 80);
    let plain = plain.expect("the HTTP listener").arn.clone();
    let good = json!({ "actions": signed_in(&group), "listener": listener });
    for (change, code) in cases(
        r#"
["/actions/0/Order", 3] => InvalidLoadBalancerAction
["/actions/0/Order", 2] => ValidationError
["/actions/0/Order", null] => ValidationError
["/actions/1/Order", 50001] => ValidationError
["/actions/0/Type", "authenticate-saml"] => ValidationError
["/actions/0/AuthenticateOidcConfig/Issuer", null] => ValidationError
["/actions/0/AuthenticateOidcConfig", {"ClientName": "x"}] => ValidationError
["/actions/0", {"Type": "authenticate-oidc", "Order": 1}] => ValidationError
["/actions/0", {"Type": "authenticate-saml", "Order": 1}] => ValidationError
["/actions/0", {"Type": "redirect", "Order": 1, "RedirectConfig": {"StatusCode": "HTTP_301"}}] => TooManyActions
["/actions/1", {"Type": "jwt-validation", "Order": 2, "JwtValidationConfig": {"Issuer": "i", "JwksEndpoint": "j"}}] => InvalidLoadBalancerAction
["/listener", "plain"] => InvalidLoadBalancerAction
"#,
    ) {
        let mut wrong = changed(&good, &change);
        let config = wrong.pointer_mut("/actions/0/AuthenticateOidcConfig");
        if let Some(config) = config.and_then(Value::as_object_mut) {
            config.retain(|_, value| !value.is_null());
        }
        let on = match wrong["listener"].as_str() {
            Some("plain") => &plain,
            _ => &listener,
        };
        let refused = world.create_rule(&rule(on, &wrong["actions"]));
        assert_eq!(refused.unwrap_err().code, code, "{change}");
    }
    let three = json!([
        { "Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": oidc() },
        { "Type": "jwt-validation", "Order": 2, "JwtValidationConfig": { "Issuer": "i", "JwksEndpoint": "j" } },
        { "Type": "forward", "Order": 3, "TargetGroupArn": other },
    ]);
    let refused = world.create_rule(&rule(&listener, &three)).unwrap_err();
    assert_eq!(refused.code, "TooManyActions");
    world
        .create_rule(&rule(&listener, &signed_in(&group)))
        .expect("what is changed above is right");
}

#[test]
fn the_actions_of_a_load_balancer_name_a_limited_number_of_target_groups() {
    let (mut world, listener, _) = secure();
    let third = CreateTargetGroup {
        protocol: Some("HTTP".to_owned()),
        port: Some(8_080),
        ..CreateTargetGroup::ip("third")
    };
    let third = world.create_target_group(&third).expect("a group");
    let forward = json!([{ "Type": "forward", "TargetGroupArn": third }]);
    // The listeners name two already.
    for (most, answer) in [
        (2, Err("TooManyUniqueTargetGroupsPerLoadBalancer")),
        (3, Ok(())),
    ] {
        world.limits.groups_per_load_balancer = most;
        let created = world.create_rule(&rule(&listener, &forward));
        assert_eq!(created.map(|_| ()).map_err(|error| error.code), answer);
    }
}

#[test]
fn stickiness_needs_a_duration_of_up_to_a_week() {
    let (mut world, listener, [group, _]) = secure();
    let mut stick = |stickiness: Value| -> Result<(), ApiError> {
        let modify: ModifyListener = request(json!({
            "ListenerArn": listener,
            "DefaultActions": [{ "Type": "forward", "ForwardConfig": {
                "TargetGroups": [{ "TargetGroupArn": group, "Weight": 1 }],
                "TargetGroupStickinessConfig": stickiness,
            } }],
        }));
        world.modify_listener(&modify).map(|_| ())
    };
    for wrong in [
        json!({ "Enabled": true }),
        json!({ "Enabled": true, "DurationSeconds": 0 }),
        json!({ "Enabled": true, "DurationSeconds": 604_801 }),
    ] {
        let refused = stick(wrong.clone()).expect_err("refused");
        assert_eq!(refused.code, "ValidationError", "{wrong}");
    }
    for right in [
        json!({ "Enabled": true, "DurationSeconds": 604_800 }),
        json!({ "Enabled": false }),
    ] {
        stick(right).expect("modified");
    }
}

#[tokio::test(start_paused = true)]
async fn every_setting_of_an_action_but_the_secret_comes_back_over_the_wire() {
    let stage = stage(r#"{"loadBalancer": "application"}"#);
    let (production, _) = stage.group_arns().await;
    let parameters = [("prompt", "login"), ("display", "page")];
    let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let config = AuthenticateOidcActionConfig::builder()
        .issuer("https://idp")
        .authorization_endpoint("https://idp/a")
        .token_endpoint("https://idp/t")
        .user_info_endpoint("https://idp/u")
        .client_id("chat")
        .client_secret("hunter2")
        .session_timeout(3_600)
        .set_authentication_request_extra_params(Some(HashMap::from(parameters.clone())));
    let sign_in = Action::builder()
        .r#type(ActionTypeEnum::AuthenticateOidc)
        .order(10)
        .authenticate_oidc_config(config.build())
        .build();
    let mut to = forward(&[(&production, 1)]);
    to.order = Some(20);
    let certificate = Certificate::builder().certificate_arn("arn:aws:acm:a");
    let listener = stage
        .create_listener(443, &production)
        .protocol(ProtocolEnum::Https)
        .certificates(certificate.build())
        .set_default_actions(Some(vec![sign_in, to]));
    let created = listener.send().await.expect("created");
    let [sign_in, to] = created.listeners()[0].default_actions() else {
        panic!("{created:?}")
    };
    assert_eq!((sign_in.order(), to.order()), (Some(10), Some(20)));
    let config = sign_in.authenticate_oidc_config().expect("a config");
    assert_eq!(config.client_secret(), None);
    assert_eq!(config.use_existing_client_secret(), None);
    assert_eq!(config.client_id(), Some("chat"));
    assert_eq!(config.session_timeout(), Some(3_600));
    assert_eq!(config.scope(), Some("openid"));
    let answered = config.authentication_request_extra_params();
    assert_eq!(answered, Some(&HashMap::from(parameters)));
    let mutual = created.listeners()[0].mutual_authentication();
    assert_eq!(mutual.and_then(|mutual| mutual.mode()), Some("off"));
}

#[test]
fn mutual_authentication_stays_where_it_is_not_named_and_goes_with_https() {
    let (mut world, listener, [_, other]) = secure();
    let mut modify = |change: Value| {
        let mut modify = json!({ "ListenerArn": listener });
        modify
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let modified = world.modify_listener(&request(modify));
        modified.map_err(|error| error.code)?;
        Ok(world
            .listener(&listener)
            .unwrap()
            .mutual_authentication
            .clone())
    };
    let verify = json!({ "Mode": "verify", "TrustStoreArn": "arn:aws:t" });
    let forward = json!({ "DefaultActions": [{ "Type": "forward", "TargetGroupArn": other }] });
    let of = |mutual: &Value| json!({ "MutualAuthentication": mutual });
    assert_eq!(modify(of(&verify)), Ok(Some(verify.clone())));
    assert_eq!(modify(forward), Ok(Some(verify)));
    for wrong in [
        json!({ "Mode": "verify" }),
        json!({ "Mode": "off", "TrustStoreArn": "arn:aws:t" }),
        json!({ "Mode": "maybe" }),
        json!({ "Mode": "off", "Trust": "all" }),
    ] {
        assert_eq!(modify(of(&wrong)), Err("ValidationError"), "{wrong}");
    }
    assert_eq!(modify(json!({ "Protocol": "HTTP" })), Ok(None));
    let off = of(&json!({ "Mode": "off" }));
    assert_eq!(modify(off), Err("InvalidConfigurationRequest"));
}
