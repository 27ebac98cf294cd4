//! Every write, as it was decided: one match, no choices left.

use aws_sdk_ecs::Client as EcsClient;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, LaunchType, LoadBalancer,
    NetworkConfiguration, Scale, ScaleUnit, ServiceRegistry,
};
use aws_sdk_elasticloadbalancingv2::Client as ElbClient;
use aws_sdk_elasticloadbalancingv2::types::{Tag, TargetHealthStateEnum};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::action::{Action, NewTaskSet};
use ebbtide_controller::arn::is_of_a_network_load_balancer;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::Request;
use ebbtide_controller::world::{Forward, Launch, Network};

use crate::act_registry;
use crate::clients::Clients;
use crate::error::StepError;
use crate::invocation::Invocation;
use crate::lock;
use crate::routes;
use crate::scaling;
use crate::tags::{IS_PRODUCTION, ROLE, SERVICE, SWAP_INTENT, TASK_SET_ID};

/// Makes one write, while there is time for it.
pub(crate) async fn act(
    clients: &Clients,
    invocation: &Invocation<'_>,
    request: &Request,
    action: &Action,
) -> Result<(), StepError> {
    invocation.has_time_for(action)?;
    let Clients { ecs, elb, .. } = clients;
    match action {
        Action::RecordRole { route, role } => {
            add_tags(elb, &[route], &[(ROLE, role.as_str())]).await
        }
        Action::RecordService {
            target_groups,
            service,
        } => add_tags(elb, target_groups, &[(SERVICE, service)]).await,
        Action::Forward {
            route,
            seen,
            wanted,
        } => {
            if let Some(edited) = routes::edited(clients, route, seen, wanted).await? {
                invocation.has_time_for(action)?;
                routes::modify(elb, route, edited)
                    .await
                    .map_err(|error| refusing_weights(error, route, [seen, wanted]))?;
            }
            Ok(())
        }
        Action::CreateRule(new) => routes::create(clients, new).await,
        Action::DeleteRule { rule } => routes::delete(elb, rule).await,
        Action::RecordHold { hold } => {
            lock::record(clients, invocation, request, hold.as_ref()).await
        }
        Action::SuspendScaling { wanted } => {
            scaling::suspend(&clients.auto_scaling, request, *wanted).await
        }
        Action::CreateTaskSet(new) => create_task_set(ecs, request, new).await,
        Action::RecordSwapIntent {
            target_group,
            deployment,
        } => add_tags(elb, &[target_group], &[(SWAP_INTENT, deployment)]).await,
        Action::ClearSwapIntent { target_group } => {
            remove_tags(elb, target_group, &[SWAP_INTENT]).await
        }
        Action::TagProduction {
            target_group,
            task_set,
        } => {
            let tags = [(IS_PRODUCTION, "true"), (TASK_SET_ID, task_set.as_str())];
            add_tags(elb, &[target_group], &tags).await
        }
        Action::UntagProduction { target_group } => {
            remove_tags(elb, target_group, &[IS_PRODUCTION, TASK_SET_ID]).await
        }
        Action::MakePrimary { task_set } => ecs
            .update_service_primary_task_set()
            .cluster(&request.cluster)
            .service(&request.service)
            .primary_task_set(task_set.as_str())
            .send()
            .await
            .map(drop)
            .map_err(|error| StepError::of_call("ecs:UpdateServicePrimaryTaskSet", &error)),
        Action::SetScale {
            task_set, percent, ..
        } => ecs
            .update_task_set()
            .cluster(&request.cluster)
            .service(&request.service)
            .task_set(task_set.as_str())
            .scale(scale(*percent))
            .send()
            .await
            .map(drop)
            .map_err(|error| StepError::of_call("ecs:UpdateTaskSet", &error)),
        Action::SetInstanceHealth {
            registry,
            instances,
            healthy,
        } => act_registry::set_health(&clients.cloud_map, registry, instances, *healthy).await,
        Action::DeregisterInstances {
            registry,
            instances,
        } => act_registry::deregister(&clients.cloud_map, registry, instances).await,
        Action::DeregisterTargets { target_group } => deregister_targets(elb, target_group).await,
        Action::DeleteTaskSet { task_set, force } => {
            delete_task_set(ecs, request, task_set, *force).await
        }
    }
}

fn scale(percent: f64) -> Scale {
    Scale::builder()
        .unit(ScaleUnit::Percent)
        .value(percent)
        .build()
}

async fn add_tags(
    elb: &ElbClient,
    arns: &[impl ToString],
    tags: &[(&str, &str)],
) -> Result<(), StepError> {
    let tags = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(*key).value(*value).build())
        .collect();
    elb.add_tags()
        .set_resource_arns(Some(arns.iter().map(ToString::to_string).collect()))
        .set_tags(Some(tags))
        .send()
        .await
        .map(drop)
        .map_err(|error| StepError::of_call("elasticloadbalancing:AddTags", &error))
}

async fn remove_tags(elb: &ElbClient, arn: &str, keys: &[&str]) -> Result<(), StepError> {
    elb.remove_tags()
        .resource_arns(arn)
        .set_tag_keys(Some(keys.iter().map(|key| (*key).to_owned()).collect()))
        .send()
        .await
        .map(drop)
        .map_err(|error| StepError::of_call("elasticloadbalancing:RemoveTags", &error))
}

