//! A Step Functions on a port that answers as a test says, and the deployments that it knows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use ebbtide_simulator::asl::{EventKind, HistoryEvent};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::Execution;
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::program::command;

const MACHINE: &str = "arn:aws:states:us-east-1:555555555555:stateMachine:ebbtide";
pub(crate) const EXECUTION: &str = "arn:aws:states:us-east-1:555555555555:execution:ebbtide:chat-2";
/// 2026-01-01.
const STARTED: f64 = 1_767_225_600.0;

/// An answer: its HTTP status and its body.
pub(crate) type Answer = (u16, String);

pub(crate) fn error(code: &str) -> Answer {
    let status = if code.starts_with("Internal") {
        500
    } else {
        400
    };
    (
        status,
        json!({"__type": code, "message": "made to go wrong"}).to_string(),
    )
}

/// What a proxy answers by itself.
pub(crate) fn page(status: u16) -> Answer {
    (
        status,
        "<html><body>Access to this site is blocked.</body></html>".to_owned(),
    )
}

/// The calls that came, as operation and input.
pub(crate) type Calls = Arc<Mutex<Vec<(String, Value)>>>;

pub(crate) struct StepFunctions {
    address: String,
    calls: Calls,
}

impl StepFunctions {
    /// `answer` gets an operation, its input, and how many such calls came before.
    pub(crate) fn new(answer: impl FnMut(&str, &Value, usize) -> Answer + Send + 'static) -> Self {
        Self::on_a_port(None, answer)
    }

    /// The same behind TLS, and the certificate to trust.
    pub(crate) fn behind_tls(
        answer: impl FnMut(&str, &Value, usize) -> Answer + Send + 'static,
    ) -> (Self, String) {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth();
        let config = config.with_single_cert(vec![key.cert.der().clone()], private.into());
        let tls = Some(Arc::new(config.unwrap()));
        (Self::on_a_port(tls, answer), key.cert.pem())
    }

    fn on_a_port(
        tls: Option<Arc<ServerConfig>>,
        answer: impl FnMut(&str, &Value, usize) -> Answer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = match tls {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let calls = Calls::default();
        let (noted, answer) = (Arc::clone(&calls), Arc::new(Mutex::new(answer)));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                let tls = tls.clone();
                let answered = move |operation: &str, input: &Value| {
                    let mut calls = noted.lock().unwrap();
                    let before = calls.iter().filter(|(of, _)| of == operation).count();
                    calls.push((operation.to_owned(), input.clone()));
                    drop(calls);
                    answer.lock().unwrap()(operation, input, before)
                };
                std::thread::spawn(move || {
                    let connection = connection.unwrap();
                    match tls.map(|tls| ServerConnection::new(tls).unwrap()) {
                        Some(tls) => served(StreamOwned::new(tls, connection), answered),
                        None => served(connection, answered),
                    }
                });
            }
        });
        Self { address, calls }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How many calls of an operation came.
    pub(crate) fn called(&self, operation: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(of, _)| of == operation).count()
    }

    /// What the last call of an operation asked for.
    pub(crate) fn asked(&self, operation: &str) -> Value {
        let calls = self.calls.lock().unwrap();
        let mut of = calls.iter().rev().filter(|(of, _)| of == operation);
        of.next()
            .map(|(_, input)| input.clone())
            .unwrap_or_default()
    }

    /// The program with an environment that leads here and to nothing else; `--every 1` is to be said.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = command(line);
        command
            .env("AWS_ENDPOINT_URL", &self.address)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "one")
            .env("AWS_SECRET_ACCESS_KEY", "two");
        for set in [
            "GITHUB_ACTIONS",
            "GITHUB_SHA",
            "GITHUB_STEP_SUMMARY",
            "CI_COMMIT_SHA",
        ] {
            command.env_remove(set);
        }
        command
    }
}

/// Answers every request of a connection until it is closed.
fn served(connection: impl Read + Write, answer: impl Fn(&str, &Value) -> Answer) -> Option<()> {
    let mut requests = BufReader::new(connection);
    loop {
        let (mut operation, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            match line.split_once(": ") {
                _ if line.is_empty() => break,
                Some((name, value)) if name.eq_ignore_ascii_case("x-amz-target") => {
                    value.rsplit('.').next()?.clone_into(&mut operation);
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().ok()?;
                }
                _ => {}
            }
        }
        let mut body = vec![0; length];
        requests.read_exact(&mut body).ok()?;
        let input = serde_json::from_slice(&body).unwrap_or_default();
        let (status, body) = answer(&operation, &input);
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
        let kind = "content-type: application/x-amz-json-1.0\r\n\r\n";
        let connection = requests.get_mut();
        write!(connection, "{head}{kind}{body}").ok()?;
        connection.flush().ok()?;
    }
}

/// A deployment that has run in a simulated AWS, as Step Functions shows it.
#[derive(Clone)]
pub(crate) struct Deployment {
    arn: String,
    name: String,
    input: Value,
    history: Vec<Value>,
    end: Value,
}

