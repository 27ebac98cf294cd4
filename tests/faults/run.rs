//! One deployment under a plan of faults, watched at every call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ebbtide_permissions::judged;
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::asl::{Entering, EventKind, HistoryEvent, Outcome, Status};
use ebbtide_simulator::deployment::{Installation, LOCK_TABLE};
use ebbtide_simulator::fault::{Fault, LambdaFault};
use ebbtide_simulator::world::{UpdateService, World};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::invariants::{Watch, converged, unfinished};
use crate::join::Fork;
use crate::scenarios::{CLUSTER, Case, Ends, Meanwhile, SERVICE};

#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) calls: Vec<(u64, Fault)>,
    pub(crate) invocations: Vec<(u64, LambdaFault)>,
}

impl Plan {
    pub(crate) fn call(number: u64, fault: Fault) -> Self {
        Self {
            calls: vec![(number, fault)],
            ..Self::default()
        }
    }

    pub(crate) fn invocation(number: u64, fault: LambdaFault) -> Self {
        Self {
            invocations: vec![(number, fault)],
            ..Self::default()
        }
    }

    /// Whether nothing in it has come to pass at a fork.
    fn begins_after(&self, fork: &Fork) -> bool {
        let (calls, invocations) = (fork.moment.call_count(), fork.moment.invocation_count());
        let mut struck = self.invocations.iter();
        self.calls.iter().all(|(call, _)| *call > calls)
            && struck.all(|(number, _)| *number > invocations)
    }
}

/// Whether an operation only reads; they are named as in IAM.
pub(crate) fn reads(operation: &str) -> bool {
    let name = operation.rsplit(':').next().unwrap_or_default();
    let mut verbs = ["Describe", "List", "Get"].iter();
    verbs.any(|verb| name.starts_with(verb))
}

/// Whether the functions tell how a call has failed, where the SDK's next attempt succeeds: a write to ECS, Elastic Load
/// Balancing or Application Auto Scaling that was not answered may still land.
pub(crate) fn is_told_apart(operation: &str) -> bool {
    let mut services = ["ecs:", "elasticloadbalancing:", "application-autoscaling:"].iter();
    services.any(|service| operation.starts_with(service)) && !reads(operation)
}

/// Sees a fork wherever an execution enters a state with nothing under way; says whether it may end there.
type Along<'a> = Option<&'a mut dyn FnMut(Fork) -> bool>;

pub(crate) struct Stage {
    pub(crate) aws: SimulatedAws,
    pub(crate) installation: Installation,
    watch: Arc<Mutex<Watch>>,
    case: Case,
}

impl Stage {
    pub(crate) fn new(case: &Case) -> Self {
        let aws = SimulatedAws::new(case.world.clone(), 1.0);
        Self::on(case, aws, Watch::new(case))
    }

    fn on(case: &Case, aws: SimulatedAws, watch: Watch) -> Self {
        let aws = judged(aws);
        let watch = Arc::new(Mutex::new(watch));
        let seen = Arc::clone(&watch);
        aws.watch(move |effect| {
            let mut watch = seen.lock().unwrap_or_else(PoisonError::into_inner);
            watch.see(effect);
        });
        Self {
            installation: Installation::new(&aws).unwrap().deciding_by(case.next),
            aws,
            watch,
            case: case.clone(),
        }
    }

    fn plan(&self, plan: &Plan) {
        self.aws.plan_faults(plan.calls.iter().copied());
        let invocations = plan.invocations.iter().copied();
        self.aws.plan_lambda_faults(invocations);
    }

