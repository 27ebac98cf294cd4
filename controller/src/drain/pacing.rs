//! Which step of the drain is due, and when the next one comes.

use crate::command::Order;
use crate::counted::counted;
use crate::deployment::{Plan, Progress};
use crate::drain::budget::{self, Control, JITTER, Standing};
use crate::drain::deregistration::Deregistration;
use crate::drain::pace::{Budget, OnDeadline, Pace};
use crate::drain::{self, Schedule};
use crate::identity;
use crate::reason::{Blocker, Contradiction, PaceRemark, Reconnects};
use crate::refusal::{ErrorName, Refusal};
use crate::world::{TargetGroup, World};

/// The drain of what a deployment removes.
#[derive(Clone)]
pub(crate) struct Drain<'a> {
    pub(crate) world: &'a World,
    pub(crate) plan: &'a Plan,
    /// Its progress, updated by this turn.
    pub(crate) progress: Progress,
    /// The target group of what goes.
    pub(crate) from: &'a TargetGroup,
    /// The target group of the incoming set.
    pub(crate) to: &'a TargetGroup,
    /// Tasks that the outgoing set wants now: none once it is gone.
    pub(crate) wanted: u32,
}

/// What comes next: how many tasks, in how many seconds, and a remark on the pace.
pub(crate) struct NextStep {
    pub(crate) tasks: u32,
    pub(crate) wait: u32,
    /// Seconds from then to the last step, as far as that is planned.
    pub(crate) then: u32,
    pub(crate) remark: Option<PaceRemark>,
}

