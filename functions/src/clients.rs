//! The AWS clients of a function, with every timeout set.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls;

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
    /// TLS is rustls on ring with the system's roots: aws-lc, the default, spends about 27 ms of a
    /// cold start on gathering entropy (measured).
    pub async fn from_env() -> Self {
        let http_client = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::Ring,
            ))
            .build_https();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client)
            .timeout_config(Self::timeouts())
            .load()
            .await;
        Self::new(&config)
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
