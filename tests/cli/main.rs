//! The command line as people meet it: what each command prints, where, and its exit status.

mod compare;
mod deploy;
mod documents;
mod follow;
mod help;
mod input;
mod operate;
mod plan;
mod preflight;
mod program;
mod report;
mod serve;
mod services;
mod simulate;
mod step_functions;
