//! ECS task sets: what they are, and scaling, describing and deleting them.

use serde::{Deserialize, Serialize};

use super::agenda::Due;
use super::name::short_name;
use super::tags::Tags;
use super::{ApiError, EventKind, Service, World};

/// A task set of a service whose deployment controller is `EXTERNAL`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSet {
    /// `ecs-svc/` and 19 digits; `startedBy` of its tasks.
    pub id: String,
    pub arn: String,
    pub(crate) ordinal: u64,
    pub(crate) service_key: String,
    /// The free label it was created with; not unique (Model).
    pub external_id: Option<String>,
    pub(crate) client_token: Option<String>,
    pub(crate) created_with: String,
    /// PRIMARY, ACTIVE or DRAINING.
    pub status: TaskSetStatus,
    pub task_definition: String,
    /// `FARGATE`, `EC2`, or none with a capacity provider strategy.
    pub launch_type: Option<String>,
    /// Empty with a launch type.
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// Only on Fargate.
    pub platform_version: Option<String>,
    /// Subnets and security groups, for `awsvpc`.
    pub network_configuration: Option<NetworkConfiguration>,
    /// One target group at most under `EXTERNAL` (Docs).
    pub load_balancers: Vec<TaskSetLoadBalancer>,
    /// The Cloud Map registry of its tasks: one at most (Model).
    pub service_registries: Vec<ServiceRegistry>,
    /// Percent of the service's desired count.
    pub scale: f64,
    pub created_at_ms: u64,
    pub updated_at_ms: u64,
    /// `STEADY_STATE` or `STABILIZING`.
    pub steady: bool,
    /// Since when, in milliseconds since the Unix epoch.
    pub steady_at_ms: u64,
    pub tags: Tags,
    pub(crate) going: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskSetStatus {
    /// It serves production traffic, as far as ECS was told. One at most a service.
    Primary,
    /// It does not.
    Active,
    /// It was deleted, and its tasks are being stopped.
    Draining,
}

impl TaskSetStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkConfiguration {
    pub(crate) awsvpc_configuration: VpcConfiguration,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VpcConfiguration {
    pub(crate) subnets: Vec<String>,
    #[serde(default)]
    pub(crate) security_groups: Vec<String>,
    pub(crate) assign_public_ip: Option<String>,
}

impl VpcConfiguration {
    /// At most 16 subnets and 5 security groups (Model).
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        ApiError::refuse_if(self.subnets.is_empty(), "subnets can not be empty.")?;
        ApiError::refuse_if(
            self.subnets.len() > 16,
            "subnets can have at most 16 items.",
        )?;
        ApiError::refuse_if(
            self.security_groups.len() > 5,
            "securityGroups can have at most 5 items.",
        )
    }
}

/// Where the tasks are registered as targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskSetLoadBalancer {
    pub target_group_arn: String,
    pub container_name: String,
    pub container_port: u16,
}

