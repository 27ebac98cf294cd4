//! Deployments that once ended wrongly: people, Auto Scaling and other services in between.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::{CreateListener, Kind, NamedLoadBalancer};
use serde_json::json;

use crate::support::{
    add_group, add_listener, deploy, deploy_among, desire, group, live, names, sample, sample_with,
    served, sets, world,
};

/// A step of 25 % of 40 tasks takes 10 at most, though there were 4 at preflight.
#[tokio::test(start_paused = true)]
async fn auto_scaling_before_the_drain_makes_no_storm() {
    let ended = deploy_among(served(), "run-1", &sample(), |state, nth, world| {
        if state == "WaitForServiceReady" && nth == 0 {
            desire(world, 40);
        }
    })
    .await;
    let mut before = 40;
    for (task_set, wanted) in ended.scales() {
        let taken = before - wanted;
        assert!(taken <= 10, "{task_set}: {taken}\n{:#?}", ended.reasons);
        before = wanted;
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_does_not_take_another_services_traffic() {
    let scenario = Scenario::with(|scenario| scenario.first_deployment = true);
    let mut world = world(&scenario);
    let names = names();
    // Another service's tasks serve on listener 80's group. No serviceName tags.
    let request = json!({
        "serviceName": "another", "cluster": names.cluster, "desiredCount": 3,
        "deploymentController": {"type": "EXTERNAL"},
    });
    let request = serde_json::from_value(request).unwrap();
    world.create_service(&request).unwrap();
    let mut request = names.task_set(&group(&world, "-tg-1"));
    request.service = "another".to_owned();
    world.create_task_set(&request).unwrap();
    world.advance_to(world.now() + 3_600_000);
    let before = live(&world, 80);
    let ended = deploy(world, "run-1", &sample()).await;
    // Three healthy tasks of the other service are there.
    assert_eq!(live(&ended.world, 80), before, "{}", ended.text());
}

/// A set behind a listener that is not recorded as test must not be drained (rule R4).
#[tokio::test(start_paused = true)]
async fn a_new_listener_to_the_original_stops_the_drain() {
    let ended = deploy_among(served(), "run-1", &sample(), |state, before, world| {
        if state == "Bake" && before == 0 {
            let original = group(world, "-tg-1");
            add_listener(world, 443, &original);
        }
    })
    .await;
    let original = group(&ended.world, "-tg-1");
    let targets = &ended.world.target_group(&original).unwrap().targets;
    assert!(!targets.is_empty(), "{}", ended.text());
    assert!(live(&ended.world, 443)[0].ends_with("-tg-1"));
}

#[tokio::test(start_paused = true)]
async fn another_load_balancer_is_not_answered_with_a_forced_delete_of_what_serves() {
    let mut world = served();
    let names = names();
    let other = NamedLoadBalancer {
        kind: Kind::Network,
        name: "other".into(),
        hex: "aaaaaaaaaaaaaaaa".into(),
    };
    let other = world.put_load_balancer(&other, &names.subnets, &names.security_groups);
    let lone = add_group(&mut world, "lone");
    let listener = CreateListener::forwarding(&other, "TCP", 80, &lone);
    world.create_listener(&listener).unwrap();
    let event = sample_with(&json!({"nlb": other}));
    let text = deploy(world, "run-1", &event).await.text();
    assert!(!text.contains("delete-task-set"), "{text}");
    // The field that is wrong is named.
    assert!(text.contains("nlb"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_platform_version_beside_ec2_is_refused_before_anything_is_written() {
    let event = sample_with(&json!({"launchType": "EC2", "platformVersion": "1.4.0"}));
    let ended = deploy(served(), "run-1", &event).await;
    ended.failure();
    let written = ended.writes();
    assert!(written.is_empty(), "{}\n{written:?}", ended.text());
}

/// 100 tasks, 1 % a step. Auto Scaling halves the service in the middle of the drain: below one task
/// a step the schedule counts `step` tasks as gone, of 50 and not of 100, and takes the rest at once.
#[tokio::test(start_paused = true)]
async fn auto_scaling_down_in_the_drain_makes_no_storm() {
    let mut before_step = Vec::new();
    let scenario = Scenario::with(|scenario| scenario.tasks = 100);
    let event = sample_with(&json!({"scaledown_decrement": 1, "scaledown_wait": 20}));
    let ended = deploy_among(world(&scenario), "run-1", &event, |state, nth, world| {
        if state == "ScaleDown" {
            before_step.push(world.computed_desired_count(&sets(world)[0]));
        }
        if state == "Wait" && nth == 59 {
            desire(world, 50);
        }
    })
    .await;
    let by_us: Vec<_> = ended.scales().iter().map(|(_, wanted)| *wanted).collect();
    let (before, taken) = (before_step[60], before_step[60] - by_us[60]);
    assert!(taken <= 2, "{taken} of {before} at once\n{by_us:?}");
}

/// `drainTimeout` is settled at preflight for 4 tasks (4 steps); at the swap there are 20 (20 steps).
#[tokio::test(start_paused = true)]
async fn auto_scaling_before_the_swap_does_not_outrun_the_default_drain_timeout() {
    let event = sample_with(&json!({"scaledown_decrement": 5, "scaledown_wait": 300}));
    let ended = deploy_among(served(), "run-1", &event, |state, nth, world| {
        if state == "WaitForServiceReady" && nth == 0 {
            desire(world, 20);
        }
    })
    .await;
    ended.assert_deployed();
}
