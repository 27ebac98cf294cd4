//! Reading at which points a deployment waits for a person.

use serde_json::{Value, json};

use super::fields::Fields;
use super::reader::{Reader, problem};
use super::values::whole;
use crate::pauses::{OnTimeout, Pause};
use crate::point::Point;

/// The fields of an entry of `pauses`, with what each allows. The tables of docs/input.md are checked against it.
pub const PAUSES_FIELDS: &[(&str, &str)] = &[
    (
        "at",
        "afterHealthy, beforeSwap, afterSwap or beforeDrain, each once",
    ),
    ("timeout", "a whole number of seconds from 1 to 432000"),
    ("onTimeout", "rollback or continue"),
];

/// A day.
const DEFAULT_TIMEOUT: u32 = 86_400;

/// Five days; longer ones would outgrow an execution's history.
const LONGEST: u32 = 432_000;

impl Reader<'_> {
    /// The pauses, in the order of a deployment.
    pub(super) fn pauses(&mut self) -> Vec<Pause> {
        let read = |fields: &mut Fields<'_>| {
            let at = fields.required("at", |value| {
                let point = Point::parse(value.as_str()?)?;
                Point::OF_PAUSES.contains(&point).then_some(point)
            });
            let timeout = fields.optional("timeout", |value| whole(value, 1, LONGEST));
            let on_timeout =
                fields.optional("onTimeout", |value| OnTimeout::parse(value.as_str()?));
            Some(Pause {
                at: at?,
                timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
                on_timeout: on_timeout.unwrap_or(OnTimeout::Rollback),
            })
        };
        let pauses = self
            .own()
            .objects("pauses", Point::OF_PAUSES.len(), PAUSES_FIELDS, read);
        for (number, pause) in pauses.iter().enumerate() {
            if pauses[..number].iter().any(|before| before.at == pause.at) {
                let given = json!(pause.at.as_str());
                let allowed = "each point once".to_owned();
                let field = format!("pauses[{number}].at");
                self.problems.push(problem(&field, Some(&given), allowed));
            }
        }
        let in_order = Point::OF_PAUSES.iter();
        let at = |point: &Point| pauses.iter().find(|pause| pause.at == *point).copied();
        in_order.filter_map(at).collect()
    }
}

/// The field `pauses` that reads as these.
pub(super) fn to_json(pauses: &[Pause]) -> Value {
    if pauses.is_empty() {
        return Value::Null;
    }
    let entries = pauses.iter().map(|pause| {
        json!({
            "at": pause.at.as_str(),
            "timeout": pause.timeout,
            "onTimeout": pause.on_timeout.as_str(),
        })
    });
    entries.collect()
}
