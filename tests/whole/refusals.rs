//! What is refused, by which name, with what mends it, and that nothing is written.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::{
    ActionRequest, ControllerType, CreateListener, CreateService, CreateTargetGroup, DeleteService,
    DeploymentController, Tag, UpdateService, World,
};
use serde_json::{Value, json};

use crate::support::{deploy, group, names, sample, world};

async fn refused_in(world: World, event: &Value) -> String {
    let ended = deploy(world, "run-1", event).await;
    assert!(ended.writes().is_empty(), "{:?}", ended.writes());
    let (error, cause) = ended.failure();
    format!("{error}: {cause}")
}

async fn refused(event: &Value) -> String {
    refused_in(world(&Scenario::default()), event).await
}

/// Refused in a world that somebody has changed, in these words.
async fn assert_refused(expected: &[&str], change: impl FnOnce(&mut World)) {
    let mut world = world(&Scenario::default());
    change(&mut world);
    let seen = refused_in(world, &sample()).await;
    for part in expected {
        assert!(seen.contains(part), "wanted {part:?}\nseen {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bad_input_fails_the_execution_by_its_field_and_writes_nothing() {
    let cases = [
        (
            "waitForService",
            json!("60"),
            "InvalidInput: waitForService is \"60\"; allowed: ",
        ),
        (
            "scaledown_decrement",
            json!(0),
            "InvalidInput: scaledown_decrement is 0; allowed: ",
        ),
        (
            "scaledown_wait",
            json!(-5),
            "InvalidInput: scaledown_wait is -5; allowed: ",
        ),
        (
            "colour",
            json!("blue"),
            "InvalidInput: \"colour\" is \"blue\"; allowed: no such field",
        ),
        (
            "cluster",
            json!(""),
            "InvalidInput: cluster is \"\"; allowed: ",
        ),
        (
            "taskDefinition",
            json!("web"),
            "InvalidInput: taskDefinition is \"web\"; allowed: ",
        ),
        (
            "taskDefinition",
            json!("nothing:7"),
            "PreflightFailed: taskDefinition: nothing:7 does not exist",
        ),
        (
            "cluster",
            json!("elsewhere"),
            "PreflightFailed: cluster: elsewhere does not exist",
        ),
        (
            "serviceName",
            json!("nobody"),
            "PreflightFailed: serviceName: cluster sample-infra-Cluster-1234567890ab has no service nobody",
        ),
        (
            "containerName",
            json!("sidecar"),
            "PreflightFailed: containerName sidecar",
        ),
        (
            "containerPort",
            json!(9),
            "PreflightFailed: containerName webserver with containerPort 9 ",
        ),
        (
            "nlb",
            json!(
                "arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/other/1234567890abcdef"
            ),
            "PreflightFailed: nlb: arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/other/1234567890abcdef does not exist",
        ),
        (
            "nlb",
            json!(
                "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/other/1234567890abcdef"
            ),
            "InvalidInput: nlb is ",
        ),
    ];
    for (field, value, expected) in cases {
        let mut event = sample();
        event[field] = value;
        let seen = refused(&event).await;
        assert!(
            seen.starts_with(expected),
            "wanted {expected:?}\nseen {seen:?}"
        );
    }
    for event in [json!([]), json!("run"), json!(null)] {
        let seen = refused(&event).await;
        assert!(seen.starts_with("InvalidInput: the input is "), "{seen}");
    }
}

#[tokio::test(start_paused = true)]
async fn arns_of_elsewhere_and_numbers_out_of_range_are_invalid_input() {
    let cases = [
        (
            "cluster",
            json!("arn:aws-cn:ecs:us-east-1:555555555555:cluster/main"),
        ),
        (
            "cluster",
            json!("arn:aws:ecs:eu-west-1:555555555555:cluster/main"),
        ),
        (
            "taskDefinition",
            json!("arn:aws:ecs:us-east-1:111111111111:task-definition/web:1"),
        ),
        (
            "nlb",
            json!("arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/a/b"),
        ),
        ("waitForService", json!(1e18)),
        ("scaledown_wait", json!(0.5)),
        ("scaledown_decrement", json!(1e300)),
        ("subnets", json!([])),
    ];
    for (field, value) in cases {
        let mut event = sample();
        event[field] = value;
        let seen = refused(&event).await;
        assert!(
            seen.starts_with(&format!("InvalidInput: {field} is ")),
            "{seen}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_active_is_refused() {
    assert_refused(
        &[
            "ServiceNotActive: ",
            "is DRAINING",
            "aws ecs create-service",
        ],
        |world| {
            let names = names();
            world
                .delete_service(&DeleteService {
                    cluster: Some(names.cluster),
                    service: names.service,
                    force: true,
                })
                .unwrap();
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_wants_no_tasks_is_refused() {
    assert_refused(
        &["PreflightFailed: ", "wants 0 tasks", "--desired-count 1"],
        |world| {
            let names = names();
            let request: UpdateService = serde_json::from_value(json!({
                "cluster": names.cluster, "service": names.service, "desiredCount": 0,
            }))
            .unwrap();
            world.update_service(&request).unwrap();
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_service_with_another_deployment_controller_is_refused() {
    let mut event = sample();
    event["serviceName"] = json!("rolling");
    let mut world = world(&Scenario::default());
    world
        .create_service(&CreateService {
            cluster: Some(names().cluster),
            desired_count: Some(1),
            task_definition: Some(names().task_definition),
            deployment_controller: Some(ControllerType {
                r#type: DeploymentController::CodeDeploy,
            }),
            ..CreateService::named("rolling")
        })
        .unwrap();
    let seen = refused_in(world, &event).await;
    assert!(seen.starts_with("PreflightFailed: "), "{seen}");
    assert!(
        seen.contains("CODE_DEPLOY") && seen.contains("type=EXTERNAL"),
        "{seen}"
    );
}

/// A further target group behind a listener of its own.
fn add_group(world: &mut World, name: &str, port: u16) -> String {
    let arn = world
        .create_target_group(&CreateTargetGroup {
            port: Some(8080),
            protocol: Some("TCP".into()),
            ..CreateTargetGroup::ip(name)
        })
        .unwrap();
    let load_balancer_arn = world.load_balancers().next().unwrap().arn.clone();
    world
        .create_listener(&CreateListener {
            load_balancer_arn,
            protocol: Some("TCP".into()),
            port: Some(port),
            ssl_policy: None,
            certificates: Vec::new(),
            default_actions: vec![ActionRequest::forward_to(&arn)],
            alpn_policy: Vec::new(),
            tags: Vec::new(),
        })
        .unwrap();
    arn
}

#[tokio::test(start_paused = true)]
async fn one_or_three_target_groups_are_refused_by_name() {
    assert_refused(
        &["PreflightFailed: ", "exactly two target groups", "seen: 1"],
        |world| {
            let test = world
                .listeners()
                .find(|listener| listener.port == 8080)
                .unwrap();
            let arn = test.arn.clone();
            world.delete_listener(&arn).unwrap();
        },
    )
    .await;
    assert_refused(
        &["PreflightFailed: ", "seen: 3", "Key=serviceName"],
        |world| {
            add_group(world, "third", 9_000);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_services_on_one_load_balancer_are_told_apart_by_tags_only() {
    let mut world = world(&Scenario::default());
    let others = [
        add_group(&mut world, "other-1", 9_000),
        add_group(&mut world, "other-2", 9_001),
    ];
    let seen = refused_in(world.clone(), &sample()).await;
    assert!(
        seen.contains("seen: 4") && seen.contains("Key=serviceName"),
        "{seen}"
    );
    let tag = Tag {
        key: "serviceName".into(),
        value: "somebody-else".into(),
    };
    world.add_elb_tags(&others, &[tag]).unwrap();
    let ended = deploy(world, "run-1", &sample()).await;
    assert_eq!(ended.output()["status"], "deployed");
}

#[tokio::test(start_paused = true)]
async fn no_production_tag_or_two_are_refused_where_the_listeners_do_not_settle_it() {
    let cannot = [
        "PreflightFailed: ",
        "Cannot tell which listener is production",
        "Key=ebbtide:role,Value=production",
    ];
    assert_refused(&cannot, |world| {
        let production = group(world, "-tg-1");
        world
            .remove_elb_tags(&[production], &["isProduction".into()])
            .unwrap();
    })
    .await;
    assert_refused(&cannot, |world| {
        let alternate = group(world, "-tg-2");
        let tag = Tag {
            key: "isProduction".into(),
            value: "true".into(),
        };
        world.add_elb_tags(&[alternate], &[tag]).unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_false_production_tag_is_not_one() {
    let mut world = world(&Scenario::default());
    let alternate = group(&world, "-tg-2");
    let tag = Tag {
        key: "isProduction".into(),
        value: "false".into(),
    };
    world.add_elb_tags(&[alternate], &[tag]).unwrap();
    let ended = deploy(world, "run-1", &sample()).await;
    assert_eq!(ended.output()["status"], "deployed");
}
