//! What was measured, as a Markdown table, and beside it what was predicted.

use std::fmt::Write;

use crate::laboratory::Measurement;
use crate::output::count;

/// Columns of the first table: heads and, of a measurement, cells.
pub(crate) const COLUMNS: [&str; 12] = [
    "way",
    "attempts in 10 s",
    "predicted",
    "difference",
    "attempts in 1 s",
    "predicted",
    "difference",
    "refused",
    "without, median",
    "p99",
    "worst",
    "predicted",
];

/// A row for each deployment that was predicted.
pub(crate) fn rows(measurements: &[Measurement]) -> Vec<[String; 12]> {
    let rows = measurements.iter().filter_map(|one| {
        let (measured, predicted) = (&one.measured, one.predicted.as_ref()?);
        let without = measured.without;
        let seconds = |seconds: f64| format!("{seconds:.1} s");
        Some([
            one.way.to_owned(),
            count(measured.most_in_ten_seconds),
            count(predicted.most_in_ten_seconds),
            difference(measured.most_in_ten_seconds, predicted.most_in_ten_seconds),
            count(measured.most_in_one_second),
            count(predicted.most_in_one_second),
            difference(measured.most_in_one_second, predicted.most_in_one_second),
            count(measured.refused),
            seconds(without.median),
            seconds(without.p99),
            seconds(without.worst),
            format!("{} s", predicted.longest_without),
        ])
    });
    rows.collect()
}

/// How a deployment went.
pub(crate) fn sentence(one: &Measurement) -> String {
    let measured = &one.measured;
    let ended = match &one.error {
        None => "succeeded".to_owned(),
        Some(error) => format!("ended with {error}"),
    };
    let predicted = one.predicted.as_ref();
    let predicted = predicted.map(|one| format!(" (predicted: {:.0} s)", one.seconds));
    let killed = match one.killed {
        0 => String::new(),
        killed => format!("; {killed} processes needed SIGKILL"),
    };
    format!(
        "{}: {ended} after {:.0} s{}. {} of {} connections were cut, {} were on tasks that were stopped; {} clients were connected at the end{killed}.",
        one.way,
        one.seconds,
        predicted.unwrap_or_default(),
        count(measured.cut),
        count(measured.clients as u64),
        count(measured.stopped_with),
        count(measured.connected_at_the_end as u64),
    )
}

pub(crate) fn of(measurements: &[Measurement]) -> String {
    let mut text = String::new();
    let rows = rows(measurements);
    if !rows.is_empty() {
        let rule = "---:|".repeat(COLUMNS.len() - 1);
        let _ = writeln!(text, "| {} |\n|---|{rule}", COLUMNS.join(" | "));
    }
    for row in &rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text += "\n";
    for sentence in measurements.iter().map(sentence) {
        let _ = writeln!(text, "- {sentence}");
    }
    text
}

/// By how much a measurement is above or below a prediction.
fn difference(measured: u64, predicted: u64) -> String {
    if predicted == 0 {
        return String::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "numbers of clients")]
    let ratio = measured as f64 / predicted as f64;
    format!("{:+.0} %", (ratio - 1.0) * 100.0)
}
