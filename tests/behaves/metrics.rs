//! CloudWatch's metrics of the load balancer: what they say of the clients, and when.

use bytes::Bytes;
use ebbtide_simulator::wire;
use ebbtide_simulator::world::{ApiError, GetMetricData, MetricDataResult, World};
use http::Request;
use serde_json::{Value, json};

use crate::clients_stage::{ALTERNATE, PRODUCTION, Service, even, service};
use crate::support::{START, changed};

fn stat(name: &str, stat: &str, period: u64, zone: Option<&str>) -> Value {
    let mut dimensions =
        vec![json!({ "Name": "LoadBalancer", "Value": "net/sample-lb/1234567890abcdef" })];
    if let Some(zone) = zone {
        dimensions.push(json!({ "Name": "AvailabilityZone", "Value": zone }));
    }
    json!({
        "Metric": { "Namespace": "AWS/NetworkELB", "MetricName": name, "Dimensions": dimensions },
        "Period": period,
        "Stat": stat,
    })
}

/// From the world's start.
fn request(queries: &Value, until: i64) -> Value {
    json!({ "MetricDataQueries": queries, "StartTime": START, "EndTime": START + until })
}

fn active(name: &str) -> Value {
    stat("ActiveFlowCount", name, 60, None)
}

fn ask(world: &World, request: &Value) -> Result<Vec<MetricDataResult>, ApiError> {
    let request: GetMetricData = serde_json::from_value(request.clone()).expect("a request");
    world.get_metric_data(&request).map(|page| page.items)
}

/// The datapoints of one metric, oldest first: seconds since the world's start, and values.
fn read(world: &World, metric_stat: &Value) -> Vec<(u64, f64)> {
    let mut request = request(&json!([{ "Id": "q1", "MetricStat": metric_stat }]), 86_400);
    request["ScanBy"] = json!("TimestampAscending");
    let results = ask(world, &request).expect("an answer");
    let datapoints = results[0].datapoints.iter();
    let datapoints =
        datapoints.map(|(at_ms, value)| (at_ms / 1_000 - START.unsigned_abs(), *value));
    datapoints.collect()
}

fn values(world: &World, metric_stat: &Value) -> Vec<f64> {
    let datapoints = read(world, metric_stat).into_iter();
    datapoints.map(|(_, value)| value).collect()
}

/// A storm in a service whose clients come and go.
fn stormy() -> Service {
    let mut service = service(json!({
        "tasks": 10,
        "clients": { "lifetimeSeconds": 600, "newConnectionsPerSecondPerTask": 200 },
    }));
    service.replacement();
    service.forward(&[(PRODUCTION, 0), (ALTERNATE, 100)]);
    let original = service.original.clone();
    service.delete(&original);
    service.wait(600);
    service
}

#[test]
fn metrics_agree_with_the_clients_own_record() {
    let service = stormy();
    let seconds = service.clients().seconds();
    assert_eq!(seconds.len(), 1_200);
    for period in [60, 300] {
        let periods = usize::try_from(period).expect("small");
        // The last minute is not visible yet.
        let visible = &seconds[..1_140];
        let of = |name, statistic| values(&service.world, &stat(name, statistic, period, None));
        let new = of("NewFlowCount", "Sum");
        let attempts = visible.chunks(periods).map(|period| {
            let attempts: u64 = period.iter().map(|second| second.attempts).sum();
            f64::from(u32::try_from(attempts).expect("small"))
        });
        assert_eq!(new, attempts.collect::<Vec<_>>());
        let active = |second: &ebbtide_simulator::world::Second| -> f64 {
            let active: u64 = second.by_task_set.iter().sum();
            f64::from(u32::try_from(active).expect("small"))
        };
        for (name, fold) in [
            ("Maximum", f64::max as fn(f64, f64) -> f64),
            ("Minimum", f64::min),
        ] {
            let wanted = visible.chunks(periods);
            let wanted = wanted.map(|period| period.iter().map(active).reduce(fold).expect("some"));
            let seen = of("ActiveFlowCount", name);
            assert_eq!(seen, wanted.collect::<Vec<_>>(), "{name}");
        }
        let [average, sum, count] =
            ["Average", "Sum", "SampleCount"].map(|name| of("ActiveFlowCount", name));
        for ((average, sum), count) in average.iter().zip(&sum).zip(&count) {
            assert!((average * count - sum).abs() < 0.5);
        }
        assert!((count.iter().sum::<f64>() - 1_140.0).abs() < 0.5);
    }
    assert!(service.clients().totals().refused > 0);
}

