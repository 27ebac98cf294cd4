//! A service that Application Auto Scaling scales.

use serde::{Deserialize, Serialize};

use super::{Names, Scenario, ScenarioError};
use crate::world::{DIMENSION, RegisterScalableTarget, SuspendedState, World};

/// A scalable target with a policy that tracks the average CPU. Everything has a default: from one task to ten times
/// as many as at the start, a target of 60 percent that the CPU is at, and nothing suspended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AutoScalingScenario {
    /// The fewest tasks.
    pub min: Option<u32>,
    /// The most tasks.
    pub max: Option<u32>,
    /// Percent of CPU that the policy keeps. None: 60.
    pub target_cpu: Option<f64>,
    /// Percent of CPU at the start: the load stays the same. None: the target.
    pub cpu: Option<f64>,
    /// What is suspended at the start.
    pub suspended: SuspendedState,
}

impl Scenario {
    pub(super) fn scale_by_itself(
        &self,
        world: &mut World,
        names: &Names,
    ) -> Result<(), ScenarioError> {
        let Some(scaling) = &self.auto_scaling else {
            return Ok(());
        };
        let resource_id = format!("service/{}/{}", names.cluster, names.service);
        world.register_scalable_target(&RegisterScalableTarget {
            service_namespace: "ecs".to_owned(),
            resource_id: resource_id.clone(),
            scalable_dimension: DIMENSION.to_owned(),
            min_capacity: Some(scaling.min.unwrap_or(1)),
            max_capacity: Some(scaling.max.unwrap_or(self.tasks.saturating_mul(10))),
            suspended_state: Some(scaling.suspended),
        })?;
        let target = scaling.target_cpu.unwrap_or(60.0);
        let cpu = scaling.cpu.unwrap_or(target);
        if !(1.0..=100.0).contains(&target) || !(0.0..=100.0).contains(&cpu) {
            return Err(ScenarioError::Cpu);
        }
        world.track_cpu(&resource_id, target, cpu * f64::from(self.tasks));
        Ok(())
    }
}
