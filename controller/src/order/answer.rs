//! The answers of `Order`: the parent's state between two turns, and what it ends with.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Application, Event, Member, Next, OnFailure, Stage, Standing};
use crate::contract::{Failure, finding};
use crate::preflight::findings::{Finding, Severity};
use crate::quote::{quote, sentence};
use crate::reason::DRY_RUN;
use crate::refusal::{ErrorName, Refusal};

/// Bytes of findings in the state of a dry run.
const MOST_BYTES: usize = 96 * 1024;

/// Bytes of a state that starts deployments: Step Functions allows 256 KiB, and a function gets the input as well.
const MOST_OF_A_STATE: usize = 176 * 1024;

/// Refuses an application whose states are too large: the first one, and the one that undoes all of it, which has the
/// inputs of the earlier versions twice.
pub fn fits(
    event: &Event,
    application: &Application,
    standings: &[Standing],
    first: &Value,
) -> Result<(), Refusal> {
    let mut undone = standings.to_vec();
    undone.iter_mut().for_each(Standing::undo);
    let all = Next::Undo((0..undone.len()).collect());
    let undoes = answer(event, application, &undone, &all, 0);
    let bytes = undoes.to_string().len().max(first.to_string().len());
    if bytes <= MOST_OF_A_STATE {
        return Ok(());
    }
    Err(Refusal::preflight(
        format!(
            "The inputs of these services and of their earlier versions make a state of {bytes} bytes, and {MOST_OF_A_STATE} are allowed."
        ),
        "Deploy the services in two executions, or give them fewer tags.",
    ))
}

/// What the turn before has answered, as far as this one needs it.
#[derive(Debug)]
pub struct Before {
    /// How far each service is.
    pub standings: Vec<Standing>,
    /// Whether it has answered with a wait.
    pub waited: bool,
    ended: Vec<Ended>,
}

/// What an iteration of the Map has answered.
#[derive(Debug, Deserialize)]
struct Ended {
    #[serde(default)]
    service: String,
    #[serde(default)]
    failure: Option<Caught>,
}

/// An error as a Catch writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Caught {
    #[serde(default)]
    error: String,
    #[serde(default)]
    cause: String,
}

impl Before {
    /// The answer before, which is of the same services.
    pub fn read(event: &Event, application: &Application) -> Result<Self, Refusal> {
        let state = &event.state;
        let standings = state.get("services").map(Vec::<Standing>::deserialize);
        let standings = standings.and_then(Result::ok).filter(|standings| {
            let names = standings.iter().map(|standing| standing.service.as_str());
            names.eq(application.members.iter().map(Member::service))
        });
        let standings = standings.ok_or_else(|| {
            Refusal::new(
                ErrorName::InvalidInput,
                "The event's state is not the answer of the turn before.",
                "Start an execution of the state machine instead of invoking this function.",
            )
        })?;
        let ended = state.get("ended").map(Vec::<Ended>::deserialize);
        Ok(Self {
            standings,
            waited: state["next"] == Next::Wait(0).state(),
            ended: ended.and_then(Result::ok).unwrap_or_default(),
        })
    }

    /// What Step Functions has said of the execution of a service.
    pub fn reported(&self, service: &str) -> Option<Failure> {
        let ended = self.ended.iter().find(|ended| ended.service == service)?;
        let caught = ended.failure.as_ref()?;
        Some(Failure {
            error: quote(&caught.error),
            cause: quote(&caught.cause),
        })
    }
}

/// What is done in a turn, with what the state machine needs for it.
pub fn answer(
    event: &Event,
    application: &Application,
    standings: &[Standing],
    next: &Next,
    seconds: u64,
) -> Value {
    let (code, text) = next.reason(application);
    let reason = json!({"code": code, "text": text});
    let mut state = json!({"next": next.state(), "reason": reason});
    match next {
        Next::Start(numbers) | Next::Undo(numbers) => {
            state["services"] = json!(standings);
            let starts = numbers.iter();
            let starts =
                starts.map(|number| start(event, application, standings, numbers, *number));
            state["start"] = starts.collect();
        }
        Next::Wait(wait) => {
            state["services"] = json!(standings);
            state["wait"] = json!(wait);
        }
        Next::Deployed => {
            state["status"] = json!("deployed");
            state["services"] = ended(event, application, standings);
            state["seconds"] = json!(seconds);
        }
        Next::Failed(failure) => {
            state["services"] = ended(event, application, standings);
            state["failure"] = wire(failure);
        }
    }
    state
}

/// An item of the Map: an execution to be started, and the ones beside it that go back if it fails.
fn start(
    event: &Event,
    application: &Application,
    standings: &[Standing],
    beside: &[usize],
    number: usize,
) -> Value {
    let (member, standing) = (&application.members[number], &standings[number]);
    let undoes = standing.is_being_undone();
    let input = match standing.earlier.as_ref().filter(|_| undoes) {
        Some(earlier) => super::undo::input(earlier, event.id.execution()),
        None => member.input.clone(),
    };
    let siblings = beside.iter().filter(|sibling| {
        !undoes && **sibling != number && application.on_failure == OnFailure::UndoEarlier
    });
    let siblings = siblings.map(|sibling| application.members[*sibling].service());
    json!({
        "service": member.service(),
        "name": member.execution(&event.id, undoes),
        "input": input,
        "siblings": siblings.collect::<Vec<_>>(),
    })
}

