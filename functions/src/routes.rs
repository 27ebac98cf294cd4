//! Changing routes, and creating and deleting the rules of deployments.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HostHeaderConditionConfig,
    HttpHeaderConditionConfig, PathPatternConditionConfig, Rule as SeenRule, RuleCondition, Tag,
    TargetGroupTuple,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::action::{NewRule, Role};
use ebbtide_controller::arn::{is_listener_rule, short};
use ebbtide_controller::id::RouteArn;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::TestCondition;
use ebbtide_controller::world::Forward;

use crate::clients::Clients;
use crate::error::StepError;
use crate::observe_routes::{forward, is_forward};
use crate::tags::{BESIDE, DEPLOYMENT, ROLE, SERVICE};

/// Compares a route with what was decided on, and edits the forward action of those that were read;
/// `None` where it is as wanted.
///
/// There is no conditional write: as the last call before it, the comparison narrows a race with another
/// writer; it does not close it.
pub(crate) async fn edited(
    clients: &Clients,
    route: &RouteArn,
    seen: &Forward,
    wanted: &Forward,
) -> Result<Option<Vec<Action>>, StepError> {
    let Clients { elb, unknown, .. } = clients;
    let actions = if is_listener_rule(route) {
        rule_by_arn(elb, route).await?.and_then(|rule| rule.actions)
    } else {
        let answer = elb
            .describe_listeners()
            .listener_arns(route.as_str())
            .send()
            .await
            .map_err(|error| {
                StepError::of_call("elasticloadbalancing:DescribeListeners", &error)
            })?;
        let listener = answer.listeners().first();
        listener.and_then(|listener| listener.default_actions.clone())
    };
    let actions = actions.unwrap_or_default();
    let now = forward(&actions);
    if now == *wanted {
        return Ok(None);
    }
    if now != *seen || unknown.of(route).is_some() {
        let kind = if is_listener_rule(route) {
            "Rule"
        } else {
            "Listener"
        };
        return Err(StepError::not_yet_consistent(format!(
            "{kind} {} changed after it was read; nothing was written to it.",
            short(route)
        )));
    }
    let edited = actions.into_iter().map(|action| {
        if is_forward(&action) {
            forwarding(action, wanted)
        } else {
            keeping_secret(action)
        }
    });
    Ok(Some(edited.collect()))
}

async fn rule_by_arn(elb: &Client, rule: &RouteArn) -> Result<Option<SeenRule>, StepError> {
    let answer = elb
        .describe_rules()
        .rule_arns(rule.as_str())
        .send()
        .await
        .map_err(|error| StepError::of_call("elasticloadbalancing:DescribeRules", &error))?;
    Ok(answer.rules.and_then(|rules| rules.into_iter().next()))
}

/// Writes a route's actions. `ModifyListener` and `ModifyRule` leave alone what they do not name, and naming
/// the protocol could lose certificates (AWS API model): only the actions are sent.
pub(crate) async fn modify(
    elb: &Client,
    route: &RouteArn,
    actions: Vec<Action>,
) -> Result<(), StepError> {
    if is_listener_rule(route) {
        let modified = elb
            .modify_rule()
            .rule_arn(route.as_str())
            .set_actions(Some(actions));
        let answer = modified.send().await.map(drop);
        return answer
            .map_err(|error| StepError::of_call("elasticloadbalancing:ModifyRule", &error));
    }
    let modified = elb
        .modify_listener()
        .listener_arn(route.as_str())
        .set_default_actions(Some(actions));
    let answer = modified.send().await.map(drop);
    answer.map_err(|error| StepError::of_call("elasticloadbalancing:ModifyListener", &error))
}

/// The same action, to be sent again: AWS never returns an OIDC client secret, and keeps it when
/// told to (AWS API model).
fn keeping_secret(mut action: Action) -> Action {
    if let Some(config) = &mut action.authenticate_oidc_config {
        config.use_existing_client_secret = Some(true);
    }
    action
}

