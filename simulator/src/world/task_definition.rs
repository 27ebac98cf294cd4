//! ECS task definitions: families and their revisions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::name::{self, Page};
use super::tags::{self, Tag, Tags};
use super::{ApiError, Behaviour, World};

/// Container fields of the API model that have no effect here and are answered as they were given.
const CARRIED: &[&str] = &[
    "repositoryCredentials",
    "cpu",
    "memory",
    "memoryReservation",
    "links",
    "restartPolicy",
    "entryPoint",
    "command",
    "environment",
    "environmentFiles",
    "mountPoints",
    "volumesFrom",
    "linuxParameters",
    "secrets",
    "dependsOn",
    "startTimeout",
    "versionConsistency",
    "hostname",
    "user",
    "workingDirectory",
    "disableNetworking",
    "privileged",
    "readonlyRootFilesystem",
    "dnsServers",
    "dnsSearchDomains",
    "extraHosts",
    "dockerSecurityOptions",
    "interactive",
    "pseudoTerminal",
    "dockerLabels",
    "ulimits",
    "logConfiguration",
    "systemControls",
    "resourceRequirements",
    "firelensConfiguration",
    "credentialSpecs",
];

/// One revision of a family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// Its ARN, which ends in `family:revision`.
    pub arn: String,
    /// The family's name.
    pub family: String,
    /// The revision, from 1.
    pub revision: u32,
    /// `false` once it was deregistered (status INACTIVE): nothing new can use it.
    pub active: bool,
    /// What was registered.
    pub registered: RegisterTaskDefinition,
    /// When it was registered, in milliseconds since the Unix epoch.
    pub registered_at_ms: u64,
    /// When it was deregistered, in milliseconds since the Unix epoch.
    pub deregistered_at_ms: Option<u64>,
    /// Its tags.
    pub tags: Tags,
    /// How its containers behave.
    pub behaviour: Behaviour,
}

/// What `RegisterTaskDefinition` takes here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct RegisterTaskDefinition {
    pub family: String,
    pub container_definitions: Vec<ContainerDefinition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires_compatibilities: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_platform: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// A container of a task definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct ContainerDefinition {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub essential: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub port_mappings: Vec<PortMapping>,
    /// Seconds from SIGTERM to SIGKILL: 30 by default, at most 120 on Fargate (Docs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<Value>,
    /// Fields of the API model that have no effect here.
    #[serde(flatten)]
    pub carried: BTreeMap<String, Value>,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct PortMapping {
    pub container_port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
}

/// What `DescribeTaskDefinition` takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct DescribeTaskDefinition {
    pub task_definition: String,
    #[serde(default)]
    pub include: Vec<String>,
}

/// What `DeregisterTaskDefinition` takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct DeregisterTaskDefinition {
    pub task_definition: String,
}

/// What `ListTaskDefinitions` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct ListTaskDefinitions {
    pub family_prefix: Option<String>,
    pub status: Option<String>,
    pub sort: Option<String>,
    pub next_token: Option<String>,
    pub max_results: Option<usize>,
}

impl TaskDefinition {
    /// Whether its tasks have a network interface of their own (`ip` targets).
    pub fn is_awsvpc(&self) -> bool {
        self.registered.network_mode.as_deref() == Some("awsvpc")
    }

    /// The longest stop timeout of its containers, in seconds.
    pub fn stop_timeout_seconds(&self, fargate: bool) -> u64 {
        let longest = self
            .registered
            .container_definitions
            .iter()
            .map(|container| container.stop_timeout.unwrap_or(30))
            .max()
            .unwrap_or(30);
        if fargate { longest.min(120) } else { longest }
    }
}

impl World {
    /// `ecs:RegisterTaskDefinition`: the next revision of the family.
    pub fn register_task_definition(
        &mut self,
        request: &RegisterTaskDefinition,
    ) -> Result<&TaskDefinition, ApiError> {
        let revision = self
            .task_definitions
            .get(&request.family)
            .and_then(|revisions| revisions.keys().max())
            .map_or(1, |last| last + 1);
        self.register_revision(request, revision)
    }

