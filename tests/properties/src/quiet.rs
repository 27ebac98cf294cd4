//! Actions that wait for the window, and those that do not.
//!
//! Said here without the code that decides: what begins to move traffic, and what takes tasks away from clients.

use ebbtide_controller::action::Action;
use ebbtide_controller::command::Order;
use ebbtide_controller::deployment::{Deployment, Outgoing, Plan};
use ebbtide_controller::phase::Phase;
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::turn::{self, Next};
use ebbtide_controller::world::World;

/// Panics where a step is made although the window is closed, or something waits for it that is not to wait.
pub(crate) fn keeps(
    phase: Phase,
    world: &World,
    deployment: &Deployment,
    next: &Result<Next, Refusal>,
) {
    let Deployment { plan, progress, .. } = deployment;
    let Some(window) = &plan.request.window else {
        return;
    };
    if window.opens(world.now) > world.now
        && let Ok(Next::Write(stages)) = next
        && let Some(why) = breaks(phase, world, plan, &stages.concat())
    {
        panic!("{why}, and the window is closed: {deployment:?}");
    }
    let promoted = |order: &Order| order.in_force.promoted;
    let waits_for_none = plan.outgoing == Outgoing::Replacement
        || matches!(phase, Phase::Cleanup | Phase::Rollback)
        || window.opens(world.now) == world.now
        || world.order.as_ref().is_some_and(promoted);
    if !waits_for_none {
        return;
    }
    let mut always = plan.clone();
    always.request.window = None;
    let other = turn::next(phase, world, &always, progress);
    // What follows may wait: only with the window it is known that it ends too late, or does not fit an execution.
    let of_the_window = [ErrorName::TooLate, ErrorName::PreflightFailed];
    let is_refused = |of: &Result<Next, Refusal>| matches!(of, Err(refusal) if of_the_window.contains(&refusal.error));
    if is_refused(next) && !is_refused(&other) {
        return;
    }
    assert_eq!(what(next), what(&other), "{deployment:?}");
}

/// What is done, without the plan, which has the window.
fn what(next: &Result<Next, Refusal>) -> String {
    match next {
        Ok(Next::Write(stages)) => format!("{stages:?}"),
        Ok(Next::WriteAndGo(writes, answer)) => {
            format!("{writes:?} {:?} {}", answer.to, answer.wait)
        }
        Ok(Next::Go(answer)) => format!("{:?} {}", answer.to, answer.wait),
        Err(refusal) => refusal.error.as_str().to_owned(),
    }
}

/// Why some writes are to wait for the window; `None` where they are not.
pub fn breaks(phase: Phase, world: &World, plan: &Plan, actions: &[Action]) -> Option<String> {
    if plan.outgoing == Outgoing::Replacement || matches!(phase, Phase::Cleanup | Phase::Rollback) {
        return None;
    }
    let is_step = |action: &&Action| match action {
        Action::SetScale {
            task_set, percent, ..
        } => world.task_set(task_set).is_some_and(|set| {
            *percent < set.scale && (set.tasks() > 0 || set.computed_desired_count > 0)
        }),
        Action::Forward { wanted, .. } => {
            let group = &plan.replacement_target_group;
            let has_some = |share: Option<u32>| share.is_some_and(|share| share > 0);
            let mut routes = world.routes.iter();
            let has_begun =
                plan.shifted.step > 0 || routes.any(|route| has_some(route.forward.share(group)));
            // Without a replacement it is another deployment's swap that is finished.
            phase == Phase::Swap
                && plan.replacement.is_some()
                && !has_begun
                && has_some(wanted.share(group))
        }
        _ => false,
    };
    let step = actions.iter().find(is_step)?;
    Some(step.to_string())
}
