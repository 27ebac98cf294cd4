//! Every write that Ebbtide can make: plain data.

use std::collections::BTreeMap;
use std::fmt;

use crate::arn::{is_listener_rule, short};
use crate::auto_scaling::{Hold, Suspended};
use crate::counted::counted;
use crate::id::{
    InstanceId, ListenerArn, RegistryArn, RouteArn, TargetGroupArn, TaskDefinitionId, TaskSetId,
};
use crate::request::TestCondition;
use crate::world::{Created, Forward, Launch, Network, ServiceRegistry, TaskSetLoadBalancer};

/// Every write that Ebbtide can make.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `AddTags` on a listener or a rule: whether users reach it (`production`) or not (`test`).
    RecordRole {
        /// Its ARN.
        route: RouteArn,
        /// What it is for.
        role: Role,
    },
    /// `AddTags` on target groups: the service that they belong to.
    RecordService {
        /// The ARNs of those that do not say it yet.
        target_groups: Vec<TargetGroupArn>,
        /// `CLUSTER/SERVICE`.
        service: String,
    },
    /// `ModifyListener` or `ModifyRule`: change where a route forwards to, nothing else.
    Forward {
        /// The ARN of the listener or the rule.
        route: RouteArn,
        /// What the action was when this was decided; it is compared before the write.
        seen: Forward,
        /// What it shall be.
        wanted: Forward,
    },
    /// In the lock's item: that a deployment suspends scale-in, or that it is resumed.
    RecordHold {
        /// Since when, and which deployment.
        hold: Option<Hold>,
    },
    /// Application Auto Scaling's `RegisterScalableTarget`: what is suspended, and nothing else.
    SuspendScaling {
        /// All of it, as it shall be.
        wanted: Suspended,
    },
    /// `CreateTaskSet`.
    CreateTaskSet(Box<NewTaskSet>),
    /// `CreateRule`: a rule of the deployment's own, for tests.
    CreateRule(Box<NewRule>),
    /// `DeleteRule`: one that a deployment has created.
    DeleteRule {
        /// Its ARN.
        rule: RouteArn,
    },
    /// `AddTags`: record on a target group that a swap to it has begun.
    RecordSwapIntent {
        /// The target group's ARN.
        target_group: TargetGroupArn,
        /// The deployment.
        deployment: String,
    },
    /// `RemoveTags`: the swap is complete.
    ClearSwapIntent {
        /// The target group's ARN.
        target_group: TargetGroupArn,
    },
    /// `AddTags`: `isProduction=true` and the `taskSetId` that serves.
    TagProduction {
        /// The target group's ARN.
        target_group: TargetGroupArn,
        /// The task set behind it.
        task_set: TaskSetId,
    },
    /// `RemoveTags`: `isProduction` and `taskSetId`.
    UntagProduction {
        /// The target group's ARN.
        target_group: TargetGroupArn,
    },
    /// `UpdateServicePrimaryTaskSet`.
    MakePrimary {
        /// The task set's id.
        task_set: TaskSetId,
    },
    /// `UpdateTaskSet`: an absolute scale, never "less than before" (rule R3).
    SetScale {
        /// The task set's id.
        task_set: TaskSetId,
        /// Percent of the service's desired count.
        percent: f64,
        /// The tasks that this percentage means.
        tasks: u32,
    },
    /// `UpdateInstanceCustomHealthStatus`: whether clients find instances of a registry.
    SetInstanceHealth {
        /// The ARN of the registry.
        registry: RegistryArn,
        /// The instances.
        instances: Vec<InstanceId>,
        /// `HEALTHY`, or otherwise `UNHEALTHY`.
        healthy: bool,
    },
    /// Cloud Map's `DeregisterInstance`: of instances that do not stay `UNHEALTHY`.
    DeregisterInstances {
        /// The ARN of the registry.
        registry: RegistryArn,
        /// The instances.
        instances: Vec<InstanceId>,
    },
    /// `DeregisterTargets`: every target of a group that no wanted task is behind.
    DeregisterTargets {
        /// The target group's ARN.
        target_group: TargetGroupArn,
    },
    /// `DeleteTaskSet`.
    DeleteTaskSet {
        /// The task set's id.
        task_set: TaskSetId,
        /// Only for a candidate that never served (rule R4).
        force: bool,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordRole { route, role } => {
                write!(f, "record {} as {role}", named(route))
            }
            Self::RecordService {
                target_groups,
                service,
            } => {
                let names: Vec<_> = target_groups.iter().map(|arn| short(arn)).collect();
                write!(f, "record {} as {service}'s", names.join(" and "))
            }
            Self::Forward { route, wanted, .. } => {
                write!(f, "forward {} to", named(route))?;
                for (index, group) in wanted.0.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(
                        f,
                        "{comma} {} ({})",
                        short(&group.target_group),
                        group.weight
                    )?;
                }
                Ok(())
            }
            Self::RecordHold { hold: Some(_) } => f.write_str("record that scale-in is held"),
            Self::RecordHold { hold: None } => f.write_str("record that scale-in is not held"),
            Self::SuspendScaling { wanted } if wanted.scale_in => f.write_str("suspend scale-in"),
            Self::SuspendScaling { .. } => f.write_str("resume scale-in"),
            Self::CreateTaskSet(new) => new.fmt(f),
            Self::CreateRule(new) => write!(
                f,
                "create a test rule on listener {} that forwards to target group {}",
                short(&new.listener),
                short(&new.target_group)
            ),
            Self::DeleteRule { rule } => write!(f, "delete {}", named(rule)),
            Self::RecordSwapIntent { target_group, .. } => {
                write!(f, "record the swap to target group {}", short(target_group))
            }
            Self::ClearSwapIntent { target_group } => write!(
                f,
                "clear the record of the swap to target group {}",
                short(target_group)
            ),
            Self::TagProduction { target_group, .. } => write!(
                f,
                "tag target group {} isProduction=true",
                short(target_group)
            ),
            Self::UntagProduction { target_group } => write!(
                f,
                "remove isProduction from target group {}",
                short(target_group)
            ),
            Self::MakePrimary { task_set } => write!(f, "make {task_set} PRIMARY"),
            Self::SetScale {
                task_set,
                percent,
                tasks,
            } => {
                let tasks = counted(*tasks, "task");
                write!(f, "scale {task_set} to {tasks} ({percent:.2} %)")
            }
            Self::SetInstanceHealth {
                registry,
                instances,
                healthy,
            } => {
                let instances = counted(number(instances), "instance");
                let health = if *healthy { "HEALTHY" } else { "UNHEALTHY" };
                write!(
                    f,
                    "set {instances} of registry {} to {health}",
                    short(registry)
                )
            }
            Self::DeregisterInstances {
                registry,
                instances,
            } => {
                let instances = counted(number(instances), "instance");
                write!(f, "deregister {instances} of registry {}", short(registry))
            }
            Self::DeregisterTargets { target_group } => write!(
                f,
                "deregister the targets of target group {}",
                short(target_group)
            ),
            Self::DeleteTaskSet { task_set, .. } => write!(f, "delete {task_set}"),
        }
    }
}

