//! How long a drain by a budget takes: planned, at least, at most.

use super::{HEADROOM, bearable, whole};
use crate::drain::pace::{Budget, OnDeadline};

/// Seconds from a step to the last reconnects it causes: an NLB takes 3 to 5 minutes to deregister
/// a target (AWS support), or as long as its deregistration delay; then the task has its stop
/// timeout, 120 s at most on Fargate.
pub fn tail(deregistration_delay: u32) -> u32 {
    deregistration_delay.max(300).saturating_add(120)
}

/// Seconds from the first step until the last one is due, if the original is to run no task at the
/// deadline.
pub fn last_step(budget: &Budget, deregistration_delay: u32) -> u32 {
    budget.deadline.saturating_sub(tail(deregistration_delay))
}

/// Seconds that a drain may take in all: one that finishes and was held for long goes twice as fast as
/// evenly from then on, and is late by half of its steps' time at most.
pub fn latest_end(budget: &Budget, deregistration_delay: u32) -> u32 {
    match budget.on_deadline {
        OnDeadline::Finish => budget
            .deadline
            .saturating_add(last_step(budget, deregistration_delay) / 2),
        OnDeadline::Stop => budget.deadline.saturating_add(GRACE),
    }
}

/// Seconds for which a drain that stops at its deadline may be late.
pub const GRACE: u32 = 120;

/// Seconds until the effect of a step is in CloudWatch.
pub fn dead_time(deregistration_delay: u32) -> u32 {
    const MINUTES: u32 = 120;
    tail(deregistration_delay).saturating_add(MINUTES)
}

/// Seconds that the steps of a drain of `tasks` tasks are planned to take, from the first to the
/// last: as long as the budget asks for, and where that is longer than there is time, as long as
/// there is time, unless the drain is to stop at its deadline. Without a number of connections the
/// whole time is used.
pub fn seconds(budget: &Budget, tasks: u32, deregistration_delay: u32) -> u32 {
    let available = last_step(budget, deregistration_delay);
    let Some(rate) = bearable(budget, budget.connections_per_task) else {
        return available;
    };
    let asked = whole(f64::from(tasks.saturating_sub(1)) / rate);
    match budget.on_deadline {
        OnDeadline::Finish => asked.min(available),
        OnDeadline::Stop => asked,
    }
}

/// The least deadline that a budget can be kept with, in seconds; `None` where connections are not
/// known.
pub fn least_deadline(budget: &Budget, tasks: u32, deregistration_delay: u32) -> Option<u32> {
    let rate = bearable(budget, budget.connections_per_task)?;
    let asked = whole((f64::from(tasks.saturating_sub(1)) / rate).ceil());
    Some(asked.saturating_add(tail(deregistration_delay)))
}

/// The least budget, in new connections a second, with whose planned pace a deadline is kept.
pub fn least_budget(budget: &Budget, tasks: u32, deregistration_delay: u32) -> Option<f64> {
    let seconds = last_step(budget, deregistration_delay);
    Some(rate_over(budget, tasks, seconds)?.ceil())
}

/// The budget that is planned to cut all connections in so many seconds.
fn rate_over(budget: &Budget, tasks: u32, seconds: u32) -> Option<f64> {
    let connections = budget.connections_per_task?;
    let tasks_a_second = f64::from(tasks.saturating_sub(1)) / f64::from(seconds.max(1));
    Some(tasks_a_second * connections / HEADROOM)
}
