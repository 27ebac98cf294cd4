//! The shipped state machine, held against the contract and the functions.

mod bounds;
mod choices;
mod errors;
mod graph;
mod states;
