//! One deployment, with real processes, and what its clients felt.

use serde::Serialize;

use crate::clients::Clients;
use crate::control;
use crate::failure::Failure;
use crate::measure::{Measured, Since};
use crate::plane::{Addresses, Plane};
use crate::predict::{Predicted, predict};
use crate::table;
use crate::way::Way;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measurement {
    pub(crate) way: &'static str,
    pub(crate) tasks: usize,
    /// Simulated seconds a second.
    pub(crate) speed: f64,
    /// The error's name, where the deployment failed.
    pub(crate) error: Option<String>,
    pub(crate) cause: String,
    /// Simulated seconds from the deployment's start to its end.
    pub(crate) seconds: f64,
    /// Processes that SIGTERM did not end in time.
    pub(crate) killed: usize,
    pub(crate) measured: Measured,
    /// Of a deployment that `ebbtide compare` simulates too.
    pub(crate) predicted: Option<Predicted>,
}

/// Clients that connect in a second before the deployment starts.
const RAMP: f64 = 1_000.0;

/// Seconds in which all clients are connected, or some never are.
const PATIENCE: u64 = 120;

pub(crate) async fn run(way: &Way) -> Result<Measurement, Failure> {
    let addresses = Addresses::claim()?;
    let nodes = addresses.nodes(way.names().subnets.len());
    let control = control::start(way, addresses.second)?;
    let mut plane = Plane::start(way, &nodes, control.wanted, control.reports).await?;
    plane.serve().await?;
    let total = way.clients();
    let ramp = f64::from(u32::try_from(total)?) / RAMP;
    let mut clients = Clients::start(way, &nodes, ramp)?;
    if !plane
        .follow_until(clients.all_connected(PATIENCE))
        .await??
    {
        let connected = clients.connected();
        return Err(format!("{connected} of {total} clients connect").into());
    }
    eprintln!("{}: {total} clients are connected", way.name);
    let _ = control.begin.send(());
    let ended = plane.follow_until(control.ended).await??;
    plane
        .follow_until(clients.all_connected(PATIENCE))
        .await??;
    let since = Since {
        began: ended.began,
        speed: way.speed,
    };
    let measured = Measured::of(
        since,
        &clients.happened(),
        &plane.connections,
        total,
        plane.stopped_with,
    );
    let is_compared = !way.rolls_back && !way.never_healthy;
    let simulated = way.clone();
    let predicted = tokio::task::spawn_blocking(move || {
        let predicted = is_compared.then(|| predict(&simulated));
        predicted.transpose()
    });
    let measurement = Measurement {
        way: way.name,
        tasks: way.tasks(),
        speed: way.speed,
        error: ended.error,
        cause: ended.cause,
        seconds: ended.seconds,
        killed: plane.killed,
        measured,
        predicted: predicted.await??,
    };
    eprintln!("{}", table::sentence(&measurement));
    Ok(measurement)
}
