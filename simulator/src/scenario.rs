//! Scenarios: a running service, and how its replacement will behave.

mod auto_scaling;
mod build;
mod registry;
mod routes;

use std::collections::BTreeMap;

use ebbtide_controller::command::{Command, LONGEST_BY};
use ebbtide_controller::quote::quote;
use ebbtide_controller::request::{self, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::world::{
    ActionRequest, AlarmState, AlarmType, ApiError, Behaviour, Condition, Kind, Limits, MOST_TASKS,
    PreparedAnswer, ServiceRegistry, Timings,
};
pub use crate::world::{CallersScenario, ClientsScenario, Discovery};
pub use auto_scaling::AutoScalingScenario;
pub use registry::{RecordScenario, RegistryScenario};

/// The settings of a simulated world. Everything has a default: a service of four tasks behind a Network Load
/// Balancer whose replacement becomes healthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scenario {
    /// Chance: the same seed, the same world.
    pub seed: u64,
    /// When the world's time starts, as an RFC 3339 time; 2026-01-01T00:00:00Z without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// The service's desired count.
    pub tasks: u32,
    /// How long things take.
    pub timings: Timings,
    /// How much AWS allows, and how long its pages are.
    pub limits: Limits,
    /// The listeners with their rules; at least one listener or rule is production.
    pub listeners: Vec<ListenerScenario>,
    /// The kind of the load balancer, where no ARN says it.
    pub load_balancer: Kind,
    /// Seconds between deregistration and SIGTERM, 0 to 3600.
    pub deregistration_delay_seconds: u64,
    /// Seconds between two health checks of a target.
    pub health_check_interval_seconds: u64,
    /// Passed checks in a row that make a target healthy.
    pub healthy_threshold: u32,
    /// Seconds from SIGTERM to SIGKILL, 30 as ECS has it by default.
    pub stop_timeout_seconds: u64,
    /// Attributes of both target groups, for example `stickiness.enabled`.
    pub target_group_attributes: BTreeMap<String, String>,
    /// Attributes of the load balancer, for example `load_balancing.cross_zone.enabled`.
    pub load_balancer_attributes: BTreeMap<String, String>,
    /// `ip`, or `instance` for an alternate target group that the service's tasks do not fit.
    pub alternate_target_type: TargetType,
    /// The port that the container listens on, where it is not the one that the input names.
    pub container_port: Option<u16>,
    /// Seconds for which ECS ignores failing health checks of a task that has just started.
    pub health_check_grace_period_seconds: u64,
    /// The `CloudFormation` stack that has made load balancer and task set, and has tagged them.
    pub stack: Option<String>,
    /// Tags of the task set in service.
    pub tags: BTreeMap<String, String>,
    /// How the tasks in service behave.
    pub original: Behaviour,
    /// How the tasks of the task definition to be deployed behave.
    pub replacement: Behaviour,
    /// Whether ECS's `runningCount` has tasks whose targets are being deregistered.
    pub counts_deregistering: bool,
    /// A service without any task set yet, its production group without a tag.
    pub first_deployment: bool,
    /// The account's alarms.
    pub alarms: Vec<AlarmScenario>,
    /// Functions that deployments call as hooks; others answer `SUCCEEDED` at once.
    pub hooks: Vec<HookScenario>,
    /// Which functions Ebbtide may call, as ARNs with wildcards; without a value, all.
    pub hook_arns: Option<Vec<String>>,
    /// What operators ask of the first deployment.
    pub commands: Vec<CommandScenario>,
    /// Clients with connections, through the production listeners. None: there are none, and none
    /// come.
    pub clients: Option<ClientsScenario>,
    /// Auto Scaling of the service. None: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling: Option<AutoScalingScenario>,
    /// The Cloud Map registry of the service's tasks. None: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryScenario>,
    /// By a service's name, the fields that are others for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, Map<String, Value>>,
}

/// An alarm, and when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlarmScenario {
    pub name: String,
    /// `MetricAlarm`, the default, or `CompositeAlarm`.
    #[serde(default)]
    pub r#type: AlarmType,
    /// What it says at the start: `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    #[serde(default)]
    pub state: AlarmState,
    #[serde(default)]
    pub changes: Vec<AlarmChange>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlarmChange {
    /// Seconds after the world's start.
    pub after_seconds: u64,
    pub state: AlarmState,
}

