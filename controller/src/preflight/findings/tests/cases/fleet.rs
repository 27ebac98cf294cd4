//! Room, quotas and what is around the service.

use super::*;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    vec![
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
