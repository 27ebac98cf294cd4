//! What a deployment costs in AWS calls: counted in two small simulated ones.

use std::fmt;

use ebbtide_controller::request::Request;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::Behaviour;
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::Error;
use crate::input;
use crate::simulation;

/// Calls of a whole deployment that goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    /// State transitions of Step Functions.
    pub(super) transitions: u64,
    pub(super) invocations: u64,
    /// API calls to ECS, Elastic Load Balancing, DynamoDB and CloudWatch.
    pub(super) calls: u64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "about {} state transitions, {} invocations and {} API calls for the whole deployment",
            self.transitions, self.invocations, self.calls
        )
    }
}

impl Cost {
    /// The cost with so many steps more, each of which costs the difference to `other`.
    fn with_steps(self, other: Self, steps: u64) -> Self {
        let more = |one: u64, two: u64| one + two.saturating_sub(one) * steps;
        Self {
            transitions: more(self.transitions, other.transitions),
            invocations: more(self.invocations, other.invocations),
            calls: more(self.calls, other.calls),
        }
    }
}

/// The cost of a deployment whose drain has so many steps: that of one with one step, and for each
/// step more what a second one adds; or why one of these small deployments fails.
pub(super) fn of(
    event: &Value,
    request: &Request,
    scenario: &Scenario,
    steps: usize,
) -> Result<Result<Cost, String>, Error> {
    let one = counted(event, request, scenario, 1)?;
    let two = counted(event, request, scenario, 2)?;
    let more = u64::try_from(steps.saturating_sub(1))?;
    Ok(one.and_then(|one| Ok(one.with_steps(two?, more))))
}

/// Deploys a service of so many tasks, one a step.
fn counted(
    event: &Value,
    request: &Request,
    scenario: &Scenario,
    tasks: u32,
) -> Result<Result<Cost, String>, Error> {
    let quiet = Scenario {
        alarms: Vec::new(),
        ..scenario.clone()
    };
    let scenario = Scenario {
        tasks,
        clients: None,
        first_deployment: false,
        original: Behaviour::default(),
        replacement: Behaviour::default(),
        ..input::fitting(quiet, request)
    };
    let world = scenario.world_for(&input::names_of(request, &input::home_of(event)?))?;
    let mut event = event.clone();
    // One task a step whatever the pace; metrics are read where the pace reads them.
    if let Some(fields) = event.as_object_mut() {
        for field in [
            "scaledown_decrement",
            "scaledown_wait",
            "drainTimeout",
            "dryRun",
        ] {
            fields.remove(field);
        }
    }
    event["drain"] = if request.drain.reads_metrics() {
        json!({"reconnectsPerSecond": 1, "connectionsPerTask": 7, "deadline": 86_400})
    } else {
        json!({"tasks": 1, "every": 10})
    };
    let (run, _) = simulation::deploy(world, "plan", request, event, &mut |_| {})?;
    let summary = run.summary;
    Ok(match summary.error {
        None => Ok(Cost {
            transitions: summary.states.len() as u64,
            invocations: run.invocations,
            calls: summary.calls as u64,
        }),
        Some(error) => Err(format!("{error}: {}", summary.reason)),
    })
}
