//! A node of the load balancer: an `HAProxy` of its own, as a Network Load Balancer has one in each zone, driven through
//! its runtime socket.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Child;

use crate::control::{Check, WantedServer};
use crate::failure::Failure;
use crate::process;
use crate::weight::{Target, weights};

/// Commands that `HAProxy` is given at once: its buffer has 16 KB.
const AT_ONCE: usize = 40;

pub(crate) struct Node {
    socket: PathBuf,
    child: Child,
    speed: f64,
    servers: BTreeMap<Name, Server>,
}

/// Port of the listener and name within its backend.
type Name = (u16, String);

#[derive(Debug)]
struct Server {
    wanted: WantedServer,
    /// As `HAProxy` has it.
    weight: u32,
    drains: bool,
    is_up: bool,
    was_up: bool,
    failing_since: Option<Instant>,
    connections: u64,
}

/// What a node says of one of a listener's targets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) port: u16,
    pub(crate) group: String,
    pub(crate) target: String,
    pub(crate) address: Ipv4Addr,
    /// Decided, or not yet.
    pub(crate) healthy: Option<bool>,
    pub(crate) connections: u64,
}

impl Node {
    /// Starts `HAProxy` with a frontend for each port.
    pub(crate) async fn start(
        folder: &Path,
        address: Ipv4Addr,
        ports: &BTreeSet<u16>,
        most_connections: usize,
        speed: f64,
    ) -> Result<Self, Failure> {
        let name = format!("node-{}", address.octets()[3]);
        let socket = folder.join(format!("{name}.sock"));
        let file = folder.join(format!("{name}.cfg"));
        std::fs::write(
            &file,
            configuration(address, ports, &socket, most_connections),
        )?;
        let log = std::fs::File::create(folder.join(format!("{name}.log")))?;
        let mut child = process::command("haproxy")
            .arg("-db")
            .arg("-f")
            .arg(&file)
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .spawn()?;
        let began = Instant::now();
        while UnixStream::connect(&socket).await.is_err() {
            if child.try_wait()?.is_some() || began.elapsed() > Duration::from_secs(20) {
                let log = std::fs::read_to_string(folder.join(format!("{name}.log")))?;
                return Err(
                    format!("haproxy does not start (apt-get install haproxy):\n{log}").into(),
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self {
            socket,
            child,
            speed,
            servers: BTreeMap::new(),
        })
    }

    /// Brings `HAProxy`'s servers in line with what is wanted.
    pub(crate) async fn follow(&mut self, wanted: &[WantedServer]) -> Result<(), Failure> {
        if self.child.try_wait()?.is_some() {
            return Err("haproxy has ended".into());
        }
        let mut commands = Vec::new();
        let mut names = BTreeSet::new();
        for server in wanted {
            let name = (server.port, name_of(server));
            names.insert(name.clone());
            let known = self.servers.entry(name.clone()).or_insert_with(|| {
                commands.extend(additions(&name, server, self.speed));
                Server::new(server)
            });
            known.wanted.clone_from(server);
            if server.drains != known.drains {
                known.drains = server.drains;
                let state = if server.drains { "drain" } else { "ready" };
                commands.push(set(&name, &format!("state {state}")));
            }
        }
        commands.extend(self.weigh());
        // Those that are gone are deleted when their last connection has ended.
        let gone = self.servers.iter_mut();
        let gone = gone.filter(|(name, _)| !names.contains(*name));
        let mut deleted = Vec::new();
        for (name, server) in gone {
            if !server.drains {
                server.drains = true;
                commands.push(set(name, "state drain"));
            } else if server.connections > 0 && server.wanted.cuts_when_gone {
                commands.push(format!(
                    "shutdown sessions server port-{}/{}",
                    name.0, name.1
                ));
            } else if server.connections == 0 {
                commands.push(set(name, "state maint"));
                deleted.push(name.clone());
            }
        }
        self.say(&commands).await?;
        for (port, server) in deleted {
            let answer = self
                .ask(&format!("del server port-{port}/{server}"))
                .await?;
            if answer.contains("Server deleted") {
                self.servers.remove(&(port, server));
            } else if !answer.contains("connections") {
                return Err(format!("haproxy: {answer}").into());
            }
        }
        Ok(())
    }

    /// Commands for the servers whose weights are others than before.
    fn weigh(&mut self) -> Vec<String> {
        let mut commands = Vec::new();
        let ports: BTreeSet<u16> = self.servers.keys().map(|(port, _)| *port).collect();
        for port in ports {
            let of_port = self.servers.values().filter(|one| one.wanted.port == port);
            let targets = of_port.map(|server| Target {
                group: &server.wanted.group,
                weight: server.wanted.weight,
                takes: server.is_up && !server.drains,
            });
            let weights = weights(&targets.collect::<Vec<_>>());
            let of_port = self.servers.iter_mut();
            let of_port = of_port.filter(|(_, one)| one.wanted.port == port);
            for ((name, server), weight) in of_port.zip(weights) {
                if server.weight != weight {
                    server.weight = weight;
                    commands.push(set(name, &format!("weight {weight}")));
                }
            }
        }
        commands
    }

    /// Reads health and connections.
    pub(crate) async fn read(&mut self) -> Result<Vec<Seen>, Failure> {
        let answer = self.ask("show stat -1 4 -1").await?;
        let mut lines = answer.lines();
        let heads: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name: &str| {
            let found = heads
                .iter()
                .position(|head| head.trim_start_matches("# ") == name);
            found.ok_or_else(|| format!("haproxy's statistics have no {name}: {answer:.200}"))
        };
        let [backend, name, connections, status, check] =
            ["pxname", "svname", "scur", "status", "check_status"].map(column);
        let (backend, name, connections) = (backend?, name?, connections?);
        let (status, check) = (status?, check?);
        for line in lines.filter(|line| !line.is_empty()) {
            let cells: Vec<_> = line.split(',').collect();
            let cell = |column: usize| cells.get(column).copied().unwrap_or_default();
            let port = cell(backend).trim_start_matches("port-").parse()?;
            let known = self.servers.get_mut(&(port, cell(name).to_owned()));
            let Some(server) = known else { continue };
            server.connections = cell(connections).parse()?;
            server.checked(cell(status), cell(check));
        }
        let patience = |check: Check| {
            let seconds = check.interval_seconds * u64::from(check.fall);
            Duration::from_secs(seconds).div_f64(self.speed)
        };
        let seen = self.servers.values().map(|server| {
            let down = server.failing_since.is_some_and(|since| {
                server.was_up || since.elapsed() >= patience(server.wanted.check)
            });
            Seen {
                port: server.wanted.port,
                group: server.wanted.group.clone(),
                target: server.wanted.target.clone(),
                address: server.wanted.address,
                healthy: (server.is_up || down).then_some(server.is_up),
                connections: server.connections,
            }
        });
        Ok(seen.collect())
    }

    /// Gives commands that answer nothing, or that a server was added.
    async fn say(&self, commands: &[String]) -> Result<(), Failure> {
        for commands in commands.chunks(AT_ONCE) {
            let answer = self.ask(&commands.join(";")).await?;
            let mut lines = answer.lines().filter(|line| !line.is_empty());
            if let Some(line) = lines.find(|line| !line.starts_with("New server registered")) {
                return Err(format!("haproxy: {line}").into());
            }
        }
        Ok(())
    }

    async fn ask(&self, command: &str) -> Result<String, Failure> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(format!("{command}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

impl Server {
    fn new(wanted: &WantedServer) -> Self {
        Self {
            wanted: wanted.clone(),
            weight: 0,
            drains: false,
            is_up: false,
            was_up: false,
            failing_since: None,
            connections: 0,
        }
    }

    /// Its state and its last check in `HAProxy`'s statistics: `DOWN 1/2`, `* L4CON`.
    fn checked(&mut self, status: &str, check: &str) {
        let check = check.trim_start_matches("* ");
        self.is_up = status.starts_with("UP") || (self.is_up && status.starts_with("DRAIN"));
        self.was_up |= self.is_up;
        let fails = status.starts_with("DOWN") && !matches!(check, "" | "INI" | "L4OK");
        self.failing_since = fails.then(|| self.failing_since.unwrap_or_else(Instant::now));
    }
}

fn name_of(server: &WantedServer) -> String {
    format!("{}_{}", server.group_name, server.address)
}

fn set((port, server): &Name, what: &str) -> String {
    format!("set server port-{port}/{server} {what}")
}

/// A new server gets no connection, and is down until its checks say otherwise: `HAProxy` would have it up.
fn additions(name: &Name, server: &WantedServer, speed: f64) -> Vec<String> {
    let Check {
        interval_seconds,
        rise,
        fall,
        cuts,
    } = server.check;
    let interval = Duration::from_secs(interval_seconds)
        .div_f64(speed)
        .as_millis();
    let cuts = if cuts {
        " on-marked-down shutdown-sessions"
    } else {
        ""
    };
    let (backend, own) = (name.0, &name.1);
    let (address, port) = (server.address, server.target_port);
    vec![
        format!(
            "add server port-{backend}/{own} {address}:{port} weight 0 check inter {interval}ms rise {rise} fall {fall}{cuts}"
        ),
        format!("enable health port-{backend}/{own}"),
        set(name, "state ready"),
        set(name, "health down"),
    ]
}

fn configuration(
    address: Ipv4Addr,
    ports: &BTreeSet<u16>,
    socket: &Path,
    most_connections: usize,
) -> String {
    let mut text = format!(
        "global
  stats socket {} mode 600 level admin
  maxconn {most_connections}
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout check 2s
  timeout client 1h
  timeout server 1h
",
        socket.display()
    );
    for port in ports {
        // At random, as the hash of a flow's addresses and ports is.
        let _ = write!(
            text,
            "listen port-{port}
  bind {address}:{port}
  balance random(1)
"
        );
    }
    text
}
