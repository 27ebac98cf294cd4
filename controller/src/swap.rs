//! Swap: moves the production listener to the replacement's target group (rule R5).

use crate::action::Action;
use crate::align::align;
use crate::deployment::{Course, Deployment, Progress};
use crate::drain;
use crate::next::Next;
use crate::observation::{Forward, Listener, Observation, TargetGroup};
use crate::phase::To;
use crate::ready;
use crate::reason::{NextDrain, Reason, Swapped};
use crate::refusal::Refusal;
use crate::request::SwapMode;
use crate::routing::{self, Roles, Routing};
use crate::scale_down;

/// The next writes of the swap, or what comes after it.
///
/// Before the commit point (the production listener's one write): the intent tag, then the
/// listener, and only while the replacement is steady and healthy. Looked at again after it, the
/// rest follows ([`align`]): test listener, tags, primary, and the intent is cleared. So a half-done
/// swap shows which half is done.
pub fn next(observation: &Observation, deployment: &Deployment) -> Result<Next, Refusal> {
    let replacement = ready::living_replacement(observation, deployment)?;
    let pair = routing::pair(observation, &deployment.request.service)?;
    let roles = routing::roles(observation, pair)?;
    let groups = Groups::of(deployment, pair)?;
    if roles.production_is_all_to(&groups.to.arn) {
        let routing = Routing {
            production: groups.to,
            alternate: groups.from,
            roles,
        };
        // What is left is marked before the commit point, or is this deployment's own original.
        let actions = align(deployment, &routing, replacement, false);
        return Ok(if actions.is_empty() {
            swapped(observation, deployment)
        } else {
            Next::Write(actions)
        });
    }
    if deployment.course == Course::Forward {
        scale_down::quiet(deployment)?;
    }
    nobody_else_swapped(observation, deployment, &roles, &groups)?;
    let shortfall = ready::shortfall(observation, deployment, replacement)
        .filter(|_| !is_the_last_resort(deployment, &groups));
    let Some(shortfall) = shortfall else {
        return Ok(Next::Write(commit(deployment, &roles, &groups)));
    };
    ready::give_up_in_time(observation, deployment, replacement, &shortfall).map_err(
        |refusal| {
            if roles.production_reaches(&groups.to.arn) {
                half_moved(refusal, &roles, &groups)
            } else {
                refusal
            }
        },
    )?;
    Ok(match deployment.course {
        Course::Back => ready::wait_slowly_for(deployment, shortfall),
        Course::Forward | Course::Leftover | Course::HalfSwapped => {
            ready::wait_for(deployment, shortfall)
        }
    })
}

/// Traffic goes back from targets of which none is healthy to targets of which some are: the rollback
/// has waited `readinessTimeout` for all of them.
fn is_the_last_resort(deployment: &Deployment, groups: &Groups<'_>) -> bool {
    let waited = deployment.progress.waited >= deployment.request.readiness_timeout;
    deployment.course == Course::Back
        && waited
        && groups.from.targets.healthy == 0
        && groups.to.targets.healthy > 0
}

/// Some production listeners were moved before the replacement lost its health.
fn half_moved(refusal: Refusal, roles: &Roles<'_>, groups: &Groups<'_>) -> Refusal {
    let moved: Vec<_> = roles
        .production
        .iter()
        .filter(|listener| listener.forward.is_all_to(&groups.to.arn))
        .map(|listener| listener.port.to_string())
        .collect();
    Refusal {
        mend: format!(
            "Production listener {} forwards to {} already: point it back at {} (aws elbv2 \
             modify-listener), or make the replacement healthy.",
            moved.join(", "),
            groups.to.name,
            groups.from.name
        ),
        ..refusal
    }
}

/// The two target groups by this deployment's names.
struct Groups<'a> {
    from: &'a TargetGroup,
    to: &'a TargetGroup,
}

