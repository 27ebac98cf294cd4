//! From text to a [`StateMachine`], or to the place in the text that is not supported.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Map as Object, Value};
use thiserror::Error;

use super::definition::{Graph, Kind, Map, Raw, RawMap, State, StateMachine};

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
        Ok(Self {
            comment,
            timeout: timeout_seconds.map(Into::into),
            graph: graph(start_at, states, "")?,
        })
    }
}

/// `within` is what stands before `States` and `StartAt`.
fn graph(
    start_at: String,
    states: Object<String, Value>,
    within: &str,
) -> Result<Graph, DefinitionError> {
    let states = states.into_iter();
    let states = states.map(|(name, body)| state(name, body, within));
    let graph = Graph {
        start_at,
        states: states.collect::<Result<_, _>>()?,
    };
    check_transitions(&graph, within)?;
    Ok(graph)
}

fn map(body: &Value, place: &str) -> Result<Map, DefinitionError> {
    let RawMap {
        items_path,
        item_processor,
        result_path,
        next,
    } = typed(body, place)?;
    let within = format!("{place}.ItemProcessor.");
    Ok(Map {
        items_path,
        processor: graph(item_processor.start_at, item_processor.states, &within)?,
        result_path,
        next,
    })
}

/// The fields depend on the type, so the type is read first, and errors need not speak of it.
fn state(name: String, body: Value, within: &str) -> Result<State, DefinitionError> {
    let place = format!("{within}States.{name}");
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
        Some("Map") => Kind::Map(map(&body, &place)?),
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
    kind.check().map_err(|(field, problem)| {
        let place = match field.as_str() {
            "" => place,
            field => format!("{place}.{field}"),
        };
        DefinitionError::new(place, problem)
    })?;
    Ok(State {
        name,
        comment,
        kind,
    })
}

/// Every transition leads to a state, and every state is led to.
fn check_transitions(graph: &Graph, within: &str) -> Result<(), DefinitionError> {
    let names: BTreeSet<&str> = graph.states.iter().map(State::name).collect();
    let unknown = |name: &str| format!("there is no state {name}");
    let start_at = graph.start_at.as_str();
    if !names.contains(start_at) {
        let place = format!("{within}StartAt");
        return Err(DefinitionError::new(place, unknown(start_at)));
    }
    let mut reached = BTreeSet::from([start_at]);
    let mut left = vec![start_at];
    while let Some(state) = left.pop().and_then(|name| graph.state(name)) {
        for next in state.next_states() {
            if !names.contains(next) {
                let place = format!("{within}States.{}", state.name());
                return Err(DefinitionError::new(place, unknown(next)));
            }
            if reached.insert(next) {
                left.push(next);
            }
        }
    }
    match names.difference(&reached).next() {
        Some(name) => {
            let place = format!("{within}States.{name}");
            Err(DefinitionError::new(place, "nothing leads here"))
        }
        None => Ok(()),
    }
}

/// Reads a part of the definition into its type, or says which field of it is the culprit.
fn typed<T: DeserializeOwned>(part: &Value, place: &str) -> Result<T, DefinitionError> {
    serde_path_to_error::deserialize(part).map_err(|error| {
        let culprit = error.path().to_string();
        let mut places = vec![place, &culprit];
        // Of the part as a whole, its path is a point.
        places.retain(|place| !["", "."].contains(place));
        DefinitionError::new(places.join("."), error.inner().to_string())
    })
}
