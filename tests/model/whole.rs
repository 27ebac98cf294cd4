//! The whole protocol holds. Larger searches are done in part, unless `make test-exhaustive` asks
//! for all of them.

use crate::Reach::{self, Everything};
use crate::Search;
use crate::execution::{FUNCTION_TIMEOUT, SETTLE};
use crate::misfortune::Misfortune;
use crate::protocol::{Part, Protocol};

/// Set by `make test-exhaustive`: the minutes that a test may take; 0 for as long as it needs.
const MINUTES: &str = "EBBTIDE_EXHAUSTIVE_MINUTES";

/// Transitions of a larger search on an ordinary test run.
const SAMPLE: usize = 200_000;

fn reach() -> Reach {
    let minutes = std::env::var(MINUTES).ok();
    match minutes.and_then(|minutes| minutes.parse().ok()) {
        None => Reach::Sample(SAMPLE),
        Some(0) => Everything,
        Some(minutes) => Reach::Minutes(minutes),
    }
}

/// Each is a test: searches of the whole protocol, in which nothing may be wrong.
macro_rules! whole {
    ($reach:expr; $($name:ident: $($search:expr),+;)*) => {
        $(
            #[test]
            fn $name() {
                $($search.holds($reach);)+
            }
        )*
    };
}

whole! { Everything;
    one_execution_with_two_misfortunes: Search::of(1, 2, Misfortune::ALL).long_lived();
    two_executions_without_misfortunes:
        Search::of(2, 0, &[]).long_lived(), Search::of(2, 0, &[]).at_best();
    two_executions_with_one_misfortune: Search::of(2, 1, Misfortune::ALL);
    three_executions_without_misfortunes: Search::of(3, 0, &[]);
    three_executions_with_one_misfortune_at_best: Search::of(3, 1, Misfortune::ALL).at_best();
}

whole! { reach();
    exhaustive_one_execution_with_three_misfortunes: Search::of(1, 3, Misfortune::ALL).long_lived();
    exhaustive_two_executions_with_one_misfortune: Search::of(2, 1, Misfortune::ALL).long_lived();
    exhaustive_two_executions_with_two_misfortunes_at_best:
        Search::of(2, 2, Misfortune::ALL).at_best();
    exhaustive_two_executions_with_two_misfortunes: Search::of(2, 2, Misfortune::ALL);
    exhaustive_the_order_of_starts_makes_up_for_a_take_with_a_fence: Search {
        protocol: Protocol::without(&[Part::OnlyWithoutFence]),
        ..Search::of(2, 1, Misfortune::ALL)
    };
    exhaustive_three_executions_without_misfortunes: Search::of(3, 0, &[]).long_lived();
    exhaustive_three_executions_with_one_misfortune: Search::of(3, 1, Misfortune::ALL);
}

/// The times that the model stands for, against what is deployed.
#[test]
fn functions_live_longer_than_the_protocol_settles() {
    const { assert!(FUNCTION_TIMEOUT > SETTLE) };
    let template = include_str!("../../template.yaml");
    let timeouts = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Timeout: "));
    let timeouts: Vec<u32> = timeouts
        .filter_map(|seconds| seconds.parse().ok())
        .collect();
    assert!(!timeouts.is_empty());
    assert!(
        timeouts
            .iter()
            .all(|seconds| *seconds > 10 * u32::from(SETTLE))
    );
}
