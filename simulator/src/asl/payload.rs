//! What a Task invokes its function with.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::definition::Integration;
use super::path::JsonPath;

/// What Step Functions knows about an execution apart from its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Execution {
    /// `$$.Execution.Input`.
    pub(crate) input: Value,
    /// `$$.Execution.Id`.
    pub(crate) arn: String,
    /// The role that the state machine runs as.
    pub(crate) role_arn: String,
    /// `$$.Execution.StartTime`.
    pub(crate) start_time: Timestamp,
}

/// What a Task gives the service that it calls.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawParameters")]
pub(super) enum Parameters {
    Invoke {
        function: Node,
        payload: Node,
    },
    Start {
        machine: Node,
        name: Node,
        input: Node,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawParameters {
    function_name: Option<String>,
    #[serde(rename = "FunctionName.$")]
    function_path: Option<JsonPath>,
    payload: Option<Template>,
    #[serde(rename = "Payload.$")]
    payload_path: Option<JsonPath>,
    state_machine_arn: Option<String>,
    #[serde(rename = "Name.$")]
    name_path: Option<JsonPath>,
    #[serde(rename = "Input.$")]
    input_path: Option<JsonPath>,
}

impl TryFrom<RawParameters> for Parameters {
    type Error = String;

    fn try_from(raw: RawParameters) -> Result<Self, String> {
        let one = |field, given: Option<Node>, path: Option<JsonPath>| match (given, path) {
            (Some(node), None) => Ok(node),
            (None, Some(path)) => Ok(Node::Path(path)),
            (None, None) => Err(format!("missing field `{field}`")),
            (Some(_), Some(_)) => Err(format!("both {field} and {field}.$ are given")),
        };
        let constant = |text: Option<String>| text.map(|text| Node::Constant(text.into()));
        if let Some(machine) = constant(raw.state_machine_arn) {
            let fields = raw.function_name.is_some() || raw.payload.is_some();
            if fields || raw.function_path.is_some() || raw.payload_path.is_some() {
                return Err("StateMachineArn is given with fields of lambda:invoke".to_owned());
            }
            return Ok(Self::Start {
                machine,
                name: one("Name.$", None, raw.name_path)?,
                input: one("Input.$", None, raw.input_path)?,
            });
        }
        if raw.name_path.is_some() || raw.input_path.is_some() {
            return Err("missing field `StateMachineArn`".to_owned());
        }
        Ok(Self::Invoke {
            function: one(
                "FunctionName",
                constant(raw.function_name),
                raw.function_path,
            )?,
            payload: one("Payload", raw.payload.map(Node::Object), raw.payload_path)?,
        })
    }
}

/// Parameters for a state's input.
pub(super) enum Filled {
    Invoke {
        function: String,
        payload: Value,
    },
    Start {
        machine: String,
        name: String,
        input: Value,
    },
}

impl Filled {
    /// As the history shows them.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Invoke { function, payload } => {
                json!({ "FunctionName": function, "Payload": payload })
            }
            Self::Start {
                machine,
                name,
                input,
            } => json!({ "StateMachineArn": machine, "Name": name, "Input": input }),
        }
    }
}

impl Parameters {
    /// Whether they are those of this integration.
    pub(super) fn fit(&self, integration: Integration) -> bool {
        match self {
            Self::Invoke { .. } => integration == Integration::Invoke,
            Self::Start { .. } => integration == Integration::Start,
        }
    }

    /// The parameters for a state's input; or the path that leads nowhere.
    pub(super) fn fill(&self, input: &Value, execution: &Execution) -> Result<Filled, String> {
        let text = |node: &Node| {
            let value = node.fill(input, execution)?;
            Ok::<_, String>(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            )
        };
        Ok(match self {
            Self::Invoke { function, payload } => Filled::Invoke {
                function: text(function)?,
                payload: payload.fill(input, execution)?,
            },
            Self::Start {
                machine,
                name,
                input: of_it,
            } => Filled::Start {
                machine: text(machine)?,
                name: text(name)?,
                input: of_it.fill(input, execution)?,
            },
        })
    }
}

/// JSON in which a field whose name ends in `.$` is replaced by what it stands for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(super) struct Template(Vec<(String, Node)>);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Constant(Value),
    Object(Template),
    Path(JsonPath),
    ExecutionId,
    ExecutionInput,
    StartTime,
}

impl Template {
    /// The same with what its fields stand for; or the path that leads nowhere.
    pub(super) fn fill(&self, input: &Value, execution: &Execution) -> Result<Value, String> {
        let fields = self.0.iter();
        let fields = fields.map(|(name, node)| Ok((name.clone(), node.fill(input, execution)?)));
        fields.collect()
    }
}

impl Node {
    fn fill(&self, input: &Value, execution: &Execution) -> Result<Value, String> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Object(template) => template.fill(input, execution)?,
            Self::Path(path) => match path.resolve(input) {
                Some(value) => value.clone(),
                None => return Err(path.to_string()),
            },
            Self::ExecutionId => execution.arn.as_str().into(),
            Self::ExecutionInput => execution.input.clone(),
            // As the context object writes instants: 2026-11-20T21:10:37.000Z.
            Self::StartTime => format!("{:.3}", execution.start_time).into(),
        })
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
    let text = value.as_str();
    match text {
        Some("$$.Execution.Id") => Ok(Node::ExecutionId),
        Some("$$.Execution.Input") => Ok(Node::ExecutionInput),
        Some("$$.Execution.StartTime") => Ok(Node::StartTime),
        Some(_) | None => {
            let path = text.and_then(|text| JsonPath::try_from(text.to_owned()).ok());
            path.map(Node::Path).ok_or_else(|| format!(
                "only $, $.a.b and Id, Input and StartTime of $$.Execution are supported: {value} (in {name})"
            ))
        }
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
            "deep": { "execution.$": "$$.Execution.Id", "number": 3, "text": "$", "of.$": "$.a" },
            "input.$": "$$.Execution.Input",
            "startedAt.$": "$$.Execution.StartTime",
        }))
        .unwrap();
        let execution = Execution {
            input: json!({ "of": "it" }),
            arn: "arn".to_owned(),
            role_arn: "role".to_owned(),
            start_time: "2026-11-20T21:10:37Z".parse().unwrap(),
        };
        assert_eq!(
            template.fill(&json!({ "a": [1, 2] }), &execution).unwrap(),
            json!({
                "phase": "swap",
                "state": { "a": [1, 2] },
                "deep": { "execution": "arn", "number": 3, "text": "$", "of": [1, 2] },
                "input": { "of": "it" },
                "startedAt": "2026-11-20T21:10:37.000Z",
            }),
        );
        let elsewhere = template.fill(&json!({ "b": 1 }), &execution);
        assert_eq!(elsewhere, Err("$.a".to_owned()));
    }

    #[test]
    fn anything_else_is_refused() {
        for (value, problem) in lines(
            r#"
{ "a.$": "$.b[0]" } => only $, $.a.b and Id, Input and StartTime of $$.Execution are supported: "$.b[0]" (in a.$)
{ "a": { "b.$": "$$.State.Name" } } => only $, $.a.b and Id, Input and StartTime of $$.Execution are supported: "$$.State.Name" (in b.$)
{ "a.$": "States.UUID()" } => only $, $.a.b and Id, Input and StartTime of $$.Execution are supported: "States.UUID()" (in a.$)
{ "a.$": 3 } => only $, $.a.b and Id, Input and StartTime of $$.Execution are supported: 3 (in a.$)
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
