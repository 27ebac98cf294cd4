//! The table, as text.

use super::comparison::{Compared, Comparison};
use super::figures::Figures;
use super::shifts::Shifted;
use crate::output::{BAD, DIM, GOOD, PLAIN, Styled, clock, count, count_of};
use crate::service::{too_many_of_one_task, within};
use ebbtide_controller::counted::counted;

/// The columns of figures: two lines of head each, and whether the floor has a part in it.
pub(super) const COLUMNS: [(&str, &str); 10] = [
    ("first to", "last cut"),
    ("most in", "10 s"),
    ("times", "floor"),
    ("most in", "1 s"),
    ("at a task", "in 1 s"),
    ("", "refused"),
    ("longest", "without"),
    ("deploy-", "ment"),
    ("extra", "task-h"),
    ("API", "calls"),
];

/// The column of the time that a deployment took.
const DEPLOYMENT: usize = 7;

pub(super) fn cells(figures: &Figures) -> [String; COLUMNS.len()] {
    let cut = figures.first_to_last_cut_seconds;
    [
        cut.map_or_else(|| "-".to_owned(), |seconds| format!("{} s", count(seconds))),
        count(figures.peak_reconnects_in10_seconds),
        format!("{:.1}", figures.times_floor),
        count(figures.peak_reconnects_in1_second),
        count(figures.peak_tries_in1_second_of_a_task),
        count(figures.refused),
        format!("{} s", count(figures.longest_without_seconds)),
        format!("{} s", count(figures.deployment_seconds)),
        format!("{:.2}", figures.extra_task_hours),
        count(figures.api_calls as u64),
    ]
}

impl Comparison {
    /// The rows of the table: way, timings, cells. What differs not at all between the timings is one
    /// row.
    pub(super) fn rows(&self) -> Vec<(&str, &'static str, [String; COLUMNS.len()])> {
        let mut rows = Vec::new();
        for compared in &self.ways {
            let mut runs = compared.runs.iter();
            let same = runs.all(|run| run.figures == compared.runs[0].figures);
            for run in compared.runs.iter().take(if same { 1 } else { usize::MAX }) {
                let timings = match (same, compared.runs.len()) {
                    (true, 2..) => "both",
                    _ => run.timings.as_str(),
                };
                let mut cells = cells(&run.figures);
                if !run.run.summary.succeeded() {
                    // What it did until then is no achievement.
                    "FAILED".clone_into(&mut cells[DEPLOYMENT]);
                }
                rows.push((compared.way.name.as_str(), timings, cells));
            }
        }
        rows
    }

    /// What the table is about, in sentences.
    pub(super) fn about(&self) -> Vec<String> {
        let (tasks, clients) = (self.scenario.tasks, &self.clients);
        let accepts = clients.new_connections_per_second_per_task;
        let mut about = vec![
            format!(
                "{}: {}, {}, {} a task; disconnected clients reconnect {}{}.",
                self.name,
                counted(tasks, "task"),
                count_of(self.connections(), "connection"),
                count(clients.connections_per_task),
                within(clients),
                accepts.map_or_else(
                    || ", and a task accepts all that come".to_owned(),
                    |accepts| format!(", and a task accepts {} a second", count(accepts))
                ),
            ),
            format!(
                "The floor is {} in 10 s over {} s: all connections spread evenly, or one task's.",
                count_of(self.floor.reconnects_in10_seconds, "reconnect"),
                self.floor.seconds
            ),
        ];
        about.extend(
            too_many_of_one_task(clients, tasks).map(|warning| format!("Warning: {warning}.")),
        );
        about
    }

    /// What the words in the table mean.
    pub(super) fn legend(&self) -> String {
        let exact = "everything takes its usual time and clients come evenly";
        match self.scenario.timings.jitter_percent {
            0 => format!("Timings: {exact}, as the scenario has it."),
            random => format!(
                "Each way was deployed twice: with exact timings ({exact}), and with random ones, by up to {random} % more or less (seed {}).",
                self.scenario.seed
            ),
        }
    }
}