/// A hook, and what it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HookScenario {
    /// The function's name.
    pub function: String,
    /// One call after the other; the last one again and again.
    pub answers: Vec<PreparedAnswer>,
}

/// What an operator asks of a deployment, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandScenario {
    /// Seconds after the deployment's start.
    pub after_seconds: u64,
    pub command: CommandName,
    /// The fields of an input's `drain`, with `pace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Map<String, Value>>,
    #[serde(default = "operator")]
    pub by: String,
}

impl CommandScenario {
    /// The command, or what is wrong with its pace.
    pub fn read(&self) -> Result<Command, ScenarioError> {
        let refused = |why: &str| ScenarioError::Pace(why.to_owned());
        let plain = match self.command {
            CommandName::Rollback => Command::Rollback,
            CommandName::Pause => Command::Pause,
            CommandName::Resume => Command::Resume,
            CommandName::Promote => Command::Promote,
            CommandName::Pace => {
                let drain = self.drain.as_ref();
                let drain = drain.ok_or_else(|| refused("pace needs drain"))?;
                let pace = request::pace(drain).map_err(|problems| {
                    let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
                    refused(&problems.join(". "))
                })?;
                return Ok(Command::Pace(pace));
            }
        };
        match &self.drain {
            None => Ok(plain),
            Some(_) => Err(refused("drain belongs to pace")),
        }
    }
}

/// The name of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommandName {
    Rollback,
    Pause,
    Resume,
    Promote,
    /// With `drain`.
    Pace,
}

impl CommandName {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Pace => "pace",
        }
    }
}

fn operator() -> String {
    "operator".to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerScenario {
    /// The port clients connect to.
    pub port: u16,
    /// Which target group its default action forwards to.
    pub role: ListenerRole,
    /// `TCP` or `HTTP` where it is not given; `TLS` and `HTTPS` have a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// For how many seconds its default action keeps clients with a target group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stickiness_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleScenario>,
}

impl ListenerScenario {
    pub fn new(port: u16, role: ListenerRole) -> Self {
        Self {
            port,
            role,
            protocol: None,
            stickiness_seconds: None,
            rules: Vec::new(),
        }
    }
}

/// A rule of a listener.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuleScenario {
    /// 1 to 50000; the lowest that fits counts.
    pub priority: u32,
    /// As AWS writes them: `{"Field": "path-pattern", "Values": ["/api/*"]}`.
    pub conditions: Vec<Condition>,
    /// Which target group it forwards to, after `actions`.
    pub role: ListenerRole,
    /// Actions before the forward, or those of a rule that does not forward, as AWS writes them.
    pub actions: Vec<ActionRequest>,
    /// For how many seconds it keeps clients with a target group.
    pub stickiness_seconds: Option<u32>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ListenerRole {
    /// Users reach it: it forwards to the production group.
    Production,
    /// It forwards to the alternate group.
    Test,
    /// Neither: the default action of an Application Load Balancer's listener answers 404.
    #[default]
    Other,
}

/// How a target group knows its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TargetType {
    Ip,
    Instance,
}

/// The names that the world must match: those of a deployment's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub account: String,
    pub region: String,
    pub cluster: String,
    pub service: String,
    /// The load balancer's ARN, if it has to be a particular one.
    pub load_balancer_arn: Option<String>,
    /// The ARNs of the two target groups, if they have to be particular ones: the one that serves first.
    pub target_groups: Option<[String; 2]>,
    /// The ARNs of production listeners and rules, if they have to be particular ones. Where the scenario has
    /// fewer, there are more: listeners on the next ports, rules by paths of their own.
    pub production_listeners: Vec<String>,
    /// The same of test listeners and rules.
    pub test_listeners: Vec<String>,
    /// The task definition to be deployed: ARN, `family:revision` or `family` (revision 2).
    pub task_definition: String,
    /// The subnets, each in a zone of its own.
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    /// The container that is a target.
    pub container_name: String,
    pub container_port: u16,
    /// How task sets name the registry, if it has to be a particular one.
    pub registry: Option<ServiceRegistry>,
}

