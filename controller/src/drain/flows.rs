//! Connections as counted by CloudWatch: new ones a second, and open ones.
//!
//! `NewFlowCount` and `ActiveFlowCount` have a load balancer, not a target group, as their
//! dimension, and a value a minute (AWS documentation): they cover everything behind the load
//! balancer, a minute or two late.

mod queries;

use crate::checks::Compared;

pub use queries::{Query, Series, before, queries, since};

/// Seconds of one value of a load balancer's metrics.
pub const PERIOD: u64 = 60;

/// Seconds after the end of a newest value's minute from which it says nothing about now: a value usually
/// arrives after one minute, and at the latest after two if CloudWatch has no problem.
pub const STALE: u64 = 240;

/// Seconds of values that are asked for: enough for a baseline.
pub const SPAN: u64 = 900;

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When its minute begins, in seconds since 1970.
    pub at: u64,
    /// The sum or the average of that minute.
    pub value: f64,
}

/// What CloudWatch answered a moment ago, newest value first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flows {
    /// New connections a minute, of the whole load balancer.
    pub new: Vec<Point>,
    /// Connections, of the whole load balancer.
    pub active: Vec<Point>,
    /// Connections of the task set that drains, as the application reports them.
    pub connections: Vec<Point>,
    /// What counts the new connections of the replacement, in a shift.
    pub seen: Vec<Point>,
    /// The same of the original.
    pub kept: Vec<Point>,
    /// What the checks compare, in their order.
    pub compared: Vec<Compared>,
    /// Why there is nothing, where the call failed.
    pub error: Option<String>,
}

impl Flows {
    /// The newest minute's new connections a second, if it is new enough to say something about
    /// `now`.
    pub fn newest(&self, now: u64) -> Option<Point> {
        fresh(&self.new, now).map(|point| Point {
            at: point.at,
            value: per_second(point.value),
        })
    }

    /// The peak of the newest minute and of all that are newer than `judged`: a pause between two
    /// steps may last for many.
    pub fn peak(&self, judged: Option<u64>, now: u64) -> Option<Point> {
        let newest = self.newest(now)?;
        let unjudged = self
            .new
            .iter()
            .filter(|point| judged.is_some_and(|judged| point.at > judged))
            .map(|point| per_second(point.value));
        Some(Point {
            value: unjudged.fold(newest.value, f64::max),
            ..newest
        })
    }

    /// New connections a second in an ordinary minute: a quarter of those that were read have fewer. The
    /// drain of the deployment before may be in the others.
    pub fn baseline(&self) -> Option<f64> {
        let mut values: Vec<_> = self.new.iter().map(|point| point.value).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 4).map(|value| per_second(*value))
    }

    /// Connections that `tasks` tasks hold: what the application says of the task set, or what the
    /// load balancer says of all that is behind it, which is more.
    pub fn connections(&self, now: u64) -> Option<f64> {
        let point = fresh(&self.connections, now).or_else(|| fresh(&self.active, now))?;
        Some(point.value)
    }

    /// Seconds that a connection lives on average: those that are open, by the new ones of a second.
    pub fn lifetime(&self, now: u64) -> Option<f64> {
        let open = fresh(&self.active, now)?.value;
        let count = u32::try_from(self.new.len())
            .ok()
            .filter(|count| *count > 0)?;
        let new = self.new.iter().map(|point| per_second(point.value));
        let new = new.sum::<f64>() / f64::from(count);
        (open > 0.0 && new > 0.0).then(|| open / new)
    }

    /// The connections of each task, given their number.
    pub fn connections_per_task(&self, tasks: u32, now: u64) -> Option<f64> {
        let connections = self.connections(now)? / f64::from(tasks.max(1));
        Some(connections).filter(|connections| *connections > 0.0)
    }

    /// Whether the application, which reported connections before, has reported for two minutes in a row
    /// that none is left. One that always says 0 may be one that does not count.
    pub fn gone(&self, now: u64) -> bool {
        self.at_most(0, now) && self.connections.iter().any(|point| point.value > 0.0)
    }

    /// Whether clients have left by themselves: no more connections than these were reported for two minutes in a row,
    /// and some before them, or nothing else in all the time that is asked for.
    pub(crate) fn have_left(&self, connections: u32, now: u64) -> bool {
        let some = self.connections.iter().any(|point| point.value > 0.0);
        let whole_span = self
            .connections
            .last()
            .is_some_and(|oldest| now.saturating_sub(oldest.at) >= SPAN - 2 * PERIOD);
        self.at_most(connections, now) && (some || whole_span)
    }

    fn at_most(&self, connections: u32, now: u64) -> bool {
        let [last, before, ..] = &self.connections[..] else {
            return false;
        };
        let few = |point: &Point| point.value <= f64::from(connections);
        fresh(&self.connections, now).is_some()
            && few(last)
            && few(before)
            && last.at.saturating_sub(before.at) <= PERIOD
    }

    /// The connections that the application has reported last.
    pub(crate) fn reported(&self, now: u64) -> Option<f64> {
        fresh(&self.connections, now).map(|point| point.value)
    }
}

