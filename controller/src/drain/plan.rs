//! What a drain is planned to do, step by step, by the code that then does it.

use crate::drain::budget::{self, Binds, Control, JITTER, Next, Standing};
use crate::drain::deregistration::Deregistration;
use crate::drain::pace::{Budget, OnDeadline, Pace, SHORTEST_WAIT};
use crate::drain::{self, Schedule};

/// One step of a planned drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Seconds after the first step.
    pub at: u32,
    /// Tasks that it removes.
    pub tasks: u32,
    /// Tasks left after it.
    pub left: u32,
}

/// What decides how fast a planned drain goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The pace as it was asked for.
    Pace,
    /// Steps may not come closer together.
    ShortestWait,
    /// The execution's history has no room for more steps.
    MostSteps,
    /// The reconnect budget.
    Budget,
    /// The budget's deadline.
    Deadline,
}

/// A planned drain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its steps, at least one where there is a task: until none is left, or until a budget that stops
    /// at its deadline does so.
    pub steps: Vec<Step>,
    /// What decides how fast it goes.
    pub limit: Limit,
}

impl Plan {
    /// Plans the drain of `tasks` tasks whose targets take so long to be deregistered, as
    /// if every metric kept to the budget and nothing were ever held.
    pub fn of(pace: &Pace, tasks: u32, deregistration: Deregistration) -> Self {
        match pace {
            Pace::Budget(budget) => Self::of_budget(budget, tasks, deregistration),
            Pace::Percent { .. } | Pace::Tasks { .. } | Pace::Within { .. } => {
                Self::of_schedule(pace, tasks, deregistration)
            }
        }
    }

    fn of_schedule(pace: &Pace, tasks: u32, deregistration: Deregistration) -> Self {
        let most = drain::MOST_STEPS;
        let schedule = Schedule::new(tasks, pace, most, deregistration);
        let steps: Vec<_> = (1..=schedule.steps())
            .map(|step| {
                let left = schedule.left_after(step);
                Step {
                    at: schedule.at(step),
                    tasks: schedule.left_after(step - 1) - left,
                    left,
                }
            })
            .collect();
        let fewer = matches!(pace, Pace::Within { .. }) && schedule.steps() < tasks;
        let limit = match (fewer, schedule.steps() == most) {
            (false, _) => Limit::Pace,
            (true, true) => Limit::MostSteps,
            (true, false) => Limit::ShortestWait,
        };
        Self { steps, limit }
    }

    fn of_budget(budget: &Budget, tasks: u32, deregistration: Deregistration) -> Self {
        let most_steps = drain::MOST_STEPS;
        let standing = |left: u32, elapsed: u32| Standing {
            left,
            of: tasks,
            most_steps,
            elapsed,
            deregistration,
            shift: 0.0,
        };
        let control = Control::default();
        let first = budget::next(budget, &control, &standing(tasks, 0));
        let mut limit = match first.binds {
            Binds::Deadline => Limit::Deadline,
            Binds::Budget if tasks <= 1 => Limit::Budget,
            Binds::Budget => limit_of_budget(&first, &standing(tasks, 0)),
        };
        let mut steps = Vec::new();
        let (mut at, mut before, mut left) = (0, tasks, tasks.saturating_sub(first.tasks));
        let until = match budget.on_deadline {
            OnDeadline::Finish => u32::MAX,
            OnDeadline::Stop => {
                budget::last_step(budget, deregistration).saturating_add(budget::GRACE)
            }
        };
        while before > 0 && at < until {
            steps.push(Step {
                at,
                tasks: before - left,
                left,
            });
            let next = budget::next(budget, &control, &standing(left, at));
            if left > 0 && next.binds == Binds::Deadline {
                limit = Limit::Deadline;
            }
            (before, left) = (left, left.saturating_sub(next.tasks.max(1)));
            at = at.saturating_add(next.wait);
        }
        Self { steps, limit }
    }

    /// Tasks that are left at its end: none, unless a budget stops at its deadline.
    pub fn left(&self) -> u32 {
        self.steps.last().map_or(0, |step| step.left)
    }

