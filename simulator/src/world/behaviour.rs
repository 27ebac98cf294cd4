//! How the containers of a task definition behave.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ApiError, ContainerDefinition, Level, World};

/// What the program inside the containers does. The default is a program that starts, answers its health
/// checks at once and for ever, and uses its whole stop timeout after SIGTERM.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Behaviour {
    /// It runs, and never passes a health check.
    pub never_healthy: bool,
    /// Seconds between RUNNING and the first health check it would pass.
    pub slow_start_seconds: u64,
    /// Seconds between RUNNING and its end with exit code 1.
    pub crashes_after_seconds: Option<u64>,
    /// Seconds between RUNNING and the first health check it no longer passes.
    pub unhealthy_after_seconds: Option<u64>,
    /// Seconds between SIGTERM and its own end, if that is shorter than its stop timeout.
    pub exits_after_seconds: Option<u64>,
    /// Its tasks are protected from scale-in, and from the deletion of their task set: they end by
    /// `StopTask` or a crash only. Whether `UpdateTaskSet` honours the protection is unproven; this
    /// is the harsher answer for a drain.
    pub never_stops: bool,
    /// Metrics that it reports of its task set, by name; of one without a level it reports no value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, Option<Level>>,
}

/// The environment variable that sets the behaviour of a container, as JSON, for clients on the port. On AWS
/// it has no effect.
const VARIABLE: &str = "SIMULATED_BEHAVIOUR";

impl Behaviour {
    /// What the first container says that says anything.
    pub(crate) fn of_containers(containers: &[ContainerDefinition]) -> Result<Self, ApiError> {
        let containers = containers.iter();
        let lists = containers.filter_map(|one| one.carried.get("environment")?.as_array());
        let said = lists
            .flatten()
            .find(|variable| variable["name"] == VARIABLE);
        let Some(json) = said.and_then(|variable| variable["value"].as_str()) else {
            return Ok(Self::default());
        };
        let read = serde_json::from_str(json);
        read.map_err(|error| ApiError::client(format!("{VARIABLE}: {error}.")))
    }
}

impl World {
    /// Gives a registered task definition (ARN, `family:revision` or `family`) a behaviour. It
    /// holds for tasks that are created from now on.
    pub(crate) fn set_behaviour(
        &mut self,
        task_definition: &str,
        behaviour: Behaviour,
    ) -> Result<(), ApiError> {
        let arn = self.find_task_definition(task_definition)?.arn.clone();
        if let Some(definition) = self.task_definition_mut(&arn) {
            definition.behaviour = behaviour;
        }
        Ok(())
    }

    pub(crate) fn behaviour_of(&self, task_definition_arn: &str) -> Behaviour {
        let definition = self.find_task_definition(task_definition_arn);
        let behaviour = definition.map(|definition| definition.behaviour.clone());
        behaviour.unwrap_or_default()
    }
}
