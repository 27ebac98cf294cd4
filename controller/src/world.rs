//! Everything that a turn needs to know about the world, read at once.
//!
//! Plain data in AWS's nouns. The `functions` crate fills it in; nothing in here comes from
//! Step Functions state.

mod placement;
mod registry;
mod route;
mod settings;
mod stopped;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Sum;

use crate::arn;
use crate::auto_scaling::Scaling;
use crate::command::Order;
use crate::drain::deregistration::Deregistration;
use crate::drain::flows::Flows;
use crate::id::{LoadBalancerArn, TargetGroupArn, TaskDefinitionId, TaskSetId};
use crate::quote::quote;
use crate::refusal::Refusal;

pub use placement::ServiceEvent;
pub use registry::{Instance, InstanceHealth, Registry, ServiceRegistry};
pub use route::{Condition, Created, Forward, Route, Rule, WeightedTargetGroup};
pub use settings::{GroupSettings, HealthCheck, Reading};
pub use stopped::{StoppedTask, StoppedTasks};
pub use values::{
    AlarmState, DeploymentController, LaunchType, NetworkMode, ServiceStatus, StopCode,
    TaskSetStatus,
};

/// What one turn saw of the service, its task sets, its load balancer and its alarms.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// The ECS service.
    pub service: Service,
    /// Every task set of the service, those being deleted included.
    pub task_sets: Vec<TaskSet>,
    /// The load balancer, or `None` where neither the request nor a task set names one.
    pub load_balancer: Option<LoadBalancer>,
    /// Every route of the load balancer: by port, and of one listener the default action first, then the rules
    /// by priority.
    pub routes: Vec<Route>,
    /// Every target group of the load balancer.
    pub target_groups: Vec<TargetGroup>,
    /// The Cloud Map service that the tasks are registered with, where there is one.
    pub registry: Option<Registry>,
    /// The task definition that the request names, or `None` where it does not exist.
    pub task_definition: Option<TaskDefinition>,
    /// Tasks of the replacement task set that ECS stopped, where a phase asks for them.
    pub stopped_tasks: StoppedTasks,
    /// The alarms that the request names, where a phase needs them.
    pub alarms: Vec<Alarm>,
    /// The metrics that the drain needs, where a phase has one.
    pub flows: Flows,
    /// What is suspended of Auto Scaling, where a request asks for it, and what a deployment has suspended.
    pub scaling: Scaling,
    /// What an operator has asked for, as the lock's item had it when this turn entered.
    pub order: Option<Order>,
    /// Which hooks the installation may call, as in a policy of IAM; `None` where that is not known.
    pub hook_arns: Option<Vec<String>>,
    /// Turns that the execution has made.
    pub turns: u32,
    /// Seconds since 1970. The pace of a drain, the deadline of its budget and hooks use it: the
    /// other deadlines count the seconds waited.
    pub now: u64,
}

impl World {
    /// The refusal of a turn that sees no service, where preflight has seen one.
    pub fn without_service(service: &str) -> Refusal {
        Refusal::not_seen(format!("ECS does not show service {service}."))
    }

    /// A task set by its id, as it is now; one that is being deleted too.
    pub fn task_set(&self, id: &TaskSetId) -> Option<&TaskSet> {
        self.task_sets.iter().find(|set| set.id == *id)
    }

    /// Task sets that are not being deleted.
    pub(crate) fn living(&self) -> impl Iterator<Item = &TaskSet> {
        self.task_sets.iter().filter(|set| !set.is_being_deleted())
    }

    /// Task sets that are not being deleted, on a target group. Those that straggle there beside another
    /// one do not count.
    pub(crate) fn living_on(&self, group: &TargetGroup) -> Vec<&TaskSet> {
        let living = self.living();
        let mut sets: Vec<_> = living
            .filter(|set| set.is_attached_to(&group.arn))
            .collect();
        if sets.len() > 1 {
            sets.retain(|set| !self.straggles(set));
        }
        sets
    }

