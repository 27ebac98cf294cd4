//! From text to a [`StateMachine`], or to the place in the text that is not supported.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use super::definition::{Kind, Raw, State, StateMachine};

/// Why a definition is not run, and where: `States.Swap.Retry[1].BackoffRate: …`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}{}{problem}", if place.is_empty() { "" } else { ": " })]
pub struct DefinitionError {
    /// The path to the culprit; empty for the definition as a whole.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

impl DefinitionError {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

impl StateMachine {
    /// Reads a definition, after [`substitute`](super::substitute).
    ///
    /// Refuses what this interpreter does not implement, and what Step Functions would refuse:
    /// transitions to nowhere, states that nothing leads to, retriers out of order.
    pub fn parse(text: &str) -> Result<Self, DefinitionError> {
        let document: Value = serde_json::from_str(text)
            .map_err(|error| DefinitionError::new("", format!("not JSON: {error}")))?;
        let Raw {
            comment,
            start_at,
            timeout_seconds,
            states,
        } = typed(&document, "")?;
        let states = states.into_iter().map(|(name, body)| state(name, body));
        let machine = Self {
            comment,
            start_at,
            timeout: timeout_seconds.map(Into::into),
            states: states.collect::<Result<_, _>>()?,
        };
        check_transitions(&machine)?;
        Ok(machine)
    }
}

/// The fields depend on the type, so the type is read first, and errors need not speak of it.
fn state(name: String, body: Value) -> Result<State, DefinitionError> {
    let place = format!("States.{name}");
    let Value::Object(mut body) = body else {
        return Err(DefinitionError::new(place, "a state is an object"));
    };
    if name.chars().count() > 80 {
        return Err(DefinitionError::new(
            place,
            "a state's name has 80 characters at most",
        ));
    }
    let state_type = body.shift_remove("Type");
    let body = Value::Object(body);
    let kind = match state_type.as_ref().and_then(Value::as_str) {
        Some("Task") => Kind::Task(Box::new(typed(&body, &place)?)),
        Some("Wait") => Kind::Wait(typed(&body, &place)?),
        Some("Choice") => Kind::Choice(typed(&body, &place)?),
        Some("Pass") => Kind::Pass(Box::new(typed(&body, &place)?)),
        Some("Succeed") => Kind::Succeed(typed(&body, &place)?),
        Some("Fail") => Kind::Fail(typed(&body, &place)?),
        Some(other) => {
            let problem = format!("states of this type are not supported: {other}");
            return Err(DefinitionError::new(format!("{place}.Type"), problem));
        }
        None => return Err(DefinitionError::new(place, "a state wants a Type")),
    };
    kind.check()
        .map_err(|(field, problem)| DefinitionError::new(place + &field, problem))?;
    Ok(State { name, kind })
}

/// Every transition leads to a state, and every state is led to.
fn check_transitions(machine: &StateMachine) -> Result<(), DefinitionError> {
    let names: BTreeSet<&str> = machine.states().map(State::name).collect();
    let unknown = |name: &str| format!("there is no state {name}");
    if !names.contains(machine.start_at()) {
        return Err(DefinitionError::new("StartAt", unknown(machine.start_at())));
    }
    let mut reached = BTreeSet::from([machine.start_at()]);
    let mut left = vec![machine.start_at()];
    while let Some(state) = left.pop().and_then(|name| machine.state(name)) {
        for next in state.next_states() {
            if !names.contains(next) {
                let place = format!("States.{}", state.name());
                return Err(DefinitionError::new(place, unknown(next)));
            }
            if reached.insert(next) {
                left.push(next);
            }
        }
    }
    match names.difference(&reached).next() {
        Some(name) => Err(DefinitionError::new(
            format!("States.{name}"),
            "nothing leads here",
        )),
        None => Ok(()),
    }
}

/// Reads a part of the definition into its type, or says which field of it is the culprit.
fn typed<T: DeserializeOwned>(part: &Value, place: &str) -> Result<T, DefinitionError> {
    let problem_of = |part: &Value| T::deserialize(part).map_err(|error| error.to_string());
    problem_of(part).map_err(|problem| {
        let mut culprit = place.to_owned();
        locate(part, &problem, &mut culprit, &|part| {
            problem_of(part).err() == Some(problem.clone())
        });
        DefinitionError::new(culprit, problem)
    })
}

/// Finds what serde complains about, which says what but not where, and adds it to the place.
///
/// Fields are read in their order and the first bad one ends the reading. So the culprit is the
/// field up to which the object has to be read for the same complaint to come.
fn locate(part: &Value, problem: &str, place: &mut String, complains: &dyn Fn(&Value) -> bool) {
    let children: Vec<(Option<&String>, &Value)> = match part {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, child)| (Some(name), child))
            .collect(),
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        _ => return,
    };
    // The part again, with its first children and, in the place of the next one, another.
    let shortened = |count: usize, next: Option<&Value>| {
        let last = next.map(|next| (children[count].0, next));
        let kept = children[..count].iter().copied().chain(last);
        match part {
            Value::Object(_) => kept
                .filter_map(|(name, child)| Some((name?.clone(), child.clone())))
                .collect::<Map<_, _>>()
                .into(),
            _ => kept.map(|(_, child)| child.clone()).collect::<Value>(),
        }
    };
    let culprit = (0..children.len()).find(|&index| {
        complains(&shortened(index + 1, None)) && !complains(&shortened(index, None))
    });
    let Some(index) = culprit else { return };
    let (name, child) = children[index];
    let whole = place.len();
    match name {
        Some(name) if place.is_empty() => place.push_str(name),
        Some(name) => place.extend([".", name]),
        None => place.extend(["[", &index.to_string(), "]"]),
    }
    let named = place.len();
    locate(child, problem, place, &|child| {
        complains(&shortened(index, Some(child)))
    });
    // A field that is missing is missing in an object, never in a text or a list.
    if problem.starts_with("missing field") && !child.is_object() && place.len() == named {
        place.truncate(whole);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(definition: &Value, refusal: &str) {
        let error = StateMachine::parse(&definition.to_string())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(refusal), "{error}\n  is not\n{refusal}");
    }

