//! Several executions for one service: exactly one wins, and the others say who did.

use std::time::Duration;

use ebbtide_simulator::asl::{Outcome, Status};
use ebbtide_simulator::world::World;

use crate::invariants::converged;
use crate::run::Stage;
use crate::scenarios;

fn lost_to(outcome: &Outcome, winner: &str) -> bool {
    matches!(
        &outcome.status,
        Status::Failed { error, cause } if error == "ConcurrentDeployment" && cause.contains(winner)
    )
}

async fn later(stage: &Stage, name: &str, after: Duration) -> Outcome {
    tokio::time::sleep(after).await;
    stage.deploy(name).await
}

fn assert_one_won(stage: &Stage, outcomes: &[(&str, Outcome)]) {
    let winners = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.status.is_success());
    let winners: Vec<_> = winners.collect();
    let [(winner, _)] = winners[..] else {
        panic!("{outcomes:?}");
    };
    let arn = stage.installation.execution_arn(winner);
    for (name, outcome) in outcomes {
        assert!(
            name == winner || lost_to(outcome, &arn),
            "{name}: {outcome:?}"
        );
    }
    assert_eq!(stage.watch().broken, None);
    assert_eq!(converged(&stage.aws.snapshot()), None);
}

/// L3: one starts while the other is anywhere in its deployment.
#[tokio::test(start_paused = true)]
async fn of_two_executions_one_wins_and_the_other_says_who() {
    let case = scenarios::two_tasks();
    let whole = Stage::new(&case).deploy("run-1").await.elapsed;
    let mut races = 0;
    let mut after = Duration::ZERO;
    while after < whole {
        let stage = Stage::new(&case);
        let (first, second) = tokio::join!(stage.deploy("run-1"), later(&stage, "run-2", after));
        if first.status.is_success() && second.status.is_success() {
            // The first had released the lock when the second came to it.
            assert!(
                after + Duration::from_secs(5) > whole,
                "{after:?} of {whole:?}"
            );
        } else {
            assert_one_won(&stage, &[("run-1", first), ("run-2", second)]);
        }
        races += 1;
        after += Duration::from_millis(if after.as_secs() < 3 { 37 } else { 11_000 });
    }
    println!("{races} races of two");
    assert!(races > 50, "{races}");
}

#[tokio::test(start_paused = true)]
async fn of_three_executions_one_wins_and_the_others_say_who() {
    let case = scenarios::two_tasks();
    let mut races = 0;
    for second in 0..12 {
        for third in 0..12 {
            let stage = Stage::new(&case);
            let (one, two, three) = tokio::join!(
                stage.deploy("run-1"),
                later(&stage, "run-2", Duration::from_millis(second * 71)),
                later(&stage, "run-3", Duration::from_millis(third * 113)),
            );
            assert_one_won(&stage, &[("run-1", one), ("run-2", two), ("run-3", three)]);
            races += 1;
        }
    }
    println!("{races} races of three");
}

/// Two executions find the same dead owner: one takes its lock over.
#[tokio::test(start_paused = true)]
async fn of_two_that_take_over_one_wins() {
    let case = scenarios::two_tasks();
    for after in [0, 20, 400, 3_000, 60_000, 170_000] {
        let stage = Stage::new(&case);
        assert!(stage.deploy_for("run-0", Duration::from_secs(200)).await);
        stage.watch().begin_another();
        let (one, two) = tokio::join!(
            stage.deploy("run-1"),
            later(&stage, "run-2", Duration::from_millis(after)),
        );
        assert_one_won(&stage, &[("run-1", one), ("run-2", two)]);
    }
}

/// A redriven execution whose service has been taken over writes nothing.
#[tokio::test(start_paused = true)]
async fn a_redriven_execution_that_has_lost_the_lock_writes_nothing() {
    let case = scenarios::two_tasks();
    let mut lost = 0;
    for stopped_after in (1..400).step_by(9) {
        let stage = Stage::new(&case);
        let time = Duration::from_secs(stopped_after);
        if !stage.deploy_for("run-1", time).await {
            break;
        }
        stage.begin_another();
        let newer = stage.deploy("run-2").await.status;
        assert!(newer.is_success(), "{stopped_after}: {newer:?}");
        let before = stage.aws.snapshot();
        let redriven = stage.installation.redrive("run-1", 8, &mut |_| {}).await;
        stage.settled().await;
        let Ok(Outcome {
            status: Status::Failed { error, .. },
            ..
        }) = &redriven
        else {
            panic!("{stopped_after}: {redriven:?}");
        };
        // Without a lock of its own it finds one that a later execution has had.
        let errors = ["LockLost", "ConcurrentDeployment"];
        assert!(errors.contains(&error.as_str()), "{redriven:?}");
        let after = stage.aws.snapshot();
        assert_eq!(converged(&after), None);
        let serving = |world: &World| {
            let sets = world.task_sets_of(scenarios::CLUSTER, scenarios::SERVICE);
            sets.iter().map(|set| set.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(serving(&after), serving(&before));
        lost += 1;
    }
    println!("{lost} redriven executions had lost the lock");
    assert!(lost > 20, "{lost}");
}
