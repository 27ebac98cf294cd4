//! What the properties look for is found where it is: made up here, because no step does it.

use crate::support::{Drawn, corpus};
use arbitrary::Unstructured;
use bytes::Bytes;
use ebbtide_controller::action::{Action, Role};
use ebbtide_controller::deployment::Plan;
use ebbtide_controller::id::TaskSetId;
use ebbtide_controller::world::{Forward, TargetGroup, TaskSetStatus, World};
use ebbtide_properties::Scene;
use ebbtide_properties::harm::{Kind, harm};
use ebbtide_properties::wire::answered;
use http::{Request, Response};

const ORIGINAL: &str = "ecs-svc/1";
const REPLACEMENT: &str = "ecs-svc/2";

/// `ecs-svc/1` serves on `blue`, and `ecs-svc/2` is steady and healthy on `green`.
fn healthy() -> World {
    Scene::draw(&mut Unstructured::new(&[])).world
}

fn scale(task_set: &str, percent: f64) -> Action {
    Action::SetScale {
        task_set: task_set.into(),
        percent,
        tasks: 1,
    }
}

fn delete(task_set: &str, force: bool) -> Action {
    Action::DeleteTaskSet {
        task_set: task_set.into(),
        force,
    }
}

fn forward(world: &World, wanted: Forward) -> Action {
    Action::Forward {
        route: world.routes[0].arn.clone(),
        seen: world.routes[0].forward.clone(),
        wanted,
    }
}

fn found(world: &World, action: Action) -> Option<String> {
    harm(Kind::Other, None, world, &[action])
}

#[track_caller]
fn assert_found(world: &World, action: Action, why: &str) {
    let found = found(world, action).unwrap_or_default();
    assert!(found.ends_with(why), "found {found:?}, wanted {why:?}");
}

#[test]
fn what_takes_tasks_from_users_is_found() {
    let mut world = healthy();
    assert_found(&world, scale(ORIGINAL, 75.0), "users reach it");
    assert_found(&world, delete(ORIGINAL, false), "users reach it");
    assert_eq!(found(&world, scale(ORIGINAL, 100.0)), None);
    assert_eq!(found(&world, scale(REPLACEMENT, 50.0)), None);
    assert_eq!(found(&world, delete(REPLACEMENT, true)), None);
    // By a listener without a record, or by a rule.
    world.routes[1].role = None;
    assert_found(&world, delete(REPLACEMENT, false), "users reach it");
    world.routes[1].role = Some("test".to_owned());
    let mut rule = world.routes[0].clone();
    rule.forward = Forward::to(&world.target_groups[1].arn);
    world.routes.push(rule);
    assert_found(&world, scale(REPLACEMENT, 50.0), "users reach it");
}

#[test]
fn force_on_what_has_served_is_found() {
    let mut world = healthy();
    world.task_sets[1].status = TaskSetStatus::Primary;
    let primary = "what is PRIMARY has served";
    assert_found(&world, delete(REPLACEMENT, true), primary);
    assert_eq!(found(&world, delete(REPLACEMENT, false)), None);
    let records: [fn(&mut TargetGroup); 2] = [
        |green| green.task_set_id = Some(TaskSetId::from(REPLACEMENT)),
        |green| green.swap_intent = Some("another deployment".to_owned()),
    ];
    for record in records {
        let mut world = healthy();
        record(&mut world.target_groups[1]);
        assert_found(&world, delete(REPLACEMENT, true), "has begun");
        assert_eq!(found(&world, delete(REPLACEMENT, false)), None);
    }
}

#[test]
fn a_scale_that_rises_in_a_drain_or_that_ecs_does_not_take_is_found() {
    let mut world = healthy();
    world.task_sets[1].scale = 50.0;
    let up = [scale(REPLACEMENT, 75.0)];
    let found = harm(Kind::Drain, None, &world, &up).unwrap();
    assert!(found.ends_with("what is drained never rises"), "{found}");
    assert_eq!(harm(Kind::Other, None, &world, &up), None);
    for percent in [-1.0, 100.1, f64::NAN] {
        let refused = "ECS takes 0 to 100 percent";
        assert_found(&world, scale(REPLACEMENT, percent), refused);
    }
}

#[test]
fn what_names_a_thing_that_was_not_seen_is_found() {
    let world = healthy();
    let unknown = delete("ecs-svc/9", false);
    assert_found(&world, unknown, "no such task set was seen");
    let nowhere = forward(&world, Forward::to(&"nowhere".into()));
    assert_found(&world, nowhere, "no such target group was seen");
    let nothing = Action::RecordRole {
        route: "nothing".into(),
        role: Role::Test,
    };
    assert_found(&world, nothing, "no such route was seen");
    let none = harm(Kind::Other, None, &world, &[]);
    assert!(none.is_some());
}

