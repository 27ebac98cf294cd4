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
        check_keys("ExpressionAttributeNames", '#', self.names)?;
        check_keys("ExpressionAttributeValues", ':', self.values)?;
        AttributeValue::check_levels(values.values())?;
        let mut placeholders = Placeholders::new(names, values);
        let update = self.update;
        let update = update.map(|text| Update::parse(text, &mut placeholders));
        let update = update.transpose()?;
        let condition = self.condition;
        let condition = condition.map(|text| Condition::parse(text, &mut placeholders));
        let condition = condition.transpose()?;
        placeholders.all_used()?;
        Ok((update, condition))
    }

    fn refuse_placeholders(&self) -> Result<(), ApiError> {
        if self.names.is_some() {
            let message = "ExpressionAttributeNames can only be specified when using expressions";
            return Err(ApiError::invalid(message));
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

fn check_keys<T>(
    field: &str,
    sign: char,
    given: Option<&BTreeMap<String, T>>,
) -> Result<(), ApiError> {
    if given.is_some_and(BTreeMap::is_empty) {
        return Err(ApiError::invalid(format!("{field} must not be empty")));
    }
    let mut keys = given.into_iter().flat_map(BTreeMap::keys);
    match keys.find(|key| !key.starts_with(sign) || key.len() == 1) {
        None => Ok(()),
        Some(key) => Err(ApiError::invalid(format!(
            "{field} contains invalid key: Syntax error; key: \"{key}\""
        ))),
    }
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
        let names: BTreeSet<_> = self.names.keys().cloned().collect();
        let values: BTreeSet<_> = self.values.keys().cloned().collect();
        for (field, given, used) in [
            ("ExpressionAttributeNames", names, &self.used_names),
            ("ExpressionAttributeValues", values, &self.used_values),
        ] {
            let unused: Vec<_> = given.difference(used).map(String::as_str).collect();
            if !unused.is_empty() {
                return Err(ApiError::invalid(format!(
                    "Value provided in {field} unused in expressions: keys: {{{}}}",
                    unused.join(", ")
                )));
            }
        }
        Ok(())
    }
}