/// Where the tasks are registered as instances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceRegistry {
    pub registry_arn: String,
    pub port: Option<u16>,
    pub container_name: Option<String>,
    pub container_port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CapacityProviderStrategyItem {
    pub(crate) capacity_provider: String,
    #[serde(default)]
    pub(crate) weight: u32,
    #[serde(default)]
    pub(crate) base: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scale {
    pub value: Option<f64>,
    pub unit: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DescribeTaskSets {
    pub(crate) cluster: String,
    pub(crate) service: String,
    pub(crate) task_sets: Vec<String>,
    pub(crate) include: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateTaskSet {
    pub cluster: String,
    pub service: String,
    pub task_set: String,
    pub scale: Scale,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteTaskSet {
    pub cluster: String,
    pub service: String,
    pub task_set: String,
    #[serde(default)]
    pub force: bool,
}

impl World {
    /// `ecs:DescribeTaskSets`: the sets found, and the ARNs of those that are missing. Without ids
    /// it is refused (Field).
    pub(crate) fn describe_task_sets<'a>(
        &'a self,
        request: &DescribeTaskSets,
    ) -> Result<(Vec<&'a TaskSet>, Vec<String>), ApiError> {
        let service = self.external_service(&request.cluster, &request.service)?;
        ApiError::refuse_if(request.task_sets.is_empty(), "TaskSets cannot be empty.")?;
        let prefix = format!("task-set/{}", service.key());
        let find = |name: &str| self.find_task_set(service, name);
        self.found(&request.task_sets, &prefix, find)
    }

    /// `ecs:UpdateTaskSet`: an absolute percentage. It is refused for a set that is DRAINING
    /// (unproven; the harsher choice).
    pub fn update_task_set(&mut self, request: &UpdateTaskSet) -> Result<String, ApiError> {
        let scale = check_scale(&request.scale)?;
        let id = self.existing_task_set(&request.cluster, &request.service, &request.task_set)?;
        let now_ms = self.now_ms;
        let Some(task_set) = self.task_sets.get_mut(&id) else {
            return Err(task_set_not_found());
        };
        ApiError::refuse_if(
            task_set.status == TaskSetStatus::Draining,
            "The task set cannot be updated while it is DRAINING.",
        )?;
        task_set.scale = scale;
        task_set.updated_at_ms = now_ms;
        let wanted = self.computed_desired_count(&id);
        self.record(EventKind::ScaleSet {
            task_set: id.clone(),
            scale,
            wanted,
        });
        self.reconcile_soon(&id);
        Ok(id)
    }

    /// `ecs:DeleteTaskSet`: it becomes DRAINING, and is gone when its last task has stopped.
    ///
    /// A PRIMARY needs `force` (Field). So does a set whose scale is above zero or that still has
    /// tasks: unproven, and the harsher choice. Deleting a DRAINING set again changes nothing.
    pub fn delete_task_set(&mut self, request: &DeleteTaskSet) -> Result<String, ApiError> {
        let id = self.existing_task_set(&request.cluster, &request.service, &request.task_set)?;
        let Some(task_set) = self.task_sets.get(&id) else {
            return Err(task_set_not_found());
        };
        if task_set.status == TaskSetStatus::Draining {
            return Ok(id);
        }
        if !request.force {
            ApiError::refuse_if(
                task_set.status == TaskSetStatus::Primary,
                "The primary task set cannot be deleted. Use force to delete it.",
            )?;
            ApiError::refuse_if(
                task_set.scale > 0.0,
                "The task set cannot be deleted while it is scaled above 0. Use force to delete it.",
            )?;
            let counts = self.tasks.counts(&id);
            ApiError::refuse_if(
                counts.running + counts.pending > 0,
                "The task set cannot be deleted while tasks of it run. Use force to delete it.",
            )?;
        }
        self.drain_task_set(&id, request.force);
        Ok(id)
    }

    pub(crate) fn drain_task_set(&mut self, id: &str, force: bool) {
        let now_ms = self.now_ms;
        let Some(task_set) = self.task_sets.get_mut(id) else {
            return;
        };
        task_set.status = TaskSetStatus::Draining;
        task_set.scale = 0.0;
        task_set.updated_at_ms = now_ms;
        self.record(EventKind::TaskSetDraining {
            task_set: id.to_owned(),
            force,
        });
        self.reconcile_soon(id);
    }

    pub(crate) fn task_set_gone(&mut self, id: &str) {
        if self.task_sets.remove(id).is_some() {
            self.record(EventKind::TaskSetDeleted {
                task_set: id.to_owned(),
            });
        }
    }

    /// desiredCount × scale, rounded up (Model); 0 for a set that is DRAINING.
    pub fn computed_desired_count(&self, id: &str) -> u32 {
        let Some(task_set) = self.task_sets.get(id) else {
            return 0;
        };
        let service = self.services.get(&task_set.service_key);
        let desired = service.map_or(0, |service| service.desired_count);
        computed_desired_count(desired, task_set.scale)
    }

    pub(crate) fn reconcile_soon(&mut self, id: &str) {
        self.schedule_in(self.timings.scheduling_ms, Due::Reconcile(id.to_owned()));
    }

    pub(crate) fn task_sets_of_key(&self, service_key: &str) -> Vec<&TaskSet> {
        let sets = self.task_sets.values();
        let mut sets: Vec<_> = sets.filter(|set| set.service_key == service_key).collect();
        sets.sort_by_key(|task_set| task_set.ordinal);
        sets
    }

    pub(crate) fn ids_of_task_sets(&self, service_key: &str) -> Vec<String> {
        let sets = self.task_sets_of_key(service_key);
        sets.into_iter().map(|set| set.id.clone()).collect()
    }

    /// A task set of the service by id (`ecs-svc/…`), the id's digits, or ARN.
    pub(crate) fn find_task_set(
        &self,
        service: &Service,
        name: &str,
    ) -> Result<Option<&TaskSet>, ApiError> {
        let digits = short_name(name).trim_start_matches("ecs-svc/");
        let shaped = !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit());
        ApiError::refuse_if(
            !shaped || (name.starts_with("arn:") && !name.contains(":task-set/")),
            "Task Set Identifier is invalid",
        )?;
        let found = self.task_sets.get(&format!("ecs-svc/{digits}"));
        let found = found.filter(|task_set| task_set.service_key == service.key());
        Ok(found.filter(|task_set| !name.starts_with("arn:") || task_set.arn == name))
    }

    pub(crate) fn existing_task_set(
        &self,
        cluster: &str,
        service: &str,
        name: &str,
    ) -> Result<String, ApiError> {
        let service = self.external_service(cluster, service)?;
        let found = self.find_task_set(service, name)?;
        let found = found.map(|task_set| task_set.id.clone());
        found.ok_or_else(task_set_not_found)
    }
}

fn task_set_not_found() -> ApiError {
    let message = "The specified task set does not exist.";
    ApiError::new("TaskSetNotFoundException", message)
}

/// 0 to 100 PERCENT (Model).
pub(crate) fn check_scale(scale: &Scale) -> Result<f64, ApiError> {
    let unit = scale.unit.as_deref().unwrap_or("PERCENT");
    ApiError::refuse_if(
        unit != "PERCENT",
        format!("Invalid scale unit: {unit}. Only PERCENT is supported."),
    )?;
    let value = scale.value.unwrap_or(0.0);
    ApiError::refuse_if(
        !(0.0..=100.0).contains(&value),
        "Scale value must be between 0 and 100.",
    )?;
    Ok(value)
}

/// desiredCount × scale / 100, rounded up. In binary floating point the plain percentage of k of n
/// tasks can come out as k + 1 (`AWS_FACTS.md`, arithmetic).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most desired_count, a u32, and never negative"
)]
pub fn computed_desired_count(desired_count: u32, scale: f64) -> u32 {
    (f64::from(desired_count) * scale / 100.0).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::computed_desired_count;

    #[test]
    fn the_desired_count_is_rounded_up() {
        for (desired, scale, wanted) in [
            (4, 100.0, 4),
            (4, 75.0, 3),
            (7, 10.0, 1),
            (3, 33.4, 2),
            (3, 33.3, 1),
            (1, 0.1, 1),
            (0, 100.0, 0),
            (9, 0.0, 0),
        ] {
            let computed = computed_desired_count(desired, scale);
            assert_eq!(computed, wanted, "{desired} at {scale} %");
        }
    }

    #[test]
    fn the_plain_percentage_of_k_of_n_tasks_can_ask_for_one_more() {
        let pairs = (1..200_u32).flat_map(|n| (1..=n).map(move |k| (k, n)));
        let plain = |k: u32, n: u32| f64::from(k) * 100.0 / f64::from(n);
        let half_less = |k: u32, n: u32| 100.0 * (f64::from(k) - 0.5) / f64::from(n);
        let more = |&(k, n): &(u32, u32)| computed_desired_count(n, plain(k, n)) == k + 1;
        assert_eq!(pairs.clone().filter(more).count(), 1_126);
        let mut pairs = pairs;
        assert!(pairs.all(|(k, n)| computed_desired_count(n, half_less(k, n)) == k));
    }
}
