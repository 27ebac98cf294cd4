//! The simulated AWS under the real Rust SDK clients.

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::aws::SimulatedAws;
use crate::fault::Fault;
use crate::wire;

/// An HTTP connector whose other end is a simulated world. Every call takes the world's latency.
#[derive(Debug, Clone)]
struct Connector {
    aws: SimulatedAws,
    caller: String,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move {
            let request = to_http(request)?;
            let half = connector.aws.latency / 2;
            tokio::time::sleep(half).await;
            let response = connector.answer(&request).await;
            tokio::time::sleep(half).await;
            let response = response?.map(|body| SdkBody::from(body.to_vec()));
            HttpResponse::try_from(response).map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

impl Connector {
    /// What comes back over the wire, if anything does.
    async fn answer(
        &self,
        request: &http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, ConnectorError> {
        let Some(fault) = self.aws.next_call() else {
            return Ok(self.aws.perform(&self.caller, request));
        };
        let perform = || self.aws.perform(&self.caller, request);
        match fault {
            Fault::Unreachable => Err(broken()),
            Fault::Silent => std::future::pending().await,
            Fault::ServerError => Ok(wire::server_error(request)),
            Fault::Throttled => Ok(wire::throttled(request)),
            Fault::Stale => Ok(self.aws.answer_stale(&self.caller, request)),
            Fault::LostReply => {
                perform();
                Err(broken())
            }
            Fault::ServerErrorAfter => {
                perform();
                Ok(wire::server_error(request))
            }
            Fault::Twice => {
                perform();
                Ok(perform())
            }
            Fault::Late(after) => {
                self.aws.deliver_late(after, &self.caller, request);
                Err(broken())
            }
        }
    }
}

fn broken() -> ConnectorError {
    ConnectorError::io("the simulated connection broke".into())
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
    /// An HTTP client for any SDK client of ECS or Elastic Load Balancing. `caller` is the name in
    /// the journal.
    pub fn http_client(&self, caller: &str) -> SharedHttpClient {
        SharedHttpClient::new(Connector {
            aws: self.clone(),
            caller: caller.to_owned(),
        })
    }

    /// An SDK client of ECS with the SDK's own retries and timeouts.
    pub fn sdk_ecs(&self, caller: &str) -> aws_sdk_ecs::Client {
        let config = aws_sdk_ecs::Config::builder()
            .behavior_version(aws_sdk_ecs::config::BehaviorVersion::latest())
            .region(aws_sdk_ecs::config::Region::new(self.region()))
            .credentials_provider(test_credentials())
            .http_client(self.http_client(caller))
            .build();
        aws_sdk_ecs::Client::from_conf(config)
    }

    /// An SDK client of Elastic Load Balancing with the SDK's own retries and timeouts.
    pub fn sdk_elb(&self, caller: &str) -> aws_sdk_elasticloadbalancingv2::Client {
        let config = aws_sdk_elasticloadbalancingv2::Config::builder()
            .behavior_version(aws_sdk_elasticloadbalancingv2::config::BehaviorVersion::latest())
            .region(aws_sdk_elasticloadbalancingv2::config::Region::new(
                self.region(),
            ))
            .credentials_provider(test_credentials())
            .http_client(self.http_client(caller))
            .build();
        aws_sdk_elasticloadbalancingv2::Client::from_conf(config)
    }

    fn region(&self) -> String {
        self.with_world(|world| world.region.clone())
    }
}

/// Keys that nobody looks at.
pub(crate) fn test_credentials() -> Credentials {
    Credentials::from_keys("simulated", "simulated", None)
}
