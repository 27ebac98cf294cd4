//! ECS clusters.

use serde::{Deserialize, Serialize};

use super::name::{is_ecs_name, short_name};
use super::tags::{self, Tag, Tags};
use super::task_set::CapacityProviderStrategyItem;
use super::{ApiError, ServiceStatus, TaskStatus, World};

/// A cluster. Its capacity is unlimited: what cannot be placed is not simulated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    pub arn: String,
    pub name: String,
    /// `false` once it was deleted (status INACTIVE).
    pub active: bool,
    pub tags: Tags,
    /// The names of the capacity providers that may be used in it.
    pub(crate) capacity_providers: Vec<String>,
    /// What is used where neither launch type nor strategy is given.
    pub(crate) default_capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CreateCluster {
    pub(crate) cluster_name: Option<String>,
    pub tags: Vec<Tag>,
    pub(crate) capacity_providers: Vec<String>,
    pub(crate) default_capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
}

/// Running tasks, pending tasks and active services of a cluster.
pub(crate) struct ClusterCounts {
    pub(crate) running: usize,
    pub(crate) pending: usize,
    pub(crate) services: usize,
}

impl World {
    /// `ecs:CreateCluster`; creating one that exists answers the one that exists.
    pub(crate) fn create_cluster(&mut self, request: &CreateCluster) -> Result<String, ApiError> {
        let name = request.cluster_name.clone();
        let name = name.unwrap_or_else(|| "default".to_owned());
        ApiError::refuse_if(
            !is_ecs_name(&name),
            "Cluster names have 1 to 255 letters, numbers, hyphens and underscores.",
        )?;
        let tags = tags::parse_ecs(&request.tags)?;
        let known = self.clusters.get(&name);
        if known.is_some_and(|cluster| cluster.active) {
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
        ApiError::refuse_if(name.is_empty(), "Cluster cannot be empty.")?;
        let is_it = |cluster: &&Cluster| !name.starts_with("arn:") || cluster.arn == name;
        let found = self.clusters.get(short_name(name)).filter(is_it);
        let active = found.filter(|cluster| cluster.active);
        active.ok_or_else(ApiError::cluster_not_found)
    }

    pub(crate) fn cluster_counts(&self, name: &str) -> ClusterCounts {
        let tasks = |counts: fn(TaskStatus) -> bool| {
            let tasks = self.tasks.values().filter(|task| task.cluster == name);
            tasks.filter(|task| counts(task.last_status)).count()
        };
        let services = self.services.values().filter(|one| one.cluster == name);
        let services = services.filter(|one| one.status != ServiceStatus::Inactive);
        ClusterCounts {
            running: tasks(TaskStatus::counts_as_running),
            pending: tasks(TaskStatus::counts_as_pending),
            services: services.count(),
        }
    }

    /// Those that are found, and the ARNs of those that are missing.
    pub(crate) fn found<'a, T>(
        &self,
        names: &'a [String],
        prefix: &str,
        find: impl Fn(&'a str) -> Result<Option<T>, ApiError>,
    ) -> Result<(Vec<T>, Vec<String>), ApiError> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            match find(name)? {
                Some(one) => found.push(one),
                None => missing.push(self.arn_or(name, prefix)),
            }
        }
        Ok((found, missing))
    }

    /// The name as an ARN, unless it is one.
    fn arn_or(&self, name_or_arn: &str, prefix: &str) -> String {
        if name_or_arn.starts_with("arn:") {
            name_or_arn.to_owned()
        } else {
            self.ecs_arn(&format!("{prefix}/{name_or_arn}"))
        }
    }
}
