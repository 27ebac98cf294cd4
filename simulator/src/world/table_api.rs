//! The operations on DynamoDB's tables and their items.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::expression::{Condition, Expressions, Update};
use super::table::{Item, Table};
use super::{ApiError, World};

/// `CreateTable`: one key attribute, billed by request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreateTable {
    pub(crate) table_name: String,
    pub(crate) key_schema: Vec<KeySchemaElement>,
    pub(crate) attribute_definitions: Vec<AttributeDefinition>,
    /// `PAY_PER_REQUEST`; provisioned throughput is not simulated.
    pub(crate) billing_mode: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct KeySchemaElement {
    pub(crate) attribute_name: String,
    pub(crate) key_type: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct AttributeDefinition {
    pub(crate) attribute_name: String,
    pub(crate) attribute_type: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GetItem {
    pub table_name: String,
    pub key: Item,
    /// Whether the answer must show every write before it; without it, it may be stale.
    #[serde(default)]
    pub consistent_read: bool,
}

/// `UpdateItem`: an item that is not there is made, unless there is nothing to set.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UpdateItem {
    pub table_name: String,
    pub key: Item,
    /// `SET`, `REMOVE` and `ADD`.
    pub update_expression: Option<String>,
    /// What must hold for anything to be written.
    pub condition_expression: Option<String>,
    /// `#name` to the attribute it stands for.
    pub expression_attribute_names: Option<Names>,
    /// `:value` to the value it stands for.
    pub expression_attribute_values: Option<Item>,
    #[serde(default)]
    pub return_values: ReturnValues,
    /// What the refusal carries where the condition does not hold.
    #[serde(default)]
    pub return_values_on_condition_check_failure: OnFailure,
}

/// `#name` to the attribute that it stands for.
pub type Names = BTreeMap<String, String>;

/// Which item a write answers with. Of updated attributes alone is not simulated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReturnValues {
    #[default]
    None,
    AllOld,
    AllNew,
}

/// Which item a write answers with that its condition has kept from happening.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnFailure {
    #[default]
    None,
    AllOld,
}

impl World {
    /// `CreateTable`. The table is `ACTIVE` after a while.
    pub(crate) fn create_table(&mut self, request: &CreateTable) -> Result<&Table, ApiError> {
        let name = &request.table_name;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if !(3..=255).contains(&name.len()) || !name.chars().all(allowed) {
            return Err(ApiError::invalid(format!(
                "TableName must be at least 3 characters long and at most 255 characters long, of \
                 letters, digits, '_', '-' and '.': {name}"
            )));
        }
        let ([element], [definition]) =
            (&request.key_schema[..], &request.attribute_definitions[..])
        else {
            let message = "tables with anything but one key attribute are not simulated";
            return Err(ApiError::invalid(message));
        };
        let key = &element.attribute_name;
        if element.key_type != "HASH" || definition.attribute_type != "S" {
            return Err(ApiError::invalid(
                "a key attribute of any KeyType but HASH and AttributeType but S is not simulated",
            ));
        }
        if *key != definition.attribute_name {
            return Err(ApiError::invalid(format!(
                "One or more parameter values were invalid: Some index key attributes are not \
                 defined in AttributeDefinitions. Keys: [{key}], AttributeDefinitions: [{}]",
                definition.attribute_name
            )));
        }
        if request.billing_mode != "PAY_PER_REQUEST" {
            return Err(ApiError::invalid(format!(
                "the BillingMode {} is not simulated",
                request.billing_mode
            )));
        }
        if self.tables.contains_key(name) {
            let message = format!("Table already exists: {name}");
            return Err(ApiError::new("ResourceInUseException", message));
        }
        let active_at_ms = self.now_ms.saturating_add(self.timings.table_creation_ms);
        self.put_table(name, key);
        let table = self.table_mut(name)?;
        table.active_at_ms = active_at_ms;
        Ok(table)
    }

    pub(crate) fn describe_table(&self, name: &str) -> Result<&Table, ApiError> {
        self.tables.get(name).ok_or_else(|| {
            let message = format!("Requested resource not found: Table: {name} not found");
            ApiError::new("ResourceNotFoundException", message)
        })
    }

    /// `GetItem`: the item, if there is one.
    pub fn get_item(&self, request: &GetItem) -> Result<Option<&Item>, ApiError> {
        let table = self.active_table(&request.table_name)?;
        let key = table.key_in(&request.key)?;
        Ok(table.items.get(key))
    }

    /// `UpdateItem`: the item before or after it, as was asked for.
    pub fn update_item(&mut self, request: &UpdateItem) -> Result<Option<Item>, ApiError> {
        let table = self.active_table(&request.table_name)?;
        let key = table.key_in(&request.key)?;
        let expressions = Expressions {
            update: request.update_expression.as_deref(),
            condition: request.condition_expression.as_deref(),
            names: request.expression_attribute_names.as_ref(),
            values: request.expression_attribute_values.as_ref(),
        };
        let (update, condition) = expressions.parse()?;
        let update_of = update.as_ref();
        if update_of.is_some_and(|update| update.writes_to(&table.key)) {
            return Err(ApiError::invalid(format!(
                "One or more parameter values were invalid: Cannot update attribute {}. This \
                 attribute is part of the key",
                table.key
            )));
        }
        let before = table.items.get(key).cloned();
        let holds =
            |condition: &Condition| condition.holds(before.as_ref().unwrap_or(&Item::new()));
        if !condition.as_ref().is_none_or(holds) {
            let asked = request.return_values_on_condition_check_failure == OnFailure::AllOld;
            return Err(ApiError {
                item: before.filter(|_| asked),
                ..ApiError::new(
                    "ConditionalCheckFailedException",
                    "The conditional request failed",
                )
            });
        }
        // Taking attributes away from an item that is not there does not make one.
        let only_removes = update_of.is_some_and(Update::only_removes);
        let after = if before.is_none() && only_removes {
            None
        } else {
            let item = before.as_ref().unwrap_or(&request.key);
            let item = update.map_or_else(|| Ok(item.clone()), |update| update.apply(item))?;
            Table::check_size(&item)?;
            Some(item)
        };
        let table = self.table_mut(&request.table_name)?;
        if let Some(item) = &after {
            table.items.insert(key.to_owned(), item.clone());
        }
        Ok(match request.return_values {
            ReturnValues::None => None,
            ReturnValues::AllOld => before,
            ReturnValues::AllNew => after,
        })
    }

    fn active_table(&self, name: &str) -> Result<&Table, ApiError> {
        let table = self.tables.get(name);
        let active = table.filter(|table| table.is_active(self.now_ms));
        active.ok_or_else(not_found)
    }

    fn table_mut(&mut self, name: &str) -> Result<&mut Table, ApiError> {
        self.tables.get_mut(name).ok_or_else(not_found)
    }
}

fn not_found() -> ApiError {
    ApiError::new(
        "ResourceNotFoundException",
        "Cannot do operations on a non-existent table",
    )
}