impl<'a> Drain<'a> {
    pub(crate) fn of(
        world: &'a World,
        plan: &'a Plan,
        progress: &Progress,
        wanted: u32,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            world,
            plan,
            progress: *progress,
            from: world.group(plan.outgoing_group())?,
            to: world.group(plan.incoming_group())?,
            wanted,
        })
    }

    /// Tasks that the service wants.
    pub(crate) fn desired(&self) -> u32 {
        self.world.service.desired_count
    }

    /// How long the targets of what goes take to be deregistered.
    pub(crate) fn deregistration(&self) -> Deregistration {
        self.from.deregistration()
    }

    /// The drain as it was planned at the swap.
    pub(crate) fn schedule(&self) -> Schedule {
        let most = drain::most_steps(&self.plan.outgoing);
        let pace = &self.plan.request.drain.pace;
        Schedule::new(self.plan.scheduled().0, pace, most, self.deregistration())
    }

    /// Seconds between two steps at the beginning.
    pub(crate) fn pause(&self) -> u32 {
        self.schedule().wait_after(1)
    }

    /// The step that is due, or was made last.
    fn step(&self) -> u32 {
        self.progress.step.max(1)
    }

    /// Tasks that are to be left after the step that is due.
    ///
    /// None where the application says that no connection is left: no client is cut then.
    pub(crate) fn left(&self) -> u32 {
        if self.is_idle() {
            return 0;
        }
        self.share(self.planned())
    }

    /// The same, of the tasks that the drain began with.
    fn planned(&self) -> u32 {
        match (self.budget(), self.progress.control.left) {
            (Some(_), Some(left)) => left,
            (Some(budget), None) => {
                let standing = self.standing(self.plan.scheduled().0);
                budget::left_after_first(&budget, &self.learned(), &standing)
            }
            (None, _) => self.schedule().left_after(self.step()),
        }
    }

    /// Whether the application says that no connection is left.
    pub(crate) fn is_idle(&self) -> bool {
        self.world.flows.gone(self.world.now)
    }

    /// Tasks of the plan as they are now.
    ///
    /// Where Auto Scaling has moved the desired count since the swap, every task set has followed it
    /// by its percentage (AWS documentation), and so does each step of the plan.
    pub(crate) fn share(&self, tasks: u32) -> u32 {
        let (_, then) = self.plan.scheduled();
        self.share_of(tasks, then)
    }

    /// The same of tasks when the desired count was `then`.
    pub(crate) fn share_of(&self, tasks: u32, then: u32) -> u32 {
        let now = self.desired();
        if now == then || now == 0 || then == 0 {
            return tasks;
        }
        scaled(tasks, now, then)
    }

    /// The budget of this drain. Only the way forward may stop at its deadline: a rollback or a leftover
    /// that stopped there would leave two task sets.
    fn budget(&self) -> Option<Budget> {
        let mut budget = self.plan.request.drain.pace.budget()?.clone();
        if !self.plan.goes_forward() {
            budget.on_deadline = OnDeadline::Finish;
        }
        Some(budget)
    }

    /// Clients that are to leave by themselves before the first step, and have time left, of so many seconds that
    /// the drain has taken.
    pub(crate) fn leaving(&self, drained: u32) -> Option<Blocker> {
        let World {
            flows, now, order, ..
        } = self.world;
        let until = self.plan.request.drain.until?;
        let left = until.deadline.saturating_sub(drained);
        let waits = self.plan.goes_forward() && self.progress.step == 0 && left > 0;
        let promoted = order.as_ref().is_some_and(Order::promotes);
        if !waits || promoted || flows.have_left(until.connections, *now) {
            return None;
        }
        Some(Blocker::Leaving {
            connections: flows.reported(*now).map(rounded_up),
            left,
        })
    }

    /// More reconnects than the budget allows: they hold the step.
    pub(crate) fn excess(&self) -> Option<Blocker> {
        let budget = self.budget()?;
        let control = &self.progress.control;
        control.began?;
        let standing = self.standing(self.wanted);
        let World { flows, now, .. } = self.world;
        let excess = budget::excess(&budget, control, flows, &standing, *now)?;
        Some(Blocker::Reconnects {
            seen: rounded_up(excess.seen),
            allowed: rounded_up(excess.allowed),
        })
    }

    /// The refusal of a drain that stops at its deadline rather than exceed its budget.
    pub(crate) fn out_of_time(&self) -> Option<Refusal> {
        let budget = self.budget()?;
        let last = budget::last_step(&budget, self.deregistration());
        let (left, elapsed) = (self.wanted, self.elapsed());
        let stops = budget.on_deadline == OnDeadline::Stop && self.progress.control.began.is_some();
        // The last step is planned for then, and each turn of the loop takes a second or two.
        (stops && left > 0 && elapsed >= last.saturating_add(budget::GRACE)).then(|| {
            Refusal::new(
                ErrorName::DrainTimeout,
                format!(
                    "{} still has {left} of its {} {elapsed} s after the drain began; to end within {} s, its last step was due by {last} s.",
                    self.plan.outgoing_set().map_or("The original", |id| id),
                    counted(self.plan.tasks, "task"),
                    budget.deadline,
                ),
                "Raise drain.deadline or drain.reconnectsPerSecond, or set drain.onDeadline to finish.",
            )
        })
    }

    fn standing(&self, left: u32) -> Standing {
        Standing {
            left,
            of: self.plan.scheduled().0,
            most_steps: drain::most_steps(&self.plan.outgoing),
            elapsed: self.elapsed(),
            deregistration: self.deregistration(),
            shift: self.shift(),
        }
    }

    /// How much later a step is than evenly, in parts of [`JITTER`]: from 0 to 1, by the deployment's id,
    /// so that a turn that is repeated says the same.
    fn lateness(&self, step: u32) -> f64 {
        let id = self.plan.id.external_id();
        identity::fraction(&[&id, &step.to_string()])
    }

    /// The same of the next step beside that of the step before it.
    fn shift(&self) -> f64 {
        let step = self.step();
        self.lateness(step.saturating_add(1)) - self.lateness(step)
    }

    /// Seconds since the first step; none before it.
    fn elapsed(&self) -> u32 {
        let began = self.progress.control.began.unwrap_or(self.world.now);
        u32::try_from(self.world.now.saturating_sub(began)).unwrap_or(u32::MAX)
    }

    /// The step that is due was made: which one. Notes when the first was.
    pub(crate) fn begin(&mut self) -> u32 {
        self.progress.step = self.step();
        let began = &mut self.progress.control.began;
        began.get_or_insert(self.world.now);
        self.progress.step
    }

    /// The baseline, read until a step can have had an effect: one reading may fail.
    fn learned(&self) -> Control {
        let mut control = self.progress.control;
        // After another pace the drain's own reconnects are in it.
        let unaffected =
            self.plan.replanned.is_none() && self.elapsed() <= self.deregistration().least.max(60);
        if !unaffected || self.plan.request.drain.pace.budget().is_none() {
            return control;
        }
        let World { flows, now, .. } = self.world;
        let connections = flows.connections_per_task(self.plan.tasks, *now);
        control.baseline = control.baseline.or(flows.baseline());
        control.connections_per_task = control.connections_per_task.or(connections);
        control
    }

    /// Slows down a drain with a budget if a minute within a pause exceeded it.
    pub(crate) fn judge(&mut self) {
        if let Some(budget) = self.budget() {
            self.correct(&budget, &self.standing(self.wanted));
        }
    }

    fn correct(&mut self, budget: &Budget, standing: &Standing) {
        let World { flows, now, .. } = self.world;
        let control = &mut self.progress.control;
        *control = budget::corrected(budget, control, flows, standing, *now);
    }

    /// The step after the one that is made, or, where `held`, in its place: then `wait` is not for it.
    pub(crate) fn next(&mut self, held: bool) -> NextStep {
        self.progress.control = self.learned();
        let Some(budget) = self.budget() else {
            let (schedule, step) = (self.schedule(), self.step());
            let after = step.saturating_add(1);
            let left = |step| self.share(schedule.left_after(step));
            return NextStep {
                tasks: left(step).saturating_sub(left(after)),
                wait: self.wait(schedule, step),
                then: schedule
                    .at(schedule.steps())
                    .saturating_sub(schedule.at(after)),
                remark: None,
            };
        };
        let left = if held {
            // In tasks of the plan, as what is carried in the state.
            scaled(self.wanted, self.plan.scheduled().1, self.desired().max(1))
        } else {
            self.planned()
        };
        let standing = self.standing(left);
        self.correct(&budget, &standing);
        let next = budget::next(&budget, &self.progress.control, &standing);
        let then_left = left.saturating_sub(next.tasks);
        self.progress.control.left = Some(then_left);
        NextStep {
            then: then_left
                .div_ceil(next.tasks.max(1))
                .saturating_mul(next.wait),
            tasks: next.tasks,
            wait: next.wait,
            remark: Some(self.remark(&budget, next.binds)),
        }
    }

    /// Seconds until the step after this one. Where steps are spread over a time, what each turn of the loop
    /// itself takes is subtracted, and a quarter of a pause at most. A drain that was held does not hurry
    /// afterwards.
    ///
    /// Pauses are whole seconds: long and short ones alternate evenly.
    fn wait(&self, schedule: Schedule, step: u32) -> u32 {
        let pause = schedule.wait_after(step);
        let (Pace::Within { seconds }, Some(_)) =
            (&self.plan.request.drain.pace, self.progress.control.began)
        else {
            return pause;
        };
        let mean = f64::from(*seconds) / f64::from(schedule.steps().saturating_sub(1).max(1));
        let before = step.saturating_sub(1);
        let turn = self.turn(before);
        // Less than half a second is not made up for: two short pauses would follow each other.
        let apart = if turn < 0.5 { mean } else { mean - turn };
        // Clients come back after a number of seconds of their own: a long pause keeps out of step.
        let jitter = if mean < LONG { 0.0 } else { JITTER * mean };
        let late = |step: u32| {
            let inner = step > 1 && step < schedule.steps();
            if inner {
                jitter * self.lateness(step)
            } else {
                0.0
            }
        };
        let due =
            |before: u32| (apart * f64::from(before) + late(before.saturating_add(1))).round();
        let wait = (due(step) - due(before)).max((mean * 0.75).floor());
        whole(wait).max(1)
    }

    /// What each turn has taken beyond its pause, in seconds, at least: times are known to the second.
    fn turn(&self, turns: u32) -> f64 {
        let waited = self.progress.waited.saturating_add(1);
        f64::from(self.elapsed().saturating_sub(waited)) / f64::from(turns.max(1))
    }

    fn remark(&self, budget: &Budget, binds: budget::Binds) -> PaceRemark {
        // Deregistration, and CloudWatch's minute.
        let tail = self.deregistration().most.saturating_add(60);
        let World { flows, now, .. } = self.world;
        let reconnects = match (flows.newest(*now), self.progress.control.baseline) {
            (Some(_), _) if self.elapsed() <= tail => Reconnects::NotYet { after: tail },
            (Some(newest), baseline) => Reconnects::Seen {
                seen: rounded_up((newest.value - baseline.unwrap_or(0.0)).max(0.0)),
                budget: rounded_up(budget.reconnects),
            },
            (None, _) => Reconnects::Unknown {
                error: flows.error.clone(),
            },
        };
        PaceRemark {
            reconnects,
            deadline_binds: binds == budget::Binds::Deadline,
            contradiction: self.contradiction(budget),
        }
    }

    /// That the input's connections a task are not what CloudWatch has seen: the greater are used.
    fn contradiction(&self, budget: &Budget) -> Option<Contradiction> {
        let said = budget.connections_per_task?;
        let seen = self.progress.control.connections_per_task?;
        (seen > 2.0 * said || said > 2.0 * seen).then(|| Contradiction {
            said: rounded_up(said),
            seen: rounded_up(seen),
        })
    }
}

/// Seconds of a pause that clients may fall into step with; within less, two of them come one after the
/// other.
const LONG: f64 = 10.0;

/// A number of tasks of `from`, in proportion to `to`, rounded up.
fn scaled(tasks: u32, to: u32, from: u32) -> u32 {
    let scaled = (u64::from(tasks) * u64::from(to)).div_ceil(u64::from(from));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate: `as` saturates, and none is negative"
)]
fn rounded_up(rate: f64) -> u64 {
    rate.ceil() as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds: `as` saturates, and what is negative is none"
)]
fn whole(seconds: f64) -> u32 {
    seconds as u32
}
