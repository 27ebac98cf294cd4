//! The drain in whole tasks: how many are left after each step.

/// A drain planned from its start: `tasks` tasks, `decrement` percent of them a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    tasks: u32,
    decrement: f64,
}

/// Keeps a product such as 3 × 33.333… from missing a whole number by a rounding error.
const ROUNDING: f64 = 1e-6;

impl Schedule {
    /// A drain of `tasks` tasks by `decrement` percent (above 0, at most 100) a step.
    pub fn new(tasks: u32, decrement: f64) -> Self {
        Self { tasks, decrement }
    }

    /// Tasks left after `step` steps: never the same twice before 0, so no step is empty, and
    /// never more gone than the decrement rounded up, so none is double.
    pub fn left_after(self, step: u32) -> u32 {
        let per_step = f64::from(self.tasks) * self.decrement / 100.0;
        let gone = if per_step < 1.0 {
            step
        } else {
            floor(per_step * f64::from(step) + ROUNDING)
        };
        // The decrement is worked off when its percentages add up to 100, whatever rounding did.
        if self.decrement * f64::from(step) >= 100.0 - ROUNDING && per_step >= 1.0 {
            return 0;
        }
        self.tasks.saturating_sub(gone)
    }

    /// Steps until no task is left.
    pub fn steps(self) -> u32 {
        if self.tasks == 0 {
            return 0;
        }
        let per_step = f64::from(self.tasks) * self.decrement / 100.0;
        if per_step < 1.0 {
            return self.tasks;
        }
        // A decrement such as 33.33 needs one step more than 100 divided by it.
        let steps = floor(100.0 / self.decrement - ROUNDING) + 1;
        if self.left_after(steps) > 0 {
            steps + 1
        } else {
            steps
        }
    }

    /// Seconds that the steps take at least, `wait` seconds apart, with the last one's
    /// deregistration delay.
    pub fn least_seconds(self, wait: u32, deregistration_delay: u32) -> u32 {
        self.steps()
            .saturating_sub(1)
            .saturating_mul(wait)
            .saturating_add(deregistration_delay)
    }
}

/// Seconds a task may need beyond the deregistration delay: the longest stop timeout (120 s on
/// Fargate), and a quarter of an hour for a held step or a slow deregistration.
const SLACK: u32 = 120 + 900;

/// The least number of seconds a drain is given where the input names none.
const SHORTEST_DEFAULT: u32 = 1_800;

/// Seconds after which a drain is given up where the input does not say.
pub fn default_timeout(schedule: Schedule, wait: u32, deregistration_delay: u32) -> u32 {
    schedule
        .least_seconds(wait, deregistration_delay)
        .saturating_add(SLACK)
        .max(SHORTEST_DEFAULT)
}

/// Seconds between two looks where a drain waits for something other than its own pace: the last
/// tasks' connections, or a replacement that lost health. Half a minute, or so long that a drain
/// of this many seconds takes at most 100 of them, because each costs a turn of the history.
pub fn poll(timeout: u32) -> u32 {
    timeout.div_ceil(MOST_POLLS).max(30)
}

/// Looks at a drain that waits, at most.
pub const MOST_POLLS: u32 = 100;

/// Seconds between two looks at the replacement while the swap bakes: a minute, or so long that
/// there are at most [`MOST_BAKE_LOOKS`] of them; the whole where it is shorter.
pub fn bake_poll(bake: u32) -> u32 {
    bake.div_ceil(MOST_BAKE_LOOKS).max(60).min(bake)
}

/// Looks at a swap that bakes, at most.
pub const MOST_BAKE_LOOKS: u32 = 60;

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

    fn left(tasks: u32, decrement: f64) -> Vec<u32> {
        let schedule = Schedule::new(tasks, decrement);
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
            let schedule = Schedule::new(tasks, decrement);
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
