//! What holds for every input, as functions from bytes that panic where it does not.
//!
//! Each is called by a fuzzer (`fuzz/fuzz_targets`), and by ordinary tests on the fuzzers' corpus and
//! on inputs drawn with a fixed seed (`tests/`). What an input means is said at each property. Checks
//! that can be broken are functions of their own, so that a test can show that they fail.

mod arns;
mod change;
mod decisions;
mod draw;
mod events;
// The service that the controller's own tests decide about.
#[expect(dead_code, reason = "some of it is for those tests alone")]
#[path = "../../../controller/src/fixture.rs"]
mod fixture;
pub mod harm;
pub mod quiet;
mod refused;
#[path = "registry.rs"]
mod registries;
mod requests;
mod routing;
mod scene;
mod schema;
pub mod wire;

// Where the fixture looks for them.
use ebbtide_controller::{
    arn, auto_scaling, checks, contract, deployment, drain, hooks, id, identity, lock, pauses,
    phase, reason, registry, request, shift, world,
};

pub use arns::arns;
pub use decisions::{decisions, decisions_in};
pub use events::events;
pub use requests::requests;
pub use routing::routing;
pub use scene::{Scene, Stage};
pub use wire::wire;

/// Something that holds for every input, by the name of its fuzzer and corpus.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// The name of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Panics where it does not hold.
    pub holds: fn(&[u8]),
}

/// Every property.
pub const ALL: [Property; 6] = [
    property("arns", arns),
    property("decisions", decisions),
    property("events", events),
    property("requests", requests),
    property("routing", routing),
    property("wire", wire),
];

const fn property(name: &'static str, holds: fn(&[u8])) -> Property {
    Property { name, holds }
}
