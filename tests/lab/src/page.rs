//! The measurements as a page with plots, and as one picture.

use crate::failure::Failure;
use crate::laboratory::Measurement;
use crate::output::count;
use crate::report::page::{Column, Heading, Page};
use crate::report::plot::{Ink, Line, Panel, Span, file, picture as plot};
use crate::table;

pub(crate) fn of(measurements: &[Measurement]) -> Result<String, Failure> {
    let mut page = Page::new(&Heading {
        title: "Deployments with real connections, measured".to_owned(),
        facts: facts(measurements),
    });
    let heads = table::COLUMNS.iter().enumerate();
    let kind = |(place, head): (usize, &&'static str)| {
        let kind = if place == 0 {
            Column::Name
        } else {
            Column::Number
        };
        (*head, kind)
    };
    let heads: Vec<_> = heads.map(kind).collect();
    let rows = table::rows(measurements).into_iter();
    page.table(&heads, &rows.map(Vec::from).collect::<Vec<_>>());
    for sentence in measurements.iter().map(table::sentence) {
        page.paragraph(&sentence);
    }
    for one in measurements {
        page.heading(one.way);
        let measured = &one.measured;
        let to = measured.original.len().max(measured.attempts.len());
        let span = Span { from: 0, to };
        let (mut lines, mut legend) = (Vec::new(), Vec::new());
        if let Some(predicted) = &one.predicted {
            lines.push(line(Ink::Beside, &predicted.attempts, false));
            legend.push((Ink::Beside.class(), "predicted".to_owned()));
        }
        lines.push(line(Ink::Reconnects, &measured.attempts, true));
        legend.push((Ink::Reconnects.class(), "measured".to_owned()));
        let panels = [Panel { label: None, lines }];
        let svg = plot("Attempts a second", one.way, span, &[], &panels)?;
        page.figure("Attempts to connect, second by second", &legend, &svg);
        let lines = vec![
            line(Ink::Original, &measured.original, false),
            line(Ink::Replacement, &measured.replacement, false),
        ];
        let panels = [Panel { label: None, lines }];
        let svg = plot("Connections", one.way, span, &[], &panels)?;
        let legend = [Ink::Original, Ink::Replacement];
        let legend = legend.map(|ink| (ink.class(), ink.class().to_owned()));
        page.figure(
            "Connections by task set, as HAProxy has them",
            &legend,
            &svg,
        );
    }
    Ok(page.finish())
}

/// The attempts of the ways that were predicted, below one another, each from its first attempt on.
pub(crate) fn picture(measurements: &[Measurement]) -> Result<String, Failure> {
    let shown = measurements.iter().filter_map(|one| {
        let predicted = one.predicted.as_ref()?;
        Some((one, busy(&one.measured.attempts), busy(&predicted.attempts)))
    });
    let shown: Vec<_> = shown.collect();
    let lengths = shown
        .iter()
        .map(|(_, measured, predicted)| measured.len().max(predicted.len()));
    let last = lengths.max().ok_or("nothing was predicted")?;
    let span = Span {
        from: 0,
        to: last + last / 20,
    };
    let panels: Vec<_> = shown
        .iter()
        .map(|(one, measured, predicted)| Panel {
            label: Some(format!(
                "{}: {} attempts in 10 s at most",
                one.way,
                count(one.measured.most_in_ten_seconds)
            )),
            lines: vec![
                line(Ink::Reconnects, measured, true),
                line(Ink::Beside, predicted, false),
            ],
        })
        .collect();
    let (one, _, _) = shown.first().ok_or("nothing was predicted")?;
    let title = format!(
        "Attempts to connect a second while {} brokers with {} connections are replaced",
        one.tasks,
        count(one.measured.clients as u64)
    );
    let since = "the first attempt. Area: measured; thin line: predicted";
    Ok(file((&title, since), span, &panels)?)
}

fn line(ink: Ink, values: &[u64], filled: bool) -> Line<'_> {
    Line {
        ink,
        values,
        filled,
    }
}

/// From the first second with an attempt to the last.
fn busy(attempts: &[u64]) -> &[u64] {
    let first = attempts.iter().position(|attempts| *attempts > 0);
    let last = attempts.iter().rposition(|attempts| *attempts > 0);
    match (first, last) {
        (Some(first), Some(last)) => &attempts[first..=last],
        _ => &[],
    }
}

fn facts(measurements: &[Measurement]) -> Vec<(&'static str, String)> {
    let Some(one) = measurements.first() else {
        return Vec::new();
    };
    let clients = count(one.measured.clients as u64);
    let time = if (one.speed - 1.0).abs() < f64::EPSILON {
        "real".to_owned()
    } else {
        format!("{} simulated seconds a second", one.speed)
    };
    vec![
        (
            "brokers",
            format!("{} mosquitto processes a task set", one.tasks),
        ),
        ("clients", format!("{clients} MQTT connections")),
        ("load balancer", "HAProxy, a process a zone".to_owned()),
        ("time", time),
    ]
}
