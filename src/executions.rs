//! Executions of the state machine, as Step Functions shows them: the calls to it.

mod error;
mod history;
mod machine;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sfn::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_sfn::config::timeout::TimeoutConfig;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_sdk_sfn::types::ExecutionStatus;
use aws_sdk_sfn::{Client, config};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_types::retry::RetrySpec;
use ebbtide_controller::arn::{Arn, Home, short};
use ebbtide_controller::clock::rfc3339;
use ebbtide_controller::quote::sentence;
use serde_json::Value;

use crate::output::clock;

pub(crate) use error::{CallError, SIGN_IN, Trouble};
pub(crate) use history::Event;
use history::{parsed_or_text, seconds};
pub(crate) use machine::{Machine, SERVICES, services_of};

/// Events in one answer: the most that there may be, and a few for what is new.
const WHOLE_PAGE: i32 = 1_000;
const NEW_PAGE: i32 = 100;
/// Attempts of a call, and the time that they have: with the SDK's jittered pauses of up to 20 s, throttling is
/// borne with for 55 s on average.
const PATIENT_ATTEMPTS: u32 = 10;
const PATIENT: Duration = Duration::from_mins(2);
/// A history has 25,000 events at most.
const MOST_PAGES: usize = 250;

/// The account has as many open executions as it may have: the SDK takes that for final, and others end.
#[derive(Debug)]
struct OpenExecutions;

