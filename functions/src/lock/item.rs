//! The lock's item as it is in the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ebbtide_controller::auto_scaling::Hold;
use ebbtide_controller::lock::{ENDS, End, Item};
use ebbtide_controller::phase::{Phase, To};
use ebbtide_controller::point::Point;
use ebbtide_controller::quote::quote;

use crate::operator;

/// An item as it was read. What is missing or of another type is as if it had never been
/// written: the conditions decide, not what is read.
pub(crate) fn item(attributes: &HashMap<String, AttributeValue>) -> Item {
    let string = |name: &str| attributes.get(name).and_then(|value| value.as_s().ok());
    let count = |name: &str| {
        let value = attributes.get(name).and_then(|value| value.as_n().ok());
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    let ends = attributes.get("ends").and_then(|ends| ends.as_l().ok());
    Item {
        owner: string("owner").cloned().map(Into::into),
        fence: count("fence"),
        newest: count("newest"),
        rev: count("rev"),
        turn: count("turn"),
        busy_by: string("busyBy").cloned(),
        busy_until: count("busyUntil"),
        phase: string("phase").and_then(|name| Phase::parse(name)),
        plan: string("plan").cloned(),
        reason: string("reason").map(|text| quote(text)).unwrap_or_default(),
        ends: ends.into_iter().flatten().filter_map(end).collect(),
        panel: attributes.get("command").and_then(operator::panel),
        answered: attributes.get("answered").and_then(operator::answered),
        waits: string("waits").and_then(|name| Point::parse(name)),
        hold: attributes.get(HOLD).and_then(read_hold),
    }
}

/// The attribute that says that scale-in is held.
pub(super) const HOLD: &str = "scaleInHeld";

pub(super) fn hold(hold: &Hold) -> AttributeValue {
    AttributeValue::M(HashMap::from([
        ("since".to_owned(), number(hold.since)),
        ("by".to_owned(), text(hold.by.as_str())),
    ]))
}

fn read_hold(kept: &AttributeValue) -> Option<Hold> {
    let kept = kept.as_m().ok()?;
    Some(Hold {
        since: kept.get("since")?.as_n().ok()?.parse().ok()?,
        by: kept.get("by")?.as_s().ok()?.as_str().into(),
    })
}

/// An end is kept as the name of the state, the execution's start and its ARN.
fn end(kept: &AttributeValue) -> Option<End> {
    let (to, rest) = kept.as_s().ok()?.split_once(' ')?;
    let (started, execution) = rest.split_once(' ')?;
    Some(End {
        execution: execution.into(),
        started: started.parse().ok()?,
        to: To::parse(to)?,
    })
}

pub(super) fn ends(newest: &End, before: &[End]) -> AttributeValue {
    let kept = std::iter::once(newest).chain(before).take(ENDS);
    AttributeValue::L(
        kept.map(|end| text(format!("{} {} {}", end.to, end.started, end.execution)))
            .collect(),
    )
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_survive_the_table_and_only_the_newest_are_kept() {
        let before: Vec<_> = (0..4)
            .map(|number| End {
                execution: format!("arn:{number}").into(),
                started: number,
                to: To::DeploymentFailed,
            })
            .collect();
        let newest = End {
            execution: "arn:new".into(),
            started: 4,
            to: To::DeploymentSucceeded,
        };
        let kept = ends(&newest, &before);
        let attributes = HashMap::from([("ends".to_owned(), kept)]);
        let read = item(&attributes).ends;
        assert_eq!(read.len(), ENDS);
        assert_eq!(read[0], newest);
        assert_eq!(read[1..], before[..2]);
    }

    #[test]
    fn a_hold_survives_the_table() {
        let kept = Hold {
            since: 7,
            by: "arn:me".into(),
        };
        let attributes = HashMap::from([(HOLD.to_owned(), hold(&kept))]);
        assert_eq!(item(&attributes).hold, Some(kept));
    }

    #[test]
    fn an_item_of_another_form_is_read_as_far_as_it_goes() {
        let attributes = HashMap::from([
            ("owner".to_owned(), AttributeValue::Bool(true)),
            ("rev".to_owned(), AttributeValue::N("twelve".to_owned())),
            ("phase".to_owned(), text("dance")),
        ]);
        assert_eq!(item(&attributes), Item::default());
    }
}