    /// Registers exactly this revision, for a world that has to match names given from outside.
    pub fn register_revision(
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
        Ok(self
            .task_definitions
            .entry(family)
            .or_default()
            .entry(revision)
            .insert_entry(definition)
            .into_mut())
    }

    /// `ecs:DeregisterTaskDefinition`: it becomes INACTIVE; what runs goes on running.
    pub fn deregister_task_definition(
        &mut self,
        request: &DeregisterTaskDefinition,
    ) -> Result<String, ApiError> {
        let name = &request.task_definition;
        if !name::short_name(name).contains(':') {
            return Err(ApiError::client(
                "To deregister a task definition, its revision must be given.",
            ));
        }
        let arn = self.find_task_definition(name)?.arn.clone();
        let now_ms = self.now_ms;
        if let Some(definition) = self.task_definition_mut(&arn) {
            definition.active = false;
            definition.deregistered_at_ms.get_or_insert(now_ms);
        }
        Ok(arn)
    }

    /// `ecs:ListTaskDefinitions`: ARNs, oldest revision first unless `sort` is `DESC`.
    pub fn list_task_definitions(
        &self,
        request: &ListTaskDefinitions,
    ) -> Result<Page<String>, ApiError> {
        let active = match request.status.as_deref() {
            None | Some("ACTIVE") => true,
            Some("INACTIVE") => false,
            Some(other) => {
                return Err(ApiError::invalid_parameter(format!(
                    "Unknown status: {other}."
                )));
            }
        };
        let mut arns: Vec<_> = self
            .task_definitions
            .iter()
            .filter(|(family, _)| {
                request
                    .family_prefix
                    .as_ref()
                    .is_none_or(|wanted| wanted == *family)
            })
            .flat_map(|(_, revisions)| revisions.values())
            .filter(|definition| definition.active == active)
            .map(|definition| definition.arn.clone())
            .collect();
        if request.sort.as_deref() == Some("DESC") {
            arns.reverse();
        }
        let size = request.max_results.unwrap_or(100).clamp(1, 100);
        name::page(arns, request.next_token.as_deref(), size, || {
            ApiError::invalid_parameter("Invalid token.")
        })
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
        found
            .filter(|definition| !name.starts_with("arn:") || definition.arn == name)
            .ok_or_else(not_found)
    }

    pub(crate) fn task_definition_mut(&mut self, arn: &str) -> Option<&mut TaskDefinition> {
        self.task_definitions
            .values_mut()
            .flat_map(BTreeMap::values_mut)
            .find(|definition| definition.arn == arn)
    }
}

fn check(request: &RegisterTaskDefinition) -> Result<(), ApiError> {
    let name_fits = (1..=255).contains(&request.family.len())
        && request
            .family
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    if !name_fits {
        return Err(ApiError::client(
            "Family contains invalid characters: up to 255 letters, numbers, hyphens and underscores.",
        ));
    }
    if request.container_definitions.is_empty() {
        return Err(ApiError::client("Container list cannot be empty."));
    }
    for container in &request.container_definitions {
        if let Some(unknown) = container
            .carried
            .keys()
            .find(|key| !CARRIED.contains(&key.as_str()))
        {
            return Err(ApiError::client(format!(
                "Unknown container definition parameter: {unknown}."
            )));
        }
    }
    let fargate = request
        .requires_compatibilities
        .iter()
        .any(|compatibility| compatibility == "FARGATE");
    if fargate && request.network_mode.as_deref() != Some("awsvpc") {
        return Err(ApiError::client(
            "Fargate only supports network mode ‘awsvpc’.",
        ));
    }
    if fargate && (request.cpu.is_none() || request.memory.is_none()) {
        return Err(ApiError::client(
            "Fargate requires that 'cpu' and 'memory' be defined at the task level.",
        ));
    }
    Ok(())
}