    pub(crate) fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what an execution enters, and lets people do what the case says they do.
    pub(crate) fn note(&self, event: &HistoryEvent, entered: &mut u32) {
        let EventKind::StateEntered { name, input, .. } = &event.kind else {
            return;
        };
        // A swap that was left half done may go back as well.
        let finishing = name == "Swap" && input["plan"]["replacement"].is_null();
        if name == "Rollback" || finishing {
            self.watch().rolling_back = true;
        }
        // Another one's rollback is finished: what follows is this execution's own deployment.
        if name == "CheckAndCreateService" && input["reason"]["code"] == "finishingRollback" {
            self.watch().forget_moves();
        }
        if let Some(meanwhile) = self.case.meanwhile {
            let reason = input["reason"]["code"].as_str().unwrap_or_default();
            let begins = name == "Wait" && *entered == 0;
            self.aws
                .with_world(|world| happens(world, meanwhile, begins, reason));
        }
        *entered += u32::from(name == "Wait");
    }

    /// The invariant that is broken, where one is.
    pub(crate) fn broken(&self) -> Option<String> {
        self.watch().broken.clone()
    }

    /// A new execution begins, which may go back to what served before one that has died.
    pub(crate) fn begin_another(&self) {
        let mut watch = self.watch();
        watch.begin_another();
        watch.rolling_back = true;
    }

    pub(crate) async fn deploy(&self, name: &str) -> Outcome {
        let outcome = self.deploy_from(name, None, None).await;
        outcome.expect("it goes to its end")
    }

    /// Runs an execution from its start or from a fork to its end. Where `along` says that it may end
    /// earlier, there is no outcome.
    async fn deploy_from(
        &self,
        name: &str,
        from: Option<&Fork>,
        mut along: Along<'_>,
    ) -> Option<Outcome> {
        let back = Notify::new();
        let mut waits = from.map_or(0, |fork| fork.waits);
        let mut on_event = |event: &HistoryEvent| {
            if let (Some(along), Some(entering)) = (&mut along, Entering::of(event))
                && self.installation.is_settled()
            {
                // Late calls that are due land first, and are watched.
                let moment = self.aws.moment();
                let watch = self.watch().clone();
                if along(Fork::new(moment, watch, entering, waits)) {
                    back.notify_one();
                }
            }
            self.note(event, &mut waits);
        };
        let (installation, input) = (&self.installation, self.case.event.clone());
        let deployment = async {
            match from {
                None => installation.deploy(name, input, 7, &mut on_event).await,
                Some(fork) => {
                    let entering = fork.entering.clone();
                    let deployment =
                        installation.deploy_on(name, input, entering, 7, &mut on_event);
                    deployment.await
                }
            }
        };
        let outcome = tokio::select! {
            biased;
            () = back.notified() => return None,
            outcome = deployment => outcome,
        };
        self.settled().await;
        Some(outcome)
    }

    /// Runs an execution until `stops` says so at one of its events; says whether it was stopped.
    pub(crate) async fn deploy_until(
        &self,
        name: &str,
        mut stops: impl FnMut(&HistoryEvent) -> bool,
    ) -> bool {
        let stop = Notify::new();
        let mut entered = 0;
        let mut on_event = |event: &HistoryEvent| {
            self.note(event, &mut entered);
            if stops(event) {
                stop.notify_one();
            }
        };
        let event = self.case.event.clone();
        let stopped = stop.notified();
        let installation = &self.installation;
        let deployment = installation.deploy_until(name, event, 7, &mut on_event, stopped);
        deployment.await.is_none()
    }

    /// Runs an execution until it is stopped after some time; says whether it was.
    pub(crate) async fn deploy_for(&self, name: &str, time: Duration) -> bool {
        let (event, stop) = (self.case.event.clone(), tokio::time::sleep(time));
        let installation = &self.installation;
        installation
            .deploy_until(name, event, 7, &mut |_| {}, stop)
            .await
            .is_none()
    }

    /// Waits until every function has ended: a minute, and what is not answered is left.
    pub(crate) async fn settled(&self) {
        let settled = self.installation.settled();
        let _ = tokio::time::timeout(Duration::from_secs(90), settled).await;
        // What was deleted goes.
        tokio::time::sleep(Duration::from_secs(30)).await;
        self.aws.with_world(|_| {});
    }

