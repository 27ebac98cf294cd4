//! Scenes of services that clients find in a registry, drawn from bytes.

use arbitrary::Unstructured;
use ebbtide_controller::id::{InstanceId, RegistryArn, RouteArn};
use ebbtide_controller::registry::Removed;
use ebbtide_controller::world::{
    Instance, InstanceHealth, Registry, ServiceRegistry, TaskSetStatus, World,
};

use crate::draw::{once_in, one};
use crate::scene::Scene;

const ARN: &str = "arn:aws:servicediscovery:us-east-1:555555555555:service/srv-1";

/// Clients find the service in a registry, beside its load balancer or without one.
pub(crate) fn found_in_a_registry(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let alone = !once_in(bytes, 3);
    let world = &mut scene.world;
    let mut all = Vec::new();
    for (number, set) in world.task_sets.iter_mut().enumerate() {
        if number == 0 && alone && !once_in(bytes, 8) {
            set.external_id.get_or_insert_with(|| "first".to_owned());
            set.status = one(bytes, &[TaskSetStatus::Primary, TaskSetStatus::Active]);
        }
        if !once_in(bytes, 12) {
            set.service_registries = vec![ServiceRegistry {
                arn: RegistryArn::from(ARN),
                port: Some(8_080),
                container_name: None,
                container_port: None,
            }];
        }
        let tasks = bytes.int_in_range(0..=5).unwrap_or(4);
        for task in 0..tasks {
            let health = one(bytes, &["HEALTHY", "HEALTHY", "UNHEALTHY", "UNKNOWN"]);
            all.push(Instance {
                id: InstanceId::from(format!("{number}-{task}")),
                external_id: set.external_id.clone(),
                health: InstanceHealth::from(health),
            });
        }
    }
    world.registry = Some(Registry {
        arn: RegistryArn::from(ARN),
        name: "web".to_owned(),
        records: vec![one(bytes, &["A", "SRV"]).to_owned()],
        ttl: one(bytes, &[60, 0, u32::MAX]),
        weighted: once_in(bytes, 8),
        custom_health: !once_in(bytes, 8),
        instances: all,
    });
    let plan = &mut scene.deployment.plan;
    plan.removed = Removed {
        since: once_in(bytes, 2).then_some(world.now.saturating_sub(100)),
        times: one(bytes, &[0, 1, 3, 4]),
        restarts: once_in(bytes, 8),
        backs: one(bytes, &[0, 0, 1, 3]),
    };
    if !alone {
        return;
    }
    world.load_balancer = None;
    (world.target_groups, world.routes) = (Vec::new(), Vec::new());
    for set in &mut world.task_sets {
        set.load_balancers.clear();
    }
    let label = plan.id.external_id();
    plan.original_target_group = format!("{ARN}/first").into();
    plan.replacement_target_group = format!("{ARN}/{label}").into();
    plan.routes = vec![RouteArn::from(ARN)];
}

/// A turn reads no target group and no route where there is no load balancer, and ECS has one PRIMARY task set.
pub(crate) fn keep_to_what_a_registry_shows(world: &mut World) {
    (world.target_groups, world.routes) = (Vec::new(), Vec::new());
    let mut sets = world.task_sets.iter_mut();
    sets.find(|set| set.status == TaskSetStatus::Primary);
    for set in sets.filter(|set| set.status == TaskSetStatus::Primary) {
        set.status = TaskSetStatus::Active;
    }
}
