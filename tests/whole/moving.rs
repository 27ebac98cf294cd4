//! What the public sample leaves behind is taken over by the first execution, as
//! docs/moving-from-the-sample.md tells.

use ebbtide_simulator::Names;
use ebbtide_simulator::world::World;

use crate::support::{
    deploy, forward, group, listener, names, sample, scale, served, sets, tag, untag,
};

/// The sample's second task set, healthy on the other group; ten minutes are long enough.
fn with_a_second_set() -> (World, String, String) {
    let mut world = served();
    let first = sets(&world).remove(0);
    let same = Names {
        task_definition: world.task_set(&first).unwrap().task_definition.clone(),
        ..names()
    };
    let request = same.task_set(&group(&world, "-tg-2"));
    let second = world.create_task_set(&request).unwrap();
    world.advance_to(world.now() + 600_000);
    (world, first, second)
}

fn swap_listeners(world: &mut World) {
    forward(world, 80, &[("-tg-2", 1)]);
    forward(world, 8080, &[("-tg-1", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_task_set_that_the_sample_left_half_drained_is_drained_on_in_steps() {
    let (mut world, first, second) = with_a_second_set();
    swap_listeners(&mut world);
    let (from, to) = (group(&world, "-tg-1"), group(&world, "-tg-2"));
    tag(&mut world, &to, "isProduction", "true");
    tag(&mut world, &to, "taskSetId", &second);
    untag(&mut world, &from, &["isProduction", "taskSetId"]);
    scale(&mut world, &first, 75.0);
    world.advance_to(world.now() + 1_200_000);
    let ended = deploy(world, "run-1", &sample()).await;
    ended.assert_deployed();
    let steps = ended.scales();
    let of_the_leftover = steps.iter().filter(|(set, _)| *set == first);
    let tasks: Vec<_> = of_the_leftover.map(|(_, tasks)| *tasks).collect();
    assert_eq!(tasks, [2, 1, 0], "{steps:?}");
    assert_eq!(ended.deleted(), [(first, false), (second, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_task_set_that_runs_is_drained_whether_a_tag_names_it_or_not() {
    for named in [false, true] {
        let (mut world, first, second) = with_a_second_set();
        if named {
            let other = group(&world, "-tg-2");
            tag(&mut world, &other, "taskSetId", &second);
        }
        let ended = deploy(world, "run-1", &sample()).await;
        ended.assert_deployed();
        assert_eq!(ended.deleted(), [(second, false), (first, false)]);
    }
}

/// The first execution asks where the production listener is, and takes nothing away.
async fn assert_asks(world: World) {
    let ended = deploy(world, "run-1", &sample()).await;
    let expected = "PreflightFailed: Cannot tell which listener is production";
    assert!(ended.text().starts_with(expected), "{}", ended.text());
    assert!(ended.writes().is_empty(), "{:?}", ended.writes());
}

#[tokio::test(start_paused = true)]
async fn a_tag_on_the_wrong_group_takes_nothing_from_what_serves() {
    let mut world = served();
    let (serving, other) = (group(&world, "-tg-1"), group(&world, "-tg-2"));
    untag(&mut world, &serving, &["isProduction", "taskSetId"]);
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
    // Users might be on the other one, as long as no tag says that they are not.
    let ended = deploy(world.clone(), "run-1", &sample()).await;
    let expected = "Drift: Listener 8080 sends traffic to";
    assert!(ended.text().starts_with(expected), "{}", ended.text());
    assert!(ended.deleted().is_empty() && ended.scales().is_empty());
    tag(&mut world, &test, "ebbtide:role", "test");
    let ended = deploy(world, "run-1", &sample()).await;
    ended.assert_deployed();
    assert_eq!(ended.deleted(), [(first, false), (second, false)]);
}

#[tokio::test(start_paused = true)]
async fn if_one_of_two_listeners_was_moved_the_set_that_serves_stays() {
    let (mut world, first, second) = with_a_second_set();
    forward(&mut world, 80, &[("-tg-2", 1)]);
    let ended = deploy(world, "run-1", &sample()).await;
    ended.assert_deployed();
    assert_eq!(ended.deleted(), [(first, false), (second, false)]);
}
