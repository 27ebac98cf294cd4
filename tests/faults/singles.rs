//! Every single fault at every call and every invocation of every scenario.

use ebbtide_simulator::fault::{Fault, LambdaFault};

use crate::run::{Plan, Ran, Tally, is_told_apart, reads, run_clean, run_until_back, wrong};
use crate::scenarios::{self, Case};

/// Ways in which a call fails before it is carried out: without an answer, and with one.
const NOT_ANSWERED: [Fault; 2] = [Fault::Unreachable, Fault::Silent];
const REFUSED: [Fault; 2] = [Fault::ServerError, Fault::Throttled];

/// Further outcomes of a write: failures after it was carried out, and others.
const LOST: [Fault; 2] = [Fault::LostReply, Fault::ServerErrorAfter];
const OF_WRITES: [Fault; 3] = [Fault::Twice, Fault::Late(2), Fault::Late(12)];

/// The case in which every call fails in every way. In the others, calls take turns in the ways that make
/// no difference.
const EVERY_WAY: &str = "two tasks";

/// What can go wrong with a call: how it fails, what a write may come to, and the faults that would change
/// its answer.
///
/// The SDK makes another attempt whichever way a call fails. The functions tell a write to ECS, Elastic Load
/// Balancing or Application Auto Scaling that was not answered, and may still land, from one that was; no other call.
fn faults_of(turn: usize, case: &Case, operation: &str, telling: &[Fault]) -> Vec<Fault> {
    let every_way = case.name == EVERY_WAY;
    let told_apart = is_told_apart(operation);
    let mut faults = if every_way {
        [NOT_ANSWERED, REFUSED].concat()
    } else if told_apart {
        vec![NOT_ANSWERED[turn % 2], REFUSED[turn % 2]]
    } else {
        vec![[NOT_ANSWERED, REFUSED].concat()[turn % 4]]
    };
    if !reads(operation) {
        let lost = if every_way || told_apart {
            &LOST[..]
        } else {
            &LOST[turn % 2..][..1]
        };
        faults.extend(lost);
        faults.extend(OF_WRITES);
    }
    faults.extend(telling);
    faults
}

fn of_calls(case: &Case, clean: &Ran) -> Vec<Plan> {
    let world = clean.stage.aws.snapshot();
    let operations: Vec<_> = world.calls().map(|call| call.operation.as_str()).collect();
    let telling = clean.stage.aws.telling_faults();
    assert_eq!(
        operations.len() as u64,
        clean.calls,
        "all are in the journal"
    );
    assert_eq!(operations.len(), telling.len());
    // Another case begins with another turn.
    let first = case.name.len();
    (1..)
        .zip(operations.into_iter().zip(&telling))
        .enumerate()
        .flat_map(|(number, (call, (operation, telling)))| {
            let faults = faults_of(first + number, case, operation, telling);
            faults.into_iter().map(move |fault| Plan::call(call, fault))
        })
        .collect()
}

fn of_invocations(clean: &Ran) -> Vec<Plan> {
    let began = clean.stage.aws.calls_before_invocations();
    let ended = began.iter().skip(1).chain([&clean.calls]);
    let calls = began.iter().zip(ended).map(|(began, ended)| ended - began);
    (1..)
        .zip(calls)
        .flat_map(|(number, calls)| {
            faults_of_invocation(calls)
                .into_iter()
                .map(move |fault| Plan::invocation(number, fault))
        })
        .collect()
}

/// What can go wrong with an invocation that makes a number of calls: one that dies or hangs after more of
/// them does so at its end, however many more.
fn faults_of_invocation(calls: u64) -> Vec<LambdaFault> {
    let mut hangs_at_its_end = false;
    LambdaFault::ALL
        .into_iter()
        .filter(|fault| match *fault {
            LambdaFault::DiesAfterCalls(after) => u64::from(after) < calls,
            LambdaFault::TimesOutAfterCalls(after) => {
                u64::from(after) < calls || !std::mem::replace(&mut hangs_at_its_end, true)
            }
            LambdaFault::DiesAtStart
            | LambdaFault::DiesAtEnd
            | LambdaFault::Twice
            | LambdaFault::TwiceAtOnce
            | LambdaFault::TaskFailedBefore
            | LambdaFault::TaskFailedAfter => true,
        })
        .collect()
}

