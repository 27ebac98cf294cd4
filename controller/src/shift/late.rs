//! How late the share of a step reached the load balancer's nodes: its own time begins with its share.
//!
//! After a change of a listener, new connections go where they went before for a minute or more (75 s were observed).
//! Where the new connections of both task sets are counted, their shares say how much of a step's time was lost. Where
//! they are not, [`ARRIVED`] is assumed.

use crate::flows::{Flows, PERIOD, Point};

/// Seconds after which new weights are assumed to count, where nothing says it: 75 were seen.
const ARRIVED: u64 = 90;

/// Seconds in which new weights count at the latest: ECS's own deployments wait as long at each stage that shifts
/// traffic of a Network Load Balancer (AWS documentation).
pub(super) const LATEST: u64 = 600;

/// Seconds after its end from which a minute without a value has none: values arrive within two minutes.
const OVERDUE: u64 = 180;

/// A step of which the time lost is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Percent of new connections before it.
    pub(super) before: u32,
    /// Percent at it.
    pub(super) percent: u32,
    /// When its weights were written, in seconds since 1970.
    pub(super) since: u64,
    /// Now, likewise.
    pub(super) now: u64,
    /// Whether something counts the new connections of both task sets.
    pub(super) is_counted: bool,
}

/// Seconds that a step lasts longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late {
    /// If what is not known is as it usually is.
    pub(super) usually: u32,
    /// If it is the worst that it may be. Its time is not over before.
    pub(super) at_worst: u32,
}

/// Seconds that a step lasts longer, since its share was not there all the time.
///
/// The share of a minute in the share of the step is the part of it that counts: while 10 % become 20 %, half of the
/// time is not lost. Minutes count together, so that one with more makes up for one with less. What is not known yet is
/// as the newest that is known.
pub(super) fn late(asked: &Asked, flows: &Flows) -> Late {
    let Asked {
        before,
        percent,
        since,
        now,
        is_counted,
    } = *asked;
    let reached = f64::from(before) / f64::from(percent.max(1));
    let assumed = |from: u64, to: u64| {
        let late = to.min(since + ARRIVED).saturating_sub(from);
        seconds(late) * (1.0 - reached)
    };
    let (mut usually, mut at_worst) = (0.0, 0.0);
    let mut known = Known::default();
    let (mut newest, mut is_silent, mut from) = (None, false, since);
    let until = now.clamp(since, since + LATEST);
    while from < until {
        let minute = from - from % PERIOD;
        let to = (minute + PERIOD).min(until);
        let length = seconds(to - from);
        // In the minute of the write itself, what came before it is counted as well.
        let share = share_at(flows, minute).filter(|_| minute >= since);
        let is_pending = flows.error.is_some() || now < minute + PERIOD + OVERDUE;
        let lost = match (share, newest) {
            (Some(share), _) => {
                newest = Some((share.part(percent)).min(1.0));
                known.add(length, share, assumed(from, to));
                [0.0; 2]
            }
            (None, Some(newest)) if is_pending => [length * (1.0 - newest); 2],
            (None, None) if is_counted && is_pending && !is_silent => {
                [assumed(from, to), length * (1.0 - reached)]
            }
            (None, _) => {
                is_silent = minute >= since;
                [assumed(from, to); 2]
            }
        };
        usually += lost[0];
        at_worst += lost[1];
        from = to;
    }
    // What is still to come.
    let rest = assumed(until, since + ARRIVED) + known.lost(percent);
    Late {
        usually: whole(usually + rest),
        at_worst: whole(at_worst + rest),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most ten minutes"
)]
fn whole(lost: f64) -> u32 {
    lost.clamp(0.0, seconds(LATEST)).round() as u32
}

/// Seconds that a step lasts longer at most.
pub(super) fn at_most(before: u32, percent: u32, is_counted: bool) -> u32 {
    if is_counted {
        return u32::try_from(LATEST).unwrap_or(u32::MAX);
    }
    let asked = Asked {
        before,
        percent,
        since: 0,
        now: 0,
        is_counted,
    };
    late(&asked, &Flows::default()).at_worst
}

/// New connections of some time.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    /// Of the replacement.
    seen: f64,
    /// Of both task sets.
    all: f64,
}

impl Share {
    /// The share that there was, in the share of the step.
    fn part(&self, percent: u32) -> f64 {
        self.seen / self.expected(percent)
    }

    fn expected(&self, percent: u32) -> f64 {
        self.all * f64::from(percent.max(1)) / 100.0
    }
}

/// What was counted in the minutes that are known, in all: a minute of a quiet service has a connection more or less by
/// chance.
#[derive(Debug, Default)]
struct Known {
    seconds: f64,
    share: Share,
    /// Seconds that would be lost in them if nothing was counted.
    assumed: f64,
}

/// New connections of the replacement from which on chance is a small part of them: one in seven.
const ENOUGH: f64 = 50.0;

impl Known {
    fn add(&mut self, seconds: f64, share: Share, assumed: f64) {
        self.seconds += seconds;
        self.share.seen += share.seen;
        self.share.all += share.all;
        self.assumed += assumed;
    }

    fn lost(&self, percent: u32) -> f64 {
        if self.seconds == 0.0 {
            return 0.0;
        }
        let lost = self.seconds * (1.0 - self.share.part(percent));
        if self.share.expected(percent) < ENOUGH {
            lost.max(self.assumed)
        } else {
            lost
        }
    }
}

