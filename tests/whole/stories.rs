//! How the public sample that this project replaces fails, and that the same story ends well here.
//! Each test is named by its story; A1's two executions at once need the lock, which is not there
//! yet.

use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{Tag, UpdateService, World};
use ebbtide_simulator::{Scenario, SimulatedAws};
use serde_json::{Value, json};

use crate::support::{Ended, deploy, deploy_among, group, names, sample, world};

fn served() -> World {
    world(&Scenario::default())
}

fn assert_deployed(ended: &Ended) {
    assert_eq!(ended.output()["status"], "deployed", "{}", ended.text());
    let names = names();
    let sets = ended.world.task_sets_of(&names.cluster, &names.service);
    assert_eq!(sets.len(), 1, "{sets:?}");
    assert_eq!(sets[0].status.as_str(), "PRIMARY");
    let production = ended.world.listeners().find(|l| l.port == 80).unwrap();
    let group = &sets[0].load_balancers[0].target_group_arn;
    assert_eq!(production.live_target_groups(), [group]);
}

fn tag(world: &mut World, group: &str, key: &str, value: &str) {
    let tag = Tag {
        key: key.into(),
        value: value.into(),
    };
    world.add_elb_tags(&[group.to_owned()], &[tag]).unwrap();
}

fn without(field: &str) -> Value {
    let mut event = sample();
    event.as_object_mut().unwrap().remove(field);
    event
}

#[tokio::test(start_paused = true)]
async fn c1_without_nlb_the_load_balancer_is_the_services_own() {
    assert_deployed(&deploy(served(), "run-1", &without("nlb")).await);
    let first = Scenario {
        first_deployment: true,
        ..Scenario::default()
    };
    let ended = deploy(world(&first), "run-1", &without("nlb")).await;
    assert!(
        ended.text().starts_with("PreflightFailed: nlb is missing"),
        "{}",
        ended.text()
    );
    assert!(ended.writes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn c2_a_lost_reply_to_create_task_set_makes_no_second_one() {
    let plain = deploy(served(), "run-1", &sample()).await;
    let calls: Vec<_> = plain
        .world
        .calls()
        .map(|call| call.operation.clone())
        .collect();
    let create = calls
        .iter()
        .position(|call| call == "ecs:CreateTaskSet")
        .unwrap();
    let mut start = served();
    start.begin();
    let aws = SimulatedAws::new(start, 1.0);
    aws.plan_faults([(create as u64 + 1, Fault::LostReply)]);
    Installation::new(&aws)
        .unwrap()
        .deploy("run-1", sample(), 1, &mut |_| {})
        .await;
    let world = aws.snapshot();
    let asked = world
        .calls()
        .filter(|call| call.operation == "ecs:CreateTaskSet")
        .count();
    assert_eq!(asked, 2, "the SDK asked again");
    let names = names();
    assert_eq!(world.task_sets_of(&names.cluster, &names.service).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn c3_a_false_tag_is_not_production() {
    let mut world = served();
    let alternate = group(&world, "-tg-2");
    tag(&mut world, &alternate, "isProduction", "false");
    assert_deployed(&deploy(world, "run-1", &sample()).await);
}

#[tokio::test(start_paused = true)]
async fn c4_a_missing_task_set_tag_is_not_needed() {
    let mut world = served();
    let production = group(&world, "-tg-1");
    world
        .remove_elb_tags(&[production], &["taskSetId".into()])
        .unwrap();
    assert_deployed(&deploy(world, "run-1", &sample()).await);
}

#[tokio::test(start_paused = true)]
async fn c5_two_tagged_groups_never_move_traffic_to_the_wrong_one() {
    // Roles are recorded by the first deployment; then somebody tags both groups.
    let mut world = deploy(served(), "run-1", &sample()).await.world;
    let other = group(&world, "-tg-1");
    tag(&mut world, &other, "isProduction", "true");
    let ended = deploy(world, "run-2", &sample()).await;
    assert_deployed(&ended);
    let first = group(&ended.world, "-tg-1");
    let listener = ended.world.listeners().find(|l| l.port == 80).unwrap();
    assert_eq!(listener.live_target_groups(), [first]);
}

#[tokio::test(start_paused = true)]
async fn c7_and_i1_a_tag_on_the_wrong_group_is_put_right_by_the_listener() {
    let mut world = deploy(served(), "run-1", &sample()).await.world;
    // A later update of the infrastructure stack tags the group it was created with.
    let (old, live) = (group(&world, "-tg-1"), group(&world, "-tg-2"));
    tag(&mut world, &old, "isProduction", "true");
    world
        .remove_elb_tags(&[live], &["isProduction".into()])
        .unwrap();
    let ended = deploy(world, "run-2", &sample()).await;
    assert_deployed(&ended);
    let tagged = |suffix| {
        let arn = group(&ended.world, suffix);
        let tags = &ended.world.target_group(&arn).unwrap().tags;
        tags.get("isProduction").map(String::as_str) == Some("true")
    };
    assert!(tagged("-tg-1") && !tagged("-tg-2"));
}

#[tokio::test(start_paused = true)]
async fn c8_a_leftover_on_the_alternate_group_gets_no_traffic() {
    // What a deployment leaves behind that was stopped before its swap.
    let mut leftover = None;
    let aws = SimulatedAws::new(served(), 1.0);
    Installation::new(&aws)
        .unwrap()
        .deploy("run-1", sample(), 1, &mut |event| {
            if leftover.is_none() && event.kind.name() == "WaitStateEntered" {
                leftover = Some(aws.snapshot());
            }
        })
        .await;
    let ended = deploy(leftover.unwrap(), "run-2", &sample()).await;
    let text = ended.text();
    assert!(text.starts_with("Drift: Exactly one task set"), "{text}");
    assert!(text.contains("aws ecs delete-task-set"), "{text}");
    let listener = ended.world.listeners().find(|l| l.port == 80).unwrap();
    assert_eq!(
        listener.live_target_groups(),
        [group(&ended.world, "-tg-1")]
    );
}

#[tokio::test(start_paused = true)]
async fn w1_and_w2_a_listener_that_is_not_moved_moves_no_tag_and_drains_nothing() {
    // Somebody deletes the production listener while the replacement gets ready.
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "Swap" && nth == 0 {
            let arn = world
                .listeners()
                .find(|l| l.port == 80)
                .unwrap()
                .arn
                .clone();
            world.delete_listener(&arn).unwrap();
        }
    })
    .await;
    let (error, _) = ended.failure();
    assert!(
        ["Drift", "PreflightFailed"].contains(&error),
        "{}",
        ended.text()
    );
    assert!(ended.scales().is_empty(), "{:?}", ended.scales());
    let production = group(&ended.world, "-tg-1");
    let tags = &ended.world.target_group(&production).unwrap().tags;
    assert_eq!(tags.get("isProduction").map(String::as_str), Some("true"));
}

#[tokio::test(start_paused = true)]
async fn w4_a_short_wait_does_not_move_traffic_to_targets_that_still_register() {
    let mut event = sample();
    event["waitForService"] = json!(5);
    assert_deployed(&deploy(served(), "run-1", &event).await);
}

#[tokio::test(start_paused = true)]
async fn s2_a_service_scaled_to_zero_is_not_deleted_while_its_tasks_run() {
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "ScaleDown" && nth == 1 {
            let names = names();
            let request: UpdateService = serde_json::from_value(json!({
                "cluster": names.cluster, "service": names.service, "desiredCount": 0,
            }))
            .unwrap();
            world.update_service(&request).unwrap();
        }
    })
    .await;
    // ECS refuses to delete a set without force while it runs tasks: it was not asked too early.
    for call in ended
        .world
        .calls()
        .filter(|call| call.operation == "ecs:DeleteTaskSet")
    {
        assert_eq!(call.outcome, ebbtide_simulator::world::Outcome::Ok);
    }
}

