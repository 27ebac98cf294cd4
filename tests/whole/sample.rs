//! How the public sample that this project replaces fails, and that the same story ends well here.

use std::time::Duration;

use ebbtide_permissions::judged;
use ebbtide_simulator::asl::HistoryEvent;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{ActionRequest, Kind, ModifyListener, Outcome, World};
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{
    add_group, add_listener, deploy, deploy_among, desire, forward, group, installed, listener,
    live, names, of_the_service, sample, served, sets, tag, untag,
};

#[tokio::test(start_paused = true)]
async fn a_lost_reply_to_create_task_set_makes_no_second_one() {
    let plain = deploy(served(), "run-1", &sample()).await;
    let is_create = |operation: &str| operation == "ecs:CreateTaskSet";
    let mut calls = plain.world.calls();
    let create = calls.position(|call| is_create(&call.operation));
    let (aws, installation) = installed(served());
    aws.plan_faults([(create.unwrap() as u64 + 1, Fault::LostReply)]);
    installation.deploy("run-1", sample(), 1, &mut |_| {}).await;
    let world = aws.snapshot();
    let asked = world.calls().filter(|call| is_create(&call.operation));
    assert_eq!(asked.count(), 2, "the SDK asked again");
    assert_eq!(sets(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn neither_a_false_tag_nor_a_missing_task_set_tag_matters() {
    let changes: [fn(&mut World); 2] = [
        |world| tag(world, &group(world, "-tg-2"), "isProduction", "false"),
        |world| untag(world, &group(world, "-tg-1"), &["taskSetId"]),
    ];
    for change in changes {
        let mut world = served();
        change(&mut world);
        deploy(world, "run-1", &sample()).await.assert_deployed();
    }
}

/// Roles are recorded by the first deployment; then both groups are tagged, or a later update of the
/// infrastructure stack tags the group it was created with.
#[tokio::test(start_paused = true)]
async fn a_wrong_production_tag_is_put_right_by_the_listener() {
    for both in [true, false] {
        let mut world = deploy(served(), "run-1", &sample()).await.world;
        let (old, serving) = (group(&world, "-tg-1"), group(&world, "-tg-2"));
        tag(&mut world, &old, "isProduction", "true");
        if !both {
            untag(&mut world, &serving, &["isProduction"]);
        }
        let ended = deploy(world, "run-2", &sample()).await;
        ended.assert_deployed();
        assert!(live(&ended.world, 80)[0].ends_with("-tg-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn groups_of_other_services_on_the_load_balancer_are_left_alone() {
    let mut world = served();
    let other = add_group(&mut world, "other");
    tag(&mut world, &other, "serviceName", "other");
    add_listener(&mut world, 9_000, &other);
    let before = world.target_group(&other).unwrap().clone();
    let ended = deploy(world, "run-1", &sample()).await;
    ended.assert_deployed();
    assert_eq!(ended.world.target_group(&other), Some(&before));
}

/// Stops an execution when it enters a state for the first time.
async fn stopped_at(installation: &Installation, name: &str, state: &str) {
    let stop = Notify::new();
    let mut on_event = |event: &HistoryEvent| {
        if event.enters(state) {
            stop.notify_one();
        }
    };
    let until = stop.notified();
    let deployment = installation.deploy_until(name, sample(), 1, &mut on_event, until);
    assert_eq!(deployment.await, None);
}

#[tokio::test(start_paused = true)]
async fn a_leftover_on_the_alternate_group_gets_no_traffic() {
    let (aws, installation) = installed(served());
    stopped_at(&installation, "run-1", "WaitForServiceReady").await;
    let stopped = aws.snapshot();
    let [original, leftover] = &sets(&stopped)[..] else {
        panic!("{:?}", sets(&stopped));
    };
    let ended = deploy(stopped.clone(), "run-2", &sample()).await;
    ended.assert_deployed();
    // It never served, and is deleted at once.
    let deleted = [(leftover.clone(), true), (original.clone(), false)];
    assert_eq!(ended.deleted(), deleted);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_not_moved_moves_no_tag_and_drains_nothing() {
    // The production listener is deleted while the replacement gets ready.
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "Swap" && nth == 0 {
            world.delete_listener(&listener(world, 80)).unwrap();
        }
    })
    .await;
    let (error, _) = ended.failure();
    let named = ["Drift", "PreflightFailed"].contains(&error);
    assert!(named, "{}", ended.text());
    assert!(ended.scales().is_empty(), "{:?}", ended.scales());
    let production = group(&ended.world, "-tg-1");
    let tags = &ended.world.target_group(&production).unwrap().tags;
    assert_eq!(tags.get("isProduction").map(String::as_str), Some("true"));
}

#[tokio::test(start_paused = true)]
async fn a_service_scaled_to_zero_is_not_deleted_while_its_tasks_run() {
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "ScaleDown" && nth == 1 {
            desire(world, 0);
        }
    })
    .await;
    // ECS refuses to delete a set without force while it runs tasks: it was not asked too early.
    let mut calls = ended.world.calls();
    assert!(calls.all(|call| call.operation != "ecs:DeleteTaskSet" || call.outcome == Outcome::Ok));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_happened_already_fails_no_good_deployment() {
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "Cleanup" && nth == 0 {
            let request = of_the_service(json!({"taskSet": sets(world)[0]}));
            world.delete_task_set(&request).unwrap();
        }
    })
    .await;
    ended.assert_deployed();
}

#[tokio::test(start_paused = true)]
async fn the_set_behind_the_production_listener_is_not_drained_when_the_listener_is_moved_back() {
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "ScaleDown" && nth == 1 {
            forward(world, 80, &[("-tg-1", 100), ("-tg-2", 0)]);
        }
    })
    .await;
    assert!(ended.text().starts_with("Drift: "), "{}", ended.text());
    // One step was made before.
    assert_eq!(ended.scales().len(), 1, "{:?}", ended.scales());
}

