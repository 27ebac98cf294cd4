//! A deployment somewhere between its start and its end, and a world in which anything may have
//! happened meanwhile.

use ebbtide_controller::deployment::Deployment;
use ebbtide_controller::id::LoadBalancerArn;
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::request::Request;
use ebbtide_controller::world::{Forward, Route, TargetGroup, Targets, TaskSet, World};
use serde_json::json;

use crate::fixture;
pub(crate) use crate::fixture::{group_arn, listener_arn};

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
        let mut scene = match stage {
            Stage::Serving => fixture::Scene::serving(),
            Stage::Created => fixture::Scene::created(),
            Stage::Healthy => fixture::Scene::healthy(),
            Stage::Committed => fixture::Scene::committed(),
            Stage::Swapped | Stage::Drained => fixture::Scene::swapped(),
        };
        let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2"});
        scene.request = Request::parse(&input, &fixture::home()).expect("a request");
        for group in &mut scene.world.target_groups {
            group.deregistration_delay = DEREGISTRATION_DELAY;
        }
        if stage == Stage::Drained {
            let original = &mut scene.world.task_sets[0];
            (original.scale, original.computed_desired_count) = (0.0, 0);
            original.running_count = 0;
            scene.world.target_groups[0].targets = Targets::default();
        }
        let mut deployment = scene.deployment();
        if stage == Stage::Serving {
            deployment.plan.replacement = None;
        }
        let world = scene.world;
        Self { world, deployment }
    }
}

pub(crate) fn id() -> DeploymentId {
    fixture::Scene::serving().plan().id
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

pub(crate) fn listener(port: u16, group: &str) -> Route {
    let mut route = fixture::Scene::serving().world.routes.remove(1);
    (route.listener, route.port) = (listener_arn(port), port);
    route.arn = route.listener.as_str().into();
    route.forward = Forward::to(&group_arn(group));
    route
}

pub(crate) fn task_set(id: &str, group: &str) -> TaskSet {
    let mut task_set = fixture::Scene::serving().world.task_sets.remove(0);
    task_set.id = id.into();
    task_set.load_balancers[0].target_group = group_arn(group);
    task_set
}