    /// Whether tasks of a set still run, although it has had scale 0 for so long that they should have
    /// stopped: under scale-in protection, or on a host whose ECS agent is gone.
    pub fn straggles(&self, set: &TaskSet) -> bool {
        let groups = self.target_groups.iter();
        let delays = groups
            .filter(|group| set.is_attached_to(&group.arn))
            .map(|group| u64::from(group.deregistration_delay));
        let since = set.updated_at.and_then(|at| u64::try_from(at).ok());
        let quiet = self.now.saturating_sub(since.unwrap_or(0));
        set.wants_nothing() && set.tasks() > 0 && quiet >= delays.max().unwrap_or(0) + STOPPING
    }

    /// Why ECS places no more tasks of a set, in its words, while some are missing.
    pub(crate) fn not_placed(&self, set: &TaskSet) -> Option<String> {
        let missing = set.tasks() < set.computed_desired_count;
        let newest = placement::newest(&self.service.events, &set.id, set.created_at);
        newest.filter(|_| missing)
    }

    /// A target group that the plan of a deployment names.
    pub(crate) fn group(&self, arn: &TargetGroupArn) -> Result<&TargetGroup, Refusal> {
        let mut groups = self.target_groups.iter();
        groups.find(|group| group.arn == *arn).ok_or_else(|| {
            Refusal::not_seen(format!(
                "Elastic Load Balancing does not show target group {arn}."
            ))
        })
    }
}

/// A CloudWatch alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Whether it is in `ALARM`.
    pub state: AlarmState,
}

/// An ECS service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Whether it can be deployed to.
    pub status: ServiceStatus,
    /// Its deployment controller.
    pub deployment_controller: DeploymentController,
    /// How many tasks the service wants; every task set's scale is a percentage of it.
    pub desired_count: u32,
    /// `healthCheckGracePeriodSeconds`: for so long ECS does not stop a task that has just started
    /// for failing its health checks.
    pub health_check_grace: u32,
    /// What ECS says of it, as it lists it: newest first.
    pub events: Vec<ServiceEvent>,
}

/// Seconds beyond the deregistration delay after which a task that is not wanted would have stopped:
/// what a Network Load Balancer takes at most, and the longest stop timeout of Fargate.
const STOPPING: u64 = 300 + 120;

/// An ECS task set.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSet {
    /// `ecs-svc/…`, as ECS calls it.
    pub id: TaskSetId,
    /// What ECS says of it.
    pub status: TaskSetStatus,
    /// The ARN of its task definition.
    pub task_definition: TaskDefinitionId,
    /// The deployment that made it, where one did.
    pub external_id: Option<String>,
    /// Percent of the service's desired count, 0 to 100.
    pub scale: f64,
    /// Desired count × scale, rounded up by ECS (AWS API model).
    pub computed_desired_count: u32,
    /// Tasks that run, those that are being deregistered included.
    pub running_count: u32,
    /// Tasks that are starting.
    pub pending_count: u32,
    /// Whether ECS reports `STEADY_STATE`. Also true for a set that wants no task at all.
    pub steady: bool,
    /// Where its tasks are registered.
    pub load_balancers: Vec<TaskSetLoadBalancer>,
    /// Its awsvpc configuration; `None` for bridge and host networking.
    pub network: Option<Network>,
    /// How its tasks are placed.
    pub launch: Option<Launch>,
    /// The Fargate platform version.
    pub platform_version: Option<String>,
    /// When it was created, in seconds since 1970; `None` where ECS does not say.
    pub created_at: Option<i64>,
    /// When it was updated last, in seconds since 1970; `None` where ECS does not say.
    pub updated_at: Option<i64>,
    /// Its Cloud Map registries.
    pub service_registries: Vec<ServiceRegistry>,
    /// Its tags, where a replacement may be created that takes them over.
    pub tags: BTreeMap<String, String>,
}

impl TaskSet {
    /// The `CloudFormation` stack that its tags name.
    pub(crate) fn stack(&self) -> Option<String> {
        let stack = self.tags.get("aws:cloudformation:stack-name");
        stack.map(|stack| quote(stack))
    }

    /// Whether ECS is already stopping this set (`DRAINING`).
    pub fn is_being_deleted(&self) -> bool {
        self.status == TaskSetStatus::Draining
    }

    /// Whether the records say that it serves or has served through a target group.
    pub fn has_served_on(&self, group: &TargetGroup) -> bool {
        self.status == TaskSetStatus::Primary || group.task_set_id.as_ref() == Some(&self.id)
    }

