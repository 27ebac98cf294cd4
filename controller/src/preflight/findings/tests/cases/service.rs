//! Service, routes and what a replacement takes over.

use super::*;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        error(
            Name::Service,
            |w| w.world.service.status = ServiceStatus::Inactive,
            ["web is INACTIVE", "ACTIVE", "aws ecs create-service"],
        ),
        error(
            Name::TaskDefinition,
            |w| w.world.task_definition = None,
            [
                "web:2 does not exist",
                "ACTIVE revision",
                "aws ecs register-task-definition",
            ],
        ),
        error(
            Name::LoadBalancer,
            |w| w.world.load_balancer = None,
            ["nlb is missing", "Traffic is moved", "in nlb"],
        ),
        error(
            Name::TargetGroups,
            |w| {
                w.world.target_groups.pop();
                w.world.listeners.pop();
            },
            [
                "1: blue",
                "never health-checked",
                "aws elbv2 create-listener --load-balancer-arn arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/lb/",
            ],
        ),
        error(
            Name::Listeners,
            |w| w.listener_mut(80).rule_target_groups = vec![group_arn("blue")],
            [
                "A rule of listener 80",
                "says where traffic goes",
                "a listener of its own",
            ],
        ),
        info(
            Name::ProductionListener,
            |w| {
                w.world.task_sets.clear();
                w.group_mut("blue").is_production = None;
                w.group_mut("blue").targets.healthy = 0;
                w.request.subnets = Some(vec!["subnet-0".into()]);
                w.request.security_groups = Some(vec!["sg-0".into()]);
            },
            [
                "listener 80 is taken for production and 8080 for test, because only 80 is a well-known port",
                "ebbtide:role",
                "aws elbv2 add-tags",
            ],
        ),
        error(
            Name::TaskSets,
            |w| w.group_mut("green").targets.healthy = 1,
            [
                "green should be empty",
                "would get traffic",
                "aws elbv2 deregister-targets",
            ],
        ),
        error(
            Name::TestListener,
            |w| {
                w.request.swap_mode = SwapMode::Replace;
                w.world.listeners.pop();
            },
            [
                "no test listener",
                "never health-checked",
                "create a test listener",
            ],
        ),
        error(
            Name::TargetType,
            |w| {
                let settings = &mut w.group_mut("green").settings;
                settings.target_type = "instance".into();
                settings.protocol = "TLS".into();
                settings.port = Some(8883);
                settings.vpc = Some("vpc-1".into());
            },
            [
                "green takes targets of type instance, and web:2 runs in the network mode awsvpc, which needs ip",
                "bridge and host tasks by their instance",
                "aws elbv2 create-target-group --name green-ip --target-type ip --protocol TLS --port 8883 --vpc-id vpc-1",
            ],
        ),
        error(
            Name::ContainerPort,
            |w| {
                let definition = w.world.task_definition.as_mut().unwrap();
                definition.containers = vec![Container {
                    name: "webserver".into(),
                    ports: vec![9_000],
                    stop_timeout: None,
                }];
            },
            [
                "webserver:9000",
                "container and port",
                "Give containerName and containerPort",
            ],
        ),
        error(
            Name::Network,
            |w| w.task_set_mut("ecs-svc/1").network = None,
            ["subnets is missing", "awsvpc tasks need", "Give subnets"],
        ),
        error(
            Name::Listeners,
            |w| {
                let (blue, green) = (group_arn("blue"), group_arn("green"));
                w.listener_mut(80).forward = Forward::weighted(&blue, &green);
                w.listener_mut(80).forward.0[0].weight = 0;
            },
            [
                "Listener 80 sends new connections nowhere: 80 to blue (0) and green (0)",
                "must lead to one",
                "a weight above 0",
            ],
        ),
        error(
            Name::GroupsDiffer,
            |w| {
                w.group_mut("green").settings.protocol = "TLS".into();
                w.group_mut("green").settings.health_check.path = Some("/old".into());
            },
            [
                "Listener 80 has the protocol TCP and cannot forward to green, which has TLS. blue and green differ: protocol TCP and TLS, health check path none and /old",
                "fitting protocols",
                "aws elbv2 create-target-group",
            ],
        ),
        error(
            Name::GroupsDiffer,
            |w| {
                w.group_mut("green").settings.ip_address_type = "ipv6".into();
                let balancer = w.world.load_balancer.as_mut().unwrap();
                balancer.ip_address_type = Reading::Seen("ipv4".into());
            },
            [
                "IP address type ipv4 and cannot",
                "addresses",
                "into the listener instead of green",
            ],
        ),
        warning(
            Name::GroupsDiffer,
            |w| {
                let green = &mut w.group_mut("green").settings;
                green.health_check.path = Some("/old".into());
                green.health_check.interval = 30;
                let attribute = ("stickiness.enabled".into(), "true".into());
                green.attributes.extend([attribute]);
                let attribute = ("stickiness.enabled".into(), "false".into());
                w.group_mut("blue").settings.attributes.extend([attribute]);
            },
            [
                "blue and green differ: health check path none and /old, health check interval 10 and 30, stickiness.enabled false and true",
                "exchanges the two",
                "targetgroup/green/0123456789abcdef --health-check-interval-seconds 10 && aws elbv2 modify-target-group-attributes --target-group-arn arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/green/0123456789abcdef --attributes Key=stickiness.enabled,Value=false",
            ],
        ),
        error(
            Name::ServiceRegistry,
            |w| registered(w, "sidecar"),
            [
                "registry srv-1 of the original names container sidecar with port 8080, and web:2 (awsvpc) does not have it",
                "ECS refuses",
                "Give web:2",
            ],
        ),
        warning(
            Name::ServiceRegistry,
            |w| registered(w, "webserver"),
            [
                "ecs-svc/1 is in the Cloud Map registry srv-1",
                "before the swap",
                "list-instances --service-id srv-1",
            ],
        ),
        error(
            Name::Tags,
            |w| {
                let many = (0..51).map(|number| (format!("key-{number}"), String::new()));
                w.request.tags = many.collect();
            },
            ["would have 51 tags", "with more tags", "Leave some out"],
        ),
        warning(
            Name::Tags,
            |w| {
                tag(&mut w.task_set_mut("ecs-svc/1").tags, "CostCenter", "4711");
                tag(&mut w.request.tags, "costcenter", "4711");
            },
            [
                "tags has the key costcenter, and ecs-svc/1 the tag CostCenter",
                "refuses one of them",
                "Write CostCenter in tags",
            ],
        ),
        info(
            Name::Tags,
            |w| {
                tag(&mut w.task_set_mut("ecs-svc/1").tags, "stage", "prod");
                tag(&mut w.request.tags, "stage", "prod");
                tag(&mut w.request.tags, "team", "rt");
            },
            [
                "tags that the original does not have: team=rt",
                "Which policies apply is not read",
                "describe-effective-policy",
            ],
        ),
    ]
}
