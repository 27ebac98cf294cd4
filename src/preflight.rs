//! `ebbtide preflight`: what a deployment would run into, before anything is done.

#[cfg(feature = "simulator")]
mod simulated;

#[cfg(feature = "simulator")]
use std::path::PathBuf;

use clap::Args;
use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::contract;
use ebbtide_controller::counted::counted;
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::order::Application;
use ebbtide_controller::preflight::findings::{Finding, Severity};
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::request::{Problem, Request};
use ebbtide_functions::{Clients, Inspection, StepError, home, inspect};
use serde_json::{Value, json};

use crate::application;
use crate::aws::{Access, signed};
use crate::executions::{CallError, SIGN_IN};
use crate::exit::{Error, Exit, Outcome};
use crate::files::Source;
use crate::follow::now;
use crate::input::{self, Input};
use crate::output::{BAD, BOLD, DIM, Format, GOOD, PLAIN, Styled, WARNING, print, remark};
use crate::runtime::in_real_time;
#[cfg(feature = "simulator")]
use simulated::Simulated;
#[cfg(feature = "simulator")]
pub(crate) use simulated::in_scenario;

/// Checks a service before a deployment, as the state machine does, and lists each finding: what was seen,
/// why it matters, and the command that fixes it. Writes nothing.
///
/// An input with services is checked service by service. Reads your account, with the credentials, region and
/// endpoints that the AWS CLI would use; with --scenario, a simulated one. Exit status: 0 no errors, 1 errors (with
/// --strict, warnings too), no credentials or no answer from AWS, 2 wrong usage.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    event: input::Event,
    #[cfg(feature = "simulator")]
    /// Check the simulated service that this file describes, instead of one in an account.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["region", "profile"])]
    scenario: Option<PathBuf>,
    /// Treat warnings as errors.
    #[arg(long)]
    strict: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide preflight deploy.json --region eu-west-1
  ebbtide preflight deploy.json --task-definition chat:7 --strict
  ebbtide preflight deploy.json --scenario my-world.json";

/// What was asked and its result.
struct Checked<'a> {
    event: &'a Source,
    simulated: bool,
    home: Home,
    request: Request,
    inspection: Inspection,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let input = arguments.event.read()?;
    let event = &input.event;
    let home = input::home_in(event);
    // The account says where it is: what is wrong with the input of one service is found there.
    let several = Application::is_one(event).then(|| Application::read(event, &home));
    let several = match several.transpose() {
        Ok(several) => several,
        Err(problems) => return Ok(refused(arguments, &input, &problems)?),
    };
    let members = several.iter().flat_map(|several| &several.members);
    let mut events: Vec<_> = members.map(|member| &member.input).collect();
    if several.is_none() {
        events.push(event);
    }
    #[cfg(feature = "simulator")]
    let place = match &arguments.scenario {
        Some(scenario) => Place::Simulated(Simulated::of(scenario, event, several.as_ref())?),
        None => Place::Account(&arguments.access),
    };
    #[cfg(not(feature = "simulator"))]
    let place = Place::Account(&arguments.access);
    let mut all = Vec::new();
    for event in events {
        let (home, request, inspection) = match place.look_at(event)? {
            Ok(looked) => looked,
            Err(Unseen::Input(problems)) => return Ok(refused(arguments, &input, &problems)?),
            Err(Unseen::Credentials(error)) => return no_credentials(arguments, error),
            Err(Unseen::Aws(error)) => return Ok(unseen(arguments, &error)?),
        };
        all.push(Checked {
            event: &arguments.event.source,
            simulated: !matches!(place, Place::Account(_)),
            home,
            request,
            inspection,
        });
    }
    match (arguments.format, &several) {
        (Format::Text, None) => show(&all),
        (Format::Text, Some(several)) => {
            application::order_in_words(several).wrapped(2).print();
            print("");
            show(&all);
        }
        (Format::Json, None) => {
            for checked in &all {
                print(&serde_json::to_string_pretty(&checked.json())?);
            }
        }
        (Format::Json, Some(several)) => print(&serde_json::to_string_pretty(&json!({
            "order": application::order(several),
            "services": all.iter().map(Checked::json).collect::<Vec<_>>(),
        }))?),
    }
    let passes = |checked: &Checked<'_>| checked.passes(arguments.strict);
    Ok(Exit::of(all.iter().all(passes)))
}

