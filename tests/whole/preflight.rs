//! What preflight says in an execution, and that what it reads for findings alone may fail.

use ebbtide_permissions::judged;
use ebbtide_simulator::asl::{EventKind, HistoryEvent, Outcome, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::World;
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::{Value, json};

use crate::support::{self, edited, sample, sample_with, served, world};

async fn deploy(
    scenario: &Scenario,
    event: Value,
    faults: impl IntoIterator<Item = (u64, Fault)>,
) -> (Outcome, Value, SimulatedAws) {
    deploy_into(world(scenario), event, faults).await
}

async fn deploy_into(
    start: World,
    event: Value,
    faults: impl IntoIterator<Item = (u64, Fault)>,
) -> (Outcome, Value, SimulatedAws) {
    let aws = judged(SimulatedAws::new(start, 1.0));
    aws.with_world(World::take_calls);
    aws.plan_faults(faults);
    let mut answer = Value::Null;
    let mut on_event = |event: &HistoryEvent| {
        if let EventKind::StateExited { name, output, .. } = &event.kind
            && name == "Preflight"
        {
            answer = output.clone();
        }
    };
    let installation = Installation::new(&aws).unwrap();
    let outcome = installation.deploy("run-1", event, 1, &mut on_event).await;
    (outcome, answer, aws)
}

#[track_caller]
fn assert_succeeded(outcome: &Outcome) {
    assert!(outcome.status.is_success(), "{outcome:?}");
}

fn names(answer: &Value) -> Vec<&str> {
    let findings = answer["findings"].as_array().unwrap().iter();
    findings.map(|one| one["name"].as_str().unwrap()).collect()
}

fn sticky() -> Scenario {
    let sticky = ("stickiness.enabled".to_owned(), "true".to_owned());
    Scenario::with(|scenario| scenario.target_group_attributes = [sticky].into())
}

fn dry() -> Value {
    sample_with(&json!({"dryRun": true}))
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_ends_with_every_finding_and_the_plan_of_the_drain() {
    let (outcome, _, _) = deploy(&sticky(), dry(), []).await;
    let Status::Succeeded { output } = outcome.status else {
        panic!("{outcome:?}");
    };
    assert_eq!(output["status"], "dryRun");
    for name in ["stickiness", "unhealthyTermination", "capacity"] {
        assert!(names(&output).contains(&name), "{output}");
    }
    let steps = output["plan"]["steps"].as_array().unwrap();
    assert_eq!(steps.last().unwrap()["left"], 0);
    assert_eq!(output["plan"]["limit"], "pace");
}

#[tokio::test(start_paused = true)]
async fn warnings_are_in_preflights_output_and_stop_nothing() {
    let (outcome, answer, _) = deploy(&sticky(), sample(), []).await;
    assert_succeeded(&outcome);
    assert!(names(&answer).contains(&"stickiness"), "{answer}");
    assert!(!names(&answer).contains(&"capacity"), "{answer}");
    assert_eq!(answer["plan"]["steps"], Value::Null);
}

/// The calls of a deployment whose operation has a name with this in it, by their number.
async fn calls_of(operation: &str) -> Vec<u64> {
    let (_, _, aws) = deploy(&Scenario::default(), sample(), []).await;
    let calls = aws.with_world(World::take_calls);
    let made = calls.iter().zip(1..);
    let alone = made.filter(|(call, _)| call.operation.contains(operation));
    alone.map(|(_, number)| number).collect()
}

/// Those that are made for findings alone.
async fn calls_for_findings() -> Vec<u64> {
    calls_of(":DescribeLoadBalancer").await
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_for_longer_than_a_minute_fails_and_writes_nothing() {
    let denied = (1..200).map(|call| (call, Fault::AccessDenied));
    let (outcome, _, aws) = deploy(&Scenario::default(), sample(), denied).await;
    let Status::Failed { error, .. } = &outcome.status else {
        panic!("{outcome:?}");
    };
    assert_eq!(error, "Permission");
    let seconds = aws.with_world(|world| world.now()) / 1_000;
    assert!((60..180).contains(&seconds), "{seconds}");
    assert_eq!(aws.with_world(World::take_calls).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn groups_that_differ_and_targets_registered_by_hand_are_named() {
    let start = edited(&served(), |saved| {
        let groups = saved["target_groups"].as_object_mut().unwrap();
        for group in groups.values_mut() {
            if group["name"].as_str().unwrap().ends_with("-tg-2") {
                group["attributes"]["deregistration_delay.timeout_seconds"] = json!("3600");
                group["attributes"]["stickiness.enabled"] = json!("true");
                group["health_check"]["protocol"] = json!("HTTP");
                group["health_check"]["path"] = json!("/old");
            } else {
                let targets = group["targets"].as_object_mut().unwrap();
                let mut stray = targets.values().next().unwrap().clone();
                stray["id"] = json!("10.0.0.250");
                targets.insert("10.0.0.250:1".to_owned(), stray);
            }
        }
    });
    let (outcome, answer, _) = deploy_into(start, sample(), []).await;
    assert_succeeded(&outcome);
    let findings = answer["findings"].as_array().unwrap();
    let differ = "health check protocol TCP and HTTP, health check path none and /old, \
        deregistration_delay.timeout_seconds 300 and 3600, stickiness.enabled false and true";
    for (name, says) in [("groupsDiffer", differ), ("strayTargets", "10.0.0.250:")] {
        let named: Vec<_> = findings.iter().filter(|one| one["name"] == name).collect();
        assert_eq!(named.len(), 1, "{answer}");
        assert!(
            named[0]["seen"].as_str().unwrap().contains(says),
            "{named:?}"
        );
    }
}

/// A service by a path on an Application Load Balancer, behind a rule that answers everything.
fn in_maintenance() -> (World, Value) {
    let scenario: Scenario = serde_json::from_value(json!({
        "loadBalancer": "application",
        "deregistrationDelaySeconds": 45,
        "listeners": [
            {"port": 80, "role": "other", "rules": [
                {
                    "priority": 5,
                    "conditions": [{"Field": "path-pattern", "Values": ["/*"]}],
                    "actions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}],
                },
                {
                    "priority": 10, "role": "production",
                    "conditions": [{"Field": "path-pattern", "Values": ["/chat/*"]}],
                },
            ]},
            {"port": 8080, "role": "test"},
        ],
    }))
    .unwrap();
    let names = Names {
        load_balancer_arn: None,
        ..support::names()
    };
    let world = scenario.world_for(&names).unwrap();
    let balancer = world.load_balancers().next().unwrap().arn.clone();
    let event = sample_with(&json!({"nlb": balancer, "dryRun": true}));
    (world, event)
}

#[tokio::test(start_paused = true)]
async fn rules_and_settings_of_an_application_load_balancer_are_read_for_findings() {
    let (start, event) = in_maintenance();
    let (outcome, _, _) = deploy_into(start, event, []).await;
    let Status::Succeeded { output } = outcome.status else {
        panic!("{outcome:?}");
    };
    let findings = output["findings"].as_array().unwrap();
    for (name, says) in [
        ("shadowedRoute", "Rule 5 of listener 80 (path-pattern /*)"),
        ("accessLogs", "to S3 are off"),
        (
            "deregistrationTermination",
            "is 45 s, and the load balancer waits up to 60 s",
        ),
    ] {
        let named: Vec<_> = findings.iter().filter(|one| one["name"] == name).collect();
        let [one] = named[..] else {
            panic!("{name}: {output}");
        };
        assert!(one["seen"].as_str().unwrap().contains(says), "{one}");
    }
    // Its targets are healthy, and their security groups stay.
    assert!(!names(&output).contains(&"securityGroups"), "{output}");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_only_findings_need_may_fail_as_often_as_the_sdk_tries() {
    let numbers = calls_for_findings().await;
    assert_eq!(numbers.len(), 2, "{numbers:?}");
    for number in numbers {
        for fault in [Fault::Silent, Fault::ServerError, Fault::Throttled] {
            let tries = (number..number + 3).map(|call| (call, fault));
            let (outcome, answer, _) = deploy(&Scenario::default(), sample(), tries).await;
            assert_succeeded(&outcome);
            let next = &answer["next"];
            assert_eq!(next, "CheckAndCreateService", "{fault:?}: {answer}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_only_findings_need_is_asked_for_and_not_missed() {
    for call in [
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
    ] {
        let denied = [(calls_of(call).await[0], Fault::AccessDenied)];
        let (outcome, answer, _) = deploy(&Scenario::default(), dry(), denied).await;
        assert_succeeded(&outcome);
        let findings = answer["findings"].as_array().unwrap();
        let unread = findings.iter().find(|one| one["name"] == "crossZone");
        let fix = unread.unwrap()["fix"].as_str().unwrap();
        assert!(fix.starts_with(&format!("Allow {call} on *")), "{fix}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_step_but_preflight_reads_for_findings() {
    let (_, _, aws) = deploy(&Scenario::default(), sample(), []).await;
    let calls = aws.with_world(World::take_calls);
    let of = |name: &str| {
        let calls = calls.iter();
        calls.filter(|call| call.operation.ends_with(name)).count()
    };
    assert_eq!(of(":DescribeLoadBalancers"), 1);
    assert_eq!(of(":DescribeLoadBalancerAttributes"), 1);
    assert!(of(":DescribeTaskSets") > 5);
}
