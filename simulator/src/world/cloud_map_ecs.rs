//! What ECS does with the registry of a task set: a task is an instance from RUNNING until SIGTERM.

use std::collections::BTreeMap;

use super::agenda::Due;
use super::cloud_map::{Instance, InstanceHealth};
use super::name::short_name;
use super::task::StopReason;
use super::{
    ApiError, CreateTaskSet, DesiredStatus, RecordType, Registry, ServiceRegistry, Task,
    TaskDefinition, TaskStatus, World,
};

/// The id of a task: of its instance too.
pub(crate) fn id_of(task: &str) -> &str {
    short_name(task)
}

impl World {
    /// The registry of a task's set, as the set names it.
    fn registry_of(&self, task: &Task) -> Option<(&Registry, &ServiceRegistry)> {
        let named = self.task_sets.get(&task.task_set)?;
        let named = named.service_registries.first()?;
        Some((self.registry(&named.registry_arn)?, named))
    }

    /// Registers a task that runs. With a container health check it is UNHEALTHY until its containers are healthy
    /// (Docs).
    pub(crate) fn register_instance_of(&mut self, arn: &str) {
        let Some(task) = self.tasks.get(arn) else {
            return;
        };
        let Some((registry, named)) = self.registry_of(task) else {
            return;
        };
        let health = InstanceHealth::of(self.has_healthy_containers(task));
        let checks_seconds = self.first_checks_seconds(task);
        let mut attributes = self.attributes_of(task, registry, named);
        if registry.custom_health {
            let name = "AWS_INIT_HEALTH_STATUS".to_owned();
            attributes.insert(name, health.as_str().to_owned());
        }
        let registry = registry.id.clone();
        let mut instance = Instance::new(id_of(arn), attributes, Some(arn.to_owned()));
        instance.reported = Some(health);
        self.put_instance(&registry, instance);
        if health == InstanceHealth::Unhealthy {
            self.expect_container_health(arn, checks_seconds);
        }
    }

    fn attributes_of(
        &self,
        task: &Task,
        registry: &Registry,
        named: &ServiceRegistry,
    ) -> BTreeMap<String, String> {
        let task_set = self.task_sets.get(&task.task_set);
        let external_id = task_set.and_then(|task_set| task_set.external_id.clone());
        let family = short_name(&task.task_definition).split(':').next();
        let container_port = named.container_port.or(named.port);
        let port = container_port.map(|port| {
            let mut mapped = task.ports.iter();
            let mapped = mapped.find(|(container, _)| Some(*container) == named.container_port);
            mapped.map_or(port, |(_, host)| *host).to_string()
        });
        let attributes = [
            ("AWS_INSTANCE_IPV4", Some(task.ip.clone())),
            (
                "AWS_INSTANCE_PORT",
                port.filter(|_| registry.has(RecordType::Srv)),
            ),
            ("AVAILABILITY_ZONE", Some(task.zone.clone())),
            ("ECS_CLUSTER_NAME", Some(task.cluster.clone())),
            ("ECS_SERVICE_NAME", Some(task.service.clone())),
            ("ECS_TASK_DEFINITION_FAMILY", family.map(str::to_owned)),
            ("ECS_TASK_SET_EXTERNAL_ID", external_id),
            ("REGION", Some(self.region.clone())),
        ];
        let attributes = attributes.into_iter();
        let there = attributes.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        there.collect()
    }

    /// Whether ECS takes the containers of a task to be healthy: without a health check it does (Docs).
    fn has_healthy_containers(&self, task: &Task) -> bool {
        !self.has_container_health_check(task) || self.passes_health_checks(task)
    }

    /// Deregisters a task. An instance that is gone already holds nothing up (Unproven).
    pub(crate) fn deregister_instance_of(&mut self, arn: &str) {
        let task = self.tasks.get(arn);
        let registry = task.and_then(|task| self.registry_of(task));
        if let Some(registry) = registry.map(|(registry, _)| registry.id.clone()) {
            self.remove_instance(&registry, id_of(arn));
        }
    }

    /// Reports the health of a task's containers, if it is another than before.
    pub(crate) fn report_container_health(&mut self, arn: &str) {
        let Some(task) = self.tasks.get(arn) else {
            return;
        };
        let Some((registry, _)) = self.registry_of(task) else {
            return;
        };
        let health = InstanceHealth::of(self.has_healthy_containers(task));
        let (registry, custom_health) = (registry.id.clone(), registry.custom_health);
        let Some(instance) = self.instance_mut(&registry, id_of(arn)) else {
            return;
        };
        if instance.reported.replace(health) == Some(health) {
            return;
        }
        if custom_health {
            self.set_instance_health(&registry, id_of(arn), health);
        }
        if health == InstanceHealth::Unhealthy {
            self.expect_container_health(arn, 0);
        }
    }

    /// ECS replaces a task whose containers are not healthy so many seconds after its start, nor after the grace
    /// period (Docs).
    fn expect_container_health(&mut self, arn: &str, seconds: u64) {
        let Some(task) = self.tasks.get(arn) else {
            return;
        };
        let service = self.service(&task.cluster, &task.service);
        let grace = service.map_or(0, |known| known.health_check_grace_period_seconds);
        let started_ms = task.started_at_ms.unwrap_or(self.now_ms);
        let until_ms = started_ms + grace.max(seconds) * 1_000;
        let delay_ms = until_ms.saturating_sub(self.now_ms);
        self.schedule_in(delay_ms, Due::UnhealthyContainers(arn.to_owned()));
    }

