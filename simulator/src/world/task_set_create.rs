//! `CreateTaskSet` and everything that makes ECS refuse it.

use serde::{Deserialize, Serialize};

use super::tags::{self, Tag};
use super::task_set::check_scale;
use super::{
    ApiError, CapacityProviderStrategyItem, ContainerDefinition, EventKind, NetworkConfiguration,
    Scale, ServiceRegistry, TaskDefinition, TaskSet, TaskSetLoadBalancer, TaskSetStatus, World,
};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CreateTaskSet {
    pub cluster: String,
    pub service: String,
    pub task_definition: String,
    pub external_id: Option<String>,
    pub(crate) network_configuration: Option<NetworkConfiguration>,
    pub load_balancers: Vec<TaskSetLoadBalancer>,
    pub service_registries: Vec<ServiceRegistry>,
    pub(crate) launch_type: Option<String>,
    pub(crate) capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    pub(crate) platform_version: Option<String>,
    /// 100 percent when it is not given: what the public sample relies on.
    pub scale: Option<Scale>,
    pub client_token: Option<String>,
    pub tags: Vec<Tag>,
}

impl World {
    /// `ecs:CreateTaskSet`.
    ///
    /// The same client token with the same parameters answers the set that exists; with others it
    /// is refused. A token is forgotten with its set: a late duplicate that lands after the set is
    /// gone creates another one (unproven; the harsher choice).
    pub fn create_task_set(&mut self, request: &CreateTaskSet) -> Result<String, ApiError> {
        self.check_required_tags(request)?;
        let service = self.external_service(&request.cluster, &request.service)?;
        let service_key = service.key();
        let (cluster, service_name) = (service.cluster.clone(), service.name.clone());
        let created_with =
            serde_json::to_string(request).map_err(|error| ApiError::client(error.to_string()))?;

        if let Some(id) = self.created_before(request, &service_key, &created_with)? {
            return Ok(id);
        }
        let scale = request.scale.as_ref().map_or(Ok(100.0), check_scale)?;
        let tags = tags::parse_ecs(&request.tags)?;
        let definition = self.active_task_definition(&request.task_definition)?;
        let task_definition = definition.arn.clone();
        let launch_type = self.check_placement(request, definition)?;
        self.check_load_balancers(request, definition)?;
        self.check_registries(request, definition)?;

        let existing = self.task_sets_of_key(&service_key).len();
        ApiError::refuse_if(
            existing >= self.limits.task_sets,
            format!(
                "{existing} deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit."
            ),
        )?;

        let digits =
            self.random(|rng| rng.u64(1_000_000_000_000_000_000..9_999_999_999_999_999_999));
        let id = format!("ecs-svc/{digits}");
        let fargate = launch_type.as_deref() == Some("FARGATE");
        let task_set = TaskSet {
            arn: self.ecs_arn(&format!("task-set/{cluster}/{service_name}/{id}")),
            id: id.clone(),
            ordinal: self.next_ordinal(),
            service_key,
            external_id: request.external_id.clone(),
            client_token: request.client_token.clone(),
            created_with,
            status: TaskSetStatus::Active,
            task_definition: task_definition.clone(),
            launch_type,
            capacity_provider_strategy: request.capacity_provider_strategy.clone(),
            platform_version: match &request.platform_version {
                None if fargate => Some("LATEST".to_owned()),
                given => given.clone(),
            },
            network_configuration: request.network_configuration.clone(),
            load_balancers: request.load_balancers.clone(),
            service_registries: request.service_registries.clone(),
            scale,
            created_at_ms: self.now_ms,
            updated_at_ms: self.now_ms,
            steady: false,
            steady_at_ms: self.now_ms,
            tags,
            going: false,
        };
        self.task_sets.insert(id.clone(), task_set);
        let wanted = self.computed_desired_count(&id);
        self.record(EventKind::TaskSetCreated {
            task_set: id.clone(),
            task_definition,
            scale,
            wanted,
        });
        self.reconcile_soon(&id);
        Ok(id)
    }

    /// Policies of the account (`aws:RequestTag`, service control policies) are asked before anything else.
    fn check_required_tags(&self, request: &CreateTaskSet) -> Result<(), ApiError> {
        let has = |key: &String| request.tags.iter().any(|tag| tag.key == *key);
        match self.limits.required_tags.iter().find(|key| !has(key)) {
            None => Ok(()),
            Some(missing) => Err(ApiError::new(
                "AccessDeniedException",
                format!(
                    "User is not authorized to perform: ecs:CreateTaskSet on resource: * with an explicit deny in a service control policy (aws:RequestTag/{missing})"
                ),
            )),
        }
    }

