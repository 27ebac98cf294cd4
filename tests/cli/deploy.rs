//! What `deploy`, `status` and `abort` refuse before they call anything.

use crate::run::{ebbtide, scratch, stderr};

#[test]
fn an_input_that_the_controller_refuses_is_refused_before_any_call() {
    let event = scratch(
        "deploy-wrong.json",
        r#"{"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2", "bakeTime": "90"}"#,
    );
    let output = ebbtide(&["deploy", event.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for part in ["InvalidInput", "bakeTime", "Nothing was started"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn an_input_must_be_of_the_state_machines_own_region() {
    let event = scratch(
        "deploy-elsewhere.json",
        r#"{"cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/main", "serviceName": "chat",
            "taskDefinition": "chat:2"}"#,
    );
    let output = ebbtide(&[
        "deploy",
        event.to_str().unwrap(),
        "--state-machine",
        "arn:aws:states:us-east-1:123456789012:stateMachine:ebbtide:live",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("eu-west-1") && said.contains("us-east-1"),
        "{said}"
    );
}

#[test]
fn wrong_names_and_arns_are_wrong_usage() {
    for arguments in [
        vec!["deploy", "events/minimal.json", "--name", "not a name"],
        vec![
            "deploy",
            "events/minimal.json",
            "--name",
            "mine",
            "--commit",
            "1234",
        ],
        vec!["deploy", "no-such-file.json"],
        vec![
            "deploy",
            "events/minimal.json",
            "--state-machine",
            "arn:aws:lambda:us-east-1:123456789012:function:swap",
        ],
        vec![
            "status",
            "arn:aws:states:us-east-1:123456789012:stateMachine:ebbtide",
        ],
        vec!["status", "one", "--service", "chat"],
        vec!["abort", "a/b"],
        vec!["abort"],
    ] {
        let output = ebbtide(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty(), "{arguments:?}");
    }
}