/// A Network Load Balancer that takes no weights refuses the action, in words that are not documented. An Application
/// Load Balancer takes them, and so does one of which the action has had several groups before.
fn refusing_weights(error: StepError, route: &str, [seen, wanted]: [&Forward; 2]) -> StepError {
    let first = seen.0.len() < 2 && wanted.0.len() > 1;
    if error.name != ErrorName::PreflightFailed || !first || !is_of_a_network_load_balancer(route) {
        return error;
    }
    let message = format!(
        "{} If this load balancer does not take weights, set swapMode to replace, and create a test listener for the other group.",
        error.message
    );
    StepError::new(error.name, message)
}

async fn create_task_set(
    ecs: &EcsClient,
    request: &Request,
    new: &NewTaskSet,
) -> Result<(), StepError> {
    let attached = new.load_balancer.iter().map(|attached| {
        LoadBalancer::builder()
            .target_group_arn(attached.target_group.as_str())
            .set_container_name(attached.container_name.clone())
            .set_container_port(attached.container_port.map(i32::from))
            .build()
    });
    let mut call = ecs
        .create_task_set()
        .cluster(&request.cluster)
        .service(&request.service)
        .task_definition(new.task_definition.as_str())
        .external_id(&new.external_id)
        .client_token(&new.client_token)
        .set_load_balancers(new.load_balancer.is_some().then(|| attached.collect()))
        .set_network_configuration(new.network.as_ref().map(network))
        .set_platform_version(new.platform_version.clone())
        .scale(scale(new.scale));
    match &new.launch {
        Launch::Type(launch_type) => {
            call = call.launch_type(LaunchType::from(launch_type.as_str()));
        }
        Launch::Providers(providers) => {
            for provider in providers {
                let item = CapacityProviderStrategyItem::builder()
                    .capacity_provider(&provider.name)
                    .weight(signed(provider.weight))
                    .base(signed(provider.base))
                    .build()
                    .map_err(|error| {
                        let message = format!("capacityProviderStrategy: {error}");
                        StepError::new(ErrorName::InvalidInput, message)
                    })?;
                call = call.capacity_provider_strategy(item);
            }
        }
    }
    for registry in &new.service_registries {
        call = call.service_registries(
            ServiceRegistry::builder()
                .registry_arn(registry.arn.as_str())
                .set_port(registry.port.map(i32::from))
                .set_container_name(registry.container_name.clone())
                .set_container_port(registry.container_port.map(i32::from))
                .build(),
        );
    }
    for (key, value) in &new.tags {
        let tag = aws_sdk_ecs::types::Tag::builder().key(key).value(value);
        call = call.tags(tag.build());
    }
    call.send()
        .await
        .map(drop)
        .map_err(|error| StepError::of_call("ecs:CreateTaskSet", &error))
}

fn network(network: &Network) -> NetworkConfiguration {
    let public_ip = if network.assign_public_ip {
        AssignPublicIp::Enabled
    } else {
        AssignPublicIp::Disabled
    };
    let awsvpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(network.subnets.clone()))
        .set_security_groups(Some(network.security_groups.clone()))
        .assign_public_ip(public_ip)
        .build();
    NetworkConfiguration::builder()
        .set_awsvpc_configuration(awsvpc.ok())
        .build()
}

fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Deregisters every target of a group that would take traffic.
async fn deregister_targets(elb: &ElbClient, target_group: &str) -> Result<(), StepError> {
    let answer = elb
        .describe_target_health()
        .target_group_arn(target_group)
        .send()
        .await
        .map_err(|error| StepError::of_call("elasticloadbalancing:DescribeTargetHealth", &error))?;
    let seen = answer.target_health_descriptions().iter();
    let staying = seen.filter(|seen| {
        let state = seen.target_health().and_then(|health| health.state());
        state != Some(&TargetHealthStateEnum::Draining)
    });
    let targets: Vec<_> = staying.filter_map(|seen| seen.target().cloned()).collect();
    if targets.is_empty() {
        return Ok(());
    }
    elb.deregister_targets()
        .target_group_arn(target_group)
        .set_targets(Some(targets))
        .send()
        .await
        .map(drop)
        .map_err(|error| StepError::of_call("elasticloadbalancing:DeregisterTargets", &error))
}

/// Deletes a task set; one that is gone already is what was wanted.
async fn delete_task_set(
    ecs: &EcsClient,
    request: &Request,
    task_set: &str,
    force: bool,
) -> Result<(), StepError> {
    let answer = ecs
        .delete_task_set()
        .cluster(&request.cluster)
        .service(&request.service)
        .task_set(task_set)
        .force(force)
        .send()
        .await;
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("TaskSetNotFoundException") => Ok(()),
        Err(error) => Err(StepError::of_call("ecs:DeleteTaskSet", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_mode_is_advised_where_a_network_load_balancer_is_to_have_weights_for_the_first_time() {
        let [blue, green] = ["blue", "green"].map(Into::into);
        let (one, two) = (Forward::to(&blue), Forward::weighted(&green, &blue));
        let refused = StepError::new(ErrorName::PreflightFailed, "No.");
        for (kind, seen, wanted, name, advised) in [
            ("net", &one, &two, ErrorName::PreflightFailed, true),
            ("net", &two, &two, ErrorName::PreflightFailed, false),
            ("net", &one, &one, ErrorName::PreflightFailed, false),
            ("net", &one, &two, ErrorName::Throttled, false),
            ("app", &one, &two, ErrorName::PreflightFailed, false),
        ] {
            let route = format!(
                "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/{kind}/lb/1/2"
            );
            let error = StepError {
                name,
                ..refused.clone()
            };
            let said = refusing_weights(error, &route, [seen, wanted]).message;
            assert_eq!(
                said.contains("swapMode"),
                advised,
                "{kind} {seen:?} {wanted:?}"
            );
        }
    }
}
