//! The command line as people meet it.

mod commands;
mod compare;
mod deploy;
mod preflight;
mod run;
