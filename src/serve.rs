//! `ebbtide serve`: the simulated AWS on a loopback port.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::Args;
use ebbtide_controller::request::Request;
use ebbtide_simulator::world::World;
use ebbtide_simulator::{SimulatedAws, server};
use tokio::net::TcpListener;

use crate::exit::{Error, Exit, Outcome};
use crate::input;

/// Offers the simulated AWS (Amazon ECS, Elastic Load Balancing, DynamoDB tables) on a loopback port.
///
/// Any AWS client can use it: `AWS_ENDPOINT_URL_ECS`, `AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2` and
/// `AWS_ENDPOINT_URL_DYNAMODB` (or --endpoint-url of the AWS CLI) take the address that is printed.
/// Credentials are not checked. A container whose environment has `SIMULATED_BEHAVIOUR`, for example
/// `{"neverHealthy": true}`, behaves so. Ends on Ctrl-C.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 4577)]
    port: u16,
    /// Simulated seconds a second.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Begin with a service that fits this `StartExecution` input, instead of an empty account.
    #[arg(long, value_name = "EVENT.json")]
    event: Option<PathBuf>,
    /// What is particular about that service's world.
    #[arg(long, value_name = "FILE", requires = "event")]
    scenario: Option<PathBuf>,
    /// The account id in every ARN of an empty account.
    #[arg(long, default_value = "555555555555", value_parser = account, conflicts_with = "event")]
    account: String,
    /// The region in every ARN of an empty account.
    #[arg(long, default_value = "us-east-1", conflicts_with = "event")]
    region: String,
    /// Chance in an empty account: the same seed, the same world.
    #[arg(long, default_value_t = 1, conflicts_with = "event")]
    seed: u64,
}

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
    let world = world(arguments)?;
    let port = arguments.port;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener
        .map_err(|error| format!("port {port} of 127.0.0.1: {error} (--port chooses another)"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let aws = SimulatedAws::new(world, arguments.speed);
    server::serve(listener, aws, async {
        // Without a signal to wait for, the server simply goes on.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
    .await?;
    Ok(Exit::Done)
}

fn world(arguments: &Arguments) -> Result<World, Error> {
    let now = jiff::Timestamp::now().as_millisecond();
    let epoch_ms = u64::try_from(now).unwrap_or_default();
    let Some(path) = &arguments.event else {
        return Ok(World::starting_at(
            &arguments.account,
            &arguments.region,
            ebbtide_simulator::world::Timings::default(),
            arguments.seed,
            epoch_ms,
        ));
    };
    let event = input::event(path)?;
    let home = input::home_of(&event)?;
    let request = Request::parse(&event, &home)?;
    let scenario = input::fitting(input::scenario(arguments.scenario.as_deref())?, &request);
    Ok(scenario.world_starting_at(&input::names_of(&request, &home), epoch_ms)?)
}
