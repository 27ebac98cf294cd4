//! Credentials of the environment, else those that the AWS CLI has.

use std::error::Error;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{
    ProvideCredentials, Result, SharedCredentialsProvider, future,
};
use ebbtide_controller::clock;
use serde::Deserialize;

/// What the SDK finds; where it finds nothing, or a profile that needs what it is built without,
/// what `aws configure export-credentials` (AWS CLI version 2) answers.
///
/// Support for IAM Identity Center in the SDK would be two more service crates, and they would end
/// up in the Lambdas: Cargo gives a crate that both use the features of both.
#[derive(Debug)]
pub(super) struct ElseOfTheAwsCli {
    first: SharedCredentialsProvider,
    /// Why that has found nothing: the SDK says it once, and something else when it is asked again.
    found_nothing: OnceLock<CredentialsError>,
    profile: Option<String>,
}

impl ElseOfTheAwsCli {
    pub(super) fn new(first: SharedCredentialsProvider, profile: Option<String>) -> Self {
        Self {
            first,
            found_nothing: OnceLock::new(),
            profile,
        }
    }

    async fn provide(&self) -> Result {
        let error = match self.first.provide_credentials().await {
            Ok(credentials) => return fit_a_header(credentials),
            Err(error) => self.found_nothing.get_or_init(|| error),
        };
        let profile = self.profile.clone();
        let exported = tokio::task::spawn_blocking(move || export(profile.as_deref())).await;
        match exported {
            Ok(Some(printed)) => read(&printed),
            Ok(None) | Err(_) => Err(of_neither(error, self.profile.as_deref())),
        }
    }
}

impl ProvideCredentials for ElseOfTheAwsCli {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

/// They are sent in headers, which have no other letters.
fn fit_a_header(credentials: Credentials) -> Result {
    let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible(credentials.access_key_id()) && credentials.session_token().is_none_or(is_visible)
    {
        return Ok(credentials);
    }
    Err(CredentialsError::invalid_configuration(
        "the access key or the session token has characters that none has, such as a line break",
    ))
}

/// The error where the AWS CLI has none either: what the SDK has found missing, with the profile, which
/// it does not name.
fn of_neither(error: &CredentialsError, profile: Option<&str>) -> CredentialsError {
    match (error, profile) {
        // Its own words are for programmers: a profile that needs what the SDK is built without.
        (CredentialsError::InvalidConfiguration(_), _) => CredentialsError::invalid_configuration(
            "the profile's credentials come from outside, or it is wrong, and `aws configure export-credentials` of the \
             AWS CLI, version 2, has not answered with them",
        ),
        (CredentialsError::CredentialsNotLoaded(_), Some(profile)) => {
            CredentialsError::not_loaded(format!(
                "the profile {profile} of ~/.aws/config and ~/.aws/credentials has none, or is not there"
            ))
        }
        // The SDK lists every provider that it has tried.
        (CredentialsError::CredentialsNotLoaded(_), None) => CredentialsError::not_loaded(
            "none in the environment, in ~/.aws, by web identity, of a container or of an instance",
        ),
        (error, _) => CredentialsError::provider_error(
            error
                .source()
                .map_or_else(|| error.to_string(), ToString::to_string),
        ),
    }
}

/// What the AWS CLI prints; `None` where it is not installed or has no credentials.
fn export(profile: Option<&str>) -> Option<Vec<u8>> {
    let mut command = Command::new("aws");
    command.args(["configure", "export-credentials", "--format", "process"]);
    if let Some(profile) = profile {
        command.args(["--profile", profile]);
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

/// The form of `credential_process`, which `--format process` prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

fn read(printed: &[u8]) -> Result {
    // What could not be read may be a secret: it is not quoted.
    let exported: Exported = serde_json::from_slice(printed).map_err(|_| {
        CredentialsError::provider_error(
            "`aws configure export-credentials` printed something else than credentials",
        )
    })?;
    let expires = exported
        .expiration
        .and_then(|time| clock::seconds(&time))
        .map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    Ok(Credentials::new(
        exported.access_key_id,
        exported.secret_access_key,
        exported.session_token,
        expires,
        "AwsCli",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_aws_cli_exports_is_read_with_its_expiration() {
        let printed = br#"{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "secret",
            "SessionToken": "token", "Expiration": "2026-11-21T18:00:00+00:00"}"#;
        let credentials = read(printed).unwrap();
        assert_eq!(credentials.access_key_id(), "AKIDEXAMPLE");
        assert_eq!(credentials.secret_access_key(), "secret");
        assert_eq!(credentials.session_token(), Some("token"));
        let expires = credentials.expiry().unwrap();
        let since = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(clock::rfc3339(since.as_secs()), "2026-11-21T18:00:00Z");
    }

    #[test]
    fn long_term_keys_have_neither_a_token_nor_an_end() {
        let credentials =
            read(br#"{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "secret"}"#)
                .unwrap();
        assert_eq!(credentials.session_token(), None);
        assert_eq!(credentials.expiry(), None);
    }

    #[test]
    fn what_is_no_credential_is_refused_without_being_quoted() {
        let error = read(br#"{"AccessKeyId": "AKIDEXAMPLE"}"#).unwrap_err();
        let source = error.source().unwrap().to_string();
        assert!(source.contains("export-credentials"), "{source}");
        assert!(!format!("{error:?}").contains("AKIDEXAMPLE"), "{error:?}");
    }
}
