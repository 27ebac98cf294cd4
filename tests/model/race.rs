//! The race between executions of the state machine, searched exhaustively: every order of their
//! steps, every late write, every moment to stop or redrive one, up to a number of misfortunes.
//!
//! `cargo test -p model -- --nocapture` tells, in words, how each weaker protocol breaks. To check
//! the model against the protocol, read `execution`, `protocol`, `functions` and `world`, in that
//! order.

mod execution;
mod functions;
mod properties;
mod protocol;
mod story;
mod symmetry;
mod world;

use std::collections::BTreeSet;
use std::thread::available_parallelism;

use execution::{FUNCTION_TIMEOUT, GRACE, LEASE};
use properties::{LOSER, SERVED};
use protocol::{Abandoned, Event, Lease, Protocol, TakeOver};
use stateright::{Checker, Expectation, HasDiscoveries, Model};

struct Search {
    protocol: Protocol,
    executions: usize,
    misfortunes: u8,
}

/// Searches all there is, finds nothing wrong, and finds what the search is about.
fn holds(protocol: Protocol, executions: usize, misfortunes: u8) {
    let checker = Search {
        protocol,
        executions,
        misfortunes,
    }
    .checker()
    .threads(available_parallelism().map_or(1, usize::from))
    .finish_when(HasDiscoveries::AnyFailures)
    .spawn_bfs()
    .join();
    let (states, transitions) = (checker.unique_state_count(), checker.state_count());
    println!(
        "{executions} executions, up to {misfortunes} misfortunes: {states} states, {transitions} \
         transitions, {} deep",
        checker.max_depth()
    );
    for property in checker.model().properties() {
        match (property.expectation, checker.discovery(property.name)) {
            (Expectation::Sometimes, None) => panic!("it never happens that {}", property.name),
            (Expectation::Always, Some(path)) => {
                panic!("NOT: {}\n{}", property.name, story::tell(&path.into_vec()))
            }
            _ => {}
        }
    }
}

/// Searches two executions until a property does not hold, and tells how that came about.
fn breaks(property: &'static str, protocol: Protocol, misfortunes: u8) -> Vec<Event> {
    let checker = Search {
        protocol,
        executions: 2,
        misfortunes,
    }
    .checker()
    .finish_when(HasDiscoveries::AllOf(BTreeSet::from([property])))
    .spawn_bfs()
    .join();
    let states = checker.unique_state_count();
    let Some(path) = checker.discovery(property) else {
        panic!("{property}: always, in {states} states of {protocol:?}");
    };
    // The checker goes on for a little after the first path that it finds.
    let mut path = path.into_vec();
    let holds = checker.model().property(property).condition;
    let end = path
        .iter()
        .position(|(race, _)| !holds(checker.model(), race));
    path.truncate(end.map_or(path.len(), |end| end + 1));
    println!(
        "NOT: {property} (found in {states} states)\n{}",
        story::tell(&path)
    );
    path.pop();
    path.into_iter().filter_map(|(_, event)| event).collect()
}

/// On an AWS whose descriptions are up to date: what breaks there breaks anyway.
fn at_best() -> Protocol {
    Protocol {
        stale_descriptions: false,
        ..Protocol::whole()
    }
}

fn is_redriven(path: &[Event]) -> bool {
    path.iter().any(|event| matches!(event, Event::Redrive(_)))
}

#[test]
fn lock_lease_and_grace_hold_for_two_executions() {
    holds(Protocol::whole(), 2, 3);
}

#[test]
fn lock_lease_and_grace_hold_for_three_executions() {
    holds(Protocol::whole(), 3, 1);
    holds(at_best(), 3, 2);
}

#[test]
fn waiting_before_rollback_and_release_instead_of_before_each_retry_holds_as_well() {
    let protocol = Protocol {
        abandoned: Abandoned::Settled,
        lease: Lease::Timed,
        ..Protocol::whole()
    };
    holds(protocol, 2, 2);
}

#[test]
fn without_the_lock_production_is_lost_and_nothing_has_to_fail_for_it() {
    let protocol = Protocol {
        lock: false,
        lease: Lease::None,
        ..at_best()
    };
    breaks(SERVED, protocol, 0);
}

#[test]
fn without_the_grace_a_stopped_executions_last_write_takes_production_away() {
    let protocol = Protocol {
        grace: 0,
        ..at_best()
    };
    let path = breaks(SERVED, protocol, 1);
    assert!(path.iter().any(|event| matches!(event, Event::Stop(_))));
}

#[test]
fn a_grace_of_lease_and_function_timeout_has_not_a_second_to_spare() {
    let protocol = Protocol {
        grace: LEASE + FUNCTION_TIMEOUT,
        ..Protocol::whole()
    };
    breaks(SERVED, protocol, 1);
}

#[test]
fn asking_who_owns_the_lock_before_each_write_is_no_lease_and_no_grace() {
    let protocol = Protocol {
        grace: 0,
        lease: Lease::None,
        ownership_check: true,
        ..at_best()
    };
    breaks(SERVED, protocol, 1);
}

#[test]
fn without_the_lease_a_redriven_execution_writes_into_its_successors_deployment() {
    let protocol = Protocol {
        lease: Lease::None,
        ..at_best()
    };
    let path = breaks(SERVED, protocol, 2);
    assert!(is_redriven(&path));
}

#[test]
fn a_takeover_that_asks_for_the_owner_only_takes_from_one_that_was_redriven() {
    let protocol = Protocol {
        takeover: TakeOver::Owner,
        ..at_best()
    };
    let path = breaks(SERVED, protocol, 2);
    assert!(is_redriven(&path));
}

#[test]
fn a_function_given_up_and_still_at_work_lands_its_write_after_the_rollback_has_begun() {
    let protocol = Protocol {
        abandoned: Abandoned::Ignored,
        ..at_best()
    };
    let path = breaks(SERVED, protocol, 1);
    assert!(
        path.iter()
            .any(|event| matches!(event, Event::FunctionLost(_)))
    );
}

#[test]
fn an_execution_redriven_within_its_lease_races_with_its_own_last_function() {
    let protocol = Protocol {
        lease: Lease::Timed,
        ..at_best()
    };
    let path = breaks(SERVED, protocol, 3);
    assert!(is_redriven(&path));
}

#[test]
fn a_takeover_whose_reply_was_lost_must_find_the_lock_its_own() {
    let protocol = Protocol {
        takeover: TakeOver::OwnerAndRevision,
        ..at_best()
    };
    breaks(LOSER, protocol, 2);
}

/// A tick is a minute: the constants against what is deployed.
#[test]
fn the_functions_time_out_after_as_many_minutes_as_they_do_here() {
    let template = include_str!("../../template.yaml");
    let timeout = format!("Timeout: {}", 60 * u32::from(FUNCTION_TIMEOUT));
    assert!(template.lines().any(|line| line.trim() == timeout));
    const { assert!(GRACE > LEASE + FUNCTION_TIMEOUT) };
}
