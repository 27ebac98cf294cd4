//! Reading ECS: the service, its task sets, the task definition, stopped tasks.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::types::{
    AssignPublicIp, DesiredStatus, NetworkMode, StabilityStatus, Task, TaskDefinitionStatus,
    TaskSetField,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::arn::{Arn, Home};
use ebbtide_controller::fix::Fix;
use ebbtide_controller::id::TaskSetId;
use ebbtide_controller::quote::quote;
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::request::Request;
use ebbtide_controller::world::{
    CapacityProvider, Container, Launch, Network, Service, ServiceEvent, ServiceRegistry,
    StoppedTask, TaskDefinition, TaskSet, TaskSetLoadBalancer,
};

use crate::error::StepError;

/// Tasks that `DescribeTasks` takes a call (AWS API model).
const TASKS_A_CALL: i32 = 100;

/// The service, and its task sets as it lists them: their names, before they are described.
///
/// `DescribeTaskSets` without ids is refused in practice, so they are listed by
/// `DescribeServices`.
pub(crate) async fn service(
    ecs: &Client,
    request: &Request,
) -> Result<(Option<Service>, Vec<TaskSet>), StepError> {
    let answer = described(ecs, &request.cluster, &request.service).await?;
    let Some(service) = answer.services().first() else {
        return Ok((None, Vec::new()));
    };
    let listed = service.task_sets().iter().map(task_set).collect();
    let observed = Service {
        status: service.status().unwrap_or("without a status").into(),
        // A service without the field has ECS's own rolling deployments.
        deployment_controller: service
            .deployment_controller()
            .map_or("ECS", |controller| controller.r#type().as_str())
            .into(),
        desired_count: count(service.desired_count()),
        health_check_grace: service.health_check_grace_period_seconds().map_or(0, count),
        events: service.events().iter().map(event).collect(),
    };
    Ok((Some(observed), listed))
}

fn event(seen: &aws_sdk_ecs::types::ServiceEvent) -> ServiceEvent {
    ServiceEvent {
        at: seen.created_at().map(aws_smithy_types::DateTime::secs),
        message: quote(seen.message().unwrap_or_default()),
    }
}

/// The partition, region and account that answer for a service, whether it exists or not.
pub(crate) async fn home(
    ecs: &Client,
    cluster: &str,
    service: &str,
) -> Result<Option<Home>, StepError> {
    let answer = described(ecs, cluster, service).await?;
    let found = answer.services().iter().filter_map(|one| one.service_arn());
    let missing = answer.failures().iter().filter_map(|one| one.arn());
    let mut homes = found.chain(missing).filter_map(Arn::parse);
    Ok(homes.next().map(|arn| arn.home()))
}

async fn described(
    ecs: &Client,
    cluster: &str,
    service: &str,
) -> Result<DescribeServicesOutput, StepError> {
    ecs.describe_services()
        .cluster(cluster)
        .services(service)
        .send()
        .await
        .map_err(|error| {
            if error.code() == Some("ClusterNotFoundException") {
                return StepError::from(Refusal::new(
                    ErrorName::PreflightFailed,
                    format!("cluster: {cluster} does not exist."),
                    Fix::run("Look them up", ["aws ecs list-clusters"]),
                ));
            }
            StepError::of_call("ecs:DescribeServices", &error)
        })
}

/// Task sets by id, their tags too if wanted. One that is gone meanwhile is reported under `failures`
/// and left out.
pub(crate) async fn task_sets(
    ecs: &Client,
    request: &Request,
    ids: &[TaskSetId],
    with_tags: bool,
) -> Result<Vec<TaskSet>, StepError> {
    // Without ids it would be refused.
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let answer = ecs
        .describe_task_sets()
        .cluster(&request.cluster)
        .service(&request.service)
        .set_task_sets(Some(ids.iter().map(ToString::to_string).collect()))
        .set_include(with_tags.then(|| vec![TaskSetField::Tags]))
        .send()
        .await
        .map_err(|error| StepError::of_call("ecs:DescribeTaskSets", &error))?;
    let mut failures = answer.failures().iter();
    if let Some(failure) = failures.find(|failure| failure.reason() != Some("MISSING")) {
        return Err(StepError::new(
            ErrorName::Transient,
            format!(
                "ecs:DescribeTaskSets could not describe {}: {}.",
                quote(failure.arn().unwrap_or("a task set")),
                quote(failure.reason().unwrap_or("no reason given"))
            ),
        ));
    }
    Ok(answer.task_sets().iter().map(task_set).collect())
}

fn task_set(seen: &aws_sdk_ecs::types::TaskSet) -> TaskSet {
    let attached = seen.load_balancers().iter().filter_map(|attached| {
        Some(TaskSetLoadBalancer {
            target_group: attached.target_group_arn()?.into(),
            container_name: attached.container_name().map(str::to_owned),
            container_port: port(attached.container_port()),
        })
    });
    let network = seen.network_configuration();
    let network = network.and_then(|network| network.awsvpc_configuration());
    let tags = seen.tags().iter().filter_map(|tag| {
        let value = tag.value().unwrap_or_default();
        Some((tag.key()?.to_owned(), value.to_owned()))
    });
    let registries = seen.service_registries().iter().filter_map(|registry| {
        Some(ServiceRegistry {
            arn: registry.registry_arn()?.into(),
            port: port(registry.port()),
            container_name: registry.container_name().map(str::to_owned),
            container_port: port(registry.container_port()),
        })
    });
    TaskSet {
        id: seen.id().unwrap_or_default().into(),
        status: seen.status().unwrap_or_default().into(),
        task_definition: seen.task_definition().unwrap_or_default().into(),
        external_id: seen.external_id().map(str::to_owned),
        scale: seen.scale().map_or(0.0, aws_sdk_ecs::types::Scale::value),
        computed_desired_count: count(seen.computed_desired_count()),
        running_count: count(seen.running_count()),
        pending_count: count(seen.pending_count()),
        steady: seen.stability_status() == Some(&StabilityStatus::SteadyState),
        load_balancers: attached.collect(),
        network: network.map(|awsvpc| Network {
            subnets: awsvpc.subnets().to_vec(),
            security_groups: awsvpc.security_groups().to_vec(),
            assign_public_ip: awsvpc.assign_public_ip() == Some(&AssignPublicIp::Enabled),
        }),
        launch: launch(seen),
        platform_version: seen.platform_version().map(str::to_owned),
        created_at: seen.created_at().map(aws_smithy_types::DateTime::secs),
        updated_at: seen.updated_at().map(aws_smithy_types::DateTime::secs),
        tags: tags.collect(),
        service_registries: registries.collect(),
    }
}

fn launch(seen: &aws_sdk_ecs::types::TaskSet) -> Option<Launch> {
    let strategy = seen.capacity_provider_strategy();
    if strategy.is_empty() {
        let launch_type = seen.launch_type()?;
        return Some(Launch::Type(launch_type.as_str().into()));
    }
    let providers = strategy.iter().map(|item| CapacityProvider {
        name: item.capacity_provider().to_owned(),
        weight: count(item.weight()),
        base: count(item.base()),
    });
    Some(Launch::Providers(providers.collect()))
}

/// The task definition, or `None` where it does not exist: ECS answers a `ClientException` then.
pub(crate) async fn task_definition(
    ecs: &Client,
    request: &Request,
) -> Result<Option<TaskDefinition>, StepError> {
    let answer = ecs
        .describe_task_definition()
        .task_definition(request.task_definition.as_str())
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.code() == Some("ClientException") => return Ok(None),
        Err(error) => return Err(StepError::of_call("ecs:DescribeTaskDefinition", &error)),
    };
    let Some(definition) = answer.task_definition() else {
        return Ok(None);
    };
    let arn = definition.task_definition_arn();
    let mode = definition
        .network_mode()
        .map_or("bridge", NetworkMode::as_str);
    let containers = definition.container_definitions().iter().map(|container| {
        let mappings = container.port_mappings().iter();
        Container {
            name: container.name().unwrap_or_default().to_owned(),
            ports: mappings
                .filter_map(|mapping| port(mapping.container_port()))
                .collect(),
            stop_timeout: container.stop_timeout().map(count),
            health_check: container.health_check().is_some(),
        }
    });
    Ok(Some(TaskDefinition {
        arn: arn.unwrap_or(&request.task_definition).into(),
        active: definition.status() == Some(&TaskDefinitionStatus::Active),
        network_mode: mode.into(),
        containers: containers.collect(),
    }))
}

