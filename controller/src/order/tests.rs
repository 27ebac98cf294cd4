use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::arn::Home;
use crate::fixture::Scene;
use crate::identity::DeploymentId;

const PARENT: &str = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide-services:release-7";
const START: &str = "2026-01-01T00:00:00.000Z";

fn home() -> Home {
    parent().home().clone()
}

fn parent() -> DeploymentId {
    DeploymentId::of_execution(PARENT, START).unwrap()
}

fn service(name: &str, after: &[&str]) -> Value {
    json!({"serviceName": name, "taskDefinition": format!("{name}:2"), "dependsOn": after})
}

/// A cache and a database, an application server that waits for both, and a UI that waits for it.
fn four() -> Value {
    json!({"cluster": "main", "services": [
        service("ui", &["app"]),
        service("app", &["db", "cache"]),
        service("cache", &[]),
        service("db", &[]),
    ]})
}

fn parsed(input: &Value) -> Application {
    Application::parse(input, &home()).unwrap()
}

fn standings(application: &Application) -> Vec<Standing> {
    let members = application.members.iter();
    let earlier = Some(json!({"taskDefinition": "it:1"}));
    members
        .map(|member| Standing::new(member.service(), earlier.clone()))
        .collect()
}

fn names(application: &Application, numbers: &[usize]) -> Vec<String> {
    let names = numbers
        .iter()
        .map(|number| application.members[*number].service());
    names.map(str::to_owned).collect()
}

fn deployed() -> Stage {
    let task_set = Some("ecs-svc/2".to_owned());
    Stage::Deployed { task_set }
}

fn failed() -> Stage {
    Stage::Failed(Failure {
        error: "NotReadyTimeout".to_owned(),
        cause: "It was not ready.".to_owned(),
    })
}

/// Starts what may start and has it end in this way, until the end: the waves in which services were started and
/// undone, and the failure.
fn played(application: &Application, fails: &[&str]) -> (Vec<Vec<String>>, Option<Failure>) {
    let mut standings = standings(application);
    let mut waves = Vec::new();
    loop {
        match next(application, &mut standings, false) {
            Next::Start(numbers) => {
                waves.push(names(application, &numbers));
                for number in numbers {
                    standings[number].start();
                }
                observe(
                    &mut standings,
                    |number| {
                        let name = application.members[number].service();
                        Some(if fails.contains(&name) {
                            Seen::Failed(Failure {
                                error: "NotReadyTimeout".to_owned(),
                                cause: "It was not ready.".to_owned(),
                            })
                        } else {
                            Seen::Succeeded { task_set: None }
                        })
                    },
                    |_| None,
                    false,
                );
            }
            Next::Undo(numbers) => {
                let wave = names(application, &numbers);
                waves.push(wave.iter().map(|name| format!("-{name}")).collect());
                for number in numbers {
                    standings[number].undo();
                }
                observe(
                    &mut standings,
                    |_| Some(Seen::Succeeded { task_set: None }),
                    |_| None,
                    false,
                );
            }
            Next::Wait(_) => panic!("nothing is under way"),
            Next::Deployed => return (waves, None),
            Next::Failed(failure) => return (waves, Some(failure)),
        }
    }
}

#[test]
fn services_start_once_all_that_they_wait_for_are_deployed() {
    let (waves, failure) = played(&parsed(&four()), &[]);
    assert_eq!(waves, [vec!["cache", "db"], vec!["app"], vec!["ui"]]);
    assert_eq!(failure, None);
    let application = parsed(&four());
    assert_eq!(application.waves(), [vec![2, 3], vec![1], vec![0]]);
}

#[test]
fn where_one_fails_the_earlier_ones_are_undone_last_first() {
    let (waves, failure) = played(&parsed(&four()), &["ui"]);
    let undone = [vec!["-app"], vec!["-cache", "-db"]];
    assert_eq!(waves[..3], [vec!["cache", "db"], vec!["app"], vec!["ui"]]);
    assert_eq!(waves[3..], undone);
    let failure = failure.unwrap();
    assert_eq!(failure.error, "ServiceFailed");
    assert_eq!(
        failure.cause,
        "ui: NotReadyTimeout: It was not ready. Deployed in their earlier version again: app, cache and db."
    );
}

#[test]
fn with_stop_they_stay_deployed_and_nothing_more_starts() {
    let mut input = four();
    input["onFailure"] = json!("stop");
    let (waves, failure) = played(&parsed(&input), &["app"]);
    assert_eq!(waves, [vec!["cache", "db"], vec!["app"]]);
    assert_eq!(
        failure.unwrap().cause,
        "app: NotReadyTimeout: It was not ready. Still deployed, as onFailure is stop: cache and db. Not started: ui."
    );
}

