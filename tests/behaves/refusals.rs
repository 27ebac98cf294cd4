//! What `CreateTaskSet` and the protocols refuse.

use aws_sdk_ecs::types::{CapacityProviderStrategyItem, LaunchType, ServiceRegistry};
use aws_sdk_elasticloadbalancingv2::types::ProtocolEnum;
use bytes::Bytes;
use ebbtide_simulator::wire;

use crate::support::{refusal, stage};

#[tokio::test(start_paused = true)]
async fn a_task_set_that_cannot_run_is_refused() {
    let stage = stage("{}");
    let group = stage.group_arn(1).await;
    let balancer = |name: &str, port: i32, arn: &str| {
        aws_sdk_ecs::types::LoadBalancer::builder()
            .target_group_arn(arn)
            .container_name(name)
            .container_port(port)
            .build()
    };
    let spot = CapacityProviderStrategyItem::builder().capacity_provider("FARGATE_SPOT");
    let spot = spot.build().expect("a strategy");
    let request = || stage.create_task_set(&group);
    let only = |one| request().set_load_balancers(Some(vec![one]));
    let registry = |name: Option<&str>, container_port: Option<i32>| {
        let registry = ServiceRegistry::builder().registry_arn("arn:aws:servicediscovery:x");
        let registry = registry.set_container_name(name.map(Into::into));
        request().service_registries(registry.set_container_port(container_port).build())
    };
    let without_network = request().set_network_configuration(None);
    let unknown_type = request().launch_type(LaunchType::from("MOON"));
    let second = request().load_balancers(balancer("webserver", 8080, &group));
    let other_container = only(balancer("other", 8080, &group));
    for (request, words) in [
        (without_network, "Network Configuration must be provided"),
        (
            request().task_definition("chat:9"),
            "TaskDefinition not found",
        ),
        (
            request().capacity_provider_strategy(spot),
            "both a launch type and capacity provider",
        ),
        (unknown_type, "Unknown launch type"),
        (other_container, "does not exist in the task definition"),
        (
            only(balancer("webserver", 81, &group)),
            "did not have a container port 81",
        ),
        (only(balancer("webserver", 8080, "arn:x")), "does not exist"),
        (second, "at most 1"),
        (
            registry(Some("other"), Some(8080)),
            "The container other does not exist",
        ),
        (
            registry(Some("webserver"), Some(81)),
            "container port of the service registry",
        ),
        (
            registry(None, Some(8080)),
            "name and port must be specified",
        ),
        (request().cluster("nowhere"), "Cluster not found"),
        (request().service("other"), "Service not found"),
    ] {
        let (_, message) = refusal(request.send().await);
        assert!(message.contains(words), "{message} has no {words:?}");
    }
    assert_eq!(stage.task_sets().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_instance_group_does_not_fit_awsvpc() {
    let stage = stage("{}");
    let create = stage.elb.create_target_group().name("instances");
    let create = create.protocol(ProtocolEnum::Tcp).port(80).vpc_id("vpc-1");
    let group = create.send().await.expect("created");
    let arn = group.target_groups()[0].target_group_arn().expect("an ARN");
    let (_, message) = refusal(stage.create_task_set(arn).send().await);
    let words = "incompatible with the awsvpc network mode";
    assert!(message.contains(words), "{message}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_simulated_is_refused_by_name() {
    let stage = stage("{}");
    let post = |operation: &str, body: &'static str| {
        let mut request = http::Request::post("/");
        if !operation.is_empty() {
            let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
            request = request.header("x-amz-target", target);
        }
        let request = request.body(Bytes::from(body)).expect("a request");
        let response = stage.aws.call("test", &request);
        assert_eq!(response.status(), 400);
        String::from_utf8(response.body().to_vec()).expect("text")
    };
    for (operation, body, words) in [
        ("RunTask", "{}", ["UnknownOperationException", "RunTask"]),
        (
            "ListTasks",
            r#"{"containerInstance": "X"}"#,
            ["ClientException", "containerInstance"],
        ),
        ("ListTasks", "{", ["SerializationException", ""]),
        (
            "",
            "Action=SetSubnets",
            ["<Code>InvalidAction</Code>", "SetSubnets"],
        ),
        (
            "",
            "Action=DescribeTargetHealth&TargetGroupArn=x&Include.member.1=All",
            ["ValidationError", "Include"],
        ),
        ("", "", ["MissingAction", ""]),
    ] {
        let answer = post(operation, body);
        let all = words.iter().all(|word| answer.contains(word));
        assert!(all, "{answer} has not {words:?}");
    }
    let operations = wire::operations();
    for (service, count) in [
        ("ecs:", 23),
        ("elasticloadbalancing:", 26),
        ("dynamodb:", 4),
        ("states:", 1),
        ("cloudwatch:", 2),
        ("events:", 1),
        ("servicediscovery:", 13),
    ] {
        let names = operations.iter().filter(|name| name.starts_with(service));
        assert_eq!(names.count(), count, "{service}");
    }
}
