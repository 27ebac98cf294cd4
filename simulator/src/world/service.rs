//! ECS services: creating, describing and deleting them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::name::{self, Page, is_ecs_name, short_name};
use super::tags::{self, Tag, Tags};
use super::task_set::{CapacityProviderStrategyItem, NetworkConfiguration, ServiceRegistry};
use super::task_set_create::check_launch_type;
use super::{ApiError, EventKind, TaskSetLoadBalancer, World};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub arn: String,
    pub name: String,
    pub cluster: String,
    /// ACTIVE, DRAINING or INACTIVE.
    pub status: ServiceStatus,
    /// Tasks wanted at 100 percent.
    pub desired_count: u32,
    pub deployment_controller: DeploymentController,
    pub created_at_ms: u64,
    /// Seconds for which ECS ignores failing health checks of a task that has just started.
    pub health_check_grace_period_seconds: u64,
    /// What `UpdateServicePrimaryTaskSet` copied to the service; nothing before that (Docs).
    pub(crate) from_primary: Option<FromPrimary>,
    pub tags: Tags,
    /// What ECS says of it, newest first.
    #[serde(default)]
    pub(crate) events: VecDeque<ServiceEvent>,
    pub(crate) carried: Carried,
    pub(crate) propagate_tags: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceEvent {
    pub(crate) at_ms: u64,
    pub(crate) message: String,
}

/// Events of a service that `DescribeServices` answers, the newest (Model).
const MOST_EVENTS: usize = 100;

impl World {
    /// ECS says something of a task set, in the form that the service's events have (Docs; that the task set
    /// is named in it: Field).
    pub(crate) fn say_of(&mut self, task_set: &str, what: &str) {
        let at_ms = self.now_ms;
        let key = self.task_sets.get(task_set).map(|set| &set.service_key);
        let Some(service) = key.and_then(|key| self.services.get_mut(key)) else {
            return;
        };
        let message = format!("(service {}, taskSet {task_set}) {what}", service.name);
        service.events.push_front(ServiceEvent { at_ms, message });
        service.events.truncate(MOST_EVENTS);
    }
}

