//! ECS services: creating, describing and deleting them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::name::short_name;
use super::tags::{self, Tag, Tags};
use super::task_set::{CapacityProviderStrategyItem, NetworkConfiguration, ServiceRegistry};
use super::{ApiError, EventKind, TaskSetLoadBalancer, World};

/// A service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The name of its cluster.
    pub cluster: String,
    /// ACTIVE, DRAINING or INACTIVE.
    pub status: ServiceStatus,
    /// Tasks wanted at 100 percent.
    pub desired_count: u32,
    /// Who deploys.
    pub deployment_controller: DeploymentController,
    /// In milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// Seconds for which ECS ignores failing health checks of a task that has just started.
    pub health_check_grace_period_seconds: u64,
    /// What `UpdateServicePrimaryTaskSet` copied to the service; nothing before that (Docs).
    pub from_primary: Option<FromPrimary>,
    /// Its tags.
    pub tags: Tags,
    pub(crate) carried: Carried,
    pub(crate) propagate_tags: Option<String>,
}

/// What a primary task set hands to its service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct FromPrimary {
    pub task_definition: String,
    pub launch_type: Option<String>,
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    pub platform_version: Option<String>,
    pub network_configuration: Option<NetworkConfiguration>,
    pub load_balancers: Vec<TaskSetLoadBalancer>,
    pub service_registries: Vec<ServiceRegistry>,
}

/// Fields that have no effect here and are answered as they were given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Carried {
    pub(crate) deployment_configuration: Option<Value>,
    pub(crate) placement_constraints: Vec<Value>,
    pub(crate) placement_strategy: Vec<Value>,
    pub(crate) enable_ecs_managed_tags: bool,
    pub(crate) enable_execute_command: bool,
}

/// The status of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ServiceStatus {
    /// It exists.
    Active,
    /// It was deleted, and its tasks are being stopped.
    Draining,
    /// It was deleted.
    Inactive,
}

impl ServiceStatus {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// Who deploys a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentController {
    /// ECS itself. Such a service can be created and described; its deployments and tasks are not
    /// simulated.
    #[serde(rename = "ECS")]
    Ecs,
    /// AWS `CodeDeploy`. As above.
    #[serde(rename = "CODE_DEPLOY")]
    CodeDeploy,
    /// Somebody else, by task sets.
    #[serde(rename = "EXTERNAL")]
    External,
}

impl DeploymentController {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ecs => "ECS",
            Self::CodeDeploy => "CODE_DEPLOY",
            Self::External => "EXTERNAL",
        }
    }
}

/// What `CreateService` takes here. What is not listed is refused.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct CreateService {
    pub service_name: String,
    pub cluster: Option<String>,
    pub desired_count: Option<u32>,
    pub deployment_controller: Option<ControllerType>,
    pub task_definition: Option<String>,
    pub launch_type: Option<String>,
    pub network_configuration: Option<NetworkConfiguration>,
    pub load_balancers: Vec<TaskSetLoadBalancer>,
    pub scheduling_strategy: Option<String>,
    pub health_check_grace_period_seconds: Option<u64>,
    pub deployment_configuration: Option<Value>,
    pub placement_constraints: Vec<Value>,
    pub placement_strategy: Vec<Value>,
    pub client_token: Option<String>,
    pub propagate_tags: Option<String>,
    #[serde(rename = "enableECSManagedTags")]
    pub enable_ecs_managed_tags: bool,
    pub enable_execute_command: bool,
    pub tags: Vec<Tag>,
}

/// The deployment controller as the API writes it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct ControllerType {
    pub r#type: DeploymentController,
}

/// What `DescribeServices` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct DescribeServices {
    pub cluster: Option<String>,
    pub services: Vec<String>,
    pub include: Vec<String>,
}

/// What `DeleteService` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct DeleteService {
    pub cluster: Option<String>,
    pub service: String,
    pub force: bool,
}

/// Where a service is kept.
pub(crate) fn key(cluster: &str, service: &str) -> String {
    format!("{}/{}", short_name(cluster), short_name(service))
}

impl Service {
    pub(crate) fn key(&self) -> String {
        key(&self.cluster, &self.name)
    }
}

impl World {
    /// `ecs:CreateService`.
    pub fn create_service(&mut self, request: &CreateService) -> Result<String, ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        let controller = request
            .deployment_controller
            .map_or(DeploymentController::Ecs, |controller| controller.r#type);
        check_controller(request, controller)?;
        let key = key(&cluster, &request.service_name);
        match self.services.get(&key).map(|service| service.status) {
            Some(ServiceStatus::Active) => {
                return Err(ApiError::invalid_parameter(
                    "Creation of service was not idempotent.",
                ));
            }
            Some(ServiceStatus::Draining) => {
                return Err(ApiError::invalid_parameter(
                    "Unable to Start a service that is still Draining.",
                ));
            }
            Some(ServiceStatus::Inactive) | None => {}
        }
        if let Some(task_definition) = &request.task_definition {
            let definition = self
                .find_task_definition(task_definition)
                .map_err(|_| ApiError::client("TaskDefinition not found."))?;
            if !definition.active {
                return Err(ApiError::client("TaskDefinition is inactive"));
            }
        }
        let service = Service {
            arn: self.ecs_arn(&format!("service/{key}")),
            name: request.service_name.clone(),
            cluster,
            status: ServiceStatus::Active,
            desired_count: request.desired_count.unwrap_or(0),
            deployment_controller: controller,
            created_at_ms: self.now_ms,
            health_check_grace_period_seconds: request
                .health_check_grace_period_seconds
                .unwrap_or(0),
            from_primary: request.task_definition.as_ref().map(|name| FromPrimary {
                task_definition: self
                    .find_task_definition(name)
                    .map_or_else(|_| name.clone(), |definition| definition.arn.clone()),
                launch_type: request.launch_type.clone(),
                capacity_provider_strategy: Vec::new(),
                platform_version: None,
                network_configuration: request.network_configuration.clone(),
                load_balancers: request.load_balancers.clone(),
                service_registries: Vec::new(),
            }),
            tags: tags::parse_ecs(&request.tags)?,
            propagate_tags: request.propagate_tags.clone(),
            carried: Carried {
                deployment_configuration: request.deployment_configuration.clone(),
                placement_constraints: request.placement_constraints.clone(),
                placement_strategy: request.placement_strategy.clone(),
                enable_ecs_managed_tags: request.enable_ecs_managed_tags,
                enable_execute_command: request.enable_execute_command,
            },
        };
        self.record(EventKind::ServiceCreated {
            service: service.name.clone(),
        });
        self.services.insert(key.clone(), service);
        Ok(key)
    }

