//! How the commands that go to an AWS account reach it: region, profile, endpoints, credentials, TLS.

mod credentials;
mod environment;
mod http;

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use clap::Args;

use crate::executions::CallError;
use crate::input::quoted;
use credentials::ElseOfTheAwsCli;
pub(crate) use environment::without_empty_variables;

/// One attempt of one call; the SDK has no read timeout of its own.
const ATTEMPT: Duration = Duration::from_secs(10);
/// One call with its retries, and with what it takes to get credentials for it.
const OPERATION: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// The flags that say which account.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "AWS account")]
pub(crate) struct Access {
    /// The region (default: `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile's).
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The profile in ~/.aws/config (default: `AWS_PROFILE` or `default`); its credentials come before keys in the
    /// environment.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

/// An account that cannot be reached like this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    #[error(
        "no region: give --region, or set AWS_REGION or the region of the profile in ~/.aws/config"
    )]
    NoRegion,
    #[error(
        "the region is {region:?}, which is no name of one: give --region, or correct AWS_REGION or the profile"
    )]
    Region { region: String },
    #[error("{variable} is {url:?}; allowed: a URL that begins with http:// or https://")]
    Endpoint { variable: String, url: String },
    #[error("AWS_CA_BUNDLE: {path} has no certificates to trust")]
    CaBundle {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

impl Access {
    /// The configuration for every AWS client: credentials and endpoints (`AWS_ENDPOINT_URL` and the
    /// like) as all AWS tools take them from the environment and from `~/.aws`, every timeout set; proxies as
    /// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name them, and the certificates of `AWS_CA_BUNDLE`.
    ///
    /// Credentials that the SDK cannot get by itself (IAM Identity Center, `credential_process`,
    /// `aws login`) are asked of the AWS CLI.
    pub(crate) async fn config(&self) -> Result<SdkConfig, AccessError> {
        let http = http::client()?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .retry_config(environment::retries())
            .identity_cache(IdentityCache::lazy().load_timeout(OPERATION).build())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT)
                    .operation_attempt_timeout(ATTEMPT)
                    .operation_timeout(OPERATION)
                    .build(),
            );
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = self.region.clone().or_else(environment::region) {
            loader = loader.region(Region::new(region));
        }
        let config = environment::usable(loader.load().await)?;
        let first = match &self.profile {
            // As in the AWS CLI, a profile that is named here counts, whatever keys the environment has. The SDK takes
            // those first.
            Some(profile) => {
                let place = ProviderConfig::without_region()
                    .with_http_client(http)
                    .with_region(config.region().cloned());
                let provider = ProfileFileCredentialsProvider::builder()
                    .configure(&place)
                    .profile_name(profile);
                Some(SharedCredentialsProvider::new(provider.build()))
            }
            None => config.credentials_provider(),
        };
        let Some(first) = first else {
            return Ok(config);
        };
        let provider = ElseOfTheAwsCli::new(first, self.profile.clone());
        Ok(config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(provider))
            .build())
    }

    /// The flags as one would type them again, each with a space before it.
    pub(crate) fn flags(&self) -> String {
        let flag = |flag: &str, name: &str| format!(" --{flag} {}", quoted(name));
        let region = self.region.iter().map(|name| flag("region", name));
        let profile = self.profile.iter().map(|name| flag("profile", name));
        region.chain(profile).collect()
    }
}

/// Whether there are credentials: without them no call says so.
pub(crate) async fn signed(config: &SdkConfig) -> Result<(), CallError> {
    let Some(provider) = config.credentials_provider() else {
        return Ok(());
    };
    let credentials = provider.provide_credentials().await;
    credentials.map_err(|error| CallError::of_credentials(&error))?;
    Ok(())
}
