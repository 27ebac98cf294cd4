//! `ListTasks`, `DescribeTasks`, `StopTask`.

use serde::Deserialize;

use super::name::{self, Page, short_name};
use super::task::StopReason;
use super::{ApiError, DesiredStatus, ServiceStatus, Task, World};

/// What `ListTasks` takes here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct ListTasks {
    pub cluster: Option<String>,
    pub service_name: Option<String>,
    pub family: Option<String>,
    pub started_by: Option<String>,
    pub desired_status: Option<String>,
    pub launch_type: Option<String>,
    pub next_token: Option<String>,
    pub max_results: Option<usize>,
}

/// What `DescribeTasks` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct DescribeTasks {
    pub cluster: Option<String>,
    pub tasks: Vec<String>,
    pub include: Vec<String>,
}

/// What `StopTask` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct StopTask {
    pub cluster: Option<String>,
    pub task: String,
    pub reason: Option<String>,
}

impl World {
    /// `ecs:ListTasks`: ARNs of the tasks whose desired status is `desiredStatus`, RUNNING by
    /// default. `startedBy` goes with `desiredStatus` and `launchType` only: "it must be the only
    /// filter that you use" (Model).
    pub fn list_tasks(&self, request: &ListTasks) -> Result<Page<String>, ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        let service = match &request.service_name {
            None => None,
            Some(name) => Some(
                self.find_service(&cluster, name)
                    .filter(|service| service.status != ServiceStatus::Inactive)
                    .ok_or_else(ApiError::service_not_found)?
                    .name
                    .clone(),
            ),
        };
        if request.started_by.is_some() && (service.is_some() || request.family.is_some()) {
            return Err(ApiError::invalid_parameter(
                "startedBy cannot be combined with serviceName or family.",
            ));
        }
        let desired = match request.desired_status.as_deref() {
            None | Some("RUNNING") => Some(DesiredStatus::Running),
            Some("STOPPED") => Some(DesiredStatus::Stopped),
            // ECS never sets it, so nothing is listed (Model).
            Some("PENDING") => None,
            Some(other) => {
                return Err(ApiError::invalid_parameter(format!(
                    "Unknown desired status: {other}."
                )));
            }
        };
        let fits = |task: &&Task| {
            let family = short_name(&task.task_definition)
                .split(':')
                .next()
                .unwrap_or_default();
            task.cluster == cluster
                && Some(task.desired_status) == desired
                && service.as_ref().is_none_or(|name| *name == task.service)
                && request.family.as_ref().is_none_or(|name| name == family)
                && request
                    .started_by
                    .as_ref()
                    .is_none_or(|id| *id == task.task_set)
                && request
                    .launch_type
                    .as_ref()
                    .is_none_or(|name| name == launch_type(task))
        };
        let mut tasks: Vec<_> = self.tasks.values().filter(fits).collect();
        tasks.sort_by_key(|task| task.ordinal);
        let arns = tasks.into_iter().map(|task| task.arn.clone()).collect();
        let size = request.max_results.unwrap_or(self.limits.tasks_page);
        name::page(
            arns,
            request.next_token.as_deref(),
            size.clamp(1, 100),
            || ApiError::invalid_parameter("Invalid token."),
        )
    }

    /// `ecs:DescribeTasks`: those found, and the ARNs of those that are missing; 100 at most.
    pub fn describe_tasks<'a>(
        &'a self,
        request: &DescribeTasks,
    ) -> Result<(Vec<&'a Task>, Vec<String>), ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        if request.tasks.is_empty() {
            return Err(ApiError::invalid_parameter("Tasks cannot be empty."));
        }
        if request.tasks.len() > 100 {
            return Err(ApiError::invalid_parameter(
                "Tasks cannot have more than 100 elements.",
            ));
        }
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for name in &request.tasks {
            match self.find_task(&cluster, name) {
                Some(task) => found.push(task),
                None => missing.push(self.arn_or(name, &format!("task/{cluster}"))),
            }
        }
        Ok((found, missing))
    }

    /// `ecs:StopTask`: protection from scale-in does not hold it back. The set's scheduler starts
    /// another one.
    pub fn stop_task(&mut self, request: &StopTask) -> Result<String, ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        let task = self
            .find_task(&cluster, &request.task)
            .ok_or_else(|| ApiError::invalid_parameter("The referenced task was not found."))?;
        let (arn, task_set) = (task.arn.clone(), task.task_set.clone());
        let text = request.reason.clone().unwrap_or_default();
        self.stop_task_for(
            &arn,
            &StopReason {
                code: "UserInitiated",
                text,
            },
        );
        self.reconcile_soon(&task_set);
        Ok(arn)
    }

    fn find_task(&self, cluster: &str, name: &str) -> Option<&Task> {
        let arn = self.ecs_arn(&format!("task/{cluster}/{}", short_name(name)));
        self.tasks.get(&arn)
    }

    pub(crate) fn task(&self, arn: &str) -> Option<&Task> {
        self.tasks.get(arn)
    }
}

/// The launch type of a task: everything that is not on an instance runs on Fargate here.
pub(crate) fn launch_type(task: &Task) -> &'static str {
    if task.instance.is_some() {
        "EC2"
    } else {
        "FARGATE"
    }
}
