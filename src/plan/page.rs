//! The plan as a page.

use super::Answer;
use crate::input;
use crate::report::{self, Heading, PlannedDrain, PlotError};

impl Answer {
    /// The plan with plots, as HTML.
    pub(super) fn page(&self, service: &str) -> Result<String, PlotError> {
        let heading = Heading {
            title: format!("{service}: the drain as planned"),
            facts: vec![("command".to_owned(), input::command_line())],
        };
        let planned = PlannedDrain {
            text: &self.text(),
            left: &self.left(),
            reconnects: &self.reconnects,
        };
        report::of_plan(&heading, &planned)
    }

    /// Tasks left in each second since the first step.
    fn left(&self) -> Vec<u64> {
        let mut left = vec![0; self.reconnects.len()];
        for step in &self.steps {
            let from = usize::try_from(step.at).unwrap_or(usize::MAX);
            for second in left.iter_mut().skip(from) {
                *second = u64::from(step.left);
            }
        }
        left
    }
}

/// Rounded up, so that none is less than it is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "reconnects a second: neither negative nor beyond some millions"
)]
pub(super) fn whole(reconnects: &[f64]) -> Vec<u64> {
    let up = |reconnects: &f64| reconnects.ceil() as u64;
    reconnects.iter().map(up).collect()
}
