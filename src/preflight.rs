//! `ebbtide preflight`: what a deployment would run into, before anything is done.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use clap::{Args, ValueEnum};
use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::contract;
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::preflight::findings::Severity;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::Request;
use ebbtide_functions::{Clients, Inspection, StepError, home, inspect};
use ebbtide_simulator::SimulatedAws;
use serde_json::{Value, json};

use crate::aws::Access;
use crate::executions::no_credentials;
use crate::input;

/// Checks a service as the state machine's preflight does, and tells all it finds: what was seen, why
/// it matters, and the command that mends it. Nothing is written.
///
/// Reads your account, with the credentials, region and endpoints that the AWS CLI takes from the
/// environment and from ~/.aws; with --scenario it reads a simulated one. Exit status: 0 no errors,
/// 1 errors (with --strict, warnings too) or nothing that could be looked at, 2 wrong usage or no
/// credentials.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The `StartExecution` input.
    #[arg(value_name = "EVENT.json")]
    event: PathBuf,
    /// Check the service in a simulated world that this file describes, not in an account.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["region", "profile"])]
    scenario: Option<PathBuf>,
    /// Take warnings as errors.
    #[arg(long)]
    strict: bool,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

/// What was asked and what came of it.
struct Checked<'a> {
    event: &'a Path,
    simulated: bool,
    home: Home,
    request: Request,
    inspection: Inspection,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let event = input::event(&arguments.event)?;
    let (home, looked) = match &arguments.scenario {
        Some(scenario) => {
            let home = input::home_of(&event)?;
            let looked = simulated(&event, &home, scenario)?;
            (home, looked)
        }
        None => account(arguments, &event)?,
    };
    let (request, inspection) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            refused(arguments, &error)?;
            return Ok(false);
        }
    };
    let checked = Checked {
        event: &arguments.event,
        simulated: arguments.scenario.is_some(),
        home,
        request,
        inspection,
    };
    match arguments.format {
        Format::Text => crate::print(checked.text().trim_end()),
        Format::Json => crate::print(&serde_json::to_string_pretty(&checked.json())?),
    }
    let strict = arguments.strict && checked.count(Severity::Warning) > 0;
    Ok(checked.inspection.outcome.is_ok() && checked.count(Severity::Error) == 0 && !strict)
}

/// A request and what preflight says of it; or why there is nothing to say.
type Looked = Result<(Request, Inspection), StepError>;

/// Looks at a simulated service, in virtual time.
fn simulated(
    event: &Value,
    home: &Home,
    scenario: &Path,
) -> Result<Looked, Box<dyn std::error::Error>> {
    let request = match Request::parse(event, home) {
        Ok(request) => request,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let scenario = input::fitting(input::scenario(Some(scenario))?, &request);
    let world = scenario.world_for(&input::names_of(&request, home))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let looked = runtime.block_on(async {
        let aws = SimulatedAws::new(world, 1.0);
        let clients = aws.clients("preflight");
        Box::pin(inspect(&clients, &id(home)?, &request)).await
    });
    Ok(looked.map(|inspection| (request, inspection)))
}

/// Looks at a service of an account. Where that is, the account itself says.
fn account(
    arguments: &Arguments,
    event: &Value,
) -> Result<(Home, Looked), Box<dyn std::error::Error>> {
    let given = input::home_in(event);
    let text = |field: &str| event.get(field).and_then(Value::as_str);
    let (Some(cluster), Some(service)) = (text("cluster"), text("serviceName")) else {
        // Without these two there is nobody to ask: the input says what is wrong with it.
        let refusal = Request::parse(event, &given).map(|_| ());
        let mut refusal = refusal.err().ok_or("the input names no service")?;
        if input::home_named(event).is_none() {
            refusal.seen = input::nowhere(&refusal.seen, &given);
        }
        return Ok((given, Err(refusal.into())));
    };
    let access = Access {
        // The input's own ARNs go before the environment.
        region: arguments
            .access
            .region
            .clone()
            .or_else(|| input::region_of(event)),
        ..arguments.access.clone()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let config = runtime.block_on(access.config())?;
    runtime.block_on(signed(&config))?;
    let (home, looked) = runtime.block_on(async {
        // Preflight takes no lock.
        let clients = Clients::new(&config, "");
        let found = match Box::pin(home(&clients, cluster, service)).await {
            Ok(found) => found.unwrap_or(given),
            Err(error) => return (given, Err(error)),
        };
        let looked = async {
            let request = Request::parse(event, &found)?;
            let inspection = Box::pin(inspect(&clients, &id(&found)?, &request)).await?;
            Ok((request, inspection))
        };
        let looked = looked.await;
        (found, looked)
    });
    Ok((home, looked))
}

/// Whether there are credentials: without them no call says so.
async fn signed(config: &SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
    let Some(provider) = config.credentials_provider() else {
        return Ok(());
    };
    let credentials = provider.provide_credentials().await;
    let unsigned = |error| no_credentials("", &error).into();
    credentials.map(|_| ()).map_err(unsigned)
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
        ebbtide_controller::refusal::Refusal::new(
            ebbtide_controller::refusal::ErrorName::InvalidInput,
            format!("{home} is no place for an execution."),
            "Correct the ARNs of the input.",
        )
        .into()
    })
}

