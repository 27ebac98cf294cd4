//! Paths into a state's data: the plain subset of `JSONPath`, parsed once.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::data::Data;

/// A path such as `$.failure.cause`, `$.steps[0]['name']` or `$$.Execution.Id`.
///
/// It points at one value at most: wildcards, filters, slices and descents are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct JsonPath {
    text: String,
    root: Root,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    Input,
    Context,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// What the context object holds in a Task, a Wait, a Choice, a Pass, a Succeed and a Fail.
const CONTEXT: [&[&str]; 3] = [
    &[
        "Execution",
        "Id",
        "Name",
        "StartTime",
        "Input",
        "RoleArn",
        "RedriveCount",
    ],
    &["State", "Name", "EnteredTime", "RetryCount"],
    &["StateMachine", "Id", "Name"],
];

impl JsonPath {
    /// Parses a path. The error says what of it is not supported.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("States.") {
            return Err(format!(
                "intrinsic functions are not supported here: {text}"
            ));
        }
        let (root, rest) = match text.strip_prefix("$$") {
            Some(rest) => (Root::Context, rest),
            None => match text.strip_prefix('$') {
                Some(rest) => (Root::Input, rest),
                None => return Err(format!("a path begins with $: {text}")),
            },
        };
        let steps = steps(rest).map_err(|problem| format!("{problem}: {text}"))?;
        if root == Root::Context {
            check_context(&steps).map_err(|problem| format!("{problem}: {text}"))?;
        }
        Ok(Self {
            text: text.to_owned(),
            root,
            steps,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the path looks into the context object (`$$`) instead of the state's input.
    pub fn is_context(&self) -> bool {
        self.root == Root::Context
    }

    /// `$`, the whole input. As an option, because a field's `null` means "nothing of it".
    #[expect(clippy::unnecessary_wraps, reason = "the default of optional fields")]
    pub(super) fn whole() -> Option<Self> {
        Some(Self {
            text: "$".to_owned(),
            root: Root::Input,
            steps: Vec::new(),
        })
    }

    /// The value that the path points at, if there is one.
    pub(super) fn resolve<'a>(&self, data: Data<'a>) -> Option<&'a Value> {
        let root = match self.root {
            Root::Input => data.input,
            Root::Context => data.context,
        };
        find(&self.steps, root)
    }

    /// `target` with `value` placed where the path points; objects on the way are created.
    ///
    /// `None` where the path leads through something that has no such place: a scalar, or an array
    /// that is too short.
    pub(super) fn place(&self, mut target: Value, value: Value) -> Option<Value> {
        let mut slot = &mut target;
        let mut steps = self.steps.iter().peekable();
        while let Some(step) = steps.next() {
            slot = match step {
                Step::Name(name) => {
                    let missing = || match steps.peek() {
                        Some(_) => Value::Object(Map::new()),
                        None => Value::Null,
                    };
                    slot.as_object_mut()?
                        .entry(name.as_str())
                        .or_insert_with(missing)
                }
                Step::Index(index) => slot.as_array_mut()?.get_mut(*index)?,
            };
        }
        *slot = value;
        Some(target)
    }
}

/// What the steps lead to, if there is such a place.
pub(super) fn find<'a>(steps: &[Step], value: &'a Value) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.as_object()?.get(name),
        Step::Index(index) => value.as_array()?.get(*index),
    })
}

/// The steps of a path, after its root.
pub(super) fn steps(mut rest: &str) -> Result<Vec<Step>, &'static str> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if rest.starts_with("..") {
            return Err("descents (..) are not supported");
        }
        let step;
        (step, rest) = if let Some(named) = rest.strip_prefix('.') {
            let end = named.find(|c: char| !is_name(c)).unwrap_or(named.len());
            let (name, rest) = named.split_at(end);
            match (name, rest.chars().next()) {
                ("", Some('*')) => return Err("wildcards (*) are not supported"),
                ("", _) => return Err("a name is missing after a dot"),
                (_, Some('(')) => return Err("functions are not supported"),
                _ => (Step::Name(name.to_owned()), rest),
            }
        } else if let Some(quoted) = rest.strip_prefix("['") {
            let (name, rest) = quoted
                .split_once("']")
                .ok_or("a bracket is not closed by ']")?;
            if name.contains(['\'', '\\']) {
                return Err("unions and escapes in brackets are not supported");
            }
            (Step::Name(name.to_owned()), rest)
        } else if let Some(bracket) = rest.strip_prefix('[') {
            let (index, rest) = bracket
                .split_once(']')
                .ok_or("a bracket is not closed by ]")?;
            (
                Step::Index(index.parse().map_err(|_| unsupported_index(index))?),
                rest,
            )
        } else {
            return Err("a step begins with a dot or a bracket");
        };
        steps.push(step);
    }
    Ok(steps)
}

pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

fn unsupported_index(index: &str) -> &'static str {
    match index {
        _ if index.contains('*') => "wildcards (*) are not supported",
        _ if index.contains('?') => "filters are not supported",
        _ if index.contains(':') => "slices are not supported",
        _ if index.contains(',') => "unions are not supported",
        _ => "an index is a whole number from 0",
    }
}

/// A misspelt name here would otherwise be found by the first deployment that comes past it.
fn check_context(steps: &[Step]) -> Result<(), &'static str> {
    let unknown = Err("the context object has no such field here");
    let Some((Step::Name(first), rest)) = steps.split_first() else {
        return if steps.is_empty() { Ok(()) } else { unknown };
    };
    let Some(fields) = CONTEXT.iter().find(|fields| fields[0] == first) else {
        return unknown;
    };
    match rest {
        [] => Ok(()),
        [Step::Name(second), deeper @ ..] if fields[1..].contains(&second.as_str()) => {
            // Only the execution's input has a shape that nobody but its sender knows.
            if deeper.is_empty() || second == "Input" {
                Ok(())
            } else {
                unknown
            }
        }
        _ => unknown,
    }
}

impl TryFrom<String> for JsonPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn resolve(path: &str, input: &Value) -> Option<Value> {
        let context = json!({ "State": { "Name": "Swap" } });
        JsonPath::parse(path)
            .unwrap()
            .resolve(Data {
                input,
                context: &context,
            })
            .cloned()
    }

    #[test]
    fn a_path_points_at_one_value() {
        let input = json!({ "a": { "b c": [1, { "d-e": null }] } });
        for (path, expected) in [
            ("$", Some(input.clone())),
            ("$.a['b c'][0]", Some(json!(1))),
            ("$['a']['b c'][1].d-e", Some(Value::Null)),
            ("$.a.b", None),
            ("$.a[0]", None),
            ("$.a['b c'][2]", None),
            ("$$.State.Name", Some(json!("Swap"))),
        ] {
            assert_eq!(resolve(path, &input), expected, "{path}");
        }
    }

    #[test]
    fn anything_but_names_and_indexes_is_refused_by_name() {
        for (path, problem) in [
            ("a.b", "a path begins with $"),
            ("", "a path begins with $"),
            ("$.a[*]", "wildcards"),
            ("$.*", "wildcards"),
            ("$..a", "descents"),
            ("$.a[1:3]", "slices"),
            ("$.a[0,1]", "unions"),
            ("$.a['b','c']", "unions"),
            ("$.a[?(@.b == 1)]", "filters"),
            ("$.a[-1]", "an index is a whole number"),
            ("$.a.length()", "functions"),
            ("$.a.", "a name is missing"),
            ("$.a[0", "not closed"),
            ("$a", "begins with a dot"),
            ("States.UUID()", "intrinsic functions"),
            ("$$.Task.Token", "no such field"),
            ("$$.Execution.ID", "no such field"),
            ("$$.Execution.Id.x", "no such field"),
        ] {
            let refusal = JsonPath::parse(path).unwrap_err();
            assert!(refusal.contains(problem), "{path}: {refusal}");
            assert!(refusal.ends_with(path), "{path}: {refusal}");
        }
    }

    #[test]
    fn a_result_is_placed_and_objects_on_the_way_are_created() {
        for (path, target, expected) in [
            ("$", json!({ "a": 1 }), Some(json!("x"))),
            ("$.b", json!({ "a": 1 }), Some(json!({ "a": 1, "b": "x" }))),
            (
                "$.b.c",
                json!({ "a": 1 }),
                Some(json!({ "a": 1, "b": { "c": "x" } })),
            ),
            (
                "$.a[0]",
                json!({ "a": [1, 2] }),
                Some(json!({ "a": ["x", 2] })),
            ),
            ("$.a[2]", json!({ "a": [1, 2] }), None),
            ("$.a.b", json!({ "a": 1 }), None),
            ("$.a.b", json!({ "a": null }), None),
            ("$.a", json!("text"), None),
        ] {
            let placed = JsonPath::parse(path).unwrap().place(target, json!("x"));
            assert_eq!(placed, expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_placed_is_found_there(names in prop::collection::vec("[a-z]{1,3}", 1..5)) {
            let path = format!("$.{}", names.join("."));
            let placed = JsonPath::parse(&path).unwrap().place(json!({}), json!(7)).unwrap();
            prop_assert_eq!(resolve(&path, &placed), Some(json!(7)));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = JsonPath::parse(&format!("${text}"));
        }
    }
}
