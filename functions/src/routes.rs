//! Reading and changing routes: the default actions of listeners, and rules.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HostHeaderConditionConfig,
    HttpHeaderConditionConfig, Listener, PathPatternConditionConfig, ProtocolEnum,
    QueryStringConditionConfig, Rule as SeenRule, RuleCondition, Tag, TargetGroupTuple,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::action::{Beside, NewRule, Role};
use ebbtide_controller::arn::{is_listener_rule, short};
use ebbtide_controller::id::{ListenerArn, LoadBalancerArn, RouteArn};
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::TestCondition;
use ebbtide_controller::world::{Condition, Forward, Route, Rule, WeightedTargetGroup};

use crate::elements::Unknown;
use crate::error::StepError;
use crate::observe_elb::no_load_balancer;
use crate::tags::{BESIDE, DEPLOYMENT, ROLE, SERVICE};

/// The default action of every listener of a load balancer; tags are read later.
pub(crate) async fn listeners(
    elb: &Client,
    load_balancer: &LoadBalancerArn,
) -> Result<Vec<Route>, StepError> {
    let unknown = Unknown::default();
    let (mut routes, mut marker) = (Vec::new(), None);
    loop {
        let page = elb
            .describe_listeners()
            .load_balancer_arn(load_balancer.as_str())
            .set_marker(marker)
            .customize()
            .interceptor(unknown.clone())
            .send()
            .await
            .map_err(|error| {
                if error.code() == Some("LoadBalancerNotFound") {
                    return no_load_balancer(load_balancer);
                }
                StepError::of_call("elasticloadbalancing:DescribeListeners", &error)
            })?;
        routes.extend(
            page.listeners()
                .iter()
                .map(|seen| default_of(seen, &unknown)),
        );
        marker = page.next_marker;
        if marker.is_none() {
            routes.sort_by_key(|route| route.port);
            return Ok(routes);
        }
    }
}

/// The rules of a listener, by priority; the default rule is the listener's default action.
pub(crate) async fn rules(
    elb: &Client,
    listener: &ListenerArn,
) -> Result<(ListenerArn, Vec<Route>), StepError> {
    let unknown = Unknown::default();
    let (mut routes, mut marker) = (Vec::new(), None);
    loop {
        let page = elb
            .describe_rules()
            .listener_arn(listener.as_str())
            .set_marker(marker)
            .customize()
            .interceptor(unknown.clone())
            .send()
            .await
            .map_err(|error| StepError::of_call("elasticloadbalancing:DescribeRules", &error))?;
        let rules = page.rules().iter();
        routes.extend(rules.filter_map(|seen| rule_of(seen, listener, &unknown)));
        marker = page.next_marker;
        if marker.is_none() {
            routes.sort_by_key(|route| route.rule.as_ref().map(|rule| rule.priority));
            return Ok((listener.clone(), routes));
        }
    }
}

fn default_of(listener: &Listener, unknown: &Unknown) -> Route {
    let port = listener.port().and_then(|port| u16::try_from(port).ok());
    let protocol = listener.protocol().map_or("", ProtocolEnum::as_str);
    let arn = listener.listener_arn().unwrap_or_default();
    let actions = listener.default_actions();
    Route {
        arn: arn.into(),
        listener: arn.into(),
        port: port.unwrap_or(0),
        protocol: protocol.to_owned(),
        rule: None,
        forward: forward(actions),
        unknown: unknown.of(arn).or_else(|| unknown_type(actions)),
        authenticates: authenticates(actions),
        sticky: sticky(actions),
        role: None,
        created: None,
        stack: None,
    }
}

/// A rule; `None` for the default rule. Port and protocol are the listener's.
fn rule_of(rule: &SeenRule, listener: &ListenerArn, unknown: &Unknown) -> Option<Route> {
    if rule.is_default() == Some(true) {
        return None;
    }
    let arn = rule.rule_arn().unwrap_or_default();
    let priority = rule.priority().and_then(|number| number.parse().ok());
    Some(Route {
        arn: arn.into(),
        listener: listener.clone(),
        port: 0,
        protocol: String::new(),
        rule: Some(Rule {
            priority: priority.unwrap_or(0),
            conditions: rule.conditions().iter().map(condition).collect(),
        }),
        forward: forward(rule.actions()),
        unknown: unknown.of(arn).or_else(|| unknown_type(rule.actions())),
        authenticates: authenticates(rule.actions()),
        sticky: sticky(rule.actions()),
        role: None,
        created: None,
        stack: None,
    })
}

