//! The wire protocols of the simulated AWS: awsJson1.1 for ECS, Cloud Map, Application Auto Scaling and EventBridge, awsJson1.0 for DynamoDB,
//! Step Functions and CloudWatch, smithy-rpc-v2-cbor for CloudWatch too, awsQuery for Elastic Load
//! Balancing.
//!
//! [`handle`] is the one way in, for the connector under the Rust SDK and for the port alike:
//! what delays, loses or repeats calls wraps it.

mod auto_scaling;
mod cbor;
mod cloudwatch;
mod distortion;
mod dynamodb;
mod ecs;
mod ecs_answer;
mod elb;
mod elb_answer;
mod events;
mod query;
mod service;
mod servicediscovery;
mod states;
mod xml;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::world::{ApiError, Outcome, World};
use cloudwatch::INSTANTS;
use service::{CLOUDWATCH, ELB, SERVICES, Service};

pub(crate) use distortion::Distortion;

/// The id of a request that no world has seen.
const NO_REQUEST: &str = "00000000-0000-4000-8000-000000000000";

/// One operation: what it does with the request's parameters.
type Handler = fn(&mut World, Value) -> Result<Value, ApiError>;

/// An operation and how it ended, before it is written in its protocol.
struct Answer {
    service: &'static str,
    operation: String,
    page: Option<String>,
    result: Result<Value, ApiError>,
}

impl Answer {
    /// Of a request whose operation is not known.
    fn refused(service: &'static str, error: ApiError) -> Self {
        Self {
            service,
            operation: String::new(),
            page: None,
            result: Err(error),
        }
    }
}

/// A request's protocol, and where it has the operation.
#[derive(Debug, Clone, Copy)]
enum Protocol<'a> {
    Json(&'a str),
    Cbor(&'a str),
    Query,
}

impl<'a> Protocol<'a> {
    fn of(request: &'a Request<Bytes>) -> Self {
        let target = request.headers().get("x-amz-target");
        match (cbor::path(request), target.map(|value| value.to_str())) {
            (Some(path), _) => Self::Cbor(path),
            (None, Some(Ok(target))) => Self::Json(target),
            (None, Some(Err(_)) | None) => Self::Query,
        }
    }

    fn service(self) -> &'static Service {
        match self {
            Self::Json(target) => Service::of_target(target),
            Self::Cbor(_) => &CLOUDWATCH,
            Self::Query => &ELB,
        }
    }
}

/// The service that a request is for, as IAM names it.
pub(crate) fn service_of(request: &Request<Bytes>) -> &'static str {
    Protocol::of(request).service().name
}

/// The operation of a request as IAM names it, and its parameters; null if they cannot be read.
pub(crate) fn asked(request: &Request<Bytes>) -> (String, Value) {
    let operation = match Protocol::of(request) {
        Protocol::Json(target) => target.rsplit('.').next().map(str::to_owned),
        Protocol::Cbor(path) => Some(cbor::operation(path).to_owned()),
        Protocol::Query => elb::asked(request).ok().and_then(|(action, _)| action),
    };
    let operation = operation.unwrap_or_default();
    let input = read(request, &INSTANTS).unwrap_or_default();
    (format!("{}:{operation}", service_of(request)), input)
}

/// Answers one AWS API request at the world's present time, and writes it into the journal under
/// the caller's name.
///
/// Requests with a `Smithy-Protocol` header are CloudWatch's, others with an `X-Amz-Target` header of
/// the service that it names, others Elastic Load Balancing's. Signatures, access keys and the
/// request's region are not checked.
pub fn handle(world: &mut World, caller: &str, request: &Request<Bytes>) -> Response<Bytes> {
    handle_distorted(world, caller, request, None)
}

/// The same, with an answer that is different.
pub(crate) fn handle_distorted(
    world: &mut World,
    caller: &str,
    request: &Request<Bytes>,
    distortion: Option<Distortion>,
) -> Response<Bytes> {
    let input = || read(request, &INSTANTS);
    let mut answer = match Protocol::of(request) {
        Protocol::Json(target) => service::answer(world, target, input),
        Protocol::Cbor(path) => cbor::answer(world, path, request.method(), input),
        Protocol::Query => elb::answer(world, request),
    };
    if let (Some(distortion), Ok(value)) = (distortion, &mut answer.result) {
        distortion.apply(answer.page.as_deref(), value);
    }
    world.settle();
    let outcome = match &answer.result {
        Ok(_) => Outcome::Ok,
        Err(error) => Outcome::Error(error.code.to_owned()),
    };
    let operation = format!("{}:{}", answer.service, answer.operation);
    world.journal(caller, operation, outcome);
    respond_to(request, answer, &world.next_request_id(), &INSTANTS)
}

