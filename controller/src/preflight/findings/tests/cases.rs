//! The table: one change of a scene without a mistake, and the finding that it makes.

use std::collections::BTreeMap;

use super::*;
use crate::drain::flows::Point;
use crate::world::{Forward, ServiceRegistry, ServiceStatus, Stray, Targets};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    use FindingName as Name;
    let case = |name, severity, change: fn(&mut Scene), parts| Case {
        change,
        severity,
        name,
        parts,
    };
    let error = |name, change, parts| case(name, Severity::Error, change, parts);
    let warning = |name, change, parts| case(name, Severity::Warning, change, parts);
    let info = |name, change, parts| case(name, Severity::Info, change, parts);
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
        error(
            Name::Drain,
            |w| w.request.drain_timeout = Some(10),
            ["drainTimeout is 10 s", "given up", "Give at least"],
        ),
        warning(
            Name::HealthCheckTime,
            |w| {
                let check = &mut w.group_mut("green").settings.health_check;
                (check.interval, check.healthy_threshold) = (300, 10);
            },
            [
                "may need 3360 s: up to 300 s until its load balancer begins to check, 10 checks 300 s apart, and 2 looks 60 s apart. readinessTimeout is 1800 s",
                "NotReadyTimeout",
                "modify-target-group --target-group-arn arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/green/0123456789abcdef --health-check-interval-seconds 10",
            ],
        ),
        info(
            Name::HealthCheckGrace,
            |w| w.world.service.health_check_grace = 0,
            [
                "has 30 s",
                "slow to start",
                "aws ecs update-service --cluster main --service web --health-check-grace-period-seconds 120",
            ],
        ),
        info(
            Name::HealthCheckProtocol,
            |w| w.group_mut("blue").settings.health_check.protocol = "TCP".into(),
            [
                "of blue open a TCP connection",
                "as its port is open",
                "--health-check-protocol HTTP",
            ],
        ),
        warning(
            Name::OriginalHealth,
            |w| {
                let targets = &mut w.group_mut("blue").targets;
                (targets.healthy, targets.unhealthy) = (3, 1);
            },
            [
                "3 of 4 targets of blue",
                "rollback",
                "aws elbv2 describe-target-health --target-group-arn arn",
            ],
        ),
        warning(
            Name::UnusedTargets,
            |w| w.group_mut("blue").targets.unused = 2,
            [
                "2 targets of blue",
                "not enabled",
                "aws elbv2 set-subnets --load-balancer-arn arn",
            ],
        ),
        warning(
            Name::UnusedTargetGroup,
            |w| w.group_mut("green").load_balancer = None,
            [
                "green is in no listener",
                "never ready",
                "aws elbv2 create-listener --load-balancer-arn arn",
            ],
        ),
        warning(
            Name::DeregistrationDelay,
            |w| w.request.drain.pace = every(100),
            [
                "120 to 300 s to deregister a target, unevenly, whatever the delay of 30 s; between two steps are 100 s",
                "Up to 3 steps' tasks",
                "Key=deregistration_delay.timeout_seconds,Value=300",
            ],
        ),
        warning(
            Name::DeregistrationDelay,
            |w| {
                w.request.drain.pace = every(60);
                w.group_mut("blue").deregistration_delay = 900;
            },
            [
                "900 s is longer than the 60 s",
                "Up to 4 steps' tasks",
                "Key=deregistration_delay.timeout_seconds,Value=300",
            ],
        ),
        warning(
            Name::Budget,
            |w| {
                w.request.drain.pace = Pace::Budget(Budget {
                    reconnects: 1.0,
                    connections_per_task: Some(2_500.0),
                    deadline: 900,
                    on_deadline: OnDeadline::Finish,
                });
            },
            [
                "The drain's budget cannot be kept",
                "in time",
                "reconnectsPerSecond",
            ],
        ),
        // As CloudWatch counts them, where the input does not.
        warning(
            Name::Budget,
            |w| {
                w.world.flows.active = vec![Point {
                    at: w.world.now - 120,
                    value: 10_000.0,
                }];
                w.group_mut("blue").deregistration_delay = 60;
                w.request.drain.pace = Pace::Budget(Budget {
                    reconnects: 20.0,
                    connections_per_task: None,
                    deadline: 1_000,
                    on_deadline: OnDeadline::Finish,
                });
            },
            [
                "a minute may have 83 new connections a second, 22 more than the budget and one task's",
                "in time",
                "Key=deregistration_delay.timeout_seconds,Value=300",
            ],
        ),
        warning(
            Name::UnhealthyTermination,
            |w| {
                w.group_mut("blue").settings.ends_unhealthy = true;
                w.group_mut("green").settings.ends_unhealthy = true;
            },
            [
                "blue and green end",
                "come back at once",
                "targetgroup/green/0123456789abcdef --attributes Key=target_health_state.unhealthy.connection_termination.enabled,Value=false",
            ],
        ),
        warning(
            Name::DeregistrationTermination,
            |w| w.group_mut("green").settings.ends_deregistered = true,
            [
                "after the deregistration delay of 30 s",
                "same second",
                "Key=deregistration_delay.connection_termination.enabled,Value=false",
            ],
        ),
        warning(
            Name::Stickiness,
            |w| w.group_mut("blue").settings.sticky = true,
            [
                "blue send a client to the same target",
                "not spread",
                "Key=stickiness.enabled,Value=false",
            ],
        ),
        warning(
            Name::Stickiness,
            |w| w.listener_mut(80).sticky = true,
            [
                "Listener 80 keeps",
                "until their cookie",
                "aws elbv2 describe-listeners --listener-arns arn",
            ],
        ),
        warning(
            Name::SwapMode,
            |w| w.request.swap_mode = SwapMode::Replace,
            ["swapMode is replace", "within the hour", "weighted"],
        ),
        warning(
            Name::BakeTime,
            |w| w.request.bake_time = 0,
            ["bakeTime is 0 s", "a minute or more", "at least 90"],
        ),
        warning(
            Name::ClientPorts,
            |w| {
                w.request.drain.pace = Pace::Budget(Budget {
                    reconnects: 5_000.0,
                    connections_per_task: Some(60_000.0),
                    deadline: 3_600,
                    on_deadline: OnDeadline::Finish,
                });
                w.group_mut("blue").settings.keeps_client_ip = Some(false);
            },
            [
                "60000 connections a task",
                "no more ports",
                "Key=preserve_client_ip.enabled,Value=true",
            ],
        ),
        warning(
            Name::Zones,
            |w| w.world.load_balancer = Some(balanced(5, false)),
            [
                "4 tasks cannot be in all 5 zones",
                "not served there",
                "aws elbv2 modify-load-balancer-attributes --load-balancer-arn arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/lb/0123456789abcdef --attributes Key=load_balancing.cross_zone.enabled,Value=true",
            ],
        ),
        info(
            Name::CrossZone,
            |w| {
                let mut silent = balanced(2, false);
                silent.zones = Reading::Failed("elasticloadbalancing:DescribeLoadBalancers");
                w.world.load_balancer = Some(silent);
            },
            [
                "is not known: elasticloadbalancing:DescribeLoadBalancers did not answer",
                "not served there",
                "aws elbv2 describe-load-balancers --load-balancer-arns arn",
            ],
        ),
        warning(
            Name::TaskSetQuota,
            |w| leave(w, 4),
            [
                "web has 5 of the 5 task sets",
                "DRAINING count",
                "aws ecs describe-services --cluster main --services web",
            ],
        ),
        info(
            Name::TaskSetQuota,
            |w| leave(w, 3),
            [
                "web has 4 of the 5",
                "needs a place",
                "until fewer are left",
            ],
        ),
        warning(
            Name::Straggler,
            |w| {
                leave(w, 1);
                let left = w.world.task_sets.last_mut().unwrap();
                left.status = "ACTIVE".into();
                (left.scale, left.computed_desired_count) = (0.0, 0);
                left.running_count = 1;
            },
            [
                "want no task, and have tasks that do not stop",
                "takes one of the 5 places",
                "aws ecs list-tasks --cluster main --started-by ",
            ],
        ),
        warning(
            Name::TargetQuota,
            |w| of_tasks(w, 251),
            [
                "502 targets are registered at once until the drain begins, and a Network Load Balancer with cross-zone load balancing takes 500",
                "never healthy",
                "aws elbv2 describe-account-limits",
            ],
        ),
        warning(
            Name::TargetQuota,
            |w| {
                w.world.load_balancer = Some(balanced(2, false));
                of_tasks(w, 501);
            },
            [
                "1002 targets",
                "rolled back",
                "aws service-quotas list-service-quotas",
            ],
        ),
        warning(
            Name::TargetQuota,
            |w| {
                w.world.load_balancer = Some(balanced(6, false));
                of_tasks(w, 1_001);
            },
            ["1001 targets", "never healthy", "raise them"],
        ),
        warning(
            Name::Capacity,
            |w| w.task_set_mut("ecs-svc/1").running_count = 3,
            [
                "ecs-svc/1 runs 3 of its 4 tasks",
                "room for 4 more",
                "services[0].events",
            ],
        ),
        warning(
            Name::Capacity,
            |w| {
                w.world.task_definition.as_mut().unwrap().network_mode = "host".into();
                for group in ["blue", "green"] {
                    w.group_mut(group).settings.target_type = "instance".into();
                }
            },
            [
                "network mode host",
                "8 instances",
                "aws ecs list-container-instances --cluster main",
            ],
        ),
        info(
            Name::Capacity,
            |w| w.task_set_mut("ecs-svc/1").launch = Some(Launch::Type("EC2".into())),
            [
                "by launch type EC2",
                "not known",
                "aws ecs list-container-instances --cluster main",
            ],
        ),
        warning(
            Name::HealthThresholds,
            |w| {
                let attributes = &mut w.group_mut("blue").settings.attributes;
                tag(attributes, THRESHOLD, "3");
                let attributes = &mut w.group_mut("green").settings.attributes;
                tag(attributes, THRESHOLD, "3");
            },
            [
                "dns_failover.minimum_healthy_targets.count of blue and green is 3",
                "while its tasks start and while they are drained",
                "minimum_healthy_targets.count,Value=1",
            ],
        ),
        warning(
            Name::StrayTargets,
            |w| {
                let unhealthy = Targets {
                    unhealthy: 1,
                    ..Targets::default()
                };
                let blue = w.group_mut("blue");
                blue.targets.unhealthy = 1;
                blue.strays = vec![Stray {
                    target: "10.0.0.250:8080".into(),
                    state: unhealthy,
                }];
            },
            [
                "blue, which serves, has targets that no task of the service owns: 10.0.0.250:8080 (1 unhealthy)",
                "after a rollback, which does not wait for them",
                "aws elbv2 deregister-targets --target-group-arn arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/blue/0123456789abcdef --targets Id=10.0.0.250",
            ],
        ),
        warning(
            Name::StopTimeout,
            |w| {
                w.request.launch = Some(Launch::Type("EC2".into()));
                w.container_mut().stop_timeout = Some(3_600);
            },
            [
                "A container of web:2 may take 3600 s to stop, and a deletion is waited for 1800 s",
                "slowDeletion",
                "at most 1800",
            ],
        ),
        warning(
            Name::Stack,
            |w| {
                let tags = &mut w.task_set_mut("ecs-svc/1").tags;
                tag(tags, "aws:cloudformation:stack-name", "chat-infrastructure");
            },
            [
                "Task set ecs-svc/1 belongs to the CloudFormation stack chat-infrastructure",
                "may make both again",
                "aws cloudformation get-template --stack-name chat-infrastructure",
            ],
        ),
        warning(
            Name::Stack,
            |w| w.group_mut("blue").settings.stack = Some("chat".into()),
            [
                "Target group blue, with the tag isProduction=true,",
                "a later update",
                "--stack-name chat",
            ],
        ),
        info(
            Name::Stack,
            |w| w.listener_mut(80).stack = Some("chat".into()),
            [
                "Listener 80 belongs to the CloudFormation stack chat",
                "sends traffic where its template says",
                "detect-stack-drift --stack-name chat",
            ],
        ),
    ]
}

