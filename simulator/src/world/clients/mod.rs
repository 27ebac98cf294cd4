//! Clients that hold connections to tasks through the load balancer, and what they feel of a change.
//!
//! They are counts, not objects: connections by task, and who waits by the second of the next try. A
//! second passes for them as a whole, and only when the world's time is let pass: what happens
//! in the world between two seconds is seen at the second's end. Nothing here draws from the world's
//! own chance, so a world with clients does what it would do without.

pub(super) mod chance;
mod held;
mod minutes;
mod record;
mod routes;
mod second;
mod settings;
mod waiting;

pub(crate) use record::TaskPeak;
pub use record::{Second, Totals};
pub use settings::{Backoff, ClientsScenario, Jitter, Metrics, OnStop};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::visit::Visit;
use super::{ApiError, World};
use chance::{Chance, evenly};
use held::Held;
use minutes::Minute;
pub(crate) use minutes::{Flows, Samples};
use record::Record;
use waiting::Waiting;

/// A listener, and what those send that connect there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entrance {
    listener: String,
    visit: Visit,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Clients {
    scenario: ClientsScenario,
    /// Where they arrive, all at one load balancer.
    entrances: Vec<Entrance>,
    pub(crate) load_balancer: String,
    chance: Chance,
    begun_ms: u64,
    /// The end of the next second to live through, in milliseconds since the Unix epoch.
    next_ms: u64,
    total: u64,
    /// By target group, target and task.
    held: Vec<Held>,
    waiting: Waiting,
    /// Task sets in the order in which they were first connected to.
    task_sets: Vec<String>,
    /// Availability Zones likewise.
    zones: Vec<String>,
    /// Target groups that clients stay with, likewise.
    #[serde(default)]
    sticky_groups: Vec<String>,
    connected: Vec<u64>,
    connected_by_zone: Vec<u64>,
    /// Attempts of this second at each task set's targets.
    #[serde(skip)]
    attempts: Vec<u64>,
    /// Connections a second that task sets end by themselves, by their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sent_away: BTreeMap<usize, u64>,
    /// When the last connections end through groups that were replaced in a listener's action.
    replaced: BTreeMap<String, u64>,
    record: Record,
    minutes: Vec<Minute>,
}

impl Clients {
    /// How many clients there are, with and without a connection. They are always the same ones.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn connected(&self) -> u64 {
        self.connected.iter().sum()
    }

    /// How many have none, and try again later.
    pub fn waiting(&self) -> u64 {
        self.waiting.count()
    }

    /// The ids of the task sets that clients have connected to, in the order of
    /// [`Second::by_task_set`].
    pub fn task_sets(&self) -> &[String] {
        &self.task_sets
    }

    pub fn connected_to(&self, task_set: &str) -> u64 {
        let place = self.place_of(task_set);
        place.map_or(0, |place| self.connected[place])
    }

    pub fn connected_to_task(&self, task: &str) -> u64 {
        let held = self.held.iter().filter(|held| held.task == task);
        held.map(|held| held.connections).sum()
    }

    /// Every second since the world's start, oldest first; of a very long time the last day at
    /// least.
    pub fn seconds(&self) -> &[Second] {
        &self.record.seconds
    }

    pub fn totals(&self) -> Totals {
        self.record.totals
    }

    /// The most reconnects (tries of clients that were cut) in as many seconds in a row, since the
    /// world's start.
    pub fn peak_reconnects(&self, window_seconds: usize) -> u64 {
        self.record.peak_reconnects(window_seconds)
    }

    /// The most that one task of a task set had to bear since the world's start.
    pub fn peak_of_a_task(&self, task_set: &str) -> TaskPeak {
        let place = self.place_of(task_set);
        let peak = place.and_then(|place| self.record.peaks.get(place));
        peak.copied().unwrap_or_default()
    }

    /// The most seconds that a client which was cut was without a connection, or is still.
    pub fn longest_without(&self) -> u64 {
        let waiting = self.waiting.oldest_cut_s();
        let still = waiting.map_or(0, |since_s| self.now_s().saturating_sub(since_s));
        self.record.longest_without.max(still)
    }

    pub fn scenario(&self) -> &ClientsScenario {
        &self.scenario
    }

    /// The application of a task set ends so many of its connections a second from now on.
    pub(super) fn send_away(&mut self, task_set: &str, per_second: u32) {
        if let Some(place) = self.place_of(task_set) {
            self.sent_away.insert(place, u64::from(per_second));
        }
    }

    /// Whether one of them has been connected to a task set.
    pub(super) fn knows(&self, task_set: &str) -> bool {
        self.place_of(task_set).is_some()
    }

    fn place_of(&self, task_set: &str) -> Option<usize> {
        self.task_sets.iter().position(|known| known == task_set)
    }

    /// Has the record begin anew; what was reported to CloudWatch stays.
    pub(super) fn begin(&mut self, now_ms: u64) {
        self.begun_ms = now_ms;
        self.next_ms = now_ms + 1_000;
        self.record = Record::default();
    }

    /// Connects them to the tasks that their listeners forward to now.
    fn settle(&mut self, world: &World) {
        let routes = self.routes(world);
        let places: BTreeSet<usize> = routes.reached().collect();
        self.total = self.scenario.connections_per_task * places.len() as u64;
        let shares = self.spread(places.len());
        for (place, connections) in places.into_iter().zip(shares) {
            let held = &mut self.held[place];
            held.connections = connections;
            self.connected[held.task_set] += connections;
            self.connected_by_zone[held.zone] += connections;
        }
        self.fates(world);
    }

    fn spread(&mut self, tasks: usize) -> Vec<u64> {
        let factor = self.scenario.vary_by_factor;
        let weights: Vec<u64> = (0..tasks)
            .map(|task| {
                let at = if self.chance.even {
                    position(task, tasks)
                } else {
                    self.chance.fraction()
                };
                weight(factor.powf(at))
            })
            .collect();
        evenly(self.total, &weights)
    }
}

