//! The plan as it is printed.

use ebbtide_controller::counted::counted;
use serde::Serialize;

use super::cost::{Cost, FARGATE_TASK_HOUR, usd};
use crate::output::{BAD, BOLD, DIM, PLAIN, Styled, WARNING, clock};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub(super) event: String,
    pub(super) tasks: u32,
    pub(super) connections_per_task: f64,
    /// What the drain does, in a sentence.
    pub(super) drain: String,
    pub(super) steps: Vec<StepRow>,
    /// Seconds from the first step to the last; before it the wait for clients of a registry.
    pub(super) seconds: u32,
    /// Seconds from the moment in which the original is taken out of its registry to the first step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registry_wait_seconds: Option<u32>,
    /// Seconds from the swap until the first step, at the earliest, where checks wait for samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds_to_first_step: Option<u32>,
    /// Seconds from the swap until the tasks of the last step have gone, about.
    pub(super) seconds_from_swap: u32,
    /// Tasks that the original still has then: of a budget that stops at its deadline.
    pub(super) tasks_left: u32,
    /// The most reconnects that one second may have, all tasks together, and of a replacement task.
    pub(super) peak_reconnects: f64,
    pub(super) peak_reconnects_per_task: f64,
    /// The most reconnects that a minute may have, a second.
    pub(super) busiest_minute: f64,
    pub(super) extra_task_hours: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cost: Option<Cost>,
    /// What decides how fast it goes.
    pub(super) limit: &'static str,
    /// When it comes to what, where the input has a window or `finishBy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) earliest: Option<Earliest>,
    /// The steps in which traffic moves before the drain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) shift: Vec<ShiftRow>,
    /// Where the deployment waits for a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pauses: Vec<String>,
    /// Whether scale-in is suspended while both task sets run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) holds_scale_in: bool,
    /// What comes on top of its costs.
    #[serde(skip)]
    pub(super) costs_more: &'static str,
    /// What comes on top of its times.
    #[serde(skip)]
    pub(super) takes_longer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<String>,
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) alternatives: Vec<String>,
    /// Without one, clients find the service in a registry alone, and none reconnects.
    #[serde(skip)]
    pub(super) has_load_balancer: bool,
    /// Whether clients come back as planned: each deregistration takes as long as every other.
    #[serde(skip)]
    pub(super) is_even: bool,
    /// Reconnects in each second since the first step's cut, rounded up, where they do.
    #[serde(skip)]
    pub(super) reconnects: Vec<u64>,
}

