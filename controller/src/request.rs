//! The request: what a `StartExecution` input asks for, parsed once and then trusted.
//!
//! The field names that users already have in CI (`task_sg`, `scaledown_decrement`, …) appear in
//! this file and nowhere else.

mod checks;
mod drain;
mod fields;
mod hooks;
mod pauses;
mod reader;
mod registry;
mod routes;
mod shift;
mod values;
mod window;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::action::Role;
use crate::arn::Home;
use crate::checks::Check;
use crate::clock::rfc3339;
use crate::drain::pace::Drain;
use crate::hooks::Hook;
use crate::id::{LoadBalancerArn, RouteArn, TargetGroupArn, TaskDefinitionId};
use crate::pauses::Pause;
use crate::refusal::{ErrorName, Refusal};
use crate::shift::Shift;
use crate::window::Window;
use crate::world::{Launch, ServiceRegistry};

pub use checks::{CHECKS_FIELDS, METRIC_FIELDS};
pub use drain::{DRAIN_FIELDS, pace};
pub use hooks::HOOKS_FIELDS;
pub use pauses::PAUSES_FIELDS;
pub use reader::FIELDS;
use reader::{Reader, unknown_fields};
pub(crate) use reader::{allowed, problem, shown};
pub use registry::REGISTRY_FIELDS;
pub use routes::{NamedRoutes, ROUTES_FIELDS, TEST_FIELDS, TestCondition};
pub use shift::{SHIFT_FIELDS, STEPS_FIELDS};
pub use window::WINDOW_FIELDS;

/// One deployment, as asked for.
///
/// Optional fields are `None` until [`crate::preflight::settle`] has filled them in from what the
/// service has today.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// `family:revision` or the ARN of one revision.
    pub task_definition: TaskDefinitionId,
    /// The load balancer's ARN.
    pub load_balancer: Option<LoadBalancerArn>,
    /// The service's two target groups, where the input names them.
    pub target_groups: Option<[TargetGroupArn; 2]>,
    /// The routes that the input names.
    pub routes: NamedRoutes,
    /// What requests for tests have, which a rule of the deployment's own sends to the replacement.
    pub test: Option<TestCondition>,
    /// The Cloud Map registry of a first deployment.
    pub registry: Option<ServiceRegistry>,
    /// Seconds for which clients of a registry keep what they have found, beyond the TTL of its records.
    pub registry_cache: u32,
    /// Subnet ids for the tasks.
    pub subnets: Option<Vec<String>>,
    /// Security group ids for the tasks.
    pub security_groups: Option<Vec<String>>,
    /// Whether tasks get a public address.
    pub assign_public_ip: Option<bool>,
    /// The container that takes the traffic.
    pub container_name: Option<String>,
    /// Its port.
    pub container_port: Option<u16>,
    /// How tasks are placed.
    pub launch: Option<Launch>,
    /// The Fargate platform version.
    pub platform_version: Option<String>,
    /// Tags of the replacement, beside and over those of the original.
    pub tags: BTreeMap<String, String>,
    /// Seconds before the first and between further readiness checks.
    pub wait_for_service: u32,
    /// How the original is drained.
    pub drain: Drain,
    /// Seconds after which a replacement that is not steady and healthy is abandoned.
    pub readiness_timeout: u32,
    /// Failed tasks after which a replacement is abandoned; by default as in ECS's deployment circuit breaker.
    pub failed_tasks: Option<u32>,
    /// Seconds between the swap and the first step of the drain.
    pub bake_time: u32,
    /// Seconds after which a drain that has not ended times out.
    pub drain_timeout: Option<u32>,
    /// Names of CloudWatch alarms; one that is in `ALARM` stops the deployment.
    pub alarms: Vec<String>,
    /// Metrics of the replacement that are compared with those of the original.
    pub checks: Vec<Check>,
    /// Whether a deployment that fails brings traffic back to the original.
    pub rollback_on_failure: bool,
    /// Where the deployment waits for a person, in the order of a deployment.
    pub pauses: Vec<Pause>,
    /// Functions that the deployment calls, in the order of a deployment.
    pub hooks: Vec<Hook>,
    /// The steps in which production traffic moves; all at once without them.
    pub shift: Option<Shift>,
    /// When traffic may move and steps of a drain may be made; at any time without it.
    pub window: Option<Window>,
    /// When the deployment is to end, in seconds since 1970.
    pub finish_by: Option<u64>,
    /// What is done about Auto Scaling while two task sets run.
    pub auto_scaling: AutoScaling,
    /// How the production listener is moved.
    pub swap_mode: SwapMode,
    /// Check everything, change nothing.
    pub dry_run: bool,
    /// A remark for the reader of the execution.
    pub comment: Option<String>,
}

