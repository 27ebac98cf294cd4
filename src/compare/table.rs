//! The table, as text.

use std::fmt;

use super::comparison::Comparison;
use super::figures::Figures;
use crate::output::count;
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
                "{}: {}, {} connections, {} a task; disconnected clients reconnect {}{}.",
                self.name,
                counted(tasks, "task"),
                count(self.connections()),
                count(clients.connections_per_task),
                within(clients),
                accepts.map_or_else(String::new, |accepts| format!(
                    ", and a task accepts {} a second",
                    count(accepts)
                )),
            ),
            format!(
                "The floor is {} reconnects in 10 s: all connections spread evenly over {} s, or one task's.",
                count(self.floor.reconnects_in10_seconds),
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
                "Timings: exact, {exact}; random, by up to {random} % more or less (seed {}).",
                self.scenario.seed
            ),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sentence in self.about() {
            writeln!(f, "{sentence}")?;
        }
        writeln!(f)?;
        let rows = self.rows();
        let name_width = rows.iter().map(|(name, ..)| name.len()).max();
        let name_width = name_width.unwrap_or_default();
        let widths: Vec<usize> = (0..COLUMNS.len())
            .map(|column| {
                let cells = rows.iter().map(|(_, _, cells)| cells[column].len());
                let (first, second) = COLUMNS[column];
                cells.chain([first.len(), second.len()]).max().unwrap_or(0)
            })
            .collect();
        let mut line = |name: &str, timings: &str, cells: &[&str]| {
            write!(f, "{name:<name_width$}  {timings:<7}")?;
            for (cell, width) in cells.iter().zip(&widths) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)
        };
        line("", "", &COLUMNS.map(|(first, _)| first))?;
        line("way", "timings", &COLUMNS.map(|(_, second)| second))?;
        let mut before = "";
        for (name, timings, cells) in &rows {
            let shown = if *name == before { "" } else { *name };
            line(shown, timings, &cells.each_ref().map(String::as_str))?;
            before = name;
        }
        writeln!(f, "\n{}", self.legend())?;
        for failure in self.failures() {
            writeln!(f, "{failure}")?;
        }
        Ok(())
    }
}
