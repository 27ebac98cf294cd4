//! A progress line on the terminal that stderr is; nothing anywhere else.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::executions::since;
use crate::follow::now;
use crate::narrate::{Drain, Progress};
use crate::output::{Format, clock};

/// Characters of the part that fills.
const WIDTH: u32 = 10;

#[derive(Clone)]
pub(crate) struct Bar {
    bar: ProgressBar,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Default)]
struct Shown {
    /// When the execution started, in seconds since 1970; nothing is shown before that is known.
    started: Option<u64>,
    progress: Progress,
}

impl Bar {
    pub(crate) fn of_deployment(format: Format) -> Self {
        let bar = match format {
            Format::Text => ProgressBar::new_spinner(),
            Format::Json => ProgressBar::hidden(),
        };
        let shown = Arc::new(Mutex::new(Shown::default()));
        let state = Arc::clone(&shown);
        // Made anew at each tick: times go on while nothing happens.
        let line = move |_: &ProgressState, out: &mut dyn Write| {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let started = state.started;
            let line = started.map(|started| line(&state.progress, started, now()));
            let _ = out.write_str(&line.unwrap_or_default());
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {line}") {
            bar.set_style(style.with_key("line", line));
        }
        // Without a terminal indicatif draws nothing.
        if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, shown }
    }

    pub(crate) fn of_deployments(deployments: usize) -> Self {
        let bar = ProgressBar::new(deployments as u64);
        let template = "{msg:<24} {bar:30} deployment {pos} of {len}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let shown = Arc::default();
        Self { bar, shown }
    }

    /// That of a simulated deployment which prints nothing itself: what it is for, and how far it is.
    pub(crate) fn of_simulation(what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}{msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let shown = Arc::default();
        Self { bar, shown }
    }

    /// Shows how far a simulated deployment is.
    pub(crate) fn simulated(&self, seconds: f64) {
        self.bar
            .set_message(format!(", {} simulated", clock(seconds)));
    }

    pub(crate) fn next(&self, name: &str) {
        self.bar.set_message(name.to_owned());
        self.bar.inc(1);
    }

    /// Shows how far a deployment is that started then.
    pub(crate) fn show(&self, progress: &Progress, started: u64) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.started = Some(started);
        shown.progress = progress.clone();
    }

    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far a deployment is: at most 78 columns with four digits of tasks, and the numbers first.
fn line(progress: &Progress, started: u64, now: u64) -> String {
    let mut line = format!("{} {}", clock(since(started, now)), progress.phase());
    let drain = progress.drain.filter(|_| progress.shortfall.is_none());
    if let Some(shortfall) = &progress.shortfall {
        let _ = write!(line, "  {shortfall}");
    } else if let Some(shift) = &progress.shift {
        let _ = write!(line, "  {shift}");
    } else if let Some(drain) = drain {
        let Drain {
            left, of, running, ..
        } = drain;
        let _ = write!(
            line,
            " {} {running} of {of} running, {left} wanted",
            filled(drain)
        );
    }
    let step = drain.and_then(|drain| drain.next);
    let step = progress.shift.map(|shift| shift.next).or(step);
    let ahead = |at: &u64| *at > now;
    let next = step.map(|at| (at, "step"));
    let next = next.or_else(|| progress.pause_ends.map(|at| (at, "check")));
    if let Some((at, what)) = next.filter(|(at, _)| ahead(at)) {
        let _ = write!(line, ", {what} in {}", minutes(at - now));
    }
    line
}

/// A drain as a bar: half of it for the tasks that steps have removed, half for those that have stopped.
fn filled(drain: Drain) -> String {
    let taken = drain.of.saturating_sub(drain.left);
    let stopped = drain.of.saturating_sub(drain.running);
    let done = u64::from(taken) + u64::from(stopped);
    let all = (u64::from(drain.of) * 2).max(1);
    let full = usize::try_from(done * u64::from(WIDTH) / all).unwrap_or_default();
    "█".repeat(full) + &"░".repeat(WIDTH as usize - full)
}

