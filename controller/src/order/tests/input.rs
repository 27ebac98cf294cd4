//! What an input may be, and what its executions are called.

use super::*;

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
