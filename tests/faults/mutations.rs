//! The suite can fail: with a wrong decision in the place of ours, or a lock without one of its parts, each
//! of these reports the invariant that is broken, and nothing as it is shipped.

mod decisions;
mod lock;

use ebbtide_simulator::fault::LambdaFault;

use crate::run::Plan;

/// Asserts that what was reported is this invariant, and that what is shipped breaks nothing.
fn assert_caught(invariant: &str, reported: Option<String>, shipped: Option<String>) {
    let what = reported.unwrap_or_else(|| panic!("nothing reported; {invariant} expected"));
    assert!(what.starts_with(invariant), "{invariant} expected: {what}");
    assert_eq!(shipped, None);
    println!("caught: {what}");
}

fn every_invocation(fault: LambdaFault) -> impl Iterator<Item = Plan> {
    (1..40).map(move |number| Plan::invocation(number, fault))
}
