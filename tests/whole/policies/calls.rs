//! Deployments that between them take every way there is, judged by policies.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ebbtide_controller::command::Command;
use ebbtide_functions::{Function, Invocation, handle};
use ebbtide_simulator::asl::{EventKind, HistoryEvent};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::{Kind, Tag, World};
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::{Value, json};
use tokio::sync::Notify;

use ebbtide_permissions::{Policies, judge};

use crate::support::{edited, installed};

pub(super) fn event() -> Value {
    Names::default().event()
}

/// Roles that task definitions name.
pub(super) const TASK_ROLE: &str = "arn:aws:iam::555555555555:role/chat-task";

/// A service whose task set has tags, and whose task definitions name roles.
pub(super) fn with_tags_and_roles() -> World {
    let tagged = json!({"tags": {"team": "chat"}});
    let tagged: Scenario = serde_json::from_value(tagged).unwrap();
    edited(&tagged.world().unwrap(), |saved| {
        for family in saved["task_definitions"]
            .as_object_mut()
            .unwrap()
            .values_mut()
        {
            for revision in family.as_object_mut().unwrap().values_mut() {
                revision["registered"]["taskRoleArn"] = TASK_ROLE.into();
            }
        }
    })
}

/// Runs one deployment, and returns the state and the world after each step.
async fn deploy(
    world: World,
    event: Value,
    policies: &Arc<Policies>,
) -> Vec<(String, Value, World)> {
    let aws = SimulatedAws::new(world, 1.0);
    judge(&aws, policies);
    let mut steps = Vec::new();
    let mut on_event = |event: &HistoryEvent| {
        if let EventKind::StateExited { name, output, .. } = &event.kind {
            steps.push((name.clone(), output.clone(), aws.snapshot()));
        }
    };
    let installation = Installation::new(&aws).unwrap();
    installation.deploy("run-1", event, 1, &mut on_event).await;
    steps
}

/// A listener of which one path leads to the service.
fn by_path() -> Value {
    let rule = json!({"priority": 10, "role": "production", "conditions": [{"Field": "path-pattern", "Values": ["/chat/*"]}]});
    json!([
        {"port": 80, "role": "other", "rules": [rule]},
        {"port": 8080, "role": "test"},
    ])
}

pub(super) async fn every_way(policies: &Arc<Policies>) {
    let healthy = with_tags_and_roles();
    let steps = deploy(healthy.clone(), event(), policies).await;

    let on_an_alb = Scenario::with(|scenario| scenario.load_balancer = Kind::Application);
    deploy(on_an_alb.world().unwrap(), event(), policies).await;

    let with_an_alarm = json!({"alarms": [{"name": "errors"}]});
    let with_an_alarm: Scenario = serde_json::from_value(with_an_alarm).unwrap();
    let mut watched = event();
    watched["alarms"] = json!(["errors"]);
    watched["drain"] = json!({"reconnectsPerSecond": 500, "deadline": 3600});
    deploy(with_an_alarm.world().unwrap(), watched, policies).await;

    // Rules that are moved, and rules for tests: deleted after the swap, and in a rollback.
    for fails in [false, true] {
        let mut by_rules = Scenario::with(|scenario| scenario.load_balancer = Kind::Application);
        by_rules.listeners = serde_json::from_value(by_path()).unwrap();
        by_rules.replacement.never_healthy = fails;
        let mut tested = event();
        tested["test"] = json!({"header": {"name": "x-preview", "value": "yes"}});
        tested["readinessTimeout"] = json!(300);
        deploy(by_rules.world().unwrap(), tested, policies).await;
    }

    let scaled: Scenario = serde_json::from_value(json!({"autoScaling": {}})).unwrap();
    let mut held = event();
    held["autoScaling"] = json!("holdScaleIn");
    deploy(scaled.world().unwrap(), held, policies).await;

    let mut crashing = Scenario::default();
    crashing.replacement.crashes_after_seconds = Some(5);
    let mut impatient = event();
    impatient["readinessTimeout"] = json!(300);
    deploy(crashing.world().unwrap(), impatient, policies).await;

    // Its tasks fail while the swap bakes, and in the drain.
    for (seconds, bake) in [(330, 300), (480, 90)] {
        let mut failing = Scenario::default();
        failing.replacement.crashes_after_seconds = Some(seconds);
        let mut baking = event();
        baking["bakeTime"] = json!(bake);
        deploy(failing.world().unwrap(), baking, policies).await;
    }

    // A shift by tasks, and instances that do not stay out of their registry.
    let registry = json!({"tasks": 2, "registry": {"ecsRestoresHealthAfterSeconds": 60}});
    let registry: Scenario = serde_json::from_value(registry).unwrap();
    let mut by_tasks = event();
    by_tasks["shift"] = json!({"percent": 50, "for": 60});
    by_tasks.as_object_mut().unwrap().remove("nlb");
    deploy(registry.world().unwrap(), by_tasks, policies).await;

    let mut straggling = Scenario::default();
    straggling.original.never_stops = true;
    let (aws, installation) = installed(straggling.world().unwrap());
    judge(&aws, policies);
    for name in ["run-1", "run-2"] {
        installation.deploy(name, event(), 1, &mut |_| {}).await;
    }

    let points = ["afterHealthy", "beforeSwap", "afterSwap", "beforeDrain"];
    let pauses = points.map(|at| json!({"at": at, "timeout": 60, "onTimeout": "continue"}));
    let mut planned = event();
    planned["pauses"] = json!(pauses);
    deploy(healthy.clone(), planned, policies).await;

    stopped_and_taken_over(healthy, policies).await;
    commanded(policies).await;

    // A swap that failed between its intent and its commit point.
    let mut steps = steps.into_iter();
    let created = steps.find(|(name, _, _)| name == "CheckAndCreateService");
    let (_, state, mut world) = created.unwrap();
    let group = state["plan"]["replacementTargetGroup"].as_str().unwrap();
    let intent = Tag {
        key: "ebbtide:swap".into(),
        value: "ebbtide:Ebbtide:run-1".into(),
    };
    world.add_elb_tags(&[group.to_owned()], &[intent]).unwrap();
    let undone = roll_back(world.clone(), state.clone(), policies).await;
    assert!(undone.contains("Rolled back"), "{undone}");

    // A first turn that failed may have taken the lock or not.
    let mut before = state;
    before["lock"].as_object_mut().unwrap().remove("fence");
    roll_back(world, before, policies).await;
}

