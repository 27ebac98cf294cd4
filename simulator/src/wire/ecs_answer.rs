//! ECS resources as the API writes them.

use serde_json::{Value, json};

use super::{list, seconds};
use crate::world::{Service, Tags, Task, TaskDefinition, TaskSet, TaskStatus, World};

pub(super) fn tags(tags: &Tags) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}

pub(super) fn failures(arns: &[String]) -> Value {
    list(arns, |arn| json!({ "arn": arn, "reason": "MISSING" }))
}

pub(super) fn cluster(world: &World, name: &str, with_tags: bool) -> Option<Value> {
    let cluster = world.cluster(name)?;
    let counts = world.cluster_counts(name);
    Some(json!({
        "clusterArn": cluster.arn,
        "clusterName": cluster.name,
        "status": if cluster.active { "ACTIVE" } else { "INACTIVE" },
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": counts.running,
        "pendingTasksCount": counts.pending,
        "activeServicesCount": counts.services,
        "statistics": [],
        "tags": if with_tags { tags(&cluster.tags) } else { json!([]) },
        "settings": cluster.settings,
        "capacityProviders": cluster.capacity_providers,
        "defaultCapacityProviderStrategy": cluster.default_capacity_provider_strategy,
    }))
}

/// Whether a task is protected from scale-in, and until when.
pub(super) fn protection(world: &World, task: &Task) -> Value {
    let until_ms = task.protected_until_ms;
    let enabled = until_ms > world.now_ms;
    json!({
        "taskArn": task.arn,
        "protectionEnabled": enabled,
        "expirationDate": enabled.then(|| seconds(until_ms)),
    })
}

pub(super) fn task_definition(definition: &TaskDefinition) -> Value {
    let mut value = json!({
        "taskDefinitionArn": definition.arn,
        "revision": definition.revision,
        "status": if definition.active { "ACTIVE" } else { "INACTIVE" },
        "placementConstraints": [],
        "volumes": [],
        "compatibilities": if definition.is_awsvpc() { json!(["EC2", "FARGATE"]) } else { json!(["EXTERNAL", "EC2"]) },
        "registeredAt": seconds(definition.registered_at_ms),
        "deregisteredAt": definition.deregistered_at_ms.map(seconds),
    });
    if let (Some(members), Value::Object(registered)) =
        (value.as_object_mut(), json!(definition.registered))
    {
        members.extend(registered);
    }
    let containers = value["containerDefinitions"].as_array_mut();
    for container in containers.into_iter().flatten() {
        // Those are there, empty, where none were given (Docs: examples).
        for list in ["environment", "mountPoints", "portMappings", "volumesFrom"] {
            if container[list].is_null() {
                container[list] = json!([]);
            }
        }
    }
    value
}

pub(super) fn service_at(world: &World, key: &str, with_tags: bool) -> Option<Value> {
    let (cluster, name) = key.split_once('/')?;
    Some(service(world, world.service(cluster, name)?, with_tags))
}

/// A service. What a primary task set hands to it is missing until there is one (Docs).
pub(super) fn service(world: &World, service: &Service, with_tags: bool) -> Value {
    let sets = world.task_sets_of(&service.cluster, &service.name);
    let counts = sets.iter().map(|task_set| world.counts(&task_set.id));
    let (running, pending) = counts.fold((0, 0), |(running, pending), counts| {
        (running + counts.running, pending + counts.pending)
    });
    let primary = service.from_primary.as_ref();
    json!({
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": world.cluster(&service.cluster).map(|cluster| &cluster.arn),
        "status": service.status,
        "desiredCount": service.desired_count,
        "runningCount": running,
        "pendingCount": pending,
        "deploymentController": { "type": service.deployment_controller },
        "schedulingStrategy": "REPLICA",
        "createdAt": seconds(service.created_at_ms),
        "healthCheckGracePeriodSeconds": service.health_check_grace_period_seconds,
        "taskSets": sets.iter().map(|task_set| self::task_set(world, task_set, false)).collect::<Value>(),
        "deployments": [],
        "events": events(service),
        "taskDefinition": primary.map(|primary| &primary.task_definition),
        "launchType": primary.and_then(|primary| primary.launch_type.as_ref()),
        "platformVersion": primary.and_then(|primary| primary.platform_version.as_ref()),
        "networkConfiguration": primary.and_then(|primary| primary.network_configuration.as_ref()),
        "capacityProviderStrategy": primary
            .map(|primary| &primary.capacity_provider_strategy)
            .filter(|strategy| !strategy.is_empty()),
        "loadBalancers": primary.map_or_else(|| json!([]), |primary| json!(primary.load_balancers)),
        "serviceRegistries": primary.map_or_else(|| json!([]), |primary| json!(primary.service_registries)),
        "deploymentConfiguration": service.carried.deployment_configuration,
        "placementConstraints": service.carried.placement_constraints,
        "placementStrategy": service.carried.placement_strategy,
        "enableECSManagedTags": service.carried.enable_ecs_managed_tags,
        "enableExecuteCommand": service.carried.enable_execute_command,
        "propagateTags": service.propagate_tags.clone().unwrap_or_else(|| "NONE".to_owned()),
        "tags": with_tags.then(|| tags(&service.tags)),
    })
}

/// Their ids are as unique as they have to be here: those of one service differ.
fn events(service: &Service) -> Value {
    let events = service.events.iter().enumerate();
    let events = events.map(|(index, event)| {
        let number = event.at_ms * 100 + index as u64;
        json!({
            "id": format!("00000000-0000-4000-8000-{number:012x}"),
            "createdAt": seconds(event.at_ms),
            "message": event.message,
        })
    });
    events.collect()
}

