//! Services of many sizes to time things in.

use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::scenario::ClientsScenario;
use ebbtide_simulator::world::World;
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::{Value, json};

/// A service in service.
///
/// # Panics
///
/// Where the scenario is none, which no number of tasks or connections makes it.
pub fn world(tasks: u32, connections_per_task: Option<u64>) -> World {
    let scenario = Scenario {
        tasks,
        clients: connections_per_task.map(|connections_per_task| ClientsScenario {
            connections_per_task,
            lifetime_seconds: Some(3_600),
            ..ClientsScenario::default()
        }),
        ..Scenario::default()
    };
    scenario.world().expect("a world")
}

/// The input of its deployment, ten minutes' drain.
pub fn event() -> Value {
    let mut event = Names::default().event();
    event["drain"] = json!({"within": 600});
    event
}

/// Deploys in virtual time.
///
/// # Panics
///
/// Where the deployment does not succeed: it would not be the same thing that is timed.
pub fn deploy(world: World) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(async {
        let aws = SimulatedAws::new(world, 1.0);
        let installation = Installation::new(&aws).expect("an installation");
        let ended = installation.deploy("bench", event(), 1, &mut |_| {}).await;
        ended.status
    });
    assert!(
        matches!(outcome, ebbtide_simulator::asl::Status::Succeeded { .. }),
        "{outcome:?}"
    );
}
