//! The words for a Cloud Map registry.

use serde_json::{Value, json};

use super::words::Words;
use crate::fixture::OWNER;
use crate::id::InstanceId;
use crate::world::{
    Instance, InstanceHealth, Registry, ServiceRegistry, TaskSet, TaskSetStatus, World,
};

/// The ARN of the registry that stories have.
pub(super) const REGISTRY: &str = "arn:aws:servicediscovery:us-east-1:555555555555:service/srv-1";

/// The label of the original.
const ORIGINAL: &str = "first";

/// `registry alone` or `registry beside`, then what it has.
pub(super) fn registry(world: &mut World, state: &mut Value, words: &mut Words<'_>) {
    while let Some(field) = words.next() {
        match field {
            "alone" => {
                register(world);
                world.load_balancer = None;
                (world.target_groups, world.routes) = (Vec::new(), Vec::new());
                for set in &mut world.task_sets {
                    set.load_balancers.clear();
                }
                named(state);
            }
            "beside" => register(world),
            "gone" => world.registry = None,
            "of" => {
                let id = format!("ecs-svc/{}", words.word());
                let registry = world.registry.as_mut().unwrap();
                let mut sets = world.task_sets.iter();
                let set = sets.find(|set| *set.id == *id).unwrap();
                let (health, count) = (words.word().to_uppercase(), words.number());
                registry
                    .instances
                    .retain(|instance| instance.external_id != set.external_id);
                registry.instances.extend(instances(set, &health, count));
            }
            field => {
                let registry = world.registry.as_mut().unwrap();
                match field {
                    "ttl" => registry.ttl = words.number(),
                    "records" => registry.records = vec![words.word().to_owned()],
                    "weighted" => registry.weighted = true,
                    "unchecked" => registry.custom_health = false,
                    other => panic!("registry {other}"),
                }
            }
        }
    }
}

pub(super) fn of_container(container: &str) -> ServiceRegistry {
    ServiceRegistry {
        arn: REGISTRY.into(),
        port: None,
        container_name: Some(container.to_owned()),
        container_port: Some(8_080),
    }
}

/// Every task set is in the registry, with the tasks that it runs.
fn register(world: &mut World) {
    let primary = |set: &TaskSet| set.status == TaskSetStatus::Primary;
    let none = !world.task_sets.iter().any(primary);
    let mut all = Vec::new();
    for (number, set) in world.task_sets.iter_mut().enumerate() {
        if number == 0 {
            set.external_id.get_or_insert_with(|| ORIGINAL.to_owned());
            if none {
                set.status = TaskSetStatus::Primary;
            }
        }
        set.service_registries = vec![ServiceRegistry {
            port: Some(8_080),
            container_name: None,
            container_port: None,
            ..of_container("")
        }];
        all.extend(instances(set, "HEALTHY", set.running_count));
    }
    world.registry = Some(Registry {
        arn: REGISTRY.into(),
        name: "web".to_owned(),
        records: vec!["SRV".to_owned()],
        ttl: 60,
        weighted: false,
        custom_health: true,
        instances: all,
    });
}

fn instances<'a>(
    set: &'a TaskSet,
    health: &'a str,
    count: u32,
) -> impl Iterator<Item = Instance> + 'a {
    (1..=count).map(move |number| Instance {
        id: InstanceId::from(format!("{}-{number}", set.id)),
        external_id: set.external_id.clone(),
        health: InstanceHealth::from(health),
    })
}

/// The plan names the task sets' instances in the place of target groups.
fn named(state: &mut Value) {
    let plan = &mut state["plan"];
    let labels = match plan["outgoing"].as_str() {
        Some("original") => [ORIGINAL, OWNER],
        _ => [OWNER, ORIGINAL],
    };
    let [original, replacement] = labels.map(|label| json!(format!("{REGISTRY}/{label}")));
    plan["originalTargetGroup"] = original;
    plan["replacementTargetGroup"] = replacement;
    plan["routes"] = json!([REGISTRY]);
}
