//! What an execution has gone through, event by event.

use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};
use serde_json::Value;

use super::{CallError, Executions, parsed_or_text, seconds};

/// Events in one answer: the most that there may be, and a few for a look at what is new.
const WHOLE_PAGE: i32 = 1_000;
const NEW_PAGE: i32 = 100;
/// A history has 25,000 events at most.
const MOST_PAGES: usize = 250;

/// One event of a history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Counted from 1.
    pub(crate) id: i64,
    /// Seconds since 1970.
    pub(crate) at: u64,
    pub(crate) what: What,
}

/// What happened, as far as it is told on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// A state was entered.
    Entered { state: String },
    /// A state was left, with its output.
    Exited { state: String, output: Value },
    /// A call of the state that was entered last failed; it may be tried again.
    Failed { error: String, cause: String },
    /// Somebody has redriven the execution.
    Redriven,
    /// Anything else.
    Other,
}

impl Event {
    pub(crate) fn of(event: &HistoryEvent) -> Self {
        Self {
            id: event.id,
            at: seconds(&event.timestamp),
            what: what(event),
        }
    }
}

fn what(event: &HistoryEvent) -> What {
    if let Some(entered) = &event.state_entered_event_details {
        return What::Entered {
            state: entered.name.clone(),
        };
    }
    if let Some(exited) = &event.state_exited_event_details {
        return What::Exited {
            state: exited.name.clone(),
            output: exited.output.as_deref().map_or(Value::Null, parsed_or_text),
        };
    }
    if event.r#type == HistoryEventType::ExecutionRedriven {
        return What::Redriven;
    }
    failed(event).unwrap_or(What::Other)
}

/// The ways in which a call of a Task fails.
fn failed(event: &HistoryEvent) -> Option<What> {
    let (error, cause) = if let Some(task) = &event.task_failed_event_details {
        (&task.error, &task.cause)
    } else if let Some(task) = &event.task_timed_out_event_details {
        (&task.error, &task.cause)
    } else if let Some(task) = &event.task_submit_failed_event_details {
        (&task.error, &task.cause)
    } else if let Some(task) = &event.task_start_failed_event_details {
        (&task.error, &task.cause)
    } else if let Some(function) = &event.lambda_function_failed_event_details {
        (&function.error, &function.cause)
    } else if let Some(function) = &event.lambda_function_timed_out_event_details {
        (&function.error, &function.cause)
    } else {
        return None;
    };
    Some(What::Failed {
        error: error.clone().unwrap_or_default(),
        cause: cause.as_deref().map_or_else(String::new, said),
    })
}

/// What a failure says: Lambda puts it into an object beside the error's type.
fn said(cause: &str) -> String {
    let message = parsed_or_text(cause)
        .get("errorMessage")
        .and_then(Value::as_str)
        .map(str::to_owned);
    message.unwrap_or_else(|| cause.to_owned())
}

impl Executions {
    /// The events after `seen`, oldest first.
    ///
    /// Read from the newest back: a history can only be read from either end.
    pub(crate) async fn history(&self, arn: &str, seen: i64) -> Result<Vec<Event>, CallError> {
        let page_size = if seen == 0 { WHOLE_PAGE } else { NEW_PAGE };
        let mut events: Vec<Event> = Vec::new();
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let call = self.0.get_execution_history().execution_arn(arn);
            let page = call
                .reverse_order(true)
                .include_execution_data(true)
                .max_results(page_size)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| CallError::of("states:GetExecutionHistory", &error))?;
            let new = page.events.iter().take_while(|event| event.id > seen);
            let before = events.len();
            events.extend(new.map(Event::of));
            let all_new = events.len() - before == page.events.len();
            token = page.next_token;
            if !all_new || token.is_none() {
                break;
            }
        }
        events.reverse();
        Ok(events)
    }

    /// The newest `most` events, oldest first.
    pub(crate) async fn latest(&self, arn: &str, most: i32) -> Result<Vec<Event>, CallError> {
        let call = self.0.get_execution_history().execution_arn(arn);
        let page = call
            .reverse_order(true)
            .include_execution_data(true)
            .max_results(most)
            .send()
            .await
            .map_err(|error| CallError::of("states:GetExecutionHistory", &error))?;
        Ok(page.events.iter().rev().map(Event::of).collect())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::primitives::DateTime;
    use aws_sdk_sfn::types::{
        LambdaFunctionFailedEventDetails, StateExitedEventDetails, TaskFailedEventDetails,
    };
    use serde_json::json;

    use super::*;

    fn event(kind: HistoryEventType) -> aws_sdk_sfn::types::builders::HistoryEventBuilder {
        HistoryEvent::builder()
            .id(7)
            .timestamp(DateTime::from_secs(1_767_225_600))
            .r#type(kind)
    }

    #[test]
    fn an_exit_has_its_output_read() {
        let details = StateExitedEventDetails::builder()
            .name("Swap")
            .output(r#"{"status": "swapped"}"#)
            .build()
            .unwrap();
        let event = event(HistoryEventType::TaskStateExited)
            .state_exited_event_details(details)
            .build()
            .unwrap();
        let wanted = Event {
            id: 7,
            at: 1_767_225_600,
            what: What::Exited {
                state: "Swap".to_owned(),
                output: json!({"status": "swapped"}),
            },
        };
        assert_eq!(Event::of(&event), wanted);
    }

    #[test]
    fn a_functions_error_is_taken_out_of_what_lambda_wraps_it_in() {
        let cause = r#"{"errorType": "Throttled", "errorMessage": "slower, please"}"#;
        let task = TaskFailedEventDetails::builder()
            .resource_type("lambda")
            .resource("invoke")
            .error("Throttled")
            .cause(cause)
            .build()
            .unwrap();
        let wanted = What::Failed {
            error: "Throttled".to_owned(),
            cause: "slower, please".to_owned(),
        };
        let failed = event(HistoryEventType::TaskFailed)
            .task_failed_event_details(task)
            .build()
            .unwrap();
        assert_eq!(Event::of(&failed).what, wanted);

        let function = LambdaFunctionFailedEventDetails::builder()
            .error("Throttled")
            .cause("slower, please")
            .build();
        let failed = event(HistoryEventType::LambdaFunctionFailed)
            .lambda_function_failed_event_details(function)
            .build()
            .unwrap();
        assert_eq!(Event::of(&failed).what, wanted);
    }

    #[test]
    fn what_tells_nothing_is_passed_over() {
        let scheduled = event(HistoryEventType::TaskScheduled).build().unwrap();
        assert_eq!(Event::of(&scheduled).what, What::Other);
        let redriven = event(HistoryEventType::ExecutionRedriven).build().unwrap();
        assert_eq!(Event::of(&redriven).what, What::Redriven);
    }
}
