//! Executions of the state machine, as Step Functions tells of them.

mod error;
mod history;
mod machine;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;

pub(crate) use error::{CallError, Trouble, no_credentials};
pub(crate) use history::{Event, What};
pub(crate) use machine::{DEFAULT_NAME, Machine, MachineError, Target};

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    Running,
    Succeeded,
    Failed,
    Aborted,
    TimedOut,
    /// One that this version does not know: it is not taken for an end.
    Other(String),
}

impl Status {
    fn of(status: &ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Running => Self::Running,
            ExecutionStatus::Succeeded => Self::Succeeded,
            ExecutionStatus::Failed => Self::Failed,
            ExecutionStatus::Aborted => Self::Aborted,
            ExecutionStatus::TimedOut => Self::TimedOut,
            other => Self::Other(other.as_str().to_owned()),
        }
    }

    /// AWS's word for it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
            Self::TimedOut => "TIMED_OUT",
            Self::Other(word) => word,
        }
    }

    /// Whether it has come to its end.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Aborted | Self::TimedOut => true,
            Self::Running | Self::Other(_) => false,
        }
    }
}

/// One execution. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Execution {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) status: Status,
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
        Self {
            name: name_of(&arn).to_owned(),
            arn,
            status: Status::of(&described.status),
            input: described
                .input
                .map_or(Value::Null, |input| parsed_or_text(&input)),
            output: described.output.map(|output| parsed_or_text(&output)),
            error: described.error,
            cause: described.cause,
            started: seconds(&described.start_date),
            stopped: described.stop_date.as_ref().map(seconds),
        }
    }

    /// A field of its input that is text.
    pub(crate) fn asked(&self, field: &str) -> Option<&str> {
        self.input.get(field)?.as_str()
    }
}

/// One execution in a list, which tells neither input nor output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) arn: String,
}

/// What came of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// It runs, from now on or already: Step Functions answers alike.
    Runs { arn: String },
    /// There is one of this name with another input, or one that has ended.
    NameIsTaken,
}

/// Whether an error is AWS's answer, and none of usage.
pub(crate) fn refused(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<CallError>()
        || matches!(
            error.downcast_ref(),
            Some(MachineError::Call(_) | MachineError::NotThere { .. })
        )
}

/// The name of an execution, the last part of its ARN.
pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn seconds(time: &DateTime) -> u64 {
    u64::try_from(time.secs()).unwrap_or_default()
}

/// JSON, or the text as it stands where it is none.
fn parsed_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The calls to Step Functions.
#[derive(Debug, Clone)]
pub(crate) struct Executions(Client);

impl Executions {
    pub(crate) fn new(config: &aws_config::SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// Starts an execution under a name; the input is JSON text.
    pub(crate) async fn start(
        &self,
        machine: &Machine,
        name: &str,
        input: &str,
    ) -> Result<Start, CallError> {
        let call = self
            .0
            .start_execution()
            .state_machine_arn(&machine.arn)
            .name(name)
            .input(input);
        match call.send().await {
            Ok(started) => Ok(Start::Runs {
                arn: started.execution_arn,
            }),
            Err(error) => {
                let error = CallError::of("states:StartExecution", &error);
                if error.trouble == Trouble::NameIsTaken {
                    Ok(Start::NameIsTaken)
                } else {
                    Err(error)
                }
            }
        }
    }

    /// One execution as it is now.
    pub(crate) async fn describe(&self, arn: &str) -> Result<Execution, CallError> {
        let described = self.0.describe_execution().execution_arn(arn).send().await;
        described
            .map(Execution::of)
            .map_err(|error| CallError::of("states:DescribeExecution", &error))
    }

    /// Ends an execution where it is.
    pub(crate) async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<(), CallError> {
        let call = self.0.stop_execution().execution_arn(arn);
        let stopped = call.error(error).cause(cause).send().await;
        stopped
            .map(drop)
            .map_err(|error| CallError::of("states:StopExecution", &error))
    }

    /// The newest executions of a state machine, newest first, `most` of them at most; with
    /// `running`, of those that run.
    pub(crate) async fn list(
        &self,
        machine: &Machine,
        running: bool,
        most: usize,
    ) -> Result<Vec<Listed>, CallError> {
        let call = self
            .0
            .list_executions()
            .state_machine_arn(machine.unqualified())
            .set_status_filter(running.then_some(ExecutionStatus::Running));
        let mut pages = call.into_paginator().items().send();
        let mut listed = Vec::new();
        while listed.len() < most {
            let Some(item) = pages.next().await else {
                break;
            };
            let item = item.map_err(|error| CallError::of("states:ListExecutions", &error))?;
            listed.push(Listed {
                arn: item.execution_arn,
            });
        }
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_this_version_does_not_know_is_no_end() {
        let status = Status::of(&ExecutionStatus::from("PAUSED"));
        assert_eq!(status, Status::Other("PAUSED".to_owned()));
        assert!(!status.has_ended());
        assert!(Status::of(&ExecutionStatus::TimedOut).has_ended());
    }

    #[test]
    fn an_executions_name_is_the_last_part_of_its_arn() {
        let arn = "arn:aws:states:us-east-1:555555555555:execution:ebbtide:main-chat-chat-2";
        assert_eq!(name_of(arn), "main-chat-chat-2");
    }
}