#[test]
fn the_zones_make_the_whole() {
    let service = stormy();
    for name in ["ActiveFlowCount", "NewFlowCount"] {
        let of = |zone| values(&service.world, &stat(name, "Sum", 60, zone));
        let (a, b) = (of(Some("us-east-1a")), of(Some("us-east-1b")));
        let together: Vec<_> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        assert_eq!(together, of(None), "{name}");
        assert!(a.iter().sum::<f64>() > 0.0 && b.iter().sum::<f64>() > 0.0);
    }
}

#[test]
fn a_minute_is_visible_only_after_the_delay() {
    for (delay_ms, seconds) in [(60_000, 120), (0, 60), (150_000, 210)] {
        let mut service = service(json!({
            "timings": { "jitterPercent": 0, "metricDelayMs": delay_ms },
            "clients": {},
        }));
        let active = active("Average");
        service.world.advance_to(seconds * 1_000 - 1);
        assert_eq!(read(&service.world, &active), []);
        service.world.advance_to(seconds * 1_000);
        assert_eq!(read(&service.world, &active), [(0, 10_000.0)]);
        service.wait(59);
        assert_eq!(read(&service.world, &active).len(), 1);
        service.wait(1);
        assert_eq!(read(&service.world, &active).len(), 2);
    }
}

#[test]
fn a_request_is_of_a_time_and_comes_in_the_order_that_it_says() {
    let mut service = service(even(json!({ "clients": {} })));
    service.wait(3_600);
    let times = |from: i64, until: i64, scan_by: Option<&str>, period: u64| -> Vec<u64> {
        let metric_stat = stat("NewFlowCount", "Sum", period, None);
        let mut request = request(&json!([{ "Id": "q", "MetricStat": metric_stat }]), until);
        request["StartTime"] = json!(START + from);
        if let Some(scan_by) = scan_by {
            request["ScanBy"] = json!(scan_by);
        }
        let results = ask(&service.world, &request).expect("an answer");
        let times = results[0].datapoints.iter();
        let times = times.map(|(at_ms, _)| at_ms / 1_000 - START.unsigned_abs());
        times.collect()
    };
    let ascending = Some("TimestampAscending");
    assert_eq!(times(600, 780, None, 60), [720, 660, 600]);
    assert_eq!(times(600, 780, ascending, 60), [600, 660, 720]);
    // From the minute that it begins in, up to what begins before it ends.
    assert_eq!(times(645, 781, None, 60), [780, 720, 660, 600]);
    assert_eq!(times(660, 1_500, ascending, 300), [660, 960, 1_260]);
    assert_eq!(times(90_000, 90_060, None, 60), [] as [u64; 0]);
}

#[test]
fn what_is_not_reported_has_no_datapoints_and_is_no_error() {
    let mut reporting = service(even(json!({ "clients": {} })));
    reporting.wait(600);
    let mut wrong = Vec::new();
    let mut counted = active("Average");
    counted["Unit"] = json!("Count");
    for change in [
        json!(["/Metric/Namespace", "AWS/ELB"]),
        json!(["/Metric/MetricName", "ActiveConnectionCount"]),
        json!(["/Metric/Dimensions/0/Value", "net/other/1234567890abcdef"]),
        json!(["/Metric/Dimensions", []]),
        json!(["/Metric/Dimensions/0/Name", "TargetGroup"]),
        json!(["/Unit", "Percent"]),
    ] {
        wrong.push(changed(&counted, &change));
    }
    let mut three = stat("ActiveFlowCount", "Average", 60, Some("us-east-1a"));
    let dimensions = three["Metric"]["Dimensions"].as_array_mut();
    let group = json!({ "Name": "TargetGroup", "Value": "targetgroup/tg-1/1" });
    dimensions.expect("dimensions").push(group);
    wrong.push(three);
    wrong.push(stat("ActiveFlowCount", "Average", 60, Some("us-east-1f")));
    for metric_stat in &wrong {
        assert_eq!(read(&reporting.world, metric_stat), [], "{metric_stat}");
    }
    for scenario in [
        json!({}),
        json!({ "clients": { "metrics": "none" } }),
        json!({ "clients": {}, "loadBalancer": "application" }),
    ] {
        let mut service = service(even(scenario));
        service.wait(600);
        assert_eq!(read(&service.world, &active("Average")), []);
    }
}

