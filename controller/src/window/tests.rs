use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use super::*;
use crate::clock;

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn window(days: [bool; 7], from: u32, to: u32, name: &str) -> Window {
    Window {
        days,
        from,
        to,
        zone: zone(name),
    }
}

const ALL: [bool; 7] = [true; 7];

/// `22:00` as minutes.
fn at(time: &str) -> u32 {
    let (hour, minute) = time.split_once(':').unwrap();
    hour.parse::<u32>().unwrap() * 60 + minute.parse::<u32>().unwrap()
}

/// Every time at which a window opens and closes, from one instant on.
fn hours(window: &Window, from: &str, count: usize) -> Vec<String> {
    let mut now = clock::seconds(from).unwrap();
    let shown = |at| clock::rfc3339_in(at, &window.zone);
    let hours = (0..count).map(|_| {
        let opens = window.opens(now);
        now = window.closes(opens).unwrap();
        format!("{} {}", shown(opens), shown(now))
    });
    hours.collect()
}

#[test]
fn a_window_that_passes_midnight_belongs_to_the_day_on_which_it_opens() {
    // 2026-01-02 is a Friday.
    let days = [true, true, true, true, true, false, false];
    let window = window(days, at("22:00"), at("06:00"), "Europe/Berlin");
    assert_eq!(
        hours(&window, "2026-01-02T12:00:00Z", 2),
        [
            "2026-01-02T22:00:00+01:00 2026-01-03T06:00:00+01:00",
            "2026-01-05T22:00:00+01:00 2026-01-06T06:00:00+01:00",
        ]
    );
    // In the middle of it.
    let early = clock::seconds("2026-01-03T03:00:00+01:00").unwrap();
    assert_eq!(window.opens(early), early);
    assert_eq!(window.to_string(), "Mon-Fri 22:00 to 06:00 Europe/Berlin");
}

/// From when to when, in which zone, asked at which time; when it opens then, and closes.
const CHANGED: &str = "
# Berlin's clocks go from 03:00 back to 02:00, so the night is an hour longer.
22:00 06:00 Europe/Berlin 2026-10-24T12:00:00Z => 2026-10-24T22:00:00+02:00 2026-10-25T06:00:00+01:00
# And from 02:00 to 03:00.
22:00 06:00 Europe/Berlin 2027-03-27T12:00:00Z => 2027-03-27T22:00:00+01:00 2027-03-28T06:00:00+02:00
# An hour that comes twice opens twice.
02:00 02:30 Europe/Berlin 2026-10-24T22:30:00Z => 2026-10-25T02:00:00+02:00 2026-10-25T02:30:00+02:00
02:00 02:30 Europe/Berlin 2026-10-25T00:30:00Z => 2026-10-25T02:00:00+01:00 2026-10-25T02:30:00+01:00
# It opens before the clocks go back, and closes with that until they show it again.
02:30 05:00 Europe/Berlin 2026-10-24T22:30:00Z => 2026-10-25T02:30:00+02:00 2026-10-25T02:00:00+01:00
02:30 05:00 Europe/Berlin 2026-10-25T01:00:00Z => 2026-10-25T02:30:00+01:00 2026-10-25T05:00:00+01:00
# It closes, and the clocks go back into it.
01:00 02:30 Europe/Berlin 2026-10-25T00:30:00Z => 2026-10-25T02:00:00+01:00 2026-10-25T02:30:00+01:00
# A beginning that is skipped: as soon as the clocks show a time after it.
02:30 03:15 Europe/Berlin 2027-03-28T00:00:00Z => 2027-03-28T03:00:00+02:00 2027-03-28T03:15:00+02:00
# An end that is skipped.
01:00 02:30 Europe/Berlin 2027-03-27T23:30:00Z => 2027-03-28T01:00:00+01:00 2027-03-28T03:00:00+02:00
# All of it is skipped: the next day.
02:00 03:00 Europe/Berlin 2027-03-28T00:00:00Z => 2027-03-29T02:00:00+02:00 2027-03-29T03:00:00+02:00
# Half hours: Adelaide is 9.5 or 10.5 hours ahead, and Lord Howe Island changes by half an hour.
23:00 04:30 Australia/Adelaide 2026-10-03T00:00:00Z => 2026-10-03T23:00:00+09:30 2026-10-04T04:30:00+10:30
01:45 02:15 Australia/Lord_Howe 2026-10-03T12:00:00Z => 2026-10-04T01:45:00+10:30 2026-10-04T02:30:00+11:00
00:00 24:00 Asia/Kolkata 2026-10-24T00:00:00Z => 2026-10-24T05:30:00+05:30 never
# In the south, summer ends in April.
22:00 06:00 America/Santiago 2027-04-03T12:00:00Z => 2027-04-03T22:00:00-03:00 2027-04-04T06:00:00-04:00
22:00 06:00 UTC 2026-10-24T12:00:00Z => 2026-10-24T22:00:00Z 2026-10-25T06:00:00Z
";

