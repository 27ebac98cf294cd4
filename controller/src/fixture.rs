//! A service to decide about in tests: `blue` serves on listener 80, `green` is on listener 8080.

use serde_json::{Value, json};

use crate::arn::Home;
use crate::contract::Failure;
use crate::deployment::{Alarm, Course, Deployment, Progress};
use crate::drain::budget::Control;
use crate::drain::flows::Flows;
use crate::identity::DeploymentId;
use crate::lock::Lock;
use crate::observation::{
    Container, Forward, GroupSettings, HealthCheck, Launch, Listener, LoadBalancer, Network,
    Observation, Service, TargetGroup, Targets, TaskDefinition, TaskSet, TaskSetLoadBalancer,
    TaskSetStatus,
};
use crate::request::Request;

/// What this deployment's task set and its swap are labelled with.
pub(crate) const OWNER: &str = "ebbtide:Ebbtide:run-1:20260101T000000Z";

const ELB: &str = "arn:aws:elasticloadbalancing:us-east-1:555555555555";

pub(crate) fn home() -> Home {
    Home {
        partition: "aws".into(),
        region: "us-east-1".into(),
        account: "555555555555".into(),
    }
}

/// The public sample's own input, from `events/`.
pub(crate) fn sample_input() -> Value {
    serde_json::from_str(include_str!("../../events/sample.json")).unwrap()
}

pub(crate) fn group_arn(name: &str) -> String {
    format!("{ELB}:targetgroup/{name}/0123456789abcdef")
}

pub(crate) fn listener_arn(port: u16) -> String {
    format!("{ELB}:listener/net/lb/0123456789abcdef/{port:016}")
}

pub(crate) struct World {
    pub(crate) observation: Observation,
    pub(crate) request: Request,
    pub(crate) progress: Progress,
    pub(crate) execution: String,
    pub(crate) course: Course,
    pub(crate) failure: Option<Failure>,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) control: Control,
    pub(crate) flows: Flows,
    pub(crate) now: u64,
}

impl World {
    /// Four tasks serve on `blue`; nothing else is there. As the public sample leaves it.
    pub(crate) fn serving() -> Self {
        let input = json!({
            "cluster": "main", "serviceName": "web", "taskDefinition": "web:2",
            "waitForService": 60, "scaledown_decrement": 25, "scaledown_wait": 60,
        });
        let mut blue = group("blue");
        blue.is_production = Some("true".into());
        blue.task_set_id = Some("ecs-svc/1".into());
        blue.targets.healthy = 4;
        Self {
            observation: Observation {
                service: Some(Service {
                    status: "ACTIVE".into(),
                    deployment_controller: "EXTERNAL".into(),
                    desired_count: 4,
                    health_check_grace: 60,
                }),
                task_sets: vec![task_set("ecs-svc/1", "blue")],
                load_balancer: Some(LoadBalancer::of(format!(
                    "{ELB}:loadbalancer/net/lb/0123456789abcdef"
                ))),
                listeners: vec![listener(80, "blue"), listener(8080, "green")],
                target_groups: vec![blue, group("green")],
                task_definition: Some(TaskDefinition {
                    arn: "arn:aws:ecs:us-east-1:555555555555:task-definition/web:2".into(),
                    active: true,
                    network_mode: "awsvpc".into(),
                    containers: vec![Container {
                        name: "webserver".into(),
                        ports: vec![8080],
                    }],
                }),
                stopped_tasks: Vec::new(),
            },
            request: Request::parse(&input, &home()).unwrap(),
            progress: Progress::default(),
            execution: "run-1".into(),
            course: Course::Forward,
            failure: None,
            alarms: Vec::new(),
            control: Control::default(),
            flows: Flows::default(),
            now: 0,
        }
    }

