//! What a deployment costs in AWS calls: counted in a simulated one.

use std::fmt;
use std::iter::Sum;

use ebbtide_controller::pace::{Pace, TASK_SET};
use ebbtide_controller::plan::Plan;
use ebbtide_controller::request::Request;
use ebbtide_controller::shift::Shift;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::Behaviour;
use serde::Serialize;
use serde::ser::SerializeStruct as _;
use serde_json::{Value, json};

use crate::exit::Error;
use crate::scenario;
use crate::simulation;

/// Calls of a whole deployment that goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// State transitions of Step Functions.
    pub(super) transitions: u64,
    pub(super) invocations: u64,
    /// API calls to ECS, Elastic Load Balancing, DynamoDB and CloudWatch.
    pub(super) calls: u64,
    /// Metrics that `GetMetricData` is asked for.
    pub(super) metrics: u64,
}

/// List prices of us-east-1 in USD (AWS's price lists): a state transition of a Standard workflow.
const TRANSITION: f64 = 0.025 / 1_000.0;
/// An invocation of a function: the request, and a second with 128 MB, more than one takes.
const INVOCATION: f64 = 0.2 / 1_000_000.0 + 0.128 * 0.000_016_666_7;
/// An API call, as if each were a request of CloudWatch: a write of the lock table costs less, and calls of ECS
/// and Elastic Load Balancing nothing.
const CALL: f64 = 0.01 / 1_000.0;
/// A metric of `GetMetricData`, which is paid for beside other calls.
const METRIC: f64 = 0.01 / 1_000.0;
/// An hour of a Fargate task with 1 vCPU and 2 GB, Linux on x86.
pub(super) const FARGATE_TASK_HOUR: f64 = 0.040_48 + 2.0 * 0.004_445;

/// An amount, to the cent, or to two figures below one.
pub(super) fn usd(amount: f64) -> String {
    match amount {
        0.01.. => format!("{amount:.2} USD"),
        _ => format!("{amount:.4} USD"),
    }
}

impl Cost {
    #[expect(
        clippy::cast_precision_loss,
        reason = "calls of a deployment, in money"
    )]
    fn usd(self) -> f64 {
        let of = |number: u64, price: f64| number as f64 * price;
        of(self.transitions, TRANSITION)
            + of(self.invocations, INVOCATION)
            + of(self.calls, CALL)
            + of(self.metrics, METRIC)
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        let none = Self {
            transitions: 0,
            invocations: 0,
            calls: 0,
            metrics: 0,
        };
        costs.fold(none, |sum, cost| Self {
            transitions: sum.transitions + cost.transitions,
            invocations: sum.invocations + cost.invocations,
            calls: sum.calls + cost.calls,
            metrics: sum.metrics + cost.metrics,
        })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at most {} at list prices: about {} state transitions, {} invocations and {} API calls for the whole deployment",
            usd(self.usd()),
            self.transitions,
            self.invocations,
            self.calls
        )?;
        if self.metrics > 0 {
            write!(f, ", which ask CloudWatch for {} metrics", self.metrics)?;
        }
        Ok(())
    }
}

impl Serialize for Cost {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut cost = serializer.serialize_struct("Cost", 5)?;
        cost.serialize_field("transitions", &self.transitions)?;
        cost.serialize_field("invocations", &self.invocations)?;
        cost.serialize_field("calls", &self.calls)?;
        cost.serialize_field("metrics", &self.metrics)?;
        cost.serialize_field("usd", &self.usd())?;
        cost.end()
    }
}

/// Tasks up to which the service is simulated as it is.
const MOST_TASKS: u32 = 100;

/// The cost of a deployment with this plan, or why it is refused.
///
/// A call says the same of a thousand tasks as of one: of a larger service, one is simulated that has as many
/// steps of one task each. The steps of more than a hundred cost what the last ones of those do.
pub(super) fn of(
    event: &Value,
    request: &Request,
    scenario: &Scenario,
    plan: &Plan,
) -> Result<Result<Cost, String>, Error> {
    if scenario.tasks <= MOST_TASKS {
        return deployed(event.clone(), request, scenario, plan);
    }
    let largest = plan.steps.iter().map(|step| step.tasks).max();
    let after_stop = plan.left().div_ceil(largest.unwrap_or(1).max(1));
    let steps = u32::try_from(plan.steps.len())?.saturating_add(after_stop);
    let smaller = |tasks: u32| {
        let (event, scenario) = one_task_a_step(event, request, scenario, tasks);
        deployed(event, request, &scenario, plan)
    };
    let cost = smaller(steps.min(MOST_TASKS))?;
    if steps <= MOST_TASKS {
        return Ok(cost);
    }
    let before = smaller(MOST_TASKS - LAST)?;
    let more = u64::from(steps - MOST_TASKS);
    Ok(cost.and_then(|cost| Ok(cost.with_steps(before?, more))))
}

