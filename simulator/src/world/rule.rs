//! Listener rules: of Application Load Balancers, and of Network Load Balancers since July 2026.

use serde::{Deserialize, Serialize};

use super::action::{self, ActionRequest};
use super::load_balancer::{Kind, LoadBalancer};
use super::name::Page;
use super::tags::{self, Tag, Tags};
use super::text::parsed;
use super::{Action, ApiError, EventKind, Listener, World};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub arn: String,
    /// 1 to 50000; `None` for the default rule.
    pub priority: Option<u32>,
    pub conditions: Vec<Condition>,
    pub actions: Vec<Action>,
    pub tags: Tags,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Condition {
    pub field: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    pub host_header_config: Option<Values>,
    pub path_pattern_config: Option<Values>,
    pub http_header_config: Option<HeaderValues>,
    pub source_ip_config: Option<SourceIp>,
}

/// What a `source-ip` condition compares: address ranges (Application Load Balancers), or the kind of address
/// (Network Load Balancers).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SourceIp {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    pub ip_address_type: Option<String>,
}

impl Condition {
    /// That of a Network Load Balancer's rule: clients by `ipv4`, or by `ipv6`.
    pub fn of_clients_by(ip_address_type: &str) -> Self {
        Self {
            field: SOURCE_IP.to_owned(),
            source_ip_config: Some(SourceIp {
                values: Vec::new(),
                ip_address_type: Some(ip_address_type.to_owned()),
            }),
            ..Self::default()
        }
    }

    fn address_type(&self) -> Option<&str> {
        self.source_ip_config.as_ref()?.ip_address_type.as_deref()
    }
}

