//! The drain in whole tasks: how many are left after each step, and when it comes.

use crate::deployment::Outgoing;
use crate::drain::budget;
use crate::drain::deregistration::Deregistration;
use crate::drain::pace::{Pace, SHORTEST_WAIT};

/// A drain planned from its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    tasks: u32,
    steps: Steps,
    /// Seconds that a budget may take, however fast it is planned and however long it is held; 0 for other
    /// paces.
    deadline: u32,
}

/// How the steps of a plan come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Steps {
    /// Percent of all tasks a step, a pause apart.
    Percent { decrement: f64, every: u32 },
    /// So many tasks a step, a pause apart.
    Tasks { tasks: u32, every: u32 },
    /// A number of steps of about equal size, evenly over a number of seconds.
    Even { steps: u32, seconds: u32 },
}

/// Keeps a product such as 3 × 33.333… from missing a whole number by a rounding error.
const ROUNDING: f64 = 1e-6;

/// Steps of a drain that may have as many as it has tasks: each costs a turn of the execution's
/// history.
pub const MOST_STEPS: u32 = 100;

/// The same for a drain in a rollback and for one of what was left over, which an execution
/// must have room for as well.
pub const MOST_STEPS_BESIDES: u32 = 50;

/// The most steps of a drain that takes this away.
pub(crate) fn most_steps(outgoing: &Outgoing) -> u32 {
    match outgoing {
        Outgoing::Original => MOST_STEPS,
        Outgoing::Replacement | Outgoing::Leftover(_) => MOST_STEPS_BESIDES,
    }
}

impl Schedule {
    /// A drain of `tasks` tasks at a pace, in `most` steps at most where the pace leaves their
    /// number open. A budget's plan is what it does as long as no metric says anything else.
    pub fn new(tasks: u32, pace: &Pace, most: u32, deregistration: Deregistration) -> Self {
        let even = |seconds: u32| {
            let most = tasks.min(most).min(seconds / SHORTEST_WAIT + 1);
            Steps::Even {
                steps: most.max(1),
                seconds,
            }
        };
        let steps = match pace {
            Pace::Percent { decrement, every } => Steps::Percent {
                decrement: *decrement,
                every: *every,
            },
            Pace::Tasks { tasks, every } => Steps::Tasks {
                tasks: *tasks,
                every: *every,
            },
            Pace::Within { seconds } => even(*seconds),
            Pace::Budget(budget) => even(budget::seconds(budget, tasks, deregistration)),
        };
        Self {
            tasks,
            steps,
            deadline: pace
                .budget()
                .map_or(0, |budget| budget::latest_end(budget, deregistration)),
        }
    }

    /// Tasks left after `step` steps: never the same twice before 0, so no step is empty, and
    /// never more gone than a step's share rounded up, so none is double.
    pub fn left_after(self, step: u32) -> u32 {
        let gone = match self.steps {
            Steps::Percent { decrement, .. } => {
                let per_step = f64::from(self.tasks) * decrement / 100.0;
                // The decrement is worked off when its percentages add up to 100, whatever
                // rounding did.
                if decrement * f64::from(step) >= 100.0 - ROUNDING && per_step >= 1.0 {
                    return 0;
                }
                if per_step < 1.0 {
                    step
                } else {
                    floor(per_step * f64::from(step) + ROUNDING)
                }
            }
            Steps::Tasks { tasks, .. } => tasks.saturating_mul(step),
            Steps::Even { steps, .. } => {
                let gone = u64::from(self.tasks) * u64::from(step.min(steps)) / u64::from(steps);
                u32::try_from(gone).unwrap_or(u32::MAX)
            }
        };
        self.tasks.saturating_sub(gone)
    }

    /// Steps until no task is left.
    pub fn steps(self) -> u32 {
        if self.tasks == 0 {
            return 0;
        }
        match self.steps {
            Steps::Percent { decrement, .. } => {
                let per_step = f64::from(self.tasks) * decrement / 100.0;
                if per_step < 1.0 {
                    return self.tasks;
                }
                // A decrement such as 33.33 needs one step more than 100 divided by it.
                let steps = floor(100.0 / decrement - ROUNDING) + 1;
                if self.left_after(steps) > 0 {
                    steps + 1
                } else {
                    steps
                }
            }
            Steps::Tasks { tasks, .. } => self.tasks.div_ceil(tasks.max(1)),
            Steps::Even { steps, .. } => steps,
        }
    }

    /// Seconds from the first step, which is step 1, to this one.
    pub fn at(self, step: u32) -> u32 {
        let before = step.saturating_sub(1);
        match self.steps {
            Steps::Percent { every, .. } | Steps::Tasks { every, .. } => {
                every.saturating_mul(before)
            }
            Steps::Even { steps, seconds } => {
                let gaps = u64::from(steps.saturating_sub(1).max(1));
                let at = (u64::from(seconds) * u64::from(before) * 2 + gaps) / (gaps * 2);
                u32::try_from(at).unwrap_or(u32::MAX)
            }
        }
    }

