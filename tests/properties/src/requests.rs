use arbitrary::Unstructured;
use ebbtide_controller::arn::Home;
use ebbtide_controller::request::{FIELDS, Request};
use serde_json::{Value, json};

use crate::draw;
use crate::fixture::home;
use crate::refused::is_told_well;
use crate::schema::is_judged_alike;

/// An execution's input is either refused in words that show and are few, naming what is wrong, or
/// parses to a request that stays the same however often it is handed on.
///
/// The schema that editors have agrees. The input draws a request that is right, and then any JSON for some of its fields.
pub fn requests(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let home = home();
    let mut input = whole(&mut bytes);
    for _ in 0..bytes.int_in_range(0..=3).unwrap_or(0) {
        let mut name = draw::one(&mut bytes, FIELDS).0.to_owned();
        if draw::once_in(&mut bytes, 8) {
            name = draw::text(&mut bytes);
        }
        input[name] = draw::json(&mut bytes, 3);
    }
    is_judged_alike(&input, &home);
    match Request::parse(&input, &home) {
        Ok(request) => stays(&request, &home),
        Err(refusal) => is_told_well(&refusal),
    }
}

/// What a request is written as parses to the same request.
pub(crate) fn stays(request: &Request, home: &Home) {
    assert_eq!(
        Request::parse(&request.to_json(), home).as_ref(),
        Ok(request)
    );
    assert!(request.readiness_timeout >= request.wait_for_service);
}

/// The ARN of something of Elastic Load Balancing.
fn elb(resource: &str) -> String {
    format!("arn:aws:elasticloadbalancing:us-east-1:555555555555:{resource}/0123456789abcdef")
}

fn registry() -> String {
    "arn:aws:servicediscovery:us-east-1:555555555555:service/srv-1".to_owned()
}

/// Windows with nothing wrong in them.
pub(crate) fn windows() -> Value {
    json!([
        {"days": ["Mon-Fri"], "from": "22:00", "to": "06:00", "zone": "Europe/Berlin"},
        {"from": "00:00", "to": "24:00", "zone": "UTC"},
        {"days": ["Sun", "Fri-Sat"], "from": "01:30", "to": "01:15", "zone": "Australia/Lord_Howe"},
    ])
}

/// An input with nothing wrong in it; each optional field is there or not.
pub(crate) fn whole(bytes: &mut Unstructured<'_>) -> Value {
    let mut input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2"});
    let optional = [
        ("waitForService", json!([30, 1, 3_600])),
        ("scaledown_decrement", json!([25, 100, 0.001, 33.4, 60])),
        ("scaledown_wait", json!([60, 1, 86_400])),
        (
            "drain",
            json!([
                {"percent": 10}, {"tasks": 1, "every": 5}, {"within": 0}, {"within": 1_800},
                {"reconnectsPerSecond": 500, "deadline": 3_600},
                {"reconnectsPerSecond": 0.5, "deadline": 480, "connectionsPerTask": 2_500, "onDeadline": "stop"},
                {"within": 600, "connectionsMetric": {"namespace": "App", "metricName": "Connections", "dimensions": {"TaskSet": "{taskSet}"}}},
                {"percent": 50, "newConnectionsMetric": {"namespace": "App", "metricName": "New", "dimensions": {"TaskSet": "{taskSet}"}}},
                {"within": 600, "connectionsMetric": {"namespace": "App", "metricName": "C", "dimensions": {"TaskSet": "{taskSet}"}}, "until": {"connections": 0}},
            ]),
        ),
        ("bakeTime", json!([90, 0, 86_400])),
        ("drainTimeout", json!([86_400, 1, 1_800])),
        (
            "targetGroups",
            json!([[elb("targetgroup/blue"), elb("targetgroup/green")]]),
        ),
        (
            "routes",
            json!([
                {"production": [elb("listener/net/lb/0000000000000080")]},
                {"test": [elb("listener/net/lb/0000000000008080"), elb("listener-rule/app/lb/1/0000000000008080")]},
            ]),
        ),
        (
            "test",
            json!([{"header": {"name": "x-preview", "value": "yes"}}, {"host": "*.example.com"}, {"path": "/preview/*"}]),
        ),
        (
            "shift",
            json!([
                {"percent": 10, "every": 360}, {"percent": 5, "for": 600},
                {"steps": [{"percent": 1, "for": 60}, {"percent": 50, "connections": 500}]},
                {"steps": [{"percent": 99, "for": 60, "connections": 1, "within": 300}]},
            ]),
        ),
        ("swapMode", json!(["replace", "weighted"])),
        ("autoScaling", json!(["leave", "holdScaleIn"])),
        (
            "registry",
            json!([
                {"registryArn": registry()},
                {"registryArn": registry(), "port": 8080},
                {"registryArn": registry(), "containerName": "webserver", "containerPort": 8080},
            ]),
        ),
        ("registryCache", json!([0, 300])),
        ("containerName", json!(["webserver", "sidecar"])),
        ("containerPort", json!([8080, 65_535])),
        ("subnets", json!([["subnet-1"], ["subnet-1", "subnet-2"]])),
        ("task_sg", json!(["sg-1", ["sg-1", "sg-2"]])),
        ("assignPublicIp", json!(["ENABLED", "DISABLED"])),
        ("launchType", json!(["FARGATE", "EC2"])),
        ("rollbackOnFailure", json!([false, true])),
        ("alarms", json!([["errors"], ["errors", "lag"]])),
        (
            "checks",
            json!([
                [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Set": "{taskSet}"}}}],
                [{"metric": {"namespace": "App", "metricName": "Latency", "dimensions": {"Group": "of {targetGroup}", "LoadBalancer": "{loadBalancer}"}, "statistic": "p99.9"}, "replacementAtMost": 1.2, "of": "original", "samples": 1, "failures": 0, "noData": "pass"}],
            ]),
        ),
        ("window", windows()),
        (
            "finishBy",
            json!([
                "2026-01-31T06:00:00+01:00",
                "1970-01-01T00:00:00Z",
                "9999-12-30T00:00:00-05:30"
            ]),
        ),
        ("dryRun", json!([true, false])),
        ("comment", json!(["why not", "\u{1b}[31m\n"])),
    ];
    for (name, values) in optional {
        // One way of pacing at a time.
        if name == "drain"
            && ["scaledown_decrement", "scaledown_wait"]
                .iter()
                .any(|field| input.get(*field).is_some())
        {
            continue;
        }
        if let Some(values) = values.as_array().filter(|_| draw::once_in(bytes, 4)) {
            input[name] = draw::one(bytes, values);
        }
    }
    if input.get("launchType").is_none() && draw::once_in(bytes, 8) {
        input["capacityProviderStrategy"] =
            json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 2}]);
    }
    input
}

#[cfg(test)]
mod tests {
    use ebbtide_controller::pace::Pace;

    use super::*;

    #[test]
    #[should_panic(expected = "drain.percent is 200")]
    fn a_request_that_does_not_stay_is_found() {
        let input = whole(&mut Unstructured::new(&[]));
        let mut request = Request::parse(&input, &home()).unwrap();
        request.drain.pace = Pace::Percent {
            decrement: 200.0,
            every: 60,
        };
        stays(&request, &home());
    }
}
