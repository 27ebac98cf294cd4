//! `ebbtide`: see a deployment before it happens, on a simulated AWS or as preflight sees your account;
//! start, follow and stop one there.

mod abort;
mod aws;
mod compare;
mod cost;
mod deploy;
mod executions;
mod follow;
mod input;
mod narrate;
mod plan;
mod preflight;
mod progress;
mod report;
mod run;
mod serve;
mod simulate;
mod status;
mod summary;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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

/// How a command that goes to an AWS account ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// What was asked for is done.
    Done,
    /// It was refused, or failed.
    Refused,
    /// A deployment goes on, and is followed no longer.
    Left,
}

impl From<bool> for Ended {
    fn from(done: bool) -> Self {
        if done { Self::Done } else { Self::Refused }
    }
}

impl From<follow::Followed> for Ended {
    fn from(followed: follow::Followed) -> Self {
        match followed {
            follow::Followed::Succeeded => Self::Done,
            follow::Followed::NotSucceeded => Self::Refused,
            follow::Followed::Left => Self::Left,
        }
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Simulate(arguments) => simulate::run(&arguments).map(Ended::from),
        Command::Compare(arguments) => compare::run(&arguments).map(Ended::from),
        Command::Plan(arguments) => plan::run(&arguments).map(Ended::from),
        Command::Preflight(arguments) => preflight::run(&arguments).map(Ended::from),
        Command::Serve(arguments) => serve::run(&arguments).map(Ended::from),
        Command::Deploy(arguments) => in_account(deploy::run(&arguments)),
        Command::Status(arguments) => in_account(status::run(&arguments)),
        Command::Abort(arguments) => in_account(abort::run(&arguments)),
    };
    match outcome {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Refused) => ExitCode::from(1),
        Ok(Ended::Left) => ExitCode::from(3),
        Err(error) => {
            eprint!("error: {error}");
            let mut source = std::error::Error::source(error.as_ref());
            while let Some(cause) = source {
                eprint!(": {cause}");
                source = cause.source();
            }
            eprintln!();
            ExitCode::from(if executions::refused(error.as_ref()) {
                1
            } else {
                2
            })
        }
    }
}

/// Runs a command that calls AWS.
fn in_account(
    command: impl Future<Output = Result<Ended, Box<dyn std::error::Error>>>,
) -> Result<Ended, Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

/// Prints a line of the answer; a reader that has gone away (`| head`) ends the program quietly.
fn print(line: &str) {
    print_or(line, 1);
}

/// The same of a deployment that goes on without a reader.
fn print_of_running(line: &str) {
    print_or(line, 3);
}

fn print_or(line: &str, status: i32) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(status);
    }
}

/// Whether a command did what was asked; an error is one of usage.
type Outcome = Result<bool, Box<dyn std::error::Error>>;
