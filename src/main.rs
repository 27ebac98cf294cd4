//! `ebbtide`: see a deployment before it happens, on a simulated AWS.

mod aws;
mod compare;
mod cost;
mod input;
mod narrate;
mod plan;
mod progress;
mod report;
mod run;
mod serve;
mod simulate;
mod summary;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Deploys a new version of an Amazon ECS service without a reconnect storm.
///
/// Exit status: 0 done, 1 refused or failed, 2 wrong usage.
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
    Serve(serve::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprint!("error: {error}");
            let mut source = std::error::Error::source(error.as_ref());
            while let Some(cause) = source {
                eprint!(": {cause}");
                source = cause.source();
            }
            eprintln!();
            ExitCode::from(2)
        }
    }
}

/// Prints a line of the answer; a reader that has gone away (`| head`) ends the program quietly.
fn print(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(1);
    }
}

/// Whether a command did what was asked; an error is one of usage.
type Outcome = Result<bool, Box<dyn std::error::Error>>;
