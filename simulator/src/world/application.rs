//! Metrics that the program inside the containers reports, of each task set: a level with noise, one value a minute; and
//! how long it takes to answer, which an Application Load Balancer reports of its target group.
//!
//! The id of the task set, or what CloudWatch calls its target group, is the value of one of the dimensions. Values begin
//! with the first whole minute after the task set was created; without a task there are none, not even those of before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metric::{MINUTE_MS, Metric};
use super::{TaskSet, World};

/// A metric's level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Level {
    /// The median of its values.
    pub level: f64,
    /// The standard deviation of their logarithm: about 0.1 where they vary by 10 %.
    #[serde(default)]
    pub noise: f64,
}

impl Level {
    /// A value whose chance has this seed.
    pub fn draw(&self, seed: u64) -> f64 {
        let mut rng = fastrand::Rng::with_seed(mixed(seed));
        // Box and Muller: a normal variable of two even ones.
        let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * rng.f64()).cos();
        self.level * (self.noise * normal).exp()
    }
}

/// A minute of a metric: all of its samples have the same value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minute {
    pub(super) from_ms: u64,
    value: f64,
    samples: u64,
}

impl Minute {
    /// CloudWatch's statistic of this name; `Average`, `Minimum`, `Maximum` and percentiles are the same.
    #[expect(clippy::cast_precision_loss, reason = "CloudWatch has doubles")]
    pub(super) fn statistic(&self, name: &str) -> f64 {
        match name {
            "SampleCount" => self.samples as f64,
            "Sum" => self.value * self.samples as f64,
            _ => self.value,
        }
    }
}

impl World {
    /// The minutes of a metric of an application that were over by then, oldest first; `None` where no application
    /// reports it.
    pub(super) fn application(&self, metric: &Metric, over_by_ms: u64) -> Option<Vec<Minute>> {
        if metric.namespace.starts_with("AWS/") {
            return None;
        }
        let set = self.task_sets.values().find(|set| is_of(metric, set))?;
        let task = self.tasks.of(&set.id).next()?;
        let Some(level) = task.behaviour.metrics.get(&metric.metric_name)? else {
            return Some(Vec::new());
        };
        let first = set.created_at_ms.div_ceil(MINUTE_MS);
        // The end of the last one.
        let minutes = first..(over_by_ms / MINUTE_MS).max(first);
        let minute = |minute: u64| Minute {
            from_ms: minute * MINUTE_MS,
            value: level.draw(seed_of(&set.id, &metric.metric_name, minute)),
            samples: 1,
        };
        Some(minutes.map(minute).collect())
    }

    /// The minutes of `TargetResponseTime` of a target group of an Application Load Balancer that has answered a
    /// request in them: a sample each. `None` for another metric, or of targets whose behaviour says nothing of it.
    pub(super) fn response_times(&self, metric: &Metric, over_by_ms: u64) -> Option<Vec<Minute>> {
        let name = metric.metric_name.as_str();
        if (metric.namespace.as_str(), name) != ("AWS/ApplicationELB", "TargetResponseTime") {
            return None;
        }
        let mut minutes: BTreeMap<u64, Minute> = BTreeMap::new();
        for (set, requests) in self.requests_of_sets(&metric.dimensions, over_by_ms) {
            let Some(task) = self.tasks.of(&set.id).next() else {
                continue;
            };
            let Some(level) = task.behaviour.metrics.get(name)? else {
                continue;
            };
            for (from_ms, requests) in requests
                .into_iter()
                .filter(|(_, requests)| requests.sum > 0)
            {
                let value = level.draw(seed_of(&set.id, name, from_ms / MINUTE_MS));
                // Of two task sets of one group, the newer one's: a group has one that serves.
                minutes.insert(
                    from_ms,
                    Minute {
                        from_ms,
                        value,
                        samples: requests.sum,
                    },
                );
            }
        }
        Some(minutes.into_values().collect())
    }
}

/// The last steps of splitmix64: the first numbers of a generator whose seed is near another one are near, too.
fn mixed(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn is_of(metric: &Metric, set: &TaskSet) -> bool {
    let is_its_group = |value: &str| {
        let mut attached = set.load_balancers.iter();
        attached.any(|one| {
            let resource = one.target_group_arn.splitn(6, ':').nth(5);
            resource == Some(value)
        })
    };
    let mut values = metric.dimensions.iter().map(|one| one.value.as_str());
    values.any(|value| value == set.id || is_its_group(value))
}

/// FNV-1a: the id has the world's seed in it.
fn seed_of(task_set: &str, metric: &str, minute: u64) -> u64 {
    let bytes = task_set.bytes().chain(metric.bytes());
    bytes
        .chain(minute.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