/// The earliest times of a deployment, in its window's time zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Earliest {
    /// When it starts.
    pub(super) start: String,
    pub(super) swap: String,
    pub(super) first_step: Option<String>,
    pub(super) last_step: Option<String>,
    pub(super) done: String,
    /// The same in words.
    #[serde(skip)]
    pub(super) text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StepRow {
    pub(super) step: usize,
    pub(super) at: u32,
    pub(super) tasks: u32,
    pub(super) left: u32,
    pub(super) connections_cut: f64,
    pub(super) peak_reconnects_per_task: f64,
    /// The most seconds that a client of these tasks is without a connection; longer where clients that are
    /// refused wait for longer than the replacement needs.
    pub(super) longest_without_seconds: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShiftRow {
    /// Percent of new connections that go to the replacement.
    pub(super) percent: u32,
    /// Seconds after the first step.
    pub(super) at: u32,
    /// What the step waits for.
    #[serde(skip)]
    pub(super) waits: String,
    /// Percent of all connections that are on the replacement at its end, where clients are known to stay for a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) share: Option<f64>,
}

impl ShiftRow {
    fn line(&self) -> String {
        let share = self.share.map(|share| {
            format!("; by its end {share:.1} % of all connections are on the replacement")
        });
        let at = clock(f64::from(self.at));
        format!("at {at}: {}{}", self.waits, share.unwrap_or_default())
    }
}

/// The heads of the table's columns, in two lines, and how wide they are.
const HEADS: [(&str, &str, usize); 8] = [
    ("", "steps", 9),
    ("first", "at", 8),
    ("", "every", 6),
    ("tasks", "each", 6),
    ("tasks", "left", 6),
    ("connections", "cut each", 11),
    ("reconnects/s", "per task", 12),
    ("longest", "without", 8),
];

/// Those that say nothing of connections.
const HEADS_OF_A_REGISTRY: usize = 5;

/// The label of a figure that there is with connections alone.
const RECONNECTS: &str = "reconnects";

/// Columns before the texts below the table.
const LABEL: usize = 16;

impl Answer {
    /// The plan for people, a text with styles for each line.
    pub(super) fn lines(&self) -> Vec<Styled> {
        let mut lines = Vec::new();
        if let Some(refusal) = &self.refusal {
            let refused = Styled::new(BAD, "error: ");
            let why = format!("preflight will refuse it: {refusal}");
            lines.extend([refused.and(PLAIN, &why).wrapped(2), Styled::default()]);
        }
        let title = Styled::new(BOLD, &format!("{}: ", self.event));
        lines.push(title.and(PLAIN, &self.about()).wrapped(2));
        lines.extend(self.table());
        let mut about = |label: &str, text: &str| {
            let style = if label == "warning" { WARNING } else { PLAIN };
            let line = Styled::new(style, &format!("  {label:<13} "));
            lines.push(line.and(PLAIN, text).wrapped(LABEL));
        };
        for (label, text) in self.figures() {
            about(label, &text);
        }
        for step in &self.shift {
            about("shift", &step.line());
        }
        for pause in &self.pauses {
            about("waits", pause);
        }
        for warning in &self.warnings {
            about("warning", warning);
        }
        for alternative in &self.alternatives {
            about("or", alternative);
        }
        lines
    }

    /// What is planned, in a sentence.
    pub(super) fn about(&self) -> String {
        let tasks = counted(self.tasks, "task");
        let held = if self.has_load_balancer {
            let connections = counted(self.connections_per_task, "connection");
            format!("with {connections} each")
        } else {
            "in a registry".to_owned()
        };
        format!("{tasks} {held}; {}", self.drain)
    }

    /// The heads of the table's columns, in two lines, and how wide they are.
    pub(super) fn heads(&self) -> &'static [(&'static str, &'static str, usize)] {
        let all = if self.has_load_balancer {
            HEADS.len()
        } else {
            HEADS_OF_A_REGISTRY
        };
        &HEADS[..all]
    }

    /// The steps, after the wait for clients of a registry; those in a row that are alike are one row.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        if let Some(seconds) = self.registry_wait_seconds {
            let mut wait = vec![
                "wait".to_owned(),
                clock(0.0),
                format!("{seconds} s"),
                String::new(),
                self.tasks.to_string(),
            ];
            wait.resize(self.heads().len(), String::new());
            rows.push(wait);
        }
        rows.extend(self.steps_alike());
        rows
    }

    fn steps_alike(&self) -> Vec<Vec<String>> {
        let rows = self.alike().into_iter().map(|Alike { rows, every }| {
            let (first, last) = (rows[0], rows[rows.len() - 1]);
            let steps = match rows.len() {
                1 => first.step.to_string(),
                _ => format!("{}\u{2013}{}", first.step, last.step),
            };
            let mut row = vec![
                steps,
                clock(f64::from(first.at)),
                every.map_or_else(String::new, |every| format!("{every} s")),
                first.tasks.to_string(),
                last.left.to_string(),
                format!("{:.0}", first.connections_cut),
                format!("{:.1}", first.peak_reconnects_per_task),
                format!("{} s", last.longest_without_seconds),
            ];
            row.truncate(self.heads().len());
            row
        });
        rows.collect()
    }

    fn table(&self) -> Vec<Styled> {
        let heads = self.heads();
        let line = |style, cells: &[&str]| {
            let cells = cells.iter().zip(heads);
            let cells = cells.map(|(cell, (_, _, width))| format!("{cell:>width$}"));
            Styled::new(style, cells.collect::<Vec<_>>().join(" ").trim_end())
        };
        let firsts: Vec<_> = heads.iter().map(|(first, _, _)| *first).collect();
        let seconds: Vec<_> = heads.iter().map(|(_, second, _)| *second).collect();
        let mut lines = vec![Styled::default(), line(DIM, &firsts), line(DIM, &seconds)];
        let rows = self.rows();
        lines.extend(rows.iter().map(|row| {
            let cells: Vec<_> = row.iter().map(String::as_str).collect();
            line(PLAIN, &cells)
        }));
        lines.push(Styled::default());
        lines
    }

    fn alike(&self) -> Vec<Alike<'_>> {
        let mut all: Vec<Alike<'_>> = Vec::new();
        for row in &self.steps {
            match all.last_mut().filter(|alike| alike.takes(row)) {
                Some(alike) => {
                    alike.every = Some(alike.pause(row));
                    alike.rows.push(row);
                }
                None => all.push(Alike {
                    rows: vec![row],
                    every: None,
                }),
            }
        }
        all
    }

    /// What follows from the steps: a label and a text each.
    pub(super) fn figures(&self) -> Vec<(&'static str, String)> {
        let hours = |seconds: u32| clock(f64::from(seconds));
        let (time, from_swap) = (hours(self.seconds), hours(self.seconds_from_swap));
        let gone = match self.tasks_left {
            0 => "the original has gone".to_owned(),
            left => format!(
                "it stops with {left} of {} left",
                counted(self.tasks, "task")
            ),
        };
        let begin = match self.registry_wait_seconds {
            Some(_) => "the moment in which the original leaves the registry to the last step",
            None => "the first step to the last",
        };
        let up_to = if self.is_even { "" } else { "up to " };
        let Self {
            peak_reconnects: peak,
            peak_reconnects_per_task: of_a_task,
            busiest_minute: minute,
            extra_task_hours: extra,
            limit,
            ..
        } = self;
        let more = self.takes_longer;
        let from = if self.shift.is_empty() {
            "swap"
        } else {
            "first share"
        };
        let fargate = usd(extra * FARGATE_TASK_HOUR);
        let mut figures = vec![
            (
                "time",
                format!("{time} from {begin}, about {from_swap} from the swap until {gone}{more}"),
            ),
            (
                RECONNECTS,
                format!(
                    "{up_to}{peak:.0} in the busiest second, {of_a_task:.1} to each replacement task; {up_to}{minute:.0} a second in the busiest minute"
                ),
            ),
            (
                "extra tasks",
                format!(
                    "{extra:.1} task-hours from the {from} on ({fargate} as Fargate tasks with 1 vCPU and 2 GB){more}"
                ),
            ),
        ];
        let samples = self.seconds_to_first_step.map(|seconds| {
            let first = hours(seconds);
            format!("the first step of the drain comes {first} after the swap at the earliest, for the samples of checks")
        });
        figures.splice(1..1, samples.map(|samples| ("samples", samples)));
        figures.retain(|(label, _)| self.has_load_balancer || *label != RECONNECTS);
        if self.holds_scale_in {
            let held =
                "Auto Scaling's scale-in is suspended from the replacement's creation to the end";
            figures.push(("scale-in", held.to_owned()));
        }
        let times = self.earliest.as_ref();
        let times = times.map(|times| format!("if it starts at {}: {}", times.start, times.text));
        figures.extend(times.map(|times| ("times", times)));
        let more = self.costs_more;
        let cost = self.cost.map(|cost| format!("{cost}{more}"));
        figures.extend(cost.map(|cost| ("costs", cost)));
        figures.push(("limit", format!("{limit} decides how fast it goes")));
        figures
    }
}

/// Steps in a row that differ in nothing but their time.
struct Alike<'a> {
    rows: Vec<&'a StepRow>,
    /// Seconds from each to the next, where there are several.
    every: Option<u32>,
}

impl Alike<'_> {
    fn pause(&self, row: &StepRow) -> u32 {
        row.at - self.rows[self.rows.len() - 1].at
    }

    fn takes(&self, row: &StepRow) -> bool {
        let of = |row: &StepRow| (row.tasks, row.peak_reconnects_per_task.to_bits());
        let paused = self.every.is_none_or(|every| every == self.pause(row));
        let longest = self.rows[0].longest_without_seconds == row.longest_without_seconds;
        of(self.rows[0]) == of(row) && paused && longest
    }
}