impl Deployment {
    pub(crate) fn of(scenario: &str, input: Value) -> Self {
        let scenario: Scenario = serde_json::from_str(scenario).unwrap();
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(async {
            let aws = SimulatedAws::new(scenario.world().unwrap(), 1.0);
            let installation = Installation::new(&aws).unwrap();
            let mut end = Value::Null;
            let mut note = |event: &HistoryEvent| match &event.kind {
                EventKind::ExecutionSucceeded { output } => {
                    end = json!({"status": "SUCCEEDED", "output": output.to_string()});
                }
                EventKind::ExecutionFailed { error, cause } => {
                    end = json!({"status": "FAILED", "error": error, "cause": cause});
                }
                _ => {}
            };
            installation
                .deploy("chat-2", input.clone(), 1, &mut note)
                .await;
            let history = installation.history("chat-2");
            Self {
                arn: EXECUTION.to_owned(),
                name: "chat-2".to_owned(),
                input,
                history: history.iter().map(event).collect(),
                end,
            }
        })
    }

    /// Several services of one cluster that have run in a simulated AWS: the execution that deploys them comes first,
    /// then those that it has started.
    pub(crate) fn of_services(services: &[(&str, &str)], input: &Value) -> Vec<Self> {
        let named = services.iter().map(|(name, scenario)| {
            let names = Names {
                load_balancer_arn: Some(format!(
                    "arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/{name}/1234567890abcdef"
                )),
                task_definition: format!("{name}:2"),
                service: (*name).to_owned(),
                ..Names::default()
            };
            (serde_json::from_str::<Scenario>(scenario).unwrap(), names)
        });
        let named: Vec<_> = named.collect();
        let services: Vec<_> = named
            .iter()
            .map(|(scenario, names)| (scenario, names))
            .collect();
        let world = Scenario::world_of_services(&services).unwrap();
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(async {
            let aws = SimulatedAws::new(world, 1.0);
            let installation = Installation::new(&aws).unwrap();
            let mut quiet = |_: &HistoryEvent| {};
            installation
                .deploy_services("release-7", input.clone(), 1, &mut quiet)
                .await;
            let world = aws.snapshot();
            let mut all: Vec<_> = world.executions().collect();
            all.sort_by_key(|execution| execution.name != "release-7");
            let one = |execution: &Execution| Self {
                arn: execution.arn.clone(),
                name: execution.name.clone(),
                input: serde_json::from_str(&execution.input).unwrap(),
                history: installation.history(&execution.name).iter().map(event).collect(),
                end: match &execution.end.output {
                    Some(output) => json!({"status": "SUCCEEDED", "output": output}),
                    None => json!({"status": "FAILED", "error": execution.end.error, "cause": execution.end.cause}),
                },
            };
            all.into_iter().map(one).collect()
        })
    }

    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// A version that is deployed to the service of events/minimal.json.
    pub(crate) fn minimal(scenario: &str) -> Self {
        let input = json!({"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2"});
        Self::of(scenario, input)
    }

    /// `DescribeExecution`, while it runs or after its end.
    pub(crate) fn described(&self, ended: bool) -> Answer {
        let mut answer = json!({"executionArn": self.arn, "stateMachineArn": MACHINE, "name": self.name,
            "status": "RUNNING", "startDate": STARTED, "input": self.input.to_string()});
        if ended {
            let last = self.history.last().unwrap();
            answer["stopDate"] = last["timestamp"].clone();
            for (field, value) in self.end.as_object().unwrap() {
                answer[field] = value.clone();
            }
        }
        (200, answer.to_string())
    }

    /// `GetExecutionHistory`, newest first, of which the first part has happened.
    pub(crate) fn history(&self, happened: usize) -> Answer {
        let events = self.history.iter().take(happened).rev();
        let events: Vec<_> = events.collect();
        (200, json!({ "events": events }).to_string())
    }

    pub(crate) fn events(&self) -> usize {
        self.history.len()
    }

    /// How many events there were when a state was entered for the nth time.
    pub(crate) fn until(&self, state: &str, nth: usize) -> usize {
        let entered = |event: &&Value| event["stateEnteredEventDetails"]["name"] == state;
        let mut entered = self.history.iter().filter(entered);
        let id = entered.nth(nth).unwrap()["id"].as_u64().unwrap();
        usize::try_from(id).unwrap()
    }

    /// Step Functions for a deployment that has ended at the check of that number, counted from 0.
    pub(crate) fn ends_after(self, checks: usize) -> impl FnMut(&str, &Value, usize) -> Answer {
        move |operation, _, before| match operation {
            "DescribeExecution" => self.described(before >= checks),
            "GetExecutionHistory" => self.history(if before >= checks { self.events() } else { 1 }),
            _ => error("UnknownOperationException"),
        }
    }
}

/// An event on the wire.
fn event(HistoryEvent { at, id, kind }: &HistoryEvent) -> Value {
    let mut event = json!({"timestamp": STARTED + at.as_secs_f64(), "type": kind.name(), "id": id});
    match kind {
        EventKind::StateEntered { name, .. } => {
            event["stateEnteredEventDetails"] = json!({ "name": name });
        }
        EventKind::StateExited { name, output, .. } => {
            event["stateExitedEventDetails"] = json!({"name": name, "output": output.to_string()});
        }
        EventKind::TaskSubmitted { output, .. } => {
            event["taskSubmittedEventDetails"] = json!({"resourceType": "states",
                "resource": "startExecution.sync:2", "output": output.to_string()});
        }
        _ => {}
    }
    event
}
