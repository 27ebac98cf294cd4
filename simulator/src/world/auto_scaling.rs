//! Application Auto Scaling of ECS services: scalable targets, and one policy that tracks the average CPU.
//!
//! The service has a load that its running tasks share evenly, those of all its task sets: CPU is an average over the
//! service (Docs). Once a minute the policy compares it with its target. It scales out after [`HIGH`] minutes above, and in
//! after [`LOW`] minutes below nine tenths of it (unproven: no page has these numbers), by the ratio of the two, between minimum
//! and maximum. What is suspended does not scale, and the minutes count all the same (Docs: once resumed, what is in breach is
//! evaluated).

use serde::{Deserialize, Serialize};

use super::agenda::Due;
use super::metric::MINUTE_MS;
use super::name::{self, Page};
use super::{ApiError, EventKind, UpdateService, World};

/// The only dimension of ECS (Model).
pub(crate) const DIMENSION: &str = "ecs:service:DesiredCount";

/// Minutes in a row.
const HIGH: u32 = 3;
const LOW: u32 = 15;

/// Items on a page, at most and where nothing is said (Model).
const PAGE: usize = 50;

/// What is suspended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct SuspendedState {
    pub dynamic_scaling_in_suspended: bool,
    pub dynamic_scaling_out_suspended: bool,
    pub scheduled_scaling_suspended: bool,
}

/// A service that is scaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScalableTarget {
    /// `service/CLUSTER/SERVICE`.
    pub resource_id: String,
    pub min_capacity: u32,
    pub max_capacity: u32,
    pub suspended: SuspendedState,
    pub(crate) arn: String,
    pub(crate) created_at_ms: u64,
    policy: Option<Tracking>,
}

