//! Reports: pages with plots, each one file that a browser shows.

mod execution;
mod page;
mod plot;
mod thin;

pub(crate) use execution::{Arguments, run};
pub(crate) use page::{Column, Heading, Page};
pub(crate) use plot::{Ink, Line, Mark, Panel, PlotError, Span, bars, file, picture};

/// Puts a plot on a page: its lines over a time, `marks` at moments worth a vertical line, and a legend of
/// class in the style and words.
pub(crate) fn plot(
    page: &mut Page,
    (title, since): (&str, &str),
    (span, marks): (Span, &[Mark]),
    legend: &[(&str, String)],
    lines: Vec<Line<'_>>,
) -> Result<(), PlotError> {
    let words: Vec<_> = legend.iter().map(|(_, words)| words.as_str()).collect();
    let panel = Panel { label: None, lines };
    let svg = picture(title, &words.join("; "), span, marks, &[panel])?;
    let title = format!("{title}; {} since {since}", span.unit().0);
    page.figure(&title, legend, &svg);
    Ok(())
}
