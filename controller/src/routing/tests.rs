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

#[test]
fn before_the_first_deployment_the_lowest_port_is_production() {
    let mut scene = Scene::serving();
    scene.world.task_sets.clear();
    scene.group_mut("blue").is_production = None;
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
