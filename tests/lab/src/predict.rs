//! What the simulator says of the same deployment with the same clients: what `ebbtide compare` has in its table.

use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::deployment::Installation;
use serde::Serialize;

use crate::failure::Failure;
use crate::way::Way;

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Predicted {
    /// Reconnects second by second, with the scenario's random timings.
    pub(crate) attempts: Vec<u64>,
    /// With exact timings or with random ones, the larger.
    pub(crate) most_in_one_second: u64,
    pub(crate) most_in_ten_seconds: u64,
    pub(crate) refused: u64,
    pub(crate) longest_without: u64,
    /// Simulated seconds from the deployment's start to its end.
    pub(crate) seconds: f64,
}

/// Simulates the deployment in virtual time, with exact timings and with random ones.
pub(crate) fn predict(way: &Way) -> Result<Predicted, Failure> {
    let mut predicted = Predicted::default();
    for jitter_percent in [0, way.scenario.timings.jitter_percent] {
        let mut scenario = way.scenario.clone();
        scenario.timings.jitter_percent = jitter_percent;
        let mut world = scenario.world_for(&way.names())?;
        world.begin();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build()?;
        let (outcome, world) = runtime.block_on(async {
            let aws = SimulatedAws::new(world, 1.0);
            let installation = Installation::new(&aws)?;
            let input = way.request.to_json();
            let outcome = installation.deploy("compared", input, 1, &mut |_| {}).await;
            Ok::<_, Failure>((outcome, aws.snapshot()))
        })?;
        let clients = world.clients().ok_or("the scenario has no clients")?;
        let one = &mut predicted;
        let most = |before: &mut u64, now: u64| *before = now.max(*before);
        most(&mut one.most_in_one_second, clients.peak_reconnects(1));
        most(&mut one.most_in_ten_seconds, clients.peak_reconnects(10));
        most(&mut one.refused, clients.totals().refused);
        most(&mut one.longest_without, clients.longest_without());
        one.seconds = one.seconds.max(outcome.elapsed.as_secs_f64());
        let seconds = clients.seconds().iter();
        one.attempts = seconds.map(|second| second.reconnects).collect();
    }
    Ok(predicted)
}
