//! Deployments that are started, followed and shown, with a Step Functions that has its bad days.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{Ran, Served, assert_has, path, scratch};
use crate::step_functions::{Answer, Deployment, EXECUTION, StepFunctions, error, page};

const FAILS: &str = r#"{"replacement": {"crashesAfterSeconds": 5}}"#;

fn follow(step_functions: &StepFunctions) -> Ran {
    Ran::of(&mut step_functions.command(&format!("status {EXECUTION} --follow --every 1")))
}

#[test]
fn what_describe_execution_says_decides_without_a_history() {
    for (scenario, exit, end) in [
        ("{}", 0, "SUCCEEDED after 0:"),
        (FAILS, 1, "FAILED with ReplacementFailed after 0:"),
    ] {
        for refused in ["AccessDeniedException", "ThrottlingException"] {
            let deployment = Deployment::minimal(scenario);
            let step_functions = StepFunctions::new(move |operation, _, before| match operation {
                "DescribeExecution" => deployment.described(before > 1),
                _ => error(refused),
            });
            let ran = follow(&step_functions).exits(exit);
            assert_has(&ran.stderr, &[refused, "followed without its history"]);
            assert_eq!(ran.stderr.matches("history").count(), 1, "{}", ran.stderr);
            assert_has(&ran.stdout, &[end]);
        }
    }
}

#[test]
fn what_passes_does_not_end_the_following() {
    let bad: [fn() -> Answer; 6] = [
        || page(403),
        || error("AccessDeniedException"),
        || (200, String::new()),
        // One check: the SDK itself makes three attempts.
        || error("ThrottlingException"),
        || error("InternalServerError"),
        || page(502),
    ];
    let deployment = Deployment::minimal("{}");
    let events = deployment.events();
    let step_functions = StepFunctions::new(move |operation, _, before| match operation {
        // The first one finds it.
        "DescribeExecution" if (1..=bad.len()).contains(&before) => bad[before - 1](),
        "DescribeExecution" => deployment.described(before > bad.len() + 1),
        _ => deployment.history(events),
    });
    let ran = follow(&step_functions).exits(0);
    assert_has(&ran.stdout, &["SUCCEEDED after 0:"]);
    assert_eq!(
        ran.stderr.matches("following goes on").count(),
        1,
        "{}",
        ran.stderr
    );
    assert_has(&ran.stderr, &["AWS answers again"]);
}

