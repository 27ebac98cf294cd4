//! The plan as it is printed.

use std::fmt::Write as _;

use ebbtide_controller::counted::counted;
use serde::Serialize;

use super::cost::Cost;
use crate::output::clock;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub(super) event: String,
    pub(super) tasks: u32,
    pub(super) connections_per_task: f64,
    /// What the drain does, in a sentence.
    pub(super) drain: String,
    pub(super) steps: Vec<StepRow>,
    /// Seconds from the first step to the last.
    pub(super) seconds: u32,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<String>,
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) alternatives: Vec<String>,
    /// Whether clients come back as planned: each deregistration takes as long as every other.
    #[serde(skip)]
    pub(super) is_even: bool,
    /// Reconnects in each second since the first step's cut, rounded up, where they do.
    #[serde(skip)]
    pub(super) reconnects: Vec<u64>,
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

impl Answer {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if let Some(refusal) = &self.refusal {
            let _ = writeln!(text, "error: preflight will refuse it: {refusal}\n");
        }
        let _ = writeln!(
            text,
            "{}: {} with {} each; {}\n",
            self.event,
            counted(self.tasks, "task"),
            counted(self.connections_per_task, "connection"),
            self.drain
        );
        let _ = writeln!(
            text,
            "{:>5}  {:>8}  {:>5}  {:>5}  {:>15}  {:>22}  {:>15}",
            "step",
            "at",
            "tasks",
            "left",
            "connections cut",
            "peak reconnects/s/task",
            "longest without"
        );
        for (index, row) in self.steps.iter().enumerate() {
            // The middle of a long plan is all alike.
            if self.steps.len() > 40 && index == 20 {
                let _ = writeln!(text, "  …    {} more like these", self.steps.len() - 40);
            }
            if self.steps.len() > 40 && (20..self.steps.len() - 20).contains(&index) {
                continue;
            }
            let _ = writeln!(
                text,
                "{:>5}  {:>8}  {:>5}  {:>5}  {:>15.0}  {:>22.1}  {:>13} s",
                row.step,
                clock(f64::from(row.at)),
                row.tasks,
                row.left,
                row.connections_cut,
                row.peak_reconnects_per_task,
                row.longest_without_seconds
            );
        }
        let hours = |seconds: u32| clock(f64::from(seconds));
        let (time, from_swap) = (hours(self.seconds), hours(self.seconds_from_swap));
        let gone = match self.tasks_left {
            0 => "the original has gone".to_owned(),
            left => format!(
                "it stops with {left} of {} left",
                counted(self.tasks, "task")
            ),
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
        let _ = write!(
            text,
            "
  time          {time} from the first step to the last, about {from_swap} from the swap until {gone}
  reconnects    {up_to}{peak:.0} in the busiest second, {of_a_task:.1} to each replacement task; {up_to}{minute:.0} a second in the busiest minute
  extra tasks   {extra:.1} task-hours from the swap on
"
        );
        if let Some(cost) = &self.cost {
            let _ = writeln!(text, "  costs         {cost}");
        }
        let _ = writeln!(text, "  limit         {limit}");
        for warning in &self.warnings {
            let _ = writeln!(text, "  warning       {warning}");
        }
        for alternative in &self.alternatives {
            let _ = writeln!(text, "  or            {alternative}");
        }
        text
    }
}
