//! Findings about the load balancer itself: its logs, and its security groups.

use super::{Finding, FindingName, Scene};
use crate::arn::short;
use crate::fix::Fix;
use crate::world::NetworkMode;

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    [access_logs(scene), security_groups(scene)]
        .into_iter()
        .flatten()
        .collect()
}

/// A Network Load Balancer has access logs of TLS listeners alone (AWS documentation).
fn access_logs(scene: &Scene<'_>) -> Option<Finding> {
    let load_balancer = scene.load_balancer.filter(|lb| lb.is_application())?;
    if load_balancer.access_logs.seen().copied() != Some(false) {
        return None;
    }
    Some(Finding::info(
        FindingName::AccessLogs,
        &format!(
            "Access logs of {} to S3 are off.",
            short(&load_balancer.arn)
        ),
        "Without them it cannot be found out later which requests failed in the swap or the drain, and at which target. Not checked: logs by way of CloudWatch Logs.",
        Fix::run(
            "",
            [format!(
                "aws elbv2 modify-load-balancer-attributes --load-balancer-arn {} --attributes Key=access_logs.s3.enabled,Value=true Key=access_logs.s3.bucket,Value=BUCKET",
                load_balancer.arn
            )],
        ),
    ))
}

/// Whether tasks accept what the load balancer sends. Their rules are not read; that healthy targets have the same
/// security groups and the same port settles it.
fn security_groups(scene: &Scene<'_>) -> Option<Finding> {
    let load_balancer = scene.load_balancer?;
    let of_balancer = load_balancer.security_groups.seen()?;
    let definition = scene.world.task_definition.as_ref()?;
    if of_balancer.is_empty() || definition.network_mode != NetworkMode::Awsvpc {
        return None;
    }
    let network = scene.original.and_then(|set| set.network.as_ref());
    let before = network.map(|network| &network.security_groups);
    let of_tasks = scene.request.security_groups.as_ref().or(before)?;
    let mut attached = scene.original.iter().flat_map(|set| &set.load_balancers);
    let port_before = attached.find_map(|attached| attached.container_port);
    let port = scene.request.container_port.or(port_before);
    let works = scene
        .production
        .is_some_and(|group| group.own_targets().healthy > 0);
    if works && before == Some(of_tasks) && port_before == port {
        return None;
    }
    let tasks = match &of_tasks[..] {
        [] => "the default one of the VPC".to_owned(),
        [..] => of_tasks.join(" and "),
    };
    let port = port.map_or_else(String::new, |port| format!(" on port {port}"));
    let all = [&of_tasks[..], of_balancer].concat();
    Some(Finding::info(
        FindingName::SecurityGroups,
        &format!(
            "Not checked: whether the security groups of the replacement ({tasks}) allow traffic from {} ({}){port}.",
            short(&load_balancer.arn),
            of_balancer.join(" and ")
        ),
        "If they do not, its health checks fail, and the deployment ends with NotReadyTimeout before traffic moves.",
        Fix::run(
            "To see their rules",
            [format!(
                "aws ec2 describe-security-groups --group-ids {}",
                all.join(" ")
            )],
        ),
    ))
}
