//! Plots: a step line a series over time, as SVG in which text stays text.
//!
//! Every colour is drawn as it is on paper; the page's style gives it another one in the dark, by the
//! colour's own name. So a colour here is a word that `colors.css` knows.

use plotters::coord::Shift;
use plotters::element::{Rectangle, Text};
use plotters::prelude::{
    ChartBuilder, Color, DashedLineSeries, DrawingArea, DrawingAreaErrorKind, IntoDrawingArea,
    IntoFont, LineSeries, PathElement, Polygon, RGBColor, SVGBackend, ShapeStyle, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::page::{COLORS, escape};
use super::thin::steps;
use crate::output::count;

/// Why a plot could not be drawn.
pub(crate) type PlotError = DrawingAreaErrorKind<std::io::Error>;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
const GRID: RGBColor = RGBColor(0xD8, 0xDE, 0xE4);
const BESIDE: RGBColor = RGBColor(0x57, 0x60, 0x6A);
const BAND: RGBColor = RGBColor(0xE7, 0xEB, 0xF0);
const OTHER_BAND: RGBColor = RGBColor(0xCF, 0xD7, 0xE0);

/// How wide a plot is drawn: once for a screen or paper, and once for a phone. The page shows one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Wide,
    Narrow,
}

impl Size {
    /// In the units of the view box.
    fn width(self) -> u32 {
        match self {
            Self::Wide => 960,
            Self::Narrow => 400,
        }
    }

    /// Numbers on the axis of time.
    fn labels(self) -> usize {
        match self {
            Self::Wide => 12,
            Self::Narrow => 5,
        }
    }

    /// Stretches of time that a line is drawn of.
    fn buckets(self) -> usize {
        match self {
            Self::Wide => 880,
            Self::Narrow => 320,
        }
    }
}

const LEFT: u32 = 66;
const RIGHT: u32 = 14;
const BOTTOM: u32 = 26;
/// Text, in the same units; the library divides by 1.24.
const TEXT: f64 = 13.0 * 1.24;
/// About as wide as a letter of that size is.
const LETTER: f64 = 7.2;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Original,
    Replacement,
    Leftover,
    Reconnects,
    Refused,
    /// What was wanted, or what would be without chance: a thin line beside the others.
    Beside,
}

/// How a line looks: its name in the style, its colour and width, and whether it is dashed: not all
/// readers tell lines apart by colour.
struct Look(&'static str, RGBColor, u32, bool);

impl Ink {
    fn look(self) -> Look {
        match self {
            Self::Original => Look("original", RGBColor(0xB3, 0x5A, 0x00), 2, true),
            Self::Replacement => Look("replacement", RGBColor(0x00, 0x66, 0xB3), 2, false),
            Self::Leftover => Look("leftover", RGBColor(0x7A, 0x52, 0x99), 2, false),
            Self::Reconnects => Look("reconnects", RGBColor(0x00, 0x7A, 0x5E), 1, false),
            Self::Refused => Look("refused", RGBColor(0xC0, 0x1C, 0x4B), 1, true),
            Self::Beside => Look("beside", BESIDE, 1, false),
        }
    }

    /// Its name in the style.
    pub(crate) fn class(self) -> &'static str {
        self.look().0
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) ink: Ink,
    /// A value a second.
    pub(crate) values: &'a [u64],
    /// Whether the area below it is filled.
    pub(crate) filled: bool,
}

