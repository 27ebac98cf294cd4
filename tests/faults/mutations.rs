//! The suite can fail: with a wrong decision in the place of ours, each of these reports the invariant
//! that is broken.

use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide_controller::action::Action;
use ebbtide_controller::deployment::{Course, Deployment};
use ebbtide_controller::drain;
use ebbtide_controller::observation::{Forward, Observation, Targets};
use ebbtide_controller::phase::Phase;
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::turn::{self, Next, Turn};
use ebbtide_simulator::asl::{EventKind, HistoryEvent, Resources};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::{Fault, LambdaFault};
use serde_json::Value;

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

/// Changes the conditional writes of the lock: the condition and the update, as the functions send them.
fn lock_without(stage: &Stage, change: fn(condition: &mut String, update: &mut String)) {
    stage.aws.rewrite(move |request| {
        let target = request.headers().get("x-amz-target");
        if target.is_none_or(|target| target != "DynamoDB_20120810.UpdateItem") {
            return;
        }
        let mut body: Value = serde_json::from_slice(request.body()).unwrap();
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        let mut condition = text("ConditionExpression");
        let mut update = text("UpdateExpression");
        change(&mut condition, &mut update);
        // A value or a name that no expression uses is refused.
        for (list, sign) in [
            ("ExpressionAttributeValues", ':'),
            ("ExpressionAttributeNames", '#'),
        ] {
            let is_used = |name: &String| {
                let word = |text: &str| {
                    text.split(|c: char| !c.is_alphanumeric() && c != sign)
                        .any(|word| word == name)
                };
                word(&condition) || word(&update)
            };
            if let Some(list) = body[list].as_object_mut() {
                list.retain(|name, _| is_used(name));
            }
        }
        body["ConditionExpression"] = condition.into();
        body["UpdateExpression"] = update.into();
        *request.body_mut() = body.to_string().into();
    });
}

fn as_shipped(_: &mut String, _: &mut String) {}

