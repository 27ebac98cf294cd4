//! How many tasks a task set has, and targets a target group, second by second.

use std::collections::{BTreeMap, BTreeSet};

use super::run::{Role, Series};

/// The members of a task set or a target group, and how many there were when.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) role: Role,
    /// The task set's id or the target group's ARN.
    pub(super) id: String,
    pub(super) now: BTreeSet<String>,
    /// Milliseconds, and how many there are from then on.
    changes: Vec<(u64, u64)>,
}

impl Members {
    pub(super) fn new(role: Role, id: &str, now: BTreeSet<String>) -> Self {
        let changes = vec![(0, now.len() as u64)];
        Self {
            role,
            id: id.to_owned(),
            now,
            changes,
        }
    }

    pub(super) fn set(&mut self, at_ms: u64, member: &str, is_in: bool) {
        let changed = if is_in {
            self.now.insert(member.to_owned())
        } else {
            self.now.remove(member)
        };
        if changed {
            self.changes.push((at_ms, self.now.len() as u64));
        }
    }

    pub(super) fn series(&self, name: &str, seconds: usize) -> Series {
        let mut changes = self.changes.iter().peekable();
        let mut value = 0;
        let mut values = Vec::with_capacity(seconds);
        for second in 0..seconds as u64 {
            while let Some((_, now)) = changes.next_if(|(at_ms, _)| *at_ms <= second * 1_000) {
                value = *now;
            }
            values.push(value);
        }
        Series {
            role: self.role,
            name: name.to_owned(),
            values,
        }
    }
}

/// Hours of running tasks above the desired count.
#[expect(
    clippy::cast_precision_loss,
    reason = "some thousand tasks for some weeks"
)]
pub(super) fn extra_task_hours(sets: &[Members], desired: u32, until_ms: u64) -> f64 {
    let mut changes: BTreeMap<u64, i64> = BTreeMap::new();
    for set in sets {
        let mut before = 0;
        for (at_ms, count) in &set.changes {
            *changes.entry(*at_ms).or_default() += count.cast_signed() - before;
            before = count.cast_signed();
        }
    }
    let (mut running, mut since_ms, mut extra_ms) = (0, 0, 0);
    for (at_ms, change) in changes.into_iter().chain([(until_ms, 0)]) {
        let at_ms = at_ms.min(until_ms);
        let extra = (running - i64::from(desired)).max(0);
        extra_ms += extra.cast_unsigned() * (at_ms - since_ms);
        running += change;
        since_ms = at_ms;
    }
    extra_ms as f64 / 3_600_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_hours_are_those_above_the_desired_count() {
        let mut original = Members::new(Role::Original, "a", ["1".to_owned()].into());
        let mut replacement = Members::new(Role::Replacement, "b", BTreeSet::new());
        replacement.set(3_600_000, "2", true);
        original.set(9_000_000, "1", false);
        let hours = extra_task_hours(&[original, replacement], 1, 10_800_000);
        assert!((hours - 1.5).abs() < 1e-9, "{hours}");
    }
}