#[test]
fn a_closed_terminal_does_not_end_the_following() {
    let step_functions = StepFunctions::new(Deployment::minimal("{}").ends_after(3));
    let line = format!("status {EXECUTION} --follow --every 1");
    let mut command = step_functions.command(&line);
    let mut following = command
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let id = following.id().to_string();
    let sent = Command::new("kill").args(["-HUP", &id]).status().unwrap();
    assert!(sent.success());
    let last = lines.last().unwrap().unwrap();
    assert!(last.starts_with("SUCCEEDED after"), "{last}");
    assert_eq!(following.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_pass_ends_the_following_and_not_the_deployment() {
    let deployment = Deployment::minimal("{}");
    let step_functions = StepFunctions::new(move |operation, _, before| match operation {
        "DescribeExecution" if before > 0 => error("ExpiredTokenException"),
        "DescribeExecution" => deployment.described(false),
        _ => deployment.history(1),
    });
    let ran = follow(&step_functions).exits(3);
    let parts = [
        "renew your credentials",
        "the deployment goes on",
        "--follow",
    ];
    assert_has(&ran.stderr, &parts);
}

/// `deploy` of a service that is not looked at, with the answers to `StartExecution`, after which the
/// execution is there.
fn start(answers: &'static [fn() -> Answer], more: &str) -> (Ran, usize) {
    let deployment = Deployment::minimal("{}");
    let mut started = false;
    let step_functions = StepFunctions::new(move |operation, _, before| match operation {
        "StartExecution" => {
            started = true;
            answers[before.min(answers.len() - 1)]()
        }
        "DescribeExecution" if !started => error("ExecutionDoesNotExist"),
        "DescribeExecution" => deployment.described(true),
        _ => deployment.history(deployment.events()),
    });
    let machine = "arn:aws:states:us-east-1:555555555555:stateMachine:ebbtide:live";
    let line =
        format!("deploy events/minimal.json --no-preflight --state-machine {machine} {more}");
    let ran = Ran::of(&mut step_functions.command(&line));
    (ran, step_functions.called("StartExecution"))
}

fn accepted() -> Answer {
    (
        200,
        format!(r#"{{"executionArn": "{EXECUTION}", "startDate": 1767225600}}"#),
    )
}

#[test]
fn a_start_is_recognised_whatever_becomes_of_its_answer() {
    let lost: &[fn() -> Answer] = &[
        || error("InternalServerError"),
        || error("ExecutionAlreadyExists"),
    ];
    let blocked: &[fn() -> Answer] = &[|| page(502), || error("ExecutionAlreadyExists")];
    let throttled: &[fn() -> Answer] = &[
        || error("ThrottlingException"),
        || error("ThrottlingException"),
        accepted,
    ];
    let full: &[fn() -> Answer] = &[
        || error("ExecutionLimitExceeded"),
        || error("ExecutionLimitExceeded"),
        accepted,
    ];
    for (answers, calls) in [(lost, 2), (blocked, 2), (throttled, 3), (full, 3)] {
        // With --again as well: one command starts one execution.
        for again in ["", "--again"] {
            let (ran, called) = start(answers, again);
            assert_has(&ran.exits(0).stdout, &["SUCCEEDED after"]);
            assert_eq!(called, calls);
        }
    }
}

#[test]
fn an_execution_that_was_there_before_is_not_started_again() {
    let ended = StepFunctions::new(Deployment::minimal("{}").ends_after(0));
    let line = "deploy events/minimal.json --no-preflight --name chat-2 --state-machine \
                arn:aws:states:us-east-1:555555555555:stateMachine:ebbtide:live";
    let ran = Ran::of(&mut ended.command(line)).exits(1);
    assert_has(
        &ran.stderr,
        &["Nothing was started", "ended SUCCEEDED", "--again"],
    );
    let runs = StepFunctions::new(Deployment::minimal("{}").ends_after(2));
    let ran = Ran::of(&mut runs.command(&format!("{line} --every 1"))).exits(0);
    assert_has(&ran.stdout, &["SUCCEEDED after"]);
    for step_functions in [ended, runs] {
        assert_eq!(step_functions.called("StartExecution"), 0);
    }
}

#[test]
fn what_preflight_refuses_is_not_started() {
    let account = Served::with("--event events/minimal.json");
    scratch(
        "typo.json",
        r#"{"cluster": "mian", "serviceName": "chat", "taskDefinition": "chat:2"}"#,
    );
    scratch(
        "caht.json",
        r#"{"cluster": "main", "serviceName": "caht", "taskDefinition": "chat:2"}"#,
    );
    let deploy = |event: &str| {
        let step_functions = StepFunctions::new(|operation, _, _| match operation {
            "StartExecution" => accepted(),
            "DescribeExecution" => error("ExecutionDoesNotExist"),
            _ => error("UnknownOperationException"),
        });
        let machine = "arn:aws:states:us-east-1:555555555555:stateMachine:ebbtide:live";
        let line = format!("deploy {event} --no-follow --state-machine {machine}");
        let mut command = step_functions.command(&line);
        command.env("AWS_ENDPOINT_URL", &account.address);
        command.env("AWS_ENDPOINT_URL_SFN", step_functions.address());
        let ran = Ran::of(&mut command);
        (ran, step_functions.called("StartExecution"))
    };
    for (event, why) in [
        ("@typo.json", "mian does not exist"),
        ("@caht.json", "caht"),
    ] {
        let (ran, started) = deploy(event);
        assert_has(&ran.exits(1).stderr, &["Nothing was started", why]);
        assert_eq!(started, 0, "{event}");
    }
    for (event, more) in [
        ("events/minimal.json", ""),
        ("@typo.json", "--no-preflight"),
    ] {
        let (ran, started) = deploy(&format!("{event} {more}"));
        assert_eq!(ran.exits(0).stdout.trim(), EXECUTION);
        assert_eq!(started, 1, "{event}");
    }
}

#[test]
fn status_is_a_table_and_one_execution_has_its_cause() {
    let (runs, failed) = (Deployment::minimal("{}"), Deployment::minimal(FAILS));
    let draining = runs.until("Wait", 1);
    let step_functions = StepFunctions::new(move |operation, input, _| {
        let is_failed = input["executionArn"]
            .as_str()
            .is_some_and(|arn| arn.ends_with("chat-1"));
        match operation {
            "ListExecutions" => {
                let listed = |name: &str| {
                    let arn = EXECUTION.replace("chat-2", name);
                    serde_json::json!({"executionArn": arn, "name": name, "status": "RUNNING",
                        "stateMachineArn": "x", "startDate": 1})
                };
                let listed = [listed("chat-2"), listed("chat-1")];
                let running = input["statusFilter"] == "RUNNING";
                let listed = if running { &listed[..1] } else { &listed[1..] };
                (200, serde_json::json!({ "executions": listed }).to_string())
            }
            "DescribeExecution" if is_failed => {
                let (status, text) = failed.described(true);
                (status, text.replace("chat-2", "chat-1"))
            }
            "DescribeExecution" => runs.described(false),
            _ if is_failed => failed.history(failed.events()),
            _ => runs.history(draining),
        }
    });
    let machine = "arn:aws:states:us-east-1:555555555555:stateMachine:ebbtide:live";
    let run = |line: &str| Ran::of(&mut step_functions.command(line));
    let table = run(&format!("status --state-machine {machine}")).done();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0].len(), 7);
    assert_eq!(
        rows[1][..4],
        ["main/chat", "drain", "4/4", "chat:2"],
        "{table}"
    );
    assert_eq!(rows[1].last(), Some(&"replacement"));
    assert_eq!(rows[2], ["chat-2"]);
    assert_eq!(rows[3][..4], ["main/chat", "FAILED", "-", "chat:2"]);
    assert_eq!(rows[3].last(), Some(&"original"));
    assert!(!table.contains("ReplacementFailed"), "{table}");
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );

    let one = run(&format!("status {}", EXECUTION.replace("chat-2", "chat-1")))
        .exits(1)
        .stdout;
    assert_has(
        &one,
        &[
            "FAILED with ReplacementFailed after",
            "serves       original",
        ],
    );
    let json = run(&format!("status --format json --state-machine {machine}")).json();
    assert_eq!(json["executions"][0]["phase"], "drain");
    assert_eq!(json["executions"][0]["serves"], "replacement");
    assert_eq!(json["executions"][0]["drain"]["running"], 4);
}