/// Tasks of a task set that ECS stopped; it shows them for an hour at least.
pub(crate) async fn stopped_tasks(
    ecs: &Client,
    request: &Request,
    task_set: &TaskSetId,
) -> Result<Vec<StoppedTask>, StepError> {
    let tasks = tasks(ecs, request, task_set, DesiredStatus::Stopped).await?;
    let stopped = tasks.iter().map(|task| StoppedTask {
        code: task.stop_code().map_or("", |code| code.as_str()).into(),
        reason: reason(task),
        at: task.stopped_at().and_then(|at| at.secs().try_into().ok()),
    });
    Ok(stopped.collect())
}

/// The addresses of a task set's tasks that are to run, where they have a network interface of their own.
pub(crate) async fn addresses(
    ecs: &Client,
    request: &Request,
    task_set: &TaskSetId,
) -> Result<Vec<String>, StepError> {
    let tasks = tasks(ecs, request, task_set, DesiredStatus::Running).await?;
    let containers = tasks.iter().flat_map(Task::containers);
    let interfaces = containers.flat_map(aws_sdk_ecs::types::Container::network_interfaces);
    let addresses = interfaces.flat_map(|one| [one.private_ipv4_address(), one.ipv6_address()]);
    Ok(addresses.flatten().map(str::to_owned).collect())
}

/// Tasks of a task set by what ECS wants of them, page by page.
async fn tasks(
    ecs: &Client,
    request: &Request,
    task_set: &TaskSetId,
    desired: DesiredStatus,
) -> Result<Vec<Task>, StepError> {
    let mut pages = ecs
        .list_tasks()
        .cluster(&request.cluster)
        .started_by(task_set.as_str())
        .desired_status(desired)
        .into_paginator()
        .page_size(TASKS_A_CALL)
        .send();
    let mut tasks = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| StepError::of_call("ecs:ListTasks", &error))?;
        if page.task_arns().is_empty() {
            continue;
        }
        let described = ecs
            .describe_tasks()
            .cluster(&request.cluster)
            .set_tasks(Some(page.task_arns().to_vec()))
            .send()
            .await
            .map_err(|error| StepError::of_call("ecs:DescribeTasks", &error))?;
        tasks.extend(described.tasks.unwrap_or_default());
    }
    Ok(tasks)
}

fn reason(task: &Task) -> String {
    let reason = quote(task.stopped_reason().unwrap_or("no reason given"));
    let mut containers = task.containers().iter();
    match containers.find_map(|container| Some((container.name()?, container.exit_code()?))) {
        Some((name, code)) => format!("{reason} (container {} exited with {code})", quote(name)),
        None => reason,
    }
}

/// A count from ECS, which models them as signed.
fn count(seen: i32) -> u32 {
    u32::try_from(seen).unwrap_or(0)
}

fn port(seen: Option<i32>) -> Option<u16> {
    seen.and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port > 0)
}