/// The time that plots have in common, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Span {
    /// The unit on the axis, and how many seconds it has.
    pub(crate) fn unit(self) -> (&'static str, f64) {
        match self.to - self.from {
            0..=300 => ("seconds", 1.0),
            301..=14_400 => ("minutes", 60.0),
            14_401..=432_000 => ("hours", 3_600.0),
            _ => ("days", 86_400.0),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds of some weeks")]
    fn at(self, second: usize) -> f64 {
        second as f64 / self.unit().1
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Panel<'a> {
    /// Said above it, where there are several.
    pub(crate) label: Option<String>,
    pub(crate) lines: Vec<Line<'a>>,
}

impl Panel<'_> {
    /// Its height without the time below it, and that of what is above the plot: less for one of several.
    fn heights(&self, is_marked: bool) -> (u32, u32) {
        match (&self.label, is_marked) {
            (Some(_), _) => (112, 34),
            (None, false) => (164, 12),
            (None, true) => (196, 44),
        }
    }

    fn most(&self, span: Span) -> u64 {
        let values = |line: &Line<'_>| {
            let to = line.values.len().min(span.to + 1);
            let seen = line.values.get(span.from..to);
            seen.and_then(|values| values.iter().copied().max())
        };
        let most = self.lines.iter().filter_map(values).max();
        most.unwrap_or_default()
    }
}

/// A moment that is worth a vertical line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    /// Seconds on the axis of time.
    pub(crate) at: f64,
    /// What happened, in a word or two; left out where there is no room.
    pub(crate) label: String,
}

/// Draws plots below one another over the same time, each with a vertical scale of its own.
pub(crate) fn picture(
    title: &str,
    description: &str,
    span: Span,
    marks: &[Mark],
    panels: &[Panel<'_>],
) -> Result<String, PlotError> {
    let drawn = |size| {
        let svg = drawn(size, span, marks, panels, None)?;
        Ok::<_, PlotError>(named(&svg, size, title, description))
    };
    Ok(drawn(Size::Wide)? + &drawn(Size::Narrow)?)
}

/// The height of the line above and the line below a picture of its own.
const EDGE: u32 = 34;

/// Plots below one another as a file of its own: with one scale for all of them, the title above and what the time
/// counts from below, and colours for light and dark.
pub(crate) fn file(
    (title, since): (&str, &str),
    span: Span,
    panels: &[Panel<'_>],
) -> Result<String, PlotError> {
    let most = panels.iter().map(|panel| panel.most(span)).max();
    let plots = drawn(Size::Wide, span, &[], panels, most)?;
    let plots = plots
        .trim()
        .replacen("<svg ", &format!("<svg y=\"{EDGE}\" "), 1);
    let (width, inner) = (Size::Wide.width(), height(panels, &[]));
    let (height, below) = (inner + 2 * EDGE, inner + EDGE + 18);
    let labels = panels.iter().filter_map(|panel| panel.label.as_deref());
    let description = escape(&labels.collect::<Vec<_>>().join("; "));
    let (title, since) = (
        escape(title),
        escape(&format!("{} since {since}", span.unit().0)),
    );
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}. {description}\">\n\
         <title>{title}</title>\n<desc>{description}</desc>\n<style>\n{COLORS}</style>\n\
         <rect width=\"100%\" height=\"100%\" style=\"fill: var(--paper)\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"16\" font-weight=\"600\" style=\"fill: var(--ink)\">{title}</text>\n\
         {plots}\n\
         <text x=\"{}\" y=\"{below}\" font-size=\"13\" text-anchor=\"end\" style=\"fill: var(--quiet)\">{since}</text>\n</svg>\n",
        width - RIGHT,
    ))
}

