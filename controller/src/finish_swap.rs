//! A swap that an earlier deployment left half done is finished (rule R8).

use crate::action::Action;
use crate::align::align;
use crate::deployment::{Outgoing, Plan, Progress};
use crate::identity::goes_back;
use crate::next::Next;
use crate::phase::To;
use crate::ready;
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::routing::{self, Roles, Routing};
use crate::swap;
use crate::world::{TargetGroup, World};

/// Makes tags, test routes and `PRIMARY` agree with the production routes again; then the deployment
/// continues.
pub fn next(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    if let Some(unfinished) = unfinished(world, plan, progress)? {
        return Ok(unfinished);
    }
    let plan = Plan {
        outgoing: Outgoing::Original,
        ..plan.clone()
    };
    Ok(Next::at_once(
        To::CheckAndCreateService,
        Reason::SwapFinished,
        plan,
        *progress,
    ))
}

/// What is to be done or waited for until they agree; `None` where they do.
///
/// Where several production routes disagree, and a swap is on record, they all go to its group,
/// or back where that is not healthy. Without a record of a swap and without a task set beside the
/// one that serves there is nothing to finish, and nothing is written.
pub(crate) fn unfinished(
    world: &World,
    plan: &Plan,
    progress: &Progress,
) -> Result<Option<Next>, Refusal> {
    let refusal = match routing::read(world, &plan.request) {
        Ok(routing) => {
            let stages = tidy(world, plan, &routing);
            return Ok((!stages.is_empty()).then_some(Next::Write(stages)));
        }
        Err(refusal) => refusal,
    };
    let pair = routing::pair(world, &plan.request)?;
    let roles = routing::roles(world, pair, &plan.request)?;
    if pair.iter().all(|group| group.swap_intent.is_none()) {
        return Err(refusal);
    }
    agree(world, plan, progress, pair, &roles).map(Some)
}

/// Has every production route forward to one group: the recorded one, if its task set is
/// healthy, else the other.
fn agree(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    mut pair: [&TargetGroup; 2],
    roles: &Roles<'_>,
) -> Result<Next, Refusal> {
    // First where the record says that traffic goes: to its group, or, on a rollback, away from it. A shift that was
    // left half done goes back: its version was still to be judged.
    let shared = roles.are_shared();
    let rank = |group: &TargetGroup| match group.swap_intent.as_deref() {
        Some(intent) if shared || goes_back(intent) => 2,
        Some(_) => 0,
        None => 1,
    };
    if rank(pair[1]) < rank(pair[0]) {
        pair.reverse();
    }
    let mut lacking = None;
    for (to, from) in [(pair[0], pair[1]), (pair[1], pair[0])] {
        let [serving] = world.living_on(to)[..] else {
            continue;
        };
        match ready::shortfall(world, serving, to) {
            None => {
                let actions = roles
                    .production
                    .iter()
                    .filter(|route| !route.forward.is_all_to(&to.arn))
                    .map(|route| swap::moved(route, plan, &to.arn, &from.arn))
                    .collect();
                return Ok(Next::in_order(actions));
            }
            Some(shortfall) => {
                lacking.get_or_insert((serving, shortfall));
            }
        }
    }
    let Some((serving, shortfall)) = lacking else {
        return Err(Refusal::drift(
            format!(
                "The production {} send traffic to different target groups, and no task set is on either.",
                routing::in_general(&roles.production)
            ),
            format!(
                "Start a new execution once one of them has a task set, or point all production {} at one target group ({}).",
                routing::in_general(&roles.production),
                routing::modified_by(&roles.production)
            ),
        ));
    };
    ready::give_up_in_time(world, plan, progress, serving, &shortfall)?;
    Ok(ready::wait_slowly_for(world, plan, progress, shortfall))
}

/// Brings everything else in line with the production routes. Writes nothing if nothing is unfinished.
fn tidy(world: &World, plan: &Plan, routing: &Routing<'_>) -> Vec<Vec<Action>> {
    let (production, alternate) = (routing.production, routing.alternate);
    let beside = world.living_on(alternate);
    let recorded = production.swap_intent.is_some() || alternate.swap_intent.is_some();
    let [serving] = world.living_on(production)[..] else {
        return Vec::new();
    };
    if beside.is_empty() && !recorded {
        return Vec::new();
    }
    let mut stages = Vec::new();
    // The public sample recorded none: without it, no leftover behind a test route is drained.
    // Where some are recorded, one without a role came later, and may be one that users reach.
    if routing.roles.all().all(|(route, _)| route.role.is_none()) {
        let roles = routing.roles.all();
        let recorded = roles.map(|(route, role)| Action::RecordRole {
            route: route.arn.clone(),
            role,
        });
        stages.push(recorded.collect());
    }
    // A group that was tagged has served, whichever task set the tag names.
    let served = !beside.is_empty()
        && (alternate.is_tagged_production()
            || beside.iter().any(|set| set.has_served_on(alternate)));
    stages.extend(align(plan, routing, serving, served));
    // What is beside has served or may have: its record goes when it is gone.
    if alternate.swap_intent.is_some() && beside.is_empty() {
        stages.push(vec![Action::ClearSwapIntent {
            target_group: alternate.arn.clone(),
        }]);
    }
    stages
}
