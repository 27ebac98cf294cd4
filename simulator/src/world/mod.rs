//! The simulated world: Amazon ECS, Elastic Load Balancing, Cloud Map, DynamoDB, CloudWatch, EventBridge,
//! Step Functions' executions, and clients with connections, as plain data that changes with time.
//!
//! Everything in it can be cloned, compared, saved and loaded. Nothing in it reads a clock, the
//! environment or a random source: time is handed in ([`World::advance_to`]), and chance comes
//! from the seed, so the same calls at the same times give the same bytes.
//!
//! A request has its operation's name, and the fields of it that are simulated: another one is refused.
//! Names and meanings are the API's where nothing else is said.
//!
//! **Architecture invariant:** no I/O, no `async`, no wire format in here.
//!
//! Where AWS's behaviour is known, it is taken from `AWS_FACTS.md`. Where it is not, the harsher
//! behaviour is simulated, and the place says so.

mod action;
mod action_check;
mod action_form;
mod agenda;
mod alarm;
mod application;
mod auto_scaling;
mod behaviour;
mod bus;
mod callers;
mod clients;
mod cloud_map;
mod cloud_map_api;
mod cloud_map_create;
mod cloud_map_ecs;
mod cloud_map_instances;
mod cluster;
mod condition;
mod error;
mod event;
mod execution;
mod expression;
mod function;
mod health;
mod journal;
mod listener;
mod listener_api;
mod load_balancer;
mod metric;
mod name;
mod outside;
mod reconcile;
mod rule;
mod service;
mod service_update;
mod stability;
mod table;
mod table_api;
mod tags;
mod target;
mod target_group;
mod target_group_api;
mod target_group_check;
mod task;
mod task_api;
mod task_definition;
mod task_set;
mod task_set_create;
mod tasks;
mod text;
mod timings;
mod visit;

pub use action::*;
pub(crate) use action_form::{EXTRA_PARAMETERS, type_of};
pub use alarm::*;
pub use application::Level;
pub(crate) use auto_scaling::DIMENSION;
pub use auto_scaling::{RegisterScalableTarget, ScalableTarget, SuspendedState};
pub use behaviour::*;
pub use bus::*;
pub use callers::*;
pub use clients::*;
pub use cloud_map::*;
pub use cloud_map_api::*;
pub(crate) use cloud_map_create::*;
pub use cluster::*;
pub use condition::*;
pub use error::*;
pub use event::*;
pub use execution::*;
pub use function::*;
pub use journal::*;
pub use listener::*;
pub use listener_api::*;
pub use load_balancer::*;
pub use metric::*;
pub use name::partition_of;
pub(crate) use name::{Page, arn};
pub use rule::*;
pub use service::*;
pub use service_update::*;
pub use table::*;
pub use table_api::*;
pub use tags::*;
pub use target::*;
pub use target_group::*;
pub use target_group_api::*;
pub use task::*;
pub use task_api::*;
pub use task_definition::*;
pub use task_set::*;
pub use task_set_create::*;
pub use timings::*;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use agenda::Scheduled;
use tasks::Tasks;

/// 2026-01-01T00:00:00Z in milliseconds since the Unix epoch: where a world's time starts unless
/// told otherwise, so that outputs are reproducible.
pub(crate) const DEFAULT_START_EPOCH_MS: u64 = 1_767_225_600_000;

fn yes() -> bool {
    true
}

/// One account in one region, at one moment.
///
/// Instants inside are milliseconds since the Unix epoch; what goes in and out of
/// [`World::advance_to`], [`World::now`] and events is milliseconds since the world's start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    pub account: String,
    pub region: String,
    pub timings: Timings,
    /// How much of something AWS allows, and how long its pages are.
    pub limits: Limits,
    /// Whether `runningCount` has tasks whose targets are being deregistered (Unproven).
    #[serde(default = "yes")]
    pub counts_deregistering: bool,
    pub(crate) start_ms: u64,
    pub(crate) now_ms: u64,
    pub(crate) random_state: u64,
    pub(crate) ordinal: u64,
    pub(crate) answered: u64,
    pub(crate) agenda: BTreeSet<Scheduled>,
    pub(crate) events: Vec<WorldEvent>,
    pub(crate) calls: VecDeque<Call>,
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) task_definitions: BTreeMap<String, BTreeMap<u32, TaskDefinition>>,
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) task_sets: BTreeMap<String, TaskSet>,
    pub(crate) tasks: Tasks,
    /// Whether what is derived may be out of date.
    #[serde(skip)]
    pub(crate) unsettled: bool,
    /// Whether a load balancer beside this world makes the health checks.
    #[serde(skip)]
    pub(crate) checked_outside: bool,
    pub(crate) load_balancers: BTreeMap<String, LoadBalancer>,
    pub(crate) target_groups: BTreeMap<String, TargetGroup>,
    pub(crate) listeners: BTreeMap<String, Listener>,
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, Table>,
    #[serde(default)]
    pub(crate) alarms: BTreeMap<String, Alarm>,
    /// Lambda functions of users, by name.
    #[serde(default)]
    pub(crate) functions: BTreeMap<String, UserFunction>,
    /// Which of them Ebbtide may call; without a value, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_arns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "CloudMap::is_empty")]
    pub(crate) cloud_map: CloudMap,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) scalable_targets: BTreeMap<String, ScalableTarget>,
    #[serde(default)]
    pub(crate) executions: BTreeMap<String, Execution>,
    /// Those of each service that has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) clients: Vec<Clients>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) callers: Option<Box<Callers>>,
}

