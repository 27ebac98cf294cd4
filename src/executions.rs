//! Executions of the state machine, as Step Functions shows them: the calls to it.

mod error;
mod history;
mod machine;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use ebbtide_controller::arn::short;
use ebbtide_controller::clock::rfc3339;
use ebbtide_controller::quote::sentence;
use serde_json::Value;

use crate::output::clock;

pub(crate) use error::{CallError, Trouble};
pub(crate) use history::Event;
use history::{parsed_or_text, seconds};
pub(crate) use machine::Machine;

/// Events in one answer: the most that there may be, and a few for what is new.
const WHOLE_PAGE: i32 = 1_000;
const NEW_PAGE: i32 = 100;
/// A history has 25,000 events at most.
const MOST_PAGES: usize = 250;

/// One execution. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Execution {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) status: ExecutionStatus,
    pub(crate) input: Value,
    pub(crate) output: Option<Value>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) started: u64,
    pub(crate) stopped: Option<u64>,
}

impl Execution {
    fn of(described: DescribeExecutionOutput) -> Self {
        let arn = described.execution_arn;
        let input = described.input.as_deref();
        Self {
            name: name_of(&arn).to_owned(),
            arn,
            status: described.status,
            input: input.map_or(Value::Null, parsed_or_text),
            output: described.output.as_deref().map(parsed_or_text),
            error: described.error,
            cause: described.cause,
            started: seconds(&described.start_date),
            stopped: described.stop_date.as_ref().map(seconds),
        }
    }

    /// Whether it has ended; a status that this version does not know is no end.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(
            self.status,
            ExecutionStatus::Succeeded
                | ExecutionStatus::Failed
                | ExecutionStatus::Aborted
                | ExecutionStatus::TimedOut
        )
    }

    pub(crate) fn has_succeeded(&self) -> bool {
        self.status == ExecutionStatus::Succeeded
    }

    /// A field of its input that is text.
    pub(crate) fn asked(&self, field: &str) -> Option<&str> {
        self.input.get(field)?.as_str()
    }

    /// What it deploys: `service chat in cluster main, chat:2`.
    pub(crate) fn deployed(&self) -> String {
        let text = |field: &str| self.asked(field).map_or("?", short);
        sentence(&format!(
            "service {} in cluster {}, {}",
            text("serviceName"),
            text("cluster"),
            text("taskDefinition")
        ))
    }

    /// `FAILED with DrainTimeout`.
    fn ending(&self) -> String {
        let status = self.status.as_str();
        match &self.error {
            Some(error) => format!("{status} with {error}"),
            None => status.to_owned(),
        }
    }

    /// `execution NAME of service …, chat:2 ended FAILED with DrainTimeout at TIME`.
    pub(crate) fn ended(&self) -> String {
        let (name, deployed, ending) = (&self.name, self.deployed(), self.ending());
        let stopped = self.stopped.map(rfc3339);
        let when = stopped.map(|stopped| format!(" at {stopped}"));
        let when = when.unwrap_or_default();
        format!("execution {name} of {deployed} ended {ending}{when}")
    }

    pub(crate) fn outcome(&self) -> String {
        let took = self.stopped.map(|stopped| since(self.started, stopped));
        let after = took.map(|seconds| format!(" after {}", clock(seconds)));
        let reason = self.output.as_ref();
        let reason = reason.and_then(|output| output.pointer("/reason/text")?.as_str());
        let why = self.cause.as_deref().or(reason);
        let why = why.map(|why| format!(": {}", sentence(why)));
        self.ending() + &after.unwrap_or_default() + &why.unwrap_or_default()
    }
}

/// Seconds from one time to another.
#[expect(
    clippy::cast_precision_loss,
    reason = "an execution takes a year at most"
)]
pub(crate) fn since(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64
}

pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

#[derive(Debug, Clone)]
pub(crate) struct Executions(Client);

