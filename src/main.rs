//! `ebbtide`: see a deployment before it happens, on a simulated AWS or as preflight sees your account;
//! start, follow and stop one there.
//!
//! Each command is the file of its name.

mod abort;
mod aws;
mod bar;
mod compare;
mod deploy;
mod executions;
mod exit;
mod follow;
mod input;
mod narrate;
mod output;
mod plan;
mod preflight;
mod report;
mod runtime;
mod serve;
mod service;
mod simulate;
mod simulation;
mod status;
mod target;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, in_words};
use runtime::in_real_time;

/// Deploys a new version of an Amazon ECS service without a reconnect storm.
///
/// Exit status: 0 done, 1 refused or failed, 2 wrong usage; 3 a deployment goes on and is followed no
/// longer.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Simulate(simulate::Arguments),
    Compare(compare::Arguments),
    Plan(plan::Arguments),
    Preflight(preflight::Arguments),
    Serve(serve::Arguments),
    Deploy(deploy::Arguments),
    Status(status::Arguments),
    Abort(abort::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Preflight(arguments) => preflight::run(&arguments),
        Command::Serve(arguments) => in_real_time(serve::run(&arguments)),
        Command::Deploy(arguments) => in_real_time(deploy::run(&arguments)),
        Command::Status(arguments) => in_real_time(status::run(&arguments)),
        Command::Abort(arguments) => in_real_time(abort::run(&arguments)),
    };
    let exit = outcome.unwrap_or_else(|error| {
        output::remark(&format!("error: {}", in_words(error.as_ref())));
        if target::refused(error.as_ref()) {
            Exit::Failed
        } else {
            Exit::Usage
        }
    });
    exit.into()
}
