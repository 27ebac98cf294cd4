//! How the public sample that this project replaces fails, and that the same story ends well here.
//! Each test is named by its story.

use ebbtide_simulator::asl::HistoryEvent;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{
    ActionRequest, CreateListener, CreateTargetGroup, EventKind, Kind, Tag, UpdateService, World,
};
use ebbtide_simulator::{Scenario, SimulatedAws};
use serde_json::{Value, json};
use tokio::sync::Notify;

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
async fn c6_groups_of_other_services_on_the_load_balancer_are_left_alone() {
    let mut world = served();
    let balancer = world.load_balancers().next().unwrap().arn.clone();
    let other: CreateTargetGroup = serde_json::from_value(json!({
        "Name": "other", "Protocol": "TCP", "Port": "8080", "TargetType": "ip", "VpcId": "vpc-1",
    }))
    .unwrap();
    let other = world.create_target_group(&other).unwrap();
    tag(&mut world, &other, "serviceName", "other");
    let listener: CreateListener = serde_json::from_value(json!({
        "LoadBalancerArn": balancer, "Protocol": "TCP", "Port": "9000",
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": other}],
    }))
    .unwrap();
    world.create_listener(&listener).unwrap();
    let before = world.target_group(&other).unwrap().clone();
    let ended = deploy(world, "run-1", &sample()).await;
    assert_deployed(&ended);
    assert_eq!(ended.world.target_group(&other), Some(&before));
}

