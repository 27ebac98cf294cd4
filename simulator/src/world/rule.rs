//! Listener rules: of Application Load Balancers, and of Network Load Balancers since July 2026.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::{self, ActionRequest};
use super::listener::Before;
use super::load_balancer::Kind;
use super::name::Page;
use super::tags::{self, Tag, Tags};
use super::text::{as_text, parsed};
use super::{Action, ApiError, Condition, EventKind, Listener, World, condition};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub arn: String,
    /// 1 to 50000; `None` for the default rule.
    pub priority: Option<u32>,
    pub conditions: Vec<Condition>,
    pub actions: Vec<Action>,
    /// Rewrites of host and path: kept as they were given, and not performed.
    #[serde(default)]
    pub transforms: Vec<Value>,
    pub tags: Tags,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct CreateRule {
    pub listener_arn: String,
    pub conditions: Vec<Condition>,
    #[serde(deserialize_with = "parsed")]
    pub priority: Option<u32>,
    pub actions: Vec<ActionRequest>,
    pub transforms: Vec<Value>,
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
    pub transforms: Vec<Value>,
    #[serde(deserialize_with = "parsed")]
    pub reset_transforms: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct SetRulePriorities {
    pub rule_priorities: Vec<RulePriority>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct RulePriority {
    pub rule_arn: String,
    #[serde(deserialize_with = "parsed")]
    pub priority: Option<u32>,
}

impl Rule {
    /// Where it sends new connections, in words.
    pub fn forward_in_words(&self) -> String {
        action::sentence(&self.actions)
    }
}

impl World {
    pub fn create_rule(&mut self, request: &CreateRule) -> Result<String, ApiError> {
        self.new_rule(request, None)
    }

    /// A rule with a given number, for a world that has to match names from outside.
    pub(crate) fn put_numbered_rule(
        &mut self,
        request: &CreateRule,
        hex: &str,
    ) -> Result<String, ApiError> {
        self.new_rule(request, Some(hex))
    }

    fn new_rule(&mut self, request: &CreateRule, hex: Option<&str>) -> Result<String, ApiError> {
        let listener = self.existing_listener(&request.listener_arn)?;
        let load_balancer = self.load_balancer(&listener.load_balancer_arn)?;
        let priority = check_priority(request.priority)?;
        let conditions = condition::check(load_balancer, &request.conditions)?;
        let mut rules = listener.rules.values();
        if rules.any(|rule| rule.priority == Some(priority)) {
            return Err(priority_in_use(priority));
        }
        let listeners = self.listeners_of(&load_balancer.arn);
        let rules: usize = listeners.map(|listener| listener.rules.len()).sum();
        let most = self.limits.rules;
        if rules >= most {
            let message = format!("The maximum number of rules is {most}");
            return Err(ApiError::new("TooManyRules", message));
        }
        let actions =
            self.check_actions(load_balancer, &listener.protocol, &request.actions, &[])?;
        let transforms = check_transforms(load_balancer.kind, &request.transforms)?;
        let tags = tags::parse_elb(&request.tags)?;
        if tags.len() > self.limits.tags {
            let message = format!(
                "The maximum number of tags for a resource is {}",
                self.limits.tags
            );
            return Err(ApiError::new("TooManyTags", message));
        }
        let place = listener.arn.replace(":listener/", ":listener-rule/");
        let hex = hex.map_or_else(|| self.hex16(), str::to_owned);
        let arn = format!("{place}/{hex}");
        let rule = Rule {
            arn: arn.clone(),
            priority: Some(priority),
            conditions,
            actions,
            transforms,
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
        let transforms = &request.transforms;
        let reset = request.reset_transforms.unwrap_or(false);
        if request.conditions.is_empty()
            && request.actions.is_empty()
            && transforms.is_empty()
            && !reset
        {
            let message = "Either conditions or actions must be specified";
            return Err(ApiError::validation(message));
        }
        if rule.priority.is_none() {
            return Err(not_for_default(&rule.arn, "modified"));
        }
        let known = self.listener_of_rule(&rule.arn);
        let (listener, _) = known.ok_or_else(ApiError::rule_not_found)?;
        let load_balancer = self.load_balancer(&listener.load_balancer_arn)?;
        let mut was = None;
        if !request.conditions.is_empty() {
            rule.conditions = condition::check(load_balancer, &request.conditions)?;
        }
        if !request.actions.is_empty() {
            let (protocol, before) = (&listener.protocol, &rule.actions);
            let actions = self.check_actions(load_balancer, protocol, &request.actions, before)?;
            let before = std::mem::replace(&mut rule.actions, actions);
            // A Network Load Balancer's rule takes effect at once (Docs). That an Application Load Balancer's does
            // not is the harsher answer.
            if load_balancer.kind == Kind::Application && before != rule.actions {
                was = Some(Before {
                    actions: before,
                    until_ms: self.now_ms + self.timings.listener_propagation_ms,
                });
            }
        }
        if reset && !transforms.is_empty() {
            let message = "You can specify either Transforms or ResetTransforms";
            return Err(ApiError::validation(message));
        }
        if reset || !transforms.is_empty() {
            rule.transforms = check_transforms(load_balancer.kind, transforms)?;
        }
        let listener = listener.arn.clone();
        self.put_rule(&listener, rule);
        if let (Some(was), Some(listener)) = (was, self.listeners.get_mut(&listener)) {
            listener.rules_before.insert(request.rule_arn.clone(), was);
        }
        Ok(request.rule_arn.clone())
    }

    /// `elasticloadbalancing:SetRulePriorities`: all rules or none, as long as no two of a listener have the same.
    pub fn set_rule_priorities(&mut self, request: &SetRulePriorities) -> Result<(), ApiError> {
        let mut listeners = self.listeners.clone();
        let mut named = BTreeSet::new();
        let mut asked = request.rule_priorities.iter();
        if let Some(twice) = asked.find(|one| !named.insert(one.priority)) {
            let priority = twice.priority.unwrap_or_default();
            let message = format!("Priority '{priority}' was provided multiple times");
            return Err(ApiError::validation(message));
        }
        for asked in &request.rule_priorities {
            let priority = check_priority(asked.priority)?;
            if self.rule(&asked.rule_arn)?.priority.is_none() {
                return Err(not_for_default(&asked.rule_arn, "reordered"));
            }
            let rules = listeners.values_mut().flat_map(|one| &mut one.rules);
            for (_, rule) in rules.filter(|(arn, _)| **arn == asked.rule_arn) {
                rule.priority = Some(priority);
            }
        }
        for listener in listeners.values() {
            let mut seen = BTreeSet::new();
            let mut priorities = listener.rules.values().filter_map(|rule| rule.priority);
            if let Some(twice) = priorities.find(|priority| !seen.insert(*priority)) {
                return Err(priority_in_use(twice));
            }
        }
        self.listeners = listeners;
        for asked in &request.rule_priorities {
            let changed = self.listener_of_rule(&asked.rule_arn);
            let changed = changed.map(|(listener, rule)| EventKind::RuleChanged {
                port: listener.port,
                number: rule.priority.unwrap_or_default(),
                forward: rule.forward_in_words(),
            });
            if let Some(changed) = changed {
                self.record(changed);
            }
        }
        Ok(())
    }

    /// `elasticloadbalancing:DeleteRule`; not the default one.
    pub fn delete_rule(&mut self, arn: &str) -> Result<(), ApiError> {
        if self.rule(arn)?.priority.is_none() {
            return Err(not_for_default(arn, "deleted"));
        }
        let (listener, rule) = self
            .listener_of_rule(arn)
            .ok_or_else(ApiError::rule_not_found)?;
        let deleted = EventKind::RuleDeleted {
            port: listener.port,
            number: rule.priority.unwrap_or_default(),
        };
        self.changing_use(|world| {
            for listener in world.listeners.values_mut() {
                listener.rules.remove(arn);
                listener.rules_before.remove(arn);
            }
        });
        self.record(deleted);
        Ok(())
    }

    fn put_rule(&mut self, listener: &str, rule: Rule) {
        let number = rule.priority.unwrap_or_default();
        let forward = rule.forward_in_words();
        let (mut port, mut is_new) = (0, false);
        self.changing_use(|world| {
            if let Some(listener) = world.listeners.get_mut(listener) {
                port = listener.port;
                is_new = listener.rules.insert(rule.arn.clone(), rule).is_none();
            }
        });
        self.record(if is_new {
            EventKind::RuleCreated {
                port,
                number,
                forward,
            }
        } else {
            EventKind::RuleChanged {
                port,
                number,
                forward,
            }
        });
    }

    /// A rule that is not a default rule, and its listener.
    pub(crate) fn listener_of_rule(&self, arn: &str) -> Option<(&Listener, &Rule)> {
        let mut listeners = self.listeners.values();
        listeners.find_map(|listener| Some((listener, listener.rules.get(arn)?)))
    }

    pub(crate) fn rule(&self, arn: &str) -> Result<Rule, ApiError> {
        self.listeners
            .values()
            .flat_map(all_rules)
            .find(|rule| rule.arn == arn)
            .ok_or_else(ApiError::rule_not_found)
    }
}

fn check_priority(priority: Option<u32>) -> Result<u32, ApiError> {
    let priority = priority.filter(|one| (1..=50_000).contains(one));
    priority.ok_or_else(|| ApiError::validation("Priority must be between 1 and 50000"))
}

fn priority_in_use(priority: u32) -> ApiError {
    let message = format!("Priority '{priority}' is currently in use");
    ApiError::new("PriorityInUse", message)
}

fn not_for_default(arn: &str, what: &str) -> ApiError {
    let message = format!("Default rule '{arn}' cannot be {what}");
    ApiError::new("OperationNotPermitted", message)
}

/// One of each type at most, with the settings that the type names (Model).
fn check_transforms(kind: Kind, transforms: &[Value]) -> Result<Vec<Value>, ApiError> {
    if kind == Kind::Network && !transforms.is_empty() {
        let message = "Transforms are not supported by load balancers of type 'network'";
        return Err(ApiError::new("InvalidConfigurationRequest", message));
    }
    let mut types = BTreeSet::new();
    for transform in transforms {
        let config = match transform["Type"].as_str() {
            Some("host-header-rewrite") => "HostHeaderRewriteConfig",
            Some("url-rewrite") => "UrlRewriteConfig",
            Some(_) | None => {
                let message = "A transform is of type 'host-header-rewrite' or 'url-rewrite'";
                return Err(ApiError::validation(message));
            }
        };
        let fields = transform.as_object().into_iter().flatten();
        let known = fields.filter(|(name, _)| *name != "Type" && *name != config);
        if !transform[config]["Rewrites"].is_array() || known.count() > 0 {
            let message = format!("A transform of that type has Rewrites in its {config}");
            return Err(ApiError::validation(message));
        }
        if !types.insert(config) {
            let message = "A rule can have one transform of each type";
            return Err(ApiError::validation(message));
        }
    }
    Ok(transforms.iter().cloned().map(as_text).collect())
}

fn all_rules(listener: &Listener) -> Vec<Rule> {
    let mut rules: Vec<_> = listener.rules.values().cloned().collect();
    rules.sort_by_key(|rule| rule.priority);
    rules.push(Rule {
        arn: listener.default_rule_arn.clone(),
        priority: None,
        conditions: Vec::new(),
        actions: listener.default_actions.clone(),
        transforms: Vec::new(),
        tags: Tags::new(),
    });
    rules
}
