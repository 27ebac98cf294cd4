//! The table: one change of a scene without a mistake, and the finding that it makes.

use super::*;
use crate::drain::flows::Point;
use crate::world::ServiceStatus;

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
            Name::Stack,
            |w| w.task_set_mut("ecs-svc/1").stack = Some("chat-infrastructure".into()),
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
