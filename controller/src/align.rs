//! Brings everything else in line with the production routes: after a swap, after a swap back, and after a
//! half-done swap.

use crate::action::Action;
use crate::deployment::Plan;
use crate::routing::Routing;
use crate::swap::moved;
use crate::world::{TaskSet, TaskSetStatus};

/// The writes, stage by stage, after which test routes, tags, `PRIMARY` and the record of the swap agree
/// with the production routes, which reach `serving` (rule R5). None if they agree.
///
/// `mark_alternate`: the task set on the alternate group has served, and only the tags that go here
/// say so. It is to be drained, not deleted: a record of a swap keeps that known.
pub(crate) fn align(
    plan: &Plan,
    routing: &Routing<'_>,
    serving: &TaskSet,
    mark_alternate: bool,
) -> Vec<Vec<Action>> {
    let (production, alternate) = (routing.production, routing.alternate);
    // Each is about another resource and depends on no other.
    let mut beside = Vec::new();
    for route in &routing.roles.test {
        if !route.forward.is_all_to(&alternate.arn) {
            beside.push(moved(route, plan, &alternate.arn, &production.arn));
        }
    }
    // In a registry nothing has tags: `PRIMARY` says it.
    let in_registry = production.is_of_a_registry();
    if mark_alternate && alternate.swap_intent.is_none() && !in_registry {
        beside.push(Action::RecordSwapIntent {
            target_group: alternate.arn.clone(),
            deployment: plan.id.tag_value(),
        });
    }
    let tagged =
        production.is_tagged_production() && production.task_set_id.as_ref() == Some(&serving.id);
    if !tagged && !in_registry {
        beside.push(Action::TagProduction {
            target_group: production.arn.clone(),
            task_set: serving.id.clone(),
        });
    }
    if serving.status != TaskSetStatus::Primary {
        beside.push(Action::MakePrimary {
            task_set: serving.id.clone(),
        });
    }
    // Removed after the other is added: readers accept two, and let the listener decide.
    let mut untag = Vec::new();
    let has_tags = alternate.is_production.is_some() || alternate.task_set_id.is_some();
    if has_tags && !in_registry {
        untag.push(Action::UntagProduction {
            target_group: alternate.arn.clone(),
        });
    }
    let mut clear = Vec::new();
    if production.swap_intent.is_some() {
        clear.push(Action::ClearSwapIntent {
            target_group: production.arn.clone(),
        });
    }
    let mut stages = vec![beside, untag, clear];
    stages.retain(|stage| !stage.is_empty());
    stages
}
