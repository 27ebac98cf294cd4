//! `states:startExecution.sync:2`: an execution that starts others and waits for them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Installation, Which};
use crate::asl::{Beginning, TaskError};
use crate::fault::StartFault;
use crate::world::{ApiError, Execution, ExecutionStatus};

/// How often an execution that another one has started is asked for. How often Step Functions asks is not documented.
const POLL: Duration = Duration::from_secs(1);

impl Installation {
    /// Starts an execution of the machine that deploys one service, runs it to its end, and answers with it.
    ///
    /// One of that name that runs with that input is taken for the same, and waited for (Docs).
    pub(super) async fn start_and_wait(
        &self,
        machine: &str,
        name: &str,
        input: Value,
        submitted: &mut dyn FnMut(Value),
    ) -> Result<Value, TaskError> {
        let fault = self.aws.next_start();
        if fault == Some(StartFault::Refused) {
            return Err(of_start("ThrottlingException", "Rate exceeded"));
        }
        let one = Which::OneService;
        if machine != self.arn(&format!("stateMachine:{}", one.name())) {
            let message = format!("State Machine Does Not Exist: '{machine}'");
            return Err(of_start("StateMachineDoesNotExist", &message));
        }
        let arn = self.execution_of(one, name);
        let text = input.to_string();
        let known = self.aws.with_world(|world| world.execution(&arn).cloned());
        match known {
            Some(running)
                if running.status == ExecutionStatus::Running && running.input == text =>
            {
                submitted(started(&running));
            }
            Some(_) => {
                let message = format!("Execution Already Exists: '{arn}'");
                return Err(of_start("ExecutionAlreadyExists", &message));
            }
            None => self.begin_and_run(name, input, &arn, submitted).await?,
        }
        let ended = loop {
            let execution = self.aws.with_world(|world| world.execution(&arn).cloned());
            match execution {
                Some(execution) if execution.status == ExecutionStatus::Running => {
                    tokio::time::sleep(POLL).await;
                }
                Some(execution) => break execution,
                None => return Err(of_start("ExecutionDoesNotExist", &arn)),
            }
        };
        if fault == Some(StartFault::AnswerLost) {
            return Err(TaskError::new(
                "States.TaskFailed",
                "A simulated fault of Step Functions.",
            ));
        }
        answer(&ended)
    }

    async fn begin_and_run(
        &self,
        name: &str,
        input: Value,
        arn: &str,
        submitted: &mut dyn FnMut(Value),
    ) -> Result<(), TaskError> {
        let one = Which::OneService;
        let begun = self.begin(one, name, &input);
        let start_epoch_ms =
            begun.map_err(|refused: ApiError| of_start(refused.code, &refused.message))?;
        if let Some(running) = self.aws.with_world(|world| world.execution(arn).cloned()) {
            submitted(started(&running));
        }
        // The jitter of its retries is its own, and the same in every run.
        let seed = name.bytes().fold(0_u64, |seed, byte| {
            seed.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        let from = Beginning::Start { input };
        let mut unheard = |_: &_| {};
        self.go_on(one, name, start_epoch_ms, from, seed, &mut unheard)
            .await;
        Ok(())
    }
}

/// What `StartExecution` answers.
fn started(execution: &Execution) -> Value {
    json!({ "ExecutionArn": execution.arn, "StartDate": execution.start_date_ms })
}

/// What the integration answers with once the execution has ended: its description with the output as JSON, or an
/// error with the description as its cause (Docs).
fn answer(ended: &Execution) -> Result<Value, TaskError> {
    let json_of = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut described = json!({
        "ExecutionArn": ended.arn,
        "StateMachineArn": ended.state_machine_arn,
        "Name": ended.name,
        "Status": ended.status,
        "StartDate": ended.start_date_ms,
        "StopDate": ended.stop_date_ms,
        "Input": json_of(&ended.input),
    });
    if let Some(output) = &ended.end.output {
        described["Output"] = json_of(output);
        return Ok(described);
    }
    described["Error"] = json!(ended.end.error);
    described["Cause"] = json!(ended.end.cause);
    Err(TaskError::new("States.TaskFailed", described.to_string()))
}

fn of_start(code: &str, message: &str) -> TaskError {
    let suffix = if code.ends_with("Exception") {
        ""
    } else {
        "Exception"
    };
    TaskError::new(&format!("StepFunctions.{code}{suffix}"), message)
}
