//! `ebbtide`: see a deployment before it happens, on a simulated AWS or as preflight sees your account;
//! start, follow, pause, undo and stop one there.
//!
//! Each command is the file of its name. Without the feature `simulator`, only what talks to an account is built.

#![cfg_attr(
    not(feature = "simulator"),
    allow(
        dead_code,
        reason = "what pages and figures of simulated deployments need"
    )
)]

mod abort;
mod application;
mod aws;
mod bar;
#[cfg(feature = "simulator")]
mod compare;
mod completions;
mod deploy;
#[cfg(all(test, feature = "simulator"))]
mod documents;
mod executions;
mod exit;
mod files;
mod follow;
mod github;
mod input;
mod man;
mod narrate;
mod operate;
mod output;
#[cfg(feature = "simulator")]
mod plan;
mod preflight;
#[cfg(feature = "simulator")]
mod report;
mod runtime;
#[cfg(feature = "simulator")]
mod scenario;
#[cfg(feature = "simulator")]
mod serve;
#[cfg(feature = "simulator")]
mod service;
#[cfg(feature = "simulator")]
mod simulate;
#[cfg(feature = "simulator")]
mod simulation;
mod status;
mod target;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use ebbtide_controller::command::Command as Asked;

use exit::{Exit, in_words};
use runtime::in_real_time;

/// Deploys a new version of an Amazon ECS service without a reconnect storm.
///
/// Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 stopped following a deployment that still runs.
#[derive(Debug, Parser)]
#[command(version = env!("EBBTIDE_VERSION"), max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    color: colorchoice_clap::Color,
    #[command(subcommand)]
    command: Command,
}

#[cfg(not(feature = "simulator"))]
const EXAMPLES: &str = "\
Examples:
  ebbtide preflight deploy.json                   check a service of your account
  ebbtide deploy deploy.json                      deploy it, and follow it to its end";

#[cfg(feature = "simulator")]
const EXAMPLES: &str = "\
Examples:
  ebbtide simulate events/sample.json             see a deployment in virtual time
  ebbtide compare events/minimal.json --tasks 12  compare drain settings by their effect on clients
  ebbtide preflight deploy.json                   check a service of your account
  ebbtide deploy deploy.json                      deploy it, and follow it to its end";

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "simulator")]
    Simulate(simulate::Arguments),
    #[cfg(feature = "simulator")]
    Compare(compare::Arguments),
    #[cfg(feature = "simulator")]
    Plan(plan::Arguments),
    Preflight(preflight::Arguments),
    #[cfg(feature = "simulator")]
    Serve(serve::Arguments),
    Deploy(deploy::Arguments),
    Status(status::Arguments),
    #[cfg(feature = "simulator")]
    Report(report::Arguments),
    /// Rolls a running deployment back: traffic returns to the original.
    ///
    /// Before the swap, the replacement is deleted. After it, the original returns to full strength and takes
    /// the traffic once it is healthy; then the replacement is drained. The execution ends in
    /// `OperatorRollback`. Refused once the original is gone.
    #[command(after_help = operate::EXAMPLES[0])]
    Rollback(operate::Arguments),
    /// Pauses a running deployment: no traffic moves and no task is removed until `resume`, `promote` or `rollback`.
    ///
    /// Health and alarms are still checked, and still lead to a rollback. Paused seconds count towards no
    /// deadline but readinessTimeout; all pauses of a deployment together may last a day.
    #[command(after_help = operate::EXAMPLES[1])]
    Pause(operate::Arguments),
    /// Continues a paused deployment, or approves one that waits at a pause of its input.
    ///
    /// Where an operator has paused it too, the first `resume` ends that pause, and a second one approves. An approval is
    /// for the pause that has begun, and not for a later one. Refused where nothing is paused.
    #[command(after_help = operate::EXAMPLES[2])]
    Resume(operate::Arguments),
    /// Skips the steps of a shift, the planned pauses and the hooks that are left of a running deployment.
    ///
    /// Health and alarms are still checked, the bake takes its time, and the drain keeps its pace (`ebbtide pace`
    /// changes it). A pause of an operator ends too. Refused where nothing is left to skip.
    #[command(after_help = operate::EXAMPLES[3])]
    Promote(operate::Arguments),
    Pace(operate::PaceArguments),
    Abort(abort::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

fn main() -> ExitCode {
    aws::without_empty_variables();
    let Cli { color, command } = match Cli::try_parse() {
        Ok(asked) => asked,
        Err(said) => return output::print_usage(&said).into(),
    };
    color.write_global();
    let outcome = match command {
        #[cfg(feature = "simulator")]
        Command::Simulate(arguments) => simulate::run(&arguments),
        #[cfg(feature = "simulator")]
        Command::Compare(arguments) => compare::run(&arguments),
        #[cfg(feature = "simulator")]
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Preflight(arguments) => preflight::run(&arguments),
        #[cfg(feature = "simulator")]
        Command::Serve(arguments) => in_real_time(serve::run(&arguments)),
        Command::Deploy(arguments) => in_real_time(deploy::run(&arguments)),
        Command::Status(arguments) => in_real_time(status::run(&arguments)),
        #[cfg(feature = "simulator")]
        Command::Report(arguments) => in_real_time(report::run(&arguments)),
        Command::Rollback(arguments) => in_real_time(operate::run(Asked::Rollback, &arguments)),
        Command::Pause(arguments) => in_real_time(operate::run(Asked::Pause, &arguments)),
        Command::Resume(arguments) => in_real_time(operate::run(Asked::Resume, &arguments)),
        Command::Promote(arguments) => in_real_time(operate::run(Asked::Promote, &arguments)),
        Command::Pace(arguments) => in_real_time(operate::pace(&arguments)),
        Command::Abort(arguments) => in_real_time(abort::run(&arguments)),
        Command::Completions(arguments) => Ok(completions::run(&arguments, Cli::command())),
        Command::Man(arguments) => man::run(&arguments, Cli::command()),
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
