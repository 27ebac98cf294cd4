//! What an execution has gone through, event by event.

use aws_sdk_sfn::primitives::DateTime;
use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};
use serde_json::Value;

use crate::narrate::{What, cause_of};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Counted from 1.
    pub(crate) id: i64,
    /// Seconds since 1970.
    pub(crate) at: u64,
    pub(crate) what: What,
}

impl Event {
    pub(super) fn of(event: &HistoryEvent) -> Self {
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
    let submitted = event.task_submitted_event_details.as_ref();
    let submitted = submitted.filter(|task| task.resource_type == "states");
    let output = submitted.and_then(|task| task.output.as_deref());
    let started = output.map(parsed_or_text);
    let execution =
        started.and_then(|started| Some(started.get("ExecutionArn")?.as_str()?.to_owned()));
    if let Some(execution) = execution {
        return What::Started { execution };
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
        cause: cause.as_deref().map_or_else(String::new, cause_of),
    })
}

/// JSON, or the text as it stands where it is none.
pub(super) fn parsed_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

pub(super) fn seconds(time: &DateTime) -> u64 {
    u64::try_from(time.secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
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
        let event = event(HistoryEventType::TaskStateExited);
        let event = event.state_exited_event_details(details).build().unwrap();
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
        let failed = event(HistoryEventType::TaskFailed);
        let failed = failed.task_failed_event_details(task).build().unwrap();
        assert_eq!(Event::of(&failed).what, wanted);

        let function = LambdaFunctionFailedEventDetails::builder().error("Throttled");
        let function = function.cause("slower, please").build();
        let failed = event(HistoryEventType::LambdaFunctionFailed);
        let failed = failed.lambda_function_failed_event_details(function);
        assert_eq!(Event::of(&failed.build().unwrap()).what, wanted);
    }

    #[test]
    fn what_tells_nothing_is_passed_over() {
        let scheduled = event(HistoryEventType::TaskScheduled).build().unwrap();
        assert_eq!(Event::of(&scheduled).what, What::Other);
        let redriven = event(HistoryEventType::ExecutionRedriven).build().unwrap();
        assert_eq!(Event::of(&redriven).what, What::Redriven);
    }
}