    /// For each step, the most tasks that may be cut in the same `seconds` as its own, whenever within its
    /// time the load balancer ends each deregistration, and however the pauses are shifted.
    pub fn together(&self, seconds: u32, deregistration: Deregistration) -> Vec<u32> {
        let span = f64::from(seconds.saturating_add(deregistration.spread()));
        let pauses = u32::try_from(self.steps.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let shift = JITTER * f64::from(self.seconds()) / f64::from(pauses.max(1));
        let mut most = vec![0; self.steps.len()];
        for (first, from) in self.steps.iter().enumerate() {
            let steps = self.steps[first..].iter();
            let near = steps.take_while(|step| f64::from(step.at - from.at) - shift < span);
            let tasks: u32 = near.clone().map(|step| step.tasks).sum();
            for known in most[first..].iter_mut().take(near.count()) {
                *known = tasks.max(*known);
            }
        }
        most
    }

    /// The most tasks that may be cut in the same 60 s.
    pub fn most_in_a_minute(&self, deregistration: Deregistration) -> u32 {
        let most = self.together(60, deregistration).into_iter().max();
        most.unwrap_or_default()
    }

    /// Tasks a second from the first step on, on average.
    pub fn tasks_a_second(&self) -> f64 {
        let after_first = self.steps.iter().skip(1);
        let tasks = after_first
            .map(|step| step.tasks)
            .fold(0, u32::saturating_add);
        f64::from(tasks) / f64::from(self.seconds().max(1))
    }

    /// Seconds from the first step to the last.
    pub fn seconds(&self) -> u32 {
        self.steps.last().map_or(0, |step| step.at)
    }

    /// New connections in each second after the first step's cut, where each task's connections
    /// come back evenly within so many seconds. Every step's cut comes as long after it as every
    /// other's.
    pub fn reconnects(&self, connections_per_task: f64, within_seconds: u32) -> Vec<f64> {
        let within = within_seconds.max(1);
        let length = usize::try_from(self.seconds().saturating_add(within)).unwrap_or_default();
        let mut seconds = vec![0.0; length];
        for step in &self.steps {
            let a_second = f64::from(step.tasks) * connections_per_task / f64::from(within);
            let at = usize::try_from(step.at).unwrap_or_default();
            let until = at + usize::try_from(within).unwrap_or_default();
            for second in &mut seconds[at..until] {
                *second += a_second;
            }
        }
        seconds
    }
}

/// What a budget's steps follow from, where its deadline does not bind.
fn limit_of_budget(next: &Next, standing: &Standing) -> Limit {
    let grain = standing.grain();
    if next.tasks > grain || next.wait <= SHORTEST_WAIT {
        Limit::ShortestWait
    } else if grain > 1 {
        Limit::MostSteps
    } else {
        Limit::Budget
    }
}

/// The least deadline that a budget can be kept with, in seconds, and one that has room for what
/// CloudWatch corrects as well; `None` where connections are not known. Neither is one that is refused.
pub fn deadlines(
    budget: &Budget,
    tasks: u32,
    deregistration: Deregistration,
) -> Option<(u32, u32)> {
    budget.connections_per_task?;
    let unhurried = Budget {
        deadline: u32::MAX,
        on_deadline: OnDeadline::Stop,
        ..budget.clone()
    };
    let plan = Plan::of_budget(&unhurried, tasks, deregistration);
    let steps = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
    let turns = steps.saturating_sub(1).saturating_mul(TURN);
    let seconds = plan.seconds();
    let kept = seconds
        .saturating_add(turns)
        .saturating_add(budget::tail(deregistration));
    let least = budget::least_deadline(deregistration);
    Some((kept.max(least), kept.saturating_add(seconds / 3).max(least)))
}

/// Seconds that a turn of the loop takes in addition to its pause.
pub(crate) const TURN: u32 = 2;

/// A budget, in new connections a second, with which a deadline leaves as much room; `None` where
/// connections are not known, or no budget does.
pub fn ample_budget(budget: &Budget, tasks: u32, deregistration: Deregistration) -> Option<u64> {
    if budget.deadline < budget::least_deadline(deregistration) {
        return None;
    }
    budget::least(budget, tasks, |other| {
        deadlines(other, tasks, deregistration).is_some_and(|(_, ample)| ample <= budget.deadline)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, EVEN};

    fn budget(reconnects: f64, deadline: u32) -> Pace {
        Pace::Budget(fixture::budget(reconnects, deadline, OnDeadline::Finish))
    }

    fn gone(plan: &Plan) -> u32 {
        plan.steps.iter().map(|step| step.tasks).sum()
    }

    #[test]
    fn every_way_of_pacing_takes_every_task_once_and_in_order() {
        for pace in [
            Pace::Percent {
                decrement: 25.0,
                every: 60,
            },
            Pace::Tasks { tasks: 3, every: 9 },
            Pace::Within { seconds: 180 },
            Pace::Within { seconds: 0 },
            budget(500.0, 3_600),
            budget(5.0, 3_600),
            budget(1e6, 3_600),
        ] {
            for tasks in [1, 2, 40, 777] {
                let plan = Plan::of(&pace, tasks, EVEN);
                assert_eq!(gone(&plan), tasks, "{pace:?}");
                assert_eq!(plan.steps.last().unwrap().left, 0, "{pace:?}");
                for two in plan.steps.windows(2) {
                    assert!(two[0].left > two[1].left, "{pace:?}: {two:?}");
                    assert!(two[0].at < two[1].at, "{pace:?}: {two:?}");
                }
            }
        }
        assert_eq!(Plan::of(&budget(500.0, 3_600), 0, EVEN).steps, []);
    }

    #[test]
    fn the_limit_of_a_plan_is_named() {
        let limit = |pace: &Pace, tasks| Plan::of(pace, tasks, EVEN).limit;
        assert_eq!(limit(&Pace::Within { seconds: 180 }, 40), Limit::Pace);
        assert_eq!(
            limit(&Pace::Within { seconds: 60 }, 40),
            Limit::ShortestWait
        );
        assert_eq!(
            limit(&Pace::Within { seconds: 3_600 }, 500),
            Limit::MostSteps
        );
        assert_eq!(limit(&budget(500.0, 3_600), 40), Limit::Budget);
        assert_eq!(limit(&budget(20.0, 3_600), 40), Limit::Deadline);
        // Steps of several tasks, because one task at a time would leave less than 3 s between two, or
        // because there would be more than 100.
        for (reconnects, tasks, wanted) in [
            (50_000.0, 4, Limit::ShortestWait),
            (50_000.0, 40, Limit::ShortestWait),
            (50_000.0, 200, Limit::ShortestWait),
            (1_500.0, 41, Limit::ShortestWait),
            (1_500.0, 3_000, Limit::MostSteps),
            (500.0, 150, Limit::MostSteps),
            (500.0, 1, Limit::Budget),
        ] {
            let of = limit(&budget(reconnects, 86_400), tasks);
            assert_eq!(of, wanted, "{reconnects} a second, {tasks} tasks");
        }
    }

    #[test]
    fn a_budget_that_can_be_kept_is_planned_below_it_and_within_its_deadline() {
        let plan = Plan::of(&budget(500.0, 3_600), 40, EVEN);
        assert_eq!(plan.seconds(), 39 * 7);
        let late = Plan::of(&budget(20.0, 3_600), 40, EVEN);
        assert!(late.seconds() <= 3_600 - 420, "{}", late.seconds());
    }

    #[test]
    fn reconnects_of_steps_that_overlap_add_up() {
        let pace = Pace::Tasks { tasks: 1, every: 3 };
        let reconnects = Plan::of(&pace, 2, EVEN).reconnects(10.0, 5);
        assert_eq!(reconnects, [2.0, 2.0, 2.0, 4.0, 4.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn uneven_deregistration_brings_the_tasks_of_several_steps_together() {
        let plan = Plan::of(&Pace::Within { seconds: 1_000 }, 11, EVEN);
        let together = |seconds, delay| plan.together(seconds, Deregistration::new(delay, true));
        // Steps are 100 s apart, by a fifth more or less, and 120 to 300 s pass until one is cut.
        assert_eq!(together(5, 300), [1; 11]);
        assert_eq!(together(5, 0), [3; 11]);
        assert_eq!(together(5, 200), [2; 11]);
        assert_eq!(plan.most_in_a_minute(Deregistration::new(0, true)), 3);
    }

    #[test]
    fn what_is_said_to_do_is_planned_to_do() {
        for (reconnects, seconds) in [(20.0, 3_600), (500.0, 480), (500.0, 421), (10.0, 86_400)] {
            let tight = fixture::budget(reconnects, seconds, OnDeadline::Finish);
            let longer = Budget {
                deadline: deadlines(&tight, 40, EVEN).unwrap().1,
                on_deadline: OnDeadline::Stop,
                ..tight.clone()
            };
            let plan = Plan::of_budget(&longer, 40, EVEN);
            assert_eq!(plan.left(), 0, "{longer:?}");
            assert!(plan.seconds() + budget::tail(EVEN) <= longer.deadline);
            let Some(enough) = ample_budget(&tight, 40, EVEN) else {
                assert!(seconds < 430, "{tight:?}");
                continue;
            };
            assert!(enough < 10_000, "{enough}");
            let wider = Budget {
                reconnects: f64::from(u32::try_from(enough).unwrap()),
                on_deadline: OnDeadline::Stop,
                ..tight
            };
            assert_eq!(Plan::of_budget(&wider, 40, EVEN).left(), 0, "{wider:?}");
        }
    }
}
