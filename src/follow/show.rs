//! How a deployment that is followed is shown: lines, a bar on a terminal, or JSON.

use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;
use ebbtide_controller::arn::short;
use ebbtide_controller::clock::rfc3339;
use ebbtide_controller::quote::sentence;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::telling::{Drain, Said};
use crate::executions::{Execution, Status};
use crate::narrate::clock;

/// What the terminal shows while tasks are taken away, and else.
const DRAIN: &str = "{spinner} {bar:24} {wide_msg}";
const ELSE: &str = "{spinner} {wide_msg}";

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// A JSON object for each thing that happens, one a line.
    Json,
}

/// Where what happens goes: stdout, and a bar on the terminal that stderr is.
pub(crate) struct Show {
    format: Format,
    bar: ProgressBar,
    draining: bool,
}

impl Show {
    pub(crate) fn new(format: Format) -> Self {
        // Without a terminal indicatif draws nothing.
        let bar = match format {
            Format::Text => ProgressBar::new_spinner(),
            Format::Json => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template(ELSE) {
            bar.set_style(style);
        }
        if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self {
            format,
            bar,
            draining: false,
        }
    }

    /// Which execution is followed.
    pub(crate) fn following(&self, execution: &Execution) {
        let started = rfc3339(execution.started);
        match self.format {
            Format::Text => {
                let runs = if execution.status.has_ended() {
                    "has ended"
                } else {
                    "runs"
                };
                self.print(&format!(
                    "{started}  execution {} of {} {runs}: {}",
                    execution.name,
                    deployed(&execution.input),
                    execution.arn
                ));
            }
            Format::Json => self.print(
                &json!({"event": "execution", "at": started, "execution": execution.arn,
                    "name": execution.name, "status": execution.status.as_str()})
                .to_string(),
            ),
        }
    }

    /// One thing that happened, and how far the drain is then.
    pub(crate) fn said(&mut self, said: &Said, drain: Option<Drain>) {
        self.progress(&said.state, &said.sentence, drain);
        let at = rfc3339(said.at);
        match self.format {
            Format::Text => {
                self.print(&format!("{at}  {:<21}  {}", said.state, said.sentence));
            }
            Format::Json => self.print(
                &json!({"event": "step", "at": at, "state": said.state,
                    "message": said.sentence, "drain": drain.map(drain_in_json)})
                .to_string(),
            ),
        }
    }

    /// Something about following itself, which is none of the deployment's.
    pub(crate) fn remark(&self, at: u64, remark: &str) {
        match self.format {
            Format::Text => self.bar.suspend(|| eprintln!("{}  {remark}", rfc3339(at))),
            Format::Json => self.print(
                &json!({"event": "remark", "at": rfc3339(at), "message": remark}).to_string(),
            ),
        }
    }

    /// How it ended.
    pub(crate) fn ended(&self, execution: &Execution) {
        self.bar.finish_and_clear();
        match self.format {
            Format::Text => {
                for line in outcome(execution) {
                    crate::print(&line);
                }
            }
            Format::Json => crate::print(&ended_in_json(execution).to_string()),
        }
    }

    /// Takes the bar away: nothing more will come.
    pub(crate) fn leave(&self) {
        self.bar.finish_and_clear();
    }

    fn print(&self, line: &str) {
        self.bar.suspend(|| crate::print_of_running(line));
    }

    fn progress(&mut self, state: &str, sentence: &str, drain: Option<Drain>) {
        if self.draining != drain.is_some() {
            self.draining = drain.is_some();
            let template = if self.draining { DRAIN } else { ELSE };
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
        }
        let Some(drain) = drain else {
            self.bar.set_message(format!("{state}: {sentence}"));
            return;
        };
        self.bar.set_length(u64::from(drain.of));
        self.bar.set_position(u64::from(drain.left));
        self.bar.set_message(format!(
            "{state}: {} of {} tasks to take away{}",
            drain.left,
            drain.of,
            times(drain)
        ));
    }
}

/// The times of a drain's next and last step, behind a comma.
fn times(drain: Drain) -> String {
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

/// `15:31:20Z`.
fn of_day(at: u64) -> String {
    rfc3339(at).split_off(11)
}

/// How far a drain is, as JSON.
pub(crate) fn drain_in_json(drain: Drain) -> Value {
    json!({"left": drain.left, "of": drain.of,
        "nextStep": drain.next.map(rfc3339), "lastStep": drain.last.map(rfc3339)})
}

/// `service chat in cluster main, chat:2`: what an execution's input asks for.
pub(crate) fn deployed(input: &Value) -> String {
    let text = |field: &str| input.get(field).and_then(Value::as_str).map_or("?", short);
    sentence(&format!(
        "service {} in cluster {}, {}",
        text("serviceName"),
        text("cluster"),
        text("taskDefinition")
    ))
}

/// An execution that has ended, as JSON.
fn ended_in_json(execution: &Execution) -> Value {
    json!({"event": "ended", "at": execution.stopped.map(rfc3339), "execution": execution.arn,
        "name": execution.name, "status": execution.status.as_str(), "error": execution.error,
        "cause": execution.cause, "output": execution.output})
}

/// How an execution ended, in lines.
pub(crate) fn outcome(execution: &Execution) -> Vec<String> {
    let status = execution.status.as_str();
    let after = execution.stopped.map_or_else(String::new, |stopped| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "an execution takes a year at most"
        )]
        let seconds = stopped.saturating_sub(execution.started) as f64;
        format!(" after {}", clock(seconds).trim_start())
    });
    let error = execution
        .error
        .as_ref()
        .map_or_else(String::new, |error| format!(" with {error}"));
    let said = match execution.status {
        Status::Succeeded => execution
            .output
            .as_ref()
            .and_then(|output| output.pointer("/reason/text")?.as_str()),
        Status::Failed | Status::Aborted | Status::TimedOut => execution.cause.as_deref(),
        Status::Running | Status::Other(_) => None,
    };
    let colon = if said.is_some() { ": " } else { "" };
    let mut lines = vec![format!(
        "{status}{error}{after}{colon}{}",
        sentence(said.unwrap_or_default())
    )];
    if let Some(report) = execution
        .output
        .as_ref()
        .and_then(|output| output.get("report"))
    {
        lines.extend(report_lines(report));
    }
    lines
}

