//! A simulated AWS that behaves, and the interpreter of the shipped state machine.

pub mod asl;
