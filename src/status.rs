//! `ebbtide status`: what runs, and what ran last.

mod table;

use clap::Args;
use ebbtide_controller::arn::{Arn, short};
use ebbtide_controller::auto_scaling::Hold;
use ebbtide_controller::clock::rfc3339;
use ebbtide_controller::lock::Lock;
use ebbtide_controller::request::Request;
use ebbtide_functions::{Clients, operator};
use serde_json::{Value, json};

use crate::executions::{CallError, Execution, Executions, Machine, console};
use crate::exit::{Error, Exit, Outcome};
use crate::follow::{self, Follow, now};
use crate::narrate::{Drain, Narrator, Progress, Said, Serves, Shift};
use crate::operate::{self, Service};
use crate::output::{Format, Styled, print, remark};
use crate::target::Target;

/// Executions that are looked through for those of one service.
const MOST_LOOKED_AT: usize = 100;
/// Events from the end of a history: some turns of a loop.
const LATEST_EVENTS: i32 = 300;

/// Shows running deployments and their progress, and the last ones that ended.
///
/// Prints a table of executions, or the details of one. With EXECUTION, the exit status is 0 if it has
/// succeeded, 1 if it has failed, 3 if it is running. With --follow, follows a running deployment to its end,
/// with the output and exit status of `ebbtide deploy`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// One execution: its ARN, or its name. Or the deployments of a service: CLUSTER/SERVICE, or its ARN.
    #[arg(value_name = "EXECUTION|SERVICE", conflicts_with_all = ["service", "cluster"])]
    execution: Option<String>,
    /// Only deployments of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only deployments in this cluster (name or ARN).
    #[arg(long, value_name = "NAME|ARN")]
    cluster: Option<String>,
    /// Number of ended deployments to show.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(..=50))]
    ended: u8,
    /// Follow the running deployment.
    #[arg(long)]
    follow: bool,
    /// Output format; without --follow, JSON is one object: {"executions": […]}.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    every: Follow,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide status
  ebbtide status main/chat --format json
  ebbtide status main-chat-chat-7 --follow";

/// An execution, how far it is, and what it said last and when.
struct Seen {
    execution: Execution,
    progress: Progress,
    said: Option<(u64, Said)>,
    /// Why its history could not be read.
    unread: Option<CallError>,
    /// Scale-in of the service that is held, if it was asked for.
    held: Option<Hold>,
}

impl Arguments {
    /// With the flags that a service stands for, which is given as operators' commands take it.
    fn of_a_service(&self) -> Result<Option<Self>, Error> {
        let given = self.execution.as_deref().map(operate::service);
        let Some(Service { id, region }) = given.transpose()?.flatten() else {
            return Ok(None);
        };
        let (cluster, service) = id.split_once('/').unwrap_or_default();
        let mut of_a_service = Self {
            execution: None,
            cluster: Some(cluster.to_owned()),
            service: Some(service.to_owned()),
            ..self.clone()
        };
        let access = &mut of_a_service.target.access;
        access.region = region.or_else(|| access.region.take());
        Ok(Some(of_a_service))
    }
}

pub(crate) async fn run(arguments: &Arguments) -> Outcome {
    let of_a_service = arguments.of_a_service()?;
    let arguments = of_a_service.as_ref().unwrap_or(arguments);
    let (executions, found) = if let Some(execution) = &arguments.execution {
        let (executions, arn) = arguments.target.execution(execution).await?;
        let one = executions.describe(&arn).await?;
        (executions, vec![one])
    } else {
        let (executions, machine) = arguments.target.machine().await?;
        let found = find(arguments, &executions, &machine).await?;
        (executions, found)
    };
    if arguments.follow {
        return follow_one(arguments, &executions, &found).await;
    }
    let mut seen = Vec::new();
    for execution in found {
        seen.push(look(&executions, execution).await);
    }
    if let (Some(_), Some(named)) = (&arguments.execution, seen.first_mut()) {
        named.held = held(&arguments.target, &named.execution).await;
    }
    let named = arguments.execution.as_ref().and(seen.first());
    let exit = named.map_or(Exit::Done, |named| outcome_of(&named.execution));
    match arguments.format {
        Format::Json => {
            let all: Vec<Value> = seen.iter().map(in_json).collect();
            print(&json!({"executions": all}).to_string());
        }
        Format::Text if seen.is_empty() => print(&format!("No deployment{}.", of(arguments))),
        Format::Text => {
            let lines = match named {
                Some(named) => table::of_one(named, now()),
                None => table::of_all(&seen, now()),
            };
            lines.iter().for_each(Styled::print);
        }
    }
    Ok(exit)
}

/// What came of an execution, so that a job that looks later fails where the deployment has.
fn outcome_of(execution: &Execution) -> Exit {
    if execution.has_ended() {
        Exit::of(execution.has_succeeded())
    } else {
        Exit::Left
    }
}

async fn follow_one(
    arguments: &Arguments,
    executions: &Executions,
    found: &[Execution],
) -> Outcome {
    let running: Vec<_> = found.iter().filter(|one| !one.has_ended()).collect();
    let one = match (running.as_slice(), &arguments.execution) {
        ([one], _) => *one,
        // One that was named is followed to the end that it has come to.
        (_, Some(_)) => &found[0],
        ([], None) => {
            remark(&format!("No deployment{} runs.", of(arguments)));
            return Ok(Exit::Failed);
        }
        (several, None) => {
            let names: Vec<_> = several.iter().map(|one| one.name.as_str()).collect();
            let (count, names) = (names.len(), names.join(", "));
            remark(&format!(
                "{count} deployments run ({names}): name the one to follow."
            ));
            return Ok(Exit::Failed);
        }
    };
    let account = arguments.target.access.flags();
    let (every, format) = (arguments.every, arguments.format);
    follow::follow(executions, &one.arn, every, format, &account).await
}

