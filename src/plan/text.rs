//! The plan as text.

use std::fmt::Write as _;

use super::Answer;
use crate::narrate::clock;

impl Answer {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if let Some(refusal) = &self.refusal {
            let _ = writeln!(text, "error: preflight will refuse it: {refusal}\n");
        }
        let _ = writeln!(
            text,
            "{}: {} tasks with {} connections each; {}\n",
            self.event, self.tasks, self.connections_per_task, self.drain
        );
        let _ = writeln!(
            text,
            "{:>5}  {:>8}  {:>5}  {:>5}  {:>15}  {:>22}",
            "step", "at", "tasks", "left", "connections cut", "peak reconnects/s/task"
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
                "{:>5}  {:>8}  {:>5}  {:>5}  {:>15.0}  {:>22.1}",
                row.step,
                clock(f64::from(row.at)).trim(),
                row.tasks,
                row.left,
                row.connections_cut,
                row.peak_reconnects_per_task
            );
        }
        let hours = |seconds: u32| clock(f64::from(seconds)).trim().to_owned();
        let _ = writeln!(
            text,
            "\n  time          {} from the first step to the last, about {} from the swap until the original has gone",
            hours(self.seconds),
            hours(self.seconds_from_swap)
        );
        let _ = writeln!(
            text,
            "  reconnects    {:.0} in the busiest second, {:.1} to each replacement task; {:.0} a second in the busiest minute",
            self.peak_reconnects, self.peak_reconnects_per_task, self.busiest_minute
        );
        let _ = writeln!(
            text,
            "  extra tasks   {:.1} task-hours from the swap on",
            self.extra_task_hours
        );
        if let Some(cost) = &self.cost {
            let _ = writeln!(text, "  costs         {cost}");
        }
        let _ = writeln!(text, "  limit         {}", self.limit);
        for warning in &self.warnings {
            let _ = writeln!(text, "  warning       {warning}");
        }
        for alternative in &self.alternatives {
            let _ = writeln!(text, "  or            {alternative}");
        }
        text
    }
}
