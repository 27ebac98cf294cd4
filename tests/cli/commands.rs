//! What each command prints, where, and its exit status.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::run::{ebbtide, scratch, stderr, stdout};

#[test]
fn a_simulation_tells_its_story_and_ends_with_the_world() {
    let output = ebbtide(&["simulate", "events/sample.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in [
        "CheckAndCreateService",
        "3 of 4 tasks left after step 1 of 4",
        "SUCCEEDED: service sample-external-deployment runs",
        "PRIMARY",
        "isProduction=true",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert_eq!(stderr(&output), "");
}

#[test]
fn the_same_command_prints_the_same_bytes() {
    let arguments = ["simulate", "events/sample.json", "events/sample.json"];
    assert_eq!(ebbtide(&arguments).stdout, ebbtide(&arguments).stdout);
}

#[test]
fn a_second_deployment_starts_from_the_world_that_the_first_has_left() {
    let saved = scratch("left.json", "");
    let saved = saved.to_str().unwrap();
    let first = ebbtide(&[
        "simulate",
        "events/minimal.json",
        "--save-world",
        saved,
        "--format",
        "json",
    ]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let second = ebbtide(&[
        "simulate",
        "events/minimal.json",
        "--world",
        saved,
        "--format",
        "json",
    ]);
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    let group = |output: &Output| {
        let answer: Value = serde_json::from_str(&stdout(output)).unwrap();
        let sets = answer["deployments"][0]["summary"]["taskSets"].clone();
        assert_eq!(sets.as_array().unwrap().len(), 1);
        assert_eq!(sets[0]["status"], "PRIMARY");
        sets[0]["targetGroup"].clone()
    };
    assert_ne!(group(&first), group(&second));
}

#[test]
fn json_is_one_object_with_the_states_in_order() {
    let output = ebbtide(&["simulate", "events/sample.json", "--format", "json"]);
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let summary = &answer["deployments"][0]["summary"];
    assert_eq!(summary["status"], "SUCCEEDED");
    assert_eq!(summary["states"][0], "Preflight");
    assert!(answer["deployments"][0]["lines"].as_array().unwrap().len() > 20);
}

#[test]
fn a_trace_holds_history_world_and_calls() {
    let trace = scratch("trace.jsonl", "");
    let output = ebbtide(&[
        "simulate",
        "events/minimal.json",
        "--trace",
        trace.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0));
    let text = std::fs::read_to_string(trace).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for kind in ["history", "world", "call"] {
        assert!(lines.iter().any(|line| line.get(kind).is_some()), "{kind}");
    }
}

#[test]
fn a_deployment_that_fails_exits_with_1_and_says_what_remains() {
    let scenario = scratch("sick.json", r#"{"replacement": {"neverHealthy": true}}"#);
    let output = ebbtide(&[
        "simulate",
        "events/minimal.json",
        "--scenario",
        scenario.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("FAILED: NotReadyTimeout: "), "{text}");
    assert!(text.contains("Rolled back: "), "{text}");
}

#[test]
fn bad_input_is_refused_with_1_before_anything_runs() {
    let event = scratch(
        "bad.json",
        r#"{"cluster": "main", "serviceName": "web", "taskDefinition": "web", "scaledown_wait": "60"}"#,
    );
    let output = ebbtide(&["simulate", event.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    let text = stderr(&output);
    for part in [
        "InvalidInput",
        "taskDefinition is \"web\"; allowed: ",
        "scaledown_wait is \"60\"; allowed: ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_by_its_field() {
    for (text, parts) in [
        (
            r#"{"replacement": {"crashesAfterSeconds": "soon"}}"#,
            ["replacement.crashesAfterSeconds: invalid type", "line 1"],
        ),
        (
            r#"{"alarms": [{"name": "a", "colour": 1}]}"#,
            ["alarms[0].colour: unknown field", "line 1"],
        ),
        ("{} {}", ["trailing characters", "line 1"]),
        ("{", ["EOF", "line 1"]),
    ] {
        let path = scratch("wrong-scenario.json", text);
        let arguments = ["simulate", "events/minimal.json", "--scenario"];
        let output = ebbtide(&[&arguments[..], &[path.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2), "{text}");
        let said = stderr(&output);
        for part in parts
            .iter()
            .chain(&["wrong-scenario.json is not a scenario"])
        {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let not_json = scratch("not.json", "{");
    let no_scenario = scratch("no-scenario.json", r#"{"colour": 1}"#);
    for arguments in [
        &["simulate"][..],
        &["dance"],
        &["simulate", "nowhere.json"],
        &["simulate", not_json.to_str().unwrap()],
        &[
            "simulate",
            "events/minimal.json",
            "--scenario",
            no_scenario.to_str().unwrap(),
        ],
        &["serve", "--speed", "0"],
    ] {
        let output = ebbtide(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_ne!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn the_simulated_aws_answers_on_a_loopback_port() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_ebbtide"))
        .args(["serve", "--port", "0", "--event", "events/minimal.json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim()
        .strip_prefix("listening on http://")
        .unwrap()
        .to_owned();
    let body = r#"{"cluster": "main", "services": ["chat"]}"#;
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         X-Amz-Target: AmazonEC2ContainerServiceV20141113.DescribeServices\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(answer.contains("\"serviceName\":\"chat\""), "{answer}");
}

#[test]
fn a_plan_shows_the_steps_that_a_simulation_then_makes() {
    let scenario = scratch(
        "plan.json",
        r#"{"tasks": 5, "timings": {"jitterPercent": 0}, "clients": {}}"#,
    );
    let scenario = scenario.to_str().unwrap();
    for event in ["within", "tasks", "budget", "percent"] {
        let event = format!("events/drain-{event}.json");
        let planned = ebbtide(&["plan", &event, "--scenario", scenario, "--format", "json"]);
        assert_eq!(planned.status.code(), Some(0), "{}", stderr(&planned));
        let planned: Value = serde_json::from_str(&stdout(&planned)).unwrap();
        let left: Vec<_> = planned["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["left"].as_u64().unwrap())
            .filter(|left| *left > 0)
            .collect();
        let simulated = stdout(&ebbtide(&["simulate", &event, "--scenario", scenario]));
        let made: Vec<u64> = simulated
            .lines()
            .filter_map(|line| {
                let (before, _) = line.split_once(" of 5 tasks left after step")?;
                before.rsplit(' ').next()?.parse().ok()
            })
            .collect();
        assert_eq!(left, made, "{event}");
        let cost = &planned["cost"];
        assert!(
            cost["invocations"].as_u64().unwrap() > left.len() as u64,
            "{cost}"
        );
    }
}

#[test]
fn a_simulation_of_a_budget_says_what_its_clients_felt() {
    let text = stdout(&ebbtide(&["simulate", "events/drain-budget.json"]));
    let told = text.lines().find(|line| line.starts_with("  clients  "));
    let told = told.unwrap_or_else(|| panic!("{text}"));
    // Four tasks with the 2,500 connections each that the budget counts on.
    assert!(
        told.contains(" 10000 connections, 10000 cut over "),
        "{told}"
    );
    assert!(told.ends_with("; 0 tries refused"), "{told}");
    let json = stdout(&ebbtide(&[
        "simulate",
        "events/drain-budget.json",
        "--format",
        "json",
    ]));
    let answer: Value = serde_json::from_str(&json).unwrap();
    let clients = &answer["deployments"][0]["clients"];
    assert_eq!(clients["cut"], 10_000);
    let minute = clients["reconnectsPerSecondInBusiestMinute"].as_u64();
    assert!(
        minute.is_some_and(|minute| (1..=500).contains(&minute)),
        "{clients}"
    );
    // A drain by percent has nobody connected unless a scenario says so.
    assert!(!stdout(&ebbtide(&["simulate", "events/sample.json"])).contains("  clients  "));
}

#[test]
fn a_plan_warns_of_what_will_not_go_well_and_says_what_would() {
    let output = ebbtide(&[
        "plan",
        "events/drain-budget.json",
        "--tasks",
        "200",
        "--connections-per-task",
        "60000",
        "--new-connections-per-second-per-task",
        "10",
        "--zones",
        "3",
        "--for-reconnects",
        "4000",
        "--for-seconds",
        "7200",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in [
        "The deregistration delay of 300 s is longer than",
        "60000 connections a task are more than the 55000",
        "each replacement task, and it accepts 10",
        "original has tasks in fewer than 3 zones",
        "no drain within a day keeps to 4000 reconnects in every second: the smallest step has 24000",
        "half of what all of them accept",
        "within 7200 s: \"drain\": {\"within\": 7200}",
        "by a deadline of 7200 s until the last task has gone: \"drain\": {\"reconnectsPerSecond\": ",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let stops = scratch(
        "stops.json",
        r#"{"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2",
            "drain": {"reconnectsPerSecond": 10, "connectionsPerTask": 2500, "deadline": 3600, "onDeadline": "stop"}}"#,
    );
    let stopped = ebbtide(&["plan", stops.to_str().unwrap(), "--tasks", "40"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
    assert!(stdout(&stopped).contains("it stops at the deadline"));
    let refused = ebbtide(&[
        "plan",
        "events/drain-budget.json",
        "--deregistration-delay",
        "3600",
    ]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stdout(&refused).starts_with("error: preflight will refuse it: "));
    for (scenario, said) in [
        (r#"{"tasks": 0}"#, "0 tasks"),
        (r#"{"stopTimeoutSeconds": 4294967295}"#, "a year at most"),
        (
            r#"{"clients": {"reconnectWithinSeconds": 4294967295}}"#,
            "reconnectWithinSeconds",
        ),
        (r#"{"firstDeployment": true}"#, "first deployment"),
    ] {
        let path = scratch("impossible.json", scenario);
        let output = ebbtide(&[
            "plan",
            "events/drain-budget.json",
            "--scenario",
            path.to_str().unwrap(),
        ]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{scenario}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(said),
            "{scenario}: {}",
            stderr(&output)
        );
    }
    let tight = scratch(
        "tight.json",
        r#"{"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2",
            "drain": {"reconnectsPerSecond": 5, "connectionsPerTask": 2500, "deadline": 600}}"#,
    );
    let text = stdout(&ebbtide(&[
        "plan",
        tight.to_str().unwrap(),
        "--tasks",
        "40",
    ]));
    assert!(
        text.contains("its budget cannot be kept by its deadline of 600 s, and the deadline binds"),
        "{text}"
    );
    assert!(
        text.contains("limit         the deadline of the budget"),
        "{text}"
    );
}

#[test]
fn a_plan_of_an_input_that_is_refused_is_refused_alike() {
    let both = scratch(
        "both.json",
        r#"{"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2",
            "drain": {"within": 60, "tasks": 1}}"#,
    );
    let output = ebbtide(&["plan", both.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("2 ways of pacing at once"),
        "{}",
        stderr(&output)
    );
}
