//! The table: medians, and how many times the bare function's they are.

use std::time::Duration;

use crate::bootstrap::Bootstrap;
use crate::process::Measured;

/// What is aimed at: bytes of a bootstrap and of memory, above which the bench fails, and how many times the
/// bare function's start and first invocation a first invocation takes. The goal comes from a function of two
/// calls, so both are shown: the time until AWS has had two calls, and all of it.
const GOAL: Most = Most {
    size: 8e6,
    memory: 10e6,
    times_bare: 3.0,
    times_bare_whole: 3.0,
};

/// The most of a measure over all functions.
struct Most {
    size: f64,
    memory: f64,
    times_bare: f64,
    /// The same with the whole first invocation, however many calls it makes.
    times_bare_whole: f64,
}

impl Most {
    fn of(rows: &[Row]) -> Self {
        let (bare, functions) = rows.split_at(rows.len().min(1));
        let bare_ms = bare.first().map_or(f64::NAN, |bare| bare.both);
        let most = |of: fn(&Row) -> f64| functions.iter().map(of).fold(0.0, f64::max);
        Self {
            size: most(|row| row.size),
            memory: most(|row| row.peak_memory),
            times_bare: most(|row| row.two_calls) / bare_ms,
            times_bare_whole: most(|row| row.both) / bare_ms,
        }
    }
}

/// The medians of one bootstrap: milliseconds and bytes.
pub(crate) struct Row {
    name: String,
    start: f64,
    /// Start and first invocation together.
    both: f64,
    /// Until AWS has had two calls; the same as `both` for a function that makes none.
    two_calls: f64,
    /// The processor's time for both.
    processor: f64,
    later: f64,
    peak_memory: f64,
    size: f64,
    zipped: f64,
    calls: (usize, usize),
    /// Start and first invocation, and a later one, with 30 ms added to each call of AWS.
    delayed: (f64, f64),
}

impl Row {
    pub(crate) fn of(bootstrap: &Bootstrap, measured: &[Measured]) -> Self {
        let of = |value: fn(&Measured) -> f64| median(measured.iter().map(value));
        Self {
            name: bootstrap.name.clone(),
            start: of(|one| milliseconds(one.start)),
            both: of(|one| milliseconds(one.start + one.first)),
            two_calls: of(|one| milliseconds(one.two_calls)),
            processor: of(|one| milliseconds(one.processor)),
            later: median(
                measured
                    .iter()
                    .flat_map(|one| one.later.iter().copied().map(milliseconds)),
            ),
            peak_memory: of(|one| float(one.peak_memory)),
            size: float(bootstrap.size),
            zipped: float(bootstrap.zipped),
            calls: measured.first().map_or((0, 0), |one| one.calls),
            delayed: (
                of(|one| milliseconds(one.delayed.0)),
                of(|one| milliseconds(one.delayed.1)),
            ),
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files and processes")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Whether sizes and memory have not grown. Times are the machine's as well, and not judged.
pub(crate) fn is_held(rows: &[Row]) -> bool {
    let most = Most::of(rows);
    most.size <= GOAL.size && most.memory <= GOAL.memory
}

/// The table as text, with its conditions. The bare function is the first row.
pub(crate) fn text(rows: &[Row], rounds: usize) -> String {
    let Some(bare) = rows.first() else {
        return String::new();
    };
    let lines: String = rows.iter().map(|row| line(row, bare)).collect();
    format!(
        "                    start  until 2 calls  start + first   processor for        a later    peak memory      bootstrap    zip        calls  30 ms a call\n\
         function              ms      ms  x bare      ms  x bare    both, ms  x bare     ms  x bare     MB  x bare     MB  x bare     MB  first later  first  later\n\
         {lines}\n\
         Medians of {rounds} processes each, started in turns. The times are of a machine that does other things as\n\
         well: read them as ratios to the bare function of the same run. 1 MB is 1,000,000 bytes.\n\
         30 ms a call: start and first invocation, and a later one, in ms, with 30 ms added to each call of AWS.\n\n\
         {}",
        goals(rows)
    )
}

fn line(row: &Row, bare: &Row) -> String {
    let times = |of: fn(&Row) -> f64| of(row) / of(bare);
    let times_two = times(|row| row.two_calls);
    let times_both = times(|row| row.both);
    let times_processor = times(|row| row.processor);
    let times_later = times(|row| row.later);
    let times_memory = times(|row| row.peak_memory);
    let times_size = times(|row| row.size);
    format!(
        "{:<18} {:>6.1} {:>7.1} {times_two:>7.1} {:>7.1} {times_both:>7.1} {:>11.1} {times_processor:>7.1} {:>6.2} {times_later:>7.1} {:>6.1} {times_memory:>7.1} \
         {:>6.1} {times_size:>7.1} {:>6.1} {:>6} {:>5} {:>6.0} {:>6.0}\n",
        row.name,
        row.start,
        row.two_calls,
        row.both,
        row.processor,
        row.later,
        row.peak_memory / 1e6,
        row.size / 1e6,
        row.zipped / 1e6,
        row.calls.0,
        row.calls.1,
        row.delayed.0,
        row.delayed.1,
    )
}

fn goals(rows: &[Row]) -> String {
    let most = Most::of(rows);
    format!(
        "                                            most    goal\n\
         bootstrap, MB                             {:>6.1}  {:>6.1}  fails above\n\
         peak memory, MB                           {:>6.1}  {:>6.1}  fails above\n\
         start and two calls of AWS, times bare    {:>6.1}  {:>6.1}\n\
         start and first invocation, times bare    {:>6.1}  {:>6.1}\n",
        most.size / 1e6,
        GOAL.size / 1e6,
        most.memory / 1e6,
        GOAL.memory / 1e6,
        most.times_bare,
        GOAL.times_bare,
        most.times_bare_whole,
        GOAL.times_bare_whole,
    )
}
