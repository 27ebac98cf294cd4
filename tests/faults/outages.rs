//! AWS goes away right after a write, for as long as the execution lives: it ends as it can, and a
//! new one brings the service in order.

use ebbtide_simulator::fault::Fault;

use crate::pairs::{Write, writes};
use crate::run::{Plan, Tally, run_clean, run_from, unsafe_or_stuck};
use crate::scenarios;

/// More calls than an execution makes, none of which is answered.
const FOR_EVER: u64 = 5_000;

async fn after_each_write(name: &str) {
    let case = scenarios::named(name);
    let mut tally = Tally::default();
    let (_, forks) = run_clean(&case).await;
    for Write { number: write, .. } in writes(&case).await {
        let unreachable = write + 1..write + FOR_EVER;
        let plan = Plan {
            calls: unreachable.map(|call| (call, Fault::Unreachable)).collect(),
            ..Plan::default()
        };
        let ran = run_from(&case, &forks, &plan).await;
        tally.count(ran.checks);
        assert!(ran.calls < write + FOR_EVER, "the outage was over");
        if let Some(what) = unsafe_or_stuck(&case, ran).await {
            tally.failed(&Plan::call(write + 1, Fault::Unreachable), &what);
        }
    }
    assert!(tally.runs > 15, "{}", tally.runs);
    tally.end(&format!("{name}, AWS gone after each write"));
}

macro_rules! outages {
    ($($test:ident = $name:literal,)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                after_each_write($name).await;
            }
        )*
    };
}

outages! {
    an_outage_after_any_write = "two tasks",
    an_outage_after_any_write_with_groups_replaced = "groups replaced",
    an_outage_after_any_write_with_several_listeners = "several production listeners",
    an_outage_after_any_write_of_a_first_deployment = "first deployment",
}
