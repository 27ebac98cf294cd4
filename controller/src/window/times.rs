//! When a deployment moves traffic and makes its steps, if nothing but its window holds it; and whether that is in time.

use std::fmt;

use super::Window;
use super::closed::{LONGEST, has_room, holds};
use crate::checks;
use crate::clock::{rfc3339, rfc3339_in};
use crate::deployment::Plan;
use crate::drain::deregistration::Deregistration;
use crate::drain::plan;
use crate::refusal::{ErrorName, Refusal};
use crate::registry;
use crate::request::{CHECKS, Request};
use crate::shift::Shift;
use crate::swap::Groups;
use crate::world::World;

/// The earliest times of a deployment, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When traffic begins to move.
    pub swap: u64,
    /// The first and the last step of the drain, where there is one.
    pub steps: Option<(u64, u64)>,
    /// When the last targets of the original are deregistered.
    pub done: u64,
}

/// What a deployment has to do from its swap on.
#[derive(Debug, Clone)]
pub struct Ahead<'a> {
    /// The window that its steps wait for.
    pub window: Option<&'a Window>,
    /// Seconds of each step of the shift before the last.
    pub shift: Vec<u32>,
    /// Seconds for which clients of a registry remember what is taken out.
    pub registry: u32,
    /// Seconds between the swap and the first step: the bake, or the samples of checks.
    pub before_drain: u32,
    /// The drain of the original.
    pub drain: &'a plan::Plan,
    /// How long its targets take to be deregistered.
    pub deregistration: Deregistration,
}

impl Ahead<'_> {
    /// The times, where traffic could move from `at` on.
    pub fn times(&self, at: u64) -> Times {
        let open = |at: u64| self.window.map_or(at, |window| window.opens(at));
        let after = |at: u64, seconds: u32| at.saturating_add(u64::from(seconds));
        let swap = open(at);
        let shift = self.shift.iter();
        let swapped = shift.fold(swap, |at, seconds| open(after(at, *seconds)));
        let mut steps = self.drain.steps.iter();
        let Some(first) = steps.next() else {
            return Times {
                swap,
                steps: None,
                done: swapped,
            };
        };
        // What goes leaves a registry when the first step is due.
        let due = open(after(swapped, self.before_drain));
        let begins = open(after(due, self.registry));
        let (last, _) = steps.fold((begins, first.at), |(at, before), step| {
            (open(after(at, step.at - before)), step.at)
        });
        Times {
            swap,
            steps: Some((begins, last)),
            done: after(last, self.deregistration.least),
        }
    }
}

impl Times {
    /// The earliest times of a deployment that begins now.
    pub fn of_new(ahead: &Ahead<'_>, request: &Request, now: u64) -> Self {
        // It is created, and steady and healthy in as many checks.
        let ready = CHECKS.saturating_mul(request.wait_for_service);
        ahead.times(now.saturating_add(u64::from(ready)))
    }

    /// In words, in the window's time zone.
    pub fn in_words<'a>(&'a self, window: Option<&'a Window>) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            let at = |seconds| shown(seconds, window);
            write!(f, "at the earliest, traffic moves at {}", at(self.swap))?;
            if let Some((first, last)) = self.steps {
                let (first, last) = (at(first), at(last));
                write!(
                    f,
                    ", the first step of the drain comes at {first}, the last at {last}"
                )?;
            }
            write!(f, ", and the deployment ends at {}", at(self.done))
        })
    }
}

/// A time as the window's clock has it, or in UTC.
pub fn shown(seconds: u64, window: Option<&Window>) -> String {
    window.map_or_else(
        || rfc3339(seconds),
        |window| rfc3339_in(seconds, &window.zone),
    )
}