/// A report that is text, line by line; one that is data is in the JSON.
fn report_lines(report: &Value) -> Vec<String> {
    match report {
        Value::String(text) => text.lines().map(sentence).collect(),
        Value::Array(lines) => lines
            .iter()
            .filter_map(Value::as_str)
            .map(sentence)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execution(status: Status) -> Execution {
        Execution {
            arn: "arn:aws:states:us-east-1:555555555555:execution:ebbtide:chat-2".to_owned(),
            name: "chat-2".to_owned(),
            status,
            input: json!({"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2"}),
            output: None,
            error: None,
            cause: None,
            started: 1_767_225_600,
            stopped: Some(1_767_225_600 + 3_723),
        }
    }

    #[test]
    fn an_outcome_says_how_long_it_took_and_why() {
        let mut failed = execution(Status::Failed);
        failed.error = Some("NotReadyTimeout".to_owned());
        failed.cause = Some("No target was healthy.".to_owned());
        assert_eq!(
            outcome(&failed),
            ["FAILED with NotReadyTimeout after 1:02:03: No target was healthy."]
        );
        let mut succeeded = execution(Status::Succeeded);
        succeeded.output =
            Some(json!({"reason": {"text": "chat runs"}, "report": "4 steps\n600 s"}));
        assert_eq!(
            outcome(&succeeded),
            ["SUCCEEDED after 1:02:03: chat runs", "4 steps", "600 s"]
        );
        assert_eq!(
            outcome(&execution(Status::Aborted)),
            ["ABORTED after 1:02:03"]
        );
    }

    #[test]
    fn a_drains_times_are_those_of_the_day_in_utc() {
        let mut drain = Drain {
            left: 3,
            of: 4,
            next: Some(1_767_225_660),
            last: Some(1_767_225_780),
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

    #[test]
    fn what_is_deployed_is_told_by_its_names() {
        let named = deployed(
            &json!({"cluster": "arn:aws:ecs:us-east-1:555555555555:cluster/main",
            "serviceName": "chat", "taskDefinition": "chat:2"}),
        );
        assert_eq!(named, "service chat in cluster main, chat:2");
    }

    #[test]
    fn what_an_input_lacks_is_a_question_mark() {
        let named = deployed(&json!({"cluster": "main", "serviceName": "chat"}));
        assert_eq!(named, "service chat in cluster main, ?");
    }
}