impl<'a> Groups<'a> {
    fn of(deployment: &Deployment, pair: [&'a TargetGroup; 2]) -> Result<Self, Refusal> {
        let find = |arn: &str| pair.into_iter().find(|group| group.arn == arn);
        match (
            find(&deployment.original_target_group),
            find(&deployment.replacement_target_group),
        ) {
            (Some(from), Some(to)) => Ok(Self { from, to }),
            _ => Err(Refusal::drift(
                format!(
                    "The target groups of service {} are {} and {} now, not those this deployment began with.",
                    deployment.request.service, pair[0].name, pair[1].name
                ),
                "Start a new execution.",
            )),
        }
    }
}

/// A late or repeated swap must not undo a newer deployment: before the commit point, what
/// serves is what served when this deployment began.
fn nobody_else_swapped(
    observation: &Observation,
    deployment: &Deployment,
    roles: &Roles<'_>,
    groups: &Groups<'_>,
) -> Result<(), Refusal> {
    let serving: Vec<_> = observation
        .task_sets
        .iter()
        .filter(|set| !set.is_being_deleted() && set.is_attached_to(&groups.from.arn))
        .map(|set| set.id.as_str())
        .collect();
    let expected: Vec<_> = deployment.original.as_deref().into_iter().collect();
    // On the way back, the task set that failed may be gone altogether.
    let gone = serving.is_empty() && deployment.course == Course::Back;
    if serving == expected || gone {
        return Ok(());
    }
    let listeners: Vec<_> = roles
        .production
        .iter()
        .map(|l| l.port.to_string())
        .collect();
    let name = |ids: &[&str]| {
        if ids.is_empty() {
            "no task set".to_owned()
        } else {
            ids.join(" and ")
        }
    };
    Err(Refusal::drift(
        format!(
            "Production listener {} should reach {} on {}; seen there: {}.",
            listeners.join(", "),
            name(&expected),
            groups.from.name,
            name(&serving)
        ),
        "Another deployment or a person changed the service; nothing was moved. Start a new execution.",
    ))
}

fn commit(deployment: &Deployment, roles: &Roles<'_>, groups: &Groups<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    // On the way back it is the group that traffic leaves: it stays marked as one whose task set
    // has served, until that is drained and gone.
    let (marked, intent) = match deployment.course {
        Course::Forward | Course::Leftover | Course::HalfSwapped => {
            (groups.to, deployment.id.tag_value())
        }
        Course::Back => (groups.from, deployment.id.tag_value_back()),
    };
    if marked.swap_intent.as_deref() != Some(intent.as_str()) {
        actions.push(Action::RecordSwapIntent {
            target_group: marked.arn.clone(),
            deployment: intent,
        });
    }
    for listener in &roles.production {
        if !listener.forward.is_all_to(&groups.to.arn) {
            actions.push(moved(
                listener,
                deployment,
                &groups.to.arn,
                &groups.from.arn,
            ));
        }
    }
    actions
}

pub(crate) fn moved(
    listener: &Listener,
    deployment: &Deployment,
    live: &str,
    idle: &str,
) -> Action {
    Action::Forward {
        listener: listener.arn.clone(),
        seen: listener.forward.clone(),
        wanted: match deployment.request.swap_mode {
            SwapMode::Weighted => Forward::weighted(live, idle),
            SwapMode::Replace => Forward::to(live),
        },
    }
}

/// Traffic has moved: what is left of it is a pause, and then the drain.
///
/// The drain is planned here, with the tasks that there are now and not at preflight: Auto Scaling
/// may have moved the desired count meanwhile.
fn swapped(observation: &Observation, deployment: &Deployment) -> Next {
    let mut deployment = deployment.clone();
    if let Some(original) = deployment.original_in(observation) {
        deployment.tasks = original.computed_desired_count;
    }
    if let Some(service) = &observation.service {
        deployment.desired = service.desired_count;
    }
    // Without an original there is nothing to keep at full strength meanwhile.
    let drain = deployment.original.as_ref().map(|_| NextDrain {
        tasks: deployment.tasks,
        bake: deployment.request.bake_time,
    });
    let wait = drain::bake_poll(drain.map_or(0, |drain| drain.bake));
    deployment.progress = Progress {
        waited: wait,
        baking: true,
        ..Progress::default()
    };
    let failure = deployment.failure.as_ref();
    let reason = Reason::Swapped(Box::new(Swapped {
        after: failure
            .filter(|_| deployment.course == Course::Back)
            .map(|failure| failure.error.clone()),
        replacement: deployment.replacement.clone(),
        target_group: deployment.replacement_target_group.clone(),
        drain,
    }));
    let to = if wait > 0 { To::Bake } else { To::ScaleDown };
    Next::go(to, reason, wait, deployment)
}

#[cfg(test)]
mod tests;
