//! What a deployment costs in AWS calls: counted in two small simulated ones.

use std::fmt;

use ebbtide_controller::request::Request;
use ebbtide_simulator::asl::{EventKind, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::Behaviour;
use ebbtide_simulator::{Scenario, SimulatedAws};
use serde::Serialize;
use serde_json::{Value, json};

use crate::input;

/// Calls of a whole deployment that goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cost {
    /// State transitions of Step Functions.
    pub(crate) transitions: u64,
    /// Invocations of Lambda functions.
    pub(crate) invocations: u64,
    /// API calls to ECS, Elastic Load Balancing, DynamoDB and CloudWatch.
    pub(crate) calls: u64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            transitions,
            invocations,
            calls,
        } = self;
        write!(
            f,
            "about {transitions} state transitions, {invocations} invocations and {calls} API calls for the whole deployment"
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
pub(crate) fn of(
    event: &Value,
    request: &Request,
    scenario: &Scenario,
    steps: usize,
) -> Result<Result<Cost, String>, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let one = runtime.block_on(counted(event, request, scenario, 1))?;
    let two = runtime.block_on(counted(event, request, scenario, 2))?;
    let more = u64::try_from(steps.saturating_sub(1))?;
    Ok(one.and_then(|one| Ok(one.with_steps(two?, more))))
}

/// Deploys a service of so many tasks, one a step.
async fn counted(
    event: &Value,
    request: &Request,
    scenario: &Scenario,
    tasks: u32,
) -> Result<Result<Cost, String>, Box<dyn std::error::Error>> {
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
    let home = input::home_of(event)?;
    let aws = SimulatedAws::new(scenario.world_for(&input::names_of(request, &home))?, 1.0);
    let installation = Installation::new(&aws)?;
    let mut event = event.clone();
    // One task a step whatever the pace; metrics are read where the pace reads them.
    if let Some(fields) = event.as_object_mut() {
        fields.remove("scaledown_decrement");
        fields.remove("scaledown_wait");
        fields.remove("drainTimeout");
        fields.remove("dryRun");
        let metrics = request.drain.reads_metrics();
        fields.insert(
            "drain".to_owned(),
            if metrics {
                json!({"reconnectsPerSecond": 1, "connectionsPerTask": 7, "deadline": 86_400})
            } else {
                json!({"tasks": 1, "every": 10})
            },
        );
    }
    let mut transitions = 0;
    let outcome = installation
        .deploy("plan", event, 1, &mut |event| {
            transitions += u64::from(matches!(event.kind, EventKind::StateEntered { .. }));
        })
        .await;
    match outcome.status {
        Status::Succeeded { .. } => Ok(Ok(Cost {
            transitions,
            invocations: aws.invocation_count(),
            calls: aws.call_count(),
        })),
        Status::Failed { error, cause } => Ok(Err(format!("{error}: {cause}"))),
        Status::TimedOut => Ok(Err("it would outlive the state machine".to_owned())),
    }
}