#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("a world has at least one service")]
    NoService,
    #[error("{0} is not the ARN of a Network or Application Load Balancer in {1}, account {2}")]
    LoadBalancerArn(String, String, String),
    #[error("{0} is not the ARN of a target group in {1}, account {2}")]
    TargetGroupArn(String, String, String),
    #[error("{0} is not the ARN of a Cloud Map service in {1}, account {2}")]
    RegistryArn(String, String, String),
    #[error(
        "{0} is no listener of the load balancer {1}, and a simulated service has one load balancer"
    )]
    OtherLoadBalancer(String, String),
    #[error("{0} is not a task definition: family:revision, with a revision from 1")]
    TaskDefinition(String),
    #[error("a scenario's times are a year at most, and its jitter is 100 percent at most")]
    TooLong,
    #[error("a scenario has at most {MOST_TASKS} tasks, not {0}")]
    TooManyTasks(u32),
    #[error("by of a command is \"{}\"; a name has 1 to {LONGEST_BY} visible characters", quote(.0))]
    By(String),
    #[error("commands[{0}]: {1}")]
    Command(usize, Box<ScenarioError>),
    #[error("{0}")]
    Pace(String),
    #[error(
        "startsAt is {}, which is no time from 1970 on with its offset, such as 2026-01-01T22:00:00+01:00",
        quote(.0)
    )]
    StartsAt(String),
    #[error("a scenario needs a production listener or a production rule")]
    NoProductionListener,
    #[error("autoScaling: targetCpu is from 1 to 100 percent, and cpu from 0")]
    Cpu,
    #[error("the simulated AWS refuses this scenario")]
    Refused(#[from] ApiError),
    #[error("a scenario has one alarm of a name, and two of {0}")]
    AlarmTwice(String),
    #[error(
        "clients connect through a load balancer, and the simulated service has a registry in its place: registry.besideLoadBalancer gives it both"
    )]
    ClientsOfNone,
    #[error("the original task set is not steady after a day: it can never be in service")]
    NeverSteady,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            starts_at: None,
            tasks: 4,
            timings: Timings::default(),
            limits: Limits::default(),
            listeners: [(80, ListenerRole::Production), (8080, ListenerRole::Test)]
                .map(|(port, role)| ListenerScenario::new(port, role))
                .to_vec(),
            load_balancer: Kind::Network,
            deregistration_delay_seconds: 300,
            health_check_interval_seconds: 10,
            healthy_threshold: 3,
            stop_timeout_seconds: 30,
            target_group_attributes: BTreeMap::new(),
            load_balancer_attributes: BTreeMap::new(),
            alternate_target_type: TargetType::Ip,
            container_port: None,
            health_check_grace_period_seconds: 0,
            stack: None,
            tags: BTreeMap::new(),
            original: Behaviour::default(),
            replacement: Behaviour::default(),
            counts_deregistering: true,
            first_deployment: false,
            alarms: Vec::new(),
            hooks: Vec::new(),
            hook_arns: None,
            commands: Vec::new(),
            clients: None,
            auto_scaling: None,
            registry: None,
            services: BTreeMap::new(),
        }
    }
}

impl Scenario {
    /// The default one with a change.
    pub fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut scenario = Self::default();
        change(&mut scenario);
        scenario
    }
}

impl Names {
    /// The smallest input of a deployment to the service: the fields that are required.
    pub fn event(&self) -> Value {
        json!({
            "cluster": self.cluster,
            "serviceName": self.service,
            "taskDefinition": self.task_definition,
        })
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            account: "555555555555".to_owned(),
            region: "us-east-1".to_owned(),
            cluster: "main".to_owned(),
            service: "chat".to_owned(),
            load_balancer_arn: None,
            target_groups: None,
            production_listeners: Vec::new(),
            test_listeners: Vec::new(),
            task_definition: "chat:2".to_owned(),
            subnets: [0, 1]
                .map(|n| format!("subnet-1234567890abcdef{n}"))
                .to_vec(),
            security_groups: vec!["sg-1234567890abcdef0".to_owned()],
            container_name: "webserver".to_owned(),
            container_port: 8080,
            registry: None,
        }
    }
}
