//! `ebbtide status`: what runs, and what ran last.

use clap::Args;
use ebbtide_controller::arn::short;
use ebbtide_controller::clock::rfc3339;
use serde_json::{Value, json};

use crate::Ended;
use crate::executions::{CallError, Execution, Executions, Machine, Target};
use crate::follow::{self, Drain, Follow, Format, Said, Telling, deployed, now, outcome};
use crate::narrate::clock;

/// Executions that are looked through for those of one service.
const MOST_LOOKED_AT: usize = 100;
/// Events from the end of a history: some turns of a loop.
const LATEST_EVENTS: i32 = 300;

/// Shows the deployments that run, with how far they are, and those that ran last.
///
/// Looks once; with --follow, follows the one that runs to its end as `ebbtide deploy` does, and has
/// the exit status of that.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// One execution: its ARN, or its name.
    #[arg(value_name = "EXECUTION", conflicts_with_all = ["service", "cluster"])]
    execution: Option<String>,
    /// Those of this service only.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Those of this cluster only: its name or ARN.
    #[arg(long, value_name = "NAME|ARN")]
    cluster: Option<String>,
    /// So many of those that have ended.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(..=50))]
    ended: u8,
    /// Follow the one that runs.
    #[arg(long)]
    follow: bool,
    /// How it is told; without --follow, JSON is one object: {"executions": […]}.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    every: Follow,
    #[command(flatten)]
    target: Target,
}

/// An execution and what it said last.
struct Seen {
    execution: Execution,
    said: Option<Said>,
    drain: Option<Drain>,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Ended, Box<dyn std::error::Error>> {
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
        seen.push(look(&executions, execution).await?);
    }
    match arguments.format {
        Format::Json => {
            let all: Vec<Value> = seen.iter().map(in_json).collect();
            crate::print(&json!({"executions": all}).to_string());
        }
        Format::Text if seen.is_empty() => {
            crate::print(&format!("No deployment{}.", of(arguments)));
        }
        Format::Text => {
            for line in seen.iter().flat_map(in_lines) {
                crate::print(&line);
            }
        }
    }
    Ok(Ended::Done)
}

async fn follow_one(
    arguments: &Arguments,
    executions: &Executions,
    found: &[Execution],
) -> Result<Ended, Box<dyn std::error::Error>> {
    let running: Vec<_> = found
        .iter()
        .filter(|execution| !execution.status.has_ended())
        .collect();
    let one = match (running.as_slice(), &arguments.execution) {
        ([one], _) => *one,
        // One that was named is followed to the end that it has come to.
        (_, Some(_)) => &found[0],
        ([], None) => {
            eprintln!("No deployment{} runs.", of(arguments));
            return Ok(Ended::Refused);
        }
        (several, None) => {
            let names: Vec<_> = several.iter().map(|one| one.name.as_str()).collect();
            eprintln!(
                "{} deployments run ({}): name the one to follow.",
                names.len(),
                names.join(", ")
            );
            return Ok(Ended::Refused);
        }
    };
    let account = arguments.target.account();
    let followed = follow::follow(
        executions,
        &one.arn,
        arguments.every,
        arguments.format,
        &account,
    );
    Ok(followed.await?.into())
}

/// Those that run, and the newest that have ended, newest first.
async fn find(
    arguments: &Arguments,
    executions: &Executions,
    machine: &Machine,
) -> Result<Vec<Execution>, CallError> {
    let mut found: Vec<Execution> = Vec::new();
    for listed in executions.list(machine, true, MOST_LOOKED_AT).await? {
        let execution = executions.describe(&listed.arn).await?;
        if is_meant(arguments, &execution) {
            found.push(execution);
        }
    }
    let mut left = arguments.ended;
    for listed in executions.list(machine, false, MOST_LOOKED_AT).await? {
        if left == 0 {
            break;
        }
        if found.iter().any(|execution| execution.arn == listed.arn) {
            continue;
        }
        let execution = executions.describe(&listed.arn).await?;
        if is_meant(arguments, &execution) {
            left -= u8::from(execution.status.has_ended());
            found.push(execution);
        }
    }
    Ok(found)
}

fn is_meant(arguments: &Arguments, execution: &Execution) -> bool {
    let service = arguments
        .service
        .as_deref()
        .is_none_or(|service| execution.asked("serviceName") == Some(service));
    let cluster = arguments
        .cluster
        .as_deref()
        .is_none_or(|cluster| execution.asked("cluster").map(short) == Some(short(cluster)));
    service && cluster
}

