//! Health, the drain and what clients feel of it.

use super::*;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    vec![
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
                "may need 3360 s: up to 300 s until its load balancer begins to check, 10 checks 300 s apart, and 2 checks 60 s apart. readinessTimeout is 1800 s",
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
        info(
            Name::DeregistrationDelay,
            |w| {
                w.request.drain.pace = every(60);
                w.group_mut("blue").deregistration_delay = 300;
            },
            [
                "300 s is longer than the 60 s",
                "Up to 4 steps' tasks",
                "Give scaledown_wait (or drain.every) of at least 300 s",
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
        info(
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
    ]
}
