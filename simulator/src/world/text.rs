//! Numbers and booleans that arrive as text, as they do in awsQuery.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A number or boolean written as text; absent is `None`.
pub(crate) fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| {
        text.parse()
            .map_err(|error| D::Error::custom(format!("'{text}' does not fit: {error}")))
    })
    .transpose()
}
