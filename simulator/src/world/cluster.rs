//! ECS clusters.

use serde::{Deserialize, Serialize};

use super::name::short_name;
use super::tags::{self, Tag, Tags};
use super::task_set::CapacityProviderStrategyItem;
use super::{ApiError, ServiceStatus, TaskStatus, World};

/// A cluster. Its capacity is unlimited: what cannot be placed is not simulated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// `false` once it was deleted (status INACTIVE).
    pub active: bool,
    /// Its tags.
    pub tags: Tags,
    /// The names of the capacity providers that may be used in it.
    pub capacity_providers: Vec<String>,
    /// What is used where neither launch type nor strategy is given.
    pub default_capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
}

/// What `CreateCluster` takes here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct CreateCluster {
    pub cluster_name: Option<String>,
    pub tags: Vec<Tag>,
    pub capacity_providers: Vec<String>,
    pub default_capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
}

/// Running tasks, pending tasks and active services of a cluster.
pub(crate) struct ClusterCounts {
    pub(crate) running: usize,
    pub(crate) pending: usize,
    pub(crate) services: usize,
}

impl World {
    /// `ecs:CreateCluster`; creating one that exists answers the one that exists.
    pub fn create_cluster(&mut self, request: &CreateCluster) -> Result<String, ApiError> {
        let name = request
            .cluster_name
            .clone()
            .unwrap_or_else(|| "default".to_owned());
        let fits = (1..=255).contains(&name.len())
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
        if !fits {
            return Err(ApiError::invalid_parameter(
                "Cluster names have 1 to 255 letters, numbers, hyphens and underscores.",
            ));
        }
        let tags = tags::parse_ecs(&request.tags)?;
        if self
            .clusters
            .get(&name)
            .is_some_and(|cluster| cluster.active)
        {
            return Ok(name);
        }
        let cluster = Cluster {
            arn: self.ecs_arn(&format!("cluster/{name}")),
            name: name.clone(),
            active: true,
            tags,
            capacity_providers: request.capacity_providers.clone(),
            default_capacity_provider_strategy: request.default_capacity_provider_strategy.clone(),
        };
        self.clusters.insert(name.clone(), cluster);
        Ok(name)
    }

    /// The active cluster of that name or ARN; `default` when none is given.
    pub(crate) fn find_cluster(&self, name: Option<&str>) -> Result<&Cluster, ApiError> {
        let name = name.unwrap_or("default");
        if name.is_empty() {
            return Err(ApiError::invalid_parameter("Cluster cannot be empty."));
        }
        self.clusters
            .get(short_name(name))
            .filter(|cluster| cluster.active && (!name.starts_with("arn:") || cluster.arn == name))
            .ok_or_else(ApiError::cluster_not_found)
    }

    pub(crate) fn cluster_counts(&self, name: &str) -> ClusterCounts {
        let of_cluster = || self.tasks.values().filter(|task| task.cluster == name);
        ClusterCounts {
            running: of_cluster()
                .filter(|task| task.last_status.counts_as_running())
                .count(),
            pending: of_cluster()
                .filter(|task| TaskStatus::counts_as_pending(task.last_status))
                .count(),
            services: self
                .services
                .values()
                .filter(|service| {
                    service.cluster == name && service.status != ServiceStatus::Inactive
                })
                .count(),
        }
    }

    /// The name as an ARN, unless it is one.
    pub(crate) fn arn_or(&self, name_or_arn: &str, prefix: &str) -> String {
        if name_or_arn.starts_with("arn:") {
            name_or_arn.to_owned()
        } else {
            self.ecs_arn(&format!("{prefix}/{name_or_arn}"))
        }
    }
}
