//! The properties hold: for the fuzzers' corpus, for inputs drawn with a fixed seed, and not for what
//! is wrong.

mod can_fail;
mod corpus;
mod drawn;
mod support;
