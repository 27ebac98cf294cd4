//! The control plane: the shipped state machine and functions on the simulated AWS, in a thread of its own, at a number of
//! simulated seconds a second.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ebbtide_controller::arn::short;
use ebbtide_controller::command::Command;
use ebbtide_controller::lock::Lock;
use ebbtide_controller::request::Request;
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::asl::{EventKind, HistoryEvent, Outcome, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::{Action, Behaviour, Phase, TaskStatus, World};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::failure::Failure;
use crate::way::Way;

/// What the data plane has to do, as the simulated AWS has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) tasks: Vec<WantedTask>,
    pub(crate) servers: Vec<WantedServer>,
}

/// A task whose process runs, or was sent SIGTERM.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WantedTask {
    pub(crate) arn: String,
    pub(crate) task_set: String,
    pub(crate) address: Ipv4Addr,
    /// It is of the task definition to be deployed.
    pub(crate) is_replacement: bool,
    pub(crate) stops: bool,
}

/// A target of a group that a listener forwards to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WantedServer {
    /// The listener's.
    pub(crate) port: u16,
    /// The group's ARN, its name, and its weight in the listener's action.
    pub(crate) group: String,
    pub(crate) group_name: String,
    pub(crate) weight: u16,
    /// As the simulated AWS has it, and where its process listens.
    pub(crate) target: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) target_port: u16,
    pub(crate) drains: bool,
    /// Whether its connections end with its deregistration delay.
    pub(crate) cuts_when_gone: bool,
    pub(crate) check: Check,
}

/// The group's health checks; seconds are simulated ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Check {
    pub(crate) interval_seconds: u64,
    pub(crate) rise: u32,
    pub(crate) fall: u32,
    /// Whether connections end when a target becomes unhealthy.
    pub(crate) cuts: bool,
}

/// What the data plane reports.
#[derive(Debug)]
pub(crate) enum Report {
    /// The health of a target of a group.
    Health {
        group: String,
        target: String,
        healthy: bool,
    },
    /// A task's process has ended.
    Ended { task: String },
}

/// How a deployment ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) began: SystemTime,
    /// In simulated seconds.
    pub(crate) seconds: f64,
    /// The error's name, where it failed.
    pub(crate) error: Option<String>,
    pub(crate) cause: String,
}

/// The control plane's thread, as the others have it.
pub(crate) struct Control {
    pub(crate) wanted: watch::Receiver<Wanted>,
    pub(crate) reports: mpsc::UnboundedSender<Report>,
    /// Starts the deployment.
    pub(crate) begin: oneshot::Sender<()>,
    pub(crate) ended: oneshot::Receiver<Ended>,
}

/// Starts the control plane of a service in service. It ends with the receiver of what is wanted. `second` is the second
/// octet of all addresses.
pub(crate) fn start(way: &Way, second: u8) -> Result<Control, Failure> {
    let (wanted_to, wanted) = watch::channel(Wanted::default());
    let (reports, reports_from) = mpsc::unbounded_channel();
    let (begin, begins) = oneshot::channel();
    let (ended_to, ended) = oneshot::channel();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut scenario = way.scenario.clone();
    // Processes and clients are real ones here.
    scenario.clients = None;
    scenario.original = Behaviour::default();
    scenario.replacement = Behaviour::default();
    let epoch_ms = u64::try_from(now.as_millis())?;
    let mut world = scenario.world_starting_at(&way.names(), epoch_ms)?;
    world.check_outside();
    let machine = Machine {
        way: way.clone(),
        second,
        wanted: wanted_to,
        reports: reports_from,
    };
    thread::Builder::new()
        .name(format!("control of {}", machine.way.name))
        .spawn(move || {
            // Time stands still in this runtime but for what `pump` lets pass.
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build();
            if let Ok(runtime) = runtime {
                runtime.block_on(machine.run(world, begins, ended_to));
            }
        })?;
    Ok(Control {
        wanted,
        reports,
        begin,
        ended,
    })
}

struct Machine {
    way: Way,
    second: u8,
    wanted: watch::Sender<Wanted>,
    reports: mpsc::UnboundedReceiver<Report>,
}

impl Machine {
    async fn run(
        mut self,
        world: World,
        begins: oneshot::Receiver<()>,
        ended_to: oneshot::Sender<Ended>,
    ) {
        let aws = SimulatedAws::new(world, 1.0);
        let Ok(installation) = Installation::new(&aws) else {
            return;
        };
        let request = self.way.request.clone();
        let (way, rolls_back) = (self.way.name, self.way.rolls_back);
        // Half of the original's tasks run no more.
        let halved = Notify::new();
        let deployment = async {
            if begins.await.is_err() {
                return;
            }
            let began = SystemTime::now();
            let operator = async {
                if rolls_back {
                    halved.notified().await;
                    roll_back(&installation, &request).await;
                }
                std::future::pending::<()>().await;
            };
            let input = request.to_json();
            let mut last = String::new();
            let mut on_event = |event: &HistoryEvent| {
                let EventKind::StateEntered { state, name, .. } = &event.kind else {
                    return;
                };
                if *state == "Task" && last != *name {
                    eprintln!("{way}: {:.0} s: {name}", event.at.as_secs_f64());
                    last.clone_from(name);
                }
            };
            let outcome = tokio::select! {
                outcome = installation.deploy("lab", input, 1, &mut on_event) => outcome,
                () = operator => return,
            };
            let _ = ended_to.send(Ended::of(began, outcome));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = deployment => {}
            () = self.pump(&aws, &halved) => {}
        }
    }

