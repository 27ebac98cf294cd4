//! A wrong decision in the place of ours.

use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide_controller::action::{Action, NewTaskSet};
use ebbtide_controller::arn::is_listener_rule;
use ebbtide_controller::deployment::Plan as Settled;
use ebbtide_controller::drain;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::point::Point;
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::turn::{self, Next, Turn};
use ebbtide_controller::world::{Forward, Targets, TaskSet, World};
use ebbtide_simulator::fault::{Fault, LambdaFault};

use super::{Decided, every_invocation};
use crate::invariants::converged;
use crate::run::{Plan, Stage, run_clean, run_on, run_until_back};
use crate::scenarios::{self, Case};

/// Asserts that the suite reports this invariant for one of the plans, and nothing for the decision
/// as it is shipped.
pub(super) async fn assert_caught(
    invariant: &str,
    case: &Case,
    next: Turn,
    plans: impl IntoIterator<Item = Plan>,
) {
    let mutant = case.deciding_by(next);
    let (_, path) = run_clean(&mutant).await;
    for plan in plans {
        // As the suite runs it: it ends where it comes back.
        let ran = run_until_back(&mutant, &path, &plan, 1).await;
        let Some(what) = ran.broken else {
            continue;
        };
        assert!(what.starts_with(invariant), "{invariant} expected: {what}");
        let shipped = run_on(Stage::new(case), &plan).await;
        assert_eq!(shipped.broken, None);
        println!("caught: {what}");
        return;
    }
    panic!("nothing reported; {invariant} expected");
}

/// Writes, changed and made one after another.
fn changed(decided: Decided, change: impl FnOnce(&mut Vec<Action>)) -> Decided {
    Ok(match decided? {
        Next::Write(stages) => {
            let mut actions = stages.concat();
            change(&mut actions);
            Next::in_order(actions)
        }
        Next::WriteAndGo(mut writes, answer) => {
            change(&mut writes);
            Next::WriteAndGo(writes, answer)
        }
        answer @ Next::Go(_) => answer,
    })
}

/// Writes in which every task set is created with a change.
fn created_with(decided: Decided, change: impl Fn(&mut NewTaskSet)) -> Decided {
    changed(decided, |actions| {
        for action in actions {
            if let Action::CreateTaskSet(new) = action {
                change(new);
            }
        }
    })
}