/// The same action with other target groups; order and stickiness stay as they are.
fn forwarding(mut action: Action, wanted: &Forward) -> Action {
    let stickiness = action.forward_config.take();
    let stickiness = stickiness.and_then(|config| config.target_group_stickiness_config);
    action.target_group_arn = match &wanted.0[..] {
        [only] => Some(only.target_group.to_string()),
        _ => None,
    };
    if wanted.0.len() > 1 || stickiness.is_some() {
        let groups = wanted.0.iter().map(|group| {
            TargetGroupTuple::builder()
                .target_group_arn(group.target_group.as_str())
                .weight(i32::try_from(group.weight).unwrap_or(999))
                .build()
        });
        let config = ForwardActionConfig::builder()
            .set_target_groups(Some(groups.collect()))
            .set_target_group_stickiness_config(stickiness);
        action.forward_config = Some(config.build());
    }
    action
}

/// Creates a rule for tests, with its tags. One that holds the number already, of an attempt whose answer was
/// lost or another's, shows in the next observation.
pub(crate) async fn create(clients: &Clients, new: &NewRule) -> Result<(), StepError> {
    let Clients { elb, unknown, .. } = clients;
    let (mut conditions, mut transforms) = (Vec::new(), None);
    if is_listener_rule(&new.beside) {
        let arn = &new.beside;
        let rule = rule_by_arn(elb, arn).await?;
        let Some(rule) = rule.filter(|_| unknown.of(arn).is_none()) else {
            return Err(StepError::not_yet_consistent(format!(
                "Rule {} changed after it was read; no rule was created beside it.",
                short(arn)
            )));
        };
        conditions = rule.conditions.unwrap_or_default();
        transforms = rule.transforms;
    }
    let own = tested(&new.test);
    // Of these a rule has one at most, and of headers several (AWS API model).
    if !matches!(new.test, TestCondition::Header { .. }) {
        conditions.retain(|condition| condition.field() != own.field());
    }
    for condition in &mut conditions {
        without_repetition(condition);
    }
    conditions.push(own);
    let forward = Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .target_group_arn(new.target_group.as_str())
        .build();
    let tags = [
        (ROLE, Role::Test.as_str()),
        (SERVICE, &new.created.service),
        (DEPLOYMENT, &new.created.deployment),
        (BESIDE, &new.created.beside),
    ];
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
    let answer = elb
        .create_rule()
        .listener_arn(new.listener.as_str())
        .set_conditions(Some(conditions))
        .priority(i32::try_from(new.priority).unwrap_or(i32::MAX))
        .actions(forward)
        .set_transforms(transforms)
        .set_tags(Some(tags.to_vec()))
        .send()
        .await;
    answer.map(drop).map_err(|error| {
        let seen = StepError::of_call("elasticloadbalancing:CreateRule", &error);
        if error.code() == Some("PriorityInUse") {
            return StepError::new(ErrorName::NotYetConsistent, seen.message);
        }
        seen
    })
}

/// A condition as it is sent: AWS answers `Values` beside the field's own configuration, and takes one of the
/// two (AWS API model).
fn without_repetition(condition: &mut RuleCondition) {
    if condition.host_header_config.is_some() || condition.path_pattern_config.is_some() {
        condition.values = None;
        condition.regex_values = None;
    }
}

/// The condition of a rule for tests.
fn tested(test: &TestCondition) -> RuleCondition {
    let condition = RuleCondition::builder();
    match test {
        TestCondition::Header { name, value } => condition.field("http-header").http_header_config(
            HttpHeaderConditionConfig::builder()
                .http_header_name(name)
                .values(value)
                .build(),
        ),
        TestCondition::Host(host) => condition
            .field("host-header")
            .host_header_config(HostHeaderConditionConfig::builder().values(host).build()),
        TestCondition::Path(path) => condition
            .field("path-pattern")
            .path_pattern_config(PathPatternConditionConfig::builder().values(path).build()),
    }
    .build()
}

/// Deletes a rule; one that is gone already is what was wanted.
pub(crate) async fn delete(elb: &Client, rule: &RouteArn) -> Result<(), StepError> {
    let answer = elb.delete_rule().rule_arn(rule.as_str()).send().await;
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("RuleNotFound") => Ok(()),
        Err(error) => Err(StepError::of_call(
            "elasticloadbalancing:DeleteRule",
            &error,
        )),
    }
}
