//! What the public sample leaves behind is taken over by the first execution, as
//! docs/moving-from-the-sample.md tells.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::{CreateTaskSet, EventKind, ModifyListener, Tag, World};
use serde_json::json;

use crate::support::{Ended, deploy, group, names, sample, world};

fn tag(world: &mut World, arn: &str, key: &str, value: &str) {
    let tag = Tag {
        key: key.into(),
        value: value.into(),
    };
    world.add_elb_tags(&[arn.to_owned()], &[tag]).unwrap();
}

fn untag(world: &mut World, arn: &str) {
    let keys = ["isProduction".to_owned(), "taskSetId".to_owned()];
    world.remove_elb_tags(&[arn.to_owned()], &keys).unwrap();
}

fn listener(world: &World, port: u16) -> String {
    let mut listeners = world.listeners();
    let listener = listeners.find(|listener| listener.port == port);
    listener.unwrap().arn.clone()
}

fn point(world: &mut World, port: u16, group: &str) {
    let request: ModifyListener = serde_json::from_value(json!({
        "ListenerArn": listener(world, port),
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
    }))
    .unwrap();
    world.modify_listener(&request).unwrap();
}

fn first_set(world: &World) -> String {
    let names = names();
    let sets = world.task_sets_of(&names.cluster, &names.service);
    sets[0].id.clone()
}

/// The sample's second task set, healthy on the other group; ten minutes are long enough.
fn with_a_second_set() -> (World, String, String) {
    let mut world = world(&Scenario::default());
    let names = names();
    let first = first_set(&world);
    let set = world.task_set(&first).unwrap().clone();
    let mut second = CreateTaskSet::of(&names.cluster, &names.service, &set.task_definition);
    second
        .network_configuration
        .clone_from(&set.network_configuration);
    second.launch_type.clone_from(&set.launch_type);
    second.load_balancers.clone_from(&set.load_balancers);
    second.load_balancers[0].target_group_arn = group(&world, "-tg-2");
    let second = world.create_task_set(&second).unwrap();
    world.advance_to(world.now() + 600_000);
    (world, first, second)
}

fn swap_listeners(world: &mut World) {
    let (from, to) = (group(world, "-tg-1"), group(world, "-tg-2"));
    point(world, 80, &to);
    point(world, 8080, &from);
}

fn swap_tags(world: &mut World, task_set: &str) {
    let (from, to) = (group(world, "-tg-1"), group(world, "-tg-2"));
    tag(world, &to, "isProduction", "true");
    tag(world, &to, "taskSetId", task_set);
    untag(world, &from);
}

fn deleted(ended: &Ended) -> Vec<(String, bool)> {
    let deletions = ended.events.iter().filter_map(|event| match event {
        EventKind::TaskSetDraining { task_set, force } => Some((task_set.clone(), *force)),
        _ => None,
    });
    deletions.collect()
}

#[tokio::test(start_paused = true)]
async fn a_task_set_that_the_sample_left_half_drained_is_drained_on_in_steps() {
    let (mut world, first, second) = with_a_second_set();
    swap_listeners(&mut world);
    swap_tags(&mut world, &second);
    let names = names();
    let half = serde_json::from_value(json!({
        "cluster": names.cluster, "service": names.service, "taskSet": first,
        "scale": {"value": 75, "unit": "PERCENT"},
    }));
    world.update_task_set(&half.unwrap()).unwrap();
    world.advance_to(world.now() + 1_200_000);
    let ended = deploy(world, "run-1", &sample()).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    let steps: Vec<_> = ended.scales();
    let of_the_leftover: Vec<_> = steps.iter().filter(|(set, _)| *set == first).collect();
    let tasks: Vec<_> = of_the_leftover.iter().map(|(_, tasks)| *tasks).collect();
    assert_eq!(tasks, [2, 1, 0], "{steps:?}");
    assert_eq!(deleted(&ended), [(first, false), (second, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_task_set_that_the_sample_created_and_never_swapped_to_is_deleted_at_once() {
    let (world, first, second) = with_a_second_set();
    let ended = deploy(world, "run-1", &sample()).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    assert_eq!(deleted(&ended), [(second, true), (first, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_task_set_that_its_groups_tag_names_is_drained_and_not_deleted_at_once() {
    let (mut world, first, second) = with_a_second_set();
    let other = group(&world, "-tg-2");
    tag(&mut world, &other, "taskSetId", &second);
    let ended = deploy(world, "run-1", &sample()).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    assert_eq!(deleted(&ended), [(second, false), (first, false)]);
}

/// The first execution asks where the production listener is, and takes nothing away.
async fn assert_asks(world: World) {
    let ended = deploy(world.clone(), "run-1", &sample()).await;
    let expected = "PreflightFailed: Cannot tell which listener is production";
    assert!(ended.text().starts_with(expected), "{}", ended.text());
    assert!(ended.writes().is_empty(), "{:?}", ended.writes());
}

#[tokio::test(start_paused = true)]
async fn a_tag_on_the_wrong_group_takes_nothing_from_what_serves() {
    let mut world = world(&Scenario::default());
    let (live, other) = (group(&world, "-tg-1"), group(&world, "-tg-2"));
    untag(&mut world, &live);
    tag(&mut world, &other, "isProduction", "true");
    assert_asks(world).await;
}

#[tokio::test(start_paused = true)]
async fn where_listeners_were_moved_and_tags_were_not_their_roles_settle_it() {
    let (mut world, first, second) = with_a_second_set();
    swap_listeners(&mut world);
    assert_asks(world.clone()).await;
    let (production, test) = (listener(&world, 80), listener(&world, 8080));
    tag(&mut world, &production, "ebbtide:role", "production");
    // Users might be on the other one, as long as nobody has said that they are not.
    let ended = deploy(world.clone(), "run-1", &sample()).await;
    let expected = "Drift: Listener 8080 sends traffic to";
    assert!(ended.text().starts_with(expected), "{}", ended.text());
    assert!(deleted(&ended).is_empty() && ended.scales().is_empty());
    tag(&mut world, &test, "ebbtide:role", "test");
    let ended = deploy(world, "run-1", &sample()).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    assert_eq!(deleted(&ended), [(first, false), (second, false)]);
}

#[tokio::test(start_paused = true)]
async fn where_one_of_two_listeners_was_moved_what_serves_stays() {
    let (mut world, first, second) = with_a_second_set();
    let to = group(&world, "-tg-2");
    point(&mut world, 80, &to);
    let ended = deploy(world, "run-1", &sample()).await;
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    assert_eq!(deleted(&ended), [(first, false), (second, false)]);
}
