//! Reports: a deployment, or several ways to drain, as one file that a browser shows.

mod page;
mod plot;
mod thin;

pub(crate) use plot::PlotError;

use crate::compare::{COLUMNS, Comparison, count};
use crate::narrate::clock;
use crate::run::{Felt, Phase, Run, Series, phases};

use page::{Column, Page};
use plot::{Ink, Line, Panel, Span};

/// What a report says at its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Heading {
    /// What it is.
    pub(crate) title: String,
    /// What was simulated: names and facts, in the order to show them.
    pub(crate) facts: Vec<(String, String)>,
}

/// A report of deployments, one after the other, each with a name.
pub(crate) fn of_runs(heading: &Heading, runs: &[(String, Run)]) -> Result<String, PlotError> {
    let mut page = Page::new(&heading.title, &heading.facts);
    for (name, run) in runs {
        if runs.len() > 1 {
            page.heading(name);
        }
        deployment(&mut page, run)?;
    }
    Ok(page.finish())
}

/// A report of the ways to drain one service.
pub(crate) fn of_comparison(
    heading: &Heading,
    comparison: &Comparison,
) -> Result<String, PlotError> {
    let mut page = Page::new(&heading.title, &heading.facts);
    for sentence in comparison.about() {
        page.paragraph(&sentence);
    }
    let heads = COLUMNS.map(|(first, second)| {
        let joined = format!("{first} {second}").replace("- ", "");
        joined.trim().to_owned()
    });
    let names = [("way", Column::Name), ("timings", Column::Name)].into_iter();
    let figures = heads.iter().map(|head| (head.as_str(), Column::Number));
    let rows: Vec<_> = comparison
        .rows()
        .into_iter()
        .map(|(name, timings, cells)| {
            let names = [name.to_owned(), timings.to_owned()];
            names.into_iter().chain(cells).collect()
        })
        .collect();
    page.table(&names.chain(figures).collect::<Vec<_>>(), &rows);
    page.paragraph(&comparison.legend());
    for (name, run) in comparison.failures() {
        let text = format!("{name}, {}: {}", run.timings.as_str(), run.outcome());
        page.outcome(false, &text);
    }
    let runs = comparison.ways.iter().flat_map(|way| &way.runs);
    let felt: Vec<_> = runs.filter_map(|run| run.run.clients.as_ref()).collect();
    let busy = |felt: &&Felt| busy(&felt.cuts, &felt.reconnects);
    let span = felt.iter().filter_map(busy);
    let span = span.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
    let Some((from, to)) = span else {
        page.paragraph("Nobody reconnected.");
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
            let peaks = way
                .runs
                .iter()
                .map(|run| run.figures.peak_reconnects_in1_second);
            Panel {
                label: Some(format!(
                    "{}: {} at most",
                    way.name,
                    count(peaks.max().unwrap_or_default())
                )),
                lines: lines.collect(),
            }
        })
        .collect();
    let title = "Reconnects a second";
    let described: Vec<_> = panels
        .iter()
        .filter_map(|panel| panel.label.clone())
        .collect();
    let svg = plot::picture(title, &described.join("; "), span, &[], &panels)?;
    let two = comparison.ways.iter().any(|way| way.runs.len() > 1);
    let legend = if two {
        vec![
            ("reconnects", "random timings".to_owned()),
            ("beside", "exact timings".to_owned()),
        ]
    } else {
        vec![("reconnects", "exact timings".to_owned())]
    };
    let title = format!(
        "{title}, by way; {} since the deployment's start",
        span.unit().0
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

fn deployment(page: &mut Page, run: &Run) -> Result<(), PlotError> {
    let summary = &run.summary;
    page.outcome(summary.succeeded(), &summary.outcome());
    page.paragraph(&format!(
        "It took {} (h:mm:ss, simulated), {} states, {} history events of 25,000, {} invocations and {} API calls, and {:.2} task-hours above the desired count of {}.",
        clock(summary.seconds).trim(),
        count(summary.states.len() as u64),
        count(summary.history_events),
        count(run.invocations),
        count(summary.calls as u64),
        run.extra_task_hours,
        run.desired,
    ));
    let seconds = run.tasks.iter().chain(&run.healthy);
    let seconds = seconds.map(|series| series.values.len()).max();
    let span = Span {
        from: 0,
        to: seconds.unwrap_or_default().saturating_sub(1).max(1),
    };
    let phases = phases(&run.states);
    let marks: Vec<_> = phases.iter().skip(1).map(|phase| phase.from).collect();
    states(page, span, &phases)?;
    by_role(page, span, &marks, "Running tasks", &run.tasks)?;
    by_role(page, span, &marks, "Healthy targets", &run.healthy)?;
    match &run.clients {
        Some(felt) => connections(page, span, &marks, felt)?,
        None => page.paragraph("The scenario has no clients: no connections were held or cut."),
    }
    timetable(page, &phases);
    Ok(())
}

fn connections(page: &mut Page, span: Span, marks: &[f64], felt: &Felt) -> Result<(), PlotError> {
    by_role(page, span, marks, "Connections", &felt.connections)?;
    let panel = Panel {
        label: None,
        lines: vec![
            Line {
                ink: Ink::Reconnects,
                values: &felt.reconnects,
                filled: true,
            },
            Line {
                ink: Ink::Refused,
                values: &felt.refused,
                filled: false,
            },
        ],
    };
    let refused: u64 = felt.refused.iter().sum();
    let peak = felt.peak(1);
    let legend = [
        (
            "reconnects",
            format!("tries of clients that were cut, at most {}", count(peak)),
        ),
        ("refused", format!("refused, {} in all", count(refused))),
    ];
    let title = "Reconnects a second";
    let svg = plot::picture(title, &words(&legend), span, marks, &[panel])?;
    page.figure(
        &format!("{title}; {} since the start", span.unit().0),
        &legend,
        &svg,
    );
    Ok(())
}

/// The phases as bars.
fn states(page: &mut Page, span: Span, phases: &[Phase]) -> Result<(), PlotError> {
    let title = "States";
    let told: Vec<_> = phases
        .iter()
        .map(|phase| format!("{} from {}", phase.name, clock(phase.from).trim()))
        .collect();
    let svg = plot::phases(title, &told.join(", "), span, phases)?;
    page.figure(title, &[], &svg);
    Ok(())
}

/// When which state was entered: what is too short for the bars, too.
fn timetable(page: &mut Page, phases: &[Phase]) {
    let rows: Vec<_> = phases
        .iter()
        .map(|phase| {
            vec![
                phase.name.to_owned(),
                clock(phase.from).trim().to_owned(),
                format!("{:.1} s", phase.to - phase.from),
                phase.states.join(", "),
            ]
        })
        .collect();
    let columns = [
        ("phase", Column::Name),
        ("from", Column::Number),
        ("took", Column::Number),
        ("states", Column::Text),
    ];
    page.table(&columns, &rows);
}

fn by_role(
    page: &mut Page,
    span: Span,
    marks: &[f64],
    title: &str,
    series: &[Series],
) -> Result<(), PlotError> {
    let lines = series.iter().map(|series| Line {
        ink: series.role.into(),
        values: &series.values,
        filled: false,
    });
    let panel = Panel {
        label: None,
        lines: lines.collect(),
    };
    let legend: Vec<_> = series
        .iter()
        .map(|series| {
            let words = format!("{} {}", series.role.as_str(), series.name);
            (Ink::from(series.role).class(), words)
        })
        .collect();
    let svg = plot::picture(title, &words(&legend), span, marks, &[panel])?;
    let title = format!("{title}; {} since the start", span.unit().0);
    page.figure(&title, &legend, &svg);
    Ok(())
}

/// A legend in words.
fn words(legend: &[(&str, String)]) -> String {
    let words: Vec<_> = legend.iter().map(|(_, words)| words.as_str()).collect();
    words.join("; ")
}