pub(super) fn task_set_at(world: &World, id: &str, with_tags: bool) -> Option<Value> {
    Some(task_set(world, world.task_set(id)?, with_tags))
}

pub(super) fn task_set(world: &World, task_set: &TaskSet, with_tags: bool) -> Value {
    let counts = world.counts(&task_set.id);
    let service = world.service_of(task_set);
    json!({
        "id": task_set.id,
        "taskSetArn": task_set.arn,
        "serviceArn": service.map(|service| &service.arn),
        "clusterArn": service.and_then(|service| world.cluster(&service.cluster)).map(|cluster| &cluster.arn),
        "externalId": task_set.external_id,
        "status": task_set.status,
        "taskDefinition": task_set.task_definition,
        "computedDesiredCount": world.computed_desired_count(&task_set.id),
        "pendingCount": counts.pending,
        "runningCount": counts.running,
        "createdAt": seconds(task_set.created_at_ms),
        "updatedAt": seconds(task_set.updated_at_ms),
        "launchType": task_set.launch_type,
        "capacityProviderStrategy": Some(&task_set.capacity_provider_strategy)
            .filter(|strategy| !strategy.is_empty()),
        "platformVersion": task_set.platform_version,
        "networkConfiguration": task_set.network_configuration,
        "loadBalancers": task_set.load_balancers,
        "serviceRegistries": task_set.service_registries,
        "scale": { "value": task_set.scale, "unit": "PERCENT" },
        "stabilityStatus": if task_set.steady { "STEADY_STATE" } else { "STABILIZING" },
        "stabilityStatusAt": seconds(task_set.steady_at_ms),
        "tags": if with_tags { tags(&task_set.tags) } else { json!([]) },
    })
}

pub(super) fn task(world: &World, task: &Task, with_tags: bool) -> Value {
    let definition = world.find_task_definition(&task.task_definition).ok();
    let awsvpc = definition.is_some_and(TaskDefinition::is_awsvpc);
    let task_set = world.task_set(&task.task_set);
    let checked = world.has_container_health_check(task);
    let health = match (checked, world.passes_health_checks(task)) {
        (false, _) => "UNKNOWN",
        (true, true) => "HEALTHY",
        (true, false) => "UNHEALTHY",
    };
    let id = task.arn.rsplit('/').next().unwrap_or_default();
    let interface = json!([{ "attachmentId": id, "privateIpv4Address": task.ip }]);
    let bindings = list(
        &task.ports,
        |(container, host)| json!({ "bindIP": "0.0.0.0", "containerPort": container, "hostPort": host, "protocol": "tcp" }),
    );
    let containers = definition.map(TaskDefinition::containers);
    let containers = list(containers.unwrap_or_default(), |container| {
        json!({
            "containerArn": format!("{}/{}", task.arn.replacen(":task/", ":container/", 1), container.name),
            "taskArn": task.arn,
            "name": container.name,
            "image": container.image,
            "lastStatus": match task.last_status {
                TaskStatus::Deactivating | TaskStatus::Stopping => TaskStatus::Running,
                TaskStatus::Deprovisioning => TaskStatus::Stopped,
                TaskStatus::Provisioning | TaskStatus::Activating => TaskStatus::Pending,
                same @ (TaskStatus::Pending | TaskStatus::Running | TaskStatus::Stopped) => same,
            },
            "exitCode": task.execution_stopped_at_ms.and(task.exit_code),
            "networkBindings": if awsvpc { json!([]) } else { bindings.clone() },
            "networkInterfaces": if awsvpc { interface.clone() } else { json!([]) },
            "healthStatus": health,
        })
    });
    json!({
        "taskArn": task.arn,
        "clusterArn": world.cluster(&task.cluster).map(|cluster| &cluster.arn),
        "taskDefinitionArn": task.task_definition,
        "group": format!("service:{}", task.service),
        "startedBy": task.task_set,
        "lastStatus": task.last_status,
        "desiredStatus": task.desired_status,
        "healthStatus": health,
        "launchType": crate::world::launch_type(task),
        "capacityProviderName": task_set
            .and_then(|task_set| task_set.capacity_provider_strategy.first())
            .map(|item| &item.capacity_provider),
        "availabilityZone": task.zone,
        "attachments": awsvpc.then(|| json!([{
            "id": id,
            "type": "ElasticNetworkInterface",
            "status": if task.stopped_at_ms.is_some() { "DELETED" } else { "ATTACHED" },
            "details": [
                { "name": "subnetId", "value": task.subnet },
                { "name": "privateIPv4Address", "value": task.ip },
            ],
        }])),
        "attributes": [],
        "containers": containers,
        "cpu": definition.and_then(|definition| definition.registered.cpu.as_ref()),
        "memory": definition.and_then(|definition| definition.registered.memory.as_ref()),
        "createdAt": seconds(task.created_at_ms),
        "startedAt": task.started_at_ms.map(seconds),
        "stoppingAt": task.stopping_at_ms.map(seconds),
        "executionStoppedAt": task.execution_stopped_at_ms.map(seconds),
        "stoppedAt": task.stopped_at_ms.map(seconds),
        "stoppedReason": task.stopped_reason,
        "stopCode": task.stop_code,
        "containerInstanceArn": task.instance.as_ref().map(|instance| {
            world.ecs_arn(&format!("container-instance/{}/{instance}", task.cluster))
        }),
        "overrides": { "containerOverrides": [], "inferenceAcceleratorOverrides": [] },
        "version": 1,
        "tags": if with_tags { tags(&task.tags) } else { json!([]) },
    })
}