/// Seconds as `m:ss`, from an hour on as `h:mm:ss`.
fn minutes(seconds: u64) -> String {
    if seconds < 3_600 {
        format!("{}:{:02}", seconds / 60, seconds % 60)
    } else {
        clock(since(0, seconds))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::narrate::What;

    fn progress(answer: &serde_json::Value, waits: &str) -> Progress {
        let mut progress = Progress::default();
        progress.hear(
            1_000,
            &What::Exited {
                state: "ScaleDown".to_owned(),
                output: answer.clone(),
            },
        );
        let state = waits.to_owned();
        progress.hear(1_000, &What::Entered { state });
        progress
    }

    fn draining(left: u32, of: u32, running: u32) -> serde_json::Value {
        let next = (left > 0).then_some(60);
        json!({"next": "Wait", "wait": 60, "plan": {"outgoing": "original", "swapped": 1},
            "reason": {"code": "step", "drain": {"left": left, "of": of, "running": running, "nextStep": next}}})
    }

    #[test]
    fn the_line_says_what_there_is_of_what_is_wanted_and_what_comes_when() {
        let waiting = json!({"next": "WaitForServiceReady", "wait": 30, "plan": {"outgoing": "original"},
            "reason": {"code": "notReady", "shortfall": {"of": "healthyTargets", "seen": 2, "wanted": 4}}});
        let in_registry = json!({"next": "WaitForServiceReady", "wait": 30, "plan": {"outgoing": "original"},
            "reason": {"code": "notReady", "shortfall": {"of": "healthyInstances", "seen": 2, "wanted": 4}}});
        let mut leaving = draining(4, 4, 4);
        leaving["reason"]["code"] = json!("leavingRegistry");
        leaving["reason"]["drain"]["nextStep"] = json!(150);
        let by_tasks = json!({"next": "Bake", "wait": 60, "plan": {"outgoing": "original",
            "replacementTargetGroup": "arn:aws:servicediscovery:eu-west-1:111122223333:service/srv-1/x"},
            "reason": {"code": "shifting",
                "shift": {"percent": 25, "step": 1, "of": 2, "nextPercent": 100, "next": 150}}});
        for (answer, waits, wanted) in [
            (
                in_registry,
                "WaitForServiceReady",
                "0:01:40 readiness  2 of 4 healthy, check in 0:20",
            ),
            (
                leaving,
                "Wait",
                "0:01:40 registry ░░░░░░░░░░ 4 of 4 running, 4 wanted, step in 2:20",
            ),
            (
                by_tasks,
                "Bake",
                "0:01:40 shift  25 % of the tasks, step 1 of 2, step in 2:20",
            ),
            (
                waiting,
                "WaitForServiceReady",
                "0:01:40 readiness  2 of 4 healthy, check in 0:20",
            ),
            (
                draining(4, 4, 4),
                "Wait",
                "0:01:40 drain ░░░░░░░░░░ 4 of 4 running, 4 wanted, step in 0:50",
            ),
            (
                draining(1, 4, 3),
                "Wait",
                "0:01:40 drain █████░░░░░ 3 of 4 running, 1 wanted, step in 0:50",
            ),
            // It goes on filling while the last tasks stop.
            (
                draining(0, 4, 3),
                "Wait",
                "0:01:40 drain ██████░░░░ 3 of 4 running, 0 wanted, check in 0:50",
            ),
            (
                draining(0, 4, 0),
                "Cleanup",
                "0:01:40 drain ██████████ 0 of 4 running, 0 wanted",
            ),
        ] {
            let line = line(&progress(&answer, waits), 910, 1_010);
            assert_eq!(line, wanted);
        }
    }

    #[test]
    fn the_line_fits_80_columns() {
        let mut longest = draining(1_234, 4_000, 1_999);
        longest["reason"]["drain"]["nextStep"] = json!(20_000);
        longest["plan"]["outgoing"] = json!("replacement");
        let line = line(&progress(&longest, "Wait"), 0, 1_001);
        assert!(line.chars().count() <= 78, "{line}");
    }

    #[test]
    fn what_is_due_already_has_no_countdown() {
        let line = line(&progress(&draining(1, 4, 3), "Wait"), 910, 2_000);
        assert!(line.ends_with("3 of 4 running, 1 wanted"), "{line}");
        assert_eq!(
            (minutes(59), minutes(3_600)),
            ("0:59".into(), "1:00:00".into())
        );
    }
}
