//! How a request for actions is checked.

use std::collections::BTreeSet;

use super::action::groups_of;
use super::action_form::FORMS;
use super::load_balancer::{Kind, LoadBalancer};
use super::{
    Action, ActionRequest, ApiError, Forward, Listener, Stickiness, StickinessRequest,
    WeightedGroup, World,
};

impl World {
    /// The actions of a request, or why this load balancer refuses them. `before` are those that they take the place
    /// of: a client secret may stay.
    pub(crate) fn check_actions(
        &self,
        load_balancer: &LoadBalancer,
        protocol: &str,
        requested: &[ActionRequest],
        before: &[Action],
    ) -> Result<Vec<Action>, ApiError> {
        let check = |one| self.check_action(load_balancer.kind, protocol, one, before);
        let actions = requested.iter().map(check);
        let actions = actions.collect::<Result<Vec<_>, _>>()?;
        check_order(load_balancer.kind, &actions)?;
        for weighted in actions.iter().flat_map(groups_of) {
            self.check_group(load_balancer, protocol, &weighted.arn)?;
        }
        self.check_groups_of(load_balancer, &actions)?;
        Ok(actions)
    }

    fn check_groups_of(
        &self,
        load_balancer: &LoadBalancer,
        actions: &[Action],
    ) -> Result<(), ApiError> {
        let known = self.listeners_of(&load_balancer.arn);
        let named = known.flat_map(Listener::actions).chain(actions);
        let named: BTreeSet<_> = named.flat_map(groups_of).map(|one| &one.arn).collect();
        let most = self.limits.groups_per_load_balancer;
        if load_balancer.kind == Kind::Application && named.len() > most {
            let message = format!("The maximum number of target groups is {most}");
            return Err(ApiError::new(
                "TooManyUniqueTargetGroupsPerLoadBalancer",
                message,
            ));
        }
        Ok(())
    }