/// The new connections of a minute, where there were any. Where the original has not reported, its version may not
/// know the metric.
fn share_at(flows: &Flows, minute: u64) -> Option<Share> {
    let value = |points: &[Point]| {
        let found = points.iter().find(|point| point.at == minute);
        found.map(|point| point.value)
    };
    let (seen, kept) = (value(&flows.seen).unwrap_or(0.0), value(&flows.kept)?);
    let all = seen + kept;
    (all > 0.0).then_some(Share { seen, all })
}

#[expect(clippy::cast_precision_loss, reason = "at most ten minutes")]
fn seconds(whole: u64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINCE: u64 = 60_000;

    fn asked(before: u32, percent: u32, after: u64) -> Asked {
        Asked {
            before,
            percent,
            since: SINCE,
            now: SINCE + after,
            is_counted: true,
        }
    }

    /// Percent of a thousand new connections in each minute from the step's first.
    fn shares(percents: &[u32]) -> Flows {
        of(1_000, percents)
    }

    fn of(all: u32, percents: &[u32]) -> Flows {
        let point = |(number, value): (u64, f64)| Point {
            at: SINCE + number * PERIOD,
            value,
        };
        let series = |value: fn(u32) -> u32| {
            let values = percents.iter();
            let values = values.map(|percent| f64::from(value(*percent) * all) / 100.0);
            let mut points: Vec<_> = (0..).zip(values).map(point).collect();
            points.reverse();
            points
        };
        Flows {
            seen: series(|percent| percent),
            kept: series(|percent| 100 - percent),
            ..Flows::default()
        }
    }

    fn at_worst(asked: &Asked, flows: &Flows) -> u32 {
        late(asked, flows).at_worst
    }

    #[test]
    fn without_a_count_weights_are_assumed_to_take_a_minute_and_a_half() {
        let uncounted = |before, percent| at_most(before, percent, false);
        assert_eq!(uncounted(0, 5), 90);
        assert_eq!(uncounted(40, 80), 45);
        assert_eq!(uncounted(80, 90), 10);
        for after in [0, 30, 90, 3_600] {
            let asked = Asked {
                is_counted: false,
                ..asked(0, 5, after)
            };
            assert_eq!(at_worst(&asked, &Flows::default()), 90, "after {after} s");
        }
    }

    #[test]
    fn the_time_without_the_share_is_added() {
        // Two minutes and a half until all nodes know it, one after the other.
        let flows = shares(&[2, 6, 9, 10, 10, 10, 10, 10, 10, 10]);
        assert_eq!(at_worst(&asked(0, 10, 900), &flows), 48 + 24 + 6);
        // With four of ten before, six of ten were missing at first.
        let flows = shares(&[4, 7, 10, 10, 10, 10, 10, 10, 10, 10]);
        assert_eq!(at_worst(&asked(4, 10, 900), &flows), 36 + 18);
    }

    #[test]
    fn what_is_not_known_yet_is_as_what_is_known() {
        // Two minutes are known, and nothing has come to the replacement: the others may be like them.
        assert_eq!(at_worst(&asked(0, 10, 300), &shares(&[0, 0])), 300);
        assert_eq!(at_worst(&asked(0, 10, 240), &shares(&[5, 10])), 30);
        // Nothing is known yet.
        assert_eq!(at_worst(&asked(0, 10, 120), &Flows::default()), 120);
        assert_eq!(at_worst(&asked(9, 10, 120), &Flows::default()), 12);
    }

    #[test]
    fn a_service_without_new_connections_waits_as_one_without_a_count() {
        let late = late(&asked(0, 10, 180), &Flows::default());
        assert_eq!((late.usually, late.at_worst), (90, 180));
        // By then, the first minute has no value.
        assert_eq!(at_worst(&asked(0, 10, 240), &Flows::default()), 90);
        assert_eq!(at_worst(&asked(0, 10, 1_200), &Flows::default()), 90);
    }

    #[test]
    fn no_step_is_longer_by_more_than_ten_minutes() {
        assert_eq!(at_worst(&asked(0, 10, 3_600), &shares(&[0; 60])), 600);
        let failed = Flows {
            error: Some("Throttling".to_owned()),
            ..Flows::default()
        };
        assert_eq!(at_worst(&asked(0, 10, 3_600), &failed), 600);
        assert_eq!(at_most(0, 10, true), 600);
    }

    #[test]
    fn few_connections_do_not_say_that_a_share_was_early() {
        // Ten of a hundred are expected in ten minutes: so many come by chance, too.
        let lucky = of(10, &[10; 10]);
        assert_eq!(at_worst(&asked(0, 10, 900), &lucky), 90);
        assert_eq!(at_worst(&asked(0, 10, 900), &of(10, &[5; 10])), 300);
        assert_eq!(at_worst(&asked(0, 10, 900), &of(100, &[10; 10])), 0);
    }

    #[test]
    fn the_share_of_a_version_that_is_not_counted_beside_the_other_is_not_known() {
        let mut flows = shares(&[10; 10]);
        flows.kept.clear();
        assert_eq!(at_worst(&asked(0, 10, 900), &flows), 90);
    }

    #[test]
    fn a_minute_with_more_makes_up_for_one_with_less() {
        let flows = shares(&[8, 12, 10, 10, 10, 10, 10, 10, 10, 10]);
        assert_eq!(at_worst(&asked(0, 10, 900), &flows), 0);
    }
}
