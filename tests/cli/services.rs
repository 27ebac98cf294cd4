//! Several services in one execution: started, and followed with all that it has started.

use serde_json::{Value, json};

use crate::program::{Ran, assert_has, ebbtide, scratch};
use crate::step_functions::{Answer, Deployment, StepFunctions, error};

const MACHINE: &str = "arn:aws:states:us-east-1:555555555555:stateMachine:ebbtide:live";

fn input() -> Value {
    let service = |name: &str, after: &[&str]| {
        json!({"serviceName": name, "taskDefinition": format!("{name}:2"), "dependsOn": after,
            "readinessTimeout": 300, "drain": {"percent": 50, "every": 30}})
    };
    json!({"cluster": "main", "services": [service("app", &["db"]), service("db", &[])]})
}

/// What Step Functions answers of executions that have ended, the first of which is started.
fn answers(all: Vec<Deployment>, mut started: bool) -> impl FnMut(&str, &Value, usize) -> Answer {
    move |operation, asked, _| {
        let arn = asked["executionArn"].as_str();
        let of = || all.iter().find(|one| Some(one.arn()) == arn);
        match operation {
            "StartExecution" => {
                started = true;
                let arn = all[0].arn();
                (
                    200,
                    json!({"executionArn": arn, "startDate": 1_767_225_600}).to_string(),
                )
            }
            "DescribeExecution" if started => match of() {
                Some(one) => one.described(true),
                None => error("ExecutionDoesNotExist"),
            },
            "DescribeExecution" => error("ExecutionDoesNotExist"),
            "GetExecutionHistory" => of().unwrap().history(usize::MAX),
            _ => error("UnknownOperationException"),
        }
    }
}

fn deploy(file: &str, app: &str, more: &str) -> (Ran, StepFunctions) {
    let all = Deployment::of_services(&[("db", "{\"tasks\": 2}"), ("app", app)], &input());
    let step_functions = StepFunctions::new(answers(all, false));
    scratch(file, &input().to_string());
    let line = format!(
        "deploy @{file} --no-preflight --yes --name release-7 --state-machine {MACHINE} {more}"
    );
    let ran = Ran::of(&mut step_functions.command(&line));
    (ran, step_functions)
}

#[test]
fn the_executions_of_each_service_are_followed_with_the_one_that_starts_them() {
    let (ran, step_functions) = deploy("services.json", "{\"tasks\": 2}", "");
    let ran = ran.exits(0);
    assert_has(
        &ran.stdout,
        &[
            "execution release-7 of services app, db has ended",
            "starting db",
            "execution release-7-db-",
            "of service db in cluster main, db:2",
            "db: SUCCEEDED after 0:",
            "starting app",
            "app: SUCCEEDED after 0:",
            "SUCCEEDED after 0:",
            "every service is deployed",
        ],
    );
    assert_eq!(step_functions.called("StartExecution"), 1);
    let started = step_functions.asked("StartExecution");
    let machine = "arn:aws:states:us-east-1:555555555555:stateMachine:ebbtide-services:live";
    assert_eq!(started["stateMachineArn"], machine);
}

#[test]
fn an_execution_of_several_services_is_found_by_its_name() {
    let all = Deployment::of_services(&[("db", "{}"), ("app", "{}")], &input());
    // That of the stack's other state machine.
    let machine = all[0].arn().replace("-services:release-7", ":live");
    let machine = machine.replace(":execution:", ":stateMachine:");
    let step_functions = StepFunctions::new(answers(all, true));
    for command in ["status release-7", "abort release-7 --yes"] {
        let line = format!("{command} --state-machine {machine}");
        let ran = Ran::of(&mut step_functions.command(&line));
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_has(&said, &["release-7", "services app, db"]);
    }
}

#[test]
fn a_service_that_fails_is_named_and_those_before_it_are_undone() {
    let broken = r#"{"tasks": 2, "replacement": {"neverHealthy": true}}"#;
    let (ran, _) = deploy("services-broken.json", broken, "");
    let ran = ran.exits(1);
    assert_has(
        &ran.stdout,
        &[
            "app: FAILED with NotReadyTimeout after 0:",
            "deploying the earlier version of db again",
            "FAILED with ServiceFailed after 0:",
            "Deployed in their earlier version again: db.",
        ],
    );
}

