//! Which step of the drain is due, and when the next one comes.

use crate::deployment::{Course, Deployment};
use crate::drain::budget::{self, Control, Standing};
use crate::drain::pace::{Budget, OnDeadline, Pace};
use crate::drain::{self, Schedule};
use crate::observation::{Observation, TargetGroup};
use crate::reason::{Blocker, Contradiction, PaceRemark, Reconnects};
use crate::refusal::{ErrorName, Refusal};

/// The original's target group.
pub(crate) fn group<'a>(
    observation: &'a Observation,
    deployment: &Deployment,
) -> Option<&'a TargetGroup> {
    let groups = &observation.target_groups;
    groups
        .iter()
        .find(|group| group.arn == deployment.original_target_group)
}

/// Seconds between a task's deregistration and its SIGTERM.
pub(crate) fn delay(observation: &Observation, deployment: &Deployment) -> u32 {
    group(observation, deployment).map_or(0, |group| group.deregistration_delay)
}

/// The drain as it was planned at the swap.
pub(crate) fn schedule(observation: &Observation, deployment: &Deployment) -> Schedule {
    Schedule::new(
        deployment.tasks,
        &deployment.request.drain.pace,
        drain::most_steps(deployment.course),
        delay(observation, deployment),
    )
}

/// The step that is due, or was made last.
pub(crate) fn next_step(deployment: &Deployment) -> u32 {
    deployment.progress.step.max(1)
}

/// Tasks that are to be left after the step that is due, of a service that wants `desired` now.
///
/// None where the application says that the original has no connection left: nobody is cut then.
pub(crate) fn left(observation: &Observation, deployment: &Deployment, desired: u32) -> u32 {
    if connections_are_gone(deployment) {
        return 0;
    }
    share(planned(observation, deployment), deployment, desired)
}

/// The same, of the tasks that the drain began with.
fn planned(observation: &Observation, deployment: &Deployment) -> u32 {
    match (budget_of(deployment), deployment.control.left) {
        (Some(_), Some(left)) => left,
        (Some(budget), None) => {
            let mut known = deployment.control.clone();
            learn(observation, deployment, &mut known);
            let standing = standing(observation, deployment, deployment.tasks);
            budget::left_after_first(&budget, &known, &standing)
        }
        (None, _) => schedule(observation, deployment).left_after(next_step(deployment)),
    }
}

pub(crate) fn connections_are_gone(deployment: &Deployment) -> bool {
    deployment.flows.gone(deployment.now)
}

