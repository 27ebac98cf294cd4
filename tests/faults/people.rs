//! People who change the service in the middle of a deployment.

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Status};
use ebbtide_simulator::world::{DeleteTaskSet, ModifyListener, Tag, UpdateTaskSet, World};
use serde_json::json;

use crate::invariants::converged;
use crate::run::{Stage, rescale};
use crate::scenarios::{self, CLUSTER, Case, SERVICE};

/// Something that a person does, where it can be done.
type Meddling = fn(&mut World);

/// Lets a person do something whenever the deployment enters a state, one run for each.
async fn at_every_state(mut case: Case, meddle: Meddling) {
    // What a person takes away is not ours to answer for.
    case.healthy = 0;
    scenarios::say_everything(&mut case);
    let (mut runs, mut failures) = (0, Vec::new());
    for moment in 1.. {
        let stage = Stage::new(&case);
        let mut entered = 0;
        let mut noted = 1;
        let outcome = stage
            .installation
            .deploy(
                "run-1",
                case.event.clone(),
                7,
                &mut |event: &HistoryEvent| {
                    stage.note(event, &mut noted);
                    if matches!(event.kind, EventKind::StateEntered { .. }) {
                        entered += 1;
                        if entered == moment {
                            stage.aws.with_world(meddle);
                        }
                    }
                },
            )
            .await;
        stage.settled().await;
        if entered < moment {
            break;
        }
        runs += 1;
        let broken = stage.watch().broken.clone();
        let what = match broken {
            Some(broken) => Some(broken),
            None => in_order(stage).await,
        };
        if let Some(what) = what {
            failures.push(format!(
                "at state {moment}: {what}; it ended {:?}",
                outcome.status
            ));
        }
    }
    println!("{}: {runs} runs, {} failures", case.name, failures.len());
    assert!(runs > 25, "{runs}");
    assert!(
        failures.is_empty(),
        "{}\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// A new execution brings the service in order, or says what a person has to do (L4).
async fn in_order(stage: Stage) -> Option<String> {
    stage.watch().begin_another();
    stage.watch().rolling_back = true;
    let outcome = stage.deploy("run-2").await;
    let broken = stage.watch().broken.clone();
    if broken.is_some() {
        return broken;
    }
    match &outcome.status {
        Status::Failed { error, cause }
            if matches!(
                error.as_str(),
                "Drift" | "PreflightFailed" | "ServiceNotActive"
            ) && cause.contains("aws ") =>
        {
            None
        }
        Status::Failed { error, cause } => {
            converged(&stage.aws.snapshot()).map(|what| format!("{what}: {error}: {cause}"))
        }
        Status::Succeeded { .. } => converged(&stage.aws.snapshot()),
        Status::TimedOut => Some("L1: it did not end".to_owned()),
    }
}

fn groups(world: &World) -> (String, String) {
    let arn = |suffix: &str| {
        let mut groups = world.target_groups();
        groups
            .find(|group| group.name.ends_with(suffix))
            .unwrap()
            .arn
            .clone()
    };
    (arn("-tg-1"), arn("-tg-2"))
}

fn point_production_at(world: &mut World, group: &str) {
    let listener = world
        .listeners()
        .find(|listener| listener.port == 80)
        .unwrap();
    let request = ModifyListener::forwarding(&listener.arn, &[(group, 1)]);
    world.modify_listener(&request).unwrap();
}

pub(crate) fn points_the_listener_at_the_first_group(world: &mut World) {
    let (first, _) = groups(world);
    point_production_at(world, &first);
}

fn loses_the_production_tag(world: &mut World) {
    let (first, second) = groups(world);
    world
        .remove_elb_tags(&[first, second], &["isProduction".to_owned()])
        .unwrap();
}

fn tags_both_groups(world: &mut World) {
    let (first, second) = groups(world);
    let tag = Tag {
        key: "isProduction".into(),
        value: "true".into(),
    };
    world.add_elb_tags(&[first, second], &[tag]).unwrap();
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

fn doubles_the_desired_count(world: &mut World) {
    rescale(world, 4);
}

fn halves_the_desired_count(world: &mut World) {
    rescale(world, 1);
}

macro_rules! people {
    ($($test:ident: $meddling:ident,)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                at_every_state(scenarios::two_tasks(), $meddling).await;
            }
        )*
    };
}

people! {
    somebody_points_the_listener_at_the_first_group: points_the_listener_at_the_first_group,
    somebody_removes_the_production_tag: loses_the_production_tag,
    somebody_tags_both_groups: tags_both_groups,
    somebody_scales_the_newest_task_set_down: scales_the_newest_set_down,
    somebody_deletes_the_newest_task_set: deletes_the_newest_set,
    somebody_doubles_the_desired_count: doubles_the_desired_count,
    somebody_halves_the_desired_count: halves_the_desired_count,
}
