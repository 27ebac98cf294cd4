//! The border between the state machine and the functions.

use serde_json::json;

use super::*;
use crate::deployment::{Answer, Deployment, Outgoing, Plan, Progress};
use crate::fixture::Scene;
use crate::lock::{Item, Seen};
use crate::phase::{Phase, To};
use crate::reason::{DrainProgress, Draining, Reason, Shortfall, Stage};
use crate::world::Targets;

const EXECUTION: &str = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:run-1";

fn event(phase: &str, state: &Value) -> Value {
    json!({"phase": phase, "execution": EXECUTION, "startedAt": "2026-01-01T00:00:00Z", "state": state})
}

fn read(phase: &str, state: &Value) -> Deployment {
    let parsed = Event::parse(event(phase, state)).unwrap();
    parsed.deployment().unwrap()
}

#[test]
fn a_deployment_survives_the_way_through_the_state_machine() {
    for outgoing in [
        Outgoing::Original,
        Outgoing::Replacement,
        Scene::leftover(),
        Outgoing::Leftover(None),
    ] {
        let mut scene = Scene::swapped();
        scene.outgoing = outgoing;
        let mut answer = scene.answer();
        answer.plan.finishing = true;
        let mut lock = scene.deployment().lock;
        (lock.fence, lock.turn) = (Some(12), 8);
        lock.seen = Some(Seen { rev: 3, waited: 41 });
        let Answer { plan, progress, .. } = answer.clone();
        let carried = Deployment {
            plan,
            progress,
            lock,
        };
        assert_eq!(read("scale-down", &answer.to_json(&carried.lock)), carried);
    }
}

#[test]
fn programs_read_a_code_and_numbers_beside_the_sentence() {
    let mut answer = Scene::swapped().answer();
    answer.reason = Reason::Drain(Box::new(Draining {
        outgoing: Outgoing::Original,
        task_set: Some("ecs-svc/1".into()),
        progress: DrainProgress {
            left: 3,
            of: 4,
            running: 4,
            step: 1,
            next_step: Some(60),
            last_step: None,
            done: Some(480),
        },
        stage: Stage::Pause { seconds: 60 },
        deleted_alarms: Vec::new(),
        late: None,
    }));
    let state = answer.to_json(&Scene::swapped().deployment().lock);
    assert_eq!(state["next"], "Wait");
    assert_eq!(
        state["reason"],
        json!({"code": "pause", "text": "original ecs-svc/1: scaled to 3 of 4 tasks; next step in 60 s", "drain": {"left": 3, "of": 4, "running": 4, "step": 1, "nextStep": 60, "done": 480}})
    );
    for (shortfall, wanted) in [
        (
            Shortfall::Tasks {
                running: 1,
                pending: 2,
                wanted: 4,
            },
            json!({"of": "runningTasks", "seen": 1, "wanted": 4}),
        ),
        (
            Shortfall::HealthyTargets {
                targets: Targets {
                    healthy: 3,
                    ..Targets::default()
                },
                wanted: 4,
            },
            json!({"of": "healthyTargets", "seen": 3, "wanted": 4}),
        ),
        (Shortfall::SteadyState, Value::Null),
    ] {
        answer.reason = Reason::NotReady {
            is_original: false,
            incoming: None,
            shortfall,
            stopped: None,
            not_placed: None,
            wait: 60,
        };
        let state = answer.to_json(&Scene::swapped().deployment().lock);
        assert_eq!(state["reason"]["shortfall"], wanted);
    }
}

#[test]
fn a_start_is_known_to_the_millisecond() {
    let mut event = event("swap", &json!({}));
    event["startedAt"] = json!("2026-01-01T00:00:00.250Z");
    let parsed = Event::parse(event).unwrap();
    assert_eq!(parsed.started(), 1_767_225_600_250);
}

#[test]
fn a_caught_failure_begins_a_rollback_that_overtakes_what_failed() {
    let mut scene = Scene::swapped();
    scene.progress.waited = 600;
    let mut state = scene.state();
    state["lock"]["turn"] = json!(8);
    state["failure"] = json!({"Error": "States.Timeout", "Cause": "too long"});
    let first = read("rollback", &state);
    assert_eq!(first.plan.failure.as_ref().unwrap().error, "States.Timeout");
    let drained = Progress {
        step: scene.progress.step,
        spent: 600,
        interrupted: true,
        ..Progress::default()
    };
    assert_eq!(first.progress, drained, "a step of the drain may land late");
    assert_eq!(first.lock.turn, 9);
}

#[test]
fn a_rollback_keeps_its_failure_and_its_progress() {
    let mut scene = Scene::swapped().failed("DrainTimeout");
    scene.progress.waited = 600;
    let mut answer = scene.answer();
    for to in [To::Rollback, To::WaitForOriginal] {
        answer.to = to;
        let carried = scene.deployment();
        assert_eq!(read("rollback", &answer.to_json(&carried.lock)), carried);
    }
}

