//! The names of findings.

/// What a finding is about. Names are a contract with the programs that read them: one is never
/// renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "docs/preflight.md describes each")]
pub enum FindingName {
    Service,
    TaskDefinition,
    LoadBalancer,
    TargetGroups,
    Listeners,
    TaskSets,
    TestListener,
    TestRule,
    TargetType,
    ContainerPort,
    Network,
    GroupsDiffer,
    ServiceRegistry,
    Tags,
    Drain,
    Refused,
    ProductionListener,
    HealthCheckTime,
    HealthCheckGrace,
    HealthCheckProtocol,
    OriginalHealth,
    UnusedTargets,
    UnusedTargetGroup,
    DeregistrationDelay,
    Budget,
    UnhealthyTermination,
    DeregistrationTermination,
    Stickiness,
    SwapMode,
    BakeTime,
    ClientPorts,
    Zones,
    CrossZone,
    TaskSetQuota,
    Straggler,
    TargetQuota,
    Capacity,
    HealthThresholds,
    StrayTargets,
    StopTimeout,
    Stack,
    ShadowedRoute,
    StrayRule,
    RuleQuota,
    EmptyTargetGroup,
    HealthCheckPath,
    AccessLogs,
    SecurityGroups,
    Shift,
    Checks,
    FinishBy,
    Window,
    RegistryWait,
    ContainerHealthCheck,
    DnsAnswers,
    RegistryQuota,
    AutoScaling,
}

impl FindingName {
    /// Every name, those of errors first.
    pub const ALL: [Self; 57] = [
        Self::Service,
        Self::TaskDefinition,
        Self::LoadBalancer,
        Self::TargetGroups,
        Self::Listeners,
        Self::TaskSets,
        Self::TestListener,
        Self::TestRule,
        Self::TargetType,
        Self::ContainerPort,
        Self::Network,
        Self::GroupsDiffer,
        Self::ServiceRegistry,
        Self::Tags,
        Self::Drain,
        Self::Refused,
        Self::ProductionListener,
        Self::HealthCheckTime,
        Self::HealthCheckGrace,
        Self::HealthCheckProtocol,
        Self::OriginalHealth,
        Self::UnusedTargets,
        Self::UnusedTargetGroup,
        Self::DeregistrationDelay,
        Self::Budget,
        Self::UnhealthyTermination,
        Self::DeregistrationTermination,
        Self::Stickiness,
        Self::SwapMode,
        Self::BakeTime,
        Self::ClientPorts,
        Self::Zones,
        Self::CrossZone,
        Self::TaskSetQuota,
        Self::Straggler,
        Self::TargetQuota,
        Self::Capacity,
        Self::HealthThresholds,
        Self::StrayTargets,
        Self::StopTimeout,
        Self::Stack,
        Self::ShadowedRoute,
        Self::StrayRule,
        Self::RuleQuota,
        Self::EmptyTargetGroup,
        Self::HealthCheckPath,
        Self::AccessLogs,
        Self::SecurityGroups,
        Self::Shift,
        Self::Checks,
        Self::FinishBy,
        Self::Window,
        Self::RegistryWait,
        Self::ContainerHealthCheck,
        Self::DnsAnswers,
        Self::RegistryQuota,
        Self::AutoScaling,
    ];

