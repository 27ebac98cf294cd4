//! Reading which functions a deployment calls, and where.

use serde_json::{Value, json};

use super::fields::Fields;
use super::reader::Reader;
use super::values::whole;
use crate::arn::{Arn, Home};
use crate::hooks::{Hook, MOST_DETAILS};
use crate::pauses::OnTimeout;
use crate::point::{Point, STAGES};

/// The fields of an entry of `hooks`, with what each allows. The tables of docs/input.md are checked against it.
pub const HOOKS_FIELDS: &[(&str, &str)] = &[
    (
        "at",
        "beforeCreate, afterHealthy, testTraffic, beforeSwap, eachShift, afterSwap, beforeDrain, eachStep, afterDrain, afterRollback, or a lifecycle stage of ECS",
    ),
    (
        "lambda",
        "the ARN of a Lambda function of this region, with or without a version or an alias",
    ),
    ("details", "an object of at most 4096 bytes"),
    ("timeout", "a whole number of seconds from 1 to 86400"),
    ("onTimeout", "rollback or continue"),
];

/// Half an hour: with it, a hook is called again as soon as ECS would.
const DEFAULT_TIMEOUT: u32 = 1_800;

/// A day.
const LONGEST: u32 = 86_400;

/// Hooks of one deployment, at most.
const MOST: usize = 20;

impl Reader<'_> {
    /// The hooks, in the order of a deployment; those at one point as the input has them.
    pub(super) fn hooks(&mut self) -> Vec<Hook> {
        let home = self.home.clone();
        let read = |fields: &mut Fields<'_>| {
            let at = fields.required("at", |value| place(value.as_str()?));
            let lambda = fields.required("lambda", |value| {
                let arn = value.as_str()?;
                is_function(arn, &home).then(|| arn.to_owned())
            });
            let details = fields.optional("details", |value| {
                let details = value.as_object()?;
                (value.to_string().len() <= MOST_DETAILS).then(|| details.clone())
            });
            let timeout = fields.optional("timeout", |value| whole(value, 1, LONGEST));
            let on_timeout =
                fields.optional("onTimeout", |value| OnTimeout::parse(value.as_str()?));
            let (at, stage) = at?;
            Some(Hook {
                at,
                stage,
                lambda: lambda?,
                details: details.unwrap_or_default(),
                timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
                on_timeout: on_timeout.unwrap_or(OnTimeout::Rollback),
            })
        };
        let hooks = self.own().objects("hooks", MOST, HOOKS_FIELDS, read);
        let at = |point: Point| hooks.iter().filter(move |hook| hook.at == point).cloned();
        Point::ALL.into_iter().flat_map(at).collect()
    }
}

/// A point by its own name or by that of a stage, with the stage that the function gets.
fn place(name: &str) -> Option<(Point, &'static str)> {
    if let Some(point) = Point::parse(name) {
        return Some((point, point.stage()));
    }
    let stage = STAGES.iter().find(|(stage, _)| *stage == name);
    stage.map(|(stage, point)| (*point, *stage))
}

fn is_function(text: &str, home: &Home) -> bool {
    let Some(arn) = Arn::parse(text) else {
        return false;
    };
    let name = arn.resource.strip_prefix("function:").unwrap_or_default();
    let part = |part: &str, most: usize| {
        let right = |c: char| c.is_ascii_alphanumeric() || "-_$".contains(c);
        (1..=most).contains(&part.len()) && part.chars().all(right)
    };
    // Lengths of names and of aliases (AWS API model).
    let (name, qualifier) = name.split_once(':').unwrap_or((name, "$LATEST"));
    arn.service == "lambda"
        && arn.partition == home.partition
        && arn.region == home.region
        && part(name, 64)
        && part(qualifier, 128)
}

/// The field `hooks` that reads as these.
pub(super) fn to_json(hooks: &[Hook]) -> Value {
    if hooks.is_empty() {
        return Value::Null;
    }
    let entries = hooks.iter().map(|hook| {
        let at = if hook.stage == hook.at.stage() {
            hook.at.as_str()
        } else {
            hook.stage
        };
        json!({
            "at": at,
            "lambda": hook.lambda,
            "details": hook.details,
            "timeout": hook.timeout,
            "onTimeout": hook.on_timeout.as_str(),
        })
    });
    entries.collect()
}