#[test]
fn traffic_that_goes_where_nothing_is_healthy_or_is_shared_is_found() {
    let mut world = healthy();
    let [blue, green] = [0, 1].map(|group: usize| world.target_groups[group].arn.clone());
    let swap = forward(&world, Forward::weighted(&green, &blue));
    assert_eq!(found(&world, swap.clone()), None);
    world.target_groups[1].targets.healthy = 0;
    assert_found(&world, swap, "no target is healthy");
    let mut shared = Forward::weighted(&blue, &green);
    shared.0[1].weight = 50;
    let shared = forward(&world, shared);
    assert_found(&world, shared, "it shares traffic between groups");
}

#[test]
fn a_record_that_contradicts_the_listener_is_found() {
    let mut world = healthy();
    let untag = Action::UntagProduction {
        target_group: world.target_groups[0].arn.clone(),
    };
    assert_found(&world, untag, "the record would be lost");
    world.task_sets[1].status = TaskSetStatus::Draining;
    let primary = Action::MakePrimary {
        task_set: REPLACEMENT.into(),
    };
    assert_found(&world, primary, "it is being deleted");
}

#[test]
fn actions_are_judged_one_after_the_other() {
    let world = healthy();
    let (blue, green) = (&world.target_groups[0].arn, &world.target_groups[1].arn);
    let swap = forward(&world, Forward::weighted(green, blue));
    let in_order = [swap.clone(), delete(ORIGINAL, false)];
    assert_eq!(harm(Kind::Other, None, &world, &in_order), None);
    let reversed = [delete(ORIGINAL, false), swap];
    assert!(harm(Kind::Other, None, &world, &reversed).is_some());
}

/// Steps as they might have been written, over inputs that are drawn like those of the tests.
#[test]
fn a_step_without_its_guard_does_harm_in_an_input_that_is_drawn() {
    type Decide = fn(&World, &Plan) -> Option<Action>;
    let unguarded: [Decide; 3] = [
        // Deletes the drained original without a check of the listeners.
        |seen, plan| {
            let original = plan.outgoing_in(seen)?;
            (original.scale == 0.0).then(|| delete(&original.id, false))
        },
        // Rolls back by what the deployment believes.
        |seen, plan| Some(delete(&plan.incoming_in(seen)?.id, true)),
        // Scales to the plan, whatever has been done meanwhile.
        |seen, plan| Some(scale(&plan.outgoing_in(seen)?.id, 75.0)),
    ];
    for (index, decide) in unguarded.into_iter().enumerate() {
        let mut drawn = Drawn::new(corpus("decisions"), 1);
        let harmful = (0..2_000).any(|_| {
            let scene = Scene::draw(&mut Unstructured::new(&drawn.next()));
            let action = decide(&scene.world, &scene.deployment.plan);
            action.is_some_and(|action| harm(Kind::Drain, None, &scene.world, &[action]).is_some())
        });
        assert!(harmful, "step {index} did no harm in 2000 inputs");
    }
}

fn response(status: u16, body: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::copy_from_slice(body.as_bytes()));
    *response.status_mut() = status.try_into().unwrap();
    let headers = response.headers_mut();
    headers.insert("x-amzn-requestid", "1".parse().unwrap());
    response
}

#[test]
fn an_answer_that_is_not_its_protocols_is_found() {
    let query = Request::new(Bytes::new());
    let mut json = Request::new(Bytes::new());
    let target = "AmazonEC2ContainerServiceV20141113.X".parse().unwrap();
    json.headers_mut().insert("x-amz-target", target);
    let judge = |request, response| answered(request, &response, false);
    assert_eq!(judge(&json, response(200, "{}")), Ok(()));
    assert_eq!(judge(&query, response(400, "<A><B>c</B></A>")), Ok(()));
    for body in ["", "[]", "{", "<A/>"] {
        assert!(judge(&json, response(200, body)).is_err(), "{body}");
    }
    for body in ["", "{}", "<A>", "<A></B>", "</A>", "<A>\u{1}</A>"] {
        assert!(judge(&query, response(200, body)).is_err(), "{body}");
    }
    assert!(judge(&json, response(500, "{}")).is_err());
    let anonymous = Response::new(Bytes::from_static(b"{}"));
    assert!(judge(&json, anonymous).is_err());
}

#[test]
fn a_refusal_that_has_written_is_found() {
    let request = Request::new(Bytes::new());
    let refused = response(400, "<A></A>");
    let wrong = Err("it refuses, and yet it has written");
    assert_eq!(answered(&request, &refused, true), wrong);
    let done = response(200, "<A></A>");
    assert_eq!(answered(&request, &done, true), Ok(()));
}