/// Those that run, and the newest that have ended, newest first.
async fn find(
    arguments: &Arguments,
    executions: &Executions,
    machine: &Machine,
) -> Result<Vec<Execution>, CallError> {
    let mut arns = executions.list(machine, true, MOST_LOOKED_AT).await?;
    let running = arns.len();
    arns.extend(executions.list(machine, false, MOST_LOOKED_AT).await?);
    let mut found: Vec<Execution> = Vec::new();
    let mut left = arguments.ended;
    for (place, arn) in arns.iter().enumerate() {
        let is_running = place < running;
        if left == 0 && !is_running {
            break;
        }
        if found.iter().any(|execution| execution.arn == *arn) {
            continue;
        }
        let execution = executions.describe(arn).await?;
        if is_meant(arguments, &execution) {
            left -= u8::from(!is_running && execution.has_ended());
            found.push(execution);
        }
    }
    Ok(found)
}

fn is_meant(arguments: &Arguments, execution: &Execution) -> bool {
    let is = |wanted: &Option<String>, field: &str| {
        let asked = execution.asked(field).map(short);
        wanted.is_none() || asked == wanted.as_deref().map(short)
    };
    is(&arguments.service, "serviceName") && is(&arguments.cluster, "cluster")
}

fn of(arguments: &Arguments) -> String {
    let Arguments {
        service, cluster, ..
    } = arguments;
    let service = service
        .iter()
        .map(|service| format!(" of service {service}"));
    let cluster = cluster
        .iter()
        .map(|cluster| format!(" in cluster {cluster}"));
    let machine = &arguments.target.state_machine;
    let among = format!(" among the newest {MOST_LOOKED_AT} executions of {machine}");
    service.chain(cluster).chain([among]).collect()
}

/// How far an execution is, as far as its history may be read.
async fn look(executions: &Executions, execution: Execution) -> Seen {
    let mut narrator = Narrator::default();
    let (mut said, mut unread) = (None, None);
    match executions.latest(&execution.arn, LATEST_EVENTS).await {
        Ok(events) => {
            for event in events {
                let new = narrator.hear(event.at, &event.what);
                said = new.map(|new| (event.at, new)).or(said);
            }
        }
        Err(error) => unread = Some(error),
    }
    Seen {
        progress: narrator.progress().clone(),
        execution,
        said,
        unread,
        held: None,
    }
}

/// What the lock's item says of scale-in, where the input holds it and the item may be read.
async fn held(target: &Target, execution: &Execution) -> Option<Hold> {
    if execution.asked("autoScaling") != Some("holdScaleIn") {
        return None;
    }
    let home = Arn::parse(&execution.arn)?.home();
    let request = Request::parse(&execution.input, &home).ok()?;
    let machine = execution.arn.rsplit(':').nth(1)?;
    let mut access = target.access.clone();
    access.region = Some(home.region.clone());
    let config = access.config().await.ok()?;
    let clients = Clients::new(&config, &format!("{machine}-ServiceLocks"));
    let item = operator::look(&clients, &Lock::of(&request).id).await;
    item.ok()?.hold
}

fn in_json(seen: &Seen) -> Value {
    let execution = &seen.execution;
    let said = seen.said.as_ref().map(|(_, said)| said);
    json!({
        "execution": execution.arn,
        "name": execution.name,
        "status": execution.status.as_str(),
        "started": rfc3339(execution.started),
        "stopped": execution.stopped.map(rfc3339),
        "input": execution.input,
        "error": execution.error,
        "cause": execution.cause,
        "output": execution.output,
        "state": said.map(|said| &said.state),
        "message": said.map(|said| &said.sentence),
        "phase": seen.progress.phase(),
        "serves": seen.progress.serves.map(Serves::as_str),
        "shortfall": seen.progress.shortfall,
        "drain": seen.progress.drain.map(Drain::to_json),
        "shift": seen.progress.shift.map(Shift::to_json),
        "scaleInHeld": seen.held.as_ref().map(|held| json!({"since": rfc3339(held.since), "by": held.by})),
        "commands": if execution.has_ended() { &[] } else { seen.progress.commands() },
        "console": console(&execution.arn),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::ExecutionStatus;
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(line: &str) -> Arguments {
        Line::parse_from(["status"].into_iter().chain(line.split_whitespace())).arguments
    }

    #[test]
    fn a_cluster_is_the_same_by_its_name_and_its_arn() {
        let chat = Execution::example(ExecutionStatus::Running);
        let by_arn = "--service chat --cluster arn:aws:ecs:us-east-1:555555555555:cluster/main";
        for meant in ["", "--service chat", "--cluster main", by_arn] {
            assert!(is_meant(&arguments(meant), &chat), "{meant}");
        }
        let other = "--service chat --cluster other";
        for other in ["--service cha", "--cluster other", other] {
            assert!(!is_meant(&arguments(other), &chat), "{other}");
        }
    }

    #[test]
    fn one_that_was_named_has_the_exit_status_of_what_came_of_it() {
        for (status, exit) in [
            (ExecutionStatus::Succeeded, Exit::Done),
            (ExecutionStatus::Failed, Exit::Failed),
            (ExecutionStatus::TimedOut, Exit::Failed),
            (ExecutionStatus::Aborted, Exit::Failed),
            (ExecutionStatus::Running, Exit::Left),
            (ExecutionStatus::PendingRedrive, Exit::Left),
        ] {
            let execution = Execution::example(status.clone());
            assert_eq!(outcome_of(&execution), exit, "{status:?}");
        }
    }
}
