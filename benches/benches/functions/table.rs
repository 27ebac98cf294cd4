//! The table: medians, and how many times the bare function's they are.

use std::time::Duration;

use crate::bootstrap::Bootstrap;
use crate::process::Measured;

/// A bootstrap's size in bytes, at most.
const MOST_BYTES: f64 = 5e6;
/// A process's peak memory in bytes, at most.
const MOST_MEMORY: f64 = 9e6;
/// Start and first invocation, at most, in those of the bare function.
const MOST_TIMES_BARE: f64 = 3.0;

/// The medians of one bootstrap: milliseconds and bytes.
pub(crate) struct Row {
    name: String,
    start: f64,
    first: f64,
    /// Start and first invocation together.
    both: f64,
    /// The processor's time for both.
    processor: f64,
    later: f64,
    peak_memory: f64,
    size: f64,
    zipped: f64,
    calls: (usize, usize),
}

impl Row {
    pub(crate) fn of(bootstrap: &Bootstrap, measured: &[Measured]) -> Self {
        let of = |value: fn(&Measured) -> f64| median(measured.iter().map(value));
        Self {
            name: bootstrap.name.clone(),
            start: of(|one| milliseconds(one.start)),
            first: of(|one| milliseconds(one.first)),
            both: of(|one| milliseconds(one.start + one.first)),
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

/// Whether the sizes and the memory are within the goals. Times are the machine's as well.
pub(crate) fn goals_are_met(rows: &[Row]) -> bool {
    rows.iter()
        .all(|row| row.size <= MOST_BYTES && row.peak_memory <= MOST_MEMORY)
}

/// The table as text, with what it goes by. The bare function is the first row.
pub(crate) fn text(rows: &[Row], rounds: usize) -> String {
    let Some(bare) = rows.first() else {
        return String::new();
    };
    let lines: String = rows.iter().map(|row| line(row, bare)).collect();
    format!(
        "                    start  first  start + first   processor for        a later    peak memory      bootstrap    zip        calls\n\
         function              ms     ms      ms  x bare    both, ms  x bare     ms  x bare     MB  x bare     MB  x bare     MB  first later\n\
         {lines}\n\
         Medians of {rounds} processes each, started in turns. The times are of a machine that does other things as\n\
         well: read them as ratios to the bare function of the same run. 1 MB is 1,000,000 bytes.\n\n\
         {}",
        goals(rows)
    )
}

fn line(row: &Row, bare: &Row) -> String {
    let times = |of: fn(&Row) -> f64| of(row) / of(bare);
    let times_both = times(|row| row.both);
    let times_processor = times(|row| row.processor);
    let times_later = times(|row| row.later);
    let times_memory = times(|row| row.peak_memory);
    let times_size = times(|row| row.size);
    format!(
        "{:<18} {:>6.1} {:>6.1} {:>7.1} {times_both:>7.1} {:>11.1} {times_processor:>7.1} {:>6.2} {times_later:>7.1} {:>6.1} {times_memory:>7.1} \
         {:>6.1} {times_size:>7.1} {:>6.1} {:>6} {:>5}\n",
        row.name,
        row.start,
        row.first,
        row.both,
        row.processor,
        row.later,
        row.peak_memory / 1e6,
        row.size / 1e6,
        row.zipped / 1e6,
        row.calls.0,
        row.calls.1,
    )
}

fn goals(rows: &[Row]) -> String {
    let Some((bare, functions)) = rows.split_first() else {
        return String::new();
    };
    let most = |of: fn(&Row) -> f64| functions.iter().map(of).fold(0.0, f64::max);
    let said = |met| if met { "met" } else { "missed" };
    let both = most(|row| row.both) / bare.both;
    let memory = most(|row| row.peak_memory);
    let size = most(|row| row.size);
    format!(
        "goal                                          most   allowed\n\
         start and first invocation, times the bare  {both:>6.1}   {MOST_TIMES_BARE:>7.1}   {} (not judged)\n\
         peak memory, MB                             {:>6.1}   {:>7.1}   {}\n\
         bootstrap, MB                               {:>6.1}   {:>7.1}   {}\n",
        said(both <= MOST_TIMES_BARE),
        memory / 1e6,
        MOST_MEMORY / 1e6,
        said(memory <= MOST_MEMORY),
        size / 1e6,
        MOST_BYTES / 1e6,
        said(size <= MOST_BYTES),
    )
}
