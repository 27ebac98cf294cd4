//! `ebbtide preflight`: what it finds, how it says so, and its exit status.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::program::{Ran, Served, assert_has, command, ebbtide, path, scratch, scratch_event};

/// The heading that a mistake comes under, its name, what was seen, and the fix.
const MISTAKES: &str = "
1 error
containerPort
containerPort 8080 should be one container port of chat:2, which maps: webserver:9090
Set containerName and containerPort as in the task definition

4 warnings
healthCheckTime
10 checks 300 s apart
aws elbv2 modify-target-group --target-group-arn arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/chat-tg-2/

4 warnings
deregistrationDelay
The deregistration delay of 3600 s is longer than the 60 s between two steps
Key=deregistration_delay.timeout_seconds,Value=300

4 warnings
stickiness
chat-tg-1 and chat-tg-2 send a client to the same target each time
Key=stickiness.enabled,Value=false

4 warnings
zones
2 tasks cannot be in all 3 zones, and cross-zone load balancing is off
Key=load_balancing.cross_zone.enabled,Value=true
";

#[test]
fn five_planted_mistakes_are_named_with_their_fix() {
    let mistakes = "tests/cli/mistakes.json --scenario tests/cli/mistakes-scenario.json";
    let ran = ebbtide(&format!("preflight {mistakes}")).exits(1);
    let text = ran.stdout;
    for finding in MISTAKES.trim().split("\n\n") {
        let [heading, name, seen, fix] = finding.lines().collect::<Vec<_>>()[..] else {
            panic!("{finding}");
        };
        let groups = text.split("\n\n").map(str::trim_start);
        let mut under = groups.filter(|group| group.starts_with(&format!("{heading}\n")));
        let group = under.next();
        let group = group.unwrap_or_else(|| panic!("no {heading}:\n{text}"));
        let told = group.split_once(&format!("\n  {name}\n"));
        let (_, told) = told.unwrap_or_else(|| panic!("no {name}:\n{text}"));
        let is_of_it = |line: &&str| line.starts_with("    ");
        let told: Vec<_> = told.lines().take_while(is_of_it).collect();
        let starts = ["    seen  ", "    why   ", "    fix   "];
        for (line, start) in told.iter().zip(starts) {
            assert!(line.starts_with(start), "{name}: {told:?}");
        }
        assert_has(told[0], &[seen]);
        let fixes = told[2..].iter().any(|line| line.contains(fix));
        assert!(fixes, "{name}: {told:?}");
        // To be copied, each by itself.
        let commands = told.iter().filter(|line| line.contains("aws "));
        for command in commands {
            assert!(command.trim_start().starts_with("aws "), "{command}");
            assert!(!command.contains("&&"), "{command}");
        }
    }
    assert!(
        text.ends_with("\nA deployment would be refused: PreflightFailed\n"),
        "{text}"
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_terminal_gets_lines_that_fit_and_whole_commands() {
    let mut narrow = command("preflight events/minimal.json --scenario @narrow.json");
    scratch("narrow.json", "{}");
    let text = Ran::of(narrow.env("COLUMNS", "80")).done();
    let (commands, others): (Vec<&str>, Vec<&str>) = text
        .lines()
        .partition(|line| line.trim_start().starts_with("aws "));
    assert!(commands.iter().any(|line| line.len() > 120), "{text}");
    for line in others {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_default_setup_has_no_warning() {
    scratch("default-world.json", "{}");
    for event in [
        "minimal",
        "sample",
        "full",
        "drain-percent",
        "drain-budget",
        "drain-within",
    ] {
        let line = format!("preflight events/{event}.json --scenario @default-world.json");
        let text = ebbtide(&format!("{line} --strict")).done();
        let parts = ["worth knowing", "\n  unhealthyTermination\n"];
        assert_has(&text, &parts);
    }
}

#[test]
fn a_service_corrected_as_it_says_would_be_deployed() {
    scratch(
        "corrected.json",
        r#"{"tasks": 3, "deregistrationDelaySeconds": 300,
            "loadBalancerAttributes": {"load_balancing.cross_zone.enabled": "true"}}"#,
    );
    scratch_event("corrected-event.json", r#", "scaledown_wait": 300"#);
    let corrected = "preflight @corrected-event.json --strict --scenario @corrected.json";
    assert_has(
        &ebbtide(corrected).done(),
        &["A deployment would start: service chat"],
    );
}

#[test]
fn warnings_end_a_strict_run_and_no_other() {
    scratch(
        "sticky.json",
        r#"{"targetGroupAttributes": {"stickiness.enabled": "true"}}"#,
    );
    let line = "preflight events/minimal.json --scenario @sticky.json";
    ebbtide(line).exits(0);
    ebbtide(&format!("{line} --strict")).exits(1);
}

#[test]
fn json_is_one_object_with_findings_and_plan() {
    let line = "preflight events/minimal.json --format json --scenario";
    scratch(
        "stacked.json",
        r#"{"stack": "infrastructure", "alternateTargetType": "instance"}"#,
    );
    let answer = ebbtide(&format!("{line} @stacked.json")).exits(1).json();
    assert_eq!(answer["status"], "refused");
    assert_eq!(answer["errors"], 1);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = answer["findings"].as_array().unwrap().iter();
    for finding in findings.clone() {
        let commands = finding["commands"].as_array().unwrap().iter();
        let commands: Vec<_> = commands.map(text).collect();
        let fix = text(&finding["fix"]);
        assert!(fix.ends_with(&commands.join(" && ")), "{finding}");
    }
    let names = findings.map(|one| (text(&one["severity"]), text(&one["name"])));
    let names: Vec<_> = names.collect();
    let has = |severity: &str, name: &str| names.contains(&(severity.into(), name.into()));
    assert_eq!(names[0], ("error".into(), "targetType".into()));
    assert!(has("warning", "stack") && has("info", "stack"), "{names:?}");
    scratch("fine.json", "{}");
    let answer = ebbtide(&format!("{line} @fine.json")).exits(0).json();
    assert_eq!(answer["status"], "passed");
    assert_eq!(answer["plan"]["steps"][3]["left"], 0);
}

#[test]
fn an_input_that_is_wrong_is_refused_and_a_missing_file_is_wrong_usage() {
    scratch("wrong-input.json", r#"{"cluster": "main", "bogus": 1}"#);
    let ran = ebbtide("preflight @wrong-input.json").exits(1);
    assert_has(&ran.stderr, &["InvalidInput"]);
    ebbtide("preflight no-such-file.json").exits(2);
}

#[test]
fn an_account_is_read_with_the_sdks_own_settings() {
    let account =
        Served::with("--event events/minimal.json --scenario tests/cli/mistakes-scenario.json");
    let preflight = |event: &str| {
        let mut preflight = command(&format!("preflight {event} --region us-east-1"));
        let preflight = preflight.env("AWS_ENDPOINT_URL", &account.address);
        Ran::of(preflight.envs(KEYS))
    };
    let text = preflight("events/minimal.json").done();
    let parts = ["account 555555555555, us-east-1", "\n  stickiness\n"];
    assert_has(&text, &parts);
    scratch(
        "elsewhere.json",
        r#"{"cluster": "no-such-cluster", "serviceName": "chat", "taskDefinition": "chat:2"}"#,
    );
    let said = preflight("@elsewhere.json").exits(1).stderr;
    let part = "no-such-cluster does not exist. Look them up: aws ecs list-clusters";
    assert_has(&said, &[part]);
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")];

/// A command in an account that is set by the environment alone.
fn account_with(line: &str, environment: &[(&str, &str)]) -> Ran {
    let region = if line.contains("--region") {
        ""
    } else {
        " --region us-east-1"
    };
    let mut command = command(&format!("{line}{region}"));
    let command = command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    for file in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        command.env(file, "/nowhere");
    }
    Ran::of(command.envs(environment.iter().copied()))
}

#[test]
fn an_account_that_does_not_answer_has_not_refused_anything() {
    let silent = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), KEYS[0], KEYS[1]];
    let answer = account_with("preflight events/minimal.json --format json", &silent)
        .exits(1)
        .json();
    assert_eq!(answer["status"], "unknown");
    assert_eq!(answer["error"], "Transient");
    assert_has(answer["hint"].as_str().unwrap(), &["AWS_ENDPOINT_URL"]);
    let said = account_with("preflight events/minimal.json", &silent).stderr;
    assert_has(&said, &["could not be reached. Check the network"]);
}

/// An address at which one call is denied, and the head of that call.
fn denying() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        let answer = "HTTP/1.1 400 Bad Request\r\nx-amzn-errortype: AccessDeniedException\r\n\
                      content-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        head.join("\n")
    });
    (address, asked)
}

