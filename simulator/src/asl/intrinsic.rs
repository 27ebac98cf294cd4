//! Intrinsic functions: `States.Format`, and no other.

use serde::Deserialize;
use serde_json::Value;

use super::data::Data;
use super::path::JsonPath;
use super::payload::Unevaluated;

/// One value: what a path points at, or a text that is put together.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Term {
    Path(JsonPath),
    Format(Format),
}

/// `States.Format('… {} …', $.a)`: a text with values in the places of `{}`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Format {
    text: String,
    /// What stands before the first `{}`, between two, and after the last.
    between: Vec<String>,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
enum Argument {
    Path(JsonPath),
    Constant(Value),
}

impl Term {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with("States.") {
            return JsonPath::parse(text).map(Self::Path);
        }
        let arguments = text
            .strip_prefix("States.Format(")
            .and_then(|rest| rest.strip_suffix(')'));
        match arguments {
            Some(arguments) => Format::parse(text, arguments)
                .map(Self::Format)
                .map_err(|problem| format!("{problem}: {text}")),
            None => Err(format!(
                "no intrinsic function but States.Format is supported: {text}"
            )),
        }
    }

    /// The value for a field.
    pub(super) fn evaluate<'a>(
        &'a self,
        field: &'a str,
        data: Data<'_>,
    ) -> Result<Value, Unevaluated<'a>> {
        match self {
            Self::Path(path) => path.resolve(data).cloned().ok_or(Unevaluated::Missing {
                field,
                path: path.as_str(),
            }),
            Self::Format(format) => format.evaluate(data).map(Value::String),
        }
    }
}

impl TryFrom<String> for Term {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl Format {
    fn parse(text: &str, arguments: &str) -> Result<Self, String> {
        let mut arguments = split(arguments)?.into_iter();
        let template = arguments.next().unwrap_or_default();
        let template = quoted(template).ok_or("the template of States.Format is a text in ''")?;
        let between = pieces(template)?;
        let arguments: Vec<Argument> = arguments.map(Argument::parse).collect::<Result<_, _>>()?;
        if between.len() != arguments.len() + 1 {
            return Err(format!(
                "States.Format has {} places and {} values",
                between.len() - 1,
                arguments.len()
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            between,
            arguments,
        })
    }

    fn evaluate(&self, data: Data<'_>) -> Result<String, Unevaluated<'_>> {
        let mut between = self.between.iter();
        let mut whole = between.next().cloned().unwrap_or_default();
        for (argument, after) in self.arguments.iter().zip(between) {
            let value = match argument {
                Argument::Constant(value) => value,
                Argument::Path(path) => {
                    path.resolve(data)
                        .ok_or_else(|| Unevaluated::MissingArgument {
                            function: &self.text,
                            path: path.as_str(),
                        })?
                }
            };
            match value {
                Value::String(text) => whole.push_str(text),
                Value::Null | Value::Bool(_) | Value::Number(_) => {
                    whole.push_str(&value.to_string());
                }
                Value::Array(_) | Value::Object(_) => {
                    return Err(Unevaluated::BadArgument {
                        function: &self.text,
                        value: value.clone(),
                    });
                }
            }
            whole.push_str(after);
        }
        Ok(whole)
    }
}

impl Argument {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(constant) = quoted(text) {
            let pieces = pieces(constant)?;
            return Ok(Self::Constant(Value::String(pieces.join("{}"))));
        }
        if text.starts_with('$') {
            return JsonPath::parse(text).map(Self::Path);
        }
        if text.starts_with("States.") {
            return Err("functions inside of functions are not supported".to_owned());
        }
        match serde_json::from_str(text) {
            Ok(constant @ (Value::Null | Value::Bool(_) | Value::Number(_))) => {
                Ok(Self::Constant(constant))
            }
            Ok(_) | Err(_) => Err(format!("{text} is no value")),
        }
    }
}

/// The arguments, cut at the commas that are not inside of quotes.
fn split(arguments: &str) -> Result<Vec<&str>, &'static str> {
    let (mut parts, mut from, mut inside, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in arguments.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = inside,
            '\'' => inside = !inside,
            ',' if !inside => {
                parts.push(arguments[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("a quote is not closed");
    }
    parts.push(arguments[from..].trim());
    Ok(parts)
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.strip_suffix('\'')
}

/// A quoted text, cut at each `{}`, without the backslashes of `\'`, `\{`, `\}` and `\\`.
fn pieces(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut pieces, mut piece) = (Vec::new(), String::new());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(c @ ('\'' | '{' | '}' | '\\')) => piece.push(c),
                _ => return Err("a backslash stands before ', {, } or another one"),
            },
            '{' if rest.next() == Some('}') => pieces.push(std::mem::take(&mut piece)),
            '{' | '}' => return Err("a brace that is not {} wants a backslash"),
            '\'' => return Err("a quote in a text wants a backslash"),
            c => piece.push(c),
        }
    }
    pieces.push(piece);
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn evaluate(text: &str) -> Value {
        let input = json!({ "a": "x", "n": 1.5, "b": true, "z": null, "list": [1] });
        let context = json!({ "Execution": { "Name": "run-1" } });
        let data = Data {
            input: &input,
            context: &context,
        };
        let term = Term::parse(text).unwrap();
        term.evaluate("field.$", data).unwrap()
    }

