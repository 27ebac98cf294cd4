//! Reading what a person has written: what is there and what is allowed, in words of JSON.
//!
//! serde's own errors speak of Rust: `invalid type: string "soon", expected u64`.

use std::fmt;

use ebbtide_controller::quote::quote;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, Deserializer, Error, Expected, IntoDeserializer, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// Reads a value; or the path to what is wrong, and what that is.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, (String, String)> {
    serde_path_to_error::deserialize(Given(value)).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => String::new(),
            path => path,
        };
        let wrong = error.into_inner().in_words(&path);
        (path, wrong)
    })
}

#[derive(Debug)]
enum Wrong {
    NotAllowed {
        given: String,
        allowed: String,
    },
    Unknown {
        known: &'static [&'static str],
    },
    Missing(&'static str),
    /// What a type says of its own value.
    Other(String),
}

impl Wrong {
    fn in_words(&self, path: &str) -> String {
        let it = if path.is_empty() { "it" } else { path };
        match self {
            Self::NotAllowed { given, allowed } => format!("{it} is {given}; allowed: {allowed}"),
            Self::Unknown { known } => {
                format!(
                    "{it} is not a field of this object; its fields: {}",
                    known.join(", ")
                )
            }
            Self::Missing(field) if path.is_empty() => format!("{field} is missing"),
            Self::Missing(field) => format!("{path}.{field} is missing"),
            Self::Other(said) => format!("{it}: {said}"),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words(""))
    }
}

impl std::error::Error for Wrong {}

impl Error for Wrong {
    fn custom<T: fmt::Display>(said: T) -> Self {
        Self::Other(said.to_string())
    }

    fn invalid_type(given: Unexpected<'_>, allowed: &dyn Expected) -> Self {
        let (given, allowed) = (given.to_string(), allowed.to_string());
        Self::NotAllowed { given, allowed }
    }

    fn invalid_value(given: Unexpected<'_>, allowed: &dyn Expected) -> Self {
        Self::invalid_type(given, allowed)
    }

    fn unknown_variant(given: &str, allowed: &'static [&'static str]) -> Self {
        Self::NotAllowed {
            given: seen(&given.into()),
            allowed: one_of(allowed),
        }
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::Unknown { known }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// A value as it is said back.
fn seen(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            quote(&value.to_string())
        }
    }
}

fn one_of(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

/// A value of a file.
struct Given(Value);

impl Given {
    fn refused<T>(&self, allowed: &str) -> Result<T, Wrong> {
        Err(Wrong::NotAllowed {
            given: seen(&self.0),
            allowed: allowed.to_owned(),
        })
    }
}

impl IntoDeserializer<'_, Wrong> for Given {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            let number = self.0.as_u64().and_then(|number| <$type>::try_from(number).ok());
            match number {
                Some(number) => visitor.$visit(number),
                None => self.refused(&format!("a whole number from 0 to {}", <$type>::MAX)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Given {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(given) => visitor.visit_bool(given),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Given)))
            }
            Value::Object(fields) => {
                let fields = fields.into_iter();
                visitor.visit_map(MapDeserializer::new(
                    fields.map(|(name, value)| (name, Given(value))),
                ))
            }
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
        }
    }

    whole_numbers! {
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0.as_u64() {
            Some(number) => visitor.visit_u64(number),
            None => self.refused("a whole number, 0 or more"),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0.as_f64() {
            Some(number) => visitor.visit_f64(number),
            None => self.refused("a number"),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0.as_bool() {
            Some(given) => visitor.visit_bool(given),
            None => self.refused("true, false"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            _ => self.refused("a text in double quotes"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Array(_) => self.deserialize_any(visitor),
            _ => self.refused("a list, in square brackets"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Object(_) => self.deserialize_any(visitor),
            _ => self.refused("an object, in braces"),
        }
    }

    /// serde itself takes a list for a struct as well.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.into_deserializer()),
            _ => self.refused(&one_of(names)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    struct World {
        tasks: u32,
        seed: u64,
        factor: f64,
        fails: bool,
        limit: Option<u16>,
        alarms: Vec<Alarm>,
        attributes: BTreeMap<String, String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "what is read is not looked at")]
    struct Alarm {
        name: String,
        #[serde(default)]
        state: State,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    enum State {
        #[default]
        Ok,
        Alarm,
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_allowed() {
        for (given, path, wanted) in [
            (json!([]), "", "it is a list; allowed: an object, in braces"),
            (
                json!({"tasks": -1}),
                "tasks",
                "tasks is -1; allowed: a whole number from 0 to 4294967295",
            ),
            (
                json!({"seed": "soon"}),
                "seed",
                "seed is \"soon\"; allowed: a whole number, 0 or more",
            ),
            (
                json!({"limit": 70_000}),
                "limit",
                "limit is 70000; allowed: a whole number from 0 to 65535",
            ),
            (
                json!({"factor": [1]}),
                "factor",
                "factor is a list; allowed: a number",
            ),
            (
                json!({"fails": 1}),
                "fails",
                "fails is 1; allowed: true, false",
            ),
            (
                json!({"alarms": {}}),
                "alarms",
                "alarms is an object; allowed: a list, in square brackets",
            ),
            (
                json!({"alarms": [["a", "OK"]]}),
                "alarms[0]",
                "alarms[0] is a list; allowed: an object, in braces",
            ),
            (
                json!({"alarms": [{}]}),
                "alarms[0]",
                "alarms[0].name is missing",
            ),
            (
                json!({"alarms": [{"name": "a", "state": "RINGS"}]}),
                "alarms[0].state",
                "alarms[0].state is \"RINGS\"; allowed: \"OK\", \"ALARM\"",
            ),
            (
                json!({"alarms": [{"name": "a", "state": 1}]}),
                "alarms[0].state",
                "alarms[0].state is 1; allowed: \"OK\", \"ALARM\"",
            ),
            (
                json!({"alarms": [{"name": "a", "colour": 1}]}),
                "alarms[0].colour",
                "alarms[0].colour is not a field of this object; its fields: name, state",
            ),
            (
                json!({"attributes": {"a.b": true}}),
                "attributes.a.b",
                "attributes.a.b is true; allowed: a text in double quotes",
            ),
        ] {
            let (at, wrong) = read::<World>(given).unwrap_err();
            assert_eq!((at.as_str(), wrong.as_str()), (path, wanted));
        }
    }

    #[test]
    fn what_is_right_is_read() {
        let given = json!({"tasks": 3, "factor": 2, "limit": null, "fails": true,
            "alarms": [{"name": "a", "state": "ALARM"}], "attributes": {"a.b": "c"}});
        let world: World = read(given).unwrap();
        assert_eq!((world.tasks, world.limit, world.fails), (3, None, true));
        assert_eq!(world.attributes["a.b"], "c");
    }
}
