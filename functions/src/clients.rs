//! The AWS clients of a function, with every timeout set.

use std::time::Duration;

use aws_sdk_ecs::config::timeout::TimeoutConfig;
use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_types::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::elements::Unknown;
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
    /// AWS Cloud Map, in which clients find the tasks of some services.
    pub cloud_map: aws_sdk_servicediscovery::Client,
    /// Application Auto Scaling, which scales some services.
    pub auto_scaling: aws_sdk_applicationautoscaling::Client,
    /// EventBridge, which takes notifications.
    pub eventbridge: aws_sdk_eventbridge::Client,
    /// The table that the locks are in.
    pub lock_table: String,
    /// Which hooks the state machine may call, as its role has them; `None` where that is not known.
    pub hook_arns: Option<Vec<String>>,
    /// Whether a write was not answered.
    pub(crate) unanswered: Unanswered,
    /// What of the listeners and rules that were read is not known.
    pub(crate) unknown: Unknown,
}

impl Clients {
    /// Clients with the credentials, region, endpoints, lock table and hooks of the environment.
    pub fn from_env() -> Self {
        let lock_table = set(variable, LOCK_TABLE).unwrap_or_default();
        let hook_arns = set(variable, HOOK_ARNS).unwrap_or_default();
        let hook_arns = hook_arns
            .split(',')
            .map(str::trim)
            .filter(|arn| !arn.is_empty());
        Self {
            hook_arns: Some(hook_arns.map(str::to_owned).collect()),
            ..Self::new(&config(variable), &lock_table)
        }
    }

    /// Clients of one configuration.
    pub fn new(config: &SdkConfig, lock_table: &str) -> Self {
        let (unanswered, unknown) = (Unanswered::default(), Unknown::default());
        let ecs = aws_sdk_ecs::config::Builder::from(config);
        let ecs = ecs.interceptor(unanswered.clone()).build();
        let elb = aws_sdk_elasticloadbalancingv2::config::Builder::from(config);
        let elb = elb
            .interceptor(unanswered.clone())
            .interceptor(unknown.clone())
            .build();
        let cloud_map = aws_sdk_servicediscovery::config::Builder::from(config);
        let cloud_map = cloud_map.interceptor(unanswered.clone()).build();
        let auto_scaling = aws_sdk_applicationautoscaling::config::Builder::from(config);
        let auto_scaling = auto_scaling.interceptor(unanswered.clone()).build();
        Self {
            ecs: aws_sdk_ecs::Client::from_conf(ecs),
            elb: aws_sdk_elasticloadbalancingv2::Client::from_conf(elb),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            sfn: aws_sdk_sfn::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            cloud_map: aws_sdk_servicediscovery::Client::from_conf(cloud_map),
            auto_scaling: aws_sdk_applicationautoscaling::Client::from_conf(auto_scaling),
            eventbridge: aws_sdk_eventbridge::Client::new(config),
            lock_table: lock_table.to_owned(),
            hook_arns: None,
            unanswered,
            unknown,
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

/// The variable that names the lock table, which the template sets.
const LOCK_TABLE: &str = "LOCK_TABLE";

/// The variable with the ARNs of functions that may be hooks, separated by commas, which the template sets.
const HOOK_ARNS: &str = "HOOK_ARNS";

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A variable of the environment; an empty one is none.
fn set(variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.trim().is_empty())
}

/// What the environment says about where to call, under the names that every AWS SDK reads.
///
/// Lambda gives a function credentials and region in environment variables (Docs), so nothing else is asked. The
/// SDK's own loader brings profiles, STS and the metadata services of EC2 and ECS along, which are
/// a megabyte of a bootstrap (measured), and a minute of its build.
fn config(variable: fn(&str) -> Option<String>) -> SdkConfig {
    let get = |name: &str| set(variable, name);
    let is_true = |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let region = get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION"));
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region.map(Region::new))
        .use_fips(is_true("AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(is_true("AWS_USE_DUALSTACK_ENDPOINT"))
        .service_config(Endpoints(variable))
        .http_client(http_client())
        .timeout_config(Clients::timeouts());
    config.set_credentials_provider(credentials(variable).map(SharedCredentialsProvider::new));
    config.build()
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
#[derive(Debug)]
struct Endpoints(fn(&str) -> Option<String>);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().replace(' ', "_").to_uppercase();
        let own = set(self.0, &format!("{}_{service}", key.env()));
        own.or_else(|| set(self.0, key.env()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lambda(name: &str) -> Option<String> {
        let value = match name {
            "AWS_REGION" => "eu-west-1",
            "AWS_DEFAULT_REGION" => "x",
            "AWS_ACCESS_KEY_ID" => "key",
            "AWS_SECRET_ACCESS_KEY" => "secret",
            "AWS_SESSION_TOKEN" => "token",
            "LOCK_TABLE" => "locks",
            "AWS_USE_FIPS_ENDPOINT" => "no",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn a_function_in_lambda_calls_its_own_region_and_locks_in_its_own_table() {
        let seen = config(of_lambda);
        assert_eq!(seen.region().map(Region::as_ref), Some("eu-west-1"));
        assert_eq!(
            (seen.use_fips(), seen.use_dual_stack()),
            (Some(false), Some(false))
        );
        assert_eq!(set(of_lambda, LOCK_TABLE).as_deref(), Some("locks"));
    }

    #[test]
    fn the_credentials_are_those_of_the_functions_role() {
        let seen = credentials(of_lambda).unwrap();
        let keys = (seen.access_key_id(), seen.secret_access_key());
        assert_eq!(keys, ("key", "secret"));
        assert_eq!(seen.session_token(), Some("token"));
        let without_secret = |name: &str| of_lambda(name).filter(|value| value != "secret");
        assert!(credentials(without_secret).is_none());
    }

    fn elsewhere(name: &str) -> Option<String> {
        let value = match name {
            "AWS_ENDPOINT_URL" => "http://all",
            "AWS_ENDPOINT_URL_ECS" => "http://ecs",
            "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2" => "",
            "AWS_ENDPOINT_URL_DYNAMODB" => "http://table",
            "AWS_USE_FIPS_ENDPOINT" => "true",
            "AWS_USE_DUALSTACK_ENDPOINT" => "TRUE",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn a_services_own_endpoint_goes_before_that_of_all() {
        let at = |service| {
            let key = ServiceConfigKey::builder().service_id(service);
            let key = key.env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
            Endpoints(elsewhere).load_config(key.unwrap())
        };
        assert_eq!(at("ECS").as_deref(), Some("http://ecs"));
        assert_eq!(at("DynamoDB").as_deref(), Some("http://table"));
        let elb = at("Elastic Load Balancing v2");
        assert_eq!(elb.as_deref(), Some("http://all"));
    }

    #[test]
    fn fips_and_dual_stack_endpoints_can_be_asked_for() {
        let seen = config(elsewhere);
        assert_eq!(
            (seen.use_fips(), seen.use_dual_stack()),
            (Some(true), Some(true))
        );
    }
}
