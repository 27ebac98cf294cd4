//! Callers that find tasks by a registry, and keep what they have found: what they feel of a task that is gone.
//!
//! A second passes for all of them at once. Each caller has its own list of addresses, which it gets anew at
//! its own moments; the requests of all are then shared out by how many have which address. What happens in the
//! world between two seconds is seen at the second's end. Nothing here draws from the world's own chance, so
//! a world with callers does what it would do without.

mod lists;
mod record;
mod settings;

pub use record::{CallerSecond, Requests};
pub use settings::{CallersScenario, Discovery};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clients::chance::Chance;
use super::{ApiError, Registry, TaskStatus, World};
use lists::Lists;
use record::Record;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Callers {
    scenario: CallersScenario,
    /// The registry's id.
    registry: String,
    chance: Chance,
    begun_ms: u64,
    /// The end of the next second to live through, in milliseconds since the Unix epoch.
    next_ms: u64,
    all: Vec<Caller>,
    lists: Lists,
    addresses: Vec<Address>,
    /// Numbers of addresses, by instance and task.
    numbers: BTreeMap<String, usize>,
    /// What discovery answers from, as numbers of addresses, and after which of its changes.
    discovered: Vec<usize>,
    discovered_after: Option<u64>,
    /// Task sets in the order in which they were first discovered.
    task_sets: Vec<String>,
    record: Record,
}

/// When it gets its list anew, in seconds after whole periods, and the numbers of its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Caller {
    at_s: u64,
    list: usize,
    /// Of its resolver.
    resolver_at_s: u64,
    resolver_list: usize,
}

/// Where an instance was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Address {
    /// The ARN of the task there, if there was one.
    task: Option<String>,
    /// The number of its task set.
    task_set: Option<usize>,
}

/// What becomes of requests to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    Unhealthy,
    Stopped,
}

impl Callers {
    pub fn scenario(&self) -> &CallersScenario {
        &self.scenario
    }

    /// The ids of the task sets that callers have found, in the order of [`CallerSecond::by_task_set`].
    pub fn task_sets(&self) -> &[String] {
        &self.task_sets
    }

    /// Every second since the world's start, oldest first; of a very long time the last day at least.
    pub fn seconds(&self) -> &[CallerSecond] {
        &self.record.seconds
    }

    pub fn totals(&self) -> Requests {
        self.record.totals
    }

    /// The requests to each task, by its ARN, in the whole minutes that lie within these seconds since the world's
    /// start.
    pub fn requests_by_task(&self, from_s: u64, until_s: u64) -> BTreeMap<&str, u64> {
        let mut by_task = BTreeMap::new();
        for (number, requests) in self.record.by_address(from_s, until_s) {
            if let Some(task) = &self.addresses[number].task {
                *by_task.entry(task.as_str()).or_insert(0) += requests;
            }
        }
        by_task
    }

    /// Has the record begin anew.
    pub(super) fn begin(&mut self, now_ms: u64) {
        self.begun_ms = now_ms;
        self.next_ms = now_ms + 1_000;
        self.record = Record::default();
    }

    /// Notices what discovery answers from now.
    fn discover(&mut self, world: &World) {
        let Some(registry) = world.registry(&self.registry) else {
            (self.discovered, self.discovered_after) = (Vec::new(), None);
            return;
        };
        if self.discovered_after == Some(registry.changes) {
            return;
        }
        self.discovered_after = Some(registry.changes);
        let found = registry.discovered();
        let found = found
            .into_iter()
            .map(|(id, shown)| (id, shown.task.clone()));
        let found: Vec<_> = found.collect();
        self.discovered.clear();
        for (id, task) in found {
            let number = self.number(world, id, task);
            self.discovered.push(number);
        }
    }

    fn number(&mut self, world: &World, instance: &str, task: Option<String>) -> usize {
        let key = format!("{instance} {}", task.as_deref().unwrap_or_default());
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let of_task = task.as_ref().and_then(|task| world.task(task));
        let task_set = of_task.map(|task| {
            let mut known = self.task_sets.iter();
            let place = known.position(|known| *known == task.task_set);
            place.unwrap_or_else(|| {
                self.task_sets.push(task.task_set.clone());
                self.task_sets.len() - 1
            })
        });
        let number = self.addresses.len();
        self.addresses.push(Address { task, task_set });
        self.numbers.insert(key, number);
        number
    }

