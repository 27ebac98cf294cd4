//! The border between the state machine and the functions.

use serde_json::json;

use super::*;
use crate::deployment::{Answer, Progress, Status};
use crate::fixture::World;

const EXECUTION: &str = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:run-1";

fn event(step: &str, state: &Value) -> Value {
    json!({"step": step, "execution": EXECUTION, "startedAt": "2026-01-01T00:00:00Z", "state": state})
}

#[test]
fn a_deployment_survives_the_way_through_the_state_machine() {
    let deployment = World::swapped().deployment();
    let answer = Answer {
        status: Status::Draining,
        reason: "because".into(),
        wait: 60,
        deployment: deployment.clone(),
    };
    let parsed = Event::parse(event("scale-down", &answer.to_json())).unwrap();
    assert_eq!(parsed.deployment().unwrap(), deployment);
}

fn state_of(world: &World) -> Value {
    let answer = Answer {
        status: Status::Draining,
        reason: "because".into(),
        wait: 60,
        deployment: world.deployment(),
    };
    answer.to_json()
}

#[test]
fn a_renewal_and_what_cloudwatch_said_are_read_from_the_state() {
    let mut state = state_of(&World::swapped());
    state["lock"] = json!({"id": "main/web", "owner": EXECUTION, "fence": "12", "renewedAt": "2026-01-01T00:00:00Z"});
    state["alarms"] = json!({"names": ["errors", "lag"], "states": ["OK", "ALARM"]});
    let deployment = Event::parse(event("scale-down", &state))
        .unwrap()
        .deployment()
        .unwrap();
    assert!(deployment.lock.allows(EXECUTION, Some(0)));
    assert_eq!(deployment.lock.held.unwrap().fence, 12);
    assert_eq!(deployment.alarms[1].name, "lag");
    assert_eq!(deployment.alarms[1].state, "ALARM");
    for part in ["owner", "fence", "renewedAt"] {
        let mut partial = state.clone();
        partial["lock"].as_object_mut().unwrap().remove(part);
        let parsed = Event::parse(event("scale-down", &partial)).unwrap();
        assert_eq!(parsed.deployment().unwrap().lock.held, None, "{part}");
    }
}

#[test]
fn a_caught_failure_begins_a_rollback_and_is_kept_through_it() {
    let mut world = World::swapped();
    world.progress.waited = 600;
    let mut state = state_of(&world);
    state["error"] = json!({"Error": "DrainTimeout", "Cause": "too long"});
    let read = |state: &Value| {
        let parsed = Event::parse(event("rollback", state)).unwrap();
        parsed.deployment().unwrap()
    };
    let first = read(&state);
    assert_eq!(first.failure.as_ref().unwrap().error, "DrainTimeout");
    assert_eq!(first.progress, Progress::default());
    world.failure.clone_from(&first.failure);
    let mut state = state_of(&world);
    state["error"] = json!({"Error": "Transient", "Cause": "again"});
    let later = read(&state);
    assert_eq!(later.failure, first.failure);
    assert_eq!(later.progress.waited, 600);
}

#[test]
fn a_live_owner_is_named_with_what_it_is_doing() {
    let state = json!({
        "error": {"Error": "ConcurrentDeployment", "Cause": "Another one."},
        "holder": {"Item": {"id": {"S": "main/web"}, "owner": {"S": "arn:other"},
            "doing": {"S": "2 of 4 tasks left"}, "lastActivity": {"S": "2026-01-01T00:00:00Z"}}},
    });
    let cause = Event::parse(event("explain", &state))
        .unwrap()
        .failure()
        .cause;
    for part in [
        "main/web",
        "arn:other",
        "2 of 4 tasks left",
        "nothing was changed",
    ] {
        assert!(cause.contains(part), "{cause}");
    }
    let free = json!({"error": {"Error": "LockLost", "Cause": "Gone."}, "holder": {"Item": {"id": {"S": "main/web"}}}});
    let cause = Event::parse(event("explain", &free))
        .unwrap()
        .failure()
        .cause;
    assert!(cause.contains("nothing more was written"), "{cause}");
}

