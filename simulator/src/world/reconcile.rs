//! ECS's scheduler: as many tasks of a set as are wanted.

use super::agenda::Due;
use super::target::Registration;
use super::task::StopReason;
use super::{DesiredStatus, EventKind, Task, TaskSet, TaskStatus, World};

/// From an attempt to place tasks that did not succeed to the next one; ECS waits longer and longer.
const PLACEMENT_RETRY_MS: u64 = 60_000;

const NO_CAPACITY: &str = "Capacity is unavailable at this time. Please try again later or in a different availability zone.";

const NO_ADDRESSES: &str = "Unexpected EC2 error while attempting to Create Network Interface: InsufficientFreeAddressesInSubnet.";

impl World {
    /// Starts what is missing, and removes what is too much: first what does not run yet, then
    /// any. Which one cannot be chosen (Docs), so chance chooses.
    pub(crate) fn reconcile(&mut self, id: &str) {
        let Some(task_set) = self.task_sets.get(id).cloned() else {
            return;
        };
        let wanted = usize::try_from(self.computed_desired_count(id)).unwrap_or(usize::MAX);
        let wants_to_run = |task: &&Task| task.desired_status == DesiredStatus::Running;
        let count = self.tasks.of(id).filter(wants_to_run).count();
        let missing = wanted.saturating_sub(count);
        let (room, why) = if missing > 0 { self.room() } else { (0, "") };
        for _ in 0..missing.min(room) {
            self.start_task(&task_set);
        }
        if missing > room {
            self.say_of(id, &format!("was unable to place a task. Reason: {why}"));
            let again = Due::Reconcile(id.to_owned());
            if !self.agenda.iter().any(|due| due.what == again) {
                self.schedule_in(PLACEMENT_RETRY_MS, again);
            }
        }
        let too_many = count.saturating_sub(wanted);
        if too_many == 0 {
            return;
        }
        let alive: Vec<Task> = self.tasks.of(id).filter(wants_to_run).cloned().collect();
        let is_pending = |task: &&Task| task.last_status != TaskStatus::Running;
        let (mut pending, mut running): (Vec<_>, Vec<_>) = alive.iter().partition(is_pending);
        running
            .retain(|task| !task.behaviour.never_stops && task.protected_until_ms <= self.now_ms);
        self.random(|rng| {
            rng.shuffle(&mut pending);
            rng.shuffle(&mut running);
        });
        let reason = StopReason {
            code: "ServiceSchedulerInitiated",
            text: format!("Scaling activity initiated by (deployment {id})"),
        };
        for task in pending.into_iter().chain(running).take(too_many) {
            self.stop_task_for(&task.arn, &reason);
        }
    }

    /// How many more tasks can be placed, and why no more (Docs: service event messages, reasons of stopped
    /// tasks).
    fn room(&self) -> (usize, &'static str) {
        let left = |limit: Option<usize>| {
            let Some(limit) = limit else {
                return usize::MAX;
            };
            let tasks = self.tasks.values();
            let used = tasks.filter(|task| task.last_status != TaskStatus::Stopped);
            limit.saturating_sub(used.count())
        };
        let (capacity, addresses) = (left(self.limits.tasks), left(self.limits.addresses));
        if addresses < capacity {
            (addresses, NO_ADDRESSES)
        } else {
            (capacity, NO_CAPACITY)
        }
    }

    fn start_task(&mut self, task_set: &TaskSet) {
        let Some(service) = self.services.get(&task_set.service_key) else {
            return;
        };
        let (cluster, service) = (service.cluster.clone(), service.name.clone());
        let network = task_set.network_configuration.as_ref();
        let subnets = network.map(|network| network.awsvpc_configuration.subnets.clone());
        let subnets = subnets.unwrap_or_default();
        let started = self.tasks.of(&task_set.id).len();
        let subnet_index = started % subnets.len().max(2);
        let id = self.hex32();
        let arn = self.ecs_arn(&format!("task/{cluster}/{id}"));
        let on_instance = subnets.is_empty();
        let ports = self.host_ports(task_set, on_instance);
        let task = Task {
            arn: arn.clone(),
            ordinal: self.next_ordinal(),
            cluster,
            service,
            task_set: task_set.id.clone(),
            task_definition: task_set.task_definition.clone(),
            last_status: TaskStatus::Provisioning,
            desired_status: DesiredStatus::Running,
            ip: if on_instance {
                format!("10.0.{subnet_index}.4")
            } else {
                self.next_address(subnet_index)
            },
            subnet: subnets.get(subnet_index).cloned(),
            zone: self.zone(subnet_index),
            // Two container instances, one a zone.
            instance: on_instance.then(|| format!("i-{subnet_index:017x}")),
            ports,
            created_at_ms: self.now_ms,
            started_at_ms: None,
            stopping_at_ms: None,
            execution_stopped_at_ms: None,
            stopped_at_ms: None,
            stopped_reason: None,
            stop_code: None,
            exit_code: None,
            behaviour: self.behaviour_of(&task_set.task_definition),
            protected_until_ms: 0,
            registrations: Vec::new(),
            tags: super::Tags::new(),
        };
        self.tasks.insert(task);
        self.record(EventKind::TaskCreated {
            task: arn.clone(),
            task_set: task_set.id.clone(),
        });
        let delay = self.jittered(self.timings.task_provisioning_ms);
        self.schedule_in(delay, Due::TaskPending(arn));
    }

