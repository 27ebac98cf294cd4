//! The built service as a process of its own on the loopback, and its clients.

use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// What no step of a test takes on any machine.
pub(crate) const FAR_TOO_LONG: Duration = Duration::from_secs(30);

pub(crate) type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The program with none of its settings from outside.
pub(crate) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_nlb-service"));
    for name in [
        "ADDRESS",
        "PORT",
        "VERSION",
        "SERVICE",
        "CLOSE_SECONDS",
        "PING_SECONDS",
        "TASKS_URL",
        "POLL_SECONDS",
        "REPORT_SECONDS",
        "ECS_CONTAINER_METADATA_URI_V4",
    ] {
        program.env_remove(name);
    }
    // A test that fails drops its process, and that ends it.
    program.stdin(Stdio::null()).kill_on_drop(true);
    program
}

/// A service that runs.
pub(crate) struct Process {
    child: Child,
    printed: Lines<BufReader<ChildStdout>>,
    pub(crate) address: String,
}

impl Process {
    /// Starts one on a free port.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let mut child = program()
            .envs([("ADDRESS", "127.0.0.1"), ("PORT", "0")])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(FAR_TOO_LONG, printed.next_line()).await.unwrap();
        let first = first.unwrap().expect("it says where it listens");
        let address = first.strip_prefix("listening on ").unwrap().to_owned();
        Self {
            child,
            printed,
            address,
        }
    }

    pub(crate) fn terminate(&self) {
        let id = self.child.id().expect("it runs");
        let id = Pid::from_raw(id.cast_signed()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
    }

    /// Waits for its end: the exit code, and the lines it printed.
    pub(crate) async fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let mut lines = Vec::new();
        let read_to_the_end = async {
            while let Some(line) = self.printed.next_line().await.unwrap() {
                lines.push(line);
            }
            self.child.wait().await.unwrap()
        };
        let status = timeout(FAR_TOO_LONG, read_to_the_end).await;
        (status.expect("it ends"), lines)
    }

    /// Waits for the next line it prints.
    pub(crate) async fn says(&mut self) -> String {
        let line = timeout(FAR_TOO_LONG, self.printed.next_line()).await;
        line.expect("it says something").unwrap().unwrap()
    }

    /// Status and body of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.address);
        tokio::task::spawn_blocking(move || {
            let request = ureq::get(&url)
                .config()
                .proxy(None)
                .http_status_as_error(false);
            let mut response = request
                .timeout_global(Some(FAR_TOO_LONG))
                .build()
                .call()
                .unwrap();
            let body = response.body_mut().read_to_string().unwrap();
            (response.status().as_u16(), body)
        })
        .await
        .unwrap()
    }

    /// A WebSocket, or the status it was refused with.
    pub(crate) async fn connect(&self) -> Result<Client, u16> {
        self.connect_to("/ws").await
    }

    pub(crate) async fn connect_to(&self, path: &str) -> Result<Client, u16> {
        let url = format!("ws://{}{path}", self.address);
        match timeout(FAR_TOO_LONG, connect_async(url)).await.unwrap() {
            Ok((client, _)) => Ok(client),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

/// What comes back for a message.
pub(crate) async fn echo(client: &mut Client, message: Message) -> Message {
    client.send(message).await.unwrap();
    next(client).await
}

/// The next message.
pub(crate) async fn next(client: &mut Client) -> Message {
    let message = timeout(FAR_TOO_LONG, client.next()).await;
    message.expect("it says something").unwrap().unwrap()
}

/// Waits until the service closes: with what frame, if it sent one.
pub(crate) async fn closed(client: &mut Client) -> Option<CloseFrame> {
    let mut frame = None;
    let rest = async {
        while let Some(message) = client.next().await {
            match message {
                Ok(Message::Close(close)) => frame = close,
                Ok(_) => {}
                // Cut, or the end after a close.
                Err(Error::ConnectionClosed | Error::Protocol(_)) => return,
                Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(FAR_TOO_LONG, rest).await.expect("it closes");
    frame
}
