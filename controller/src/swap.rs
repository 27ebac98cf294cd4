//! Swap: moves the production routes to the target group of what takes over (rule R5).

use crate::action::Action;
use crate::alarms;
use crate::align::align;
use crate::checks;
use crate::command::{self, Order};
use crate::deployment::{Answer, Outgoing, Plan, Progress};
use crate::drain;
use crate::gates;
use crate::hooks;
use crate::id::{TargetGroupArn, TaskSetId};
use crate::next::Next;
use crate::pauses;
use crate::phase::To;
use crate::point::Point;
use crate::ready;
use crate::reason::{NextDrain, Reason, Shortfall, Swapped};
use crate::refusal::{ErrorName, Refusal};
use crate::registry::{self, Removed};
use crate::request::SwapMode;
use crate::routing::{self, Roles, Routing};
use crate::shift::{self, Shifted};
use crate::test_rule::{self, Which};
use crate::window;
use crate::world::{Forward, Route, TargetGroup, TaskSet, World};

/// The next writes of the swap, or what comes after it.
///
/// Before the commit point (the one write of the first production route): the intent tag, then the
/// routes, one after the other and only while what takes over is steady and healthy. Checked again after it, the
/// rest follows ([`align`]): test routes, tags, primary, and the intent is cleared. So a half-done
/// swap shows which half is done.
pub fn next(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    let incoming = ready::living_incoming(world, plan)?;
    let pair = routing::pair(world, &plan.request)?;
    // Back, as far as there is a way.
    let roles = if goes_back(plan) {
        routing::roles_of(world, pair, plan)?
    } else {
        routing::planned_roles(world, pair, plan)?
    };
    let groups = Groups::of(plan, pair)?;
    if roles.production_is_all_to(&groups.to.arn) {
        let routing = Routing {
            production: groups.to,
            alternate: groups.from,
            roles,
        };
        if let Some(growing) = made_primary_early(world, plan, progress, incoming, &groups)? {
            return Ok(growing);
        }
        // What is left is marked before the commit point, or is this deployment's own original.
        let stages = align(plan, &routing, incoming, false);
        return Ok(if stages.is_empty() {
            // Requests for tests reach what serves now: no reason to fail.
            let tidy = test_rule::deletions(world, plan, Which::All);
            swapped(world, plan, progress).map(|answer| Answer { tidy, ..answer })
        } else {
            Next::Write(stages)
        });
    }
    let shifts_tasks = registry::shifts_tasks(world, plan) && plan.goes_forward();
    if plan.goes_forward() && plan.shifted.step == 0 {
        alarms::quiet(world, plan)?;
        if shifts_tasks && let Some(waiting) = before_the_swap(world, plan, progress, &groups)? {
            return Ok(waiting);
        }
    }
    no_other_swap(world, plan, &roles, &groups)?;
    if let Some(shifting) = shift::under_way(world, plan, progress, &roles, &groups)? {
        return Ok(shifting);
    }
    if let Some(recovered) = recovered(world, plan, progress, &roles, &groups) {
        return Ok(recovered);
    }
    // Once one route has moved, the others follow.
    let begun = roles.production_reaches(&groups.to.arn);
    if !begun {
        hooks::not_failed(world, plan)?;
    }
    let shortfall = if goes_back(plan) {
        ready::shortfall_back(world, incoming, groups.to)
    } else {
        ready::shortfall(world, incoming, groups.to)
    };
    let shortfall = shortfall.filter(|_| {
        !is_the_last_resort(plan, progress, &groups)
            && !serves_still(world, plan, &roles, groups.to)
    });
    let Some(shortfall) = shortfall else {
        if !begun && let Some(waiting) = before_the_swap(world, plan, progress, &groups)? {
            return Ok(waiting);
        }
        let percent = shift::on_its_way(world, plan);
        return Ok(Next::in_order(commit(
            world, plan, &roles, &groups, percent,
        )));
    };
    ready::give_up_in_time(world, plan, progress, incoming, &shortfall).map_err(|refusal| {
        if roles.production_reaches(&groups.to.arn) {
            half_moved(refusal, &roles, &groups)
        } else {
            refusal
        }
    })?;
    Ok(if goes_back(plan) {
        ready::wait_slowly_for(world, plan, progress, shortfall)
    } else {
        ready::wait_for(world, plan, progress, shortfall)
    })
}

