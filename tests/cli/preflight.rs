//! `ebbtide preflight`: what it finds, how it says so, and its exit status.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::run::{ebbtide, scratch, stderr, stdout};

const MISTAKES: [&str; 4] = [
    "preflight",
    "tests/cli/mistakes.json",
    "--scenario",
    "tests/cli/mistakes-scenario.json",
];

#[test]
fn five_planted_mistakes_are_named_with_what_mends_them() {
    let output = ebbtide(&MISTAKES);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stdout(&output);
    for (heading, name, seen, fix) in [
        (
            "1 error",
            "containerPort",
            "containerPort 8080 should be one container port of chat:2, which maps: webserver:9090",
            "Give containerName and containerPort as the task definition has them",
        ),
        (
            "4 warnings",
            "healthCheckTime",
            "10 checks 300 s apart",
            "aws elbv2 modify-target-group --target-group-arn arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/chat-tg-2/",
        ),
        (
            "4 warnings",
            "deregistrationDelay",
            "The deregistration delay of 3600 s is longer than the 60 s between two steps",
            "Key=deregistration_delay.timeout_seconds,Value=60",
        ),
        (
            "4 warnings",
            "stickiness",
            "chat-tg-1 and chat-tg-2 send a client to the same target each time",
            "Key=stickiness.enabled,Value=false",
        ),
        (
            "4 warnings",
            "zones",
            "2 tasks cannot be in all 3 zones, and cross-zone load balancing is off",
            "Key=load_balancing.cross_zone.enabled,Value=true",
        ),
    ] {
        let ends = |group: &&str| {
            group
                .lines()
                .next()
                .is_some_and(|line| line.ends_with(heading))
        };
        let group = text.split("\n\n").find(ends);
        let group = group.unwrap_or_else(|| panic!("no {heading}:\n{text}"));
        let told = group.split_once(&format!("\n  {name}\n"));
        let (_, told) = told.unwrap_or_else(|| panic!("no {name}:\n{text}"));
        let told: Vec<_> = told.lines().take(3).collect();
        assert!(
            told[0].starts_with("    seen  ") && told[0].contains(seen),
            "{name}: {told:?}"
        );
        assert!(told[1].starts_with("    why   "), "{name}: {told:?}");
        assert!(
            told[2].starts_with("    fix   ") && told[2].contains(fix),
            "{name}: {told:?}"
        );
    }
    assert!(
        text.contains("A deployment would be refused: PreflightFailed"),
        "{text}"
    );
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_service_mended_as_it_says_would_be_deployed() {
    let mended = scratch(
        "mended.json",
        r#"{"tasks": 3, "deregistrationDelaySeconds": 60,
            "loadBalancerAttributes": {"load_balancing.cross_zone.enabled": "true"},
            "targetGroupAttributes": {
                "target_health_state.unhealthy.connection_termination.enabled": "false"}}"#,
    );
    let output = ebbtide(&[
        MISTAKES[0],
        MISTAKES[1],
        "--strict",
        "--scenario",
        mended.to_str().unwrap(),
    ]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(
        text.contains("A deployment would start: service chat"),
        "{text}"
    );
}

#[test]
fn warnings_end_a_strict_run_and_no_other() {
    let scenario = scratch(
        "sticky.json",
        r#"{"targetGroupAttributes": {"stickiness.enabled": "true"}}"#,
    );
    let arguments = [
        "preflight",
        "events/minimal.json",
        "--scenario",
        scenario.to_str().unwrap(),
    ];
    assert_eq!(ebbtide(&arguments).status.code(), Some(0));
    let strict = [&arguments[..], &["--strict"]].concat();
    assert_eq!(ebbtide(&strict).status.code(), Some(1));
}

/// The answer of preflight in the world of a scenario, as JSON, and its exit status.
fn answered(scenario: &Path) -> (Value, Option<i32>) {
    let output = ebbtide(&[
        "preflight",
        "events/minimal.json",
        "--format",
        "json",
        "--scenario",
        scenario.to_str().unwrap(),
    ]);
    let answer = serde_json::from_str(&stdout(&output));
    (
        answer.unwrap_or_else(|_| panic!("{}", stderr(&output))),
        output.status.code(),
    )
}

#[test]
fn json_is_one_object_with_findings_and_plan() {
    let (answer, status) = answered(&scratch(
        "stacked.json",
        r#"{"stack": "infrastructure", "alternateTargetType": "instance"}"#,
    ));
    assert_eq!(status, Some(1));
    assert_eq!(answer["status"], "refused");
    assert_eq!(answer["errors"], 1);
    let names: Vec<_> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["severity"].as_str().unwrap(),
                one["name"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(names[0], ("error", "targetType"));
    assert!(names.contains(&("warning", "stack")), "{names:?}");
    assert!(names.contains(&("info", "stack")), "{names:?}");
    let (answer, status) = answered(&scratch("fine.json", "{}"));
    assert_eq!(status, Some(0));
    assert_eq!(answer["status"], "passed");
    assert_eq!(answer["plan"]["steps"][3]["left"], 0);
}

#[test]
fn an_input_that_is_wrong_is_refused_and_a_missing_file_is_wrong_usage() {
    let wrong = scratch("wrong-input.json", r#"{"cluster": "main", "bogus": 1}"#);
    let output = ebbtide(&["preflight", wrong.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("InvalidInput"),
        "{}",
        stderr(&output)
    );
    let output = ebbtide(&["preflight", "no-such-file.json"]);
    assert_eq!(output.status.code(), Some(2));
}

/// A simulated account on a loopback port, which ends with the test.
struct Account {
    server: Child,
    address: String,
}

impl Account {
    fn with(event: &str, scenario: &str) -> Self {
        let mut server = Command::new(env!("CARGO_BIN_EXE_ebbtide"))
            .args([
                "serve",
                "--port",
                "0",
                "--event",
                event,
                "--scenario",
                scenario,
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = server.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self { server, address }
    }

    fn preflight(&self, event: &str) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_ebbtide"))
            .args(["preflight", event, "--region", "us-east-1"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("AWS_ENDPOINT_URL", &self.address)
            .env("AWS_ACCESS_KEY_ID", "x")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn an_account_is_read_with_the_sdks_own_settings() {
    let account = Account::with("events/minimal.json", MISTAKES[3]);
    let output = account.preflight("events/minimal.json");
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("account 555555555555, us-east-1"), "{text}");
    assert!(text.contains("\n  stickiness\n"), "{text}");
    let elsewhere = scratch(
        "elsewhere.json",
        r#"{"cluster": "no-such-cluster", "serviceName": "chat", "taskDefinition": "chat:2"}"#,
    );
    let output = account.preflight(elsewhere.to_str().unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output)
            .contains("no-such-cluster does not exist. Look them up: aws ecs list-clusters"),
        "{}",
        stderr(&output)
    );
}

/// `preflight events/minimal.json` in an account that is set by the environment alone.
fn preflight_with(environment: &[(&str, &str)], more: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebbtide"));
    command
        .args(["preflight", "events/minimal.json", "--region", "us-east-1"])
        .args(more)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nowhere")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn an_account_that_does_not_answer_has_not_refused_anything() {
    let nobody = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];
    let output = preflight_with(&nobody, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (answer["status"].as_str(), answer["error"].as_str()),
        (Some("unknown"), Some("Transient")),
        "{answer}"
    );
    assert!(
        answer["hint"]
            .as_str()
            .unwrap()
            .contains("AWS_ENDPOINT_URL")
    );
    let output = preflight_with(&nobody, &[]);
    let text = stderr(&output);
    assert!(
        text.contains("could not be reached. Look at the network"),
        "{text}"
    );
}

#[test]
fn a_profile_without_credentials_is_named() {
    let output = preflight_with(&[], &["--profile", "nope"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    let text = stderr(&output);
    assert!(text.contains("the profile nope of"), "{text}");
    let output = preflight_with(&[], &[]);
    let text = stderr(&output);
    assert!(
        text.contains("no credentials") && text.contains("--profile"),
        "{text}"
    );
}