    /// As JSON and text have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::TaskDefinition => "taskDefinition",
            Self::LoadBalancer => "loadBalancer",
            Self::TargetGroups => "targetGroups",
            Self::Listeners => "listeners",
            Self::TaskSets => "taskSets",
            Self::TestListener => "testListener",
            Self::TestRule => "testRule",
            Self::TargetType => "targetType",
            Self::ContainerPort => "containerPort",
            Self::Network => "network",
            Self::GroupsDiffer => "groupsDiffer",
            Self::ServiceRegistry => "serviceRegistry",
            Self::Tags => "tags",
            Self::Drain => "drain",
            Self::Refused => "refused",
            Self::ProductionListener => "productionListener",
            Self::HealthCheckTime => "healthCheckTime",
            Self::HealthCheckGrace => "healthCheckGrace",
            Self::HealthCheckProtocol => "healthCheckProtocol",
            Self::OriginalHealth => "originalHealth",
            Self::UnusedTargets => "unusedTargets",
            Self::UnusedTargetGroup => "unusedTargetGroup",
            Self::DeregistrationDelay => "deregistrationDelay",
            Self::Budget => "budget",
            Self::UnhealthyTermination => "unhealthyTermination",
            Self::DeregistrationTermination => "deregistrationTermination",
            Self::Stickiness => "stickiness",
            Self::SwapMode => "swapMode",
            Self::BakeTime => "bakeTime",
            Self::ClientPorts => "clientPorts",
            Self::Zones => "zones",
            Self::CrossZone => "crossZone",
            Self::TaskSetQuota => "taskSetQuota",
            Self::Straggler => "straggler",
            Self::TargetQuota => "targetQuota",
            Self::Capacity => "capacity",
            Self::HealthThresholds => "healthThresholds",
            Self::StrayTargets => "strayTargets",
            Self::StopTimeout => "stopTimeout",
            Self::Stack => "stack",
            Self::ShadowedRoute => "shadowedRoute",
            Self::StrayRule => "strayRule",
            Self::RuleQuota => "ruleQuota",
            Self::EmptyTargetGroup => "emptyTargetGroup",
            Self::HealthCheckPath => "healthCheckPath",
            Self::AccessLogs => "accessLogs",
            Self::SecurityGroups => "securityGroups",
            Self::Shift => "shift",
            Self::Checks => "checks",
            Self::FinishBy => "finishBy",
            Self::Window => "window",
            Self::RegistryWait => "registryWait",
            Self::ContainerHealthCheck => "containerHealthCheck",
            Self::DnsAnswers => "dnsAnswers",
            Self::RegistryQuota => "registryQuota",
            Self::AutoScaling => "autoScaling",
        }
    }

    /// Why preflight refuses it.
    pub(super) fn why_refused(self) -> &'static str {
        match self {
            Self::Service => {
                "A deployment needs an ACTIVE service with the deployment controller EXTERNAL that wants at least one task."
            }
            Self::TaskDefinition => "ECS starts tasks from an ACTIVE revision only.",
            Self::LoadBalancer => {
                "The deployment moves traffic on the load balancer of the service's task sets."
            }
            Self::TargetGroups => {
                "One target group serves while the replacement becomes healthy in the other; a group that no listener uses is never health-checked."
            }
            Self::Listeners => {
                "The production listener decides where traffic goes: it must be unambiguous, and forward to one of the two groups."
            }
            Self::TaskSets => {
                "Anything else behind the two target groups would get traffic or be deleted."
            }
            Self::TestListener => "A group in no listener is never health-checked.",
            Self::TestRule => {
                "The deployment creates a rule for tests before each production route of an Application Load Balancer."
            }
            Self::TargetType => {
                "ECS refuses a task set whose tasks it cannot register: awsvpc tasks need target type ip, bridge and host tasks need instance."
            }
            Self::ContainerPort => {
                "ECS refuses a task set whose container and port the task definition does not have."
            }
            Self::Network => {
                "awsvpc tasks need subnets and security groups; other network modes take none."
            }
            Self::GroupsDiffer => {
                "Each deployment exchanges the two groups, and a listener only takes groups with fitting protocol and IP address type."
            }
            Self::ServiceRegistry => {
                "A deployment needs one registry that fits the task definition, from which tasks can be taken out, and without a load balancer nothing that only a load balancer has."
            }
            Self::Tags => "ECS refuses a task set with more tags.",
            Self::Shift => "A step that waits for connections needs a metric that counts them.",
            Self::FinishBy => "A deployment is not begun that cannot end in time.",
            Self::Checks => "A check compares a metric that tells the two task sets apart.",
            Self::Drain => "The drain would time out, or last longer than the execution may.",
            Self::Refused
            | Self::Window
            | Self::RegistryWait
            | Self::ContainerHealthCheck
            | Self::DnsAnswers
            | Self::RegistryQuota
            | Self::AutoScaling
            | Self::ProductionListener
            | Self::HealthCheckTime
            | Self::HealthCheckGrace
            | Self::HealthCheckProtocol
            | Self::OriginalHealth
            | Self::UnusedTargets
            | Self::UnusedTargetGroup
            | Self::DeregistrationDelay
            | Self::Budget
            | Self::UnhealthyTermination
            | Self::DeregistrationTermination
            | Self::Stickiness
            | Self::SwapMode
            | Self::BakeTime
            | Self::ClientPorts
            | Self::Zones
            | Self::CrossZone
            | Self::TaskSetQuota
            | Self::Straggler
            | Self::TargetQuota
            | Self::Capacity
            | Self::HealthThresholds
            | Self::StrayTargets
            | Self::StopTimeout
            | Self::Stack
            | Self::ShadowedRoute
            | Self::StrayRule
            | Self::RuleQuota
            | Self::EmptyTargetGroup
            | Self::HealthCheckPath
            | Self::AccessLogs
            | Self::SecurityGroups => "Preflight refuses the deployment.",
        }
    }
}