const THRESHOLD: &str = "target_group_health.dns_failover.minimum_healthy_targets.count";

/// Tags, or attributes.
fn tag(tags: &mut BTreeMap<String, String>, key: &str, value: &str) {
    tags.insert(key.to_owned(), value.to_owned());
}

/// The original is in a Cloud Map registry with port 8080 of a container.
fn registered(scene: &mut Scene, container: &str) {
    scene.task_set_mut("ecs-svc/1").service_registries = vec![ServiceRegistry {
        arn: "arn:aws:servicediscovery:us-east-1:555555555555:service/srv-1".to_owned(),
        port: None,
        container_name: Some(container.to_owned()),
        container_port: Some(8_080),
    }];
}

/// Leaves so many task sets behind that are being deleted.
/// A service of so many tasks, all of which run.
fn of_tasks(scene: &mut Scene, count: u32) {
    scene.world.service.desired_count = count;
    let original = scene.task_set_mut("ecs-svc/1");
    original.computed_desired_count = count;
    original.running_count = count;
}

fn leave(scene: &mut Scene, sets: usize) {
    for number in 0..sets {
        let mut left = scene.world.task_sets[0].clone();
        left.id = format!("ecs-svc/left-{number}").into();
        left.status = TaskSetStatus::Draining;
        left.load_balancers.clear();
        scene.world.task_sets.push(left);
    }
}