/// The only field that a Network Load Balancer's rules compare (Docs).
const SOURCE_IP: &str = "source-ip";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Values {
    pub values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct HeaderValues {
    pub http_header_name: String,
    pub values: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct CreateRule {
    pub listener_arn: String,
    pub conditions: Vec<Condition>,
    #[serde(deserialize_with = "parsed")]
    pub priority: Option<u32>,
    pub actions: Vec<ActionRequest>,
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeRules {
    pub listener_arn: Option<String>,
    pub rule_arns: Vec<String>,
    pub marker: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub page_size: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ModifyRule {
    pub rule_arn: String,
    pub conditions: Vec<Condition>,
    pub actions: Vec<ActionRequest>,
}

impl World {
    pub fn create_rule(&mut self, request: &CreateRule) -> Result<String, ApiError> {
        let listener = self.existing_listener(&request.listener_arn)?;
        let load_balancer = self.load_balancer(&listener.load_balancer_arn)?;
        let Some(priority) = request.priority.filter(|one| (1..=50_000).contains(one)) else {
            return Err(ApiError::validation("Priority must be between 1 and 50000"));
        };
        check_conditions(load_balancer, &request.conditions)?;
        let mut rules = listener.rules.values();
        if rules.any(|rule| rule.priority == Some(priority)) {
            let message = format!("Priority '{priority}' is currently in use");
            return Err(ApiError::new("PriorityInUse", message));
        }
        let listeners = self.listeners_of(&load_balancer.arn);
        let rules: usize = listeners.map(|listener| listener.rules.len()).sum();
        let most = self.limits.rules;
        if rules >= most {
            let message = format!("The maximum number of rules is {most}");
            return Err(ApiError::new("TooManyRules", message));
        }
        let actions = self.check_actions(load_balancer, &listener.protocol, &request.actions, &[])?;
        let tags = tags::parse_elb(&request.tags)?;
        let place = listener.arn.replace(":listener/", ":listener-rule/");
        let arn = format!("{place}/{}", self.hex16());
        let rule = Rule {
            arn: arn.clone(),
            priority: Some(priority),
            conditions: request.conditions.clone(),
            actions,
            tags,
        };
        self.put_rule(&request.listener_arn, rule);
        Ok(arn)
    }

    /// `elasticloadbalancing:DescribeRules`: by priority, the default rule last.
    pub fn describe_rules(&self, request: &DescribeRules) -> Result<Page<Rule>, ApiError> {
        let rules = match (&request.listener_arn, request.rule_arns.as_slice()) {
            (Some(arn), []) => all_rules(self.existing_listener(arn)?),
            (None, arns @ [_, ..]) => arns
                .iter()
                .map(|arn| self.rule(arn))
                .collect::<Result<_, _>>()?,
            (Some(_), _) | (None, []) => {
                let message = "You must specify either listener rule ARNs or a listener ARN";
                return Err(ApiError::validation(message));
            }
        };
        self.elb_page(rules, request.marker.as_deref(), request.page_size)
    }

    /// `elasticloadbalancing:ModifyRule`; the default rule changes with its listener only.
    pub fn modify_rule(&mut self, request: &ModifyRule) -> Result<String, ApiError> {
        let mut rule = self.rule(&request.rule_arn)?;
        if rule.priority.is_none() {
            return Err(ApiError::new(
                "OperationNotPermitted",
                format!("Default rule '{}' cannot be modified", rule.arn),
            ));
        }
        let mut listeners = self.listeners.values();
        let listener = listeners.find(|listener| listener.rules.contains_key(&rule.arn));
        let listener = listener.ok_or_else(ApiError::rule_not_found)?;
        let load_balancer = self.load_balancer(&listener.load_balancer_arn)?;
        if !request.conditions.is_empty() {
            check_conditions(load_balancer, &request.conditions)?;
            rule.conditions.clone_from(&request.conditions);
        }
        if !request.actions.is_empty() {
            let (protocol, before) = (&listener.protocol, &rule.actions);
            rule.actions = self.check_actions(load_balancer, protocol, &request.actions, before)?;
        }
        let listener = listener.arn.clone();
        self.put_rule(&listener, rule);
        Ok(request.rule_arn.clone())
    }

    /// `elasticloadbalancing:DeleteRule`; not the default one.
    pub fn delete_rule(&mut self, arn: &str) -> Result<(), ApiError> {
        if self.rule(arn)?.priority.is_none() {
            let message = format!("Default rule '{arn}' cannot be deleted");
            return Err(ApiError::new("OperationNotPermitted", message));
        }
        self.changing_use(|world| {
            for listener in world.listeners.values_mut() {
                listener.rules.remove(arn);
            }
        });
        self.record(EventKind::RuleDeleted {
            rule: arn.to_owned(),
        });
        Ok(())
    }

    fn put_rule(&mut self, listener: &str, rule: Rule) {
        let event = EventKind::RuleChanged {
            rule: rule.arn.clone(),
            forward: action::sentence(&rule.actions),
        };
        self.changing_use(|world| {
            if let Some(listener) = world.listeners.get_mut(listener) {
                listener.rules.insert(rule.arn.clone(), rule);
            }
        });
        self.record(event);
    }

    pub(crate) fn rule(&self, arn: &str) -> Result<Rule, ApiError> {
        self.listeners
            .values()
            .flat_map(all_rules)
            .find(|rule| rule.arn == arn)
            .ok_or_else(ApiError::rule_not_found)
    }
}

/// A Network Load Balancer compares the kind of the client's address alone, and only where it has both (Docs).
fn check_conditions(
    load_balancer: &LoadBalancer,
    conditions: &[Condition],
) -> Result<(), ApiError> {
    if conditions.is_empty() {
        return Err(ApiError::validation("A condition must be specified"));
    }
    let by_address_type = |condition: &Condition| {
        condition.field == SOURCE_IP
            && matches!(condition.address_type(), Some("ipv4" | "ipv6"))
            && *condition == Condition::of_clients_by(condition.address_type().unwrap_or_default())
    };
    match load_balancer.kind {
        Kind::Application if conditions.iter().any(|one| one.address_type().is_some()) => {
            Err(ApiError::validation(
                "IpAddressType cannot be specified for load balancers of type 'application'",
            ))
        }
        Kind::Application => Ok(()),
        // AWS's codes for these are not known; this is the one of the model that fits best.
        Kind::Network if load_balancer.ip_address_type != "dualstack" => Err(ApiError::new(
            "InvalidConfigurationRequest",
            "Rules are supported for Network Load Balancers with the IP address type 'dualstack' only",
        )),
        Kind::Network if conditions.len() == 1 && conditions.iter().all(by_address_type) => Ok(()),
        Kind::Network => Err(ApiError::new(
            "InvalidConfigurationRequest",
            "A rule of a Network Load Balancer takes one condition: source-ip with the IpAddressType 'ipv4' or 'ipv6'",
        )),
    }
}

impl Listener {
    /// The rule for clients with an IPv4 address, which only Network Load Balancers have.
    pub(crate) fn rule_for_ipv4(&self) -> Option<&Rule> {
        let by_ipv4 = |condition: &Condition| condition.address_type() == Some("ipv4");
        let rules = self.rules.values();
        rules
            .filter(|rule| rule.conditions.iter().all(by_ipv4))
            .min_by_key(|rule| rule.priority)
    }

    /// What a client with an IPv4 address gets, but for the rules of an Application Load Balancer.
    pub(crate) fn actions_for_ipv4(&self) -> &[Action] {
        self.rule_for_ipv4()
            .map_or(&self.default_actions, |rule| &rule.actions)
    }
}

fn all_rules(listener: &Listener) -> Vec<Rule> {
    let mut rules: Vec<_> = listener.rules.values().cloned().collect();
    rules.sort_by_key(|rule| rule.priority);
    rules.push(Rule {
        arn: listener.default_rule_arn.clone(),
        priority: None,
        conditions: Vec::new(),
        actions: listener.default_actions.clone(),
        tags: Tags::new(),
    });
    rules
}
