//! `ebbtide abort`: stops an execution where it is.

use std::io::IsTerminal;

use clap::Args;

use crate::executions::Execution;
use crate::exit::{Exit, Outcome};
use crate::output::{confirmed, print, remark, remark_whole};
use crate::target::{DEFAULT_NAME, Target};

/// The error that a stopped execution has in the console.
const ERROR: &str = "Aborted";

/// Stops an execution. Nothing is undone: the service stays as it is.
///
/// A function that is running still completes. The execution keeps the service's lock; the next deployment
/// takes it after 30 to 90 seconds, and cleans up. Asks for confirmation on a terminal; elsewhere --yes is
/// needed. An execution that has ended is refused. To go back to the original instead, use `ebbtide
/// rollback`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The execution: its ARN, or its name.
    #[arg(value_name = "EXECUTION")]
    execution: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// The reason, shown with the execution.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "stopped with `ebbtide abort`"
    )]
    cause: String,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide abort main-chat-chat-7
  ebbtide abort main-chat-chat-7 --yes --cause \"the image is wrong\"";

pub(crate) async fn run(arguments: &Arguments) -> Outcome {
    let (executions, arn) = arguments.target.execution(&arguments.execution).await?;
    let execution = executions.describe(&arn).await?;
    if execution.asked("serviceName").is_none() && execution.services().is_none() {
        remark(&format!(
            "Nothing was stopped: execution {} is no deployment, its input names no service. What is no deployment is \
             stopped by:",
            execution.name
        ));
        remark_whole(&format!(
            "aws stepfunctions stop-execution --execution-arn {arn}"
        ));
        return Ok(Exit::Failed);
    }
    if execution.has_ended() {
        remark(&format!("Nothing was stopped: {}.", execution.ended()));
        return Ok(Exit::Failed);
    }
    if !arguments.yes {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Err(
                "there is no terminal to ask on: --yes stops it without being asked".into(),
            );
        }
        let (name, deployed) = (&execution.name, execution.deployed());
        let stays = match execution.services() {
            Some(_) => {
                "the deployments that it has started are stopped too, and their services stay as they are"
            }
            None => "the service stays as it is",
        };
        let question = format!("Stop execution {name} of {deployed}? It undoes nothing: {stays}.");
        if !confirmed(&question, &mut stdin.lock())? {
            remark("Nothing was stopped.");
            return Ok(Exit::Failed);
        }
    }
    executions.stop(&arn, ERROR, &arguments.cause).await?;
    let again = format!("{}{}", state_machine(&arn), arguments.target.access.flags());
    print(&left_behind(&execution, &again));
    Ok(Exit::Done)
}

/// The flag that names the state machine of an execution, where it is not the default one: another
/// one has locks of its own, and would not wait for what the stopped one still does.
fn state_machine(execution: &str) -> String {
    let name = execution.rsplit(':').nth(1);
    let other = name.filter(|name| *name != DEFAULT_NAME);
    other.map_or_else(String::new, |name| format!(" --state-machine {name}"))
}

/// What is there after a stop, and what to do.
fn left_behind(execution: &Execution, flags: &str) -> String {
    let (name, deployed) = (&execution.name, execution.deployed());
    let held = if execution.asked("autoScaling") == Some("holdScaleIn") {
        "\nScale-in of the service may be suspended: the next deployment resumes it at its end."
    } else {
        ""
    };
    format!(
        "Execution {name} of {deployed} is stopped. Nothing was undone: both task sets may run, and traffic goes where it went.
Start a deployment to bring the service in order, the same one or another: it takes the lock after 30 to 90 \
         seconds, finishes a swap that was half done, drains what does not serve, and deploys.{held}
With the same event: ebbtide deploy EVENT.json --again{flags}"
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::ExecutionStatus;

    use super::*;

    #[test]
    fn what_to_do_names_the_account_and_another_state_machine_again() {
        let execution = Execution::example(ExecutionStatus::Running);
        let lines = left_behind(&execution, " --region eu-west-1");
        assert!(lines.ends_with("--again --region eu-west-1"), "{lines}");
        assert!(!lines.contains("suspended"));
        assert_eq!(state_machine(&execution.arn), "");
        let mut held = execution.clone();
        held.input["autoScaling"] = "holdScaleIn".into();
        assert!(left_behind(&held, "").contains("Scale-in of the service may be suspended"));
        let other = execution.arn.replace(":ebbtide:", ":ebbtide-test:");
        assert_eq!(state_machine(&other), " --state-machine ebbtide-test");
    }
}
