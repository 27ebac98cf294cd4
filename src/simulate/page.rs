//! Deployments as a page: what happened second by second.

use super::phase::{Phase, phases};
use crate::output::{clock, count};
use crate::report::{self, Column, Heading, Ink, Line, Mark, Page, PlotError, Span};
use crate::simulation::{Called, Felt, Role, Run, Series};

pub(super) fn of(heading: &Heading, runs: &[(&str, &Run)]) -> Result<String, PlotError> {
    let mut page = Page::new(heading);
    for (name, run) in runs {
        if runs.len() > 1 {
            page.heading(name);
        }
        deployment(&mut page, run)?;
    }
    Ok(page.finish())
}

fn deployment(page: &mut Page, run: &Run) -> Result<(), PlotError> {
    let summary = &run.summary;
    page.outcome(summary.succeeded(), &summary.outcome());
    page.paragraph(&format!(
        "It took {} (h:mm:ss, simulated), {} states, {} history events of 25,000, {} invocations and {} API calls, and {:.2} task-hours above the desired count of {}.",
        clock(summary.seconds),
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
    let marks: Vec<_> = run
        .marks
        .iter()
        .map(|(at, label)| Mark {
            at: *at,
            label: label.clone(),
        })
        .collect();
    states(page, span, &phases)?;
    by_role(page, span, &marks, "Running tasks", &run.tasks)?;
    let healthy = if run.of_targets {
        "Healthy targets"
    } else {
        "Healthy instances in the registry"
    };
    by_role(page, span, &marks, healthy, &run.healthy)?;
    match (&run.clients, &run.callers) {
        (None, None) => {
            page.paragraph("The scenario has no clients: no connections were held or cut.");
        }
        (felt, called) => {
            if let Some(felt) = felt {
                connections(page, span, &marks, felt)?;
            }
            if let Some(called) = called {
                requests(page, span, &marks, called)?;
            }
        }
    }
    timetable(page, &phases);
    Ok(())
}

fn connections(page: &mut Page, span: Span, marks: &[Mark], felt: &Felt) -> Result<(), PlotError> {
    by_role(page, span, marks, "Connections", &felt.connections)?;
    let line = |ink, values, filled| Line {
        ink,
        values,
        filled,
    };
    let lines = vec![
        line(Ink::Reconnects, felt.reconnects.as_slice(), true),
        line(Ink::Refused, &felt.refused, false),
    ];
    let refused = count(felt.refused.iter().sum());
    let peak = count(felt.peak(1));
    let legend = [
        (
            "reconnects",
            format!("tries of clients that were cut, at most {peak}"),
        ),
        ("refused", format!("refused, {refused} in all")),
    ];
    let title = ("Reconnects a second", "the start");
    report::plot(page, title, (span, marks), &legend, lines)
}

fn requests(page: &mut Page, span: Span, marks: &[Mark], called: &Called) -> Result<(), PlotError> {
    by_role(page, span, marks, "Requests a second", &called.requests)?;
    let all = count(called.summary.requests());
    let stopped = called.to_stopped.iter().sum();
    let without = called.without_address.iter().sum();
    if stopped + without == 0 {
        page.paragraph(&format!(
            "Of {all} requests, none went to a stopped task or found no address."
        ));
        return Ok(());
    }
    let line = |ink, values, filled| Line {
        ink,
        values,
        filled,
    };
    let lines = vec![
        line(Ink::Refused, called.to_stopped.as_slice(), false),
        line(Ink::Reconnects, &called.without_address, true),
    ];
    let legend = [
        (
            "refused",
            format!("to stopped tasks, {} in all", count(stopped)),
        ),
        (
            "reconnects",
            format!("without an address, {} in all", count(without)),
        ),
    ];
    let title = ("Requests that failed a second", "the start");
    report::plot(page, title, (span, marks), &legend, lines)
}

pub(crate) fn states(page: &mut Page, span: Span, phases: &[Phase]) -> Result<(), PlotError> {
    let title = "States";
    let told = phases
        .iter()
        .map(|phase| format!("{} from {}", phase.name, clock(phase.from)));
    let told = told.collect::<Vec<_>>().join(", ");
    let bars = phases
        .iter()
        .map(|phase| (phase.name, phase.from, phase.to));
    let svg = report::bars(title, &told, span, &bars.collect::<Vec<_>>())?;
    page.figure(title, &[], &svg);
    Ok(())
}

/// When which state was entered: what is too short for the bars, too.
pub(crate) fn timetable(page: &mut Page, phases: &[Phase]) {
    let rows: Vec<_> = phases
        .iter()
        .map(|phase| {
            vec![
                phase.name.to_owned(),
                clock(phase.from),
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

pub(crate) fn by_role(
    page: &mut Page,
    span: Span,
    marks: &[Mark],
    title: &str,
    series: &[Series],
) -> Result<(), PlotError> {
    let lines = series.iter().map(|series| Line {
        ink: ink(series.role),
        values: &series.values,
        filled: false,
    });
    let (title, lines) = ((title, "the start"), lines.collect());
    let legend = series.iter().map(|series| {
        let role = ink(series.role).class();
        (role, format!("{role} {}", series.name))
    });
    let legend: Vec<_> = legend.collect();
    report::plot(page, title, (span, marks), &legend, lines)
}

fn ink(role: Role) -> Ink {
    match role {
        Role::Original => Ink::Original,
        Role::Replacement => Ink::Replacement,
        Role::Leftover => Ink::Leftover,
    }
}
