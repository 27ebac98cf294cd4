//! A turn in the middle of a shift: what the routes say, whether its step is over, and what comes next.

use super::late::{Asked, LATEST, Late, late};
use super::seen::{counts_both, metric, seen};
use super::{Shift, Shifted, Step, measured};
use crate::alarms;
use crate::checks;
use crate::command;
use crate::deployment::{Plan, Progress};
use crate::drain;
use crate::gates;
use crate::hooks;
use crate::next::Next;
use crate::phase::To;
use crate::point::Point;
use crate::ready;
use crate::reason::{Awaited, Blocker, Reason, Shifting};
use crate::refusal::{ErrorName, Refusal};
use crate::registry;
use crate::routing::{self, Roles};
use crate::scale_down;
use crate::swap::{self, Groups};
use crate::window;
use crate::world::World;

/// The next turn of a shift that has begun; `None` where there is none, or its first step is still to come.
///
/// Before the next step the replacement is healthy, no alarm is in `ALARM`, and no operator has paused the deployment: it
/// serves now, so health is judged as after a swap. Decided from what the routes say: a step that was begun is
/// finished, and one that is made is not made again.
pub(crate) fn under_way(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    roles: &Roles<'_>,
    groups: &Groups<'_>,
) -> Result<Option<Next>, Refusal> {
    let Some(shift) = plan.asks_for_a_shift().filter(|_| plan.goes_forward()) else {
        return Ok(None);
    };
    if let Some(scale) = foreign_scale(world, plan, shift) {
        return Err(scale);
    }
    if is_foreign(world, plan, roles) {
        return Err(foreign(roles, shift, plan));
    }
    let step = plan.shifted.step;
    let promoted = plan.shift(world).is_none();
    let turn = Turn {
        world,
        plan,
        progress,
        shift,
        promoted,
    };
    let by_tasks = registry::shifts_tasks(world, plan);
    if by_tasks && let Some(starting) = turn.starting(groups)? {
        return Ok(Some(starting));
    }
    let share = |percent| {
        if by_tasks {
            // The last step is `PRIMARY`.
            return percent < 100 && turn.scale() == percent;
        }
        let mut routes = roles.production.iter();
        routes.all(|route| route.forward.share(&groups.to.arn) == Some(percent))
    };
    if step < shift.count() && share(shift.percent(step + 1)) {
        return Ok(Some(turn.begun()));
    }
    let Some(current) = shift.step(step) else {
        return Ok(None);
    };
    ready::not_crashing(world, plan)?;
    alarms::none_raised(world)?;
    let then = turn.then(step);
    let begun = if by_tasks {
        turn.scale() > current.percent
    } else {
        roles.production.iter().any(|route| {
            let share = route.forward.share(&groups.to.arn);
            share.is_some_and(|share| share > current.percent)
        })
    };
    let awaited = turn.awaited(&current);
    // What a hook judges stays over.
    let judged = hooks::were_called(plan, Point::EachShift, step);
    let is_over = begun
        || promoted
        || judged
        || (turn.left(&current, &plan.shifted) == 0 && awaited.is_none());
    if !begun {
        hooks::not_failed(world, plan)?;
        checks::not_failed(world, plan)?;
    }
    let blocker = match turn.blocker(groups)? {
        None if !begun => command::paused(world, plan)?.map(Blocker::Paused),
        blocker => blocker,
    };
    let blocker = match blocker {
        None if is_over && !begun => checks::blocker(world, plan)?,
        blocker => blocker,
    };
    if let Some(blocker) = blocker {
        return turn.held(&current, blocker, is_over).map(Some);
    }
    if is_over && !begun {
        // Of the last step, the hooks are called once all traffic has moved.
        if let Some(gate) = gates::due(world, plan, &[(Point::EachShift, step)])? {
            return Ok(Some(gate.answer(To::Bake, plan, *progress)));
        }
    }
    let closed = window::closed(world, plan).filter(|_| is_over && !begun);
    // A late write may have put a route back to the step before.
    let goes_on = is_over && closed.is_none();
    let wanted = if goes_on { then } else { current.percent };
    let writes = swap::commit(world, plan, roles, groups, wanted);
    if !writes.is_empty() {
        return Ok(Some(Next::in_order(writes)));
    }
    if let Some(closed) = closed {
        let by = Blocker::Closed(Box::new(closed));
        return turn.held(&current, by, is_over).map(Some);
    }
    turn.goes_on(&current, awaited).map(Some)
}

