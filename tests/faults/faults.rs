//! Everything that can go wrong, at every call: faults of AWS and of Lambda, executions that are
//! stopped, redriven, started anew or race, people who meddle. The shipped state machine runs over
//! the real functions and the real SDK, in virtual time; invariants are checked after every call.

mod commands;
mod exhaustive;
mod invariants;
mod join;
mod mutations;
mod outages;
mod pairs;
mod people;
mod races;
mod run;
mod scenarios;
mod services;
mod singles;
mod stops;

/// Deployments are short, and made of small things: this one is quicker with them than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