fn show(all: &[Checked<'_>]) {
    for (number, checked) in all.iter().enumerate() {
        if number > 0 {
            print("");
        }
        checked.lines().iter().for_each(Styled::print);
    }
}

/// Where services are looked at.
enum Place<'a> {
    Account(&'a Access),
    #[cfg(feature = "simulator")]
    Simulated(Simulated<'a>),
}

impl Place<'_> {
    fn look_at(&self, event: &Value) -> Result<Looked, Error> {
        match self {
            Self::Account(access) => in_real_time(account(access, event)),
            #[cfg(feature = "simulator")]
            Self::Simulated(simulated) => simulated.look_at(event),
        }
    }
}

/// A request, where it is from, and what preflight says of it; or why there is nothing to say.
pub(crate) type Looked = Result<(Home, Request, Inspection), Unseen>;

/// Why there is nothing to say of the service.
pub(crate) enum Unseen {
    Input(Vec<Problem>),
    Credentials(CallError),
    Aws(StepError),
}

/// Looks at a service of an account. Where that is, the account itself says.
pub(crate) async fn account(access: &Access, event: &Value) -> Result<Looked, Error> {
    let named = input::home_named(event);
    let text = |field: &str| event.get(field).and_then(Value::as_str);
    let (Some(cluster), Some(service)) = (text("cluster"), text("serviceName")) else {
        // Without these two there is no service to read: the input says what is wrong with it.
        let problems =
            input::in_home(event, named.as_ref(), |home| Request::read(event, home)).err();
        let problems = problems.ok_or("the input names no service")?;
        return Ok(Err(Unseen::Input(problems)));
    };
    let mut access = access.clone();
    // The input's own ARNs count, and not the environment.
    access.region = access.region.or(named.map(|home| home.region));
    let config = access.config().await?;
    if let Err(error) = signed(&config).await {
        return Ok(Err(Unseen::Credentials(error)));
    }
    // Preflight takes no lock.
    let clients = Clients::new(&config, "");
    let home = match Box::pin(home(&clients, cluster, service)).await {
        Ok(found) => found.unwrap_or_else(|| input::home_in(event)),
        Err(error) => return Ok(Err(Unseen::Aws(error))),
    };
    Ok(match Request::read(event, &home) {
        Ok(request) => inspected(&clients, home, request, now()).await,
        Err(problems) => Err(Unseen::Input(problems)),
    })
}

async fn inspected(clients: &Clients, home: Home, request: Request, now: u64) -> Looked {
    let inspection = match id(&home) {
        Ok(id) => Box::pin(inspect(clients, &id, &request, now)).await,
        Err(error) => Err(error),
    };
    Ok((home, request, inspection.map_err(Unseen::Aws)?))
}

/// No deployment has this name: preflight tells its own task sets by it, and there are none.
fn id(home: &Home) -> Result<DeploymentId, StepError> {
    let Home {
        partition,
        region,
        account,
    } = home;
    let execution =
        format!("arn:{partition}:states:{region}:{account}:execution:ebbtide:preflight");
    DeploymentId::of_execution(&execution, "1970-01-01T00:00:00Z").ok_or_else(|| {
        Refusal::new(
            ErrorName::InvalidInput,
            format!("{home} is no place for an execution."),
            "Correct the ARNs of the input.",
        )
        .into()
    })
}

/// What to do where AWS has not let it look; nothing where what it says settles it.
pub(crate) fn hint(error: ErrorName) -> Option<&'static str> {
    match error {
        ErrorName::Permission => Some(
            "The policy that is needed is in docs/preflight.md; credentials that have expired are renewed by \
             `aws sso login`, for example.",
        ),
        ErrorName::Transient => Some("Check the network, the region and AWS_ENDPOINT_URL."),
        ErrorName::Throttled | ErrorName::NotYetConsistent => Some("Try again in a minute."),
        _ => None,
    }
}

fn refused(
    arguments: &Arguments,
    input: &Input<'_>,
    problems: &[Problem],
) -> serde_json::Result<Exit> {
    match arguments.format {
        Format::Text => input.refuse(problems),
        Format::Json => {
            let mut refused = input::refused(&arguments.event.source, problems);
            refused["status"] = json!("refused");
            print(&serde_json::to_string_pretty(&refused)?);
        }
    }
    Ok(Exit::Failed)
}

/// There are none: no call says so.
fn no_credentials(arguments: &Arguments, error: CallError) -> Outcome {
    if arguments.format == Format::Text {
        return Err(error.into());
    }
    let answer = json!({
        "event": arguments.event.source.to_string(),
        "status": "unknown",
        "error": "NoCredentials",
        "reason": error.message,
        "hint": SIGN_IN,
    });
    print(&serde_json::to_string_pretty(&answer)?);
    Ok(Exit::Failed)
}