    #[test]
    fn a_text_is_put_together_from_values() {
        for (text, whole) in [
            ("States.Format('none')", "none"),
            ("States.Format('{}', $.a)", "x"),
            ("States.Format('{}{}-{}',$.n ,$.b, $.z)", "1.5true-null"),
            (
                "States.Format('{} by {}.', 'a, b', $$.Execution.Name)",
                "a, b by run-1.",
            ),
            (r"States.Format('it\'s \{{}\}, \\', 3)", r"it's {3}, \"),
            ("States.Format('ü{}', $.list[0])", "ü1"),
        ] {
            assert_eq!(evaluate(text), json!(whole), "{text}");
        }
    }

    #[test]
    fn an_argument_that_is_missing_or_no_scalar_is_told_apart() {
        let input = json!({ "list": [1] });
        let data = Data {
            input: &input,
            context: &Value::Null,
        };
        let term = Term::parse("States.Format('{}', $.list)").unwrap();
        let problem = term.evaluate("f", data).unwrap_err();
        assert!(matches!(problem, Unevaluated::BadArgument { .. }));
        let term = Term::parse("States.Format('{}', $.none)").unwrap();
        let problem = term.evaluate("f", data).unwrap_err();
        assert!(matches!(problem, Unevaluated::MissingArgument { .. }));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (text, problem) in [
            ("States.UUID()", "no intrinsic function but States.Format"),
            ("States.Format('{}', $.a) ", "no intrinsic function but"),
            ("States.Format($.a)", "the template of States.Format is"),
            ("States.Format()", "the template of States.Format is"),
            ("States.Format('{}')", "has 1 places and 0 values"),
            ("States.Format('', 1)", "has 0 places and 1 values"),
            (
                "States.Format('{}', States.UUID())",
                "functions inside of functions",
            ),
            ("States.Format('{}', $.a[*])", "wildcards"),
            ("States.Format('{}', $..a)", "descents"),
            ("States.Format('{}', [1])", "[1] is no value"),
            ("States.Format('{0}', 1)", "a brace that is not {}"),
            ("States.Format('}', 1)", "a brace that is not {}"),
            (r"States.Format('\n')", "a backslash stands before"),
            ("States.Format('a)", "a quote is not closed"),
            ("States.Format('a'b')", "a quote is not closed"),
        ] {
            let refusal = Term::parse(text).unwrap_err();
            assert!(refusal.contains(problem), "{text}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = Term::parse(&format!("States.Format({text})"));
        }
    }
}
