//! A deployment as data: what tables and reports are made of.

mod phase;
mod recorder;

pub(crate) use phase::{Phase, phases};
pub(crate) use recorder::Recorder;

use ebbtide_controller::arn::short;
use ebbtide_controller::request::Request;
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::asl::EventKind;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::World;

use crate::summary::Summary;

/// One deployment, second by second. A series' place is the second since the execution's start.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// How it ended, and the totals.
    pub(crate) summary: Summary,
    /// The states in the order they were entered.
    pub(crate) states: Vec<Visit>,
    /// Invocations of functions.
    pub(crate) invocations: u64,
    /// The service's desired count.
    pub(crate) desired: u32,
    /// Running tasks by task set.
    pub(crate) tasks: Vec<Series>,
    /// Healthy targets by target group.
    pub(crate) healthy: Vec<Series>,
    /// Hours of running tasks above the desired count, all task sets together, until the end.
    pub(crate) extra_task_hours: f64,
    /// What clients felt, where the world has any.
    pub(crate) clients: Option<Felt>,
}

/// A state, and when it was entered and left, in seconds since the start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Visit {
    pub(crate) name: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// A number that changes with time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) role: Role,
    /// AWS's name of it: a task set's id, a target group's name.
    pub(crate) name: String,
    /// Its value at each second.
    pub(crate) values: Vec<u64>,
}

/// What a task set or a target group is to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It served when the deployment started.
    Original,
    /// The deployment has made it, or its task set is there.
    Replacement,
    /// An earlier deployment has left it.
    Leftover,
}

impl Role {
    /// Its word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Replacement => "replacement",
            Self::Leftover => "leftover",
        }
    }
}

/// What clients felt, from the start until they were all back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Felt {
    /// How many clients there are.
    pub(crate) total: u64,
    /// Connections by task set.
    pub(crate) connections: Vec<Series>,
    /// Tries of clients that were cut, second by second.
    pub(crate) reconnects: Vec<u64>,
    /// Tries that were refused.
    pub(crate) refused: Vec<u64>,
    /// Connections that were cut.
    pub(crate) cuts: Vec<u64>,
    /// The most tries that one task of a replacement had in one second, refused ones included.
    pub(crate) peak_of_a_task: u64,
}

impl Felt {
    /// The most reconnects in as many seconds in a row.
    pub(crate) fn peak(&self, seconds: usize) -> u64 {
        let window = seconds.max(1);
        let mut within = 0;
        let mut peak = 0;
        for (second, reconnects) in self.reconnects.iter().enumerate() {
            within += reconnects;
            if let Some(gone) = second.checked_sub(window) {
                within -= self.reconnects[gone];
            }
            peak = peak.max(within);
        }
        peak
    }

    /// Seconds from the first cut to the last; nothing where nobody was cut.
    pub(crate) fn first_to_last_cut(&self) -> Option<u64> {
        let first = self.cuts.iter().position(|cut| *cut > 0)?;
        let last = self.cuts.iter().rposition(|cut| *cut > 0)?;
        Some((last - first) as u64)
    }
}

/// Runs a deployment in a world of its own, in virtual time, and tells nobody.
pub(crate) fn deploy(
    mut world: World,
    request: &Request,
) -> Result<Run, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    world.begin();
    let cluster = short(&request.cluster).to_owned();
    let mut recorder = Recorder::new(&world, &cluster, &request.service);
    runtime.block_on(async {
        let aws = SimulatedAws::new(world, 1.0);
        let installation = Installation::new(&aws)?;
        let (mut states, mut calls) = (Vec::new(), 0);
        let mut look = |recorder: &mut Recorder| {
            let events = aws.with_world(World::take_events);
            calls += aws.with_world(World::take_calls).len();
            recorder.world(&events);
        };
        let outcome = installation
            .deploy("compared", request.to_json(), 1, &mut |event| {
                look(&mut recorder);
                recorder.history(event);
                if let EventKind::StateEntered { name, .. } = &event.kind {
                    states.push(name.clone());
                }
            })
            .await;
        look(&mut recorder);
        let world = aws.snapshot();
        let summary = Summary::of(&outcome, states, calls, &world, &cluster, &request.service);
        Ok(recorder.finish(summary, aws.invocation_count(), world))
    })
}