#[test]
fn what_another_service_needs_stays_where_that_one_was_not_undone() {
    let application = parsed(&four());
    let mut standings = standings(&application);
    standings[0].stage = failed();
    standings[1].stage = Stage::Kept {
        why: "a later execution has deployed it".to_owned(),
    };
    standings[2].stage = deployed();
    standings[3].stage = deployed();
    let Next::Failed(failure) = next(&application, &mut standings, false) else {
        panic!("{standings:?}")
    };
    assert_eq!(
        failure.cause,
        "ui: NotReadyTimeout: It was not ready. app stays deployed: a later execution has deployed it. cache stays \
         deployed: app depends on it, and stays deployed. db stays deployed: app depends on it, and stays deployed."
    );
}

#[test]
fn a_sibling_that_went_back_by_itself_is_undone() {
    let application = parsed(&four());
    let went_back = |error: &str| Failure {
        error: error.to_owned(),
        cause: "It went back.".to_owned(),
    };
    for (cache, said) in [
        (
            Seen::RolledBack(went_back("OperatorRollback")),
            "db: HealthLost: It went back. Rolled back: cache. Not started: ui and app.",
        ),
        // It was asked to, and what served before does not serve.
        (
            Seen::Failed(went_back("OperatorRollback")),
            "cache: OperatorRollback: It went back. db: HealthLost: It went back. Not started: ui and app.",
        ),
    ] {
        let mut standings = standings(&application);
        standings[2].start();
        standings[3].start();
        observe(
            &mut standings,
            |number| {
                Some(match number {
                    2 => cache.clone(),
                    _ => Seen::Failed(went_back("HealthLost")),
                })
            },
            |_| None,
            false,
        );
        let Next::Failed(failure) = next(&application, &mut standings, false) else {
            panic!("{standings:?}")
        };
        assert_eq!(failure.cause, said);
    }
}

#[test]
fn a_start_that_was_refused_is_not_tried_again_beside_a_service_that_has_failed() {
    let application = parsed(&four());
    let mut standings = standings(&application);
    standings[2].start();
    standings[3].start();
    let seen = |number| {
        Some(match number {
            2 => Seen::Absent,
            _ => Seen::Failed(Failure {
                error: "HealthLost".to_owned(),
                cause: "It went back.".to_owned(),
            }),
        })
    };
    // What was started may show a moment later.
    observe(&mut standings, seen, |_| None, false);
    assert_eq!(next(&application, &mut standings, false), Next::Wait(30));
    observe(&mut standings, seen, |_| None, true);
    let Next::Failed(failure) = next(&application, &mut standings, true) else {
        panic!("{standings:?}")
    };
    assert_eq!(
        failure.cause,
        "db: HealthLost: It went back. Not started: ui, app and cache."
    );
}

#[test]
fn what_served_before_is_back_if_its_task_definition_serves() {
    let mut scene = Scene::serving();
    let input = earlier_of(&scene);
    // Before the first swap none is PRIMARY.
    assert!(is_back(Some(&input), Some(&scene.world)));
    scene.world.task_sets[0].status = crate::world::TaskSetStatus::Primary;
    assert!(is_back(Some(&input), Some(&scene.world)));
    let other = json!({"taskDefinition": "web:77"});
    assert!(!is_back(Some(&other), Some(&scene.world)));
    // A first deployment has nothing to go back to.
    assert!(is_back(None, None));
    assert!(!is_back(None, Some(&scene.world)));
    assert_eq!(unclear(Some(&scene.world)), None);
    let unknown = crate::world::TaskSetStatus::from("RESTING");
    scene.world.task_sets[0].status = unknown;
    assert!(unclear(Some(&scene.world)).is_some());
}

#[test]
fn what_was_not_there_after_its_start_is_started_again_under_its_name_a_few_times() {
    let application = parsed(&four());
    let mut standings = standings(&application);
    let mut waits = Vec::new();
    let mut waited = false;
    let failure = loop {
        observe(
            &mut standings,
            |number| {
                Some(if number == 2 {
                    Seen::Absent
                } else {
                    Seen::Succeeded { task_set: None }
                })
            },
            |_| {
                Some(Failure {
                    error: "StepFunctions.AccessDeniedException".to_owned(),
                    cause: "No.".to_owned(),
                })
            },
            waited,
        );
        match next(&application, &mut standings, waited) {
            Next::Start(numbers) => {
                for number in numbers {
                    standings[number].start();
                }
                waited = false;
            }
            Next::Wait(wait) => {
                waits.push(wait);
                waited = true;
            }
            Next::Undo(numbers) => numbers.iter().for_each(|number| standings[*number].undo()),
            Next::Deployed => panic!("{standings:?}"),
            Next::Failed(failure) => break failure,
        }
    };
    assert_eq!(waits, [30, 60, 120, 240]);
    assert_eq!(
        failure.cause,
        "cache: StepFunctions.AccessDeniedException: No. Deployed in their earlier version again: db. Not started: ui \
         and app."
    );
}

