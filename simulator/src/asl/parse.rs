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
        let problem = "a state's name has 80 characters at most";
        return Err(DefinitionError::new(place, problem));
    }
    let comment = match body.shift_remove("Comment") {
        None => None,
        Some(Value::String(comment)) => Some(comment),
        Some(_) => {
            let place = format!("{place}.Comment");
            return Err(DefinitionError::new(place, "a comment is a text"));
        }
    };
    let state_type = body.shift_remove("Type");
    let body = Value::Object(body);
    let kind = match state_type.as_ref().and_then(Value::as_str) {
        Some("Task") => Kind::Task(Box::new(typed(&body, &place)?)),
        Some("Wait") => Kind::Wait(typed(&body, &place)?),
        Some("Choice") => Kind::Choice(typed(&body, &place)?),
        Some("Succeed") => Kind::Succeed(typed(&body, &place)?),
        Some("Fail") => Kind::Fail(typed(&body, &place)?),
        Some(other) => {
            let problem = format!("states of this type are not supported: {other}");
            return Err(DefinitionError::new(format!("{place}.Type"), problem));
        }
        None => return Err(DefinitionError::new(place, "a state wants a Type")),
    };
    kind.check()
        .map_err(|(field, problem)| DefinitionError::new(format!("{place}.{field}"), problem))?;
    Ok(State {
        name,
        comment,
        kind,
    })
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
        Some(name) => {
            let place = format!("States.{name}");
            Err(DefinitionError::new(place, "nothing leads here"))
        }
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
    // What is cut off must not be what is missing: null in its place is another complaint.
    let missing = problem.strip_prefix("missing field `");
    let missing = missing.map(|rest| rest.trim_end_matches('`'));
    // The part again, with its first children and, in the place of the next one, another.
    let shortened = |count: usize, next: Option<&Value>| {
        let last = next.map(|next| (children[count].0, next));
        let kept = children[..count].iter().copied().chain(last);
        match part {
            Value::Object(_) => {
                let mut fields: Map<_, _> = kept
                    .filter_map(|(name, child)| Some((name?.clone(), child.clone())))
                    .collect();
                if let Some(missing) = missing {
                    fields.entry(missing).or_insert(Value::Null);
                }
                fields.into()
            }
            _ => kept.map(|(_, child)| child.clone()).collect::<Value>(),
        }
    };
    let culprit = (0..children.len()).find(|&index| {
        complains(&shortened(index + 1, None)) && !complains(&shortened(index, None))
    });
    let Some(index) = culprit else { return };
    let (name, child) = children[index];
    match name {
        Some(name) if place.is_empty() => place.push_str(name),
        Some(name) => place.extend([".", name]),
        None => place.extend(["[", &index.to_string(), "]"]),
    }
    locate(child, problem, place, &|child| {
        complains(&shortened(index, Some(child)))
    });
}
