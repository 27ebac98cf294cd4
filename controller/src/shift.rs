//! A traffic shift: production traffic moves in steps, and each is judged before the next.
//!
//! A step is a share of new connections. Only weights move, both groups stay in the action, and an established
//! connection stays where it is. The last step is the swap itself, after which everything is as without a shift.

mod late;
mod seen;
mod turn;

use std::fmt;

use crate::arn::is_of_a_registry;
use crate::command::Order;
use crate::contract::Failure;
use crate::deployment::Plan;
use crate::drain;
use crate::reason::Shared;
use crate::request::Request;
use crate::world::World;

pub use seen::{Measured, measured};
pub(crate) use seen::{can_be_measured, queries};
pub(crate) use turn::{is_foreign, on_its_way, under_way};

/// The steps in which production traffic moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shift {
    /// So many percent more each time.
    Linear {
        /// Percent of new connections, 1 to 99.
        percent: u32,
        /// Seconds of each step.
        every: u32,
    },
    /// These, of which each has a greater share than the one before.
    Steps(Vec<Step>),
}

/// One step before the last, with which all traffic moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The share of new connections that go to the replacement, 1 to 99.
    pub percent: u32,
    /// Seconds that it lasts at least.
    pub seconds: u32,
    /// New connections that the replacement has to see in it.
    pub wanted: Option<Wanted>,
}

/// New connections that a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// How many.
    pub connections: u32,
    /// Seconds from the start of the step within which they have to come.
    pub within: u32,
}

/// How far a deployment has got with its shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shifted {
    /// The step that the routes are at, counted from 1; 0 before the first.
    pub step: u32,
    /// Seconds of it so far.
    pub waited: u32,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// Seconds for which steps of this shift were held after their own time.
    pub held: u32,
    /// New connections that the replacement was seen to have in it, where it waits for them.
    pub seen: u64,
}

impl Step {
    /// Seconds that it lasts by its own time, or those within which its connections have to come.
    pub fn time(&self) -> u32 {
        match self.wanted {
            Some(wanted) if self.seconds == 0 => wanted.within,
            Some(_) | None => self.seconds,
        }
    }
}

impl Shift {
    /// A step by its number, from 1; `None` for the last one, which moves all traffic, and beyond.
    pub fn step(&self, number: u32) -> Option<Step> {
        match self {
            Self::Linear { percent, every } => {
                let percent = percent.saturating_mul(number);
                (1..100).contains(&percent).then_some(Step {
                    percent,
                    seconds: *every,
                    wanted: None,
                })
            }
            Self::Steps(steps) => {
                let at = usize::try_from(number).ok()?.checked_sub(1)?;
                steps.get(at).copied()
            }
        }
    }

    /// Every step before the last.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        (1..).map_while(|number| self.step(number))
    }

    /// How many steps there are, with the last one.
    pub fn count(&self) -> u32 {
        self.steps().fold(1, |count, _| count + 1)
    }

    /// Percent of new connections that go to the replacement at a step; 0 before the first, 100 at the last.
    pub fn percent(&self, number: u32) -> u32 {
        match number {
            0 => 0,
            _ => self.step(number).map_or(100, |step| step.percent),
        }
    }

    /// Seconds that a step lasts by its own time, where nothing counts new connections: its time begins when its share
    /// is assumed to have reached the load balancer's nodes. Where it waits for connections alone, at the latest.
    pub fn usual(&self, number: u32) -> u32 {
        let time = self.step(number).map_or(0, |step| step.time());
        self.lasts(number, false).max(time)
    }

    fn lasts(&self, number: u32, is_counted: bool) -> u32 {
        let step = self.step(number).filter(|step| step.seconds > 0);
        step.map_or(0, |step| {
            let before = self.percent(number.saturating_sub(1));
            step.seconds + late::at_most(before, step.percent, is_counted)
        })
    }

    /// Seconds that each step before the last lasts at most, unless it is held.
    pub fn longest<'a>(&'a self, request: &'a Request) -> impl Iterator<Item = u32> + 'a {
        let numbered = (1..).zip(self.steps());
        numbered.map(move |(number, step)| {
            let within = step.wanted.map_or(0, |wanted| wanted.within);
            let is_counted = seen::counts_both(request, &step);
            self.lasts(number, is_counted).max(within)
        })
    }

    /// The same, where no step waits for connections.
    #[must_use]
    pub fn by_time(&self) -> Self {
        match self {
            Self::Linear { .. } => self.clone(),
            Self::Steps(steps) => {
                let steps = steps.iter().map(|step| Step {
                    seconds: step.time(),
                    wanted: None,
                    ..*step
                });
                Self::Steps(steps.collect())
            }
        }
    }

    /// Percent of all connections that are on the replacement at the end of each step: connections that live
    /// `lifetime` seconds on average are replaced by new ones at that rate, and weights decide about new ones alone.
    pub fn shares(&self, lifetime: f64) -> Vec<f64> {
        let mut share = 0.0;
        let steps = self.steps().map(|step| {
            let (percent, left) = (
                f64::from(step.percent),
                (-f64::from(step.time()) / lifetime).exp(),
            );
            share = percent + (share - percent) * left;
            share
        });
        steps.collect()
    }

    /// Turns that it takes at most, unless a step is held.
    pub(crate) fn turns(&self, request: &Request) -> u32 {
        self.longest(request)
            .map(|seconds| drain::checks_within(seconds).saturating_add(1))
            .fold(0, u32::saturating_add)
    }
}