    fn created_before(
        &self,
        request: &CreateTaskSet,
        service_key: &str,
        created_with: &str,
    ) -> Result<Option<String>, ApiError> {
        let Some(token) = &request.client_token else {
            return Ok(None);
        };
        let fits =
            (1..=36).contains(&token.len()) && token.bytes().all(|byte| (33..=126).contains(&byte));
        ApiError::refuse_if(
            !fits,
            "clientToken must have 1 to 36 ASCII characters in the range of 33 to 126.",
        )?;
        let mut sets = self.task_sets_of_key(service_key).into_iter();
        let Some(task_set) = sets.find(|set| set.client_token.as_ref() == Some(token)) else {
            return Ok(None);
        };
        ApiError::refuse_if(
            task_set.created_with != created_with,
            "The client token was used before, with other parameters.",
        )?;
        Ok(Some(task_set.id.clone()))
    }

    /// The launch type in the end, or none with a capacity provider strategy.
    fn check_placement(
        &self,
        request: &CreateTaskSet,
        definition: &TaskDefinition,
    ) -> Result<Option<String>, ApiError> {
        ApiError::refuse_if(
            request.launch_type.is_some() && !request.capacity_provider_strategy.is_empty(),
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        )?;
        let cluster = self.find_cluster(Some(&request.cluster))?;
        let bases = request.capacity_provider_strategy.iter();
        ApiError::refuse_if(
            bases.filter(|item| item.base > 0).count() > 1,
            "Only one capacity provider in a strategy can have a base defined.",
        )?;
        // FARGATE and FARGATE_SPOT too have to be associated with the cluster (Model).
        for item in &request.capacity_provider_strategy {
            ApiError::refuse_if(
                !cluster.capacity_providers.contains(&item.capacity_provider),
                "The specified capacity provider was not found. Specify a valid name or ARN and try again.",
            )?;
        }
        let by_provider = !request.capacity_provider_strategy.is_empty()
            || !cluster.default_capacity_provider_strategy.is_empty();
        let launch_type = match &request.launch_type {
            Some(given) => Some(given.clone()),
            None if by_provider => None,
            None => Some("EC2".to_owned()),
        };
        check_launch_type(launch_type.as_deref())?;
        let compatible = &definition.registered.requires_compatibilities;
        ApiError::refuse_if(
            launch_type.as_deref() == Some("FARGATE")
                && !compatible.iter().any(|name| name == "FARGATE"),
            "Task definition does not support launch_type FARGATE.",
        )?;
        ApiError::refuse_if(
            request.platform_version.is_some() && launch_type.as_deref() == Some("EC2"),
            "The platform version must be null when specifying an EC2 launch type.",
        )?;
        match (&request.network_configuration, definition.is_awsvpc()) {
            (None, true) => Err(ApiError::invalid_parameter(
                "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
            )),
            (Some(_), false) => Err(ApiError::invalid_parameter(
                "Network Configuration is not valid for the given networkMode of this task definition.",
            )),
            (Some(network), true) => {
                network.awsvpc_configuration.check()?;
                Ok(launch_type)
            }
            (None, false) => Ok(launch_type),
        }
    }

    fn check_load_balancers(
        &self,
        request: &CreateTaskSet,
        definition: &TaskDefinition,
    ) -> Result<(), ApiError> {
        ApiError::refuse_if(
            request.load_balancers.len() > 1,
            "load balancers can have at most 1 items.",
        )?;
        for wanted in &request.load_balancers {
            let (name, port) = (&wanted.container_name, wanted.container_port);
            let container = container(definition, name)?;
            let mut mappings = container.port_mappings.iter();
            ApiError::refuse_if(
                !mappings.any(|mapping| mapping.container_port == port),
                format!("The container {name} did not have a container port {port} defined."),
            )?;
            let arn = &wanted.target_group_arn;
            let group = self.target_groups.get(arn).ok_or_else(|| {
                ApiError::invalid_parameter(format!(
                    "The specified target group does not exist: {arn}."
                ))
            })?;
            if definition.is_awsvpc() != (group.target_type == "ip") {
                let mode = definition.registered.network_mode.as_deref();
                let mode = mode.unwrap_or("bridge");
                return Err(ApiError::invalid_parameter(format!(
                    "The provided target group {arn} has target type {}, which is incompatible with the {mode} network mode specified in the task definition.",
                    group.target_type
                )));
            }
            ApiError::refuse_if(
                self.load_balancers_of(arn).is_empty(),
                format!(
                    "The target group with targetGroupArn {arn} does not have an associated load balancer."
                ),
            )?;
        }
        Ok(())
    }
}

/// Those of the model.
pub(crate) fn check_launch_type(launch_type: Option<&str>) -> Result<(), ApiError> {
    match launch_type {
        None | Some("EC2" | "EXTERNAL" | "FARGATE" | "MANAGED_INSTANCES") => Ok(()),
        Some(other) => {
            let message = format!("Unknown launch type: {other}.");
            Err(ApiError::invalid_parameter(message))
        }
    }
}

pub(super) fn container<'a>(
    definition: &'a TaskDefinition,
    name: &str,
) -> Result<&'a ContainerDefinition, ApiError> {
    let mut containers = definition.containers().iter();
    let found = containers.find(|container| container.name == name);
    found.ok_or_else(|| {
        let message = format!("The container {name} does not exist in the task definition.");
        ApiError::invalid_parameter(message)
    })
}
