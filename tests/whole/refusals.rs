//! What is refused, by which name, with its fix, and that nothing is written.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::asl::Status;
use ebbtide_simulator::world::World;
use serde_json::{Value, json};

use crate::support::{
    add_group, add_listener, deploy, desire, group, installed, listener, names, sample,
    sample_with, served, tag, world,
};

async fn refused(world: World, event: &Value) -> String {
    let ended = deploy(world, "run-1", event).await;
    assert!(ended.writes().is_empty(), "{:?}", ended.writes());
    let (error, cause) = ended.failure();
    format!("{error}: {cause}")
}

async fn assert_refusal(expected: &[&str], world: World) {
    let seen = refused(world, &sample()).await;
    for part in expected {
        assert!(seen.contains(part), "wanted {part:?}\nseen {seen:?}");
    }
}

const UNKNOWN: &str = r#"
serviceName "other" => serviceName: cluster sample-infra-Cluster-1234567890ab has no service other
taskDefinition "nothing:7" => taskDefinition: nothing:7 does not exist
cluster "elsewhere" => cluster: elsewhere does not exist
containerName "sidecar" => containerName sidecar
containerPort 9 => containerName webserver with containerPort 9 should be
nlb "arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/other/1234567890abcdef" => nlb: arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/other/1234567890abcdef does not exist
"#;

const INVALID: &str = r#"
cluster ""
cluster "arn:aws-cn:ecs:us-east-1:555555555555:cluster/main"
cluster "arn:aws:ecs:eu-west-1:555555555555:cluster/main"
taskDefinition "web"
taskDefinition "arn:aws:ecs:us-east-1:111111111111:task-definition/web:1"
nlb "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/other/1234567890abcdef"
nlb "arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/a/b"
waitForService "60"
waitForService 1e18
scaledown_decrement 0
scaledown_decrement -25
scaledown_decrement "25"
scaledown_decrement 1e300
scaledown_wait -5
scaledown_wait 0.5
subnets []
"#;

/// The lines `FIELD VALUE`, with ` => REFUSAL` behind where it is not the same for all.
fn fields(lines: &str) -> impl Iterator<Item = (&str, Value, Option<&str>)> {
    lines.lines().skip(1).map(|line| {
        let (field, rest) = line.split_once(' ').unwrap();
        let (value, refusal) = match rest.split_once(" => ") {
            Some((value, refusal)) => (value, Some(refusal)),
            None => (rest, None),
        };
        (field, serde_json::from_str(value).unwrap(), refusal)
    })
}

async fn assert_begins(field: &str, value: Value, expected: &str) -> String {
    let seen = refused(served(), &sample_with(&json!({field: value}))).await;
    assert!(seen.starts_with(expected), "{seen:?} is not {expected:?}");
    seen
}