#[test]
fn clocks_that_are_changed_decide_as_they_show() {
    let rows = CHANGED.lines().filter_map(|line| line.split_once(" => "));
    for (asked, wanted) in rows {
        let words: Vec<_> = asked.split(' ').collect();
        let window = window(ALL, at(words[0]), at(words[1]), words[2]);
        let opens = window.opens(clock::seconds(words[3]).unwrap());
        let shown = |at| clock::rfc3339_in(at, &window.zone);
        let closes = window.closes(opens).map_or("never".to_owned(), shown);
        assert_eq!(format!("{} {closes}", shown(opens)), wanted, "{asked}");
    }
}

/// Santiago's clocks go from 24:00 back to 23:00: the day before comes again for an hour.
#[test]
fn midnight_may_come_twice() {
    let saturday = [false, false, false, false, false, true, false];
    let window = window(saturday, at("23:00"), at("24:00"), "America/Santiago");
    assert_eq!(
        hours(&window, "2027-04-03T12:00:00Z", 2),
        [
            "2027-04-03T23:00:00-03:00 2027-04-04T00:00:00-04:00",
            "2027-04-10T23:00:00-04:00 2027-04-11T00:00:00-04:00",
        ]
    );
}

#[test]
fn the_longest_wait_is_that_over_the_days_on_which_it_does_not_open() {
    let closed = |days, from, to, hours: u64| {
        let window = window(days, at(from), at(to), "UTC");
        let closures = window.most_closed(hours * 3_600, &[]);
        ((closures.seconds - 3_600) / 3_600, closures.times)
    };
    let week = [true, true, true, true, true, false, false];
    assert_eq!(closed(ALL, "22:00", "06:00", 1), (16, 1));
    assert_eq!(closed(ALL, "22:00", "06:00", 8), (16, 1));
    assert_eq!(closed(ALL, "22:00", "06:00", 9), (32, 2));
    // From Saturday at 06:00 to Monday at 22:00.
    assert_eq!(closed(week, "22:00", "06:00", 8), (64, 1));
    assert_eq!(closed(week, "22:00", "06:00", 9), (80, 2));
    // From the end of Sunday to the next Sunday.
    let sunday = [false, false, false, false, false, false, true];
    assert_eq!(closed(sunday, "00:00", "24:00", 1), (144, 1));
    assert_eq!(closed(sunday, "02:00", "06:00", 5), (328, 2));
    assert_eq!(closed(ALL, "00:00", "24:00", 1_000), (0, 0));
}

const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "UTC",
];

/// A minute of the week that the clock shows, in a list of every such minute.
fn shows_one_of(minutes: &[bool], at: u64, zone: &TimeZone) -> bool {
    let shown = instant(at).to_zoned(zone.clone());
    let day = shown.weekday().to_monday_zero_offset();
    let minute = i32::from(day) * 1_440 + i32::from(shown.hour()) * 60 + i32::from(shown.minute());
    minutes[usize::try_from(minute).unwrap()]
}

proptest! {
    /// Minute by minute, against every minute of a week.
    #[test]
    fn it_is_open_while_the_clock_shows_one_of_its_minutes(
        days in proptest::array::uniform7(any::<bool>()),
        (from, to) in (0..DAY, 0..=DAY),
        zone_index in 0..ZONES.len(),
        // From the middle of 2026 on, more than a year.
        hour in 0_u64..10_000,
    ) {
        prop_assume!(from != to && days.contains(&true));
        let window = window(days, from, to, ZONES[zone_index]);
        let mut minutes = vec![false; 7 * 1_440];
        for (day, _) in days.iter().enumerate().filter(|(_, opens)| **opens) {
            let lasts = if from < to { to - from } else { 1_440 - from + to };
            for minute in from..from + lasts {
                minutes[(day * 1_440 + minute as usize) % (7 * 1_440)] = true;
            }
        }
        let start = 1_782_864_000 + hour * 3_600;
        let is_open = |at: &u64| shows_one_of(&minutes, *at, &window.zone);
        let within = |from: u64| (from..from + 16 * 86_400).step_by(60);
        let opens = window.opens(start);
        prop_assert_eq!(within(start).find(is_open), Some(opens));
        let closes = within(opens).find(|at| !is_open(at));
        prop_assert_eq!(window.closes(opens), closes);
    }

    /// However a deployment begins, it waits for no longer than was computed beforehand.
    #[test]
    fn no_wait_is_longer_than_was_computed(
        days in proptest::array::uniform7(any::<bool>()),
        (from, to) in (0..DAY, 0..=DAY),
        zone_index in 0..ZONES.len(),
        hour in 0_u64..10_000,
        pauses in proptest::collection::vec(1_u64..20_000, 0..20),
    ) {
        prop_assume!(from != to && days.contains(&true));
        let window = window(days, from, to, ZONES[zone_index]);
        let most = window.most_closed(pauses.iter().sum(), &[]);
        let mut now = 1_782_864_000 + hour * 3_600;
        let (mut waited, mut times) = (0, 0);
        for pause in [&0].into_iter().chain(&pauses) {
            now += pause;
            let opens = window.opens(now);
            waited += opens - now;
            times += u32::from(opens > now);
            now = opens;
        }
        // A change of the clocks may close it twice in one night.
        prop_assert!(waited <= most.seconds && times <= most.times + 1, "{waited} in {times}: {most:?}");
    }
}
