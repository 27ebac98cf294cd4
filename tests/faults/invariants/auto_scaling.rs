//! S20: what is suspended of the service's scalable target.

use ebbtide_simulator::world::{ScalableTarget, World};

use super::lock::lock_item;
use crate::scenarios::{CLUSTER, SERVICE};

pub(super) fn target(world: &World) -> Option<ScalableTarget> {
    let target = world.scalable_target(&format!("service/{CLUSTER}/{SERVICE}"));
    target.cloned()
}

/// Whether the lock's item keeps that a deployment has suspended scale-in.
pub(super) fn is_recorded(world: &World) -> bool {
    lock_item(world).is_some_and(|item| item.get("scaleInHeld").is_some())
}

/// Scale-in is suspended as it was at first, or is suspended and the lock's item says by whom; the rest stays.
pub(super) fn changed(world: &World, first: Option<&ScalableTarget>) -> Option<String> {
    let (was, mut is) = (first?, target(world)?);
    let held = is.suspended.dynamic_scaling_in_suspended;
    if held != was.suspended.dynamic_scaling_in_suspended {
        if !held {
            return Some("S20: scale-in that a person has suspended is resumed".to_owned());
        }
        if !is_recorded(world) {
            return Some(
                "S20: scale-in is suspended, and the lock's item says not by whom".to_owned(),
            );
        }
        is.suspended.dynamic_scaling_in_suspended = false;
    }
    (is != *was).then(|| format!("S20: the scalable target was {was:?} and is {is:?}"))
}
