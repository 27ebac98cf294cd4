//! The simulated AWS on a port, for any client.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::aws::SimulatedAws;

/// The caller's name in the journal.
const CALLER: &str = "client";

/// The largest request body that is read, in bytes; AWS's own limits are below it.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// For how long a connection may be without a whole request head, and then without the whole body: clients that
/// stop in the middle would use up the files that a process can open.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves every protocol on one port until `shutdown` is done, and hangs up then. The listener decides what can
/// reach it, and whether through TLS: nothing is authenticated.
pub async fn serve<L: Listener>(
    listener: L,
    aws: SimulatedAws,
    shutdown: impl Future<Output = ()> + Send,
) {
    serve_patiently(listener, aws, shutdown, PATIENCE).await;
}

/// Over HTTP/1.1 without axum's own server, which has no timeouts.
async fn serve_patiently<L: Listener>(
    mut listener: L,
    aws: SimulatedAws,
    shutdown: impl Future<Output = ()> + Send,
    patience: Duration,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            (stream, _) = listener.accept() => stream,
            () = &mut shutdown => return,
        };
        let aws = aws.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(aws.clone(), request.map(Body::new), patience);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        // A connection that fails is the client's affair.
        connections.spawn(http.serve_connection(TokioIo::new(stream), service));
        while connections.try_join_next().is_some() {}
    }
}

/// What answers every protocol, to be served behind layers of the caller's own.
pub fn router(aws: SimulatedAws) -> Router {
    let answer = |State(aws), request| answer(aws, request, PATIENCE);
    Router::new().fallback(answer).with_state(aws)
}

async fn answer(aws: SimulatedAws, request: Request, patience: Duration) -> Response {
    let (parts, body) = request.into_parts();
    match timeout(patience, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => aws
            .call(CALLER, &Request::from_parts(parts, body))
            .map(Body::from),
        Ok(Err(error)) => (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()).into_response(),
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::serve_patiently;
    use crate::{Scenario, SimulatedAws};

    #[tokio::test]
    async fn a_client_that_stops_in_the_middle_is_disconnected() {
        let world = Scenario::default().world().expect("a world");
        let aws = SimulatedAws::new(world, 1.0);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let patience = Duration::from_millis(100);
        let serving = serve_patiently(listener, aws, std::future::pending(), patience);
        let serving = tokio::spawn(serving);
        for (sent, status) in [
            ("", ""),
            ("POST / HTT", ""),
            ("POST / HTTP/1.1\r\nhost: x\r\nx-amz-", ""),
            (
                "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf",
                "HTTP/1.1 408",
            ),
        ] {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.write_all(sent.as_bytes()).await.expect("sent");
            let mut answer = String::new();
            let received = stream.read_to_string(&mut answer);
            let received = tokio::time::timeout(Duration::from_secs(10), received).await;
            received.expect("disconnected").expect("received");
            assert!(answer.starts_with(status), "{sent}: {answer}");
        }
        serving.abort();
    }
}