    /// Lets time pass, carries reports to the simulated AWS and what it wants to the data plane, until nothing wants it.
    async fn pump(&mut self, aws: &SimulatedAws, halved: &Notify) {
        let (began, virtually) = (Instant::now(), tokio::time::Instant::now());
        while !self.wanted.is_closed() {
            // While a blocking thread runs, time does not pass by itself.
            let _ = tokio::task::spawn_blocking(|| thread::sleep(TICK)).await;
            let due = began.elapsed().mul_f64(self.way.speed);
            tokio::time::advance(due.saturating_sub(virtually.elapsed())).await;
            while let Ok(report) = self.reports.try_recv() {
                aws.with_world(|world| apply(world, &report));
            }
            let wanted = aws.with_world(|world| wanted(world, &self.way.request, self.second));
            let original = wanted.tasks.iter().filter(|task| !task.is_replacement);
            let running = original.filter(|task| !task.stops).count();
            if running * 2 <= self.way.tasks() {
                halved.notify_one();
            }
            self.wanted.send_if_modified(|known| {
                let changed = *known != wanted;
                *known = wanted;
                changed
            });
        }
    }
}

/// How often the control plane's time goes on.
const TICK: Duration = Duration::from_millis(10);

async fn roll_back(installation: &Installation, request: &Request) {
    let lock = Lock::of(request);
    let given = installation.command(&lock.id, Command::Rollback, "lab");
    match given.await {
        Ok(Ok(_)) => eprintln!("the operator rolls back"),
        Ok(Err(refused)) => eprintln!("the rollback was refused: {refused}"),
        Err(error) => eprintln!("the rollback failed: {error}"),
    }
}

impl Ended {
    fn of(began: SystemTime, outcome: Outcome) -> Self {
        let (error, cause) = match outcome.status {
            Status::Succeeded { .. } => (None, String::new()),
            Status::Failed { error, cause } => (Some(error), cause),
            Status::TimedOut => (Some("States.Timeout".to_owned()), String::new()),
        };
        Self {
            began,
            seconds: outcome.elapsed.as_secs_f64(),
            error,
            cause,
        }
    }
}

fn apply(world: &mut World, report: &Report) {
    match report {
        Report::Health {
            group,
            target,
            healthy,
        } => world.target_checked(group, target, *healthy),
        Report::Ended { task } => world.task_ended(task),
    }
}

/// What the simulated AWS wants of the data plane.
fn wanted(world: &World, request: &Request, second: u8) -> Wanted {
    let cluster = short(&request.cluster);
    let definition = short(&request.task_definition);
    let sets = world.task_sets_of(cluster, &request.service);
    let tasks = sets.iter().flat_map(|set| world.tasks_of(&set.id));
    let tasks = tasks.filter_map(|task| {
        let stops = match task.last_status {
            TaskStatus::Running | TaskStatus::Deactivating => false,
            TaskStatus::Stopping => true,
            TaskStatus::Provisioning
            | TaskStatus::Pending
            | TaskStatus::Activating
            | TaskStatus::Deprovisioning
            | TaskStatus::Stopped => return None,
        };
        Some(WantedTask {
            arn: task.arn.clone(),
            task_set: task.task_set.clone(),
            address: loopback(&task.ip, second)?,
            is_replacement: short(&task.task_definition) == definition,
            stops,
        })
    });
    Wanted {
        tasks: tasks.collect(),
        servers: servers(world, second),
    }
}

fn servers(world: &World, second: u8) -> Vec<WantedServer> {
    let mut servers = Vec::new();
    for listener in world.listeners() {
        let forwards = listener.default_actions.iter().filter_map(|action| {
            let Action::Forward(forward) = action else {
                return None;
            };
            Some(&forward.groups)
        });
        for weighted in forwards.flatten() {
            let Some(group) = world.target_group(&weighted.arn) else {
                continue;
            };
            let is_set = |attribute| {
                group
                    .attributes
                    .get(attribute)
                    .is_some_and(|is| is == "true")
            };
            let cuts = "target_health_state.unhealthy.connection_termination.enabled";
            let cuts_when_gone = is_set("deregistration_delay.connection_termination.enabled");
            let check = Check {
                interval_seconds: group.health_check.interval_seconds,
                rise: group.health_check.healthy_threshold,
                fall: group.health_check.unhealthy_threshold,
                cuts: is_set(cuts),
            };
            for (key, target) in &group.targets {
                let drains = match target.phase {
                    Phase::Checking | Phase::Healthy | Phase::Unhealthy => false,
                    Phase::Draining => true,
                    Phase::Unused | Phase::Registering => continue,
                };
                let Some(address) = loopback(&target.id, second) else {
                    continue;
                };
                servers.push(WantedServer {
                    port: listener.port,
                    group: group.arn.clone(),
                    group_name: group.name.clone(),
                    weight: weighted.weight,
                    target: key.clone(),
                    address,
                    target_port: target.port,
                    drains,
                    cuts_when_gone,
                    check,
                });
            }
        }
    }
    servers
}

/// `10.subnet.x.y`, which no other task has had, as `127.second.x.y`.
fn loopback(ip: &str, second: u8) -> Option<Ipv4Addr> {
    let [_, _, third, last] = ip.parse::<Ipv4Addr>().ok()?.octets();
    Some(Ipv4Addr::new(127, second, third, last))
}
