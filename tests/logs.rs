//! What functions log. Alone in its process: what a process logs is decided once for all threads.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use ebbtide_functions::logs;
use ebbtide_simulator::asl::Status;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::Kind;
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::{Value, json};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

async fn deploy(scenario: &Scenario) {
    let names = Names::default();
    let aws = SimulatedAws::new(scenario.world_for(&names).unwrap(), 1.0);
    let installation = Installation::new(&aws).unwrap();
    let mut event = names.event();
    event["comment"] = "approved with hunter2".into();
    let outcome = installation.deploy("run", event, 1, &mut |_| {}).await;
    match outcome.status {
        Status::Succeeded { output } => assert_eq!(output["comment"], "approved with hunter2"),
        Status::Failed { error, .. } => assert_eq!(error, "ReplacementFailed"),
        Status::TimedOut => panic!("it did not end"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_line_holds_the_step_and_the_decision_and_nothing_of_the_input() {
    let written = Written::default();
    let writer = written.clone();
    let guard = tracing::subscriber::set_default(logs(move || writer.clone()));
    for never_healthy in [false, true] {
        deploy(&Scenario::with(|scenario| {
            scenario.replacement.never_healthy = never_healthy;
        }))
        .await;
    }
    drop(guard);

    let lines = written.lines();
    assert!(lines.len() > 20, "{lines:?}");
    let (metrics, lines): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.contains("_aws"));
    tell(&metrics);
    let known = "level message deployment phase observation decision reason wait error";
    let known: Vec<_> = known.split(' ').collect();
    for line in &lines {
        let fields: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        let mut names = fields.keys().map(String::as_str);
        assert!(names.all(|name| known.contains(&name)), "{line}");
        for hidden in ["hunter2", "subnet-", "sg-", "securityGroups"] {
            assert!(!line.contains(hidden), "{line}");
        }
        assert!(line.len() < 2_000, "{line}");
    }
    let failed = lines.iter().any(|line| line.contains("ReplacementFailed"));
    assert!(failed, "{lines:?}");
    warns_of_what_is_left().await;
}

/// Deploys with a test rule while calls are denied, and says which calls deleted that rule.
async fn deploy_with_a_test_rule(denied: &[u64]) -> Vec<u64> {
    let names = Names {
        load_balancer_arn: None,
        ..Names::default()
    };
    let scenario = Scenario::with(|scenario| scenario.load_balancer = Kind::Application);
    let world = scenario.world_for(&names).unwrap();
    let mut event = names.event();
    event["nlb"] = world.load_balancers().next().unwrap().arn.clone().into();
    event["test"] = json!({"header": {"name": "x-preview", "value": "yes"}});
    let aws = SimulatedAws::new(world, 1.0);
    aws.plan_faults(denied.iter().map(|call| (*call, Fault::AccessDenied)));
    let installation = Installation::new(&aws).unwrap();
    let outcome = installation.deploy("run", event, 1, &mut |_| {}).await;
    assert!(outcome.status.is_success(), "{outcome:?}");
    let world = aws.snapshot();
    let calls = (1..).zip(world.calls());
    let deleting = calls.filter(|(_, call)| call.operation.ends_with(":DeleteRule"));
    deleting.map(|(number, _)| number).collect()
}

/// A test rule that is not deleted is a warning with AWS's answer.
async fn warns_of_what_is_left() {
    let first = deploy_with_a_test_rule(&[]).await[0];
    let written = Written::default();
    let writer = written.clone();
    let guard = tracing::subscriber::set_default(logs(move || writer.clone()));
    deploy_with_a_test_rule(&[first]).await;
    drop(guard);
    let lines = written.lines();
    let mut left = lines.iter().filter(|line| line.contains("not tidied up"));
    let line: Value = serde_json::from_str(left.next().unwrap()).unwrap();
    assert_eq!(
        (&line["level"], &line["error"]),
        (&json!("WARN"), &json!("Permission"))
    );
    let reason = line["reason"].as_str().unwrap();
    assert!(
        reason.contains("elasticloadbalancing:DeleteRule answered AccessDenied"),
        "{reason}"
    );
    assert_eq!(left.next(), None);
}

/// The lines that CloudWatch makes metrics of, one deployment that went well and one that did not.
fn tell(lines: &[String]) {
    let lines = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let mut told = BTreeMap::<&str, Vec<f64>>::new();
    for line in &lines {
        assert_eq!(line["Cluster"], "main");
        assert_eq!(line["Service"], "chat");
        let at = &line["_aws"]["Timestamp"];
        assert!(at.as_u64().unwrap() > 1_700_000_000_000, "{line}");
        let [metrics] = &line["_aws"]["CloudWatchMetrics"].as_array().unwrap()[..] else {
            panic!("{line}");
        };
        assert_eq!(metrics["Namespace"], "Ebbtide");
        assert_eq!(metrics["Dimensions"], json!([["Cluster", "Service"], []]));
        for metric in metrics["Metrics"].as_array().unwrap() {
            assert!(metric["Unit"].is_string(), "{line}");
            let name = metric["Name"].as_str().unwrap();
            let values = told.entry(name).or_default();
            values.push(line[name].as_f64().unwrap());
        }
    }
    assert_eq!(told["Deployments"], [1.0]);
    assert_eq!(told["Failures"], [1.0]);
    assert_eq!(told["Swaps"], [1.0]);
    let left = told["TasksLeft"].iter().filter(|left| **left < 4.0);
    assert_eq!(left.take(3).collect::<Vec<_>>(), [&3.0, &2.0, &1.0]);
    assert!(told["SecondsToSwap"][0] < told["DeploymentSeconds"][0]);
    assert!(told["WaitSeconds"].len() > 10);
}
