//! Whether a pace and its times fit the tasks, and what the drain is planned to do.

use crate::counted::counted;
use crate::drain::budget;
use crate::drain::deregistration::Deregistration;
use crate::drain::pace::{Budget, OnDeadline, Pace};
use crate::drain::plan::{self, Plan};
use crate::drain::{self, Schedule};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::World;

fn schedule(pace: &Pace, tasks: u32, deregistration: Deregistration) -> Schedule {
    Schedule::new(tasks, pace, drain::MOST_STEPS, deregistration)
}

/// The pace of a request, with what CloudWatch says of the connections where the input says nothing.
pub(super) fn pace_of(request: &Request, world: &World, tasks: u32) -> Pace {
    let connections = world.flows.connections_per_task(tasks, world.now);
    request.drain.pace.counted(connections)
}

/// Refuses a `drainTimeout` that the steps cannot keep, and a budget's deadline that leaves no time
/// for a step.
pub(super) fn check_drain(
    request: &Request,
    tasks: u32,
    deregistration: Deregistration,
) -> Result<(), Refusal> {
    let pace = &request.drain.pace;
    if let Some(budget) = pace.budget() {
        let least = budget::tail(deregistration).saturating_add(60);
        if budget.deadline < least {
            return Err(Refusal::preflight(
                format!(
                    "drain.deadline is {} s, but a target takes up to {} s to be deregistered, and the last task leaves {} s after its step.",
                    budget.deadline,
                    deregistration.most,
                    budget::tail(deregistration)
                ),
                format!("Give at least {least} in drain.deadline."),
            ));
        }
    }
    let schedule = schedule(pace, tasks, deregistration);
    let least = schedule.least_seconds(deregistration);
    match request.drain_timeout {
        Some(timeout) if timeout < least && pace.budget().is_some() => Err(Refusal::preflight(
            format!("drainTimeout is {timeout} s, but the budget of the drain may take {least} s."),
            format!("Give at least {least} in drainTimeout, or leave it out."),
        )),
        Some(timeout) if timeout < least => Err(Refusal::preflight(
            format!(
                "drainTimeout is {timeout} s, but {} over {} s, a deregistration delay of {} s and the longest stop timeout take {least} s.",
                counted(schedule.steps(), "step"),
                schedule.at(schedule.steps()),
                deregistration.delay,
            ),
            format!("Give at least {least} in drainTimeout, or leave it out."),
        )),
        Some(_) | None => Ok(()),
    }
}

/// What the drain of so many tasks is planned to do, as a sentence.
pub fn planned(pace: &Pace, tasks: u32, deregistration: Deregistration) -> String {
    if tasks == 0 {
        return "there is nothing to drain".to_owned();
    }
    let schedule = schedule(pace, tasks, deregistration);
    let steps = schedule.steps();
    let over = schedule.at(steps);
    match pace {
        Pace::Percent { every, .. } | Pace::Tasks { every, .. } => {
            format!(
                "the original drains in {}, {every} s apart",
                counted(steps, "step")
            )
        }
        Pace::Within { .. } => {
            format!(
                "the original drains in {} over {over} s",
                counted(steps, "step")
            )
        }
        Pace::Budget(budget) => {
            let plan = Plan::of(pace, tasks, deregistration);
            format!(
                "the original drains in about {} over {} s, at {} new connections a second at most, averaged over a minute{}",
                counted(plan.steps.len(), "step"),
                plan.seconds(),
                budget.reconnects,
                unkept(budget, tasks, deregistration)
                    .map_or_else(String::new, |unkept| format!("; its {unkept}"))
            )
        }
    }
}

/// What to expect where budget and deadline cannot both be kept, and what would do.
pub fn unkept(budget: &Budget, tasks: u32, deregistration: Deregistration) -> Option<String> {
    let (least, deadline) = plan::deadlines(budget, tasks, deregistration)?;
    if least <= budget.deadline {
        return None;
    }
    let would_do = match plan::ample_budget(budget, tasks, deregistration) {
        Some(reconnects) => {
            format!("{reconnects} new connections a second would do, or {deadline} s")
        }
        None => format!("no budget would do; {deadline} s would"),
    };
    let then = match budget.on_deadline {
        OnDeadline::Finish => {
            let of_a_task = budget.connections_per_task? / 60.0;
            let plan = Plan::of(&Pace::Budget(budget.clone()), tasks, deregistration);
            let most = f64::from(plan.most_in_a_minute(deregistration));
            format!(
                "the deadline binds: a minute may have {:.0} new connections a second, {:.0} more than the budget and one task's",
                most * of_a_task,
                ((most - 1.0) * of_a_task - budget.reconnects).max(0.0)
            )
        }
        OnDeadline::Stop => "it stops at the deadline".to_owned(),
    };
    Some(format!(
        "budget cannot be kept by its deadline of {} s, and {then} ({would_do})",
        budget.deadline
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behind a Network Load Balancer whose own time does not count.
    const EVEN: Deregistration = Deregistration {
        delay: 300,
        least: 300,
        most: 300,
    };

    fn budget(reconnects: f64, deadline: u32, on_deadline: OnDeadline) -> Pace {
        Pace::Budget(Budget {
            reconnects,
            connections_per_task: Some(2_500.0),
            deadline,
            on_deadline,
        })
    }

    #[test]
    fn the_plan_says_beforehand_that_a_budget_cannot_be_kept() {
        let kept = planned(&budget(500.0, 3_600, OnDeadline::Finish), 40, EVEN);
        assert_eq!(
            kept,
            "the original drains in about 40 steps over 273 s, at 500 new connections a second at most, averaged over a minute"
        );
        let unkept = planned(&budget(20.0, 3_600, OnDeadline::Finish), 40, EVEN);
        assert!(unkept.contains("the deadline binds"), "{unkept}");
        // What it says would do, does.
        assert!(
            unkept.contains("(61 new connections a second would do, or 9806 s)"),
            "{unkept}"
        );
        assert!(!planned(&budget(61.0, 3_600, OnDeadline::Finish), 40, EVEN).contains("binds"));
        let stops = planned(&budget(20.0, 7_000, OnDeadline::Stop), 40, EVEN);
        assert!(stops.contains("it stops at the deadline"), "{stops}");
    }

    #[test]
    fn a_pace_in_a_time_is_told_with_its_steps() {
        assert_eq!(
            planned(&Pace::Within { seconds: 600 }, 4, EVEN),
            "the original drains in 4 steps over 600 s"
        );
    }
}
