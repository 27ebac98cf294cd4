//! The data plane: a process for each task, `HAProxy` for the load balancer. It follows what the simulated AWS wants and
//! reports what it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::{mpsc, watch};

use crate::control::{Report, Wanted, WantedTask};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::node::{Node, Seen};
use crate::process;
use crate::way::Way;

/// How often what is wanted is compared with what is there.
const EVERY: Duration = Duration::from_millis(50);
/// How often `HAProxy` is asked.
const READING: Duration = Duration::from_millis(250);

pub(crate) struct Plane {
    way: Way,
    folder: Folder,
    nodes: Vec<Node>,
    wanted: watch::Receiver<Wanted>,
    reports: mpsc::UnboundedSender<Report>,
    tasks: BTreeMap<String, Task>,
    read: Option<Instant>,
    seen: Vec<Seen>,
    /// What `HAProxy` had, once a second.
    pub(crate) connections: Vec<Connections>,
    /// Connections of tasks at the moment of their SIGTERM: what may be cut.
    pub(crate) stopped_with: u64,
    /// Processes that ended with SIGKILL after the stop timeout.
    pub(crate) killed: usize,
}

/// Connections at a moment, of the original's tasks and of others'.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connections {
    pub(crate) at: std::time::SystemTime,
    pub(crate) original: u64,
    pub(crate) replacement: u64,
}

struct Task {
    wanted: WantedTask,
    child: Child,
    terminated: bool,
    killed: bool,
    ended: bool,
}

