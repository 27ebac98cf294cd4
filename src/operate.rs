//! `ebbtide rollback`, `pause`, `resume`, `promote` and `pace`: an operator's command to a deployment that runs.

mod pace;

use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use ebbtide_controller::arn::Arn;
use ebbtide_controller::clock::rfc3339;
use ebbtide_controller::command::{self, Asked, Command, LONGEST_BY, Panel, Reply, is_by};
use ebbtide_controller::id::ExecutionArn;
use ebbtide_controller::lock::{Item, Lock};
use ebbtide_controller::quote::quote;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::Request;
use ebbtide_functions::{Clients, StepError, operator};
use serde_json::json;

use crate::aws::signed;
use crate::executions::{CallError, Execution, Executions, Trouble};
use crate::exit::{Error, Exit, Outcome};
use crate::output::{Format, remark};
use crate::target::Target;

pub(crate) use pace::{PaceArguments, pace};

/// Time between two checks for an answer.
const POLL: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The deployment: its execution (ARN or name), or its service (CLUSTER/SERVICE or ARN).
    #[arg(value_name = "EXECUTION|SERVICE")]
    meant: String,
    /// Your name, for the record (default: user and host).
    #[arg(long, value_name = "NAME", value_parser = name)]
    by: Option<String>,
    /// Seconds to wait for the deployment's answer. Its next turn gives it: before the swap within
    /// waitForService, after it within a minute in the first two hours of a wait and within five minutes
    /// later.
    #[arg(long, value_name = "SECONDS", default_value_t = 360)]
    wait: u64,
    /// The table of locks (default: that of the state machine's stack).
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    target: Target,
}

/// Of `rollback`, `pause`, `resume` and `promote`.
pub(crate) const EXAMPLES: [&str; 4] = [
    "Examples:
  ebbtide rollback main/chat
  ebbtide rollback main-chat-chat-7 --by \"$USER\"",
    "Examples:
  ebbtide pause main/chat
  ebbtide pause main-chat-chat-7",
    "Examples:
  ebbtide resume main/chat
  ebbtide resume main-chat-chat-7",
    "Examples:
  ebbtide promote main/chat
  ebbtide promote main-chat-chat-7 --by \"$USER\"",
];

fn name(text: &str) -> Result<String, String> {
    let wanted = || format!("a name has 1 to {LONGEST_BY} visible characters");
    is_by(text).then(|| text.to_owned()).ok_or_else(wanted)
}

/// A deployment that is meant, and the way to its lock.
struct Meant {
    clients: Clients,
    executions: Executions,
    table: String,
    /// The key of the lock.
    id: String,
    execution: Option<ExecutionArn>,
}

pub(crate) async fn run(command: Command, arguments: &Arguments) -> Outcome {
    let format = arguments.format;
    let meant = match meant(&command, arguments).await? {
        Ok(meant) => meant,
        Err(refused) => return nothing(format, &refused),
    };
    let Meant { clients, id, .. } = &meant;
    let seen = operator::look(clients, id).await;
    let seen = seen.map_err(|error| of_the_table(&error, &meant))?;
    if let Some(ended) = ended(&meant, &seen).await {
        return nothing(format, &ended);
    }
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let asked = Asked {
        command,
        by: arguments.by.clone().unwrap_or_else(user_and_host),
        at: since_1970.as_secs(),
    };
    let deployment = command::Meant {
        execution: meant.execution.clone(),
        fence: seen.owner.as_ref().map(|_| seen.fence),
    };
    match operator::give(clients, id, deployment, &asked).await? {
        Err(not_given) => nothing(format, &format!("{not_given}{}", said(&seen))),
        Ok(panel) => {
            remark(&format!(
                "Asked {}: {asked}{}.",
                panel.execution,
                said(&seen)
            ));
            let reply = waited_for(clients, id, &panel, arguments.wait).await;
            told(&asked, &panel, &reply, arguments)
        }
    }
}

/// The table's name is a guess from the state machine's.
fn of_the_table(error: &StepError, meant: &Meant) -> StepError {
    let message = format!(
        "{}. The lock of {} was looked for in the table {}: --table or --state-machine names another one, \
         --region another region.",
        error.message.trim_end_matches('.'),
        meant.id,
        meant.table
    );
    StepError {
        name: error.name,
        message,
    }
}

