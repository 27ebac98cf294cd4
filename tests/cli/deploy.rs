//! What `deploy`, `status` and `abort` refuse before they call anything.

use crate::program::{assert_has, ebbtide, scratch};

#[test]
fn an_input_that_the_controller_refuses_is_refused_before_any_call() {
    scratch(
        "deploy-wrong.json",
        r#"{"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2", "bakeTime": "90"}"#,
    );
    let ran = ebbtide("deploy @deploy-wrong.json").exits(1);
    assert_has(
        &ran.stderr,
        &["InvalidInput", "bakeTime", "Nothing was started"],
    );
}

#[test]
fn an_input_must_be_of_the_state_machines_own_region() {
    scratch(
        "deploy-elsewhere.json",
        r#"{"cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/main", "serviceName": "chat",
            "taskDefinition": "chat:2"}"#,
    );
    let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:ebbtide:live";
    let ran = ebbtide(&format!(
        "deploy @deploy-elsewhere.json --state-machine {machine}"
    ))
    .exits(1);
    assert_has(&ran.stderr, &["eu-west-1", "us-east-1"]);
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
