//! Reports: a deployment, or several ways to drain, as one file that a browser shows.

mod page;
mod plot;
mod thin;

pub(crate) use plot::PlotError;

use crate::compare::{COLUMNS, Comparison, count};
use crate::narrate::clock;
use crate::run::{Phase, Run, Series, phases};

use page::Page;
use plot::{Ink, Line, Panel, Span};

/// What a report says at its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Heading {
    /// What it is.
    pub(crate) title: String,
    /// What was simulated: names and facts, in the order to show them.
    pub(crate) facts: Vec<(String, String)>,
}

/// Height of one plot, and of one of several that share their axes.
const HEIGHT: u32 = 190;
const LOW: u32 = 130;

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
    let head = ["way", "timings"].map(str::to_owned).into_iter();
    let head = head.chain(COLUMNS.map(|(first, second)| {
        let joined = format!("{first} {second}").replace("- ", "");
        joined.trim().to_owned()
    }));
    let rows: Vec<_> = comparison
        .rows()
        .into_iter()
        .map(|(name, timings, cells)| {
            let names = [name.to_owned(), timings.to_owned()];
            names.into_iter().chain(cells).collect()
        })
        .collect();
    page.table(&head.collect::<Vec<_>>(), 2, &rows);
    page.paragraph(&comparison.legend());
    for (name, run) in comparison.failures() {
        let text = format!("{name}, {}: {}", run.timings.as_str(), run.outcome());
        page.outcome(false, &text);
    }
    let runs = comparison.ways.iter().flat_map(|way| &way.runs);
    let felt: Vec<_> = runs.filter_map(|run| run.run.clients.as_ref()).collect();
    let busy = |felt: &&crate::run::Felt| busy(&felt.cuts, &felt.reconnects);
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
            let mut lines: Vec<_> = felt
                .zip([Ink::Beside, Ink::Reconnects])
                .map(|(felt, ink)| Line {
                    ink,
                    values: &felt.reconnects,
                    filled: false,
                })
                .collect();
            // Of what is drawn, the last is what the scenario asks for.
            lines.reverse();
            if let Some(first) = lines.first_mut() {
                (first.ink, first.filled) = (Ink::Reconnects, true);
            }
            Panel {
                label: Some(&way.name),
                lines,
            }
        })
        .collect();
    let title = "Reconnects a second";
    let described: Vec<_> = comparison
        .ways
        .iter()
        .filter_map(|way| {
            let last = way.runs.last()?;
            let peak = count(last.figures.peak_reconnects_in1_second);
            Some(format!("{}: at most {peak}", way.name))
        })
        .collect();
    let svg = plot::picture(title, &described.join("; "), span, &[], &panels, LOW)?;
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
    let Some(felt) = &run.clients else {
        page.paragraph("The scenario has no clients: no connections were held, and none were cut.");
        return Ok(());
    };
    by_role(page, span, &marks, "Connections", &felt.connections)?;
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
    let svg = plot::picture(title, &words(&legend), span, &marks, &[panel], HEIGHT)?;
    page.figure(
        &format!("{title}; {} since the start", span.unit().0),
        &legend,
        &svg,
    );
    Ok(())
}

/// The phases as bars, and as a table for what is too short to be read there.
fn states(page: &mut Page, span: Span, phases: &[Phase]) -> Result<(), PlotError> {
    let title = "States";
    let told: Vec<_> = phases
        .iter()
        .map(|phase| format!("{} from {}", phase.name, clock(phase.from).trim()))
        .collect();
    let svg = plot::phases(title, &told.join(", "), span, phases)?;
    page.figure(title, &[], &svg);
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
    let head = ["phase", "from", "took", "states"].map(str::to_owned);
    page.table(&head, 1, &rows);
    Ok(())
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
    let svg = plot::picture(title, &words(&legend), span, marks, &[panel], HEIGHT)?;
    let title = format!("{title}; {} since the start", span.unit().0);
    page.figure(&title, &legend, &svg);
    Ok(())
}

/// A legend in words.
fn words(legend: &[(&str, String)]) -> String {
    let words: Vec<_> = legend.iter().map(|(_, words)| words.as_str()).collect();
    words.join("; ")
}