/// A policy that keeps the average CPU at a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tracking {
    /// Percent.
    pub(crate) target: f64,
    /// Percent that the load would be of one task.
    pub(crate) load: f64,
    /// Minutes in a row above the target, and below nine tenths of it.
    pub(crate) high: u32,
    pub(crate) low: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct DescribeScalableTargets {
    service_namespace: String,
    #[serde(default)]
    resource_ids: Vec<String>,
    scalable_dimension: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegisterScalableTarget {
    pub service_namespace: String,
    pub resource_id: String,
    pub scalable_dimension: String,
    pub min_capacity: Option<u32>,
    pub max_capacity: Option<u32>,
    /// A flag that is not given is false: its default (Model).
    pub suspended_state: Option<SuspendedState>,
}

fn check(namespace: &str, dimension: Option<&str>) -> Result<(), ApiError> {
    if namespace != "ecs" {
        let message = format!("Only the service namespace ecs is simulated, not {namespace}.");
        return Err(ApiError::invalid(message));
    }
    match dimension {
        None | Some(DIMENSION) => Ok(()),
        Some(other) => Err(ApiError::invalid(format!(
            "Unsupported service namespace, resource type or scalable dimension: {other}"
        ))),
    }
}

impl World {
    /// `application-autoscaling:DescribeScalableTargets`. What is no target is omitted silently.
    pub(crate) fn describe_scalable_targets(
        &self,
        request: &DescribeScalableTargets,
    ) -> Result<Page<&ScalableTarget>, ApiError> {
        let dimension = request.scalable_dimension.as_deref();
        check(&request.service_namespace, dimension)?;
        let ids = &request.resource_ids;
        if dimension.is_some() && ids.is_empty() {
            let message = "A scalable dimension needs a resource id.";
            return Err(ApiError::invalid(message));
        }
        let size = request.max_results.unwrap_or(PAGE);
        if !(1..=PAGE).contains(&size) {
            let message = format!("MaxResults is from 1 to {PAGE}, not {size}.");
            return Err(ApiError::invalid(message));
        }
        let targets = self.scalable_targets.values();
        let asked = |target: &&ScalableTarget| ids.is_empty() || ids.contains(&target.resource_id);
        let found = targets.filter(asked).collect();
        name::page(found, request.next_token.as_deref(), size, || {
            ApiError::new("InvalidNextTokenException", "The next token is not valid.")
        })
    }

    /// `application-autoscaling:RegisterScalableTarget`: makes a target, or changes what is given of one (Docs).
    pub fn register_scalable_target(
        &mut self,
        request: &RegisterScalableTarget,
    ) -> Result<String, ApiError> {
        check(
            &request.service_namespace,
            Some(&request.scalable_dimension),
        )?;
        let id = &request.resource_id;
        let service = id
            .strip_prefix("service/")
            .and_then(|id| id.split_once('/'));
        let exists = service.is_some_and(|(cluster, name)| self.service(cluster, name).is_some());
        if !exists {
            let message = format!("ECS service doesn't exist: {id}");
            return Err(ApiError::invalid(message));
        }
        let known = self.scalable_targets.get(id).cloned();
        let was = known.as_ref().map(|known| known.suspended);
        let target = match (known, request.min_capacity, request.max_capacity) {
            (Some(known), min, max) => ScalableTarget {
                min_capacity: min.unwrap_or(known.min_capacity),
                max_capacity: max.unwrap_or(known.max_capacity),
                suspended: request.suspended_state.unwrap_or(known.suspended),
                ..known
            },
            (None, Some(min_capacity), Some(max_capacity)) => ScalableTarget {
                resource_id: id.clone(),
                min_capacity,
                max_capacity,
                suspended: request.suspended_state.unwrap_or_default(),
                arn: self.arn_of_scalable_target(),
                created_at_ms: self.now_ms,
                policy: None,
            },
            (None, _, _) => {
                let message = "MinCapacity and MaxCapacity are required for a new scalable target.";
                return Err(ApiError::invalid(message));
            }
        };
        if target.min_capacity > target.max_capacity {
            return Err(ApiError::invalid("MaxCapacity is below MinCapacity."));
        }
        let (arn, is) = (target.arn.clone(), target.suspended);
        self.scalable_targets.insert(id.clone(), target);
        let suspended = is.dynamic_scaling_in_suspended;
        if was.is_some_and(|was| was.dynamic_scaling_in_suspended != suspended) {
            let resource = id.clone();
            self.record(EventKind::ScaleInSuspended {
                resource,
                suspended,
            });
        }
        Ok(arn)
    }

    fn arn_of_scalable_target(&mut self) -> String {
        let number = self.next_ordinal();
        let resource = format!("scalable-target/0ec5{number:032x}");
        self.arn("application-autoscaling", &resource)
    }

    /// The service is scaled no more.
    pub fn deregister_scalable_target(&mut self, resource_id: &str) {
        self.scalable_targets.remove(resource_id);
    }

    pub fn scalable_target(&self, resource_id: &str) -> Option<&ScalableTarget> {
        self.scalable_targets.get(resource_id)
    }

    /// Has a policy keep the average CPU of a target at so many percent, under the present load.
    pub(crate) fn track_cpu(&mut self, resource_id: &str, target: f64, load: f64) {
        let policy = Tracking {
            target,
            load,
            high: 0,
            low: 0,
        };
        if let Some(scaled) = self.scalable_targets.get_mut(resource_id) {
            scaled.policy = Some(policy);
        }
        self.schedule_in(MINUTE_MS, Due::ScalingEvaluated(resource_id.to_owned()));
    }

    /// A minute is over.
    pub(crate) fn evaluate_scaling(&mut self, resource_id: &str) {
        let Some(target) = self.scalable_targets.get(resource_id).cloned() else {
            return;
        };
        let Some(mut policy) = target.policy else {
            return;
        };
        self.schedule_in(MINUTE_MS, Due::ScalingEvaluated(resource_id.to_owned()));
        let service = resource_id.strip_prefix("service/");
        let Some((cluster, name)) = service.and_then(|service| service.split_once('/')) else {
            return;
        };
        let sets = self.task_sets_of(cluster, name).into_iter();
        let running = sets.map(|set| {
            let tasks = self.tasks_of(&set.id).into_iter();
            tasks
                .filter(|task| task.last_status.counts_as_running())
                .count()
        });
        let running = u32::try_from(running.sum::<usize>()).unwrap_or(u32::MAX);
        let desired = self
            .service(cluster, name)
            .map(|service| service.desired_count);
        let (Some(desired), true) = (desired, running > 0) else {
            return;
        };
        let cpu = (policy.load / f64::from(running)).min(100.0);
        policy.high = if cpu > policy.target {
            policy.high + 1
        } else {
            0
        };
        policy.low = if cpu < 0.9 * policy.target {
            policy.low + 1
        } else {
            0
        };
        let suspended = target.suspended;
        let bounds = (target.min_capacity, target.max_capacity);
        let breached = (policy.high >= HIGH && !suspended.dynamic_scaling_out_suspended)
            || (policy.low >= LOW && !suspended.dynamic_scaling_in_suspended);
        if breached {
            (policy.high, policy.low) = (0, 0);
        }
        if let Some(target) = self.scalable_targets.get_mut(resource_id) {
            target.policy = Some(policy);
        }
        let wanted = (f64::from(desired) * cpu / policy.target).ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of tasks"
        )]
        let wanted = (wanted as u32).clamp(bounds.0, bounds.1);
        if !breached || wanted == desired {
            return;
        }
        self.record(EventKind::PolicyScaled {
            service: name.to_owned(),
            cpu,
            target: policy.target,
        });
        let update = UpdateService {
            cluster: Some(cluster.to_owned()),
            service: name.to_owned(),
            desired_count: Some(wanted),
            ..UpdateService::default()
        };
        // A service that is being deleted is scaled no more.
        let _ = self.update_service(&update);
    }
}
