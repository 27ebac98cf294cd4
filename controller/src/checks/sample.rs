//! The minutes in which the two task sets are compared.

use std::fmt;

use super::Check;
use crate::clock::rfc3339;
use crate::drain::flows::{PERIOD, Point};

/// The values of a metric of both task sets, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compared {
    /// Those of the replacement.
    pub replacement: Vec<Point>,
    /// Those of the original.
    pub original: Vec<Point>,
}

/// One of the two task sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The replacement.
    Replacement,
    /// The original.
    Original,
}

/// A minute in which both have a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it begins, in seconds since 1970.
    pub at: u64,
    /// The replacement's value.
    pub replacement: f64,
    /// The original's.
    pub original: f64,
}

/// What the newest samples say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// As many samples as are wanted, and no more of them fail than may.
    Passed,
    /// So many samples, and no more of them fail than may.
    TooFew(u32),
    /// More of them fail than may.
    Failed {
        /// Samples that there are.
        samples: u32,
        /// Those that fail.
        failing: u32,
        /// The newest of these.
        newest: Sample,
    },
}

/// Seconds after the end of a minute from which on its value counts: before that, one of the two task sets may have
/// reported less of it.
const SETTLED: u64 = 60;

impl Check {
    /// What the samples say that there are since both task sets serve.
    pub fn judge(&self, compared: &Compared, since: u64, now: u64) -> Verdict {
        let oldest = now.saturating_sub(self.span()).max(since);
        let wanted = usize::try_from(self.samples).unwrap_or(usize::MAX);
        let newest = compared.samples(oldest, now).take(wanted);
        let (mut samples, mut failing, mut newest_failing) = (0, 0, None);
        for sample in newest {
            samples += 1;
            if sample.is_above(self.at_most) {
                failing += 1;
                newest_failing.get_or_insert(sample);
            }
        }
        match newest_failing {
            Some(newest) if failing > self.failures => Verdict::Failed {
                samples,
                failing,
                newest,
            },
            _ if samples < self.samples => Verdict::TooFew(samples),
            _ => Verdict::Passed,
        }
    }
}

impl Sample {
    /// Whether the replacement's value is more than so many times the original's; where that is 0, any value above it is.
    fn is_above(&self, at_most: f64) -> bool {
        let allowed = at_most * self.original;
        // A product of two decimals may be a little less than it is on paper, such as 1.15 times 100.
        self.replacement > allowed * (1.0 + 1e-9)
    }
}

impl Compared {
    /// Whole minutes from `oldest` on, newest first.
    fn samples(&self, oldest: u64, now: u64) -> impl Iterator<Item = Sample> + '_ {
        let counts = move |point: &&Point| point.at >= oldest && point.at + PERIOD + SETTLED <= now;
        // A negative value has no multiple to compare with.
        let is_amount = |value: f64| value.is_finite() && value >= 0.0;
        self.replacement
            .iter()
            .filter(counts)
            .filter_map(move |point| {
                let same = self.original.iter().find(|other| other.at == point.at)?;
                (is_amount(point.value) && is_amount(same.value)).then_some(Sample {
                    at: point.at,
                    replacement: point.value,
                    original: same.value,
                })
            })
    }
}

/// The newest sample that fails: both values, and how many times one is the other.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            replacement,
            original,
        } = self;
        let at = rfc3339(*at);
        write!(
            f,
            "At {at} the replacement has {}, the original {}",
            Short(*replacement),
            Short(*original)
        )?;
        if *original > 0.0 {
            write!(f, ": {:.2} times as much", replacement / original)?;
        }
        Ok(())
    }
}

