//! What AWS Cloud Map says of the registry that a service's tasks are in.

use std::collections::HashMap;

use aws_sdk_servicediscovery::Client;
use aws_sdk_servicediscovery::types::{DnsRecord, RoutingPolicy, Service};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::arn::short;
use ebbtide_controller::id::RegistryArn;
use ebbtide_controller::request::Request;
use ebbtide_controller::world::{Instance, InstanceHealth, Registry, TaskSet, TaskSetStatus};
use tokio::join;

use crate::error::StepError;

/// The attribute in which ECS writes the `externalId` of a task's task set.
const EXTERNAL_ID: &str = "ECS_TASK_SET_EXTERNAL_ID";

/// The registry of a service: that of the task set that is `PRIMARY`, or of another one, or the request's.
pub(crate) fn of(task_sets: &[TaskSet], request: &Request) -> Option<RegistryArn> {
    let primary = task_sets
        .iter()
        .filter(|set| set.status == TaskSetStatus::Primary);
    let living = task_sets.iter().filter(|set| !set.is_being_deleted());
    let mut registries = primary
        .chain(living)
        .flat_map(|set| &set.service_registries)
        .chain(&request.registry);
    registries.next().map(|registry| registry.arn.clone())
}

/// A Cloud Map service with its instances and their health; `None` where it does not exist.
///
/// Not by `DiscoverInstances`, which has an address of its own, and answers what is cached.
pub(crate) async fn registry(
    client: &Client,
    arn: &RegistryArn,
) -> Result<Option<Registry>, StepError> {
    let id = short(arn);
    let (service, listed, health) = join!(
        service(client, id),
        instances(client, id),
        health(client, id)
    );
    // Of one that does not exist, the others fail.
    let Some(service) = service? else {
        return Ok(None);
    };
    let (listed, health) = (listed?, health?);
    let dns = service.dns_config();
    let records = dns.map_or(&[][..], |dns| dns.dns_records());
    let ttl = records.iter().map(DnsRecord::ttl).max();
    let instances = listed.into_iter().map(|(id, external_id)| {
        // What was registered in between has no health yet.
        let status = health.get(&id).map_or("UNKNOWN", String::as_str);
        Instance {
            health: InstanceHealth::from(status),
            id: id.into(),
            external_id,
        }
    });
    Ok(Some(Registry {
        arn: arn.clone(),
        name: service.name().unwrap_or_default().to_owned(),
        records: records
            .iter()
            .map(|record| record.r#type().as_str().to_owned())
            .collect(),
        ttl: ttl.and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or(0),
        weighted: dns.and_then(|dns| dns.routing_policy()) == Some(&RoutingPolicy::Weighted),
        custom_health: service.health_check_custom_config().is_some(),
        instances: instances.collect(),
    }))
}

async fn service(client: &Client, id: &str) -> Result<Option<Service>, StepError> {
    let answer = client.get_service().id(id).send().await;
    match answer {
        Ok(answer) => Ok(answer.service),
        Err(error) if error.code() == Some("ServiceNotFound") => Ok(None),
        Err(error) => Err(StepError::of_call("servicediscovery:GetService", &error)),
    }
}

/// The instances by id, with the label of their task set.
///
/// Page by page by hand, here and below: each of the SDK's paginators is a part of every function's program.
async fn instances(client: &Client, id: &str) -> Result<Vec<(String, Option<String>)>, StepError> {
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let call = client.list_instances().service_id(id).max_results(PAGE);
        let page = call.set_next_token(next).send().await;
        let page =
            page.map_err(|error| StepError::of_call("servicediscovery:ListInstances", &error))?;
        for instance in page.instances() {
            let label = instance.attributes().and_then(|all| all.get(EXTERNAL_ID));
            found.extend(instance.id().map(|id| (id.to_owned(), label.cloned())));
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Whether clients find an instance, by its id.
async fn health(client: &Client, id: &str) -> Result<HashMap<String, String>, StepError> {
    let mut found = HashMap::new();
    let mut next = None;
    loop {
        let call = client.get_instances_health_status().service_id(id);
        let page = call.max_results(PAGE).set_next_token(next).send().await;
        let page = page.map_err(|error| {
            StepError::of_call("servicediscovery:GetInstancesHealthStatus", &error)
        })?;
        for (id, status) in page.status().into_iter().flatten() {
            found.insert(id.clone(), status.as_str().to_owned());
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Instances of a page (AWS API model: at most).
const PAGE: i32 = 100;
