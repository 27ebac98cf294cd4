//! Deep scans: `$..name`, everything of that name wherever it is.

use serde_json::Value;

use super::data::Data;
use super::path::{JsonPath, Step, find, steps};

/// A path with one descent in it. Unlike a plain path it points at a list of values, which may be
/// empty; a payload template is the only place for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scan {
    from: JsonPath,
    name: String,
    /// Into each value that is found; those that have no such place are left out.
    then: Vec<Step>,
}

impl Scan {
    /// Parses `$..name`, `$.a..name` and `$..name[0].b`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some((from, rest)) = text.split_once("..") else {
            return Err(format!("there is no descent (..): {text}"));
        };
        let from = JsonPath::parse(from)?;
        if from.is_context() {
            return Err(format!("the context object is not scanned: {text}"));
        }
        let rest = format!(".{rest}");
        let mut steps = steps(&rest)
            .map_err(|problem| format!("{problem}: {text}"))?
            .into_iter();
        let Some(Step::Name(name)) = steps.next() else {
            return Err(format!("a name follows a descent (..): {text}"));
        };
        Ok(Self {
            from,
            name,
            then: steps.collect(),
        })
    }

    /// What is found: an object's own field before those of its fields, in their order.
    pub(super) fn resolve(&self, data: Data<'_>) -> Value {
        let mut found = Vec::new();
        if let Some(root) = self.from.resolve(data) {
            self.collect(root, &mut found);
        }
        let then = found
            .into_iter()
            .filter_map(|value| find(&self.then, value));
        Value::Array(then.cloned().collect())
    }

    fn collect<'a>(&self, value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get(&self.name));
                for field in fields.values() {
                    self.collect(field, found);
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.collect(item, found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scan_finds_a_name_wherever_it_is() {
        let input = json!({
            "MetricAlarms": [
                { "AlarmName": "a", "State": { "AlarmName": "inner" } },
                { "AlarmName": "b", "Tags": ["x", "y"] },
            ],
            "AlarmName": "top",
        });
        for (path, expected) in [
            ("$..AlarmName", json!(["top", "a", "inner", "b"])),
            ("$.MetricAlarms[1]..AlarmName", json!(["b"])),
            ("$..Tags[1]", json!(["y"])),
            ("$..State.AlarmName", json!(["inner"])),
            ("$..none", json!([])),
            ("$.none..AlarmName", json!([])),
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
    fn what_is_no_plain_scan_is_refused_by_name() {
        for (path, problem) in [
            ("$..*", "wildcards"),
            ("$..", "a name is missing"),
            ("$..['a']", "a name is missing"),
            ("$..a..b", "descents (..) are not supported"),
            ("$..a[*]", "wildcards"),
            ("$$.Execution..Id", "the context object is not scanned"),
            ("a..b", "a path begins with $"),
        ] {
            let refusal = Scan::parse(path).unwrap_err();
            assert!(refusal.contains(problem), "{path}: {refusal}");
        }
    }
}
