//! What single values of an input may be.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::arn::{Arn, Home};
use crate::tags::is_of_aws;
use crate::world::CapacityProvider;

pub(super) fn text_where(value: &Value, holds: impl Fn(&str) -> bool) -> Option<String> {
    value.as_str().filter(|text| holds(text)).map(str::to_owned)
}

/// The entry for which a list of at most 100 is wrong: the first that is too many or a second of its kind, or
/// else the first that is wrong by itself. `None` where no entry would be right by itself.
pub(super) fn wrong_entry(
    list: &Value,
    is_right: impl Fn(&Value) -> bool,
) -> Option<(usize, &Value)> {
    let entries = list.as_array().filter(|entries| entries.len() <= 100)?;
    let alone = |(_, entry): &(usize, &Value)| is_right(&Value::from(vec![(*entry).clone()]));
    let (right, wrong): (Vec<_>, Vec<_>) = entries.iter().enumerate().partition(alone);
    let mut together = Vec::new();
    let too_many = right.iter().find(|(_, entry)| {
        together.push((*entry).clone());
        !is_right(&Value::from(together.clone()))
    });
    let first_wrong = wrong.first().filter(|_| !right.is_empty());
    too_many.or(first_wrong).copied()
}

/// A whole number in a range; `60.0` is one, `"60"` and `60.5` are not.
pub(super) fn whole(value: &Value, least: u32, most: u32) -> Option<u32> {
    let number = value.as_f64()?;
    if number.fract() != 0.0 || number < f64::from(least) || number > f64::from(most) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number between two u32"
    )]
    Some(number as u32)
}

/// ECS names: up to 255 letters, digits, hyphens and underscores (AWS API model).
pub(super) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

pub(super) fn is_revision(text: &str) -> bool {
    text.split_once(':').is_some_and(|(family, revision)| {
        is_name(family)
            && (1..10).contains(&revision.len())
            && !revision.starts_with('0')
            && revision.chars().all(|c| c.is_ascii_digit())
    })
}

/// The resource of an ARN of this home and service, after its type.
pub(super) fn resource_at_home<'a>(
    text: &'a str,
    home: &Home,
    service: &str,
    resource_type: &str,
) -> Option<&'a str> {
    let arn = Arn::parse(text)?;
    if arn.service != service || arn.home() != *home {
        return None;
    }
    arn.resource.strip_prefix(resource_type)
}

pub(super) fn is_cluster_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "ecs", "cluster/").is_some_and(is_name)
}

pub(super) fn is_task_definition_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "ecs", "task-definition/").is_some_and(is_revision)
}

pub(super) fn is_load_balancer_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "elasticloadbalancing", "loadbalancer/").is_some_and(|resource| {
        let parts: Vec<_> = resource.split('/').collect();
        matches!(parts[..], ["net" | "app", name, id] if is_name(name) && is_name(id))
    })
}

pub(super) fn is_target_group_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "elasticloadbalancing", "targetgroup/").is_some_and(|resource| {
        let parts: Vec<_> = resource.split('/').collect();
        matches!(parts[..], [name, id] if is_name(name) && is_name(id))
    })
}

pub(super) fn is_registry_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "servicediscovery", "service/").is_some_and(is_name)
}

/// A listener, for its default action, or one of its rules.
pub(super) fn is_route_arn(text: &str, home: &Home) -> bool {
    let parts = |resource_type| {
        let resource = resource_at_home(text, home, "elasticloadbalancing", resource_type)?;
        let (kind, names) = resource.split_once('/')?;
        let names: Vec<_> = names.split('/').collect();
        (matches!(kind, "net" | "app") && names.iter().all(|name| is_name(name)))
            .then_some(names.len())
    };
    parts("listener/") == Some(3) || parts("listener-rule/") == Some(4)
}

/// Different texts, up to a maximum. A longer list is not checked further.
pub(super) fn distinct<T: From<String> + PartialEq>(
    value: &Value,
    most: usize,
    is_one: impl Fn(&str) -> bool,
) -> Option<Vec<T>> {
    let items = value.as_array().filter(|items| items.len() <= most)?;
    let mut distinct = Vec::new();
    for item in items {
        let one = T::from(text_where(item, &is_one)?);
        if distinct.contains(&one) {
            return None;
        }
        distinct.push(one);
    }
    Some(distinct)
}

/// The same, with at least one of them.
pub(super) fn some<T: From<String> + PartialEq>(
    value: &Value,
    most: usize,
    is_one: impl Fn(&str) -> bool,
) -> Option<Vec<T>> {
    distinct(value, most, is_one).filter(|given| !given.is_empty())
}

pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|id| {
        (1..=64).contains(&id.len())
            && id
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

/// Alarm names: 1 to 255 characters, at most 100 a call of `DescribeAlarms` (AWS API model).
pub(super) fn alarm_names(value: &Value) -> Option<Vec<String>> {
    distinct(value, 100, |name| {
        (1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control)
    })
}

/// Tags as ECS takes them (AWS API model).
pub(super) fn tags(value: &Value) -> Option<BTreeMap<String, String>> {
    let allowed = |text: &str| {
        let mut letters = text.chars();
        letters.all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c))
    };
    let is_key =
        |text: &str| (1..=128).contains(&text.chars().count()) && allowed(text) && !is_of_aws(text);
    let is_value = |text: &str| text.chars().count() <= 256 && allowed(text);
    let items = value.as_array().filter(|items| items.len() <= 50)?;
    let mut tags = BTreeMap::new();
    for item in items {
        let fields = item.as_object().filter(|fields| fields.len() == 2)?;
        let key = text_where(fields.get("key")?, is_key)?;
        let value = text_where(fields.get("value")?, is_value)?;
        if tags.insert(key, value).is_some() {
            return None;
        }
    }
    (!tags.is_empty()).then_some(tags)
}

pub(super) fn capacity_providers(value: &Value) -> Option<Vec<CapacityProvider>> {
    let items = value.as_array().filter(|items| items.len() <= 20)?;
    let mut providers = Vec::new();
    for item in items {
        let fields = item.as_object()?;
        let known = ["capacityProvider", "weight", "base"];
        if fields.keys().any(|name| !known.contains(&name.as_str())) {
            return None;
        }
        let number = |name: &str, most: u32| match fields.get(name) {
            Some(value) => whole(value, 0, most),
            None => Some(0),
        };
        providers.push(CapacityProvider {
            name: text_where(fields.get("capacityProvider")?, is_name)?,
            weight: number("weight", 1_000)?,
            base: number("base", 100_000)?,
        });
    }
    let some_weight = providers.iter().any(|provider| provider.weight > 0);
    let bases = providers
        .iter()
        .filter(|provider| provider.base > 0)
        .count();
    (some_weight && bases <= 1).then_some(providers)
}