/// An execution that ends with the lock, and the next one, which asks whether it has ended. The routes have lost
/// what is recorded of them, as if the public sample had left them so.
async fn stopped_and_taken_over(world: World, policies: &Arc<Policies>) {
    let (aws, installation) = installed(world);
    judge(&aws, policies);
    let stop = Notify::new();
    let mut on_event = |event: &HistoryEvent| {
        if event.enters("Bake") {
            stop.notify_one();
        }
    };
    let stopped = stop.notified();
    let stopped = installation.deploy_until("run-1", event(), 1, &mut on_event, stopped);
    stopped.await;
    aws.with_world(|world| {
        let listeners: Vec<_> = world.listeners().map(|one| one.arn.clone()).collect();
        let role = ["ebbtide:role".to_owned()];
        world.remove_elb_tags(&listeners, &role).unwrap();
    });
    installation.deploy("run-2", event(), 1, &mut |_| {}).await;
}

/// A deployment that an operator brings back.
async fn commanded(policies: &Arc<Policies>) {
    let (aws, installation) = installed(Scenario::default().world().unwrap());
    judge(&aws, policies);
    let operate = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        let rollback = installation.command("main/chat", Command::Rollback, "alice");
        rollback.await.unwrap().unwrap();
    };
    let mut unheard = |_: &HistoryEvent| {};
    let deploy = installation.deploy("run-1", event(), 1, &mut unheard);
    tokio::join!(deploy, operate);
}

/// A turn of a rollback, at its second check; what it says.
async fn roll_back(world: World, mut state: Value, policies: &Arc<Policies>) -> String {
    let aws = SimulatedAws::new(world, 1.0);
    judge(&aws, policies);
    let function = Function::ScaleDown;
    let clients = aws.clients(function.as_str());
    state["failure"] = json!({"Error": "Permission", "Cause": "because"});
    state["progress"]["checks"] = json!(1);
    state["next"] = json!("Rollback");
    let event = json!({
        "phase": "rollback",
        "execution": "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:run-1",
        "startedAt": "2026-01-01T00:00:00.000Z",
        "state": state,
    });
    let invocation = Invocation {
        function_arn: "arn:aws:lambda:us-east-1:555555555555:function:ebbtide-scale-down",
        nonce: "one",
        began: SystemTime::UNIX_EPOCH,
        deadline: SystemTime::UNIX_EPOCH + Duration::from_mins(1),
        started: tokio::time::Instant::now(),
    };
    let answer = handle(function, invocation, &clients, event).await.unwrap();
    answer["reason"]["text"].as_str().unwrap().to_owned()
}