/// Refuses a deployment that cannot end by `finishBy` even if everything goes well.
pub(crate) fn may_end_in_time(request: &Request, times: &Times) -> Result<(), Refusal> {
    let window = request.window.as_ref();
    let Some(by) = request.finish_by.filter(|by| *by < times.done) else {
        return Ok(());
    };
    Err(Refusal::preflight(
        format!(
            "finishBy is {}, but a deployment that begins now cannot end by then: {}.",
            shown(by, window),
            times.in_words(window)
        ),
        FIX,
    ))
}

const FIX: &str = "Set a later finishBy, start earlier, drain faster, or widen the window.";

/// Refuses a swap after which the drain could no longer end by `finishBy`, or within the life of an execution: nothing
/// has moved yet.
pub(crate) fn ends_too_late(
    world: &World,
    plan: &Plan,
    groups: &Groups<'_>,
) -> Result<(), Refusal> {
    let request = &plan.request;
    if request.window.is_none() && request.finish_by.is_none() {
        return Ok(());
    }
    let tasks = plan
        .outgoing_in(world)
        .map_or(0, |set| set.computed_desired_count);
    let deregistration = groups.from.deregistration();
    let pace = &request.drain.pace;
    let pace = pace.counted(world.flows.connections_per_task(tasks, world.now));
    let ahead = Ahead {
        window: holds(world, plan),
        shift: seconds_of(plan.shift(world), world, request),
        registry: removal(world, request),
        before_drain: checks::before_drain(request),
        drain: &plan::Plan::of(&pace, tasks, deregistration),
        deregistration,
    };
    let times = ahead.times(world.now);
    let refused = |why: String, fix: &str| {
        let window = request.window.as_ref();
        let problem = format!(
            "The swap is not made, because {why}: {}.",
            times.in_words(window)
        );
        Err(Refusal::new(ErrorName::TooLate, problem, fix))
    };
    if let Some(by) = request.finish_by.filter(|by| *by < times.done) {
        let by = shown(by, request.window.as_ref());
        return refused(
            format!("the deployment could no longer end by {by} (finishBy)"),
            FIX,
        );
    }
    let lasts = plan
        .id
        .start_seconds()
        .map_or(0, |started| times.done.saturating_sub(started));
    if ahead.window.is_some() && (lasts > LONGEST || !has_room(world, plan, times.swap)) {
        return refused(
            "the execution would end before the drain".to_owned(),
            "Start a new execution, and wait less before the swap; or widen the window.",
        );
    }
    Ok(())
}

/// Seconds for which a drain waits until no client of a registry remembers what it removes.
pub(crate) fn removal(world: &World, request: &Request) -> u32 {
    let registry = world.registry.as_ref();
    let waits = registry.is_some_and(|registry| registry.custom_health);
    if waits {
        registry::forgetting(world, request)
    } else {
        0
    }
}

/// Seconds of each step of a shift before the last, with the samples that it waits for: in a registry, from the moment at which clients have found its tasks.
pub(crate) fn seconds_of(shift: Option<&Shift>, world: &World, request: &Request) -> Vec<u32> {
    let numbered = shift.into_iter().flat_map(|shift| {
        let steps = shift.steps().zip(1..);
        steps.map(move |(step, number)| (step.time(), shift.usual(number)))
    });
    let found = registry::forgetting(world, request);
    let by_tasks = world.is_found_in_a_registry_alone();
    let seconds = numbered.map(|(time, usual)| {
        if by_tasks {
            found.saturating_add(time)
        } else {
            usual
        }
    });
    checks::with_samples(&seconds.collect::<Vec<_>>(), request)
}

/// The `finishBy` of a deployment whose traffic has moved, where it does not end by then: `done` is when it is to end, as
/// far as that is known, in seconds from now.
pub(crate) fn is_late(world: &World, plan: &Plan, done: Option<u32>) -> Option<u64> {
    let ends = world.now.saturating_add(u64::from(done.unwrap_or(0)));
    let by = plan.request.finish_by.filter(|_| plan.goes_forward())?;
    (ends > by).then_some(by)
}
