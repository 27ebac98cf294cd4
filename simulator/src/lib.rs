//! A simulated AWS that behaves like the real one (Amazon ECS, Elastic Load Balancing, and the other services
//! that the functions call), and its wire protocols: in process under the real Rust SDK clients, and on a
//! port for any client. On top of it, the shipped state machine with its functions.

#![expect(
    missing_docs,
    reason = "names are AWS's own or say it; docs say what they do not"
)]

pub mod asl;
pub mod aws;
pub mod clock;
mod connector;
pub mod deployment;
mod exchange;
pub mod fault;
pub mod scenario;
pub mod server;
pub mod wire;
pub mod world;

pub use aws::SimulatedAws;
pub use scenario::{CommandScenario, Names, Scenario};
pub use world::World;