#[test]
fn variables_of_aws_count_as_unset_where_they_are_empty_and_are_named_where_they_are_wrong() {
    for (variable, value) in [
        ("AWS_ENDPOINT_URL_SFN", ""),
        ("AWS_RETRY_MODE", "legacy"),
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_REGION", ""),
    ] {
        let (address, asked) = denying();
        let environment = [
            ("AWS_ENDPOINT_URL", address.as_str()),
            (variable, value),
            KEYS[0],
            KEYS[1],
        ];
        let said = account_with("status", &environment).exits(1).stderr;
        assert_has(&said, &["states:ListStateMachines answered"]);
        asked.join().unwrap();
    }
    // A role is assumed by a client of the SDK's own.
    scratch(
        "roles",
        "[profile prod]\naws_access_key_id = x\naws_secret_access_key = x\n\
         [profile role]\nrole_arn = arn:aws:iam::555555555555:role/r\nsource_profile = prod\n",
    );
    let (address, asked) = denying();
    let config = path("roles").display().to_string();
    let environment = [
        ("AWS_ENDPOINT_URL", address.as_str()),
        ("AWS_ENDPOINT_URL_STS", ""),
        ("AWS_CONFIG_FILE", &config),
    ];
    let said = account_with("status --profile role", &environment).exits(1);
    assert_has(&said.stderr, &["error: no credentials ("]);
    assert_has(&asked.join().unwrap(), &["/sts/aws4_request"]);
    for (variable, value, exit, why) in [
        (
            "AWS_ENDPOINT_URL",
            "aws",
            2,
            "AWS_ENDPOINT_URL is \"aws\"; allowed: ",
        ),
        (
            "AWS_ENDPOINT_URL_SFN",
            "//x",
            2,
            "AWS_ENDPOINT_URL_SFN is \"//x\"",
        ),
        ("AWS_SESSION_TOKEN", "a\nb", 1, "such as a line break"),
    ] {
        let environment = [(variable, value), KEYS[0], KEYS[1]];
        let said = account_with("status", &environment).exits(exit).stderr;
        assert_has(&said, &[why]);
    }
    let said = account_with("status --region ../x", &KEYS).exits(2).stderr;
    assert_has(
        &said,
        &["error: the region is \"../x\", which is no name of one"],
    );
}

