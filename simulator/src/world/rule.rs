//! Listener rules of Application Load Balancers.

use serde::{Deserialize, Serialize};

use super::listener::{self, ActionRequest};
use super::load_balancer::Kind;
use super::name::Page;
use super::tags::{self, Tag, Tags};
use super::text::parsed;
use super::{Action, ApiError, EventKind, Listener, World};

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its ARN.
    pub arn: String,
    /// 1 to 50000; `None` for the default rule.
    pub priority: Option<u32>,
    /// When it applies.
    pub conditions: Vec<Condition>,
    /// What it does.
    pub actions: Vec<Action>,
    /// Its tags.
    pub tags: Tags,
}

/// When a rule applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct Condition {
    pub field: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_header_config: Option<Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_pattern_config: Option<Values>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_header_config: Option<HeaderValues>,
}

/// The values of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct Values {
    pub values: Vec<String>,
}

/// The values of a header condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct HeaderValues {
    pub http_header_name: String,
    pub values: Vec<String>,
}

/// What `CreateRule` takes here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct CreateRule {
    pub listener_arn: String,
    pub conditions: Vec<Condition>,
    #[serde(deserialize_with = "parsed")]
    pub priority: Option<u32>,
    pub actions: Vec<ActionRequest>,
    pub tags: Vec<Tag>,
}

/// What `DescribeRules` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct DescribeRules {
    pub listener_arn: Option<String>,
    pub rule_arns: Vec<String>,
    pub marker: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub page_size: Option<usize>,
}

/// What `ModifyRule` takes here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "field names and meanings are the API's")]
pub struct ModifyRule {
    pub rule_arn: String,
    pub conditions: Vec<Condition>,
    pub actions: Vec<ActionRequest>,
}

impl World {
    /// `elasticloadbalancing:CreateRule`.
    pub fn create_rule(&mut self, request: &CreateRule) -> Result<String, ApiError> {
        let listener = self.listener_with_rules(&request.listener_arn)?;
        let load_balancer = self.load_balancer(&listener.load_balancer_arn)?;
        let Some(priority) = request.priority.filter(|one| (1..=50_000).contains(one)) else {
            return Err(ApiError::validation("Priority must be between 1 and 50000"));
        };
        if request.conditions.is_empty() {
            return Err(ApiError::validation("A condition must be specified"));
        }
        let taken = listener
            .rules
            .values()
            .any(|rule| rule.priority == Some(priority));
        if taken {
            return Err(ApiError::new(
                "PriorityInUse",
                format!("Priority '{priority}' is currently in use"),
            ));
        }
        let rules: usize = self
            .listeners
            .values()
            .filter(|other| other.load_balancer_arn == listener.load_balancer_arn)
            .map(|other| other.rules.len())
            .sum();
        if rules >= self.limits.rules {
            return Err(ApiError::new(
                "TooManyRules",
                format!("The maximum number of rules is {}", self.limits.rules),
            ));
        }
        let actions = self.check_actions(load_balancer, &listener.protocol, &request.actions)?;
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
            (Some(arn), []) => all_rules(self.listener_with_rules(arn)?),
            (None, arns @ [_, ..]) => arns
                .iter()
                .map(|arn| self.rule(arn))
                .collect::<Result<_, _>>()?,
            (Some(_), _) | (None, []) => {
                return Err(ApiError::validation(
                    "You must specify either listener rule ARNs or a listener ARN",
                ));
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
        let listener = self
            .listeners
            .values()
            .find(|listener| listener.rules.contains_key(&rule.arn))
            .ok_or_else(ApiError::rule_not_found)?;
        if !request.conditions.is_empty() {
            rule.conditions.clone_from(&request.conditions);
        }
        if !request.actions.is_empty() {
            let load_balancer = self.load_balancer(&listener.load_balancer_arn)?;
            rule.actions =
                self.check_actions(load_balancer, &listener.protocol, &request.actions)?;
        }
        let listener = listener.arn.clone();
        self.put_rule(&listener, rule);
        Ok(request.rule_arn.clone())
    }

    /// `elasticloadbalancing:DeleteRule`; not the default one.
    pub fn delete_rule(&mut self, arn: &str) -> Result<(), ApiError> {
        if self.rule(arn)?.priority.is_none() {
            return Err(ApiError::new(
                "OperationNotPermitted",
                format!("Default rule '{arn}' cannot be deleted"),
            ));
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
            forward: listener::sentence(&rule.actions),
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
            .filter(|listener| self.has_rules(listener))
            .flat_map(all_rules)
            .find(|rule| rule.arn == arn)
            .ok_or_else(ApiError::rule_not_found)
    }

    fn has_rules(&self, listener: &Listener) -> bool {
        self.load_balancers
            .get(&listener.load_balancer_arn)
            .is_some_and(|load_balancer| load_balancer.kind == Kind::Application)
    }

    fn listener_with_rules(&self, arn: &str) -> Result<&Listener, ApiError> {
        let listener = self.existing_listener(arn)?;
        if self.has_rules(listener) {
            return Ok(listener);
        }
        // AWS's code for it is not known; this is the one of the models that fits best.
        Err(ApiError::new(
            "UnsupportedProtocol",
            "Rules are not supported for listeners of Network Load Balancers",
        ))
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