#[test]
fn programs_see_which_service_an_object_is_about() {
    let (ran, _) = deploy("services-json.json", "{\"tasks\": 2}", "--format json");
    let ran = ran.exits(0);
    let objects: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |event: &str| {
        let these = objects
            .iter()
            .filter(move |object| object["event"] == event);
        these
            .map(|object| object["service"].as_str().unwrap_or("-"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("execution"), ["-", "db", "app"]);
    assert_eq!(of("serviceEnded"), ["db", "app"]);
    assert_eq!(of("ended"), ["-"]);
    assert_eq!(objects.last().unwrap()["event"], "ended");
    assert_eq!(objects.last().unwrap()["output"]["status"], "deployed");
    assert!(of("step").contains(&"db") && of("step").contains(&"-"));
}

#[test]
fn what_is_wrong_is_refused_before_any_call() {
    let step_functions = StepFunctions::new(|_, _, _| error("UnknownOperationException"));
    let mut wrong = input();
    wrong["services"][1]["dependsOn"] = json!(["app"]);
    scratch("wrong-services.json", &wrong.to_string());
    let line = format!("deploy @wrong-services.json --state-machine {MACHINE}");
    let ran = Ran::of(&mut step_functions.command(&line)).exits(1);
    assert_has(
        &ran.stderr,
        &["services[0].dependsOn is part of a cycle (app waits for db waits for app)"],
    );
    for command in ["plan", "simulate", "preflight", "serve --port 0 --event"] {
        let ran = ebbtide(&format!("{command} @wrong-services.json")).exits(1);
        assert_has(&ran.stderr, &["services[0].dependsOn is part of a cycle"]);
    }
}

#[test]
fn a_simulation_shows_every_service_and_what_its_clients_felt() {
    let ran = ebbtide("simulate events/services.json").exits(0);
    let said = ran.stdout;
    assert_has(
        &said,
        &[
            "4 services in cluster main",
            "Order: shop-db and shop-cache, then shop-app, then shop-ui.",
            "0:00:00  Starting shop-db and shop-cache",
            "shop-app: The replacement: steady and healthy",
            "SUCCEEDED: every service is deployed",
            "shop-ui       serves shop-ui:12 with 4 tasks; deployed 0:",
            "10,000 connections, cut 10,000 times within",
        ],
    );
    let times: Vec<_> = said
        .lines()
        .filter(|line| line.get(2..3) == Some(":") && line.starts_with(" 0:"))
        .map(|line| &line[1..8])
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(ebbtide("simulate events/services.json").stdout, said);
    let every = ebbtide("simulate events/services.json -v").stdout;
    assert!(every.lines().count() > 2 * said.lines().count());
    let without = ebbtide("simulate events/services.json --connections-per-task 0").stdout;
    assert!(!without.contains("connections, "), "{without}");
}

#[test]
fn a_scenario_says_of_one_service_what_is_different_for_it() {
    let one = json!({"services": {"shop-app": {"replacement": {"neverHealthy": true}}}});
    scratch("one-fails.json", &one.to_string());
    let line = "simulate events/services.json --scenario @one-fails.json --format json";
    let answer = ebbtide(line).exits(1).json()["deployments"][0].clone();
    assert_eq!(answer["summary"]["error"], "ServiceFailed");
    let of = |name: &str| {
        let services = answer["services"].as_array().unwrap();
        let found = services.iter().find(|service| service["name"] == name);
        let service = found.unwrap();
        let deployments = service["deployments"].as_array().unwrap().iter();
        let ended: Vec<_> = deployments.map(|one| one["status"].clone()).collect();
        (service["serves"].clone(), ended, service["running"].clone())
    };
    let (succeeded, failed) = (json!("SUCCEEDED"), json!("FAILED"));
    let twice = vec![succeeded.clone(), succeeded];
    assert_eq!(of("shop-db"), (json!("shop-db:3"), twice.clone(), json!(4)));
    assert_eq!(of("shop-cache"), (json!("shop-cache:8"), twice, json!(4)));
    assert_eq!(
        of("shop-app"),
        (json!("shop-app:30"), vec![failed], json!(4))
    );
    assert_eq!(of("shop-ui"), (json!("shop-ui:11"), vec![], json!(4)));
    let lines = answer["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["service"].is_null()));
    assert!(lines.iter().any(|line| line["service"] == "shop-db"));
}

#[test]
fn a_sibling_that_has_moved_no_traffic_yet_is_rolled_back() {
    let of = |name: &str| json!({"serviceName": name, "taskDefinition": format!("{name}:2")});
    let three = json!({"cluster": "main", "services": [of("a"), of("b"), of("c")]});
    let three = three
        .to_string()
        .replace(r#""b:2""#, r#""b:2","dependsOn":["a"]"#);
    scratch("three.json", &three);
    scratch(
        "third.json",
        r#"{"services": {"c": {"replacement": {"neverHealthy": true}}}}"#,
    );
    let ran = ebbtide("simulate @three.json --scenario @third.json").exits(1);
    assert_has(
        &ran.stdout,
        &[
            "FAILED: ServiceFailed: c: ReplacementFailed: ",
            "Rolled back: a. Not started: b.",
            "a             serves a:1 with 4 tasks; rolled back 0:00:00 to 0:",
        ],
    );
    // What Step Functions says of an execution is no sentence, and the end is said once.
    assert!(!ran.stdout.contains("ExecutionArn"), "{}", ran.stdout);
    let ends = ran
        .stdout
        .matches("Rolled back: a. Not started: b.")
        .count();
    assert_eq!(ends, 1);
}

#[test]
fn services_whose_names_begin_alike_have_resources_of_their_own() {
    let of = |end: &str| {
        let name = format!("acme-checkout-production-eu-{end}");
        json!({"serviceName": name, "taskDefinition": format!("{end}:2")})
    };
    let two = json!({"cluster": "main", "services": [of("frontend"), of("backend")]});
    scratch("long-names.json", &two.to_string());
    ebbtide("simulate @long-names.json").exits(0);
}

#[test]
fn operators_of_a_scenario_give_their_commands_to_its_service() {
    let commands = json!([{"afterSeconds": 420, "command": "rollback", "by": "alice"}]);
    let one = json!({"tasks": 2, "services": {"shop-db": {"commands": commands}}});
    scratch("one-is-rolled-back.json", &one.to_string());
    let line = "simulate events/services.json --scenario @one-is-rolled-back.json";
    let ran = ebbtide(line).exits(1);
    assert_has(
        &ran.stderr,
        &["main/shop-db: Operator's command: rollback by alice."],
    );
    assert_has(
        &ran.stdout,
        &[
            "ServiceFailed: An operator rolled it back. Rolled back: shop-db.",
            "shop-app      serves shop-app:30 with 2 tasks; not started",
        ],
    );
}

#[test]
fn a_scenario_that_speaks_of_another_service_is_refused() {
    for (scenario, why) in [
        (
            json!({"services": {"shop-ap": {"tasks": 2}}}),
            "services.shop-ap is none of the input's services: ",
        ),
        (
            json!({"services": {"shop-app": {"task": 2}}}),
            "services.shop-app: task is not a field of this object",
        ),
        (
            json!({"services": {"shop-app": {"limits": {"tasks": 2}}}}),
            "services.shop-app.limits: it is of the whole account",
        ),
    ] {
        scratch("of-another.json", &scenario.to_string());
        for command in ["simulate", "plan", "preflight"] {
            let line = format!("{command} events/services.json --scenario @of-another.json");
            assert_has(&ebbtide(&line).exits(2).stderr, &[why]);
        }
    }
    for (flag, why) in [
        (
            "--report @r.html",
            "--report is for deployments of one service",
        ),
        ("events/sample.json", "it is simulated alone"),
    ] {
        let line = format!("simulate events/services.json {flag}");
        assert_has(&ebbtide(&line).exits(2).stderr, &[why]);
    }
}

#[test]
fn preflight_and_plan_take_every_service() {
    scratch("usual.json", "{}");
    let line = "preflight events/services.json --scenario @usual.json";
    let ran = ebbtide(line).exits(0);
    let services = ["shop-ui", "shop-app", "shop-db", "shop-cache"];
    let headings = services.map(|name| format!("service {name} in cluster main"));
    assert_has(&ran.stdout, &headings.each_ref().map(String::as_str));
    let answer = ebbtide(&format!("{line} --format json")).exits(0).json();
    assert_eq!(
        answer["order"],
        json!([["shop-db", "shop-cache"], ["shop-app"], ["shop-ui"]])
    );
    let passed = answer["services"].as_array().unwrap().iter();
    assert!(passed.clone().all(|service| service["status"] == "passed"));
    assert_eq!(passed.len(), 4);
    let broken =
        json!({"services": {"shop-ui": {"listeners": [{"port": 80, "role": "production"}]}}});
    scratch("one-is-refused.json", &broken.to_string());
    let line = "preflight events/services.json --scenario @one-is-refused.json";
    assert_has(
        &ebbtide(line).exits(1).stdout,
        &["A deployment would be refused"],
    );

    let ran = ebbtide("plan events/services.json").exits(0);
    assert_has(
        &ran.stdout,
        &[
            "Order: ",
            "shop-cache\n",
            "the original drains in 2 steps",
            "All services\n",
            "3 groups one after another",
        ],
    );
    let answer = ebbtide("plan events/services.json --format json")
        .exits(0)
        .json();
    let planned = answer["services"].as_object().unwrap();
    assert_eq!(planned.len(), 4);
    assert_eq!(planned["shop-cache"]["steps"].as_array().unwrap().len(), 2);
    let seconds = |service: &str| planned[service]["secondsFromSwap"].as_u64().unwrap();
    let longest = seconds("shop-db").max(seconds("shop-cache"));
    let (app, ui) = (seconds("shop-app"), seconds("shop-ui"));
    assert_eq!(answer["total"]["secondsFromSwaps"], longest + app + ui);
    let calls = planned.values().map(|plan| plan["cost"]["calls"].as_u64());
    let calls: u64 = calls.map(Option::unwrap).sum();
    assert_eq!(answer["total"]["cost"]["calls"], calls);
}
