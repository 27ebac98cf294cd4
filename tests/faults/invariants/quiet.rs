//! S21: the window of a deployment.

use ebbtide_simulator::world::World;
use serde_json::Value;

use super::{LATE_WRITES_MS, Watch, by_arn, living, production, registry};

/// When the window of an input closes and opens, in minutes after midnight in UTC. Berlin is an hour ahead in winter.
pub(super) fn closed(event: &Value) -> Option<(u64, u64)> {
    let at = |field: &str| {
        let (hour, minute) = event["window"][field].as_str()?.split_once(':')?;
        let minutes = hour.parse::<u64>().ok()? * 60 + minute.parse::<u64>().ok()?;
        Some(minutes - 60)
    };
    Some((at("to")?, at("from")?))
}

impl Watch {
    /// S21: no traffic moves forward and no step of a drain is made while the window is closed. What was decided before
    /// may land a little later.
    pub(super) fn out_of_hours(&self, before: &World, after: &World) -> Option<String> {
        let (closes, opens) = self.closed?;
        let of_day = after.epoch_ms() % (24 * 3_600_000);
        let is_closed = of_day >= closes * 60_000 + LATE_WRITES_MS && of_day < opens * 60_000;
        if self.rolling_back || !is_closed {
            return None;
        }
        let moved = production(after)
            .any(|route| by_arn(before, route.arn()).is_some_and(|was| was.live() != route.live()));
        let primary = |world| registry::serving(world).map(|set| set.id.clone());
        let lowered = living(before).find(|was| {
            let is = after.task_set(&was.id);
            is.is_some_and(|is| is.scale < was.scale)
        });
        if moved || primary(before) != primary(after) {
            return Some("S21: traffic moves while the window is closed".to_owned());
        }
        let id = &lowered?.id;
        Some(format!(
            "S21: {id} is scaled down while the window is closed"
        ))
    }
}