    fn check_action(
        &self,
        kind: Kind,
        protocol: &str,
        requested: &ActionRequest,
        before: &[Action],
    ) -> Result<Action, ApiError> {
        let wanted = requested.r#type.as_str();
        let form = FORMS.iter().find(|form| form.r#type == wanted);
        let mut others = FORMS.iter().map(|form| form.config);
        let other = others.find(|name| {
            requested.config(name).is_some() && form.is_none_or(|form| form.config != *name)
        });
        if let Some(other) = other {
            let message = format!("{other} cannot be specified for an action of type '{wanted}'");
            return Err(ApiError::validation(message));
        }
        if requested
            .order
            .is_some_and(|order| !(1..=50_000).contains(&order))
        {
            let message = "An action's order must be between 1 and 50000";
            return Err(ApiError::validation(message));
        }
        if wanted == "forward" {
            return Ok(Action::Forward(self.check_forward(kind, requested)?));
        }
        if form.is_none() {
            let types: Vec<_> = FORMS.iter().map(|form| form.r#type).collect();
            let message = format!(
                "1 validation error detected: Value '{wanted}' at 'actions.member.type' failed to satisfy constraint: Member must satisfy enum value set: [forward, {}]",
                types.join(", ")
            );
            return Err(ApiError::validation(message));
        }
        let Some(form) = form.filter(|_| kind == Kind::Application) else {
            let message = format!("Action type '{wanted}' is not supported by this load balancer");
            return Err(ApiError::new("InvalidLoadBalancerAction", message));
        };
        if requested.forward_config.is_some() || requested.target_group_arn.is_some() {
            let message =
                format!("A target group cannot be specified for an action of type '{wanted}'");
            return Err(ApiError::validation(message));
        }
        let action = form.check(requested, before)?;
        if !action.is_last() && protocol != "HTTPS" {
            let message =
                format!("An action of type '{wanted}' is valid only with HTTPS listeners");
            return Err(ApiError::new("InvalidLoadBalancerAction", message));
        }
        Ok(action)
    }

    fn check_group(
        &self,
        load_balancer: &LoadBalancer,
        protocol: &str,
        arn: &str,
    ) -> Result<(), ApiError> {
        // AWS's words where a group is named in an action (Field: terraform-provider-aws#711).
        let group = self.group(arn).map_err(|error| ApiError {
            message: format!("Target group '{arn}' not found"),
            ..error
        })?;
        if !compatible(protocol, &group.protocol) {
            let message = format!(
                "The listener protocol '{protocol}' cannot be used with the protocol '{}' of target group '{}'",
                group.protocol, group.arn
            );
            return Err(ApiError::new("IncompatibleProtocols", message));
        }
        if group.ip_address_type == "ipv6" && load_balancer.ip_address_type == "ipv4" {
            let message = format!(
                "The target group '{}' has the IP address type ipv6, and the load balancer ipv4",
                group.arn
            );
            return Err(ApiError::new("InvalidConfigurationRequest", message));
        }
        let balancers = self.load_balancers_of(arn);
        if balancers.iter().any(|arn| *arn != load_balancer.arn) {
            let message = format!(
                "The following target groups cannot be associated with more than one load balancer: {arn}"
            );
            return Err(ApiError::new("TargetGroupAssociationLimit", message));
        }
        Ok(())
    }

    fn check_forward(&self, kind: Kind, requested: &ActionRequest) -> Result<Forward, ApiError> {
        let (order, only) = (requested.order, requested.target_group_arn.as_ref());
        let Some(config) = &requested.forward_config else {
            let only = only.ok_or_else(|| {
                ApiError::validation("A target group ARN or a forward config must be specified")
            })?;
            let only = WeightedGroup {
                arn: only.clone(),
                weight: 1,
            };
            return Ok(Forward {
                order,
                groups: vec![only],
                stickiness: Stickiness::default(),
            });
        };
        let groups = config.target_groups.iter().map(|group| WeightedGroup {
            arn: group.target_group_arn.clone(),
            weight: group.weight.unwrap_or(1),
        });
        let groups: Vec<_> = groups.collect();
        // Both forms are allowed when they say the same.
        let names = groups.iter().map(|group| &group.arn);
        if only.is_some_and(|only| !names.eq([only])) {
            return Err(ApiError::validation(
                "You can specify both TargetGroupArn and ForwardConfig only if ForwardConfig names that target group alone",
            ));
        }
        let most = self.limits.groups_per_action;
        if groups.is_empty() || groups.len() > most {
            let message = format!("A forward action takes 1 to {most} target groups");
            return Err(ApiError::new("InvalidLoadBalancerAction", message));
        }
        if groups.iter().any(|group| group.weight > 999) {
            let message = "A target group weight must be between 0 and 999";
            return Err(ApiError::validation(message));
        }
        let names: BTreeSet<_> = groups.iter().map(|group| &group.arn).collect();
        if names.len() < groups.len() {
            let message = "A target group can be named only once in an action";
            return Err(ApiError::validation(message));
        }
        let stickiness = check_stickiness(kind, config.target_group_stickiness_config.as_ref())?;
        Ok(Forward {
            order,
            groups,
            stickiness,
        })
    }
}

fn check_stickiness(kind: Kind, given: Option<&StickinessRequest>) -> Result<Stickiness, ApiError> {
    let stickiness = Stickiness {
        enabled: given.and_then(|given| given.enabled).unwrap_or(false),
        duration_seconds: given.and_then(|given| given.duration_seconds),
    };
    match (kind, stickiness.duration_seconds) {
        (Kind::Network, Some(_)) => Err(ApiError::new(
            "InvalidConfigurationRequest",
            "A stickiness duration cannot be specified on load balancers of type 'network'",
        )),
        (Kind::Application, None) if stickiness.enabled => Err(ApiError::validation(
            "A stickiness duration must be specified when stickiness is enabled",
        )),
        (Kind::Application, Some(seconds)) if !(1..=604_800).contains(&seconds) => Err(
            ApiError::validation("A stickiness duration must be between 1 and 604800"),
        ),
        (Kind::Network | Kind::Application, _) => Ok(stickiness),
    }
}

/// Exactly one action says where a request ends, and it is the last. One that authenticates may come before it.
/// Several have an order each (Model). Which code AWS has for each fault is not known but for several that end.
fn check_order(kind: Kind, actions: &[Action]) -> Result<(), ApiError> {
    let last: Vec<_> = actions.iter().filter(|action| action.is_last()).collect();
    let too_many = |message: &str| Err(ApiError::new("TooManyActions", message));
    let invalid = |message: &str| Err(ApiError::new("InvalidLoadBalancerAction", message));
    match (actions.len(), last.len()) {
        (0, _) => {
            return Err(ApiError::validation(
                "At least one action must be specified",
            ));
        }
        (_, 0) => return invalid("A forward, fixed-response or redirect action must be specified"),
        (1, _) => return Ok(()),
        (_, 2..) => return too_many("Only one action can forward, redirect or answer a request"),
        (3.., 1) => return too_many("Only one action can authenticate a user"),
        (_, 1) if kind == Kind::Network => return too_many("Only one action can be specified"),
        (_, 1) => {}
    }
    let orders: BTreeSet<_> = actions.iter().filter_map(Action::order).collect();
    if orders.len() < actions.len() {
        let message = "Each of several actions must have an order of its own";
        return Err(ApiError::validation(message));
    }
    if last[0].order() != orders.last().copied() {
        return invalid("A forward, fixed-response or redirect action must be performed last");
    }
    Ok(())
}

/// Which target group protocols a listener protocol goes with (Docs).
fn compatible(listener: &str, group: &str) -> bool {
    match listener {
        "HTTP" | "HTTPS" => matches!(group, "HTTP" | "HTTPS"),
        "TCP" => matches!(group, "TCP" | "TCP_UDP"),
        "TLS" => matches!(group, "TCP" | "TLS"),
        "UDP" => matches!(group, "UDP" | "TCP_UDP"),
        "TCP_UDP" => group == "TCP_UDP",
        _ => false,
    }
}