/// A replacement that a person has made PRIMARY in mid-shift has a share of the tasks alone: it grows first.
fn made_primary_early(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    incoming: &TaskSet,
    groups: &Groups<'_>,
) -> Result<Option<Next>, Refusal> {
    if !registry::shifts_tasks(world, plan) || !plan.goes_forward() {
        return Ok(None);
    }
    if incoming.scale < 100.0 {
        return Ok(commit_tasks(world, plan, 100).map(Next::one));
    }
    let shortfall = ready::shortfall(world, incoming, groups.to);
    let Some(shortfall @ Shortfall::Tasks { .. }) = shortfall else {
        return Ok(None);
    };
    ready::give_up_in_time(world, plan, progress, incoming, &shortfall)?;
    Ok(Some(ready::wait_for(world, plan, progress, shortfall)))
}

/// What holds a swap before its first write: an operator's pause, a planned one or a hook, and then the window.
fn before_the_swap(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    groups: &Groups<'_>,
) -> Result<Option<Next>, Refusal> {
    if let Some(paused) = command::paused(world, plan)? {
        return Ok(Some(paused.wait(To::Bake, plan, *progress)));
    }
    if plan.goes_forward() {
        window::ends_too_late(world, plan, groups)?;
    }
    if let Some(gate) = gates::due(world, plan, &[(Point::BeforeSwap, 0)])? {
        return Ok(Some(gate.answer(To::Bake, plan, *progress)));
    }
    // In a registry alone it has begun with the replacement, which clients find as soon as it is healthy.
    let begun = world.is_found_in_a_registry_alone();
    let closed = window::closed(world, plan).filter(|_| !begun);
    Ok(closed.map(|closed| closed.answer(To::Bake, plan, *progress)))
}

fn goes_back(plan: &Plan) -> bool {
    plan.outgoing == Outgoing::Replacement
}

/// The replacement lost its health and has it again, while the original was brought back: traffic is not
/// moved away from it, and the deployment goes forward again. Only a limited number of times, and not in the middle of a
/// shift: a share of the traffic was there to judge it by.
fn recovered(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    roles: &Roles<'_>,
    groups: &Groups<'_>,
) -> Option<Next> {
    let failure = plan.failure.as_ref()?;
    if !goes_back(plan)
        || is_in_steps(plan, roles)
        || failure.error != ErrorName::HealthLost.as_str()
        || progress.returns >= RECOVERIES
    {
        return None;
    }
    let replacement = plan.outgoing_in(world)?;
    if replacement.is_being_deleted() || ready::shortfall(world, replacement, groups.from).is_some()
    {
        return None;
    }
    let wait = ready::slow_check(plan);
    let reason = Reason::Recovered {
        replacement: Some(replacement.id.clone()),
        wait,
    };
    let progress = Progress {
        returns: progress.returns.saturating_add(1),
        ..Progress::default()
    };
    let plan = Plan {
        calls: plan.calls.anew(&plan.request),
        ..plan.forward()
    };
    Some(Next::wait(To::Bake, reason, wait, &plan, progress))
}

/// Times that a replacement may lose its health and get it back.
const RECOVERIES: u32 = 2;

/// Traffic goes back from targets of which none is healthy to targets of which some are: the rollback
/// has waited `readinessTimeout` for all of them.
fn is_the_last_resort(plan: &Plan, progress: &Progress, groups: &Groups<'_>) -> bool {
    goes_back(plan)
        && progress.waited >= plan.request.readiness_timeout
        && groups.from.own_targets().healthy == 0
        && groups.to.own_targets().healthy > 0
}

/// Whether traffic is or was shared between the two task sets, by the plan or by the routes.
pub(crate) fn is_in_steps(plan: &Plan, roles: &Roles<'_>) -> bool {
    plan.shifted.step > 0 || roles.are_shared()
}

