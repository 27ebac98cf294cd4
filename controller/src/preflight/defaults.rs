//! The defaults of a request: what the task set in service has.

use crate::arn::short;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::{Launch, LaunchType, Network, NetworkMode, TaskDefinition, TaskSet};

pub(super) fn settle_container(
    settled: &mut Request,
    definition: &TaskDefinition,
    original: Option<&TaskSet>,
) -> Result<(), Refusal> {
    let attached = original.and_then(|task_set| task_set.load_balancers.first());
    let mut all: Vec<_> = definition
        .containers
        .iter()
        .flat_map(|container| {
            container
                .ports
                .iter()
                .map(|port| (container.name.as_str(), *port))
        })
        .collect();
    // One port may be mapped twice, for TCP and for UDP.
    all.sort_unstable();
    all.dedup();
    let name = settled
        .container_name
        .clone()
        .or_else(|| attached.and_then(|lb| lb.container_name.clone()));
    let port = settled
        .container_port
        .or_else(|| attached.and_then(|lb| lb.container_port));
    let fits = |candidate: &&(&str, u16)| {
        name.as_deref().is_none_or(|name| name == candidate.0)
            && port.is_none_or(|port| port == candidate.1)
    };
    let fitting: Vec<_> = all.iter().filter(fits).collect();
    if let [(name, port)] = fitting[..] {
        settled.container_name = Some((*name).to_owned());
        settled.container_port = Some(*port);
        return Ok(());
    }
    let wanted = format!(
        "containerName {} with containerPort {}",
        name.as_deref().unwrap_or("(any)"),
        port.map_or_else(|| "(any)".to_owned(), |port| port.to_string())
    );
    let has: Vec<_> = all
        .iter()
        .map(|(name, port)| format!("{name}:{port}"))
        .collect();
    Err(Refusal::preflight(
        format!(
            "{wanted} should be one container port of {}, which maps: {}.",
            short(&definition.arn),
            if has.is_empty() {
                "none".to_owned()
            } else {
                has.join(", ")
            }
        ),
        "Set containerName and containerPort as in the task definition.",
    ))
}

pub(super) fn settle_network(
    settled: &mut Request,
    definition: &TaskDefinition,
    original: Option<&TaskSet>,
) -> Result<(), Refusal> {
    if definition.network_mode != NetworkMode::Awsvpc {
        if settled.subnets.is_some() || settled.security_groups.is_some() {
            return Err(Refusal::preflight(
                format!(
                    "subnets and task_sg are for the network mode awsvpc, and {} has {}.",
                    short(&definition.arn),
                    definition.network_mode
                ),
                "Omit both, or register the task definition with the network mode awsvpc.",
            ));
        }
        return Ok(());
    }
    let before: Option<&Network> = original.and_then(|task_set| task_set.network.as_ref());
    for (field, missing) in [
        ("subnets", settled.subnets.is_none()),
        ("task_sg", settled.security_groups.is_none()),
    ] {
        if missing && before.is_none() {
            return Err(Refusal::preflight(
                format!("{field} is missing, and there is no task set in service to copy it from."),
                format!(
                    "Set {field}: {} runs in awsvpc mode.",
                    short(&definition.arn)
                ),
            ));
        }
    }
    if let Some(before) = before {
        settled
            .subnets
            .get_or_insert_with(|| before.subnets.clone());
        // A task set without security groups uses the VPC's default one; so does its replacement.
        if settled.security_groups.is_none() && !before.security_groups.is_empty() {
            settled.security_groups = Some(before.security_groups.clone());
        }
        settled
            .assign_public_ip
            .get_or_insert(before.assign_public_ip);
    }
    settled.assign_public_ip.get_or_insert(false);
    Ok(())
}

pub(super) fn settle_launch(settled: &mut Request, original: Option<&TaskSet>) {
    let before = original.and_then(|task_set| task_set.launch.clone());
    let as_before = settled.launch.is_none() || settled.launch == before;
    if settled.launch.is_none() {
        settled.launch = Some(before.unwrap_or(Launch::Type(LaunchType::Fargate)));
    }
    // A platform version belongs to Fargate: it is taken over only with the way of launching.
    if settled.platform_version.is_none() && as_before {
        settled.platform_version = original.and_then(|task_set| task_set.platform_version.clone());
    }
}
