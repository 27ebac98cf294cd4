//! The plan as a page.

use super::answer::Answer;
use crate::input;
use crate::output::count;
use crate::report::{self, Heading, Ink, Line, Page, PlotError, Span};

/// The plan with plots, as HTML.
pub(super) fn of(answer: &Answer, service: &str) -> Result<String, PlotError> {
    let mut page = Page::new(&Heading {
        title: format!("{service}: the drain as planned"),
        facts: vec![("command", input::command_line())],
    });
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
    page.preformatted(&answer.text());
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
