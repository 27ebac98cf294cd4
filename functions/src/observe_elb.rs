//! Reading Elastic Load Balancing: target groups, listeners, tags, target health.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::builders::DescribeTargetGroupsFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::{Action, TargetGroupAttribute, TargetHealthStateEnum};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::arn::short;
use ebbtide_controller::id::{ListenerArn, LoadBalancerArn, TargetGroupArn};
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::world::{
    Forward, Listener, TargetGroup, Targets, TaskSet, WeightedTargetGroup,
};

use futures_util::future::try_join_all;
use tokio::try_join;

use crate::error::StepError;
use crate::{observe_settings, tags};

/// ARNs that `DescribeTags` takes a call (AWS API model).
const ARNS_A_CALL: usize = 20;

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
    if arns.is_empty() {
        return Ok(None);
    }
    let groups = target_groups_by_arn(elb, arns.clone()).await?;
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
    arns: Vec<TargetGroupArn>,
) -> Result<Vec<TargetGroup>, StepError> {
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
    }
}

fn no_load_balancer(arn: &str) -> StepError {
    StepError::from(Refusal::new(
        ErrorName::PreflightFailed,
        format!("nlb: {arn} does not exist."),
        "Look them up: aws elbv2 describe-load-balancers",
    ))
}

/// Every listener of one load balancer with its rules, whatever its kind: a default action says nothing about
/// what a rule sends (rule R14).
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
            forward: forward(listener.default_actions()),
            rule_target_groups: Vec::new(),
            role: None,
            sticky: observe_settings::is_sticky(listener.default_actions()),
            stack: None,
        });
    }
    let rules = listeners
        .iter()
        .map(|listener| rule_target_groups(elb, &listener.arn));
    let rules = try_join_all(rules).await?;
    for (listener, groups) in listeners.iter_mut().zip(rules) {
        listener.rule_target_groups = groups;
    }
    listeners.sort_by_key(|listener| listener.port);
    Ok(listeners)
}

async fn rule_target_groups(
    elb: &Client,
    listener: &ListenerArn,
) -> Result<Vec<TargetGroupArn>, StepError> {
    let mut pages = elb
        .describe_rules()
        .listener_arn(listener.as_str())
        .into_paginator()
        .items()
        .send();
    let mut groups = Vec::new();
    while let Some(rule) = pages.next().await {
        let rule =
            rule.map_err(|error| StepError::of_call("elasticloadbalancing:DescribeRules", &error))?;
        if rule.is_default() != Some(true) {
            let forward = forward(rule.actions());
            groups.extend(forward.0.into_iter().map(|group| group.target_group));
        }
    }
    Ok(groups)
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

/// Reads the tags of listeners and target groups into them, 20 ARNs a call.
pub(crate) async fn read_tags(
    elb: &Client,
    listeners: &mut [Listener],
    target_groups: &mut [TargetGroup],
) -> Result<(), StepError> {
    let arns: Vec<String> = listeners
        .iter()
        .map(|listener| listener.arn.to_string())
        .chain(target_groups.iter().map(|group| group.arn.to_string()))
        .collect();
    let calls = arns.chunks(ARNS_A_CALL).map(|arns| {
        elb.describe_tags()
            .set_resource_arns(Some(arns.to_vec()))
            .send()
    });
    let answers = try_join_all(calls)
        .await
        .map_err(|error| StepError::of_call("elasticloadbalancing:DescribeTags", &error))?;
    for answer in answers {
        for description in answer.tag_descriptions() {
            let tag = |key: &str| {
                description
                    .tags()
                    .iter()
                    .find(|tag| tag.key() == Some(key))
                    .map(|tag| tag.value().unwrap_or_default().to_owned())
            };
            let arn = description.resource_arn();
            for listener in listeners.iter_mut().filter(|l| Some(l.arn.as_str()) == arn) {
                listener.role = tag(tags::ROLE);
                listener.stack = tag(tags::STACK);
            }
            for group in target_groups
                .iter_mut()
                .filter(|g| Some(g.arn.as_str()) == arn)
            {
                group.is_production = tag(tags::IS_PRODUCTION);
                group.service = tag(tags::SERVICE);
                group.service_name = tag(tags::SERVICE_NAME);
                group.task_set_id = tag(tags::TASK_SET_ID).map(Into::into);
                group.swap_intent = tag(tags::SWAP_INTENT);
                group.settings.stack = tag(tags::STACK);
            }
        }
    }
    Ok(())
}

/// What changes about a group from one look to the next, and what its attributes say.
pub(crate) struct Health {
    targets: Targets,
    attributes: Vec<TargetGroupAttribute>,
}

impl Health {
    /// Puts what was read into a group; what its attributes do not say stays as it is.
    pub(crate) fn put_into(self, group: &mut TargetGroup) {
        group.targets = self.targets;
        for attribute in &self.attributes {
            observe_settings::set(group, attribute);
        }
    }
}

/// The targets of a group by state, and its attributes.
pub(crate) async fn health_of(elb: &Client, group: &str) -> Result<Health, StepError> {
    let (targets, attributes) = try_join!(
        targets(elb, group),
        observe_settings::attributes(elb, group)
    )?;
    Ok(Health {
        targets,
        attributes,
    })
}

/// How many targets of a group are in which state. One that this version does not know counts as
/// not ready.
async fn targets(elb: &Client, group: &str) -> Result<Targets, StepError> {
    let answer = elb
        .describe_target_health()
        .target_group_arn(group)
        .send()
        .await
        .map_err(|error| StepError::of_call("elasticloadbalancing:DescribeTargetHealth", &error))?;
    let mut targets = Targets::default();
    for description in answer.target_health_descriptions() {
        let state = description
            .target_health()
            .and_then(|health| health.state());
        *match state {
            Some(TargetHealthStateEnum::Healthy) => &mut targets.healthy,
            Some(TargetHealthStateEnum::Initial) => &mut targets.initial,
            Some(TargetHealthStateEnum::Unhealthy | TargetHealthStateEnum::UnhealthyDraining) => {
                &mut targets.unhealthy
            }
            Some(TargetHealthStateEnum::Unused) => &mut targets.unused,
            Some(TargetHealthStateEnum::Draining) => &mut targets.draining,
            _ => &mut targets.unknown,
        } += 1;
    }
    Ok(targets)
}
