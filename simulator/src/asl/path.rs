//! Paths into a state's input.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

/// `$`, the whole input, or a member of it: `$.failure.Cause`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct JsonPath(Vec<String>);

impl JsonPath {
    pub(super) fn resolve<'a>(&self, input: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(input, |value, name| value.get(name))
    }

    /// `target` with `value` placed where the path points; objects on the way are created.
    ///
    /// `None` where the path leads through something that has no members.
    pub(super) fn place(&self, mut target: Value, value: Value) -> Option<Value> {
        let mut slot = &mut target;
        for name in &self.0 {
            let members = slot.as_object_mut()?;
            slot = members
                .entry(name.as_str())
                .or_insert_with(|| Value::Object(Map::new()));
        }
        *slot = value;
        Some(target)
    }
}

impl TryFrom<String> for JsonPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let of_a_name = |c: char| c.is_alphanumeric() || "_-".contains(c);
        let is_name = |name: &str| !name.is_empty() && name.chars().all(of_a_name);
        // What comes before the first point is $, and nothing else.
        let mut names = text.split('.');
        let is_path = names.next() == Some("$") && names.clone().all(is_name);
        if !is_path {
            let problem = "only $ and the names of members ($.a.b) are supported";
            return Err(format!("{problem}: {text}"));
        }
        Ok(Self(names.map(str::to_owned).collect()))
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        self.0.iter().try_for_each(|name| write!(f, ".{name}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Result<JsonPath, String> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_path_points_at_one_value() {
        let input = json!({ "a": { "b-c_1": { "d": null } }, "list": [1] });
        for (text, expected) in [
            ("$", Some(input.clone())),
            ("$.a.b-c_1", Some(json!({ "d": null }))),
            ("$.a.b-c_1.d", Some(Value::Null)),
            ("$.a.b", None),
            ("$.a.b-c_1.d.e", None),
            ("$.list.0", None),
        ] {
            let path = path(text).unwrap();
            assert_eq!(path.resolve(&input), expected.as_ref(), "{text}");
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn anything_but_names_is_refused() {
        let texts = ",a.b,$a,$.,$.a.,$..a,$.*,$.a[0],$['a'],$.a[?(@.b == 1)],$.a.length(),$$,\
                     $$.Execution.Id,States.UUID()";
        for text in texts.split(',') {
            let refusal = path(text).unwrap_err();
            let wanted = format!("only $ and the names of members ($.a.b) are supported: {text}");
            assert_eq!(refusal, wanted);
        }
    }

    #[test]
    fn a_result_is_placed_and_objects_on_the_way_are_created() {
        let deep = json!({ "a": 1, "b": { "c": "x" } });
        for (text, target, expected) in [
            ("$.b.c", json!({ "a": 1 }), Some(deep)),
            ("$", json!({ "a": 1 }), Some(json!("x"))),
            ("$.a", json!({ "a": 1 }), Some(json!({ "a": "x" }))),
            ("$.b", json!({ "a": 1 }), Some(json!({ "a": 1, "b": "x" }))),
            ("$.a.b", json!({ "a": 1 }), None),
            ("$.a.b", json!({ "a": null }), None),
            ("$.a.b", json!({ "a": [1] }), None),
            ("$.a", json!("text"), None),
        ] {
            let placed = path(text).unwrap().place(target, json!("x"));
            assert_eq!(placed, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_placed_is_found_there(names in prop::collection::vec("[a-z]{1,3}", 1..5)) {
            let path = path(&format!("$.{}", names.join("."))).unwrap();
            let placed = path.place(json!({}), json!(7)).unwrap();
            prop_assert_eq!(path.resolve(&placed), Some(&json!(7)));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = path(&format!("${text}"));
        }
    }
}
