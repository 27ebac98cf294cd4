//! A deployment somewhere between its start and its end, and a world in which anything may have
//! happened meanwhile.

use ebbtide_controller::deployment::{Deployment, Outgoing, Plan, Progress};
use ebbtide_controller::flows::Flows;
use ebbtide_controller::id::{ListenerArn, LoadBalancerArn, TargetGroupArn};
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::lock::Lock;
use ebbtide_controller::request::Request;
use ebbtide_controller::world::{
    Container, Forward, GroupSettings, HealthCheck, Launch, Listener, LoadBalancer, Network,
    Service, StoppedTasks, TargetGroup, Targets, TaskDefinition, TaskSet, TaskSetLoadBalancer,
    TaskSetStatus, World,
};
use serde_json::json;

use crate::requests;

const ELB: &str = "arn:aws:elasticloadbalancing:us-east-1:555555555555";
const START: &str = "2026-01-01T00:00:00Z";

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
            green.task_set_id = Some("ecs-svc/2".into());
            &mut green
        } else {
            blue.task_set_id = Some("ecs-svc/1".into());
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
            world: World {
                service: Service {
                    status: "ACTIVE".into(),
                    deployment_controller: "EXTERNAL".into(),
                    desired_count: 4,
                    health_check_grace: 60,
                },
                task_sets,
                load_balancer: Some(LoadBalancer::of(load_balancer_arn("lb"))),
                listeners: vec![production, test],
                target_groups: vec![blue, green],
                task_definition: Some(definition()),
                stopped_tasks: StoppedTasks::default(),
                alarms: Vec::new(),
                flows: Flows::default(),
                now: 1_767_225_600,
            },
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

pub(crate) fn group_arn(name: &str) -> TargetGroupArn {
    format!("{ELB}:targetgroup/{name}/0123456789abcdef").into()
}

pub(crate) fn listener_arn(port: u16) -> ListenerArn {
    format!("{ELB}:listener/net/lb/0123456789abcdef/{port:016}").into()
}

pub(crate) fn load_balancer_arn(name: &str) -> LoadBalancerArn {
    format!("{ELB}:loadbalancer/net/{name}/0123456789abcdef").into()
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
        service: None,
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
            container_name: Some("webserver".to_owned()),
            container_port: Some(8080),
        }],
        network: Some(Network {
            subnets: vec!["subnet-0".to_owned()],
            security_groups: vec!["sg-0".to_owned()],
            assign_public_ip: false,
        }),
        launch: Some(Launch::Type("FARGATE".into())),
        platform_version: Some("1.4.0".to_owned()),
        created_at: Some(1_000),
        updated_at: Some(1_000),
        service_registries: Vec::new(),
        stack: None,
    }
}

fn definition() -> TaskDefinition {
    TaskDefinition {
        arn: "arn:aws:ecs:us-east-1:555555555555:task-definition/web:2".into(),
        active: true,
        network_mode: "awsvpc".into(),
        containers: vec![Container {
            name: "webserver".to_owned(),
            ports: vec![8080],
        }],
    }
}
