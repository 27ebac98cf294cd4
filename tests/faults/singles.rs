//! Every single fault at every call and every invocation of every scenario.

use ebbtide_simulator::fault::{Fault, LambdaFault};

use crate::run::{Plan, Ran, Tally, run, wrong};
use crate::scenarios::{self, Case};

/// Ways in which a call fails before it is carried out.
const FAILURES: [Fault; 4] = [
    Fault::Unreachable,
    Fault::Silent,
    Fault::ServerError,
    Fault::Throttled,
];

/// What a write may come to besides.
const OF_WRITES: [Fault; 5] = [
    Fault::LostReply,
    Fault::ServerErrorAfter,
    Fault::Twice,
    Fault::Late(2),
    Fault::Late(12),
];

/// Operations that answer in pages, and those that answer statuses: elsewhere an empty page or an
/// unknown value strikes nothing.
const IN_PAGES: [&str; 4] = [
    "DescribeListeners",
    "DescribeTargetGroups",
    "DescribeRules",
    "ListTasks",
];
const WITH_STATUSES: [&str; 4] = [
    "DescribeTaskSets",
    "DescribeTargetHealth",
    "DescribeAlarms",
    "DescribeExecution",
];

/// What can go wrong with a call. The SDK retries all calls alike that fail before they are carried out:
/// they take turns in how they fail, save in one service, where each fails in every way.
fn faults_of(number: usize, operation: &str, case: &Case) -> Vec<Fault> {
    let mut faults = if case.name == "two tasks" {
        FAILURES.to_vec()
    } else {
        vec![FAILURES[number % FAILURES.len()]]
    };
    let name = operation.rsplit(':').next().unwrap_or_default();
    let reads = ["Describe", "List", "Get"]
        .iter()
        .any(|verb| name.starts_with(verb));
    if !reads {
        faults.extend(OF_WRITES);
        return faults;
    }
    faults.extend([Fault::Stale, Fault::VeryStale]);
    if IN_PAGES.contains(&name) {
        faults.push(Fault::EmptyPage);
    }
    if WITH_STATUSES.contains(&name) {
        faults.push(Fault::UnknownValue);
    }
    faults
}

/// What can go wrong with each call of a deployment, one at a time.
fn of_calls(case: &Case, clean: &Ran) -> Vec<Plan> {
    let world = clean.stage.aws.snapshot();
    let operations: Vec<_> = world.calls().map(|call| call.operation.clone()).collect();
    assert_eq!(
        operations.len() as u64,
        clean.calls,
        "every call is in the journal"
    );
    (1..)
        .zip(operations.iter().enumerate())
        .flat_map(|(call, (number, operation))| {
            let faults = faults_of(number, operation, case).into_iter();
            faults.map(move |fault| Plan::call(call, fault))
        })
        .collect()
}

/// Strikes every call with every kind of fault and every invocation with every kind of its own, one
/// run each. A single fault is ridden out: the deployment ends as if nothing had happened.
async fn strike(case: Case) {
    let clean = run(&case, &Plan::default()).await;
    assert_eq!(wrong(&case, &clean), None, "{}, without a fault", case.name);
    let calls = of_calls(&case, &clean).into_iter();
    let invocations = (1..=clean.invocations)
        .flat_map(|number| LambdaFault::ALL.map(|fault| Plan::invocation(number, fault)));
    let mut tally = Tally::default();
    for plan in calls.chain(invocations) {
        let ran = run(&case, &plan).await;
        tally.count(ran.checks);
        if let Some(what) = wrong(&case, &ran) {
            tally.failed(&plan, &what);
        }
    }
    tally.end(&format!(
        "{}: {} calls and {} invocations struck",
        case.name, clean.calls, clean.invocations
    ));
}

macro_rules! every_scenario {
    ($($test:ident = $name:literal,)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                strike(scenarios::named($name)).await;
            }
        )*

        #[test]
        fn every_scenario_has_a_test() {
            let tested = [$($name),*];
            for case in scenarios::all() {
                assert!(tested.contains(&case.name), "{}", case.name);
            }
        }
    };
}

every_scenario! {
    one_task = "one task",
    two_tasks = "two tasks",
    three_tasks = "three tasks",
    ten_tasks = "ten tasks",
    a_hundred_tasks = "a hundred tasks",
    several_production_listeners = "several production listeners",
    groups_replaced = "groups replaced",
    an_application_load_balancer = "an application load balancer",
    first_deployment = "first deployment",
    left_by_the_sample = "left by the sample",
    slow_start = "slow start",
    never_healthy = "never healthy",
    sick_after_the_swap = "sick after the swap",
    an_alarm_in_the_drain = "an alarm in the drain",
    protected_tasks_at_the_drain_deadline = "protected tasks",
    desired_count_changed_while_draining = "desired count changed while draining",
    neighbours_on_the_same_load_balancer = "neighbours",
    a_reconnect_budget = "a reconnect budget",
}
