//! The whole on one machine: the shipped state machine over the real functions, over the real SDK
//! clients, on the simulated AWS. What is asserted is what the world shows at the end.

mod auto_scaling;
mod checks;
mod commands;
mod deployment;
mod field;
mod hooks;
mod interventions;
mod moving;
mod notices;
mod operations;
mod policies;
mod preflight;
mod quiet;
mod refusals;
mod registry;
mod rounds;
mod routes;
mod rules;
mod sample;
mod security;
mod services;
mod settings;
mod shifts;
mod stories;
mod support;

/// Deployments are short, and made of small things: this one is quicker with them than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