#[tokio::test(start_paused = true)]
async fn c8_a_leftover_on_the_alternate_group_gets_no_traffic() {
    // A deployment that was stopped before its swap.
    let aws = SimulatedAws::new(served(), 1.0);
    let stop = Notify::new();
    let mut on_event = |event: &HistoryEvent| {
        if event.kind.name() == "WaitStateEntered" {
            stop.notify_one();
        }
    };
    Installation::new(&aws)
        .unwrap()
        .deploy_until("run-1", sample(), 1, &mut on_event, stop.notified())
        .await;
    let stopped = aws.snapshot();
    let names = names();
    let sets = stopped.task_sets_of(&names.cluster, &names.service);
    assert_eq!(sets.len(), 2, "{sets:?}");
    let leftover = sets
        .iter()
        .find(|set| set.external_id.is_some())
        .unwrap()
        .id
        .clone();
    let ended = deploy(stopped.clone(), "run-2", &sample()).await;
    assert_deployed(&ended);
    assert!(ended.world.task_set(&leftover).is_none());
    assert!(
        ended.events.iter().any(|event| matches!(
            event,
            EventKind::TaskSetDraining { task_set, force: true } if *task_set == leftover
        )),
        "the leftover never served, and is deleted at once"
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

#[tokio::test(start_paused = true)]
async fn w3_the_stickiness_of_a_listener_is_kept() {
    let on_an_alb = Scenario {
        load_balancer: Kind::Application,
        ..Scenario::default()
    };
    let mut event = without("nlb");
    event["serviceName"] = json!(names().service);
    let names = ebbtide_simulator::Names {
        load_balancer_arn: None,
        ..names()
    };
    let mut world = on_an_alb.world_for(&names).unwrap();
    let listener = world
        .listeners()
        .find(|l| l.port == 80)
        .unwrap()
        .arn
        .clone();
    let forward: ActionRequest = serde_json::from_value(json!({
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": group(&world, "-tg-1"), "Weight": "1"}],
            "TargetGroupStickinessConfig": {"Enabled": "true", "DurationSeconds": "600"},
        },
    }))
    .unwrap();
    let request = serde_json::from_value(json!({"ListenerArn": listener}));
    let mut request: ebbtide_simulator::world::ModifyListener = request.unwrap();
    request.default_actions = vec![forward];
    world.modify_listener(&request).unwrap();
    let sticky = |world: &World| {
        let listener = world.listener(&listener).unwrap();
        let text = format!("{:?}", listener.default_actions);
        text.contains("enabled: true") && text.contains("Some(600)")
    };
    assert!(sticky(&world));
    let ended = deploy(world, "run-1", &event).await;
    assert_deployed(&ended);
    assert!(
        sticky(&ended.world),
        "{:?}",
        ended.world.listener(&listener)
    );
}

/// An execution that was stopped in its swap is redriven after another one has deployed.
#[tokio::test(start_paused = true)]
async fn w5_a_late_swap_does_not_undo_a_newer_deployment() {
    let aws = SimulatedAws::new(served(), 1.0);
    let installation = Installation::new(&aws).unwrap();
    let stop = Notify::new();
    let mut on_event = |event: &HistoryEvent| {
        if let ebbtide_simulator::asl::EventKind::StateEntered { name, .. } = &event.kind
            && name == "Swap"
        {
            stop.notify_one();
        }
    };
    installation
        .deploy_until("run-1", sample(), 1, &mut on_event, stop.notified())
        .await;
    let newer = installation.deploy("run-2", sample(), 1, &mut |_| {}).await;
    assert!(format!("{newer:?}").contains("deployed"), "{newer:?}");
    let serves = |world: &World| {
        let listener = world.listeners().find(|l| l.port == 80).unwrap();
        listener.live_target_groups().concat()
    };
    let before = serves(&aws.snapshot());
    let late = installation.redrive("run-1", 1, &mut |_| {}).await.unwrap();
    assert!(format!("{late:?}").contains("LockLost"), "{late:?}");
    assert_eq!(serves(&aws.snapshot()), before);
}

#[tokio::test(start_paused = true)]
async fn s1_a_step_that_is_invoked_again_takes_nothing_more() {
    let aws = SimulatedAws::new(served(), 1.0);
    let installation = Installation::new(&aws).unwrap().invoking(3);
    let outcome = installation.deploy("run-1", sample(), 1, &mut |_| {}).await;
    assert!(format!("{outcome:?}").contains("deployed"), "{outcome:?}");
    let world = aws.snapshot();
    let scaled = world
        .calls()
        .filter(|call| call.operation == "ecs:UpdateTaskSet");
    assert_eq!(scaled.count(), 4, "four tasks, a quarter a step");
}

#[tokio::test(start_paused = true)]
async fn s4_and_a2_a_wrong_decrement_or_wait_is_refused_before_anything_is_written() {
    for (field, value) in [
        ("scaledown_decrement", json!(0)),
        ("scaledown_decrement", json!(-25)),
        ("scaledown_decrement", json!("25")),
        ("scaledown_wait", json!(-1)),
        ("scaledown_wait", json!(1.5)),
        ("waitForService", json!("60")),
    ] {
        let mut event = sample();
        event[field] = value;
        let ended = deploy(served(), "run-1", &event).await;
        assert!(
            ended.text().starts_with("InvalidInput: "),
            "{}",
            ended.text()
        );
        assert!(ended.text().contains(field), "{}", ended.text());
        assert!(ended.writes().is_empty());
    }
    let ended = deploy(served(), "run-1", &without("scaledown_decrement")).await;
    assert_deployed(&ended);
}

#[tokio::test(start_paused = true)]
async fn s6_no_step_is_empty_whatever_the_rounding() {
    for (tasks, decrement, steps) in [(1, 25, 1), (7, 10, 7), (3, 30, 3)] {
        let scenario = Scenario {
            tasks,
            ..Scenario::default()
        };
        let mut event = sample();
        event["scaledown_decrement"] = json!(decrement);
        let ended = deploy(world(&scenario), "run-1", &event).await;
        assert_deployed(&ended);
        assert_eq!(
            ended.scales().len(),
            steps,
            "{tasks} tasks by {decrement} %"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a1_two_executions_at_once_are_one_deployment() {
    let aws = SimulatedAws::new(served(), 1.0);
    let installation = Installation::new(&aws).unwrap();
    let second = async {
        tokio::time::sleep(std::time::Duration::from_secs(400)).await;
        installation.deploy("run-2", sample(), 1, &mut |_| {}).await
    };
    let mut on_event = |_: &HistoryEvent| {};
    let first = installation.deploy("run-1", sample(), 1, &mut on_event);
    let (first, second) = tokio::join!(first, second);
    assert!(format!("{first:?}").contains("deployed"), "{first:?}");
    let second = format!("{second:?}");
    assert!(second.contains("ConcurrentDeployment"), "{second}");
    assert!(
        second.contains(&installation.execution_arn("run-1")),
        "{second}"
    );
}
