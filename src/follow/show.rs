//! How an execution that is followed is printed: lines, or an object a line.

use ebbtide_controller::clock::rfc3339;
use serde_json::{Value, json};

use crate::bar::Bar;
use crate::executions::{Event, Execution, console};
use crate::narrate::{Drain, Mood, Narrator};
use crate::output::{
    self, BAD, BOLD, DIM, Format, GOOD, PLAIN, Styled, print_last, print_while_running,
};

/// Columns before a line's sentence: its time of the day.
const INDENT: usize = 11;

/// Where what happens goes: stdout, and a bar on the terminal that stderr is.
pub(super) struct Show {
    format: Format,
    bar: Bar,
    narrator: Narrator,
    /// The state that the last line was about.
    state: String,
    /// When the execution started, in seconds since 1970, once that is known.
    started: Option<u64>,
    /// The service whose deployment it is, where several are followed.
    service: Option<String>,
}

impl Show {
    /// The same of one of the deployments that this one has started.
    pub(super) fn of_service(&self, service: &str) -> Self {
        Self {
            format: self.format,
            bar: self.bar.clone(),
            narrator: Narrator::default(),
            state: String::new(),
            started: None,
            service: Some(service.to_owned()),
        }
    }

    pub(super) fn new(format: Format) -> Self {
        Self {
            service: None,
            format,
            bar: Bar::of_deployment(format),
            narrator: Narrator::default(),
            state: String::new(),
            started: None,
        }
    }

    /// Says which execution it is, the first time.
    pub(super) fn following(&mut self, execution: &Execution) {
        if self.started.replace(execution.started).is_some() {
            return;
        }
        if self.service.is_none() {
            self.bar.show(self.narrator.progress(), execution.started);
        }
        let started = rfc3339(execution.started);
        let Execution { name, arn, .. } = execution;
        let deployed = execution.deployed();
        let runs = if execution.has_ended() {
            "has ended"
        } else {
            "runs"
        };
        let console = console(arn);
        let title = format!("{started}  execution {name} of {deployed} {runs}");
        let mut lines = vec![Styled::new(BOLD, &title).wrapped(2)];
        let pages = [Some(arn), console.as_ref()].into_iter().flatten();
        lines.extend(pages.map(|page| Styled::new(DIM, &format!("  {page}"))));
        self.print(
            &lines,
            &self.with_service(
                json!({"event": "execution", "at": started, "execution": arn,
                "name": name, "status": execution.status.as_str(), "console": console}),
            ),
        );
    }

    /// An object for programs, with the service whose deployment it is about.
    fn with_service(&self, mut object: Value) -> Value {
        if let Some(service) = &self.service {
            object["service"] = json!(service);
        }
        object
    }

    /// One of the deployments that are followed has ended; the others go on.
    pub(super) fn ended_within(&mut self, execution: &Execution) {
        let style = if execution.has_succeeded() { GOOD } else { BAD };
        let service = self.service.clone().unwrap_or_default();
        let outcome = self.narrator.names().shorten(&execution.outcome());
        let at = execution.stopped.map(rfc3339).unwrap_or_default();
        let time = at.get(11..).unwrap_or_default();
        let line = Styled::new(PLAIN, &format!("{time}  {service}: ")).and(style, &outcome);
        self.print(
            &[line.wrapped(INDENT)],
            &json!({"event": "serviceEnded", "at": at, "execution": execution.arn,
                "name": execution.name, "service": service, "status": execution.status.as_str(),
                "error": execution.error, "cause": execution.cause, "output": execution.output}),
        );
    }

    pub(super) fn happened(&mut self, event: &Event) {
        let said = self.narrator.hear(event.at, &event.what);
        if let (Some(started), None) = (self.started, &self.service) {
            self.bar.show(self.narrator.progress(), started);
        }
        let Some(said) = said else {
            return;
        };
        let drain = self.narrator.drain();
        let at = rfc3339(event.at);
        let mut lines = Vec::new();
        // The last sentence is that of the end.
        if said.mood != Mood::Ended {
            if said.state != self.state && self.service.is_none() {
                self.state.clone_from(&said.state);
                lines.push(Styled::new(BOLD, &format!("\n{}", said.state)));
            }
            let names = self.narrator.names();
            for name in names.legend() {
                let name = format!("{:INDENT$}{name}", "");
                lines.push(Styled::new(DIM, &name).wrapped(INDENT + 2));
            }
            let service = self.service.as_ref();
            let service = service.map_or_else(String::new, |service| format!("{service}: "));
            let line = Styled::new(PLAIN, &format!("{}  {service}", &at[11..]));
            let line = line.and(said.mood.style(), &names.shorten(&said.sentence));
            lines.push(line.wrapped(INDENT));
        }
        self.print(
            &lines,
            &self.with_service(json!({"event": "step", "at": at, "state": said.state,
                "message": said.sentence, "drain": drain.map(Drain::to_json)})),
        );
    }

    /// When the pause ends that the execution is in, if it is in one.
    pub(super) fn pause_ends(&self) -> Option<u64> {
        self.narrator.progress().pause_ends
    }

    /// Something about following itself, which is none of the deployment's.
    pub(super) fn remark(&self, at: u64, remark: &str) {
        let at = rfc3339(at);
        match self.format {
            Format::Text => self
                .bar
                .suspend(|| output::remark(&format!("{at}  {remark}"))),
            Format::Json => self.print(
                &[],
                &json!({"event": "remark", "at": at, "message": remark}),
            ),
        }
    }

    pub(super) fn ended(&mut self, execution: &Execution) {
        self.bar.end();
        match self.format {
            Format::Text => {
                let style = if execution.has_succeeded() { GOOD } else { BAD };
                let outcome = self.narrator.names().shorten(&execution.outcome());
                print_last("");
                Styled::new(style, &outcome).wrapped(2).print_last();
            }
            Format::Json => print_last(
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

    fn print(&self, lines: &[Styled], json: &Value) {
        self.bar.suspend(|| match self.format {
            Format::Text => lines.iter().for_each(Styled::print_while_running),
            Format::Json => print_while_running(&json.to_string()),
        });
    }
}