/// What is meant, or why it cannot be.
async fn meant(command: &Command, arguments: &Arguments) -> Result<Result<Meant, String>, Error> {
    let target = &arguments.target;
    let mut access = target.access.clone();
    let (executions, machine, id, execution) = if let Some(service) = service(&arguments.meant)? {
        let (machine, region) = machine_of(&target.state_machine);
        access.region = service.region.or(region).or(access.region);
        let config = access.config().await?;
        // The lock's table is read by a function's code, which knows of none.
        signed(&config).await?;
        (Executions::new(&config), machine, service.id, None)
    } else {
        let (executions, arn) = target.execution(&arguments.meant).await?;
        let described = executions.describe(&arn).await;
        let described = described.map_err(|error| by_the_service(command, error))?;
        let Some(home) = Arn::parse(&arn).map(|arn| arn.home()) else {
            return Ok(Err(format!("{arn} is not the ARN of an execution")));
        };
        access.region = Some(home.region.clone());
        let Ok(request) = Request::parse(&described.input, &home) else {
            let name = &described.name;
            return Ok(Err(format!(
                "execution {name} is no deployment: its input is none"
            )));
        };
        if described.has_ended() {
            return Ok(Err(described.ended()));
        }
        let machine = arn.rsplit(':').nth(1).unwrap_or_default().to_owned();
        (executions, machine, Lock::of(&request).id, Some(arn.into()))
    };
    let table = arguments.table.clone();
    let table = table.unwrap_or_else(|| format!("{machine}-ServiceLocks"));
    Ok(Ok(Meant {
        clients: Clients::new(&access.config().await?, &table),
        executions,
        table,
        id,
        execution,
    }))
}

/// A service by its name in its cluster, and the region of its ARN.
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) region: Option<String>,
}

/// The service that is given as `CLUSTER/SERVICE` or by its ARN; `None` where an execution is given.
pub(crate) fn service(given: &str) -> Result<Option<Service>, Error> {
    let arn = Arn::parse(given).filter(|arn| arn.service == "ecs");
    let named = arn.as_ref().map_or(given, |arn| arn.resource);
    if arn.is_none() && (given.starts_with("arn:") || !given.contains('/')) {
        return Ok(None);
    }
    let id = match &arn {
        Some(_) => named.strip_prefix("service/").unwrap_or_default(),
        None => named,
    };
    let is_name = |part: &str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !part.is_empty() && part.chars().all(letter)
    };
    let parts: Vec<_> = id.split('/').collect();
    if !(parts.len() == 2 && parts.into_iter().all(is_name)) {
        let given = quote(given);
        return Err(format!(
            "\"{given}\" is no service: it is given as CLUSTER/SERVICE, or as \
             arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/SERVICE"
        )
        .into());
    }
    Ok(Some(Service {
        id: id.to_owned(),
        region: arn.map(|arn| arn.region.to_owned()),
    }))
}

/// The name of a state machine that is given by name or ARN, and the region of the latter.
fn machine_of(given: &str) -> (String, Option<String>) {
    match Arn::parse(given) {
        Some(arn) => {
            let name = arn.resource.split(':').nth(1).unwrap_or_default();
            (name.to_owned(), Some(arn.region.to_owned()))
        }
        None => (given.to_owned(), None),
    }
}

/// An operator's policy may leave executions out.
fn by_the_service(command: &Command, error: CallError) -> CallError {
    if error.trouble != Trouble::Denied {
        return error;
    }
    let message = format!(
        "{}. Without it, name the service: ebbtide {} CLUSTER/SERVICE",
        error.message,
        command.as_str()
    );
    CallError { message, ..error }
}

/// That the owner of the lock has ended, where that can be seen: nothing would obey.
async fn ended(meant: &Meant, seen: &Item) -> Option<String> {
    let owner = seen.owner.as_ref()?;
    let described: Execution = meant.executions.describe(owner).await.ok()?;
    let ended = described.has_ended().then(|| described.ended())?;
    Some(format!(
        "{ended}, with the lock. Start a new execution: it brings the service in order"
    ))
}

/// What the last turn said, as the item has it.
fn said(seen: &Item) -> String {
    match (&seen.owner, seen.phase) {
        (Some(_), Some(phase)) => format!(" (next is {phase}; its last turn: {})", seen.reason),
        _ => String::new(),
    }
}

fn nothing(format: Format, why: &str) -> Outcome {
    match format {
        Format::Text => remark(&format!("Nothing was asked: {why}.")),
        Format::Json => format.print("", &json!({"answer": "notGiven", "reason": why}))?,
    }
    Ok(Exit::Failed)
}

