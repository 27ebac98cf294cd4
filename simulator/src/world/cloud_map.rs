//! AWS Cloud Map: registries (its services), the instances in them, and what discovery answers.
//!
//! `ListInstances` and `GetInstancesHealthStatus` have the present state. Discovery, by DNS or by
//! `DiscoverInstances`, has it some time later: see [`Timings`](super::Timings).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::World;
use super::agenda::Due;
use super::name::short_name;

/// Addresses in one DNS answer, at most (Docs: multivalue answer routing).
pub(crate) const MOST_ADDRESSES: usize = 8;

/// The account's namespaces and registries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CloudMap {
    pub(crate) namespaces: BTreeMap<String, Namespace>,
    pub(crate) registries: BTreeMap<String, Registry>,
    pub(crate) operations: BTreeMap<String, RegistryOperation>,
    #[serde(default)]
    pub(crate) ecs: EcsInRegistries,
}

impl CloudMap {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What ECS does with the instances of its tasks on its own. No documentation says that it does any of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcsInRegistries {
    /// It sets an instance of a healthy task that another caller has set to UNHEALTHY back to HEALTHY, so many
    /// seconds later (Unproven).
    pub restores_health_after_seconds: Option<u64>,
    /// It registers the instance of a running task that another caller has deregistered again, so many seconds later
    /// (Unproven).
    pub registers_again_after_seconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    /// `ns-` and 16 letters and digits.
    pub id: String,
    pub arn: String,
    pub name: String,
    pub created_at_ms: u64,
}

/// A Cloud Map service: what `serviceRegistries` of a task set names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registry {
    /// `srv-` and 16 letters and digits.
    pub id: String,
    pub arn: String,
    pub name: String,
    pub namespace_id: String,
    pub description: Option<String>,
    pub creator_request_id: Option<String>,
    pub created_at_ms: u64,
    /// None: instances are found by `DiscoverInstances` only.
    pub dns: Option<DnsConfig>,
    /// Whether it has a `HealthCheckCustomConfig`.
    pub custom_health: bool,
    pub(crate) instances: BTreeMap<String, Instance>,
    /// What discovery has.
    pub(crate) shown: BTreeMap<String, Shown>,
    /// How often that has changed.
    pub(crate) changes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DnsConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace_id: Option<String>,
    #[serde(default)]
    pub routing_policy: RoutingPolicy,
    pub dns_records: Vec<DnsRecord>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RoutingPolicy {
    /// Up to eight healthy instances an answer (Docs).
    #[default]
    Multivalue,
    /// One healthy instance an answer (Docs).
    Weighted,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsRecord {
    #[serde(rename = "Type")]
    pub r#type: RecordType,
    /// Seconds for which a resolver may keep an answer.
    #[serde(rename = "TTL")]
    pub ttl_seconds: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordType {
    #[default]
    A,
    #[serde(rename = "AAAA")]
    Aaaa,
    #[serde(rename = "SRV")]
    Srv,
    #[serde(rename = "CNAME")]
    Cname,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// ECS's have the id of their task.
    pub id: String,
    pub attributes: BTreeMap<String, String>,
    pub creator_request_id: Option<String>,
    pub health: InstanceHealth,
    /// What discovery says of it, once it is there.
    pub(crate) shown_health: InstanceHealth,
    /// The ARN of the task that has its address.
    pub(crate) task: Option<String>,
    /// What ECS reported last, of an instance that it has registered.
    pub(crate) reported: Option<InstanceHealth>,
    pub(crate) registration: u64,
    pub(crate) health_change: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstanceHealth {
    Healthy,
    Unhealthy,
}

impl InstanceHealth {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
        }
    }

    pub(crate) fn of(healthy: bool) -> Self {
        if healthy {
            Self::Healthy
        } else {
            Self::Unhealthy
        }
    }
}

/// An instance as discovery has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) task: Option<String>,
    pub(crate) health: InstanceHealth,
    registration: u64,
}

/// An operation that takes time, and when it has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryOperation {
    pub id: String,
    pub r#type: OperationType,
    /// What it is about: `INSTANCE`, `SERVICE`, `NAMESPACE`.
    pub targets: BTreeMap<String, String>,
    pub created_at_ms: u64,
    pub(crate) done_at_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationType {
    CreateNamespace,
    RegisterInstance,
    DeregisterInstance,
}

/// A change that discovery has not seen yet, of an instance as it was then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Unseen {
    pub(crate) registry: String,
    pub(crate) instance: String,
    pub(crate) change: Change,
}

