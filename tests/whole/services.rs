//! Several services of one application: the parent state machine over the one that deploys one service.

use ebbtide_permissions::judged;
use ebbtide_simulator::asl::{HistoryEvent, Outcome, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::{Fault, StartFault};
use ebbtide_simulator::world::{Behaviour, TaskSet, World};
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::{Value, json};

fn names(service: &str) -> Names {
    let names = Names::default();
    let (region, account) = (&names.region, &names.account);
    Names {
        load_balancer_arn: Some(format!(
            "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/net/{service}/1234567890abcdef"
        )),
        task_definition: format!("{service}:2"),
        service: service.to_owned(),
        ..names
    }
}

fn scenario() -> Scenario {
    Scenario {
        tasks: 2,
        ..Scenario::default()
    }
}

/// One whose replacement never becomes healthy.
fn broken() -> Scenario {
    Scenario {
        replacement: Behaviour {
            never_healthy: true,
            ..Behaviour::default()
        },
        ..scenario()
    }
}

fn world(services: &[(&str, Scenario)]) -> World {
    let named: Vec<_> = services
        .iter()
        .map(|(name, scenario)| (scenario, names(name)))
        .collect();
    let services: Vec<_> = named
        .iter()
        .map(|(scenario, names)| (*scenario, names))
        .collect();
    Scenario::world_of_services(&services).unwrap()
}

fn service(name: &str, after: &[&str]) -> Value {
    json!({
        "serviceName": name, "taskDefinition": format!("{name}:2"), "dependsOn": after,
        "readinessTimeout": 300, "bakeTime": 0, "drain": {"percent": 50, "every": 30},
    })
}

fn input(services: &[Value]) -> Value {
    json!({"cluster": Names::default().cluster, "services": services})
}

/// A cache, a database, an application server and a UI, each of which waits for the one before it.
fn chain() -> Value {
    input(&[
        service("ui", &["app"]),
        service("app", &["db"]),
        service("db", &["cache"]),
        service("cache", &[]),
    ])
}

/// The task sets of a service that are not being deleted.
fn living<'w>(world: &'w World, cluster: &str, service: &str) -> Vec<&'w TaskSet> {
    let sets = world.task_sets_of(cluster, service).into_iter();
    sets.filter(|set| set.status.as_str() != "DRAINING")
        .collect()
}

/// Tasks of a task set that run.
fn running(world: &World, task_set: &str) -> usize {
    let tasks = world.tasks_of(task_set).into_iter();
    tasks
        .filter(|task| task.last_status.counts_as_running())
        .count()
}

struct Ended {
    outcome: Outcome,
    installation: Installation,
    world: World,
}

impl Ended {
    fn cause(&self) -> &str {
        match &self.outcome.status {
            Status::Failed { cause, .. } => cause,
            other => panic!("{other:?}"),
        }
    }

    fn output(&self) -> &Value {
        match &self.outcome.status {
            Status::Succeeded { output } => output,
            other => panic!("{other:?}"),
        }
    }

    /// Of every service: the revision that its one task set runs, and how many tasks of it.
    fn serves(&self, service: &str) -> (String, usize) {
        let names = names(service);
        let sets = living(&self.world, &names.cluster, service);
        let [set] = sets[..] else { panic!("{sets:?}") };
        let revision = set.task_definition.rsplit(':').next().unwrap();
        (revision.to_owned(), running(&self.world, &set.id))
    }

    /// The executions that were started, in their order, without the parent's name and the hash.
    fn started(&self) -> Vec<String> {
        let mut all: Vec<_> = self
            .world
            .executions()
            .filter(|execution| !execution.state_machine_arn.ends_with("-services"))
            .collect();
        all.sort_by_key(|execution| (execution.start_date_ms, &execution.name));
        let short = |name: &str| {
            let rest = name.strip_prefix("release-7-").unwrap();
            let parts: Vec<_> = rest.split('-').collect();
            match parts[..] {
                [service, _] => service.to_owned(),
                [service, _, undo] => format!("{service}-{undo}"),
                _ => panic!("{name}"),
            }
        };
        all.iter().map(|execution| short(&execution.name)).collect()
    }

    fn writes(&self) -> Vec<String> {
        let calls = self.world.calls().map(|call| call.operation.clone());
        let reads = [":Describe", ":List", ":Get"];
        calls
            .filter(|call| !reads.iter().any(|read| call.contains(read)))
            .collect()
    }
}

