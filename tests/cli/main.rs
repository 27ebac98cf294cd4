//! The command line as people meet it.

mod commands;
mod compare;
mod preflight;
mod run;