/// The percentage that the first write of a swap gives the replacement: that of the first step, or all.
pub(crate) fn on_its_way(world: &World, plan: &Plan) -> u32 {
    plan.shift(world).map_or(100, |shift| shift.percent(1))
}

/// Whether a production route has weights that no step up to the next one asks for: another hand was there.
pub(crate) fn is_foreign(world: &World, plan: &Plan, roles: &Roles<'_>) -> bool {
    let Some(shift) = plan.asks_for_a_shift() else {
        return false;
    };
    if registry::shifts_tasks(world, plan) {
        return false;
    }
    let promoted = plan.shift(world).is_none();
    let asked = |share: u32| {
        let mut steps = 0..=plan.shifted.step + 1;
        (promoted && share == 100) || steps.any(|step| shift.percent(step) == share)
    };
    let mut routes = roles.production.iter();
    routes.any(|route| {
        let share = route.forward.share(&plan.replacement_target_group);
        !share.is_some_and(asked)
    })
}

/// A scale of the replacement that no step up to the next one asks for: another hand was there.
fn foreign_scale(world: &World, plan: &Plan, shift: &Shift) -> Option<Refusal> {
    if !registry::shifts_tasks(world, plan) {
        return None;
    }
    let replacement = plan.incoming_in(world)?;
    let (scale, step) = (whole(replacement.scale), plan.shifted.step);
    let promoted = plan.shift(world).is_none();
    let mut steps = 0..=step + 1;
    let asked = (promoted && scale == 100) || steps.any(|step| shift.percent(step) == scale);
    (!asked).then(|| {
        Refusal::drift(
            format!(
                "The shift is at {} % of the tasks, and next is {} %; {} has {scale} %.",
                shift.percent(step),
                shift.percent(step + 1),
                replacement.id
            ),
            "Its scale was changed outside this deployment. Start a new execution.",
        )
    })
}

fn foreign(roles: &Roles<'_>, shift: &Shift, plan: &Plan) -> Refusal {
    let step = plan.shifted.step;
    Refusal::drift(
        format!(
            "The shift is at {} % of new connections, and next is {} %; production {} now: {}.",
            shift.percent(step),
            shift.percent(step + 1),
            routing::in_general(&roles.production),
            routing::all_forwards(&roles.production)
        ),
        format!(
            "The weights were changed outside this deployment, so nothing was moved. Give all the weight to the target group of the task set that should serve ({}), then start a new execution.",
            routing::modified_by(&roles.production)
        ),
    )
}

struct Turn<'a> {
    world: &'a World,
    plan: &'a Plan,
    progress: &'a Progress,
    shift: &'a Shift,
    promoted: bool,
}

