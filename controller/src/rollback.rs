//! Rollback: after a failure before the swap, deletes the candidate; afterwards says what remains.

use crate::arn::short;
use crate::decision::{Action, Decision};
use crate::deployment::Deployment;
use crate::observation::{Observation, TaskSet, TaskSetStatus};
use crate::refusal::Refusal;
use crate::routing;

/// Decides what can be undone.
///
/// A candidate that never served is deleted with `force` (rule R4). Once any production listener
/// sends traffic to it, nothing is undone: both task sets stay as they are.
pub fn decide(observation: &Observation, deployment: &Deployment) -> Decision {
    let Some(candidate) = deployment
        .replacement_in(observation)
        .filter(|candidate| !candidate.is_being_deleted())
    else {
        return Decision::Done;
    };
    let (reached, intent) = match reached(observation, deployment, candidate) {
        Ok(seen) => seen,
        // Without knowing where traffic goes, nothing may be deleted.
        Err(refusal) => return Decision::Refuse(refusal),
    };
    if reached || candidate.status == TaskSetStatus::Primary {
        return Decision::Done;
    }
    let mut actions = vec![Action::DeleteTaskSet {
        task_set: candidate.id.clone(),
        force: true,
    }];
    if intent {
        actions.push(Action::ClearSwapIntent {
            target_group: deployment.replacement_target_group.clone(),
        });
    }
    Decision::Act(actions)
}

/// Whether production traffic reaches the candidate, and whether its group bears a swap intent.
///
/// Asked of the groups that the candidate is attached to now, and not of the one that this
/// deployment named.
fn reached(
    observation: &Observation,
    deployment: &Deployment,
    candidate: &TaskSet,
) -> Result<(bool, bool), Refusal> {
    let pair = routing::pair(observation, &deployment.request.service)?;
    let roles = routing::roles(observation, pair)?;
    let intent = pair.iter().any(|group| {
        group.arn == deployment.replacement_target_group && group.swap_intent.is_some()
    });
    let reached = candidate
        .load_balancers
        .iter()
        .any(|attached| roles.production_reaches(&attached.target_group));
    Ok((reached, intent))
}

/// What was undone and what remains, as a sentence for the end of the execution's cause.
pub fn outcome(observation: &Observation, deployment: &Deployment) -> String {
    let original = deployment.original_in(observation);
    let serves = match original {
        Some(original) => format!("{} serves as before", original.id),
        None => "no task set served before".to_owned(),
    };
    match deployment.replacement_in(observation) {
        None => format!("Rolled back: there is no replacement task set, and {serves}."),
        Some(candidate) if candidate.is_being_deleted() => {
            format!("Rolled back: {} was deleted, and {serves}.", candidate.id)
        }
        Some(candidate) => {
            let original = match original {
                Some(original) => format!(
                    "{} still runs {} of {} tasks on {}",
                    original.id,
                    original.running_count,
                    deployment.tasks,
                    short(&deployment.original_target_group)
                ),
                None => "there is no original any more".to_owned(),
            };
            format!(
                "Not rolled back: production traffic reaches {} on {}; {original}.",
                candidate.id,
                short(&deployment.replacement_target_group)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{OWNER, World, group_arn};

    fn look(world: &World) -> Decision {
        decide(&world.observation, &world.deployment())
    }

    #[test]
    fn a_candidate_that_never_served_is_deleted() {
        assert_eq!(
            look(&World::created()),
            Decision::Act(vec![Action::DeleteTaskSet {
                task_set: "ecs-svc/2".into(),
                force: true
            }])
        );
    }

    #[test]
    fn the_intent_of_a_swap_that_did_not_happen_is_cleared() {
        let mut world = World::created();
        world.group_mut("green").swap_intent = Some(OWNER.into());
        let Decision::Act(actions) = look(&world) else {
            panic!()
        };
        assert_eq!(
            actions[1],
            Action::ClearSwapIntent {
                target_group: group_arn("green")
            }
        );
    }

    #[test]
    fn after_the_commit_point_nothing_is_deleted() {
        let world = World::committed();
        assert_eq!(look(&world), Decision::Done);
        assert!(
            outcome(&world.observation, &world.deployment())
                .starts_with("Not rolled back: production traffic reaches ecs-svc/2")
        );
        assert_eq!(look(&World::swapped()), Decision::Done);
    }

    #[test]
    fn a_set_behind_the_production_listener_is_not_deleted_whatever_it_was_made_for() {
        let mut world = World::created();
        world.task_set_mut("ecs-svc/2").load_balancers[0].target_group = group_arn("blue");
        assert_eq!(look(&world), Decision::Done);
    }

    #[test]
    fn without_a_readable_listener_nothing_is_deleted() {
        let mut world = World::created();
        world.observation.listeners.clear();
        assert!(matches!(look(&world), Decision::Refuse(_)));
    }

    #[test]
    fn nothing_created_is_nothing_to_undo() {
        let world = World::serving();
        assert_eq!(look(&world), Decision::Done);
        assert_eq!(
            outcome(&world.observation, &world.deployment()),
            "Rolled back: there is no replacement task set, and ecs-svc/1 serves as before."
        );
    }
}
