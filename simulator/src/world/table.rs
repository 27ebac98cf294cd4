//! Amazon DynamoDB: tables of items, one key attribute each.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::{ApiError, World};

/// A table whose key is one attribute, a string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub name: String,
    /// The name of the key attribute (`HASH`, type `S`).
    pub(crate) key: String,
    pub(crate) created_at_ms: u64,
    /// From when on it is `ACTIVE`; until then nothing can be read or written.
    pub(crate) active_at_ms: u64,
    pub(crate) items: BTreeMap<String, Item>,
}

/// An item: its attributes by name, the key among them.
pub type Item = BTreeMap<String, AttributeValue>;

/// The value of an attribute, as the API writes it: `{"S": "text"}`.
///
/// Binary values and sets are not simulated, and refused by the name of their type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeValue {
    S(String),
    /// A number, which the API writes as text.
    N(Number),
    #[serde(rename = "BOOL")]
    Bool(bool),
    /// Null; the API knows it as `true` only.
    #[serde(rename = "NULL", deserialize_with = "only_true")]
    Null(bool),
    L(Vec<AttributeValue>),
    M(BTreeMap<String, AttributeValue>),
}

impl AttributeValue {
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "STRING",
            Self::N(_) => "NUMBER",
            Self::Bool(_) => "BOOLEAN",
            Self::Null(_) => "NULL",
            Self::L(_) => "LIST",
            Self::M(_) => "MAP",
        }
    }

    pub fn as_s(&self) -> Option<&str> {
        match self {
            Self::S(text) => Some(text),
            Self::N(_) | Self::Bool(_) | Self::Null(_) | Self::L(_) | Self::M(_) => None,
        }
    }

    pub fn as_n(&self) -> Option<i128> {
        match self {
            Self::N(number) => Some(number.0),
            Self::S(_) | Self::Bool(_) | Self::Null(_) | Self::L(_) | Self::M(_) => None,
        }
    }

    /// Bytes that count against an item's size (Docs, rounded up).
    fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.to_string().len(),
            Self::Bool(_) | Self::Null(_) => 1,
            Self::L(items) => 3 + items.iter().map(|item| 1 + item.size()).sum::<usize>(),
            Self::M(fields) => {
                let sizes = fields.iter();
                let sizes = sizes.map(|(name, value)| 1 + name.len() + value.size());
                3 + sizes.sum::<usize>()
            }
        }
    }

    /// Levels of values in one another, of which a number or a text is one.
    fn levels(&self) -> usize {
        let inside = match self {
            Self::S(_) | Self::N(_) | Self::Bool(_) | Self::Null(_) => None,
            Self::L(items) => items.iter().map(Self::levels).max(),
            Self::M(fields) => fields.values().map(Self::levels).max(),
        };
        1 + inside.unwrap_or(0)
    }

    /// Refuses values that are deeper than DynamoDB stores or compares them.
    pub(crate) fn check_levels<'a>(
        values: impl IntoIterator<Item = &'a Self>,
    ) -> Result<(), ApiError> {
        if values.into_iter().all(|value| value.levels() <= MAX_LEVELS) {
            return Ok(());
        }
        Err(ApiError::invalid(
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested \
             levels beyond supported limit",
        ))
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::S(text.to_owned())
    }
}

fn only_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let is_true = bool::deserialize(deserializer)?;
    let problem = "Null attribute value types must have the value of true";
    is_true
        .then_some(true)
        .ok_or_else(|| D::Error::custom(problem))
}

/// A whole number of at most 38 digits. Fractions are not simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Number(i128);

/// The first number with 39 digits.
const TOO_LARGE: u128 = 10_u128.pow(38);

impl Number {
    fn fits(value: &i128) -> bool {
        value.unsigned_abs() < TOO_LARGE
    }

    pub(crate) fn plus(self, other: Self) -> Result<Self, ApiError> {
        let sum = self.0.checked_add(other.0).filter(Self::fits);
        sum.map(Self).ok_or_else(|| {
            ApiError::invalid(
                "Number overflow. Attempting to store a number with magnitude larger than \
                 supported range",
            )
        })
    }
}

impl TryFrom<String> for Number {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse().ok().filter(Self::fits).map(Self);
        number.ok_or_else(|| format!("only whole numbers of 38 digits are simulated, not {text}"))
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.to_string()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Values are at most 32 levels deep in one another (Docs, Field).
const MAX_LEVELS: usize = 32;

/// An item is at most 400 KB large, with the names of its attributes (Docs).
const MAX_ITEM: usize = 400 * 1024;

impl Table {
    /// The key's value in a request, which names the key attribute and nothing else.
    pub(crate) fn key_in<'a>(&self, key: &'a Item) -> Result<&'a str, ApiError> {
        let only = key.get(&self.key).filter(|_| key.len() == 1);
        let Some(value) = only.and_then(AttributeValue::as_s) else {
            let message = "The provided key element does not match the schema";
            return Err(ApiError::invalid(message));
        };
        if value.is_empty() {
            return Err(ApiError::invalid(format!(
                "One or more parameter values are not valid. The AttributeValue for a key \
                 attribute cannot contain an empty string value. Key: {}",
                self.key
            )));
        }
        if value.len() > 2048 {
            return Err(ApiError::invalid(
                "One or more parameter values were invalid: Size of hashkey has exceeded the maximum \
                 size limit of2048 bytes",
            ));
        }
        Ok(value)
    }

    pub(crate) fn check_size(item: &Item) -> Result<(), ApiError> {
        let sizes = item.iter().map(|(name, value)| name.len() + value.size());
        if sizes.sum::<usize>() > MAX_ITEM {
            let message = "Item size has exceeded the maximum allowed size";
            return Err(ApiError::invalid(message));
        }
        Ok(())
    }

    /// Whether it can be read and written at that time, in milliseconds since the Unix epoch.
    pub(crate) fn is_active(&self, epoch_ms: u64) -> bool {
        self.active_at_ms <= epoch_ms
    }

    pub fn item(&self, key: &str) -> Option<&Item> {
        self.items.get(key)
    }

    pub fn items(&self) -> impl Iterator<Item = (&str, &Item)> {
        self.items.iter().map(|(key, item)| (key.as_str(), item))
    }
}

impl World {
    /// A table that has been there for long; one of that name that exists already stays as it is.
    pub fn put_table(&mut self, name: &str, key: &str) {
        let now = self.now_ms;
        self.tables.entry(name.to_owned()).or_insert_with(|| Table {
            name: name.to_owned(),
            key: key.to_owned(),
            created_at_ms: now,
            active_at_ms: now,
            items: BTreeMap::new(),
        });
    }

    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }
}
