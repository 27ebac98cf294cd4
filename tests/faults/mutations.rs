//! The suite can fail: with a wrong decision in the place of ours, each of these reports the invariant
//! that is broken.

use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide_controller::decision::Action;
use ebbtide_controller::deployment::{Course, Deployment};
use ebbtide_controller::drain;
use ebbtide_controller::observation::{Forward, Observation, Targets};
use ebbtide_controller::phase::Phase;
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::turn::{self, Next, Turn};
use ebbtide_simulator::asl::HistoryEvent;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::{Fault, LambdaFault};

use crate::people::points_the_listener_at_the_first_group;
use crate::run::{Plan, Stage, run_on};
use crate::scenarios::{self, Case};

/// What a run with this decision breaks.
async fn broken(case: &Case, next: Turn, plan: &Plan) -> Option<String> {
    let stage = Stage::installed(case, |aws| {
        Installation::new(aws).unwrap().deciding_by(next)
    });
    run_on(stage, plan).await.broken
}

/// Asserts that the suite reports this invariant for one of the plans, and nothing for the decision
/// as it is shipped.
async fn assert_caught(
    invariant: &str,
    case: &Case,
    next: Turn,
    plans: impl IntoIterator<Item = Plan>,
) {
    for plan in plans {
        let Some(what) = broken(case, next, &plan).await else {
            continue;
        };
        assert!(what.starts_with(invariant), "{invariant} expected: {what}");
        assert_eq!(broken(case, turn::next, &plan).await, None);
        println!("caught: {what}");
        return;
    }
    panic!("nothing reported; {invariant} expected");
}

fn every_invocation(fault: LambdaFault) -> impl Iterator<Item = Plan> {
    (1..40).map(move |number| Plan::invocation(number, fault))
}

type Decided = Result<Next, Refusal>;

/// The shipped decision, whose writes are changed.
fn changed(
    (phase, seen, deployment): (Phase, &Observation, &Deployment),
    change: impl FnOnce(&mut Vec<Action>),
) -> Decided {
    let mut next = turn::next(phase, seen, deployment)?;
    if let Next::Write(actions) = &mut next {
        change(actions);
    }
    Ok(next)
}

fn without_a_fixed_client_token(
    phase: Phase,
    seen: &Observation,
    deployment: &Deployment,
) -> Decided {
    static TOKEN: AtomicU64 = AtomicU64::new(1);
    changed((phase, seen, deployment), |actions| {
        for action in actions {
            if let Action::CreateTaskSet(new) = action {
                new.client_token = format!("{:032}", TOKEN.fetch_add(1, Ordering::Relaxed));
            }
        }
    })
}

/// The function dies once it has created the task set, and what it reads next is old.
#[tokio::test(start_paused = true)]
async fn without_a_client_token_that_stays_the_same_two_task_sets_are_made() {
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
    assert_caught("S3", &case, without_a_fixed_client_token, invoked).await;
}

fn tags_first(phase: Phase, seen: &Observation, deployment: &Deployment) -> Decided {
    changed((phase, seen, deployment), |actions| {
        let commits = |action: &Action| matches!(action, Action::RecordSwapIntent { .. });
        if let Some(replacement) = &deployment.replacement
            && actions.iter().any(commits)
        {
            let tag = Action::TagProduction {
                target_group: deployment.replacement_target_group.clone(),
                task_set: replacement.clone(),
            };
            actions.insert(0, tag);
        }
    })
}

#[tokio::test(start_paused = true)]
async fn tags_before_the_listener_are_caught() {
    let case = scenarios::named("one task");
    assert_caught("R5", &case, tags_first, [Plan::default()]).await;
}

/// The replacement as it should be, whatever it is.
fn as_if_healthy(seen: &Observation, deployment: &Deployment) -> Observation {
    let mut seen = seen.clone();
    for group in &mut seen.target_groups {
        if group.arn == deployment.replacement_target_group {
            group.targets = Targets {
                healthy: 100,
                ..Targets::default()
            };
        }
    }
    for set in &mut seen.task_sets {
        (set.steady, set.pending_count) = (true, 0);
        set.running_count = set.running_count.max(set.computed_desired_count);
    }
    seen
}