/// Tasks of the plan as they are now.
///
/// Where Auto Scaling has moved the desired count since the swap, every task set has followed it
/// by its percentage (AWS documentation), and so does each step of the plan.
pub(crate) fn share(tasks: u32, deployment: &Deployment, desired: u32) -> u32 {
    if desired == deployment.desired || desired == 0 || deployment.desired == 0 {
        return tasks;
    }
    let share = (u64::from(tasks) * u64::from(desired)).div_ceil(u64::from(deployment.desired));
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// The budget of this drain. Only the way forward may stop at its deadline: a way back or a leftover
/// that stopped there would leave two task sets.
fn budget_of(deployment: &Deployment) -> Option<Budget> {
    let mut budget = deployment.request.drain.pace.budget()?.clone();
    if deployment.course != Course::Forward {
        budget.on_deadline = OnDeadline::Finish;
    }
    Some(budget)
}

/// More reconnects than the budget allows: they hold the step.
pub(crate) fn excess(observation: &Observation, deployment: &Deployment) -> Option<Blocker> {
    let budget = &budget_of(deployment)?;
    deployment.control.began?;
    let standing = standing(observation, deployment, wanted(observation, deployment));
    let excess = budget::excess(budget, &deployment.control, &deployment.flows, &standing)?;
    Some(Blocker::Reconnects {
        seen: rounded_up(excess.seen),
        budget: rounded_up(excess.budget),
    })
}

/// The refusal of a drain that stops at its deadline rather than exceed its budget.
pub(crate) fn out_of_time(observation: &Observation, deployment: &Deployment) -> Option<Refusal> {
    let budget = budget_of(deployment)?;
    let last = budget::last_step(&budget, delay(observation, deployment));
    let left = wanted(observation, deployment);
    let stops = budget.on_deadline == OnDeadline::Stop && deployment.control.began.is_some();
    // The last step is planned for then, and each turn of the loop takes a second or two.
    (stops && left > 0 && elapsed(deployment) >= last.saturating_add(budget::GRACE)).then(|| {
        Refusal::new(
            ErrorName::DrainTimeout,
            format!(
                "{} still has {left} of its {} tasks {} s after the drain began, and the last step of one that ends within {} s would have been due by {last} s.",
                deployment.original.as_deref().unwrap_or("The original"),
                deployment.tasks,
                elapsed(deployment),
                budget.deadline,
            ),
            "Raise drain.deadline or drain.reconnectsPerSecond, or let the deadline bind with \
             drain.onDeadline finish.",
        )
    })
}

/// Tasks that the original is to have now.
pub(crate) fn wanted(observation: &Observation, deployment: &Deployment) -> u32 {
    deployment
        .original_in(observation)
        .map_or(0, |original| original.computed_desired_count)
}

fn standing(observation: &Observation, deployment: &Deployment, left: u32) -> Standing {
    Standing {
        left,
        of: deployment.tasks,
        most_steps: drain::most_steps(deployment.course),
        elapsed: elapsed(deployment),
        deregistration_delay: delay(observation, deployment),
        now: deployment.now,
    }
}

/// Seconds since the first step.
fn elapsed(deployment: &Deployment) -> u32 {
    match deployment.control.began {
        Some(began) => u32::try_from(deployment.now.saturating_sub(began)).unwrap_or(u32::MAX),
        None => 0,
    }
}

/// Notes when the first step was made.
pub(crate) fn begin(deployment: &mut Deployment) {
    deployment.control.began.get_or_insert(deployment.now);
}

/// Notes what is ordinary, as long as no step can have had an effect yet: a reading may fail.
fn learn(observation: &Observation, deployment: &Deployment, control: &mut Control) {
    let unaffected = elapsed(deployment) <= delay(observation, deployment).max(60);
    if !unaffected || deployment.request.drain.pace.budget().is_none() {
        return;
    }
    let tasks = f64::from(deployment.tasks.max(1));
    let connections = deployment
        .flows
        .connections(deployment.now)
        .map(|connections| connections / tasks)
        .filter(|connections| *connections > 0.0);
    control.ordinary = control.ordinary.or(deployment.flows.ordinary());
    control.connections_per_task = control.connections_per_task.or(connections);
}

/// Slows a budget's drain down where a minute within a pause was too loud.
pub(crate) fn judge(observation: &Observation, deployment: &mut Deployment) {
    let Some(budget) = budget_of(deployment) else {
        return;
    };
    let standing = standing(observation, deployment, wanted(observation, deployment));
    deployment.control =
        budget::corrected(&budget, &deployment.control, &deployment.flows, &standing);
}

/// What comes next: how many tasks, in how many seconds, and a remark on the pace.
pub(crate) struct Next {
    pub(crate) tasks: u32,
    pub(crate) wait: u32,
    /// Seconds from then to the last step, as far as that is planned.
    pub(crate) then: u32,
    pub(crate) remark: Option<PaceRemark>,
}

/// The step after the one that is made, or, where `held`, in its place: then `wait` is not for it.
pub(crate) fn next(
    observation: &Observation,
    deployment: &mut Deployment,
    desired: u32,
    held: bool,
) -> Next {
    let mut control = deployment.control.clone();
    learn(observation, deployment, &mut control);
    deployment.control = control;
    let Some(budget) = budget_of(deployment) else {
        let schedule = schedule(observation, deployment);
        let step = next_step(deployment);
        let cut = share(schedule.left_after(step), deployment, desired).saturating_sub(share(
            schedule.left_after(step.saturating_add(1)),
            deployment,
            desired,
        ));
        return Next {
            tasks: cut,
            wait: wait(schedule, deployment, step),
            then: schedule
                .at(schedule.steps())
                .saturating_sub(schedule.at(step.saturating_add(1))),
            remark: None,
        };
    };
    let left = if held {
        // In tasks of the plan, as what is carried in the state.
        let wanted = u64::from(wanted(observation, deployment)) * u64::from(deployment.desired);
        let planned = wanted.div_ceil(u64::from(desired.max(1)));
        u32::try_from(planned).unwrap_or(u32::MAX)
    } else {
        planned(observation, deployment)
    };
    let standing = standing(observation, deployment, left);
    deployment.control =
        budget::corrected(&budget, &deployment.control, &deployment.flows, &standing);
    let next = budget::next(&budget, &deployment.control, &standing);
    let then_left = left.saturating_sub(next.tasks);
    deployment.control.left = Some(then_left);
    Next {
        then: then_left
            .div_ceil(next.tasks.max(1))
            .saturating_mul(next.wait),
        tasks: next.tasks,
        wait: next.wait,
        remark: Some(remark(observation, deployment, &budget, next.binds)),
    }
}

/// Seconds until the step after this one. Where steps are spread over a time, those that the turns
/// of the loop themselves take are made up for, a quarter of a pause at a time: a drain that was
/// held for long does not hurry afterwards.
fn wait(schedule: Schedule, deployment: &Deployment, step: u32) -> u32 {
    let pause = schedule.wait_after(step);
    let (Pace::Within { .. }, Some(began)) = (
        &deployment.request.drain.pace,
        deployment.control.began.filter(|_| deployment.now > 0),
    ) else {
        return pause;
    };
    let due = began.saturating_add(u64::from(schedule.at(step.saturating_add(1))));
    u32::try_from(due.saturating_sub(deployment.now))
        .unwrap_or(u32::MAX)
        .clamp(pause - pause / 4, pause)
}

/// Seconds between two steps at the beginning of a drain.
pub(crate) fn pause(observation: &Observation, deployment: &Deployment) -> u32 {
    schedule(observation, deployment).wait_after(1)
}

fn remark(
    observation: &Observation,
    deployment: &Deployment,
    budget: &Budget,
    binds: budget::Binds,
) -> PaceRemark {
    // Deregistration, and CloudWatch's minute.
    let tail = delay(observation, deployment).saturating_add(60);
    let reconnects = match deployment.flows.newest(deployment.now) {
        Some(_) if elapsed(deployment) <= tail => Reconnects::NotYet { after: tail },
        Some(newest) => Reconnects::Seen {
            seen: rounded_up((newest.value - deployment.control.ordinary.unwrap_or(0.0)).max(0.0)),
            budget: rounded_up(budget.reconnects),
        },
        None => Reconnects::Unknown {
            error: deployment.flows.error.clone(),
        },
    };
    PaceRemark {
        reconnects,
        deadline_binds: binds == budget::Binds::Deadline,
        contradiction: contradiction(budget, deployment),
    }
}

/// That the input's connections a task are not what CloudWatch has seen: the greater are used.
fn contradiction(budget: &Budget, deployment: &Deployment) -> Option<Contradiction> {
    let said = budget.connections_per_task?;
    let seen = deployment.control.connections_per_task?;
    (seen > 2.0 * said || said > 2.0 * seen).then(|| Contradiction {
        said: rounded_up(said),
        seen: rounded_up(seen),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate: `as` saturates, and none is negative"
)]
fn rounded_up(rate: f64) -> u64 {
    rate.ceil() as u64
}
