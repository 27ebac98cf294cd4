//! All pairs of everything, and long runs in which anything may fail: a sample of them on each test
//! run, all of them with `make test-exhaustive`.

use std::time::{Duration, Instant};

use ebbtide_simulator::fault::{Fault, LambdaFault};

use crate::run::{Plan, Tally, run, unsafe_or_stuck};
use crate::scenarios::{self, Case};

/// Set by `make test-exhaustive`: the minutes that a test may take; 0 for as long as it needs.
const MINUTES: &str = "EBBTIDE_EXHAUSTIVE_MINUTES";

const SAMPLE: usize = 150;

struct Reach {
    runs: usize,
    until: Option<Instant>,
}

impl Reach {
    fn of_this_run() -> Self {
        let minutes = std::env::var(MINUTES)
            .ok()
            .and_then(|minutes| minutes.parse().ok());
        match minutes {
            None => Self {
                runs: SAMPLE,
                until: None,
            },
            Some(0) => Self {
                runs: usize::MAX,
                until: None,
            },
            Some(minutes) => Self {
                runs: usize::MAX,
                until: Some(Instant::now() + Duration::from_secs(minutes * 60)),
            },
        }
    }

    fn is_over(&self, runs: usize) -> bool {
        runs >= self.runs || self.until.is_some_and(|until| Instant::now() > until)
    }
}

/// Runs plans until there are no more, or this run's share is done; says what it found.
async fn run_all(what: &str, of: usize, plans: impl Iterator<Item = (Case, Plan)>) {
    let reach = Reach::of_this_run();
    let (mut tally, mut faults) = (Tally::default(), 0);
    for (case, plan) in plans {
        if reach.is_over(tally.runs) {
            break;
        }
        let ran = run(&case, &plan).await;
        tally.count(&ran);
        faults += plan.calls.len() + plan.invocations.len();
        if let Some(broken) = unsafe_or_stuck(&case, ran).await {
            tally.failed(&plan, &format!("{}: {broken}", case.name));
        }
    }
    assert!(tally.runs > 0);
    tally.end(&format!("{what}: {faults} faults planned, of {of} plans"));
}

fn everything(calls: u64, invocations: u64) -> Vec<Plan> {
    let of_calls = (1..=calls).flat_map(|call| Fault::ALL.map(|fault| Plan::call(call, fault)));
    let of_functions = (1..=invocations)
        .flat_map(|number| LambdaFault::ALL.map(|fault| Plan::invocation(number, fault)));
    of_calls.chain(of_functions).collect()
}

#[tokio::test(start_paused = true)]
async fn all_pairs_of_everything() {
    let case = scenarios::named("one task");
    let clean = run(&case, &Plan::default()).await;
    let singles = everything(clean.calls, clean.invocations);
    let mut pairs: Vec<_> = (0..singles.len())
        .flat_map(|one| (one + 1..singles.len()).map(move |other| (one, other)))
        .collect();
    // In an order that has a bit of everything early on, and is the same each time.
    fastrand::Rng::with_seed(1).shuffle(&mut pairs);
    let of = pairs.len();
    let plans = pairs.into_iter().map(|(one, other)| {
        let (one, other) = (&singles[one], &singles[other]);
        let plan = Plan {
            calls: [&one.calls[..], &other.calls].concat(),
            invocations: [&one.invocations[..], &other.invocations].concat(),
        };
        (case.clone(), plan)
    });
    Box::pin(run_all("all pairs of everything", of, plans)).await;
}

/// Every call fails with a chance of up to one in six, and every invocation likewise.
#[tokio::test(start_paused = true)]
async fn long_runs_in_which_anything_may_fail() {
    let cases: Vec<_> = scenarios::all()
        .into_iter()
        .filter(|case| case.name != "a hundred tasks")
        .collect();
    let plans = (0..).map(|seed| {
        let mut lot = fastrand::Rng::with_seed(seed);
        let case = cases[lot.usize(..cases.len())].clone();
        let one_in = lot.u64(6..80);
        let mut plan = Plan::default();
        for call in 1..600 {
            if lot.u64(..one_in) == 0 {
                let fault = Fault::ALL[lot.usize(..Fault::ALL.len())];
                plan.calls.push((call, fault));
            }
        }
        for number in 1..80 {
            if lot.u64(..one_in) == 0 {
                let fault = LambdaFault::ALL[lot.usize(..LambdaFault::ALL.len())];
                plan.invocations.push((number, fault));
            }
        }
        (case, plan)
    });
    Box::pin(run_all("long runs", 1_000_000, plans.take(1_000_000))).await;
}
