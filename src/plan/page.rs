//! The plan as a page.

use super::answer::{Answer, HEADS};
use crate::input;
use crate::output::count;
use crate::report::{self, Column, Heading, Ink, Line, Page, PlotError, Span};

/// The plan with plots, as HTML.
pub(super) fn of(answer: &Answer, service: &str) -> Result<String, PlotError> {
    let mut page = Page::new(&Heading {
        title: format!("{service}: the drain as planned"),
        facts: vec![
            ("command", input::command_line()),
            ("service", answer.about()),
        ],
    });
    if let Some(refusal) = &answer.refusal {
        page.outcome(false, &format!("Preflight will refuse it: {refusal}"));
    }
    let span = Span {
        from: 0,
        to: answer.reconnects.len().saturating_sub(1).max(1),
    };
    let left = left(answer);
    let (step, cut) = ("the first step", "the first cut");
    for (title, since, ink, values) in [
        ("Tasks left", step, Ink::Original, &left),
        (
            "Reconnects a second",
            cut,
            Ink::Reconnects,
            &answer.reconnects,
        ),
    ] {
        let most = count(values.iter().max().copied().unwrap_or_default());
        let planned = match ink {
            Ink::Reconnects if !answer.is_even => format!(
                "as planned, where each deregistration takes as long; otherwise {:.0} at most",
                answer.peak_reconnects.ceil()
            ),
            _ => format!("as planned, {most} at most"),
        };
        let legend = [(ink.class(), planned)];
        let line = Line {
            ink,
            values,
            filled: ink == Ink::Reconnects,
        };
        report::plot(&mut page, (title, since), (span, &[]), &legend, vec![line])?;
    }
    let columns = HEADS.map(|(first, second)| {
        let head = format!("{first} {second}");
        (head.trim().to_owned(), Column::Number)
    });
    let columns = columns
        .each_ref()
        .map(|(head, column)| (head.as_str(), *column));
    let rows = answer.rows();
    page.table(
        &columns,
        &rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>(),
    );
    for (label, text) in answer.figures() {
        page.paragraph(&format!("{label}: {text}."));
    }
    let warnings = answer
        .warnings
        .iter()
        .map(|warning| format!("Warning: {warning}"));
    let alternatives = answer
        .alternatives
        .iter()
        .map(|other| format!("Or: {other}"));
    warnings
        .chain(alternatives)
        .for_each(|text| page.paragraph(&text));
    Ok(page.finish())
}

/// Tasks left in each second since the first step.
fn left(answer: &Answer) -> Vec<u64> {
    let mut left = vec![0; answer.reconnects.len()];
    for step in &answer.steps {
        let from = usize::try_from(step.at).unwrap_or(usize::MAX);
        for second in left.iter_mut().skip(from) {
            *second = u64::from(step.left);
        }
    }
    left
}