    /// Whether this set wants or runs tasks still: traffic may go back to it soon.
    pub fn is_warm(&self) -> bool {
        self.scale > 0.0 || self.tasks() > 0
    }

    /// Whether this set wants no task.
    pub fn wants_nothing(&self) -> bool {
        self.scale <= 0.0 && self.computed_desired_count == 0
    }

    /// Tasks that run or start.
    pub fn tasks(&self) -> u32 {
        self.running_count.saturating_add(self.pending_count)
    }

    /// Whether this set's tasks are registered with a target group.
    pub fn is_attached_to(&self, target_group: &TargetGroupArn) -> bool {
        self.load_balancers
            .iter()
            .any(|attached| attached.target_group == *target_group)
    }
}

/// One target group that a task set registers its tasks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSetLoadBalancer {
    /// The target group's ARN.
    pub target_group: TargetGroupArn,
    /// The container whose port is registered.
    pub container_name: Option<String>,
    /// That port.
    pub container_port: Option<u16>,
}

/// The awsvpc configuration of a task set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Subnet ids, at least one.
    pub subnets: Vec<String>,
    /// Security group ids.
    pub security_groups: Vec<String>,
    /// Whether tasks get a public address.
    pub assign_public_ip: bool,
}

/// How tasks are placed: a launch type or a capacity provider strategy, never both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// By what starts them.
    Type(LaunchType),
    /// Capacity providers with their weights.
    Providers(Vec<CapacityProvider>),
}

/// One entry of a capacity provider strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityProvider {
    /// For example `FARGATE_SPOT`.
    pub name: String,
    /// Share of tasks, 0 to 1,000.
    pub weight: u32,
    /// Tasks that go here before any weight counts.
    pub base: u32,
}

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Its ARN.
    pub arn: LoadBalancerArn,
    /// How many Availability Zones it is in.
    pub zones: Reading<u32>,
    /// `load_balancing.cross_zone.enabled`.
    pub cross_zone: Reading<bool>,
    /// `ipv4`, `dualstack` or another value of `IpAddressType`.
    pub ip_address_type: Reading<String>,
    /// Its security groups; a Network Load Balancer may have none.
    pub security_groups: Reading<Vec<String>>,
    /// `access_logs.s3.enabled`.
    pub access_logs: Reading<bool>,
    /// `idle_timeout.timeout_seconds`, 1 to 4,000: of an Application Load Balancer.
    pub idle_timeout: Reading<u32>,
}

impl LoadBalancer {
    /// A load balancer of which no more is known.
    pub fn of(arn: LoadBalancerArn) -> Self {
        Self {
            arn,
            zones: Reading::NotRead,
            cross_zone: Reading::NotRead,
            ip_address_type: Reading::NotRead,
            security_groups: Reading::NotRead,
            access_logs: Reading::NotRead,
            idle_timeout: Reading::NotRead,
        }
    }

    /// Whether it is an Application Load Balancer, as its ARN says.
    pub fn is_application(&self) -> bool {
        self.arn.contains(":loadbalancer/app/")
    }
}

/// A target group with its tags and the health of its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: TargetGroupArn,
    /// Its name.
    pub name: String,
    /// The load balancer whose listeners use it; `None` where no listener does.
    pub load_balancer: Option<LoadBalancerArn>,
    /// The value of its `isProduction` tag.
    pub is_production: Option<String>,
    /// The value of its `ebbtide:service` tag: `CLUSTER/SERVICE`.
    pub service: Option<String>,
    /// The value of its `serviceName` tag.
    pub service_name: Option<String>,
    /// The value of its `taskSetId` tag.
    pub task_set_id: Option<TaskSetId>,
    /// The value of its `ebbtide:swap` tag: the deployment that is moving traffic to it.
    pub swap_intent: Option<String>,
    /// `deregistration_delay.timeout_seconds`, 0 to 3,600.
    pub deregistration_delay: u32,
    /// How it checks its targets and treats their connections.
    pub settings: GroupSettings,
    /// How many of its targets are in which state.
    pub targets: Targets,
    /// Those of them that are no task's: registered by hand.
    pub strays: Vec<Stray>,
}

/// A target that no task of the service owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its address and port.
    pub target: String,
    /// Its state, as a count of one.
    pub state: Targets,
}