    fn state(state: &Value) -> Value {
        json!({ "StartAt": "Swap", "States": { "Swap": state } })
    }

    fn refused_task(fields: &Value, refusal: &str) {
        let mut task = json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke" });
        task.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        task["End"] = json!(true);
        refused(&state(&task), refusal);
    }

    #[test]
    fn a_field_of_a_task_that_is_not_supported_is_refused_by_name_and_place() {
        for (fields, refusal) in [
            (
                json!({ "Parameters": { "Payload": { "a.$": "States.UUID()" } } }),
                "States.Swap.Parameters.Payload.a.$: no intrinsic function but States.Format",
            ),
            (
                json!({ "HeartbeatSeconds": 5 }),
                "States.Swap.HeartbeatSeconds: unknown field",
            ),
            (
                json!({ "TimeoutSeconds": "75" }),
                "States.Swap.TimeoutSeconds: invalid type",
            ),
            (
                json!({ "TimeoutSeconds": 0 }),
                "States.Swap.TimeoutSeconds: a timeout is 1",
            ),
            (
                json!({ "InputPath": "$..a" }),
                "States.Swap.InputPath: descents (..)",
            ),
            (
                json!({ "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken" }),
                "States.Swap.Resource: the integration pattern .waitForTaskToken is not supported",
            ),
            (
                json!({ "Resource": "arn:aws:lambda:eu-west-1:111122223333:function:swap" }),
                "States.Swap.Resource: only service integrations",
            ),
            (
                json!({ "Resource": "arn:${Partition}:states:::lambda:invoke" }),
                "States.Swap.Resource: a name is not substituted",
            ),
            (
                json!({ "Next": "Swap" }),
                "States.Swap: a state has either Next or End",
            ),
        ] {
            refused_task(&fields, refusal);
        }
    }

    #[test]
    fn a_bad_retrier_or_catcher_is_refused_by_its_number() {
        let retry = |second| json!({ "Retry": [{ "ErrorEquals": ["A"] }, second] });
        let all = json!({ "ErrorEquals": ["States.ALL"] });
        for (fields, refusal) in [
            (
                retry(json!({ "ErrorEquals": ["B"], "BackoffRate": "2" })),
                "States.Swap.Retry[1].BackoffRate: invalid type: string \"2\"",
            ),
            (
                retry(json!({ "MaxAttempts": 1 })),
                "States.Swap.Retry[1]: missing field `ErrorEquals`",
            ),
            (
                json!({ "Retry": [all, all] }),
                "States.Swap.Retry[0]: States.ALL stands last",
            ),
            (
                json!({ "Catch": [{ "ErrorEquals": ["A"] }] }),
                "States.Swap.Catch[0]: missing field `Next`",
            ),
            (
                json!({ "Catch": [{ "ErrorEquals": ["A"], "Next": "Nowhere" }] }),
                "States.Swap: there is no state Nowhere",
            ),
        ] {
            refused_task(&fields, refusal);
        }
    }

