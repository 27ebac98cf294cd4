//! Clients with MQTT connections, in processes of their own: the open files of a process are limited. Each client holds its
//! connection for as long as it can, and comes back with the back-off of the simulator's clients.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use clap::Args;
use ebbtide_simulator::scenario::ClientsScenario;
use ebbtide_simulator::world::Jitter;
use rumqttc::{Event, EventLoop, MqttOptions, Packet};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::failure::Failure;
use crate::process;
use crate::way::Way;

/// Pings are not what is measured: few.
const KEEP_ALIVE: Duration = Duration::from_mins(10);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    address: Ipv4Addr,
    #[arg(long)]
    port: u16,
    /// The number of the first client.
    #[arg(long)]
    first: usize,
    #[arg(long)]
    count: usize,
    /// Simulated seconds a second.
    #[arg(long)]
    speed: f64,
    /// Seconds over which they connect in the beginning.
    #[arg(long)]
    ramp: f64,
    /// The scenario's `clients`, as JSON.
    #[arg(long)]
    scenario: String,
}

/// What happened to a client, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) at_ms: u64,
    pub(crate) client: usize,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// It tries to connect.
    Tries,
    /// The broker has accepted its connection.
    Connected,
    /// It was refused, or not answered.
    Refused,
    /// Its connection has ended.
    Cut,
}

impl What {
    fn letter(self) -> char {
        match self {
            Self::Tries => 't',
            Self::Connected => 'c',
            Self::Refused => 'r',
            Self::Cut => 'x',
        }
    }

    fn of(letter: &str) -> Option<Self> {
        let all = [Self::Tries, Self::Connected, Self::Refused, Self::Cut];
        let mut all = all.into_iter();
        all.find(|what| letter.chars().eq([what.letter()]))
    }
}

/// Runs clients until standard input ends, and prints what happens to them, a line each.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let scenario: ClientsScenario = serde_json::from_str(&arguments.scenario)?;
    let scenario = Arc::new(scenario);
    for client in arguments.first..arguments.first + arguments.count {
        let mut options = MqttOptions::new(
            format!("client-{client}"),
            arguments.address.to_string(),
            arguments.port,
        );
        options.set_keep_alive(KEEP_ALIVE).set_inflight(1);
        let (ramp, speed) = (arguments.ramp, arguments.speed);
        let scenario = Arc::clone(&scenario);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs_f64(ramp * fastrand::f64())).await;
            live(client, options, &scenario, speed).await;
        });
    }
    let ended = || std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    tokio::task::spawn_blocking(ended).await??;
    Ok(())
}

async fn live(client: usize, options: MqttOptions, scenario: &ClientsScenario, speed: f64) {
    let mut connection = EventLoop::new(options, 1);
    let (mut connected, mut refusals) = (false, 0);
    say(client, What::Tries);
    loop {
        let wait = match connection.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                say(client, What::Connected);
                (connected, refusals) = (true, 0);
                continue;
            }
            Ok(_) => continue,
            Err(_) if connected => {
                say(client, What::Cut);
                connected = false;
                first_wait(scenario)
            }
            Err(_) => {
                say(client, What::Refused);
                refusals += 1;
                back_off(scenario, refusals)
            }
        };
        tokio::time::sleep(Duration::from_secs_f64(wait / speed)).await;
        say(client, What::Tries);
    }
}

/// Seconds until a client tries again whose connection ended.
fn first_wait(scenario: &ClientsScenario) -> f64 {
    let [after, within] = [
        scenario.reconnect_after_seconds,
        scenario.reconnect_within_seconds,
    ]
    .map(seconds);
    within.mul_add(fastrand::f64(), after)
}

/// The same after a number of refusals in a row.
fn back_off(scenario: &ClientsScenario, refusals: usize) -> f64 {
    let window = seconds(scenario.backoff.window_seconds(refusals));
    match scenario.backoff.jitter {
        Jitter::Full => window * fastrand::f64(),
        Jitter::None => window,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a day at most")]
fn seconds(seconds: u64) -> f64 {
    seconds as f64
}

fn say(client: usize, what: What) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    // Without a reader, the laboratory has ended.
    let _ = writeln!(std::io::stdout(), "{} {client} {now}", what.letter());
}

/// All clients of a laboratory, as it has them.
pub(crate) struct Clients {
    processes: Vec<Child>,
    happened: Arc<Mutex<Vec<Happened>>>,
    total: usize,
}

impl Clients {
    /// Starts a process of clients for each node of the load balancer.
    pub(crate) fn start(way: &Way, nodes: &[Ipv4Addr], ramp: f64) -> Result<Self, Failure> {
        let total = way.clients();
        let happened = Arc::new(Mutex::new(Vec::new()));
        let mut processes = Vec::new();
        let mut first = 0;
        for (number, node) in nodes.iter().enumerate() {
            let last = total * (number + 1) / nodes.len();
            let scenario = way.scenario.clients.clone().unwrap_or_default();
            let mut child = process::command(std::env::current_exe()?)
                .arg("clients")
                .args(["--address", &node.to_string()])
                .args(["--port", &way.scenario.listeners[0].port.to_string()])
                .args(["--first", &first.to_string()])
                .args(["--count", &(last - first).to_string()])
                .args(["--speed", &way.speed.to_string()])
                .args(["--ramp", &ramp.to_string()])
                .args(["--scenario", &serde_json::to_string(&scenario)?])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let output = child.stdout.take().ok_or("clients without an output")?;
            tokio::spawn(listen(output, Arc::clone(&happened)));
            processes.push(child);
            first = last;
        }
        Ok(Self {
            processes,
            happened,
            total,
        })
    }

    /// Waits until all are connected, for a number of seconds at most; whether they are.
    pub(crate) async fn all_connected(&mut self, seconds: u64) -> Result<bool, Failure> {
        for _ in 0..seconds * 10 {
            if self.connected() == self.total {
                return Ok(true);
            }
            for process in &mut self.processes {
                if process.try_wait()?.is_some() {
                    return Err("a process of clients has ended".into());
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(self.connected() == self.total)
    }

    /// How many have a connection.
    pub(crate) fn connected(&self) -> usize {
        let happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |what| happened.iter().filter(|one| one.what == what).count();
        count(What::Connected).saturating_sub(count(What::Cut))
    }

    /// What has happened, the oldest first.
    pub(crate) fn happened(&self) -> Vec<Happened> {
        let happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        let mut happened = happened.clone();
        happened.sort_by_key(|one| one.at_ms);
        happened
    }
}

async fn listen(output: tokio::process::ChildStdout, happened: Arc<Mutex<Vec<Happened>>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (what, client, at_ms) = (What::of(word()), word().parse(), word().parse());
        if let (Some(what), Ok(client), Ok(at_ms)) = (what, client, at_ms) {
            let mut happened = happened.lock().unwrap_or_else(PoisonError::into_inner);
            happened.push(Happened {
                at_ms,
                client,
                what,
            });
        }
    }
}
