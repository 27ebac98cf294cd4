//! The AWS clients of a function, with every timeout set.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::SharedCredentialsProvider;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};

/// One attempt of one call. The SDK has no read timeout of its own, and a silent server has held
/// a call for a quarter of an hour (measured).
const ATTEMPT: Duration = Duration::from_secs(5);
/// One call with its retries; below the 60 s of the function, which is below the 75 s of the task.
const OPERATION: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(2);

/// The clients a step works with.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Amazon ECS.
    pub ecs: aws_sdk_ecs::Client,
    /// Elastic Load Balancing v2.
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
}

impl Clients {
    /// Clients with the credentials, region and endpoints of the environment.
    ///
    /// Lambda gives a function all three in environment variables (Docs), so nothing else is asked. The
    /// SDK's own loader brings profiles, STS and the metadata services of EC2 and ECS along, which are
    /// a megabyte of a bootstrap (measured).
    pub fn from_env() -> Self {
        let environment = Environment::of(|name| std::env::var(name).ok());
        let credentials = EnvironmentVariableCredentialsProvider::new();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(environment.region.map(Region::new))
            .use_fips(environment.use_fips)
            .use_dual_stack(environment.use_dual_stack)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client())
            .timeout_config(Self::timeouts())
            .build();
        let mut ecs = aws_sdk_ecs::config::Builder::from(&config);
        ecs.set_endpoint_url(environment.ecs_endpoint);
        let mut elb = aws_sdk_elasticloadbalancingv2::config::Builder::from(&config);
        elb.set_endpoint_url(environment.elb_endpoint);
        Self {
            ecs: aws_sdk_ecs::Client::from_conf(ecs.build()),
            elb: aws_sdk_elasticloadbalancingv2::Client::from_conf(elb.build()),
        }
    }

    /// Clients of one configuration.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            ecs: aws_sdk_ecs::Client::new(config),
            elb: aws_sdk_elasticloadbalancingv2::Client::new(config),
        }
    }

    /// The timeouts of every call (rule R10: attempt < operation < function < task).
    pub fn timeouts() -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build()
    }
}

/// One connector for both clients, made at once. The SDK's own client makes one for every client and
/// another at the first call, and each parses all the roots: this does it once, while Lambda gives a
/// function that starts its whole processor.
///
/// TLS is rustls on ring with the system's roots: aws-lc, the default, spends about 27 ms of a cold
/// start on gathering entropy (measured).
fn http_client() -> SharedHttpClient {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(CONNECT)
        .build();
    let connector = Connector::builder()
        .connector_settings(settings)
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build();
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}

/// What the environment says about where to call, under the names that every AWS SDK reads.
#[derive(Debug, PartialEq, Eq)]
struct Environment {
    region: Option<String>,
    use_fips: bool,
    use_dual_stack: bool,
    ecs_endpoint: Option<String>,
    elb_endpoint: Option<String>,
}

impl Environment {
    /// Reads it; an empty variable is none.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_true =
            |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let endpoint = |service: &str| {
            get(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| get("AWS_ENDPOINT_URL"))
        };
        Self {
            region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
            use_fips: is_true("AWS_USE_FIPS_ENDPOINT"),
            use_dual_stack: is_true("AWS_USE_DUALSTACK_ENDPOINT"),
            ecs_endpoint: endpoint("ECS"),
            elb_endpoint: endpoint("ELASTIC_LOAD_BALANCING_V2"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(|wanted| {
            let (_, value) = variables.iter().find(|(name, _)| *name == wanted)?;
            Some((*value).to_owned())
        })
    }

    #[test]
    fn a_function_in_lambda_calls_its_own_region() {
        let seen = environment(&[("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "x")]);
        let wanted = Environment {
            region: Some("eu-west-1".to_owned()),
            use_fips: false,
            use_dual_stack: false,
            ecs_endpoint: None,
            elb_endpoint: None,
        };
        assert_eq!(seen, wanted);
    }

    #[test]
    fn a_services_own_endpoint_goes_before_that_of_all() {
        let seen = environment(&[
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_ECS", "http://ecs"),
            ("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", ""),
        ]);
        assert_eq!(seen.ecs_endpoint.as_deref(), Some("http://ecs"));
        assert_eq!(seen.elb_endpoint.as_deref(), Some("http://all"));
    }

    #[test]
    fn fips_and_dual_stack_endpoints_can_be_asked_for() {
        let seen = environment(&[
            ("AWS_USE_FIPS_ENDPOINT", "true"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "TRUE"),
        ]);
        assert!(seen.use_fips && seen.use_dual_stack);
        assert!(!environment(&[("AWS_USE_FIPS_ENDPOINT", "no")]).use_fips);
    }
}
