//! The services that are called by the name of an operation with one value: over awsJson, or over
//! smithy-rpc-v2-cbor; and Elastic Load Balancing, over awsQuery.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::distortion::asked_page;
use super::{
    Answer, Handler, auto_scaling, cloudwatch, dynamodb, ecs, elb, events, respond,
    servicediscovery, states, without_nulls,
};
use crate::world::{ApiError, World};

#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    /// What every target of it begins with; without the dot, its name in a path of smithy-rpc-v2-cbor.
    pub(super) target: &'static str,
    pub(super) content_type: &'static str,
    pub(super) operations: &'static [(&'static str, Handler)],
    /// What stands before an error's code in `__type`.
    pub(super) namespace: fn(code: &str) -> &'static str,
    /// The code of what is no operation here.
    pub(super) unknown: &'static str,
    /// The code of a fault of its own.
    pub(super) server_error: &'static str,
    /// The code that asks to be called more slowly.
    pub(super) throttled: &'static str,
    /// The code, and the HTTP status, of what is not allowed.
    pub(super) access_denied: (&'static str, u16),
    /// Of a service that spoke awsQuery once: the code that an error had there.
    pub(super) query_code: Option<fn(code: &'static str) -> &'static str>,
}

/// What most of them have in common.
const USUAL: Service = Service {
    name: "",
    target: "",
    content_type: "application/x-amz-json-1.0",
    operations: &[],
    namespace: |_| "",
    unknown: "UnknownOperationException",
    server_error: "",
    throttled: "ThrottlingException",
    access_denied: ("AccessDeniedException", 400),
    query_code: None,
};

static ECS: Service = Service {
    name: "ecs",
    target: "AmazonEC2ContainerServiceV20141113.",
    content_type: "application/x-amz-json-1.1",
    operations: ecs::OPERATIONS,
    server_error: "ServerException",
    ..USUAL
};

/// The one that speaks smithy-rpc-v2-cbor too.
pub(super) static CLOUDWATCH: Service = Service {
    name: "cloudwatch",
    target: "GraniteServiceVersion20100801.",
    operations: cloudwatch::OPERATIONS,
    namespace: |_| "com.amazonaws.cloudwatch.v2010_08_01#",
    server_error: "InternalServiceFault",
    throttled: "Throttling",
    access_denied: ("AccessDenied", 403),
    query_code: Some(cloudwatch::query_code),
    ..USUAL
};

static DYNAMODB: Service = Service {
    name: "dynamodb",
    target: "DynamoDB_20120810.",
    operations: dynamodb::OPERATIONS,
    namespace: dynamodb::namespace,
    server_error: "InternalServerError",
    ..USUAL
};

static STATES: Service = Service {
    name: "states",
    target: "AWSStepFunctions.",
    operations: states::OPERATIONS,
    namespace: |_| "com.amazonaws.swf.service.v2.model#",
    server_error: "InternalFailure",
    ..USUAL
};

static EVENTS: Service = Service {
    name: "events",
    target: "AWSEvents.",
    content_type: "application/x-amz-json-1.1",
    operations: events::OPERATIONS,
    server_error: "InternalException",
    ..USUAL
};

static SERVICEDISCOVERY: Service = Service {
    name: "servicediscovery",
    target: "Route53AutoNaming_v20170314.",
    content_type: "application/x-amz-json-1.1",
    operations: servicediscovery::OPERATIONS,
    server_error: "InternalFailure",
    throttled: "RequestLimitExceeded",
    ..USUAL
};

static AUTO_SCALING: Service = Service {
    name: "application-autoscaling",
    target: "AnyScaleFrontendService.",
    content_type: "application/x-amz-json-1.1",
    operations: auto_scaling::OPERATIONS,
    server_error: "InternalServiceException",
    ..USUAL
};

/// The only one that has no target.
pub(super) static ELB: Service = Service {
    name: "elasticloadbalancing",
    operations: elb::OPERATIONS,
    unknown: "InvalidAction",
    server_error: "InternalFailure",
    throttled: "Throttling",
    access_denied: ("AccessDenied", 403),
    ..USUAL
};

/// Those with a target.
pub(super) static SERVICES: [&Service; 7] = [
    &ECS,
    &DYNAMODB,
    &STATES,
    &CLOUDWATCH,
    &EVENTS,
    &SERVICEDISCOVERY,
    &AUTO_SCALING,
];

impl Service {
    /// The service that a target names, ECS where it names none that is simulated.
    pub(super) fn of_target(target: &str) -> &'static Self {
        let mut services = SERVICES.into_iter();
        let named = services.find(|service| target.starts_with(service.target));
        named.unwrap_or(&ECS)
    }

    /// Carries an operation out. `None` is one of another service; `asked` is what the request calls it.
    pub(super) fn perform(
        &self,
        world: &mut World,
        operation: Option<&str>,
        asked: &str,
        input: impl FnOnce() -> Result<Value, String>,
    ) -> Answer {
        let mut known = self.operations.iter();
        let found = known.find(|(name, _)| Some(*name) == operation);
        let asked = operation.unwrap_or(asked);
        let mut page = None;
        let unknown = || {
            let names: Vec<_> = self.operations.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            let problem = format!("The operation {asked} is not simulated. Simulated: {names}.");
            ApiError::new(self.unknown, problem)
        };
        let result = found.ok_or_else(unknown).and_then(|(_, handler)| {
            let input = input().map_err(|why| ApiError::new("SerializationException", why))?;
            page = asked_page(&input);
            handler(world, input)
        });
        Answer {
            service: self.name,
            operation: asked.to_owned(),
            page,
            result,
        }
    }

    /// The status of an answer and its one value.
    pub(super) fn status_and_body(&self, answer: Answer) -> (u16, Value) {
        match answer.result {
            Ok(value) => (200, without_nulls(value)),
            Err(error) => {
                let code = format!("{}{}", (self.namespace)(error.code), error.code);
                let body = json!({ "__type": code, "message": error.message, "Item": error.item });
                (error.status, without_nulls(body))
            }
        }
    }

    /// An answer in awsJson.
    pub(super) fn response(&self, answer: Answer, request_id: &str) -> Response<Bytes> {
        let (status, body) = self.status_and_body(answer);
        let body = body.to_string().into_bytes();
        respond(status, self.content_type, request_id, body)
    }
}

/// awsJson1.0 and awsJson1.1: the operation in `X-Amz-Target`, JSON in the body.
pub(super) fn answer(
    world: &mut World,
    target: &str,
    input: impl FnOnce() -> Result<Value, String>,
) -> Answer {
    let service = Service::of_target(target);
    let operation = target.strip_prefix(service.target);
    service.perform(world, operation, target, input)
}
