//! The wire protocols of the simulated AWS: awsJson1.1 for ECS, awsQuery for Elastic Load
//! Balancing.
//!
//! [`handle`] is the one way in, for the connector under the Rust SDK and for the port alike:
//! whoever wants to delay, lose or repeat calls wraps it.

mod ecs;
mod ecs_answer;
mod elb;
mod elb_answer;
mod query;
mod xml;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::world::{ApiError, Outcome, World};

/// One operation: what it does with the request's parameters.
type Handler = fn(&mut World, Value) -> Result<Value, ApiError>;

/// An operation and how it ended, before it is written in its protocol.
struct Answer {
    service: &'static str,
    operation: String,
    result: Result<Value, ApiError>,
}

/// Answers one AWS API request at the world's present time, and writes it into the journal under
/// the caller's name.
///
/// Requests with an `X-Amz-Target` header are ECS's, others Elastic Load Balancing's. Signatures,
/// access keys and the request's region are not looked at.
pub fn handle(world: &mut World, caller: &str, request: &Request<Bytes>) -> Response<Bytes> {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    let answer = match target {
        Some(target) => ecs::answer(world, target, request.body()),
        None => elb::answer(world, request.uri().query(), request.body()),
    };
    world.settle();
    let outcome = match &answer.result {
        Ok(_) => Outcome::Ok,
        Err(error) => Outcome::Error(error.code.to_owned()),
    };
    let operation = format!("{}:{}", answer.service, answer.operation);
    world.journal(caller, operation, outcome);
    let request_id = world.next_request_id();
    if target.is_some() {
        ecs::response(&answer, &request_id)
    } else {
        elb::response(&answer, &request_id)
    }
}

/// Whether a request only reads: its operation is a `Describe…` or a `List…`.
pub(crate) fn is_read(request: &Request<Bytes>) -> bool {
    let reads =
        |operation: &str| operation.starts_with("Describe") || operation.starts_with("List");
    let target = request.headers().get("x-amz-target");
    match target.and_then(|value| value.to_str().ok()) {
        Some(target) => target.rsplit('.').next().is_some_and(reads),
        None => form_urlencoded::parse(request.body())
            .any(|(name, value)| name == "Action" && reads(&value)),
    }
}

/// The answer of an AWS that has a fault of its own.
pub(crate) fn server_error(request: &Request<Bytes>) -> Response<Bytes> {
    refusal(request, "ServerException", "InternalFailure", 500)
}

/// The answer of an AWS that wants to be called more slowly.
pub(crate) fn throttled(request: &Request<Bytes>) -> Response<Bytes> {
    refusal(request, "ThrottlingException", "Throttling", 400)
}

/// A refusal in the request's protocol, by its code in ECS and in Elastic Load Balancing.
fn refusal(
    request: &Request<Bytes>,
    in_ecs: &'static str,
    in_elb: &'static str,
    status: u16,
) -> Response<Bytes> {
    let for_ecs = request.headers().contains_key("x-amz-target");
    let answer = Answer {
        service: "",
        operation: String::new(),
        result: Err(ApiError {
            code: if for_ecs { in_ecs } else { in_elb },
            message: "a simulated fault".to_owned(),
            status,
        }),
    };
    let request_id = "00000000-0000-4000-8000-000000000000";
    if for_ecs {
        ecs::response(&answer, request_id)
    } else {
        elb::response(&answer, request_id)
    }
}

/// The names of the operations that are simulated: ECS's, and Elastic Load Balancing's.
pub fn operations() -> (Vec<&'static str>, Vec<&'static str>) {
    let names = |table: &[(&'static str, Handler)]| table.iter().map(|(name, _)| *name).collect();
    (names(ecs::OPERATIONS), names(elb::OPERATIONS))
}

fn find(table: &[(&'static str, Handler)], operation: &str) -> Option<Handler> {
    table
        .iter()
        .find(|(name, _)| *name == operation)
        .map(|(_, handler)| *handler)
}

/// What an operation answers that is not simulated: its own name, and those that are.
fn not_simulated(operation: &str, table: &[(&'static str, Handler)]) -> String {
    let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
    format!(
        "The operation {operation} is not simulated. Simulated: {}.",
        names.join(", ")
    )
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
    headers.insert("content-type", http::HeaderValue::from_static(content_type));
    if let Ok(request_id) = http::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", request_id);
    }
    response
}
