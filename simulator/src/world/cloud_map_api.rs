//! Cloud Map's operations on instances.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::cloud_map::{
    Instance, InstanceHealth, OperationType, RecordType, Registry, RegistryOperation,
};
use super::name::{self, Page};
use super::{ApiError, Task, World};

/// Items on a page, at most and where nothing is said (Model).
const PAGE: usize = 100;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct ListInstances {
    service_id: String,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GetInstancesHealthStatus {
    service_id: String,
    instances: Option<Vec<String>>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UpdateInstanceCustomHealthStatus {
    pub service_id: String,
    pub instance_id: String,
    pub status: InstanceHealth,
}

/// `GetInstance` and `DeregisterInstance`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OfInstance {
    pub service_id: String,
    pub instance_id: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct RegisterInstance {
    service_id: String,
    instance_id: String,
    creator_request_id: Option<String>,
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GetOperation {
    operation_id: String,
    owner_account: Option<String>,
}

/// A page of a list. A token that is none of ours is refused.
pub(super) fn page<T>(
    items: Vec<T>,
    token: Option<&str>,
    size: Option<usize>,
) -> Result<Page<T>, ApiError> {
    let size = size.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&size) {
        let message = format!("MaxResults is from 1 to {PAGE}, not {size}.");
        return Err(invalid_input(message));
    }
    name::page(items, token, size, || {
        invalid_input("The NextToken is not valid.")
    })
}

pub(super) fn invalid_input(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", message)
}

fn instance_not_found(id: &str) -> ApiError {
    let message = format!("Instance with id {id} not found.");
    ApiError::new("InstanceNotFound", message)
}

impl World {
    /// By id or ARN; an id or an ARN of another account, region or form is one that is not there.
    pub(crate) fn existing_registry(&self, id: &str) -> Result<&Registry, ApiError> {
        self.registry(id).ok_or_else(|| {
            let message = format!("Service not found: {id}");
            ApiError::new("ServiceNotFound", message)
        })
    }

    /// `servicediscovery:GetInstance`.
    pub(crate) fn get_instance(&self, request: &OfInstance) -> Result<&Instance, ApiError> {
        let registry = self.existing_registry(&request.service_id)?;
        let instance = registry.instances.get(&request.instance_id);
        instance.ok_or_else(|| instance_not_found(&request.instance_id))
    }

    /// `servicediscovery:ListInstances`: the present state.
    pub(crate) fn list_instances(
        &self,
        request: &ListInstances,
    ) -> Result<Page<&Instance>, ApiError> {
        let registry = self.existing_registry(&request.service_id)?;
        let instances = registry.instances.values().collect();
        let token = request.next_token.as_deref();
        page(instances, token, request.max_results)
    }

    /// `servicediscovery:GetInstancesHealthStatus`: the present state, by instance. Without a health check it is
    /// UNKNOWN (unproven).
    pub(crate) fn get_instances_health_status(
        &self,
        request: &GetInstancesHealthStatus,
    ) -> Result<Page<(&str, &'static str)>, ApiError> {
        let registry = self.existing_registry(&request.service_id)?;
        let instances: Vec<&Instance> = match &request.instances {
            None => registry.instances.values().collect(),
            Some(ids) if ids.is_empty() => {
                return Err(invalid_input("Instances has at least 1 item."));
            }
            Some(ids) => {
                let found = ids.iter().map(|id| {
                    let instance = registry.instances.get(id);
                    instance.ok_or_else(|| instance_not_found(id))
                });
                found.collect::<Result<_, _>>()?
            }
        };
        let health = |instance: &Instance| {
            if registry.custom_health {
                instance.health.as_str()
            } else {
                "UNKNOWN"
            }
        };
        let health = instances
            .into_iter()
            .map(|one| (one.id.as_str(), health(one)));
        let token = request.next_token.as_deref();
        page(health.collect(), token, request.max_results)
    }

    /// `servicediscovery:UpdateInstanceCustomHealthStatus`.
    pub fn update_instance_custom_health_status(
        &mut self,
        request: &UpdateInstanceCustomHealthStatus,
    ) -> Result<(), ApiError> {
        let registry = self.existing_registry(&request.service_id)?;
        let id = &request.instance_id;
        let instance = registry.instances.get(id);
        let instance = instance.ok_or_else(|| instance_not_found(id))?;
        if !registry.custom_health {
            let message = format!("Service {} has no custom health check.", registry.id);
            return Err(ApiError::new("CustomHealthNotFound", message));
        }
        let of_ecs = instance.reported.and(instance.task.clone());
        let registry = registry.id.clone();
        if self.set_instance_health(&registry, id, request.status) {
            self.ecs_may_restore(of_ecs.as_deref(), Some(request.status));
        }
        Ok(())
    }

    /// `servicediscovery:RegisterInstance`; the operation's id. One with the id of another takes its place.
    pub(crate) fn register_instance(
        &mut self,
        request: &RegisterInstance,
    ) -> Result<String, ApiError> {
        let registry = self.existing_registry(&request.service_id)?;
        let id = &request.instance_id;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "_/:.@-".contains(letter);
        if !(1..=64).contains(&id.len()) || !id.chars().all(fits) {
            let message = "An InstanceId has 1 to 64 letters, digits or _/:.@-";
            return Err(invalid_input(message));
        }
        let has = |r#type: RecordType| registry.has(r#type);
        let needed = [
            (
                "AWS_INSTANCE_IPV4",
                has(RecordType::A) || has(RecordType::Srv),
            ),
            ("AWS_INSTANCE_IPV6", has(RecordType::Aaaa)),
            ("AWS_INSTANCE_CNAME", has(RecordType::Cname)),
            ("AWS_INSTANCE_PORT", has(RecordType::Srv)),
        ];
        let mut needed = needed.into_iter().filter(|(_, needed)| *needed);
        let missing = needed.find(|(name, _)| !request.attributes.contains_key(*name));
        if let Some((name, _)) = missing {
            return Err(invalid_input(format!("The attribute {name} is missing.")));
        }
        let registry = registry.id.clone();
        self.check_not_busy(&registry, id)?;
        let task = self.task_with_address(&request.attributes);
        let mut instance = Instance::new(id, request.attributes.clone(), task);
        instance
            .creator_request_id
            .clone_from(&request.creator_request_id);
        let delay_ms = self.put_instance(&registry, instance);
        Ok(self.begin_operation(
            OperationType::RegisterInstance,
            &[("INSTANCE", id), ("SERVICE", &registry)],
            delay_ms,
        ))
    }

    /// The task at the address of these attributes; by its port too where tasks share one.
    fn task_with_address(&self, attributes: &BTreeMap<String, String>) -> Option<String> {
        let ip = attributes.get("AWS_INSTANCE_IPV4")?;
        let port = attributes.get("AWS_INSTANCE_PORT");
        let has_port = |task: &Task| {
            let mut ports = task.ports.iter();
            task.instance.is_none() || ports.any(|(_, host)| Some(&host.to_string()) == port)
        };
        let mut tasks = self.tasks.values();
        let task = tasks.find(|task| task.ip == *ip && has_port(task));
        task.map(|task| task.arn.clone())
    }

    /// `servicediscovery:DeregisterInstance`; the operation's id. It is no longer listed at once.
    pub fn deregister_instance(&mut self, request: &OfInstance) -> Result<String, ApiError> {
        let registry = self.existing_registry(&request.service_id)?.id.clone();
        let id = &request.instance_id;
        self.check_not_busy(&registry, id)?;
        let removed = self.remove_instance(&registry, id);
        let (instance, delay_ms) = removed.ok_or_else(|| instance_not_found(id))?;
        let of_ecs = instance.reported.and(instance.task);
        self.ecs_may_restore(of_ecs.as_deref(), None);
        Ok(self.begin_operation(
            OperationType::DeregisterInstance,
            &[("INSTANCE", id), ("SERVICE", &registry)],
            delay_ms,
        ))
    }

    /// One operation an instance at a time (Model).
    fn check_not_busy(&self, registry: &str, instance: &str) -> Result<(), ApiError> {
        let is = |operation: &RegistryOperation, name: &str, id: &str| {
            operation.targets.get(name).is_some_and(|known| known == id)
        };
        let mut operations = self.cloud_map.operations.values();
        let busy = operations.find(|one| {
            one.done_at_ms > self.now_ms
                && is(one, "INSTANCE", instance)
                && is(one, "SERVICE", registry)
        });
        let Some(operation) = busy else {
            return Ok(());
        };
        let message = format!("Another operation is in progress: {}", operation.id);
        Err(ApiError::new("DuplicateRequest", message))
    }

    pub(super) fn begin_operation(
        &mut self,
        r#type: OperationType,
        targets: &[(&str, &str)],
        takes_ms: u64,
    ) -> String {
        let id = format!("{}{}", self.lower16(), self.lower16());
        let targets = targets.iter();
        let targets = targets.map(|(name, id)| ((*name).to_owned(), (*id).to_owned()));
        let operation = RegistryOperation {
            id: id.clone(),
            r#type,
            targets: targets.collect(),
            created_at_ms: self.now_ms,
            done_at_ms: self.now_ms + takes_ms,
        };
        self.cloud_map.operations.insert(id.clone(), operation);
        id
    }

    /// `servicediscovery:GetOperation`.
    pub(crate) fn get_operation(
        &self,
        request: &GetOperation,
    ) -> Result<&RegistryOperation, ApiError> {
        let id = &request.operation_id;
        let owner = request.owner_account.as_ref();
        let operation = self.cloud_map.operations.get(id);
        let own = operation.filter(|_| owner.is_none_or(|owner| *owner == self.account));
        own.ok_or_else(|| {
            let message = format!("Operation not found: {id}");
            ApiError::new("OperationNotFound", message)
        })
    }
}
