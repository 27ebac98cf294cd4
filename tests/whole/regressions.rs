//! Deployments that once ended wrongly: people, Auto Scaling and other services in between.

use ebbtide_controller::arn::short;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::asl::Status;
use ebbtide_simulator::world::{
    ActionRequest, ControllerType, CreateListener, CreateService, CreateTargetGroup, CreateTaskSet,
    DeleteService, DeploymentController, Kind, NamedLoadBalancer, NetworkConfiguration,
    TaskSetLoadBalancer, UpdateService, VpcConfiguration, World,
};
use serde_json::json;

use crate::support::{deploy, deploy_among, group, names, sample, world};

fn desired(world: &mut World, count: u32) {
    let names = names();
    let request: UpdateService = serde_json::from_value(json!({
        "cluster": names.cluster, "service": names.service, "desiredCount": count,
    }))
    .unwrap();
    world.update_service(&request).unwrap();
}

fn live(world: &World, port: u16) -> Vec<String> {
    world
        .listeners()
        .find(|l| l.port == port)
        .unwrap()
        .live_target_groups()
        .iter()
        .map(|arn| short(arn).to_owned())
        .collect()
}

/// S5: "falls at most one step per wait". 4 tasks at preflight, Auto Scaling makes it 40 while the
/// replacement starts. A step of 25 % may take 10 tasks at most.
#[tokio::test(start_paused = true)]
async fn auto_scaling_before_the_drain_makes_no_storm() {
    let ended = deploy_among(
        world(&Scenario::default()),
        "run-1",
        &sample(),
        |state, nth, world| {
            if state == "WaitForServiceReady" && nth == 0 {
                desired(world, 40);
            }
        },
    )
    .await;
    let mut before = 40;
    for (task_set, wanted) in ended.scales() {
        assert!(
            before - wanted <= 10,
            "{task_set}: {before} -> {wanted} tasks in one step of 25 %\n{:#?}",
            ended.reasons
        );
        before = wanted;
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_works_in_replace_mode() {
    let scenario = Scenario {
        first_deployment: true,
        ..Scenario::default()
    };
    let mut event = sample();
    event["swapMode"] = json!("replace");
    let ended = deploy(world(&scenario), "run-1", &event).await;
    assert!(
        matches!(ended.outcome.status, Status::Succeeded { .. }),
        "{}",
        ended.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_does_not_take_another_services_traffic() {
    let scenario = Scenario {
        first_deployment: true,
        ..Scenario::default()
    };
    let mut world = world(&scenario);
    let names = names();
    // Another service's tasks serve on listener 80's group. No serviceName tags.
    world
        .create_service(&CreateService {
            cluster: Some(names.cluster.clone()),
            desired_count: Some(3),
            deployment_controller: Some(ControllerType {
                r#type: DeploymentController::External,
            }),
            ..CreateService::named("somebody-else")
        })
        .unwrap();
    let tg1 = group(&world, "-tg-1");
    world
        .create_task_set(&CreateTaskSet {
            launch_type: Some("FARGATE".to_owned()),
            network_configuration: Some(NetworkConfiguration {
                awsvpc_configuration: VpcConfiguration {
                    subnets: names.subnets.clone(),
                    security_groups: names.security_groups.clone(),
                    assign_public_ip: None,
                },
            }),
            load_balancers: vec![TaskSetLoadBalancer {
                target_group_arn: tg1,
                container_name: "webserver".into(),
                container_port: 8080,
            }],
            ..CreateTaskSet::of(&names.cluster, "somebody-else", &names.task_definition)
        })
        .unwrap();
    world.advance_to(world.now() + 3_600_000);
    let before = live(&world, 80);
    let ended = deploy(world, "run-1", &sample()).await;
    assert_eq!(
        live(&ended.world, 80),
        before,
        "listener 80, where three healthy tasks of somebody-else serve, was moved: {}",
        ended.text()
    );
}

/// R4: a set behind a listener that nobody recorded as test must not be drained.
#[tokio::test(start_paused = true)]
async fn a_new_listener_to_the_original_stops_the_drain() {
    let ended = deploy_among(
        world(&Scenario::default()),
        "run-1",
        &sample(),
        |state, before, world| {
            if state == "Bake" && before == 0 {
                let load_balancer = world.load_balancers().next().unwrap().arn.clone();
                let tg1 = group(world, "-tg-1");
                world
                    .create_listener(&CreateListener {
                        load_balancer_arn: load_balancer,
                        protocol: Some("TCP".into()),
                        port: Some(443),
                        ssl_policy: None,
                        certificates: Vec::new(),
                        default_actions: vec![ActionRequest::forward_to(&tg1)],
                        alpn_policy: Vec::new(),
                        tags: Vec::new(),
                    })
                    .unwrap();
            }
        },
    )
    .await;
    let tg1 = group(&ended.world, "-tg-1");
    let healthy = ended.world.target_group(&tg1).unwrap().targets.len();
    assert!(
        healthy > 0,
        "listener 443 forwards to {:?}, which has no target left: {}",
        live(&ended.world, 443),
        ended.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_never_gets_its_health_back_is_not_answered_with_taking_the_original_away()
 {
    let mut scenario = Scenario::default();
    scenario.replacement.unhealthy_after_seconds = Some(320);
    // Long enough to be healthy twice in a row, then never again long enough.
    let mut event = sample();
    event["waitForService"] = json!(20);
    event["drainTimeout"] = json!(630);
    let ended = deploy(world(&scenario), "run-1", &event).await;
    let text = ended.text();
    assert!(text.starts_with("NotReadyTimeout"), "{text}");
    assert!(
        !text.contains("--scale value=0"),
        "the original is what still is healthy, and the advice is to take it away:\n{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn another_load_balancer_is_not_answered_with_a_forced_delete_of_what_serves() {
    let mut world = world(&Scenario::default());
    let names = names();
    let other = world.put_load_balancer(
        &NamedLoadBalancer {
            kind: Kind::Network,
            name: "other".into(),
            hex: "aaaaaaaaaaaaaaaa".into(),
        },
        &names.subnets,
        &names.security_groups,
    );
    let lone = world
        .create_target_group(&CreateTargetGroup {
            port: Some(8080),
            protocol: Some("TCP".into()),
            ..CreateTargetGroup::ip("lone")
        })
        .unwrap();
    world
        .create_listener(&CreateListener {
            load_balancer_arn: other.clone(),
            protocol: Some("TCP".into()),
            port: Some(80),
            ssl_policy: None,
            certificates: Vec::new(),
            default_actions: vec![ActionRequest::forward_to(&lone)],
            alpn_policy: Vec::new(),
            tags: Vec::new(),
        })
        .unwrap();
    let mut event = sample();
    event["nlb"] = json!(other);
    let ended = deploy(world, "run-1", &event).await;
    let text = ended.text();
    assert!(!text.contains("delete-task-set"), "{text}");
    assert!(
        text.contains("nlb"),
        "the field that is wrong is not named: {text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_draining_service_is_refused_with_what_mends_it() {
    let mut world = world(&Scenario::default());
    let names = names();
    world
        .delete_service(&DeleteService {
            cluster: Some(names.cluster),
            service: names.service,
            force: true,
        })
        .unwrap();
    let ended = deploy(world, "run-1", &sample()).await;
    let text = ended.text();
    assert!(text.starts_with("ServiceNotActive: "), "{text}");
    assert!(
        text.contains("aws ecs create-service"),
        "no command that mends it: {text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_platform_version_beside_ec2_is_refused_before_anything_is_written() {
    let mut event = sample();
    event["launchType"] = json!("EC2");
    event["platformVersion"] = json!("1.4.0");
    let ended = deploy(world(&Scenario::default()), "run-1", &event).await;
    let written: Vec<_> = ended
        .world
        .calls()
        .filter(|c| !c.operation.contains(":Describe") && !c.operation.contains(":List"))
        .map(|c| c.operation.clone())
        .collect();
    assert!(written.is_empty(), "{}\nwritten: {written:?}", ended.text());
}

#[tokio::test(start_paused = true)]
async fn twenty_steps_an_hour_apart_are_twenty_turns() {
    let scenario = Scenario {
        tasks: 20,
        ..Scenario::default()
    };
    let mut event = sample();
    event["scaledown_wait"] = json!(3_600);
    event["scaledown_decrement"] = json!(5);
    let ended = deploy(world(&scenario), "run-1", &event).await;
    assert!(
        matches!(ended.outcome.status, Status::Succeeded { .. }),
        "{}",
        ended.text()
    );
}

/// 100 tasks, 1 % a step. Auto Scaling halves the service in the middle of the drain: below one task
/// a step the schedule counts `step` tasks as gone, of 50 and not of 100, and takes the rest at once.
#[tokio::test(start_paused = true)]
async fn auto_scaling_down_in_the_drain_makes_no_storm() {
    let mut before_step = Vec::new();
    let scenario = Scenario {
        tasks: 100,
        ..Scenario::default()
    };
    let mut event = sample();
    event["scaledown_decrement"] = json!(1);
    event["scaledown_wait"] = json!(20);
    let ended = deploy_among(world(&scenario), "run-1", &event, |state, nth, world| {
        let names = names();
        if state == "ScaleDown" {
            let original = world.task_sets_of(&names.cluster, &names.service)[0]
                .id
                .clone();
            before_step.push(world.computed_desired_count(&original));
        }
        if state == "Wait" && nth == 59 {
            desired(world, 50);
        }
    })
    .await;
    let by_us: Vec<_> = ended.scales().iter().map(|(_, wanted)| *wanted).collect();
    let step_after_halving = before_step[60] - by_us[60];
    assert!(
        step_after_halving <= 2,
        "the step after Auto Scaling to 50 took {step_after_halving} of {} tasks at once ({} %)\n{by_us:?}",
        before_step[60],
        step_after_halving * 2
    );
}

/// `drainTimeout` is settled at preflight for 4 tasks (4 steps); at the swap there are 20 (20 steps).
#[tokio::test(start_paused = true)]
async fn auto_scaling_before_the_swap_does_not_outrun_the_default_drain_timeout() {
    let mut event = sample();
    event["scaledown_decrement"] = json!(5);
    event["scaledown_wait"] = json!(300);
    let ended = deploy_among(
        world(&Scenario::default()),
        "run-1",
        &event,
        |state, nth, world| {
            if state == "WaitForServiceReady" && nth == 0 {
                desired(world, 20);
            }
        },
    )
    .await;
    assert!(
        matches!(ended.outcome.status, Status::Succeeded { .. }),
        "{}",
        ended.text()
    );
}
