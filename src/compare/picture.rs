//! The comparison as one picture: the reconnects when all tasks are stopped at once, when they are drained as the event
//! asks for it, and when they are drained in the recommended way.

use ebbtide_controller::counted::counted;

use super::comparison::{Compared, Comparison};
use crate::output::{count, count_of};
use crate::report::{Ink, Line, Panel, PlotError, Span, file};

/// Nothing where no client was disconnected.
pub(super) fn of(comparison: &Comparison) -> Result<Option<String>, PlotError> {
    let shown: Vec<_> = shown(comparison).into_iter().map(Shown::of).collect();
    let seconds = shown
        .iter()
        .filter_map(|way| way.reconnects.len().checked_sub(1));
    let Some(last) = seconds.max() else {
        return Ok(None);
    };
    // The last second has a width too.
    let span = Span {
        from: 0,
        to: last + 1 + last / 20,
    };
    let accepted = comparison.clients.new_connections_per_second_per_task;
    let accepted = accepted.map(|each| each * u64::from(comparison.scenario.tasks));
    let limit = accepted.map(|accepted| vec![accepted; span.to + 1]);
    let panels: Vec<_> = shown
        .iter()
        .map(|way| way.panel(limit.as_deref()))
        .collect();
    let title = format!(
        "Reconnects a second while {} with {} are replaced",
        counted(comparison.scenario.tasks, "task"),
        count_of(comparison.connections(), "connection")
    );
    let since = "the first disconnected client";
    let accepted = accepted.map(|accepted| {
        let accepted = count(accepted);
        format!(
            "{since}. Thin line: new connections that the replacement accepts, {accepted} a second"
        )
    });
    let since = accepted.as_deref().unwrap_or(since);
    Ok(Some(file((&title, since), span, &panels)?))
}

/// All at once, what the event asks for, and what is recommended, each once.
fn shown(comparison: &Comparison) -> Vec<&Compared> {
    let of_event = comparison.ways.iter().filter(|way| way.way.of_event);
    let ways = comparison.ways.iter().take(1).chain(of_event);
    let mut shown: Vec<&Compared> = Vec::new();
    for way in ways.chain(comparison.recommended()) {
        if shown.iter().all(|known| known.way != way.way) {
            shown.push(way);
        }
    }
    shown
}

struct Shown<'a> {
    label: String,
    /// A number a second, from the first client that was disconnected to the last that came back.
    reconnects: &'a [u64],
}

impl<'a> Shown<'a> {
    /// Of both timings, the run with the higher peak: that is the figure in the table.
    fn of(way: &'a Compared) -> Self {
        let worst = way.worst();
        let peak = worst.peak_reconnects_in1_second;
        let highest = way
            .runs
            .iter()
            .find(|run| run.figures.peak_reconnects_in1_second == peak);
        let felt = highest.and_then(|run| run.run.clients.as_ref());
        let reconnects = felt.and_then(|felt| {
            let first = felt.cuts.iter().position(|cut| *cut > 0)?;
            let last = felt.reconnects.iter().rposition(|came| *came > 0)?;
            felt.reconnects.get(first..=last)
        });
        let (name, peak, refused) = (&way.way.name, count(peak), count(worst.refused));
        Self {
            label: format!("{name}: {peak} at most, {refused} refused in all"),
            reconnects: reconnects.unwrap_or_default(),
        }
    }

    fn panel(&'a self, limit: Option<&'a [u64]>) -> Panel<'a> {
        let line = |ink, values, filled| Line {
            ink,
            values,
            filled,
        };
        let reconnects = line(Ink::Reconnects, self.reconnects, true);
        let limit = limit.map(|values| line(Ink::Beside, values, false));
        Panel {
            label: Some(self.label.clone()),
            lines: std::iter::once(reconnects).chain(limit).collect(),
        }
    }
}