/// What to do where AWS has not let anybody look; nothing where the input is to blame.
fn hint(error: ErrorName) -> Option<&'static str> {
    match error {
        ErrorName::Permission => Some(
            "The policy that is needed is in docs/preflight.md; credentials that have expired are renewed by \
             `aws sso login`, for example.",
        ),
        ErrorName::Transient => Some("Look at the network, the region and AWS_ENDPOINT_URL."),
        ErrorName::Throttled | ErrorName::NotYetConsistent => Some("Try again in a minute."),
        _ => None,
    }
}

/// Nothing could be looked at.
fn refused(arguments: &Arguments, error: &StepError) -> Result<(), serde_json::Error> {
    let hint = hint(error.name);
    match arguments.format {
        Format::Text => {
            let hint = hint.map_or_else(String::new, |hint| format!(" {hint}"));
            eprintln!(
                "{}: {}: {error}{hint}",
                arguments.event.display(),
                error.name
            );
        }
        Format::Json => crate::print(&serde_json::to_string_pretty(&json!({
            "event": arguments.event.display().to_string(),
            // Nothing is said of the service where AWS has not answered.
            "status": if hint.is_some() { "unknown" } else { "refused" },
            "error": error.name.as_str(),
            "reason": error.message,
            "hint": hint,
        }))?),
    }
    Ok(())
}

impl Checked<'_> {
    fn count(&self, severity: Severity) -> usize {
        let findings = self.inspection.findings.iter();
        findings.filter(|one| one.severity == severity).count()
    }

    fn outcome(&self) -> String {
        match &self.inspection.outcome {
            Ok((reason, _)) => reason.clone(),
            Err(refusal) => format!("{}: {refusal}", refusal.error),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{}: service {} in cluster {}, {}account {}, {}",
            self.event.display(),
            self.request.service,
            short(&self.request.cluster),
            if self.simulated { "simulated " } else { "" },
            self.home.account,
            self.home.region
        );
        for severity in Severity::ALL {
            let of_it =
                |one: &&ebbtide_controller::preflight::findings::Finding| one.severity == severity;
            for (index, finding) in self.inspection.findings.iter().filter(of_it).enumerate() {
                if index == 0 {
                    let _ = writeln!(text, "\n{}", heading(severity, self.count(severity)));
                }
                let _ = writeln!(
                    text,
                    "  {}\n    seen  {}\n    why   {}\n    fix   {}",
                    finding.name.as_str(),
                    finding.seen,
                    finding.why,
                    finding.fix
                );
            }
        }
        let verdict = if self.inspection.outcome.is_ok() {
            "A deployment would start"
        } else {
            "A deployment would be refused"
        };
        let _ = writeln!(text, "\n{verdict}: {}", self.outcome());
        text
    }

    fn json(&self) -> Value {
        let findings = self.inspection.findings.iter().map(contract::finding);
        let plan = self.inspection.outcome.as_ref().ok();
        json!({
            "event": self.event.display().to_string(),
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

fn heading(severity: Severity, count: usize) -> String {
    match (severity, count) {
        (Severity::Error, 1) => "1 error".to_owned(),
        (Severity::Error, count) => format!("{count} errors"),
        (Severity::Warning, 1) => "1 warning".to_owned(),
        (Severity::Warning, count) => format!("{count} warnings"),
        (Severity::Info, count) => format!("{count} worth knowing"),
    }
}
