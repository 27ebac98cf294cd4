//! A reconnect budget: kept, where it can be, in many worlds.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::asl::Status;
use ebbtide_simulator::world::{Metrics, Timings};
use serde_json::{Value, json};

use crate::run::{Felt, assert_deployed, drained, forty_tasks};

const BUDGET: u64 = 500;

/// Connections differ by a factor of ten from task to task, come and go by themselves, and all of the
/// world's timing is random.
fn uneven(seed: u64) -> Scenario {
    let mut scenario = forty_tasks();
    (scenario.seed, scenario.timings) = (seed, Timings::default());
    let clients = scenario.clients.get_or_insert_default();
    (clients.vary_by_factor, clients.lifetime_seconds) = (10.0, Some(3_600));
    scenario
}

fn budget(deadline: u64) -> Value {
    json!({"reconnectsPerSecond": BUDGET, "connectionsPerTask": 2_500, "deadline": deadline})
}

/// New connections a second that come without a drain.
const ORDINARY: u64 = 40 * 2_500 / 3_600;

/// Minutes in which the drain cost more than the budget.
fn over(felt: &Felt) -> usize {
    let allowed = (ORDINARY + BUDGET) * 60;
    felt.minutes().iter().filter(|new| **new > allowed).count()
}

#[track_caller]
fn assert_said(felt: &Felt, what: &str) {
    let said = felt.reasons.iter().any(|reason| reason.contains(what));
    assert!(said, "{what}: {:?}", felt.reasons);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_kept_and_the_drain_ends_by_its_deadline_in_thirty_worlds() {
    // Some twenty seconds more than the least that would fit.
    let deadline = 720;
    let mut worst = (0, 0);
    for seed in 1..=30 {
        let felt = drained(&uneven(seed), &budget(deadline)).await;
        assert!(felt.status.is_success(), "seed {seed}: {:?}", felt.status);
        let (minutes, took) = (over(&felt), felt.draining());
        assert!(minutes <= 2, "seed {seed}: {minutes} over the budget");
        assert!(took <= deadline, "seed {seed}: {took} s");
        worst = (worst.0.max(minutes), worst.1.max(took));
    }
    let (minutes, took) = worst;
    println!("at most {minutes} minutes over the budget, at most {took} s");
}

#[tokio::test(start_paused = true)]
async fn connections_that_the_input_does_not_count_are_taken_from_cloudwatch() {
    let drain = json!({"reconnectsPerSecond": BUDGET, "deadline": 7_200});
    let felt = drained(&uneven(1), &drain).await;
    assert_deployed(&felt);
    assert!(felt.draining() < 1_200, "{} s", felt.draining());
    assert!(over(&felt) <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_count_of_connections_that_is_far_too_small_gives_way_to_cloudwatch() {
    let drain = json!({"reconnectsPerSecond": 10, "connectionsPerTask": 500, "deadline": 28_800});
    let felt = drained(&uneven(1), &drain).await;
    assert_deployed(&felt);
    assert_said(
        &felt,
        "drain.connectionsPerTask is 500, but CloudWatch counts 2",
    );
    // At the planned pace, all would be gone within three quarters of an hour.
    assert!(felt.cutting() > 10_000, "{} s", felt.cutting());
    assert!(felt.draining() <= 28_800, "{} s", felt.draining());
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_was_planned_with_too_few_connections_holds_and_slows_down() {
    // Not so few that CloudWatch's number is taken.
    let drain = json!({"reconnectsPerSecond": 10, "connectionsPerTask": 1_500, "deadline": 28_800});
    let felt = drained(&uneven(1), &drain).await;
    assert_deployed(&felt);
    assert_said(&felt, "reconnects a second, 35 are allowed");
    let mut unseen = uneven(1);
    unseen.clients.as_mut().unwrap().metrics = Metrics::None;
    let planned = drained(&unseen, &drain).await.cutting();
    let cutting = felt.cutting();
    assert!(cutting > planned, "{cutting} s instead of {planned} s");
    assert!(felt.draining() <= 28_800, "{} s", felt.draining());
}

#[tokio::test(start_paused = true)]
async fn without_metrics_the_drain_keeps_its_planned_pace_and_says_so() {
    let well = drained(&uneven(1), &budget(3_600)).await;
    for metrics in [Metrics::None, Metrics::Stale] {
        let mut scenario = uneven(1);
        scenario.clients.as_mut().unwrap().metrics = metrics;
        let felt = drained(&scenario, &budget(3_600)).await;
        assert_deployed(&felt);
        assert_said(
            &felt,
            "at the planned pace, because CloudWatch has no new values",
        );
        let cutting = felt.cutting();
        assert!(cutting + 30 >= well.cutting(), "{cutting} s");
    }
}

#[tokio::test(start_paused = true)]
async fn where_budget_and_deadline_cannot_both_be_kept_the_input_decides_and_preflight_says_so() {
    let drain = |on_deadline: &str| json!({"reconnectsPerSecond": 50, "connectionsPerTask": 2_500, "deadline": 1_800, "onDeadline": on_deadline});
    let felt = drained(&uneven(1), &drain("finish")).await;
    assert_deployed(&felt);
    assert_said(
        &felt,
        "its budget cannot be kept by its deadline of 1800 s, and the deadline sets the pace",
    );
    assert!(felt.draining() <= 1_800, "{} s", felt.draining());
    let felt = drained(&uneven(1), &drain("stop")).await;
    let Status::Failed { error, cause } = &felt.status else {
        panic!("{:?}", felt.status);
    };
    assert_eq!(error, "DrainTimeout");
    let fix = "Raise drain.deadline or drain.reconnectsPerSecond";
    assert!(cause.contains(fix), "{cause}");
    assert_said(&felt, "the drain stops at the deadline");
}

#[tokio::test(start_paused = true)]
async fn the_budget_and_the_deadline_that_preflight_proposes_fit() {
    let stopping = |budget: u64, deadline: u64| json!({"reconnectsPerSecond": budget, "connectionsPerTask": 2_500, "deadline": deadline, "onDeadline": "stop"});
    let felt = drained(&uneven(1), &stopping(50, 1_800)).await;
    let said = felt.reasons.iter().find_map(|reason| {
        let (_, said) = reason.split_once(" tasks left (")?;
        let (wider, rest) = said.split_once(" new connections a second would fit, or ")?;
        let (longer, _) = rest.split_once(" s)")?;
        Some((wider.parse().unwrap(), longer.parse().unwrap()))
    });
    let (wider, longer) = said.unwrap_or_else(|| panic!("{:?}", felt.reasons));
    for seed in 1..=10 {
        for (budget, deadline) in [(wider, 1_800), (50, longer)] {
            let felt = drained(&uneven(seed), &stopping(budget, deadline)).await;
            assert!(felt.status.is_success(), "seed {seed}: {:?}", felt.status);
            assert!(felt.draining() <= deadline, "{} s", felt.draining());
        }
    }
}
