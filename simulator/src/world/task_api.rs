//! `ListTasks`, `DescribeTasks`, `StopTask`.

use serde::Deserialize;

use super::agenda::Due;
use super::name::{self, Page, short_name};
use super::task::StopReason;
use super::{ApiError, DesiredStatus, ServiceStatus, Task, World};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ListTasks {
    pub(crate) cluster: Option<String>,
    pub(crate) service_name: Option<String>,
    pub(crate) family: Option<String>,
    pub(crate) started_by: Option<String>,
    pub(crate) desired_status: Option<String>,
    pub(crate) launch_type: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DescribeTasks {
    pub(crate) cluster: Option<String>,
    pub(crate) tasks: Vec<String>,
    pub(crate) include: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StopTask {
    pub cluster: Option<String>,
    pub task: String,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UpdateTaskProtection {
    pub(crate) cluster: String,
    pub(crate) tasks: Vec<String>,
    pub(crate) protection_enabled: bool,
    pub(crate) expires_in_minutes: Option<u64>,
}

/// For how long a task is protected where nothing is said, and the longest that can be (Docs).
const PROTECTION_MINUTES: u64 = 120;
const MOST_PROTECTION_MINUTES: u64 = 2_880;

impl World {
    /// `ecs:UpdateTaskProtection`: the ARNs of the tasks that were found, and of those that are missing or are
    /// to stop. From its end on, the set's scheduler takes away what is too much.
    pub(crate) fn update_task_protection(
        &mut self,
        request: &UpdateTaskProtection,
    ) -> Result<(Vec<String>, Vec<String>), ApiError> {
        let cluster = self.find_cluster(Some(&request.cluster))?.name.clone();
        ApiError::refuse_if(
            !(1..=10).contains(&request.tasks.len()),
            "Tasks must have from 1 to 10 elements.",
        )?;
        let minutes = request.expires_in_minutes.unwrap_or(PROTECTION_MINUTES);
        ApiError::refuse_if(
            !(1..=MOST_PROTECTION_MINUTES).contains(&minutes),
            "expiresInMinutes must be from 1 to 2880.",
        )?;
        let runs = |task: &&Task| task.desired_status == DesiredStatus::Running;
        let find = |name: &str| {
            let task = self.find_task(&cluster, name).filter(runs);
            Ok(task.map(|task| (task.arn.clone(), task.task_set.clone())))
        };
        let (found, missing) = self.found(&request.tasks, &format!("task/{cluster}"), find)?;
        let delay_ms = if request.protection_enabled {
            minutes * 60_000
        } else {
            0
        };
        let until_ms = self.now_ms + delay_ms;
        for (arn, task_set) in &found {
            self.tasks
                .change(arn, |task| task.protected_until_ms = until_ms);
            self.schedule_in(delay_ms, Due::Reconcile(task_set.clone()));
        }
        Ok((found.into_iter().map(|(arn, _)| arn).collect(), missing))
    }

    /// `ecs:ListTasks`: ARNs of the tasks whose desired status is `desiredStatus`, RUNNING by
    /// default. `startedBy` goes with `desiredStatus` and `launchType` only: "it must be the only
    /// filter that you use" (Model).
    pub(crate) fn list_tasks(&self, request: &ListTasks) -> Result<Page<String>, ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        let service = match &request.service_name {
            None => None,
            Some(name) => {
                let service = self.find_service(&cluster, name);
                let service = service.filter(|known| known.status != ServiceStatus::Inactive);
                Some(&service.ok_or_else(ApiError::service_not_found)?.name)
            }
        };
        ApiError::refuse_if(
            request.started_by.is_some() && (service.is_some() || request.family.is_some()),
            "startedBy cannot be combined with serviceName or family.",
        )?;
        let desired = match request.desired_status.as_deref() {
            None | Some("RUNNING") => Some(DesiredStatus::Running),
            Some("STOPPED") => Some(DesiredStatus::Stopped),
            // ECS never sets it, so nothing is listed (Model).
            Some("PENDING") => None,
            Some(other) => {
                let message = format!("Unknown desired status: {other}.");
                return Err(ApiError::invalid_parameter(message));
            }
        };
        let fits = |task: &&Task| {
            let family = short_name(&task.task_definition).split(':').next();
            let asked = |asked: Option<&String>, is: &str| asked.is_none_or(|name| name == is);
            task.cluster == cluster
                && Some(task.desired_status) == desired
                && asked(service, &task.service)
                && asked(request.family.as_ref(), family.unwrap_or_default())
                && asked(request.started_by.as_ref(), &task.task_set)
                && asked(request.launch_type.as_ref(), launch_type(task))
        };
        let mut tasks: Vec<_> = self.tasks.values().filter(fits).collect();
        tasks.sort_by_key(|task| task.ordinal);
        let arns = tasks.into_iter().map(|task| task.arn.clone()).collect();
        let size = request.max_results.unwrap_or(self.limits.tasks_page);
        let token = request.next_token.as_deref();
        name::page(arns, token, size.clamp(1, 100), ApiError::invalid_token)
    }

    /// `ecs:DescribeTasks`: those found, and the ARNs of those that are missing; 100 at most.
    pub(crate) fn describe_tasks<'a>(
        &'a self,
        request: &DescribeTasks,
    ) -> Result<(Vec<&'a Task>, Vec<String>), ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        ApiError::refuse_if(request.tasks.is_empty(), "Tasks cannot be empty.")?;
        ApiError::refuse_if(
            request.tasks.len() > 100,
            "Tasks cannot have more than 100 elements.",
        )?;
        let find = |name: &str| Ok(self.find_task(&cluster, name));
        self.found(&request.tasks, &format!("task/{cluster}"), find)
    }

    /// `ecs:StopTask`: protection from scale-in does not hold it back. The set's scheduler starts
    /// another one.
    pub fn stop_task(&mut self, request: &StopTask) -> Result<String, ApiError> {
        let cluster = self.find_cluster(request.cluster.as_deref())?.name.clone();
        let Some(task) = self.find_task(&cluster, &request.task) else {
            let message = "The referenced task was not found.";
            return Err(ApiError::invalid_parameter(message));
        };
        let (arn, task_set) = (task.arn.clone(), task.task_set.clone());
        let reason = StopReason {
            code: "UserInitiated",
            text: request.reason.clone().unwrap_or_default(),
        };
        self.stop_task_for(&arn, &reason);
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
