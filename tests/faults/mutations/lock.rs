//! A lock without one of its parts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Resources, Status};
use ebbtide_simulator::fault::{Fault, LambdaFault};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::every_invocation;
use crate::invariants::unfinished;
use crate::run::{Plan, Ran, Stage, run_on, wrong};
use crate::scenarios::{self, Case};

/// A conditional write of the lock, as a function sends it.
struct LockWrite {
    condition: String,
    update: String,
    values: Map<String, Value>,
}

impl LockWrite {
    fn leaves(&self) -> bool {
        self.condition == "busyBy = :nonce"
    }

    /// The end of what it keeps others out for.
    fn keep_out(&mut self, until: impl FnOnce(i64) -> i64) {
        let shipped = self.values[":until"]["N"].as_str().unwrap();
        let until = until(shipped.parse().unwrap());
        self.values[":until"] = json!({"N": until.to_string()});
    }

    fn without_condition(&mut self, part: &str) {
        self.condition = self.condition.replace(part, "");
    }

    fn without_update(&mut self, part: &str) {
        self.update = self.update.replace(part, "");
    }
}

/// A lock without one of its parts.
type Change = fn(&mut LockWrite);

fn lock_without(stage: &Stage, change: impl Fn(&mut LockWrite) + Send + Sync + 'static) {
    stage.aws.rewrite(move |request| {
        let target = request.headers().get("x-amz-target");
        if target.is_none_or(|target| target != "DynamoDB_20120810.UpdateItem") {
            return;
        }
        let mut body: Value = serde_json::from_slice(request.body()).unwrap();
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        let values = body["ExpressionAttributeValues"].as_object();
        let mut write = LockWrite {
            condition: text("ConditionExpression"),
            update: text("UpdateExpression"),
            values: values.unwrap().clone(),
        };
        change(&mut write);
        // A value or a name that no expression uses is refused, and so are no names.
        let is_used = |name: &String, sign: char| {
            let expressions = [&write.condition, &write.update];
            let between = |c: char| !c.is_alphanumeric() && c != sign;
            let mut words = expressions.into_iter().flat_map(|text| text.split(between));
            words.any(|word| word == name)
        };
        write.values.retain(|name, _| is_used(name, ':'));
        if let Some(names) = body["ExpressionAttributeNames"].as_object_mut() {
            names.retain(|name, _| is_used(name, '#'));
            if names.is_empty() {
                body["ExpressionAttributeNames"].take();
            }
        }
        body["ConditionExpression"] = write.condition.into();
        body["UpdateExpression"] = write.update.into();
        body["ExpressionAttributeValues"] = write.values.into();
        *request.body_mut() = body.to_string().into();
    });
}

fn stage(case: &Case, change: Change) -> Stage {
    let stage = Stage::new(case);
    lock_without(&stage, change);
    stage
}

/// Asserts that a lock with this change breaks the invariant, and the shipped one nothing.
async fn assert_opens(
    invariant: &str,
    change: Change,
    broken: impl AsyncFn(Change) -> Option<String>,
) {
    let reported = broken(change).await;
    super::assert_caught(invariant, reported, broken(|_| {}).await);
}

/// What the first of the plans breaks that breaks anything.
async fn first_broken(case: &Case, change: Change, plans: Vec<Plan>) -> Option<String> {
    for plan in plans {
        let broken = run_on(stage(case, change), &plan).await.broken;
        if broken.is_some() {
            return broken;
        }
    }
    None
}

/// Asserts that under one of the plans a lock with this change breaks the invariant.
async fn assert_opens_under(invariant: &str, change: Change, case: &Case, plans: Vec<Plan>) {
    let broken = async |change| first_broken(case, change, plans.clone()).await;
    assert_opens(invariant, change, broken).await;
}

async fn clean(case: &Case) -> Ran {
    run_on(Stage::new(case), &Plan::default()).await
}

/// What another execution breaks that starts after one that was stopped.
async fn broken_anew(stage: &Stage) -> Option<String> {
    stage.watch().begin_another();
    stage.watch().rolling_back = true;
    stage.deploy("run-2").await;
    stage.watch().broken.clone()
}