/// A connection that lives long has one of the client's and one of the load balancer's (Docs).
#[test]
fn an_application_load_balancer_counts_each_connection_twice() {
    let mut service = service(even(
        json!({ "clients": {}, "loadBalancer": "application" }),
    ));
    let original = service.original.clone();
    service.wait(180);
    service.stop_a_task(&original);
    service.wait(600);
    let balancer = service.world.load_balancers().next().expect("one");
    let (_, name) = balancer.arn.split_once(":loadbalancer/").expect("an ARN");
    let of = |metric: &str, statistic: &str, zone: Option<&str>| {
        let mut stat = stat(metric, statistic, 60, zone);
        stat["Metric"]["Namespace"] = json!("AWS/ApplicationELB");
        stat["Metric"]["Dimensions"][0]["Value"] = json!(name);
        values(&service.world, &stat)
    };
    let active = of("ActiveConnectionCount", "Sum", None);
    assert_eq!(active[..3], [20_000.0; 3]);
    assert_eq!(of("ActiveConnectionCount", "Average", None), active);
    let new: f64 = of("NewConnectionCount", "Sum", None).iter().sum();
    assert!((new - 5_000.0).abs() < 0.5, "{new}");
    assert_eq!(of("NewFlowCount", "Sum", None), [] as [f64; 0]);
    let zone = Some("us-east-1a");
    assert_eq!(of("NewConnectionCount", "Sum", zone), [] as [f64; 0]);
}

#[test]
fn stale_metrics_stop_when_the_scenario_says_so() {
    let mut service = service(even(json!({
        "clients": { "metrics": "stale", "metricsStopAfterSeconds": 330 },
    })));
    service.wait(3_600);
    let active = read(&service.world, &active("Average"));
    let times: Vec<_> = active.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 60, 120, 180, 240]);
}

#[test]
fn several_metrics_are_asked_for_at_once_and_only_those_wanted_are_returned() {
    let mut service = service(even(json!({ "clients": {} })));
    service.wait(300);
    let active = active("Average");
    let queries = json!([
        { "Id": "a", "MetricStat": active, "Label": "active" },
        { "Id": "b", "MetricStat": active, "ReturnData": false },
        { "Id": "c_2", "MetricStat": stat("NewFlowCount", "Sum", 60, None), "ReturnData": true },
    ]);
    let results = ask(&service.world, &request(&queries, 600)).expect("an answer");
    let named = results.iter().map(|result| {
        let datapoints = result.datapoints.len();
        (result.id.as_str(), result.label.as_str(), datapoints)
    });
    let named: Vec<_> = named.collect();
    assert_eq!(named, [("a", "active", 4), ("c_2", "NewFlowCount", 4)]);
}

#[test]
fn on_the_wire_instants_are_seconds_since_the_epoch() {
    let mut service = service(even(json!({ "clients": {} })));
    service.wait(180);
    // As botocore's serializer for awsJson1.0 writes it.
    let body = request(
        &json!([{ "Id": "q", "MetricStat": active("Maximum") }]),
        3_600,
    );
    let target = "GraniteServiceVersion20100801.GetMetricData";
    let request = Request::post("/").header("X-Amz-Target", target);
    let request = request.body(Bytes::from(body.to_string()));
    let response = wire::handle(&mut service.world, "test", &request.expect("a request"));
    assert_eq!(response.status(), 200);
    let answer: Value = serde_json::from_slice(response.body()).expect("JSON");
    assert_eq!(
        answer,
        json!({
            "MetricDataResults": [{
                "Id": "q",
                "Label": "ActiveFlowCount",
                "Timestamps": [1_767_225_660.0, 1_767_225_600.0],
                "Values": [10_000.0, 10_000.0],
                "StatusCode": "Complete",
            }],
            "Messages": [],
        })
    );
    let calls = service.world.take_calls();
    assert_eq!(calls[0].operation, "cloudwatch:GetMetricData");
}