/// A shift goes back to targets that have kept the rest of the traffic, and are not waited for: each second more sends
/// clients to a version that has failed. Not to a few of them, while more of that version are healthy.
pub(crate) fn serves_still(
    world: &World,
    plan: &Plan,
    roles: &Roles<'_>,
    original: &TargetGroup,
) -> bool {
    let healthy = original.own_targets().healthy;
    let failed = world.group(&plan.replacement_target_group);
    let most = failed.map_or(0, |failed| failed.own_targets().healthy);
    let is_half = healthy.saturating_mul(2) >= ready::promised(world, plan);
    original.arn == plan.original_target_group
        && is_in_steps(plan, roles)
        && healthy > 0
        && (is_half || healthy >= most)
}

/// Some production routes were moved before the replacement lost its health.
fn half_moved(refusal: Refusal, roles: &Roles<'_>, groups: &Groups<'_>) -> Refusal {
    let moved: Vec<_> = roles
        .production
        .iter()
        .copied()
        .filter(|route| route.forward.is_all_to(&groups.to.arn))
        .collect();
    let names: Vec<_> = moved.iter().map(ToString::to_string).collect();
    Refusal {
        fix: format!(
            "Production {} already forwards to {}: point it back at {} ({}), or make the replacement healthy.",
            names.join(", "),
            groups.to.name,
            groups.from.name,
            routing::modified_by(&moved)
        )
        .into(),
        ..refusal
    }
}

/// The two target groups by this deployment's names.
pub(crate) struct Groups<'a> {
    pub(crate) from: &'a TargetGroup,
    pub(crate) to: &'a TargetGroup,
}

