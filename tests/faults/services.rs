//! Several services in one execution: every fault of every call and invocation of the execution that starts the others.

use ebbtide_simulator::asl::{HistoryEvent, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::{Fault, LambdaFault, StartFault};
use ebbtide_simulator::world::{Behaviour, Call, World};
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::{Value, json};

const PARENT: &str = "release-7";

/// What goes wrong in a run.
#[derive(Debug, Clone, Default)]
struct Plan {
    call: Option<(u64, Fault)>,
    invocation: Option<(u64, LambdaFault)>,
    start: Option<(u64, StartFault)>,
}

struct Ran {
    aws: SimulatedAws,
    world: World,
    status: Status,
    starts: u64,
}

fn names(service: &str) -> Names {
    Names {
        load_balancer_arn: Some(format!(
            "arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/{service}/1234567890abcdef"
        )),
        task_definition: format!("{service}:2"),
        service: service.to_owned(),
        ..Names::default()
    }
}

fn scenario(never_healthy: bool) -> Scenario {
    Scenario {
        tasks: 1,
        replacement: Behaviour {
            never_healthy,
            ..Behaviour::default()
        },
        ..Scenario::default()
    }
}

const SERVICES: [&str; 3] = ["db", "app", "ui"];

/// A database, an application server that waits for it and a UI that waits for that.
fn world(ui_is_broken: bool) -> World {
    let all = SERVICES.map(|service| (scenario(ui_is_broken && service == "ui"), names(service)));
    let all = all.each_ref().map(|(scenario, names)| (scenario, names));
    Scenario::world_of_services(&all).unwrap()
}

fn input() -> Value {
    let service = |name: &str, after: &[&str]| {
        json!({"serviceName": name, "taskDefinition": format!("{name}:2"), "dependsOn": after,
            "readinessTimeout": 300, "bakeTime": 0, "drain": {"percent": 100, "every": 30}})
    };
    json!({"cluster": "main", "services": [service("ui", &["app"]), service("app", &["db"]), service("db", &[])]})
}

async fn run(world: &World, plan: &Plan) -> Ran {
    let aws = SimulatedAws::new(world.clone(), 1.0);
    let installation = Installation::new(&aws).unwrap();
    aws.plan_faults(plan.call);
    aws.plan_lambda_faults(plan.invocation);
    aws.plan_start_faults(plan.start);
    let mut quiet = |_: &HistoryEvent| {};
    let outcome = installation
        .deploy_services(PARENT, input(), 1, &mut quiet)
        .await;
    installation.settled().await;
    let world = aws.snapshot();
    let starts = world.executions().count() as u64 - 1;
    Ran {
        aws,
        world,
        status: outcome.status,
        starts,
    }
}

/// Tasks of a task set that run.
fn running(world: &World, task_set: &str) -> usize {
    let tasks = world.tasks_of(task_set).into_iter();
    tasks
        .filter(|task| task.last_status.counts_as_running())
        .count()
}

/// The revision that a service's one task set runs and its tasks, or what is wrong.
fn serves(world: &World, service: &str) -> Result<(String, usize), String> {
    let sets = world.task_sets_of("main", service).into_iter();
    let sets: Vec<_> = sets
        .filter(|set| set.status.as_str() != "DRAINING")
        .collect();
    let [set] = sets[..] else {
        let ids: Vec<_> = sets.iter().map(|set| &set.id).collect();
        return Err(format!("{service} has task sets {ids:?}"));
    };
    let revision = set.task_definition.rsplit(':').next().unwrap_or_default();
    Ok((revision.to_owned(), running(world, &set.id)))
}

/// Whether all services are as the clean run leaves them, and none was deployed twice.
fn wrong(ran: &Ran, clean: &Ran) -> Option<String> {
    let succeeded = ran.status.is_success();
    if succeeded != clean.status.is_success() {
        return Some(format!("{:?}", ran.status));
    }
    let revision = if succeeded { "2" } else { "1" };
    for service in SERVICES {
        match serves(&ran.world, service) {
            Ok((runs, 1)) if runs == revision => {}
            other => return Some(format!("{service}: {other:?} after {:?}", ran.status)),
        }
    }
    if ran.starts != clean.starts {
        return Some(format!("{} executions were started", ran.starts));
    }
    // Every one of them has ended before the one that has started it.
    let runs = ran
        .world
        .executions()
        .find(|execution| execution.stop_date_ms.is_none());
    runs.map(|execution| format!("{} runs", execution.name))
}

async fn all(world: &World, clean: &Ran, plans: Vec<Plan>) {
    let (mut runs, mut failures) = (0, Vec::new());
    for plan in plans {
        runs += 1;
        let ran = run(world, &plan).await;
        failures.extend(wrong(&ran, clean).map(|wrong| format!("{plan:?}: {wrong}")));
    }
    println!("{runs} runs, {} failures", failures.len());
    assert!(runs > 0);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every fault of each call of the execution that starts the others.
fn of_calls(clean: &Ran) -> Vec<Plan> {
    let calls = (1..).zip(clean.world.calls());
    of_those(calls)
}

/// The same once it has started one: until then, an application of which one fails later is as one that is deployed.
fn of_later_calls(clean: &Ran) -> Vec<Plan> {
    let calls = (1..).zip(clean.world.calls());
    of_those(calls.skip_while(|(_, call)| is_of_parent(call)))
}

fn of_those<'a>(calls: impl Iterator<Item = (u64, &'a Call)>) -> Vec<Plan> {
    let of_parent = calls.filter(|(_, call)| is_of_parent(call));
    let plans = of_parent.flat_map(|(number, _)| {
        Fault::ALL.map(|fault| Plan {
            call: Some((number, fault)),
            ..Plan::default()
        })
    });
    plans.collect()
}

