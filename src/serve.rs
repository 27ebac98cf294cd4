//! `ebbtide serve`: the simulated AWS on a loopback port.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::Args;
use ebbtide_controller::order::Member;
use ebbtide_simulator::world::World;
use ebbtide_simulator::{SimulatedAws, server};
use tokio::net::TcpListener;

use crate::application::Wanted;
use crate::exit::{Error, Exit, Outcome};
use crate::files::Source;
use crate::input;
use crate::output::{Format, print};
use crate::scenario;

/// Serves the simulated AWS (Amazon ECS, Elastic Load Balancing, DynamoDB tables) on a local port.
///
/// Any AWS client can use it: set `AWS_ENDPOINT_URL_ECS`, `AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2` and
/// `AWS_ENDPOINT_URL_DYNAMODB` (or --endpoint-url of the AWS CLI) to the address that is printed. Credentials
/// are not checked. To simulate a faulty version, set `SIMULATED_BEHAVIOUR` in the container's environment,
/// for example to `{"neverHealthy": true}`. Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Port on 127.0.0.1; 0 picks a free one.
    #[arg(long, default_value_t = 4577)]
    port: u16,
    /// Simulated seconds a second.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Begin with the service or the services that this `StartExecution` input (`-`: standard input) names, instead
    /// of an empty account.
    #[arg(long, value_name = "EVENT.json")]
    event: Option<Source>,
    /// File that describes that service.
    #[arg(long, value_name = "FILE", requires = "event")]
    scenario: Option<PathBuf>,
    /// The account id in every ARN of an empty account.
    #[arg(long, default_value = "555555555555", value_parser = account, conflicts_with = "event")]
    account: String,
    /// The region in every ARN of an empty account.
    #[arg(long, default_value = "us-east-1", conflicts_with = "event")]
    region: String,
    /// Random seed of an empty account; the same seed gives the same account.
    #[arg(long, default_value_t = 1, conflicts_with = "event")]
    seed: u64,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide serve
  ebbtide serve --event deploy.json --port 4577 --speed 20";

fn speed(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|speed: &f64| speed.is_finite() && *speed > 0.0 && *speed <= 10_000.0)
        .ok_or_else(|| "a number above 0 and at most 10000 is allowed".to_owned())
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.chars().all(|c| c.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("twelve digits are allowed".to_owned())
    }
}

pub(crate) async fn run(arguments: &Arguments) -> Outcome {
    let Some(world) = world(arguments)? else {
        return Ok(Exit::Failed);
    };
    let port = arguments.port;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener
        .map_err(|error| format!("port {port} of 127.0.0.1: {error} (--port chooses another)"))?;
    let address = listener.local_addr()?;
    print(&format!(
        "listening on http://{address}
export AWS_ENDPOINT_URL=http://{address} AWS_REGION={region} AWS_DEFAULT_REGION={region}
export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x
deploy, status and the like need Step Functions: `make local` has it. Ctrl-C ends.",
        region = world.region
    ));
    let aws = SimulatedAws::new(world, arguments.speed);
    let serving = server::serve(listener, aws, std::future::pending());
    // Nothing that is half sent or half answered is waited for.
    tokio::select! {
        () = serving => {}
        // Without a signal to wait for, the server simply goes on.
        Ok(()) = tokio::signal::ctrl_c() => {}
    }
    Ok(Exit::Done)
}

/// The world to begin with; what is wrong with the input goes to stderr, and there is none.
fn world(arguments: &Arguments) -> Result<Option<World>, Error> {
    let now = jiff::Timestamp::now().as_millisecond();
    let epoch_ms = u64::try_from(now).unwrap_or_default();
    let Some(source) = &arguments.event else {
        return Ok(Some(World::starting_at(
            &arguments.account,
            &arguments.region,
            ebbtide_simulator::world::Timings::default(),
            arguments.seed,
            epoch_ms,
        )));
    };
    let event = input::Event::of(source.clone());
    let Some((wanted, home)) = scenario::asked(&event, Format::Text)? else {
        return Ok(None);
    };
    let path = arguments.scenario.as_deref();
    if let Wanted::SeveralServices(application) = &wanted {
        scenario::knows(path, application)?;
    }
    let mut services = Vec::new();
    for member in wanted.members() {
        let Member { input, request, .. } = member;
        let mut scenario = scenario::read(path, &request.service)?;
        // It is served now.
        scenario.starts_at = Some(jiff::Timestamp::now().to_string());
        services.push((member, scenario::fitting(scenario, input, request)));
    }
    scenario::world_of(services, &home).map(Some)
}