impl ClassifyRetry for OpenExecutions {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        let error = error.and_then(|error| {
            error
                .as_operation_error()?
                .downcast_ref::<StartExecutionError>()
        });
        if error.is_some_and(StartExecutionError::is_execution_limit_exceeded) {
            RetryAction::throttling_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "open executions"
    }
}

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

    /// The services that it deploys in order, where it deploys several.
    pub(crate) fn services(&self) -> Option<Vec<&str>> {
        let services = self.input.get("services")?.as_array()?.iter();
        let names = services.map(|service| service["serviceName"].as_str().map_or("?", short));
        Some(names.collect())
    }

    /// What it deploys: `service chat in cluster main, chat:2`.
    pub(crate) fn deployed(&self) -> String {
        if let Some(services) = self.services() {
            return sentence(&format!("services {}", services.join(", ")));
        }
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
        let why = self.why().map(|why| format!(": {why}"));
        self.ending() + &after.unwrap_or_default() + &why.unwrap_or_default()
    }

    /// What came of it, and why.
    pub(crate) fn why(&self) -> Option<String> {
        let reason = self.output.as_ref();
        let reason = reason.and_then(|output| output.pointer("/reason/text")?.as_str());
        self.cause.as_deref().or(reason).map(sentence)
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

/// The page of the console that shows an execution, in the partitions whose consoles are known.
pub(crate) fn console(arn: &str) -> Option<String> {
    let Home {
        partition, region, ..
    } = Arn::parse(arn)?.home();
    let host = match partition.as_str() {
        "aws" => "console.aws.amazon.com",
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => return None,
    };
    Some(format!(
        "https://{region}.{host}/states/home?region={region}#/v2/executions/details/{arn}"
    ))
}

pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// The calls to Step Functions. A command that asks once is patient: it is tried again for about a minute
/// while it is throttled.
#[derive(Debug, Clone)]
pub(crate) struct Executions {
    client: Client,
    /// For calls that come again by themselves.
    brisk: Client,
}

impl Executions {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        // Ten seconds at most for what cannot be reached at all, on average: that is tried again sooner.
        let retry = RetryConfig::standard()
            .with_max_attempts(PATIENT_ATTEMPTS)
            .with_retry_spec(RetrySpec::v2_1());
        let timeouts = config.timeout_config().map(TimeoutConfig::to_builder);
        let timeouts = timeouts.unwrap_or_default().operation_timeout(PATIENT);
        let patient = config::Builder::from(config)
            .retry_config(retry)
            .retry_classifier(OpenExecutions)
            .timeout_config(timeouts.build());
        Self {
            client: Client::from_conf(patient.build()),
            brisk: Client::new(config),
        }
    }

    /// The same calls, each given up sooner.
    pub(crate) fn for_following(&self) -> Self {
        Self {
            client: self.brisk.clone(),
            brisk: self.brisk.clone(),
        }
    }

    /// Starts an execution under a name; the input is JSON text. Its ARN, whether it runs from now on or
    /// already: Step Functions answers alike.
    pub(crate) async fn start(
        &self,
        machine: &Machine,
        name: &str,
        input: &str,
    ) -> Result<String, CallError> {
        let call = self
            .client
            .start_execution()
            .state_machine_arn(&machine.arn);
        let started = call.name(name).input(input).send().await;
        let started = started.map_err(|error| CallError::of("states:StartExecution", &error))?;
        whole("states:StartExecution", &started.execution_arn)?;
        Ok(started.execution_arn)
    }

    /// The execution, where there is one.
    pub(crate) async fn find(&self, arn: &str) -> Result<Option<Execution>, CallError> {
        match self.describe(arn).await {
            Err(error) if error.trouble == Trouble::Missing => Ok(None),
            described => described.map(Some),
        }
    }

    pub(crate) async fn describe(&self, arn: &str) -> Result<Execution, CallError> {
        let call = self.client.describe_execution().execution_arn(arn);
        let described = call.send().await;
        let described =
            described.map_err(|error| CallError::of("states:DescribeExecution", &error))?;
        whole("states:DescribeExecution", &described.execution_arn)?;
        Ok(Execution::of(described))
    }

    /// Whether there is such an execution; where that cannot be asked, what is asked next says why.
    pub(crate) async fn knows(&self, arn: &str) -> bool {
        match self.describe(arn).await {
            Ok(_) => true,
            Err(error) => error.trouble != Trouble::Missing,
        }
    }

    pub(crate) async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<(), CallError> {
        let call = self.client.stop_execution().execution_arn(arn);
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
            .client
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
        let call = self.client.get_execution_history().execution_arn(arn);
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

    pub(crate) async fn machine_named(
        &self,
        wanted: &str,
    ) -> Result<Result<String, Vec<String>>, CallError> {
        let mut seen = Vec::new();
        let call = self.client.list_state_machines();
        let mut pages = call.into_paginator().items().send();
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
                .client
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

/// Refuses an answer without an execution: the SDK takes an empty body for one.
fn whole(operation: &str, arn: &str) -> Result<(), CallError> {
    if !arn.is_empty() {
        return Ok(());
    }
    Err(CallError {
        trouble: Trouble::Passing,
        message: format!("{operation} answered without an execution"),
    })
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
    fn the_console_is_that_of_the_partition() {
        for (partition, region, host) in [
            ("aws", "eu-west-1", "console.aws.amazon.com"),
            ("aws-cn", "cn-north-1", "console.amazonaws.cn"),
            (
                "aws-us-gov",
                "us-gov-west-1",
                "console.amazonaws-us-gov.com",
            ),
        ] {
            let arn = format!("arn:{partition}:states:{region}:123456789012:execution:ebbtide:one");
            let page = format!(
                "https://{region}.{host}/states/home?region={region}#/v2/executions/details/{arn}"
            );
            assert_eq!(console(&arn), Some(page));
        }
        let elsewhere = "arn:aws-iso:states:us-iso-east-1:123456789012:execution:ebbtide:one";
        assert_eq!(console(elsewhere), None);
    }

    #[test]
    fn what_an_input_lacks_is_a_question_mark() {
        let mut execution = Execution::example(ExecutionStatus::Running);
        execution.input = json!({"cluster": "main", "serviceName": "chat"});
        assert_eq!(execution.deployed(), "service chat in cluster main, ?");
    }
}
