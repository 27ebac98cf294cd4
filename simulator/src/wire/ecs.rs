//! ECS over awsJson1.1.

use serde_json::{Value, json};

use super::ecs_answer as write;
use super::{Handler, list};
use crate::world::ApiError;

pub(super) const OPERATIONS: &[(&str, Handler)] = &[
    ("CreateCluster", |world, input| {
        let name = world.create_cluster(&parse(input)?)?;
        Ok(json!({ "cluster": write::cluster(world, &name, true) }))
    }),
    ("DescribeClusters", |world, input| {
        let request = parse(input)?;
        let (found, missing) = world.describe_clusters(&request)?;
        let tags = includes(&request.include, "TAGS");
        let clusters = list(&found, |name| json!(write::cluster(world, name, tags)));
        Ok(json!({ "clusters": clusters, "failures": write::failures(&missing) }))
    }),
    ("ListClusters", |world, input| {
        let page = world.list_clusters(&parse(input)?)?;
        Ok(json!({ "clusterArns": page.items, "nextToken": page.next }))
    }),
    ("DeleteCluster", |world, input| {
        let name = world.delete_cluster(&parse(input)?)?;
        Ok(json!({ "cluster": write::cluster(world, &name, false) }))
    }),
    ("RegisterTaskDefinition", |world, input| {
        let definition = world.register_task_definition(&parse(input)?)?;
        Ok(json!({
            "taskDefinition": write::task_definition(definition),
            "tags": write::tags(&definition.tags),
        }))
    }),
    ("DescribeTaskDefinition", |world, input| {
        let request: crate::world::DescribeTaskDefinition = parse(input)?;
        let definition = world.find_task_definition(&request.task_definition)?;
        let tags = includes(&request.include, "TAGS");
        Ok(json!({
            "taskDefinition": write::task_definition(definition),
            "tags": tags.then(|| write::tags(&definition.tags)),
        }))
    }),
    ("DeregisterTaskDefinition", |world, input| {
        let arn = world.deregister_task_definition(&parse(input)?)?;
        let definition = world.find_task_definition(&arn)?;
        Ok(json!({ "taskDefinition": write::task_definition(definition) }))
    }),
    ("DeleteTaskDefinitions", |world, input| {
        let (deleted, missing) = world.delete_task_definitions(&parse(input)?)?;
        let deleted = list(&deleted, write::task_definition);
        Ok(json!({ "taskDefinitions": deleted, "failures": write::failures(&missing) }))
    }),
    ("ListTaskDefinitions", |world, input| {
        let page = world.list_task_definitions(&parse(input)?)?;
        Ok(json!({ "taskDefinitionArns": page.items, "nextToken": page.next }))
    }),
    ("CreateService", |world, input| {
        let key = world.create_service(&parse(input)?)?;
        Ok(json!({ "service": write::service_at(world, &key, true) }))
    }),
    ("DescribeServices", |world, input| {
        let request = parse(input)?;
        let (found, missing) = world.describe_services(&request)?;
        let tags = includes(&request.include, "TAGS");
        let services = list(&found, |one| write::service(world, one, tags));
        Ok(json!({ "services": services, "failures": write::failures(&missing) }))
    }),
    ("ListServices", |world, input| {
        let page = world.list_services(&parse(input)?)?;
        Ok(json!({ "serviceArns": page.items, "nextToken": page.next }))
    }),
    ("UpdateService", |world, input| {
        let key = world.update_service(&parse(input)?)?;
        Ok(json!({ "service": write::service_at(world, &key, false) }))
    }),
    ("DeleteService", |world, input| {
        let key = world.delete_service(&parse(input)?)?;
        Ok(json!({ "service": write::service_at(world, &key, false) }))
    }),
    ("CreateTaskSet", |world, input| {
        let id = world.create_task_set(&parse(input)?)?;
        Ok(json!({ "taskSet": write::task_set_at(world, &id, true) }))
    }),
    ("DescribeTaskSets", |world, input| {
        let request = parse(input)?;
        let (found, missing) = world.describe_task_sets(&request)?;
        let tags = includes(&request.include, "TAGS");
        let sets = list(&found, |one| write::task_set(world, one, tags));
        Ok(json!({ "taskSets": sets, "failures": write::failures(&missing) }))
    }),
    ("UpdateTaskSet", |world, input| {
        let id = world.update_task_set(&parse(input)?)?;
        Ok(json!({ "taskSet": write::task_set_at(world, &id, false) }))
    }),
    ("DeleteTaskSet", |world, input| {
        let id = world.delete_task_set(&parse(input)?)?;
        Ok(json!({ "taskSet": write::task_set_at(world, &id, false) }))
    }),
    ("UpdateServicePrimaryTaskSet", |world, input| {
        let id = world.update_service_primary_task_set(&parse(input)?)?;
        Ok(json!({ "taskSet": write::task_set_at(world, &id, false) }))
    }),
    ("ListTasks", |world, input| {
        let page = world.list_tasks(&parse(input)?)?;
        Ok(json!({ "taskArns": page.items, "nextToken": page.next }))
    }),
    ("DescribeTasks", |world, input| {
        let request = parse(input)?;
        let (found, missing) = world.describe_tasks(&request)?;
        let tags = includes(&request.include, "TAGS");
        let tasks = list(&found, |one| write::task(world, one, tags));
        Ok(json!({ "tasks": tasks, "failures": write::failures(&missing) }))
    }),
    ("UpdateTaskProtection", |world, input| {
        let (changed, missing) = world.update_task_protection(&parse(input)?)?;
        let tasks = changed.iter().filter_map(|arn| world.task(arn));
        let tasks = tasks.map(|task| write::protection(world, task));
        let tasks = tasks.collect::<Value>();
        Ok(json!({ "protectedTasks": tasks, "failures": write::failures(&missing) }))
    }),
    ("StopTask", |world, input| {
        let arn = world.stop_task(&parse(input)?)?;
        let task = world.task(&arn).map(|task| write::task(world, task, true));
        Ok(json!({ "task": task }))
    }),
];

/// Parameters that are not simulated are refused as ECS refuses what it cannot read.
fn parse<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    super::parse(input, |message| ApiError::new("ClientException", message))
}

fn includes(wanted: &[String], field: &str) -> bool {
    wanted.iter().any(|name| name == field)
}
