//! Reading Elastic Load Balancing: which target groups there are.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::builders::DescribeTargetGroupsFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::TargetGroup as SeenTargetGroup;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::arn::short;
use ebbtide_controller::fix::Fix;
use ebbtide_controller::id::{LoadBalancerArn, TargetGroupArn};
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::world::{TargetGroup, Targets, TaskSet};

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
    let arns = attached(task_sets);
    let groups = target_groups_by_arn(elb, &arns).await?;
    let is_missing = |arn: &&TargetGroupArn| groups.iter().all(|group| group.arn != **arn);
    if let Some(missing) = arns.iter().find(is_missing) {
        return Err(StepError::not_yet_consistent(format!(
            "Elastic Load Balancing does not show target group {}.",
            short(missing)
        )));
    }
    Ok(groups.into_iter().find_map(|group| group.load_balancer))
}

/// The target groups of living task sets.
pub(crate) fn attached(task_sets: &[TaskSet]) -> Vec<TargetGroupArn> {
    let living = task_sets.iter().filter(|set| !set.is_being_deleted());
    let attached = living.flat_map(|set| &set.load_balancers);
    let mut arns: Vec<_> = attached.map(|one| one.target_group.clone()).collect();
    arns.sort_unstable();
    arns.dedup();
    arns
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
    listed(its, Some(load_balancer)).await
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
        // One without any group: the model does not say whether that is an error or an empty list.
        if load_balancer.is_some()
            && group.as_ref().err().and_then(ProvideErrorMetadata::code)
                == Some("TargetGroupNotFound")
        {
            break;
        }
        let group = group.map_err(|error| match load_balancer {
            Some(arn) if error.code() == Some("LoadBalancerNotFound") => no_load_balancer(arn),
            _ => StepError::of_call("elasticloadbalancing:DescribeTargetGroups", &error),
        })?;
        groups.push(target_group(&group));
    }
    Ok(groups)
}

/// A group as it is listed; its tags, attributes and targets are read later.
fn target_group(seen: &SeenTargetGroup) -> TargetGroup {
    TargetGroup {
        arn: seen.target_group_arn().unwrap_or_default().into(),
        name: seen.target_group_name().unwrap_or_default().to_owned(),
        load_balancer: seen.load_balancer_arns().first().cloned().map(Into::into),
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

pub(crate) fn no_load_balancer(arn: &str) -> StepError {
    StepError::from(Refusal::new(
        ErrorName::PreflightFailed,
        format!("nlb: {arn} does not exist."),
        Fix::run("Look them up", ["aws elbv2 describe-load-balancers"]),
    ))
}
