//! What a call to Step Functions fails with, by what can be done about it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use ebbtide_controller::quote::quote;

use crate::exit::in_words;

/// What can be done about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It may go well the next time: network, throttling, an error of AWS's own.
    Passing,
    /// There are no credentials, or they have expired.
    Credentials,
    /// What gives the credentials (STS, the AWS CLI) has failed, which may pass.
    NoAnswerForCredentials,
    Denied,
    Missing,
    NameIsTaken,
    /// AWS refuses the call as it is.
    Refused,
}

/// A call that failed: `states:DescribeExecution answered …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CallError {
    pub(crate) trouble: Trouble,
    pub(crate) message: String,
}

/// What to do without credentials.
pub(crate) const SIGN_IN: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with --profile, or \
    sign in with the AWS CLI (`aws sso login`)";

impl CallError {
    pub(super) fn of<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        if let SdkError::ServiceError(service) = error {
            let status = service.raw().status().as_u16();
            // Every error of AWS's has a code.
            let Some(code) = service.err().code() else {
                let what = "and no error of AWS's, as a proxy does";
                let message = format!("{operation} answered HTTP {status} {what}");
                let trouble = Trouble::Passing;
                return Self { trouble, message };
            };
            let trouble = classify(code, status);
            let said = match service.err().message().unwrap_or_default() {
                "" => format!("HTTP {status}, {}", quote(code)),
                message => format!("{}: {}", quote(code), quote(message)),
            };
            let message = format!("{operation} answered {said}{}", trouble.hint());
            return Self { trouble, message };
        }
        if let Some(credentials) = credentials_error(error) {
            return Self::of_credentials(credentials);
        }
        let why = quote(&in_words(error));
        let mut trouble = Trouble::Passing;
        let what = match error {
            SdkError::TimeoutError(_) => "did not answer in time",
            SdkError::DispatchFailure(_) => &format!(
                "could not be reached ({why}): check the network, the region and AWS_ENDPOINT_URL"
            ),
            SdkError::ResponseError(_) => "answered something that could not be read",
            SdkError::ConstructionFailure(_) => {
                trouble = Trouble::Refused;
                &format!("could not be called like this ({why})")
            }
            _ => "failed in a way this version does not know",
        };
        let message = format!("{operation} {what}");
        Self { trouble, message }
    }

    /// There are no credentials.
    pub(crate) fn of_credentials(error: &CredentialsError) -> Self {
        // The SDK's own words beside the source say only which kind of error it is.
        let why = match error.source() {
            Some(source) => in_words(source),
            None => error.to_string(),
        };
        let why: Vec<_> = why.split_whitespace().collect();
        let message = format!("no credentials ({}): {SIGN_IN}", quote(&why.join(" ")));
        let trouble = match error {
            CredentialsError::ProviderTimedOut(_)
            | CredentialsError::ProviderError(_)
            | CredentialsError::Unhandled(_) => Trouble::NoAnswerForCredentials,
            _ => Trouble::Credentials,
        };
        Self { trouble, message }
    }
}

impl Trouble {
    /// What to do, behind AWS's own words.
    fn hint(self) -> &'static str {
        match self {
            Self::Credentials => ": renew your credentials (`aws sso login`, for example)",
            Self::Missing => ". Check its ARN, and the region and the account that are meant",
            Self::Denied => {
                ". The policy that is needed is in docs/ci.md; with an ARN in --state-machine nothing is listed"
            }
            Self::NoAnswerForCredentials | Self::Passing | Self::NameIsTaken | Self::Refused => "",
        }
    }
}

fn classify(code: &str, http_status: u16) -> Trouble {
    match code {
        "ExecutionAlreadyExists" => Trouble::NameIsTaken,
        "ExecutionDoesNotExist" | "StateMachineDoesNotExist" | "ResourceNotFound" => {
            Trouble::Missing
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Trouble::Credentials,
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" => Trouble::Denied,
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        // StartExecution beyond the account's open executions.
        | "ExecutionLimitExceeded" => Trouble::Passing,
        // An answer that was cut off has the status of a whole one.
        _ if http_status >= 500 || http_status == 429 || http_status < 300 => Trouble::Passing,
        _ => Trouble::Refused,
    }
}

/// The credentials' part in an error, wherever the SDK has put it.
fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_aws_are_told_apart_by_what_can_be_done() {
        let cases = [
            ("ExecutionAlreadyExists", 400, Trouble::NameIsTaken),
            ("ExecutionDoesNotExist", 400, Trouble::Missing),
            ("StateMachineDoesNotExist", 400, Trouble::Missing),
            ("ExpiredTokenException", 400, Trouble::Credentials),
            ("UnrecognizedClientException", 400, Trouble::Credentials),
            ("AccessDeniedException", 400, Trouble::Denied),
            ("ThrottlingException", 400, Trouble::Passing),
            ("InternalServerError", 500, Trouble::Passing),
            ("Whatever", 429, Trouble::Passing),
            ("Whatever", 200, Trouble::Passing),
            ("InvalidArn", 400, Trouble::Refused),
        ];
        for (code, status, trouble) in cases {
            assert_eq!(classify(code, status), trouble, "{code}");
        }
    }

    #[test]
    fn missing_credentials_are_found_under_what_the_sdk_wraps_them_in() {
        let source = CredentialsError::not_loaded("no providers in chain provided credentials");
        let error: SdkError<
            aws_sdk_sfn::operation::describe_execution::DescribeExecutionError,
            HttpResponse,
        > = SdkError::construction_failure(source);
        let error = CallError::of("states:DescribeExecution", &error);
        assert_eq!(error.trouble, Trouble::Credentials);
        assert!(error.message.contains("--profile"), "{error}");
    }
}
