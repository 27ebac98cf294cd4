//! The shipped state machine, held against the contract and the functions.

mod bounds;
mod errors;
mod graph;
mod lock;
mod notices;
mod states;
