//! A bar on the terminal that stderr is; nothing anywhere else.

use std::io::IsTerminal;
use std::time::Duration;

use ebbtide_controller::clock::rfc3339;
use ebbtide_controller::counted::counted;
use indicatif::{ProgressBar, ProgressStyle};

use crate::narrate::{Drain, Said};
use crate::output::Format;

/// While tasks are taken away, and else.
const DRAIN: &str = "{spinner} {bar:24} {wide_msg}";
const ELSE: &str = "{spinner} {wide_msg}";

pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn of_deployment(format: Format) -> Self {
        let bar = match format {
            Format::Text => ProgressBar::new_spinner(),
            Format::Json => ProgressBar::hidden(),
        };
        set_style(&bar, ELSE);
        // Without a terminal indicatif draws nothing.
        if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self(bar)
    }

    pub(crate) fn of_deployments(deployments: usize) -> Self {
        let bar = ProgressBar::new(deployments as u64);
        set_style(&bar, "{msg:<24} {bar:30} deployment {pos} of {len}");
        Self(bar)
    }

    pub(crate) fn next(&self, name: &str) {
        self.0.set_message(name.to_owned());
        self.0.inc(1);
    }

    /// Shows what happened last, and how far the drain is then.
    pub(crate) fn show(&self, said: &Said, drain: Option<Drain>) {
        let Said {
            state, sentence, ..
        } = said;
        set_style(&self.0, if drain.is_some() { DRAIN } else { ELSE });
        let message = drain.map(|drain @ Drain { left, of, .. }| {
            self.0.set_length(u64::from(of));
            self.0.set_position(u64::from(left));
            format!(
                "{left} of {} to take away{}",
                counted(of, "task"),
                times(drain)
            )
        });
        let message = message.as_ref().unwrap_or(sentence);
        self.0.set_message(format!("{state}: {message}"));
    }

    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// The times of a drain's next and last step, behind a comma.
fn times(drain: Drain) -> String {
    let of_day = |at: u64| rfc3339(at).split_off(11);
    match (drain.next, drain.last) {
        (Some(next), Some(last)) if last > next => format!(
            ", next step at {}, the last at about {}",
            of_day(next),
            of_day(last)
        ),
        (Some(next), _) => format!(", last step at {}", of_day(next)),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drains_times_are_those_of_the_day_in_utc() {
        let mut drain = Drain {
            left: 3,
            of: 4,
            next: Some(1_767_225_660),
            last: Some(1_767_225_780),
            done: None,
        };
        assert_eq!(
            times(drain),
            ", next step at 00:01:00Z, the last at about 00:03:00Z"
        );
        drain.last = drain.next;
        assert_eq!(times(drain), ", last step at 00:01:00Z");
        drain.next = None;
        assert_eq!(times(drain), "");
    }
}