#[tokio::test(start_paused = true)]
async fn s3_a_deletion_that_happened_already_fails_no_good_deployment() {
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "Cleanup" && nth == 0 {
            let names = names();
            let original = world.task_sets_of(&names.cluster, &names.service)[0]
                .id
                .clone();
            let request = serde_json::from_value(json!({
                "cluster": names.cluster, "service": names.service, "taskSet": original,
            }))
            .unwrap();
            world.delete_task_set(&request).unwrap();
        }
    })
    .await;
    assert_deployed(&ended);
}

#[tokio::test(start_paused = true)]
async fn s5_the_set_behind_the_production_listener_is_not_drained_when_somebody_moves_it_back() {
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "ScaleDown" && nth == 1 {
            let (original, replacement) = (group(world, "-tg-1"), group(world, "-tg-2"));
            let listener = world
                .listeners()
                .find(|l| l.port == 80)
                .unwrap()
                .arn
                .clone();
            let request = serde_json::from_value(json!({
                "ListenerArn": listener,
                "DefaultActions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
                    {"TargetGroupArn": original, "Weight": "100"},
                    {"TargetGroupArn": replacement, "Weight": "0"},
                ]}}],
            }));
            world.modify_listener(&request.unwrap()).unwrap();
        }
    })
    .await;
    assert!(ended.text().starts_with("Drift: "), "{}", ended.text());
    assert_eq!(
        ended.scales().len(),
        1,
        "one step was made before: {:?}",
        ended.scales()
    );
}