    /// `ecs:DescribeServices`: those found, and the ARNs of those that are missing; 10 at most.
    pub fn describe_services<'a>(
        &'a self,
        request: &DescribeServices,
    ) -> Result<(Vec<&'a Service>, Vec<String>), ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        if request.services.is_empty() {
            return Err(ApiError::invalid_parameter("Services cannot be empty."));
        }
        if request.services.len() > 10 {
            return Err(ApiError::invalid_parameter(
                "Services cannot have more than 10 elements.",
            ));
        }
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for name in &request.services {
            match self.find_service(&cluster, name) {
                Some(service) => found.push(service),
                None => missing.push(self.arn_or(name, &format!("service/{cluster}"))),
            }
        }
        Ok((found, missing))
    }

    /// `ecs:DeleteService`: it drains, and is INACTIVE when its last task set is gone. With task
    /// sets or a desired count above zero it needs `force`.
    pub fn delete_service(&mut self, request: &DeleteService) -> Result<String, ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        let service = self
            .find_service(&cluster, &request.service)
            .filter(|service| service.status != ServiceStatus::Inactive)
            .ok_or_else(ApiError::service_not_found)?;
        let key = service.key();
        let sets: Vec<_> = self
            .task_sets_of_key(&key)
            .iter()
            .map(|task_set| task_set.id.clone())
            .collect();
        if !request.force && (service.desired_count > 0 || !sets.is_empty()) {
            return Err(ApiError::invalid_parameter(
                "The service cannot be stopped while it is scaled above 0.",
            ));
        }
        for id in sets {
            self.drain_task_set(&id, true);
        }
        if let Some(service) = self.services.get_mut(&key) {
            service.status = ServiceStatus::Draining;
            service.desired_count = 0;
            let service = service.name.clone();
            self.record(EventKind::ServiceDeleted { service });
        }
        Ok(key)
    }

    pub(crate) fn find_service(&self, cluster: &str, name: &str) -> Option<&Service> {
        self.services
            .get(&key(cluster, name))
            .filter(|service| !name.starts_with("arn:") || service.arn == name)
    }

    /// The active service with the `EXTERNAL` deployment controller that a task set call is about.
    pub(crate) fn external_service(
        &self,
        cluster: &str,
        service: &str,
    ) -> Result<&Service, ApiError> {
        let cluster = self.find_cluster(Some(cluster))?;
        let service = self
            .find_service(&cluster.name, service)
            .ok_or_else(ApiError::service_not_found)?;
        if service.status != ServiceStatus::Active {
            return Err(ApiError::new(
                "ServiceNotActiveException",
                "Service was not ACTIVE.",
            ));
        }
        if service.deployment_controller != DeploymentController::External {
            return Err(ApiError::invalid_parameter(
                "Amazon ECS only supports task set management on services configured to use external deployment controllers.",
            ));
        }
        Ok(service)
    }
}

fn check_controller(
    request: &CreateService,
    controller: DeploymentController,
) -> Result<(), ApiError> {
    let fits = (1..=255).contains(&request.service_name.len())
        && request
            .service_name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    if !fits {
        return Err(ApiError::invalid_parameter(
            "Service names have 1 to 255 letters, numbers, hyphens and underscores.",
        ));
    }
    if controller != DeploymentController::External {
        if request.task_definition.is_none() {
            return Err(ApiError::invalid_parameter(
                "TaskDefinition cannot be empty.",
            ));
        }
        return Ok(());
    }
    // The task set carries these under EXTERNAL.
    let misplaced = [
        ("taskDefinition", request.task_definition.is_some()),
        ("launchType", request.launch_type.is_some()),
        (
            "networkConfiguration",
            request.network_configuration.is_some(),
        ),
        ("loadBalancers", !request.load_balancers.is_empty()),
    ];
    if let Some((field, _)) = misplaced.iter().find(|(_, given)| *given) {
        return Err(ApiError::invalid_parameter(format!(
            "{field} cannot be specified for services using an EXTERNAL deployment controller."
        )));
    }
    if request
        .scheduling_strategy
        .as_deref()
        .is_some_and(|strategy| strategy != "REPLICA")
    {
        return Err(ApiError::invalid_parameter(
            "The DAEMON scheduling strategy is not supported with an EXTERNAL deployment controller.",
        ));
    }
    Ok(())
}

impl CreateService {
    /// A request with nothing but a name.
    pub fn named(service_name: &str) -> Self {
        Self {
            service_name: service_name.to_owned(),
            ..Self::default()
        }
    }
}
