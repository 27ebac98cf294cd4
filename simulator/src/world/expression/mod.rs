//! DynamoDB's expressions, over attributes at the top of an item.
//!
//! What the lock does not use (nested paths, sets, arithmetic, `NOT`, `BETWEEN`, functions other than
//! those below) is refused by name. Sentences are DynamoDB's where they are known.

mod condition;
mod parser;
mod reserved;
mod token;
mod update;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use condition::Condition;
pub(super) use update::Update;

use super::table::Item;
use super::{ApiError, AttributeValue};

pub(super) struct Expressions<'a> {
    pub(super) update: Option<&'a str>,
    pub(super) condition: Option<&'a str>,
    pub(super) names: Option<&'a BTreeMap<String, String>>,
    pub(super) values: Option<&'a Item>,
}

impl Expressions<'_> {
    pub(super) fn parse(self) -> Result<(Option<Update>, Option<Condition>), ApiError> {
        if self.update.is_none() && self.condition.is_none() {
            self.refuse_placeholders()?;
        }
        let (no_names, no_values) = (BTreeMap::new(), Item::new());
        let names = self.names.unwrap_or(&no_names);
        let values = self.values.unwrap_or(&no_values);
        check_keys(
            "ExpressionAttributeNames",
            '#',
            self.names.map(|names| names.keys()),
        )?;
        check_keys(
            "ExpressionAttributeValues",
            ':',
            self.values.map(|values| values.keys()),
        )?;
        AttributeValue::check_levels(values.values())?;
        let mut placeholders = Placeholders::new(names, values);
        let update = self
            .update
            .map(|text| Update::parse(text, &mut placeholders))
            .transpose()?;
        let condition = self
            .condition
            .map(|text| Condition::parse(text, &mut placeholders))
            .transpose()?;
        placeholders.all_used()?;
        Ok((update, condition))
    }

    fn refuse_placeholders(&self) -> Result<(), ApiError> {
        if self.names.is_some() {
            return Err(ApiError::invalid(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
        if self.values.is_some() {
            return Err(ApiError::invalid(
                "ExpressionAttributeValues can only be specified when using expressions: \
                 UpdateExpression and ConditionExpression are null",
            ));
        }
        Ok(())
    }
}

fn check_keys<'a>(
    field: &str,
    sign: char,
    keys: Option<impl ExactSizeIterator<Item = &'a String>>,
) -> Result<(), ApiError> {
    let Some(mut keys) = keys else { return Ok(()) };
    if keys.len() == 0 {
        return Err(ApiError::invalid(format!("{field} must not be empty")));
    }
    let bad = keys.find(|key| !key.starts_with(sign) || key.len() == 1);
    bad.map_or(Ok(()), |key| {
        Err(ApiError::invalid(format!(
            "{field} contains invalid key: Syntax error; key: \"{key}\""
        )))
    })
}

/// What stands for names and values in a request's expressions, and what of it was used.
pub(super) struct Placeholders<'a> {
    names: &'a BTreeMap<String, String>,
    values: &'a BTreeMap<String, AttributeValue>,
    used_names: BTreeSet<String>,
    used_values: BTreeSet<String>,
}

impl<'a> Placeholders<'a> {
    pub(super) fn new(
        names: &'a BTreeMap<String, String>,
        values: &'a BTreeMap<String, AttributeValue>,
    ) -> Self {
        Self {
            names,
            values,
            used_names: BTreeSet::new(),
            used_values: BTreeSet::new(),
        }
    }

    /// Each must be used: a leftover is a mistake in the expression.
    pub(super) fn all_used(&self) -> Result<(), ApiError> {
        let unused = |field: &str, keys: Vec<&String>| {
            let keys: Vec<&str> = keys.into_iter().map(String::as_str).collect();
            if keys.is_empty() {
                return Ok(());
            }
            Err(ApiError::invalid(format!(
                "Value provided in {field} unused in expressions: keys: {{{}}}",
                keys.join(", ")
            )))
        };
        let names = self.names.keys();
        let names = names.filter(|name| !self.used_names.contains(*name));
        unused("ExpressionAttributeNames", names.collect())?;
        let values = self.values.keys();
        let values = values.filter(|value| !self.used_values.contains(*value));
        unused("ExpressionAttributeValues", values.collect())
    }
}
