//! The suite can fail: with a wrong decision in the place of ours, or without the lock's grace, each
//! of these reports the invariant that is broken.

use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide_controller::decision::{Action, Decision};
use ebbtide_controller::deployment::Deployment;
use ebbtide_controller::observation::{Forward, Observation, Targets};
use ebbtide_controller::{cleanup, create, drain, rollback, scale_down, swap};
use ebbtide_functions::Deciders;
use ebbtide_simulator::asl::HistoryEvent;
use ebbtide_simulator::deployment::{DEFINITION, Installation};
use ebbtide_simulator::fault::{Fault, LambdaFault};

use crate::people::points_the_listener_at_the_first_group;
use crate::run::{Plan, Stage, run_on};
use crate::scenarios::{self, Case};

/// What a run with these decisions breaks.
async fn broken(case: &Case, deciders: Deciders, plan: &Plan) -> Option<String> {
    let stage = Stage::installed(case, |aws| {
        Installation::new(aws).unwrap().deciding_by(deciders)
    });
    run_on(stage, plan).await.broken
}

/// Asserts that the suite reports this invariant for one of the plans, and nothing for the decisions
/// as they are shipped.
async fn assert_caught(
    invariant: &str,
    case: &Case,
    deciders: Deciders,
    plans: impl IntoIterator<Item = Plan>,
) {
    for plan in plans {
        let Some(what) = broken(case, deciders, &plan).await else {
            continue;
        };
        assert!(what.starts_with(invariant), "{invariant} expected: {what}");
        assert_eq!(broken(case, Deciders::SHIPPED, &plan).await, None);
        println!("caught: {what}");
        return;
    }
    panic!("nothing reported; {invariant} expected");
}

fn every_invocation(fault: LambdaFault) -> impl Iterator<Item = Plan> {
    (1..40).map(move |number| Plan::invocation(number, fault))
}

fn without_a_fixed_client_token(observation: &Observation, deployment: &Deployment) -> Decision {
    static TOKEN: AtomicU64 = AtomicU64::new(1);
    let mut decision = create::decide(observation, deployment);
    if let Decision::Act(actions) = &mut decision {
        for action in actions {
            if let Action::CreateTaskSet(new) = action {
                new.client_token = format!("{:032}", TOKEN.fetch_add(1, Ordering::Relaxed));
            }
        }
    }
    decision
}

/// The function dies once it has created the task set, and what it reads next is old.
#[tokio::test(start_paused = true)]
async fn without_a_client_token_that_stays_the_same_two_task_sets_are_made() {
    let deciders = Deciders {
        create: without_a_fixed_client_token,
        ..Deciders::SHIPPED
    };
    let case = scenarios::named("one task");
    let clean = run_on(Stage::new(&case), &Plan::default()).await;
    let world = clean.stage.aws.snapshot();
    let created = world
        .calls()
        .position(|call| call.operation == "ecs:CreateTaskSet")
        .unwrap() as u64
        + 1;
    let invoked = (1..6).flat_map(|number| {
        (created + 1..created + 12).map(move |read| Plan {
            calls: vec![(read, Fault::Stale)],
            invocations: vec![(number, LambdaFault::Twice)],
        })
    });
    assert_caught("S3", &case, deciders, invoked).await;
}

fn tags_first(observation: &Observation, deployment: &Deployment) -> Decision {
    let mut decision = swap::decide(observation, deployment);
    if let Decision::Act(actions) = &mut decision
        && actions
            .iter()
            .any(|a| matches!(a, Action::RecordSwapIntent { .. }))
    {
        actions.insert(
            0,
            Action::TagProduction {
                target_group: deployment.replacement_target_group.clone(),
                task_set: deployment.replacement.clone().unwrap(),
            },
        );
    }
    decision
}

#[tokio::test(start_paused = true)]
async fn tags_before_the_listener_are_caught() {
    let deciders = Deciders {
        swap: tags_first,
        ..Deciders::SHIPPED
    };
    let case = scenarios::named("one task");
    assert_caught("R5", &case, deciders, [Plan::default()]).await;
}

