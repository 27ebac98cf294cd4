//! Times as AWS writes them, and seconds since 1970.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// Seconds since 1970 of an RFC 3339 time; `None` where it is none, or lies before.
pub fn seconds(time: &str) -> Option<u64> {
    let time: Timestamp = time.parse().ok()?;
    u64::try_from(time.as_second()).ok()
}

/// Milliseconds since 1970 of an RFC 3339 time; `None` where it is none, or lies before.
pub fn millis(time: &str) -> Option<u64> {
    let time: Timestamp = time.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

/// The instant of a number of seconds since 1970; 1970 itself if the year does not have four digits.
pub(crate) fn instant(seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).ok();
    let instant = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    instant.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The RFC 3339 time of a number of seconds since 1970; 1970 itself if the year does not have four digits.
pub fn rfc3339(seconds: u64) -> String {
    instant(seconds).to_string()
}

/// The same as a time zone has it, with its offset from UTC.
pub fn rfc3339_in(seconds: u64, zone: &TimeZone) -> String {
    let instant = instant(seconds);
    match zone.to_offset(instant) {
        Offset::UTC => instant.to_string(),
        offset => instant.display_with_offset(offset).to_string(),
    }
}

/// A time for people, to the minute that is then over: `14:32Z`, with its date where that is another day
/// than `now`'s. Both in seconds since 1970.
pub fn to_the_minute(time: u64, now: u64) -> String {
    let of = |seconds: u64| Offset::UTC.to_datetime(instant(seconds));
    let (time, now) = (of(time.next_multiple_of(60)), of(now));
    let minute = format!("{:02}:{:02}Z", time.hour(), time.minute());
    if time.date() == now.date() {
        minute
    } else {
        format!("{} {minute}", time.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_being_written_and_read() {
        assert_eq!(rfc3339(1_767_225_600), "2026-01-01T00:00:00Z");
        assert_eq!(seconds("2026-01-01T00:00:00Z"), Some(1_767_225_600));
        assert_eq!(
            seconds("2026-01-01T01:00:00.250+01:00"),
            Some(1_767_225_600)
        );
        assert_eq!(rfc3339(u64::MAX), "1970-01-01T00:00:00Z");
        assert_eq!(to_the_minute(1_767_225_659, 1_767_225_600), "00:01Z");
        assert_eq!(
            to_the_minute(1_767_225_600, 1_767_225_599),
            "2026-01-01 00:00Z"
        );
        for other in ["", "soon", "2026-01-01", "1969-12-31T23:59:59Z"] {
            assert_eq!(seconds(other), None, "{other}");
        }
    }
}