fn swap_whatever_its_health(phase: Phase, seen: &Observation, deployment: &Deployment) -> Decided {
    match phase {
        Phase::CheckAndCreate | Phase::Swap if deployment.replacement.is_some() => {
            turn::next(phase, &as_if_healthy(seen, deployment), deployment)
        }
        _ => turn::next(phase, seen, deployment),
    }
}

#[tokio::test(start_paused = true)]
async fn a_swap_before_the_replacement_is_healthy_is_caught() {
    let case = scenarios::named("never healthy");
    assert_caught("S1", &case, swap_whatever_its_health, [Plan::default()]).await;
}

fn without_the_guard(phase: Phase, seen: &Observation, deployment: &Deployment) -> Decided {
    let mut seen = seen.clone();
    if phase == Phase::ScaleDown && deployment.course == Course::Forward {
        for listener in &mut seen.listeners {
            listener.forward = Forward::to(&deployment.replacement_target_group);
        }
    }
    turn::next(phase, &seen, deployment)
}

/// Somebody points the listener back in the middle of the drain.
#[tokio::test(start_paused = true)]
async fn a_drain_without_its_guard_is_caught() {
    let drained_by = async |next: Turn| {
        let case = Case {
            healthy: 0,
            ..scenarios::two_tasks()
        };
        let stage = Stage::installed(&case, |aws| {
            Installation::new(aws).unwrap().deciding_by(next)
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
    let what = drained_by(without_the_guard).await.unwrap();
    assert!(what.starts_with("S4"), "{what}");
    assert_eq!(drained_by(turn::next).await, None);
    println!("caught: {what}");
}

/// One task less than now, each time it is asked.
fn relative_decrement(phase: Phase, seen: &Observation, deployment: &Deployment) -> Decided {
    let next = turn::next(phase, seen, deployment)?;
    let original = deployment
        .original_in(seen)
        .filter(|original| phase == Phase::ScaleDown && original.scale > 0.0);
    let Some(original) = original else {
        return Ok(next);
    };
    let desired = deployment.desired;
    let left = drain::tasks_at(original.scale, desired).saturating_sub(1);
    Ok(Next::Write(vec![Action::SetScale {
        task_set: original.id.clone(),
        percent: drain::scale_for(left, desired),
        tasks: left,
    }]))
}

#[tokio::test(start_paused = true)]
async fn a_relative_decrement_is_caught_when_a_function_is_invoked_twice() {
    let case = scenarios::named("three tasks");
    let twice = every_invocation(LambdaFault::Twice);
    assert_caught("S5", &case, relative_decrement, twice).await;
}

/// Deletes a task set by force while it is there.
fn deleted(set: Option<&ebbtide_controller::observation::TaskSet>) -> Option<Next> {
    let set = set.filter(|set| !set.is_being_deleted())?;
    Some(Next::Write(vec![Action::DeleteTaskSet {
        task_set: set.id.clone(),
        force: true,
    }]))
}

fn deleted_at_once(phase: Phase, seen: &Observation, deployment: &Deployment) -> Decided {
    match deleted(deployment.original_in(seen)).filter(|_| phase == Phase::ScaleDown) {
        Some(deletion) => Ok(deletion),
        None => turn::next(phase, seen, deployment),
    }
}

#[tokio::test(start_paused = true)]
async fn force_on_a_task_set_that_has_served_is_caught() {
    let case = scenarios::named("one task");
    assert_caught("S11", &case, deleted_at_once, [Plan::default()]).await;
}

fn candidate_deleted_whatever_serves(
    phase: Phase,
    seen: &Observation,
    deployment: &Deployment,
) -> Decided {
    match deleted(deployment.replacement_in(seen)).filter(|_| phase == Phase::Rollback) {
        Some(deletion) => Ok(deletion),
        None => turn::next(phase, seen, deployment),
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_deletes_what_serves_is_caught() {
    let case = scenarios::alarm_in_the_drain();
    let next = candidate_deleted_whatever_serves;
    assert_caught("S4", &case, next, [Plan::default()]).await;
}
