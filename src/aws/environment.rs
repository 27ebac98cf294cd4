//! What the environment says, where the SDK takes an empty variable for a value, or panics.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::AccessError;

const ENDPOINTS: &str = "AWS_ENDPOINT_URL";

/// A variable that is set to something.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The region of the environment.
pub(super) fn region() -> Option<String> {
    set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"))
}

/// Retries in the SDK's standard mode, as often as `AWS_MAX_ATTEMPTS` says. The AWS CLI has modes that the SDK has not.
pub(super) fn retries() -> RetryConfig {
    let most = set("AWS_MAX_ATTEMPTS").and_then(|most| most.parse().ok());
    let most = most.filter(|most: &u32| *most > 0);
    let standard = RetryConfig::standard();
    most.map_or(standard.clone(), |most| standard.with_max_attempts(most))
}

/// The same configuration without regions and endpoints that are none.
pub(super) fn usable(config: SdkConfig) -> Result<SdkConfig, AccessError> {
    let region = config.region().map(ToString::to_string);
    let region = region.filter(|region| !region.is_empty());
    let region = region.ok_or(AccessError::NoRegion)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !region.chars().all(is_plain) {
        return Err(AccessError::Region { region });
    }
    for (variable, url) in std::env::vars() {
        let is_url = ["http://", "https://"]
            .iter()
            .any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
        if variable.starts_with(ENDPOINTS) && !url.is_empty() && !is_url {
            return Err(AccessError::Endpoint { variable, url });
        }
    }
    let endpoint = config.endpoint_url().filter(|url| !url.is_empty());
    let endpoint = endpoint.map(str::to_owned);
    let of_services = WithoutEmpty(config.clone());
    let mut builder = config.into_builder().service_config(of_services);
    builder.set_endpoint_url(endpoint);
    Ok(builder.build())
}

/// What a configuration says of single services.
#[derive(Debug)]
struct WithoutEmpty(SdkConfig);

impl LoadServiceConfig for WithoutEmpty {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let found = self.0.service_config()?.load_config(key)?;
        Some(found).filter(|value| !value.is_empty())
    }
}