/// Checks in a row at which the replacement must be steady and healthy: one could fall between
/// two failed health checks of a target that flaps.
pub const CHECKS: u32 = 2;

/// How a listener is moved from one target group to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapMode {
    /// Both groups stay in the action, and the weights 100 and 0 change places.
    ///
    /// With a Network Load Balancer, replacing the group ends connections within the hour;
    /// changing weights leaves them (AWS documentation).
    Weighted,
    /// The group in the action is replaced.
    Replace,
}

impl SwapMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::Replace => "replace",
        }
    }

    fn parse(value: &str) -> Option<Self> {
        let mut known = [Self::Weighted, Self::Replace].into_iter();
        known.find(|known| known.as_str() == value)
    }
}

/// What a deployment does about Auto Scaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoScaling {
    /// Nothing.
    Leave,
    /// Suspends scale-in while two task sets run.
    HoldScaleIn,
}

impl AutoScaling {
    fn as_str(self) -> &'static str {
        match self {
            Self::Leave => "leave",
            Self::HoldScaleIn => "holdScaleIn",
        }
    }

    fn parse(value: &str) -> Option<Self> {
        let mut known = [Self::Leave, Self::HoldScaleIn].into_iter();
        known.find(|known| known.as_str() == value)
    }
}

/// One thing wrong with one field, in words without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It holds, shortened, what is not allowed.
    Wrong {
        /// The field.
        field: String,
        /// What it holds.
        given: String,
        /// What it may hold.
        allowed: String,
    },
    /// It is required.
    Missing {
        /// The field.
        field: String,
        /// What it may hold.
        allowed: String,
    },
    /// There is no such field.
    Unknown {
        /// The field as the input has it.
        field: String,
        /// The field that is nearest to it.
        near: Option<String>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong {
                field,
                given,
                allowed,
            } => write!(f, "{field} is {given}; allowed: {allowed}"),
            Self::Missing { field, allowed } => write!(f, "{field} is missing; allowed: {allowed}"),
            Self::Unknown {
                field,
                near: Some(near),
            } => write!(
                f,
                "{field} is not a field of the input (did you mean {near}?)"
            ),
            Self::Unknown { field, .. } if field.is_empty() => {
                f.write_str("a name of the input is empty, and no field's is")
            }
            Self::Unknown { field, near: None } => {
                write!(
                    f,
                    "{field} is not a field of the input (docs/input.md lists them)"
                )
            }
        }
    }
}

impl Request {
    /// Parses a `StartExecution` input.
    ///
    /// Every ARN must be of `home`, the partition, region and account of the execution. Returns
    /// `InvalidInput`, naming every wrong field, what it holds and what is allowed.
    pub fn parse(input: &Value, home: &Home) -> Result<Self, Refusal> {
        Self::read(input, home).map_err(|problems| invalid(&problems))
    }

