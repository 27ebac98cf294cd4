//! Reading when traffic may move and steps may be made.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::{Value, json};

use super::reader::{Reader, problem};
use super::values::{some, text_where};
use crate::clock;
use crate::window::{DAY, DAYS, Window, time_of_day};

/// The fields of `window`, with what each allows. The tables of docs/input.md are checked against it.
pub const WINDOW_FIELDS: &[(&str, &str)] = &[
    (
        "days",
        "a list of 1 to 7 different days (Mon, Tue, Wed, Thu, Fri, Sat, Sun) or ranges of them, such as Mon-Fri",
    ),
    ("from", "a time of day from 00:00 to 23:59"),
    ("to", "a time of day from 00:00 to 24:00, other than from"),
    (
        "zone",
        "the name of a time zone in the IANA database, such as Europe/Berlin or UTC",
    ),
];

impl Reader<'_> {
    /// The window, all of whose fields but `days` are required.
    pub(super) fn window(&mut self) -> Option<Window> {
        let mut fields = self.object("window.", WINDOW_FIELDS)?;
        let days = fields.optional("days", days);
        let from = fields.required("from", |value| {
            minute(value.as_str()?).filter(|at| *at < DAY)
        });
        let to = fields.required("to", |value| minute(value.as_str()?));
        let zone = fields.required("zone", |value| zone(value.as_str()?));
        let (from, to) = (from?, to?);
        if from == to {
            let given = json!(time_of_day(to));
            let allowed = "another time than from: 24:00 is the end of a day".to_owned();
            let field = fields.named("to");
            fields.problems.push(problem(&field, Some(&given), allowed));
        }
        Some(Window {
            days: days.unwrap_or([true; 7]),
            from,
            to,
            zone: zone?,
        })
    }

    /// The time by which the deployment is to end, in seconds since 1970.
    pub(super) fn finish_by(&mut self) -> Option<u64> {
        self.optional("finishBy", |value| {
            let text = text_where(value, is_rfc3339)?;
            clock::seconds(&text)
        })
    }
}

/// The window as the input has it.
pub(super) fn to_json(window: &Window) -> Value {
    json!({
        "days": window.day_names(),
        "from": time_of_day(window.from),
        "to": time_of_day(window.to),
        "zone": window.zone_name(),
    })
}

fn days(value: &Value) -> Option<[bool; 7]> {
    let texts: Vec<String> = some(value, DAYS.len(), |text| range(text).is_some())?;
    let mut days = [false; 7];
    for (first, last) in texts.iter().filter_map(|text| range(text)) {
        let count = (last + DAYS.len() - first) % DAYS.len() + 1;
        for day in first..first + count {
            days[day % DAYS.len()] = true;
        }
    }
    Some(days)
}

/// The first and the last day of a range, which may be the same.
fn range(text: &str) -> Option<(usize, usize)> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((day(first)?, day(last)?))
}

/// Minutes after midnight of a time of day.
fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, below: u32| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = text.parse().ok().filter(|_| digits)?;
        (number < below).then_some(number)
    };
    let minute = number(hour, 25)? * 60 + number(minute, 60)?;
    (minute <= DAY).then_some(minute)
}

/// A time zone that is built in: which of them a machine has is not asked.
fn zone(name: &str) -> Option<TimeZone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    (!zone.is_unknown()).then_some(zone)
}

/// Whether the text has the form of RFC 3339, to the second.
fn is_rfc3339(text: &str) -> bool {
    let is_like = |form: &str| {
        let mut both = text.bytes().zip(form.bytes());
        text.len() == form.len()
            && both.all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'+' => byte == b'+' || byte == b'-',
                other => byte == other,
            })
    };
    is_like("0000-00-00T00:00:00Z") || is_like("0000-00-00T00:00:00+00:00")
}
