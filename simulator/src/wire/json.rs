//! awsJson1.0 and awsJson1.1: the operation in `X-Amz-Target`, JSON in the body.

use bytes::Bytes;
use http::Response;

use super::service::Service;
use super::{Answer, respond, without_nulls};
use crate::world::World;

pub(super) fn answer(world: &mut World, target: &str, body: &Bytes) -> Answer {
    let service = Service::of_target(target);
    let operation = target.strip_prefix(service.target);
    service.perform(world, operation, target, || {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    })
}

pub(super) fn response(service: &Service, answer: Answer, request_id: &str) -> Response<Bytes> {
    let (status, body) = match answer.result {
        Ok(value) => (200, value),
        Err(error) => (error.status, service.error(&error)),
    };
    let body = without_nulls(body).to_string().into_bytes();
    respond(status, service.content_type, request_id, body)
}