    /// Everything done so far is over, and a new execution begins in a world without faults: it
    /// must end with one task set (L2).
    pub(crate) async fn anew(self, name: &str) -> Option<String> {
        let world = self.aws.snapshot();
        let mut watch = self.watch().clone();
        watch.begin_another();
        // What a dead execution has left may go back to what served before.
        watch.rolling_back = true;
        let mut case = self.case.clone();
        case.meanwhile = None;
        let next = Self::on(&case, SimulatedAws::new(world, 1.0), watch);
        let outcome = next.deploy(name).await;
        let broken = next.broken();
        let world = next.aws.snapshot();
        broken
            .or_else(|| converged(&world))
            .or_else(|| match outcome.status {
                Status::TimedOut => Some("L1: the new execution did not end".to_owned()),
                Status::Succeeded { .. } | Status::Failed { .. } => None,
            })
            .map(|what| format!("a new execution: {what}; it ended {:?}", outcome.status))
    }
}

fn happens(world: &mut World, meanwhile: Meanwhile, begins: bool, reason: &str) {
    match meanwhile {
        Meanwhile::IsOperated => operate(world, reason),
        _ if !begins => {}
        Meanwhile::Desires(desired) => rescale(world, desired),
        Meanwhile::LosesATask => {
            let sets = world.task_sets_of(CLUSTER, SERVICE);
            let newest = sets.last().map(|set| set.id.clone()).unwrap_or_default();
            assert!(world.reclaim_a_task(&newest), "{newest} runs no task");
        }
    }
}

/// Asks for what comes next, once the deployment is where that means something.
fn operate(world: &mut World, reason: &str) {
    let (table, key) = (
        LOCK_TABLE.0,
        json!({"id": {"S": format!("{CLUSTER}/{SERVICE}")}}),
    );
    let get = json!({"TableName": table, "Key": key});
    let get = serde_json::from_value(get).unwrap();
    let item = world.get_item(&get).ok().flatten();
    let Some(seen) = item.map(|item| json!(item)["command"].clone()) else {
        return;
    };
    let number = seen["M"]["number"]["N"].as_str().unwrap_or_default();
    let (asked, pace) = match (number, reason) {
        ("0", "shifting") => ("pause", Value::Null),
        ("1", "paused") => ("resume", Value::Null),
        ("2", "step") => ("pace", json!({"tasks": 1, "every": 90})),
        _ => return,
    };
    let number = number.parse::<u32>().unwrap() + 1;
    let mut panel = seen.clone();
    panel["M"]["number"]["N"] = json!(number.to_string());
    panel["M"]["asked"] = json!({"S": asked});
    panel["M"]["by"] = json!({"S": "alice"});
    panel["M"]["at"] = json!({"N": (world.epoch_ms() / 1_000).to_string()});
    if pace.is_object() {
        panel["M"]["pace"] = json!({"S": pace.to_string()});
    }
    let update = json!({
        "TableName": table,
        "Key": key,
        "UpdateExpression": "SET #command = :command",
        "ExpressionAttributeNames": {"#command": "command"},
        "ExpressionAttributeValues": {":command": panel},
    });
    let update = serde_json::from_value(update).unwrap();
    world.update_item(&update).unwrap();
}

pub(crate) fn rescale(world: &mut World, desired: u32) {
    let request: UpdateService = serde_json::from_value(json!({
        "cluster": CLUSTER, "service": SERVICE, "desiredCount": desired,
    }))
    .unwrap();
    world.update_service(&request).unwrap();
}

pub(crate) struct Ran {
    /// None where it came back to where the run without its fault has been: its end is that one's.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) broken: Option<String>,
    pub(crate) calls: u64,
    pub(crate) invocations: u64,
    pub(crate) checks: u64,
    pub(crate) stage: Stage,
}

impl Ran {
    pub(crate) fn of(stage: Stage, outcome: Option<Outcome>) -> Self {
        let (broken, checks) = {
            let watch = stage.watch();
            (watch.broken.clone(), watch.checks)
        };
        Self {
            outcome,
            broken,
            calls: stage.aws.call_count(),
            invocations: stage.aws.invocation_count(),
            checks,
            stage,
        }
    }

