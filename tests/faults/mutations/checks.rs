//! Wrong decisions by metric checks.

use ebbtide_controller::checks::Check;
use ebbtide_controller::deployment::Plan;
use ebbtide_controller::turn::{self, Turn};

use super::decisions::assert_caught;
use crate::run;
use crate::scenarios;

/// The same plan, whose checks are others; the change is made at each turn, to what the turn before it has left.
fn checked(plan: &Plan, change: impl Fn(&mut Check)) -> Plan {
    let mut plan = plan.clone();
    plan.request.checks.iter_mut().for_each(change);
    plan
}

#[tokio::test(start_paused = true)]
async fn a_check_that_allows_more_than_it_should_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let plan = checked(plan, |check| check.at_most = 3.0);
        turn::next(phase, seen, &plan, progress)
    };
    let case = scenarios::named("a check that fails");
    assert_caught("S22", &case, next, [run::Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn an_original_that_is_compared_with_itself_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        for compared in &mut seen.flows.compared {
            compared.replacement.clone_from(&compared.original);
        }
        turn::next(phase, &seen, plan, progress)
    };
    let case = scenarios::named("a check that fails");
    assert_caught("S22", &case, next, [run::Plan::default()]).await;
}

/// A sample less than the check wants, before the drain and in a shift.
#[tokio::test(start_paused = true)]
async fn a_step_before_its_samples_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let plan = checked(plan, |check| check.samples = 2);
        turn::next(phase, seen, &plan, progress)
    };
    for name in ["a check", "a check in a shift"] {
        let case = scenarios::named(name);
        assert_caught("S22", &case, next, [run::Plan::default()]).await;
    }
}
