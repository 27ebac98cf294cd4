//! What is deployed: the scenario, the input, and how it goes.

use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::pace::{Drain, Pace};
use ebbtide_controller::request::Request;
use ebbtide_simulator::{Names, Scenario};
use serde_json::Value;

use crate::failure::Failure;

/// The files that `ebbtide compare` takes too.
const EVENT: &str = include_str!("../event.json");
const SCENARIO: &str = include_str!("../scenario.json");

#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) request: Request,
    /// With the clients that connect.
    pub(crate) scenario: Scenario,
    /// Simulated seconds a second, in the control plane and for clients.
    pub(crate) speed: f64,
    /// An operator rolls back when half of the original's tasks are gone.
    pub(crate) rolls_back: bool,
    /// The replacement's processes run and never listen.
    pub(crate) never_healthy: bool,
    /// The command of a task, where it is not `mosquitto`.
    pub(crate) task: Option<String>,
}

impl Way {
    pub(crate) fn tasks(&self) -> usize {
        usize::try_from(self.scenario.tasks).unwrap_or(usize::MAX)
    }

    pub(crate) fn clients(&self) -> usize {
        let clients = self.scenario.clients.as_ref();
        let each = clients.map_or(0, |clients| clients.connections_per_task);
        self.tasks() * usize::try_from(each).unwrap_or(usize::MAX)
    }

    /// The names that `ebbtide compare` gives such a service.
    pub(crate) fn names(&self) -> Names {
        let defaults = Names::default();
        let request = self.request.clone();
        Names {
            cluster: short(&request.cluster).to_owned(),
            service: request.service,
            task_definition: short(&request.task_definition).to_owned(),
            subnets: request.subnets.unwrap_or(defaults.subnets),
            security_groups: request.security_groups.unwrap_or(defaults.security_groups),
            container_name: request.container_name.unwrap_or(defaults.container_name),
            container_port: request.container_port.unwrap_or(defaults.container_port),
            ..Names::default()
        }
    }
}

/// How large a laboratory is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) tasks: u32,
    pub(crate) clients_per_task: u64,
    pub(crate) speed: f64,
    /// Seconds from the first step of the drain to the last.
    pub(crate) seconds: u32,
}

/// Twenty thousand clients of forty tasks, in real time, and the sample's own time for the drain.
pub(crate) const LONG: Size = Size {
    tasks: 40,
    clients_per_task: 500,
    speed: 1.0,
    seconds: 180,
};

/// For `make test`.
pub(crate) const SHORT: Size = Size {
    tasks: 12,
    clients_per_task: 20,
    speed: 5.0,
    seconds: 120,
};

/// The public sample's pacing, as it is or in another time.
fn sample(seconds: u32) -> Pace {
    Pace::Percent {
        decrement: 25.0,
        every: seconds / 3,
    }
}

/// The ways that are measured, in the order of the table; the first three are compared.
pub(crate) fn all(size: Size) -> Result<Vec<Way>, Failure> {
    let event: Value = serde_json::from_str(EVENT)?;
    let mut scenario: Scenario = serde_json::from_str(SCENARIO)?;
    scenario.tasks = size.tasks;
    let clients = scenario.clients.get_or_insert_default();
    clients.connections_per_task = size.clients_per_task;
    let names = Names::default();
    let home = Home {
        partition: "aws".to_owned(),
        region: names.region,
        account: names.account,
    };
    let request = Request::read(&event, &home).map_err(|problems| format!("{problems:?}"))?;
    let of = |name, pace| Way {
        name,
        request: Request {
            drain: Drain {
                pace,
                ..request.drain.clone()
            },
            ..request.clone()
        },
        scenario: scenario.clone(),
        speed: size.speed,
        rolls_back: false,
        never_healthy: false,
        task: None,
    };
    let at_once = Pace::Percent {
        decrement: 100.0,
        every: 60,
    };
    let within = |seconds| Pace::Within { seconds };
    let rollback = Way {
        rolls_back: true,
        ..of("rollback in mid-drain", within(size.seconds / 3))
    };
    let never_healthy = Way {
        never_healthy: true,
        ..of("replacement never healthy", within(size.seconds / 3))
    };
    Ok(vec![
        of("all at once", at_once),
        of("the sample's pacing", sample(size.seconds)),
        of("Ebbtide, within the same time", within(size.seconds)),
        rollback,
        never_healthy,
    ])
}