/// A condition: its values stand in the field's own configuration, and some are repeated in `Values`.
fn condition(seen: &RuleCondition) -> Condition {
    let mut values = seen.values().to_vec();
    let mut add = |more: &[String]| {
        for value in more {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
    };
    add(seen.regex_values());
    if let Some(host) = seen.host_header_config() {
        add(host.values());
        add(host.regex_values());
    }
    if let Some(path) = seen.path_pattern_config() {
        add(path.values());
        add(path.regex_values());
    }
    if let Some(header) = seen.http_header_config() {
        add(header.values());
        add(header.regex_values());
    }
    if let Some(method) = seen.http_request_method_config() {
        add(method.values());
    }
    if let Some(addresses) = seen.source_ip_config() {
        add(addresses.values());
        let kind = addresses
            .ip_address_type()
            .map(|kind| kind.as_str().to_owned());
        add(kind.as_slice());
    }
    for pair in seen
        .query_string_config()
        .into_iter()
        .flat_map(QueryStringConditionConfig::values)
    {
        let value = pair.value().unwrap_or_default();
        add(&[pair
            .key()
            .map_or(value.to_owned(), |key| format!("{key}={value}"))]);
    }
    let header = seen.http_header_config();
    let expressions = [
        Some(seen.regex_values()),
        seen.host_header_config()
            .map(HostHeaderConditionConfig::regex_values),
        seen.path_pattern_config()
            .map(PathPatternConditionConfig::regex_values),
        header.map(HttpHeaderConditionConfig::regex_values),
    ];
    Condition {
        field: seen.field().unwrap_or_default().to_owned(),
        name: header.and_then(|header| header.http_header_name().map(str::to_owned)),
        values,
        regex: expressions
            .into_iter()
            .flatten()
            .any(|some| !some.is_empty()),
    }
}

/// Where a list of actions forwards to; nothing for a redirect or a fixed response.
fn forward(actions: &[Action]) -> Forward {
    let Some(action) = actions.iter().find(|action| is_forward(action)) else {
        return Forward::default();
    };
    let config = action.forward_config().into_iter();
    let groups = config.flat_map(ForwardActionConfig::target_groups);
    let weighted = groups.filter_map(|group| {
        let weight = group.weight().and_then(|weight| u32::try_from(weight).ok());
        Some(WeightedTargetGroup {
            target_group: group.target_group_arn()?.into(),
            weight: weight.unwrap_or(1),
        })
    });
    let weighted: Vec<_> = weighted.collect();
    match action.target_group_arn() {
        Some(arn) if weighted.is_empty() => Forward::to(&arn.into()),
        Some(_) | None => Forward(weighted),
    }
}

fn is_forward(action: &Action) -> bool {
    action.r#type() == Some(&ActionTypeEnum::Forward)
}

/// The type of an action that this version does not know.
fn unknown_type(actions: &[Action]) -> Option<String> {
    let known = ActionTypeEnum::values();
    let types = actions.iter().filter_map(Action::r#type);
    let mut unknown = types.filter(|kind| !known.contains(&kind.as_str()));
    unknown
        .next()
        .map(|kind| format!("the action type {}", kind.as_str()))
}

/// Whether something is asked of a client before the last action.
fn authenticates(actions: &[Action]) -> bool {
    use ActionTypeEnum::{AuthenticateCognito, AuthenticateOidc, JwtValidation};
    let mut types = actions.iter().filter_map(Action::r#type);
    types.any(|kind| matches!(kind, AuthenticateCognito | AuthenticateOidc | JwtValidation))
}

/// Seconds for which a forward action keeps clients on the target group that they were sent to first.
fn sticky(actions: &[Action]) -> Option<u32> {
    let forwards = actions.iter().filter_map(Action::forward_config);
    let mut settings = forwards.filter_map(|forward| forward.target_group_stickiness_config());
    let enabled = settings.find(|stickiness| stickiness.enabled() == Some(true))?;
    let seconds = enabled
        .duration_seconds()
        .and_then(|seconds| u32::try_from(seconds).ok());
    seconds.filter(|seconds| *seconds > 0)
}

/// Compares a route with what was decided on, and edits the forward action of those that were read;
/// `None` where it is as wanted.
///
/// There is no conditional write: as the last call before it, the comparison narrows a race with another
/// writer; it does not close it.
pub(crate) async fn edited(
    elb: &Client,
    route: &RouteArn,
    seen: &Forward,
    wanted: &Forward,
) -> Result<Option<Vec<Action>>, StepError> {
    let unknown = Unknown::default();
    let actions = if is_listener_rule(route) {
        rule_by_arn(elb, route, &unknown)
            .await?
            .and_then(|rule| rule.actions)
    } else {
        let answer = elb
            .describe_listeners()
            .listener_arns(route.as_str())
            .customize()
            .interceptor(unknown.clone())
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

async fn rule_by_arn(
    elb: &Client,
    rule: &RouteArn,
    unknown: &Unknown,
) -> Result<Option<SeenRule>, StepError> {
    let answer = elb
        .describe_rules()
        .rule_arns(rule.as_str())
        .customize()
        .interceptor(unknown.clone())
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
pub(crate) async fn create(elb: &Client, new: &NewRule) -> Result<(), StepError> {
    let (mut conditions, mut transforms) = (Vec::new(), None);
    if let Beside::Rule(arn) = &new.beside {
        let unknown = Unknown::default();
        let rule = rule_by_arn(elb, arn, &unknown).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_say_whether_their_values_are_regular_expressions() {
        let path = PathPatternConditionConfig::builder();
        let header = HttpHeaderConditionConfig::builder();
        let any = RuleCondition::builder();
        let cases = [
            (any.clone().values("/a/*"), false),
            (any.clone().regex_values("^/a"), true),
            (
                any.clone()
                    .path_pattern_config(path.clone().values("/a").build()),
                false,
            ),
            (
                any.clone()
                    .path_pattern_config(path.regex_values("^/a").build()),
                true,
            ),
            (
                any.http_header_config(header.regex_values("^a").build()),
                true,
            ),
        ];
        for (seen, regex) in cases {
            let read = condition(&seen.build());
            assert_eq!((read.values.len(), read.regex), (1, regex), "{read:?}");
        }
    }
}