    pub(crate) fn came_back(&self) -> bool {
        self.outcome.is_none()
    }

    pub(crate) fn status(&self) -> Option<&Status> {
        self.outcome.as_ref().map(|outcome| &outcome.status)
    }
}

/// Where a run has been, and how it ended.
pub(crate) struct Path {
    forks: Vec<Fork>,
    ended: Option<Status>,
}

impl Path {
    /// The calls after which this run goes on as another one has, where it does.
    pub(crate) fn comes_back_to(&self, other: &Self) -> Option<u64> {
        let is_back = |fork: &&Fork| other.forks.iter().any(|of| fork.goes_on_as(of));
        let fork = self.forks.iter().find(is_back)?;
        Some(fork.moment.call_count())
    }
}

/// Runs a case without faults, and leaves forks; the faults that would change an answer are recorded.
pub(crate) async fn run_clean(case: &Case) -> (Ran, Path) {
    let stage = Stage::new(case);
    stage.aws.record_telling_faults();
    leave_forks(stage, None, &Plan::default()).await
}

/// Runs a case under a plan, from the last fork that comes before everything in the plan, and leaves forks
/// of its own.
pub(crate) async fn fork_from(case: &Case, path: &Path, plan: &Plan) -> (Ran, Path) {
    let (stage, fork) = at_last_fork(case, path, plan);
    leave_forks(stage, fork, plan).await
}

async fn leave_forks(stage: Stage, from: Option<&Fork>, plan: &Plan) -> (Ran, Path) {
    let mut forks = Vec::new();
    let mut leave = |fork| {
        forks.push(fork);
        false
    };
    let ran = go_on(stage, from, plan, Some(&mut leave)).await;
    let ended = ran.status().cloned();
    (ran, Path { forks, ended })
}

/// Runs a case under a plan, from the last fork that comes before everything in the plan.
pub(crate) async fn run_from(case: &Case, path: &Path, plan: &Plan) -> Ran {
    let (stage, fork) = at_last_fork(case, path, plan);
    go_on(stage, fork, plan, None).await
}

/// The same, and ends where it comes back to the path. One in sixteen goes to its end all the same, to see that
/// it ends as the path does, and all do where [`ALL_TO_THEIR_END`] is set.
pub(crate) async fn run_until_back(case: &Case, path: &Path, plan: &Plan, number: usize) -> Ran {
    let to_its_end = number.is_multiple_of(16) || std::env::var_os(ALL_TO_THEIR_END).is_some();
    let (stage, fork) = at_last_fork(case, path, plan);
    let mut came_back = false;
    let mut is_back = |at: Fork| {
        came_back = came_back || path.forks.iter().any(|fork| at.goes_on_as(fork));
        came_back && !to_its_end
    };
    let mut ran = go_on(stage, fork, plan, Some(&mut is_back)).await;
    if came_back && let Some(status) = ran.status() {
        let otherwise = path.ended.as_ref().map(how) != Some(how(status));
        let ended = format!("it came back, and ended otherwise: {status:?}");
        ran.broken = ran.broken.or_else(|| otherwise.then_some(ended));
    }
    ran
}

const ALL_TO_THEIR_END: &str = "EBBTIDE_FAULTS_TO_THEIR_END";

fn how(ended: &Status) -> &str {
    match ended {
        Status::Succeeded { .. } => "succeeded",
        Status::Failed { error, .. } => error,
        Status::TimedOut => "timed out",
    }
}

fn at_last_fork<'a>(case: &Case, path: &'a Path, plan: &Plan) -> (Stage, Option<&'a Fork>) {
    let fork = path.forks.iter().rev().find(|fork| plan.begins_after(fork));
    let stage = match fork {
        None => Stage::new(case),
        Some(fork) => {
            let aws = SimulatedAws::from_moment(&fork.moment, 1.0);
            let watch = fork.watch.clone();
            Stage::on(case, aws, watch)
        }
    };
    (stage, fork)
}