impl TargetGroup {
    /// How long its targets take to be deregistered; those of a group in no listener as behind a Network
    /// Load Balancer, which takes longer.
    pub fn deregistration(&self) -> Deregistration {
        if self.is_of_a_registry() {
            return Deregistration::new(0, false);
        }
        let balancer = self.load_balancer.as_deref();
        let is_network = !balancer.is_some_and(arn::is_application_load_balancer);
        Deregistration::new(self.deregistration_delay, is_network)
    }

    /// Whether it is no target group, but the instances of a task set in a registry.
    pub fn is_of_a_registry(&self) -> bool {
        arn::is_of_a_registry(&self.arn)
    }

    /// Its targets but for those that are no task's.
    pub fn own_targets(&self) -> Targets {
        let strays = self.strays.iter();
        strays.fold(self.targets, |own, stray| own.without(stray.state))
    }

    /// Whether the group is tagged `isProduction=true`. Any other value is not production.
    pub fn is_tagged_production(&self) -> bool {
        self.is_production
            .as_deref()
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// How many targets of a group are in which health state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Targets {
    /// Pass their health checks.
    pub healthy: u32,
    /// Are being registered or have not passed enough checks yet.
    pub initial: u32,
    /// Fail their health checks.
    pub unhealthy: u32,
    /// Are in a group that no listener uses, or in a zone that is not enabled: never checked.
    pub unused: u32,
    /// Are being deregistered: they take no new connections.
    pub draining: u32,
    /// Are `unavailable`, or in a state this version does not know: not ready.
    pub unknown: u32,
}

impl Targets {
    /// Targets that are to take connections: all but those being deregistered.
    pub fn registered(&self) -> u32 {
        let states = [self.initial, self.unhealthy, self.unused, self.unknown];
        states.into_iter().fold(self.healthy, u32::saturating_add)
    }

    /// The same less some of them.
    fn without(self, other: Self) -> Self {
        Self {
            healthy: self.healthy.saturating_sub(other.healthy),
            initial: self.initial.saturating_sub(other.initial),
            unhealthy: self.unhealthy.saturating_sub(other.unhealthy),
            unused: self.unused.saturating_sub(other.unused),
            draining: self.draining.saturating_sub(other.draining),
            unknown: self.unknown.saturating_sub(other.unknown),
        }
    }

    /// Every target, those being deregistered included.
    pub fn all(&self) -> u32 {
        self.registered().saturating_add(self.draining)
    }
}

impl Sum for Targets {
    fn sum<I: Iterator<Item = Self>>(targets: I) -> Self {
        targets.fold(Self::default(), |sum, other| Self {
            healthy: sum.healthy.saturating_add(other.healthy),
            initial: sum.initial.saturating_add(other.initial),
            unhealthy: sum.unhealthy.saturating_add(other.unhealthy),
            unused: sum.unused.saturating_add(other.unused),
            draining: sum.draining.saturating_add(other.draining),
            unknown: sum.unknown.saturating_add(other.unknown),
        })
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states = [
            (self.healthy, "healthy"),
            (self.initial, "initial"),
            (self.unhealthy, "unhealthy"),
            (self.unused, "unused"),
            (self.draining, "draining"),
            (self.unknown, "unavailable or unknown"),
        ];
        let mut first = true;
        for (count, state) in states {
            if count > 0 {
                let comma = if first { "" } else { ", " };
                write!(f, "{comma}{count} {state}")?;
                first = false;
            }
        }
        if first {
            f.write_str("no targets")?;
        }
        Ok(())
    }
}

/// A task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDefinition {
    /// Its ARN, revision included.
    pub arn: TaskDefinitionId,
    /// Whether it is `ACTIVE`; an `INACTIVE` one starts no new tasks.
    pub active: bool,
    /// How its containers are connected.
    pub network_mode: NetworkMode,
    /// Its containers.
    pub containers: Vec<Container>,
}

/// A container of a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The container ports it maps.
    pub ports: Vec<u16>,
    /// Seconds from SIGTERM to SIGKILL, where it says so.
    pub stop_timeout: Option<u32>,
    /// Whether it has a health check of its own, which ECS reports to a registry.
    pub health_check: bool,
}
