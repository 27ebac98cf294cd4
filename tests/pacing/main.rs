//! What a drain does to clients: reconnects, refusals and time, by each way of pacing.

mod budget;
mod figures;
mod minute;
mod run;

/// Deployments are short, and made of small things: this one is quicker with them than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