    /// The replacement exists; none of its targets is healthy yet.
    pub(crate) fn created() -> Self {
        let mut world = Self::serving();
        let mut replacement = task_set("ecs-svc/2", "green");
        replacement.external_id = Some(OWNER.into());
        replacement.created_at = Some(2_000);
        world.observation.task_sets.push(replacement);
        world.group_mut("green").targets.initial = 4;
        world.listener_mut(80).role = Some("production".into());
        world.listener_mut(8080).role = Some("test".into());
        world.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("green"));
        world
    }

    /// The replacement is steady and healthy.
    pub(crate) fn healthy() -> Self {
        let mut world = Self::created();
        world.group_mut("green").targets = Targets {
            healthy: 4,
            ..Targets::default()
        };
        world
    }

    /// The production listener was moved, and nothing after it.
    pub(crate) fn committed() -> Self {
        let mut world = Self::healthy();
        world.group_mut("green").swap_intent = Some(OWNER.into());
        world.listener_mut(80).forward = Forward::weighted(&group_arn("green"), &group_arn("blue"));
        world
    }

    /// The swap is complete and the drain at its first step.
    pub(crate) fn swapped() -> Self {
        let mut world = Self::committed();
        world.listener_mut(8080).forward =
            Forward::weighted(&group_arn("blue"), &group_arn("green"));
        let green = world.group_mut("green");
        green.swap_intent = None;
        green.is_production = Some("true".into());
        green.task_set_id = Some("ecs-svc/2".into());
        let blue = world.group_mut("blue");
        blue.is_production = None;
        blue.task_set_id = None;
        world.task_set_mut("ecs-svc/2").status = TaskSetStatus::Primary;
        world.progress.step = 1;
        world
    }

    pub(crate) fn deployment(&self) -> Deployment {
        Deployment {
            id: DeploymentId::of_execution(
                &format!(
                    "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:{}",
                    self.execution
                ),
                "2026-01-01T00:00:00Z",
            )
            .unwrap(),
            request: self.request.clone(),
            original_target_group: group_arn("blue"),
            replacement_target_group: group_arn("green"),
            original: Some("ecs-svc/1".into()),
            replacement: Some("ecs-svc/2".into()),
            tasks: 4,
            desired: 4,
            progress: self.progress,
            lock: Lock::of(&self.request),
            course: self.course,
            finishing: false,
            failure: self.failure.clone(),
            alarms: self.alarms.clone(),
            control: self.control.clone(),
            flows: self.flows.clone(),
            now: self.now,
        }
    }

    /// What went wrong, by its name.
    pub(crate) fn failed(mut self, error: &str) -> Self {
        self.failure = Some(Failure {
            error: error.into(),
            cause: "It went wrong.".into(),
        });
        self
    }

    /// An alarm that the request names, in a state.
    pub(crate) fn alarmed(mut self, state: &str) -> Self {
        self.request.alarms = vec!["errors".into()];
        self.alarms = vec![Alarm {
            name: "errors".into(),
            state: state.into(),
        }];
        self
    }

    pub(crate) fn group_mut(&mut self, name: &str) -> &mut TargetGroup {
        let groups = &mut self.observation.target_groups;
        groups.iter_mut().find(|group| group.name == name).unwrap()
    }

    pub(crate) fn listener_mut(&mut self, port: u16) -> &mut Listener {
        let listeners = &mut self.observation.listeners;
        listeners.iter_mut().find(|l| l.port == port).unwrap()
    }

    pub(crate) fn task_set_mut(&mut self, id: &str) -> &mut TaskSet {
        let task_sets = &mut self.observation.task_sets;
        task_sets.iter_mut().find(|set| set.id == id).unwrap()
    }

    pub(crate) fn container_mut(&mut self) -> &mut Container {
        &mut self
            .observation
            .task_definition
            .as_mut()
            .unwrap()
            .containers[0]
    }

    pub(crate) fn add_group(&mut self, name: &str) {
        self.observation.target_groups.push(group(name));
    }
}

fn group(name: &str) -> TargetGroup {
    TargetGroup {
        arn: group_arn(name),
        name: name.into(),
        load_balancer: Some(format!("{ELB}:loadbalancer/net/lb/0123456789abcdef")),
        is_production: None,
        service_name: None,
        task_set_id: None,
        swap_intent: None,
        deregistration_delay: 30,
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

fn listener(port: u16, group: &str) -> Listener {
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

fn task_set(id: &str, group: &str) -> TaskSet {
    TaskSet {
        id: id.into(),
        status: TaskSetStatus::Active,
        task_definition: "arn:aws:ecs:us-east-1:555555555555:task-definition/web:1".into(),
        external_id: None,
        scale: 100.0,
        computed_desired_count: 4,
        running_count: 4,
        pending_count: 0,
        steady: true,
        load_balancers: vec![TaskSetLoadBalancer {
            target_group: group_arn(group),
            container_name: Some("webserver".into()),
            container_port: Some(8080),
        }],
        network: Some(Network {
            subnets: vec!["subnet-0".into()],
            security_groups: vec!["sg-0".into()],
            assign_public_ip: false,
        }),
        launch: Some(Launch::Type("FARGATE".into())),
        platform_version: Some("1.4.0".into()),
        created_at: Some(1_000),
        service_registries: Vec::new(),
        stack: None,
    }
}