#[test]
fn a_profile_that_is_named_comes_before_keys_of_the_environment() {
    scratch(
        "config",
        "[profile prod]\naws_access_key_id = of-prod\naws_secret_access_key = x\n",
    );
    let config = path("config").display().to_string();
    for (flag, signer) in [(" --profile prod", "of-prod/"), ("", "x/")] {
        let (address, asked) = denying();
        let environment = [
            ("AWS_ENDPOINT_URL", address.as_str()),
            ("AWS_CONFIG_FILE", &config),
            KEYS[0],
            KEYS[1],
        ];
        account_with(&format!("status{flag}"), &environment).exits(1);
        let signed = format!("Credential={signer}");
        assert_has(&asked.join().unwrap(), &[&signed]);
    }
}

#[test]
fn missing_credentials_are_one_sentence_and_one_status_of_every_command() {
    for keys in [&[][..], &KEYS] {
        let named = account_with("preflight events/minimal.json --profile nope", keys);
        assert_has(
            &named.exits(1).stderr,
            &["no credentials (the profile nope of"],
        );
    }
    let answer = account_with("preflight events/minimal.json --format json", &[]);
    let answer = answer.exits(1).json();
    assert_eq!(answer["status"], "unknown");
    assert_eq!(answer["error"], "NoCredentials");
    assert_has(answer["reason"].as_str().unwrap(), &["no credentials ("]);
    assert_has(answer["hint"].as_str().unwrap(), &["--profile"]);
    let machine = "arn:aws:states:us-east-1:555555555555:stateMachine:ebbtide:live";
    for line in [
        "preflight events/minimal.json",
        "deploy events/minimal.json",
        &format!("deploy events/minimal.json --state-machine {machine}"),
        "status",
        "pause main/chat",
        "abort a-name --yes",
    ] {
        let said = account_with(line, &[]).exits(1).stderr;
        assert_has(
            &said,
            &[
                "error: no credentials (none in the environment, ",
                "--profile",
            ],
        );
        assert!(
            !said.contains("\\n") && said.lines().count() == 1,
            "{line}: {said}"
        );
    }
}
