//! Executions stopped after every transition: left alone, started anew, or redriven.

use ebbtide_simulator::asl::{EventKind, HistoryEvent};
use ebbtide_simulator::fault::LambdaFault;

use crate::invariants::converged;
use crate::run::{Stage, report};
use crate::scenarios::{self, Case};

/// Stops a deployment (`StopExecution`) after each of its events, with a function in flight running on, and
/// does what `then` does.
async fn at_every_stop(case: Case, then: impl AsyncFn(Stage) -> Option<String>) {
    let (mut stops, mut failures) = (0, Vec::new());
    for transition in 1.. {
        let stage = Stage::new(&case);
        let stopped = stage.deploy_until("run-1", |event| event.id == transition);
        if !stopped.await {
            break;
        }
        stops += 1;
        let broken = match stage.broken() {
            Some(broken) => Some(broken),
            None => then(stage).await,
        };
        if let Some(what) = broken {
            failures.push(format!("stopped after event {transition}: {what}"));
        }
    }
    report(&case, stops, 40, &failures);
}

/// A stopped execution left alone: no traffic is lost, then or later.
async fn left(stage: Stage) -> Option<String> {
    stage.settled().await;
    for _ in 0..60 {
        tokio::time::sleep(std::time::Duration::from_mins(1)).await;
        stage.aws.with_world(|_| {});
    }
    stage.broken()
}

/// A new execution at once, while the stopped one's last function may still be writing.
async fn anew(stage: Stage) -> Option<String> {
    stage.begin_another();
    let outcome = stage.deploy("run-2").await;
    stage
        .broken()
        .or_else(|| converged(&stage.aws.snapshot()))
        .map(|what| format!("{what}; the new execution ended {:?}", outcome.status))
}

/// The stopped execution redriven, and, where it fails, a new one.
async fn redriven(stage: Stage) -> Option<String> {
    let mut entered = 1;
    let mut note = |event: &HistoryEvent| stage.note(event, &mut entered);
    let redriven = stage.installation.redrive("run-1", 8, &mut note).await;
    stage.settled().await;
    stage.broken().or_else(|| match redriven {
        Ok(outcome) if outcome.status.is_success() => converged(&stage.aws.snapshot()),
        other => Some(format!("the redriven execution ended {other:?}")),
    })
}

macro_rules! every_stop {
    ($($test:ident: $then:ident in $name:literal,)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                at_every_stop(scenarios::named($name), $then).await;
            }
        )*
    };
}

every_stop! {
    stopped_anywhere_and_left_alone_traffic_stays_on_healthy_tasks: left in "two tasks",
    stopped_anywhere_and_started_anew_it_converges: anew in "two tasks",
    stopped_anywhere_and_redriven_it_deploys: redriven in "two tasks",
    stopped_anywhere_with_several_listeners_and_started_anew_it_converges: anew in "several production listeners",
    stopped_anywhere_with_groups_replaced_and_started_anew_it_converges: anew in "groups replaced",
    stopped_anywhere_in_a_first_deployment_and_started_anew_it_converges: anew in "first deployment",
    stopped_anywhere_in_a_rollback_and_started_anew_it_converges: anew in "an alarm in the drain",
    stopped_anywhere_in_a_shift_and_started_anew_it_converges: anew in "a shift",
    stopped_anywhere_in_a_registry_and_left_alone_traffic_stays_on_healthy_tasks: left in "a registry",
    stopped_anywhere_in_a_registry_and_started_anew_it_converges: anew in "a registry",
    stopped_anywhere_in_a_registry_and_redriven_it_deploys: redriven in "a registry",
    stopped_anywhere_in_a_shift_by_tasks_and_started_anew_it_converges: anew in "a shift by tasks",
    stopped_anywhere_in_a_rollback_in_a_registry_and_started_anew_it_converges: anew in "an alarm in a registry",
    stopped_anywhere_with_scale_in_held_and_started_anew_it_is_resumed: anew in "auto scaling",
    stopped_anywhere_with_scale_in_held_and_redriven_it_is_resumed: redriven in "auto scaling",
    stopped_anywhere_in_a_rollback_with_scale_in_held_and_started_anew_it_is_resumed: anew in "auto scaling, never healthy",
    stopped_anywhere_in_a_sick_deployment_and_started_anew_it_converges: anew in "sick after the swap",
}

/// A rollback is stopped, and the execution that takes over dies while it does, or its answer is lost: the
/// rollback is finished all the same.
#[tokio::test(start_paused = true)]
async fn a_takeover_that_dies_finishes_the_rollback_all_the_same() {
    let case = scenarios::named("sick after the swap");
    let deaths = (1..8).map(LambdaFault::DiesAfterCalls);
    for death in deaths.chain([LambdaFault::DiesAtEnd]) {
        let stage = Stage::new(&case);
        let waits = |event: &HistoryEvent| event.enters("WaitForOriginal");
        assert!(stage.deploy_until("run-1", waits).await);
        stage.begin_another();
        // Preflight, a turn that waits until the lock is quiet, and the one that takes it.
        let invocation = stage.aws.invocation_count() + 3;
        stage.aws.plan_lambda_faults([(invocation, death)]);
        let outcome = stage.deploy("run-2").await;
        let broken = stage.broken().or_else(|| converged(&stage.aws.snapshot()));
        assert_eq!(broken, None, "{death:?}: {outcome:?}");
        let finished = stage.installation.history("run-2").iter().any(|event| {
            matches!(&event.kind, EventKind::TaskSucceeded { output, .. }
                if output["Payload"]["reason"]["code"] == "finishingRollback")
        });
        assert!(finished, "{death:?}: {outcome:?}");
    }
}
