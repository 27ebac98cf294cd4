//! What `deploy`, `status` and `abort` refuse before they call anything.

use crate::program::{assert_has, ebbtide, scratch, scratch_event};

#[test]
fn an_input_that_the_controller_refuses_is_refused_before_any_call() {
    scratch_event("deploy-wrong.json", r#", "bakeTime": "90""#);
    let ran = ebbtide("deploy @deploy-wrong.json").exits(1);
    let parts = ["InvalidInput", "bakeTime", "Nothing was started"];
    assert_has(&ran.stderr, &parts);
}

#[test]
fn an_input_must_be_of_the_state_machines_own_region() {
    scratch(
        "deploy-elsewhere.json",
        r#"{"cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/main", "serviceName": "chat",
            "taskDefinition": "chat:2"}"#,
    );
    let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:ebbtide:live";
    let line = format!("deploy @deploy-elsewhere.json --state-machine {machine}");
    assert_has(&ebbtide(&line).exits(1).stderr, &["eu-west-1", "us-east-1"]);
}

#[test]
fn wrong_names_and_arns_are_wrong_usage() {
    for line in [
        "deploy events/minimal.json --name not/a/name",
        "deploy events/minimal.json --name mine --commit 1234",
        "deploy no-such-file.json",
        "deploy events/minimal.json --state-machine arn:aws:lambda:us-east-1:123456789012:function:swap",
        "status arn:aws:states:us-east-1:123456789012:stateMachine:ebbtide",
        "status one --service chat",
        "abort a/b",
        "abort",
    ] {
        assert_ne!(ebbtide(line).exits(2).stderr, "", "{line}");
    }
}