impl Executions {
    pub(crate) fn new(config: &aws_config::SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// Starts an execution under a name; the input is JSON text. Its ARN, whether it runs from now on or
    /// already: Step Functions answers alike. None where the name has another input, or has ended.
    pub(crate) async fn start(
        &self,
        machine: &Machine,
        name: &str,
        input: &str,
    ) -> Result<Option<String>, CallError> {
        let call = self.0.start_execution().state_machine_arn(&machine.arn);
        let started = call.name(name).input(input).send().await;
        match started.map_err(|error| CallError::of("states:StartExecution", &error)) {
            Ok(started) => Ok(Some(started.execution_arn)),
            Err(error) if error.trouble == Trouble::NameIsTaken => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn describe(&self, arn: &str) -> Result<Execution, CallError> {
        let described = self.0.describe_execution().execution_arn(arn).send().await;
        let described = described.map(Execution::of);
        described.map_err(|error| CallError::of("states:DescribeExecution", &error))
    }

    pub(crate) async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<(), CallError> {
        let call = self.0.stop_execution().execution_arn(arn);
        let stopped = call.error(error).cause(cause).send().await;
        let stopped = stopped.map(drop);
        stopped.map_err(|error| CallError::of("states:StopExecution", &error))
    }

    /// The ARNs of the newest executions of a state machine, newest first, `most` of them at most; with
    /// `running`, of those that run.
    pub(crate) async fn list(
        &self,
        machine: &Machine,
        running: bool,
        most: usize,
    ) -> Result<Vec<String>, CallError> {
        let call = self
            .0
            .list_executions()
            .state_machine_arn(machine.unqualified());
        let call = call.set_status_filter(running.then_some(ExecutionStatus::Running));
        let mut pages = call.into_paginator().items().send();
        let mut listed = Vec::new();
        while listed.len() < most
            && let Some(item) = pages.next().await
        {
            let item = item.map_err(|error| CallError::of("states:ListExecutions", &error))?;
            listed.push(item.execution_arn);
        }
        Ok(listed)
    }

    /// The events after `seen`, oldest first.
    ///
    /// Read from the newest back: a history can only be read from either end.
    pub(crate) async fn history(&self, arn: &str, seen: i64) -> Result<Vec<Event>, CallError> {
        let page_size = if seen == 0 { WHOLE_PAGE } else { NEW_PAGE };
        let mut events: Vec<Event> = Vec::new();
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let (page, next) = self.newest(arn, page_size, token).await?;
            let whole = page.len();
            let before = events.len();
            events.extend(page.into_iter().take_while(|event| event.id > seen));
            token = next;
            if events.len() - before < whole || token.is_none() {
                break;
            }
        }
        events.reverse();
        Ok(events)
    }

    pub(crate) async fn latest(&self, arn: &str, most: i32) -> Result<Vec<Event>, CallError> {
        let (mut events, _) = self.newest(arn, most, None).await?;
        events.reverse();
        Ok(events)
    }

    async fn newest(
        &self,
        arn: &str,
        most: i32,
        token: Option<String>,
    ) -> Result<(Vec<Event>, Option<String>), CallError> {
        let call = self.0.get_execution_history().execution_arn(arn);
        let page = call
            .reverse_order(true)
            .include_execution_data(true)
            .max_results(most)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| CallError::of("states:GetExecutionHistory", &error))?;
        Ok((page.events.iter().map(Event::of).collect(), page.next_token))
    }

    pub(crate) async fn find(
        &self,
        wanted: &str,
    ) -> Result<Result<String, Vec<String>>, CallError> {
        let mut seen = Vec::new();
        let mut pages = self.0.list_state_machines().into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| CallError::of("states:ListStateMachines", &error))?;
            if item.name == wanted {
                return Ok(Ok(item.state_machine_arn));
            }
            seen.push(item.name);
        }
        Ok(Err(seen))
    }

    pub(crate) async fn has_alias(&self, machine: &str, alias: &str) -> Result<bool, CallError> {
        let mut token = None;
        // A state machine has 100 aliases at most.
        for _ in 0..100 {
            let call = self
                .0
                .list_state_machine_aliases()
                .state_machine_arn(machine);
            let page = call
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| CallError::of("states:ListStateMachineAliases", &error))?;
            let mut aliases = page.state_machine_aliases.iter();
            if aliases.any(|known| known.state_machine_alias_arn == alias) {
                return Ok(true);
            }
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
impl Execution {
    /// An execution that has run for an hour, two minutes and three seconds.
    pub(crate) fn example(status: ExecutionStatus) -> Self {
        Self {
            arn: "arn:aws:states:us-east-1:555555555555:execution:ebbtide:chat-2".to_owned(),
            name: "chat-2".to_owned(),
            status,
            input: serde_json::json!({"cluster": "arn:aws:ecs:us-east-1:555555555555:cluster/main",
                "serviceName": "chat", "taskDefinition": "chat:2"}),
            output: None,
            error: None,
            cause: None,
            started: 1_767_225_600,
            stopped: Some(1_767_225_600 + 3_723),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_this_version_does_not_know_is_no_end() {
        assert!(!Execution::example(ExecutionStatus::from("PAUSED")).has_ended());
        assert!(Execution::example(ExecutionStatus::TimedOut).has_ended());
    }

    #[test]
    fn an_outcome_says_how_long_it_took_and_why() {
        let mut failed = Execution::example(ExecutionStatus::Failed);
        failed.error = Some("NotReadyTimeout".to_owned());
        failed.cause = Some("No target was healthy.".to_owned());
        assert_eq!(
            failed.outcome(),
            "FAILED with NotReadyTimeout after 1:02:03: No target was healthy."
        );
        let mut succeeded = Execution::example(ExecutionStatus::Succeeded);
        succeeded.output = Some(json!({"reason": {"text": "chat runs"}}));
        assert_eq!(succeeded.outcome(), "SUCCEEDED after 1:02:03: chat runs");
        let aborted = Execution::example(ExecutionStatus::Aborted);
        assert_eq!(aborted.outcome(), "ABORTED after 1:02:03");
        assert_eq!(
            aborted.ended(),
            "execution chat-2 of service chat in cluster main, chat:2 ended ABORTED at 2026-01-01T01:02:03Z"
        );
    }

    #[test]
    fn what_an_input_lacks_is_a_question_mark() {
        let mut execution = Execution::example(ExecutionStatus::Running);
        execution.input = json!({"cluster": "main", "serviceName": "chat"});
        assert_eq!(execution.deployed(), "service chat in cluster main, ?");
    }
}