/// Connections that a simulated task holds at most.
const MOST_CONNECTIONS: u64 = 1_000_000;

/// Steps in which the cost of one more is counted.
const LAST: u32 = 20;

impl Cost {
    /// With so many steps more, given the cost with [`LAST`] steps less.
    fn with_steps(self, before: Self, steps: u64) -> Self {
        let more =
            |now: u64, before: u64| now + now.saturating_sub(before) * steps / u64::from(LAST);
        Self {
            transitions: more(self.transitions, before.transitions),
            invocations: more(self.invocations, before.invocations),
            calls: more(self.calls, before.calls),
            metrics: more(self.metrics, before.metrics),
        }
    }
}

/// A service of so many tasks that is drained in as many steps, with the same pauses and as many connections
/// in all.
fn one_task_a_step(
    event: &Value,
    request: &Request,
    scenario: &Scenario,
    tasks: u32,
) -> (Value, Scenario) {
    let mut drain = request.drain.clone();
    match &mut drain.pace {
        Pace::Percent { every, .. } | Pace::Tasks { every, .. } => {
            let every = *every;
            drain.pace = Pace::Tasks { tasks: 1, every };
        }
        Pace::Within { .. } => {}
        Pace::Budget(budget) => {
            let of_a_task = &mut budget.connections_per_task;
            *of_a_task = of_a_task
                .map(|connections| connections * f64::from(scenario.tasks) / f64::from(tasks));
        }
    }
    let mut event = event.clone();
    event["drain"] = drain.to_json();
    if let Some(fields) = event.as_object_mut() {
        fields.retain(|field, _| !field.starts_with("scaledown_"));
    }
    let clients = scenario.clients.clone().map(|mut clients| {
        let all = clients
            .connections_per_task
            .saturating_mul(scenario.tasks.into());
        clients.connections_per_task = (all / u64::from(tasks)).min(MOST_CONNECTIONS);
        clients
    });
    let scenario = Scenario {
        tasks,
        clients,
        ..scenario.clone()
    };
    (event, scenario)
}

/// As many metrics as the checks of an event have, all of which the simulated application reports.
fn measurable(event: &mut Value) {
    let checks = event.get_mut("checks").and_then(Value::as_array_mut);
    for (number, check) in checks.into_iter().flatten().enumerate() {
        check["metric"] = json!({
            "namespace": "Checked",
            "metricName": number.to_string(),
            "dimensions": {"TaskSet": TASK_SET},
        });
    }
}

/// Deploys a service that nothing is wrong with.
fn deployed(
    mut event: Value,
    request: &Request,
    scenario: &Scenario,
    plan: &Plan,
) -> Result<Result<Cost, String>, Error> {
    let numbers = (0..request.checks.len()).map(|number| number.to_string());
    let reporting = Behaviour {
        metrics: numbers
            .map(|number| (number, Some(scenario::LEVEL)))
            .collect(),
        ..Behaviour::default()
    };
    let quiet = Scenario {
        alarms: Vec::new(),
        original: reporting.clone(),
        replacement: reporting,
        ..scenario.clone()
    };
    let scenario = scenario::fitting(quiet, &event, request);
    let world = scenario.world_for(&scenario::names_of(request, &scenario::home_of(&event)?))?;
    // No person is there to end a pause, what a hook costs is not known, and no client is there to wait for.
    let request = &Request {
        pauses: Vec::new(),
        hooks: Vec::new(),
        shift: request.shift.as_ref().map(Shift::by_time),
        ..request.clone()
    };
    measurable(&mut event);
    if let Some(fields) = event.as_object_mut() {
        fields.remove("dryRun");
        fields.remove("pauses");
        fields.remove("hooks");
        if let Some(shift) = request.to_json().get("shift") {
            fields.insert("shift".to_owned(), shift.clone());
        }
    }
    let what = ("plan", "counting what a deployment costs");
    let (run, _) = simulation::deploy_quietly(world, what, request, event)?;
    let summary = run.summary;
    let stops = plan.left() > 0 && summary.error.as_deref() == Some("DrainTimeout");
    Ok(match summary.error {
        Some(error) if !stops => Err(format!("{error}: {}", summary.reason)),
        Some(_) | None => Ok(Cost {
            transitions: summary.states.len() as u64,
            invocations: run.invocations,
            calls: summary.calls as u64,
            metrics: run.metrics,
        }),
    })
}
