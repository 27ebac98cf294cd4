//! A budget that its deadline leaves room for: no 60 seconds in a row have more new connections than the
//! budget and one task's, whatever the deregistration delay is and whenever the load balancer ends it.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::scenario::ClientsScenario;
use ebbtide_simulator::world::{Backoff, Jitter, Kind, OnStop};
use serde_json::json;

use crate::run::{assert_deployed, drained};

const BUDGET: u64 = 200;
const OF_A_TASK: u64 = 2_500;
const DELAYS: [u64; 7] = [0, 30, 60, 120, 180, 300, 3_600];

/// Which seeds a world of so many tasks is deployed with. A seed also says what clients do, in three ways. Twenty
/// tasks meet each of these after each delay. More tasks leave by the same decisions: they meet one after each delay,
/// the next one after the next delay, and another one behind the other load balancer. With the variable that
/// `make test-exhaustive` sets, all meet all, ten times.
fn seeds(load_balancer: Kind, tasks: u32, delay: usize) -> Vec<u64> {
    let first =
        delay as u64 + u64::from(load_balancer == Kind::Application) + u64::from(tasks / 100);
    if std::env::var_os("EBBTIDE_EXHAUSTIVE_MINUTES").is_some() {
        (1..=30).collect()
    } else if tasks > 20 {
        vec![1 + first % 3]
    } else {
        vec![1, 2, 3]
    }
}

/// Clients that come back within seconds, all at once after a fixed delay, or slowly; to be closed at
/// once, at the task's end, or little by little.
fn clients(seed: u64) -> ClientsScenario {
    let usual = ClientsScenario::default();
    match seed % 3 {
        0 => ClientsScenario {
            reconnect_within_seconds: 40,
            on_stop: OnStop::Spread,
            ..usual
        },
        1 => usual,
        _ => ClientsScenario {
            reconnect_after_seconds: 15,
            reconnect_within_seconds: 0,
            on_stop: OnStop::Keep,
            ..usual
        },
    }
}

fn service(load_balancer: Kind, tasks: u32, delay: u64, seed: u64) -> Scenario {
    Scenario::with(|scenario| {
        scenario.load_balancer = load_balancer;
        scenario.tasks = tasks;
        scenario.deregistration_delay_seconds = delay;
        scenario.seed = seed;
        scenario.clients = Some(clients(seed));
    })
}

async fn assert_kept(load_balancer: Kind, tasks: u32) {
    let drain = json!({"reconnectsPerSecond": BUDGET, "deadline": 14_400});
    let (mut most, mut deployments) = (Vec::new(), 0);
    for (place, delay) in DELAYS.into_iter().enumerate() {
        let mut busiest = 0;
        for seed in seeds(load_balancer, tasks, place) {
            let felt = drained(&service(load_balancer, tasks, delay, seed), &drain).await;
            assert_deployed(&felt);
            assert_eq!(felt.totals.cut, u64::from(tasks) * OF_A_TASK);
            let minute = felt.attempts_in(60);
            let allowed = BUDGET * 60 + OF_A_TASK;
            assert!(
                minute <= allowed,
                "delay {delay} s, seed {seed}: {minute} in a minute, and {allowed} are allowed"
            );
            busiest = busiest.max(minute.div_ceil(60));
            deployments += 1;
        }
        most.push(format!("{busiest} at {delay} s"));
    }
    let most = most.join(", ");
    println!(
        "{load_balancer:?}, {tasks} tasks, {deployments} deployments: at most a second: {most}"
    );
}

macro_rules! of_tasks {
    ($($name:ident: $load_balancer:ident $tasks:literal,)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                assert_kept(Kind::$load_balancer, $tasks).await;
            }
        )*
    };
}

of_tasks! {
    twenty_tasks_behind_a_network_load_balancer: Network 20,
    forty_tasks_behind_a_network_load_balancer: Network 40,
    a_hundred_tasks_behind_a_network_load_balancer: Network 100,
    twenty_tasks_behind_an_application_load_balancer: Application 20,
    forty_tasks_behind_an_application_load_balancer: Application 40,
    a_hundred_tasks_behind_an_application_load_balancer: Application 100,
}

/// 100 tasks have to leave within an hour at a delay of 60 s, which is less time than the budget asks for
/// whatever the load balancer does: it is kept all the same here, where the pace before exceeded it.
#[tokio::test(start_paused = true)]
async fn a_short_delay_before_a_tight_deadline_keeps_a_budget_that_the_pace_before_exceeded() {
    let scenario = service(Kind::Network, 100, 60, 2);
    let scenario = Scenario {
        clients: Some(ClientsScenario::default()),
        ..scenario
    };
    let drain = json!({"reconnectsPerSecond": BUDGET, "deadline": 3_600});
    let felt = drained(&scenario, &drain).await;
    assert_deployed(&felt);
    let minute = felt.attempts_in(60);
    assert!(minute <= BUDGET * 60 + OF_A_TASK, "{minute} in a minute");
    assert!(felt.draining() <= 3_600, "{} s", felt.draining());
}

/// What a refused client does is its own: without jitter all come back in the same second.
#[tokio::test(start_paused = true)]
async fn clients_without_jitter_come_back_together_and_the_longest_time_without_is_known() {
    let of = |jitter| {
        let mut scenario = service(Kind::Network, 4, 300, 1);
        scenario.timings.jitter_percent = 0;
        scenario.clients = Some(ClientsScenario {
            reconnect_after_seconds: 15,
            reconnect_within_seconds: 0,
            new_connections_per_second_per_task: Some(500),
            backoff: Backoff {
                base_seconds: 10,
                factor: 1,
                most_seconds: 10,
                jitter,
            },
            ..ClientsScenario::default()
        });
        scenario
    };
    let drain = json!({"tasks": 1, "every": 120});
    // 2,000 of 2,500 are accepted in the fifteenth second, and the others ten seconds later.
    let felt = drained(&of(Jitter::None), &drain).await;
    assert_eq!(felt.peak_in_a_second(), OF_A_TASK);
    assert_eq!((felt.totals.refused, felt.longest_without), (4 * 500, 25));
    let felt = drained(&of(Jitter::Full), &drain).await;
    assert_eq!(felt.totals.refused, 4 * 500);
    assert_eq!(felt.longest_without, 25);
    let retries = felt.seconds.iter().filter(|second| second.reconnects == 50);
    assert_eq!(retries.count(), 40, "evenly within ten seconds");
}
