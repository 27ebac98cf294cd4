//! The services that are called with an `X-Amz-Target` and JSON: awsJson1.0 and awsJson1.1.

use bytes::Bytes;
use http::Response;
use serde_json::json;

use super::{
    Answer, Handler, cloudwatch, dynamodb, ecs, events, find, not_simulated, respond, states,
    without_nulls,
};
use crate::world::{ApiError, World};

/// What differs from one of them to the other.
#[derive(Debug)]
pub(super) struct Service {
    /// The service as IAM names it.
    pub(super) name: &'static str,
    /// What every target of it begins with.
    pub(super) target: &'static str,
    pub(super) content_type: &'static str,
    pub(super) operations: &'static [(&'static str, Handler)],
    /// What stands before an error's code in `__type`.
    pub(super) namespace: fn(code: &str) -> &'static str,
    /// The code of a fault of its own.
    pub(super) server_error: &'static str,
    /// The code that asks to be called more slowly.
    pub(super) throttled: &'static str,
    /// The code, and the HTTP status, of what is not allowed.
    pub(super) access_denied: (&'static str, u16),
}

pub(super) static SERVICES: [Service; 5] = [
    Service {
        name: "ecs",
        target: "AmazonEC2ContainerServiceV20141113.",
        content_type: "application/x-amz-json-1.1",
        operations: ecs::OPERATIONS,
        namespace: |_| "",
        server_error: "ServerException",
        throttled: "ThrottlingException",
        access_denied: ("AccessDeniedException", 400),
    },
    Service {
        name: "dynamodb",
        target: "DynamoDB_20120810.",
        content_type: "application/x-amz-json-1.0",
        operations: dynamodb::OPERATIONS,
        namespace: dynamodb::namespace,
        server_error: "InternalServerError",
        throttled: "ThrottlingException",
        access_denied: ("AccessDeniedException", 400),
    },
    Service {
        name: "states",
        target: "AWSStepFunctions.",
        content_type: "application/x-amz-json-1.0",
        operations: states::OPERATIONS,
        namespace: |_| "com.amazonaws.swf.service.v2.model#",
        server_error: "InternalFailure",
        throttled: "ThrottlingException",
        access_denied: ("AccessDeniedException", 400),
    },
    Service {
        name: "cloudwatch",
        target: "GraniteServiceVersion20100801.",
        content_type: "application/x-amz-json-1.0",
        operations: cloudwatch::OPERATIONS,
        namespace: |_| "com.amazonaws.cloudwatch.v2010_08_01#",
        server_error: "InternalServiceFault",
        throttled: "Throttling",
        access_denied: ("AccessDenied", 403),
    },
    Service {
        name: "events",
        target: "AWSEvents.",
        content_type: "application/x-amz-json-1.1",
        operations: events::OPERATIONS,
        namespace: |_| "",
        server_error: "InternalException",
        throttled: "ThrottlingException",
        access_denied: ("AccessDeniedException", 400),
    },
];

/// The service that a target names, ECS where it names none that is simulated.
pub(super) fn service(target: &str) -> &'static Service {
    let service = SERVICES
        .iter()
        .find(|service| target.starts_with(service.target));
    service.unwrap_or(&SERVICES[0])
}

pub(super) fn answer(world: &mut World, target: &str, body: &Bytes) -> Answer {
    let service = service(target);
    let operation = target.strip_prefix(service.target);
    let handler = operation.and_then(|operation| find(service.operations, operation));
    let operation = operation.unwrap_or(target);
    let unknown = || {
        ApiError::new(
            "UnknownOperationException",
            not_simulated(operation, service.operations),
        )
    };
    let result = handler.ok_or_else(unknown).and_then(|handler| {
        let input = serde_json::from_slice(body)
            .map_err(|error| ApiError::new("SerializationException", error.to_string()))?;
        handler(world, input)
    });
    Answer {
        service: service.name,
        operation: operation.to_owned(),
        result,
    }
}

pub(super) fn response(target: &str, answer: &Answer, request_id: &str) -> Response<Bytes> {
    let service = service(target);
    let (status, body) = match &answer.result {
        Ok(value) => (200, without_nulls(value.clone())),
        Err(error) => {
            let code = format!("{}{}", (service.namespace)(error.code), error.code);
            (
                error.status,
                json!({ "__type": code, "message": error.message }),
            )
        }
    };
    let body = body.to_string().into_bytes();
    respond(status, service.content_type, request_id, body)
}
