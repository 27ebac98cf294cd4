//! What the service answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::{Instant, interval_at, timeout};

use crate::sockets::{Seat, Sockets};

/// What a client may send at once.
const LONGEST_MESSAGE_BYTES: usize = 64 * 1024;

/// How long a client has to answer that its WebSocket is closed.
const FAREWELL: Duration = Duration::from_secs(2);

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) hostname: Arc<str>,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) ping: Duration,
}

/// Each path with and without the service's name before it: a load balancer that several services share
/// forwards by that name, and forwards the path as it is.
pub(crate) fn router(service: Service) -> Router {
    let mut router = Router::new();
    for base in ["", &format!("/{}", service.name)] {
        router = router
            .route(&format!("{base}/"), get(about))
            .route(&format!("{base}/hostname"), get(hostname))
            .route(&format!("{base}/ready"), get(ready))
            .route(&format!("{base}/ws"), get(websocket));
    }
    router.with_state(service)
}

async fn about(State(service): State<Service>) -> String {
    let Service {
        name,
        version,
        hostname,
        sockets,
        ..
    } = service;
    let open = sockets.open();
    format!("{name} {version} on {hostname}, {open} WebSockets open\n")
}

async fn hostname(State(service): State<Service>) -> String {
    format!("{}\n", service.hostname)
}

async fn ready(State(service): State<Service>) -> Response {
    if service.sockets.closing() {
        closing()
    } else {
        "ready\n".into_response()
    }
}

async fn websocket(State(service): State<Service>, upgrade: WebSocketUpgrade) -> Response {
    let Some(seat) = service.sockets.admit() else {
        return closing();
    };
    upgrade
        .max_message_size(LONGEST_MESSAGE_BYTES)
        .on_upgrade(move |socket| converse(socket, seat, service.ping))
}

fn closing() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "closing\n").into_response()
}

/// Echoes until the client leaves or it is this WebSocket's turn to close.
async fn converse(mut socket: WebSocket, mut seat: Seat, ping: Duration) {
    tokio::select! {
        () = echo(&mut socket, ping) => return,
        () = seat.told_to_close() => {}
    }
    // A client that does not answer is left behind.
    let _ = timeout(FAREWELL, farewell(&mut socket)).await;
}

async fn echo(socket: &mut WebSocket, ping: Duration) {
    let mut pings = interval_at(Instant::now() + ping, ping);
    loop {
        let reply = tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => message,
                // axum answers a ping and a close.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => continue,
                Some(Err(_)) | None => return,
            },
            _ = pings.tick() => Message::Ping(Vec::new().into()),
        };
        if socket.send(reply).await.is_err() {
            return;
        }
    }
}

async fn farewell(socket: &mut WebSocket) {
    let close = Message::Close(Some(CloseFrame {
        code: close_code::AWAY,
        reason: Utf8Bytes::from_static("this task is being replaced: connect again"),
    }));
    if socket.send(close).await.is_err() {
        return;
    }
    // Read to the end: a connection that is closed with something unread is reset, and a reset may
    // overtake the close.
    while let Some(Ok(_)) = socket.recv().await {}
}