    /// Seconds between this step and the next.
    pub fn wait_after(self, step: u32) -> u32 {
        let wait = self.at(step.saturating_add(1)) - self.at(step);
        wait.max(1)
    }

    /// Seconds from the first step to the last; a budget's deadline where that is later.
    pub(crate) fn last(self) -> u32 {
        self.at(self.steps()).max(self.deadline)
    }

    /// Seconds that the steps take at least, with the last one's deregistration delay, the longest
    /// stop timeout (120 s on Fargate) and a check to see it; a budget's deadline where that is later.
    pub fn least_seconds(self, deregistration: Deregistration) -> u32 {
        self.at(self.steps())
            .saturating_add(deregistration.delay)
            .saturating_add(STOP_TIMEOUT + 30)
            .max(self.deadline)
    }
}

/// The longest stop timeout on Fargate, in seconds (AWS documentation).
const STOP_TIMEOUT: u32 = 120;

/// Seconds that a drain may take in addition: a quarter of an hour for a held step or a slow
/// deregistration.
const SLACK: u32 = 900;

/// The least number of seconds a drain is given where the input names none.
const SHORTEST_DEFAULT: u32 = 1_800;

/// Seconds after which a drain times out by default.
pub fn default_timeout(schedule: Schedule, deregistration: Deregistration) -> u32 {
    schedule
        .least_seconds(deregistration)
        .saturating_add(SLACK)
        .max(SHORTEST_DEFAULT)
}

/// How often a drain is checked: each check costs a turn of the execution's history.
#[derive(Debug, Clone, Copy)]
pub struct Checks {
    /// Seconds after which the drain times out.
    timeout: u32,
    /// Whether an operator may pause it: not in a rollback.
    watched: bool,
}

impl Checks {
    /// Those at a drain that takes this away, and times out after `timeout` seconds.
    pub fn at(outgoing: &Outgoing, timeout: u32) -> Self {
        let watched = *outgoing == Outgoing::Original;
        Self { timeout, watched }
    }

    /// Seconds between two checks where it waits for something other than its own pace: the last tasks'
    /// connections, or a replacement that lost health. Half a minute, or so long that the drain takes at
    /// most 100 of them.
    pub fn poll(self, waited: u32) -> u32 {
        let seldom = self.timeout.div_ceil(MOST_POLLS).max(30);
        if self.watched {
            seldom.min(longest_check(waited))
        } else {
            seldom
        }
    }

    /// Seconds until the next check within a pause of so many, all about alike.
    pub fn in_pause(self, pause: u32, waited: u32) -> u32 {
        let longest = if self.watched {
            longest_check(waited)
        } else {
            self.poll(waited).max(LONGEST_PAUSE)
        };
        pause.div_ceil(pause.div_ceil(longest).max(1))
    }

    /// Checks beside its steps, at most: whatever it waits for, they are no closer than [`Self::poll`] says,
    /// but for some that may come sooner.
    pub fn most(self) -> u32 {
        in_both_parts(self.timeout, |waited| self.poll(waited)).saturating_add(MOST_SOON)
    }
}

/// Checks of a drain that waits, at most, where it is not watched.
pub const MOST_POLLS: u32 = 100;

/// Seconds that a drain goes without a check of alarms and health, where it is not watched.
const LONGEST_PAUSE: u32 = 300;

/// Seconds for which a deployment that has waited so long goes without a turn that would obey an operator: a
/// minute in the first two hours, five minutes after them.
pub fn longest_check(waited: u32) -> u32 {
    if waited < OFTEN { 60 } else { 300 }
}

/// Seconds for which checks are a minute apart.
const OFTEN: u32 = 7_200;

/// Checks of a deployment that waits for so many seconds, [`longest_check`] apart.
pub fn checks_within(seconds: u32) -> u32 {
    in_both_parts(seconds, longest_check)
}

/// Before and after checks get rarer.
fn in_both_parts(seconds: u32, apart: impl Fn(u32) -> u32) -> u32 {
    let often = seconds.min(OFTEN);
    often.div_ceil(apart(0)) + (seconds - often).div_ceil(apart(OFTEN))
}

/// Checks of a held step that may come a minute apart, where the drain's others are farther.
pub(crate) const MOST_SOON: u32 = 30;

/// The scale, in percent, at which ECS runs exactly `tasks` of `desired` tasks.
///
/// ECS rounds desired × scale up (AWS API model), and the plain `100 · tasks / desired` rounds to
/// one task too many for 1,126 pairs below 200 tasks. Half a task lower rounds right for all.
/// At most 100, as `UpdateTaskSet` allows.
pub fn scale_for(tasks: u32, desired: u32) -> f64 {
    if tasks == 0 || desired == 0 {
        return 0.0;
    }
    (100.0 * (f64::from(tasks) - 0.5) / f64::from(desired)).min(100.0)
}

