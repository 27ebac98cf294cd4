//! A deployment somewhere between its start and its end, and a world in which anything may have
//! happened meanwhile.

use ebbtide_controller::budget::Control;
use ebbtide_controller::deployment::{Course, Deployment, Progress};
use ebbtide_controller::flows::Flows;
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::lock::Lock;
use ebbtide_controller::observation::{
    Container, Forward, GroupSettings, HealthCheck, Launch, Listener, LoadBalancer, Network,
    Observation, Service, TargetGroup, Targets, TaskDefinition, TaskSet, TaskSetLoadBalancer,
    TaskSetStatus,
};
use ebbtide_controller::request::Request;
use serde_json::json;

use crate::requests;

const ELB: &str = "arn:aws:elasticloadbalancing:us-east-1:555555555555";
const START: &str = "2026-01-01T00:00:00Z";

/// What a step sees, and the deployment it is a step of.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// What is seen.
    pub observation: Observation,
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
        let mut blue = group("blue");
        let mut green = group("green");
        blue.targets.healthy = 4;
        let mut original = task_set("ecs-svc/1", "blue");
        let mut replacement = task_set("ecs-svc/2", "green");
        replacement.external_id = Some(id().external_id());
        replacement.created_at = Some(2_000);
        let mut production = listener(80, "blue");
        let mut test = listener(8080, "green");
        let (to_blue, to_green) = (weighted("blue", "green"), weighted("green", "blue"));
        if stage >= Stage::Created {
            production.role = Some("production".to_owned());
            test.role = Some("test".to_owned());
            production.forward = to_blue.clone();
            green.targets.initial = 4;
        }
        if stage >= Stage::Healthy {
            green.targets = Targets {
                healthy: 4,
                ..Targets::default()
            };
        }
        if stage >= Stage::Committed {
            production.forward = to_green;
            green.swap_intent = Some(id().tag_value());
        }
        let serving = if stage >= Stage::Swapped {
            test.forward = to_blue;
            green.swap_intent = None;
            replacement.status = TaskSetStatus::Primary;
            green.task_set_id = Some("ecs-svc/2".to_owned());
            &mut green
        } else {
            blue.task_set_id = Some("ecs-svc/1".to_owned());
            &mut blue
        };
        serving.is_production = Some("true".to_owned());
        if stage >= Stage::Drained {
            (original.scale, original.computed_desired_count) = (0.0, 0);
            original.running_count = 0;
            blue.targets = Targets::default();
        }
        let mut task_sets = vec![original];
        if stage >= Stage::Created {
            task_sets.push(replacement);
        }
        Self {
            observation: Observation {
                service: Some(Service {
                    status: "ACTIVE".to_owned(),
                    deployment_controller: "EXTERNAL".to_owned(),
                    desired_count: 4,
                    health_check_grace: 60,
                }),
                task_sets,
                load_balancer: Some(LoadBalancer::of(load_balancer_arn("lb"))),
                listeners: vec![production, test],
                target_groups: vec![blue, green],
                task_definition: Some(definition()),
                stopped_tasks: Vec::new(),
            },
            deployment: deployment(stage),
        }
    }
}

fn deployment(stage: Stage) -> Deployment {
    let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2"});
    let request = Request::parse(&input, &requests::home()).expect("a request");
    Deployment {
        id: id(),
        lock: Lock::of(&request),
        request,
        original_target_group: group_arn("blue"),
        replacement_target_group: group_arn("green"),
        original: Some("ecs-svc/1".to_owned()),
        replacement: (stage >= Stage::Created).then(|| "ecs-svc/2".to_owned()),
        tasks: 4,
        desired: 4,
        progress: Progress {
            step: u32::from(stage >= Stage::Swapped),
            ..Progress::default()
        },
        course: Course::Forward,
        finishing: false,
        failure: None,
        alarms: Vec::new(),
        control: Control::default(),
        flows: Flows::default(),
        now: 0,
    }
}

pub(crate) fn id() -> DeploymentId {
    let execution = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:run-1";
    DeploymentId::of_execution(execution, START).expect("an execution")
}

pub(crate) fn group_arn(name: &str) -> String {
    format!("{ELB}:targetgroup/{name}/0123456789abcdef")
}

pub(crate) fn listener_arn(port: u16) -> String {
    format!("{ELB}:listener/net/lb/0123456789abcdef/{port:016}")
}

pub(crate) fn load_balancer_arn(name: &str) -> String {
    format!("{ELB}:loadbalancer/net/{name}/0123456789abcdef")
}

pub(crate) fn weighted(live: &str, idle: &str) -> Forward {
    Forward::weighted(&group_arn(live), &group_arn(idle))
}

pub(crate) fn group(name: &str) -> TargetGroup {
    TargetGroup {
        arn: group_arn(name),
        name: name.to_owned(),
        load_balancer: Some(load_balancer_arn("lb")),
        is_production: None,
        service_name: None,
        task_set_id: None,
        swap_intent: None,
        deregistration_delay: 300,
        settings: settings(),
        targets: Targets::default(),
    }
}

/// Those of a group that has no findings.
fn settings() -> GroupSettings {
    GroupSettings {
        target_type: "ip".to_owned(),
        protocol: "TCP".to_owned(),
        health_check: HealthCheck {
            protocol: "HTTP".to_owned(),
            interval: 10,
            healthy_threshold: 3,
            unhealthy_threshold: 3,
        },
        ..GroupSettings::default()
    }
}

pub(crate) fn listener(port: u16, group: &str) -> Listener {
    Listener {
        arn: listener_arn(port),
        port,
        forward: Forward::to(&group_arn(group)),
        rule_target_groups: Vec::new(),
        role: None,
        sticky: false,
        stack: None,
    }
}

pub(crate) fn task_set(id: &str, group: &str) -> TaskSet {
    TaskSet {
        id: id.to_owned(),
        status: TaskSetStatus::Active,
        task_definition: "arn:aws:ecs:us-east-1:555555555555:task-definition/web:1".to_owned(),
        external_id: None,
        scale: 100.0,
        computed_desired_count: 4,
        running_count: 4,
        pending_count: 0,
        steady: true,
        load_balancers: vec![TaskSetLoadBalancer {
            target_group: group_arn(group),
            container_name: Some("webserver".to_owned()),
            container_port: Some(8080),
        }],
        network: Some(Network {
            subnets: vec!["subnet-0".to_owned()],
            security_groups: vec!["sg-0".to_owned()],
            assign_public_ip: false,
        }),
        launch: Some(Launch::Type("FARGATE".to_owned())),
        platform_version: Some("1.4.0".to_owned()),
        created_at: Some(1_000),
        service_registries: Vec::new(),
        stack: None,
    }
}

fn definition() -> TaskDefinition {
    TaskDefinition {
        arn: "arn:aws:ecs:us-east-1:555555555555:task-definition/web:2".to_owned(),
        active: true,
        network_mode: "awsvpc".to_owned(),
        containers: vec![Container {
            name: "webserver".to_owned(),
            ports: vec![8080],
        }],
    }
}