/// The height of plots below one another.
fn height(panels: &[Panel<'_>], marks: &[Mark]) -> u32 {
    let heights = panels
        .iter()
        .map(|panel| panel.heights(!marks.is_empty()).0);
    heights.sum::<u32>() + BOTTOM
}

/// Draws plots below one another; each with a scale of its own, or all with one that has `most` in it.
fn drawn(
    width: Size,
    span: Span,
    marks: &[Mark],
    panels: &[Panel<'_>],
    most: Option<u64>,
) -> Result<String, PlotError> {
    let mut text = String::new();
    {
        let size = (width.width(), height(panels, marks));
        let mut rest = SVGBackend::with_string(&mut text, size).into_drawing_area();
        for (place, panel) in panels.iter().enumerate() {
            // The time is written below the last one, for all of them.
            let bottom = if place + 1 == panels.len() { BOTTOM } else { 0 };
            let height = panel.heights(!marks.is_empty()).0;
            let (area, below) = rest.split_vertically(height + bottom);
            let top = top_of(most.unwrap_or_else(|| panel.most(span)));
            draw(&area, width, span, marks, panel, (bottom, top))?;
            rest = below;
        }
        rest.present()?;
    }
    Ok(text)
}

fn draw(
    area: &Area<'_>,
    size: Size,
    span: Span,
    marks: &[Mark],
    panel: &Panel<'_>,
    (bottom, top): (u32, u64),
) -> Result<(), PlotError> {
    let above = panel.heights(!marks.is_empty()).1;
    let mut chart = ChartBuilder::on(area)
        .margin_top(above)
        .margin_right(RIGHT)
        .y_label_area_size(LEFT)
        .x_label_area_size(bottom)
        .build_cartesian_2d(span.at(span.from)..span.at(span.to), 0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(size.labels())
        .y_labels(if panel.label.is_some() { 3 } else { 6 })
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .axis_style(GRID)
        .label_style(("sans-serif", TEXT, &INK))
        .x_label_formatter(&|at| number(*at))
        .y_label_formatter(&|value| count(*value))
        .draw()?;
    for Mark { at, .. } in marks {
        let at = at / span.unit().1;
        let line = PathElement::new(vec![(at, 0), (at, top)], BESIDE.mix(0.5));
        chart.draw_series(std::iter::once(line))?;
    }
    label(area, size, span, marks, above)?;
    for line in &panel.lines {
        let Look(_, color, stroke_width, is_dashed) = line.ink.look();
        let style = ShapeStyle {
            color: color.to_rgba(),
            filled: false,
            stroke_width,
        };
        let corners = corners(line.values, span, size.buckets());
        let (Some(first), Some(last)) = (corners.first(), corners.last()) else {
            continue;
        };
        if line.filled {
            let mut outline = vec![(first.0, 0)];
            outline.extend(&corners);
            outline.push((last.0, 0));
            let fill = color.mix(0.3);
            chart.draw_series(std::iter::once(Polygon::new(outline, fill)))?;
        }
        if is_dashed {
            chart.draw_series(DashedLineSeries::new(corners, 6, 4, style))?;
        } else {
            chart.draw_series(LineSeries::new(corners, style))?;
        }
    }
    if let Some(label) = &panel.label {
        let style = TextStyle::from(("sans-serif", TEXT).into_font()).color(&INK);
        let left = i32::try_from(LEFT).unwrap_or_default();
        area.draw(&Text::new(label.as_str(), (left, 14), style))?;
    }
    Ok(())
}

/// Rows of labels above a plot with marks.
const ROWS: usize = 2;

/// Writes what the marks are above a plot, where there is room: the steps of a drain after everything else.
fn label(
    area: &Area<'_>,
    size: Size,
    span: Span,
    marks: &[Mark],
    above: u32,
) -> Result<(), PlotError> {
    let width = f64::from(size.width() - LEFT - RIGHT);
    let (from, to) = (span.at(span.from), span.at(span.to));
    let per_unit = width / (to - from).max(f64::EPSILON);
    let is_step = |mark: &&Mark| mark.label.starts_with("step ");
    let (steps, others): (Vec<_>, Vec<_>) = marks.iter().partition(is_step);
    let mut taken: [Vec<(f64, f64)>; ROWS] = Default::default();
    for Mark { at, label } in others.into_iter().chain(steps) {
        let left = f64::from(LEFT) + (at / span.unit().1 - from) * per_unit;
        let letters = u32::try_from(label.chars().count()).unwrap_or(u32::MAX);
        let right = left + f64::from(letters + 1) * LETTER;
        let is_free = |row: &Vec<(f64, f64)>| row.iter().all(|(l, r)| right < *l || *r < left);
        let Some(row) = taken.iter().position(is_free) else {
            continue;
        };
        if right > f64::from(size.width()) {
            continue;
        }
        taken[row].push((left, right));
        let rows = i32::try_from(17 * (row + 1)).unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the width of a plot"
        )]
        let place = (left as i32, i32::try_from(above).unwrap_or_default() - rows);
        let style = TextStyle::from(("sans-serif", TEXT).into_font()).color(&INK);
        area.draw(&Text::new(label.as_str(), place, style))?;
    }
    Ok(())
}

/// The corners of a step line, in the axis' unit.
fn corners(values: &[u64], span: Span, buckets: usize) -> Vec<(f64, u64)> {
    let steps = steps(values, span.from, span.to + 1, buckets);
    let mut corners: Vec<(f64, u64)> = Vec::with_capacity(2 * steps.len() + 1);
    for (second, value) in steps {
        if let Some((_, before)) = corners.last().copied() {
            corners.push((span.at(second), before));
        }
        corners.push((span.at(second), value));
    }
    if let Some((_, last)) = corners.last().copied() {
        corners.push((span.at(span.to.min(values.len().saturating_sub(1))), last));
    }
    corners
}

/// The upper end of an axis: a little above the most, so that a line does not lie on the edge.
fn top_of(most: u64) -> u64 {
    most + (most / 12).max(1)
}

/// A bar with a name for every stretch of time, over the same time as the plots; `stretches` have their
/// ends in seconds.
pub(crate) fn bars(
    title: &str,
    description: &str,
    span: Span,
    stretches: &[(&str, f64, f64)],
) -> Result<String, PlotError> {
    let wide = bars_of(Size::Wide, (title, description), span, stretches)?;
    let narrow = bars_of(Size::Narrow, (title, description), span, stretches)?;
    Ok(wide + &narrow)
}

fn bars_of(
    size: Size,
    (title, description): (&str, &str),
    span: Span,
    stretches: &[(&str, f64, f64)],
) -> Result<String, PlotError> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (size.width(), 40)).into_drawing_area();
        let (scale, width) = (span.unit().1, f64::from(size.width() - LEFT - RIGHT));
        let range = span.at(span.from)..span.at(span.to);
        let per_unit = width / (range.end - range.start).max(f64::EPSILON);
        let mut chart = ChartBuilder::on(&root)
            .margin_top(4)
            .margin_bottom(4)
            .margin_right(RIGHT)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(range, 0.0..1.0)?;
        for (number, (name, from, to)) in stretches.iter().enumerate() {
            let color = if number % 2 == 0 { BAND } else { OTHER_BAND };
            let (from, to) = (from / scale, to / scale);
            let bar = Rectangle::new([(from, 0.0), (to, 1.0)], color.filled());
            chart.draw_series(std::iter::once(bar))?;
            let letters = u32::try_from(name.len()).unwrap_or(u32::MAX);
            if (to - from) * per_unit < f64::from(letters) * LETTER + 8.0 {
                continue;
            }
            let style = TextStyle::from(("sans-serif", TEXT).into_font())
                .color(&INK)
                .pos(Pos::new(HPos::Center, VPos::Center));
            let label = Text::new((*name).to_owned(), (f64::midpoint(from, to), 0.5), style);
            chart.draw_series(std::iter::once(label))?;
        }
        root.present()?;
    }
    Ok(named(&text, size, title, description))
}

/// The picture with its name for those who do not see it.
fn named(svg: &str, size: Size, title: &str, description: &str) -> String {
    let (tag, rest) = svg.split_once('>').unwrap_or((svg, ""));
    let class = match size {
        Size::Wide => "on-screen",
        Size::Narrow => "on-phone",
    };
    format!(
        "{tag} class=\"{class}\" role=\"img\" aria-label=\"{title}. {description}\"><title>{title}</title><desc>{description}</desc>{rest}",
        title = escape(title),
        description = escape(description),
    )
}

fn number(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
