//! Conditions of an Application Load Balancer's rules: what is kept, and what is refused.

use ebbtide_simulator::World;
use ebbtide_simulator::world::DescribeRules;
use serde_json::{Value, json};

use crate::support::{cases, scenario};

fn application() -> (World, String, String) {
    let world = scenario(r#"{"loadBalancer": "application"}"#).world();
    let world = world.expect("a world");
    let listener = world.listeners().next().expect("one").arn.clone();
    let group = world.target_groups().next().expect("one").arn.clone();
    (world, listener, group)
}

fn create(world: &mut World, listener: &str, group: &str, rule: &Value) -> Result<String, String> {
    let mut request = json!({
        "ListenerArn": listener, "Priority": 5,
        "Conditions": [{ "Field": "path-pattern", "Values": ["/a/*"] }],
        "Actions": [{ "Type": "forward", "TargetGroupArn": group }],
    });
    let fields = rule.as_object().expect("fields").clone();
    request.as_object_mut().expect("fields").extend(fields);
    let request = serde_json::from_value(request).map_err(|error| error.to_string())?;
    let created = world.create_rule(&request);
    created.map_err(|error| format!("{}: {}", error.code, error.message))
}

#[test]
fn conditions_that_aws_refuses_are_refused() {
    let (mut world, listener, group) = application();
    for (conditions, words) in cases(
        r#"
[] => A condition must be specified
[{"Values": ["/a"]}] => A condition field must be specified
[{"Field": "cookie", "Values": ["a"]}] => must be one of
[{"Field": "http-header", "Values": ["a"]}] => The 'Values' field is not compatible
[{"Field": "path-pattern", "HostHeaderConfig": {"Values": ["a.com"]}}] => not compatible with 'path-pattern'
[{"Field": "path-pattern", "Values": ["/a"], "PathPatternConfig": {"Values": ["/a"]}}] => You cannot provide both Values and 'PathPatternConfig'
[{"Field": "host-header", "Values": ["a.com", "b.com"]}] => too many values; the limit is '1'
[{"Field": "path-pattern"}] => A condition value must be specified
[{"Field": "path-pattern", "Values": [""]}] => A condition value must be specified
[{"Field": "path-pattern", "Values": ["/a b"]}] => not valid for 'path-pattern'
[{"Field": "host-header", "Values": ["localhost"]}] => not valid for 'host-header'
[{"Field": "host-header", "Values": ["a.com:80"]}] => not valid for 'host-header'
[{"Field": "host-header", "Values": ["10.0.0.1"]}] => not valid for 'host-header'
[{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}}] => the allowed characters are A-Z, hyphen and underscore
[{"Field": "http-request-method"}] => A 'HttpRequestMethodConfig' must be specified
[{"Field": "source-ip", "SourceIpConfig": {"Values": ""}}] => A 'source-ip' value must be specified
[{"Field": "path-pattern", "PathPatternConfig": {"Values": ""}}] => A condition value must be specified
[{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a"}]}}] => A 'Value' must be specified in 'QueryStringKeyValuePair'
[{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "Host", "Values": ["a"]}}] => HTTP header name
[{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "a b", "Values": ["a"]}}] => HTTP header name
[{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1"]}}] => not valid for 'source-ip'
[{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/33"]}}] => not valid for 'source-ip'
[{"Field": "source-ip", "SourceIpConfig": {"IpAddressType": "ipv4"}}] => IpAddressType cannot be specified
[{"Field": "path-pattern", "Values": ["/a"]}, {"Field": "path-pattern", "Values": ["/b"]}] => only have one 'path-pattern' condition
[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a", "/b", "/c"]}}, {"Field": "host-header", "HostHeaderConfig": {"Values": ["a.com", "b.com", "c.com"]}}] => A rule can only have '5' condition values
[{"Field": "path-pattern", "Values": ["/*/*/?/*"]}, {"Field": "host-header", "Values": ["*.?.*.com"]}] => '6' condition wildcards
"#,
    ) {
        let rule = json!({ "Conditions": conditions });
        let refused = create(&mut world, &listener, &group, &rule).expect_err("refused");
        assert!(refused.starts_with("ValidationError"), "{refused}");
        assert!(refused.contains(words), "{conditions}: {refused}");
    }
    for (place, longest) in [("path-pattern", 128), ("http-request-method", 40)] {
        for (length, fits) in [(longest, true), (longest + 1, false)] {
            let value = json!({ "Values": ["A".repeat(length)] });
            let condition = match place {
                "path-pattern" => json!({ "Field": place, "PathPatternConfig": value }),
                _ => json!({ "Field": place, "HttpRequestMethodConfig": value }),
            };
            let rule = json!({ "Conditions": [condition], "Priority": longest });
            let created = create(&mut world, &listener, &group, &rule);
            assert_eq!(created.is_ok(), fits, "{place} {length}: {created:?}");
        }
    }
}

#[test]
fn a_host_and_a_path_come_back_both_ways_and_the_others_as_they_were_given() {
    let (mut world, listener, group) = application();
    let config = |field: &str, name: &str, values: Value| json!({ "Field": field, name: values });
    let asked = json!([
        { "Field": "path-pattern", "Values": ["/a/*"] },
        config("host-header", "HostHeaderConfig", json!({ "Values": ["a.com", "*.b.com"] })),
        config("http-header", "HttpHeaderConfig", json!({ "HttpHeaderName": "x-a", "Values": ["*"] })),
        config("query-string", "QueryStringConfig", json!({ "Values": [{ "Value": "v" }] })),
    ]);
    let rule = json!({ "Conditions": asked });
    let arn = create(&mut world, &listener, &group, &rule).expect("a rule");
    let request = DescribeRules {
        rule_arns: vec![arn],
        ..DescribeRules::default()
    };
    let rules = world.describe_rules(&request).expect("it");
    let mut wanted = asked;
    wanted[0]["PathPatternConfig"] = json!({ "Values": ["/a/*"] });
    wanted[1]["Values"] = json!(["a.com", "*.b.com"]);
    let kept = serde_json::to_value(&rules.items[0].conditions).expect("JSON");
    assert_eq!(kept, wanted);
}

#[test]
fn priorities_and_the_number_of_rules_have_limits() {
    let (mut world, listener, group) = application();
    world.limits.rules = 2;
    let mut at = |priority: u32| {
        let created = create(
            &mut world,
            &listener,
            &group,
            &json!({ "Priority": priority }),
        );
        created
            .map(|_| ())
            .map_err(|error| error.split(':').next().unwrap().to_owned())
    };
    assert_eq!(at(0), Err("ValidationError".to_owned()));
    assert_eq!(at(50_001), Err("ValidationError".to_owned()));
    assert_eq!(at(50_000), Ok(()));
    assert_eq!(at(50_000), Err("PriorityInUse".to_owned()));
    assert_eq!(at(1), Ok(()));
    assert_eq!(at(2), Err("TooManyRules".to_owned()));
}

#[test]
fn priorities_are_set_together_or_not_at_all() {
    let (mut world, listener, group) = application();
    let mut rules = Vec::new();
    for priority in [10, 20] {
        let rule = json!({ "Priority": priority });
        rules.push(create(&mut world, &listener, &group, &rule).expect("a rule"));
    }
    let mut set = |pairs: &[(&str, u32)]| {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(arn, priority)| json!({ "RuleArn": arn, "Priority": priority }));
        let request = json!({ "RulePriorities": pairs.collect::<Value>() });
        let request = serde_json::from_value(request).expect("a request");
        let answer = world.set_rule_priorities(&request);
        let request = DescribeRules {
            listener_arn: Some(listener.clone()),
            ..DescribeRules::default()
        };
        let order = world.describe_rules(&request).expect("rules").items;
        let order: Vec<_> = order.iter().filter_map(|rule| rule.priority).collect();
        (answer.map_err(|error| error.code), order)
    };
    let swapped = set(&[(&rules[0], 20), (&rules[1], 5)]);
    assert_eq!(swapped, (Ok(()), vec![5, 20]));
    let twice = set(&[(&rules[0], 7), (&rules[1], 7)]);
    assert_eq!(twice, (Err("ValidationError"), vec![5, 20]));
    let refused = set(&[(&rules[0], 5)]);
    assert_eq!(refused, (Err("PriorityInUse"), vec![5, 20]));
    let unknown = set(&[(&rules[0], 7), ("arn:aws:x", 8)]);
    assert_eq!(unknown, (Err("RuleNotFound"), vec![5, 20]));
}

#[test]
fn transforms_stay_until_they_are_replaced_or_reset() {
    let (mut world, listener, group) = application();
    let rewrite = json!({ "Type": "url-rewrite", "UrlRewriteConfig": { "Rewrites": [{ "Regex": "a", "Replace": "b" }] } });
    let twice = json!({ "Transforms": [rewrite, rewrite] });
    create(&mut world, &listener, &group, &twice).expect_err("one of each type");
    let rule = json!({ "Transforms": [rewrite] });
    let arn = create(&mut world, &listener, &group, &rule).expect("a rule");
    let mut modify = |change: Value| {
        let mut request = json!({ "RuleArn": arn });
        request
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let request = serde_json::from_value(request).expect("a request");
        world.modify_rule(&request).map_err(|error| error.code)?;
        let rule = &world.listener(&listener).unwrap().rules[&arn];
        Ok(rule.transforms.len())
    };
    let actions = json!([{ "Type": "forward", "TargetGroupArn": group }]);
    assert_eq!(modify(json!({ "Actions": actions })), Ok(1));
    assert_eq!(modify(json!({})), Err("ValidationError"));
    assert_eq!(modify(json!({ "ResetTransforms": true })), Ok(0));
}

#[test]
fn rules_come_by_priority_and_in_pages_with_the_default_rule_last() {
    let (mut world, listener, group) = application();
    for priority in [30, 10, 20] {
        let rule = json!({ "Priority": priority });
        create(&mut world, &listener, &group, &rule).expect("a rule");
    }
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let request = DescribeRules {
            listener_arn: Some(listener.clone()),
            page_size: Some(2),
            marker,
            ..DescribeRules::default()
        };
        let page = world.describe_rules(&request).expect("a page");
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|rule| rule.priority));
        marker = page.next;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, [Some(10), Some(20), Some(30), None]);
}
