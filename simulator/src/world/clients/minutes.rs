//! What the load balancer reports of its clients: a minute at a time, as a whole and by Availability
//! Zone.

use serde::{Deserialize, Serialize};

use super::{Clients, Metrics};

/// Minutes that are kept at least; the oldest go first.
const KEPT_MINUTES: usize = 10_000;

/// A metric's samples, one a second, in CloudWatch's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Samples {
    pub(crate) count: u64,
    pub(crate) sum: u64,
    pub(crate) minimum: u64,
    pub(crate) maximum: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flows {
    pub(crate) active: Samples,
    pub(crate) new: Samples,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Minute {
    /// Its beginning, in milliseconds since the Unix epoch.
    pub(crate) from_ms: u64,
    pub(crate) whole: Flows,
    by_zone: Vec<Flows>,
    /// Connections of each task set at its end, which the application counts.
    #[serde(default)]
    by_task_set: Vec<u64>,
    /// Attempts at each task set's targets in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attempts_by_task_set: Vec<u64>,
}

const MINUTE_MS: u64 = 60_000;

impl Samples {
    /// One sample.
    pub(crate) fn one(value: u64) -> Self {
        Self {
            count: 1,
            sum: value,
            minimum: value,
            maximum: value,
        }
    }

    /// What other clients do at the same time comes on top, sample by sample.
    pub(crate) fn beside(&mut self, others: &Self) {
        self.count = self.count.max(others.count);
        self.sum += others.sum;
        self.minimum += others.minimum;
        self.maximum += others.maximum;
    }

    fn add(&mut self, value: u64) {
        self.absorb(&Self::one(value));
    }

    /// Takes other samples in.
    pub(crate) fn absorb(&mut self, other: &Self) {
        if self.count == 0 {
            self.minimum = other.minimum;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }
}

impl Flows {
    fn add(&mut self, active: u64, new: u64) {
        self.active.add(active);
        self.new.add(new);
    }
}

impl Clients {
    pub(super) fn report(&mut self, attempts: u64, attempts_by_zone: &[u64]) {
        let since_ms = self.next_ms - 1_000;
        let from_ms = since_ms - since_ms % MINUTE_MS;
        let last = self.minutes.last();
        if last.is_none_or(|minute| minute.from_ms != from_ms) {
            if self.minutes.len() == 2 * KEPT_MINUTES {
                self.minutes.drain(..KEPT_MINUTES);
            }
            self.minutes.push(Minute {
                from_ms,
                ..Minute::default()
            });
        }
        let Some(minute) = self.minutes.last_mut() else {
            return;
        };
        minute.by_zone.resize(self.zones.len(), Flows::default());
        minute.by_task_set.clone_from(&self.connected);
        let attempts_by_task_set = &mut minute.attempts_by_task_set;
        attempts_by_task_set.resize(self.task_sets.len(), 0);
        for (all, attempts) in attempts_by_task_set.iter_mut().zip(self.attempts.drain(..)) {
            *all += attempts;
        }
        minute.whole.add(self.connected.iter().sum(), attempts);
        let by_zone = self.connected_by_zone.iter().zip(attempts_by_zone);
        for (flows, (active, new)) in minute.by_zone.iter_mut().zip(by_zone) {
            flows.add(*active, *new);
        }
    }

    /// The minutes that can be read when everything is visible that was over by then, oldest first,
    /// in one Availability Zone or as a whole.
    pub(crate) fn reported(
        &self,
        zone: Option<&str>,
        over_by_ms: u64,
    ) -> impl Iterator<Item = (u64, &Flows)> {
        let place = zone.map(|zone| self.zones.iter().position(|known| known == zone));
        let minutes = self.over(over_by_ms);
        minutes.filter_map(move |minute| {
            let flows = match place {
                None => Some(&minute.whole),
                Some(place) => minute.by_zone.get(place?),
            };
            flows.map(|flows| (minute.from_ms, flows))
        })
    }

    /// The same of the connections of a task set, a sample a minute: what its application reports. None of one
    /// that no client has connected to.
    pub(crate) fn counted(
        &self,
        task_set: &str,
        over_by_ms: u64,
    ) -> impl Iterator<Item = (u64, Samples)> {
        self.of_task_set(task_set, over_by_ms, |minute| &minute.by_task_set)
    }

    /// The same of the attempts at a task set's targets.
    pub(crate) fn attempted(
        &self,
        task_set: &str,
        over_by_ms: u64,
    ) -> impl Iterator<Item = (u64, Samples)> {
        self.of_task_set(task_set, over_by_ms, |minute| &minute.attempts_by_task_set)
    }

    fn of_task_set(
        &self,
        task_set: &str,
        over_by_ms: u64,
        of: fn(&Minute) -> &Vec<u64>,
    ) -> impl Iterator<Item = (u64, Samples)> {
        let place = self.place_of(task_set);
        let minutes = self.over(over_by_ms);
        minutes.filter_map(move |minute| {
            let value = of(minute).get(place?)?;
            Some((minute.from_ms, Samples::one(*value)))
        })
    }

    fn over(&self, over_by_ms: u64) -> impl Iterator<Item = &Minute> {
        let stop_ms = match self.scenario.metrics {
            Metrics::Reported => u64::MAX,
            Metrics::None => 0,
            Metrics::Stale => {
                let seconds = self.scenario.metrics_stop_after_seconds;
                self.begun_ms.saturating_add(seconds.saturating_mul(1_000))
            }
        };
        let until_ms = over_by_ms.min(stop_ms);
        let minutes = self.minutes.iter();
        minutes.filter(move |minute| minute.from_ms + MINUTE_MS <= until_ms)
    }
}