/// The replacement as it should be, whatever it is.
fn as_if_healthy(observation: &Observation, deployment: &Deployment) -> Observation {
    let mut observation = observation.clone();
    for group in &mut observation.target_groups {
        if group.arn == deployment.replacement_target_group {
            group.targets = Targets {
                healthy: 100,
                ..Targets::default()
            };
        }
    }
    for set in &mut observation.task_sets {
        (set.steady, set.pending_count) = (true, 0);
        set.running_count = set.running_count.max(set.computed_desired_count);
    }
    observation
}

fn ready_at_once(_: &Observation, _: &Deployment) -> Decision {
    Decision::Done
}

fn swap_whatever_its_health(observation: &Observation, deployment: &Deployment) -> Decision {
    swap::decide(&as_if_healthy(observation, deployment), deployment)
}

#[tokio::test(start_paused = true)]
async fn a_swap_before_the_replacement_is_healthy_is_caught() {
    let deciders = Deciders {
        ready: ready_at_once,
        swap: swap_whatever_its_health,
        ..Deciders::SHIPPED
    };
    let case = scenarios::named("never healthy");
    assert_caught("S1", &case, deciders, [Plan::default()]).await;
}

fn without_the_guard(observation: &Observation, deployment: &Deployment) -> Decision {
    let mut observation = observation.clone();
    for listener in &mut observation.listeners {
        listener.forward = Forward::to(&deployment.replacement_target_group);
    }
    scale_down::decide(&observation, deployment)
}

/// Somebody points the listener back in the middle of the drain.
#[tokio::test(start_paused = true)]
async fn a_drain_without_its_guard_is_caught() {
    let drained_by = async |deciders: Deciders| {
        let case = Case {
            healthy: 0,
            ..scenarios::two_tasks()
        };
        let stage = Stage::installed(&case, |aws| {
            Installation::new(aws).unwrap().deciding_by(deciders)
        });
        let mut waits = 0;
        let _ = stage
            .installation
            .deploy(
                "run-1",
                case.event.clone(),
                7,
                &mut |event: &HistoryEvent| {
                    let mut entered = 0;
                    stage.note(event, &mut entered);
                    waits += entered;
                    if waits == 1 && entered == 1 {
                        stage.aws.with_world(points_the_listener_at_the_first_group);
                    }
                },
            )
            .await;
        stage.watch().broken.clone()
    };
    let mutated = Deciders {
        scale_down: without_the_guard,
        ..Deciders::SHIPPED
    };
    let what = drained_by(mutated).await.unwrap();
    assert!(what.starts_with("S4"), "{what}");
    assert_eq!(drained_by(Deciders::SHIPPED).await, None);
    println!("caught: {what}");
}

/// One task less than now, each time it is asked.
fn relative_decrement(observation: &Observation, deployment: &Deployment) -> Decision {
    let decision = scale_down::decide(observation, deployment);
    let original = deployment.original_in(observation);
    let (Decision::Act(_) | Decision::Wait(_), Some(original)) = (&decision, original) else {
        return decision;
    };
    let desired = deployment.desired;
    let left = drain::tasks_at(original.scale, desired).saturating_sub(1);
    if original.scale <= 0.0 {
        return decision;
    }
    Decision::Act(vec![Action::SetScale {
        task_set: original.id.clone(),
        percent: drain::scale_for(left, desired),
        tasks: left,
    }])
}

#[tokio::test(start_paused = true)]
async fn a_relative_decrement_is_caught_when_a_function_is_invoked_twice() {
    let deciders = Deciders {
        scale_down: relative_decrement,
        ..Deciders::SHIPPED
    };
    let case = scenarios::named("three tasks");
    assert_caught("S5", &case, deciders, every_invocation(LambdaFault::Twice)).await;
}

fn by_force(decision: Decision) -> Decision {
    match decision {
        Decision::Act(mut actions) => {
            for action in &mut actions {
                if let Action::DeleteTaskSet { force, .. } = action {
                    *force = true;
                }
            }
            Decision::Act(actions)
        }
        other => other,
    }
}