    /// Seconds from RUNNING until containers that fail all their health checks are unhealthy.
    fn first_checks_seconds(&self, task: &Task) -> u64 {
        let definition = self.find_task_definition(&task.task_definition);
        let containers = definition.map(TaskDefinition::containers);
        let containers = containers.unwrap_or_default().iter();
        let checks = containers.filter_map(|container| container.health_check.as_ref());
        let seconds = checks.map(|check| {
            let of = |field: &str, default: u64| check[field].as_u64().unwrap_or(default);
            of("startPeriod", 0) + of("interval", 30) * of("retries", 3)
        });
        seconds.max().unwrap_or_default()
    }

    pub(crate) fn replace_if_containers_are_unhealthy(&mut self, arn: &str) {
        let unhealthy = |task: &&Task| {
            task.desired_status == DesiredStatus::Running && !self.has_healthy_containers(task)
        };
        let Some(task) = self.tasks.get(arn).filter(unhealthy) else {
            return;
        };
        let task_set = task.task_set.clone();
        let reason = StopReason {
            code: "ServiceSchedulerInitiated",
            text: "Task failed container health checks".to_owned(),
        };
        self.stop_task_for(arn, &reason);
        self.reconcile_soon(&task_set);
    }

    /// Another caller has changed what ECS had registered: see [`EcsInRegistries`](super::EcsInRegistries).
    pub(crate) fn ecs_may_restore(&mut self, task: Option<&str>, health: Option<InstanceHealth>) {
        let Some(task) = task.map(str::to_owned) else {
            return;
        };
        let habits = self.cloud_map.ecs;
        match health {
            Some(InstanceHealth::Healthy) => {}
            Some(InstanceHealth::Unhealthy) => {
                if let Some(seconds) = habits.restores_health_after_seconds {
                    self.schedule_in(seconds * 1_000, Due::InstanceHealthRestored(task));
                }
            }
            None => {
                if let Some(seconds) = habits.registers_again_after_seconds {
                    self.schedule_in(seconds * 1_000, Due::InstanceRegisteredAgain(task));
                }
            }
        }
    }

    pub(crate) fn restore_instance_health(&mut self, arn: &str) {
        let healthy = |task: &&Task| self.has_healthy_containers(task);
        let task = self.tasks.get(arn).filter(healthy);
        let registry = task.and_then(|task| self.registry_of(task));
        if let Some(registry) = registry.map(|(registry, _)| registry.id.clone()) {
            self.set_instance_health(&registry, id_of(arn), InstanceHealth::Healthy);
        }
    }

    pub(crate) fn register_instance_again(&mut self, arn: &str) {
        let runs = |task: &&Task| task.last_status == TaskStatus::Running;
        let Some(task) = self.tasks.get(arn).filter(runs) else {
            return;
        };
        let registry = self.registry_of(task).map(|(registry, _)| registry);
        if registry.is_some_and(|registry| !registry.instances.contains_key(id_of(arn))) {
            self.register_instance_of(arn);
        }
    }

    /// What ECS says of a registry (Model, of `ServiceRegistry`; the words are made up).
    pub(crate) fn check_registries(
        &self,
        request: &CreateTaskSet,
        definition: &TaskDefinition,
    ) -> Result<(), ApiError> {
        ApiError::refuse_if(
            request.service_registries.len() > 1,
            "service registries can have at most 1 items.",
        )?;
        for named in &request.service_registries {
            named.check(definition)?;
            let arn = &named.registry_arn;
            let registry = self.registry(arn).filter(|_| arn.starts_with("arn:"));
            let registry = registry.ok_or_else(|| {
                ApiError::invalid_parameter(format!("The service registry {arn} does not exist."))
            })?;
            ApiError::refuse_if(
                registry.has(RecordType::Srv)
                    && named.port.is_none()
                    && named.container_port.is_none(),
                format!(
                    "A port, or a container name and port, must be specified for the SRV record of the service registry {arn}."
                ),
            )?;
            ApiError::refuse_if(
                !registry.has(RecordType::Srv) && !definition.is_awsvpc(),
                format!(
                    "The service registry {arn} needs an SRV record for the network mode of this task definition."
                ),
            )?;
        }
        Ok(())
    }
}

impl ServiceRegistry {
    /// Whether a task definition has what it names.
    fn check(&self, definition: &TaskDefinition) -> Result<(), ApiError> {
        ApiError::refuse_if(
            self.port.is_some() && self.container_name.is_some(),
            "A service registry takes a port, or a container name and port, not both.",
        )?;
        let Some(name) = &self.container_name else {
            return ApiError::refuse_if(
                self.container_port.is_some() || !definition.is_awsvpc(),
                "A container name and port must be specified for the service registry.",
            );
        };
        let container = super::task_set_create::container(definition, name)?;
        let mut mappings = container.port_mappings.iter();
        let fits = match self.container_port {
            Some(port) => mappings.any(|mapping| mapping.container_port == port),
            None => definition.is_awsvpc(),
        };
        ApiError::refuse_if(
            !fits,
            format!(
                "The container {name} did not have the container port of the service registry defined."
            ),
        )
    }
}
