//! What `CreateTaskSet` and the protocols refuse.

use aws_sdk_ecs::types::{CapacityProviderStrategyItem, LaunchType};
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
    for (request, words) in [
        (
            request().set_network_configuration(None),
            "Network Configuration must be provided",
        ),
        (
            request().task_definition("chat:9"),
            "TaskDefinition not found",
        ),
        (
            request().capacity_provider_strategy(spot),
            "both a launch type and capacity provider",
        ),
        (
            request().launch_type(LaunchType::from("MOON")),
            "Unknown launch type",
        ),
        (
            only(balancer("nobody", 8080, &group)),
            "does not exist in the task definition",
        ),
        (
            only(balancer("webserver", 81, &group)),
            "did not have a container port 81",
        ),
        (only(balancer("webserver", 8080, "arn:x")), "does not exist"),
        (
            request().load_balancers(balancer("webserver", 8080, &group)),
            "at most 1",
        ),
        (request().cluster("nowhere"), "Cluster not found"),
        (request().service("nobody"), "Service not found"),
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
    assert!(
        message.contains("incompatible with the awsvpc network mode"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_simulated_is_refused_by_name() {
    let stage = stage("{}");
    let ecs = |operation: &str, body: &'static str| {
        http::Request::post("/")
            .header(
                "x-amz-target",
                format!("AmazonEC2ContainerServiceV20141113.{operation}"),
            )
            .body(Bytes::from_static(body.as_bytes()))
            .expect("a request")
    };
    let elb = |body: &'static str| {
        http::Request::post("/")
            .body(Bytes::from(body))
            .expect("a request")
    };
    for (request, words) in [
        (
            ecs("RunTask", "{}"),
            vec!["UnknownOperationException", "RunTask"],
        ),
        (
            ecs("ListTasks", r#"{"containerInstance": "X"}"#),
            vec!["ClientException", "containerInstance"],
        ),
        (ecs("ListTasks", "{"), vec!["SerializationException"]),
        (
            elb("Action=SetSubnets"),
            vec!["<Code>InvalidAction</Code>", "SetSubnets"],
        ),
        (
            elb("Action=DescribeTargetHealth&TargetGroupArn=x&Include.member.1=All"),
            vec!["ValidationError", "Include"],
        ),
        (elb(""), vec!["MissingAction"]),
    ] {
        let response = stage.aws.call("test", &request);
        let body = String::from_utf8(response.body().to_vec()).expect("text");
        assert_eq!(response.status(), 400);
        assert!(
            words.iter().all(|word| body.contains(word)),
            "{body} has not {words:?}"
        );
    }
    let operations = wire::operations();
    for (service, count) in [
        ("ecs:", 17),
        ("elasticloadbalancing:", 22),
        ("dynamodb:", 4),
        ("states:", 1),
        ("cloudwatch:", 2),
        ("events:", 1),
    ] {
        let names = operations.iter().filter(|name| name.starts_with(service));
        assert_eq!(names.count(), count, "{service}");
    }
}
