//! What the environment says, where the SDK would take an empty variable for a value, or panic.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::AccessError;

const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// The services that are called, as their variables name them.
const SERVICES: [&str; 7] = [
    "SFN",
    "STS",
    "ECS",
    "ELASTIC_LOAD_BALANCING_V2",
    "DYNAMODB",
    "CLOUDWATCH",
    "SERVICEDISCOVERY",
];

/// Goes on without the variables of AWS that are set to nothing, which count as unset: the SDK takes them for values, and
/// panics over an empty endpoint. Before anything is read: the process begins once more.
pub(crate) fn without_empty_variables() {
    let is_of_aws = |name: &OsStr| name.as_encoded_bytes().starts_with(b"AWS_");
    let variables = std::env::vars_os();
    let empty = variables.filter(|(name, value)| value.is_empty() && is_of_aws(name));
    let empty: Vec<_> = empty.map(|(name, _)| name).collect();
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    if empty.is_empty() {
        return;
    }
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    again.arg0(arguments.next().unwrap_or_default());
    again.args(arguments);
    for name in &empty {
        again.env_remove(name);
    }
    // It returns where it was not possible: the SDK says then what it thinks.
    let _ = again.exec();
}

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
    let of_services = SERVICES.map(|service| format!("{ENDPOINT}_{service}"));
    for variable in of_services.into_iter().chain([ENDPOINT.to_owned()]) {
        let Some(url) = set(&variable) else { continue };
        let lower = url.to_lowercase();
        let mut schemes = ["http://", "https://"].into_iter();
        if !schemes.any(|scheme| lower.len() > scheme.len() && lower.starts_with(scheme)) {
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

/// What a configuration says of single services. A profile may have an empty endpoint too.
#[derive(Debug)]
struct WithoutEmpty(SdkConfig);

impl LoadServiceConfig for WithoutEmpty {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let found = self.0.service_config()?.load_config(key)?;
        Some(found).filter(|value| !value.is_empty())
    }
}
