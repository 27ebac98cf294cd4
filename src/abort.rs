//! `ebbtide abort`: stops an execution where it is.

use std::io::IsTerminal;

use clap::Args;
use serde_json::Value;

use crate::executions::{Execution, SERVICES};
use crate::exit::{Exit, Outcome};
use crate::output::{PLAIN, Styled, confirmed, remark, remark_whole};
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
    for line in left_behind(&execution, &again) {
        Styled::new(PLAIN, &line).wrapped(2).print();
    }
    Ok(Exit::Done)
}

/// The flag that names the state machine of an execution, where it is not the default one: another
/// one has locks of its own, and would not wait for what the stopped one still does.
fn state_machine(execution: &str) -> String {
    let name = execution.rsplit(':').nth(1);
    // That for several services is found by the stack's name, too.
    let name = name.map(|name| name.strip_suffix(SERVICES).unwrap_or(name));
    let other = name.filter(|name| *name != DEFAULT_NAME);
    other.map_or_else(String::new, |name| format!(" --state-machine {name}"))
}

/// What is there after a stop, and what to do: sentences, and a command last.
fn left_behind(execution: &Execution, flags: &str) -> Vec<String> {
    let (name, deployed) = (&execution.name, execution.deployed());
    let holds = |input: &Value| input["autoScaling"] == "holdScaleIn";
    let services = execution.input["services"].as_array();
    let held = holds(&execution.input) || services.is_some_and(|all| all.iter().any(holds));
    let (left, does) = if services.is_some() {
        (
            ", and so are the deployments that it has started. Nothing was undone: of a service that was being deployed both task \
             sets may run, and traffic goes where it went.",
            "for each such service it takes the lock after 30 to 90 seconds, finishes a swap that was half done, drains what \
             does not serve, and deploys.",
        )
    } else {
        (
            ". Nothing was undone: both task sets may run, and traffic goes where it went.",
            "it takes the lock after 30 to 90 seconds, finishes a swap that was half done, drains what does not serve, and \
             deploys.",
        )
    };
    let mut lines = vec![
        format!("Execution {name} of {deployed} is stopped{left}"),
        format!("Start a deployment to bring it in order, the same one or another: {does}"),
    ];
    if held {
        lines.push(
            "Scale-in may be suspended: the next deployment of the service resumes it at its end."
                .to_owned(),
        );
    }
    lines.push(format!(
        "With the same event: ebbtide deploy EVENT.json --again{flags}"
    ));
    lines
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::ExecutionStatus;

    use super::*;

    #[test]
    fn what_to_do_names_the_account_and_another_state_machine_again() {
        let execution = Execution::example(ExecutionStatus::Running);
        let lines = left_behind(&execution, " --region eu-west-1");
        let last = lines.last().unwrap();
        assert!(last.ends_with("--again --region eu-west-1"), "{last}");
        let suspended = |lines: &[String]| lines.concat().contains("Scale-in may be suspended");
        assert!(!suspended(&lines));
        assert_eq!(state_machine(&execution.arn), "");
        let mut held = execution.clone();
        held.input["autoScaling"] = "holdScaleIn".into();
        assert!(suspended(&left_behind(&held, "")));
        let several = serde_json::json!({"services": [{}, {"autoScaling": "holdScaleIn"}]});
        held.input = several;
        assert!(suspended(&left_behind(&held, "")));
        let other = execution.arn.replace(":ebbtide:", ":ebbtide-test:");
        assert_eq!(state_machine(&other), " --state-machine ebbtide-test");
        let services = execution.arn.replace(":ebbtide:", ":ebbtide-services:");
        assert_eq!(state_machine(&services), "");
    }
}
