//! The comparison as a page: the table, and a plot of every way's reconnects.

use super::comparison::{ComparedRun, Comparison};
use super::table::COLUMNS;
use crate::output::count;
use crate::report::{Column, Heading, Ink, Line, Page, Panel, PlotError, Span, picture};
use crate::simulation::Felt;

pub(super) fn of(heading: &Heading, comparison: &Comparison) -> Result<String, PlotError> {
    let mut page = Page::new(heading);
    for sentence in comparison.about() {
        page.paragraph(&sentence);
    }
    let heads = COLUMNS.map(|(first, second)| {
        let joined = format!("{first} {second}").replace("- ", "");
        joined.trim().to_owned()
    });
    let names = [("way", Column::Name), ("timings", Column::Name)].into_iter();
    let figures = heads.iter().map(|head| (head.as_str(), Column::Number));
    let rows = comparison.rows().into_iter();
    let rows = rows.map(|(name, timings, cells)| {
        let names = [name.to_owned(), timings.to_owned()];
        names.into_iter().chain(cells).collect()
    });
    let rows: Vec<_> = rows.collect();
    page.table(&names.chain(figures).collect::<Vec<_>>(), &rows);
    page.paragraph(&(comparison.legend() + &comparison.left_out));
    if let Some(best) = comparison.recommended() {
        let drain = comparison.recommendation(best);
        page.paragraph(&format!("Recommended: {drain}."));
    }
    for failure in comparison.failures() {
        page.outcome(false, &failure);
    }
    let runs = comparison.ways.iter().flat_map(|way| &way.runs);
    let felt: Vec<_> = runs.filter_map(|run| run.run.clients.as_ref()).collect();
    let busy = |felt: &&Felt| busy(&felt.cuts, &felt.reconnects);
    let span = felt.iter().filter_map(busy);
    let span = span.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
    let Some((from, to)) = span else {
        page.paragraph("No client reconnected.");
        return Ok(page.finish());
    };
    let lead = ((to - from) / 20).max(10);
    let span = Span {
        from: from.saturating_sub(lead),
        to: to + lead,
    };
    let panels: Vec<_> = comparison
        .ways
        .iter()
        .map(|way| {
            let felt = way.runs.iter().filter_map(|run| run.run.clients.as_ref());
            let inks = [Ink::Beside, Ink::Reconnects];
            let inks = &inks[inks.len() - way.runs.len()..];
            let lines = felt.zip(inks).map(|(felt, ink)| Line {
                ink: *ink,
                values: &felt.reconnects,
                filled: *ink == Ink::Reconnects,
            });
            let peak = |run: &ComparedRun| run.figures.peak_reconnects_in1_second;
            let peak = count(way.runs.iter().map(peak).max().unwrap_or_default());
            Panel {
                label: Some(format!("{}: {peak} at most", way.way.name)),
                lines: lines.collect(),
            }
        })
        .collect();
    let title = "Reconnects a second";
    let labels = panels.iter().filter_map(|panel| panel.label.clone());
    let labels: Vec<_> = labels.collect();
    let svg = picture(title, &labels.join("; "), span, &[], &panels)?;
    let two = comparison.ways.iter().any(|way| way.runs.len() > 1);
    let legend: &[_] = if two {
        &[
            ("reconnects", "random timings"),
            ("beside", "exact timings"),
        ]
    } else {
        &[("reconnects", "exact timings")]
    };
    let legend: Vec<_> = legend
        .iter()
        .map(|(ink, words)| (*ink, (*words).to_owned()))
        .collect();
    let unit = span.unit().0;
    let title = format!(
        "{title}, by way, each with a scale of its own; {unit} since the deployment's start"
    );
    page.figure(&title, &legend, &svg);
    Ok(page.finish())
}

/// From the first second in which connections were cut or clients came back to the last.
fn busy(cuts: &[u64], reconnects: &[u64]) -> Option<(usize, usize)> {
    let is_busy = |(cut, came): (&u64, &u64)| cut + came > 0;
    let mut seconds = cuts.iter().zip(reconnects).map(is_busy);
    let from = seconds.clone().position(|busy| busy)?;
    let to = seconds.rposition(|busy| busy)?;
    Some((from, to))
}
