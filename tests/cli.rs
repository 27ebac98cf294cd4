//! The command line as people meet it: what it prints, where, and its exit status.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn ebbtide(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ebbtide"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file of this test's own.
fn scratch(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

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
