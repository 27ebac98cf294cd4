//! Which registry a replacement is in: the original's, by the names of its own task definition, or the request's.

use crate::arn::short;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::{NetworkMode, ServiceRegistry, TaskDefinition, TaskSet};

/// The registries of the replacement.
///
/// Where a registry names the container that the load balancer reaches, it follows that container to its
/// new name and port. Refuses what ECS refuses: a container or a port that the task definition does not
/// have, and none of both outside `awsvpc` (AWS API model of `ServiceRegistry`).
pub(crate) fn registries(
    settled: &Request,
    definition: &TaskDefinition,
    original: Option<&TaskSet>,
) -> Result<Vec<ServiceRegistry>, Refusal> {
    let registries: Vec<_> = match original {
        Some(original) => {
            let registries = original.service_registries.iter();
            registries
                .map(|registry| followed(registry, original, settled))
                .collect()
        }
        None => settled.registry.clone().into_iter().collect(),
    };
    for registry in &registries {
        fits(registry, definition, original.is_some())?;
    }
    Ok(registries)
}

/// A registry by the new names of what the load balancer reaches.
fn followed(registry: &ServiceRegistry, original: &TaskSet, settled: &Request) -> ServiceRegistry {
    let mut registry = registry.clone();
    let Some(attached) = original.load_balancers.first() else {
        return registry;
    };
    if registry.container_name.is_none() || registry.container_name != attached.container_name {
        return registry;
    }
    if registry.container_port == attached.container_port {
        registry.container_port = settled.container_port.or(registry.container_port);
    }
    registry.container_name = settled.container_name.clone().or(registry.container_name);
    registry
}

fn fits(
    registry: &ServiceRegistry,
    definition: &TaskDefinition,
    of_the_original: bool,
) -> Result<(), Refusal> {
    let needs_port = matches!(
        definition.network_mode,
        NetworkMode::Bridge | NetworkMode::Host
    );
    let wanted = match (&registry.container_name, registry.container_port) {
        (Some(name), Some(port)) => {
            let mut containers = definition.containers.iter();
            let has = |container: &crate::world::Container| {
                container.name == *name && container.ports.contains(&port)
            };
            if containers.any(has) {
                return Ok(());
            }
            format!("container {name} with port {port}")
        }
        (Some(name), None) => {
            let mut containers = definition.containers.iter();
            if !needs_port && containers.any(|container| container.name == *name) {
                return Ok(());
            }
            format!("container {name} without a port")
        }
        (None, _) if needs_port => "no container".to_owned(),
        (None, _) => return Ok(()),
    };
    let name = short(&definition.arn);
    if !of_the_original {
        return Err(Refusal::preflight(
            format!(
                "registry names {wanted}, which {name} ({}) does not have.",
                definition.network_mode
            ),
            "Set registry.containerName and registry.containerPort as in the task definition.",
        ));
    }
    Err(Refusal::preflight(
        format!(
            "Cloud Map registry {} of the original names {wanted}, which {name} ({}) does not have.",
            short(&registry.arn),
            definition.network_mode
        ),
        format!(
            "Give {name} that container and port, or move the service to another registry first: create a task set with that registry by hand, and make it the one that serves."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Scene;
    use crate::world::Container;

    const ARN: &str = "arn:aws:servicediscovery:us-east-1:555555555555:service/srv-1";

    fn registry(container: Option<(&str, Option<u16>)>) -> ServiceRegistry {
        ServiceRegistry {
            arn: ARN.into(),
            port: None,
            container_name: container.map(|(name, _)| name.to_owned()),
            container_port: container.and_then(|(_, port)| port),
        }
    }

    /// What becomes of the registry of an original behind `webserver:8080`, once that is `edge:8443`.
    fn becomes(registry: ServiceRegistry) -> Result<ServiceRegistry, Refusal> {
        let mut scene = Scene::serving();
        let container = |name: &str, port: u16| Container {
            name: name.to_owned(),
            ports: vec![port],
            stop_timeout: None,
            health_check: false,
        };
        let definition = scene.world.task_definition.as_mut().unwrap();
        definition.containers = vec![container("edge", 8_443), container("metrics", 9_090)];
        scene.request.container_name = Some("edge".to_owned());
        scene.request.container_port = Some(8_443);
        scene.task_set_mut("ecs-svc/1").service_registries = vec![registry];
        let definition = scene.world.task_definition.as_ref().unwrap();
        let original = scene.world.task_sets.first();
        let mut all = registries(&scene.request, definition, original)?;
        Ok(all.remove(0))
    }

    #[test]
    fn a_registry_follows_the_load_balancers_container_and_keeps_any_other() {
        let cases = [
            (
                Some(("webserver", Some(8_080))),
                Some(("edge", Some(8_443))),
            ),
            (Some(("webserver", None)), Some(("edge", None))),
            (
                Some(("metrics", Some(9_090))),
                Some(("metrics", Some(9_090))),
            ),
            (None, None),
        ];
        for (before, after) in cases {
            assert_eq!(becomes(registry(before)), Ok(registry(after)), "{before:?}");
        }
    }

    #[test]
    fn a_container_or_a_port_that_is_gone_is_refused() {
        for gone in [
            ("sidecar", Some(9_090)),
            ("metrics", Some(1)),
            ("webserver", Some(1)),
        ] {
            let refusal = becomes(registry(Some(gone))).unwrap_err();
            assert!(
                refusal.problem.contains("srv-1 of the original names"),
                "{refusal}"
            );
        }
    }
}
