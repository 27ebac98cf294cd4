//! `ebbtide abort`: stops an execution where it is.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use ebbtide_controller::clock::rfc3339;

use crate::Ended;
use crate::executions::{DEFAULT_NAME, Execution, Target};
use crate::follow::deployed;

/// The error that a stopped execution has in the console.
const ERROR: &str = "Aborted";

/// Stops an execution. Nothing is undone: the service stays as it then is.
///
/// A function that the execution has called still comes to its end. The service's lock stays with the
/// execution; the next deployment takes it over three minutes later, and brings the service in order.
/// On a terminal it is asked first; elsewhere --yes is needed. One that has ended is refused.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The execution: its ARN, or its name.
    #[arg(value_name = "EXECUTION")]
    execution: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Why, for whoever reads the execution later.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "stopped with `ebbtide abort`"
    )]
    cause: String,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Ended, Box<dyn std::error::Error>> {
    let (executions, arn) = arguments.target.execution(&arguments.execution).await?;
    let execution = executions.describe(&arn).await?;
    if execution.asked("serviceName").is_none() {
        eprintln!(
            "Nothing was stopped: execution {} is no deployment, its input names no service. What is no deployment is \
             stopped by: aws stepfunctions stop-execution --execution-arn {arn}",
            execution.name
        );
        return Ok(Ended::Refused);
    }
    if execution.status.has_ended() {
        eprintln!("{}", has_ended(&execution));
        return Ok(Ended::Refused);
    }
    if !arguments.yes {
        if !std::io::stdin().is_terminal() {
            return Err(
                "there is no terminal to ask on: --yes stops it without being asked".into(),
            );
        }
        if !confirmed(&execution, &mut std::io::stdin().lock())? {
            eprintln!("Nothing was stopped.");
            return Ok(Ended::Refused);
        }
    }
    executions.stop(&arn, ERROR, &arguments.cause).await?;
    let again = format!("{}{}", state_machine(&arn), arguments.target.account());
    for line in left_behind(&execution, &again) {
        crate::print(&line);
    }
    Ok(Ended::Done)
}

/// Asks whether it is meant.
fn confirmed(execution: &Execution, answers: &mut dyn BufRead) -> std::io::Result<bool> {
    eprint!(
        "Stop execution {} of {}? It undoes nothing: the service stays as it then is. [y/N] ",
        execution.name,
        deployed(&execution.input)
    );
    std::io::stderr().flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn has_ended(execution: &Execution) -> String {
    let when = execution
        .stopped
        .map_or_else(String::new, |stopped| format!(" at {}", rfc3339(stopped)));
    format!(
        "Nothing was stopped: execution {} ended {}{when}.",
        execution.name,
        execution.status.as_str()
    )
}

/// The flag that names the state machine of an execution, where it is not the one that is looked for
/// anyway: another one has locks of its own, and would not wait for what the stopped one still does.
fn state_machine(execution: &str) -> String {
    let name = execution.rsplit(':').nth(1).unwrap_or_default();
    if name == DEFAULT_NAME {
        String::new()
    } else {
        format!(" --state-machine {name}")
    }
}

/// What is there after a stop, and what to do.
fn left_behind(execution: &Execution, flags: &str) -> [String; 3] {
    [
        format!(
            "Execution {} of {} is stopped. Nothing was undone: both task sets may run, and traffic goes where it went.",
            execution.name,
            deployed(&execution.input)
        ),
        "Start a deployment to bring the service in order, the same one or another: it takes the lock over \
         after three minutes, finishes a swap that was half done, drains what does not serve, and deploys."
            .to_owned(),
        format!("With the same event: ebbtide deploy EVENT.json --again{flags}"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::executions::Status;

    fn execution() -> Execution {
        Execution {
            arn: "arn:aws:states:us-east-1:555555555555:execution:ebbtide:chat-2".to_owned(),
            name: "chat-2".to_owned(),
            status: Status::Running,
            input: json!({"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2"}),
            output: None,
            error: None,
            cause: None,
            started: 1_767_225_600,
            stopped: Some(1_767_225_660),
        }
    }

    #[test]
    fn only_a_clear_yes_stops_it() {
        for (answer, wanted) in [
            ("y\n", true),
            (" yes \n", true),
            ("Y", true),
            ("\n", false),
            ("", false),
            ("no\n", false),
            ("yess\n", false),
        ] {
            let confirmed = confirmed(&execution(), &mut answer.as_bytes()).unwrap();
            assert_eq!(confirmed, wanted, "{answer:?}");
        }
    }

    #[test]
    fn what_to_do_names_the_account_again() {
        let lines = left_behind(&execution(), " --region eu-west-1");
        assert!(
            lines[2].ends_with("--again --region eu-west-1"),
            "{lines:?}"
        );
    }

    #[test]
    fn another_state_machine_is_named_again() {
        let execution = |machine: &str| {
            format!("arn:aws:states:us-east-1:555555555555:execution:{machine}:chat-2")
        };
        assert_eq!(state_machine(&execution("ebbtide")), "");
        assert_eq!(
            state_machine(&execution("ebbtide-test")),
            " --state-machine ebbtide-test"
        );
    }

    #[test]
    fn an_end_is_told_with_its_time() {
        let mut ended = execution();
        ended.status = Status::TimedOut;
        assert_eq!(
            has_ended(&ended),
            "Nothing was stopped: execution chat-2 ended TIMED_OUT at 2026-01-01T00:01:00Z."
        );
    }
}
