//! What of a service can be undone, and how.

use super::*;

#[test]
fn what_served_before_is_back_if_its_task_definition_serves() {
    let mut scene = Scene::serving();
    let input = earlier_of(&scene);
    // Before the first swap none is PRIMARY.
    assert!(is_back(Some(&input), Some(&scene.world)));
    scene.world.task_sets[0].status = crate::world::TaskSetStatus::Primary;
    assert!(is_back(Some(&input), Some(&scene.world)));
    let other = json!({"taskDefinition": "web:77"});
    assert!(!is_back(Some(&other), Some(&scene.world)));
    // A first deployment has nothing to go back to.
    assert!(is_back(None, None));
    assert!(!is_back(None, Some(&scene.world)));
    assert_eq!(unclear(Some(&scene.world)), None);
    let unknown = crate::world::TaskSetStatus::from("RESTING");
    scene.world.task_sets[0].status = unknown;
    assert!(unclear(Some(&scene.world)).is_some());
}

#[test]
fn the_earlier_version_is_asked_for_with_all_that_it_ran_with_and_nothing_that_holds_it_back() {
    let mut scene = Scene::serving();
    scene.request.alarms = vec!["errors".to_owned()];
    scene.request.subnets = Some(vec!["subnet-new".to_owned()]);
    let window = json!({"from": "22:00", "to": "06:00", "zone": "Europe/Berlin"});
    let asked = crate::request::Request::parse(
        &json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2", "drain": {"within": 900}, "window": window}),
        &home(),
    )
    .unwrap();
    (scene.request.drain, scene.request.window) = (asked.drain, asked.window);
    scene.request.finish_by = Some(scene.world.now);
    let serves = scene.world.task_sets[0].clone();
    let earlier = earlier(&scene.request, &scene.world, &serves.id).unwrap();
    assert_eq!(earlier.task_definition, serves.task_definition);
    assert_eq!(
        earlier.subnets,
        serves.network.map(|network| network.subnets)
    );
    assert_eq!(
        (earlier.launch, earlier.platform_version),
        (serves.launch, serves.platform_version)
    );
    assert_eq!(earlier.drain, scene.request.drain);
    assert!(earlier.alarms.is_empty() && earlier.shift.is_none());
    assert_eq!((earlier.window, earlier.finish_by), (None, None));
    let mut input = earlier_of(&scene);
    input["comment"] = json!("x");
    assert!(crate::request::Request::parse(&input, &home()).is_ok());
}

fn earlier_of(scene: &Scene) -> Value {
    let serves = &scene.world.task_sets[0].id;
    earlier(&scene.request, &scene.world, serves)
        .unwrap()
        .to_json()
}

#[test]
fn only_what_this_execution_has_deployed_is_undone() {
    let mut scene = Scene::serving();
    let input = earlier_of(&scene);
    scene.world.task_sets[0].status = crate::world::TaskSetStatus::Primary;
    let ours = scene.world.task_sets[0].id.to_string();
    let by = |earlier, ours, world| can_be_undone(earlier, Some(ours), world);
    assert_eq!(by(Some(&input), &ours, Some(&scene.world)), Ok(()));
    for (undoing, why) in [
        (
            by(None, &ours, Some(&scene.world)),
            "there was no earlier version".to_owned(),
        ),
        (
            by(Some(&input), &ours, None),
            "the service is gone".to_owned(),
        ),
        (
            by(Some(&input), "ecs-svc/9", Some(&scene.world)),
            format!("{ours} serves now, and this execution has deployed ecs-svc/9"),
        ),
    ] {
        assert_eq!(undoing, Err(why));
    }
}
