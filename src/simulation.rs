//! The one way to run a simulated deployment: the shipped state machine over the real functions, in
//! virtual time.

mod callers;
mod instances;
mod members;
mod recorder;
mod run;
mod several;
mod summary;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide_controller::lock::Lock;
use ebbtide_controller::request::Request;
use ebbtide_simulator::asl::{EventKind, HistoryEvent};
use ebbtide_simulator::aws::Attempt;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::{Call, WorldEvent};
use ebbtide_simulator::{CommandScenario, SimulatedAws, World};
use serde_json::Value;
use tokio::time::Instant;

use crate::bar::Bar;
use crate::exit::Error;
use crate::narrate::{What, cause_of};
use crate::runtime::in_virtual_time;

pub(crate) use callers::{Called, CallersSummary, all_at_once};
pub(crate) use recorder::Counts;
use recorder::Recorder;
pub(crate) use run::{ClientsSummary, Felt, Role, Run, Series, Visit};
pub(crate) use several::{Execution, SeveralRun, deploy_services};
pub(crate) use summary::Summary;

pub(crate) struct Moment<'a> {
    /// What the world did, oldest first.
    pub(crate) events: &'a [WorldEvent],
    /// The API calls, oldest first.
    pub(crate) calls: &'a [Call],
    /// What the state machine did; nothing after the execution's end.
    pub(crate) history: Option<&'a HistoryEvent>,
    pub(crate) counts: Counts,
    /// What operators have asked meanwhile, and when, in seconds since the start.
    pub(crate) asked: Vec<(f64, String)>,
}

/// Runs a deployment in a world, and returns it with the world after it; `watch` is shown every moment.
pub(crate) fn deploy(
    world: World,
    name: &str,
    request: &Request,
    input: Value,
    watch: &mut dyn FnMut(&Moment<'_>),
) -> Result<(Run, World), Error> {
    deploy_commanded(world, name, request, input, &[], watch)
}

/// The same with nothing to say of its moments but how far it is, on a terminal; `what` it is for.
pub(crate) fn deploy_quietly(
    world: World,
    (name, what): (&str, &str),
    request: &Request,
    input: Value,
) -> Result<(Run, World), Error> {
    let bar = Bar::of_simulation(what);
    let deployed = deploy(world, name, request, input, &mut |moment| {
        if let Some(event) = moment.history {
            bar.simulated(event.at.as_secs_f64());
        }
    });
    bar.end();
    deployed
}

/// The same with operators who give commands.
pub(crate) fn deploy_commanded(
    mut world: World,
    name: &str,
    request: &Request,
    input: Value,
    commands: &[CommandScenario],
    watch: &mut dyn FnMut(&Moment<'_>),
) -> Result<(Run, World), Error> {
    world.begin();
    let mut recorder = Recorder::new(&world, request);
    in_virtual_time(async {
        let aws = SimulatedAws::new(world, 1.0);
        let installation = Installation::new(&aws)?;
        let metrics = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&metrics);
        aws.authorize(move |attempt| {
            counted.fetch_add(metrics_asked(attempt), Ordering::Relaxed);
            true
        });
        let asked = RefCell::new(Vec::new());
        let mut moment = |history: Option<&HistoryEvent>| {
            let (events, calls) = aws.with_world(|world| (world.take_events(), world.take_calls()));
            recorder.note(&events, &calls, history);
            watch(&Moment {
                events: &events,
                calls: &calls,
                history,
                counts: recorder.counts(),
                asked: asked.take(),
            });
        };
        let started = Instant::now();
        let lock = Lock::of(request).id;
        let commands = commands.iter().cloned();
        let commands: Vec<_> = commands.map(|one| (lock.clone(), one)).collect();
        let note = |_: &str, said| {
            let at = started.elapsed().as_secs_f64();
            asked.borrow_mut().push((at, said));
        };
        let mut on_event = |event: &HistoryEvent| moment(Some(event));
        let outcome = tokio::select! {
            biased;
            outcome = installation.deploy(name, input, 1, &mut on_event) => outcome,
            never = installation.operate(&commands, note) => match never {},
        };
        moment(None);
        let world = aws.snapshot();
        let counts = (aws.invocation_count(), metrics.load(Ordering::Relaxed));
        let run = recorder.finish(&outcome, counts, world.clone());
        Ok((run, world))
    })
}

/// How many metrics a call asks CloudWatch for: each has its price.
fn metrics_asked(attempt: &Attempt<'_>) -> u64 {
    if !attempt.request.uri().path().ends_with("/GetMetricData") {
        return 0;
    }
    let (_, parameters) = attempt.asked();
    let queries = parameters["MetricDataQueries"].as_array();
    queries.map_or(0, |queries| queries.len() as u64)
}

/// An event as the narrator hears it.
pub(crate) fn what(event: &HistoryEvent) -> What {
    match &event.kind {
        EventKind::StateEntered { name, .. } => What::Entered {
            state: name.clone(),
        },
        EventKind::StateExited { name, output, .. } => What::Exited {
            state: name.clone(),
            output: output.clone(),
        },
        EventKind::TaskFailed { error, cause, .. } => What::Failed {
            error: error.clone(),
            cause: cause_of(cause),
        },
        EventKind::TaskTimedOut { error, .. } => What::Failed {
            error: error.clone(),
            cause: "the function did not answer in time".to_owned(),
        },
        EventKind::ExecutionRedriven { .. } => What::Redriven,
        EventKind::TaskSubmitted { output, .. } => match output["ExecutionArn"].as_str() {
            Some(execution) => What::Started {
                execution: execution.to_owned(),
            },
            None => What::Other,
        },
        EventKind::ExecutionStarted { .. }
        | EventKind::TaskScheduled { .. }
        | EventKind::TaskStarted { .. }
        | EventKind::TaskSucceeded { .. }
        | EventKind::MapStateStarted { .. }
        | EventKind::MapIterationStarted { .. }
        | EventKind::MapIterationSucceeded { .. }
        | EventKind::MapIterationFailed { .. }
        | EventKind::MapStateSucceeded {}
        | EventKind::MapStateFailed {}
        | EventKind::ExecutionSucceeded { .. }
        | EventKind::ExecutionFailed { .. }
        | EventKind::ExecutionAborted {}
        | EventKind::ExecutionTimedOut { .. } => What::Other,
    }
}
