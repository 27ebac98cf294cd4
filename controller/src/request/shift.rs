//! Reading the steps in which production traffic moves.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::reader::{LONGEST_PHASE, Reader, problem};
use super::values::whole;
use crate::shift::{Shift, Step, Wanted};

/// The fields of `shift`, with what each allows. The tables of docs/input.md are checked against it.
pub const SHIFT_FIELDS: &[(&str, &str)] = &[
    (
        "percent",
        "a whole number of percent of new connections from 1 to 99",
    ),
    (
        "every",
        "a whole number of seconds from 1 to 86400, with percent and without for",
    ),
    (
        "for",
        "a whole number of seconds from 1 to 86400, with percent and without every",
    ),
    (
        "steps",
        "a list of 1 to 20 objects with percent, for or connections, and where needed within; percent rises from each to the next",
    ),
];

/// The fields of an entry of `shift.steps`, likewise.
pub const STEPS_FIELDS: &[(&str, &str)] = &[
    (
        "percent",
        "a whole number of percent of new connections from 1 to 99, more than in the step before",
    ),
    (
        "for",
        "a whole number of seconds from 1 to 86400, required without connections",
    ),
    (
        "connections",
        "a whole number of new connections from 1 to 1000000000",
    ),
    (
        "within",
        "a whole number of seconds from 300 to 86400, with connections, and at least for",
    ),
];

/// Steps of a list, at most.
const MOST: usize = 20;

/// Seconds after which CloudWatch has a whole minute of the step: the one in which it began does not count, and values
/// come up to two minutes late.
const SHORTEST_WITHIN: u32 = 300;

/// New connections arrive while clients do: an hour sees those of a quiet service, too.
const DEFAULT_WITHIN: u32 = 3_600;

impl Reader<'_> {
    /// The steps in which production traffic moves.
    pub(super) fn shift(&mut self) -> Option<Shift> {
        let shift = self.object("shift.", SHIFT_FIELDS)?.shift();
        let is_replaced = self.fields.get("swapMode") == Some(&json!("replace"));
        if is_replaced {
            let given = self.fields.get("swapMode");
            let allowed = "weighted, with shift".to_owned();
            self.problems.push(problem("swapMode", given, allowed));
        }
        shift
    }
}

impl Fields<'_> {
    fn shift(&mut self) -> Option<Shift> {
        if self.one_of(&["percent", "steps"], "without percent and steps")? == "steps" {
            for field in ["every", "for"] {
                if let Some(given) = self.given.get(field) {
                    let allowed = "only with percent".to_owned();
                    let field = format!("shift.{field}");
                    self.problems.push(problem(&field, Some(given), allowed));
                }
            }
            return self.steps().map(Shift::Steps);
        }
        let way = self.one_of(&["every", "for"], "without every and for")?;
        let percent = self.required("percent", percent);
        let seconds = self.required(way, |value| whole(value, 1, LONGEST_PHASE));
        let (percent, seconds) = (percent?, seconds?);
        Some(match way {
            "every" => Shift::Linear {
                percent,
                every: seconds,
            },
            _ => Shift::Steps(vec![Step {
                percent,
                seconds,
                wanted: None,
            }]),
        })
    }

    fn steps(&mut self) -> Option<Vec<Step>> {
        let before = self.problems.len();
        let steps = self.objects("steps", MOST, STEPS_FIELDS, step);
        if self.problems.len() > before {
            return None;
        }
        if steps.is_empty() {
            self.refuse("steps");
            return None;
        }
        let pairs = (1..).zip(steps.windows(2));
        for (number, pair) in pairs {
            if let [was, is] = pair
                && is.percent <= was.percent
            {
                let field = format!("shift.steps[{number}].percent");
                let allowed = format!("more than {} in the step before, at most 99", was.percent);
                let given = json!(is.percent);
                self.problems.push(problem(&field, Some(&given), allowed));
            }
        }
        Some(steps)
    }
}

fn step(fields: &mut Fields<'_>) -> Option<Step> {
    let percent = fields.required("percent", percent);
    let connections = fields.optional("connections", |value| whole(value, 1, 1_000_000_000));
    let seconds = if fields.given.contains_key("connections") {
        fields.optional("for", |value| whole(value, 1, LONGEST_PHASE))
    } else {
        fields.required("for", |value| whole(value, 1, LONGEST_PHASE))
    };
    let seconds = seconds.unwrap_or(0);
    let within = fields.optional("within", |value| {
        whole(value, seconds.max(SHORTEST_WITHIN), LONGEST_PHASE)
    });
    if !fields.given.contains_key("connections") && fields.given.contains_key("within") {
        fields.refuse("within");
    }
    Some(Step {
        percent: percent?,
        seconds,
        wanted: connections.map(|connections| Wanted {
            connections,
            within: within.unwrap_or(DEFAULT_WITHIN.max(seconds)),
        }),
    })
}

fn percent(value: &Value) -> Option<u32> {
    whole(value, 1, 99)
}

/// The field `shift` that reads as this.
pub(super) fn to_json(shift: &Shift) -> Value {
    match shift {
        Shift::Linear { percent, every } => json!({"percent": percent, "every": every}),
        Shift::Steps(steps) => json!({"steps": steps.iter().map(step_to_json).collect::<Vec<_>>()}),
    }
}

fn step_to_json(step: &Step) -> Value {
    let mut fields = Map::new();
    fields.insert("percent".to_owned(), json!(step.percent));
    if step.seconds > 0 {
        fields.insert("for".to_owned(), json!(step.seconds));
    }
    if let Some(Wanted {
        connections,
        within,
    }) = step.wanted
    {
        fields.insert("connections".to_owned(), json!(connections));
        fields.insert("within".to_owned(), json!(within));
    }
    Value::Object(fields)
}
