//! How an execution that is followed is printed: lines, or an object a line.

use ebbtide_controller::clock::rfc3339;
use serde_json::{Value, json};

use crate::bar::Bar;
use crate::executions::{Event, Execution};
use crate::narrate::{Drain, Narrator, WIDEST_STATE};
use crate::output::{self, Format, print, print_while_running};

/// Where what happens goes: stdout, and a bar on the terminal that stderr is.
pub(super) struct Show {
    format: Format,
    bar: Bar,
    narrator: Narrator,
}

impl Show {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            bar: Bar::of_deployment(format),
            narrator: Narrator::default(),
        }
    }

    pub(super) fn following(&self, execution: &Execution) {
        let started = rfc3339(execution.started);
        let Execution { name, arn, .. } = execution;
        let deployed = execution.deployed();
        let runs = if execution.has_ended() {
            "has ended"
        } else {
            "runs"
        };
        self.print(
            &format!("{started}  execution {name} of {deployed} {runs}: {arn}"),
            &json!({"event": "execution", "at": started, "execution": arn, "name": name,
                "status": execution.status.as_str()}),
        );
    }

    pub(super) fn happened(&mut self, event: &Event) {
        let Some(said) = self.narrator.hear(event.at, &event.what) else {
            return;
        };
        let drain = self.narrator.drain();
        self.bar.show(&said, drain);
        let at = rfc3339(event.at);
        self.print(
            &format!("{at}  {:<WIDEST_STATE$}  {}", said.state, said.sentence),
            &json!({"event": "step", "at": at, "state": said.state, "message": said.sentence,
                "drain": drain.map(Drain::to_json)}),
        );
    }

    /// Something about following itself, which is none of the deployment's.
    pub(super) fn remark(&self, at: u64, remark: &str) {
        let at = rfc3339(at);
        match self.format {
            Format::Text => self
                .bar
                .suspend(|| output::remark(&format!("{at}  {remark}"))),
            Format::Json => {
                self.print("", &json!({"event": "remark", "at": at, "message": remark}));
            }
        }
    }

    pub(super) fn ended(&self, execution: &Execution) {
        self.bar.end();
        match self.format {
            Format::Text => print(&execution.outcome()),
            Format::Json => print(
                &json!({"event": "ended", "at": execution.stopped.map(rfc3339),
                    "execution": execution.arn, "name": execution.name,
                    "status": execution.status.as_str(), "error": execution.error,
                    "cause": execution.cause, "output": execution.output})
                .to_string(),
            ),
        }
    }

    /// Takes the bar away: nothing more will come.
    pub(super) fn leave(&self) {
        self.bar.end();
    }

    fn print(&self, text: &str, json: &Value) {
        self.bar.suspend(|| match self.format {
            Format::Text => print_while_running(text),
            Format::Json => print_while_running(&json.to_string()),
        });
    }
}