/// The parameters of a request, as the operations take them. In CBOR, the members of these names are instants.
pub fn read(request: &Request<Bytes>, instants: &[&str]) -> Result<Value, String> {
    match Protocol::of(request) {
        Protocol::Json(_) => {
            serde_json::from_slice(request.body()).map_err(|error| error.to_string())
        }
        Protocol::Cbor(_) => {
            cbor::read(request.body(), instants).map_err(|error| error.to_string())
        }
        Protocol::Query => elb::asked(request).map(|(_, input)| input),
    }
}

/// The answer to a request whose operation ended so.
pub fn write(
    request: &Request<Bytes>,
    operation: &str,
    result: Result<Value, ApiError>,
    instants: &[&str],
) -> Response<Bytes> {
    let answer = Answer {
        operation: operation.to_owned(),
        result,
        ..Answer::refused("", ApiError::new("", ""))
    };
    respond_to(request, answer, NO_REQUEST, instants)
}

/// An answer in its request's protocol.
fn respond_to(
    request: &Request<Bytes>,
    answer: Answer,
    request_id: &str,
    instants: &[&str],
) -> Response<Bytes> {
    let protocol = Protocol::of(request);
    let refused = answer.result.as_ref().err();
    let refused = refused.map(|error| (error.code, error.status));
    let mut response = match protocol {
        Protocol::Json(target) => Service::of_target(target).response(answer, request_id),
        Protocol::Cbor(_) => cbor::response(answer, request_id, instants),
        Protocol::Query => elb::response(answer, request_id),
    };
    let query_code = protocol.service().query_code;
    let mode = request.headers().get("x-amzn-query-mode");
    if let (Some(query_code), Some((code, status))) = (query_code, refused)
        && mode.is_some_and(|mode| mode == "true")
    {
        let fault = if status < 500 { "Sender" } else { "Receiver" };
        let code = format!("{};{fault}", query_code(code));
        if let Ok(code) = HeaderValue::from_str(&code) {
            response.headers_mut().insert("x-amzn-query-error", code);
        }
    }
    response
}

/// Whether a request only reads: its operation is a `Describe…`, a `Get…` or a `List…`.
pub(crate) fn is_read(request: &Request<Bytes>) -> bool {
    let reads = |operation: &str| {
        let mut beginnings = ["Describe", "Get", "List"].iter();
        beginnings.any(|beginning| operation.starts_with(beginning))
    };
    match Protocol::of(request) {
        Protocol::Json(target) => target.rsplit('.').next().is_some_and(reads),
        Protocol::Cbor(path) => reads(cbor::operation(path)),
        Protocol::Query => form_urlencoded::parse(request.body())
            .any(|(name, value)| name == "Action" && reads(&value)),
    }
}

/// Whether a read may show the world as it was: DynamoDB's consistent reads never do.
pub(crate) fn may_be_stale(request: &Request<Bytes>) -> bool {
    let consistent = serde_json::from_slice::<Value>(request.body())
        .is_ok_and(|input| input["ConsistentRead"] == true);
    is_read(request) && !consistent
}

pub(crate) fn server_error(request: &Request<Bytes>) -> Response<Bytes> {
    let service = Protocol::of(request).service();
    refusal(request, (service.server_error, 500))
}

pub(crate) fn throttled(request: &Request<Bytes>) -> Response<Bytes> {
    let service = Protocol::of(request).service();
    refusal(request, (service.throttled, 400))
}

pub(crate) fn access_denied(request: &Request<Bytes>) -> Response<Bytes> {
    let service = Protocol::of(request).service();
    refusal(request, service.access_denied)
}

fn refusal(request: &Request<Bytes>, (code, status): (&'static str, u16)) -> Response<Bytes> {
    let error = ApiError {
        status,
        ..ApiError::new(code, "a simulated fault")
    };
    let answer = Answer::refused("", error);
    respond_to(request, answer, NO_REQUEST, &INSTANTS)
}

/// The operations that are simulated, as IAM names them: `ecs:CreateTaskSet`.
pub fn operations() -> Vec<String> {
    let mut operations = Vec::new();
    for service in SERVICES.into_iter().chain([&ELB]) {
        let names = service.operations.iter().map(|(name, _)| name);
        operations.extend(names.map(|name| format!("{}:{name}", service.name)));
    }
    operations
}

/// Seconds since the Unix epoch, as awsJson writes instants.
fn seconds(epoch_ms: u64) -> f64 {
    Duration::from_millis(epoch_ms).as_secs_f64()
}

fn list<T>(items: &[T], write: impl FnMut(&T) -> Value) -> Value {
    items.iter().map(write).collect()
}

fn parse<T: DeserializeOwned>(
    input: Value,
    refuse: impl FnOnce(String) -> ApiError,
) -> Result<T, ApiError> {
    serde_json::from_value(input).map_err(|error| refuse(error.to_string()))
}

/// Objects without their null members: AWS leaves out what is not set.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(name, member)| (name, without_nulls(member)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}

fn respond(
    status: u16,
    content_type: &'static str,
    request_id: &str,
    body: Vec<u8>,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", request_id);
    }
    response
}
