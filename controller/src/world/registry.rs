//! Cloud Map: the registry in which clients find the tasks of a service.

use crate::id::{InstanceId, RegistryArn};
use crate::world::{Targets, TaskSet};

/// A registry of a task set, as ECS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRegistry {
    /// The ARN of the Cloud Map service.
    pub arn: RegistryArn,
    /// The port to register, where one is.
    pub port: Option<u16>,
    /// The container to register, where one is.
    pub container_name: Option<String>,
    /// The port of that container.
    pub container_port: Option<u16>,
}

/// A Cloud Map service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// Its ARN.
    pub arn: RegistryArn,
    /// Its name.
    pub name: String,
    /// Its DNS records by type: `A`, `AAAA`, `SRV` or `CNAME`. None where it is found by `DiscoverInstances` alone.
    pub records: Vec<String>,
    /// Seconds for which a resolver keeps a record: the longest of them, 0 without one.
    pub ttl: u32,
    /// Whether a DNS answer has one address alone (`WEIGHTED`), instead of up to eight.
    pub weighted: bool,
    /// Whether it has `HealthCheckCustomConfig`: an instance that is `UNHEALTHY` is not found.
    pub custom_health: bool,
    /// What is registered.
    pub instances: Vec<Instance>,
}

/// What is registered with a Cloud Map service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// `ECS_TASK_SET_EXTERNAL_ID`: the `externalId` of its task set.
    pub external_id: Option<String>,
    /// Whether clients find it.
    pub health: InstanceHealth,
}

/// Whether clients find an instance (AWS API model of `HealthStatus`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceHealth {
    /// They do.
    Healthy,
    /// They do not, while others are healthy.
    Unhealthy,
    /// `UNKNOWN`, or another value of AWS's: they may.
    Unknown(String),
}

impl From<&str> for InstanceHealth {
    fn from(status: &str) -> Self {
        match status {
            "HEALTHY" => Self::Healthy,
            "UNHEALTHY" => Self::Unhealthy,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl Registry {
    /// The instances of a task set.
    pub fn instances_of<'a>(&'a self, task_set: &'a TaskSet) -> impl Iterator<Item = &'a Instance> {
        let all = self.instances.iter();
        all.filter(|instance| instance.external_id == task_set.external_id)
    }

    /// Those that clients may find.
    pub fn found_of<'a>(&'a self, task_set: &'a TaskSet) -> impl Iterator<Item = &'a Instance> {
        let all = self.instances_of(task_set);
        all.filter(|instance| instance.health != InstanceHealth::Unhealthy)
    }

    /// The instances of a task set by their health.
    pub(crate) fn counts_of(&self, task_set: &TaskSet) -> Targets {
        let mut counts = Targets::default();
        for instance in self.instances_of(task_set) {
            let count = match instance.health {
                InstanceHealth::Healthy => &mut counts.healthy,
                InstanceHealth::Unhealthy => &mut counts.unhealthy,
                InstanceHealth::Unknown(_) => &mut counts.unknown,
            };
            *count = count.saturating_add(1);
        }
        counts
    }
}