fn deleted_at_once(observation: &Observation, deployment: &Deployment) -> Decision {
    match deployment.original_in(observation) {
        Some(original) if !original.is_being_deleted() => {
            by_force(Decision::Act(vec![Action::DeleteTaskSet {
                task_set: original.id.clone(),
                force: true,
            }]))
        }
        _ => cleanup::decide(observation, deployment),
    }
}

#[tokio::test(start_paused = true)]
async fn force_on_a_task_set_that_has_served_is_caught() {
    let deciders = Deciders {
        scale_down: deleted_at_once,
        ..Deciders::SHIPPED
    };
    let case = scenarios::named("one task");
    assert_caught("S11", &case, deciders, [Plan::default()]).await;
}

fn candidate_deleted_whatever_serves(
    observation: &Observation,
    deployment: &Deployment,
) -> Decision {
    match deployment.replacement_in(observation) {
        Some(candidate) if !candidate.is_being_deleted() => {
            Decision::Act(vec![Action::DeleteTaskSet {
                task_set: candidate.id.clone(),
                force: true,
            }])
        }
        _ => rollback::decide(observation, deployment),
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_deletes_what_serves_is_caught() {
    let deciders = Deciders {
        rollback: candidate_deleted_whatever_serves,
        ..Deciders::SHIPPED
    };
    let case = scenarios::alarm_in_the_drain();
    assert_caught("S4", &case, deciders, [Plan::default()]).await;
}

/// An execution that is stopped with a write on its way, and one that starts right after.
async fn stopped_with_a_write_on_its_way(definition: &str) -> Option<String> {
    let case = scenarios::two_tasks();
    for call in 20..110 {
        let stage = Stage::installed(&case, |aws| Installation::of(aws, definition).unwrap());
        stage.aws.plan_faults([(call, Fault::Late(1_000))]);
        let stopped = stage
            .deploy_until("run-1", |_| stage.aws.call_count() >= call)
            .await;
        if !stopped {
            break;
        }
        stage.watch().begin_another();
        stage.watch().rolling_back = true;
        stage.deploy("run-2").await;
        let broken = stage.watch().broken.clone();
        if broken.is_some() {
            return broken;
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_grace_of_nothing_is_caught() {
    let without_grace = DEFINITION.replace("\"Seconds\": 180", "\"Seconds\": 0");
    assert_ne!(without_grace, DEFINITION);
    let what = stopped_with_a_write_on_its_way(&without_grace)
        .await
        .unwrap();
    assert!(what.starts_with("S6"), "{what}");
    println!("caught: {what}");
    assert_eq!(stopped_with_a_write_on_its_way(DEFINITION).await, None);
}

/// Two executions of one service, the second a little after the first.
async fn two_at_once(definition: &str) -> Option<String> {
    let case = scenarios::two_tasks();
    for seconds in [1, 5, 100, 230] {
        let stage = Stage::installed(&case, |aws| Installation::of(aws, definition).unwrap());
        let later = async {
            tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
            stage.deploy("run-2").await
        };
        tokio::join!(stage.deploy("run-1"), later);
        let broken = stage.watch().broken.clone();
        if broken.is_some() {
            return broken;
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_anybody_gets_is_caught() {
    let anybody = DEFINITION
        .replace(
            "attribute_not_exists(#owner) OR #owner = :me",
            "attribute_exists(#owner) OR attribute_not_exists(#owner)",
        )
        .replace(
            "\"ConditionExpression\": \"#owner = :me\"",
            "\"ConditionExpression\": \"attribute_exists(id)\"",
        );
    // What is not in the condition has to be in the update, or DynamoDB refuses the call.
    let anybody = anybody.replace(
        "SET lastActivity = :now, doing",
        "SET #owner = :me, lastActivity = :now, doing",
    );
    assert_ne!(anybody, DEFINITION);
    let what = two_at_once(&anybody).await.unwrap();
    assert!(what.starts_with('S'), "{what}");
    println!("caught: {what}");
    assert_eq!(two_at_once(DEFINITION).await, None);
}
