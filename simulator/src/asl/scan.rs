//! Paths to many values: `$..name`, `$.list[*].name`, `$.*`.

use serde_json::Value;

use super::data::Data;
use super::path::{Step, find, is_name, steps};

/// A path with a wildcard or a descent in it. Unlike a plain path it points at a list of values,
/// which may be empty; a payload template is the only place for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scan {
    text: String,
    moves: Vec<Move>,
}

/// From some values to others.
#[derive(Debug, Clone, PartialEq)]
enum Move {
    /// Into each of them; those that have no such place are left out.
    Into(Vec<Step>),
    /// To all fields or items of each: `.*` and `[*]`.
    All,
    /// To everything of that name in each, at any depth: `..name`.
    Descend(String),
}

/// What makes a path a scan.
const SIGNS: [&str; 3] = ["..", ".*", "[*]"];

impl Scan {
    /// Whether a text that is not a plain path could be a scan of the input.
    pub(super) fn is_meant_by(text: &str) -> bool {
        text.starts_with('$') && SIGNS.iter().any(|sign| text.contains(sign))
    }

    /// Parses it, and says what of it is not supported.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| format!("{problem}: {text}");
        if text.starts_with("$$") {
            return Err(wrong("the context object is not scanned"));
        }
        let rest = text.strip_prefix('$');
        let mut rest = rest.ok_or_else(|| wrong("a path begins with $"))?;
        let mut moves = Vec::new();
        while !rest.is_empty() {
            let next = SIGNS
                .iter()
                .filter_map(|sign| Some((rest.find(sign)?, *sign)))
                .min();
            let plain = next.map_or(rest, |(at, _)| &rest[..at]);
            let into = steps(plain).map_err(wrong)?;
            if !into.is_empty() {
                moves.push(Move::Into(into));
            }
            let Some((at, sign)) = next else { break };
            rest = &rest[at + sign.len()..];
            if sign != ".." {
                moves.push(Move::All);
                continue;
            }
            let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(wrong("a name follows a descent (..)"));
            }
            moves.push(Move::Descend(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        Ok(Self {
            text: text.to_owned(),
            moves,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// What is found, in the input's order. `None` where there is not even what the path begins
    /// with: only behind a wildcard or a descent may something be missing.
    pub(super) fn resolve(&self, data: Data<'_>) -> Option<Value> {
        let mut values = vec![data.input];
        for (at, next) in self.moves.iter().enumerate() {
            values = match next {
                Move::Into(steps) => {
                    let found: Vec<_> = values
                        .into_iter()
                        .filter_map(|value| find(steps, value))
                        .collect();
                    if at == 0 && found.is_empty() {
                        return None;
                    }
                    found
                }
                Move::All => values.into_iter().flat_map(children).collect(),
                Move::Descend(name) => {
                    let mut found = Vec::new();
                    for value in values {
                        descend(value, name, &mut found);
                    }
                    found
                }
            };
        }
        Some(values.into_iter().cloned().collect())
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// An object's own field comes before those of its fields.
fn descend<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    found.extend(value.as_object().and_then(|fields| fields.get(name)));
    for child in children(value) {
        descend(child, name, found);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scan_finds_every_value_that_it_points_at() {
        let input = json!({
            "MetricAlarms": [
                { "AlarmName": "a", "State": { "AlarmName": "inner" } },
                { "AlarmName": "b", "Tags": ["x", "y"] },
            ],
            "CompositeAlarms": [{ "AlarmName": "c" }],
            "NextToken": "token",
            "None": [],
        });
        for (path, expected) in [
            ("$..AlarmName", Some(json!(["a", "inner", "b", "c"]))),
            ("$.MetricAlarms[1]..AlarmName", Some(json!(["b"]))),
            ("$..Tags[1]", Some(json!(["y"]))),
            ("$..State.AlarmName", Some(json!(["inner"]))),
            (
                "$..MetricAlarms..AlarmName",
                Some(json!(["a", "inner", "b"])),
            ),
            ("$.*[*].AlarmName", Some(json!(["a", "b", "c"]))),
            ("$.MetricAlarms[*].Tags[*]", Some(json!(["x", "y"]))),
            (
                "$['MetricAlarms'][*].State",
                Some(json!([{ "AlarmName": "inner" }])),
            ),
            ("$.None[*]", Some(json!([]))),
            ("$.None[*].AlarmName", Some(json!([]))),
            ("$.NextToken[*]", Some(json!([]))),
            ("$..none", Some(json!([]))),
            ("$.none..AlarmName", None),
            ("$.none[*]", None),
        ] {
            let data = Data {
                input: &input,
                context: &Value::Null,
            };
            let found = Scan::parse(path).unwrap().resolve(data);
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_such_path_is_refused_by_name() {
        for (path, problem) in [
            ("$..*", "a name follows a descent"),
            ("$..", "a name follows a descent"),
            ("$..['a']", "a name follows a descent"),
            ("$..a[?(@.b)]", "filters"),
            ("$.*[0:2]", "slices"),
            ("$.a[*]b", "begins with a dot"),
            ("$$.Execution..Id", "the context object is not scanned"),
            ("a..b", "a path begins with $"),
        ] {
            let refusal = Scan::parse(path).unwrap_err();
            assert!(refusal.contains(problem), "{path}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = Scan::parse(&format!("$..a{text}"));
        }
    }
}
