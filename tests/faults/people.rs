//! People who change the service in the middle of a deployment.

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Status};
use ebbtide_simulator::world::{DeleteTaskSet, ModifyListener, UpdateTaskSet, World};
use serde_json::json;

use crate::invariants::converged;
use crate::run::{Stage, report, rescale};
use crate::scenarios::{self, CLUSTER, Case, SERVICE, group, tag};

type Meddling = fn(&mut World);

async fn at_every_state(mut case: Case, meddle: Meddling) {
    // What a person removes is not ours to answer for.
    case.healthy = 0;
    scenarios::say_everything(&mut case);
    let (mut runs, mut failures) = (0, Vec::new());
    for moment in 1.. {
        let stage = Stage::new(&case);
        let (mut entered, mut noted) = (0, 1);
        let mut on_event = |event: &HistoryEvent| {
            stage.note(event, &mut noted);
            if matches!(event.kind, EventKind::StateEntered { .. }) {
                entered += 1;
                if entered == moment {
                    stage.aws.with_world(meddle);
                }
            }
        };
        let input = case.event.clone();
        let deployment = stage.installation.deploy("run-1", input, 7, &mut on_event);
        let status = deployment.await.status;
        stage.settled().await;
        if entered < moment {
            break;
        }
        runs += 1;
        let what = match stage.broken() {
            Some(broken) => Some(broken),
            None => in_order(stage).await,
        };
        if let Some(what) = what {
            failures.push(format!("at state {moment}: {what}; it ended {status:?}"));
        }
    }
    report(&case, runs, 25, &failures);
}

/// A new execution brings the service in order, or says what a person has to do (L4).
async fn in_order(stage: Stage) -> Option<String> {
    stage.begin_another();
    let outcome = stage.deploy("run-2").await;
    let broken = stage.broken();
    if broken.is_some() {
        return broken;
    }
    let asks = ["Drift", "PreflightFailed", "ServiceNotActive"];
    let converged = converged(&stage.aws.snapshot());
    match &outcome.status {
        Status::Failed { error, cause }
            if asks.contains(&error.as_str()) && cause.contains("aws ") =>
        {
            None
        }
        Status::Failed { error, cause } => {
            converged.map(|what| format!("{what}: {error}: {cause}"))
        }
        Status::Succeeded { .. } => converged,
        Status::TimedOut => Some("L1: it did not end".to_owned()),
    }
}

fn groups(world: &World) -> (String, String) {
    (group(world, "-tg-1"), group(world, "-tg-2"))
}

fn point_production_at(world: &mut World, group: &str) {
    let mut listeners = world.listeners();
    let listener = listeners.find(|listener| listener.port == 80).unwrap();
    let request = ModifyListener::forwarding(&listener.arn, &[(group, 1)]);
    drop(listeners);
    world.modify_listener(&request).unwrap();
}

pub(crate) fn points_the_listener_at_the_first_group(world: &mut World) {
    let (first, _) = groups(world);
    point_production_at(world, &first);
}

fn loses_the_production_tag(world: &mut World) {
    let (first, second) = groups(world);
    let keys = ["isProduction".to_owned()];
    world.remove_elb_tags(&[first, second], &keys).unwrap();
}

fn tags_both_groups(world: &mut World) {
    let (first, second) = groups(world);
    let tags = [tag("isProduction", "true")];
    world.add_elb_tags(&[first, second], &tags).unwrap();
}

fn newest_set(world: &World) -> String {
    let sets = world.task_sets_of(CLUSTER, SERVICE);
    let newest = sets.iter().max_by_key(|set| set.created_at_ms);
    newest.unwrap().id.clone()
}

fn scales_the_newest_set_down(world: &mut World) {
    let id = newest_set(world);
    let request: UpdateTaskSet = serde_json::from_value(json!({
        "cluster": CLUSTER, "service": SERVICE, "taskSet": id,
        "scale": {"value": 50.0, "unit": "PERCENT"},
    }))
    .unwrap();
    // A set that is being deleted cannot be scaled.
    let _ = world.update_task_set(&request);
}

fn deletes_the_newest_set(world: &mut World) {
    let id = newest_set(world);
    let request: DeleteTaskSet = serde_json::from_value(json!({
        "cluster": CLUSTER, "service": SERVICE, "taskSet": id, "force": true,
    }))
    .unwrap();
    let _ = world.delete_task_set(&request);
}

macro_rules! people {
    ($($test:ident: $meddling:expr,)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                at_every_state(scenarios::two_tasks(), $meddling).await;
            }
        )*
    };
}

people! {
    a_person_points_the_listener_at_the_first_group: points_the_listener_at_the_first_group,
    a_person_removes_the_production_tag: loses_the_production_tag,
    a_person_tags_both_groups: tags_both_groups,
    a_person_scales_the_newest_task_set_down: scales_the_newest_set_down,
    a_person_deletes_the_newest_task_set: deletes_the_newest_set,
    a_person_doubles_the_desired_count: |world| rescale(world, 4),
    a_person_halves_the_desired_count: |world| rescale(world, 1),
}