/// The tasks that ECS runs of `desired` at a scale in percent: rounded up (AWS API model).
pub fn tasks_at(scale: f64, desired: u32) -> u32 {
    ceil(f64::from(desired) * scale / 100.0 - ROUNDING)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "task counts: `as` saturates, and no count is negative"
)]
fn floor(number: f64) -> u32 {
    number.floor() as u32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "task counts: `as` saturates, and no count is negative"
)]
fn ceil(number: f64) -> u32 {
    number.ceil() as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_percent(tasks: u32, decrement: f64) -> Schedule {
        let every = 60;
        Schedule::new(
            tasks,
            &Pace::Percent { decrement, every },
            MOST_STEPS,
            Deregistration::new(300, true),
        )
    }

    fn evenly(tasks: u32, seconds: u32) -> Schedule {
        Schedule::new(
            tasks,
            &Pace::Within { seconds },
            MOST_STEPS,
            Deregistration::new(300, true),
        )
    }

    fn left(tasks: u32, decrement: f64) -> Vec<u32> {
        let schedule = by_percent(tasks, decrement);
        (1..=schedule.steps())
            .map(|step| schedule.left_after(step))
            .collect()
    }

    #[test]
    fn steps_are_whole_tasks() {
        assert_eq!(left(4, 25.0), [3, 2, 1, 0]);
        assert_eq!(left(10, 25.0), [8, 5, 3, 0]);
        assert_eq!(left(1, 25.0), [0]);
        assert_eq!(left(2, 25.0), [1, 0]);
        assert_eq!(left(7, 10.0), [6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(left(3, 33.4), [2, 1, 0]);
        assert_eq!(left(10, 30.0), [7, 4, 1, 0]);
        assert_eq!(left(40, 100.0), [0]);
        assert_eq!(left(30, 33.33), [21, 11, 1, 0]);
        assert!(left(0, 25.0).is_empty());
    }

    proptest! {
        #[test]
        fn no_step_is_empty_and_none_is_double(tasks in 1u32..3_000, decrement in 0.001f64..=100.0) {
            let schedule = by_percent(tasks, decrement);
            let most = ceil((f64::from(tasks) * decrement / 100.0).max(1.0));
            let mut before = tasks;
            for step in 1..=schedule.steps() {
                let after = schedule.left_after(step);
                prop_assert!(after < before, "step {step}: {before} -> {after}");
                prop_assert!(before - after <= most, "step {step}: {before} -> {after}, most {most}");
                before = after;
            }
            prop_assert_eq!(before, 0);
        }
    }

    proptest! {
        #[test]
        fn even_steps_fill_their_time_and_differ_by_one_task_at_most(tasks in 1u32..3_000, seconds in 0u32..86_400) {
            let schedule = evenly(tasks, seconds);
            let steps = schedule.steps();
            prop_assert!(steps <= tasks.min(MOST_STEPS));
            let least = tasks / steps;
            for step in 1..=steps {
                let cut = schedule.left_after(step - 1) - schedule.left_after(step);
                prop_assert!(cut == least || cut == least + 1, "step {step}: {cut}, not {least}");
                if step < steps {
                    let wait = schedule.at(step + 1) - schedule.at(step);
                    prop_assert!(wait >= SHORTEST_WAIT, "step {step}: {wait} s");
                }
            }
            prop_assert_eq!(schedule.left_after(steps), 0);
            if steps > 1 {
                prop_assert_eq!(schedule.at(steps), seconds);
            }
        }
    }

    #[test]
    fn forty_tasks_go_one_by_one_in_three_minutes() {
        let schedule = evenly(40, 180);
        assert_eq!(schedule.steps(), 40);
        assert_eq!(
            (1..4).map(|step| schedule.at(step)).collect::<Vec<_>>(),
            [0, 5, 9]
        );
        assert_eq!(schedule.at(40), 180);
        assert_eq!(schedule.left_after(1), 39);
    }

    #[test]
    fn a_fixed_number_of_tasks_per_step_leaves_a_smaller_last_step() {
        let pace = Pace::Tasks {
            tasks: 3,
            every: 30,
        };
        let schedule = Schedule::new(7, &pace, MOST_STEPS, Deregistration::new(300, true));
        let left: Vec<_> = (1..=schedule.steps())
            .map(|step| schedule.left_after(step))
            .collect();
        assert_eq!(left, [4, 1, 0]);
        assert_eq!(schedule.at(3), 60);
    }

    #[test]
    fn the_scale_of_a_task_count_rounds_up_to_that_count() {
        for desired in 1..200 {
            for tasks in 0..=desired {
                let exact = f64::from(desired) * scale_for(tasks, desired) / 100.0;
                assert_eq!(ceil(exact), tasks, "{tasks} of {desired}");
                assert_eq!(tasks_at(scale_for(tasks, desired), desired), tasks);
            }
        }
    }

    #[test]
    fn a_scale_is_never_above_100_percent() {
        assert!(scale_for(5, 3) <= 100.0);
        assert!((scale_for(2, 0)).abs() < f64::EPSILON);
    }
}