impl<'a> Groups<'a> {
    fn of(plan: &Plan, pair: [&'a TargetGroup; 2]) -> Result<Self, Refusal> {
        let find = |arn: &TargetGroupArn| pair.into_iter().find(|group| group.arn == *arn);
        match (find(plan.outgoing_group()), find(plan.incoming_group())) {
            (Some(from), Some(to)) => Ok(Self { from, to }),
            _ => Err(Refusal::drift(
                format!(
                    "The target groups of service {} are now {} and {}, not those this deployment began with.",
                    plan.request.service, pair[0].name, pair[1].name
                ),
                "Start a new execution.",
            )),
        }
    }
}

/// A late or repeated swap must not undo a newer deployment: before the commit point, what
/// serves is what served when this deployment began.
fn no_other_swap(
    world: &World,
    plan: &Plan,
    roles: &Roles<'_>,
    groups: &Groups<'_>,
) -> Result<(), Refusal> {
    let serving = world.living_on(groups.from);
    let serving: Vec<_> = serving.iter().map(|set| set.id.as_str()).collect();
    let expected: Vec<_> = plan
        .outgoing_set()
        .map(TaskSetId::as_str)
        .into_iter()
        .collect();
    // In a rollback, the task set that failed may be gone altogether.
    let gone = serving.is_empty() && goes_back(plan);
    if serving == expected || gone {
        return Ok(());
    }
    let routes: Vec<_> = roles.production.iter().map(ToString::to_string).collect();
    let name = |ids: &[&str]| {
        if ids.is_empty() {
            "no task set".to_owned()
        } else {
            ids.join(" and ")
        }
    };
    Err(Refusal::drift(
        format!(
            "Production {} should reach {} on {}; seen there: {}.",
            routes.join(", "),
            name(&expected),
            groups.from.name,
            name(&serving)
        ),
        "The service was changed outside this deployment; nothing was moved. Start a new execution.",
    ))
}

/// The writes after which every production route sends so many percent of new connections to the group that takes
/// over. None is lowered.
pub(crate) fn commit(
    world: &World,
    plan: &Plan,
    roles: &Roles<'_>,
    groups: &Groups<'_>,
    percent: u32,
) -> Vec<Action> {
    if world.is_found_in_a_registry_alone() {
        return commit_tasks(world, plan, percent).into_iter().collect();
    }
    let mut actions = Vec::new();
    // In a rollback it is the group that traffic leaves: it stays marked as one whose task set
    // has served, until that is drained and gone.
    let back = goes_back(plan);
    let marked = if back { groups.from } else { groups.to };
    let in_steps = if back {
        is_in_steps(plan, roles)
    } else {
        plan.asks_for_a_shift().is_some()
    };
    let intent = plan.id.swap_record(in_steps, back);
    if marked.swap_intent.as_deref() != Some(intent.as_str()) {
        actions.push(Action::RecordSwapIntent {
            target_group: marked.arn.clone(),
            deployment: intent,
        });
    }
    // One after another: where the first one is refused, none has moved. Back in reverse.
    let moves = roles.production.iter().filter(|route| {
        let share = route.forward.share(&groups.to.arn);
        share.is_none_or(|share| share < percent)
    });
    let (to, from) = (&groups.to.arn, &groups.from.arn);
    let mut moves: Vec<_> = moves
        .map(|route| match percent {
            100 => moved(route, plan, to, from),
            _ => Action::Forward {
                route: route.arn.clone(),
                seen: route.forward.clone(),
                wanted: route.forward.shared(to, from, percent),
            },
        })
        .collect();
    if back {
        moves.reverse();
    }
    actions.append(&mut moves);
    actions
}

/// The same in a registry, where tasks are what is shared: one write, of the scale or of `PRIMARY`.
fn commit_tasks(world: &World, plan: &Plan, percent: u32) -> Option<Action> {
    let incoming = plan.incoming_in(world)?;
    if incoming.scale < f64::from(percent) {
        return Some(Action::SetScale {
            task_set: incoming.id.clone(),
            percent: f64::from(percent),
            tasks: drain::tasks_at(f64::from(percent), world.service.desired_count),
        });
    }
    (percent == 100).then(|| Action::MakePrimary {
        task_set: incoming.id.clone(),
    })
}

pub(crate) fn moved(
    route: &Route,
    plan: &Plan,
    live: &TargetGroupArn,
    idle: &TargetGroupArn,
) -> Action {
    Action::Forward {
        route: route.arn.clone(),
        seen: route.forward.clone(),
        wanted: match plan.request.swap_mode {
            SwapMode::Weighted => route.forward.moved(live, idle),
            SwapMode::Replace => Forward::to(live),
        },
    }
}

/// Traffic has moved: what is left of it is a pause, and then the drain.
///
/// The drain is planned here, with the tasks that there are now and not at preflight: Auto Scaling
/// may have moved the desired count meanwhile.
fn swapped(world: &World, plan: &Plan, progress: &Progress) -> Next {
    let mut plan = plan.clone();
    if let Some(outgoing) = plan.outgoing_in(world) {
        plan.tasks = outgoing.computed_desired_count;
    }
    plan.desired = world.service.desired_count;
    plan.replanned = None;
    plan.removed = Removed::default();
    plan.swapped = Some(world.now);
    plan.shifted = Shifted::default();
    // The last step of a shift is made without those.
    let without = plan
        .asks_for_a_shift()
        .map(|_| checks::too_few(world, &plan));
    plan.checked = checks::begun(&plan, world.now);
    plan.checked.without |= without.unwrap_or_default();
    // Without an outgoing set there is nothing to keep at full strength.
    let drain = plan.outgoing_set().map(|_| NextDrain {
        tasks: plan.tasks,
        bake: plan.request.bake_time,
    });
    let promoted = world.order.as_ref().is_some_and(Order::promotes);
    let waits = plan.goes_forward() && !promoted;
    let pauses = waits && pauses::left(&plan, true).next().is_some();
    let hooks = waits && hooks::left(&plan, &gates::AFTER_THE_SWAP);
    let bakes = drain.map_or(0, |drain| drain::longest_check(0).min(drain.bake));
    // A pause or a hook right after the swap comes before the bake.
    // What has failed leaves the registry at once, and bakes after that.
    let leaves = !plan.goes_forward() && world.registry.is_some();
    let (wait, waited) = if leaves {
        (0, 0)
    } else if (pauses || hooks) && bakes > 0 {
        (1, 0)
    } else {
        (bakes, bakes)
    };
    let progress = Progress {
        waited,
        baking: true,
        control: progress.control,
        spent: progress.spent,
        returns: progress.returns,
        ..Progress::default()
    };
    let failure = plan.failure.as_ref().filter(|_| goes_back(&plan));
    let reason = Reason::Swapped(Box::new(Swapped {
        after: failure.map(|failure| failure.error.clone()),
        replacement: plan.incoming_set().cloned(),
        target_group: plan.incoming_group().clone(),
        drain,
        pauses,
        hooks,
    }));
    let to = if wait > 0 { To::Bake } else { To::ScaleDown };
    Next::go(to, reason, wait, plan, progress)
}