async fn deploy_with(world: World, input: &Value, plan: impl FnOnce(&SimulatedAws)) -> Ended {
    let aws = judged(SimulatedAws::new(world, 1.0));
    let installation = Installation::new(&aws).unwrap();
    plan(&aws);
    let mut quiet = |_: &HistoryEvent| {};
    let outcome = installation
        .deploy_services("release-7", input.clone(), 1, &mut quiet)
        .await;
    installation.settled().await;
    Ended {
        outcome,
        installation,
        world: aws.snapshot(),
    }
}

async fn deploy(services: &[(&str, Scenario)], input: &Value) -> Ended {
    deploy_with(world(services), input, |_| {}).await
}

fn four(third: Scenario) -> [(&'static str, Scenario); 4] {
    [
        ("cache", scenario()),
        ("db", scenario()),
        ("app", third),
        ("ui", scenario()),
    ]
}

#[tokio::test(start_paused = true)]
async fn four_services_are_deployed_in_order() {
    let ended = deploy(&four(scenario()), &chain()).await;
    assert_eq!(ended.output()["status"], "deployed");
    assert_eq!(ended.started(), ["cache", "db", "app", "ui"]);
    for service in ["cache", "db", "app", "ui"] {
        assert_eq!(ended.serves(service), ("2".to_owned(), 2), "{service}");
    }
    let services = ended.output()["services"].as_array().unwrap();
    assert_eq!(services.len(), 4);
    for service in services {
        assert_eq!(service["status"], "deployed");
        let execution = service["execution"].as_str().unwrap();
        assert!(ended.world.execution(execution).is_some(), "{execution}");
        assert!(service["taskSet"].as_str().unwrap().starts_with("ecs-svc/"));
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_third_of_four_fails_the_first_two_are_as_they_were() {
    let ended = deploy(&four(broken()), &chain()).await;
    assert_eq!(
        ended.started(),
        ["cache", "db", "app", "db-undo", "cache-undo"]
    );
    for service in ["cache", "db", "app", "ui"] {
        assert_eq!(ended.serves(service), ("1".to_owned(), 2), "{service}");
    }
    let cause = ended.cause();
    assert!(cause.starts_with("app: NotReadyTimeout: "), "{cause}");
    assert!(
        cause.ends_with("Deployed in their earlier version again: db and cache. Not started: ui."),
        "{cause}"
    );
    // Each of them in one execution, whose history is small.
    let history = ended.installation.history("release-7");
    assert!(history.len() < 150, "{}", history.len());
}

#[tokio::test(start_paused = true)]
async fn with_stop_the_earlier_ones_stay_deployed() {
    let mut input = chain();
    input["onFailure"] = json!("stop");
    let ended = deploy(&four(broken()), &input).await;
    assert_eq!(ended.started(), ["cache", "db", "app"]);
    assert_eq!(ended.serves("db"), ("2".to_owned(), 2));
    assert_eq!(ended.serves("app"), ("1".to_owned(), 2));
    let cause = ended.cause();
    assert!(
        cause.contains("Still deployed, as onFailure is stop: db and cache."),
        "{cause}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_deployed_beside_one_that_fails_goes_back_while_its_original_runs() {
    let mut db = service("db", &[]);
    // Its original still runs when the other one is given up.
    db["drain"] = json!({"percent": 50, "every": 1800});
    let input = input(&[db, service("app", &[])]);
    let services = [("db", scenario()), ("app", broken())];
    let before = world(&services);
    let original = before.task_sets_of(&names("db").cluster, "db")[0]
        .id
        .clone();
    let ended = deploy_with(before, &input, |_| {}).await;
    assert_eq!(ended.started(), ["app", "db"]);
    let cause = ended.cause();
    assert!(cause.starts_with("app: NotReadyTimeout: "), "{cause}");
    assert!(cause.ends_with("Rolled back: db."), "{cause}");
    let sets = living(&ended.world, &names("db").cluster, "db");
    let [set] = sets[..] else { panic!("{sets:?}") };
    assert_eq!(set.id, original);
    assert_eq!(ended.serves("db"), ("1".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_preflight_refuses_keeps_every_one_from_starting() {
    let mut input = chain();
    input["services"][0]["taskDefinition"] = json!("ui:9");
    let ended = deploy(&four(scenario()), &input).await;
    let cause = ended.cause();
    assert!(cause.starts_with("ui: "), "{cause}");
    assert!(cause.ends_with("No service was started."), "{cause}");
    assert_eq!(ended.started(), [""; 0]);
    assert_eq!(ended.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn bad_input_changes_nothing() {
    let mut input = chain();
    input["services"][3]["dependsOn"] = json!(["ui"]);
    let ended = deploy(&four(scenario()), &input).await;
    let Status::Failed { error, cause } = &ended.outcome.status else {
        panic!("{:?}", ended.outcome)
    };
    assert_eq!(error, "InvalidInput");
    assert!(
        cause.contains("services[0].dependsOn is part of a cycle (ui waits for app waits for db waits for cache waits for ui)"),
        "{cause}"
    );
    assert_eq!(ended.world.calls().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_has_the_order_and_what_preflight_finds_of_each() {
    let mut input = chain();
    input["dryRun"] = json!(true);
    let ended = deploy(&four(scenario()), &input).await;
    let output = ended.output();
    assert_eq!(output["status"], "dryRun");
    let text = output["reason"]["text"].as_str().unwrap();
    let parts = text.strip_prefix("dry run, nothing was changed: ").unwrap();
    let parts: Vec<_> = parts.split("; service ").collect();
    assert_eq!(parts.len(), 4, "{text}");
    assert!(parts[3].starts_with("ui: "), "the last to start: {text}");
    assert_eq!(output["order"], json!([["cache"], ["db"], ["app"], ["ui"]]));
    for service in output["services"].as_array().unwrap() {
        assert_eq!(service["plan"]["steps"].as_array().unwrap().len(), 2);
        assert!(!service["findings"].as_array().unwrap().is_empty());
    }
    assert_eq!(ended.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn starts_that_are_refused_and_answers_that_are_lost_change_nothing() {
    for fault in StartFault::ALL {
        for number in 1..=2 {
            let input = input(&[service("app", &["db"]), service("db", &[])]);
            let services = [("db", scenario()), ("app", scenario())];
            let plan = |aws: &SimulatedAws| aws.plan_start_faults([(number, fault)]);
            let ended = deploy_with(world(&services), &input, plan).await;
            assert_eq!(ended.output()["status"], "deployed", "{fault:?} {number}");
            assert_eq!(ended.started(), ["db", "app"], "{fault:?} {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_whose_answer_is_lost_is_undone_all_the_same() {
    for number in 1..=5 {
        let plan = |aws: &SimulatedAws| aws.plan_start_faults([(number, StartFault::AnswerLost)]);
        let ended = deploy_with(world(&four(broken())), &chain(), plan).await;
        assert_eq!(
            ended.started(),
            ["cache", "db", "app", "db-undo", "cache-undo"]
        );
        for service in ["cache", "db", "app", "ui"] {
            assert_eq!(
                ended.serves(service),
                ("1".to_owned(), 2),
                "{number}: {service}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_always_refused_undoes_the_earlier_ones() {
    let input = input(&[service("app", &["db"]), service("db", &[])]);
    let services = [("db", scenario()), ("app", scenario())];
    let plan = |aws: &SimulatedAws| {
        aws.plan_start_faults((2..7).map(|number| (number, StartFault::Refused)));
    };
    let ended = deploy_with(world(&services), &input, plan).await;
    assert_eq!(ended.started(), ["db", "db-undo"]);
    assert_eq!(ended.serves("db"), ("1".to_owned(), 2));
    let cause = ended.cause();
    assert!(
        cause.starts_with("app: StepFunctions.ThrottlingException"),
        "{cause}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_allowed_is_named_before_anything_is_written() {
    let input = input(&[service("db", &[])]);
    let plan =
        |aws: &SimulatedAws| aws.plan_faults((1..200).map(|call| (call, Fault::AccessDenied)));
    let ended = deploy_with(world(&[("db", scenario())]), &input, plan).await;
    let Status::Failed { error, cause } = &ended.outcome.status else {
        panic!("{:?}", ended.outcome)
    };
    assert_eq!(error, "Permission", "{cause}");
    assert_eq!(ended.started(), [""; 0]);
}
