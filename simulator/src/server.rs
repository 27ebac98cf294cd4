//! The simulated AWS on a port, for any client.

use std::fmt;
use std::future::Future;
use std::io;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;

use crate::aws::SimulatedAws;

/// The caller's name in the journal.
const CALLER: &str = "client";

/// The largest request body that is read, in bytes; AWS's own limits are below it.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Serves every protocol on one port until `shutdown` is done. The listener decides what can reach it,
/// and whether through TLS: nothing is authenticated.
pub async fn serve<L>(
    listener: L,
    aws: SimulatedAws,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()>
where
    L: Listener<Addr: fmt::Debug>,
{
    axum::serve(listener, router(aws))
        .with_graceful_shutdown(shutdown)
        .await
}

/// What answers every protocol, to be served behind layers of the caller's own.
pub fn router(aws: SimulatedAws) -> Router {
    Router::new().fallback(answer).with_state(aws)
}

async fn answer(State(aws): State<SimulatedAws>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match to_bytes(body, MAX_BODY).await {
        Ok(body) => aws
            .call(CALLER, &Request::from_parts(parts, body))
            .map(Body::from),
        Err(error) => (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()).into_response(),
    }
}