/// A value with at most six digits, so that it can be read.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if value == 0.0 || (1e-3..1e6).contains(&value) {
            let text = format!("{value:.3}");
            f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
        } else {
            write!(f, "{value:.3e}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::NoData;
    use super::*;
    use crate::drain::pace::Metric;

    fn check(samples: u32, failures: u32) -> Check {
        Check {
            metric: Metric {
                namespace: "App".to_owned(),
                name: "Latency".to_owned(),
                dimensions: vec![("Set".to_owned(), "{taskSet} of {targetGroup}".to_owned())],
            },
            statistic: "p99".to_owned(),
            at_most: 1.5,
            samples,
            failures,
            no_data: NoData::Wait,
        }
    }

    /// Newest first, a minute each, from 600 on.
    fn compared(values: &[(f64, f64)]) -> Compared {
        let newest = 600 + 60 * values.len() as u64;
        let points = |of: fn(&(f64, f64)) -> f64| {
            let ats = (1..).map(|minutes| newest - 60 * minutes);
            let points = ats.zip(values).map(|(at, pair)| Point {
                at,
                value: of(pair),
            });
            points.collect()
        };
        Compared {
            replacement: points(|pair| pair.0),
            original: points(|pair| pair.1),
        }
    }

    /// What is said as soon as the newest minute counts.
    fn judge(check: &Check, values: &Compared) -> Verdict {
        let newest = values.replacement.first().map_or(600, |point| point.at);
        check.judge(values, 0, newest + PERIOD + SETTLED)
    }

    fn failing(verdict: Verdict) -> Option<u32> {
        match verdict {
            Verdict::Failed { failing, .. } => Some(failing),
            Verdict::Passed | Verdict::TooFew(_) => None,
        }
    }

    const GOOD: (f64, f64) = (15.0, 10.0);
    const BAD: (f64, f64) = (15.1, 10.0);

    #[test]
    fn only_the_newest_samples_count() {
        let judge = |values: &[(f64, f64)]| judge(&check(3, 1), &compared(values));
        assert_eq!(judge(&[GOOD, GOOD, BAD, BAD]), Verdict::Passed);
        assert_eq!(failing(judge(&[GOOD, BAD, BAD, GOOD])), Some(2));
        assert_eq!(judge(&[GOOD, BAD]), Verdict::TooFew(2));
        // Certain before all samples are there.
        assert_eq!(failing(judge(&[BAD, BAD])), Some(2));
        assert_eq!(judge(&[]), Verdict::TooFew(0));
    }

    #[test]
    fn an_original_of_0_allows_0() {
        let judge = |pair| judge(&check(1, 0), &compared(&[pair]));
        assert_eq!(judge((0.0, 0.0)), Verdict::Passed);
        assert_eq!(failing(judge((0.001, 0.0))), Some(1));
        assert_eq!(judge((1.0, -1.0)), Verdict::TooFew(0));
        assert_eq!(judge((f64::NAN, 1.0)), Verdict::TooFew(0));
    }

    #[test]
    fn as_many_times_as_are_allowed_is_not_too_much() {
        let times = |at_most: f64| Check {
            at_most,
            ..check(1, 0)
        };
        for (at_most, original, replacement) in
            [(1.15, 100.0, 115.0), (1.1, 0.3, 0.33), (1e6, 1e300, 1e306)]
        {
            let allowed = compared(&[(replacement, original)]);
            assert_eq!(judge(&times(at_most), &allowed), Verdict::Passed);
            let above = compared(&[(replacement * 1.001, original)]);
            assert_eq!(failing(judge(&times(at_most), &above)), Some(1));
        }
    }

    #[test]
    fn a_minute_counts_once_both_serve_and_a_minute_after_its_end() {
        let values = compared(&[GOOD]);
        let judge = |since, now| check(1, 0).judge(&values, since, now);
        assert_eq!(judge(600, 719), Verdict::TooFew(0));
        assert_eq!(judge(600, 720), Verdict::Passed);
        assert_eq!(judge(601, 720), Verdict::TooFew(0));
        // One of seven minutes ago may be the last of its metric.
        assert_eq!(judge(600, 1_020), Verdict::Passed);
        assert_eq!(judge(600, 1_021), Verdict::TooFew(0));
    }

    #[test]
    fn a_minute_that_one_of_them_has_not_reported_is_no_sample() {
        let mut values = compared(&[GOOD, BAD, GOOD]);
        values.original.remove(1);
        assert_eq!(judge(&check(2, 0), &values), Verdict::Passed);
        values.replacement.remove(0);
        assert_eq!(judge(&check(2, 0), &values), Verdict::TooFew(1));
    }

    #[test]
    fn values_are_short() {
        let short = |value| Short(value).to_string();
        assert_eq!(short(0.0), "0");
        assert_eq!(short(20.0), "20");
        assert_eq!(short(0.123_456), "0.123");
        assert_eq!(short(1e9), "1.000e9");
        assert_eq!(short(1e-9), "1.000e-9");
    }
}
