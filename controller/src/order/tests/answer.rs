//! The state between two turns.

use super::*;

fn event(kind: &str, state: &Value) -> Event {
    let event = json!({
        "order": kind, "execution": PARENT, "startedAt": START, "input": four(), "state": state,
        "machine": "arn:aws:states:us-east-1:555555555555:stateMachine:Ebbtide:live",
    });
    Event::parse(&event).unwrap().unwrap()
}

#[test]
fn an_answer_is_read_by_the_next_turn() {
    let application = parsed(&four());
    let first = event("order", &four());
    assert!(first.is_first());
    let mut standings = standings(&application);
    let next = next(&application, &mut standings, false);
    let Next::Start(numbers) = &next else {
        panic!("{next:?}")
    };
    for number in numbers {
        standings[*number].start();
    }
    let mut state = answer(&first, &application, &standings, &next, 0);
    assert_eq!(
        (&state["next"], &state["reason"]["code"]),
        (&json!("Deployments"), &json!("servicesStart"))
    );
    let start = &state["start"][0];
    assert_eq!(start["service"], "cache");
    assert_eq!(
        start["input"],
        json!({"cluster": "main", "serviceName": "cache", "taskDefinition": "cache:2"})
    );
    assert_eq!(start["siblings"], json!(["db"]));
    let name = state["start"][1]["name"].as_str().unwrap();
    let arn = format!("arn:aws:states:us-east-1:555555555555:execution:Ebbtide:{name}");
    assert_eq!(first.execution(name).as_str(), arn);
    state["ended"] =
        json!([{"service": "cache", "failure": {"Error": "E", "Cause": "C"}}, {"execution": "x"}]);
    let second = event("order", &state);
    assert!(!second.is_first());
    let before = Before::read(&second, &application).unwrap();
    assert_eq!((&before.standings, before.waited), (&standings, false));
    assert_eq!(before.reported("cache").unwrap().error, "E");
    assert_eq!(before.reported("db"), None);
    let item = Item::read(&event("siblings", &state["start"][0])).unwrap();
    assert_eq!(item.service, "cache");
    let beside: Vec<_> = item.beside(&application).map(Member::service).collect();
    assert_eq!(beside, ["db"]);
    for wrong in [
        json!({}),
        json!({"services": []}),
        json!({"services": [{"service": "db", "status": "waiting"}]}),
    ] {
        assert!(Before::read(&event("order", &wrong), &application).is_err());
    }
}

#[test]
fn every_stage_survives_the_state() {
    let why = "it is gone".to_owned();
    for stage in [
        Stage::Waiting,
        Stage::Started { starts: 2 },
        deployed(),
        failed(),
        Stage::Undoing { starts: 1 },
        Stage::Undone { warm: true },
        Stage::Kept { why },
    ] {
        let mut standing = Standing::new("db", Some(json!({"a": 1})));
        standing.stage = stage;
        let state = json!(standing);
        let read: Standing = serde_json::from_value(state).unwrap();
        assert_eq!(read, standing);
    }
}

#[test]
fn an_application_that_no_state_can_hold_is_refused() {
    let application = parsed(&four());
    let state = json!({"state": true});
    let event = event("order", &state);
    let earlier_of = |bytes: usize| {
        let standing = |member: &Member| {
            let earlier = json!({"tags": "b".repeat(bytes)});
            Standing::new(member.service(), Some(earlier))
        };
        application.members.iter().map(standing).collect::<Vec<_>>()
    };
    let fits = |bytes, first: &Value| {
        let standings = earlier_of(bytes);
        fits(&event, &application, &standings, first)
    };
    assert!(fits(20_000, &state).is_ok());
    let large = json!({"a": "b".repeat(200_000)});
    // The state that undoes them has each of these twice.
    for refusal in [fits(20_000, &large), fits(24_000, &state)] {
        let why = refusal.unwrap_err().to_string();
        assert!(why.contains(" bytes, and 180224 are allowed"), "{why}");
    }
}

#[test]
fn events_of_other_machines_are_left_to_others_and_wrong_ones_refused() {
    assert_eq!(Event::parse(&json!({"phase": "swap"})), None);
    for (field, value) in [
        ("order", json!("swap")),
        ("execution", json!("arn")),
        (
            "machine",
            json!("arn:aws:states:eu-west-1:555555555555:stateMachine:Ebbtide"),
        ),
        ("more", json!(1)),
    ] {
        let mut wrong = json!({
            "order": "order", "execution": PARENT, "startedAt": START, "input": {}, "state": {},
            "machine": "arn:aws:states:us-east-1:555555555555:stateMachine:Ebbtide",
        });
        wrong[field] = value;
        assert!(Event::parse(&wrong).unwrap().is_err(), "{field}");
    }
}
