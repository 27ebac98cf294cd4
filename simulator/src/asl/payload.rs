//! What a Task invokes its function with.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What Step Functions knows about an execution apart from its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Execution {
    /// `$$.Execution.Id`.
    pub(crate) arn: String,
    /// The role that the state machine runs as.
    pub(crate) role_arn: String,
    /// `$$.Execution.StartTime`.
    pub(crate) start_time: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Parameters {
    pub(super) function_name: String,
    pub(super) payload: Template,
}

/// JSON in which a field whose name ends in `.$` is replaced by what it stands for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(super) struct Template(Vec<(String, Node)>);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Constant(Value),
    Object(Template),
    Input,
    ExecutionId,
    StartTime,
}

impl Template {
    /// The payload for a state's input.
    pub(super) fn fill(&self, input: &Value, execution: &Execution) -> Value {
        let filled = |node: &Node| match node {
            Node::Constant(value) => value.clone(),
            Node::Object(template) => template.fill(input, execution),
            Node::Input => input.clone(),
            Node::ExecutionId => execution.arn.as_str().into(),
            // As the context object writes instants: 2026-11-20T21:10:37.000Z.
            Node::StartTime => format!("{:.3}", execution.start_time).into(),
        };
        let fields = self.0.iter();
        let fields = fields.map(|(name, node)| (name.clone(), filled(node)));
        fields.collect()
    }
}

impl TryFrom<Map<String, Value>> for Template {
    type Error = String;

    fn try_from(object: Map<String, Value>) -> Result<Self, String> {
        let twice = |name: &&String| object.contains_key(&format!("{name}.$"));
        let twice = object.keys().find(twice);
        if let Some(name) = twice {
            return Err(format!("both {name} and {name}.$ are given"));
        }
        let fields = object.into_iter().map(|(name, value)| {
            Ok(match (name.strip_suffix(".$"), value) {
                (Some(plain), value) => (plain.to_owned(), replaced(&name, &value)?),
                (None, Value::Object(object)) => (name, Node::Object(object.try_into()?)),
                (None, Value::Array(_)) => {
                    return Err(format!("lists are not supported in a payload (in {name})"));
                }
                (None, constant) => (name, Node::Constant(constant)),
            })
        });
        fields.collect::<Result<_, String>>().map(Self)
    }
}

/// What stands for a field whose name ends in `.$`.
fn replaced(name: &str, value: &Value) -> Result<Node, String> {
    match value.as_str() {
        Some("$") => Ok(Node::Input),
        Some("$$.Execution.Id") => Ok(Node::ExecutionId),
        Some("$$.Execution.StartTime") => Ok(Node::StartTime),
        Some(_) | None => Err(format!(
            "only $, $$.Execution.Id and $$.Execution.StartTime are supported: {value} (in {name})"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::lines;
    use super::*;

    fn template(value: Value) -> Result<Template, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_ending_in_dollar_are_replaced_at_every_depth() {
        let template = template(json!({
            "phase": "swap",
            "state.$": "$",
            "deep": { "execution.$": "$$.Execution.Id", "number": 3, "text": "$" },
            "startedAt.$": "$$.Execution.StartTime",
        }))
        .unwrap();
        let execution = Execution {
            arn: "arn".to_owned(),
            role_arn: "role".to_owned(),
            start_time: "2026-11-20T21:10:37Z".parse().unwrap(),
        };
        assert_eq!(
            template.fill(&json!({ "a": [1, 2] }), &execution),
            json!({
                "phase": "swap",
                "state": { "a": [1, 2] },
                "deep": { "execution": "arn", "number": 3, "text": "$" },
                "startedAt": "2026-11-20T21:10:37.000Z",
            }),
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for (value, problem) in lines(
            r#"
{ "a.$": "$.b" } => only $, $$.Execution.Id and $$.Execution.StartTime are supported: "$.b" (in a.$)
{ "a": { "b.$": "$$.State.Name" } } => only $, $$.Execution.Id and $$.Execution.StartTime are supported: "$$.State.Name" (in b.$)
{ "a.$": "States.UUID()" } => only $, $$.Execution.Id and $$.Execution.StartTime are supported: "States.UUID()" (in a.$)
{ "a.$": 3 } => only $, $$.Execution.Id and $$.Execution.StartTime are supported: 3 (in a.$)
{ "a": 1, "a.$": "$" } => both a and a.$ are given
{ "a": [1] } => lists are not supported in a payload (in a)
"text" => invalid type: string "text", expected a map
"#,
        ) {
            let problem = problem.to_owned();
            assert_eq!(template(value.clone()), Err(problem), "{value}");
        }
    }
}