    fn fates(&self, world: &World) -> Vec<Fate> {
        let fate = |address: &Address| {
            let task = address.task.as_ref().and_then(|task| world.task(task));
            let Some(task) = task else {
                return Fate::Stopped;
            };
            match task.last_status {
                TaskStatus::Running | TaskStatus::Deactivating
                    if world.passes_health_checks(task) =>
                {
                    Fate::Answered
                }
                TaskStatus::Running
                | TaskStatus::Deactivating
                | TaskStatus::Provisioning
                | TaskStatus::Pending
                | TaskStatus::Activating => Fate::Unhealthy,
                TaskStatus::Stopping | TaskStatus::Deprovisioning | TaskStatus::Stopped => {
                    Fate::Stopped
                }
            }
        };
        self.addresses.iter().map(fate).collect()
    }

    /// Lets one second pass.
    fn live(&mut self, registry: Option<&Registry>, fates: &[Fate]) {
        let at_s = (self.next_ms - self.begun_ms) / 1_000;
        self.refresh(registry);
        let without = self.lists.callers_of_none() * self.scenario.requests_per_second;
        let requests = self.scenario.callers * self.scenario.requests_per_second;
        let sent = requests - without;
        let weights = self.lists.weights(self.addresses.len());
        let by_address = match sent {
            0 => vec![0; weights.len()],
            sent => self.chance.by_weight(sent, weights),
        };
        let mut second = CallerSecond {
            at_s,
            counts: Requests {
                requests,
                without_address: without,
                ..Requests::default()
            },
            by_task_set: vec![0; self.task_sets.len()],
        };
        for ((address, fate), requests) in self.addresses.iter().zip(fates).zip(&by_address) {
            match fate {
                Fate::Answered => {}
                Fate::Unhealthy => second.counts.to_unhealthy += requests,
                Fate::Stopped => second.counts.to_stopped += requests,
            }
            if let Some(task_set) = address.task_set {
                second.by_task_set[task_set] += requests;
            }
        }
        self.record.push(second, &by_address);
        self.next_ms += 1_000;
    }
}

impl World {
    /// Has callers find their tasks by a registry, by its id or ARN, from now on. All begin with what discovery
    /// answers now; callers that there were before are forgotten. Refuses a registry that is not there, one without DNS
    /// records for callers that ask a resolver, and numbers out of bounds.
    pub fn connect_callers(
        &mut self,
        scenario: &CallersScenario,
        registry: &str,
    ) -> Result<(), ApiError> {
        scenario.check()?;
        let registry = self.existing_registry(registry)?;
        if scenario.discovery == Discovery::Dns && registry.dns.is_none() {
            let message = "callers: the registry has no DNS records, and discovery is dns";
            return Err(ApiError::validation(message));
        }
        let even = self.timings.jitter_percent == 0;
        let mut callers = Callers {
            scenario: scenario.clone(),
            registry: registry.id.clone(),
            chance: Chance::new(self.random_state, even),
            begun_ms: self.start_ms,
            next_ms: self.now_ms + 1_000,
            ..Callers::default()
        };
        callers.settle(self);
        self.callers = Some(Box::new(callers));
        Ok(())
    }

    pub fn callers(&self) -> Option<&Callers> {
        self.callers.as_deref()
    }

    /// Lets the callers live through every second that ends by then, in a world that does not change meanwhile.
    pub(crate) fn let_callers_live(&mut self, until_ms: u64) {
        let are_due = |callers: &mut Box<Callers>| callers.next_ms <= until_ms;
        let Some(mut callers) = self.callers.take_if(are_due) else {
            return;
        };
        callers.discover(self);
        let fates = callers.fates(self);
        let registry = self.registry(&callers.registry);
        while callers.next_ms <= until_ms {
            callers.live(registry, &fates);
        }
        self.callers = Some(callers);
    }
}