#[test]
fn a_failure_of_the_rollback_does_not_hide_its_reason() {
    let mut state = Scene::swapped().failed("DrainTimeout").state();
    state["failure"] = json!({"Error": "Transient", "Cause": "again"});
    let failure = read("rollback", &state).plan.failure.unwrap();
    assert_eq!(failure.error, "DrainTimeout");
    assert_eq!(failure.cause, "It went wrong. Then: again");
}

#[test]
fn an_answer_that_leads_nowhere_is_a_failure_that_names_it() {
    let mut state = Scene::swapped().state();
    state["next"] = json!("Elsewhere");
    let failure = read("rollback", &state).plan.failure.unwrap();
    assert_eq!(failure.error, "UnexpectedAnswer");
    assert!(failure.cause.contains("Elsewhere"), "{}", failure.cause);
}

#[test]
fn a_rollback_that_is_taken_over_keeps_what_it_named() {
    let before = Scene::swapped().plan();
    let mut mine = Scene::serving().plan();
    (mine.original, mine.replacement) = (None, None);
    let event = Event::parse(event("check-and-create", &json!({}))).unwrap();
    let item = |phase, plan: &str| Item {
        phase: Some(phase),
        plan: Some(plan.to_owned()),
        ..Item::default()
    };
    let plan = before.to_json();
    let (phase, named) = mine
        .unfinished(&item(Phase::Rollback, &plan), &event)
        .unwrap();
    assert_eq!(phase, Phase::Rollback);
    assert!(named.finishing);
    assert_eq!(named.original, before.original);
    assert_eq!(named.replacement, before.replacement);
    let foreign = plan.replace("555555555555", "111111111111");
    for plan in ["", "{}", "null", &foreign, &mine.to_json()] {
        let unfinished = mine.unfinished(&item(Phase::Rollback, plan), &event);
        assert_eq!(unfinished, None, "{plan}");
    }
    let drain = mine.unfinished(&item(Phase::ScaleDown, &plan), &event);
    assert_eq!(drain, None);
    let back = Plan {
        outgoing: Outgoing::Replacement,
        ..before
    };
    let back = back.to_json();
    assert!(
        mine.unfinished(&item(Phase::ScaleDown, &back), &event)
            .is_some()
    );
}

#[test]
fn an_event_that_is_not_the_state_machines_is_refused() {
    for wrong in [
        json!({"cluster": "main"}),
        json!(null),
        event("dance", &json!({})),
        json!({"phase": "swap", "execution": "run-1", "startedAt": "", "state": {}}),
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
    for foreign in [
        "arn:aws:elasticloadbalancing:us-east-1:111111111111:targetgroup/blue/0123456789abcdef",
        "arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/lb/1",
        "blue",
    ] {
        let mut state = Scene::swapped().state();
        state["plan"]["originalTargetGroup"] = json!(foreign);
        let event = Event::parse(event("scale-down", &state)).unwrap();
        let refusal = event.deployment().unwrap_err();
        assert_eq!(refusal.error, ErrorName::InvalidInput);
        assert!(refusal.problem.contains(foreign), "{refusal}");
    }
}

#[test]
fn a_state_that_names_one_target_group_twice_is_refused() {
    let mut state = Scene::swapped().state();
    state["plan"]["originalTargetGroup"] = state["plan"]["replacementTargetGroup"].clone();
    let event = Event::parse(event("swap", &state)).unwrap();
    let refusal = event.deployment().unwrap_err();
    assert_eq!(refusal.error, ErrorName::InvalidInput);
}

#[test]
fn a_functions_error_is_reported_by_its_sentence() {
    let cause = r#"{"errorType":"Transient","errorMessage":"It is gone.\u0007"}"#;
    let caught = json!({"request": {}, "failure": {"Error": "Transient", "Cause": cause}});
    let failure = Event::parse(event("rollback", &caught)).unwrap().failure();
    assert_eq!(failure.error, "Transient");
    assert_eq!(failure.cause, r"It is gone.\u{7}");
}

#[test]
fn an_error_of_step_functions_is_reported_in_its_own_words() {
    let caught = json!({"failure": {"Error": "States.Timeout", "Cause": ""}});
    let parsed = Event::parse(event("rollback", &caught)).unwrap();
    assert_eq!(
        parsed.failure().cause,
        "Step Functions reported States.Timeout."
    );
}

#[test]
fn phases_are_named_once() {
    for phase in Phase::ALL {
        assert_eq!(
            serde_json::from_value::<Phase>(json!(phase.as_str())).unwrap(),
            phase
        );
    }
}

#[test]
fn the_end_of_a_failed_deployment_has_the_keys_of_a_caught_error() {
    let failure = Failure {
        error: "Drift".into(),
        cause: "It moved".into(),
    };
    let state = failed(&failure, "Rolled back.");
    assert_eq!(
        state["failure"],
        json!({"Error": "Drift", "Cause": "It moved. Rolled back."})
    );
    assert_eq!(state["next"], "DeploymentFailed");
}
