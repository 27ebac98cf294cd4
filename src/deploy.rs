//! `ebbtide deploy`: starts an execution of the state machine and follows it.

mod name;
mod preview;

use std::io::{IsTerminal, stdin};

use clap::Args;
use ebbtide_controller::arn::Home;
use serde_json::{Value, json};

use crate::application::Wanted;
use crate::executions::{self, CallError, Execution, Executions, Machine, Trouble};
use crate::exit::{Exit, Outcome};
use crate::follow::{self, Follow};
use crate::github;
use crate::input::{self, Input};
use crate::output::{Format, confirmed, print_while_running, remark, remark_whole};
use crate::target::Target;

/// Where CI systems say which commit they build: GitHub Actions, GitLab CI.
const COMMITS: [&str; 2] = ["GITHUB_SHA", "CI_COMMIT_SHA"];
/// So many executions of one deployment are looked for a free name.
const MOST_RETRIES: u32 = 100;

/// Starts a deployment in an AWS account, and follows it to its end.
///
/// An input with `services` deploys several services in order, by the stack's state machine for that
/// (docs/services.md); a line of one of them begins with its name.
///
/// The input is checked first, then the service, as by `ebbtide preflight`: a deployment that would be
/// refused is not started. On a terminal, the plan is shown and has to be confirmed.
///
/// The execution is named after cluster, service, task definition and commit: if a CI job is repeated, the
/// same command follows the running execution instead of starting a second one. To repeat a deployment that
/// has ended, pass --again.
///
/// Ctrl-C or expired credentials stop the output, never the deployment; temporary errors and a closed
/// terminal stop neither.
///
/// Exit status: 0 succeeded (with --no-follow: started), 1 failed, stopped, timed out, refused or not
/// started, 2 wrong usage, 3 stopped following, and the deployment still runs.
///
/// With --format json, stdout has one object per line: first {"event": "execution"} with execution, name,
/// status and console; then {"event": "step"} with at, state, message and drain (left, of, running, nextStep,
/// lastStep, done), and {"event": "remark"} about the connection. Of several services, what is about one of them has
/// service, and {"event": "serviceEnded"} its end; last {"event": "ended"} with status, error,
/// cause and output.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    event: input::Event,
    /// Name of the execution, instead of the generated one.
    #[arg(long, value_name = "NAME", value_parser = name::valid, conflicts_with = "commit")]
    name: Option<String>,
    /// The commit in the name (default: `GITHUB_SHA` or `CI_COMMIT_SHA`).
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// Deploy again even if the execution of this name has ended (as NAME-retry1, NAME-retry2, …).
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    first: First,
    /// Print the execution's ARN and return as soon as it runs.
    #[arg(long)]
    no_follow: bool,
    /// Output format; JSON is one object per line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    follow: Follow,
    #[command(flatten)]
    target: Target,
}

