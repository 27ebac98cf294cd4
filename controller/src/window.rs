//! Quiet hours: when traffic may move, and when the next step of a drain may be made.
//!
//! The wall clock of the window's time zone decides. It is open while that clock shows a time within the window: at an
//! hour that the clocks skip it is not, and at one that comes twice it is so twice.

mod closed;
mod times;
mod week;

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::clock::instant;

pub use closed::Closed;
pub(crate) use closed::closed;
pub use times::Times;
pub use times::{Ahead, shown};
pub(crate) use times::{ends_too_late, is_late, may_end_in_time, removal, seconds_of};
pub(crate) use week::Closures;

/// The hours of some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The days on which it opens, from Monday.
    pub days: [bool; 7],
    /// When it opens, in minutes after midnight.
    pub from: u32,
    /// When it closes, in minutes after midnight: 1440 at most. On the next day, where that is before it opens.
    pub to: u32,
    /// Of which clock.
    pub zone: TimeZone,
}

/// The days of the week in the input.
pub const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Minutes of a day.
pub(crate) const DAY: u32 = 1_440;

/// Days within which a window opens and closes: one that opens once a week, and is skipped by the clock once.
const WITHIN: i32 = 16;

impl Window {
    /// When it is open, at this time or later; both in seconds since 1970.
    pub fn opens(&self, at: u64) -> u64 {
        if self.is_open(at) {
            return at;
        }
        let changes = self.changes(at);
        let opens = changes.iter().find(|at| self.is_open(**at));
        opens.or(changes.last()).copied().unwrap_or(at)
    }

    /// When it is closed, after this time; `None` where it is open for two weeks.
    pub fn closes(&self, at: u64) -> Option<u64> {
        if !self.is_open(at) {
            return Some(at);
        }
        let changes = self.changes(at);
        changes.into_iter().find(|at| !self.is_open(*at))
    }

    /// Whether the clock shows a time within it.
    fn is_open(&self, at: u64) -> bool {
        let shown = self.zone.to_datetime(instant(at));
        let minute = minute(shown.time());
        let opens_on = |date: Date| {
            self.days[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())]
        };
        let today = opens_on(shown.date());
        if self.from < self.to {
            return today && (self.from..self.to).contains(&minute);
        }
        let yesterday = shown.date().yesterday().is_ok_and(opens_on);
        (today && minute >= self.from) || (yesterday && minute < self.to)
    }

    /// Every later instant at which it may open or close, in order: the clock shows its times, or is changed.
    fn changes(&self, at: u64) -> Vec<u64> {
        let now = instant(at);
        let today = self.zone.to_datetime(now).date();
        let days = (-1..=WITHIN).filter_map(|day| today.checked_add(Span::new().days(day)).ok());
        let shown = days.flat_map(|date| [self.from, self.to].map(|minute| clock_at(date, minute)));
        let shown = shown.flatten().flat_map(|shown| {
            let instants = self.zone.to_ambiguous_timestamp(shown);
            [instants.earlier(), instants.later()]
        });
        let end = now
            .checked_add(Span::new().hours(24 * WITHIN))
            .unwrap_or(now);
        let changed = self.zone.following(now).map(|change| change.timestamp());
        let changed = changed.take_while(|change| *change < end);
        let instants = shown.filter_map(Result::ok).chain(changed);
        let mut instants: Vec<_> = instants
            .filter_map(seconds)
            .filter(|change| *change > at)
            .collect();
        instants.sort_unstable();
        instants
    }

    /// The days in the input: single ones and ranges.
    pub fn day_names(&self) -> Vec<String> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for day in (0..DAYS.len()).filter(|day| self.days[*day]) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == day => *last = day,
                _ => runs.push((day, day)),
            }
        }
        let name = |(first, last): (usize, usize)| match last - first {
            0 => DAYS[first].to_owned(),
            _ => format!("{}-{}", DAYS[first], DAYS[last]),
        };
        runs.into_iter().map(name).collect()
    }

    /// The name of its time zone.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// A time of day as the input has it.
pub fn time_of_day(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// In words: the days, the hours, and the time zone.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (time_of_day(self.from), time_of_day(self.to));
        let days = self.day_names().join(", ");
        write!(f, "{days} {from} to {to} {}", self.zone_name())
    }
}

fn minute(time: Time) -> u32 {
    let (hour, minute) = (time.hour().unsigned_abs(), time.minute().unsigned_abs());
    u32::from(hour) * 60 + u32::from(minute)
}

/// What the clock shows this number of minutes after midnight, by its own hours.
fn clock_at(date: Date, minute: u32) -> Option<DateTime> {
    let midnight = date.at(0, 0, 0, 0);
    midnight.checked_add(Span::new().minutes(minute)).ok()
}

fn seconds(instant: Timestamp) -> Option<u64> {
    u64::try_from(instant.as_second()).ok()
}

#[cfg(test)]
mod tests;