/// An execution that is stopped with a write on its way, and one that starts right after.
async fn stopped_with_a_write_on_its_way(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    for call in 20..110 {
        let stage = stage(&case, change);
        stage.aws.plan_faults([(call, Fault::Late(1_000))]);
        let stops = |_: &HistoryEvent| stage.aws.call_count() >= call;
        if !stage.deploy_until("run-1", stops).await {
            break;
        }
        let broken = broken_anew(&stage).await;
        if broken.is_some() {
            return broken;
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_takeover_without_quiet_is_caught() {
    // A leave that asks for no quiet, or for less than a late write takes.
    let changes: [Change; 2] = [
        |write| {
            if write.leaves() {
                let quiet = "busyUntil = :until";
                write.update = write.update.replace(quiet, "busyUntil = rev");
            }
        },
        |write| {
            if write.leaves() {
                write.keep_out(|until| until - 20_000);
            }
        },
    ];
    for change in changes {
        assert_opens("S", change, stopped_with_a_write_on_its_way).await;
    }
}

/// A function that Lambda runs twice at once, at every invocation.
#[tokio::test(start_paused = true)]
async fn a_lock_that_lets_two_in_is_caught() {
    let change: Change = |write| {
        let condition = &mut write.condition;
        if let Some(at) = condition.find(" AND (attribute_not_exists(busyBy)") {
            condition.truncate(at);
        }
    };
    let case = scenarios::two_tasks();
    let plans = every_invocation(LambdaFault::TwiceAtOnce).take(20);
    assert_opens_under("S6", change, &case, plans.collect()).await;
}

/// A leave whose first attempt lands late, at every call: when the next function has entered and begins to
/// look.
#[tokio::test(start_paused = true)]
async fn a_leave_without_its_condition_is_caught() {
    let change: Change = |write| {
        if write.leaves() {
            write.condition = "attribute_exists(id)".to_owned();
        }
    };
    let case = scenarios::two_tasks();
    let calls = clean(&case).await.stage.calls_of("dynamodb:UpdateItem");
    let plans = calls.iter().map(|call| Plan::call(*call, Fault::Late(3)));
    assert_opens_under("S6", change, &case, plans.collect()).await;
}

/// An execution that is stopped before one of its functions was invoked, taken over, and redriven.
async fn redriven_beside(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    for seconds in [60, 120, 200] {
        let stage = stage(&case, change);
        let time = Duration::from_secs(seconds);
        assert!(stage.deploy_for("run-1", time).await);
        stage.watch().begin_another();
        let redriven = async {
            sleep(Duration::from_secs(150)).await;
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
    let change: Change =
        |write| write.without_condition("#owner = :me AND fence = :fence AND turn <= :turn AND");
    assert_opens("S", change, redriven_beside).await;
}

/// What the first invocation of a phase was made with, and word of when its execution enters a state.
struct Kept {
    phase: &'static str,
    state: &'static str,
    parameters: Mutex<Option<Value>>,
    entered: Notify,
}

impl Kept {
    fn of(phase: &'static str, state: &'static str) -> Self {
        Self {
            phase,
            state,
            parameters: Mutex::new(None),
            entered: Notify::new(),
        }
    }

    fn note(&self, event: &HistoryEvent) {
        match &event.kind {
            EventKind::TaskScheduled { parameters, .. }
                if parameters["Payload"]["phase"] == self.phase =>
            {
                let mut kept = self.parameters.lock().unwrap();
                kept.get_or_insert_with(|| parameters.clone());
            }
            _ if event.enters(self.state) => self.entered.notify_one(),
            _ => {}
        }
    }

    /// Invokes the function once more.
    async fn invoke(&self, stage: &Stage) {
        let parameters = self.parameters.lock().unwrap().take();
        let mut parameters = parameters.expect("it has come to that phase");
        let payload = parameters["Payload"].take();
        let function = parameters["FunctionName"].as_str().unwrap();
        drop(stage.installation.call(function, payload).await);
    }
}

/// A function that Step Functions gave up before it began, and that begins in the rollback: when its turn is
/// done, and what came after it.
async fn given_up(change: Change) -> Option<String> {
    let case = scenarios::named("protected tasks");
    let stage = stage(&case, change);
    let given_up = Kept::of("scale-down", "RolledBack");
    let mut waits = 0;
    let mut on_event = |event: &HistoryEvent| {
        stage.note(event, &mut waits);
        given_up.note(event);
    };
    let (input, stop) = (case.event.clone(), given_up.entered.notified());
    let deployment = stage
        .installation
        .deploy_until("run-1", input, 7, &mut on_event, stop);
    assert_eq!(deployment.await, None, "it rolls back");
    stage.settled().await;
    given_up.invoke(&stage).await;
    stage.watch().broken.clone()
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_given_up_and_comes_in_later_is_caught() {
    let change: Change = |write| write.without_condition(" AND turn <= :turn");
    assert_opens("S6", change, given_up).await;
}

/// A step whose first attempt lands half a minute late, at every step.
#[tokio::test(start_paused = true)]
async fn a_leave_while_a_write_may_still_land_is_caught() {
    let change: Change = |write| {
        if write.leaves() && !write.update.contains("busyBy") {
            write.update = write.update.replace(" ADD ", " REMOVE busyBy ADD ");
        }
    };
    let case = scenarios::quick_steps();
    let steps = clean(&case).await.stage.calls_of("ecs:UpdateTaskSet");
    let plans = steps
        .iter()
        .map(|call| Plan::call(*call, Fault::Late(1_000)));
    assert_opens_under("S", change, &case, plans.collect()).await;
}

/// An execution that was stopped before it took the lock, and is redriven after a newer one has deployed.
async fn redriven_after_a_newer_one(change: Change) -> Option<String> {
    let stage = stage(&scenarios::two_tasks(), change);
    let entered = |event: &HistoryEvent| event.enters("CheckAndCreateService");
    assert!(stage.deploy_until("run-1", entered).await);
    stage.watch().begin_another();
    let newer = stage.deploy("run-2").await;
    assert!(newer.status.is_success(), "{newer:?}");
    let older = stage.installation.redrive("run-1", 8, &mut |_| {}).await;
    let newer = stage.installation.execution_arn("run-2");
    let status = older.unwrap().status;
    let refused = matches!(&status, Status::Failed { error, cause } if error == "ConcurrentDeployment" && cause.contains(&newer));
    if refused {
        return stage.watch().broken.clone();
    }
    let what = format!("L3: an execution that started before {newer} deploys after it: {status:?}");
    Some(what)
}

#[tokio::test(start_paused = true)]
async fn a_lock_without_an_order_of_executions_is_caught() {
    let change: Change = |write| write.without_update("newest = :started, ");
    assert_opens("L3", change, redriven_after_a_newer_one).await;
}

/// The first turn is invoked once more by Lambda while its execution waits for the replacement.
async fn first_turn_again(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    let stage = stage(&case, change);
    let first = Kept::of("check-and-create", "WaitForServiceReady");
    let mut waits = 0;
    let mut on_event = |event: &HistoryEvent| {
        stage.note(event, &mut waits);
        first.note(event);
    };
    let input = case.event.clone();
    let deployment = stage.installation.deploy("run-1", input, 7, &mut on_event);
    let again = async {
        first.entered.notified().await;
        first.invoke(&stage).await;
    };
    tokio::join!(deployment, again);
    stage.watch().broken.clone()
}

#[tokio::test(start_paused = true)]
async fn a_lock_taken_back_under_another_fence_is_caught() {
    let change: Change = |write| {
        if write.update.contains("newest") && !write.update.contains("fence") {
            write.update += ", fence :one";
        }
    };
    assert_opens("S6", change, first_turn_again).await;
}

/// A deployment whose last answer is lost.
async fn last_answer_lost(change: Change) -> Option<String> {
    let case = scenarios::two_tasks();
    let last = clean(&case).await.invocations;
    let plan = Plan::invocation(last, LambdaFault::TaskFailedAfter);
    let ran = run_on(stage(&case, change), &plan).await;
    assert_eq!(unfinished(&ran.stage.aws.snapshot(), case.ends), None);
    wrong(&case, &ran).map(|what| format!("S12: it is deployed, and is reported as {what}"))
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_forgets_how_deployments_ended_is_caught() {
    let change: Change = |write| write.without_update(", ends = :ends");
    assert_opens("S12", change, last_answer_lost).await;
}

/// An execution that is stopped in its rollback, and one that takes over.
async fn stopped_in_its_rollback(change: Change) -> Option<String> {
    let case = scenarios::named("sick after the swap");
    let stage = stage(&case, change);
    let entered = |event: &HistoryEvent| event.enters("Rollback");
    assert!(stage.deploy_until("run-1", entered).await);
    // It goes back for the one, and forward and back for itself: more moves than S7 counts for one.
    broken_anew(&stage).await;
    unfinished(&stage.aws.snapshot(), case.ends)
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_forgets_a_rollback_is_caught() {
    let change: Change = |write| {
        write.without_update(", phase = :phase");
        write.without_update(", #plan = :plan");
    };
    assert_opens("S12", change, stopped_in_its_rollback).await;
}

/// A function enters by a clock that is centuries ahead, and dies inside.
async fn bad_clock(change: Change) -> Option<String> {
    let stage = Stage::new(&scenarios::two_tasks());
    let entered = AtomicU64::new(0);
    lock_without(&stage, move |write| {
        if !write.leaves() && entered.fetch_add(1, Ordering::Relaxed) == 2 {
            write.keep_out(|_| 9_999_999_999_999);
        }
        change(write);
    });
    // Preflight, the first of the invocations, does not enter.
    let plan = Plan::invocation(4, LambdaFault::DiesAfterCalls(3));
    // What has been watched believes the clock.
    let status = run_on(stage, &plan).await.outcome.status;
    (!status.is_success()).then(|| format!("L1: no turn enters any more: {status:?}"))
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_believes_a_clock_is_caught() {
    let change: Change = |write| write.without_condition(" OR rev = :outwaited");
    assert_opens("L1", change, bad_clock).await;
}

/// A step that Lambda runs twice at once, and of whose calls one is silent for some seconds.
#[tokio::test(start_paused = true)]
async fn a_nonce_that_is_every_invocations_is_caught() {
    let change: Change = |write| {
        let nonce = json!({"S": "one"});
        write.values.insert(":nonce".to_owned(), nonce);
        let free = "(attribute_not_exists(busyBy)";
        let to = format!("{free} OR busyBy = :nonce");
        write.condition = write.condition.replace(free, &to);
    };
    let case = scenarios::quick_steps();
    let clean = clean(&case).await;
    let step = clean.stage.calls_of("ecs:UpdateTaskSet")[0];
    let began = clean.stage.aws.calls_before_invocations();
    let invocation = began.iter().filter(|calls| **calls < step).count();
    let first = began[invocation - 1] + 1;
    let plans = (first..first + 40).map(|silent| Plan {
        calls: vec![(silent, Fault::Silent)],
        invocations: vec![(invocation as u64, LambdaFault::TwiceAtOnce)],
    });
    assert_opens_under("S", change, &case, plans.collect()).await;
}