/// What comes before the start.
#[derive(Debug, Clone, Copy, Args)]
struct First {
    /// Start without asking.
    #[arg(long)]
    yes: bool,
    /// Skip the check of the service, for credentials that may not read it; the execution checks it.
    #[arg(long)]
    no_preflight: bool,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide deploy deploy.json
  ebbtide deploy deploy.json --task-definition \"$REVISION\" --again
  jq '.bakeTime = 300' deploy.json | ebbtide deploy - --no-follow";

pub(crate) async fn run(arguments: &Arguments) -> Outcome {
    let input = arguments.event.read()?;
    let event = &input.event;
    // Before any call: an ARN of the state machine says where the input's must be from.
    let home = Machine::parse(&arguments.target.state_machine).and_then(|machine| machine.home());
    let home = home.or_else(|| input::home_named(event));
    let Some(mut wanted) = checked(&input, home.as_ref()) else {
        return Ok(Exit::Failed);
    };
    let target = match wanted {
        Wanted::OneService(_) => arguments.target.clone(),
        Wanted::SeveralServices(_) => arguments.target.for_services(),
    };
    let (executions, machine) = target.machine().await?;
    if let Some(home) = machine.home() {
        let Some(read_there) = checked(&input, Some(&home)) else {
            return Ok(Exit::Failed);
        };
        wanted = read_there;
    }
    let name = arguments.name.clone();
    let name = name.unwrap_or_else(|| name::of(&wanted, commit(arguments).as_deref()));
    let format = arguments.format;
    let there = place(arguments, &executions, &machine, name, event).await?;
    let started = match there {
        Ok(Place::Runs(arn)) => Ok(arn),
        Ok(Place::Free(name)) => {
            let on_a_terminal = stdin().is_terminal();
            if !arguments.first.no_preflight {
                let access = arguments.target.access_in(&machine);
                let source = &arguments.event.source;
                let refused = preview::refused(source, &wanted, &access, on_a_terminal).await?;
                if let Some(why) = refused {
                    return Ok(nothing_started(&why, format));
                }
            }
            if on_a_terminal && !arguments.first.yes {
                let question = format!("Deploy as execution {name}?");
                if !confirmed(&question, &mut stdin().lock())? {
                    remark("Nothing was started.");
                    return Ok(Exit::Failed);
                }
            }
            start(&executions, &machine, &name, event).await?
        }
        Err(why) => Err(why),
    };
    let arn = match started {
        Ok(arn) => arn,
        Err(why) => return Ok(nothing_started(&why, format)),
    };
    if arguments.no_follow {
        print_while_running(&match format {
            Format::Text => arn,
            Format::Json => json!({"event": "execution", "execution": arn,
                "name": executions::name_of(&arn), "status": "RUNNING",
                "console": executions::console(&arn)})
            .to_string(),
        });
        return Ok(Exit::Done);
    }
    let account = arguments.target.access.flags();
    let exit = follow::follow(&executions, &arn, arguments.follow, format, &account).await?;
    if exit == Exit::Failed && format == Format::Text {
        let again = if arguments.again { "" } else { " --again" };
        remark_whole(&format!(
            "To deploy it once more: {}{again}",
            input::command_line()
        ));
    }
    Ok(exit)
}

fn nothing_started(why: &str, format: Format) -> Exit {
    remark(&format!("Nothing was started: {why}"));
    github::not_started(why, format);
    Exit::Failed
}

/// What is asked for, as the controller itself reads it; what is wrong with it goes to stderr, and there is
/// none.
fn checked(input: &Input<'_>, home: Option<&Home>) -> Option<Wanted> {
    let read = Wanted::read(&input.event, home);
    let told = read.inspect_err(|problems| {
        input.refuse(problems);
        remark("Nothing was started.");
    });
    told.ok()
}

fn commit(arguments: &Arguments) -> Option<String> {
    let set = |name: &&str| std::env::var(name).ok().filter(|commit| !commit.is_empty());
    let given = arguments.commit.clone();
    given.or_else(|| COMMITS.iter().find_map(set))
}

/// What there is under the name of a deployment before it is started.
enum Place {
    /// The same deployment already: its ARN.
    Runs(String),
    /// Nothing under this name.
    Free(String),
}

/// Looks for an execution of this deployment, and for the name of one to start; or why there is to be none.
async fn place(
    arguments: &Arguments,
    executions: &Executions,
    machine: &Machine,
    mut name: String,
    event: &Value,
) -> Result<Result<Place, String>, CallError> {
    for _ in 0..=MOST_RETRIES {
        let there = match executions.find(&machine.execution(&name)).await {
            // A role that may start executions may not be allowed to describe them.
            Err(error) if error.trouble == Trouble::Denied => None,
            there => there?,
        };
        let Some(there) = there else {
            return Ok(Ok(Place::Free(name)));
        };
        if !there.has_ended() {
            return Ok(if there.input == *event {
                Ok(Place::Runs(there.arn))
            } else {
                Err(runs_another(&there))
            });
        }
        if !arguments.again {
            return Ok(Err(has_ended(&there)));
        }
        name = name::next(&name);
    }
    Ok(Err(format!(
        "{MOST_RETRIES} executions of this deployment have ended; --name gives it another name."
    )))
}

/// Starts the execution under a name that was free: its ARN, or why nothing was started.
///
/// The SDK tries a start again whose answer was lost. Step Functions answers that as it answered the first
/// while the execution runs (Docs), and with `ExecutionAlreadyExists` once it has ended. Because the name
/// was free before, an execution with this input is this command's own, whatever a clock says.
async fn start(
    executions: &Executions,
    machine: &Machine,
    name: &str,
    event: &Value,
) -> Result<Result<String, String>, CallError> {
    // Without the file's blanks: those must not make it another input.
    let error = match executions.start(machine, name, &event.to_string()).await {
        Ok(arn) => return Ok(Ok(arn)),
        Err(error) => error,
    };
    if !matches!(error.trouble, Trouble::Passing | Trouble::NameIsTaken) {
        return Err(error);
    }
    let arn = machine.execution(name);
    match executions.find(&arn).await {
        Ok(Some(there)) if there.input == *event => Ok(Ok(there.arn)),
        Ok(Some(there)) if there.has_ended() => Ok(Err(has_ended(&there))),
        Ok(Some(there)) => Ok(Err(runs_another(&there))),
        Ok(None) | Err(_) => Err(CallError {
            message: format!(
                "{error}. The execution {arn} may have started all the same: the same command again follows it if it \
                 runs, and starts it if not"
            ),
            ..error
        }),
    }
}

fn has_ended(there: &Execution) -> String {
    format!(
        "{}, and its name is taken for 90 days. To deploy it once more: --again, or --name with a name of \
         your own. `ebbtide status {}` shows it.",
        there.ended(),
        there.arn
    )
}

fn runs_another(there: &Execution) -> String {
    format!(
        "execution {} runs with another input ({}). Wait until it has ended (`ebbtide status {} --follow`), \
         or give this one its own name with --name.",
        there.name,
        there.deployed(),
        there.arn
    )
}
