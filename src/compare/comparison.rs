//! Every way to drain a service, deployed.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::scenario::ClientsScenario;
use serde_json::{Value, json};

use super::figures::{Figures, Floor};
use super::shifts::Shifted;
use super::ways::Way;
use crate::simulation::{Run, Summary};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timings {
    /// Everything takes the scenario's time to the second, and chance decides nothing.
    Exact,
    /// Chance decides, by the scenario's seed.
    Random,
}

impl Timings {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Random => "random",
        }
    }
}

#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) name: String,
    pub(super) scenario: Scenario,
    pub(super) clients: ClientsScenario,
    pub(super) floor: Floor,
    pub(super) ways: Vec<Compared>,
    /// Whether a replacement accepts the connections of one task as they come back: a slower drain helps otherwise not.
    pub(super) fits: bool,
    /// What the event asks for and the ways are deployed without, as a sentence for the legend.
    pub(super) left_out: String,
    /// Of an event with a shift.
    pub(super) shifts: Vec<Shifted>,
}

#[derive(Debug)]
pub(super) struct Compared {
    pub(super) way: Way,
    /// With exact timings, then with random ones.
    pub(super) runs: Vec<ComparedRun>,
}

#[derive(Debug)]
pub(super) struct ComparedRun {
    pub(super) timings: Timings,
    pub(super) jitter_percent: u64,
    pub(super) run: Run,
    pub(super) figures: Figures,
}

impl Comparison {
    /// What went wrong: a cause once, with the ways that failed by it.
    pub(super) fn failures(&self) -> Vec<String> {
        let runs = self
            .ways
            .iter()
            .flat_map(|way| way.runs.iter().map(move |run| (way, run)));
        let failed = runs.filter(|(_, run)| !run.run.summary.succeeded());
        let mut causes: Vec<(&Summary, Vec<(&Compared, &ComparedRun)>)> = Vec::new();
        for (way, run) in failed {
            let summary = &run.run.summary;
            // Sentences differ in made-up ids at least.
            let known = causes
                .iter_mut()
                .find(|(cause, _)| cause.error == summary.error);
            match known {
                Some((_, runs)) => runs.push((way, run)),
                None => causes.push((summary, vec![(way, run)])),
            }
        }
        let all: usize = self.ways.iter().map(|way| way.runs.len()).sum();
        let said = causes.into_iter().map(|(cause, runs)| {
            let outcome = cause.outcome();
            if runs.len() == all {
                return format!("every way: {outcome}");
            }
            let names = runs.iter().map(|(way, run)| {
                let (name, timings) = (&way.way.name, run.timings.as_str());
                format!("{name}, {timings}")
            });
            format!("{}: {outcome}", names.collect::<Vec<_>>().join("; "))
        });
        said.collect()
    }

    pub(super) fn connections(&self) -> u64 {
        self.clients.connections_per_task * u64::from(self.scenario.tasks)
    }

    pub(super) fn to_json(&self) -> Value {
        let ways: Vec<_> = self.ways.iter().map(Compared::to_json).collect();
        let clients = &self.clients;
        let mut answer = json!({
            "service": self.name,
            "scenario": {
                "tasks": self.scenario.tasks,
                "connections": self.connections(),
                "connectionsPerTask": clients.connections_per_task,
                "reconnectWithinSeconds": clients.reconnect_within_seconds,
                "newConnectionsPerSecondPerTask": clients.new_connections_per_second_per_task,
                "seed": self.scenario.seed,
            },
            "floor": self.floor,
            "ways": ways,
            "recommended": self.recommended().map(|recommended| {
                json!({"way": recommended.way.name, "drain": recommended.way.drain.to_json()})
            }),
        });
        if !self.shifts.is_empty() {
            answer["shifts"] = self.shifts.iter().map(Shifted::to_json).collect();
        }
        answer
    }

    /// The way to choose: of those that succeed and refuse the fewest clients, the lowest peak, and of those
    /// the shortest. Nothing where clients did not come back or every way failed.
    pub(super) fn recommended(&self) -> Option<&Compared> {
        let good = || self.ways.iter().filter(|way| way.has_succeeded());
        let peak = |way: &Compared| way.worst().peak_reconnects_in10_seconds;
        let refused = good().map(|way| way.worst().refused).min()?;
        let refusing = |way: &&Compared| way.worst().refused == refused;
        let lowest = good().filter(refusing).map(peak).min()?;
        // A peak that is hardly lower is not worth more time.
        let low = good().filter(|way| refusing(way) && peak(way) <= lowest + lowest / 20);
        let best = low.min_by_key(|way| way.worst().deployment_seconds)?;
        // Where every way has refusals, or none has anything, no way is better than its time.
        let helps = best.way != self.ways[0].way || refused == 0;
        (lowest > 0 && helps).then_some(best)
    }
}

impl Compared {
    pub(super) fn has_succeeded(&self) -> bool {
        let mut runs = self.runs.iter();
        runs.all(|run| run.run.summary.succeeded())
    }

    /// The larger of each figure, of all runs.
    pub(super) fn worst(&self) -> Figures {
        let others = self.runs[1..].iter().map(|run| run.figures);
        others.fold(self.runs[0].figures, Figures::worse)
    }

    fn to_json(&self) -> Value {
        let Way {
            name,
            drain,
            of_event,
        } = &self.way;
        let runs: Vec<_> = self.runs.iter().map(ComparedRun::to_json).collect();
        json!({"way": name, "drain": drain.to_json(), "ofEvent": of_event, "runs": runs})
    }
}

impl ComparedRun {
    fn to_json(&self) -> Value {
        let summary = &self.run.summary;
        json!({
            "timings": self.timings.as_str(),
            "jitterPercent": self.jitter_percent,
            "status": summary.status,
            "error": summary.error,
            "reason": summary.reason,
            "figures": self.figures,
        })
    }
}