/// The command was given: what cannot be read of it for now is not answered yet.
async fn waited_for(clients: &Clients, id: &str, panel: &Panel, seconds: u64) -> Reply {
    // One that is too far away never comes.
    let until = Instant::now().checked_add(Duration::from_secs(seconds));
    let mut said = false;
    loop {
        match operator::reply(clients, id, panel).await {
            Ok(Reply::Waiting) => {}
            Ok(reply) => return reply,
            Err(error) => {
                let goes_on = error.name != ErrorName::Permission;
                if !said {
                    said = true;
                    let what = error.message.trim_end_matches('.');
                    let then = if goes_on {
                        "; asking again until --wait is over"
                    } else {
                        ""
                    };
                    remark(&format!("{what}. The command is given{then}."));
                }
                if !goes_on {
                    return Reply::Waiting;
                }
            }
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return Reply::Waiting;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn told(asked: &Asked, panel: &Panel, reply: &Reply, arguments: &Arguments) -> Outcome {
    let execution = &panel.execution;
    let (answer, what, exit) = match reply {
        Reply::Obeyed => {
            let follow = format!("ebbtide status {execution} --follow");
            let flags = arguments.target.access.flags();
            let what = format!("obeyed. To follow it: {follow}{flags}");
            ("obeyed", what, Exit::Done)
        }
        Reply::Refused(why) => {
            let what = format!("refused, {}", quote(why));
            ("refused", what, Exit::Failed)
        }
        Reply::Replaced(other) => {
            let what = format!("not seen before another command came: {other}");
            ("notSeen", what, Exit::Failed)
        }
        Reply::Over(None) => {
            let what = "not seen, because another execution has the lock".to_owned();
            ("notSeen", what, Exit::Failed)
        }
        Reply::Over(Some(end)) => {
            let what = format!("not seen before the deployment ended in {}", end.to);
            ("notSeen", what, Exit::Failed)
        }
        Reply::Waiting => {
            let seconds = arguments.wait;
            let what =
                format!("not answered within {seconds} s: the next turn of {execution} sees it");
            ("waiting", what, Exit::Left)
        }
    };
    let json = json!({
        "answer": answer,
        "reason": what,
        "command": asked.command.as_str(),
        "by": asked.by,
        "at": rfc3339(asked.at),
        "execution": execution.as_str(),
    });
    arguments.format.print(&format!("{asked}: {what}"), &json)?;
    Ok(exit)
}

fn user_and_host() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let user = variable("USER").or_else(|| variable("USERNAME"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host
        .or_else(|| variable("HOSTNAME"))
        .or_else(|| variable("COMPUTERNAME"));
    let unknown = || "unknown".to_owned();
    let (user, host) = (user.unwrap_or_else(unknown), host.unwrap_or_else(unknown));
    let both = format!("{user}@{}", host.trim());
    both.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_BY)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_machine_is_named_by_its_name_or_its_arn() {
        let arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:ebbtide:live";
        let region = Some("eu-west-1".to_owned());
        assert_eq!(machine_of(arn), ("ebbtide".to_owned(), region));
        assert_eq!(machine_of("games"), ("games".to_owned(), None));
    }

    #[test]
    fn a_service_is_named_in_its_cluster_or_by_its_arn() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:service/main/chat";
        let of = |given: &str| {
            let service = service(given).ok()?;
            Some(service.map(|service| (service.id, service.region)))
        };
        let id = || "main/chat".to_owned();
        assert_eq!(of("main/chat"), Some(Some((id(), None))));
        assert_eq!(of(arn), Some(Some((id(), Some("eu-west-1".to_owned())))));
        let execution = "arn:aws:states:eu-west-1:123456789012:execution:ebbtide:run-1";
        for other in ["run-1", execution] {
            assert_eq!(of(other), Some(None), "{other}");
        }
        let old = "arn:aws:ecs:eu-west-1:123456789012:service/chat";
        for wrong in ["main/", "/chat", "a/b/c", "main/ch at", old] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn who_asks_is_short_and_shows() {
        assert!(name("alice").is_ok());
        for other in ["", " ", "a\u{1b}[2J", &"a".repeat(LONGEST_BY + 1)] {
            assert!(name(other).is_err(), "{other:?}");
        }
        assert!(name(&user_and_host()).is_ok());
    }

    #[test]
    fn a_denied_description_leads_to_the_service() {
        let denied = CallError {
            trouble: Trouble::Denied,
            message: "states:DescribeExecution answered AccessDenied".to_owned(),
        };
        let error = by_the_service(&Command::Pause, denied).to_string();
        assert!(
            error.ends_with("name the service: ebbtide pause CLUSTER/SERVICE"),
            "{error}"
        );
    }
}