impl Comparison {
    /// The table for people, within 80 columns: of both timings, the worse figure.
    pub(super) fn lines(&self) -> Vec<Styled> {
        let mut lines: Vec<_> = self
            .about()
            .iter()
            .map(|sentence| Styled::new(PLAIN, sentence).wrapped(2))
            .collect();
        lines.push(Styled::default());
        let name_width = self.ways.iter().map(|way| way.way.name.len()).max();
        let name_width = name_width.unwrap_or_default().max(3);
        let row = |style, name: &str, cells: [&str; SHORT.len()]| {
            let cells = cells.iter().zip(WIDTHS);
            let cells = cells.map(|(cell, width)| format!(" {cell:>width$}"));
            Styled::new(
                style,
                &format!("{name:<name_width$}{}", cells.collect::<String>()),
            )
        };
        lines.push(row(DIM, "", SHORT.map(|(first, _)| first)));
        lines.push(row(DIM, "way", SHORT.map(|(_, second)| second)));
        let recommended = self.recommended();
        for way in &self.ways {
            let cells = short(&way.worst(), way.has_succeeded());
            let is_best = recommended.is_some_and(|best| best.way == way.way);
            let style = match (way.has_succeeded(), is_best) {
                (false, _) => BAD,
                (true, true) => GOOD,
                (true, false) => PLAIN,
            };
            lines.push(row(
                style,
                &way.way.name,
                cells.each_ref().map(String::as_str),
            ));
        }
        lines.push(Styled::default());
        let worse = match self.scenario.timings.jitter_percent {
            0 => "",
            _ => " The table has the worse figures.",
        };
        let timings = self.legend() + worse + &self.left_out;
        for sentence in [LEGEND, &timings] {
            lines.push(Styled::new(DIM, sentence).wrapped(0));
        }
        lines.extend(
            self.failures()
                .iter()
                .map(|failure| Styled::new(BAD, failure).wrapped(2)),
        );
        lines.push(Styled::default());
        lines.extend(recommended.map(|best| {
            let said = Styled::new(GOOD, "Recommended: ");
            said.and(PLAIN, &self.recommendation(best)).wrapped(2)
        }));
        lines.extend(self.shifts.iter().map(Shifted::line));
        lines
    }

    /// The field to paste, and its result.
    pub(super) fn recommendation(&self, best: &Compared) -> String {
        let drain = best.way.drain.to_json();
        let figures = best.worst();
        let fewer = |first: &Figures| {
            let times =
                first.peak_reconnects_in10_seconds / figures.peak_reconnects_in10_seconds.max(1);
            let longer = figures
                .deployment_seconds
                .saturating_sub(first.deployment_seconds);
            let longer = clock(f64::from(u32::try_from(longer).unwrap_or(u32::MAX)));
            format!(": {times} times fewer reconnects in 10 s than all at once, {longer} longer")
        };
        let first = &self.ways[0];
        let gain = (first.way != best.way).then(|| fewer(&first.worst()));
        let refused = (figures.refused > 0).then(|| {
            let refused = count(figures.refused);
            let is_slower_better = self.fits && figures.refused < first.worst().refused;
            let hint = if is_slower_better {
                ": a longer --within refuses fewer"
            } else {
                ""
            };
            format!("; {refused} attempts are refused all the same{hint}")
        });
        let (gain, refused) = (gain.unwrap_or_default(), refused.unwrap_or_default());
        format!("\"drain\": {drain}{gain}{refused}")
    }
}

/// The columns of the table for people: two lines of head each.
const SHORT: [(&str, &str); 7] = [
    ("most in", "10 s"),
    ("times", "floor"),
    ("most in", "1 s"),
    ("to a", "task"),
    ("", "refused"),
    ("longest", "without"),
    ("deploy-", "ment"),
];
const WIDTHS: [usize; SHORT.len()] = [8, 5, 7, 6, 9, 7, 8];

const LEGEND: &str = "Most in 10 s and in 1 s: reconnects, refused ones included. Times floor: how many times the least that is possible in the time that this way takes. To a task: the most tries that one task has in 1 s. Longest without: a client's longest time without a connection.";

fn short(figures: &Figures, has_succeeded: bool) -> [String; SHORT.len()] {
    if !has_succeeded {
        // What it did until it failed is no achievement.
        let cells = ["", "", "", "", "", "", "FAILED"];
        return cells.map(str::to_owned);
    }
    let seconds = u32::try_from(figures.deployment_seconds).unwrap_or(u32::MAX);
    let [_, in_ten, floor, in_one, to_a_task, refused, without, ..] = cells(figures);
    [
        in_ten,
        floor,
        in_one,
        to_a_task,
        refused,
        without,
        clock(f64::from(seconds)),
    ]
}
