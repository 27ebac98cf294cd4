mod answer;
mod input;
mod undo;

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