#[test]
fn requests_that_the_api_refuses_are_refused() {
    let service = service(even(json!({ "clients": {} })));
    let query = json!({ "Id": "q", "MetricStat": stat("NewFlowCount", "Sum", 60, None) });
    let request = request(&json!([query]), 60);
    assert!(ask(&service.world, &request).is_ok());
    let stat = "/MetricDataQueries/0/MetricStat";
    let (id, period) = ("/MetricDataQueries/0/Id", format!("{stat}/Period"));
    let expression = json!({ "Id": "q", "Expression": "a*2" });
    let many = Value::Array(vec![query.clone(); 501]);
    for (pointer, value, words) in [
        ("/MetricDataQueries", json!([]), "from 1 to 500"),
        ("/MetricDataQueries", many, "from 1 to 500"),
        ("/MetricDataQueries", json!([query, query]), "already used"),
        (id, json!("Q"), "pattern ^[a-z]"),
        (id, json!(""), "pattern ^[a-z]"),
        (id, json!("q-1"), "pattern ^[a-z]"),
        (stat, json!(null), "Exactly one"),
        ("/MetricDataQueries/0", expression, "not simulated"),
        (&period, json!(30), "multiple of 60"),
        (&period, json!(90), "multiple of 60"),
        (&period, json!(0), "multiple of 60"),
        (&format!("{stat}/Stat"), json!("p99"), "p99"),
        ("/EndTime", json!(START), "StartTime must be less"),
    ] {
        let wrong = changed(&request, &json!([pointer, value]));
        let refused = ask(&service.world, &wrong).expect_err("a refusal");
        assert_eq!(refused.code, "ValidationError");
        assert!(refused.message.contains(words), "{refused}");
    }
    for (field, value) in [
        ("StartTime", json!("2026-01-01T00:00:00Z")),
        ("StartTime", json!(-1)),
        ("ScanBy", json!("Newest")),
        ("MaxDatapoint", json!(1)),
    ] {
        let mut wrong = request.clone();
        wrong[field] = value;
        serde_json::from_value::<GetMetricData>(wrong).expect_err("a refusal");
    }
}

/// What an application reports of its task sets, by the id of each or by its target group.
#[test]
fn an_application_reports_a_level_with_noise_of_each_task_set() {
    let mut service = service(json!({
        "original": { "metrics": { "Latency": { "level": 20.0, "noise": 0.1 } } },
    }));
    let set = service.world.task_sets_of("main", "chat")[0].clone();
    let group = &set.load_balancers[0].target_group_arn;
    let group = group.splitn(6, ':').nth(5).unwrap();
    let latency = |value: &str, stat: &str, period: u64| {
        let dimensions = [json!({ "Name": "Of", "Value": value })];
        json!({
            "Metric": { "Namespace": "Chat", "MetricName": "Latency", "Dimensions": dimensions },
            "Period": period,
            "Stat": stat,
        })
    };
    service.world.advance_to(service.world.now() + 7_200_000);
    let values = values(&service.world, &latency(&set.id, "p99", 60));
    // The last minute that is over is not visible yet.
    assert_eq!(values.len(), 119);
    let logs: Vec<_> = values.iter().map(|value| (value / 20.0).ln()).collect();
    let mean = logs.iter().sum::<f64>() / 119.0;
    let spread = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / 118.0).sqrt();
    assert!(mean.abs() < 0.04, "{mean}");
    assert!((0.08..0.12).contains(&spread), "{spread}");
    let read_again = read(&service.world, &latency(group, "Average", 60));
    assert_eq!(
        read_again
            .iter()
            .map(|(_, value)| *value)
            .collect::<Vec<_>>(),
        values
    );
    assert_eq!(read(&service.world, &latency("another", "Average", 60)), []);
    let longer = request(
        &json!([{ "Id": "q", "MetricStat": latency(&set.id, "Sum", 120) }]),
        60,
    );
    let refused = ask(&service.world, &longer).expect_err("a refusal");
    assert!(refused.message.contains("not simulated"), "{refused}");
}