impl Turn<'_> {
    /// Percent of the desired count that the replacement has, where tasks are shared.
    fn scale(&self) -> u32 {
        let replacement = self.plan.incoming_in(self.world);
        replacement.map_or(0, |set| whole(set.scale))
    }

    /// Tasks of a step that were asked for and are not ready yet: the step begins with them.
    fn starting(&self, groups: &Groups<'_>) -> Result<Option<Next>, Refusal> {
        let Self {
            world,
            plan,
            progress,
            shift,
            ..
        } = self;
        let replacement = ready::living_incoming(world, plan)?;
        if self.scale() <= shift.percent(plan.shifted.step) {
            return Ok(None);
        }
        let Some(shortfall) = ready::shortfall(world, replacement, groups.to) else {
            return Ok(None);
        };
        ready::not_crashing(world, plan)?;
        alarms::none_raised(world)?;
        ready::give_up_in_time(world, plan, progress, replacement, &shortfall)?;
        Ok(Some(ready::wait_for(world, plan, progress, shortfall)))
    }

    /// Percent of new connections after a step: an operator skips what is left.
    fn then(&self, step: u32) -> u32 {
        if self.promoted {
            100
        } else {
            self.shift.percent(step + 1)
        }
    }

    /// Seconds of the step that are left. Its time begins with its share.
    fn left(&self, step: &Step, shifted: &Shifted) -> u32 {
        if step.seconds == 0 {
            return 0;
        }
        let left = |late: u32| (step.seconds + late).saturating_sub(shifted.waited);
        if registry::shifts_tasks(self.world, self.plan) {
            // Until clients have found its tasks.
            return left(registry::forgetting(self.world, &self.plan.request));
        }
        let Late { usually, at_worst } = self.late(step, shifted);
        let left = left(usually).max(left(at_worst).min(HELD));
        // While most of the time is lost, nothing is known sooner.
        let passed = self.world.now.saturating_sub(shifted.since);
        let is_lost = passed > 0 && u64::from(at_worst) * 2 > passed && passed < LATEST;
        if is_lost && left > 0 {
            left.max(LOST)
        } else {
            left
        }
    }

    fn late(&self, step: &Step, shifted: &Shifted) -> Late {
        let asked = Asked {
            before: self.shift.percent(shifted.step.saturating_sub(1)),
            percent: step.percent,
            since: shifted.since,
            now: self.world.now,
            is_counted: counts_both(&self.plan.request, step),
        };
        late(&asked, &self.world.flows)
    }

    /// The connections that the step waits for, while too few were seen.
    fn awaited(&self, step: &Step) -> Option<Awaited> {
        let wanted = step.wanted?;
        let measured = measured(&self.plan.request, step)?;
        let since = self.plan.shifted.since;
        // Values that could not be read again were read before.
        let seen = seen(&self.world.flows, measured, since).max(self.plan.shifted.seen);
        (seen < u64::from(wanted.connections)).then(|| Awaited {
            seen,
            wanted: wanted.connections,
            left: wanted.within.saturating_sub(self.plan.shifted.waited),
        })
    }

    /// What holds the next step: a replacement that is not healthy, or an alarm that cannot be read.
    fn blocker(&self, groups: &Groups<'_>) -> Result<Option<Blocker>, Refusal> {
        let Self { world, plan, .. } = self;
        let incoming = ready::living_incoming(world, plan)?;
        let shortfall = ready::lacking(world, plan, incoming, groups.to);
        let Some(shortfall) = shortfall else {
            return Ok(alarms::unreadable(world, plan));
        };
        scale_down::not_lost(world, plan, self.progress.held, &shortfall)?;
        Ok(Some(Blocker::Health {
            replacement: plan.replacement.clone(),
            shortfall,
        }))
    }

    /// The next step has begun: every route has its weights.
    fn begun(&self) -> Next {
        let shifted = Shifted {
            step: self.plan.shifted.step + 1,
            waited: 0,
            since: self.world.now,
            held: self.plan.shifted.held,
            seen: 0,
        };
        let step = self.shift.step(shifted.step);
        let left = step.map_or(0, |step| self.left(&step, &shifted));
        let awaited = step.and_then(|step| step.wanted).map(|wanted| Awaited {
            seen: 0,
            wanted: wanted.connections,
            left: wanted.within,
        });
        self.wait(shifted, left, awaited, None)
    }

    /// The step goes on: its time is not over, or it waits for connections.
    fn goes_on(&self, step: &Step, awaited: Option<Awaited>) -> Result<Next, Refusal> {
        let left = self.left(step, &self.plan.shifted);
        let Some(Awaited {
            seen,
            wanted,
            left: 0,
        }) = awaited
        else {
            return Ok(self.wait(self.plan.shifted, left, awaited, None));
        };
        let (flows, mut shifted) = (&self.world.flows, self.plan.shifted);
        let error = match &flows.error {
            // AWS's trouble says nothing about the version, for a while.
            Some(_) if shifted.held < self.plan.request.readiness_timeout => {
                shifted.held = shifted.held.saturating_add(HELD);
                return Ok(self.wait(shifted, HELD, awaited, None));
            }
            Some(error) => format!(" (GetMetricData failed: {error})"),
            None if flows.seen.is_empty() => ", which has no value".to_owned(),
            None => String::new(),
        };
        Err(Refusal::new(
            ErrorName::ShiftTimeout,
            format!(
                "The replacement has seen {seen} of {wanted} new connections in {} s at {} %, by {}{error}.",
                self.plan.shifted.waited,
                step.percent,
                metric(self.plan)
            ),
            "Too few to judge it by. Check the metric, lower connections, raise within, or give the step a larger share.",
        ))
    }

    /// Something holds the step. Its time goes on, but for an operator's pause and a closed window.
    fn held(&self, step: &Step, by: Blocker, is_over: bool) -> Result<Next, Refusal> {
        let mut shifted = self.plan.shifted;
        if is_over && !waits_as_asked(&by) {
            let patience = self.plan.request.readiness_timeout;
            if shifted.held >= patience {
                return Err(Refusal::new(
                    ErrorName::ShiftTimeout,
                    format!("Steps of the shift were held for {patience} s in all: {by}."),
                    "Correct that, then start a new execution.",
                ));
            }
            shifted.held = shifted.held.saturating_add(HELD);
        }
        Ok(self.wait(shifted, self.left(step, &shifted), None, Some(by)))
    }

    fn wait(
        &self,
        shifted: Shifted,
        left: u32,
        awaited: Option<Awaited>,
        by: Option<Blocker>,
    ) -> Next {
        let longest = drain::longest_check(shifted.waited);
        let wait = match (&by, &awaited) {
            (Some(Blocker::Paused(paused)), _) => paused.wait,
            (Some(Blocker::Closed(closed)), _) => closed.wait,
            (Some(Blocker::Check { .. }), _) => drain::longest_check(self.plan.checked.held),
            (Some(_), _) => HELD,
            (None, _) if left > 0 => longest.min(left),
            (None, Some(awaited)) => longest.min(awaited.left).max(1),
            (None, None) => 1,
        };
        let mut plan = self.plan.clone();
        plan.shifted = Shifted {
            seen: awaited.map_or(shifted.seen, |awaited| awaited.seen),
            ..shifted
        };
        plan.checked = checks::begun(&plan, self.world.now);
        let mut progress = Progress {
            held: 0,
            checks: 0,
            waited: 0,
            ..*self.progress
        };
        match &by {
            Some(Blocker::Paused(_)) => plan = plan.paused_for(wait),
            Some(Blocker::Check { .. }) => {
                plan = plan.held_for(wait);
                plan.checked.held = plan.checked.held.saturating_add(wait);
            }
            Some(Blocker::Health { .. }) => {
                progress.held = self.progress.held.saturating_add(wait);
            }
            Some(_) | None => {}
        }
        if !matches!(by, Some(Blocker::Paused(_) | Blocker::Closed(_))) {
            plan.shifted.waited = shifted.waited.saturating_add(wait);
        }
        let reason = Shifting {
            percent: self.shift.percent(shifted.step),
            shared: self.plan.shares(),
            step: shifted.step,
            of: self.shift.count(),
            since: shifted.since,
            then: self.then(shifted.step),
            next: left,
            now: self.world.now,
            awaited,
            by,
            wait,
        };
        Next::go(
            To::Bake,
            Reason::Shifting(Box::new(reason)),
            wait,
            plan,
            progress,
        )
    }
}

/// Whether the input or an operator asks for what holds the step: it is no trouble.
fn waits_as_asked(by: &Blocker) -> bool {
    matches!(
        by,
        Blocker::Paused(_) | Blocker::Check { .. } | Blocker::Closed(_)
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage"
)]
fn whole(percent: f64) -> u32 {
    percent.clamp(0.0, 100.0) as u32
}

/// Seconds between two checks of a step whose share is not there, at least.
const LOST: u32 = 30;

/// Seconds between two checks of a step that is held.
const HELD: u32 = 60;