fn fresh(points: &[Point], now: u64) -> Option<Point> {
    let newest = points.first()?;
    (now.saturating_sub(newest.at) <= PERIOD + STALE).then_some(*newest)
}

fn per_second(value: f64) -> f64 {
    value / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(u64, f64)]) -> Vec<Point> {
        let point = |&(at, value): &(u64, f64)| Point { at, value };
        values.iter().map(point).collect()
    }

    #[test]
    fn an_old_value_says_nothing_about_now() {
        let flows = Flows {
            new: points(&[(600, 1_200.0), (540, 60.0), (480, 60.0)]),
            ..Flows::default()
        };
        let newest = Point {
            at: 600,
            value: 20.0,
        };
        assert_eq!(flows.newest(900), Some(newest));
        assert_eq!(flows.newest(901), None);
        assert_eq!(flows.baseline(), Some(1.0));
        assert_eq!(Flows::default().baseline(), None);
    }

    #[test]
    fn the_applications_own_count_goes_before_the_load_balancers() {
        let mut flows = Flows {
            active: points(&[(600, 5_000.0)]),
            ..Flows::default()
        };
        assert_eq!(flows.connections(700), Some(5_000.0));
        flows.connections = points(&[(600, 4_000.0)]);
        assert_eq!(flows.connections(700), Some(4_000.0));
        assert_eq!(flows.connections(2_000), None);
    }

    #[test]
    fn connections_live_as_long_as_new_ones_take_to_replace_them() {
        let mut flows = Flows {
            active: points(&[(600, 36_000.0)]),
            ..Flows::default()
        };
        assert_eq!(flows.lifetime(700), None);
        flows.new = points(&[(600, 200.0), (540, 400.0)]);
        assert_eq!(flows.lifetime(700), Some(7_200.0));
        assert_eq!(flows.lifetime(2_000), None);
    }

    #[test]
    fn connections_are_gone_after_two_empty_minutes() {
        let gone = |values: &[(u64, f64)], now| {
            let flows = Flows {
                connections: points(values),
                ..Flows::default()
            };
            flows.gone(now)
        };
        assert!(gone(&[(600, 0.0), (540, 0.0), (480, 9.0)], 700));
        assert!(!gone(&[(600, 0.0), (540, 0.0), (480, 0.0)], 700));
        assert!(!gone(&[(600, 0.0), (480, 0.0), (420, 9.0)], 700));
        assert!(!gone(&[(600, 0.0), (540, 3.0)], 700));
        assert!(!gone(&[(600, 0.0)], 700));
        assert!(!gone(&[(600, 0.0), (540, 0.0)], 2_000));
        assert!(!gone(&[], 700));
    }
}
