//! CloudWatch's alarms: what they say when, and how they are asked.

use ebbtide_simulator::world::{Alarm, AlarmState, ApiError, DescribeAlarms, World};
use serde_json::{Value, json};

use crate::support::{cases, scenario};

fn world(alarms: &Value) -> World {
    let world = scenario(&json!({ "alarms": alarms }).to_string()).world();
    world.expect("a world")
}

fn asked(world: &World, request: Value) -> Result<Vec<&str>, ApiError> {
    let request: DescribeAlarms = serde_json::from_value(request).expect("a request");
    let page = world.describe_alarms(&request)?;
    Ok(page.items.iter().map(|alarm| alarm.name.as_str()).collect())
}

#[test]
fn an_alarm_changes_when_the_scenario_says_so() {
    let mut world = world(&json!([
        { "name": "errors", "changes": [
            { "afterSeconds": 60, "state": "ALARM" },
            { "afterSeconds": 90, "state": "INSUFFICIENT_DATA" },
            { "afterSeconds": 120, "state": "OK" },
        ] },
        { "name": "quiet", "state": "INSUFFICIENT_DATA" },
    ]));
    let mut said = Vec::new();
    for second in [59, 60, 90, 120] {
        world.advance_to(second * 1_000);
        said.push(world.alarm("errors").map(|alarm| alarm.state));
    }
    let (ok, alarm, unknown) = (
        AlarmState::Ok,
        AlarmState::Alarm,
        AlarmState::InsufficientData,
    );
    assert_eq!(said, [ok, alarm, unknown, ok].map(Some));
    let events = world.take_events().into_iter();
    let told: Vec<_> = events
        .map(|event| format!("{} {}", event.at_ms, event.kind))
        .collect();
    let states = [
        "60000 Alarm errors is ALARM.",
        "90000 Alarm errors is INSUFFICIENT_DATA.",
    ];
    assert_eq!(told[..2], states);
    assert_eq!(told[2..], ["120000 Alarm errors is OK."]);
    let quiet = world.alarm("quiet").map(|alarm: &Alarm| alarm.state);
    assert_eq!(quiet, Some(AlarmState::InsufficientData));
}

#[test]
fn without_names_every_alarm_of_the_account_is_described_and_without_types_metric_ones_only() {
    let world = world(&json!([
        { "name": "ours" },
        { "name": "both", "type": "CompositeAlarm", "state": "ALARM" },
        { "name": "other", "state": "ALARM" },
    ]));
    for (request, names) in cases(
        r#"
{} => other ours
{"AlarmNames": []} => other ours
{"AlarmNames": ["ours", "gone"]} => ours
{"AlarmNames": ["both"]} => -
{"AlarmNames": ["both", "ours"], "AlarmTypes": ["CompositeAlarm", "MetricAlarm"]} => ours both
{"AlarmTypes": ["CompositeAlarm", "MetricAlarm"], "StateValue": "ALARM"} => other both
"#,
    ) {
        let found = asked(&world, request.clone()).expect("alarms").join(" ");
        let names = names.trim_matches('-');
        assert_eq!(found, names, "{request}");
    }
}

/// Pages, names and tokens are asked for over CBOR.
#[test]
fn a_page_has_at_most_100_alarms() {
    let world = world(&json!([]));
    for most in [0, 101] {
        let refused = asked(&world, json!({ "MaxRecords": most })).expect_err("a refusal");
        assert_eq!(refused.code, "ValidationError");
    }
}

#[test]
fn a_scenario_says_what_is_wrong_with_its_alarms() {
    for alarms in [
        json!([{ "name": "a", "state": "FINE" }]),
        json!([{ "name": "a", "metric": "x" }]),
        json!([{ "name": "a", "changes": [{ "afterSeconds": 1 }] }]),
        json!([{ "state": "OK" }]),
    ] {
        let text = json!({ "alarms": alarms }).to_string();
        serde_json::from_str::<ebbtide_simulator::Scenario>(&text).expect_err("a refusal");
    }
    for (alarms, words) in cases(
        r#"
[{"name": "a"}, {"name": "a"}] => two of a
[{"name": ""}] => refuses this scenario
[{"name": "a", "changes": [{"afterSeconds": 99999999, "state": "OK"}]}] => a year at most
"#,
    ) {
        let scenario = scenario(&json!({ "alarms": alarms }).to_string());
        let refused = scenario.world().expect_err("a refusal");
        assert!(refused.to_string().contains(words), "{refused}");
    }
}
