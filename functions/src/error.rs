//! What a step fails with: one of our error names and a sentence.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::refusal::{ErrorName, Refusal};
use lambda_runtime::Diagnostic;

/// A step that failed, by the name that the state machine's `Retry` and `Catch` match on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// The error's name.
    pub name: ErrorName,
    /// What happened, in a sentence or two.
    pub message: String,
}

impl From<Refusal> for StepError {
    fn from(refusal: Refusal) -> Self {
        Self {
            name: refusal.error,
            message: refusal.to_string(),
        }
    }
}

impl From<StepError> for Diagnostic {
    fn from(error: StepError) -> Self {
        Self {
            error_type: error.name.as_str().to_owned(),
            error_message: error.message,
        }
    }
}

/// Characters of an error text from outside that are kept.
const LONGEST_OUTSIDE_TEXT: usize = 300;

impl StepError {
    /// The failure of one AWS call, named by what can be done about it.
    pub(crate) fn of_call<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata,
    {
        match error {
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or("an error without a code");
                let message = service.err().message().unwrap_or_default();
                let mut name = classify(code, message, service.raw().status().as_u16());
                // Listed by one call and gone at the next: it need not even be this service's.
                if name == ErrorName::Drift && operation.contains(":Describe") {
                    name = ErrorName::NotYetConsistent;
                }
                Self {
                    name,
                    message: format!("{operation} answered {code}: {}", quoted(message)),
                }
            }
            SdkError::TimeoutError(_) => Self::transient(operation, "did not answer in time"),
            SdkError::DispatchFailure(_) => Self::transient(operation, "could not be reached"),
            SdkError::ResponseError(_) => {
                Self::transient(operation, "answered something that could not be read")
            }
            SdkError::ConstructionFailure(_) => Self {
                name: ErrorName::PreflightFailed,
                message: format!("{operation}: the request could not be built from the input."),
            },
            _ => Self::transient(operation, "failed in a way this version does not know"),
        }
    }

    fn transient(operation: &str, what: &str) -> Self {
        Self {
            name: ErrorName::Transient,
            message: format!("{operation} {what}."),
        }
    }

    pub(crate) fn not_yet_consistent(message: impl Into<String>) -> Self {
        Self {
            name: ErrorName::NotYetConsistent,
            message: message.into(),
        }
    }
}

/// Text from outside, cut and without control characters.
pub(crate) fn quoted(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_OUTSIDE_TEXT)
        .collect()
}

/// Our name for an AWS error.
fn classify(code: &str, message: &str, http_status: u16) -> ErrorName {
    match code {
        "AccessDeniedException"
        | "AccessDenied"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "ExpiredTokenException"
        | "ExpiredToken" => ErrorName::Permission,
        // LimitExceededException is on the SDK's list of throttling codes too.
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "LimitExceededException" => ErrorName::Throttled,
        "ServiceNotActiveException" => ErrorName::ServiceNotActive,
        // ECS refuses a sixth task set in these words (seen in the field).
        "InvalidParameterException" if message.contains("deployments") => ErrorName::TaskSetLimit,
        // Transient just after a group is attached to a listener (seen in the field).
        "InvalidParameterException"
            if message.contains("does not have an associated load balancer") =>
        {
            ErrorName::NotYetConsistent
        }
        "ServiceNotFoundException"
        | "TaskSetNotFoundException"
        | "TargetGroupNotFound"
        | "ListenerNotFound"
        | "LoadBalancerNotFound" => ErrorName::Drift,
        "ServerException" | "InternalFailure" | "ServiceUnavailable" => ErrorName::Transient,
        _ if http_status >= 500 => ErrorName::Transient,
        _ if http_status == 429 => ErrorName::Throttled,
        _ => ErrorName::PreflightFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_errors_are_named_by_what_can_be_done() {
        let cases = [
            ("AccessDeniedException", "", 400, ErrorName::Permission),
            ("ThrottlingException", "", 400, ErrorName::Throttled),
            ("Throttling", "", 400, ErrorName::Throttled),
            ("ServerException", "", 500, ErrorName::Transient),
            ("Whatever", "", 503, ErrorName::Transient),
            (
                "InvalidParameterException",
                "The service already has 5 deployments",
                400,
                ErrorName::TaskSetLimit,
            ),
            (
                "InvalidParameterException",
                "The target group x does not have an associated load balancer.",
                400,
                ErrorName::NotYetConsistent,
            ),
            ("TargetGroupNotFound", "", 400, ErrorName::Drift),
            (
                "ClusterNotFoundException",
                "",
                400,
                ErrorName::PreflightFailed,
            ),
        ];
        for (code, message, status, name) in cases {
            assert_eq!(classify(code, message, status), name, "{code} {message}");
        }
    }

    #[test]
    fn text_from_outside_is_cut_and_cleaned() {
        let text = quoted(&"a\u{1b}\n".repeat(1_000));
        assert_eq!(text.len(), LONGEST_OUTSIDE_TEXT);
        assert!(text.chars().all(|c| c == 'a'));
    }

    #[test]
    fn a_refusal_reaches_step_functions_by_its_name() {
        let refusal = Refusal::new(ErrorName::Drift, "It moved.", "Look.");
        let diagnostic = Diagnostic::from(StepError::from(refusal));
        assert_eq!(diagnostic.error_type, "Drift");
        assert_eq!(diagnostic.error_message, "It moved. Look.");
    }
}