/// The function dies once it has created the task set, and what it reads next is old.
#[tokio::test(start_paused = true)]
async fn without_a_client_token_that_stays_the_same_two_task_sets_are_made() {
    static TOKEN: AtomicU64 = AtomicU64::new(1);
    let next: Turn = |phase, seen, plan, progress| {
        created_with(turn::next(phase, seen, plan, progress), |new| {
            new.client_token = format!("{:032}", TOKEN.fetch_add(1, Ordering::Relaxed));
        })
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
        (created + 1..created + 30).map(move |read| Plan {
            calls: vec![(read, Fault::Stale)],
            invocations: vec![(number, LambdaFault::Twice)],
        })
    });
    assert_caught("S3", &case, next, invoked).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_without_the_originals_tags_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let decided = turn::next(phase, seen, plan, progress);
        created_with(decided, |new| new.tags.clear())
    };
    let case = scenarios::named("one task");
    assert_caught("S17", &case, next, [Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn traffic_that_moves_before_its_hook_is_called_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut plan = plan.clone();
        plan.request
            .hooks
            .retain(|hook| hook.at != Point::BeforeSwap);
        turn::next(phase, seen, &plan, progress)
    };
    let case = scenarios::named("hooks");
    assert_caught("S18", &case, next, [Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_against_a_hooks_answer_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut plan = plan.clone();
        plan.request
            .hooks
            .retain(|hook| hook.at != Point::AfterSwap);
        turn::next(phase, seen, &plan, progress)
    };
    let case = scenarios::named("a hook that fails");
    assert_caught("S18", &case, next, [Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn steps_outside_of_the_window_are_caught() {
    let swap: Turn = |phase, seen, plan, progress| {
        turn::next(
            phase,
            seen,
            &at_any_time(plan, phase == Phase::Swap),
            progress,
        )
    };
    let step: Turn = |phase, seen, plan, progress| {
        turn::next(
            phase,
            seen,
            &at_any_time(plan, phase == Phase::ScaleDown),
            progress,
        )
    };
    for (name, next) in [
        ("a swap that waits for the window", swap),
        ("a drain that waits for the window", step),
    ] {
        let case = scenarios::named(name);
        assert_caught("S21", &case, next, [Plan::default()]).await;
    }
}

/// The plan, without its window where so.
fn at_any_time(plan: &Settled, without: bool) -> Settled {
    let mut plan = plan.clone();
    plan.request.window = plan.request.window.filter(|_| !without);
    plan
}

#[tokio::test(start_paused = true)]
async fn tags_before_the_listener_are_caught() {
    let next: Turn = |phase, seen, plan, progress| {
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
    assert_caught("R5", &case, next, [Plan::default()]).await;
}

/// What is seen, with the replacement as it should be where that is to be believed.
fn as_if_healthy(seen: &World, plan: &Settled, believed: bool) -> World {
    let mut seen = seen.clone();
    if !believed || plan.replacement.is_none() {
        return seen;
    }
    for group in &mut seen.target_groups {
        if group.arn == plan.replacement_target_group {
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

#[tokio::test(start_paused = true)]
async fn a_swap_before_the_replacement_is_healthy_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let blind = matches!(phase, Phase::CheckAndCreate | Phase::Swap);
        turn::next(phase, &as_if_healthy(seen, plan, blind), plan, progress)
    };
    let case = scenarios::named("never healthy");
    assert_caught("S1", &case, next, [Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn an_original_that_is_deleted_while_nothing_works_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let blind = matches!(phase, Phase::ScaleDown | Phase::Cleanup);
        turn::next(phase, &as_if_healthy(seen, plan, blind), plan, progress)
    };
    let case = scenarios::named("sick after the swap");
    assert_caught("S13", &case, next, [Plan::default()]).await;
}

/// One task less than now, each time it is asked.
#[tokio::test(start_paused = true)]
async fn a_relative_decrement_is_caught_when_a_function_is_invoked_twice() {
    let next: Turn = |phase, seen, plan, progress| {
        let next = turn::next(phase, seen, plan, progress)?;
        let original = plan.outgoing_in(seen);
        let original = original.filter(|set| phase == Phase::ScaleDown && set.scale > 0.0);
        let Some(original) = original else {
            return Ok(next);
        };
        let left = drain::tasks_at(original.scale, plan.desired).saturating_sub(1);
        Ok(Next::one(Action::SetScale {
            task_set: original.id.clone(),
            percent: drain::scale_for(left, plan.desired),
            tasks: left,
        }))
    };
    let case = scenarios::named("three tasks");
    let twice = every_invocation(LambdaFault::Twice);
    assert_caught("S5", &case, next, twice).await;
}

/// Deletes a task set by force while it is there.
fn deleted(set: Option<&TaskSet>) -> Option<Decided> {
    let set = set.filter(|set| !set.is_being_deleted())?;
    Some(Ok(Next::one(Action::DeleteTaskSet {
        task_set: set.id.clone(),
        force: true,
    })))
}

#[tokio::test(start_paused = true)]
async fn force_on_a_task_set_that_has_served_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let deletion = deleted(plan.outgoing_in(seen)).filter(|_| phase == Phase::ScaleDown);
        deletion.unwrap_or_else(|| turn::next(phase, seen, plan, progress))
    };
    let case = scenarios::named("one task");
    assert_caught("S11", &case, next, [Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_deletes_what_serves_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let deletion = deleted(plan.incoming_in(seen)).filter(|_| phase == Phase::Rollback);
        deletion.unwrap_or_else(|| turn::next(phase, seen, plan, progress))
    };
    let case = scenarios::alarm_in_the_drain();
    assert_caught("S4", &case, next, [Plan::default()]).await;
}

/// In the middle of its drain.
#[tokio::test(start_paused = true)]
async fn a_healthy_version_that_is_given_up_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        if phase == Phase::ScaleDown && plan.goes_forward() && progress.step > 1 {
            return Err(Refusal::new(ErrorName::HealthLost, "It is late.", "Wait."));
        }
        turn::next(phase, seen, plan, progress)
    };
    let case = scenarios::two_tasks();
    assert_caught("S14", &case, next, [Plan::default()]).await;
}

/// As if only listeners led to a service.
#[tokio::test(start_paused = true)]
async fn a_swap_that_forgets_rules_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        seen.routes.retain(|route| route.rule.is_none());
        let mut plan = plan.clone();
        plan.routes.retain(|arn| !is_listener_rule(arn));
        turn::next(phase, &seen, &plan, progress)
    };
    let case = scenarios::named("three routes");
    assert_caught("R5", &case, next, [Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_leaves_its_rules_for_tests_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        if phase == Phase::Rollback {
            seen.routes.retain(|route| route.created.is_none());
        }
        turn::next(phase, &seen, plan, progress)
    };
    let case = scenarios::named("three routes, never healthy");
    assert_caught("S15", &case, next, [Plan::default()]).await;
}

/// Weights that move traffic, as they were decided, with another share for the replacement.
fn shared_with(decided: Decided, plan: &Settled, share: impl Fn(u32) -> u32) -> Decided {
    let group = plan.replacement_target_group.clone();
    changed(decided, |actions| {
        for action in actions {
            if let Action::Forward { wanted, .. } = action
                && let Some(percent) = wanted.share(&group).filter(|percent| *percent > 0)
            {
                let share = share(percent);
                *wanted = wanted.shared(&group, &plan.original_target_group, share);
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_share_that_no_step_asks_for_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let decided = turn::next(phase, seen, plan, progress);
        shared_with(decided, plan, |percent| percent.min(95) + 5)
    };
    let case = scenarios::named("a shift");
    assert_caught("S2", &case, next, [Plan::default()]).await;
}

/// The second step falls back to the first, as one that computes from what it has read would after a repeated turn.
#[tokio::test(start_paused = true)]
async fn weights_that_are_lowered_on_the_way_are_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        if phase == Phase::Swap && plan.shifted.step == 2 && plan.goes_forward() {
            let route = seen.routes.iter().find(|route| route.port == 80);
            let route = route.expect("the production listener");
            let (to, from) = (&plan.replacement_target_group, &plan.original_target_group);
            return Ok(Next::one(Action::Forward {
                route: route.arn.clone(),
                seen: route.forward.clone(),
                wanted: route.forward.shared(to, from, 20),
            }));
        }
        turn::next(phase, seen, plan, progress)
    };
    let case = scenarios::named("a shift");
    assert_caught("S14", &case, next, [Plan::default()]).await;
}

/// A later execution drains the original of a shift that its owner has left.
#[tokio::test(start_paused = true)]
async fn a_shift_that_is_left_half_done_at_a_takeover_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        let routes = seen.routes.iter_mut();
        // As if each route sent everything to the group that it names first.
        for route in routes.filter(|_| plan.id.name() == "run-2") {
            if let [first, second] = &route.forward.0[..]
                && first.weight > 0
                && second.weight > 0
            {
                let (live, idle) = (first.target_group.clone(), second.target_group.clone());
                route.forward = Forward::weighted(&live, &idle);
            }
        }
        turn::next(phase, &seen, plan, progress)
    };
    let shipped = scenarios::named("a shift");
    for (case, is_caught) in [(shipped.deciding_by(next), true), (shipped, false)] {
        let stage = Stage::new(&case);
        let mut bakes = 0;
        let stopped = stage.deploy_until("run-1", |event| {
            bakes += u32::from(event.enters("Bake"));
            bakes == 2
        });
        assert!(stopped.await);
        stage.begin_another();
        let outcome = stage.deploy("run-2").await;
        let world = stage.aws.snapshot();
        let broken = stage.broken().or_else(|| converged(&world));
        assert_eq!(broken.is_some(), is_caught, "{broken:?} {outcome:?}");
    }
}
