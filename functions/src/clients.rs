//! The AWS clients of a function, with every timeout set.

use std::time::Duration;

use aws_sdk_ecs::config::timeout::TimeoutConfig;
use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_types::SdkConfig;

use crate::unanswered::Unanswered;

/// One attempt of one call. The SDK has no read timeout of its own, and a silent server has held
/// a call for a quarter of an hour (measured).
const ATTEMPT: Duration = Duration::from_secs(5);
/// One call with its retries; below the 60 s of the function, which is below the 75 s of the task.
pub(crate) const OPERATION: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(2);

/// The clients a turn works with.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Amazon ECS.
    pub ecs: aws_sdk_ecs::Client,
    /// Elastic Load Balancing v2.
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    /// `DynamoDB`, which has the lock.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Step Functions, which knows whether the owner of a lock has ended.
    pub sfn: aws_sdk_sfn::Client,
    /// CloudWatch: alarms and metrics.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// EventBridge, which takes notifications.
    pub eventbridge: aws_sdk_eventbridge::Client,
    /// The table that the locks are in.
    pub lock_table: String,
    /// Whether a write was not answered.
    pub(crate) unanswered: Unanswered,
}

impl Clients {
    /// Clients with the credentials, region, endpoints and lock table of the environment.
    ///
    /// Lambda gives a function the first two in environment variables (Docs), so nothing else is asked. The
    /// SDK's own loader brings profiles, STS and the metadata services of EC2 and ECS along, which are
    /// a megabyte of a bootstrap (measured), and a minute of its build.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let environment = Environment::of(variable);
        let credentials = credentials(variable).map(SharedCredentialsProvider::new);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(environment.region.clone().map(Region::new))
            .use_fips(environment.use_fips)
            .use_dual_stack(environment.use_dual_stack)
            .http_client(http_client())
            .timeout_config(Self::timeouts());
        config.set_credentials_provider(credentials);
        Self::with_endpoints(&config.build(), &environment.lock_table, |service| {
            endpoint(variable, service)
        })
    }

    /// Clients of one configuration.
    pub fn new(config: &SdkConfig, lock_table: &str) -> Self {
        Self::with_endpoints(config, lock_table, |_| None)
    }

    /// Each service at its own endpoint, where one is given.
    fn with_endpoints(
        config: &SdkConfig,
        lock_table: &str,
        endpoint: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let unanswered = Unanswered::default();
        macro_rules! of {
            ($sdk:ident, $service:literal) => {{
                let mut builder = $sdk::config::Builder::from(config);
                // Set where there is one only: none would take the configuration's own away.
                if let Some(url) = endpoint($service) {
                    builder.set_endpoint_url(Some(url));
                }
                builder
            }};
        }
        let ecs = of!(aws_sdk_ecs, "ECS").interceptor(unanswered.clone());
        let elb = of!(aws_sdk_elasticloadbalancingv2, "ELASTIC_LOAD_BALANCING_V2");
        let elb = elb.interceptor(unanswered.clone());
        let dynamodb = of!(aws_sdk_dynamodb, "DYNAMODB");
        let sfn = of!(aws_sdk_sfn, "SFN");
        let cloudwatch = of!(aws_sdk_cloudwatch, "CLOUDWATCH");
        let eventbridge = of!(aws_sdk_eventbridge, "EVENTBRIDGE");
        Self {
            ecs: aws_sdk_ecs::Client::from_conf(ecs.build()),
            elb: aws_sdk_elasticloadbalancingv2::Client::from_conf(elb.build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            sfn: aws_sdk_sfn::Client::from_conf(sfn.build()),
            cloudwatch: aws_sdk_cloudwatch::Client::from_conf(cloudwatch.build()),
            eventbridge: aws_sdk_eventbridge::Client::from_conf(eventbridge.build()),
            lock_table: lock_table.to_owned(),
            unanswered,
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
    lock_table: String,
}

/// The variable that names the lock table, which the template sets.
const LOCK_TABLE: &str = "LOCK_TABLE";

impl Environment {
    /// Reads it; an empty variable is none.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| set(&variable, name);
        let is_true =
            |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self {
            region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
            use_fips: is_true("AWS_USE_FIPS_ENDPOINT"),
            use_dual_stack: is_true("AWS_USE_DUALSTACK_ENDPOINT"),
            lock_table: get(LOCK_TABLE).unwrap_or_default(),
        }
    }
}

/// The credentials of the function's role.
fn credentials(variable: impl Fn(&str) -> Option<String>) -> Option<Credentials> {
    let mut credentials = Credentials::builder()
        .access_key_id(set(&variable, "AWS_ACCESS_KEY_ID")?)
        .secret_access_key(set(&variable, "AWS_SECRET_ACCESS_KEY")?)
        .provider_name("environment");
    credentials.set_session_token(set(&variable, "AWS_SESSION_TOKEN"));
    Some(credentials.build())
}

/// Where a service is called, if not at its own address; its own variable goes before that of all.
fn endpoint(variable: impl Fn(&str) -> Option<String>, service: &str) -> Option<String> {
    set(&variable, &format!("AWS_ENDPOINT_URL_{service}"))
        .or_else(|| set(&variable, "AWS_ENDPOINT_URL"))
}

fn set(variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |wanted| {
            let (_, value) = variables.iter().find(|(name, _)| *name == wanted)?;
            Some((*value).to_owned())
        }
    }

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(of(variables))
    }

    #[test]
    fn a_function_in_lambda_calls_its_own_region() {
        let seen = environment(&[
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "x"),
            ("LOCK_TABLE", "locks"),
        ]);
        let wanted = Environment {
            region: Some("eu-west-1".to_owned()),
            use_fips: false,
            use_dual_stack: false,
            lock_table: "locks".to_owned(),
        };
        assert_eq!(seen, wanted);
    }

    #[test]
    fn the_credentials_are_those_of_the_functions_role() {
        let key = ("AWS_ACCESS_KEY_ID", "key");
        let secret = ("AWS_SECRET_ACCESS_KEY", "secret");
        let seen = credentials(of(&[key, secret, ("AWS_SESSION_TOKEN", "token")])).unwrap();
        assert_eq!(
            (seen.access_key_id(), seen.secret_access_key()),
            ("key", "secret")
        );
        assert_eq!(seen.session_token(), Some("token"));
        assert!(credentials(of(&[key])).is_none());
    }

    #[test]
    fn a_services_own_endpoint_goes_before_that_of_all() {
        let seen = of(&[
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_ECS", "http://ecs"),
            ("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", ""),
        ]);
        let at = |service| endpoint(&seen, service);
        assert_eq!(at("ECS").as_deref(), Some("http://ecs"));
        let elb = at("ELASTIC_LOAD_BALANCING_V2");
        assert_eq!(elb.as_deref(), Some("http://all"));
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
