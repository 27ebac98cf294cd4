//! The pace of a drain: requested, planned, and kept.
//!
//! [`pace`] is what a request asks for, [`schedule`](Schedule) whole tasks and seconds, [`budget`] the
//! control by new connections and [`flows`] what CloudWatch says of them; [`plan`] is what preflight
//! shows. `pacing` is all of it for the deployment at hand: which step is due, and when the next one
//! comes.

pub mod budget;
pub mod deregistration;
pub mod flows;
pub mod pace;
pub(crate) mod pacing;
pub mod plan;
mod schedule;

pub(crate) use schedule::MOST_SOON;
pub(crate) use schedule::most_steps;
pub use schedule::{
    Checks, MOST_POLLS, MOST_STEPS, MOST_STEPS_BESIDES, Schedule, checks_within, default_timeout,
    longest_check, scale_for, tasks_at,
};
