use super::*;
use crate::fixture::{World, group_arn};
use crate::observation::Forward;
use crate::refusal::ErrorName;

fn production(world: &World) -> String {
    read(&world.observation, "web").map_or_else(
        |refusal| format!("{}: {refusal}", refusal.error),
        |routing| routing.production.name.clone(),
    )
}

#[test]
fn a_false_tag_is_not_production() {
    let mut world = World::serving();
    world.group_mut("green").is_production = Some("false".into());
    assert_eq!(production(&world), "blue");
}

#[test]
fn a_tag_that_the_lowest_port_and_a_task_set_speak_against_settles_nothing() {
    let mut world = World::serving();
    world.group_mut("blue").is_production = None;
    world.group_mut("green").is_production = Some("true".into());
    let seen = production(&world);
    assert!(
        seen.contains("green alone is tagged isProduction=true"),
        "{seen}"
    );
    // With the task set on its group, production may well be the higher port.
    world.task_set_mut("ecs-svc/1").load_balancers[0].target_group = group_arn("green");
    assert_eq!(production(&world), "green");
}

#[test]
fn a_lone_listener_wins_over_a_tag() {
    let mut world = World::serving();
    world.observation.listeners.truncate(1);
    world.group_mut("blue").is_production = None;
    world.group_mut("green").is_production = Some("true".into());
    assert_eq!(production(&world), "blue");
}

#[test]
fn a_recorded_role_wins_over_a_tag() {
    let mut world = World::serving();
    world.listener_mut(80).role = Some("production".into());
    world.group_mut("blue").is_production = None;
    world.group_mut("green").is_production = Some("true".into());
    assert_eq!(production(&world), "blue");
}

#[test]
fn no_tag_or_two_tags_are_refused_where_listeners_differ() {
    for tag in [None, Some("true".to_owned())] {
        let mut world = World::serving();
        world.group_mut("blue").is_production.clone_from(&tag);
        world.group_mut("green").is_production = tag;
        let seen = production(&world);
        assert!(
            seen.starts_with("PreflightFailed: Cannot tell which"),
            "{seen}"
        );
        assert!(seen.contains("Key=ebbtide:role,Value=production"), "{seen}");
    }
}

#[test]
fn two_tags_are_settled_by_listeners_that_agree() {
    let mut world = World::serving();
    world.group_mut("green").is_production = Some("true".into());
    world.listener_mut(8080).forward = Forward::to(&group_arn("blue"));
    assert_eq!(production(&world), "blue");
}

#[test]
fn before_the_first_deployment_the_lowest_port_is_production() {
    let mut world = World::serving();
    world.observation.task_sets.clear();
    world.group_mut("blue").is_production = None;
    assert_eq!(production(&world), "blue");
}

#[test]
fn several_production_listeners_are_found_by_their_group() {
    let mut world = World::serving();
    let mut second = world.listener_mut(80).clone();
    second.port = 443;
    world.observation.listeners.push(second);
    let routing = read(&world.observation, "web").unwrap();
    let ports: Vec<_> = routing.roles.production.iter().map(|l| l.port).collect();
    assert_eq!(ports, [80, 443]);
}

#[test]
fn production_listeners_that_disagree_are_drift() {
    let mut world = World::serving();
    world.listener_mut(80).role = Some("production".into());
    world.listener_mut(8080).role = Some("production".into());
    assert!(production(&world).starts_with("Drift: The production listeners"));
}

#[test]
fn a_traffic_shift_by_hand_is_drift() {
    let mut world = World::serving();
    let mut shared = Forward::weighted(&group_arn("blue"), &group_arn("green"));
    shared.0[1].weight = 10;
    world.listener_mut(80).forward = shared;
    assert!(production(&world).starts_with("Drift: Listener 80 shares"));
}

#[test]
fn a_rule_that_forwards_to_the_service_is_refused() {
    let mut world = World::serving();
    world.listener_mut(80).rule_target_groups = vec![group_arn("green")];
    assert!(production(&world).starts_with("PreflightFailed: A rule of listener 80"));
}

#[test]
fn one_three_or_four_groups_are_refused_by_name() {
    let mut world = World::serving();
    world.observation.target_groups.truncate(1);
    assert!(production(&world).contains("seen: 1: blue"));
    let mut world = World::serving();
    world.add_group("red");
    let seen = production(&world);
    assert!(seen.contains("seen: 3: blue, green, red"), "{seen}");
    assert!(seen.contains("Key=serviceName,Value=web"), "{seen}");
}

#[test]
fn groups_of_another_service_are_left_alone() {
    let mut world = World::serving();
    world.add_group("red");
    world.group_mut("red").service_name = Some("other".into());
    assert_eq!(production(&world), "blue");
    let mut world = World::serving();
    world.add_group("red");
    for group in ["blue", "green"] {
        world.group_mut(group).service_name = Some("web".into());
    }
    assert_eq!(production(&world), "blue");
}

#[test]
fn a_listener_shared_with_another_service_is_refused() {
    let mut world = World::serving();
    world.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("elsewhere"));
    let refusal = read(&world.observation, "web").unwrap_err();
    assert_eq!(refusal.error, ErrorName::PreflightFailed);
}

#[test]
fn one_tagged_group_is_told_to_tag_the_other() {
    let mut world = World::serving();
    world.group_mut("blue").service_name = Some("web".into());
    let refusal = read(&world.observation, "web").unwrap_err();
    assert!(refusal.mend.contains("Key=serviceName"), "{refusal}");
}
