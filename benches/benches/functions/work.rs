//! What the functions are given to do: invocations of one deployment, each in the world it came to.

use benches::{event, world};
use ebbtide_functions::Function;
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::asl::EventKind;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::World;
use serde_json::Value;

/// The service's tasks.
const TASKS: u32 = 4;

/// A function, and its phase that is measured: the first of its kind in the deployment.
const PHASES: [(Function, &str); 3] = [
    (Function::CheckAndCreate, "preflight"),
    (Function::Swap, "swap"),
    (Function::ScaleDown, "scale-down"),
];

/// One invocation.
pub(crate) struct Work {
    pub(crate) function: Function,
    /// The function's ARN in the simulated account.
    pub(crate) arn: String,
    /// The world just before it.
    pub(crate) world: World,
    /// The state that the function answers with as the next one.
    pub(crate) next: String,
    pub(crate) event: Value,
}

/// The work of every function: deploys once, in virtual time, and keeps what comes by.
pub(crate) fn of_a_deployment() -> Result<Vec<Work>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| format!("No runtime: {error}."))?;
    let works = runtime.block_on(async {
        let aws = SimulatedAws::new(world(TASKS, None), 1.0);
        let installation = Installation::new(&aws)
            .map_err(|error| format!("The state machine is not installed: {error}."))?;
        let mut works: Vec<Work> = Vec::new();
        let mut pending = false;
        installation
            .deploy("bench", event(), 1, &mut |happened| match &happened.kind {
                EventKind::TaskScheduled { parameters, .. } => {
                    let scheduled = work(&aws, parameters, &works);
                    pending = scheduled.is_some();
                    works.extend(scheduled);
                }
                EventKind::TaskSucceeded { output, .. } if pending => {
                    if let Some(work) = works.last_mut() {
                        next(output).clone_into(&mut work.next);
                    }
                    pending = false;
                }
                _ => {}
            })
            .await;
        Ok::<_, String>(works)
    })?;
    for (function, phase) in PHASES {
        if !works
            .iter()
            .any(|work| work.function == function && !work.next.is_empty())
        {
            return Err(format!(
                "The deployment to take the work from has no phase {phase} of {} that succeeded.",
                function.as_str()
            ));
        }
    }
    Ok(works)
}

/// What a task of the deployment gives a function to do, if it is to be measured and has not been
/// seen yet.
fn work(aws: &SimulatedAws, parameters: &Value, seen: &[Work]) -> Option<Work> {
    let event = &parameters["Payload"];
    let phase = event["phase"].as_str()?;
    let (function, _) = PHASES
        .into_iter()
        .find(|(_, measured)| *measured == phase)?;
    if seen.iter().any(|work| work.function == function) {
        return None;
    }
    Some(Work {
        function,
        arn: parameters["FunctionName"].as_str()?.to_owned(),
        world: aws.snapshot(),
        next: String::new(),
        event: event.clone(),
    })
}

fn next(output: &Value) -> &str {
    output["Payload"]["next"].as_str().unwrap_or_default()
}