#[tokio::test(start_paused = true)]
async fn bad_input_fails_the_execution_by_its_field_and_writes_nothing() {
    for (field, value, expected) in fields(UNKNOWN) {
        assert_begins(
            field,
            value,
            &format!("PreflightFailed: {}", expected.unwrap()),
        )
        .await;
    }
    for (field, value, _) in fields(INVALID) {
        let expected = format!("InvalidInput: {field} is ");
        let seen = assert_begins(field, value, &expected).await;
        assert!(seen.contains("; allowed: "), "{seen}");
    }
    let seen = refused(served(), &sample_with(&json!({"colour": "blue"}))).await;
    let expected = "InvalidInput: colour is not a field of the input";
    assert!(seen.starts_with(expected), "{seen}");
    for event in [json!([]), json!("run"), json!(null)] {
        let seen = refused(served(), &event).await;
        assert!(seen.starts_with("InvalidInput: the input is "), "{seen}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_that_names_no_load_balancer_writes_nothing() {
    let first = Scenario::with(|scenario| scenario.first_deployment = true);
    let mut event = sample();
    event.as_object_mut().unwrap().remove("nlb");
    let seen = refused(world(&first), &event).await;
    let expected = "PreflightFailed: nlb is missing";
    assert!(seen.starts_with(expected), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_active_is_refused() {
    let mut world = served();
    let names = names();
    let request = json!({"cluster": names.cluster, "service": names.service, "force": true});
    let request = serde_json::from_value(request).unwrap();
    world.delete_service(&request).unwrap();
    let expected = [
        "ServiceNotActive: ",
        "is DRAINING",
        "aws ecs create-service",
    ];
    assert_refusal(&expected, world).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_wants_no_tasks_is_refused() {
    let expected = ["PreflightFailed: ", "wants 0 tasks", "--desired-count 1"];
    let mut world = served();
    desire(&mut world, 0);
    assert_refusal(&expected, world).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_with_another_deployment_controller_is_refused() {
    let mut world = served();
    let request = json!({
        "serviceName": "rolling", "cluster": names().cluster, "desiredCount": 1,
        "taskDefinition": names().task_definition, "deploymentController": {"type": "CODE_DEPLOY"},
    });
    let request = serde_json::from_value(request).unwrap();
    world.create_service(&request).unwrap();
    let seen = refused(world, &sample_with(&json!({"serviceName": "rolling"}))).await;
    for part in ["PreflightFailed: ", "CODE_DEPLOY", "type=EXTERNAL"] {
        assert!(seen.contains(part), "{seen}");
    }
}

fn add_group_on(world: &mut World, port: u16) -> String {
    let group = add_group(world, &format!("other-{port}"));
    add_listener(world, port, &group);
    group
}

#[tokio::test(start_paused = true)]
async fn one_or_three_target_groups_are_refused_by_name() {
    let mut one = served();
    one.delete_listener(&listener(&one, 8080)).unwrap();
    let expected = ["PreflightFailed: ", "exactly two target groups", "seen: 1"];
    assert_refusal(&expected, one).await;
    let mut three = served();
    add_group_on(&mut three, 9_000);
    let expected = ["PreflightFailed: ", "seen: 3", "Key=ebbtide:service"];
    assert_refusal(&expected, three).await;
}

#[tokio::test(start_paused = true)]
async fn two_services_on_one_load_balancer_are_told_apart_by_tags_only() {
    let mut world = served();
    let others = [9_000, 9_001].map(|port| add_group_on(&mut world, port));
    let seen = refused(world.clone(), &sample()).await;
    let asks = seen.contains("seen: 4") && seen.contains("Key=ebbtide:service");
    assert!(asks, "{seen}");
    for other in others {
        tag(&mut world, &other, "serviceName", "another");
    }
    deploy(world, "run-1", &sample()).await.assert_deployed();
}

#[tokio::test(start_paused = true)]
async fn two_production_tags_are_refused_where_the_listeners_do_not_settle_it() {
    let cannot = [
        "PreflightFailed: ",
        "Cannot tell which listener is production",
        "Key=ebbtide:role,Value=production",
    ];
    let mut world = served();
    let other = group(&world, "-tg-2");
    tag(&mut world, &other, "isProduction", "true");
    assert_refusal(&cannot, world).await;
}

/// `PRIMARY` is refused whatever is tried: what is written beside it is waited for, what comes after it is
/// not begun, and the refusal is the failure.
#[tokio::test(start_paused = true)]
async fn what_is_written_beside_a_refused_write_lands_and_nothing_after_it_is_begun() {
    let (aws, installation) = installed(served());
    aws.rewrite(|request| {
        let target = request.headers().get("x-amz-target");
        let primary = "AmazonEC2ContainerServiceV20141113.UpdateServicePrimaryTaskSet";
        if target.is_some_and(|target| target == primary) {
            let mut body: Value = serde_json::from_slice(request.body()).unwrap();
            body["primaryTaskSet"] = json!("ecs-svc/0");
            *request.body_mut() = body.to_string().into();
        }
    });
    let outcome = installation.deploy("run-1", sample(), 1, &mut |_| {}).await;
    let Status::Failed { error, cause } = outcome.status else {
        panic!("{outcome:?}");
    };
    assert_eq!(error, "Drift");
    let primary = "ecs:UpdateServicePrimaryTaskSet";
    assert!(cause.contains(primary), "{cause}");
    let world = aws.snapshot();
    let calls = world.calls().filter(|call| call.caller == "swap run-1");
    let operations = calls.map(|call| call.operation.as_str());
    let writes = operations.filter(|operation| !operation.contains(":Describe"));
    // What comes between entering and leaving the lock.
    let first: Vec<_> = writes
        .skip(1)
        .take_while(|operation| !operation.starts_with("dynamodb:"))
        .collect();
    let (tag, listener) = (
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:ModifyListener",
    );
    assert_eq!(first, [tag, listener, tag, primary, listener]);
}
