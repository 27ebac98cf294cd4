//! Reading routes: the default actions of listeners, and rules.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HostHeaderConditionConfig,
    HttpHeaderConditionConfig, Listener, PathPatternConditionConfig, ProtocolEnum,
    QueryStringConditionConfig, Rule as SeenRule, RuleCondition,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::id::{ListenerArn, LoadBalancerArn};
use ebbtide_controller::world::{Condition, Forward, Route, Rule, WeightedTargetGroup};

use crate::clients::Clients;
use crate::elements::Unknown;
use crate::error::StepError;
use crate::observe_elb::no_load_balancer;

/// The default action of every listener of a load balancer; tags are read later.
pub(crate) async fn listeners(
    clients: &Clients,
    load_balancer: &LoadBalancerArn,
) -> Result<Vec<Route>, StepError> {
    let (mut routes, mut marker) = (Vec::new(), None);
    loop {
        let page = clients
            .elb
            .describe_listeners()
            .load_balancer_arn(load_balancer.as_str())
            .set_marker(marker)
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
                .map(|seen| default_of(seen, &clients.unknown)),
        );
        marker = page.next_marker;
        if marker.is_none() {
            routes.sort_by_key(place);
            return Ok(routes);
        }
    }
}

/// The rules of a listener, by priority; the default rule is the listener's default action.
pub(crate) async fn rules(
    clients: &Clients,
    listener: &ListenerArn,
) -> Result<(ListenerArn, Vec<Route>), StepError> {
    let (mut routes, mut marker) = (Vec::new(), None);
    loop {
        let page = clients
            .elb
            .describe_rules()
            .listener_arn(listener.as_str())
            .set_marker(marker)
            .send()
            .await
            .map_err(|error| StepError::of_call("elasticloadbalancing:DescribeRules", &error))?;
        let rules = page.rules().iter();
        routes.extend(rules.filter_map(|seen| rule_of(seen, listener, &clients.unknown)));
        marker = page.next_marker;
        if marker.is_none() {
            routes.sort_by_key(place);
            return Ok((listener.clone(), routes));
        }
    }
}

/// Where a route stands among others of its kind: listeners by port, rules of a listener by number.
fn place(route: &Route) -> (u16, Option<u32>) {
    (route.port, route.rule.as_ref().map(|rule| rule.priority))
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
pub(crate) fn forward(actions: &[Action]) -> Forward {
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

pub(crate) fn is_forward(action: &Action) -> bool {
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
