use super::*;
use crate::fixture::{Scene, group_arn};
use crate::refusal::ErrorName;
use crate::world::Forward;

fn production(scene: &Scene) -> String {
    read(&scene.world, "web").map_or_else(
        |refusal| format!("{}: {refusal}", refusal.error),
        |routing| routing.production.name.clone(),
    )
}

#[test]
fn a_false_tag_is_not_production() {
    let mut scene = Scene::serving();
    scene.group_mut("green").is_production = Some("false".into());
    assert_eq!(production(&scene), "blue");
}

#[test]
fn a_tag_that_the_lowest_port_and_a_task_set_speak_against_settles_nothing() {
    let mut scene = Scene::serving();
    scene.group_mut("blue").is_production = None;
    scene.group_mut("green").is_production = Some("true".into());
    let seen = production(&scene);
    assert!(
        seen.contains("green alone is tagged isProduction=true"),
        "{seen}"
    );
    // With the task set on its group, production may well be the higher port.
    scene.task_set_mut("ecs-svc/1").load_balancers[0].target_group = group_arn("green");
    assert_eq!(production(&scene), "green");
}

#[test]
fn a_lone_listener_wins_over_a_tag() {
    let mut scene = Scene::serving();
    scene.world.listeners.truncate(1);
    scene.group_mut("blue").is_production = None;
    scene.group_mut("green").is_production = Some("true".into());
    assert_eq!(production(&scene), "blue");
}

#[test]
fn a_recorded_role_wins_over_a_tag() {
    let mut scene = Scene::serving();
    scene.listener_mut(80).role = Some("production".into());
    scene.group_mut("blue").is_production = None;
    scene.group_mut("green").is_production = Some("true".into());
    assert_eq!(production(&scene), "blue");
}

#[test]
fn no_tag_or_two_tags_are_refused_where_listeners_differ() {
    for tag in [None, Some("true".to_owned())] {
        let mut scene = Scene::serving();
        scene.group_mut("blue").is_production.clone_from(&tag);
        scene.group_mut("green").is_production = tag;
        let seen = production(&scene);
        assert!(
            seen.starts_with("PreflightFailed: Cannot tell which"),
            "{seen}"
        );
        assert!(seen.contains("Key=ebbtide:role,Value=production"), "{seen}");
    }
}

#[test]
fn two_tags_are_settled_by_listeners_that_agree() {
    let mut scene = Scene::serving();
    scene.group_mut("green").is_production = Some("true".into());
    scene.listener_mut(8080).forward = Forward::to(&group_arn("blue"));
    assert_eq!(production(&scene), "blue");
}

/// A service without a task set, `blue` and `green` on these two ports.
fn first_deployment(ports: [u16; 2]) -> Scene {
    let mut scene = Scene::serving();
    scene.world.task_sets.clear();
    let blue = scene.group_mut("blue");
    blue.is_production = None;
    blue.task_set_id = None;
    blue.targets.healthy = 0;
    for (listener, port) in scene.world.listeners.iter_mut().zip(ports) {
        listener.port = port;
    }
    scene
}

#[test]
fn before_the_first_deployment_the_only_well_known_port_is_production() {
    for ports in [[80, 8080], [443, 8443], [8883, 9000], [1883, 1884]] {
        let scene = first_deployment(ports);
        assert_eq!(production(&scene), "blue", "{ports:?}");
        let taken = read(&scene.world, "web").unwrap().roles.taken().unwrap();
        let [port, test] = ports;
        assert_eq!(
            taken.to_string(),
            format!(
                "listener {port} is taken for production and {test} for test, because only {port} is a well-known port"
            )
        );
    }
    // The well-known port decides, not the lower one.
    assert_eq!(production(&first_deployment([1080, 5671])), "green");
}

#[test]
fn ports_that_do_not_settle_which_is_production_are_refused_with_both_listeners() {
    for (ports, why) in [
        ([8883, 1883], "Several listeners are on well-known ports."),
        ([9001, 9002], "No listener is on a well-known port."),
    ] {
        let seen = production(&first_deployment(ports));
        assert!(
            seen.starts_with("PreflightFailed: Cannot tell which"),
            "{seen}"
        );
        for port in ports {
            let named = format!("Listener {port} is ");
            let listed = format!(", {port} is ");
            assert!(seen.contains(&named) || seen.contains(&listed), "{seen}");
        }
        assert!(seen.contains(why), "{seen}");
    }
}