    /// The same with each problem by itself, for a reader that has started no execution.
    pub fn read(input: &Value, home: &Home) -> Result<Self, Vec<Problem>> {
        let Value::Object(fields) = input else {
            return Err(vec![Problem::Wrong {
                field: "the input".to_owned(),
                given: shown(input),
                allowed: "a JSON object with cluster, serviceName and taskDefinition".to_owned(),
            }]);
        };
        if fields.contains_key("services") {
            return Err(vec![Problem::Wrong {
                field: "services".to_owned(),
                given: "a list of services".to_owned(),
                allowed: "the input of one service; several are for the state machine STACK-services, and for ebbtide preflight, plan, simulate, serve and deploy (docs/services.md)"
                    .to_owned(),
            }]);
        }
        let mut reader = Reader {
            fields,
            home,
            problems: unknown_fields("", "", fields),
        };
        let request = reader.request();
        match request {
            Some(request) if reader.problems.is_empty() => Ok(request),
            _ => Err(reader.problems),
        }
    }

    /// What the input says that a route is for.
    pub(crate) fn role_of(&self, route: &RouteArn) -> Option<Role> {
        let mut named = self.routes.all();
        named.find(|(arn, _)| *arn == route).map(|(_, role)| role)
    }

    /// The request as an input that parses to the same request: what Step Functions carries from
    /// step to step.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                fields.insert(name.to_owned(), value);
            }
        };
        put("cluster", json!(self.cluster));
        put("serviceName", json!(self.service));
        put("taskDefinition", json!(self.task_definition));
        put("nlb", json!(self.load_balancer));
        put("targetGroups", json!(self.target_groups));
        put("routes", self.routes.to_json());
        put(
            "test",
            json!(self.test.as_ref().map(TestCondition::to_json)),
        );
        put(
            "registry",
            json!(self.registry.as_ref().map(registry::to_json)),
        );
        put("registryCache", json!(self.registry_cache));
        put("task_sg", json!(self.security_groups));
        put("subnets", json!(self.subnets));
        put(
            "assignPublicIp",
            json!(self.assign_public_ip.map(|enabled| if enabled {
                "ENABLED"
            } else {
                "DISABLED"
            })),
        );
        put("containerName", json!(self.container_name));
        put("containerPort", json!(self.container_port));
        match &self.launch {
            Some(Launch::Type(launch_type)) => put("launchType", json!(launch_type.as_str())),
            Some(Launch::Providers(providers)) => put(
                "capacityProviderStrategy",
                providers
                    .iter()
                    .map(|provider| {
                        json!({
                            "capacityProvider": provider.name,
                            "weight": provider.weight,
                            "base": provider.base,
                        })
                    })
                    .collect(),
            ),
            None => {}
        }
        put("platformVersion", json!(self.platform_version));
        if !self.tags.is_empty() {
            let tags = self.tags.iter();
            let tags = tags.map(|(key, value)| json!({"key": key, "value": value}));
            put("tags", tags.collect());
        }
        put("waitForService", json!(self.wait_for_service));
        put("drain", self.drain.to_json());
        put("readinessTimeout", json!(self.readiness_timeout));
        put("failedTasks", json!(self.failed_tasks));
        put("bakeTime", json!(self.bake_time));
        put("drainTimeout", json!(self.drain_timeout));
        put("alarms", json!(self.alarms));
        put("checks", checks::to_json(&self.checks));
        put("rollbackOnFailure", json!(self.rollback_on_failure));
        put("pauses", pauses::to_json(&self.pauses));
        put("hooks", hooks::to_json(&self.hooks));
        put("shift", json!(self.shift.as_ref().map(shift::to_json)));
        put("window", json!(self.window.as_ref().map(window::to_json)));
        put("finishBy", json!(self.finish_by.map(rfc3339)));
        put("autoScaling", json!(self.auto_scaling.as_str()));
        put("swapMode", json!(self.swap_mode.as_str()));
        put("dryRun", json!(self.dry_run));
        put("comment", json!(self.comment));
        Value::Object(fields)
    }
}

pub(crate) fn invalid(problems: &[Problem]) -> Refusal {
    let list: Vec<_> = problems.iter().map(Problem::to_string).collect();
    Refusal::new(
        ErrorName::InvalidInput,
        format!("{}.", list.join(". ")),
        "Nothing was changed. Correct the input and start a new execution.",
    )
}

#[cfg(test)]
mod tests;
