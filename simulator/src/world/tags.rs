//! Tags of ECS and Elastic Load Balancing resources.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ApiError, EventKind, World};

pub(crate) type Tags = BTreeMap<String, String>;

/// One tag as ECS writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// 1 to 128 characters.
    #[serde(alias = "Key")]
    pub key: String,
    /// At most 256 characters of letters, digits, spaces and `_.:/=+-@` (Model).
    #[serde(default, alias = "Value")]
    pub value: String,
}

/// The tags of a request, refused as the models' patterns say: each service has its own errors for what is
/// malformed, and for a key that is there twice.
fn parse(
    tags: &[Tag],
    malformed: fn(String) -> ApiError,
    twice: fn(&str) -> ApiError,
) -> Result<Tags, ApiError> {
    let mut parsed = Tags::new();
    for tag in tags {
        let key_fits = (1..=128).contains(&tag.key.chars().count()) && allowed(&tag.key);
        if !key_fits || tag.key.starts_with("aws:") {
            let rule = "1 to 128 letters, digits, spaces or _.:/=+-@, and not starting with aws:";
            let fault = format!("Tag key '{}' is not valid: {rule}", tag.key);
            return Err(malformed(fault));
        }
        if tag.value.chars().count() > 256 || !allowed(&tag.value) {
            let rule = "at most 256 letters, digits, spaces or _.:/=+-@";
            let fault = format!("Tag value '{}' is not valid: {rule}", tag.value);
            return Err(malformed(fault));
        }
        if parsed.insert(tag.key.clone(), tag.value.clone()).is_some() {
            return Err(twice(&tag.key));
        }
    }
    Ok(parsed)
}

fn allowed(text: &str) -> bool {
    let is = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    text.chars().all(is)
}

pub(crate) fn parse_ecs(tags: &[Tag]) -> Result<Tags, ApiError> {
    parse(tags, ApiError::invalid_parameter, |key| {
        ApiError::invalid_parameter(format!("Duplicate tag key: {key}."))
    })
}

pub(crate) fn parse_elb(tags: &[Tag]) -> Result<Tags, ApiError> {
    parse(tags, ApiError::validation, |key| {
        let message = format!("Tag key '{key}' was specified more than once");
        ApiError::new("DuplicateTagKeys", message)
    })
}

impl World {
    /// Tags everything that can be a `CloudFormation` stack's as that stack's: the service, its task
    /// sets, load balancers, listeners, target groups. Only `CloudFormation` can set these tags.
    pub(crate) fn tag_as_of_stack(&mut self, stack: &str) {
        let services = self.services.values_mut().map(|one| &mut one.tags);
        let task_sets = self.task_sets.values_mut().map(|one| &mut one.tags);
        let balancers = self.load_balancers.values_mut().map(|one| &mut one.tags);
        let listeners = self.listeners.values_mut().map(|one| &mut one.tags);
        let groups = self.target_groups.values_mut().map(|one| &mut one.tags);
        let ecs = services.chain(task_sets);
        for tags in ecs.chain(balancers).chain(listeners).chain(groups) {
            tags.insert("aws:cloudformation:stack-name".to_owned(), stack.to_owned());
        }
    }

    /// `elasticloadbalancing:AddTags`: all resources or none.
    pub fn add_elb_tags(&mut self, arns: &[String], tags: &[Tag]) -> Result<(), ApiError> {
        let added = parse_elb(tags)?;
        let limit = self.limits.tags;
        for arn in arns {
            let mut merged = self.elb_tags_mut(arn)?.clone();
            merged.extend(added.clone());
            if merged.len() > limit {
                let message = format!("The maximum number of tags for a resource is {limit}");
                return Err(ApiError::new("TooManyTags", message));
            }
        }
        for arn in arns {
            self.elb_tags_mut(arn)?.extend(added.clone());
            self.record(EventKind::TagsChanged { arn: arn.clone() });
        }
        Ok(())
    }

    /// `elasticloadbalancing:RemoveTags`. Keys that are not there are no error.
    pub fn remove_elb_tags(&mut self, arns: &[String], keys: &[String]) -> Result<(), ApiError> {
        for arn in arns {
            self.elb_tags_mut(arn)?;
        }
        for arn in arns {
            let known = self.elb_tags_mut(arn)?;
            for key in keys {
                known.remove(key);
            }
            self.record(EventKind::TagsChanged { arn: arn.clone() });
        }
        Ok(())
    }

    /// `elasticloadbalancing:DescribeTags`: 20 resources at most a call (Model).
    pub(crate) fn elb_tags(&mut self, arns: &[String]) -> Result<Vec<(String, Tags)>, ApiError> {
        if arns.is_empty() || arns.len() > 20 {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{arns:?}' at 'resourceArns' failed to satisfy constraint: Member must have length between 1 and 20"
            )));
        }
        let mut tags = |arn: &String| Ok((arn.clone(), self.elb_tags_mut(arn)?.clone()));
        arns.iter().map(&mut tags).collect()
    }

    fn elb_tags_mut(&mut self, arn: &str) -> Result<&mut Tags, ApiError> {
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let (kind, _) = resource.split_once('/').unwrap_or((resource, ""));
        match kind {
            "loadbalancer" => {
                let found = self.load_balancers.get_mut(arn).map(|one| &mut one.tags);
                found.ok_or_else(|| ApiError::load_balancer_not_found(arn))
            }
            "targetgroup" => {
                let found = self.target_groups.get_mut(arn).map(|one| &mut one.tags);
                found.ok_or_else(ApiError::target_group_not_found)
            }
            "listener" => {
                let found = self.listeners.get_mut(arn).map(|one| &mut one.tags);
                found.ok_or_else(ApiError::listener_not_found)
            }
            "listener-rule" => {
                let mut listeners = self.listeners.values_mut();
                let found = listeners.find_map(|listener| listener.rules.get_mut(arn));
                let found = found.map(|rule| &mut rule.tags);
                found.ok_or_else(ApiError::rule_not_found)
            }
            _ => Err(ApiError::validation(format!(
                "'{arn}' is not a valid load balancer, target group, listener or listener rule ARN"
            ))),
        }
    }
}
