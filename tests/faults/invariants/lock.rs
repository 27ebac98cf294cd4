//! The lock's item from one call to the next.

use std::collections::BTreeMap;

use ebbtide_simulator::world::{AttributeValue, Item, World};

use super::LOCK_TABLE;
use crate::scenarios::{CLUSTER, SERVICE};

/// S6: one invocation is inside at a time, and nothing that was abandoned comes in after it.
pub(super) fn one_inside(before: &World, after: &World) -> Option<String> {
    let (was, is) = (Held::of(before)?, Held::of(after)?);
    if was == is {
        return None;
    }
    let is_quiet = was.busy_until < after.epoch_ms();
    if was.busy_by.is_some() && is.busy_by.is_some() && was.busy_by != is.busy_by && !is_quiet {
        return Some(format!(
            "S6: {:?} enters while {:?} may be inside",
            is.busy_by, was.busy_by
        ));
    }
    let hands_change = is.owner.is_some() && was.owner != is.owner;
    if hands_change && !is_quiet {
        return Some(format!(
            "S6: {:?} takes over while something may still be written",
            is.owner
        ));
    }
    if hands_change && was.fence == is.fence {
        return Some(format!(
            "S6: {:?} takes over under the same fence",
            is.owner
        ));
    }
    if is.owner.is_some() && was.owner == is.owner && was.fence != is.fence {
        return Some(format!(
            "S6: {:?} takes its own lock back under another fence",
            is.owner
        ));
    }
    if !hands_change && is.turn < was.turn {
        return Some(format!(
            "S6: turn {} comes after turn {}",
            is.turn, was.turn
        ));
    }
    None
}

pub(super) fn lock_item(world: &World) -> Option<&Item> {
    let table = world.table(LOCK_TABLE)?;
    table.item(&format!("{CLUSTER}/{SERVICE}"))
}

/// S6: commands in a lock are for its owner and its fence, and none comes after a later one.
pub(super) fn commands(before: &World, after: &World) -> Option<String> {
    let item = lock_item(after)?;
    let (owner, panel) = (item.get("owner")?, panel(item)?);
    let (fence, number) = (panel.get("fence"), panel.get("number"));
    if panel.get("owner") != Some(owner) || fence != item.get("fence") {
        let of = panel.get("owner");
        return Some(format!(
            "S6: a command of {of:?} is in the lock of {owner:?}"
        ));
    }
    let was = lock_item(before).and_then(|item| self::panel(item))?;
    let count = |number: Option<&AttributeValue>| number.and_then(AttributeValue::as_n);
    let falls = was.get("fence") == fence && count(number) < count(was.get("number"));
    falls.then(|| format!("S6: command {number:?} comes after {:?}", was.get("number")))
}

/// The place for commands.
fn panel(item: &Item) -> Option<&BTreeMap<String, AttributeValue>> {
    match item.get("command")? {
        AttributeValue::M(panel) => Some(panel),
        _ => None,
    }
}

/// What an item says of who may write.
#[derive(Debug, PartialEq)]
struct Held {
    owner: Option<String>,
    fence: i128,
    turn: i128,
    busy_by: Option<String>,
    busy_until: u64,
}

impl Held {
    fn of(world: &World) -> Option<Self> {
        let item = lock_item(world)?;
        let text = |name: &str| item.get(name)?.as_s().map(str::to_owned);
        let number = |name: &str| item.get(name).and_then(AttributeValue::as_n).unwrap_or(0);
        Some(Self {
            owner: text("owner"),
            fence: number("fence"),
            turn: number("turn"),
            busy_by: text("busyBy"),
            busy_until: u64::try_from(number("busyUntil")).unwrap_or(u64::MAX),
        })
    }
}
