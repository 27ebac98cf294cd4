//! What a hook has answered.

use serde_json::{Map, Value};

use crate::quote::quote;

/// What a hook has answered, or what Step Functions says in its place.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `SUCCEEDED`.
    Succeeded,
    /// `IN_PROGRESS`.
    InProgress {
        /// `callBackDelay`, in seconds.
        delay: Option<u32>,
        /// `hookDetails`, for the next call.
        details: Map<String, Value>,
    },
    /// `FAILED`, another answer or an error of the function: the verb of a sentence about the hook.
    Failed(String),
    /// It was not called: Lambda or IAM did not let it, which says nothing about the version. With the error.
    NotCalled(String),
    /// No answer in its time.
    Silent,
}

/// Bytes of `hookDetails` at most: they are in the state of the execution until the next call.
pub(crate) const MOST_DETAILS: usize = 4_096;

/// Errors of Step Functions that come from Lambda or IAM, not from the function: throttled, denied, or a trouble of the
/// service (AWS documentation; that a denied call is the second or the last one is unproven).
const NOT_CALLED: [&str; 5] = [
    "Lambda.TooManyRequestsException",
    "Lambda.AWSLambdaException",
    "Lambda.ServiceException",
    "Lambda.SdkClientException",
    "Lambda.AccessDeniedException",
];

/// Seconds of a `callBackDelay` at most: a day.
const LONGEST_DELAY: f64 = 86_400.0;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of seconds from 0 to a day"
)]
fn whole(seconds: f64) -> u32 {
    seconds.ceil() as u32
}

impl Reply {
    /// The reply in a state, as the definition puts it there: the `answer` of the function, or `Error` and `Cause`.
    pub(super) fn read(reply: &Value) -> Option<Self> {
        if let Some(answer) = reply.get("answer") {
            return Some(Self::of_answer(answer));
        }
        let error = reply.get("Error")?.as_str().unwrap_or_default();
        if error == "States.Timeout" {
            return Some(Self::Silent);
        }
        let cause = reply.get("Cause").and_then(Value::as_str);
        let cause = cause.unwrap_or_default();
        let ended = format!("ended with {}: {}", quote(error), quote(cause));
        Some(if NOT_CALLED.contains(&error) {
            Self::NotCalled(ended)
        } else {
            Self::Failed(ended)
        })
    }

    fn of_answer(answer: &Value) -> Self {
        let answered = |what: &str| {
            let mut answer = answer.clone();
            // They may be secret, and the cause is read by many.
            if let Some(fields) = answer.as_object_mut() {
                fields.remove("hookDetails");
            }
            let answer = quote(&answer.to_string());
            Self::Failed(format!("{what}: {answer}"))
        };
        let status = answer.get("hookStatus").and_then(Value::as_str);
        match status {
            Some("SUCCEEDED") => Self::Succeeded,
            Some("FAILED") => answered("answered FAILED"),
            Some("IN_PROGRESS") => {
                let delay = match answer.get("callBackDelay") {
                    None | Some(Value::Null) => None,
                    // Some languages write whole numbers with a point.
                    Some(delay) => match delay.as_f64().filter(|delay| *delay >= 0.0) {
                        Some(delay) => Some(whole(delay.min(LONGEST_DELAY))),
                        None => {
                            return answered(
                                "answered a callBackDelay that is no number of seconds",
                            );
                        }
                    },
                };
                let details = match answer.get("hookDetails") {
                    None | Some(Value::Null) => Map::new(),
                    Some(Value::Object(details)) => details.clone(),
                    Some(_) => return answered("answered hookDetails that are no object"),
                };
                if Value::Object(details.clone()).to_string().len() > MOST_DETAILS {
                    return answered("answered hookDetails of more than 4096 bytes");
                }
                Self::InProgress { delay, details }
            }
            Some(_) | None => answered("gave no hookStatus of SUCCEEDED, FAILED or IN_PROGRESS"),
        }
    }
}
