//! Wrong decisions.

use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide_controller::action::Action;
use ebbtide_controller::deployment::Plan as Settled;
use ebbtide_controller::drain;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::turn::{self, Next, Turn};
use ebbtide_controller::world::{Forward, Targets, TaskSet, World};
use ebbtide_simulator::asl::HistoryEvent;
use ebbtide_simulator::fault::{Fault, LambdaFault};

use super::every_invocation;
use crate::people::points_the_listener_at_the_first_group;
use crate::run::{Plan, Stage, run_on};
use crate::scenarios::{self, Case};

/// Asserts that the suite reports this invariant for one of the plans, and nothing for it with the decision
/// as it is shipped.
async fn assert_caught(
    invariant: &str,
    case: &Case,
    wrong: Turn,
    plans: impl IntoIterator<Item = Plan>,
) {
    let broken =
        async |next, plan: &Plan| run_on(Stage::deciding_by(case, next), plan).await.broken;
    for plan in plans {
        let reported = broken(wrong, &plan).await;
        if reported.is_some() {
            let shipped = broken(turn::next, &plan).await;
            return super::assert_caught(invariant, reported, shipped);
        }
    }
    panic!("nothing reported; {invariant} expected");
}

/// The shipped decision, whose writes are changed.
fn changed(
    shipped: Result<Next, Refusal>,
    change: impl FnOnce(&mut Vec<Action>),
) -> Result<Next, Refusal> {
    let mut next = shipped?;
    if let Next::Write(actions) = &mut next {
        change(actions);
    }
    Ok(next)
}

/// The function dies once it has created the task set, and what it reads next is old.
#[tokio::test(start_paused = true)]
async fn without_a_client_token_that_stays_the_same_two_task_sets_are_made() {
    static TOKEN: AtomicU64 = AtomicU64::new(1);
    let case = scenarios::named("one task");
    let clean = run_on(Stage::new(&case), &Plan::default()).await;
    let created = clean.stage.calls_of("ecs:CreateTaskSet")[0];
    let plans = (1..6).flat_map(|number| {
        (created + 1..created + 12).map(move |read| Plan {
            calls: vec![(read, Fault::Stale)],
            invocations: vec![(number, LambdaFault::Twice)],
        })
    });
    let another_token_each_time: Turn = |phase, seen, plan, progress| {
        changed(turn::next(phase, seen, plan, progress), |actions| {
            for action in actions {
                if let Action::CreateTaskSet(new) = action {
                    new.client_token = format!("{:032}", TOKEN.fetch_add(1, Ordering::Relaxed));
                }
            }
        })
    };
    assert_caught("S3", &case, another_token_each_time, plans).await;
}

#[tokio::test(start_paused = true)]
async fn tags_before_the_listener_are_caught() {
    let tags_first: Turn = |phase, seen, plan, progress| {
        changed(turn::next(phase, seen, plan, progress), |actions| {
            let commits = |action: &Action| matches!(action, Action::RecordSwapIntent { .. });
            if let Some(replacement) = &plan.replacement
                && actions.iter().any(commits)
            {
                let tag = Action::TagProduction {
                    target_group: plan.replacement_target_group.clone(),
                    task_set: replacement.clone(),
                };
                actions.insert(0, tag);
            }
        })
    };
    let case = scenarios::named("one task");
    assert_caught("R5", &case, tags_first, [Plan::default()]).await;
}

