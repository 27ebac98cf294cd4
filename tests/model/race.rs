//! The race between executions of the state machine, searched exhaustively: every order of their
//! steps, every late write, every moment to stop or redrive one, up to a number of misfortunes.
//!
//! `cargo test -p model -- --nocapture` prints how large each search was, and tells, event by event,
//! how the protocol breaks without each of its parts. To check the model against the protocol, read
//! `execution`, `protocol`, `lock`, `functions`, `turn`, `events` and `world`, in that order.

mod events;
mod execution;
mod functions;
mod holes;
mod liveness;
mod lock;
mod misfortune;
mod normal;
mod properties;
mod protocol;
mod story;
mod turn;
mod whole;
mod world;

use std::collections::BTreeSet;
use std::fmt;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use liveness::EndsWell;
use misfortune::Misfortune;
use protocol::Protocol;
use stateright::{Checker, CheckerBuilder, Expectation, HasDiscoveries, Model};

#[derive(Debug)]
struct Search {
    protocol: Protocol,
    executions: usize,
    faults: Faults,
    /// Each state is asked for a run that ends well, too.
    live: bool,
    ends_well: EndsWell,
}

#[derive(Debug, Clone, Copy)]
struct Faults {
    misfortunes: u8,
    kinds: &'static [Misfortune],
    /// `DescribeExecution` may say of a running owner that it has ended, as often as it likes.
    false_ends: bool,
    /// The first check of each function may be one write old.
    old_reads: bool,
}

#[derive(Debug, Clone, Copy)]
enum Reach {
    Everything,
    Minutes(u64),
    /// About so many transitions.
    Sample(usize),
}

impl Search {
    /// On an AWS whose descriptions and reads may be old, with functions that are soon over.
    fn of(executions: usize, misfortunes: u8, kinds: &'static [Misfortune]) -> Self {
        Self {
            protocol: Protocol::without(&[]),
            executions,
            faults: Faults {
                misfortunes,
                kinds,
                false_ends: true,
                old_reads: true,
            },
            live: true,
            ends_well: EndsWell::default(),
        }
    }

    /// On an AWS at its best: descriptions are true, reads current.
    fn at_best(mut self) -> Self {
        (self.faults.false_ends, self.faults.old_reads) = (false, false);
        self
    }

    /// With functions that live longer than the protocol settles, as in AWS.
    fn long_lived(mut self) -> Self {
        self.protocol.lifetime = execution::FUNCTION_TIMEOUT;
        self
    }

    /// Finds nothing wrong, and where it goes through everything, finds what it is about.
    fn holds(self, reach: Reach) {
        let told = self.to_string();
        let start = Instant::now();
        // A time limit is only seen where threads share their work.
        let threads = available_parallelism().map_or(2, usize::from).max(2);
        let checker = CheckerBuilder::finish_when(self.checker(), HasDiscoveries::AnyFailures);
        let checker = checker.threads(threads);
        let limit = match reach {
            Reach::Minutes(minutes) => Duration::from_secs(60 * minutes),
            Reach::Everything | Reach::Sample(_) => Duration::MAX,
        };
        let checker = match reach {
            Reach::Everything => checker,
            Reach::Minutes(_) => checker.timeout(limit),
            Reach::Sample(transitions) => checker.target_state_count(transitions),
        };
        let checker = checker.spawn_bfs().join();
        let (states, transitions) = (checker.unique_state_count(), checker.state_count());
        let properties = checker.model().properties();
        let mut always = properties
            .iter()
            .filter(|one| one.expectation == Expectation::Always);
        let is_broken = always.any(|one| checker.discovery(one.name).is_some());
        let exhausted = !is_broken
            && match reach {
                Reach::Everything => true,
                Reach::Minutes(_) => start.elapsed() < limit,
                Reach::Sample(most) => transitions < most,
            };
        println!(
            "{told}: {states} states, {transitions} transitions, {} deep, {} s, {}exhausted",
            checker.max_depth(),
            start.elapsed().as_secs(),
            if exhausted { "" } else { "NOT " },
        );
        for property in properties {
            match (property.expectation, checker.discovery(property.name)) {
                (Expectation::Sometimes, None) if exhausted => {
                    panic!("it never happens that {}", property.name)
                }
                (Expectation::Always, Some(path)) => {
                    let path = checker.model().up_to(property.name, path.into_vec());
                    panic!("NOT: {}\n{}", property.name, checker.model().tell(&path))
                }
                _ => {}
            }
        }
    }

    fn breaks(mut self, property: &'static str) {
        self.live = property == properties::LIVE;
        let checker = self
            .checker()
            .finish_when(HasDiscoveries::AllOf(BTreeSet::from([property])))
            .spawn_bfs()
            .join();
        let states = checker.unique_state_count();
        let search = checker.model();
        let Some(path) = checker.discovery(property) else {
            panic!("{property}: always, in {states} states of {search}");
        };
        let path = search.up_to(property, path.into_vec());
        println!(
            "{search}\nNOT: {property} (found in {states} states)\n{}",
            search.tell(&path)
        );
    }

    /// The checker goes on for a little after the first path that it finds.
    fn up_to(&self, property: &'static str, mut path: story::Path) -> story::Path {
        let holds = self.property(property).condition;
        let end = path.iter().position(|(race, _)| !holds(self, race));
        path.truncate(end.map_or(path.len(), |end| end + 1));
        if let Some((_, event)) = path.last_mut() {
            *event = None;
        }
        path
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.faults;
        let (executions, misfortunes) = (self.executions, faults.misfortunes);
        let kinds = match faults.kinds {
            _ if misfortunes == 0 => String::new(),
            Misfortune::ALL => format!(" of all {} kinds", faults.kinds.len()),
            kinds => format!(" of {kinds:?}"),
        };
        let ends = if faults.false_ends {
            ", false ends"
        } else {
            ""
        };
        let reads = if faults.old_reads { ", old reads" } else { "" };
        let (lifetime, protocol) = (self.protocol.lifetime, self.protocol);
        write!(
            f,
            "executions: {executions}, misfortunes: {misfortunes}{kinds}{ends}{reads}, ticks of a \
             function: {lifetime}{protocol}"
        )
    }
}

/// A search makes millions of small things: a quarter quicker with this one than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
