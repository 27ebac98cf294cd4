//! Payload templates: `Parameters` and `ResultSelector`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::data::Data;
use super::intrinsic::Term;
use super::scan::Scan;

/// JSON in which a field whose name ends in `.$` is replaced by what its path points at, by what its
/// scan finds, or by what its intrinsic function answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(super) struct Template(Vec<(String, Node)>);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Constant(Value),
    Term(Term),
    Scan(Scan),
    Object(Template),
    Array(Vec<Node>),
}

/// Why there is no payload.
#[derive(Debug, PartialEq)]
pub(super) enum Unevaluated<'a> {
    /// The path of a field points at nothing.
    Missing { field: &'a str, path: &'a str },
    /// The path of an intrinsic function's argument points at nothing.
    MissingArgument { function: &'a str, path: &'a str },
    /// An intrinsic function cannot do anything with an argument.
    BadArgument { function: &'a str, value: Value },
}

impl Template {
    /// The payload, with every path replaced by what it points at.
    pub(super) fn evaluate(&self, data: Data<'_>) -> Result<Value, Unevaluated<'_>> {
        let fields = self.0.iter().map(|(name, node)| {
            let plain = name.strip_suffix(".$").unwrap_or(name);
            Ok((plain.to_owned(), node.evaluate(name, data)?))
        });
        fields.collect::<Result<Map<_, _>, _>>().map(Value::Object)
    }
}

impl Node {
    fn evaluate<'a>(&'a self, field: &'a str, data: Data<'_>) -> Result<Value, Unevaluated<'a>> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Term(term) => term.evaluate(field, data),
            Self::Scan(scan) => scan.resolve(data).ok_or(Unevaluated::Missing {
                field,
                path: scan.as_str(),
            }),
            Self::Object(template) => template.evaluate(data),
            Self::Array(nodes) => nodes
                .iter()
                .map(|node| node.evaluate(field, data))
                .collect::<Result<_, _>>(),
        }
    }
}

impl TryFrom<Map<String, Value>> for Template {
    type Error = String;

    fn try_from(object: Map<String, Value>) -> Result<Self, String> {
        let twice = object
            .keys()
            .find(|name| object.contains_key(&format!("{name}.$")));
        if let Some(name) = twice {
            return Err(format!("both {name} and {name}.$ are given"));
        }
        let fields = object.into_iter().map(|(name, value)| {
            let node = if name.ends_with(".$") {
                let text = value
                    .as_str()
                    .ok_or_else(|| format!("{name} wants a path"))?;
                let node = match Term::parse(text) {
                    Err(_) if Scan::is_meant_by(text) => Scan::parse(text).map(Node::Scan),
                    term => term.map(Node::Term),
                };
                node.map_err(|problem| format!("{problem} (in {name})"))?
            } else {
                Node::try_from(value)?
            };
            Ok((name, node))
        });
        fields.collect::<Result<_, String>>().map(Self)
    }
}

impl TryFrom<Value> for Node {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::Object(object) => Self::Object(object.try_into()?),
            Value::Array(items) => Self::Array(
                items
                    .into_iter()
                    .map(Self::try_from)
                    .collect::<Result<_, _>>()?,
            ),
            constant => Self::Constant(constant),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(value: Value) -> Result<Template, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_ending_in_dollar_are_replaced_at_every_depth() {
        let template = template(json!({
            "step": "swap",
            "all.$": "$",
            "list": [{ "deep.$": "$.a[1]" }, 3, "$.a"],
            "execution.$": "$$.Execution.Id",
            "text.$": "States.Format('{} of {}', $$.Execution.Id, $.a[0])",
            "found.$": "$..deep",
        }))
        .unwrap();
        let input = json!({ "a": [1, 2], "b": [{ "deep": 3 }, { "deep": 4 }] });
        let context = json!({ "Execution": { "Id": "arn" } });
        assert_eq!(
            template.evaluate(Data {
                input: &input,
                context: &context
            }),
            Ok(json!({
                "step": "swap",
                "all": input,
                "list": [{ "deep": 2 }, 3, "$.a"],
                "execution": "arn",
                "text": "arn of 1",
                "found": [3, 4],
            })),
        );
    }

    #[test]
    fn a_path_to_nothing_is_named_with_its_field() {
        let template = template(json!({ "outer": { "wait.$": "$.wait" } })).unwrap();
        let nothing = json!({});
        let missing = template
            .evaluate(Data {
                input: &nothing,
                context: &nothing,
            })
            .unwrap_err();
        let (field, path) = ("wait.$", "$.wait");
        assert_eq!(missing, Unevaluated::Missing { field, path });
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for (value, problem) in [
            (
                json!({ "name.$": "States.UUID()" }),
                "no intrinsic function but States.Format is supported: States.UUID() (in name.$)",
            ),
            (json!({ "a": { "b.$": 3 } }), "b.$ wants a path"),
            (json!({ "a": 1, "a.$": "$" }), "both a and a.$ are given"),
            (json!("text"), "expected a map"),
        ] {
            let refusal = template(value.clone()).unwrap_err();
            assert!(refusal.contains(problem), "{value}: {refusal}");
        }
    }
}