/// ` of service chat in cluster main among the newest 100 executions`: what was looked for.
fn of(arguments: &Arguments) -> String {
    let service = arguments
        .service
        .iter()
        .map(|service| format!(" of service {service}"));
    let cluster = arguments
        .cluster
        .iter()
        .map(|cluster| format!(" in cluster {cluster}"));
    let among = format!(
        " among the newest {MOST_LOOKED_AT} executions of {}",
        arguments.target.state_machine
    );
    service.chain(cluster).chain([among]).collect()
}

/// What an execution that runs said last.
async fn look(executions: &Executions, execution: Execution) -> Result<Seen, CallError> {
    let mut seen = Seen {
        execution,
        said: None,
        drain: None,
    };
    if !seen.execution.status.has_ended() {
        let mut telling = Telling::default();
        for event in executions
            .latest(&seen.execution.arn, LATEST_EVENTS)
            .await?
        {
            seen.said = telling.hear(&event).or(seen.said);
        }
        seen.drain = telling.drain();
    }
    Ok(seen)
}

fn in_lines(seen: &Seen) -> Vec<String> {
    let Seen {
        execution,
        said,
        drain,
    } = seen;
    let what = deployed(&execution.input);
    let since = rfc3339(execution.started);
    if execution.status.has_ended() {
        let mut lines = vec![format!("{since}  {}  {what}", execution.name)];
        lines.extend(outcome(execution).iter().map(|line| format!("  {line}")));
        return lines;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "an execution takes a year at most"
    )]
    let seconds = now().saturating_sub(execution.started) as f64;
    let mut lines = vec![
        format!("{since}  {}  {what}", execution.name),
        format!(
            "  {} for {}: {}",
            execution.status.as_str(),
            clock(seconds).trim_start(),
            execution.arn
        ),
    ];
    if let Some(said) = said {
        lines.push(format!(
            "  {}  {}: {}",
            rfc3339(said.at),
            said.state,
            said.sentence
        ));
    }
    if let Some(drain) = drain {
        let next = drain
            .next
            .map_or_else(String::new, |at| format!(", next step at {}", rfc3339(at)));
        let last = drain
            .last
            .map_or_else(String::new, |at| format!(", last at about {}", rfc3339(at)));
        lines.push(format!(
            "  {} of {} tasks to take away{next}{last}",
            drain.left, drain.of
        ));
    }
    lines
}

fn in_json(seen: &Seen) -> Value {
    let execution = &seen.execution;
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
        "state": seen.said.as_ref().map(|said| &said.state),
        "message": seen.said.as_ref().map(|said| &said.sentence),
        "drain": seen.drain.map(follow::drain_in_json),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::executions::Status;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(line: &str) -> Arguments {
        Line::parse_from(["status"].into_iter().chain(line.split_whitespace())).arguments
    }

    fn execution(status: Status) -> Execution {
        Execution {
            arn: "arn:aws:states:us-east-1:555555555555:execution:ebbtide:chat-2".to_owned(),
            name: "chat-2".to_owned(),
            status,
            input: json!({"cluster": "arn:aws:ecs:us-east-1:555555555555:cluster/main",
                "serviceName": "chat", "taskDefinition": "chat:2"}),
            output: None,
            error: None,
            cause: None,
            started: 1_767_225_600,
            stopped: None,
        }
    }

    #[test]
    fn a_cluster_is_the_same_by_its_name_and_its_arn() {
        let chat = execution(Status::Running);
        for meant in [
            "",
            "--service chat",
            "--cluster main",
            "--service chat --cluster arn:aws:ecs:us-east-1:555555555555:cluster/main",
        ] {
            assert!(is_meant(&arguments(meant), &chat), "{meant}");
        }
        for other in [
            "--service cha",
            "--cluster other",
            "--service chat --cluster other",
        ] {
            assert!(!is_meant(&arguments(other), &chat), "{other}");
        }
    }

    #[test]
    fn what_runs_is_shown_with_its_last_sentence_and_its_drain() {
        let seen = Seen {
            execution: execution(Status::Running),
            said: Some(Said {
                at: 1_767_225_660,
                state: "ScaleDown".to_owned(),
                sentence: "3 of 4 tasks left".to_owned(),
            }),
            drain: Some(Drain {
                left: 3,
                of: 4,
                next: Some(1_767_225_720),
                last: None,
            }),
        };
        let lines = in_lines(&seen).join("\n");
        for part in [
            "2026-01-01T00:00:00Z  chat-2  service chat in cluster",
            "  RUNNING for ",
            "  2026-01-01T00:01:00Z  ScaleDown: 3 of 4 tasks left",
            "  3 of 4 tasks to take away, next step at 2026-01-01T00:02:00Z",
        ] {
            assert!(lines.contains(part), "{part}:\n{lines}");
        }
    }
}
