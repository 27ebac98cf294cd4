//! `UpdateService` and `UpdateServicePrimaryTaskSet`.

use serde::Deserialize;
use serde_json::Value;

use super::service::{FromPrimary, check_desired_count};
use super::{
    ApiError, DeploymentController, EventKind, NetworkConfiguration, TaskSetLoadBalancer,
    TaskSetStatus, World,
};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpdateService {
    pub cluster: Option<String>,
    pub service: String,
    pub desired_count: Option<u32>,
    pub health_check_grace_period_seconds: Option<u64>,
    pub placement_constraints: Option<Vec<Value>>,
    pub placement_strategy: Option<Vec<Value>>,
    pub propagate_tags: Option<String>,
    #[serde(rename = "enableECSManagedTags")]
    pub enable_ecs_managed_tags: Option<bool>,
    pub task_definition: Option<String>,
    pub force_new_deployment: Option<bool>,
    pub network_configuration: Option<NetworkConfiguration>,
    pub load_balancers: Option<Vec<TaskSetLoadBalancer>>,
    pub platform_version: Option<String>,
    pub capacity_provider_strategy: Option<Vec<Value>>,
    pub deployment_configuration: Option<Value>,
    pub service_registries: Option<Vec<Value>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateServicePrimaryTaskSet {
    pub cluster: String,
    pub service: String,
    pub primary_task_set: String,
}

impl World {
    /// `ecs:UpdateService`: under `EXTERNAL` the desired count, placement, the grace period and
    /// tag propagation only (Model, Docs). Every task set follows the desired count by its
    /// percentage.
    pub fn update_service(&mut self, request: &UpdateService) -> Result<String, ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        let service = self.find_service(&cluster, &request.service);
        let service = service.ok_or_else(ApiError::service_not_found)?;
        service.check_active()?;
        check_allowed(request, service.deployment_controller)?;
        check_desired_count(request.desired_count)?;
        let key = service.key();
        let Some(service) = self.services.get_mut(&key) else {
            return Err(ApiError::service_not_found());
        };
        if let Some(desired_count) = request.desired_count {
            service.desired_count = desired_count;
        }
        if let Some(seconds) = request.health_check_grace_period_seconds {
            service.health_check_grace_period_seconds = seconds;
        }
        if let Some(constraints) = &request.placement_constraints {
            let carried = &mut service.carried;
            carried.placement_constraints.clone_from(constraints);
        }
        if let Some(strategy) = &request.placement_strategy {
            service.carried.placement_strategy.clone_from(strategy);
        }
        if let Some(managed) = request.enable_ecs_managed_tags {
            service.carried.enable_ecs_managed_tags = managed;
        }
        if request.propagate_tags.is_some() {
            service.propagate_tags.clone_from(&request.propagate_tags);
        }
        let event = EventKind::ServiceUpdated {
            service: service.name.clone(),
            desired_count: service.desired_count,
        };
        self.record(event);
        for id in self.ids_of_task_sets(&key) {
            self.reconcile_soon(&id);
        }
        Ok(key)
    }

    /// `ecs:UpdateServicePrimaryTaskSet`: the set becomes PRIMARY, the one that was becomes
    /// ACTIVE, and the service takes over the set's parameters (Model, Docs). A DRAINING set is
    /// refused (unproven; the harsher choice).
    pub fn update_service_primary_task_set(
        &mut self,
        request: &UpdateServicePrimaryTaskSet,
    ) -> Result<String, ApiError> {
        let (cluster, service) = (&request.cluster, &request.service);
        let id = self.existing_task_set(cluster, service, &request.primary_task_set)?;
        let Some(task_set) = self.task_sets.get(&id).cloned() else {
            return Err(ApiError::service_not_found());
        };
        match task_set.status {
            TaskSetStatus::Draining => {
                let message = "The task set cannot become the primary while it is DRAINING.";
                return Err(ApiError::invalid_parameter(message));
            }
            TaskSetStatus::Primary => return Ok(id),
            TaskSetStatus::Active => {}
        }
        let now_ms = self.now_ms;
        for other in self.task_sets.values_mut() {
            if other.service_key != task_set.service_key {
                continue;
            }
            if other.id == id {
                other.status = TaskSetStatus::Primary;
                other.updated_at_ms = now_ms;
            } else if other.status == TaskSetStatus::Primary {
                other.status = TaskSetStatus::Active;
                other.updated_at_ms = now_ms;
            }
        }
        if let Some(service) = self.services.get_mut(&task_set.service_key) {
            service.from_primary = Some(FromPrimary {
                task_definition: task_set.task_definition,
                launch_type: task_set.launch_type,
                capacity_provider_strategy: task_set.capacity_provider_strategy,
                platform_version: task_set.platform_version,
                network_configuration: task_set.network_configuration,
                load_balancers: task_set.load_balancers,
                service_registries: task_set.service_registries,
            });
        }
        self.record(EventKind::PrimaryChanged {
            task_set: id.clone(),
        });
        Ok(id)
    }
}

fn check_allowed(
    request: &UpdateService,
    controller: DeploymentController,
) -> Result<(), ApiError> {
    let set_level = [
        (request.task_definition.is_some(), "task definition"),
        (
            request.network_configuration.is_some(),
            "network configuration",
        ),
        (request.load_balancers.is_some(), "load balancers"),
        (request.platform_version.is_some(), "platform version"),
        (
            request.capacity_provider_strategy.is_some(),
            "capacity provider strategy",
        ),
        (
            request.deployment_configuration.is_some(),
            "deployment configuration",
        ),
        (request.service_registries.is_some(), "service registries"),
        (
            request.force_new_deployment == Some(true),
            "force new deployment",
        ),
    ];
    let Some((_, field)) = set_level.into_iter().find(|(given, _)| *given) else {
        return Ok(());
    };
    ApiError::refuse_if(
        controller == DeploymentController::External,
        format!(
            "Unable to update {field} on services with an EXTERNAL deployment controller. Use CreateTaskSet to create a new task set."
        ),
    )?;
    Err(ApiError::new(
        "UnsupportedFeatureException",
        format!("This simulated ECS has no deployments of its own: {field} cannot be updated."),
    ))
}
