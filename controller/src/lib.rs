//! The decisions of an Ebbtide deployment.
//!
//! Every turn of a deployment is a function, [`turn::next`], from the [`world::World`] as it was seen,
//! the [`deployment::Plan`] and the [`deployment::Progress`] of its phase to a [`turn::Next`]. Nothing in this crate reads a
//! clock, talks to AWS, or keeps anything between two calls.

pub mod action;
mod alarms;
mod align;
pub mod arn;
pub mod auto_scaling;
pub mod caller;
pub mod checks;
pub mod cleanup;
pub mod clock;
pub mod command;
pub mod contract;
pub mod counted;
pub mod create;
pub mod deployment;
pub mod drain;
pub mod finish_swap;
pub mod fix;
pub mod gates;
pub mod hooks;
pub mod id;
pub mod identity;
pub mod leftovers;
pub mod lock;
mod next;
pub mod order;
pub mod pauses;
pub mod phase;
pub mod point;
pub mod preflight;
pub mod quote;
pub mod ready;
pub mod reason;
pub mod refusal;
pub mod registry;
pub mod request;
pub mod rollback;
pub mod routing;
pub mod scale_down;
pub mod shift;
pub mod swap;
mod tags;
mod test_rule;
pub mod turn;
pub mod window;
pub mod world;

pub use drain::{budget, deregistration, flows, pace, plan};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod stories;
