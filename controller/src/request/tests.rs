//! Valid and invalid inputs, and the messages for the latter.

use proptest::prelude::*;

use super::*;
use crate::fixture::{home, sample_input};

fn refused(input: &Value) -> String {
    let refusal = Request::parse(input, &home()).unwrap_err();
    assert_eq!(refusal.error, ErrorName::InvalidInput);
    refusal.problem
}

fn with(field: &str, value: Value) -> Value {
    let mut input = sample_input();
    input[field] = value;
    input
}

/// The ARN of something of Elastic Load Balancing.
fn elb(resource: &str) -> String {
    format!("arn:aws:elasticloadbalancing:us-east-1:555555555555:{resource}")
}

#[test]
fn a_route_is_for_users_or_for_tests() {
    for route in ["listener/net/lb/1/2", "listener-rule/app/lb/1/2/3"] {
        let route = json!([elb(route)]);
        let mut input = with("routes", json!({"production": route}));
        assert!(Request::parse(&input, &home()).is_ok());
        input["routes"]["test"] = route;
        assert!(refused(&input).starts_with("routes.test is "));
    }
}

#[test]
fn the_samples_input_is_taken_as_it_is() {
    let request = Request::parse(&sample_input(), &home()).unwrap();
    assert_eq!(request.service, "sample-external-deployment");
    assert_eq!(request.wait_for_service, 60);
    assert_eq!(request.security_groups.unwrap(), ["sg-1234567890abcdef0"]);
}

#[test]
fn three_fields_are_enough() {
    let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2"});
    let request = Request::parse(&input, &home()).unwrap();
    assert_eq!(request.swap_mode, SwapMode::Weighted);
    assert_eq!(request.load_balancer, None);
}

#[test]
fn a_service_may_be_named_by_its_arn_and_tags_are_written_as_ecs_writes_them() {
    let service = "arn:aws:ecs:us-east-1:555555555555:service";
    for name in [
        format!("{service}/main/web"),
        format!("{service}/web"),
        "web".into(),
    ] {
        let input = json!({
            "cluster": "main", "serviceName": name, "taskDefinition": "web:2",
            "launchType": "MANAGED_INSTANCES",
            "tags": [{"key": "team", "value": "rt"}, {"key": "größe", "value": ""}],
        });
        let request = Request::parse(&input, &home()).unwrap();
        assert_eq!(request.service, "web");
        assert_eq!(request.tags["team"], "rt");
        assert_eq!(Request::parse(&request.to_json(), &home()), Ok(request));
    }
}

/// Lines `FIELD VALUE`, with ` => REFUSAL` behind where it is not the same for all. `elb:` begins an ARN of
/// Elastic Load Balancing.
fn rows(lines: &str) -> impl Iterator<Item = (String, Value, String)> {
    lines.trim().lines().map(|line| {
        let line = line.replace("elb:", &elb(""));
        let (field, rest) = line.split_once(' ').unwrap();
        let (value, refusal) = rest.split_once(" => ").unwrap_or((rest, ""));
        let value = serde_json::from_str(value).unwrap();
        (field.to_owned(), value, refusal.to_owned())
    })
}

const WRONG: &str = r#"
cluster ""
cluster 7
cluster "arn:aws:ecs:us-east-1:111111111111:cluster/main"
cluster "arn:aws:ecs:eu-west-1:555555555555:cluster/main"
cluster "arn:aws-cn:ecs:us-east-1:555555555555:cluster/main"
cluster "arn:aws:ecs:us-east-1:555555555555:service/main/web"
serviceName "a b"
serviceName "arn:aws:ecs:us-east-1:555555555555:service/another/web"
serviceName "arn:aws:ecs:eu-west-1:555555555555:service/web"
taskDefinition "web"
taskDefinition "web:0"
taskDefinition "web:latest"
taskDefinition "arn:aws:ecs:us-east-1:555555555555:task-definition/web"
nlb "sample-LoadB-1"
nlb "arn:aws:ecs:us-east-1:555555555555:loadbalancer/net/a/b"
nlb "elb:targetgroup/a/b"
nlb "elb:loadbalancer/gwy/a/b"
task_sg "subnet-1"
task_sg []
subnets "subnet-1"
subnets []
subnets ["subnet-1", "subnet-1"]
waitForService "60"
waitForService 0
waitForService -1
waitForService 1.5
waitForService 1e300
waitForService null
scaledown_decrement 0
scaledown_decrement -25
scaledown_decrement 100.5
scaledown_decrement "25"
scaledown_wait 0
scaledown_wait 99999999
readinessTimeout [60]
bakeTime -1
drainTimeout 0
containerPort 0
containerPort 65536
containerName ""
launchType "fargate"
capacityProviderStrategy [{"capacityProvider": "FARGATE", "weight": 0}]
platformVersion "newest"
tags {"team": "rt"}
tags []
tags [{"key": "team"}]
tags [{"key": "aws:team", "value": "rt"}]
tags [{"key": "team", "value": "r;t"}]
tags [{"key": "team", "value": "rt"}, {"key": "team", "value": "rt"}]
swapMode "both"
dryRun "true"
assignPublicIp true
"#;