    /// The host's port for each of the container's: the same with a network interface of its own,
    /// else the one asked for, else a free one of Docker's range.
    fn host_ports(&mut self, task_set: &TaskSet, on_instance: bool) -> Vec<(u16, u16)> {
        let Ok(definition) = self.find_task_definition(&task_set.task_definition) else {
            return Vec::new();
        };
        let containers = definition.containers().iter();
        let mappings = containers.flat_map(|container| container.port_mappings.clone());
        let mut ports = Vec::new();
        for mapping in mappings.collect::<Vec<_>>() {
            let host_port = match mapping.host_port.filter(|port| *port > 0) {
                _ if !on_instance => mapping.container_port,
                Some(port) => port,
                None => 32_768 + u16::try_from(self.next_ordinal() % 28_000).unwrap_or(0),
            };
            ports.push((mapping.container_port, host_port));
        }
        ports
    }

    pub(crate) fn register_task(&mut self, arn: &str) {
        let Some(task) = self.tasks.get(arn).cloned() else {
            return;
        };
        let task_set = self.task_sets.get(&task.task_set);
        let load_balancers = task_set.map(|task_set| task_set.load_balancers.clone());
        for load_balancer in load_balancers.unwrap_or_default() {
            let container_port = load_balancer.container_port;
            let mapped = task.ports.iter().find(|(port, _)| *port == container_port);
            let port = mapped.map_or(container_port, |(_, host)| *host);
            let id = task.instance.clone().unwrap_or_else(|| task.ip.clone());
            let registration = Registration {
                group: load_balancer.target_group_arn,
                id,
                port,
            };
            self.register_target(&registration, Some(&task.zone));
            self.tasks
                .change(arn, |task| task.registrations.push(registration));
        }
    }

    pub(crate) fn deregister_task(&mut self, arn: &str) {
        let registrations = self.tasks.get(arn).map(|task| task.registrations.clone());
        for registration in registrations.unwrap_or_default() {
            self.deregister_target(&registration);
        }
    }

    /// Spot takes the capacity of one running task of a set away, as if its two minutes of warning were over;
    /// whether there was one.
    pub fn reclaim_a_task(&mut self, task_set: &str) -> bool {
        let running = |task: &&Task| {
            task.last_status == TaskStatus::Running && task.desired_status == DesiredStatus::Running
        };
        let found = self.tasks.of(task_set).find(running);
        let Some(arn) = found.map(|task| task.arn.clone()) else {
            return false;
        };
        let reason = StopReason {
            code: "SpotInterruption",
            text: "Your Spot Task was interrupted.".to_owned(),
        };
        self.stop_task_for(&arn, &reason);
        self.reconcile_soon(task_set);
        true
    }

    /// ECS replaces a task whose target failed its health checks, after the grace period.
    pub(crate) fn replace_unhealthy_task(&mut self, arn: &str, group: &str) {
        let Some(task) = self.tasks.get(arn) else {
            return;
        };
        let mut there = task.registrations.iter().filter(|one| one.group == group);
        let still = there.any(|registration| self.is_unhealthy(registration));
        if !still || task.desired_status == DesiredStatus::Stopped {
            return;
        }
        let task_set = task.task_set.clone();
        let reason = StopReason {
            code: "ServiceSchedulerInitiated",
            text: format!("Task failed ELB health checks in (target-group {group})"),
        };
        self.stop_task_for(arn, &reason);
        self.reconcile_soon(&task_set);
    }
}
