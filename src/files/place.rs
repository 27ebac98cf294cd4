//! Where something stands in a JSON text.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// `line 3 column 14`, where a path such as `drain.within` or `alarms[0].name` leads to something. A column is
/// that of the last letter of its key, as in serde's own errors.
pub(super) fn of(text: &str, path: &str) -> Option<String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let found = Find(path).deserialize(&mut json).err()?;
    // The whole text has no place in itself.
    (found.line() > 0).then(|| in_words(found.line(), found.column()))
}

pub(super) fn in_words(line: usize, column: usize) -> String {
    format!("line {line} column {column}")
}

/// Reads as far as a path leads, and fails there: a parser says where it is in its errors only.
#[derive(Clone, Copy)]
struct Find<'p>(&'p str);

impl Find<'_> {
    /// What is left of the path behind a key, where it leads through it. A key may have dots of its own.
    fn behind(self, key: &str) -> Option<Self> {
        let rest = self.0.strip_prefix(key)?;
        match rest.strip_prefix('.') {
            Some(rest) => Some(Self(rest)),
            None => (rest.is_empty() || rest.starts_with('[')).then_some(Self(rest)),
        }
    }

    /// Which item of a list the path leads through, and what is left of it.
    fn item(self) -> Option<(usize, Self)> {
        let (number, rest) = self.0.strip_prefix('[')?.split_once(']')?;
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        Some((number.parse().ok()?, Self(rest)))
    }
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.0.is_empty() {
            return Err(D::Error::custom("found"));
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.behind(&key) {
                Some(Self("")) => return Err(A::Error::custom("found")),
                Some(rest) => map.next_value_seed(rest)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if let Some((number, rest)) = self.item() {
            for _ in 0..number {
                list.next_element::<IgnoredAny>()?;
            }
            list.next_element_seed(rest)?;
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_a_line_and_a_column() {
        let text = r#"{
  "drain": {"within": 60, "every": [1, 2]},
  "attributes": {"stickiness.enabled": "true"},
  "alarms": [{"name": "a"},
    {"name": "b"}]
}"#;
        for (path, wanted) in [
            ("drain", Some("line 2 column 9")),
            ("drain.every", Some("line 2 column 33")),
            ("attributes.stickiness.enabled", Some("line 3 column 37")),
            ("alarms[1].name", Some("line 5 column 11")),
            ("alarms[1]", Some("line 5 column 4")),
            ("alarms[2].name", None),
            ("drain.percent", None),
            ("with", None),
            ("the input", None),
            ("", None),
        ] {
            assert_eq!(of(text, path).as_deref(), wanted, "{path}");
        }
    }
}