impl World {
    /// An empty account whose time starts at `epoch_ms`, in milliseconds since the Unix epoch.
    pub fn starting_at(
        account: &str,
        region: &str,
        timings: Timings,
        seed: u64,
        epoch_ms: u64,
    ) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            timings,
            counts_deregistering: true,
            start_ms: epoch_ms,
            now_ms: epoch_ms,
            random_state: seed,
            ..Self::default()
        }
    }

    pub fn now(&self) -> u64 {
        self.now_ms - self.start_ms
    }

    pub fn epoch_ms(&self) -> u64 {
        self.now_ms
    }

    /// Lets time pass until `millis_since_start`: everything due by then happens, in time order.
    /// A time that has passed already changes nothing.
    pub fn advance_to(&mut self, millis_since_start: u64) {
        let until = self.start_ms.saturating_add(millis_since_start);
        self.settle();
        while let Some(due) = self.next_due(until) {
            self.let_clients_live(due.at_ms);
            self.now_ms = self.now_ms.max(due.at_ms);
            let (touched, steadiness) = (self.touches(&due.what), Self::may_steady(&due.what));
            if self.perform(due.what) {
                self.settle_touched(&touched, steadiness);
            }
        }
        self.let_clients_live(until);
        self.now_ms = self.now_ms.max(until);
    }

    /// Makes this moment the start: [`World::now`] answers 0, what happened before is forgotten by
    /// the event log, the journal and the clients' record, and the resources stay as they are.
    pub fn begin(&mut self) {
        self.start_ms = self.now_ms;
        self.events.clear();
        self.calls.clear();
        for clients in &mut self.clients {
            clients.begin(self.now_ms);
        }
        if let Some(callers) = &mut self.callers {
            callers.begin(self.now_ms);
        }
    }

    /// Takes out what has happened since the last time, oldest first.
    pub fn take_events(&mut self) -> Vec<WorldEvent> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn record(&mut self, kind: EventKind) {
        self.unsettled = true;
        self.events.push(WorldEvent {
            at_ms: self.now(),
            kind,
        });
    }

    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.get(name)
    }

    pub fn service(&self, cluster: &str, name: &str) -> Option<&Service> {
        self.services.get(&service::key(cluster, name))
    }

    pub(crate) fn service_of(&self, task_set: &TaskSet) -> Option<&Service> {
        self.services.get(&task_set.service_key)
    }

    /// The task sets of a service, oldest first, those that are draining included.
    pub fn task_sets_of(&self, cluster: &str, service: &str) -> Vec<&TaskSet> {
        self.task_sets_of_key(&service::key(cluster, service))
    }

    pub fn task_set(&self, id: &str) -> Option<&TaskSet> {
        self.task_sets.get(id)
    }

    /// Every task of a task set that is still known, stopped ones included, oldest first.
    pub fn tasks_of(&self, task_set: &str) -> Vec<&Task> {
        self.tasks.of(task_set).collect()
    }

    pub fn load_balancers(&self) -> impl Iterator<Item = &LoadBalancer> {
        self.load_balancers.values()
    }

    pub fn target_groups(&self) -> impl Iterator<Item = &TargetGroup> {
        self.target_groups.values()
    }

    pub fn listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.values()
    }

    pub fn target_group(&self, arn: &str) -> Option<&TargetGroup> {
        self.target_groups.get(arn)
    }

    pub fn listener(&self, arn: &str) -> Option<&Listener> {
        self.listeners.get(arn)
    }
}