/// An execution that is stopped with a write on its way, and one that starts right after.
async fn stopped_with_a_write_on_its_way(change: fn(&mut String, &mut String)) -> Option<String> {
    let case = scenarios::two_tasks();
    for call in 20..110 {
        let stage = Stage::new(&case);
        lock_without(&stage, change);
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
async fn a_takeover_without_quiet_is_caught() {
    // A leave that asks for no quiet: the takeover has nothing to wait for.
    let what = stopped_with_a_write_on_its_way(|condition, update| {
        if condition == "busyBy = :nonce" {
            *update = update.replace("busyUntil = :until", "busyUntil = rev");
        }
    })
    .await
    .unwrap();
    assert!(what.starts_with('S'), "{what}");
    println!("caught: {what}");
    assert_eq!(stopped_with_a_write_on_its_way(as_shipped).await, None);
}

/// A function that Lambda runs twice at once, at every invocation.
async fn twice_at_once(change: fn(&mut String, &mut String)) -> Option<String> {
    let case = scenarios::two_tasks();
    for plan in every_invocation(LambdaFault::TwiceAtOnce).take(20) {
        let stage = Stage::new(&case);
        lock_without(&stage, change);
        if let Some(broken) = run_on(stage, &plan).await.broken {
            return Some(broken);
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_lets_two_in_is_caught() {
    let what = twice_at_once(|condition, _| {
        if let Some((before, _)) = condition.split_once(" AND (attribute_not_exists(busyBy)") {
            *condition = before.to_owned();
        }
    })
    .await
    .unwrap();
    assert!(what.starts_with("S6"), "{what}");
    println!("caught: {what}");
    assert_eq!(twice_at_once(as_shipped).await, None);
}

/// A leave whose first attempt lands late, at every call.
async fn late_leaves(change: fn(&mut String, &mut String)) -> Option<String> {
    let case = scenarios::two_tasks();
    let clean = run_on(Stage::new(&case), &Plan::default()).await;
    let world = clean.stage.aws.snapshot();
    let updates = world
        .calls()
        .zip(1..)
        .filter_map(|(call, number)| (call.operation == "dynamodb:UpdateItem").then_some(number));
    for call in updates {
        let stage = Stage::new(&case);
        lock_without(&stage, change);
        // It lands when the next function has entered and begins to look.
        let plan = Plan::call(call, Fault::Late(3));
        if let Some(broken) = run_on(stage, &plan).await.broken {
            return Some(broken);
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_leave_without_its_condition_is_caught() {
    let what = late_leaves(|condition, _| {
        if condition == "busyBy = :nonce" {
            *condition = "attribute_exists(id)".to_owned();
        }
    })
    .await
    .unwrap();
    assert!(what.starts_with("S6"), "{what}");
    println!("caught: {what}");
    assert_eq!(late_leaves(as_shipped).await, None);
}

/// An execution that is stopped before one of its functions was invoked, taken over, and redriven.
async fn redriven_beside(change: fn(&mut String, &mut String)) -> Option<String> {
    let case = scenarios::two_tasks();
    for seconds in [60, 120, 200] {
        let stage = Stage::new(&case);
        lock_without(&stage, change);
        let stop = tokio::time::sleep(std::time::Duration::from_secs(seconds));
        let stopped = stage
            .installation
            .deploy_until("run-1", case.event.clone(), 7, &mut |_| {}, stop)
            .await;
        assert!(stopped.is_none());
        stage.watch().begin_another();
        let redriven = async {
            tokio::time::sleep(std::time::Duration::from_secs(150)).await;
            let _ = stage.installation.redrive("run-1", 8, &mut |_| {}).await;
        };
        tokio::join!(stage.deploy("run-2"), redriven);
        let broken = stage.watch().broken.clone();
        if broken.is_some() {
            return broken;
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_any_owner_and_any_fence_enters_is_caught() {
    let what = redriven_beside(|condition, _| {
        *condition = condition.replace("#owner = :me AND fence = :fence AND turn <= :turn AND", "");
    })
    .await
    .unwrap();
    assert!(what.starts_with('S'), "{what}");
    println!("caught: {what}");
    assert_eq!(redriven_beside(as_shipped).await, None);
}

/// A function that Step Functions gave up before it began, and that begins in the rollback.
async fn given_up(change: fn(&mut String, &mut String)) -> Option<String> {
    let case = scenarios::named("protected tasks");
    let stage = Stage::new(&case);
    lock_without(&stage, change);
    let (mut given_up, mut entered) = (None, 0);
    let begins = tokio::sync::Notify::new();
    let mut drains = None;
    let mut on_event = |event: &HistoryEvent| {
        stage.note(event, &mut entered);
        match &event.kind {
            EventKind::TaskScheduled { parameters, .. }
                if parameters["Payload"]["phase"] == "scale-down" =>
            {
                drains.get_or_insert_with(|| parameters.clone());
            }
            EventKind::StateEntered { name, .. } if name == "RolledBack" => {
                given_up = drains.take();
                begins.notify_one();
            }
            _ => {}
        }
    };
    let (name, input) = ("run-1", case.event.clone());
    let deployment =
        stage
            .installation
            .deploy_until(name, input, 7, &mut on_event, begins.notified());
    deployment.await;
    // The rollback's turn is done, and what came after it: now begins the function that was given up
    // before them.
    stage.settled().await;
    let mut parameters = given_up.expect("it rolls back");
    let payload = parameters["Payload"].take();
    let function = parameters["FunctionName"].as_str().expect("a function");
    drop(stage.installation.call(function, payload).await);
    stage.watch().broken.clone()
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_given_up_and_comes_in_later_is_caught() {
    let what = given_up(|condition, _| *condition = condition.replace(" AND turn <= :turn", ""))
        .await
        .unwrap();
    assert!(what.starts_with("S6"), "{what}");
    println!("caught: {what}");
    assert_eq!(given_up(as_shipped).await, None);
}