/// How each service has ended, with its execution.
fn ended(event: &Event, application: &Application, standings: &[Standing]) -> Value {
    let services = application.members.iter().zip(standings);
    let services = services.map(|(member, standing)| {
        let mut service = json!(standing.stage);
        service["service"] = json!(member.service());
        service["taskDefinition"] = json!(member.request.task_definition);
        if standing.stage != Stage::Waiting {
            service["execution"] = json!(event.execution(&member.execution(&event.id, false)));
        }
        service
    });
    services.collect()
}

fn wire(failure: &Failure) -> Value {
    json!({"Error": failure.error, "Cause": sentence(&failure.cause)})
}

/// The end of an application of which nothing was deployed.
pub fn refused(failure: &Failure) -> Value {
    json!({
        "next": Next::Failed(failure.clone()).state(),
        "reason": {"code": "servicesFailed", "text": sentence(&failure.cause)},
        "failure": wire(failure),
    })
}

/// The failure of services that preflight refuses: nothing was written.
pub fn none_started(refusals: &BTreeMap<String, Refusal>) -> Failure {
    let error = refusals
        .values()
        .next()
        .map_or(ErrorName::PreflightFailed, |first| first.error);
    let all = refusals
        .iter()
        .map(|(service, refusal)| format!("{service}: {refusal}"));
    let all: Vec<_> = all.collect();
    Failure {
        error: error.as_str().to_owned(),
        cause: format!("{} No service was started.", all.join(" ")),
    }
}

/// The end of a dry run: the order, and what preflight has found for each service. What it says of them is in the order
/// in which they would start.
///
/// The findings of all services share one budget of bytes; those that do not fit are counted in `findingsLeftOut`.
pub fn dry_run(application: &Application, found: &[(Value, Vec<Finding>)]) -> Value {
    let waves = application.waves();
    let order = waves.iter().map(|wave| {
        let names = wave
            .iter()
            .map(|number| application.members[*number].service());
        names.collect::<Vec<_>>()
    });
    let most = MOST_BYTES / application.members.len().max(1);
    let services = application.members.iter().zip(found);
    let services = services.map(|(member, (passed, findings))| {
        let mut bytes = 0;
        let warnings = findings
            .iter()
            .filter(|finding| finding.severity != Severity::Info);
        let infos = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Info);
        let fit = warnings.chain(infos).map(finding).take_while(|one| {
            bytes += one.to_string().len() + 1;
            bytes <= most
        });
        let fit: Vec<_> = fit.collect();
        json!({
            "service": member.service(),
            "reason": passed["reason"],
            "plan": passed["plan"],
            "findingsLeftOut": findings.len() - fit.len(),
            "findings": fit,
        })
    });
    let said = waves.iter().flatten().filter_map(|number| {
        let (passed, _) = found.get(*number)?;
        let text = passed["reason"]["text"].as_str()?;
        Some(text.strip_prefix(DRY_RUN).unwrap_or(text))
    });
    let text = format!("{DRY_RUN}{}", said.collect::<Vec<_>>().join("; "));
    json!({
        "next": "DryRunSucceeded",
        "status": "dryRun",
        "reason": {"code": "dryRun", "text": text},
        "order": order.collect::<Vec<_>>(),
        "services": services.collect::<Vec<_>>(),
    })
}

/// What an iteration of the Map answers with: the service and its error, cut to a sentence.
pub fn of_siblings(service: &str, failure: &Failure) -> Value {
    json!({
        "service": service,
        "failure": {"Error": quote(&failure.error), "Cause": quote(&failure.cause)},
    })
}

/// An item of the Map whose deployment has ended with an error.
#[derive(Debug, Deserialize)]
pub struct Item {
    /// The service.
    pub service: String,
    /// The name of its execution.
    pub name: String,
    /// The services that were started beside it.
    #[serde(default)]
    pub siblings: Vec<String>,
    #[serde(default)]
    failure: Option<Caught>,
}

impl Item {
    /// The item in an event.
    pub fn read(event: &Event) -> Result<Self, Refusal> {
        Self::deserialize(&event.state).map_err(|error| {
            Refusal::new(
                ErrorName::InvalidInput,
                format!("The event's state is not an item of the Map: {error}."),
                "Start an execution of the state machine instead of invoking this function.",
            )
        })
    }

    /// The members that were started beside it.
    pub fn beside<'a>(&'a self, application: &'a Application) -> impl Iterator<Item = &'a Member> {
        let members = application.members.iter();
        members.filter(|member| self.siblings.iter().any(|name| name == member.service()))
    }

    /// What was caught.
    pub fn failure(&self) -> Failure {
        let caught = self.failure.as_ref();
        Failure {
            error: caught
                .map(|caught| caught.error.clone())
                .unwrap_or_default(),
            cause: caught
                .map(|caught| caught.cause.clone())
                .unwrap_or_default(),
        }
    }
}