#[test]
fn every_problem_of_every_service_is_named_by_its_field() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut input = four();
        change(&mut input);
        let problems = Application::read(&input, &home()).unwrap_err();
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    for (change, wanted) in [
        (
            &(|input: &mut Value| input["services"][3]["dependsOn"] = json!(["ui"]))
                as &dyn Fn(&mut Value),
            "services[0].dependsOn is part of a cycle (ui waits for app waits for db waits for ui); allowed: a list of \
             different names of services of this input, without a cycle",
        ),
        (
            &|input| input["services"][2]["dependsOn"] = json!(["cache"]),
            "services[2].dependsOn[0] is \"cache\"; allowed: another service of this input, once each: ui, app and db",
        ),
        (
            &|input| input["services"][0]["dependsOn"] = json!(["app", "app"]),
            "services[0].dependsOn[1] is \"app\"; allowed: another service of this input, once each: app, cache and db",
        ),
        (
            &|input| input["services"][0]["dependsOn"] = json!("app"),
            "services[0].dependsOn is \"app\"; allowed: a list of different names of services of this input, without a \
             cycle",
        ),
        (
            &|input| input["services"][3]["serviceName"] = json!("cache"),
            "services[3].serviceName is \"cache\"; allowed: a service that services[2] is not\n\
             services[1].dependsOn[0] is \"db\"; allowed: another service of this input, once each: ui, cache and cache",
        ),
        (
            &|input| input["services"][1]["cluster"] = json!("other"),
            "services[1].cluster is \"other\"; allowed: main, the cluster of services[0]: an application has one",
        ),
        (
            &|input| input["services"][1]["drain"] = json!({"percent": 0, "every": 60}),
            "services[1].drain.percent is 0; allowed: percent of the desired count per step, above 0 and at most 100",
        ),
        (
            &|input| input["services"][1]["dryRun"] = json!(true),
            "services[1].dryRun is true; allowed: dryRun beside services, for all of them",
        ),
        (
            &|input| input["services"][1] = json!(7),
            "services[1] is 7; allowed: the input of a deployment, and where needed dependsOn",
        ),
        (
            &|input| input["services"] = json!([]),
            "services is []; allowed: a list of 1 to 20 objects, each the input of a deployment, and where needed \
             dependsOn",
        ),
        (
            &|input| input["onfailure"] = json!("stop"),
            "onfailure is not a field of the input (did you mean onFailure?)",
        ),
        (
            &|input| input["onFailure"] = json!("undo"),
            "onFailure is \"undo\"; allowed: undoEarlier or stop",
        ),
        (
            &|input| {
                input["dryRun"] = json!(1);
                input["comment"] = json!(2);
            },
            "dryRun is 1; allowed: true or false\ncomment is 2; allowed: text of at most 1024 characters",
        ),
    ] {
        assert_eq!(with(change), wanted);
    }
}

#[test]
fn executions_have_names_of_their_own_that_fit() {
    let application = parsed(&four());
    let long = DeploymentId::of_execution(
        &format!("{}{}", &PARENT[..PARENT.len() - 9], "r".repeat(80)),
        START,
    );
    let mut all = std::collections::BTreeSet::new();
    let again = DeploymentId::of_execution(PARENT, "2026-06-01T00:00:00.000Z").unwrap();
    for id in [parent(), long.unwrap(), again] {
        for member in &application.members {
            for undoes in [false, true] {
                let name = member.execution(&id, undoes);
                assert!(name.len() <= 80, "{name}");
                assert!(all.insert(name));
            }
        }
    }
    assert_eq!(all.len(), 24);
    assert!(all.iter().any(|name| name.starts_with("release-7-cache-")));
}