async fn go_on(stage: Stage, from: Option<&Fork>, plan: &Plan, along: Along<'_>) -> Ran {
    stage.plan(plan);
    let checked = stage.watch().checks;
    let outcome = stage.deploy_from("run-1", from, along).await;
    let mut ran = Ran::of(stage, outcome);
    ran.checks -= checked;
    ran
}

pub(crate) async fn run(case: &Case, plan: &Plan) -> Ran {
    run_on(Stage::new(case), plan).await
}

pub(crate) async fn run_on(stage: Stage, plan: &Plan) -> Ran {
    stage.plan(plan);
    let outcome = stage.deploy("run-1").await;
    Ran::of(stage, Some(outcome))
}

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) runs: usize,
    /// Those of them that ended where they came back to the run without their fault.
    back: usize,
    checks: u64,
    /// By kind.
    faults: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Tally {
    pub(crate) fn count(&mut self, ran: &Ran) {
        self.runs += 1;
        self.back += usize::from(ran.came_back());
        self.checks += ran.checks;
    }

    pub(crate) fn count_faults(&mut self, plan: &Plan) {
        let calls = plan.calls.iter().map(|(_, fault)| format!("{fault:?}"));
        let invocations = plan.invocations.iter();
        for kind in calls.chain(invocations.map(|(_, fault)| format!("{fault:?}"))) {
            *self.faults.entry(kind).or_default() += 1;
        }
    }

    pub(crate) fn failed(&mut self, plan: &Plan, what: &str) {
        self.failures.push(format!("{plan:?}: {what}"));
    }

    /// Prints the counts; panics with every failure.
    pub(crate) fn end(self, what: &str) {
        let (runs, checks, failed) = (self.runs, self.checks, self.failures.len());
        println!("{what}: {runs} runs, {checks} checks of the invariants, {failed} failures");
        if self.back > 0 {
            let back = self.back;
            println!("  {back} runs came back to the run without their fault, and ended there");
        }
        for (kind, count) in &self.faults {
            println!("  {count} {kind}");
        }
        assert_eq!(failed, 0, "{what}: {}", self.failures.join("\n"));
    }
}

/// Prints how many runs failed; panics with every failure, and where there were too few.
pub(crate) fn report(case: &Case, runs: usize, least: usize, failures: &[String]) {
    println!("{}: {runs} runs, {} failures", case.name, failures.len());
    assert!(runs > least, "{runs}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is wrong with a run that should have ended as if nothing had gone wrong.
pub(crate) fn wrong(case: &Case, ran: &Ran) -> Option<String> {
    if ran.broken.is_some() {
        return ran.broken.clone();
    }
    let status = ran.status()?;
    let ended = match (status, case.ends) {
        (Status::Succeeded { .. }, Ends::Deployed) => None,
        (Status::Failed { error, .. }, Ends::RolledBack(expected)) if error == expected => None,
        (Status::Failed { error, cause }, _) => Some(format!("{error}: {cause}")),
        (other, _) => Some(format!("{other:?}")),
    };
    ended.or_else(|| {
        let left = unfinished(&ran.stage.aws.snapshot(), case.ends)?;
        Some(format!("{left}; it ended {status:?}"))
    })
}

/// What is wrong with a run that may end in any way: invariants hold, it ends, and a new execution
/// brings the service in order.
pub(crate) async fn unsafe_or_stuck(case: &Case, ran: Ran) -> Option<String> {
    wrong(case, &ran)?;
    if ran.broken.is_some() {
        return ran.broken;
    }
    let status = ran.status()?;
    if *status == Status::TimedOut {
        return Some("L1: it did not end".to_owned());
    }
    let ended = format!("{status:?}");
    // The last late write has landed by then.
    let aws = &ran.stage.aws;
    aws.with_world(|world| world.advance_to(world.now() + 60_000));
    let again = ran.stage.anew("run-2").await;
    again.map(|what| format!("{what} (after {ended})"))
}
