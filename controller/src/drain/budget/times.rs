//! How long a drain by a budget takes: planned, at least, at most.

use super::{Steps, whole};
use crate::drain;
use crate::drain::deregistration::Deregistration;
use crate::drain::pace::{Budget, OnDeadline};

/// Seconds from a step to the last reconnects it causes: its targets' deregistration, and then the
/// task's stop timeout, 120 s at most on Fargate.
pub fn tail(deregistration: Deregistration) -> u32 {
    deregistration.most.saturating_add(120)
}

/// The least deadline that a budget may have: within less than a minute are no steps.
pub fn least_deadline(deregistration: Deregistration) -> u32 {
    tail(deregistration).saturating_add(60)
}

/// Seconds from the first step until the last one is due, if the original is to run no task at the
/// deadline.
pub fn last_step(budget: &Budget, deregistration: Deregistration) -> u32 {
    budget.deadline.saturating_sub(tail(deregistration))
}

/// Seconds that a drain may take in all: one that finishes and was held for long goes twice as fast as
/// evenly from then on, and is late by half of its steps' time at most.
pub fn latest_end(budget: &Budget, deregistration: Deregistration) -> u32 {
    match budget.on_deadline {
        OnDeadline::Finish => budget
            .deadline
            .saturating_add(last_step(budget, deregistration) / 2),
        OnDeadline::Stop => budget.deadline.saturating_add(GRACE),
    }
}

/// Seconds for which a drain that stops at its deadline may be late.
pub const GRACE: u32 = 120;

/// Seconds until the effect of a step is in CloudWatch.
pub fn dead_time(deregistration: Deregistration) -> u32 {
    const MINUTES: u32 = 120;
    tail(deregistration).saturating_add(MINUTES)
}

/// Seconds that the steps of a drain of `tasks` tasks are planned to take, from the first to the
/// last: as long as the budget asks for, and where that is longer than there is time, as long as
/// there is time, unless the drain is to stop at its deadline. Without a number of connections the
/// whole time is used.
pub fn seconds(budget: &Budget, tasks: u32, deregistration: Deregistration) -> u32 {
    let available = last_step(budget, deregistration);
    let Some(asked) = asked(budget, tasks, deregistration) else {
        return available;
    };
    match budget.on_deadline {
        OnDeadline::Finish => asked.min(available),
        OnDeadline::Stop => asked,
    }
}

/// Seconds from the first step to the last that keep to the budget; `None` where connections are not
/// known.
fn asked(budget: &Budget, tasks: u32, deregistration: Deregistration) -> Option<u32> {
    let grain = tasks.div_ceil(drain::MOST_STEPS).max(1);
    let connections = budget.connections_per_task;
    let steps = Steps::sustainable(budget, connections, deregistration, grain)?;
    let pauses = tasks.div_ceil(steps.tasks).saturating_sub(1);
    Some(whole(
        (f64::from(pauses) * steps.pause.max(steps.least)).ceil(),
    ))
}

/// The least budget, in whole new connections a second, whose planned pace keeps to a deadline; `None`
/// where connections are not known, or no budget does.
pub fn least_budget(budget: &Budget, tasks: u32, deregistration: Deregistration) -> Option<u64> {
    let available = last_step(budget, deregistration);
    super::least(budget, tasks, |other| {
        asked(other, tasks, deregistration).is_some_and(|asked| asked <= available)
    })
}