#[test]
fn each_wrong_value_is_refused_by_its_field_with_what_is_allowed() {
    let long = |field: &str, length| (field.to_owned(), json!("x".repeat(length)), String::new());
    let too_long = [long("serviceName", 256), long("comment", 1_025)];
    for (field, value, _) in rows(WRONG).chain(too_long) {
        let seen = refused(&with(&field, value.clone()));
        let rest = seen.strip_prefix(&field).unwrap_or_default();
        assert!(rest.starts_with([' ', '[']), "{field} {value}: {seen}");
        assert!(seen.contains("; allowed: "), "{seen}");
    }
}

/// Lists are refused by the entry that is wrong; those of groups and listeners by their field.
const LISTS: &str = r#"
tags [{"key": "team", "value": "rt"}, {"key": "aws:team", "value": "rt"}, {"key": "x;y", "value": "rt"}] => tags[1] is {"key":"aws:team"
tags [{"key": "team", "value": "rt"}, {"key": "x", "value": "rt"}, {"key": "team", "value": "rt"}] => tags[2] is
tags [{"key": "aws:team", "value": "rt"}] => tags is [{
capacityProviderStrategy [{"capacityProvider": "A", "weight": 1, "base": 1}, {"capacityProvider": "B"}, {"capacityProvider": "C", "weight": 1, "base": 1}] => capacityProviderStrategy[2] is
subnets ["subnet-1", "subnet-2", "sg-1"] => subnets[2] is "sg-1"
alarms ["a", "b", "a"] => alarms[2] is "a"
targetGroups ["blue", "green"] => targetGroups is
targetGroups ["elb:targetgroup/blue/1"] => targetGroups is
targetGroups ["elb:targetgroup/blue/1", "elb:targetgroup/blue/1"] => targetGroups is
targetGroups ["elb:targetgroup/blue/1", "elb:targetgroup/green/1", "elb:targetgroup/red/1"] => targetGroups is
routes {} => routes is {}
routes ["elb:listener/net/lb/1/2"] => routes is [
routes {"production": []} => routes.production is []
routes {"production": [443]} => routes.production is [443]
routes {"production": ["elb:listener/net/lb/1/2", "elb:listener-rule/app/lb/1/2"]} => routes.production[1] is "arn:
routes {"test": "elb:listener/net/lb/1/2"} => routes.test is "arn:
routes {"tests": ["elb:listener/net/lb/1/2"]} => routes.tests is not a field of the input (did you mean routes.test?)
test {} => test is without a condition; allowed: one of header, host, path
test {"host": "a", "path": "/"} => test is set in 2 ways at once (host, path)
test {"host": "a b"} => test.host is "a b"
test {"path": "preview"} => test.path is "preview"
test {"header": {"name": "Host", "value": "a"}} => test.header is {
test {"header": {"name": "x-preview"}} => test.header is {
hooks {"at": "beforeSwap"} => hooks is {
hooks [{"at": "beforeSwap"}] => hooks[0].lambda is missing; allowed: the ARN of a Lambda function of this region
hooks [{"at": "lunch", "lambda": "arn:aws:lambda:us-east-1:555555555555:function:f"}] => hooks[0].at is "lunch"; allowed: beforeCreate, afterHealthy
hooks [{"at": "PRE_SCALE_UP", "lambda": "arn:aws:lambda:eu-west-1:555555555555:function:f"}] => hooks[0].lambda is "arn:aws:lambda:eu-west-1:555555555555:function:f"; allowed: the ARN
hooks [{"at": "beforeSwap", "lambda": "arn:aws:lambda:us-east-1:555555555555:layer:f"}] => hooks[0].lambda is "arn:aws:lambda:us-east-1:555555555555:layer:f"; allowed: the ARN
hooks [{"at": "beforeSwap", "lambda": "arn:aws:lambda:us-east-1:555555555555:function:f", "details": []}] => hooks[0].details is []; allowed: an object of at most 4096 bytes
hooks [{"at": "beforeSwap", "lambda": "arn:aws:lambda:us-east-1:555555555555:function:f", "timeout": 86401}] => hooks[0].timeout is 86401; allowed: a whole number of seconds from 1
checks {"metric": {}} => checks is {
checks [{}] => checks[0].metric is missing; allowed: an object with namespace
checks [{"metric": "Latency"}] => checks[0].metric is "Latency"; allowed: an object with namespace
checks [{"metric": {"namespace": "App", "metricName": "Latency"}}] => checks[0].metric.dimensions is missing; allowed: an object of 1 to 30
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Service": "web"}}}] => checks[0].metric.dimensions is {"Service":"web"}; allowed: an object of 1 to 30 names and values in ASCII, of which a value has {taskSet} or {targetGroup}
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}{taskSet}"}}}] => checks[0].metric.dimensions is {"Set":"{taskSet}
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": ["{taskSet}"]}}}] => checks[0].metric.dimensions is {
checks [{"metric": {"namespace": "", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}}] => checks[0].metric.namespace is ""
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}, "statistics": "p99"}}] => checks[0].metric.statistics is not a field of the input (did you mean checks[0].metric.statistic?)
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}, "statistic": "SampleCount"}}] => checks[0].metric.statistic is "SampleCount"; allowed: Average, Sum
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}, "statistic": "p100.1"}}] => checks[0].metric.statistic is "p100.1"
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}, "replacementAtMost": 0}] => checks[0].replacementAtMost is 0; allowed: a number of times
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}, "replacementAtMost": "1.2"}] => checks[0].replacementAtMost is "1.2"
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}, "of": "replacement"}] => checks[0].of is "replacement"; allowed: original
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}, "samples": 61}] => checks[0].samples is 61; allowed: a whole number of minutes from 1 to 60
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}, "samples": 3, "failures": 3}] => checks[0].failures is 3; allowed: fewer than samples, here 3
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}}, {"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}, "noData": "skip"}] => checks[1].noData is "skip"; allowed: wait, pass or fail
checks [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}, "atMost": 2}] => checks[0].atMost is not a field of the input
pauses [{"at": "eachStep"}] => pauses[0].at is "eachStep"; allowed: afterHealthy, beforeSwap
pauses {"at": "beforeSwap"} => pauses is {
pauses ["beforeSwap"] => pauses[0] is "beforeSwap"; allowed: a list of up to 4 objects with at
pauses [{"at": "beforeSwap"}, {}] => pauses[1].at is missing; allowed: afterHealthy, beforeSwap
pauses [{"at": "lunch"}] => pauses[0].at is "lunch"; allowed: afterHealthy, beforeSwap
pauses [{"at": "beforeSwap", "timeout": 432001}] => pauses[0].timeout is 432001; allowed: a whole number of seconds from 1
pauses [{"at": "beforeSwap", "timeOut": 60}] => pauses[0].timeOut is not a field of the input (did you mean pauses[0].timeout?)
pauses [{"at": "beforeSwap", "onTimeout": "stop"}] => pauses[0].onTimeout is "stop"; allowed: rollback or continue
pauses [{"at": "afterSwap"}, {"at": "beforeSwap"}, {"at": "afterSwap"}] => pauses[2].at is "afterSwap"; allowed: each point once
"#;

#[test]
fn a_list_is_refused_by_the_entry_that_is_wrong_or_by_its_field() {
    for (field, value, wanted) in rows(LISTS) {
        let seen = refused(&with(&field, value));
        assert!(seen.starts_with(&wanted), "{seen}");
    }
}

#[test]
fn a_missing_field_is_named() {
    for field in ["cluster", "serviceName", "taskDefinition"] {
        let mut input = sample_input();
        input.as_object_mut().unwrap().remove(field);
        assert!(refused(&input).starts_with(&format!("{field} is missing; allowed: ")));
    }
}

#[test]
fn an_unknown_field_is_named_and_the_right_one_suggested() {
    let near = |near: &str| format!("is not a field of the input (did you mean {near}?).");
    let unlike = "is not a field of the input (docs/input.md lists them).";
    for (field, wanted) in [
        ("scaleDownWait", near("scaledown_wait")),
        ("servceName", near("serviceName")),
        ("bakeTim", near("bakeTime")),
        ("service", near("serviceName")),
        ("within", near("drain.within")),
        ("colour", unlike.to_owned()),
        ("x", unlike.to_owned()),
    ] {
        let seen = refused(&with(field, json!("chat")));
        assert_eq!(seen, format!("{field} {wanted}"));
    }
    for (field, wanted) in [
        ("reconectsPerSecond", near("drain.reconnectsPerSecond")),
        ("bakeTime", near("bakeTime")),
    ] {
        let seen = refused(&drain(&json!({"within": 600, field: 1})));
        assert_eq!(seen, format!("drain.{field} {wanted}"));
    }
}

#[test]
fn clients_may_leave_by_themselves_only_where_they_are_counted() {
    let metric =
        json!({"namespace": "App", "metricName": "Open", "dimensions": {"Set": "{taskSet}"}});
    let with = |until: Value| json!({"within": 600, "connectionsMetric": metric, "until": until});
    for until in [
        json!({}),
        json!({"connections": -1}),
        json!({"connections": 0, "deadline": 0}),
        json!({"connections": 0, "deadlines": 60}),
        json!(0),
    ] {
        let seen = refused(&drain(&with(until.clone())));
        assert!(seen.starts_with("drain.until is "), "{until}: {seen}");
    }
    let seen = refused(&drain(&json!({"within": 600, "until": {"connections": 0}})));
    assert_eq!(
        seen,
        "drain.until is {\"connections\":0}; allowed: only with connectionsMetric."
    );
}

#[test]
fn a_misspelt_field_is_not_missing_as_well() {
    let input = json!({"cluster": "main", "servceName": "web", "taskDefinition": "web:2"});
    let misspelt_way = drain(&json!({"wihtin": 600}));
    for input in [input, misspelt_way] {
        let problems = Request::read(&input, &home()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let seen = refused(&json!({"cluster": 1, "serviceName": "web", "x": 2}));
    for part in [
        "cluster is 1",
        "taskDefinition is missing",
        "x is not a field",
    ] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
}

#[test]
fn an_input_that_is_no_object_is_refused() {
    for input in [json!([]), json!("run"), json!(null), json!(1)] {
        assert!(refused(&input).starts_with("the input is "));
    }
}

#[test]
fn what_is_quoted_back_is_short_and_escaped() {
    let seen = refused(&with("cluster", json!("\u{1b}[31m\n".repeat(500))));
    assert!(
        seen.len() < 800 && !seen.contains('\u{1b}') && !seen.contains('\n'),
        "{seen}"
    );
}

#[test]
fn launch_type_and_capacity_providers_exclude_each_other() {
    let mut input = with("launchType", json!("FARGATE"));
    input["capacityProviderStrategy"] = json!([{"capacityProvider": "FARGATE", "weight": 1}]);
    assert!(refused(&input).starts_with("launchType is "));
}

#[test]
fn a_readiness_timeout_must_hold_two_checks() {
    let seen = refused(&with("readinessTimeout", json!(100)));
    assert_eq!(
        seen,
        "readinessTimeout is 100; allowed: at least 2 times waitForService, here 120."
    );
}

#[test]
fn what_ecs_would_refuse_after_the_first_write_is_refused_here() {
    let mut input = with("launchType", json!("EC2"));
    input["platformVersion"] = json!("1.4.0");
    assert!(refused(&input).starts_with("platformVersion is \"1.4.0\"; allowed: "));
    let two_bases = json!([
        {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 1},
    ]);
    assert!(refused(&with("capacityProviderStrategy", two_bases)).contains("at most one base"));
}

#[test]
fn a_request_survives_its_own_json() {
    let mut input = sample_input();
    input["capacityProviderStrategy"] =
        json!([{"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 1}]);
    input["drainTimeout"] = json!(900);
    input["targetGroups"] = json!([elb("targetgroup/blue/1"), elb("targetgroup/green/1")]);
    input["routes"] = json!({
        "production": [elb("listener/net/lb/1/2")],
        "test": [elb("listener-rule/net/lb/1/2/3")],
    });
    input["test"] = json!({"header": {"name": "x-preview", "value": "yes"}});
    input["assignPublicIp"] = json!("ENABLED");
    input["pauses"] = json!([{"at": "beforeSwap", "timeout": 60, "onTimeout": "continue"}]);
    let lambda = "arn:aws:lambda:us-east-1:555555555555:function:check:live";
    input["hooks"] = json!([
        {"at": "eachStep", "lambda": lambda, "details": {"a": [1]}, "timeout": 60, "onTimeout": "continue"},
        {"at": "RECONCILE_SERVICE", "lambda": lambda},
        {"at": "PRE_SCALE_UP", "lambda": lambda},
    ]);
    let metric =
        json!({"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}});
    input["checks"] = json!([
        {"metric": metric},
        {"metric": metric, "replacementAtMost": 1, "of": "original", "samples": 1, "noData": "pass"},
    ]);
    input["window"] =
        json!({"days": ["Mon-Fri"], "from": "22:00", "to": "06:00", "zone": "Europe/Berlin"});
    input["finishBy"] = json!("2026-01-31T06:00:00+01:00");
    for field in ["scaledown_decrement", "scaledown_wait"] {
        input.as_object_mut().unwrap().remove(field);
    }
    input["drain"] = json!({
        "within": 600,
        "connectionsMetric": {"namespace": "App", "metricName": "Open", "dimensions": {"Set": "{taskSet}"}},
        "until": {"connections": 5, "deadline": 900},
    });
    let request = Request::parse(&input, &home()).unwrap();
    assert_eq!(
        Request::parse(&request.to_json(), &home()).unwrap(),
        request
    );
}

proptest! {
    #[test]
    fn no_value_of_any_field_panics(index in 0..FIELDS.len(), text in ".{0,40}", number: f64) {
        let field = FIELDS[index].0;
        let _ = Request::parse(&with(field, json!(text)), &home());
        let _ = Request::parse(&with(field, json!(number)), &home());
        let _ = Request::parse(&with(field, json!([text, number])), &home());
    }
}

#[test]
fn a_statistic_is_one_of_cloudwatchs_that_can_be_compared() {
    let with_statistic = |statistic: &str| {
        let metric = json!({"namespace": "App", "metricName": "Latency", "dimensions": {"Group": "{targetGroup}"}, "statistic": statistic});
        Request::parse(&with("checks", json!([{"metric": metric}])), &home()).is_ok()
    };
    for right in [
        "Average",
        "Sum",
        "Minimum",
        "Maximum",
        "p0",
        "p99",
        "p99.9",
        "p100",
        "p50.0123456789",
    ] {
        assert!(with_statistic(right), "{right}");
    }
    for wrong in [
        "",
        "average",
        "p",
        "p101",
        "p1.",
        "p.5",
        "p100.0",
        "pp9",
        "p99.01234567890",
        "tm90",
        "p-1",
    ] {
        assert!(!with_statistic(wrong), "{wrong}");
    }
}

fn window(value: &Value) -> Value {
    with("window", value.clone())
}

const WINDOWS: &str = r#"
window 22 => window is 22
window {"from": "22:00", "to": "06:00"} => window.zone is missing; allowed: the name of a time zone
window {"from": "22:00", "zone": "UTC"} => window.to is missing
window {"to": "22:00", "zone": "UTC"} => window.from is missing
window {"from": "22:00", "to": "22:00", "zone": "UTC"} => window.to is "22:00"; allowed: another time than from
window {"from": "24:00", "to": "06:00", "zone": "UTC"} => window.from is "24:00"
window {"from": "22:00", "to": "24:01", "zone": "UTC"} => window.to is "24:01"
window {"from": "22", "to": "06:00", "zone": "UTC"} => window.from is "22"
window {"from": "22:0", "to": "06:00", "zone": "UTC"} => window.from is "22:0"
window {"from": "22:60", "to": "06:00", "zone": "UTC"} => window.from is "22:60"
window {"from": "+2:00", "to": "06:00", "zone": "UTC"} => window.from is "+2:00"
window {"from": 22, "to": "06:00", "zone": "UTC"} => window.from is 22
window {"from": "22:00", "to": "06:00", "zone": "Europe/Bonn"} => window.zone is "Europe/Bonn"
window {"from": "22:00", "to": "06:00", "zone": "CET-1CEST"} => window.zone is "CET-1CEST"
window {"from": "22:00", "to": "06:00", "zone": "+01:00"} => window.zone is "+01:00"
window {"from": "22:00", "to": "06:00", "zone": "Etc/Unknown"} => window.zone is "Etc/Unknown"
window {"from": "22:00", "to": "06:00", "zone": ""} => window.zone is ""
window {"from": "22:00", "to": "06:00", "zone": "UTC", "days": []} => window.days is []
window {"from": "22:00", "to": "06:00", "zone": "UTC", "days": ["Mon", "Mon"]} => window.days[1] is "Mon"
window {"from": "22:00", "to": "06:00", "zone": "UTC", "days": ["Monday"]} => window.days is ["Monday"]
window {"from": "22:00", "to": "06:00", "zone": "UTC", "days": ["Mon-"]} => window.days is ["Mon-"]
window {"from": "22:00", "to": "06:00", "zone": "UTC", "days": "Mon"} => window.days is "Mon"
window {"from": "22:00", "to": "06:00", "zone": "UTC", "day": ["Mon"]} => window.day is not a field of the input (did you mean window.days?)
"#;

#[test]
fn a_window_that_cannot_be_meant_is_refused_by_its_field() {
    for (_, value, wanted) in rows(WINDOWS) {
        let seen = refused(&window(&value));
        assert!(seen.contains(&wanted), "{value}: {seen}");
    }
}

#[test]
fn a_window_reads_as_it_is_written() {
    for (days, wanted) in [
        (json!(["Mon-Fri"]), json!(["Mon-Fri"])),
        (json!(["Fri-Mon"]), json!(["Mon", "Fri-Sun"])),
        (
            json!(["Sun", "Mon", "Tue", "Mon-Tue"]),
            json!(["Mon-Tue", "Sun"]),
        ),
        (json!(["Wed-Tue"]), json!(["Mon-Sun"])),
        (json!(["Sat-Sat"]), json!(["Sat"])),
    ] {
        let value = json!({"days": days, "from": "00:00", "to": "24:00", "zone": "europe/berlin"});
        let request = Request::parse(&window(&value), &home()).unwrap();
        let written = request.to_json()["window"].clone();
        assert_eq!(written["days"], wanted, "{days}");
        assert_eq!(written["zone"], "Europe/Berlin");
        assert_eq!(
            Request::parse(&request.to_json(), &home()).unwrap(),
            request
        );
    }
}

#[test]
fn finish_by_is_a_time_with_its_offset() {
    let by = |time: &str| Request::parse(&with("finishBy", json!(time)), &home());
    let berlin = by("2026-01-31T06:00:00+01:00").unwrap();
    assert_eq!(
        berlin.finish_by,
        by("2026-01-31T05:00:00Z").unwrap().finish_by
    );
    assert_eq!(Request::parse(&berlin.to_json(), &home()).unwrap(), berlin);
    for wrong in [
        "2026-01-31T06:00:00",
        "2026-01-31 06:00:00Z",
        "2026-01-31T06:00Z",
        "2026-01-31T06:00:00.5Z",
        "2026-01-31t06:00:00z",
        "2026-01-31T06:00:00+01:00[Europe/Berlin]",
        "2026-02-30T06:00:00Z",
        "1969-12-31T23:59:59Z",
        "tomorrow",
    ] {
        let seen = refused(&with("finishBy", json!(wrong)));
        assert!(seen.contains("finishBy is "), "{wrong}: {seen}");
    }
}

#[test]
fn dimensions_are_those_that_cloudwatch_takes() {
    let is_read = |namespace: &str, dimensions: Value| {
        let metric =
            json!({"namespace": namespace, "metricName": "Größe", "dimensions": dimensions});
        let checks = with("checks", json!([{"metric": metric}]));
        let drains = with("drain", json!({"within": 600, "connectionsMetric": metric}));
        let read = [checks, drains].map(|mut input| {
            for field in ["scaledown_decrement", "scaledown_wait"] {
                input.as_object_mut().unwrap().remove(field);
            }
            Request::parse(&input, &home()).is_ok()
        });
        assert_eq!(read[0], read[1], "{metric}");
        read[0]
    };
    assert!(is_read("App", json!({"Set": "{taskSet}", "a:b": "1 2"})));
    for name in ["", " ", ":set", "größe", "a\tb", &"n".repeat(256)] {
        assert!(
            !is_read("App", json!({"Set": "{taskSet}", name: "x"})),
            "{name}"
        );
    }
    for value in ["", " ", "größe", "a\u{7f}", &"v".repeat(1_025)] {
        assert!(
            !is_read("App", json!({"Set": "{taskSet}", "Zone": value})),
            "{value}"
        );
    }
    assert!(!is_read(":App", json!({"Set": "{taskSet}"})));
    assert!(!is_read("App", json!({"Set": "all"})));
}

fn drain(value: &Value) -> Value {
    json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2", "drain": value})
}

const DRAINS: &str = r#"
drain 25 => drain is 25
drain {} => drain is without a pace; allowed: one of percent, tasks
drain {"percent": 25, "within": 600} => drain is set in 2 ways at once (percent, within)
drain {"percent": 0} => drain.percent is 0
drain {"tasks": -1} => drain.tasks is -1
drain {"tasks": 1.5} => drain.tasks is 1.5
drain {"tasks": 1, "every": 0} => drain.every is 0
drain {"within": 600, "every": 60} => drain.every is 60; allowed: only with percent or tasks
drain {"within": 86401} => drain.within is 86401
drain {"reconnectsPerSecond": 500} => drain.deadline is missing; allowed: a whole number of seconds
drain {"reconnectsPerSecond": 0, "deadline": 3600} => drain.reconnectsPerSecond is 0
drain {"reconnectsPerSecond": 1e12, "deadline": 3600} => drain.reconnectsPerSecond is 1000000000000
drain {"reconnectsPerSecond": 500, "deadline": 479} => from 480 to 86400
drain {"reconnectsPerSecond": 500, "deadline": 3600, "onDeadline": "hurry"} => drain.onDeadline is "hurry"; allowed: finish or stop
drain {"reconnectsPerSecond": 500, "deadline": 3600, "connectionsPerTask": -3} => drain.connectionsPerTask is -3
drain {"within": 600, "wtihin": 600} => drain.wtihin is not a field of the input (did you mean drain.within?)
drain {"within": 600, "connectionsMetric": {"namespace": "App"}} => drain.connectionsMetric is
"#;

#[test]
fn a_drain_that_cannot_be_meant_is_refused_by_its_field() {
    for (_, value, wanted) in rows(DRAINS) {
        let seen = refused(&drain(&value));
        assert!(seen.contains(&wanted), "{value}: {seen}");
    }
    let mut both = drain(&json!({"within": 600}));
    both["scaledown_wait"] = json!(60);
    assert!(refused(&both).contains("either drain or scaledown_wait, not both"));
}

#[test]
fn the_samples_two_fields_are_one_way_of_pacing() {
    let mut input = drain(&json!({"percent": 10, "every": 120}));
    let said = Request::parse(&input, &home()).unwrap();
    input.as_object_mut().unwrap().remove("drain");
    input["scaledown_decrement"] = json!(10);
    input["scaledown_wait"] = json!(120);
    assert_eq!(Request::parse(&input, &home()).unwrap(), said);
}
