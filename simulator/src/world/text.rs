//! Numbers and booleans that arrive as text, as they do in awsQuery; in a scenario, as JSON has them.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A number or boolean written as text; absent is `None`.
pub(crate) fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let text = match Option::<Value>::deserialize(deserializer)?.map(as_text) {
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(other) => return Err(D::Error::custom(format!("{other} is no text"))),
    };
    let parsed = text.parse().map(Some);
    parsed.map_err(|error| D::Error::custom(format!("'{text}' does not fit: {error}")))
}

/// A list. Deep in a request, awsQuery writes an empty one as a parameter without a value.
pub(crate) fn listed<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    match Value::deserialize(deserializer)? {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        list => serde_json::from_value(list).map_err(D::Error::custom),
    }
}

/// The same with every number and boolean as text, and fields by name: what says the same is the same.
pub(crate) fn as_text(value: Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) => Value::String(value.to_string()),
        Value::Array(items) => items.into_iter().map(as_text).collect(),
        Value::Object(mut fields) => {
            fields.sort_keys();
            let fields = fields.into_iter();
            fields.map(|(name, value)| (name, as_text(value))).collect()
        }
        Value::String(_) | Value::Null => value,
    }
}
