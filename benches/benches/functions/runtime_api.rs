//! Lambda's side: the Runtime API, for one function on a loopback port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// How long a function may take to say something before it counts as stuck.
const PATIENCE: Duration = Duration::from_mins(1);

/// The largest answer that is read, in bytes: Lambda's own limit.
const MAX_ANSWER: usize = 6 * 1024 * 1024;

/// The API and the calls that the function made; it ends with this value.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    told: mpsc::UnboundedReceiver<Told>,
    events: mpsc::UnboundedSender<Bytes>,
    serving: JoinHandle<io::Result<()>>,
}

/// A call of a function to the API, with its time.
enum Told {
    /// It asks for an event.
    Next(Instant),
    Answered(Instant, Bytes),
    /// It reports an error, of an invocation or of its start.
    Failed(Bytes),
}

struct Shared {
    arn: String,
    told: mpsc::UnboundedSender<Told>,
    events: Mutex<mpsc::UnboundedReceiver<Bytes>>,
}

impl RuntimeApi {
    pub(crate) async fn serve(arn: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        // Or small packets wait up to 40 ms for an acknowledgement.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                eprintln!("A connection answers late: {error}.");
            }
        });
        let (tell, told) = mpsc::unbounded_channel();
        let (events, to_come) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            arn: arn.to_owned(),
            told: tell,
            events: Mutex::new(to_come),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{request}/response",
                post(answered),
            )
            .route(
                "/2018-06-01/runtime/invocation/{request}/error",
                post(failed),
            )
            .route("/2018-06-01/runtime/init/error", post(failed))
            .with_state(shared);
        Ok(Self {
            address,
            told,
            events,
            serving: tokio::spawn(async { axum::serve(listener, router).await }),
        })
    }

    /// When the function first asked for an event.
    pub(crate) async fn started(&mut self) -> Result<Instant, String> {
        match self.told().await? {
            Told::Next(at) => Ok(at),
            Told::Answered(_, answer) | Told::Failed(answer) => Err(unexpected(&answer)),
        }
    }

    /// Invokes the function, which has asked for an event, and waits until it asks for the next one:
    /// how long the answer took, and the answer.
    pub(crate) async fn invoke(&mut self, event: &Value) -> Result<(Duration, Bytes), String> {
        let began = Instant::now();
        self.events
            .send(event.to_string().into())
            .map_err(|_| "The Runtime API has ended.")?;
        let answered = match self.told().await? {
            Told::Answered(at, answer) => (at.duration_since(began), answer),
            Told::Failed(error) => return Err(unexpected(&error)),
            Told::Next(_) => return Err("It asked for an event before it answered.".to_owned()),
        };
        self.started().await?;
        Ok(answered)
    }

    async fn told(&mut self) -> Result<Told, String> {
        match tokio::time::timeout(PATIENCE, self.told.recv()).await {
            Ok(Some(told)) => Ok(told),
            Ok(None) => Err("The Runtime API has ended.".to_owned()),
            Err(_) => Err(format!(
                "It told the Runtime API nothing for {} s.",
                PATIENCE.as_secs()
            )),
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn unexpected(said: &Bytes) -> String {
    format!(
        "It said {} instead of answering.",
        String::from_utf8_lossy(said)
    )
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.tell(Told::Next(Instant::now()));
    let Some(event) = shared.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = (SystemTime::now() + PATIENCE)
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", "bench".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", shared.arn.clone()),
    ];
    (headers, event).into_response()
}

async fn answered(State(shared): State<Arc<Shared>>, request: Request) -> StatusCode {
    let answer = to_bytes(request.into_body(), MAX_ANSWER).await;
    let at = Instant::now();
    match answer {
        Ok(answer) => shared.tell(Told::Answered(at, answer)),
        Err(error) => shared.tell(Told::Failed(error.to_string().into())),
    }
    StatusCode::ACCEPTED
}

async fn failed(State(shared): State<Arc<Shared>>, error: Bytes) -> StatusCode {
    shared.tell(Told::Failed(error));
    StatusCode::ACCEPTED
}

impl Shared {
    fn tell(&self, told: Told) {
        // No receiver is left while the function is being ended.
        drop(self.told.send(told));
    }
}