/// In words: the steps, and what each waits for.
impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of(Shared::NewConnections).fmt(f)
    }
}

/// A shift as a share of something.
pub(crate) struct SharedIn<'a>(&'a Shift, Shared);

impl Shift {
    /// The shift in words, as a share of something.
    pub(crate) fn of(&self, shared: Shared) -> SharedIn<'_> {
        SharedIn(self, shared)
    }
}

impl fmt::Display for SharedIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(shift, shared) = self;
        match shift {
            Shift::Linear { percent, every } => write!(
                f,
                "{percent} % more of {shared} every {every} s, in {} steps",
                shift.count()
            ),
            Shift::Steps(steps) => {
                for step in steps {
                    step.in_words(f, *shared)?;
                    f.write_str(", ")?;
                }
                f.write_str("then all")
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.in_words(f, Shared::NewConnections)
    }
}

impl Step {
    /// In words, as a share of something.
    pub fn of(&self, shared: Shared) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| self.in_words(f, shared))
    }

    fn in_words(&self, f: &mut fmt::Formatter<'_>, shared: Shared) -> fmt::Result {
        write!(f, "{} % of {shared}", self.percent)?;
        if self.seconds > 0 {
            write!(f, " for {} s", self.seconds)?;
        }
        let Some(wanted) = self.wanted else {
            return Ok(());
        };
        let and = if self.seconds > 0 { " and" } else { "" };
        write!(
            f,
            "{and} until {} were seen, {} s at most",
            wanted.connections, wanted.within
        )
    }
}

/// A failure with the share of traffic at which it was seen, in the middle of a shift.
pub(crate) fn seen_at(plan: &Plan, failure: Failure) -> Failure {
    let Some((shift, step)) = plan.asks_for_a_shift().zip(plan.shifted.reached()) else {
        return failure;
    };
    let (percent, of) = (shift.percent(step), shift.count());
    let cause = format!(
        "At {percent} % of {} (step {step} of {of} of the shift): {}",
        plan.shares(),
        failure.cause
    );
    Failure { cause, ..failure }
}

impl Shifted {
    /// The step that the routes are at, in the middle of a shift.
    pub(crate) fn reached(&self) -> Option<u32> {
        (self.step > 0).then_some(self.step)
    }
}

impl Plan {
    /// What a shift of this deployment is a share of.
    pub(crate) fn shares(&self) -> Shared {
        if is_of_a_registry(&self.replacement_target_group) {
            Shared::Tasks
        } else {
            Shared::NewConnections
        }
    }

    /// The shift of a deployment that goes forward and has an original to share traffic with, unless an operator
    /// skips it.
    pub(crate) fn shift(&self, world: &World) -> Option<&Shift> {
        let promoted = world.order.as_ref().is_some_and(Order::promotes);
        self.asks_for_a_shift()
            .filter(|_| self.goes_forward() && !promoted)
    }

    /// Steps in which traffic moves: one without a shift.
    pub(crate) fn steps_of_the_swap(&self) -> u32 {
        self.asks_for_a_shift().map_or(1, Shift::count)
    }

    /// The shift that the request asks for, of a deployment with an original to share traffic with.
    pub(crate) fn asks_for_a_shift(&self) -> Option<&Shift> {
        let shift = self.request.shift.as_ref();
        shift.filter(|_| self.original.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::home;
    use serde_json::json;

    #[test]
    fn a_linear_shift_rises_by_the_same_share_and_ends_with_all() {
        let percents = |percent| {
            let shift = Shift::Linear { percent, every: 60 };
            let steps: Vec<_> = shift.steps().map(|step| step.percent).collect();
            assert_eq!(shift.count() as usize, steps.len() + 1);
            assert_eq!(shift.percent(shift.count()), 100);
            steps
        };
        assert_eq!(percents(10), [10, 20, 30, 40, 50, 60, 70, 80, 90]);
        assert_eq!(percents(40), [40, 80]);
        assert_eq!(percents(50), [50]);
        assert_eq!(percents(99), [99]);
        assert_eq!(percents(1).len(), 99);
    }

    #[test]
    fn a_step_carries_a_small_share_of_connections_that_live_long() {
        let canary = |percent, seconds| {
            let step = Step {
                percent,
                seconds,
                wanted: None,
            };
            Shift::Steps(vec![step]).shares(7_200.0)[0]
        };
        assert!((canary(5, 600) - 0.4).abs() < 0.01);
        assert!((canary(5, 86_400) - 5.0).abs() < 0.01);
        let linear = Shift::Linear {
            percent: 50,
            every: 7_200,
        };
        assert!((linear.shares(7_200.0)[0] - 31.6).abs() < 0.1);
    }

    #[test]
    fn a_step_that_waits_for_connections_lasts_as_long_as_they_may_take() {
        let step = |seconds, within| Step {
            percent: 5,
            seconds,
            wanted: Some(Wanted {
                connections: 500,
                within,
            }),
        };
        let shift = Shift::Steps(vec![step(600, 3_600), step(0, 60), step(60, 60)]);
        let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2"});
        let request = Request::parse(&input, &home()).unwrap();
        let longest: Vec<_> = shift.longest(&request).collect();
        assert_eq!(longest, [3_600, 60, 60]);
        assert_eq!(shift.percent(0), 0);
        assert_eq!((shift.percent(1), shift.percent(2)), (5, 5));
        assert_eq!(shift.percent(4), 100);
    }
}