#[test]
fn a_job_of_github_gets_an_annotation_and_a_summary() {
    for (scenario, exit, line, heading) in [
        (
            "{}",
            0,
            "\n::notice title=service chat in cluster main%2C chat%3A2 SUCCEEDED::SUCC",
            "SUCCEEDED\n",
        ),
        (
            FAILS,
            1,
            "\n::error title=service chat in cluster main%2C chat%3A2 FAILED::FAILED",
            "FAILED: Repl",
        ),
    ] {
        let step_functions = StepFunctions::new(Deployment::minimal(scenario).ends_after(0));
        let summary = format!("summary-{exit}.md");
        scratch(&summary, "before\n");
        let mut command = step_functions.command(&format!("status {EXECUTION} --follow"));
        command.env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_STEP_SUMMARY", path(&summary));
        let ran = Ran::of(&mut command).exits(exit);
        assert_has(&ran.stdout, &[line]);
        let summary = std::fs::read_to_string(path(&summary)).unwrap();
        let parts = [
            "before\n### Ebbtide: ",
            heading,
            "| execution | [chat-2](https://us-east-1.console.",
        ];
        assert_has(&summary, &parts);
        let plain = Ran::of(&mut step_functions.command(&format!("status {EXECUTION} --follow")));
        assert!(!plain.stdout.contains("::"), "{}", plain.stdout);
    }
}

#[test]
fn proxies_and_certificates_are_those_of_the_environment() {
    let proxy = StepFunctions::new(Deployment::minimal("{}").ends_after(0));
    let mut command = proxy.command(&format!("status {EXECUTION} --format json"));
    command.env("AWS_ENDPOINT_URL", "http://states.example.invalid");
    command
        .env("HTTP_PROXY", proxy.address())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    let shown: Value = Ran::of(&mut command).exits(0).json();
    assert_eq!(shown["executions"][0]["status"], "SUCCEEDED");
    let (secure, certificate) = StepFunctions::behind_tls(Deployment::minimal("{}").ends_after(0));
    scratch("bundle.pem", &certificate);
    let mut command = secure.command(&format!("status {EXECUTION}"));
    command.env("AWS_CA_BUNDLE", path("bundle.pem"));
    let done = Ran::of(&mut command).done();
    assert_has(&done, &["SUCCEEDED after"]);
    let bundle = path("no-bundle.pem");
    let mut command = proxy.command(&format!("status {EXECUTION}"));
    let ran = Ran::of(command.env("AWS_CA_BUNDLE", &bundle)).exits(2);
    assert_has(&ran.stderr, &["AWS_CA_BUNDLE", "no-bundle.pem"]);
}

#[test]
fn a_report_of_an_execution_is_made_from_its_history() {
    for (scenario, parts) in [
        (
            "{}",
            [
                "SUCCEEDED after 0:",
                "\nScaleDown\n</text>",
                ">Cleanup</th>",
            ],
        ),
        (
            FAILS,
            [
                "FAILED with ReplacementFailed",
                "\nRollback\n</text>",
                ">Rollback</th>",
            ],
        ),
    ] {
        let step_functions = StepFunctions::new(Deployment::minimal(scenario).ends_after(0));
        let line = format!("report {EXECUTION} --output @of-execution.html");
        let printed = Ran::of(&mut step_functions.command(&line)).done();
        assert!(
            printed.trim_end().ends_with("of-execution.html"),
            "{printed}"
        );
        let page = std::fs::read_to_string(path("of-execution.html")).unwrap();
        assert_has(&page, &parts);
        let everywhere = [
            "<h1>Deployment of service chat in cluster main, chat:2</h1>",
            "aria-label=\"States. Preflight from 0:00:00, ",
            "aria-label=\"Tasks. original",
            ">What was said</h2>",
        ];
        assert_has(&page, &everywhere);
        // Each of the two twice: for a screen, and for a phone.
        assert_eq!(page.matches("<svg ").count(), 4);
        let piped = line.replace("@of-execution.html", "-");
        assert_eq!(Ran::of(&mut step_functions.command(&piped)).done(), page);
    }
}
