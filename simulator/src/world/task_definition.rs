//! ECS task definitions: families and their revisions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::name::{self, Page};
use super::tags::{self, Tag, Tags};
use super::{ApiError, Behaviour, World};

/// Container fields of the API model that have no effect here and are answered as they were given.
const CARRIED: &str = "repositoryCredentials cpu memory memoryReservation links restartPolicy entryPoint command \
    environment environmentFiles mountPoints volumesFrom linuxParameters secrets dependsOn \
    startTimeout versionConsistency hostname user workingDirectory disableNetworking privileged \
    readonlyRootFilesystem dnsServers dnsSearchDomains extraHosts dockerSecurityOptions \
    interactive pseudoTerminal dockerLabels ulimits logConfiguration systemControls \
    resourceRequirements firelensConfiguration credentialSpecs";

/// The same of a task definition.
const CARRIED_BY_A_TASK: &str = "pidMode ipcMode proxyConfiguration placementConstraints ephemeralStorage \
    inferenceAccelerators enableFaultInjection";

/// One revision of a family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// Its ARN, which ends in `family:revision`.
    pub arn: String,
    pub family: String,
    pub revision: u32,
    /// `false` once it was deregistered (status INACTIVE): nothing new can use it.
    pub active: bool,
    pub(crate) registered: RegisterTaskDefinition,
    pub registered_at_ms: u64,
    pub deregistered_at_ms: Option<u64>,
    pub tags: Tags,
    pub behaviour: Behaviour,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RegisterTaskDefinition {
    pub(crate) family: String,
    pub(crate) container_definitions: Vec<ContainerDefinition>,
    pub(crate) network_mode: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) requires_compatibilities: Vec<String>,
    pub(crate) cpu: Option<String>,
    pub(crate) memory: Option<String>,
    pub(crate) task_role_arn: Option<String>,
    pub(crate) execution_role_arn: Option<String>,
    pub(crate) runtime_platform: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) volumes: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Tag>,
    /// Fields of the API model that have no effect here.
    #[serde(flatten)]
    pub(crate) carried: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerDefinition {
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) image: Option<String>,
    pub(crate) essential: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) port_mappings: Vec<PortMapping>,
    /// Seconds from SIGTERM to SIGKILL: 30 by default, at most 120 on Fargate (Docs).
    pub(crate) stop_timeout: Option<u64>,
    pub(crate) health_check: Option<Value>,
    /// Fields of the API model that have no effect here.
    #[serde(flatten)]
    pub(crate) carried: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PortMapping {
    pub(crate) container_port: u16,
    pub(crate) host_port: Option<u16>,
    pub(crate) protocol: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) app_protocol: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DescribeTaskDefinition {
    pub(crate) task_definition: String,
    #[serde(default)]
    pub(crate) include: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeregisterTaskDefinition {
    pub(crate) task_definition: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeleteTaskDefinitions {
    pub(crate) task_definitions: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ListTaskDefinitions {
    pub(crate) family_prefix: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) sort: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<usize>,
}

impl TaskDefinition {
    pub(crate) fn containers(&self) -> &[ContainerDefinition] {
        &self.registered.container_definitions
    }

    /// Whether its tasks have a network interface of their own (`ip` targets).
    pub(crate) fn is_awsvpc(&self) -> bool {
        self.registered.network_mode.as_deref() == Some("awsvpc")
    }

    /// The longest stop timeout of its containers, in seconds.
    pub fn stop_timeout_seconds(&self, fargate: bool) -> u64 {
        let containers = self.containers().iter();
        let timeouts = containers.map(|container| container.stop_timeout.unwrap_or(30));
        let longest = timeouts.max().unwrap_or(30);
        if fargate { longest.min(120) } else { longest }
    }
}

impl World {
    /// `ecs:RegisterTaskDefinition`: the next revision of the family.
    pub(crate) fn register_task_definition(
        &mut self,
        request: &RegisterTaskDefinition,
    ) -> Result<&TaskDefinition, ApiError> {
        let revisions = self.task_definitions.get(&request.family);
        let last = revisions.and_then(|revisions| revisions.keys().max());
        self.register_revision(request, last.map_or(1, |last| last + 1))
    }

    /// Registers exactly this revision, for a world that has to match names given from outside.
    pub(crate) fn register_revision(
        &mut self,
        request: &RegisterTaskDefinition,
        revision: u32,
    ) -> Result<&TaskDefinition, ApiError> {
        check(request)?;
        let family = request.family.clone();
        let mut registered = request.clone();
        let tags = tags::parse_ecs(&std::mem::take(&mut registered.tags))?;
        let definition = TaskDefinition {
            arn: self.ecs_arn(&format!("task-definition/{family}:{revision}")),
            family: family.clone(),
            revision,
            active: true,
            registered,
            registered_at_ms: self.now_ms,
            deregistered_at_ms: None,
            tags,
            behaviour: Behaviour::of_containers(&request.container_definitions)?,
        };
        let revisions = self.task_definitions.entry(family).or_default();
        let entry = revisions.entry(revision).insert_entry(definition);
        Ok(entry.into_mut())
    }

    /// `ecs:DeregisterTaskDefinition`: it becomes INACTIVE; what runs goes on running.
    pub(crate) fn deregister_task_definition(
        &mut self,
        request: &DeregisterTaskDefinition,
    ) -> Result<String, ApiError> {
        let name = &request.task_definition;
        if !name::short_name(name).contains(':') {
            let message = "Revision is missing.";
            return Err(ApiError::client(message));
        }
        let arn = self.find_task_definition(name)?.arn.clone();
        let now_ms = self.now_ms;
        if let Some(definition) = self.task_definition_mut(&arn) {
            definition.active = false;
            definition.deregistered_at_ms.get_or_insert(now_ms);
        }
        Ok(arn)
    }

    /// `ecs:DeleteTaskDefinitions`: those that were deleted, and the ARNs of those that are missing. One that is
    /// still ACTIVE is refused, and so are all. They are gone at once.
    pub(crate) fn delete_task_definitions(
        &mut self,
        request: &DeleteTaskDefinitions,
    ) -> Result<(Vec<TaskDefinition>, Vec<String>), ApiError> {
        let asked = &request.task_definitions;
        ApiError::refuse_if(
            !(1..=10).contains(&asked.len()),
            "Task definitions must have from 1 to 10 elements.",
        )?;
        let find = |name: &str| Ok(self.find_task_definition(name).ok().cloned());
        let (found, missing) = self.found(asked, "task-definition", find)?;
        ApiError::refuse_if(
            found.iter().any(|definition| definition.active),
            "The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
        )?;
        for definition in &found {
            if let Some(revisions) = self.task_definitions.get_mut(&definition.family) {
                revisions.remove(&definition.revision);
            }
        }
        Ok((found, missing))
    }

    /// `ecs:ListTaskDefinitions`: ARNs, oldest revision first unless `sort` is `DESC`.
    pub(crate) fn list_task_definitions(
        &self,
        request: &ListTaskDefinitions,
    ) -> Result<Page<String>, ApiError> {
        let status = request.status.as_deref().unwrap_or("ACTIVE");
        ApiError::refuse_if(
            !["ACTIVE", "INACTIVE"].contains(&status),
            format!("Unknown status: {status}."),
        )?;
        let active = status == "ACTIVE";
        let prefix = request.family_prefix.as_ref();
        let families = self.task_definitions.iter();
        let families = families.filter(|(family, _)| prefix.is_none_or(|wanted| wanted == *family));
        let revisions = families.flat_map(|(_, revisions)| revisions.values());
        let listed = revisions.filter(|definition| definition.active == active);
        let mut arns: Vec<_> = listed.map(|definition| definition.arn.clone()).collect();
        if request.sort.as_deref() == Some("DESC") {
            arns.reverse();
        }
        let size = request.max_results.unwrap_or(100).clamp(1, 100);
        let token = request.next_token.as_deref();
        name::page(arns, token, size, ApiError::invalid_token)
    }

    /// ARN, `family:revision`, or `family` for the latest active revision (Model).
    pub(crate) fn find_task_definition(&self, name: &str) -> Result<&TaskDefinition, ApiError> {
        let not_found = || ApiError::client("Unable to describe task definition.");
        if name.is_empty() {
            return Err(ApiError::client("Task definition can not be blank."));
        }
        let (family, revision) = match name::short_name(name).split_once(':') {
            Some((family, revision)) => {
                let revision = revision.parse::<u32>().map_err(|_| {
                    ApiError::client(format!("Invalid revision number. Number: {revision}"))
                })?;
                (family, Some(revision))
            }
            None => (name::short_name(name), None),
        };
        let revisions = self.task_definitions.get(family).ok_or_else(not_found)?;
        let found = match revision {
            Some(revision) => revisions.get(&revision),
            None => revisions.values().rfind(|definition| definition.active),
        };
        let found = found.filter(|definition| !name.starts_with("arn:") || definition.arn == name);
        found.ok_or_else(not_found)
    }

    /// The roles that a task definition names, which a new task set passes on.
    pub fn roles_of(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.find_task_definition(name).ok();
        let registered = found.map(|definition| &definition.registered);
        let roles = registered
            .into_iter()
            .flat_map(|registered| [&registered.task_role_arn, &registered.execution_role_arn]);
        roles.flatten().map(String::as_str)
    }

    /// One that something new may use.
    pub(crate) fn active_task_definition(&self, name: &str) -> Result<&TaskDefinition, ApiError> {
        match self.find_task_definition(name) {
            Ok(definition) if definition.active => Ok(definition),
            Ok(_) => Err(ApiError::client("TaskDefinition is inactive")),
            Err(_) => Err(ApiError::client("TaskDefinition not found.")),
        }
    }

    pub(crate) fn task_definition_mut(&mut self, arn: &str) -> Option<&mut TaskDefinition> {
        let families = self.task_definitions.values_mut();
        let mut all = families.flat_map(BTreeMap::values_mut);
        all.find(|definition| definition.arn == arn)
    }
}

fn check(request: &RegisterTaskDefinition) -> Result<(), ApiError> {
    if !name::is_ecs_name(&request.family) {
        return Err(ApiError::client(
            "Family contains invalid characters: up to 255 letters, numbers, hyphens and underscores.",
        ));
    }
    if request.container_definitions.is_empty() {
        return Err(ApiError::client("Container list cannot be empty."));
    }
    if let Some(unknown) = unknown(&request.carried, CARRIED_BY_A_TASK) {
        let message = format!("Unknown task definition parameter: {unknown}.");
        return Err(ApiError::client(message));
    }
    let mut compatibilities = request.requires_compatibilities.iter();
    let fargate = compatibilities.any(|compatibility| compatibility == "FARGATE");
    for container in &request.container_definitions {
        check_container(container)?;
        let has = |name: &str| container.carried.contains_key(name);
        if !fargate && request.memory.is_none() && !has("memory") && !has("memoryReservation") {
            // AWS's sentence, as the other two of a container (Field: moto's tests).
            let message = format!(
                "Invalid setting for container '{}'. At least one of 'memory' or 'memoryReservation' must be specified.",
                container.name
            );
            return Err(ApiError::client(message));
        }
    }
    if fargate && request.network_mode.as_deref() != Some("awsvpc") {
        let message = "Fargate only supports network mode ‘awsvpc’.";
        return Err(ApiError::client(message));
    }
    if fargate
        && request
            .carried
            .get("pidMode")
            .is_some_and(|mode| mode == "host")
    {
        let message = "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'.";
        return Err(ApiError::client(message));
    }
    if fargate && (request.cpu.is_none() || request.memory.is_none()) {
        let message = "Fargate requires that 'cpu' and 'memory' be defined at the task level.";
        return Err(ApiError::client(message));
    }
    Ok(())
}

fn check_container(container: &ContainerDefinition) -> Result<(), ApiError> {
    let image = container.image.as_deref().unwrap_or_default();
    for (what, value) in [("name", container.name.as_str()), ("image", image)] {
        if value.is_empty() {
            let message = format!("Container.{what} should not be null or empty.");
            return Err(ApiError::client(message));
        }
    }
    if let Some(unknown) = unknown(&container.carried, CARRIED) {
        let message = format!("Unknown container definition parameter: {unknown}.");
        return Err(ApiError::client(message));
    }
    Ok(())
}

/// The first field that is none of these.
fn unknown<'a>(carried: &'a BTreeMap<String, Value>, known: &str) -> Option<&'a String> {
    let mut names = carried.keys();
    names.find(|name| !known.split(' ').any(|known| known == *name))
}
