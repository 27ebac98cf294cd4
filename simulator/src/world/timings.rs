//! How long things take in the simulated world, and how much is allowed.

use serde::{Deserialize, Serialize};

/// How long things take, in milliseconds of simulated time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timings {
    /// Chance in the times below, in percent more or less. Not applied to what is configured in
    /// seconds on AWS itself (health check interval, deregistration delay, stop timeout).
    pub jitter_percent: u64,
    /// From a change of what is wanted until ECS's scheduler acts on it.
    pub scheduling_ms: u64,
    /// PROVISIONING: the network interface is attached.
    pub task_provisioning_ms: u64,
    /// PENDING: the image is pulled and the containers start.
    pub task_start_ms: u64,
    /// ACTIVATING: targets are registered.
    pub task_activation_ms: u64,
    /// DEPROVISIONING: the network interface is detached.
    pub task_deprovisioning_ms: u64,
    /// How long a stopped task can still be described (at least an hour: Model).
    pub stopped_task_visible_ms: u64,
    /// From a deleted task set's last stopped task until the set is gone.
    pub task_set_deletion_ms: u64,
    /// Registering a target with an NLB, before its health checks begin (3–5 minutes: Field; 70 to
    /// 120 seconds have been seen, which a jitter covers only in part).
    pub nlb_registration_ms: u64,
    /// The most that deregistering from an NLB takes of its own, whatever the delay says; it takes any time
    /// from two fifths of it on, another for each target (2–5 minutes, unevenly: AWS guidance, Field).
    pub nlb_deregistration_ms: u64,
    /// Registering a target with an ALB, before its health checks begin.
    pub alb_registration_ms: u64,
    /// After a listener change, how long new connections may still reach the old target group
    /// (75 seconds observed: Field). The API shows the change at once.
    pub listener_propagation_ms: u64,
    /// How long a new load balancer says `provisioning`.
    pub load_balancer_provisioning_ms: u64,
    /// How long a new DynamoDB table says `CREATING`.
    pub table_creation_ms: u64,
    /// From the registration or deregistration of an instance until discovery, by DNS or by its API, has it. The
    /// API lists it at once.
    pub registry_propagation_ms: u64,
    /// From a change of custom health until discovery has it, without jitter (Model: 30 seconds). The API shows it at
    /// once.
    pub custom_health_ms: u64,
    /// From the end of a minute until CloudWatch has its metrics: harsher than usual.
    pub metric_delay_ms: u64,
}

impl Timings {
    /// The longest of them, in milliseconds.
    pub(crate) fn longest_ms(&self) -> u64 {
        [
            self.scheduling_ms,
            self.task_provisioning_ms,
            self.task_start_ms,
            self.task_activation_ms,
            self.task_deprovisioning_ms,
            self.stopped_task_visible_ms,
            self.task_set_deletion_ms,
            self.nlb_registration_ms,
            self.nlb_deregistration_ms,
            self.alb_registration_ms,
            self.listener_propagation_ms,
            self.load_balancer_provisioning_ms,
            self.table_creation_ms,
            self.registry_propagation_ms,
            self.custom_health_ms,
            self.metric_delay_ms,
        ]
        .into_iter()
        .max()
        .unwrap_or_default()
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            jitter_percent: 20,
            scheduling_ms: 3_000,
            task_provisioning_ms: 15_000,
            task_start_ms: 25_000,
            task_activation_ms: 3_000,
            task_deprovisioning_ms: 12_000,
            stopped_task_visible_ms: 3_600_000,
            task_set_deletion_ms: 10_000,
            nlb_registration_ms: 180_000,
            nlb_deregistration_ms: 300_000,
            alb_registration_ms: 5_000,
            listener_propagation_ms: 75_000,
            load_balancer_provisioning_ms: 120_000,
            table_creation_ms: 5_000,
            registry_propagation_ms: 10_000,
            custom_health_ms: 30_000,
            metric_delay_ms: 60_000,
        }
    }
}

/// How much AWS allows, and how long its pages are. Every field can be lowered for a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Task sets a service, DRAINING ones included (Field).
    pub task_sets: usize,
    /// Items on a page of an Elastic Load Balancing list when `PageSize` is not given (Model: at
    /// most 400).
    pub elb_page: usize,
    /// Task ARNs on a page of `ListTasks` when `maxResults` is not given (Model: 100).
    pub tasks_page: usize,
    /// Tags a resource (Docs: 50).
    pub tags: usize,
    /// Listeners a load balancer (Docs: 50).
    pub listeners: usize,
    /// Rules a load balancer, default rules not counted (Docs: 100).
    pub rules: usize,
    /// Target groups in one forward action (Docs: 5).
    pub groups_per_action: usize,
    /// Target groups that the actions of an Application Load Balancer name (Docs: 100).
    pub groups_per_load_balancer: usize,
    /// Alarms on a page of `DescribeAlarms` when `MaxRecords` is not given (Model: at most 100; that
    /// it is fewer by itself is the harsher answer).
    pub alarms_page: usize,
    /// Tasks that there is capacity for, those that have not stopped counted.
    pub tasks: Option<usize>,
    /// Tasks that the subnets have addresses for.
    pub addresses: Option<usize>,
    /// Keys of tags that the account's policies demand of a task set on creation.
    pub required_tags: Vec<String>,
    /// Of worlds that were saved before November 2026; nothing here lists services.
    #[serde(rename = "servicesPage", skip_serializing)]
    pub(crate) _services_page: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            task_sets: 5,
            elb_page: 400,
            tasks_page: 100,
            tags: 50,
            listeners: 50,
            rules: 100,
            groups_per_action: 5,
            groups_per_load_balancer: 100,
            alarms_page: 50,
            tasks: None,
            addresses: None,
            required_tags: Vec::new(),
            _services_page: None,
        }
    }
}