/// From 0 for the first to 1 for the last.
#[expect(clippy::cast_precision_loss, reason = "some thousand tasks")]
fn position(index: usize, of: usize) -> f64 {
    index as f64 / of.saturating_sub(1).max(1) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 1 to 1,000"
)]
fn weight(times: f64) -> u64 {
    (times * 1_000_000.0).round() as u64
}

impl World {
    /// Connects clients to the tasks that those routes, the production routes of one load balancer,
    /// forward to now: as many to each as the scenario says. From now on they live in this
    /// world's time; who was connected by the same routes before is forgotten.
    ///
    /// A route is the ARN of a listener (its default action) or of a rule. Every connection comes by one
    /// of these routes, each of which gets the same part of them: what its clients send fits the route's
    /// conditions as they are now, but for what the scenario says. Where that goes later is up to all rules
    /// of the listener then. Refuses a route that is not there, routes of several load balancers, and
    /// numbers out of bounds.
    pub fn connect_clients(
        &mut self,
        scenario: &ClientsScenario,
        routes: &[String],
    ) -> Result<(), ApiError> {
        scenario.check()?;
        let mut load_balancers = Vec::new();
        let mut entrances = Vec::new();
        for arn in routes {
            let (listener, conditions) = match self.listener_of_rule(arn) {
                Some((listener, rule)) => (listener, rule.conditions.as_slice()),
                None => (self.existing_listener(arn)?, [].as_slice()),
            };
            load_balancers.push(listener.load_balancer_arn.clone());
            entrances.push(Entrance {
                listener: listener.arn.clone(),
                visit: scenario.visit(Visit::that_fits(conditions)),
            });
        }
        load_balancers.dedup();
        let [load_balancer] = load_balancers.as_slice() else {
            return Err(ApiError::validation(
                "clients connect by at least one route, and all routes are of one load balancer",
            ));
        };
        let even = self.timings.jitter_percent == 0;
        let mut clients = Clients {
            scenario: scenario.clone(),
            entrances,
            load_balancer: load_balancer.clone(),
            chance: Chance::new(self.random_state, even),
            begun_ms: self.start_ms,
            next_ms: self.now_ms + 1_000,
            ..Clients::default()
        };
        clients.settle(self);
        self.clients
            .retain(|others| others.entrances != clients.entrances);
        self.clients.push(clients);
        Ok(())
    }

    /// The clients of the one service that has any, or of the first one.
    pub fn clients(&self) -> Option<&Clients> {
        self.clients.first()
    }

    /// Those of every service that has any.
    pub fn all_clients(&self) -> &[Clients] {
        &self.clients
    }

    /// The clients that have been connected to a task set of a service.
    pub fn clients_of(&self, cluster: &str, service: &str) -> Option<&Clients> {
        let sets = self.task_sets_of(cluster, service);
        let mut all = self.clients.iter();
        all.find(|clients| sets.iter().any(|set| clients.knows(&set.id)))
    }

    /// Lets clients, and callers, live through every second that ends by then, in a world that does not change
    /// meanwhile.
    pub(crate) fn let_clients_live(&mut self, until_ms: u64) {
        self.let_callers_live(until_ms);
        if self
            .clients
            .iter()
            .all(|clients| clients.next_ms > until_ms)
        {
            return;
        }
        let mut all = std::mem::take(&mut self.clients);
        for clients in &mut all {
            let mut view = clients.check_at(self);
            while clients.next_ms <= until_ms {
                clients.live(&mut view);
            }
        }
        self.clients = all;
    }
}