/// Each with the number of the registration, or of the change of health: what came later counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Change {
    Registered(u64),
    Deregistered(u64),
    Health(u64),
}

impl Registry {
    /// In the order of their ids.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = &Instance> {
        self.instances.values()
    }

    /// Seconds for which a resolver may keep an answer.
    pub fn ttl_seconds(&self) -> u64 {
        let records = self.dns.iter().flat_map(|dns| &dns.dns_records);
        let ttls = records.map(|record| record.ttl_seconds);
        ttls.max().unwrap_or_default()
    }

    pub(crate) fn has(&self, r#type: RecordType) -> bool {
        let mut records = self.dns.iter().flat_map(|dns| &dns.dns_records);
        records.any(|record| record.r#type == r#type)
    }

    /// Addresses in one DNS answer, at most.
    pub(crate) fn most_addresses(&self) -> usize {
        match self.dns.as_ref().map(|dns| dns.routing_policy) {
            Some(RoutingPolicy::Weighted) => 1,
            Some(RoutingPolicy::Multivalue) | None => MOST_ADDRESSES,
        }
    }

    /// What discovery answers from: the healthy instances, or all where none is (Docs: multivalue answers;
    /// `HEALTHY_OR_ELSE_ALL` of `DiscoverInstances`).
    pub(crate) fn discovered(&self) -> Vec<(&str, &Shown)> {
        let all = self.shown.iter().map(|(id, shown)| (id.as_str(), shown));
        let is_healthy = |shown: &Shown| shown.health == InstanceHealth::Healthy;
        let healthy: Vec<_> = all.clone().filter(|(_, shown)| is_healthy(shown)).collect();
        if healthy.is_empty() {
            return all.collect();
        }
        healthy
    }
}

impl World {
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.cloud_map.namespaces.values()
    }

    /// What ECS does on its own from now on.
    pub fn set_ecs_in_registries(&mut self, ecs: EcsInRegistries) {
        self.cloud_map.ecs = ecs;
    }

    pub fn registries(&self) -> impl Iterator<Item = &Registry> {
        self.cloud_map.registries.values()
    }

    /// By id or ARN.
    pub fn registry(&self, id: &str) -> Option<&Registry> {
        let registry = self.cloud_map.registries.get(short_name(id))?;
        Some(registry).filter(|registry| !id.starts_with("arn:") || registry.arn == id)
    }

    pub(crate) fn instance_mut(&mut self, registry: &str, id: &str) -> Option<&mut Instance> {
        let registry = self.cloud_map.registries.get_mut(registry)?;
        registry.instances.get_mut(id)
    }

    /// Sixteen lower-case letters and digits, as Cloud Map's ids have them.
    pub(crate) fn lower16(&mut self) -> String {
        let digit = |rng: &mut fastrand::Rng| char::from_digit(rng.u32(0..36), 36);
        self.random(|rng| (0..16).filter_map(|_| digit(rng)).collect())
    }

    pub(crate) fn discovery_sees(&mut self, unseen: &Unseen) {
        let Some(registry) = self.cloud_map.registries.get_mut(&unseen.registry) else {
            return;
        };
        let id = &unseen.instance;
        let instance = registry.instances.get_mut(id);
        match unseen.change {
            Change::Registered(number) => {
                let Some(instance) = instance.filter(|one| one.registration == number) else {
                    return;
                };
                let shown = Shown {
                    task: instance.task.clone(),
                    health: instance.shown_health,
                    registration: number,
                };
                registry.shown.insert(id.clone(), shown);
            }
            Change::Deregistered(number) => {
                let shown = registry.shown.get(id);
                if shown.is_none_or(|shown| shown.registration != number) {
                    return;
                }
                registry.shown.remove(id);
            }
            Change::Health(number) => {
                let Some(instance) = instance.filter(|one| one.health_change == number) else {
                    return;
                };
                instance.shown_health = instance.health;
                if let Some(shown) = registry.shown.get_mut(id) {
                    shown.health = instance.health;
                }
            }
        }
        registry.changes += 1;
    }

    /// Discovery sees a change that much later.
    pub(crate) fn discovery_sees_in(&mut self, delay_ms: u64, unseen: Unseen) {
        self.schedule_in(delay_ms, Due::DiscoverySees(unseen));
    }
}
