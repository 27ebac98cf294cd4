//! The figures that each way of pacing has to reach.

use ebbtide_simulator::world::Timings;
use serde_json::json;

use crate::run::{Felt, assert_deployed, drained, forty_tasks};

/// Connections of the whole service, and of one task.
const ALL: u64 = 100_000;
const OF_A_TASK: u64 = 2_500;

#[tokio::test(start_paused = true)]
async fn steps_over_the_samples_time_reconnect_a_fraction_of_the_samples_at_once() {
    let scenario = forty_tasks();
    let at_once = drained(&scenario, &json!({"percent": 100})).await;
    let sample = drained(&scenario, &json!({"percent": 25, "every": 60})).await;
    let within = drained(&scenario, &json!({"within": 180})).await;
    for felt in [&at_once, &sample, &within] {
        assert_deployed(felt);
        assert_eq!(felt.totals.cut, ALL);
    }
    let time = sample.cutting();
    let peaks = |felt: &Felt| {
        let (ten, one) = (felt.peak_in_ten_seconds, felt.peak_in_a_second());
        format!("{ten} in 10 s and {one} in 1 s, over {} s", felt.cutting())
    };
    println!(
        "all at once: {}; 25 % every 60 s: {}",
        peaks(&at_once),
        peaks(&sample)
    );
    println!("within 180 s: {}", peaks(&within));
    let taken = within.cutting();
    assert!(taken <= time + 5, "{taken} s, not {time} s");
    let floor = (ALL * 10 / time).max(OF_A_TASK);
    let peak = within.peak_in_ten_seconds;
    assert!(
        peak * 100 <= floor * 105,
        "{peak}, and the floor is {floor}"
    );
    assert!(peak * 10 < sample.peak_in_ten_seconds * 3, "{peak}");
    assert!(peak * 15 <= at_once.peak_in_ten_seconds, "{peak}");
    let second = within.peak_in_a_second();
    assert!(second * 4 <= sample.peak_in_a_second(), "{second}");
}

#[tokio::test(start_paused = true)]
async fn even_steps_reach_the_floor_whatever_the_worlds_timings_are() {
    let floor = ALL * 10 / 180;
    for seed in 1..=8 {
        let mut scenario = forty_tasks();
        (scenario.seed, scenario.timings) = (seed, Timings::default());
        let felt = drained(&scenario, &json!({"within": 180})).await;
        assert_deployed(&felt);
        let peak = felt.peak_in_ten_seconds;
        assert!(
            peak * 100 <= floor * 105,
            "seed {seed}: {peak}, floor {floor}"
        );
        assert!(felt.cutting() <= 187, "seed {seed}: {} s", felt.cutting());
    }
}

#[tokio::test(start_paused = true)]
async fn one_task_at_a_time_reaches_what_even_steps_do() {
    let felt = drained(&forty_tasks(), &json!({"tasks": 1, "every": 5})).await;
    assert_deployed(&felt);
    let peak = felt.peak_in_ten_seconds;
    assert!((4_900..=2 * OF_A_TASK).contains(&peak), "{peak}");
    assert_eq!(felt.peak_in_a_second(), 500);
}

#[tokio::test(start_paused = true)]
async fn no_client_is_refused_at_a_limit_at_which_the_samples_pacing_refuses_some() {
    let mut scenario = forty_tasks();
    let clients = scenario.clients.get_or_insert_default();
    clients.new_connections_per_second_per_task = Some(100);
    let sample = drained(&scenario, &json!({"percent": 25, "every": 60})).await;
    let within = drained(&scenario, &json!({"within": 180})).await;
    let refused = (sample.totals.refused, within.totals.refused);
    println!("refused: {refused:?}");
    assert!(refused.0 > 0);
    assert_eq!(refused.1, 0);
}