#[test]
fn an_event_that_is_not_the_state_machines_is_refused() {
    for wrong in [
        json!({"cluster": "main"}),
        json!(null),
        event("dance", &json!({})),
        json!({"step": "swap", "execution": "run-1", "startedAt": "", "state": {}}),
    ] {
        let refusal = Event::parse(wrong.clone()).unwrap_err();
        assert_eq!(refusal.error, ErrorName::InvalidInput, "{wrong}");
    }
    let parsed = Event::parse(event("swap", &json!({"cluster": "main"}))).unwrap();
    assert_eq!(
        parsed.deployment().unwrap_err().error,
        ErrorName::InvalidInput
    );
}

#[test]
fn a_state_that_names_a_target_group_of_another_account_is_refused() {
    let answer = Answer {
        status: Status::Draining,
        reason: String::new(),
        wait: 60,
        deployment: World::swapped().deployment(),
    };
    for foreign in [
        "arn:aws:elasticloadbalancing:us-east-1:111111111111:targetgroup/blue/0123456789abcdef",
        "arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/lb/1",
        "blue",
    ] {
        let mut state = answer.to_json();
        state["originalTargetGroup"] = json!(foreign);
        let event = Event::parse(event("scale-down", &state)).unwrap();
        let refusal = event.deployment().unwrap_err();
        assert_eq!(refusal.error, ErrorName::InvalidInput);
        assert!(refusal.seen.contains(foreign), "{refusal}");
    }
}

#[test]
fn a_state_that_names_one_target_group_twice_is_refused() {
    let mut state = state_of(&World::swapped());
    state["originalTargetGroup"] = state["replacementTargetGroup"].clone();
    let event = Event::parse(event("swap", &state)).unwrap();
    let refusal = event.deployment().unwrap_err();
    assert_eq!(refusal.error, ErrorName::InvalidInput);
}

#[test]
fn a_functions_error_is_reported_by_its_sentence() {
    let cause = r#"{"errorType":"Drift","errorMessage":"It is gone.\u0007"}"#;
    let caught = json!({"request": {}, "error": {"Error": "Drift", "Cause": cause}});
    let failure = Event::parse(event("rollback", &caught)).unwrap().failure();
    assert_eq!(failure.error, "Drift");
    assert_eq!(failure.cause, r"It is gone.\u{7}");
}

#[test]
fn an_error_of_step_functions_is_reported_in_its_own_words() {
    let caught = json!({"Error": "States.Timeout", "Cause": ""});
    let parsed = Event::parse(event("explain", &caught)).unwrap();
    assert_eq!(
        parsed.failure().cause,
        "Step Functions reported States.Timeout."
    );
}

#[test]
fn steps_are_named_once() {
    for step in Step::ALL {
        assert_eq!(json!(step), json!(step.as_str()));
    }
}

#[test]
fn what_failed_beside_the_lock_is_told_in_its_own_words() {
    let state = json!({
        "error": {"Error": "Sfn.AccessDeniedException", "Cause": "not authorized"},
        "holder": {"Item": {"id": {"S": "main/web"}, "owner": {"S": "arn:other"}}},
    });
    let failure = Event::parse(event("explain", &state)).unwrap().failure();
    assert_eq!(failure.cause, "not authorized");
}

#[test]
fn metrics_are_read_in_whatever_form_they_come_and_never_stop_a_step() {
    let read = |seen: Value| {
        let mut state = state_of(&World::swapped());
        state["seen"] = seen;
        let event = Event::parse(event("scale-down", &state)).unwrap();
        event.deployment().unwrap().flows
    };
    let flows = read(json!({"results": [
        {"Id": "newFlows", "Timestamps": ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00.000Z"], "Values": [60, 120.5]},
        {"Id": "activeFlows", "Timestamps": [1_767_225_600], "Values": [7]},
        {"Id": "connections", "Timestamps": "", "Values": ""},
        {"Id": "another", "Timestamps": ["2026-01-01T00:00:00Z"], "Values": [1]},
    ]}));
    assert_eq!(flows.new[0].at, 1_767_225_660);
    assert!((flows.new[0].value - 120.5).abs() < 1e-9);
    assert_eq!(flows.active[0].at, 1_767_225_600);
    assert_eq!(flows.connections, []);
    let caught = read(json!({"Error": "CloudWatch.AccessDenied", "Cause": "no"}));
    assert_eq!(caught.error.as_deref(), Some("CloudWatch.AccessDenied"));
    for strange in [
        json!(null),
        json!(7),
        json!({"results": 7}),
        json!({"results": [null, {"Id": 3}]}),
    ] {
        assert_eq!(read(strange), crate::flows::Flows::default());
    }
}