/// What a primary task set hands to its service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FromPrimary {
    pub(crate) task_definition: String,
    pub(crate) launch_type: Option<String>,
    pub(crate) capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    pub(crate) platform_version: Option<String>,
    pub(crate) network_configuration: Option<NetworkConfiguration>,
    pub(crate) load_balancers: Vec<TaskSetLoadBalancer>,
    pub(crate) service_registries: Vec<ServiceRegistry>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ServiceStatus {
    Active,
    Draining,
    Inactive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentController {
    /// ECS itself. Such a service can be created and described; its deployments and tasks are not
    /// simulated.
    #[serde(rename = "ECS")]
    Ecs,
    /// AWS `CodeDeploy`. As above.
    #[serde(rename = "CODE_DEPLOY")]
    CodeDeploy,
    /// Another program, by task sets.
    #[serde(rename = "EXTERNAL")]
    External,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CreateService {
    pub service_name: String,
    pub cluster: Option<String>,
    pub desired_count: Option<u32>,
    pub(crate) deployment_controller: Option<ControllerType>,
    pub task_definition: Option<String>,
    pub(crate) launch_type: Option<String>,
    pub(crate) network_configuration: Option<NetworkConfiguration>,
    pub load_balancers: Vec<TaskSetLoadBalancer>,
    pub(crate) scheduling_strategy: Option<String>,
    pub(crate) health_check_grace_period_seconds: Option<u64>,
    pub(crate) deployment_configuration: Option<Value>,
    pub(crate) placement_constraints: Vec<Value>,
    pub(crate) placement_strategy: Vec<Value>,
    pub client_token: Option<String>,
    pub(crate) propagate_tags: Option<String>,
    #[serde(rename = "enableECSManagedTags")]
    pub(crate) enable_ecs_managed_tags: bool,
    pub(crate) enable_execute_command: bool,
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControllerType {
    pub r#type: DeploymentController,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DescribeServices {
    pub(crate) cluster: Option<String>,
    pub(crate) services: Vec<String>,
    pub(crate) include: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ListServices {
    pub(crate) cluster: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeleteService {
    pub cluster: Option<String>,
    pub service: String,
    pub(crate) force: bool,
}

/// AWS's quota (Docs). Without a limit, one request could exhaust the memory.
pub(crate) const MOST_TASKS: u32 = 5_000;

pub(crate) fn check_desired_count(desired_count: Option<u32>) -> Result<(), ApiError> {
    ApiError::refuse_if(
        desired_count.is_some_and(|count| count > MOST_TASKS),
        format!("A service can have at most {MOST_TASKS} tasks."),
    )
}

pub(crate) fn key(cluster: &str, service: &str) -> String {
    format!("{}/{}", short_name(cluster), short_name(service))
}

impl Service {
    pub(crate) fn key(&self) -> String {
        key(&self.cluster, &self.name)
    }

    pub(crate) fn check_active(&self) -> Result<(), ApiError> {
        if self.status == ServiceStatus::Active {
            return Ok(());
        }
        let (code, message) = ("ServiceNotActiveException", "Service was not ACTIVE.");
        Err(ApiError::new(code, message))
    }
}

impl World {
    pub fn create_service(&mut self, request: &CreateService) -> Result<String, ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        let controller = request.deployment_controller.map(|given| given.r#type);
        let controller = controller.unwrap_or(DeploymentController::Ecs);
        check_controller(request, controller)?;
        check_launch_type(request.launch_type.as_deref())?;
        check_desired_count(request.desired_count)?;
        let key = key(&cluster, &request.service_name);
        let status = self.services.get(&key).map(|service| service.status);
        let is_there = status == Some(ServiceStatus::Active);
        ApiError::refuse_if(is_there, "Creation of service was not idempotent.")?;
        let drains = status == Some(ServiceStatus::Draining);
        ApiError::refuse_if(drains, "Unable to Start a service that is still Draining.")?;
        let definition = match &request.task_definition {
            Some(name) => Some(self.active_task_definition(name)?.arn.clone()),
            None => None,
        };
        let grace = request.health_check_grace_period_seconds;
        let service = Service {
            arn: self.ecs_arn(&format!("service/{key}")),
            name: request.service_name.clone(),
            cluster,
            status: ServiceStatus::Active,
            desired_count: request.desired_count.unwrap_or(0),
            deployment_controller: controller,
            created_at_ms: self.now_ms,
            health_check_grace_period_seconds: grace.unwrap_or(0),
            from_primary: definition.map(|task_definition| FromPrimary {
                task_definition,
                launch_type: request.launch_type.clone(),
                capacity_provider_strategy: Vec::new(),
                platform_version: None,
                network_configuration: request.network_configuration.clone(),
                load_balancers: request.load_balancers.clone(),
                service_registries: Vec::new(),
            }),
            tags: tags::parse_ecs(&request.tags)?,
            propagate_tags: request.propagate_tags.clone(),
            events: VecDeque::new(),
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
    pub(crate) fn describe_services<'a>(
        &'a self,
        request: &DescribeServices,
    ) -> Result<(Vec<&'a Service>, Vec<String>), ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        ApiError::refuse_if(request.services.is_empty(), "Services cannot be empty.")?;
        ApiError::refuse_if(
            request.services.len() > 10,
            "Services cannot have more than 10 elements.",
        )?;
        let find = |name: &str| Ok(self.find_service(&cluster, name));
        self.found(&request.services, &format!("service/{cluster}"), find)
    }

    /// `ecs:ListServices`: the ARNs of a cluster's active services, 10 on a page by default. One that drains is not
    /// visible any more (Model).
    pub(crate) fn list_services(&self, request: &ListServices) -> Result<Page<String>, ApiError> {
        let cluster = &self.find_cluster(request.cluster.as_deref())?.name;
        let listed = self.services.values().filter(|service| {
            &service.cluster == cluster && service.status == ServiceStatus::Active
        });
        let arns = listed.map(|service| service.arn.clone()).collect();
        let size = request.max_results.unwrap_or(10).clamp(1, 100);
        let token = request.next_token.as_deref();
        name::page(arns, token, size, ApiError::invalid_token)
    }

    /// `ecs:DeleteService`: it drains, and is INACTIVE when its last task set is gone. With task
    /// sets or a desired count above zero it needs `force`.
    pub fn delete_service(&mut self, request: &DeleteService) -> Result<String, ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        let service = self.find_service(&cluster, &request.service);
        let service = service.filter(|service| service.status != ServiceStatus::Inactive);
        let service = service.ok_or_else(ApiError::service_not_found)?;
        let key = service.key();
        let sets = self.ids_of_task_sets(&key);
        ApiError::refuse_if(
            !request.force && (service.desired_count > 0 || !sets.is_empty()),
            "The service cannot be stopped while it is scaled above 0.",
        )?;
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
        let service = self.services.get(&key(cluster, name));
        service.filter(|service| !name.starts_with("arn:") || service.arn == name)
    }

    /// The active service with the `EXTERNAL` deployment controller that a task set call is about.
    pub(crate) fn external_service(
        &self,
        cluster: &str,
        service: &str,
    ) -> Result<&Service, ApiError> {
        let cluster = self.find_cluster(Some(cluster))?;
        let service = self.find_service(&cluster.name, service);
        let service = service.ok_or_else(ApiError::service_not_found)?;
        service.check_active()?;
        ApiError::refuse_if(
            service.deployment_controller != DeploymentController::External,
            "Amazon ECS only supports task set management on services configured to use external deployment controllers.",
        )?;
        Ok(service)
    }
}

fn check_controller(
    request: &CreateService,
    controller: DeploymentController,
) -> Result<(), ApiError> {
    ApiError::refuse_if(
        !is_ecs_name(&request.service_name),
        "Service names have 1 to 255 letters, numbers, hyphens and underscores.",
    )?;
    if controller != DeploymentController::External {
        let is_missing = request.task_definition.is_none();
        return ApiError::refuse_if(is_missing, "TaskDefinition cannot be empty.");
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
    let strategy = request.scheduling_strategy.as_deref();
    ApiError::refuse_if(
        strategy.is_some_and(|strategy| strategy != "REPLICA"),
        "The DAEMON scheduling strategy is not supported with an EXTERNAL deployment controller.",
    )
}

impl CreateService {
    pub fn named(service_name: &str) -> Self {
        Self {
            service_name: service_name.to_owned(),
            ..Self::default()
        }
    }
}
