//! The figures that each way of pacing has to reach.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::scenario::ClientsScenario;
use serde_json::json;

use crate::run::{deployed, drained, forty_tasks};

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
        assert!(deployed(felt), "{:?}", felt.status);
        assert_eq!(felt.totals.cut, ALL);
    }
    let time = sample.cutting();
    println!(
        "all at once: {} in 10 s, {} in 1 s; 25 % every 60 s: {} and {} over {time} s; within 180 s: {} and {} over {} s",
        at_once.peak_in_ten_seconds,
        at_once.peak_in_a_second(),
        sample.peak_in_ten_seconds,
        sample.peak_in_a_second(),
        within.peak_in_ten_seconds,
        within.peak_in_a_second(),
        within.cutting(),
    );
    assert!(
        within.cutting() <= time + 5,
        "{} s, not {time} s",
        within.cutting()
    );
    let floor = (ALL * 10 / time).max(OF_A_TASK);
    let peak = within.peak_in_ten_seconds;
    assert!(peak * 10 <= floor * 12, "{peak}, and the floor is {floor}");
    assert!(peak * 10 < sample.peak_in_ten_seconds * 3, "{peak}");
    assert!(peak * 15 <= at_once.peak_in_ten_seconds, "{peak}");
    let second = within.peak_in_a_second();
    assert!(second * 4 <= sample.peak_in_a_second(), "{second}");
}

#[tokio::test(start_paused = true)]
async fn one_task_at_a_time_reaches_what_even_steps_do() {
    let felt = drained(&forty_tasks(), &json!({"tasks": 1, "every": 5})).await;
    assert!(deployed(&felt), "{:?}", felt.status);
    assert_eq!(felt.peak_in_ten_seconds, 2 * OF_A_TASK);
    assert_eq!(felt.peak_in_a_second(), 500);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_refused_at_a_limit_at_which_the_samples_pacing_refuses_some() {
    let scenario = Scenario {
        clients: Some(ClientsScenario {
            new_connections_per_second_per_task: Some(100),
            ..ClientsScenario::default()
        }),
        ..forty_tasks()
    };
    let sample = drained(&scenario, &json!({"percent": 25, "every": 60})).await;
    let within = drained(&scenario, &json!({"within": 180})).await;
    println!(
        "refused: {} and {}",
        sample.totals.refused, within.totals.refused
    );
    assert!(sample.totals.refused > 0);
    assert_eq!(within.totals.refused, 0);
}
