//! The plan as a page.

use super::answer::Answer;
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
    let left = left(answer);
    let span = Span {
        from: 0,
        to: left.len().saturating_sub(1).max(1),
    };
    let begin = match answer.registry_wait_seconds {
        Some(_) => "the original left the registry",
        None => "the first step",
    };
    let reconnects = (
        "Reconnects a second",
        "the first cut",
        Ink::Reconnects,
        &answer.reconnects,
    );
    let mut plots = vec![("Tasks left", begin, Ink::Original, &left)];
    plots.extend(answer.has_load_balancer.then_some(reconnects));
    for (title, since, ink, values) in plots {
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
    let heads = answer.heads().iter();
    let heads = heads.map(|(first, second, _)| format!("{first} {second}").trim().to_owned());
    let heads: Vec<_> = heads.collect();
    let columns = heads.iter().map(|head| (head.as_str(), Column::Number));
    let columns: Vec<_> = columns.collect();
    page.table(&columns, &answer.rows());
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

/// Tasks left in each second since the first step, or the wait before it.
fn left(answer: &Answer) -> Vec<u64> {
    let wait = usize::try_from(answer.registry_wait_seconds.unwrap_or_default());
    let seconds = answer
        .reconnects
        .len()
        .saturating_add(wait.unwrap_or_default());
    let mut left = vec![u64::from(answer.tasks); seconds];
    for step in &answer.steps {
        let from = usize::try_from(step.at).unwrap_or(usize::MAX);
        for second in left.iter_mut().skip(from) {
            *second = u64::from(step.left);
        }
    }
    left
}
