//! Step Functions' executions, as `DescribeExecution` knows them.
//!
//! Who runs an execution writes here how it goes; nothing here runs one.

use serde::{Deserialize, Serialize};

use super::{ApiError, World};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    pub arn: String,
    pub name: String,
    pub state_machine_arn: String,
    pub status: ExecutionStatus,
    /// What it was started with, as JSON.
    pub input: String,
    /// What it ended with.
    pub end: ExecutionEnd,
    pub redrive_count: u32,
    pub start_date_ms: u64,
    pub stop_date_ms: Option<u64>,
    /// As it was before it last ended or was redriven: `DescribeExecution` is eventually consistent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Box<Execution>>,
}

/// `status`. `PENDING_REDRIVE` is for Map runs, which are not simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

impl ExecutionStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }

    /// Whether an execution that stands so can be redriven (Docs).
    pub(crate) fn is_redrivable(self) -> bool {
        match self {
            Self::Failed | Self::TimedOut | Self::Aborted => true,
            Self::Running | Self::Succeeded => false,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionEnd {
    /// Of one that succeeded, as JSON.
    pub output: Option<String>,
    pub error: Option<String>,
    pub cause: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DescribeExecution {
    pub execution_arn: String,
}

impl World {
    /// Writes down an execution that starts now. A name is free again once its execution has ended:
    /// AWS waits 90 days.
    pub fn start_execution(
        &mut self,
        arn: &str,
        state_machine_arn: &str,
        input: &str,
    ) -> Result<(), ApiError> {
        let running = self.execution(arn).map(|execution| execution.status);
        if running == Some(ExecutionStatus::Running) {
            let message = format!("Execution Already Exists: '{arn}'");
            return Err(ApiError::new("ExecutionAlreadyExists", message));
        }
        let execution = Execution {
            arn: arn.to_owned(),
            name: arn.rsplit(':').next().unwrap_or(arn).to_owned(),
            state_machine_arn: state_machine_arn.to_owned(),
            status: ExecutionStatus::Running,
            input: input.to_owned(),
            end: ExecutionEnd::default(),
            redrive_count: 0,
            start_date_ms: self.now_ms,
            stop_date_ms: None,
            before: None,
        };
        self.executions.insert(arn.to_owned(), execution);
        Ok(())
    }

    /// Writes down how an execution that runs has ended.
    pub fn end_execution(&mut self, arn: &str, status: ExecutionStatus, end: ExecutionEnd) {
        let now_ms = self.now_ms;
        if let Some(execution) = self.executions.get_mut(arn) {
            execution.before = Some(Box::new(execution.clone()));
            execution.status = status;
            execution.end = end;
            execution.stop_date_ms = Some(now_ms);
        }
    }

    /// Writes down that an execution runs again.
    pub fn redrive_execution(&mut self, arn: &str) -> Result<&Execution, ApiError> {
        let Some(execution) = self.executions.get_mut(arn) else {
            return Err(does_not_exist(arn));
        };
        if !execution.status.is_redrivable() {
            let status = execution.status.as_str();
            let message = format!("Execution is not redrivable: its status is {status}");
            return Err(ApiError::new("ExecutionNotRedrivable", message));
        }
        execution.before = Some(Box::new(execution.clone()));
        execution.status = ExecutionStatus::Running;
        execution.end = ExecutionEnd::default();
        execution.stop_date_ms = None;
        execution.redrive_count += 1;
        Ok(execution)
    }

    pub fn describe_execution(&self, request: &DescribeExecution) -> Result<&Execution, ApiError> {
        let arn = &request.execution_arn;
        if !(arn.starts_with("arn:") && arn.contains(":execution:")) {
            let message = format!("Invalid Arn: 'Invalid ARN prefix: {arn}'");
            return Err(ApiError::new("InvalidArn", message));
        }
        self.executions.get(arn).ok_or_else(|| does_not_exist(arn))
    }

    /// Has this world, an older one, show each execution as it was so many changes ago. One that has
    /// not changed so often stays as this world knows it: perhaps not at all.
    ///
    /// Executions end and are redriven by no call, so that a world from before the last call that
    /// wrote may know of their end, or of nothing since their start.
    pub(crate) fn recall_executions(&mut self, present: &Self, changes: usize) {
        for (arn, execution) in &present.executions {
            let mut versions =
                std::iter::successors(Some(execution), |version| version.before.as_deref());
            if let Some(version) = versions.nth(changes) {
                self.executions.insert(arn.clone(), version.clone());
            }
        }
    }

    pub fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.executions.values()
    }

    pub fn execution(&self, arn: &str) -> Option<&Execution> {
        self.executions.get(arn)
    }
}

fn does_not_exist(arn: &str) -> ApiError {
    let message = format!("Execution Does Not Exist: '{arn}'");
    ApiError::new("ExecutionDoesNotExist", message)
}