/// `listener lb/1/2`, or `rule lb/1/2/3`.
fn named(route: &RouteArn) -> String {
    let kind = if is_listener_rule(route) {
        "rule"
    } else {
        "listener"
    };
    format!("{kind} {}", short(route))
}

fn number<T>(all: &[T]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

/// What a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Users reach the service through it.
    Production,
    /// It reaches the other task set.
    Test,
}

impl Role {
    /// The value of the `ebbtide:role` tag.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Test => "test",
        }
    }

    pub(crate) fn parse(value: &str) -> Option<Self> {
        match value {
            "production" => Some(Self::Production),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule to create, by which requests for tests reach the replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// The ARN of the listener.
    pub listener: ListenerArn,
    /// The ARN of the route whose requests it takes, if they also meet the condition: of its listener, or of a
    /// rule, whose conditions it repeats.
    pub beside: RouteArn,
    /// Its number.
    pub priority: u32,
    /// The condition, in the place of the route's own of that kind.
    pub test: TestCondition,
    /// The ARN of the target group that it forwards to.
    pub target_group: TargetGroupArn,
    /// What its tags say.
    pub created: Created,
}

/// A task set to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTaskSet {
    /// The ARN or `family:revision` of its task definition.
    pub task_definition: TaskDefinitionId,
    /// The deployment's label.
    pub external_id: String,
    /// The idempotency token (rule R2).
    pub client_token: String,
    /// Percent of the service's desired count: 100, but for a shift by tasks.
    pub scale: f64,
    /// Where its tasks register; `None` without a load balancer.
    pub load_balancer: Option<TaskSetLoadBalancer>,
    /// awsvpc configuration, where the task definition's network mode has one.
    pub network: Option<Network>,
    /// How its tasks are placed.
    pub launch: Launch,
    /// The Fargate platform version.
    pub platform_version: Option<String>,
    /// Cloud Map registries: the original's, or the request's.
    pub service_registries: Vec<ServiceRegistry>,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
}

impl fmt::Display for NewTaskSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "create a task set of {}", short(&self.task_definition))?;
        if let Some(attached) = &self.load_balancer {
            write!(f, " on target group {}", short(&attached.target_group))?;
        }
        for registry in &self.service_registries {
            write!(f, " in registry {}", short(&registry.arn))?;
        }
        if self.scale < 100.0 {
            write!(f, " at {:.2} %", self.scale)?;
        }
        Ok(())
    }
}
