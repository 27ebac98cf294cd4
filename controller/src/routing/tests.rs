use super::*;
use crate::fixture::{Scene, group_arn};
use crate::refusal::ErrorName;
use crate::world::{Forward, TaskSetStatus};

fn production(scene: &Scene) -> String {
    read(&scene.world, &scene.request).map_or_else(
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

/// No tag is left, as after infrastructure code was applied; the task set is `PRIMARY` on `blue`.
fn stripped() -> Scene {
    let mut scene = Scene::serving();
    scene.group_mut("blue").is_production = None;
    scene.group_mut("blue").task_set_id = None;
    let set = scene.task_set_mut("ecs-svc/1");
    set.status = TaskSetStatus::Primary;
    set.external_id = Some("ebbtide:Ebbtide:run-0:20251201T000000Z".into());
    scene
}

#[test]
fn where_tags_are_gone_the_only_task_set_decides_if_it_is_primary() {
    let scene = stripped();
    assert_eq!(production(&scene), "blue");
    let routing = read(&scene.world, &scene.request).unwrap();
    assert_eq!(
        routing.roles.taken().unwrap().to_string(),
        "listener 80 is taken for production and 8080 for test, because the only task set, ecs-svc/1, is PRIMARY there"
    );
    // Ports that say nothing contradict nothing.
    let mut scene = stripped();
    scene.listener_mut(80).port = 9001;
    scene.listener_mut(8080).port = 9000;
    assert_eq!(production(&scene), "blue");
}

#[test]
fn where_tags_are_gone_the_only_task_set_with_targets_decides_unless_it_is_a_candidate() {
    let mut scene = stripped();
    let set = scene.task_set_mut("ecs-svc/1");
    set.status = TaskSetStatus::Active;
    set.external_id = None;
    assert_eq!(production(&scene), "blue");
    // That of a first deployment which has not swapped yet.
    scene.task_set_mut("ecs-svc/1").external_id = Some(crate::fixture::OWNER.into());
    assert!(production(&scene).contains("Cannot tell which"));
    scene.task_set_mut("ecs-svc/1").external_id = None;
    scene.group_mut("blue").targets.healthy = 0;
    assert!(production(&scene).contains("Cannot tell which"));
}

#[test]
fn the_only_task_set_does_not_decide_where_something_contradicts_it() {
    let contradictions: [fn(&mut Scene); 5] = [
        // Users connect to 80.
        |scene| {
            scene.listener_mut(80).forward = Forward::to(&group_arn("green"));
            scene.listener_mut(8080).forward = Forward::to(&group_arn("blue"));
        },
        |scene| scene.group_mut("green").targets.healthy = 1,
        |scene| scene.group_mut("green").swap_intent = Some("half".into()),
        // PRIMARY may be that of a swap that was left half done.
        |scene| {
            let mut second = scene.task_set_mut("ecs-svc/1").clone();
            second.id = "ecs-svc/2".into();
            second.status = TaskSetStatus::Active;
            second.load_balancers[0].target_group = group_arn("green");
            scene.world.task_sets.push(second);
        },
        // Some tags are left, and do not settle it.
        |scene| {
            let mut third = scene.listener_mut(8080).clone();
            third.port = 9000;
            third.role = Some("test".into());
            scene.world.listeners.push(third);
        },
    ];
    for (index, contradict) in contradictions.into_iter().enumerate() {
        let mut scene = stripped();
        contradict(&mut scene);
        let seen = production(&scene);
        assert!(seen.contains("Cannot tell which"), "{index}: {seen}");
    }
}

#[test]
fn a_tag_that_is_left_wins_over_the_only_task_set() {
    let mut scene = stripped();
    scene.listener_mut(8080).role = Some("production".into());
    assert_eq!(production(&scene), "green");
}

#[test]
fn two_tags_and_none_with_two_task_sets_are_refused_where_listeners_differ() {
    for tag in [None, Some("true".to_owned())] {
        let mut scene = Scene::created();
        for listener in &mut scene.world.listeners {
            listener.role = None;
        }
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
        let taken = read(&scene.world, &scene.request)
            .unwrap()
            .roles
            .taken()
            .unwrap();
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
    assert_eq!(
        read(&scene.world, &scene.request).unwrap().roles.taken(),
        None
    );
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
    let routing = read(&scene.world, &scene.request).unwrap();
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
fn no_task_set_is_taken_away_from_that_a_rule_reaches_on_whichever_listener() {
    let scene = Scene::swapped();
    let outgoing = scene.world.task_set(&"ecs-svc/1".into()).unwrap().clone();
    assert_eq!(no_rule_reaches(&scene.world, &outgoing), Ok(()));
    for port in [80, 8080] {
        let mut scene = Scene::swapped();
        scene.listener_mut(port).role = Some("test".into());
        scene.listener_mut(port).rule_target_groups = vec![group_arn("blue")];
        let refusal = no_rule_reaches(&scene.world, &outgoing).unwrap_err();
        assert_eq!(refusal.error, ErrorName::Drift);
        let named = format!("A rule of listener {port} sends traffic to ecs-svc/1.");
        assert_eq!(refusal.problem, named);
    }
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
    assert!(
        seen.contains("Key=ebbtide:service,Value=main/web"),
        "{seen}"
    );
    // A command that names one of them would be a guess.
    assert!(!seen.contains(&*group_arn("red")), "{seen}");
}

/// The names of the service's own groups, or why there are not two.
fn own(scene: &Scene) -> String {
    match pair(&scene.world, &scene.request) {
        Ok(pair) => pair.map(|group| group.name.clone()).join(" and "),
        Err(refusal) => refusal.to_string(),
    }
}

/// A scene with these values of `serviceName` on `blue`, which the task set uses, `green` and `red`.
fn tagged(names: [Option<&str>; 3]) -> Scene {
    let mut scene = Scene::serving();
    scene.add_group("red");
    for (group, name) in scene.world.target_groups.iter_mut().zip(names) {
        group.service_name = name.map(str::to_owned);
    }
    scene
}

#[test]
fn groups_of_another_service_are_left_alone() {
    for names in [
        [None, None, Some("other")],
        [Some("web"), Some("web"), None],
        [Some("web"), Some("web"), Some("other")],
        // A company's tag has one value for several services: it is what the group in use says.
        [Some("platform"), Some("platform"), None],
        [Some("platform"), Some("platform"), Some("web")],
        [None, Some("web"), Some("other")],
    ] {
        assert_eq!(own(&tagged(names)), "blue and green", "{names:?}");
    }
}

#[test]
fn groups_that_are_left_out_are_named_with_the_tag_that_left_them_out() {
    let seen = own(&tagged([Some("platform"), Some("other"), None]));
    assert!(
        seen.contains(
            "seen: 1: blue; left out: green (tagged serviceName=other), red (without a tag)."
        ),
        "{seen}"
    );
    assert!(seen.contains("targetGroups"), "{seen}");
}

#[test]
fn a_name_that_two_environments_share_settles_nothing() {
    // Two pairs, of which one is tagged with the service's name by another cluster's service.
    let mut scene = tagged([None, None, Some("web")]);
    scene.add_group("yellow");
    scene.group_mut("yellow").service_name = Some("web".into());
    scene.world.task_sets.clear();
    let seen = own(&scene);
    assert!(seen.contains("seen: 4: blue, green, red, yellow"), "{seen}");
    for group in ["red", "yellow"] {
        scene.group_mut(group).service = Some("other/web".into());
    }
    assert_eq!(own(&scene), "blue and green");
}

#[test]
fn the_service_tag_settles_whose_groups_they_are() {
    let mut scene = tagged([None, None, None]);
    for group in ["blue", "green"] {
        scene.group_mut(group).service = Some("main/web".into());
        scene.group_mut(group).service_name = Some(group.into());
    }
    assert_eq!(own(&scene), "blue and green");
    // Half a record, and a group in use.
    let mut scene = tagged([None, None, Some("other")]);
    scene.group_mut("green").service = Some("main/web".into());
    assert_eq!(own(&scene), "blue and green");
}

#[test]
fn a_pair_without_the_group_that_a_task_set_uses_is_refused() {
    let mut scene = tagged([None, None, None]);
    for group in ["green", "red"] {
        scene.group_mut(group).service = Some("main/web".into());
    }
    let by_use = "its task sets are on blue, which neither targetGroups nor ebbtide:service names";
    let seen = own(&scene);
    assert!(seen.contains(by_use), "{seen}");
    let mut scene = tagged([None, None, None]);
    scene.request.target_groups = Some([group_arn("green"), group_arn("red")]);
    let seen = own(&scene);
    assert!(seen.contains(by_use), "{seen}");
}

#[test]
fn a_group_that_is_recorded_as_another_services_is_never_used() {
    let mut scene = Scene::serving();
    scene.group_mut("blue").service = Some("other/web".into());
    let seen = own(&scene);
    assert!(
        seen.starts_with(
            "Target group blue is tagged ebbtide:service=other/web, and yet a task set"
        ),
        "{seen}"
    );
    let mut scene = Scene::serving();
    scene.group_mut("green").service = Some("other/web".into());
    let seen = own(&scene);
    assert!(
        seen.contains("left out: green (tagged ebbtide:service=other/web)"),
        "{seen}"
    );
    scene.request.target_groups = Some([group_arn("blue"), group_arn("green")]);
    let seen = own(&scene);
    assert!(seen.contains("and yet targetGroups names it"), "{seen}");
}

#[test]
fn task_sets_on_groups_whose_tags_differ_are_refused() {
    let mut scene = Scene::created();
    scene.group_mut("blue").service_name = Some("web".into());
    let seen = own(&scene);
    assert!(
        seen.contains("blue (tagged serviceName=web), green (without a tag)"),
        "{seen}"
    );
    // Once they are recorded, that tag no longer matters.
    for group in ["blue", "green"] {
        scene.group_mut(group).service = Some("main/web".into());
    }
    assert_eq!(own(&scene), "blue and green");
}

#[test]
fn the_input_names_groups_and_listeners() {
    let mut scene = tagged([None, None, None]);
    scene.request.target_groups = Some([group_arn("green"), group_arn("blue")]);
    assert_eq!(own(&scene), "blue and green");
    scene.request.target_groups = Some([group_arn("blue"), group_arn("gone")]);
    let seen = own(&scene);
    assert!(seen.contains("which no listener"), "{seen}");
    // Ports that settle nothing.
    let mut scene = first_deployment([8883, 1883]);
    let arn = |scene: &mut Scene, port| scene.listener_mut(port).arn.clone();
    scene.request.production_listeners = vec![arn(&mut scene, 1883)];
    assert_eq!(production(&scene), "green");
    scene.request.production_listeners.clear();
    scene.request.test_listeners = vec![arn(&mut scene, 1883)];
    assert_eq!(production(&scene), "blue");
}

#[test]
fn a_listener_that_the_input_names_agrees_with_its_tag_and_is_the_services() {
    let mut scene = Scene::serving();
    scene.listener_mut(80).role = Some("production".into());
    scene.request.test_listeners = vec![scene.listener_mut(80).arn.clone()];
    let seen = production(&scene);
    assert!(
        seen.contains("testListeners names listener 80, which is tagged ebbtide:role=production"),
        "{seen}"
    );
    let mut scene = Scene::serving();
    scene.listener_mut(8080).forward = Forward::to(&group_arn("red"));
    scene.request.production_listeners = vec![scene.listener_mut(8080).arn.clone()];
    let seen = production(&scene);
    assert!(seen.contains("forwards to neither target group"), "{seen}");
}

#[test]
fn a_listener_shared_with_another_service_is_refused() {
    let mut scene = Scene::serving();
    scene.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("elsewhere"));
    let refusal = read(&scene.world, &scene.request).unwrap_err();
    assert_eq!(refusal.error, ErrorName::PreflightFailed);
}

#[test]
fn one_tagged_group_is_told_to_tag_the_other() {
    let mut scene = Scene::serving();
    scene.group_mut("blue").service_name = Some("web".into());
    let refusal = read(&scene.world, &scene.request).unwrap_err();
    assert!(
        refusal.fix.to_string().contains("Key=ebbtide:service"),
        "{refusal}"
    );
}