#[tokio::test(start_paused = true)]
async fn the_stickiness_of_a_listener_is_kept() {
    let on_an_alb = Scenario::with(|scenario| scenario.load_balancer = Kind::Application);
    let names = Names {
        load_balancer_arn: None,
        ..names()
    };
    let mut world = on_an_alb.world_for(&names).unwrap();
    let listener = listener(&world, 80);
    let sticky: ActionRequest = serde_json::from_value(json!({
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": group(&world, "-tg-1"), "Weight": "1"}],
            "TargetGroupStickinessConfig": {"Enabled": "true", "DurationSeconds": "600"},
        },
    }))
    .unwrap();
    let request = ModifyListener {
        listener_arn: listener.clone(),
        default_actions: vec![sticky],
        ..ModifyListener::default()
    };
    world.modify_listener(&request).unwrap();
    let actions =
        |world: &World| format!("{:?}", world.listener(&listener).unwrap().default_actions);
    let is_sticky = |text: &str| text.contains("enabled: true") && text.contains("Some(600)");
    assert!(is_sticky(&actions(&world)));
    let mut event = sample();
    event.as_object_mut().unwrap().remove("nlb");
    let ended = deploy(world, "run-1", &event).await;
    ended.assert_deployed();
    let after = actions(&ended.world);
    assert!(is_sticky(&after), "{after}");
}

/// An execution that was stopped in its swap is redriven after another one has deployed.
#[tokio::test(start_paused = true)]
async fn a_late_swap_does_not_undo_a_newer_deployment() {
    let (aws, installation) = installed(served());
    stopped_at(&installation, "run-1", "Swap").await;
    let newer = installation.deploy("run-2", sample(), 1, &mut |_| {}).await;
    assert!(format!("{newer:?}").contains("deployed"), "{newer:?}");
    let before = live(&aws.snapshot(), 80);
    let late = installation.redrive("run-1", 1, &mut |_| {}).await.unwrap();
    assert!(format!("{late:?}").contains("LockLost"), "{late:?}");
    assert_eq!(live(&aws.snapshot(), 80), before);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_invoked_again_takes_nothing_more() {
    let aws = judged(SimulatedAws::new(served(), 1.0));
    let installation = Installation::new(&aws).unwrap().invoking(3);
    let outcome = installation.deploy("run-1", sample(), 1, &mut |_| {}).await;
    assert!(format!("{outcome:?}").contains("deployed"), "{outcome:?}");
    let world = aws.snapshot();
    let calls = world.calls();
    let scaled = calls.filter(|call| call.operation == "ecs:UpdateTaskSet");
    assert_eq!(scaled.count(), 4, "four tasks, a quarter a step");
}

#[tokio::test(start_paused = true)]
async fn two_executions_at_once_are_one_deployment() {
    let (_, installation) = installed(served());
    let second = async {
        tokio::time::sleep(Duration::from_secs(400)).await;
        installation.deploy("run-2", sample(), 1, &mut |_| {}).await
    };
    let mut on_event = |_: &HistoryEvent| {};
    let first = installation.deploy("run-1", sample(), 1, &mut on_event);
    let (first, second) = tokio::join!(first, second);
    assert!(format!("{first:?}").contains("deployed"), "{first:?}");
    let second = format!("{second:?}");
    let named = second.contains(&installation.execution_arn("run-1"));
    assert!(named && second.contains("ConcurrentDeployment"), "{second}");
}
