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
        let least = budget::least_deadline(deregistration);
        if budget.deadline < least {
            let keeps = plan::deadlines(budget, tasks, deregistration);
            let keeps = keeps.map(|(_, ample)| ample).filter(|ample| *ample > least);
            return Err(Refusal::preflight(
                format!(
                    "drain.deadline is {} s, but a target takes up to {} s to be deregistered, and the last task leaves {} s after its step.",
                    budget.deadline,
                    deregistration.most,
                    budget::tail(deregistration)
                ),
                match keeps {
                    Some(keeps) => format!(
                        "Set drain.deadline to at least {least}, or to {keeps} to keep the budget."
                    ),
                    None => format!("Set drain.deadline to at least {least}."),
                },
            ));
        }
    }
    let schedule = schedule(pace, tasks, deregistration);
    let least = schedule.least_seconds(deregistration);
    match request.drain_timeout {
        Some(timeout) if timeout < least && pace.budget().is_some() => Err(Refusal::preflight(
            format!("drainTimeout is {timeout} s, but the budget of the drain may take {least} s."),
            format!("Set drainTimeout to at least {least}, or omit it."),
        )),
        Some(timeout) if timeout < least => Err(Refusal::preflight(
            format!(
                "drainTimeout is {timeout} s, but {} over {} s, a deregistration delay of {} s and the longest stop timeout take {least} s.",
                counted(schedule.steps(), "step"),
                schedule.at(schedule.steps()),
                deregistration.delay,
            ),
            format!("Set drainTimeout to at least {least}, or omit it."),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The planned drain of a number of tasks, as a sentence.
pub fn planned(pace: &Pace, tasks: u32, deregistration: Deregistration) -> String {
    if tasks == 0 {
        return "there is nothing to drain".to_owned();
    }
    let schedule = schedule(pace, tasks, deregistration);
    let last = schedule.at(schedule.steps());
    let steps = counted(schedule.steps(), "step");
    match pace {
        Pace::Percent { .. } | Pace::Tasks { .. } | Pace::Within { .. }
            if schedule.steps() == 1 =>
        {
            format!("the original drains in {steps}")
        }
        Pace::Percent { every, .. } | Pace::Tasks { every, .. } => {
            format!("the original drains in {steps}, {every} s apart")
        }
        Pace::Within { .. } => format!("the original drains in {steps} over {last} s"),
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

/// What to expect where budget and deadline cannot both be kept, and what would do. Nothing is said of a
/// deadline that is refused, nor where it asks for a faster pace that keeps to the budget all the same.
pub fn unkept(budget: &Budget, tasks: u32, deregistration: Deregistration) -> Option<String> {
    let (least, deadline) = plan::deadlines(budget, tasks, deregistration)?;
    if least <= budget.deadline || budget.deadline < budget::least_deadline(deregistration) {
        return None;
    }
    let would_do = match plan::ample_budget(budget, tasks, deregistration) {
        Some(reconnects) => {
            format!("{reconnects} new connections a second would fit, or {deadline} s")
        }
        None => format!("no budget would fit; {deadline} s would"),
    };
    let plan = Plan::of(&Pace::Budget(budget.clone()), tasks, deregistration);
    let then = match budget.on_deadline {
        OnDeadline::Finish => exceeded(budget, &plan, deregistration)?,
        OnDeadline::Stop => {
            let (stops, left) = match plan.left() {
                0 => (
                    "may stop",
                    left_by_turns(budget, &plan, tasks, deregistration),
                ),
                left => ("stops", left),
            };
            (left > 0).then(|| {
                format!(
                    "rather than exceed it the drain {stops} at the deadline, with {left} of {} left",
                    counted(tasks, "task")
                )
            })?
        }
    };
    Some(format!(
        "budget cannot be kept by its deadline of {} s, and {then} ({would_do})",
        budget.deadline
    ))
}

/// Tasks that are left where a drain that is planned to be done by its deadline loses the time of its turns.
fn left_by_turns(budget: &Budget, plan: &Plan, tasks: u32, deregistration: Deregistration) -> u32 {
    let steps = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
    let earlier = Budget {
        deadline: budget
            .deadline
            .saturating_sub(steps.saturating_mul(plan::TURN)),
        ..budget.clone()
    };
    Plan::of(&Pace::Budget(earlier), tasks, deregistration).left()
}

/// By how much a plan exceeds its budget: in a minute, in which one task more than that may go, or else on
/// average.
fn exceeded(budget: &Budget, plan: &Plan, deregistration: Deregistration) -> Option<String> {
    let of_a_task = budget.connections_per_task?;
    let of_a_minute = f64::from(plan.most_in_a_minute(deregistration)) * of_a_task / 60.0;
    let more = of_a_minute - of_a_task / 60.0 - budget.reconnects;
    if more > NOTHING {
        return Some(format!(
            "the deadline sets the pace: a minute may have {:.0} new connections a second, {:.0} more than the budget and one task's",
            of_a_minute,
            more.ceil()
        ));
    }
    let average = plan.tasks_a_second() * of_a_task;
    let more = average - budget.reconnects;
    (more > NOTHING).then(|| {
        format!(
            "the deadline sets the pace: {:.0} new connections a second on average, {:.0} more than the budget",
            average,
            more.ceil()
        )
    })
}

/// New connections a second that are a rounding error.
const NOTHING: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{EVEN, Scene, budget};

    #[test]
    fn the_plan_says_beforehand_that_a_budget_cannot_be_kept() {
        let of = |reconnects, deadline, on_deadline| {
            let pace = Pace::Budget(budget(reconnects, deadline, on_deadline));
            planned(&pace, 40, EVEN)
        };
        let kept = of(500.0, 3_600, OnDeadline::Finish);
        assert_eq!(
            kept,
            "the original drains in about 40 steps over 273 s, at 500 new connections a second at most, averaged over a minute"
        );
        let unkept = of(20.0, 3_600, OnDeadline::Finish);
        assert!(
            unkept.contains("31 new connections a second on average, 11 more than the budget"),
            "{unkept}"
        );
        // What it says would fit, does.
        assert!(
            unkept.contains("(61 new connections a second would fit, or 9806 s)"),
            "{unkept}"
        );
        assert!(!of(61.0, 3_600, OnDeadline::Finish).contains("the deadline sets"));
        let stops = of(20.0, 7_000, OnDeadline::Stop);
        assert!(
            stops.contains("the drain stops at the deadline, with 2 of 40 tasks left"),
            "{stops}"
        );
    }

    #[test]
    fn a_budget_that_is_not_exceeded_is_not_said_to_be() {
        let long = Deregistration::new(3_600, true);
        let said =
            |seconds, on_deadline, tasks| unkept(&budget(200.0, seconds, on_deadline), tasks, long);
        for tasks in [1, 2, 4, 40] {
            for seconds in (3_600..5_000).step_by(10) {
                for on_deadline in [OnDeadline::Finish, OnDeadline::Stop] {
                    let said = said(seconds, on_deadline, tasks).unwrap_or_default();
                    let none = [" 0 more", " 0 of"];
                    assert!(none.iter().all(|none| !said.contains(none)), "{said}");
                }
            }
            // What preflight refuses, it refuses; the least deadline that it names is taken.
            assert_eq!(said(3_779, OnDeadline::Finish, tasks), None);
        }
        let exceeded = said(3_780, OnDeadline::Finish, 40).unwrap();
        assert!(exceeded.contains("more than the budget"), "{exceeded}");
    }

    #[test]
    fn the_least_deadline_is_the_same_wherever_it_is_named() {
        let request = |deadline: u32| {
            let mut request = Scene::serving().request;
            request.drain.pace = Pace::Budget(budget(200.0, deadline, OnDeadline::Finish));
            request
        };
        for (delay, tasks, least, keeps) in [(300, 1, 480, None), (3_600, 4, 3_780, Some(3_798))] {
            let deregistration = Deregistration::new(delay, true);
            let refused = check_drain(&request(least - 1), tasks, deregistration).unwrap_err();
            let wanted = keeps.map_or_else(
                || format!("Set drain.deadline to at least {least}."),
                |keeps| format!("Set drain.deadline to at least {least}, or to {keeps} to"),
            );
            assert!(refused.fix.text.starts_with(&wanted), "{refused:?}");
            let deadline = keeps.unwrap_or(least);
            check_drain(&request(deadline), tasks, deregistration).unwrap();
            let kept = budget(200.0, deadline, OnDeadline::Finish);
            assert_eq!(unkept(&kept, tasks, deregistration), None);
        }
    }

    #[test]
    fn a_pace_within_a_time_names_its_steps() {
        assert_eq!(
            planned(&Pace::Within { seconds: 600 }, 4, EVEN),
            "the original drains in 4 steps over 600 s"
        );
    }
}
