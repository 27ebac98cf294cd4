//! Reading Elastic Load Balancing: which listeners and target groups there are.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::builders::DescribeTargetGroupsFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::Action;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::arn::short;
use ebbtide_controller::fix::Fix;
use ebbtide_controller::id::{LoadBalancerArn, TargetGroupArn};
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::world::{
    Forward, Listener, TargetGroup, Targets, TaskSet, WeightedTargetGroup,
};

use crate::error::StepError;
use crate::observe_settings;

/// The deregistration delay of a group that does not say: AWS's default, in seconds.
const DEFAULT_DEREGISTRATION_DELAY: u32 = 300;

/// The load balancer that a living task set's target group belongs to: in the middle of a swap that
/// replaces groups, one of them is in no listener and so in no load balancer.
pub(crate) async fn load_balancer_of(
    elb: &Client,
    task_sets: &[TaskSet],
) -> Result<Option<LoadBalancerArn>, StepError> {
    let mut arns: Vec<_> = task_sets
        .iter()
        .filter(|set| !set.is_being_deleted())
        .flat_map(|set| &set.load_balancers)
        .map(|attached| attached.target_group.clone())
        .collect();
    arns.sort();
    arns.dedup();
    let groups = target_groups_by_arn(elb, &arns).await?;
    if let Some(missing) = arns
        .iter()
        .find(|arn| groups.iter().all(|group| group.arn != **arn))
    {
        return Err(StepError::not_yet_consistent(format!(
            "Elastic Load Balancing does not show target group {}.",
            short(missing)
        )));
    }
    Ok(groups.into_iter().find_map(|group| group.load_balancer))
}

/// Every target group of one load balancer. Never without that filter: it would be every group of
/// the account.
pub(crate) async fn target_groups(
    elb: &Client,
    load_balancer: &LoadBalancerArn,
) -> Result<Vec<TargetGroup>, StepError> {
    let its = elb
        .describe_target_groups()
        .load_balancer_arn(load_balancer.as_str());
    let mut groups = listed(its, Some(load_balancer)).await?;
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(groups)
}

/// Target groups by ARN, whether a listener uses them or not.
pub(crate) async fn target_groups_by_arn(
    elb: &Client,
    arns: &[TargetGroupArn],
) -> Result<Vec<TargetGroup>, StepError> {
    // Without any it would be every group of the account.
    if arns.is_empty() {
        return Ok(Vec::new());
    }
    let named = elb
        .describe_target_groups()
        .set_target_group_arns(Some(arns.iter().map(ToString::to_string).collect()));
    listed(named, None).await
}

/// All that a request asks for: a page may be empty, and the next one not.
async fn listed(
    request: DescribeTargetGroupsFluentBuilder,
    load_balancer: Option<&LoadBalancerArn>,
) -> Result<Vec<TargetGroup>, StepError> {
    let mut pages = request.into_paginator().items().send();
    let mut groups = Vec::new();
    while let Some(group) = pages.next().await {
        let group = group.map_err(|error| match load_balancer {
            Some(arn) if error.code() == Some("LoadBalancerNotFound") => no_load_balancer(arn),
            _ => StepError::of_call("elasticloadbalancing:DescribeTargetGroups", &error),
        })?;
        groups.push(target_group(&group));
    }
    Ok(groups)
}

/// A group as it is listed; its tags, attributes and targets are read later.
fn target_group(seen: &aws_sdk_elasticloadbalancingv2::types::TargetGroup) -> TargetGroup {
    TargetGroup {
        arn: seen.target_group_arn().unwrap_or_default().into(),
        name: seen.target_group_name().unwrap_or_default().to_owned(),
        load_balancer: seen
            .load_balancer_arns()
            .first()
            .map(|arn| arn.as_str().into()),
        is_production: None,
        service: None,
        service_name: None,
        task_set_id: None,
        swap_intent: None,
        deregistration_delay: DEFAULT_DEREGISTRATION_DELAY,
        settings: observe_settings::described(seen),
        targets: Targets::default(),
        strays: Vec::new(),
    }
}

fn no_load_balancer(arn: &str) -> StepError {
    StepError::from(Refusal::new(
        ErrorName::PreflightFailed,
        format!("nlb: {arn} does not exist."),
        Fix::run("Look them up", ["aws elbv2 describe-load-balancers"]),
    ))
}

/// Every listener of one load balancer; its tags and rules are read later.
pub(crate) async fn listeners(
    elb: &Client,
    load_balancer: &LoadBalancerArn,
) -> Result<Vec<Listener>, StepError> {
    let mut pages = elb
        .describe_listeners()
        .load_balancer_arn(load_balancer.as_str())
        .into_paginator()
        .items()
        .send();
    let mut listeners = Vec::new();
    while let Some(listener) = pages.next().await {
        let listener = listener.map_err(|error| {
            if error.code() == Some("LoadBalancerNotFound") {
                return no_load_balancer(load_balancer);
            }
            StepError::of_call("elasticloadbalancing:DescribeListeners", &error)
        })?;
        listeners.push(Listener {
            arn: listener.listener_arn().unwrap_or_default().into(),
            port: listener
                .port()
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(0),
            protocol: listener
                .protocol()
                .map_or_else(String::new, |protocol| protocol.as_str().to_owned()),
            forward: forward(listener.default_actions()),
            rule_target_groups: Vec::new(),
            role: None,
            sticky: observe_settings::is_sticky(listener.default_actions()),
            stack: None,
        });
    }
    listeners.sort_by_key(|listener| listener.port);
    Ok(listeners)
}

/// Where a list of actions forwards to; nothing for a redirect or a fixed response.
pub(crate) fn forward(actions: &[Action]) -> Forward {
    let Some(action) = actions.iter().find(|action| is_forward(action)) else {
        return Forward::default();
    };
    let weighted: Vec<_> = action
        .forward_config()
        .into_iter()
        .flat_map(aws_sdk_elasticloadbalancingv2::types::ForwardActionConfig::target_groups)
        .filter_map(|group| {
            Some(WeightedTargetGroup {
                target_group: group.target_group_arn()?.into(),
                weight: group
                    .weight()
                    .and_then(|weight| u32::try_from(weight).ok())
                    .unwrap_or(1),
            })
        })
        .collect();
    if weighted.is_empty() {
        action
            .target_group_arn()
            .map(|arn| Forward::to(&arn.into()))
            .unwrap_or_default()
    } else {
        Forward(weighted)
    }
}

pub(crate) fn is_forward(action: &Action) -> bool {
    action
        .r#type()
        .is_some_and(|action_type| action_type.as_str() == "forward")
}