/// The replacement as it should be, whatever it is.
fn as_if_healthy(seen: &World, plan: &Settled) -> World {
    let mut seen = seen.clone();
    for group in &mut seen.target_groups {
        if group.arn == plan.replacement_target_group {
            group.targets = Targets::default();
            group.targets.healthy = 100;
        }
    }
    for set in &mut seen.task_sets {
        (set.steady, set.pending_count) = (true, 0);
        set.running_count = set.running_count.max(set.computed_desired_count);
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn a_swap_before_the_replacement_is_healthy_is_caught() {
    let whatever_its_health: Turn = |phase, seen, plan, progress| match phase {
        Phase::CheckAndCreate | Phase::Swap if plan.replacement.is_some() => {
            turn::next(phase, &as_if_healthy(seen, plan), plan, progress)
        }
        _ => turn::next(phase, seen, plan, progress),
    };
    let case = scenarios::named("never healthy");
    assert_caught("S1", &case, whatever_its_health, [Plan::default()]).await;
}

/// A person points the listener back in the middle of the drain.
#[tokio::test(start_paused = true)]
async fn a_drain_without_its_guard_is_caught() {
    let without_the_guard: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        if phase == Phase::ScaleDown && plan.goes_forward() {
            for listener in &mut seen.listeners {
                listener.forward = Forward::to(&plan.replacement_target_group);
            }
        }
        turn::next(phase, &seen, plan, progress)
    };
    let mut case = scenarios::two_tasks();
    case.healthy = 0;
    let drained_by = async |next: Turn| {
        let stage = Stage::deciding_by(&case, next);
        let mut waits = 0;
        let mut on_event = |event: &HistoryEvent| {
            let mut entered = 0;
            stage.note(event, &mut entered);
            waits += entered;
            if waits == 1 && entered == 1 {
                stage.aws.with_world(points_the_listener_at_the_first_group);
            }
        };
        let input = case.event.clone();
        let _ = stage
            .installation
            .deploy("run-1", input, 7, &mut on_event)
            .await;
        stage.watch().broken.clone()
    };
    let reported = drained_by(without_the_guard).await;
    super::assert_caught("S4", reported, drained_by(turn::next).await);
}

#[tokio::test(start_paused = true)]
async fn a_relative_decrement_is_caught_when_a_function_is_invoked_twice() {
    // One task less than now, each time it is asked.
    let relative_decrement: Turn = |phase, seen, plan, progress| {
        let next = turn::next(phase, seen, plan, progress)?;
        let original = plan
            .outgoing_in(seen)
            .filter(|original| phase == Phase::ScaleDown && original.scale > 0.0);
        let Some(original) = original else {
            return Ok(next);
        };
        let desired = plan.desired;
        let left = drain::tasks_at(original.scale, desired).saturating_sub(1);
        Ok(Next::Write(vec![Action::SetScale {
            task_set: original.id.clone(),
            percent: drain::scale_for(left, desired),
            tasks: left,
        }]))
    };
    let case = scenarios::named("three tasks");
    let twice = every_invocation(LambdaFault::Twice);
    assert_caught("S5", &case, relative_decrement, twice).await;
}

/// Deletes a task set by force while it is there.
fn deleted(set: Option<&TaskSet>) -> Option<Next> {
    let set = set.filter(|set| !set.is_being_deleted())?;
    Some(Next::Write(vec![Action::DeleteTaskSet {
        task_set: set.id.clone(),
        force: true,
    }]))
}

#[tokio::test(start_paused = true)]
async fn force_on_a_task_set_that_has_served_is_caught() {
    let deleted_at_once: Turn = |phase, seen, plan, progress| {
        let deletion = deleted(plan.outgoing_in(seen)).filter(|_| phase == Phase::ScaleDown);
        deletion.map_or_else(|| turn::next(phase, seen, plan, progress), Ok)
    };
    let case = scenarios::named("one task");
    assert_caught("S11", &case, deleted_at_once, [Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_deletes_what_serves_is_caught() {
    let candidate_deleted: Turn = |phase, seen, plan, progress| {
        let deletion = deleted(plan.incoming_in(seen)).filter(|_| phase == Phase::Rollback);
        deletion.map_or_else(|| turn::next(phase, seen, plan, progress), Ok)
    };
    let case = scenarios::alarm_in_the_drain();
    assert_caught("S4", &case, candidate_deleted, [Plan::default()]).await;
}
