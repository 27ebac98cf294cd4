//! Cloud Map over awsJson1.1. What `serviceRegistries` names is a service here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Handler, list, seconds};
use crate::world::{ApiError, Instance, Namespace, Page, Registry, RegistryOperation, World};

pub(super) const OPERATIONS: &[(&str, Handler)] = &[
    ("CreatePrivateDnsNamespace", |world, input| {
        let operation = world.create_private_dns_namespace(&parse(input)?)?;
        Ok(json!({ "OperationId": operation }))
    }),
    ("ListNamespaces", |world, input| {
        let page = world.list_namespaces(&parse(input)?)?;
        let namespaces = list(&page.items, |one| namespace(world, one));
        Ok(json!({ "Namespaces": namespaces, "NextToken": page.next }))
    }),
    ("CreateService", |world, input| {
        let id = world.create_registry(&parse(input)?)?;
        let registry = world.existing_registry(&id)?;
        Ok(json!({ "Service": service(registry) }))
    }),
    ("GetService", |world, input| {
        let request: crate::world::OfRegistry = parse(input)?;
        let registry = world.existing_registry(&request.id)?;
        Ok(json!({ "Service": service(registry) }))
    }),
    ("ListServices", |world, input| {
        let page = world.list_registries(&parse(input)?)?;
        let services = list(&page.items, |one| summary(one));
        Ok(json!({ "Services": services, "NextToken": page.next }))
    }),
    ("DeleteService", |world, input| {
        world.delete_registry(&parse(input)?)?;
        Ok(json!({}))
    }),
    ("RegisterInstance", |world, input| {
        let operation = world.register_instance(&parse(input)?)?;
        Ok(json!({ "OperationId": operation }))
    }),
    ("DeregisterInstance", |world, input| {
        let operation = world.deregister_instance(&parse(input)?)?;
        Ok(json!({ "OperationId": operation }))
    }),
    ("GetInstance", |world, input| {
        let found = world.get_instance(&parse(input)?)?;
        Ok(json!({ "Instance": instance(found) }))
    }),
    ("ListInstances", |world, input| {
        let page = world.list_instances(&parse(input)?)?;
        let instances = list(
            &page.items,
            |one| json!({ "Id": one.id, "Attributes": one.attributes }),
        );
        Ok(json!({ "Instances": instances, "NextToken": page.next }))
    }),
    ("GetInstancesHealthStatus", |world, input| {
        let page: Page<_> = world.get_instances_health_status(&parse(input)?)?;
        let status: BTreeMap<_, _> = page.items.into_iter().collect();
        Ok(json!({ "Status": status, "NextToken": page.next }))
    }),
    ("UpdateInstanceCustomHealthStatus", |world, input| {
        world.update_instance_custom_health_status(&parse(input)?)?;
        Ok(json!({}))
    }),
    ("GetOperation", |world, input| {
        let found = world.get_operation(&parse(input)?)?;
        Ok(json!({ "Operation": operation(world, found) }))
    }),
];

/// Parameters that are not simulated are refused as Cloud Map refuses what is wrong.
fn parse<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    super::parse(input, |message| ApiError::new("InvalidInput", message))
}

fn namespace(world: &World, namespace: &Namespace) -> Value {
    let registries = world.registries();
    let of_it = registries.filter(|one| one.namespace_id == namespace.id);
    json!({
        "Id": namespace.id,
        "Arn": namespace.arn,
        "Name": namespace.name,
        "Type": "DNS_PRIVATE",
        "ServiceCount": of_it.count(),
        "CreateDate": seconds(namespace.created_at_ms),
    })
}

fn summary(registry: &Registry) -> Value {
    let custom_health = registry
        .custom_health
        .then(|| json!({ "FailureThreshold": 1 }));
    json!({
        "Id": registry.id,
        "Arn": registry.arn,
        "Name": registry.name,
        "Type": if registry.dns.is_some() { "DNS_HTTP" } else { "HTTP" },
        "Description": registry.description,
        "InstanceCount": registry.instances().len(),
        "DnsConfig": registry.dns,
        "HealthCheckCustomConfig": custom_health,
        "CreateDate": seconds(registry.created_at_ms),
    })
}

fn service(registry: &Registry) -> Value {
    let mut service = summary(registry);
    service["NamespaceId"] = json!(registry.namespace_id);
    service["CreatorRequestId"] = json!(registry.creator_request_id);
    service
}

fn instance(instance: &Instance) -> Value {
    json!({
        "Id": instance.id,
        "CreatorRequestId": instance.creator_request_id,
        "Attributes": instance.attributes,
    })
}

fn operation(world: &World, operation: &RegistryOperation) -> Value {
    let done = operation.done_at_ms <= world.epoch_ms();
    let updated_ms = if done {
        operation.done_at_ms
    } else {
        operation.created_at_ms
    };
    json!({
        "Id": operation.id,
        "Type": operation.r#type,
        "Status": if done { "SUCCESS" } else { "PENDING" },
        "CreateDate": seconds(operation.created_at_ms),
        "UpdateDate": seconds(updated_ms),
        "Targets": operation.targets,
    })
}
