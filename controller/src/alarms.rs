//! CloudWatch alarms that the request names: what they keep a deployment from.

use crate::deployment::Plan;
use crate::reason::Blocker;
use crate::refusal::{ErrorName, Refusal};
use crate::world::{Alarm, AlarmState, World};

/// Whether no alarm that the request names is in `ALARM`.
///
/// A name that CloudWatch does not know is refused as well, while nothing has moved: it could never alarm.
pub(crate) fn quiet(world: &World, plan: &Plan) -> Result<(), Refusal> {
    none_raised(world)?;
    let Some(name) = unknown(world, plan).next() else {
        return Ok(());
    };
    Err(Refusal::preflight(
        format!("alarms: CloudWatch has no alarm {name} in this account and region."),
        "Look them up: aws cloudwatch describe-alarms",
    ))
}

/// Whether no alarm that was read is in `ALARM`.
pub(crate) fn none_raised(world: &World) -> Result<(), Refusal> {
    let mut alarms = world.alarms.iter();
    let Some(Alarm { name, .. }) = alarms.find(|alarm| alarm.state == AlarmState::Alarm) else {
        return Ok(());
    };
    Err(Refusal::new(
        ErrorName::AlarmRaised,
        format!("CloudWatch alarm {name} is in ALARM."),
        "Find out why before the next deployment, or remove it from alarms.",
    ))
}

/// Alarms that the request names and CloudWatch does not know.
pub(crate) fn unknown<'a>(world: &World, plan: &'a Plan) -> impl Iterator<Item = &'a String> {
    let known = |name: &String| world.alarms.iter().any(|alarm| alarm.name == *name);
    plan.request.alarms.iter().filter(move |name| !known(name))
}

/// An alarm in a state that CloudWatch did not have when this was written. Alarms are read anew
/// before every step.
pub(crate) fn unreadable(world: &World, plan: &Plan) -> Option<Blocker> {
    let mut alarms = world.alarms.iter();
    alarms.find_map(|alarm| match &alarm.state {
        AlarmState::Unknown(state) if plan.goes_forward() => Some(Blocker::AlarmState {
            alarm: alarm.name.clone(),
            state: state.clone(),
        }),
        _ => None,
    })
}
