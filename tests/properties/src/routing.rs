use arbitrary::Unstructured;
use ebbtide_controller::action::Role;
use ebbtide_controller::id::{RouteArn, TargetGroupArn};
use ebbtide_controller::request::Request;
use ebbtide_controller::routing::{Routing, read};
use ebbtide_controller::world::World;

use crate::Scene;

/// Where production traffic goes is one group of two, reached by every production route and the
/// other by none, as the tags of the routes say and whatever order AWS lists things in; or it is
/// refused.
///
/// The input draws a [`Scene`].
pub fn routing(data: &[u8]) {
    let scene = Scene::draw(&mut Unstructured::new(data));
    let (world, request) = (scene.world, scene.deployment.plan.request);
    let seen = production_in(&world, &request);
    let mut reversed = world;
    reversed.routes.reverse();
    reversed.target_groups.reverse();
    assert_eq!(seen, production_in(&reversed, &request), "by another order");
}

/// The production group and the production routes, checked.
fn production_in(world: &World, request: &Request) -> Option<(TargetGroupArn, Vec<RouteArn>)> {
    let routing = read(world, request).ok()?;
    is_what_routes_do(world, &routing);
    let routes = routing.roles.production.iter();
    let mut arns: Vec<_> = routes.map(|route| route.arn.clone()).collect();
    arns.sort_unstable();
    Some((routing.production.arn.clone(), arns))
}

fn is_what_routes_do(world: &World, routing: &Routing<'_>) {
    let (production, alternate) = (&routing.production.arn, &routing.alternate.arn);
    assert_ne!(production, alternate);
    for group in [routing.production, routing.alternate] {
        assert!(world.target_groups.contains(group));
        assert_ne!(group.service.as_deref(), Some("other/web"));
        // Another name is the service's own where the tag is on a group that it uses, or on record.
        if group.service_name.as_deref() == Some("other") && group.service.is_none() {
            let used = |arn: &TargetGroupArn| {
                let mut sets = world.task_sets.iter();
                sets.any(|set| !set.is_being_deleted() && set.is_attached_to(arn))
            };
            let mut groups = world.target_groups.iter();
            assert!(
                groups.any(|known| known.service_name == group.service_name && used(&known.arn))
            );
        }
    }
    let roles = &routing.roles;
    assert!(!roles.production.is_empty());
    for (route, role) in roles.all() {
        match role {
            Role::Production => {
                assert_ne!(route.role.as_deref(), Some("test"));
                assert!(route.forward.is_all_to(production));
            }
            Role::Test => assert_ne!(route.role.as_deref(), Some("production")),
        }
    }
    // One that is recorded as production is never overlooked.
    for route in &world.routes {
        let ours = route.forward.names(production) || route.forward.names(alternate);
        if ours && route.role.as_deref() == Some("production") {
            assert!(roles.production.contains(&route));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "is_all_to(production)")]
    fn a_production_group_that_no_listener_reaches_is_found() {
        let scene = Scene::draw(&mut Unstructured::new(&[]));
        let (world, request) = (scene.world, scene.deployment.plan.request);
        let mut routing = read(&world, &request).unwrap();
        std::mem::swap(&mut routing.production, &mut routing.alternate);
        is_what_routes_do(&world, &routing);
    }

    #[test]
    #[should_panic(expected = "roles.production.contains")]
    fn a_production_listener_that_was_overlooked_is_found() {
        let scene = Scene::draw(&mut Unstructured::new(&[]));
        let (mut world, request) = (scene.world, scene.deployment.plan.request);
        let mut second = world.routes[0].clone();
        second.port = 443;
        world.routes.push(second);
        let mut routing = read(&world, &request).unwrap();
        routing.roles.production.pop();
        is_what_routes_do(&world, &routing);
    }
}