#[test]
fn a_role_tag_decides_whatever_the_ports_are() {
    let mut scene = first_deployment([8883, 1883]);
    scene.listener_mut(1883).role = Some("test".into());
    assert_eq!(production(&scene), "blue");
    scene.listener_mut(1883).role = Some("production".into());
    assert_eq!(production(&scene), "green");
    assert_eq!(read(&scene.world, "web").unwrap().roles.taken(), None);
}

#[test]
fn a_role_that_is_neither_production_nor_test_is_refused_by_its_value() {
    for value in ["Production", "prod", ""] {
        let mut scene = first_deployment([8883, 1883]);
        scene.listener_mut(8883).role = Some(value.into());
        let seen = production(&scene);
        let named =
            format!("PreflightFailed: Listener 8883 is tagged ebbtide:role={value}, which is");
        assert!(seen.starts_with(&named), "{seen}");
        assert!(seen.contains("Key=ebbtide:role,Value=production"), "{seen}");
    }
}

#[test]
fn the_role_of_another_services_listener_does_not_matter() {
    let mut scene = Scene::serving();
    let mut other = scene.listener_mut(80).clone();
    other.port = 9000;
    other.forward = Forward::to(&group_arn("red"));
    other.role = Some("Production".into());
    scene.world.listeners.push(other);
    assert_eq!(production(&scene), "blue");
}

#[test]
fn several_production_listeners_are_found_by_their_group() {
    let mut scene = Scene::serving();
    let mut second = scene.listener_mut(80).clone();
    second.port = 443;
    scene.world.listeners.push(second);
    let routing = read(&scene.world, "web").unwrap();
    let ports: Vec<_> = routing.roles.production.iter().map(|l| l.port).collect();
    assert_eq!(ports, [80, 443]);
}

#[test]
fn production_listeners_that_disagree_are_drift() {
    let mut scene = Scene::serving();
    scene.listener_mut(80).role = Some("production".into());
    scene.listener_mut(8080).role = Some("production".into());
    assert!(production(&scene).starts_with("Drift: The production listeners"));
}

#[test]
fn a_traffic_shift_by_hand_is_drift() {
    let mut scene = Scene::serving();
    let mut shared = Forward::weighted(&group_arn("blue"), &group_arn("green"));
    shared.0[1].weight = 10;
    scene.listener_mut(80).forward = shared;
    assert!(production(&scene).starts_with("Drift: Listener 80 shares"));
}

#[test]
fn a_rule_that_forwards_to_the_service_is_refused() {
    let mut scene = Scene::serving();
    scene.listener_mut(80).rule_target_groups = vec![group_arn("green")];
    assert!(production(&scene).starts_with("PreflightFailed: A rule of listener 80"));
}

#[test]
fn one_three_or_four_groups_are_refused_by_name() {
    let mut scene = Scene::serving();
    scene.world.target_groups.truncate(1);
    assert!(production(&scene).contains("seen: 1: blue"));
    let mut scene = Scene::serving();
    scene.add_group("red");
    let seen = production(&scene);
    assert!(seen.contains("seen: 3: blue, green, red"), "{seen}");
    assert!(seen.contains("Key=serviceName,Value=web"), "{seen}");
}

#[test]
fn groups_of_another_service_are_left_alone() {
    let mut scene = Scene::serving();
    scene.add_group("red");
    scene.group_mut("red").service_name = Some("other".into());
    assert_eq!(production(&scene), "blue");
    let mut scene = Scene::serving();
    scene.add_group("red");
    for group in ["blue", "green"] {
        scene.group_mut(group).service_name = Some("web".into());
    }
    assert_eq!(production(&scene), "blue");
}

#[test]
fn a_listener_shared_with_another_service_is_refused() {
    let mut scene = Scene::serving();
    scene.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("elsewhere"));
    let refusal = read(&scene.world, "web").unwrap_err();
    assert_eq!(refusal.error, ErrorName::PreflightFailed);
}

#[test]
fn one_tagged_group_is_told_to_tag_the_other() {
    let mut scene = Scene::serving();
    scene.group_mut("blue").service_name = Some("web".into());
    let refusal = read(&scene.world, "web").unwrap_err();
    assert!(refusal.mend.contains("Key=serviceName"), "{refusal}");
}
