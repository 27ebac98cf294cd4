//! Traffic shifts beside ECS's own with the same steps: how long it takes until all traffic has moved.

use ebbtide_controller::reason::Code;
use ebbtide_controller::request::Request;
use ebbtide_controller::shift::{Shift, Step};
use ebbtide_simulator::asl::EventKind;
use ebbtide_simulator::world::Kind;
use ebbtide_simulator::{Names, Scenario};
use serde_json::{Value, json};

use crate::exit::Error;
use crate::output::{PLAIN, Styled, clock};
use crate::simulation::{self, Moment};

/// Seconds that ECS waits at each stage that shifts traffic of a Network Load Balancer, beside those that were asked
/// for (AWS documentation).
const OF_A_NETWORK_LOAD_BALANCER: u32 = 600;

/// Seconds for which a changed listener sends new connections where it sent them before: what was observed, and four
/// times as much.
const PROPAGATIONS: [u64; 2] = [75, 300];

/// Deployments of which the time in the middle is taken.
const RUNS: u64 = 3;

/// Seconds that connections live, where the scenario has them live for ever: weights move new ones only.
const LIFETIME: u64 = 600;

/// ECS's own defaults (AWS documentation), and what the event asks for.
fn shifts(asked: &Shift) -> Vec<Shift> {
    let canary = Step {
        percent: 5,
        seconds: 600,
        wanted: None,
    };
    let linear = Shift::Linear {
        percent: 10,
        every: 360,
    };
    let mut shifts = vec![linear, Shift::Steps(vec![canary])];
    let asked = asked.by_time();
    if !shifts.contains(&asked) {
        shifts.push(asked);
    }
    shifts
}

/// A shift that was deployed.
#[derive(Debug)]
pub(super) struct Shifted {
    shift: Shift,
    input: Value,
    /// Seconds from the first share to all traffic, for each of [`PROPAGATIONS`]; nothing where the deployment failed.
    seconds: [Option<f64>; 2],
    /// What ECS's own schedule has for the same steps, in seconds.
    of_ecs: u32,
}

/// Deploys a linear shift, a canary and the event's own; none where the event has no shift.
pub(super) fn compare(
    request: &Request,
    scenario: &Scenario,
    names: &Names,
) -> Result<Vec<Shifted>, Error> {
    let asked = request.shift.iter().flat_map(shifts);
    let deployed = asked.map(|shift| {
        let each = match scenario.load_balancer {
            Kind::Network => OF_A_NETWORK_LOAD_BALANCER,
            Kind::Application => 0,
        };
        let steps: u32 = shift.steps().map(|step| step.seconds).sum();
        let request = Request {
            pauses: Vec::new(),
            hooks: Vec::new(),
            shift: Some(shift.clone()),
            ..request.clone()
        };
        let mut seconds = [None; 2];
        for (seconds, propagation) in seconds.iter_mut().zip(PROPAGATIONS) {
            *seconds = in_the_middle(&request, scenario, names, propagation)?;
        }
        Ok(Shifted {
            seconds,
            of_ecs: steps + each * shift.count(),
            input: request.to_json()["shift"].clone(),
            shift,
        })
    });
    deployed.collect()
}

/// The time of a shift among those with different seeds, in the middle: it is measured by new connections, which are a
/// matter of chance. Nothing where one of them failed.
fn in_the_middle(
    request: &Request,
    scenario: &Scenario,
    names: &Names,
    propagation: u64,
) -> Result<Option<f64>, Error> {
    let runs = (0..RUNS).map(|run| {
        let scenario = Scenario {
            seed: scenario.seed.wrapping_add(run),
            ..scenario.clone()
        };
        took(request, &scenario, names, propagation)
    });
    let times = runs.collect::<Result<Vec<_>, _>>()?;
    let times: Option<Vec<f64>> = times.into_iter().collect();
    Ok(times.and_then(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }))
}

/// Seconds from the first share to all traffic.
fn took(
    request: &Request,
    scenario: &Scenario,
    names: &Names,
    propagation: u64,
) -> Result<Option<f64>, Error> {
    let (mut first, mut all) = (None, None);
    let mut watch = |moment: &Moment<'_>| {
        let event = moment.history;
        let Some((event, EventKind::TaskSucceeded { output, .. })) =
            event.map(|event| (event, &event.kind))
        else {
            return;
        };
        let code = &output["Payload"]["reason"]["code"];
        if code == Code::Shifting.as_str() {
            first.get_or_insert(event.at.as_secs_f64());
        } else if code == Code::Swapped.as_str() {
            all.get_or_insert(event.at.as_secs_f64());
        }
    };
    let mut scenario = scenario.clone();
    scenario.timings.listener_propagation_ms = propagation * 1_000;
    if let Some(clients) = &mut scenario.clients {
        clients.lifetime_seconds.get_or_insert(LIFETIME);
    }
    let world = scenario.world_for(names)?;
    simulation::deploy(world, "compared", request, request.to_json(), &mut watch)?;
    Ok(first.zip(all).map(|(first, all)| all - first))
}

impl Shifted {
    pub(super) fn line(&self) -> Styled {
        let took = self.seconds.iter().zip(PROPAGATIONS);
        let took = took.map(|(seconds, propagation)| {
            let took = seconds.map_or_else(|| "FAILED".to_owned(), clock);
            format!("{took} where listeners change within {propagation} s")
        });
        let took: Vec<_> = took.collect();
        let of_ecs = clock(f64::from(self.of_ecs));
        let line = format!(
            "Shift, {}: from the first share to all traffic {}; by ECS's own schedule {of_ecs}.",
            self.shift,
            took.join(", ")
        );
        Styled::new(PLAIN, &line).wrapped(2)
    }

    pub(super) fn to_json(&self) -> Value {
        let took = self.seconds.iter().zip(PROPAGATIONS);
        let took = took
            .map(|(seconds, propagation)| json!({"propagation": propagation, "seconds": seconds}));
        json!({
            "shift": self.input,
            "deployed": took.collect::<Vec<_>>(),
            "secondsOfEcs": self.of_ecs,
        })
    }
}