/// Every fault of the invocations of the execution that starts the others; of theirs, every tenth is struck as well, since
/// `singles` strikes each of them.
fn of_invocations(clean: &Ran) -> Vec<Plan> {
    let calls: Vec<_> = clean.world.calls().collect();
    let of_parent = |began: u64| {
        let first = usize::try_from(began)
            .ok()
            .and_then(|began| calls.get(began));
        first.is_none_or(|call| is_of_parent(call))
    };
    let began = clean.aws.calls_before_invocations().into_iter();
    let invocations = (1..).zip(began);
    let struck = invocations.filter(|(number, began)| number % 10 == 0 || of_parent(*began));
    let plans = struck.flat_map(|(number, _)| {
        LambdaFault::ALL.map(|fault| Plan {
            invocation: Some((number, fault)),
            ..Plan::default()
        })
    });
    plans.collect()
}

fn is_of_parent(call: &Call) -> bool {
    call.caller.ends_with(&format!(" {PARENT}"))
}

fn of_starts(clean: &Ran) -> Vec<Plan> {
    let plans = (1..=clean.starts).flat_map(|number| {
        StartFault::ALL.map(|fault| Plan {
            start: Some((number, fault)),
            ..Plan::default()
        })
    });
    plans.collect()
}

/// Strikes the deployment with each plan for a clean run, which ends so, after so many starts.
async fn strike(ui_is_broken: bool, ends: (bool, u64), plans: impl Fn(&Ran) -> Vec<Plan>) {
    let world = world(ui_is_broken);
    let clean = run(&world, &Plan::default()).await;
    assert_eq!((clean.status.is_success(), clean.starts), ends);
    all(&world, &clean, plans(&clean)).await;
}

#[tokio::test(start_paused = true)]
async fn services_are_deployed_whatever_goes_wrong_with_a_call_of_the_one_that_starts_them() {
    strike(false, (true, 3), |clean| {
        [of_calls(clean), of_starts(clean)].concat()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn services_are_deployed_whatever_goes_wrong_with_a_function() {
    strike(false, (true, 3), of_invocations).await;
}

#[tokio::test(start_paused = true)]
async fn services_are_undone_whatever_goes_wrong_with_a_call_of_the_one_that_starts_them() {
    strike(true, (false, 5), |clean| {
        [of_later_calls(clean), of_starts(clean)].concat()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn services_are_undone_whatever_goes_wrong_with_a_function() {
    strike(true, (false, 5), of_invocations).await;
}

/// A parent that is stopped takes its deployments with it; the same application is deployed afterwards all the same.
#[tokio::test(start_paused = true)]
async fn after_a_stop_at_any_time_the_next_execution_deploys_every_service() {
    let world = world(false);
    let whole = {
        let aws = SimulatedAws::new(world.clone(), 1.0);
        let installation = Installation::new(&aws).unwrap();
        let mut quiet = |_: &HistoryEvent| {};
        installation
            .deploy_services(PARENT, input(), 1, &mut quiet)
            .await
            .elapsed
    };
    for part in 1..40 {
        let aws = SimulatedAws::new(world.clone(), 1.0);
        let installation = Installation::new(&aws).unwrap();
        let mut quiet = |_: &HistoryEvent| {};
        let first = installation.deploy_services(PARENT, input(), 1, &mut quiet);
        assert!(
            tokio::time::timeout(whole * part / 40, first)
                .await
                .is_err(),
            "{part}"
        );
        installation.settled().await;
        let runs = aws
            .snapshot()
            .executions()
            .filter(|one| one.stop_date_ms.is_none())
            .count();
        assert_eq!(runs, 0, "{part}");
        let next = installation
            .deploy_services("release-8", input(), 1, &mut quiet)
            .await;
        assert!(next.status.is_success(), "{part}: {:?}", next.status);
        let after = aws.snapshot();
        for service in SERVICES {
            assert_eq!(serves(&after, service), Ok(("2".to_owned(), 1)), "{part}");
        }
    }
}
