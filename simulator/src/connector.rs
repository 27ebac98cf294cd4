//! The simulated AWS under the real Rust SDK clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ecs::config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::aws::SimulatedAws;

/// An HTTP connector whose other end is a simulated world. Every call takes the world's latency.
#[derive(Debug, Clone)]
struct Connector {
    aws: SimulatedAws,
    caller: String,
    gate: Option<Arc<Gate>>,
}

/// Lets some calls of one caller pass, and none after them.
#[derive(Debug)]
pub(crate) struct Gate {
    left: AtomicU32,
    /// Calls that were let pass, and have not been answered.
    under_way: AtomicU32,
    closed: AtomicBool,
    reached: Notify,
}

/// A call that was let pass, until it is answered or given up.
struct UnderWay<'a>(&'a Gate);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.notify_if_over();
    }
}

impl Gate {
    pub(crate) fn after(calls: u32) -> Self {
        Self {
            left: AtomicU32::new(calls),
            under_way: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            reached: Notify::new(),
        }
    }

    /// Waits until a call is held back, and all calls that were let pass have been answered.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    fn notify_if_over(&self) {
        let is_closed = self.closed.load(Ordering::Relaxed);
        if is_closed && self.under_way.load(Ordering::Relaxed) == 0 {
            self.reached.notify_one();
        }
    }

    async fn pass(&self) -> UnderWay<'_> {
        let passed = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if passed.is_err() {
            self.closed.store(true, Ordering::Relaxed);
            self.notify_if_over();
            return std::future::pending().await;
        }
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move {
            let request = to_http(request)?;
            let _under_way = match &connector.gate {
                Some(gate) => Some(gate.pass().await),
                None => None,
            };
            let response = connector.aws.exchange(&connector.caller, &request).await;
            let response = response
                .map_err(|broken| ConnectorError::io(broken.into()))?
                .map(SdkBody::from);
            HttpResponse::try_from(response).map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn to_http(request: HttpRequest) -> Result<http::Request<Bytes>, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body
        .bytes()
        .map(Bytes::copy_from_slice)
        .ok_or_else(|| ConnectorError::user("a streamed request body is not simulated".into()))?;
    Ok(http::Request::from_parts(parts, body))
}

impl SimulatedAws {
    /// An HTTP client for an SDK client of any service. `caller` is the name in the journal.
    pub fn http_client(&self, caller: &str) -> SharedHttpClient {
        self.gated_http_client(caller, None)
    }

    /// The same, for a caller that may come to an end in the middle.
    pub(crate) fn gated_http_client(
        &self,
        caller: &str,
        gate: Option<Arc<Gate>>,
    ) -> SharedHttpClient {
        SharedHttpClient::new(Connector {
            aws: self.clone(),
            caller: caller.to_owned(),
            gate,
        })
    }

    /// The configuration of an SDK client of any service, with the SDK's own retries and timeouts.
    pub fn sdk_config(&self, caller: &str) -> SdkConfig {
        let region = self.with_world(|world| world.region.clone());
        // Keys are not checked.
        let keys = Credentials::from_keys("simulated", "simulated", None);
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .http_client(self.http_client(caller))
            .build()
    }

    pub fn sdk_ecs(&self, caller: &str) -> aws_sdk_ecs::Client {
        aws_sdk_ecs::Client::new(&self.sdk_config(caller))
    }

    pub fn sdk_elb(&self, caller: &str) -> aws_sdk_elasticloadbalancingv2::Client {
        aws_sdk_elasticloadbalancingv2::Client::new(&self.sdk_config(caller))
    }
}
