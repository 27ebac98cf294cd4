//! S22: metric checks, judged by what the world's metrics say when a write lands, and not by the program's own function.

use ebbtide_simulator::world::{TaskSet, World};
use serde_json::{Value, json};

use super::routes::production;
use super::{living, registry};

/// Seconds of a minute, and of what a value settles in after it.
const MINUTE: u64 = 60;
const SETTLES: u64 = 60;

/// The checks of a case, and since when its two task sets are compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Compared {
    checks: Vec<Value>,
    shifts: bool,
    /// The task set that serves at first.
    original: Option<String>,
    /// In seconds since the Unix epoch.
    since: Option<u64>,
}

impl Compared {
    pub(super) fn of(event: &Value, world: &World) -> Self {
        let serving = living(world).find(|set| super::reached(world, set));
        Self {
            checks: event["checks"].as_array().cloned().unwrap_or_default(),
            shifts: !event["shift"].is_null(),
            original: serving.map(|set| set.id.clone()),
            since: None,
        }
    }

    /// Nothing is compared from now on.
    pub(super) fn end(&mut self) {
        self.checks.clear();
    }

    /// Whether it is the same but for instants.
    pub(super) fn goes_on_as(&self, other: &Self) -> bool {
        let plain = |compared: &Self| Self {
            since: None,
            ..compared.clone()
        };
        plain(self) == plain(other) && self.since.is_some() == other.since.is_some()
    }

    /// What a write does that a check forbids, in a deployment that goes forward.
    pub(super) fn forbidden(&mut self, before: &World, after: &World) -> Option<String> {
        if self.checks.is_empty() {
            return None;
        }
        let original = before.task_set(self.original.as_ref()?)?;
        let replacement = living(after).find(|set| set.id != original.id)?;
        let (was, is) = (share(before, replacement), share(after, replacement));
        if is > 0 && self.since.is_none() {
            self.since = Some(after.epoch_ms() / 1_000);
            return None;
        }
        let scale = |world: &World| world.task_set(&original.id).map_or(0.0, |set| set.scale);
        let drains = scale(after) < scale(before);
        // Once the first step of the drain is made, the original is another one.
        let first = drains && scale(before) >= 100.0;
        let moves = is > was && was > 0;
        if !moves && !first {
            return None;
        }
        let what = if moves {
            format!("S22: {is} % go to the replacement")
        } else {
            format!("S22: the drain of {} begins", original.id)
        };
        // After a shift, whose steps had their samples, the original may have no more.
        let counts = moves || !self.shifts;
        let checks = self.checks.iter();
        let mut wrong =
            checks.filter_map(|check| self.wrong(check, before, [replacement, original], counts));
        wrong.next().map(|wrong| format!("{what}, and {wrong}"))
    }

    /// What a check says against the next step.
    fn wrong(
        &self,
        check: &Value,
        world: &World,
        [replacement, original]: [&TaskSet; 2],
        counts: bool,
    ) -> Option<String> {
        let (now, since) = (world.epoch_ms() / 1_000, self.since?);
        let wanted = check["samples"].as_u64().unwrap_or(5);
        let allowed = check["failures"].as_u64().unwrap_or(1.min(wanted - 1));
        let at_most = check["replacementAtMost"].as_f64().unwrap_or(1.5);
        let (new, old) = (
            values(world, check, replacement, since),
            values(world, check, original, since),
        );
        // Newest first: when each minute begins, and both values.
        let samples: Vec<_> = new
            .iter()
            .filter(|(at, _)| *at >= since)
            .filter_map(|(at, value)| {
                let (_, of) = old.iter().find(|(of, _)| of == at)?;
                Some((*at, *value, *of))
            })
            .collect();
        let number = u64::try_from(samples.len()).unwrap();
        if counts && number < wanted {
            return Some(format!("a check has {number} of {wanted} samples"));
        }
        // In no case does a minute that settles while a write is on its way change what the others say.
        let settled = samples.iter();
        let settled = settled.filter(|(at, ..)| at + MINUTE + SETTLES <= now);
        let newest = settled.take(usize::try_from(wanted).unwrap());
        let failing = newest
            .filter(|(_, value, of)| *value > at_most * of)
            .count();
        (u64::try_from(failing).unwrap() > allowed)
            .then(|| format!("{failing} of the newest {wanted} samples of a check fail"))
    }
}

/// Percent of the production traffic that a task set has: the least over all routes.
fn share(world: &World, set: &TaskSet) -> u64 {
    if registry::alone(world).is_some() {
        let is_primary = registry::serving(world).is_some_and(|serving| serving.id == set.id);
        return if is_primary { 100 } else { 0 };
    }
    let attached = set.load_balancers.iter();
    let groups: Vec<_> = attached.map(|one| one.target_group_arn.as_str()).collect();
    let shares = production(world).map(|route| {
        let all = groups.iter().map(|group| route.share_of(group));
        all.sum()
    });
    shares.min().unwrap_or_default()
}

/// The values of a check's metric that CloudWatch has of a task set, newest first.
fn values(world: &World, check: &Value, set: &TaskSet, since: u64) -> Vec<(u64, f64)> {
    let metric = &check["metric"];
    let group = set.load_balancers.first();
    let group = group.map_or("", |one| &one.target_group_arn);
    let group = group.splitn(6, ':').nth(5).unwrap_or_default();
    let dimensions = metric["dimensions"].as_object().unwrap();
    let dimensions = dimensions.iter().map(|(name, value)| {
        let value = value.as_str().unwrap();
        let value = value.replace("{taskSet}", &set.id);
        json!({"Name": name, "Value": value.replace("{targetGroup}", group)})
    });
    let asked = json!({
        "Metric": {
            "Namespace": metric["namespace"],
            "MetricName": metric["metricName"],
            "Dimensions": dimensions.collect::<Vec<_>>(),
        },
        "Period": 60,
        "Stat": metric["statistic"].as_str().unwrap_or("Average"),
    });
    let request = json!({
        "StartTime": since,
        "EndTime": world.epoch_ms() / 1_000 + 1,
        "MetricDataQueries": [{"Id": "q", "MetricStat": asked}],
    });
    let request = serde_json::from_value(request).unwrap();
    let answer = world.get_metric_data(&request).unwrap();
    let points = answer.items[0].datapoints.iter();
    points.map(|(at, value)| (at / 1_000, *value)).collect()
}
