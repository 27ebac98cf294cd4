//! A deployment somewhere between its start and its end, and a world in which anything may have
//! happened meanwhile.

use ebbtide_controller::deployment::{Deployment, Outgoing, Plan, Progress};
use ebbtide_controller::id::LoadBalancerArn;
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::lock::Lock;
use ebbtide_controller::request::Request;
use ebbtide_controller::world::{Forward, Listener, TargetGroup, Targets, TaskSet, World};
use serde_json::json;

use crate::fixture;
pub(crate) use crate::fixture::{group_arn, listener_arn};
use crate::requests;

const START: &str = "2026-01-01T00:00:00Z";

/// Longer than a step of the drain takes.
const DEREGISTRATION_DELAY: u32 = 300;

/// What a step sees, and the deployment it is a step of.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// What is seen.
    pub world: World,
    /// Whose step it is.
    pub deployment: Deployment,
}

/// How far a deployment has got where nothing unforeseen has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the stages of a deployment by their names")]
pub enum Stage {
    Serving,
    Created,
    Healthy,
    Committed,
    Swapped,
    Drained,
}

impl Scene {
    /// Four tasks on `blue`; where the deployment has got further, four of the replacement on
    /// `green`.
    pub fn at(stage: Stage) -> Self {
        let mut world = match stage {
            Stage::Serving => fixture::Scene::serving().world,
            Stage::Created => fixture::Scene::created().world,
            Stage::Healthy => fixture::Scene::healthy().world,
            Stage::Committed => fixture::Scene::committed().world,
            Stage::Swapped | Stage::Drained => fixture::Scene::swapped().world,
        };
        for group in &mut world.target_groups {
            group.deregistration_delay = DEREGISTRATION_DELAY;
        }
        if stage == Stage::Drained {
            let original = &mut world.task_sets[0];
            (original.scale, original.computed_desired_count) = (0.0, 0);
            original.running_count = 0;
            world.target_groups[0].targets = Targets::default();
        }
        Self {
            world,
            deployment: deployment(stage),
        }
    }
}

fn deployment(stage: Stage) -> Deployment {
    let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2"});
    let request = Request::parse(&input, &requests::home()).expect("a request");
    Deployment {
        lock: Lock::of(&request),
        plan: Plan {
            id: id(),
            request,
            original_target_group: group_arn("blue"),
            replacement_target_group: group_arn("green"),
            original: Some("ecs-svc/1".into()),
            replacement: (stage >= Stage::Created).then(|| "ecs-svc/2".into()),
            outgoing: Outgoing::Original,
            tasks: 4,
            desired: 4,
            swapped: None,
            paused: 0,
            finishing: false,
            failure: None,
        },
        progress: Progress {
            step: u32::from(stage >= Stage::Swapped),
            ..Progress::default()
        },
    }
}

pub(crate) fn id() -> DeploymentId {
    let execution = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:run-1";
    DeploymentId::of_execution(execution, START).expect("an execution")
}

pub(crate) fn load_balancer_arn(name: &str) -> LoadBalancerArn {
    let place = "us-east-1:555555555555:loadbalancer/net";
    format!("arn:aws:elasticloadbalancing:{place}/{name}/0123456789abcdef").into()
}

/// One that no listener names and that has no targets.
pub(crate) fn group(name: &str) -> TargetGroup {
    let mut group = fixture::Scene::serving().world.target_groups.remove(1);
    (group.arn, group.name) = (group_arn(name), name.to_owned());
    group.deregistration_delay = DEREGISTRATION_DELAY;
    group
}

pub(crate) fn listener(port: u16, group: &str) -> Listener {
    let mut listener = fixture::Scene::serving().world.listeners.remove(1);
    (listener.arn, listener.port) = (listener_arn(port), port);
    listener.forward = Forward::to(&group_arn(group));
    listener
}

pub(crate) fn task_set(id: &str, group: &str) -> TaskSet {
    let mut task_set = fixture::Scene::serving().world.task_sets.remove(0);
    task_set.id = id.into();
    task_set.load_balancers[0].target_group = group_arn(group);
    task_set
}