/// Strikes every call with what can go wrong with it and every invocation likewise, one run each; of
/// these, every `parts`th from `part` on. A single fault is ridden out: the deployment ends as if nothing
/// had happened.
async fn strike(name: &str, part: usize, parts: usize) {
    let case = scenarios::named(name);
    let (clean, path) = run_clean(&case).await;
    assert_eq!(wrong(&case, &clean), None, "{}, without a fault", case.name);
    let plans = [of_calls(&case, &clean), of_invocations(&clean)].concat();
    let mut tally = Tally::default();
    let plans = plans.into_iter().skip(part).step_by(parts);
    for (number, plan) in plans.enumerate() {
        let ran = run_until_back(&case, &path, &plan, number).await;
        tally.count(&ran);
        tally.count_faults(&plan);
        if let Some(what) = wrong(&case, &ran) {
            tally.failed(&plan, &what);
        }
    }
    tally.end(&format!(
        "{}: {} calls and {} invocations, part {} of {parts}",
        case.name,
        clean.calls,
        clean.invocations,
        part + 1,
    ));
}

macro_rules! every_scenario {
    ($($scenario:ident = $name:literal in [$($part:ident)*],)*) => {
        $(
            mod $scenario {
                const PARTS: &[&str] = &[$(stringify!($part)),*];

                $(
                    #[tokio::test(start_paused = true)]
                    async fn $part() {
                        let part = PARTS.iter().position(|part| *part == stringify!($part));
                        super::strike($name, part.unwrap(), PARTS.len()).await;
                    }
                )*
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

// Split so that no part takes much longer than the others.
every_scenario! {
    one_task = "one task" in [whole],
    two_tasks = "two tasks" in [first second],
    three_tasks = "three tasks" in [first second],
    ten_tasks = "ten tasks" in [whole],
    a_hundred_tasks = "a hundred tasks" in [whole],
    several_production_listeners = "several production listeners" in [whole],
    groups_replaced = "groups replaced" in [whole],
    an_application_load_balancer = "an application load balancer" in [whole],
    first_deployment = "first deployment" in [whole],
    left_by_the_sample = "left by the sample" in [whole],
    slow_start = "slow start" in [whole],
    never_healthy = "never healthy" in [whole],
    sick_after_the_swap = "sick after the swap" in [first second third],
    an_alarm_in_the_drain = "an alarm in the drain" in [first second],
    protected_tasks_at_the_drain_deadline = "protected tasks" in [first second third],
    desired_count_changed_while_draining = "desired count changed while draining" in [whole],
    a_service_that_triples = "a service that triples" in [whole],
    a_fleet_that_loses_single_tasks = "a fleet on Spot" in [whole],
    neighbours_on_the_same_load_balancer = "neighbours" in [whole],
    a_reconnect_budget = "a reconnect budget" in [whole],
    an_alb_with_a_budget = "an ALB with a budget" in [whole],
    three_routes = "three routes" in [first second],
    three_routes_never_healthy = "three routes, never healthy" in [whole],
    planned_pauses = "planned pauses" in [whole],
    a_pause_that_is_never_approved = "never approved" in [whole],
    hooks = "hooks" in [whole],
    a_hook_that_fails = "a hook that fails" in [whole],
    a_check = "a check" in [whole],
    a_check_that_fails = "a check that fails" in [whole],
    a_swap_that_waits_for_the_window = "a swap that waits for the window" in [whole],
    a_drain_that_waits_for_the_window = "a drain that waits for the window" in [whole],
    a_check_in_a_shift = "a check in a shift" in [whole],
    a_shift = "a shift" in [whole],
    sick_in_mid_shift = "sick in mid-shift" in [first second],
    everything = "everything" in [first second],
    a_registry = "a registry" in [whole],
    a_shift_by_tasks = "a shift by tasks" in [whole],
    never_healthy_in_a_registry = "never healthy in a registry" in [whole],
    an_alarm_in_a_registry = "an alarm in a registry" in [whole],
    health_that_ecs_puts_back = "health that ECS puts back" in [whole],
    a_registry_beside_a_load_balancer = "a registry beside a load balancer" in [whole],
    auto_scaling = "auto scaling" in [whole],
    auto_scaling_never_healthy = "auto scaling, never healthy" in [whole],
    scale_in_suspended_by_a_person = "scale-in suspended by a person" in [whole],
    refused_in_a_registry = "refused in a registry" in [whole],
    first_deployment_into_a_registry = "first deployment into a registry" in [whole],
}