#[test]
fn the_earlier_version_is_asked_for_with_all_that_it_ran_with_and_nothing_that_holds_it_back() {
    let mut scene = Scene::serving();
    scene.request.alarms = vec!["errors".to_owned()];
    scene.request.subnets = Some(vec!["subnet-new".to_owned()]);
    let window = json!({"from": "22:00", "to": "06:00", "zone": "Europe/Berlin"});
    let asked = crate::request::Request::parse(
        &json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2", "drain": {"within": 900}, "window": window}),
        &home(),
    )
    .unwrap();
    (scene.request.drain, scene.request.window) = (asked.drain, asked.window);
    scene.request.finish_by = Some(scene.world.now);
    let serves = scene.world.task_sets[0].clone();
    let earlier = earlier(&scene.request, &scene.world, &serves.id).unwrap();
    assert_eq!(earlier.task_definition, serves.task_definition);
    assert_eq!(
        earlier.subnets,
        serves.network.map(|network| network.subnets)
    );
    assert_eq!(
        (earlier.launch, earlier.platform_version),
        (serves.launch, serves.platform_version)
    );
    assert_eq!(earlier.drain, scene.request.drain);
    assert!(earlier.alarms.is_empty() && earlier.shift.is_none());
    assert_eq!((earlier.window, earlier.finish_by), (None, None));
    let mut input = earlier_of(&scene);
    input["comment"] = json!("x");
    assert!(crate::request::Request::parse(&input, &home()).is_ok());
}

fn earlier_of(scene: &Scene) -> Value {
    let serves = &scene.world.task_sets[0].id;
    earlier(&scene.request, &scene.world, serves)
        .unwrap()
        .to_json()
}

#[test]
fn only_what_this_execution_has_deployed_is_undone() {
    let mut scene = Scene::serving();
    let input = earlier_of(&scene);
    scene.world.task_sets[0].status = crate::world::TaskSetStatus::Primary;
    let ours = scene.world.task_sets[0].id.to_string();
    let by = |earlier, ours, world| can_be_undone(earlier, Some(ours), world);
    assert_eq!(by(Some(&input), &ours, Some(&scene.world)), Ok(()));
    for (undoing, why) in [
        (
            by(None, &ours, Some(&scene.world)),
            "there was no earlier version".to_owned(),
        ),
        (
            by(Some(&input), &ours, None),
            "the service is gone".to_owned(),
        ),
        (
            by(Some(&input), "ecs-svc/9", Some(&scene.world)),
            format!("{ours} serves now, and this execution has deployed ecs-svc/9"),
        ),
    ] {
        assert_eq!(undoing, Err(why));
    }
}

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

/// Up to eight services, each of which waits for some of those before it.
fn drawn() -> impl Strategy<Value = (Value, Vec<bool>)> {
    let service = (prop::collection::vec(any::<bool>(), 8), any::<bool>());
    prop::collection::vec(service, 1..8).prop_map(|drawn| {
        let services = drawn.iter().enumerate().map(|(number, (after, _))| {
            let after: Vec<_> = (0..number).filter(|on| after[*on]).map(|on| format!("s{on}")).collect();
            json!({"serviceName": format!("s{number}"), "taskDefinition": "it:2", "dependsOn": after})
        });
        let services: Value = services.collect();
        let fails = drawn.iter().map(|(_, fails)| *fails).collect();
        (json!({"cluster": "main", "services": services}), fails)
    })
}

proptest! {
    #[test]
    fn every_service_starts_once_after_all_it_waits_for_and_is_undone_before_them((input, fails) in drawn()) {
        let application = parsed(&input);
        let failing = fails.iter().enumerate().filter(|(_, fails)| **fails);
        let failing: Vec<String> = failing.map(|(number, _)| format!("s{number}")).collect();
        let failing: Vec<_> = failing.iter().map(String::as_str).collect();
        let (waves, failure) = played(&application, &failing);
        let steps: Vec<_> = waves.concat();
        let at = |name: String| steps.iter().position(|step| *step == name);
        for member in &application.members {
            let name = member.service();
            let started = steps.iter().filter(|step| *step == name).count();
            prop_assert!(started <= 1);
            let undone = at(format!("-{name}"));
            // A service that was deployed is undone exactly where another one has failed.
            let was_deployed = started == 1 && !failing.contains(&name);
            prop_assert_eq!(undone.is_some(), was_deployed && failure.is_some());
            for on in &member.after {
                let on = application.members[*on].service().to_owned();
                if let Some(started) = at(name.to_owned()) {
                    prop_assert!(at(on.clone()).is_some_and(|before| before < started));
                    prop_assert!(!failing.contains(&on.as_str()));
                }
                if let (Some(mine), Some(its)) = (undone, at(format!("-{on}"))) {
                    prop_assert!(mine < its);
                }
            }
        }
        prop_assert_eq!(failure.is_none(), failing.is_empty());
    }
}
