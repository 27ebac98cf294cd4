//! Several services in one execution: started, and followed with all that it has started.

use serde_json::{Value, json};

use crate::program::{Ran, assert_has, scratch};
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
fn answers(all: Vec<Deployment>) -> impl FnMut(&str, &Value, usize) -> Answer {
    let mut started = false;
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
    let step_functions = StepFunctions::new(answers(all));
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
    let ran = Ran::of(&mut step_functions.command("plan @wrong-services.json")).exits(1);
    assert_has(
        &ran.stderr,
        &["services is here; allowed: the input of the state machine STACK-services"],
    );
}