/// Nothing could be looked at.
fn unseen(arguments: &Arguments, error: &StepError) -> serde_json::Result<Exit> {
    let (event, name) = (arguments.event.source.to_string(), error.name);
    let hint = hint(name);
    match arguments.format {
        Format::Text => {
            let hint = hint.map_or_else(String::new, |hint| format!(" {hint}"));
            remark(&format!("error: {event}: {name}: {error}{hint}"));
        }
        Format::Json => print(&serde_json::to_string_pretty(&json!({
            "event": event,
            // Nothing is said of the service where AWS has not answered.
            "status": if hint.is_some() { "unknown" } else { "refused" },
            "error": name.as_str(),
            "reason": error.message,
            "hint": hint,
        }))?),
    }
    Ok(Exit::Failed)
}

impl Checked<'_> {
    fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        let findings = self.inspection.findings.iter();
        findings.filter(move |one| one.severity == severity)
    }

    fn count(&self, severity: Severity) -> usize {
        self.of(severity).count()
    }

    /// Whether a deployment would start; with `strict`, without a warning.
    fn passes(&self, strict: bool) -> bool {
        let is_none = |severity| self.count(severity) == 0;
        let is_right = self.inspection.outcome.is_ok() && is_none(Severity::Error);
        is_right && (!strict || is_none(Severity::Warning))
    }

    fn outcome(&self) -> String {
        match &self.inspection.outcome {
            Ok((reason, _)) => reason.clone(),
            Err(refusal) => format!("{}: {refusal}", refusal.error),
        }
    }

    fn lines(&self) -> Vec<Styled> {
        let simulated = if self.simulated { "simulated " } else { "" };
        let (service, cluster) = (&self.request.service, short(&self.request.cluster));
        let Home {
            account, region, ..
        } = &self.home;
        let heading = format!(
            "{}: service {service} in cluster {cluster}, {simulated}account {account}, {region}",
            self.event
        );
        let mut lines = vec![Styled::new(PLAIN, &heading).wrapped(2)];
        for severity in Severity::ALL {
            let findings: Vec<_> = self.of(severity).collect();
            if !findings.is_empty() {
                let heading = heading_of(severity, findings.len());
                lines.extend([Styled::default(), heading]);
            }
            lines.extend(findings.into_iter().flat_map(told));
        }
        lines.push(Styled::default());
        lines.push(match &self.inspection.outcome {
            Ok((reason, _)) => {
                let would = Styled::new(GOOD, "A deployment would start");
                would.and(PLAIN, &format!(": {reason}")).wrapped(2)
            }
            // The first error has said it.
            Err(refusal) => {
                let would = Styled::new(BAD, "A deployment would be refused");
                would.and(PLAIN, &format!(": {}", refusal.error))
            }
        });
        lines
    }

    fn json(&self) -> Value {
        let findings = self.inspection.findings.iter().map(contract::finding);
        let plan = self.inspection.outcome.as_ref().ok();
        json!({
            "event": self.event.to_string(),
            "cluster": self.request.cluster,
            "service": self.request.service,
            "account": self.home.account,
            "region": self.home.region,
            "status": if self.inspection.outcome.is_ok() { "passed" } else { "refused" },
            "reason": self.outcome(),
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "findings": findings.collect::<Vec<_>>(),
            "plan": plan.map(|(_, plan)| contract::plan(plan)),
        })
    }
}

fn heading_of(severity: Severity, count: usize) -> Styled {
    match severity {
        Severity::Error => Styled::new(BAD, &counted(count, "error")),
        Severity::Warning => Styled::new(WARNING, &counted(count, "warning")),
        Severity::Info => Styled::new(BOLD, &format!("{count} worth knowing")),
    }
}

/// A finding, wrapped to the terminal but for commands: each is a line, to be copied.
fn told(finding: &Finding) -> Vec<Styled> {
    let Finding {
        name,
        seen,
        why,
        fix,
        ..
    } = finding;
    let to_do = match (fix.text.as_str(), fix.commands.is_empty()) {
        ("", _) => "Run:",
        (text, true) => text,
        (text, false) => &format!("{text}:"),
    };
    let mut lines = vec![Styled::new(PLAIN, "  ").and(BOLD, name.as_str())];
    for (label, text) in [
        ("seen", seen.as_str()),
        ("why", why.as_str()),
        ("fix", to_do),
    ] {
        let label = Styled::new(DIM, &format!("    {label:<6}"));
        lines.push(label.and(PLAIN, text).wrapped(10));
    }
    let commands = fix.commands.iter();
    lines.extend(commands.map(|command| Styled::new(PLAIN, &format!("          {command}"))));
    lines
}
