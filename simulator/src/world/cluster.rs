//! ECS clusters.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::name::{self, Page, is_ecs_name, short_name};
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
    /// Answered as they were given.
    #[serde(default)]
    pub(crate) settings: Vec<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CreateCluster {
    pub(crate) cluster_name: Option<String>,
    pub tags: Vec<Tag>,
    pub(crate) capacity_providers: Vec<String>,
    pub(crate) default_capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    pub(crate) settings: Vec<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DescribeClusters {
    pub(crate) clusters: Vec<String>,
    pub(crate) include: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ListClusters {
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeleteCluster {
    pub(crate) cluster: String,
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
            settings: if request.settings.is_empty() {
                vec![json!({ "name": "containerInsights", "value": "disabled" })]
            } else {
                request.settings.clone()
            },
        };
        self.clusters.insert(name.clone(), cluster);
        Ok(name)
    }

    /// `ecs:DescribeClusters`: the names of those found (of `default` when none is given), and the ARNs of those
    /// that are missing. One that was deleted is found for a while (Model).
    pub(crate) fn describe_clusters(
        &self,
        request: &DescribeClusters,
    ) -> Result<(Vec<String>, Vec<String>), ApiError> {
        let default = ["default".to_owned()];
        let asked = match &request.clusters[..] {
            [] => &default,
            asked => asked,
        };
        ApiError::refuse_if(
            asked.len() > 100,
            "Clusters cannot have more than 100 elements.",
        )?;
        let known = |name: &str| self.clusters.get(short_name(name));
        let find = |name| Ok(known(name).map(|cluster| cluster.name.clone()));
        self.found(asked, "cluster", find)
    }

    /// `ecs:ListClusters`: the ARNs of those that are active.
    pub(crate) fn list_clusters(&self, request: &ListClusters) -> Result<Page<String>, ApiError> {
        let active = self.clusters.values().filter(|cluster| cluster.active);
        let arns = active.map(|cluster| cluster.arn.clone()).collect();
        let size = request.max_results.unwrap_or(100).clamp(1, 100);
        let token = request.next_token.as_deref();
        name::page(arns, token, size, ApiError::invalid_token)
    }

    /// `ecs:DeleteCluster`: one without services and tasks becomes INACTIVE.
    pub(crate) fn delete_cluster(&mut self, request: &DeleteCluster) -> Result<String, ApiError> {
        let name = self.find_cluster(Some(&request.cluster))?.name.clone();
        let counts = self.cluster_counts(&name);
        if counts.services > 0 {
            let message = "The Cluster cannot be deleted while Services are active.";
            return Err(ApiError::new("ClusterContainsServicesException", message));
        }
        let ends = |task: &super::Task| task.last_status == TaskStatus::Stopped;
        let mut tasks = self.tasks.values().filter(|task| task.cluster == name);
        if tasks.any(|task| !ends(task)) {
            let message = "The Cluster cannot be deleted while Tasks are active.";
            return Err(ApiError::new("ClusterContainsTasksException", message));
        }
        if let Some(cluster) = self.clusters.get_mut(&name) {
            cluster.active = false;
        }
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
