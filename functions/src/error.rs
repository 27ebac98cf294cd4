//! What a step fails with: one of our error names and a sentence.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::contract::Failure;
use ebbtide_controller::quote::{quote, sentence};
use ebbtide_controller::refusal::{ErrorName, Refusal};
use lambda_runtime::Diagnostic;

/// A step that failed, by the name that the state machine's `Retry` and `Catch` match on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// The error's name.
    pub name: ErrorName,
    /// What happened, in a sentence or two; what it quotes is escaped and cut.
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

impl StepError {
    /// What a deployment that ends with it fails with.
    pub(crate) fn failure(&self) -> Failure {
        Failure {
            error: self.name.as_str().to_owned(),
            cause: self.message.clone(),
        }
    }

    /// The same as a refusal: what is not worth another attempt is an answer.
    pub(crate) fn into_refusal(self) -> Refusal {
        Refusal::new(self.name, self.message, "")
    }

    pub(crate) fn new(name: ErrorName, message: impl AsRef<str>) -> Self {
        Self {
            name,
            message: sentence(message.as_ref()),
        }
    }

    /// The failure of one AWS call, named by what can be done about it.
    pub(crate) fn of_call<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata,
    {
        match error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                Self::answered(operation, service.err().meta(), status)
            }
            SdkError::TimeoutError(_) => Self::transient(operation, "did not answer in time"),
            SdkError::DispatchFailure(_) => Self::transient(operation, "could not be reached"),
            SdkError::ResponseError(_) => {
                Self::transient(operation, "sent an answer that could not be read")
            }
            SdkError::ConstructionFailure(_) => Self::new(
                ErrorName::PreflightFailed,
                format!("{operation}: the request could not be built from the input."),
            ),
            _ => Self::transient(operation, "failed in a way this version does not know"),
        }
    }

    /// An error that AWS has answered. Apart from what knows the operation's errors, of which there is a copy for
    /// each.
    fn answered(operation: &str, error: &ErrorMetadata, http_status: u16) -> Self {
        let code = error.code().unwrap_or("an error without a code");
        let message = error.message().unwrap_or_default();
        let mut name = classify(code, message, http_status);
        // Listed by one call and gone at the next: it need not even be this service's.
        if name == ErrorName::Drift && operation.contains(":Describe") {
            name = ErrorName::NotYetConsistent;
        }
        let (code, message) = (quote(code), quote(message));
        Self::new(name, format!("{operation} answered {code}: {message}"))
    }

    /// What several writes side by side come to, of which some failed: what no retry can change counts
    /// before what is worth one, and the message says all.
    pub(crate) fn of_all(failed: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        let failed = failed.into_iter();
        let (passing, mut failed): (Vec<_>, Vec<_>) =
            failed.partition(|error| error.name.is_worth_retrying());
        failed.extend(passing);
        let Some(first) = failed.first() else {
            return Ok(());
        };
        let messages: Vec<_> = failed.iter().map(|error| error.message.as_str()).collect();
        Err(Self {
            name: first.name,
            message: messages.join(" "),
        })
    }

    fn transient(operation: &str, what: &str) -> Self {
        Self::new(ErrorName::Transient, format!("{operation} {what}."))
    }

    pub(crate) fn not_yet_consistent(message: impl AsRef<str>) -> Self {
        Self::new(ErrorName::NotYetConsistent, message)
    }
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
        | "RuleNotFound"
        | "LoadBalancerNotFound" => ErrorName::Drift,
        "ServerException"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ConcurrentUpdateException" => ErrorName::Transient,
        _ if http_status >= 500 => ErrorName::Transient,
        _ if http_status == 429 => ErrorName::Throttled,
        _ => ErrorName::PreflightFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    #[test]
    fn aws_errors_are_named_by_what_can_be_done() {
        let invalid = "InvalidParameterException";
        let detached = "The target group x does not have an associated load balancer.";
        let cases = [
            ("AccessDeniedException", "", 400, ErrorName::Permission),
            ("ThrottlingException", "", 400, ErrorName::Throttled),
            ("Throttling", "", 400, ErrorName::Throttled),
            ("ServerException", "", 500, ErrorName::Transient),
            ("Whatever", "", 503, ErrorName::Transient),
            (
                invalid,
                "The service already has 5 deployments",
                400,
                ErrorName::TaskSetLimit,
            ),
            (invalid, detached, 400, ErrorName::NotYetConsistent),
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

    fn answered(code: &str, message: &str) -> StepError {
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        let response = HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::empty());
        let error = SdkError::service_error(metadata, response);
        StepError::of_call("ecs:DeleteTaskSet", &error)
    }

    #[test]
    fn what_aws_says_is_quoted_escaped_and_cut() {
        let error = answered("Odd\nException", "\u{1b}[2JIt \"failed\".\r\n");
        let said = r#"ecs:DeleteTaskSet answered Odd\nException: \u{1b}[2JIt "failed".\r\n"#;
        assert_eq!(error.message, said);
        let error = answered(&"c".repeat(100_000), &"m".repeat(100_000));
        assert!(error.message.chars().count() < 700, "{error}");
        assert!(error.message.ends_with('…'));
    }

    #[test]
    fn of_several_failures_a_refusal_takes_precedence_and_all_are_named() {
        let transient = StepError::transient("ecs:UpdateTaskSet", "did not answer in time");
        let denied = StepError::new(ErrorName::Permission, "Denied.");
        let both = StepError::of_all([transient.clone(), denied]).unwrap_err();
        assert_eq!(both.name, ErrorName::Permission);
        assert_eq!(
            both.message,
            "Denied. ecs:UpdateTaskSet did not answer in time."
        );
        assert_eq!(StepError::of_all([transient.clone()]), Err(transient));
        assert_eq!(StepError::of_all([]), Ok(()));
    }

    #[test]
    fn a_refusal_reaches_step_functions_by_its_name() {
        let refusal = Refusal::new(ErrorName::Drift, "It moved.", "Look.");
        let diagnostic = Diagnostic::from(StepError::from(refusal));
        assert_eq!(diagnostic.error_type, "Drift");
        assert_eq!(diagnostic.error_message, "It moved. Look.");
    }
}
