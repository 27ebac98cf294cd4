//! Scale-in that is suspended while two task sets run, and resumed at every end.

use ebbtide_functions::operator;
use ebbtide_simulator::asl::{EventKind, HistoryEvent, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::{EventKind as Happened, ScalableTarget, World};
use ebbtide_simulator::{Scenario, SimulatedAws};
use serde_json::{Value, json};

use crate::support::{
    Ended, deploy, deploy_among, deploy_denied, installed, names, sample_with, sets, world,
};

fn id() -> String {
    let names = names();
    format!("{}/{}", names.cluster, names.service)
}

/// A service that is scaled by the average CPU of its tasks.
fn scaled() -> World {
    let scenario: Scenario = serde_json::from_value(json!({"autoScaling": {}})).unwrap();
    world(&scenario)
}

fn target(world: &World) -> Option<&ScalableTarget> {
    world.scalable_target(&format!("service/{}", id()))
}

fn is_held(world: &World) -> bool {
    target(world)
        .unwrap()
        .suspended
        .dynamic_scaling_in_suspended
}

/// Two task sets run for three quarters of an hour.
fn slow(auto_scaling: &str) -> Value {
    sample_with(&json!({
        "autoScaling": auto_scaling,
        "scaledown_decrement": 25,
        "scaledown_wait": 900,
    }))
}

fn desired(ended: &Ended) -> Vec<u32> {
    let count = |event: &Happened| match event {
        Happened::ServiceUpdated { desired_count, .. } => Some(*desired_count),
        _ => None,
    };
    ended.events.iter().filter_map(count).collect()
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_would_scale_in_while_two_task_sets_run_does_not() {
    let left = deploy(scaled(), "run-1", &slow("leave")).await;
    left.assert_deployed();
    assert!(
        desired(&left).first().is_some_and(|count| *count < 4),
        "{:?}",
        desired(&left)
    );

    let before = scaled();
    let (mut held, event) = (Vec::new(), slow("holdScaleIn"));
    let ended = deploy_among(before.clone(), "run-1", &event, |state, _, world| {
        held.push((state.to_owned(), is_held(world)));
    });
    let ended = ended.await;
    ended.assert_deployed();
    assert_eq!(desired(&ended), Vec::<u32>::new());
    assert_eq!(
        target(&ended.world).unwrap().suspended,
        target(&before).unwrap().suspended
    );
    let first = held.iter().position(|(_, held)| *held).unwrap();
    assert_eq!(held[first - 1].0, "CheckAndCreateService");
    // From then on, until the turn that ends the deployment.
    let after = held[first..].iter().filter(|(_, held)| !held);
    let after: Vec<_> = after.map(|(state, _)| state.as_str()).collect();
    assert_eq!(after, ["CleanedUp", "DeploymentSucceeded"]);
    let writes = ended.writes();
    let calls = writes.iter().filter(|call| *call == REGISTER);
    assert_eq!(calls.count(), 2);
}

const REGISTER: &str = "application-autoscaling:RegisterScalableTarget";

#[tokio::test(start_paused = true)]
async fn without_permission_nothing_is_created() {
    let event = slow("holdScaleIn");
    let before = scaled();
    let (status, after) = deploy_denied(&before, &event, REGISTER, 3).await;
    assert!(
        matches!(&status, Status::Failed { error, .. } if error == "Permission"),
        "{status:?}"
    );
    assert_eq!(sets(&after), sets(&before));
    assert!(!is_held(&after));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_no_scalable_target_is_deployed_all_the_same() {
    let ended = deploy(world(&Scenario::default()), "run-1", &slow("holdScaleIn")).await;
    ended.assert_deployed();
    assert!(!ended.writes().iter().any(|call| call == REGISTER));
}

#[tokio::test(start_paused = true)]
async fn a_scalable_target_that_is_deregistered_meanwhile_is_not_registered_again() {
    let event = slow("holdScaleIn");
    let ended = deploy_among(scaled(), "run-1", &event, |state, _, world| {
        if state == "Bake" {
            world.deregister_scalable_target(&format!("service/{}", id()));
        }
    });
    let ended = ended.await;
    ended.assert_deployed();
    assert_eq!(target(&ended.world), None);
    assert_eq!(ended.output()["remarks"], json!([]));
}

async fn kept(aws: &SimulatedAws) -> Option<String> {
    let item = operator::look(&aws.clients("operator"), &id())
        .await
        .unwrap();
    item.hold.map(|hold| hold.by.to_string())
}

async fn run(installation: &Installation, name: &str, auto_scaling: &str) -> Status {
    let mut quiet = |_: &HistoryEvent| {};
    let deployment = installation.deploy(name, slow(auto_scaling), 1, &mut quiet);
    deployment.await.status
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_resume_says_so_and_the_next_deployment_resumes() {
    let (aws, installation) = installed(scaled());
    // As Application Auto Scaling refuses a caller that lacks a permission of ECS.
    aws.rewrite(|request| {
        let mut body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        if body["SuspendedState"]["DynamicScalingInSuspended"] == false {
            body["ResourceId"] = "service/main/none".into();
            *request.body_mut() = body.to_string().into();
        }
    });
    let Status::Succeeded { output } = run(&installation, "run-1", "holdScaleIn").await else {
        panic!();
    };
    let [remark] = &output["remarks"].as_array().unwrap()[..] else {
        panic!("{output}");
    };
    assert_eq!(remark["code"], "scaleInHeld");
    assert_eq!(remark["resource"], format!("service/{}", id()));
    assert!(
        remark["why"]
            .as_str()
            .unwrap()
            .contains("ValidationException"),
        "{remark}"
    );
    assert!(
        remark["fix"]
            .as_str()
            .unwrap()
            .contains("DynamicScalingInSuspended=false")
    );
    assert!(aws.with_world(|world| is_held(world)));
    assert!(kept(&aws).await.unwrap().ends_with(":run-1"));
    aws.rewrite(|_| {});
    // Whatever its own input says.
    assert!(run(&installation, "run-2", "leave").await.is_success());
    assert!(!aws.with_world(|world| is_held(world)));
    assert_eq!(kept(&aws).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_end_waits_while_application_auto_scaling_is_away() {
    let (aws, installation) = installed(scaled());
    let (mut begun, mut waits) = (false, 0);
    let mut on_event = |event: &HistoryEvent| match &event.kind {
        EventKind::StateEntered { name, .. } if name == "Cleanup" && !begun => {
            begun = true;
            aws.begin_outage("application-autoscaling", 120_000);
        }
        EventKind::TaskSucceeded { output, .. } => {
            let said = output["Payload"]["reason"]["text"].as_str().unwrap();
            waits += u32::from(said.contains("scale-in was not resumed"));
        }
        _ => {}
    };
    let deployment = installation.deploy("run-1", slow("holdScaleIn"), 1, &mut on_event);
    let Status::Succeeded { output } = deployment.await.status else {
        panic!();
    };
    assert_eq!(output["remarks"], json!([]));
    assert!(!aws.with_world(|world| is_held(world)));
    assert!(waits > 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_stopped_execution_has_suspended_the_next_one_resumes() {
    for next in ["leave", "holdScaleIn"] {
        let (aws, installation) = installed(scaled());
        let stop = tokio::sync::Notify::new();
        let mut on_event = |event: &HistoryEvent| {
            if event.enters("Bake") {
                stop.notify_one();
            }
        };
        let stopped = stop.notified();
        let event = slow("holdScaleIn");
        let stopped = installation.deploy_until("run-1", event, 1, &mut on_event, stopped);
        assert!(stopped.await.is_none());
        assert!(aws.with_world(|world| is_held(world)));
        assert!(kept(&aws).await.unwrap().ends_with(":run-1"));
        assert!(run(&installation, "run-2", next).await.is_success());
        assert!(!aws.with_world(|world| is_held(world)), "{next}");
        assert_eq!(kept(&aws).await, None, "{next}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_has_suspended_stays_suspended() {
    let suspended = json!({"DynamicScalingInSuspended": true, "ScheduledScalingSuspended": true});
    let scenario = json!({"autoScaling": {"suspended": suspended}});
    let scenario: Scenario = serde_json::from_value(scenario).unwrap();
    let before = world(&scenario);
    let ended = deploy(before.clone(), "run-1", &slow("holdScaleIn")).await;
    ended.assert_deployed();
    assert_eq!(target(&ended.world), target(&before));
    assert!(!ended.writes().iter().any(|call| call == REGISTER));
}