impl Plane {
    /// Starts the load balancer; `nodes` are its addresses.
    pub(crate) async fn start(
        way: &Way,
        nodes: &[Ipv4Addr],
        mut wanted: watch::Receiver<Wanted>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Result<Self, Failure> {
        let folder = Folder::new()?;
        wanted.wait_for(|wanted| !wanted.servers.is_empty()).await?;
        let listeners = way.scenario.listeners.iter();
        let ports: BTreeSet<u16> = listeners.map(|listener| listener.port).collect();
        // A node has its part of the clients, and a few more while connections end on one side.
        let most = way.clients().div_ceil(nodes.len()) * 6 / 5 + 100;
        let mut started = Vec::new();
        for address in nodes {
            started.push(Node::start(&folder.path, *address, &ports, most, way.speed).await?);
        }
        Ok(Self {
            way: way.clone(),
            folder,
            nodes: started,
            wanted,
            reports,
            tasks: BTreeMap::new(),
            read: None,
            seen: Vec::new(),
            connections: Vec::new(),
            stopped_with: 0,
            killed: 0,
        })
    }

    /// Follows what is wanted until `done`.
    pub(crate) async fn follow_until<T>(
        &mut self,
        done: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        tokio::pin!(done);
        let mut every = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                done = &mut done => return Ok(done),
                _ = every.tick() => self.follow().await?,
            }
        }
    }

    /// Follows until the original's targets are healthy at every node.
    pub(crate) async fn serve(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            let port = self.way.scenario.listeners[0].port;
            let healthy = self.seen.iter().filter(|seen| seen.port == port);
            let healthy = healthy.filter(|seen| seen.healthy == Some(true)).count();
            if healthy >= self.way.tasks() * self.nodes.len() {
                return Ok(());
            }
            if began.elapsed() > Duration::from_mins(2) {
                self.folder.keep();
                let log = self.folder.path.display();
                return Err(
                    format!("{healthy} targets are healthy after two minutes; see {log}").into(),
                );
            }
            self.follow_until(tokio::time::sleep(EVERY)).await?;
        }
    }

    async fn follow(&mut self) -> Result<(), Failure> {
        let wanted = self.wanted.borrow().clone();
        self.start_and_stop(&wanted.tasks).await?;
        if self.read.is_none_or(|read| read.elapsed() >= READING) {
            self.read = Some(Instant::now());
            self.read().await?;
        }
        for node in &mut self.nodes {
            node.follow(&wanted.servers).await?;
        }
        Ok(())
    }

    async fn start_and_stop(&mut self, wanted: &[WantedTask]) -> Result<(), Failure> {
        let mut stopping = Vec::new();
        for task in wanted {
            if !self.tasks.contains_key(&task.arn) && !task.stops {
                let child = self.spawn(task)?;
                let started = Task {
                    wanted: task.clone(),
                    child,
                    terminated: false,
                    killed: false,
                    ended: false,
                };
                self.tasks.insert(task.arn.clone(), started);
            }
            let known = self.tasks.get(&task.arn);
            if task.stops && known.is_some_and(|known| !known.terminated) {
                stopping.push(task.arn.clone());
            }
        }
        if !stopping.is_empty() {
            // Nothing new comes to them: they drain. So this is what SIGTERM cuts.
            self.read().await?;
        }
        for arn in stopping {
            let Some(task) = self.tasks.get_mut(&arn) else {
                continue;
            };
            task.terminated = true;
            let own = |seen: &&Seen| seen.address == task.wanted.address;
            let connections = self.seen.iter().filter(own).map(|seen| seen.connections);
            self.stopped_with += connections.sum::<u64>();
            process::terminate(&task.child)?;
        }
        let names: BTreeSet<&str> = wanted.iter().map(|task| task.arn.as_str()).collect();
        for (arn, task) in &mut self.tasks {
            if task.ended {
                continue;
            }
            if task.child.try_wait()?.is_some() {
                task.ended = true;
                let task = arn.clone();
                self.reports.send(Report::Ended { task })?;
            } else if !task.killed && !names.contains(arn.as_str()) {
                // The stop timeout is over.
                task.killed = true;
                self.killed += 1;
                task.child.start_kill()?;
            }
        }
        Ok(())
    }

    fn spawn(&self, task: &WantedTask) -> Result<Child, Failure> {
        if task.is_replacement && self.way.never_healthy {
            return Ok(process::command("sleep").arg("1d").spawn()?);
        }
        let port = self.way.request.container_port.unwrap_or(1883);
        if let Some(command) = &self.way.task {
            let (address, port) = (task.address.to_string(), port.to_string());
            let words = command.split_whitespace();
            let words =
                words.map(|word| word.replace("{address}", &address).replace("{port}", &port));
            let words: Vec<_> = words.collect();
            let (program, arguments) = words.split_first().ok_or("a task without a command")?;
            return Ok(process::command(program).args(arguments).spawn()?);
        }
        let file = self.folder.path.join(format!("{}.conf", task.address));
        // A broker that is started by root would become another user, whose death nothing would bring about.
        let text = format!(
            "user root
listener {port} {}
allow_anonymous true
persistence false
log_dest none
",
            task.address
        );
        std::fs::write(&file, text)?;
        let log = std::fs::File::create(self.folder.path.join(format!("{}.log", task.address)))?;
        let mut mosquitto = process::command("mosquitto");
        Ok(mosquitto.arg("-c").arg(file).stderr(log).spawn()?)
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let mut seen = Vec::new();
        for node in &mut self.nodes {
            seen.extend(node.read().await?);
        }
        self.seen = seen;
        self.report()?;
        let now = std::time::SystemTime::now();
        let originals = self.tasks.values();
        let originals = originals.filter(|task| !task.wanted.is_replacement);
        let originals: BTreeSet<_> = originals.map(|task| task.wanted.address).collect();
        let of = |original| {
            let seen = self.seen.iter();
            let seen = seen.filter(|seen| originals.contains(&seen.address) == original);
            seen.map(|seen| seen.connections).sum()
        };
        self.connections.push(Connections {
            at: now,
            original: of(true),
            replacement: of(false),
        });
        Ok(())
    }

    /// A target is healthy when it is so at every node and listener, and unhealthy when it is so at each.
    fn report(&self) -> Result<(), Failure> {
        let mut all: BTreeMap<(&str, &str), Vec<Option<bool>>> = BTreeMap::new();
        for seen in &self.seen {
            let target = (seen.group.as_str(), seen.target.as_str());
            all.entry(target).or_default().push(seen.healthy);
        }
        for ((group, target), healths) in all {
            let Some(first) =
                healths[0].filter(|first| healths.iter().all(|one| *one == Some(*first)))
            else {
                continue;
            };
            self.reports.send(Report::Health {
                group: group.to_owned(),
                target: target.to_owned(),
                healthy: first,
            })?;
        }
        Ok(())
    }
}

/// The addresses of a laboratory: `127.second.x.y`, claimed so that no other laboratory of this machine has them.
pub(crate) struct Addresses {
    pub(crate) second: u8,
    _claim: std::net::TcpListener,
}

impl Addresses {
    pub(crate) fn claim() -> Result<Self, Failure> {
        for second in 20..=250 {
            let claim = (Ipv4Addr::new(127, second, 255, 254), 18_830);
            if let Ok(listener) = std::net::TcpListener::bind(claim) {
                return Ok(Self {
                    second,
                    _claim: listener,
                });
            }
        }
        Err("no addresses of 127.20.0.0 to 127.250.255.255 are free".into())
    }

    /// Those of the load balancer, one a zone.
    pub(crate) fn nodes(&self, zones: usize) -> Vec<Ipv4Addr> {
        let zones = u8::try_from(zones).unwrap_or(u8::MAX);
        (1..=zones)
            .map(|zone| Ipv4Addr::new(127, self.second, 255, zone))
            .collect()
    }
}

/// Whether a file is somewhere in a path, for what Debian has to have installed.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
    folders
        .map(PathBuf::from)
        .any(|folder| folder.join(program).is_file())
}
