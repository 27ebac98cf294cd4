//! Wrong decisions about a service that clients find in a registry.

use ebbtide_controller::deployment::Plan;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::registry::Removed;
use ebbtide_controller::turn::{self, Turn};
use ebbtide_controller::world::{InstanceHealth, World};

use super::decisions::assert_caught;
use crate::run;
use crate::scenarios;

/// The same world, in which no client finds the task sets but for the one that takes over.
fn unfound(seen: &World, plan: &Plan) -> World {
    let mut seen = seen.clone();
    let incoming = plan.incoming_in(&seen).cloned();
    let label = incoming.and_then(|set| set.external_id);
    for instance in seen
        .registry
        .iter_mut()
        .flat_map(|registry| &mut registry.instances)
    {
        if instance.external_id != label {
            instance.health = InstanceHealth::Unhealthy;
        }
    }
    seen
}

fn long_ago(plan: &Plan) -> Plan {
    let removed = Removed {
        since: plan.removed.since.map(|_| 0),
        ..plan.removed
    };
    Plan {
        removed,
        ..plan.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_are_stopped_while_clients_find_them_are_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        if phase != Phase::ScaleDown {
            return turn::next(phase, seen, plan, progress);
        }
        let mut plan = long_ago(plan);
        plan.removed.since = Some(0);
        turn::next(phase, &unfound(seen, &plan), &plan, progress)
    };
    let case = scenarios::named("a registry");
    assert_caught("S15", &case, next, [run::Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_does_not_wait_for_caches_is_caught() {
    let next: Turn =
        |phase, seen, plan, progress| turn::next(phase, seen, &long_ago(plan), progress);
    let case = scenarios::named("a registry");
    assert_caught("S19", &case, next, [run::Plan::default()]).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_deletes_what_clients_know_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        if phase == Phase::Rollback {
            let own = plan.id.external_id();
            let registry = seen.registry.iter_mut();
            for registry in registry {
                let label = |label: &Option<String>| label.as_deref() == Some(own.as_str());
                registry.instances.retain(|one| !label(&one.external_id));
            }
        }
        turn::next(phase, &seen, plan, progress)
    };
    let case = scenarios::named("refused in a registry");
    assert_caught("S15", &case, next, [run::Plan::default()]).await;
}
