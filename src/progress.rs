//! A bar on a terminal; nothing anywhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::narrate::Counts;

/// How far the drain of the original is, or a row of deployments. Hidden where standard error is no
/// terminal.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar for an original of this many tasks; `wanted` is false where people did not ask for
    /// text.
    pub(crate) fn new(tasks: usize, wanted: bool) -> Self {
        let bar = if wanted {
            ProgressBar::new(tasks as u64)
        } else {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        };
        if let Ok(style) =
            ProgressStyle::with_template("{msg:<24} {bar:30} {pos} of {len} tasks gone")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// A bar for so many deployments, one after the other.
    pub(crate) fn of_deployments(deployments: usize) -> Self {
        let bar = ProgressBar::new(deployments as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{msg:<24} {bar:30} deployment {pos} of {len}")
        {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Shows which deployment is next.
    pub(crate) fn next(&self, name: &str) {
        self.0.set_message(name.to_owned());
        self.0.inc(1);
    }

    /// Shows where the deployment is.
    pub(crate) fn show(&self, state: &str, counts: Counts) {
        if !state.is_empty() {
            self.0.set_message(state.to_owned());
        }
        let total = self.0.length().unwrap_or_default();
        self.0
            .set_position(total.saturating_sub(counts.original_tasks as u64));
    }

    /// Prints a line of the answer without tearing the bar.
    pub(crate) fn print(&self, line: &str) {
        self.0.suspend(|| crate::print(line));
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
