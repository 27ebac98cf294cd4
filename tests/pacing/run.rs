//! A deployment of a service whose clients hold connections, and what they felt.

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::scenario::ClientsScenario;
use ebbtide_simulator::world::{Second, Totals};
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::Value;

/// Forty tasks with 2,500 connections each, whose clients reconnect evenly within five seconds; the
/// world's own timing is not random.
pub(crate) fn forty_tasks() -> Scenario {
    Scenario::with(|scenario| {
        scenario.tasks = 40;
        scenario.timings.jitter_percent = 0;
        scenario.clients = Some(ClientsScenario::default());
    })
}

pub(crate) struct Felt {
    pub(crate) status: Status,
    /// The reasons that the functions gave, in their order.
    pub(crate) reasons: Vec<String>,
    first_step: u64,
    pub(crate) seconds: Vec<Second>,
    pub(crate) totals: Totals,
    pub(crate) peak_in_ten_seconds: u64,
    pub(crate) longest_without: u64,
}

impl Felt {
    pub(crate) fn cutting(&self) -> u64 {
        let cuts = || self.seconds.iter().filter(|second| second.cut > 0);
        match (cuts().next(), cuts().next_back()) {
            (Some(first), Some(last)) => last.at_s - first.at_s,
            _ => 0,
        }
    }

    /// Seconds from the first step to the last cut.
    pub(crate) fn draining(&self) -> u64 {
        let last = self.seconds.iter().rfind(|second| second.cut > 0);
        last.map_or(0, |last| last.at_s.saturating_sub(self.first_step))
    }

    /// The most attempts to connect, refused ones and those of clients that left by themselves included, in
    /// as many seconds in a row.
    pub(crate) fn attempts_in(&self, seconds: usize) -> u64 {
        let attempts: Vec<_> = self.seconds.iter().map(|second| second.attempts).collect();
        let windows = attempts.windows(seconds);
        windows
            .map(|window| window.iter().sum())
            .max()
            .unwrap_or_default()
    }

    pub(crate) fn peak_in_a_second(&self) -> u64 {
        let reconnects = self.seconds.iter().map(|second| second.reconnects);
        reconnects.max().unwrap_or_default()
    }

    /// New connections in each minute of the epoch, as CloudWatch has them.
    pub(crate) fn minutes(&self) -> Vec<u64> {
        let attempts: Vec<_> = self.seconds.iter().map(|second| second.attempts).collect();
        let minutes = attempts.chunks(60);
        minutes.map(|minute| minute.iter().sum()).collect()
    }
}

pub(crate) async fn drained(scenario: &Scenario, drain: &Value) -> Felt {
    let names = Names::default();
    let aws = SimulatedAws::new(scenario.world_for(&names).unwrap(), 1.0);
    let installation = Installation::new(&aws).unwrap();
    let mut event = names.event();
    event["drain"] = drain.clone();
    let mut reasons: Vec<String> = Vec::new();
    let mut first_step = 0;
    let mut on_event = |event: &HistoryEvent| {
        if let EventKind::StateExited { output, .. } = &event.kind {
            let reason = output["reason"]["text"].as_str().unwrap_or_default();
            if first_step == 0 && output["reason"]["drain"]["step"] == 1 {
                first_step = event.at.as_secs();
            }
            if reasons.last().is_none_or(|last| last != reason) {
                reasons.push(reason.to_owned());
            }
        }
    };
    let deployment = installation.deploy("run", event, scenario.seed, &mut on_event);
    let outcome = deployment.await;
    let world = aws.snapshot();
    let clients = world.clients().unwrap();
    Felt {
        status: outcome.status,
        reasons,
        first_step,
        seconds: clients.seconds().to_vec(),
        totals: clients.totals(),
        peak_in_ten_seconds: clients.peak_reconnects(10),
        longest_without: clients.longest_without(),
    }
}

#[track_caller]
pub(crate) fn assert_deployed(felt: &Felt) {
    assert!(felt.status.is_success(), "{:?}", felt.status);
}