    #[test]
    fn the_same_mistake_twice_is_refused_where_it_is_made_first() {
        let task = json!({
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
            "Retry": [
                { "ErrorEquals": ["A"] },
                { "ErrorEquals": ["A"], "Interval": 3 },
                { "ErrorEquals": ["A"], "Interval": 3 },
            ],
        });
        let definition = json!({ "StartAt": "A", "States": { "A": task, "B": task } });
        refused(
            &definition,
            "States.A.Retry[1].Interval: unknown field `Interval`",
        );
    }

    #[test]
    fn an_operator_that_is_not_supported_is_refused_by_name_and_place() {
        let is_null = json!({ "Variable": "$.a", "IsNull": true });
        let is_null_or_string =
            json!({ "Variable": "$.a", "IsNull": true, "IsString": true, "Next": "Swap" });
        for (rule, refusal) in [
            (
                json!({ "And": [is_null, { "Variable": "$.a", "StringLessThan": "b" }], "Next": "Swap" }),
                "States.Swap.Choices[0].And[1].StringLessThan: unknown variant `StringLessThan`",
            ),
            (is_null, "States.Swap.Choices[0]: missing field `Next`"),
            (
                json!({ "And": [], "Next": "Swap" }),
                "States.Swap.Choices[0].And: And and Or want",
            ),
            (
                is_null_or_string,
                "States.Swap.Choices[0].IsString: a condition has one operator, not IsNull and IsString",
            ),
        ] {
            refused(
                &state(&json!({ "Type": "Choice", "Choices": [rule] })),
                refusal,
            );
        }
        let none = json!({ "Type": "Choice", "Choices": [] });
        refused(&state(&none), "States.Swap.Choices: a Choice wants a rule");
    }

    #[test]
    fn a_state_that_is_not_supported_is_refused_by_name() {
        for (body, refusal) in [
            (
                json!({ "Type": "Map" }),
                "States.Swap.Type: states of this type are not supported: Map",
            ),
            (json!({ "End": true }), "States.Swap: a state wants a Type"),
            (
                json!({ "Type": "Task", "End": true }),
                "States.Swap: missing field `Resource`",
            ),
            (
                json!({ "Type": "Wait", "End": true }),
                "States.Swap: a Wait has either Seconds",
            ),
            (
                json!({ "Type": "Wait", "Timestamp": "2026-11-20T00:00:00Z", "End": true }),
                "States.Swap.Timestamp: unknown field `Timestamp`",
            ),
            (
                json!({ "Type": "Wait", "Seconds": 100_000_000, "End": true }),
                "States.Swap.Seconds: 100000000 is above 99999999 seconds",
            ),
            (
                json!({ "Type": "Pass", "Result": 1, "Parameters": {}, "End": true }),
                "States.Swap: a Pass has either Result or Parameters",
            ),
            (
                json!({ "Type": "Fail", "Cause": "C", "CausePath": "$.c" }),
                "States.Swap: a Fail has either Cause or CausePath",
            ),
        ] {
            refused(&state(&body), refusal);
        }
    }

    #[test]
    fn a_machine_that_step_functions_would_refuse_is_refused() {
        let end = json!({ "Type": "Succeed" });
        for (definition, refusal) in [
            (
                json!({ "StartAt": "A", "QueryLanguage": "JSONata", "States": {} }),
                "QueryLanguage: unknown field `QueryLanguage`",
            ),
            (
                json!({ "StartAt": "A", "States": {} }),
                "StartAt: there is no state A",
            ),
            (json!({ "States": {} }), "missing field `StartAt`"),
            (
                json!({ "StartAt": "A", "States": { "A": end, "B": end } }),
                "States.B: nothing leads here",
            ),
        ] {
            refused(&definition, refusal);
        }
        assert!(
            StateMachine::parse("{")
                .unwrap_err()
                .to_string()
                .starts_with("not JSON: EOF")
        );
    }
}
